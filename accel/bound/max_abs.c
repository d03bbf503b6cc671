#include "accel/bound/bound.h"
#include "accel/bound/source.h"
#include "util/own.h"
#include <math.h>

/* The effective matrix from the weights themselves, so that the bound holds for what runs. */
int bound_effective(const struct package *p, double **effective)
{
	const struct cnn_steps *s = &p->steps;
	size_t values = (size_t)s->rows * s->channels;
	double *e = calloc(values, sizeof(*e));
	double unit = ldexp(1, -s->shift);

	if (e == NULL)
		return HV_E_NOMEM;
	for (unsigned set = 0; set < s->sets; set++)
		for (size_t i = 0; i < values; i++)
			e[i] += (double)s->scale[set] * p->net.layer[set].weights[i];
	for (unsigned r = 0; r < s->rows; r++)
		for (unsigned c = 0; c < s->channels; c++)
			e[(size_t)r * s->channels + c] *= cnn_steps_mul(s, r) * unit;
	*effective = e;
	return HV_OK;
}

/* Interval of one sum. */
struct span {
	double lo, hi;
};

/* What the input step makes of x. */
static int32_t seen(const struct cnn_steps *s, int32_t x)
{
	int32_t q;

	if (s->input == CNN_IN_SPLIT)
		return x;
	q = (x + 128) >> 8;
	return 256 * (q > 127 ? 127 : q);
}

/* Inputs at which e * seen(x) - a * x can be largest or smallest: it is linear in x inside a
 * step of the rounding, and linear in the step's number along equal ends of the steps, so
 * only the ends of the first two and of the last two steps matter. Returns how many. */
static unsigned extremes(const struct cnn_steps *s, int32_t lo, int32_t hi, int32_t x[8])
{
	unsigned n = 0;
	int32_t first_end = ((lo + 128) >> 8) * 256 + 127;
	int32_t last_start = ((hi + 128) >> 8) * 256 - 128;

	x[n++] = lo;
	x[n++] = hi;
	if (s->input == CNN_IN_SPLIT)
		return n;
	/* int16 tops out in step 128, which is clamped to 127: the step before it counts too */
	for (int32_t k = 0; k <= 1; k++) {
		x[n++] = first_end + k;
		x[n++] = last_start - k;
		if (k == 1)
			x[n++] = last_start - 256;
	}
	x[n++] = last_start - 257;
	return n;
}

static struct span element(const struct cnn_steps *s, const struct package_cert *cert, double a,
			   double e)
{
	struct span v = { INFINITY, -INFINITY };
	int32_t x[8];
	unsigned n = extremes(s, cert->in_min, cert->in_max, x);

	for (unsigned i = 0; i < n; i++) {
		double err;

		if (x[i] < cert->in_min || x[i] > cert->in_max)
			continue;
		err = e * seen(s, x[i]) - a * x[i];
		v.lo = err < v.lo ? err : v.lo;
		v.hi = err > v.hi ? err : v.hi;
	}
	return v;
}

static struct span row_span(const struct package *p, const double *a, const double *e)
{
	struct span sum = { 0, 0 };

	for (unsigned c = 0; c < p->steps.channels; c++) {
		struct span v = element(&p->steps, &p->cert, a[c], e[c]);

		sum.lo += v.lo;
		sum.hi += v.hi;
	}
	return sum;
}

static double largest_of(struct span v)
{
	return fmax(v.hi, -v.lo);
}

static double worst_row(const struct package *p, const double *m, const double *e, unsigned r)
{
	const struct cnn_steps *s = &p->steps;
	unsigned half = s->rows / 2u;
	size_t at = (size_t)r * s->channels, sine = (size_t)(half + r) * s->channels;
	struct span c = row_span(p, m + at, e + at), q;
	double plus, minus;

	if (s->finish != CNN_OUT_DFT || r == 0 || r == half)
		return largest_of(c);
	q = row_span(p, m + sine, e + sine);
	plus = largest_of((struct span){ c.lo + q.lo, c.hi + q.hi });
	minus = largest_of((struct span){ c.lo - q.hi, c.hi - q.lo });
	return fmax(plus, minus);
}

double cnn_bound_max_abs(const struct package *p, const double *m)
{
	hv_autofree double *e = NULL;
	double worst = 0;

	if (bound_effective(p, &e) < 0)
		return INFINITY;
	for (unsigned i = 0; i < cnn_steps_items(&p->steps); i++)
		worst = fmax(worst, worst_row(p, m, e, i));
	/* Half an output lsb of rounding. Saturation only brings answer and definition
	 * nearer. The last terms cover the double arithmetic here and in the definition. */
	return (worst + 0.5) * (1 + 1e-9) + 1e-6;
}
