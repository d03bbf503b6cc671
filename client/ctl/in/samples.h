#ifndef CLIENT_CTL_IN_SAMPLES_H
#define CLIENT_CTL_IN_SAMPLES_H
#include "client/lib/reason.h"
#include "tasks/catalog.h"
#include "util/fs/err.h"
#include <stdbool.h>
#include <stdint.h>

/* Numbers read from a file, before they are records of a task. Every reader takes the bytes
 * of the whole file, trusts none of them, and says in one sentence what is wrong: HV_E_FORMAT,
 * HV_E_NOMEM. */
enum {
	SAMPLES_MAX_DIMS = 4,
	SAMPLES_FILE_MAX_BYTES = 256 << 20, /* of any input file; text is longer than samples */
	SAMPLES_MAX_BYTES = 64 << 20, /* of one job's payload: the protocol's cap */
};

struct samples {
	enum harvest_dtype dtype; /* as in the file */
	uint32_t ndim;
	uint64_t shape[SAMPLES_MAX_DIMS]; /* outermost first; a recording: [frames, channels] */
	uint8_t *data; /* owned; row-major, little-endian */
	size_t bytes;
	bool whole; /* text without fraction or exponent: may become any integer type */
	const char *kind; /* "npy file", for sentences */
};

void samples_free(struct samples *s); /* accepts an empty one */
uint64_t samples_count(const struct samples *s);

HV_NODISCARD int npy_parse(const uint8_t *file, size_t len, struct samples *s, struct reason *why);
HV_NODISCARD int csv_parse(const uint8_t *file, size_t len, struct samples *s, struct reason *why);
HV_NODISCARD int wav_parse(const uint8_t *file, size_t len, struct samples *s, struct reason *why);
HV_NODISCARD int raw_parse(const uint8_t *file, size_t len, enum harvest_dtype dtype,
			   struct samples *s, struct reason *why);

/* Job file: constraints beside the samples. */
struct job_file {
	char task[64];
	uint32_t records;
	struct harvest_tensor in;
	bool has_budget, has_deadline;
	double max_error;
	int64_t deadline_us;
	struct samples samples; /* [records, in.shape...] */
};
bool job_file_is(const uint8_t *file, size_t len);
HV_NODISCARD int job_file_parse(const uint8_t *file, size_t len, struct job_file *j,
				struct reason *why);
/* *file is returned owned. records * bytes of in at data. HV_E_NOMEM, HV_E_INVAL: too large. */
HV_NODISCARD int job_file_build(const struct job_file *j, const char *source, uint8_t **file,
				size_t *len);

/* Whatever the file is: by its first bytes, else by its name, else raw with dtype (0: not
 * given; given for a file that has its own type, it must agree). path "-": stdin. A job file
 * fills *job and sets is_job; others fill job->samples. */
HV_NODISCARD int samples_load(const char *path, enum harvest_dtype dtype, struct job_file *job,
			      bool *is_job, struct reason *why);

/* Make them records of t, in place of what they were: same type; or floating point in [-1, 1)
 * for int16, rounded; or whole numbers of text in range. Flat, [n, elements], [n, shape...] or
 * any shape that ends like t's. converted: they were rounded from another type.
 * HV_E_FORMAT names the first bad index. */
HV_NODISCARD int samples_to_records(struct samples *s, const struct harvest_tensor *t,
				    uint32_t *records, bool *converted, struct reason *why);
/* Only the type part of the above. */
HV_NODISCARD int samples_convert(struct samples *s, enum harvest_dtype to, bool *converted,
				 struct reason *why);

/* "int16[256,2]" into a tensor; false when it is none. */
bool tensor_parse(const char *text, struct harvest_tensor *t);

#endif
