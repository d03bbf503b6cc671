#ifndef CNN_KAT_PARSER_H
#define CNN_KAT_PARSER_H
#include "accel/kat/kat.h"

/* A line being read: `at` moves over its fields. */
struct kat_parser {
	const char *next, *end; /* the text after this line */
	const char *line, *at, *line_end;
	unsigned number;
	struct kat *k;
	unsigned layers; /* promised by the net record */
	uint32_t seen_layers, seen_places, seen_latency; /* a bit a layer */
	bool has_bias[CNN_LAYERS_MAX];
	bool has_net, has_input_shape, done;
	int phase; /* current; KAT_PHASES: expect, + 1: trace; -1: none yet */
	size_t ops_cap, words_cap, expects_cap;
	char *why;
	size_t cap;
};

/* "line N: ..." into why. Always HV_E_FORMAT. */
int kat_bad(struct kat_parser *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

bool kat_line(struct kat_parser *p); /* to the next line; false at the end of the text */
bool kat_word(struct kat_parser *p, const char **word, size_t *len); /* next field */
bool kat_word_is(const char *word, size_t len, const char *is);

/* Next field as a number. */
int kat_hex(struct kat_parser *p, const char *what, uint64_t max, uint64_t *value);
int kat_decimal(struct kat_parser *p, const char *what, int64_t min, int64_t max, int64_t *value);

/* Value of key=value on this line. */
int kat_key_text(struct kat_parser *p, const char *key, const char **text, size_t *len);
int kat_key_int(struct kat_parser *p, const char *key, int64_t min, int64_t max, int64_t *value);
int kat_key_hex(struct kat_parser *p, const char *key, uint64_t max, uint64_t *value);
/* n numbers separated by 'x'. */
int kat_key_sizes(struct kat_parser *p, const char *key, unsigned n, int64_t max, int64_t *value);
/* Which of the names; the list ends with NULL. */
int kat_key_name(struct kat_parser *p, const char *key, const char *const *names, int *which);
/* Numbers separated by commas. */
int kat_key_list(struct kat_parser *p, const char *key, int64_t min, int64_t max, int64_t *values,
		 unsigned most, unsigned *n);

/* Records; the parser stands behind the record's name. */
int kat_parse_net(struct kat_parser *p);
int kat_parse_input(struct kat_parser *p);
int kat_parse_layer(struct kat_parser *p);
int kat_parse_place(struct kat_parser *p);
int kat_parse_latency(struct kat_parser *p);
int kat_parse_tensor(struct kat_parser *p);
int kat_parse_op(struct kat_parser *p, char kind);
int kat_parse_expect(struct kat_parser *p, char kind);

#endif
