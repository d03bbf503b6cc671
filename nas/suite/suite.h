#ifndef NAS_SUITE_H
#define NAS_SUITE_H
#include "accel/package/package.h"
#include "tasks/loop.h"
#include <stdio.h>

/* The suite as a table: what every package is worth, tasks without one and why, and the sum over
 * the sixteen tasks. harvest-nas list prints it, bench/suite measures it again.
 *
 * Glossary
 *   row       one package: price, certificate, marks
 *   recipe    NAME.recipe beside NAME.hvm, KEY=VALUE lines of scripts/models: how it was found.
 *             Believed only when its hash is the package's
 *   refusal   TASK-pass.refused or TASK-goal.refused, the same lines: the best that a search
 *             for this mark has found, and why it does not count
 *   member    one of the sixteen tasks; it has reached a mark when all its variants have
 */
enum {
	SUITE_ROWS_MAX = 1024,
	SUITE_REFUSALS_MAX = 256,
	SUITE_DIR_ENTRIES_MAX = 4096,
	SUITE_RECIPE_MAX_BYTES = 4096,
	SUITE_CPU_CYCLE_NS = 10, /* the modelled Cortex-M4F */
	SUITE_STREAM = 3, /* the test's: of scenes, noise and runs of applications */
};

enum suite_mark {
	SUITE_NO_MARK, /* the task, or what was asked, has none */
	SUITE_MISSED,
	SUITE_PASS,
	SUITE_GOAL,
};
const char *suite_mark_text(enum suite_mark m); /* "-", "none", "pass", "goal" */
enum suite_mark suite_mark_find(const char *text); /* NULL or unknown: SUITE_NO_MARK */

/* One record, modelled; host cycles are of the Cortex-M4F. */
struct suite_price {
	uint32_t cycles; /* of the accelerator */
	uint64_t before, after; /* of the host */
	uint32_t exact; /* of the exact code; 0: the task does not say */
	bool light; /* the host's part is at most a third of the exact code: the suite's rule */
	uint64_t words_in, words_out;
	size_t weight_bytes; /* biases included */
	double bare, moved; /* speed-up without and with the transfer; NaN without exact */
};

struct suite_row {
	const struct harvest_task *task; /* built in; NULL: of another task */
	char *path; /* owned */
	char name[32], task_name[32], engine[32];
	unsigned level, layers;
	enum harvest_metric metric;
	double certified, median, worst;
	uint64_t samples;
	uint8_t hash[32];
	struct suite_price price;
	enum suite_mark by_certificate; /* against the marks of the task's metric */
	enum suite_mark by_application; /* see suite_apply() */
	enum suite_mark mark; /* the lower one of those that judge the task */
	bool has_recipe, is_applied; /* the recipe says what the application reaches */
	double p99, search_s, peak_mib; /* of the recipe; NaN: not known */
	char encoding[128];
};

struct suite_refusal {
	const struct harvest_task *task;
	enum suite_mark aim;
	double error, asked, search_s; /* best certified error; what was asked for */
	uint64_t cycles, host_cycles, host_cycles_most;
	char engine[32], reason[300];
};

struct suite {
	size_t n_rows, n_refusals;
	struct suite_row *row; /* by task and name; owned */
	struct suite_refusal *refusal;
};

/* Something that could not be read; the rest goes on. err: HV_E_*. */
typedef void suite_warn_fn(void *ctx, const char *path, int err, const char *why);

/* Packages and refusals of directories (colon-separated) and of the directories in them, or of
 * files. Of two packages with the same name the first one counts. Fill s with zeros first;
 * suite_free() in every case. HV_E_NOMEM. */
HV_NODISCARD int suite_read_dirs(struct suite *s, const char *dirs, suite_warn_fn *warn, void *ctx);
HV_NODISCARD int suite_read_package(struct suite *s, const char *path, suite_warn_fn *warn,
				    void *ctx);
void suite_sort(struct suite *s);
void suite_free(struct suite *s);

struct suite_price suite_price_of(const struct package *p);
/* Of a certificate value alone. */
enum suite_mark suite_mark_of(const struct harvest_task *t, double certified);

/* The figures of the application with the package as its map (tasks/loop.h), and of jmeint those
 * with a guard. r->n is 0 when the task has none. HV_E_NOMEM, HV_E_BUSY: the network is too large
 * to be tried. */
HV_NODISCARD int suite_apply(const struct package *p, uint64_t seed, struct loop_result *r);
/* Of certificate and application together; the latter alone where it is the whole judgement. */
enum suite_mark suite_mark_join(const struct harvest_task *t, enum suite_mark by_certificate,
				enum suite_mark by_application);

/* The sixteen tasks. */
enum { SUITE_MEMBERS = 16, SUITE_VARIANTS_MAX = 3 };
struct suite_member {
	const char *name;
	const char *variant[SUITE_VARIANTS_MAX + 1]; /* tasks; NULL ends */
};
extern const struct suite_member suite_members[SUITE_MEMBERS];

/* The best package of a mark in time; geometric mean over the variants. 0: not reached. */
struct suite_gain {
	double bare, moved;
};

struct suite_tally {
	struct suite_gain pass[SUITE_MEMBERS], goal[SUITE_MEMBERS];
	unsigned n_pass, n_goal; /* that reach it */
	unsigned n_light; /* that reach pass with packages whose host part is light */
	unsigned n_wins; /* members that are faster with the transfer, at pass */
	struct suite_gain mean_pass, mean_goal; /* geometric, over those that reach it */
	struct suite_gain mean_all; /* over all sixteen at pass; what loses or has none counts 1 */
};
struct suite_tally suite_tally_of(const struct suite *s);
/* The row is the fastest one of its task, with the transfer, at the mark. */
bool suite_is_best(const struct suite *s, const struct suite_row *r, enum suite_mark mark);
/* Why a member stays on the CPU, or NULL: it does not. */
const char *suite_stays(const struct suite_tally *t, size_t member);

/* The same tables for harvest-nas list and bench/suite. */
/* At most 120 columns. whole: tasks without a package too. */
void suite_print_rows(FILE *to, const struct suite *s, bool whole);
void suite_print_figures_head(FILE *to);
void suite_print_figures(FILE *to, const char *name, const struct loop_result *r);
void suite_print_tally(FILE *to, const struct suite *s);

#endif
