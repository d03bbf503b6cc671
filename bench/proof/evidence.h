#ifndef BENCH_PROOF_EVIDENCE_H
#define BENCH_PROOF_EVIDENCE_H
#include "util/fs/err.h"
#include <stdint.h>
#include <stdio.h>

/* What a board did: the CSV that harvest-board --log and the emulated boards write, one line an
 * inference. And the comparison of two boards that saw the same requests: one left alone, one
 * with work. Times in nanoseconds on the modelled clock. */
struct evidence_line {
	uint64_t start, end, requested, hash;
};

struct evidence {
	struct evidence_line *line; /* of the primary, in order, owned */
	size_t n, room;
	uint64_t runs, stopped; /* harvested inferences; of these: stopped for the primary */
	uint64_t computing_ns; /* their time on the accelerator */
};

/* From the file's present position. HV_E_FORMAT: why names line and field; HV_E_NOMEM. */
HV_NODISCARD int evidence_read(FILE *f, const char *name, struct evidence *e, char *why,
			       size_t cap);
void evidence_free(struct evidence *e);

struct comparison {
	uint64_t inferences; /* compared */
	uint64_t missing; /* the board with work did not come to them */
	uint64_t differing; /* other output bits */
	uint64_t first_differing; /* number of the first of them */
	uint64_t repeated; /* outputs equal to the ones before: inputs should vary */
	/* Added wait: request to hand-over, less the same of the board left alone. */
	uint64_t waited; /* inferences with an added wait */
	uint64_t wait_max_ns, wait_p999_ns;
	double wait_mean_ns;
	/* Shift: end of the inference, later than on the board left alone. */
	uint64_t shift_max_ns, shift_p999_ns;
};

/* HV_E_NOMEM. Both clocks begin at their first request. */
HV_NODISCARD int evidence_compare(const struct evidence *alone, const struct evidence *with,
				  struct comparison *c);

#endif
