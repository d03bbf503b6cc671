#ifndef HV_JSON_OUT_H
#define HV_JSON_OUT_H
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Streaming JSON writer: commas, escaping and nesting are its business. Invalid UTF-8 in a
 * string is written as U+FFFD; a double that is not finite is written as null. */
struct hv_json {
	FILE *to;
	int depth;
	bool first; /* nothing written yet at this depth */
};

struct hv_json hv_json_begin(FILE *to);
/* key is NULL inside an array and for the outermost value. */
void hv_json_object(struct hv_json *j, const char *key);
void hv_json_array(struct hv_json *j, const char *key);
void hv_json_end_object(struct hv_json *j);
void hv_json_end_array(struct hv_json *j);
void hv_json_str(struct hv_json *j, const char *key, const char *value); /* NULL: null */
void hv_json_u64(struct hv_json *j, const char *key, uint64_t value);
void hv_json_i64(struct hv_json *j, const char *key, int64_t value);
void hv_json_f64(struct hv_json *j, const char *key, double value);
void hv_json_bool(struct hv_json *j, const char *key, bool value);
void hv_json_null(struct hv_json *j, const char *key);
/* Line end after the outermost value. */
void hv_json_finish(struct hv_json *j);

#endif
