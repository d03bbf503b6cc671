#include "nas/suite/suite.h"
#include <math.h>
#include <string.h>

/* clang-format off */
const struct suite_member suite_members[SUITE_MEMBERS] = {
	{ "fft",          { "fft64", "fft128", "fft256" } },
	{ "specmag",      { "specmag256" } },
	{ "fir32",        { "fir32" } },
	{ "iir",          { "iir_c20", "iir_c05", "iir_c02" } },
	{ "dct",          { "dct32", "dct8x8" } },
	{ "matvec64",     { "matvec64", "matvec64_rank8" } },
	{ "sobel",        { "sobel" } },
	{ "jpeg",         { "jpeg50", "jpeg75" } },
	{ "features",     { "features64" } },
	{ "inversek2j",   { "inversek2j" } },
	{ "forwardk2j",   { "forwardk2j" } },
	{ "kmeans",       { "kmeans" } },
	{ "blackscholes", { "blackscholes" } },
	{ "jmeint",       { "jmeint" } },
	{ "speed",        { "speed" } },
	{ "heading",      { "heading" } },
};
/* clang-format on */

/* The fastest package of a task, with the transfer, that reaches a mark. NULL: none does. */
static const struct suite_row *best_of(const struct suite *s, const char *task,
				       enum suite_mark mark)
{
	const struct suite_row *best = NULL;

	for (size_t i = 0; i < s->n_rows; i++) {
		const struct suite_row *r = &s->row[i];

		if (r->task == NULL || strcmp(r->task->name, task) != 0 || r->mark < mark)
			continue;
		if (best == NULL || r->price.moved > best->price.moved)
			best = r;
	}
	return best;
}

bool suite_is_best(const struct suite *s, const struct suite_row *r, enum suite_mark mark)
{
	return r->task != NULL && best_of(s, r->task->name, mark) == r;
}

static struct suite_gain gain_of(const struct suite *s, const struct suite_member *m,
				 enum suite_mark mark)
{
	double bare = 0, moved = 0;
	unsigned n = 0;

	for (; m->variant[n] != NULL; n++) {
		const struct suite_row *r = best_of(s, m->variant[n], mark);

		if (r == NULL)
			return (struct suite_gain){ 0 };
		bare += log(r->price.bare);
		moved += log(r->price.moved);
	}
	return (struct suite_gain){ exp(bare / n), exp(moved / n) };
}

/* Every variant has a package that reaches pass and leaves the host at most its third. */
static bool is_light(const struct suite *s, const struct suite_member *m)
{
	for (unsigned n = 0; m->variant[n] != NULL; n++) {
		bool found = false;

		for (size_t i = 0; i < s->n_rows && !found; i++) {
			const struct suite_row *r = &s->row[i];

			found = r->task != NULL && strcmp(r->task->name, m->variant[n]) == 0 &&
				r->mark >= SUITE_PASS && r->price.light;
		}
		if (!found)
			return false;
	}
	return true;
}

static unsigned mean_of(const struct suite_gain *of, struct suite_gain *mean)
{
	double bare = 0, moved = 0;
	unsigned n = 0;

	for (size_t i = 0; i < SUITE_MEMBERS; i++) {
		if (!(of[i].moved > 0))
			continue;
		bare += log(of[i].bare);
		moved += log(of[i].moved);
		n++;
	}
	*mean = (struct suite_gain){ 0 };
	if (n > 0)
		*mean = (struct suite_gain){ exp(bare / n), exp(moved / n) };
	return n;
}

struct suite_tally suite_tally_of(const struct suite *s)
{
	struct suite_tally t = { 0 };
	double bare = 0, moved = 0;

	for (size_t i = 0; i < SUITE_MEMBERS; i++) {
		t.pass[i] = gain_of(s, &suite_members[i], SUITE_PASS);
		t.goal[i] = gain_of(s, &suite_members[i], SUITE_GOAL);
		t.n_wins += t.pass[i].moved > 1;
		t.n_light += is_light(s, &suite_members[i]);
		bare += t.pass[i].bare > 1 ? log(t.pass[i].bare) : 0;
		moved += t.pass[i].moved > 1 ? log(t.pass[i].moved) : 0;
	}
	t.n_pass = mean_of(t.pass, &t.mean_pass);
	t.n_goal = mean_of(t.goal, &t.mean_goal);
	t.mean_all = (struct suite_gain){ exp(bare / SUITE_MEMBERS), exp(moved / SUITE_MEMBERS) };
	return t;
}

const char *suite_stays(const struct suite_tally *t, size_t member)
{
	if (!(t->pass[member].moved > 0))
		return "stays on the CPU: pass is not reached";
	if (t->pass[member].bare <= 1)
		return "stays on the CPU: the accelerator is slower";
	if (t->pass[member].moved <= 1)
		return "stays on the CPU: moving the data costs more than is gained";
	return NULL;
}
