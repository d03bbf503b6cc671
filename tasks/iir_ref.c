#include "tasks/builtin.h"
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

/* H(z): Butterworth low-pass of order 2, cut-off .2, .05 or .02 of Nyquist, by the bilinear
 * transform with the cut-off in place.
 *
 * State space. The companion form of H is brought to the state in which the controllability
 * Gramian (the covariance of the state under white input of power 1) is the identity and the
 * observability Gramian is diagonal: input-balanced. Every state then has the power of white
 * input, but a steady tone near the cut-off drives it higher, by up to 7 for the lowest
 * cut-off. The state is therefore scaled down by a power of two, such that the tones and the
 * noise of the domain do not reach the rails of q15 (a test counts). */

/* Of the state: 2^-shift, per filter. */
static const int shift[IIR_FILTERS] = { 1, 2, 3 };
static const double cut_off[IIR_FILTERS] = { 0.2, 0.05, 0.02 };

static struct iir_section section[IIR_FILTERS];
static double coefficients[IIR_FILTERS][IIR_IO * IIR_IO];

/* y = b0 u + ... in direct form: numerator k (1 + z^-1)^2, denominator 1 + a1 z^-1 + a2 z^-2. */
static void design(double fc, double *k, double *a1, double *a2)
{
	double w = tan(M_PI * fc / 2), norm = 1 + M_SQRT2 * w + w * w;

	*k = w * w / norm;
	*a1 = 2 * (w * w - 1) / norm;
	*a2 = (1 - M_SQRT2 * w + w * w) / norm;
}

/* P = sum over n of (A^n b)(A^n b)': p00, p01, p11. The slowest pole has radius .957: 4096
 * terms leave nothing. transposed: of A'. */
static void gramian(const double a[2][2], const double b[2], bool transposed, double p[3])
{
	double v[2] = { b[0], b[1] };

	memset(p, 0, 3 * sizeof(*p));
	for (int n = 0; n < 4096; n++) {
		double cross01 = transposed ? a[1][0] : a[0][1];
		double cross10 = transposed ? a[0][1] : a[1][0];
		double next = a[0][0] * v[0] + cross01 * v[1];

		p[0] += v[0] * v[0];
		p[1] += v[0] * v[1];
		p[2] += v[1] * v[1];
		v[1] = cross10 * v[0] + a[1][1] * v[1];
		v[0] = next;
	}
}

/* Change of state x = T z: A <- T^-1 A T, b <- T^-1 b, c <- c T. */
static void change_state(struct iir_section *s, const double t[2][2])
{
	double det = t[0][0] * t[1][1] - t[0][1] * t[1][0], at[2][2], b[2], c[2];
	double inv[2][2] = { { t[1][1] / det, -t[0][1] / det }, { -t[1][0] / det, t[0][0] / det } };

	for (int i = 0; i < 2; i++)
		for (int j = 0; j < 2; j++)
			at[i][j] = s->a[i][0] * t[0][j] + s->a[i][1] * t[1][j];
	for (int i = 0; i < 2; i++) {
		for (int j = 0; j < 2; j++)
			s->a[i][j] = inv[i][0] * at[0][j] + inv[i][1] * at[1][j];
		b[i] = inv[i][0] * s->b[0] + inv[i][1] * s->b[1];
		c[i] = s->c[0] * t[0][i] + s->c[1] * t[1][i];
	}
	memcpy(s->b, b, sizeof(b));
	memcpy(s->c, c, sizeof(c));
}

static void balance(struct iir_section *s)
{
	double p[3], q[3], root, angle;

	gramian(s->a, s->b, false, p);
	root = sqrt(p[0]); /* Cholesky: P = T T' */
	change_state(
		s, (double[2][2]){ { root, 0 }, { p[1] / root, sqrt(p[2] - p[1] * p[1] / p[0]) } });
	gramian(s->a, s->c, true, q);
	angle = 0.5 * atan2(2 * q[1], q[0] - q[2]);
	change_state(s, (double[2][2]){ { cos(angle), -sin(angle) }, { sin(angle), cos(angle) } });
	for (int i = 0; i < IIR_STATES; i++) { /* of the two signs, the one with c >= 0 */
		double t[2][2] = { { 1, 0 }, { 0, 1 } };

		t[i][i] = s->c[i] < 0 ? -1 : 1;
		change_state(s, (const double(*)[2])t);
	}
}

static void section_make(enum iir_filter f)
{
	struct iir_section *s = &section[f];
	double k, a1, a2, up = ldexp(1, shift[f]);

	design(cut_off[f], &k, &a1, &a2);
	*s = (struct iir_section){
		.a = { { -a1, -a2 }, { 1, 0 } },
		.b = { 1, 0 },
		.c = { k * (2 - a1), k * (1 - a2) },
		.d = k,
	};
	balance(s);
	change_state(s, (double[2][2]){ { up, 0 }, { 0, up } });
}

static double to_fixed(double v)
{
	return ldexp(round(ldexp(v, IIR_FRAC_BITS)), -IIR_FRAC_BITS);
}

/* One column of the block map: what one unit of an input leaves in outputs and state. */
static void column_make(enum iir_filter f, size_t col)
{
	const struct iir_section *s = &section[f];
	double state[IIR_STATES] = { col == IIR_BLOCK, col == IIR_BLOCK + 1 };
	double *m = coefficients[f];

	for (size_t i = 0; i < IIR_BLOCK; i++) {
		double u = i == col, next[IIR_STATES];
		double y = s->c[0] * state[0] + s->c[1] * state[1] + s->d * u;

		m[i * IIR_IO + col] = to_fixed(y);
		for (size_t k = 0; k < IIR_STATES; k++)
			next[k] = s->a[k][0] * state[0] + s->a[k][1] * state[1] + s->b[k] * u;
		memcpy(state, next, sizeof(next));
	}
	for (size_t k = 0; k < IIR_STATES; k++)
		m[(IIR_BLOCK + k) * IIR_IO + col] = to_fixed(state[k]);
}

static void make(void)
{
	for (int f = 0; f < IIR_FILTERS; f++) {
		section_make((enum iir_filter)f);
		for (size_t col = 0; col < IIR_IO; col++)
			column_make((enum iir_filter)f, col);
	}
}

static void ready(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, make);
}

const struct iir_section *iir_section(enum iir_filter f)
{
	ready();
	return &section[f];
}

const double *iir_coefficients(enum iir_filter f)
{
	ready();
	return coefficients[f];
}

void iir_settle(enum iir_filter f, const int16_t *x, size_t n, double *state)
{
	const struct iir_section *s = iir_section(f);

	for (size_t i = 0; i < n; i++) {
		double s0 = s->a[0][0] * state[0] + s->a[0][1] * state[1] + s->b[0] * x[i];

		state[1] = s->a[1][0] * state[0] + s->a[1][1] * state[1] + s->b[1] * x[i];
		state[0] = s0;
	}
}

/* out = M in, saturated to int16
 *
 *   in   int16 (34)   q15: 32 samples, then the 2 states before them
 *   out  double (34)  q15: 32 filtered samples, then the 2 states after them
 *
 * M's entries are multiples of 2^-26; every product and partial sum is exact, see builtin.h. */
static void iir_reference(enum iir_filter f, const void *in, double *out)
{
	const double *m = iir_coefficients(f);
	int16_t x[IIR_IO];

	memcpy(x, in, sizeof(x));
	for (size_t r = 0; r < IIR_IO; r++) {
		double y = 0;

		for (size_t c = 0; c < IIR_IO; c++)
			y += m[r * IIR_IO + c] * x[c];
		out[r] = y < INT16_MIN ? INT16_MIN : y > INT16_MAX ? INT16_MAX : y;
	}
}

void iir_c20_reference(const void *in, double *out)
{
	iir_reference(IIR_C20, in, out);
}

void iir_c05_reference(const void *in, double *out)
{
	iir_reference(IIR_C05, in, out);
}

void iir_c02_reference(const void *in, double *out)
{
	iir_reference(IIR_C02, in, out);
}

void iir_c20_matrix(double *m)
{
	memcpy(m, iir_coefficients(IIR_C20), sizeof(coefficients[0]));
}

void iir_c05_matrix(double *m)
{
	memcpy(m, iir_coefficients(IIR_C05), sizeof(coefficients[0]));
}

void iir_c02_matrix(double *m)
{
	memcpy(m, iir_coefficients(IIR_C02), sizeof(coefficients[0]));
}
