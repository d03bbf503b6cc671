#ifndef SIM_PRIMARY_SPEC_H
#define SIM_PRIMARY_SPEC_H
#include "util/fs/err.h"
#include "util/rng.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* When the primary model of a virtual board wants the accelerator, and for how long:
 *
 *   none
 *   periodic:period_us=33333,busy_us=18480[,jitter_us=500][,told=1]
 *                                       every request up to jitter_us late; told: the primary's
 *                                       firmware tells the agent the times of the next request
 *   bursty:period_us=40000,busy_us=9000,burst=8,pause_us=600000
 *                                       as many requests as a geometric distribution of mean
 *                                       burst says, period_us apart; exponential pauses between
 *   poisson:rate_hz=10,busy_us=8000                          exponential gaps
 *   trace:FILE                                               CSV lines start_us,busy_us
 *   model:FILE[,period_us=..][,busy_us=..]                   a package's network, periodic
 */
enum primary_kind {
	PRIMARY_NONE,
	PRIMARY_PERIODIC,
	PRIMARY_BURSTY,
	PRIMARY_POISSON,
	PRIMARY_TRACE,
	PRIMARY_MODEL,
};

struct primary_use {
	uint64_t start_us;
	uint32_t busy_us;
};

struct primary_spec {
	enum primary_kind kind;
	uint32_t period_us, busy_us, jitter_us; /* busy_us 0 of a model: what it takes */
	uint32_t burst, pause_us; /* means */
	bool told;
	double rate_hz;
	char *file; /* owned */
	struct primary_use *use; /* trace, owned, by start */
	size_t n_uses;
};

enum { PRIMARY_TRACE_MAX_BYTES = 64 << 20 };

/* HV_E_INVAL: the text is wrong; other codes: the trace file is. why gets one sentence. */
HV_NODISCARD int primary_spec_parse(const char *text, struct primary_spec *s, char *why,
				    size_t cap);
void primary_spec_clear(struct primary_spec *s);
const char *primary_kind_text(enum primary_kind k); /* "periodic" */

/* The requests of one run, in order of time; the same seed gives the same requests. */
struct primary_arrivals {
	const struct primary_spec *spec; /* borrowed */
	struct hv_rng rng;
	uint64_t index;
	double at_us;
};

void primary_arrivals_init(struct primary_arrivals *a, const struct primary_spec *s, uint64_t seed);
/* False: there are no more. */
bool primary_arrivals_next(struct primary_arrivals *a, uint64_t *at_ns, uint32_t *busy_us);
/* Between which times the request just got falls, as the primary's firmware knows; false: it
 * says nothing. */
bool primary_arrivals_told(const struct primary_arrivals *a, uint64_t *earliest_us,
			   uint64_t *latest_us);
#endif
