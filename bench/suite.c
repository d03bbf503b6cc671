/* The suite's packages measured again, row by row: the certificate on its own records, fresh
 * records of a stream that no search and no certificate has drawn from, counts of cycles, and the
 * applications with the package as their map. Errors are measured; cycles and speed-ups are
 * modelled: see nas/suite/price.c. Usage: suite [--markdown] RECORDS DIRS */
#include "bench/suite.h"
#include "accel/arch.h"
#include "accel/cost/cost.h"
#include "nas/certify.h"
#include "tasks/metric.h"
#include "util/own.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FRESH_STREAM = 1009 };

__attribute__((format(printf, 2, 3))) static void differ(struct again *a, const char *fmt, ...)
{
	va_list ap;

	if (a->differs[0] != '\0')
		return; /* the first is enough */
	va_start(ap, fmt);
	vsnprintf(a->differs, sizeof(a->differs), fmt, ap);
	va_end(ap);
}

static bool is_near(double a, double b, double relative)
{
	return fabs(a - b) <= relative * fmax(fabs(a), fabs(b));
}

/* The certificate once more on the records that it rests on. */
static void certify_again(struct again *a, struct package *p)
{
	const struct suite_row *r = a->row;
	struct nas_verdict v;
	char why[300] = "";

	if (p->host == NULL || r->samples < NAS_SAMPLES_MIN)
		return;
	if (nas_certify(p, r->task, NAS_TEST_STREAM, r->samples, &v, why, sizeof(why)) != HV_OK) {
		differ(a, "no certificate: %s", why);
		return;
	}
	a->certified = p->cert.certified;
	a->p99 = v.p99;
	if (!is_near(a->certified, r->certified, 1e-6))
		differ(a, "%g is certified, %g is listed", a->certified, r->certified);
	if (!isnan(r->p99) && !is_near(a->p99, r->p99, 1e-6))
		differ(a, "99 %% have %g, %g is listed", a->p99, r->p99);
}

/* Records of another stream may exceed the bound only as far as their own doubt reaches. */
static void try_fresh(struct again *a, struct package *p, uint64_t records)
{
	const struct suite_row *r = a->row;
	struct nas_verdict v;
	char why[300] = "";
	double doubt;

	if (nas_certify(p, r->task, FRESH_STREAM, records, &v, why, sizeof(why)) != HV_OK) {
		differ(a, "fresh records: %s", why);
		return;
	}
	a->fresh = v.whole;
	a->fresh_p99 = v.p99;
	doubt = fabs(v.whole - p->cert.certified);
	doubt = hv_metric_larger_is_better(r->metric) ? -doubt : doubt;
	if (!hv_metric_meets(r->metric, v.whole - doubt, r->certified))
		differ(a, "%g of %llu fresh records contradict %g", v.whole,
		       (unsigned long long)records, r->certified);
}

static void apply_again(struct again *a, const struct package *p)
{
	enum suite_mark mark;

	if (suite_apply(p, SUITE_STREAM, &a->figures) != HV_OK)
		a->figures.n = 0;
	mark = suite_mark_find(loop_mark(&a->figures));
	if (mark != a->row->by_application)
		differ(a, "the application reaches %s, %s is listed", suite_mark_text(mark),
		       suite_mark_text(a->row->by_application));
}

static void measure(struct again *a, uint64_t records)
{
	struct package *p = NULL;
	char why[300] = "";

	a->certified = a->p99 = a->fresh = a->fresh_p99 = NAN;
	if (a->row->task == NULL) {
		differ(a, "of no built-in task");
		return;
	}
	if (package_read(a->row->path, &p, why, sizeof(why)) != HV_OK) {
		differ(a, "%s", why);
		return;
	}
	apply_again(a, p);
	a->cycles = cnn_cost_cycles(&p->net) - CNN_STARTUP_CYCLES;
	if (a->cycles != a->row->price.cycles)
		differ(a, "the network takes %u cycles, %u are listed", a->cycles,
		       a->row->price.cycles);
	if (records > 0 && package_self_test(p, why, sizeof(why)) != HV_OK)
		differ(a, "%s", why);
	if (records > 0) {
		certify_again(a, p);
		try_fresh(a, p, records);
	}
	package_free(p);
}

static void print_again(const struct again *a)
{
	char again[32] = "bound", p99[32] = "-";

	if (!isnan(a->certified))
		snprintf(again, sizeof(again), "%.4g", a->certified);
	if (!isnan(a->p99))
		snprintf(p99, sizeof(p99), "%.3g", a->p99);
	printf("%-20s %-11s %9.4g %9s %9.4g %8s %8.3g %6u  %s%s\n", a->row->name,
	       hv_metric_text(a->row->metric), a->row->certified, again, a->fresh, p99,
	       a->fresh_p99, a->cycles,
	       a->differs[0] == '\0' ? "reproduced" : "differs: ", a->differs);
}

static bool print_all(const struct suite *s, const struct again *again, uint64_t records)
{
	size_t same = 0;

	puts("== as harvest-nas list has it");
	suite_print_rows(stdout, s, true);
	suite_print_tally(stdout, s);
	printf("\n== measured again: the certificate on its own records, and %llu fresh records\n",
	       (unsigned long long)records);
	printf("%-20s %-11s %9s %9s %9s %8s %8s %6s\n", "package", "metric", "listed", "again",
	       "fresh", "p99", "fresh", "cycles");
	for (size_t i = 0; i < s->n_rows; i++) {
		print_again(&again[i]);
		same += again[i].differs[0] == '\0';
	}
	puts("\n== applications with the package as their map");
	suite_print_figures_head(stdout);
	for (size_t i = 0; i < s->n_rows; i++)
		suite_print_figures(stdout, s->row[i].name, &again[i].figures);
	printf("\n%zu rows reproduced, %zu differ\n", same, s->n_rows - same);
	return same == s->n_rows;
}

static void warn(void *ctx, const char *path, int err, const char *why)
{
	bool *broken = ctx;

	(void)err;
	fprintf(stderr, "suite: %s: %s\n", path, why);
	*broken = true;
}

int main(int argc, char **argv)
{
	bool markdown = argc > 1 && strcmp(argv[1], "--markdown") == 0, all = true, broken = false;
	uint64_t records = argc > 2 ? strtoull(argv[1 + markdown], NULL, 10) : 0;
	hv_autofree struct again *again = NULL;
	struct suite s = { 0 };

	if (argc != 3 || (!markdown && records < NAS_SAMPLES_MIN)) {
		fprintf(stderr, "usage: suite RECORDS DIRS (at least %d), or --markdown DIRS\n",
			NAS_SAMPLES_MIN);
		return 2;
	}
	if (suite_read_dirs(&s, argv[2], warn, &broken) == HV_OK)
		again = calloc(s.n_rows + 1, sizeof(*again));
	suite_sort(&s);
	for (size_t i = 0; again != NULL && i < s.n_rows; i++) {
		again[i].row = &s.row[i];
		measure(&again[i], markdown ? 0 : records);
	}
	if (again == NULL)
		fputs("suite: out of memory\n", stderr);
	else if (markdown)
		suite_markdown(&s, again);
	else
		all = print_all(&s, again, records);
	all = all && again != NULL && !broken;
	suite_free(&s);
	return all ? 0 : 1;
}
