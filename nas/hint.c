#include "nas/hint.h"
#include "util/own.h"
#include <math.h>
#include <string.h>

/* "time_value" of options: with the amount owed B = K (1 - x (1 - x (1/2 - x/6))), x = r T, the
 * network answers from |S - B| / (S + B) and sigma sqrt(T) what the price is above exercise, in
 * units of S + B. Elements: S, K, r, sigma, T, put. */
enum { SPOT, STRIKE, RATE, SIGMA, YEARS, PUT };

static double owed(const double *in)
{
	double x = in[RATE] * in[YEARS];

	return in[STRIKE] * (1 - x * (1 - x * (0.5 - x / 6)));
}

static double option_slope(const double *in, const double *exact)
{
	(void)exact;
	return in[SPOT] + owed(in);
}

static void option_target(const double *in, const double *exact, double *target)
{
	double b = owed(in), gain = in[PUT] >= 0.5 ? b - in[SPOT] : in[SPOT] - b;

	target[0] = (exact[0] - fmax(gain, 0)) / (in[SPOT] + b);
}

/* Instructions of a list; the same ones before and after the network. */
struct list {
	struct hostprog_ins *ins;
	unsigned n;
};

static unsigned put(struct list *l, enum hostprog_op op, unsigned a, unsigned b)
{
	l->ins[l->n] = (struct hostprog_ins){ .op = op, .a = (uint16_t)a, .b = (uint16_t)b };
	return l->n++;
}

static unsigned put_in(struct list *l, unsigned element)
{
	l->ins[l->n] = (struct hostprog_ins){ .op = HP_IN, .index = element };
	return l->n++;
}

static unsigned put_const(struct list *l, double k)
{
	l->ins[l->n] = (struct hostprog_ins){ .op = HP_CONST, .k = k };
	return l->n++;
}

static unsigned put_owed(struct list *l)
{
	unsigned x = put(l, HP_MUL, put_in(l, RATE), put_in(l, YEARS)), one = put_const(l, 1), v;

	v = put(l, HP_SUB, put_const(l, 0.5), put(l, HP_MUL, x, put_const(l, 1.0 / 6)));
	v = put(l, HP_SUB, one, put(l, HP_MUL, x, v));
	v = put(l, HP_SUB, one, put(l, HP_MUL, x, v));
	return put(l, HP_MUL, put_in(l, STRIKE), v);
}

static void option(struct nas_plan *p, uint16_t *base, unsigned *bases)
{
	struct list pre = { p->value, 0 }, post = { p->post, 0 };
	unsigned b = put_owed(&pre), spot = put_in(&pre, SPOT), difference, gain, select, word;

	difference = put(&pre, HP_ABS, put(&pre, HP_SUB, spot, b), 0);
	base[0] = (uint16_t)put(&pre, HP_DIV, difference, put(&pre, HP_ADD, spot, b));
	base[1] = (uint16_t)put(&pre, HP_MUL, put_in(&pre, SIGMA),
				put(&pre, HP_SQRT, put_in(&pre, YEARS), 0));
	*bases = 2;
	p->values = pre.n;
	b = put_owed(&post);
	spot = put_in(&post, SPOT);
	gain = put(&post, HP_SUB, spot, b);
	select =
		put(&post, HP_SELECT, put(&post, HP_SUB, put_in(&post, PUT), put_const(&post, 0.5)),
		    put(&post, HP_SUB, b, spot));
	post.ins[select].c = (uint16_t)gain;
	gain = put(&post, HP_MAX, select, put_const(&post, 0));
	post.ins[post.n] = (struct hostprog_ins){ .op = HP_WORD, .index = 0 };
	word = post.n++;
	b = put(&post, HP_MUL, word, put(&post, HP_ADD, spot, b));
	p->result[0] = (uint16_t)put(&post, HP_ADD, gain, b);
	p->posts = post.n;
	p->targets = 1;
	p->target = option_target;
	p->slope = option_slope;
}

static const struct {
	const char *name;
	void (*make)(struct nas_plan *p, uint16_t *base, unsigned *bases);
	unsigned ins;
} hints[] = { { "time_value", option, 6 } };

bool nas_hint_apply(const struct harvest_task *task, struct nas_plan *plan, uint16_t *base,
		    unsigned *bases)
{
	size_t n = HARVEST_TASK_HAS(task, encoding_count) && task->encodings != NULL
			   ? task->encoding_count
			   : 0;

	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < HV_ARRAY_SIZE(hints); k++)
			if (strcmp(task->encodings[i].name, hints[k].name) == 0 &&
			    task->in.ndim == 1 && task->in.shape[0] == hints[k].ins) {
				hints[k].make(plan, base, bases);
				return true;
			}
	return false;
}
