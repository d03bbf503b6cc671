#include "nas/suite/suite.h"
#include "tasks/catalog.h"
#include "tasks/metric.h"
#include <math.h>
#include <string.h>

/* "-" for what is not known. */
static const char *number(double v, const char *fmt, char *to, size_t cap)
{
	if (isnan(v))
		return "-";
	snprintf(to, cap, fmt, v);
	return to;
}

/* A name that begins with its task's goes on behind it. */
static const char *short_name(const struct suite_row *r)
{
	size_t n = strlen(r->task_name);

	return strncmp(r->name, r->task_name, n) == 0 && r->name[n] == '-' ? r->name + n : r->name;
}

static void print_row(FILE *to, const struct suite_row *r)
{
	const struct suite_price *p = &r->price;
	char around[32], p99[32], search[32], exact[32], bare[32], moved[32];

	snprintf(around, sizeof(around), "%llu+%llu%s", (unsigned long long)p->before,
		 (unsigned long long)p->after, p->exact > 0 && !p->light ? "!" : "");
	snprintf(exact, sizeof(exact), "%u", p->exact);
	fprintf(to, "%-15.15s %-10.10s %-11s %8.4g %7s %6u %11s %6s %5llu %6zu %6s %-4s %5s %5s\n",
		r->task_name, short_name(r), hv_metric_text(r->metric), r->certified,
		number(r->p99, "%.3g", p99, sizeof(p99)), p->cycles, around,
		p->exact > 0 ? exact : "-", (unsigned long long)(p->words_in + p->words_out),
		p->weight_bytes, number(r->search_s, "%.1f", search, sizeof(search)),
		suite_mark_text(r->mark), number(p->bare, "%.2f", bare, sizeof(bare)),
		number(p->moved, "%.2f", moved, sizeof(moved)));
}

static bool has_rows(const struct suite *s, const struct harvest_task *t)
{
	for (size_t i = 0; i < s->n_rows; i++)
		if (s->row[i].task == t)
			return true;
	return false;
}

/* What was found, but not good enough; without a number, why there is none. */
static void print_refusal(FILE *to, const struct suite_refusal *f, const char *what)
{
	char error[32], seconds[32];

	fprintf(to, "%-15.15s %-10.10s %-11s %8s ", f->task->name, "-",
		hv_metric_text(f->task->metric), number(f->error, "%.4g", error, sizeof(error)));
	if (isnan(f->error))
		fprintf(to, "%s: %.44s...\n", what, f->reason);
	else
		fprintf(to, "%s: %s is not reached; best of a search of %s s\n", what,
			suite_mark_text(f->aim),
			number(f->search_s, "%.0f", seconds, sizeof(seconds)));
}

static void print_task(FILE *to, const struct suite *s, const struct harvest_task *t)
{
	bool rows = has_rows(s, t), told = rows;

	for (size_t i = 0; i < s->n_rows; i++)
		if (s->row[i].task == t)
			print_row(to, &s->row[i]);
	for (size_t i = 0; i < s->n_refusals; i++) {
		if (s->refusal[i].task != t || (!rows && told))
			continue;
		print_refusal(to, &s->refusal[i], rows ? "searched" : "stays on the CPU");
		told = true;
	}
	if (!told)
		fprintf(to, "%-15.15s %-10s %-11s %8s stays on the CPU: no search is on record\n",
			t->name, "-", hv_metric_text(t->metric), "-");
}

void suite_print_rows(FILE *to, const struct suite *s, bool whole)
{
	fprintf(to, "%-15s %-10s %-11s %8s %7s %6s %11s %6s %5s %6s %6s %-4s %5s %5s\n", "task",
		"package", "metric", "error", "p99", "cycles", "host", "exact", "words", "weight",
		"search", "mark", "bare", "moved");
	for (size_t i = 0; whole && i < task_count(); i++)
		print_task(to, s, task_at(i));
	for (size_t i = 0; i < s->n_rows; i++)
		if (!whole || s->row[i].task == NULL)
			print_row(to, &s->row[i]);
}

void suite_print_figures_head(FILE *to)
{
	fprintf(to, "%-20s %-22s %-9s %9s %9s %7s %7s  %s\n", "package", "figure", "unit", "exact",
		"approx", "pass", "goal", "mark");
}

void suite_print_figures(FILE *to, const char *name, const struct loop_result *r)
{
	for (size_t i = 0; i < r->n; i++) {
		const struct loop_figure *f = &r->of[i];
		char pass[32], goal[32];

		fprintf(to, "%-20s %-22s %-9s %9.4g %9.4g %7s %7s  %s\n", name, f->name, f->unit,
			f->exact, f->value,
			number(f->pass != 0 ? f->pass : NAN, "%g", pass, sizeof(pass)),
			number(f->goal != 0 ? f->goal : NAN, "%g", goal, sizeof(goal)),
			suite_mark_text(suite_mark_find(loop_figure_mark(f))));
	}
}

void suite_print_tally(FILE *to, const struct suite *s)
{
	struct suite_tally t = suite_tally_of(s);

	fprintf(to, "\n%-15s %13s %13s\n%-15s %6s %6s %6s %6s\n", "speed-up", "at pass", "at goal",
		"(modelled)", "bare", "moved", "bare", "moved");
	for (size_t i = 0; i < SUITE_MEMBERS; i++) {
		const double v[4] = { t.pass[i].bare, t.pass[i].moved, t.goal[i].bare,
				      t.goal[i].moved };
		const char *stays = suite_stays(&t, i);

		fprintf(to, "%-15s", suite_members[i].name);
		for (size_t k = 0; k < 4; k++) {
			char text[32];

			fprintf(to, " %6s",
				number(v[k] > 0 ? v[k] : NAN, "%.2f", text, sizeof(text)));
		}
		fprintf(to, "%s%s\n", stays != NULL ? "  " : "", stays != NULL ? stays : "");
	}
	fprintf(to, "%-15s %6.2f %6.2f %6.2f %6.2f  geometric means of those that reach it\n", "",
		t.mean_pass.bare, t.mean_pass.moved, t.mean_goal.bare, t.mean_goal.moved);
	fprintf(to, "%-15s %6.2f %6.2f                all, when what loses stays on the CPU\n", "",
		t.mean_all.bare, t.mean_all.moved);
	fprintf(to,
		"of %d tasks %u reach pass, %u goal; %u are faster with the transfer; %u reach "
		"pass with\nat most a third of the exact code's cycles on the host (! marks what "
		"does not)\n",
		SUITE_MEMBERS, t.n_pass, t.n_goal, t.n_wins, t.n_light);
}
