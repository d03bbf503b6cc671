#ifndef CLIENT_LIB_RESULT_H
#define CLIENT_LIB_RESULT_H
#include "client/include/harvest/harvest.h"
#include "util/fs/err.h"
#include <stdbool.h>

/* Decoder of the one message on the hot path, Result of harvest.proto: strings stay where they
 * are, so that a job costs no allocation for them. A test holds its field table against the
 * generated code. */
enum { RESULT_PARTS_INLINE = 4, RESULT_PARTS_MAX = 1024 };

struct result_part {
	harvest_part part;
	double certified; /* of this part, in the task's metric */
};

struct result {
	const char *job, *task, *metric, *why, *state; /* never NULL once decoded */
	uint32_t records;
	bool ok, has_certified, has_budget, has_first_sample;
	uint64_t first_sample;
	int32_t code;
	double certified, budget;
	uint64_t admit_us, queue_us, transfer_us, compute_us, deliver_us, total_us;
	double board_energy_uj, cpu_energy_uj;
	size_t n_parts;
	harvest_part *parts; /* parts_inline, or owned */
	double *parts_certified; /* likewise */
	harvest_part parts_inline[RESULT_PARTS_INLINE];
	double certified_inline[RESULT_PARTS_INLINE];
};

void result_init(struct result *r); /* all strings "" */
/* msg is changed: its strings are moved to make room for their ends, and r points into it.
 * HV_E_FRAME: not a Result, or more than RESULT_PARTS_MAX parts; HV_E_NOMEM. r was initialised;
 * whatever came out, result_free() it; what it points to after a failure means nothing. */
HV_NODISCARD int result_decode(struct result *r, uint8_t *msg, size_t len);
void result_free(struct result *r); /* what it owns; result_init() to use it again */

/* For the test of the table: kind is one of "string", "uint32", "uint64", "sint32", "bool",
 * "double", "message". NULL when the decoder skips that field. part: of Part, else of Result;
 * times: of Times. */
enum result_table { RESULT_TABLE_RESULT, RESULT_TABLE_PART, RESULT_TABLE_TIMES };
const char *result_field_kind(enum result_table t, uint32_t number);

#endif
