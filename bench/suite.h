#ifndef BENCH_SUITE_H
#define BENCH_SUITE_H
#include "nas/suite/suite.h"

/* One row measured again. */
struct again {
	const struct suite_row *row;
	struct loop_result figures;
	double certified, p99; /* as the certificate was made; NaN: derived packages have a bound */
	double fresh, fresh_p99; /* of records that nobody has drawn before */
	uint64_t fresh_records;
	uint32_t cycles; /* of the network, counted again */
	char differs[200]; /* "" when everything is as listed */
};

/* The README's tables, from what is listed and from the applications. */
void suite_markdown(const struct suite *s, const struct again *again);

#endif
