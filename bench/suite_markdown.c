#include "bench/suite.h"
#include "tasks/metric.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *number(double v, const char *fmt, char *to, size_t cap)
{
	if (isnan(v))
		return "-";
	snprintf(to, cap, fmt, v);
	return to;
}

static bool is_searched(const struct suite_row *r)
{
	return strcmp(r->engine, "matrix") != 0;
}

static void package_row(const struct suite_row *r)
{
	const struct suite_price *p = &r->price;
	char p99[32], search[32];

	printf("| %s | %s | %.4g | %s | %u | %llu + %llu%s | %u | %llu | %zu | %.2f, %.2f | %s | "
	       "%s "
	       "|\n",
	       r->name, hv_metric_text(r->metric), r->certified,
	       number(r->p99, "%.3g", p99, sizeof(p99)), p->cycles, (unsigned long long)p->before,
	       (unsigned long long)p->after, p->light ? "" : " !", p->exact,
	       (unsigned long long)(p->words_in + p->words_out), p->weight_bytes, p->bare, p->moved,
	       number(r->search_s, "%.0f s", search, sizeof(search)), suite_mark_text(r->mark));
}

static void packages(const struct suite *s)
{
	puts("| package | metric | certified | 99 % of records | accelerator cycles | "
	     "host before + after | exact code | words | weights | speed-up: bare, moved | search "
	     "| mark |\n"
	     "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
	for (size_t i = 0; i < s->n_rows; i++)
		if (is_searched(&s->row[i]))
			package_row(&s->row[i]);
}

static void refusals(const struct suite *s)
{
	if (s->n_refusals == 0)
		return;
	puts("\n| not found | metric | asked | best | why | search |\n"
	     "| --- | --- | --- | --- | --- | --- |");
	for (size_t i = 0; i < s->n_refusals; i++) {
		const struct suite_refusal *f = &s->refusal[i];
		char best[32], seconds[32];

		printf("| %s-%s | %s | %g | %s | %s | %s |\n", f->task->name,
		       suite_mark_text(f->aim), hv_metric_text(f->task->metric), f->asked,
		       number(f->error, "%.4g", best, sizeof(best)), f->reason,
		       number(f->search_s, "%.0f s", seconds, sizeof(seconds)));
	}
}

/* Figures that have a mark, of searched packages and of the fastest derived ones. */
static void figures(const struct suite *s, const struct again *again)
{
	puts("\n| application | figure | exact | approximated | pass | goal | mark |\n"
	     "| --- | --- | --- | --- | --- | --- | --- |");
	for (size_t i = 0; i < s->n_rows; i++) {
		const struct suite_row *r = &s->row[i];
		bool shown = is_searched(r) || suite_is_best(s, r, SUITE_PASS) ||
			     suite_is_best(s, r, SUITE_GOAL);

		for (size_t k = 0; shown && k < again[i].figures.n; k++) {
			const struct loop_figure *f = &again[i].figures.of[k];
			char pass[32], goal[32];

			if (f->pass == 0 && f->goal == 0)
				continue;
			printf("| %s | %s%s%s%s | %.3g | %.3g | %s | %s | %s |\n", r->name, f->name,
			       f->unit[0] != '\0' ? " (" : "", f->unit,
			       f->unit[0] != '\0' ? ")" : "", f->exact, f->value,
			       number(f->pass != 0 ? f->pass : NAN, "%g", pass, sizeof(pass)),
			       number(f->goal != 0 ? f->goal : NAN, "%g", goal, sizeof(goal)),
			       suite_mark_text(suite_mark_find(loop_figure_mark(f))));
		}
	}
}

static void gain(struct suite_gain g)
{
	if (g.moved > 0)
		printf(" | %.2f, %.2f", g.bare, g.moved);
	else
		printf(" | -");
}

static void tally(const struct suite *s)
{
	struct suite_tally t = suite_tally_of(s);

	puts("\n| task | speed-up at pass: bare, moved | at goal | |\n| --- | --- | --- | --- |");
	for (size_t i = 0; i < SUITE_MEMBERS; i++) {
		const char *stays = suite_stays(&t, i);

		printf("| %s", suite_members[i].name);
		gain(t.pass[i]);
		gain(t.goal[i]);
		printf(" | %s |\n", stays != NULL ? stays : "");
	}
	printf("| geometric mean");
	gain(t.mean_pass);
	gain(t.mean_goal);
	printf(" | of the %u that reach pass and the %u that reach goal, of %d |\n"
	       "| all",
	       t.n_pass, t.n_goal, SUITE_MEMBERS);
	gain(t.mean_all);
	printf(" | | when what loses stays on the CPU; %u gain time with the transfer; %u reach "
	       "pass with a third of the exact code's cycles on the host |\n",
	       t.n_wins, t.n_light);
}

void suite_markdown(const struct suite *s, const struct again *again)
{
	packages(s);
	refusals(s);
	figures(s, again);
	tally(s);
}
