#include "nas/encoding.h"
#include "nas/curve.h"
#include "nas/knots.h"
#include "util/own.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* What is at share u of the knots. */
static double between(const struct nas_knots *k, double u)
{
	double at = u * (NAS_KNOTS - 1), whole = floor(at);
	unsigned i = (unsigned)whole;

	if (i >= NAS_KNOTS - 1)
		return 1;
	return (double)k->at[i] + (at - whole) * ((double)k->at[i + 1] - (double)k->at[i]);
}

/* Ends of piece i of n, 0..1. */
static double end_of(const struct nas_cut *c, unsigned i, unsigned n)
{
	double u = (double)i / n;

	if (i == 0 || i == n)
		return i == 0 ? 0 : 1;
	switch (c->spacing) {
	case NAS_TO_TOP: return 1 - ldexp(1, -(int)i);
	case NAS_TO_BOTTOM: return ldexp(1, (int)i - (int)n);
	case NAS_TO_ENDS:
		if (2 * i == n)
			return 0.5;
		return 2 * i < n ? ldexp(0.5, (int)i - (int)(n / 2))
				 : 1 - ldexp(0.5, (int)((n + 1) / 2) - (int)i);
	case NAS_TO_MIDDLE:
		if (2 * i == n)
			return 0.5;
		return 2 * i < n ? 0.5 - ldexp(0.5, -(int)i) : 0.5 + ldexp(0.5, (int)i - (int)n);
	case NAS_BY_RANK: return between(&c->rank, u);
	case NAS_BY_BEND: return between(&c->bend, u);
	default: return u;
	}
}

/* A plain byte that is emitted as it is costs least. */
static bool is_byte(const struct nas_plan *p, const struct nas_cut *c, double *offset)
{
	const struct hostprog_ins *s = &p->value[c->value];

	*offset = -128;
	return c->pieces == 1 && s->op == HP_IN && c->lo >= 0 && c->hi <= 255 && c->hi > 250 &&
	       c->lo == floor(c->lo);
}

/* A gain that is all but a power of two becomes one, with a whole offset: integers then stay
 * integers on the host, which is cheaper. */
static bool power_of_two(const struct nas_plan *p, const struct nas_cut *c, double *gain,
			 double *offset)
{
	double exact = 255 / (c->hi - c->lo), power = exp2(rint(log2(exact)));

	if (p->value[c->value].op != HP_IN || !(fabs(power / exact - 1) < 0.01))
		return false;
	*gain = power;
	*offset = rint(-128 - power * c->lo);
	return true;
}

bool nas_encoding_apply(struct nas_encoding *e)
{
	e->plan.channels = 0;
	for (unsigned i = 0; i < e->cuts; i++) {
		const struct nas_cut *c = &e->cut[i];
		double span = c->hi - c->lo, offset, power;

		if (is_byte(&e->plan, c, &offset)) {
			if (!nas_plan_channel(&e->plan, c->value, 1, offset))
				return false;
			continue;
		}
		if (c->pieces == 1 && power_of_two(&e->plan, c, &power, &offset)) {
			if (!nas_plan_channel(&e->plan, c->value, power, offset))
				return false;
			continue;
		}
		for (unsigned k = 0; k < c->pieces; k++) {
			double a = c->lo + span * end_of(c, k, c->pieces);
			double b = c->lo + span * end_of(c, k + 1, c->pieces);
			double gain = b > a ? 255 / (b - a) : 0;

			if (!nas_plan_channel(&e->plan, c->value, gain, -128 - gain * a))
				return false;
		}
	}
	return e->plan.channels > 0;
}

void nas_encoding_features(const struct nas_encoding *e, uint8_t *feature)
{
	for (unsigned i = 0; i < e->cuts; i++)
		for (unsigned k = 0; k < e->cut[i].pieces; k++)
			*feature++ = (uint8_t)i;
}

void nas_encoding_range(struct nas_encoding *e, unsigned cut, const struct nas_data *d)
{
	hv_autofree double *col = nas_plan_columns(&e->plan, d);
	struct nas_cut *c = &e->cut[cut];

	c->lo = 0;
	c->hi = 1;
	if (col == NULL || d->n == 0)
		return;
	c->lo = c->hi = col[c->value * d->n];
	for (size_t i = 0; i < d->n; i++) {
		double v = col[c->value * d->n + i];

		c->lo = v < c->lo ? v : c->lo;
		c->hi = v > c->hi ? v : c->hi;
	}
	if (!isfinite(c->lo) || !isfinite(c->hi)) {
		c->lo = 0;
		c->hi = 1;
	}
	nas_knots_find(&e->plan, d, col + c->value * d->n, c);
}

/* A value in the usual notation: x0*x0+x1*x1. */
static void value_text(const struct nas_plan *p, unsigned v, char *to, size_t cap)
{
	const struct hostprog_ins *s = &p->value[v];
	const char *sign = s->op == HP_ADD   ? "+"
			   : s->op == HP_SUB ? "-"
			   : s->op == HP_MUL ? "*"
			   : s->op == HP_DIV ? "/"
					     : "?";
	char a[40] = "", b[40] = "";

	if (s->op == HP_IN) {
		snprintf(to, cap, "x%u", s->index);
	} else if (s->op == HP_CONST) {
		snprintf(to, cap, "%g", s->k);
	} else if (s->op == HP_SQRT || s->op == HP_ABS) {
		value_text(p, s->a, a, sizeof(a));
		snprintf(to, cap, "%s(%.30s)", s->op == HP_SQRT ? "sqrt" : "abs", a);
	} else {
		value_text(p, s->a, a, sizeof(a));
		value_text(p, s->b, b, sizeof(b));
		snprintf(to, cap, "%.18s%s%.18s", a, sign, b);
	}
}

void nas_encoding_describe(struct nas_encoding *e)
{
	static const char *const words[] = { "",           " to top",  " to bottom", " to ends",
					     " to middle", " by rank", " by bend" };
	char one[40];
	size_t at = 0, cap = sizeof(e->plan.text);

	e->plan.text[0] = '\0';
	if (e->plan.curve.kind != NAS_CURVE_NONE)
		at += (size_t)snprintf(e->plan.text, cap, "%s of ",
				       nas_curve_text(e->plan.curve.kind));
	for (unsigned i = 0; i < e->cuts && at < cap; i++) {
		value_text(&e->plan, e->cut[i].value, one, sizeof(one));
		at += (size_t)snprintf(e->plan.text + at, cap - at, "%s%s/%u%s", i > 0 ? ", " : "",
				       one, e->cut[i].pieces, words[e->cut[i].spacing]);
	}
}
