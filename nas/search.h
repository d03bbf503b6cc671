#ifndef NAS_SEARCH_H
#define NAS_SEARCH_H
#include "accel/package/package.h"
#include "nas/model.h"

enum { NAS_FOUND_MAX = 128, NAS_TRACE_MAX = 512 };

/* One approximation that the search has met. */
struct nas_found {
	struct package *package; /* owned; without certificate and vectors, but for linear tasks */
	double error; /* the task's metric on validation records, by the whole-number network */
	uint32_t cycles; /* of the accelerator, for one record */
	uint64_t host_cycles;
	size_t weight_bytes;
	uint32_t words; /* unloaded for one record */
	unsigned layers;
	double at_s; /* since the search began */
	char engine[32];
	char encoding[96];
};

struct nas_trace {
	double at_s, error; /* best so far */
};

struct nas_front {
	unsigned n;
	struct nas_found of[NAS_FOUND_MAX]; /* none is worse than another in everything; by error,
					       best first */
	unsigned tried;
	unsigned traces;
	struct nas_trace trace[NAS_TRACE_MAX];
	double seconds;
	double base_error; /* of the linear least-squares fit with the same interface; NaN: none */
};

struct nas_request {
	const struct harvest_task *task;
	double aim; /* stop looking for less error than this; the search goes on to make it cheap */
	double max_error; /* what an answer has to meet; see hv_metric_meets() */
	double max_latency_us; /* of the accelerator for one record, 0: any */
	size_t max_weight_bytes; /* 0: any */
	uint64_t max_host_cycles; /* a third of the exact code's; 0: any */
	bool host_unsaid; /* the task does not say what its exact code takes; max_host_cycles is
			     then a guess, which the search drops for what it knows better */
	double budget_s;
	uint64_t seed;
	unsigned threads;
	/* Progress; may be NULL. */
	void (*say)(void *ctx, const char *what, double share, double best);
	void *ctx;
	double start_s;
	const char *resume; /* file of a journal, nas/journal.h; NULL: none */
	bool resume_damaged; /* out: some of it could not be read */
	int resume_error; /* out: an errno value, why results could not be kept */
	struct nas_journal *journal; /* while engines run */
};

/* Everything the engines found, with no claim that any meets the request. *front is returned
 * owned: nas_front_free(). HV_E_NOMEM; HV_E_INVAL with a sentence in why: the task cannot be
 * searched. */
HV_NODISCARD int nas_search(struct nas_request *q, struct nas_front **front, char *why, size_t cap);
void nas_front_free(struct nas_front *f); /* NULL is fine */

/* Adds one; drops what it beats, or itself. Takes the package in every case. */
void nas_front_add(struct nas_front *f, const struct harvest_task *task, struct nas_found found);
/* The cheapest that meets error and limits, by accelerator cycles, then host cycles (by the time
 * of both, where max_host_cycles is 0), words, weights; else the one of least error. NULL: nothing
 * found. *meets: it does. */
struct nas_found *nas_front_choose(struct nas_front *f, const struct nas_request *q, bool *meets);
/* Something in it leaves the host at most what it may do. */
bool nas_front_within(const struct nas_front *f, const struct nas_request *q);
/* True when error a is smaller than b in the sense of the task's metric. */
bool nas_better(const struct harvest_task *task, double a, double b);
double nas_now_s(void);
bool nas_time_left(const struct nas_request *q, double share);
void nas_say(const struct nas_request *q, const char *what, double share, double best);
/* Prices a model, packs it and adds it. HV_E_NOMEM, HV_E_INVAL. */
HV_NODISCARD int nas_front_add_model(struct nas_front *f, struct nas_request *q,
				     struct nas_model *m, char *why, size_t cap);

/* Adds a package whose network, steps and host program are there; takes it. Its error is that of
 * `records` records of the validation stream. HV_E_NOMEM, HV_E_INVAL. */
HV_NODISCARD int nas_front_add_package(struct nas_front *f, struct nas_request *q,
				       struct package *p, const char *engine, const char *text,
				       size_t records, char *why, size_t cap);

/* The same, its error being that over d. */
HV_NODISCARD int nas_front_add_judged(struct nas_front *f, struct nas_request *q, struct package *p,
				      const char *engine, const char *text,
				      const struct nas_data *d, char *why, size_t cap);

/* Engines. Each adds what it finds; HV_E_NOENT: not for this task. */
HV_NODISCARD int nas_search_linear(struct nas_request *q, struct nas_front *f, char *why,
				   size_t cap);
/* Both: HV_E_NOENT too has a sentence in why when the task is too large; HV_E_BUDGET: its inputs
 * alone cost the host too much. */
HV_NODISCARD int nas_search_points(struct nas_request *q, struct nas_front *f, char *why,
				   size_t cap);
HV_NODISCARD int nas_search_wide(struct nas_request *q, struct nas_front *f, char *why, size_t cap);
HV_NODISCARD int nas_search_structure(struct nas_request *q, struct nas_front *f, char *why,
				      size_t cap);

#endif
