#include "nas/curve.h"
#include <math.h>
#include <string.h>

/* exp(z) on the host: of a small argument by four terms, then squared `doublings` times. */
enum { DOUBLINGS_MAX = 12, FEWEST_RECORDS = 64 };
static const double small_argument = 0.2; /* the series is then right to 3e-6 */
static const double least_ratio = 1.5; /* of the largest answer to the smallest: else no curve */
static const double flat_share = 0.03; /* of the largest answer: slopes are not steeper than here */

struct answers {
	double least, most; /* of absolute values */
	double sign; /* of all that are not 0; 0: both signs occur */
};

static struct answers look(const struct nas_data *d)
{
	struct answers a = { .least = INFINITY };
	bool up = false, down = false;

	for (size_t i = 0; i < d->n; i++) {
		double y = d->ref[i];

		up |= y > 0;
		down |= y < 0;
		a.least = fmin(a.least, fabs(y));
		a.most = fmax(a.most, fabs(y));
	}
	a.sign = up && down ? 0 : down ? -1 : 1;
	return a;
}

double nas_curve_target(const struct nas_curve *c, double y)
{
	switch (c->kind) {
	case NAS_CURVE_EXP: return (log(fmax(fabs(y), c->floor)) - c->middle) * c->unit;
	case NAS_CURVE_ROOT: return y * y;
	case NAS_CURVE_OVER: return 1 / y;
	case NAS_CURVE_SQUARE: return sqrt(fabs(y));
	default: return y;
	}
}

double nas_curve_slope(const struct nas_curve *c, double y)
{
	double v = fmax(fabs(y), c->floor);

	switch (c->kind) {
	case NAS_CURVE_EXP: return v / c->unit;
	case NAS_CURVE_ROOT: return 0.5 / v;
	case NAS_CURVE_OVER: return y * y;
	case NAS_CURVE_SQUARE: return 2 * sqrt(v);
	default: return 1;
	}
}

const char *nas_curve_text(enum nas_curve_kind kind)
{
	static const char *const text[NAS_CURVES] = { "", "exp", "root", "1/", "square" };

	return text[kind];
}

static bool suits(enum nas_curve_kind kind, const struct answers *a)
{
	if (a->sign == 0 || !(a->most > 0) || !isfinite(a->most * a->most))
		return false;
	if (kind == NAS_CURVE_ROOT || kind == NAS_CURVE_SQUARE)
		return a->least * least_ratio < a->most;
	return a->least > 0 && isfinite(1 / a->least) && a->least * least_ratio < a->most;
}

/* ---- the instructions ---- */

static unsigned put(struct nas_plan *p, enum hostprog_op op, unsigned a, unsigned b)
{
	p->post[p->posts] = (struct hostprog_ins){ .op = op, .a = (uint16_t)a, .b = (uint16_t)b };
	return p->posts++;
}

static unsigned put_const(struct nas_plan *p, double k)
{
	p->post[p->posts] = (struct hostprog_ins){ .op = HP_CONST, .k = k };
	return p->posts++;
}

/* e^(middle + w 2^doublings) from w. */
static unsigned put_exp(struct nas_plan *p, unsigned w, double scale, int doublings)
{
	static const double terms[] = { 1.0 / 6, 0.5, 1, 1 };
	unsigned v = put_const(p, 1.0 / 24);

	for (unsigned i = 0; i < 4; i++)
		v = put(p, HP_ADD, put(p, HP_MUL, v, w), put_const(p, terms[i]));
	for (int i = 0; i < doublings; i++)
		v = put(p, HP_MUL, v, v);
	return put(p, HP_MUL, v, put_const(p, scale));
}

/* The word, kept within what was seen, then the curve. */
static void emit(struct nas_plan *p, double lo, double hi, double sign, int doublings)
{
	unsigned w, v;

	p->posts = 0;
	p->post[p->posts++] = (struct hostprog_ins){ .op = HP_WORD, .index = 0 };
	w = put(p, HP_MAX, 0, put_const(p, lo));
	w = put(p, HP_MIN, w, put_const(p, hi));
	switch (p->curve.kind) {
	case NAS_CURVE_EXP: v = put_exp(p, w, sign * exp(p->curve.middle), doublings); break;
	case NAS_CURVE_OVER: v = put(p, HP_DIV, put_const(p, 1), w); break;
	default:
		v = p->curve.kind == NAS_CURVE_ROOT ? put(p, HP_SQRT, w, 0) : put(p, HP_MUL, w, w);
		if (sign < 0)
			v = put(p, HP_MUL, v, put_const(p, -1));
	}
	p->result[0] = (uint16_t)v;
}

bool nas_curve_apply(struct nas_plan *plan, enum nas_curve_kind kind, const struct nas_data *d)
{
	struct nas_curve c = { .kind = kind };
	struct answers a;
	double ends[2];
	int doublings = 0;

	if (kind == NAS_CURVE_NONE || d->outs != 1 || d->n < FEWEST_RECORDS)
		return false;
	a = look(d);
	if (!suits(kind, &a))
		return false;
	c.floor = flat_share * a.most;
	if (kind == NAS_CURVE_EXP) {
		double half = log(a.most / a.least) / 2;

		while (ldexp(half, -doublings) > small_argument && doublings < DOUBLINGS_MAX)
			doublings++;
		c.floor = a.least;
		c.middle = log(a.least) + half;
		c.unit = ldexp(1, -doublings);
	}
	ends[0] = nas_curve_target(&c, a.sign * a.least);
	ends[1] = nas_curve_target(&c, a.sign * a.most);
	plan->curve = c;
	emit(plan, fmin(ends[0], ends[1]), fmax(ends[0], ends[1]), a.sign, doublings);
	return true;
}

void nas_curve_remove(struct nas_plan *plan)
{
	if (plan->curve.kind == NAS_CURVE_NONE)
		return;
	plan->curve = (struct nas_curve){ .kind = NAS_CURVE_NONE };
	plan->posts = 0;
}
