#include "tasks/builtin.h"
#include <stdbool.h>
#include <string.h>

/* Price of a European option (Black and Scholes):
 *
 *   call = S F(d1) - K D F(d2)      put = call - S + K D      D = exp(-r T)
 *   d1 = (ln(S / K) + (r + sigma^2 / 2) T) / (sigma sqrt(T))    d2 = d1 - sigma sqrt(T)
 *   F: distribution function of the normal distribution
 *
 *   in   float (6)    S, K, r, sigma, T, and 0 for a call or 1 for a put (parted at .5)
 *   out  double (1)
 *
 * Without time, volatility or a positive price of the share or strike, what is left is the
 * discounted difference if it is positive. */
struct option {
	double spot, strike, rate, sigma, years;
	bool put;
};

static struct option option_read(const void *in)
{
	float x[6];

	memcpy(x, in, sizeof(x));
	return (struct option){
		.spot = (double)x[0],
		.strike = (double)x[1],
		.rate = (double)x[2],
		.sigma = (double)x[3],
		.years = (double)x[4],
		.put = x[5] >= 0.5f,
	};
}

static double normal_share(double d)
{
	return 0.5 * erfc(-d / M_SQRT2);
}

void blackscholes_reference(const void *in, double *out)
{
	struct option o = option_read(in);
	double spread = o.sigma * sqrt(o.years), owed = o.strike * exp(-o.rate * o.years);
	double sign = o.put ? -1 : 1, d1, d2;

	if (!(spread > 0 && o.spot > 0 && o.strike > 0)) {
		out[0] = fmax(sign * (o.spot - owed), 0);
		return;
	}
	d1 = log(o.spot / owed) / spread + spread / 2;
	d2 = d1 - spread;
	out[0] = sign * (o.spot * normal_share(sign * d1) - owed * normal_share(sign * d2));
}

/* Judged over prices of at least 1 % of the strike. */
double blackscholes_weight(const void *in, const double *exact)
{
	return exact[0] >= 0.01 * option_read(in).strike;
}

/* Encoding. With the amount owed B = K exp(-r T) and its series to the third power (4e-6 off
 * at r T = .1), a price is what exercise would give plus (S + B) g(z, v):
 *
 *   z = |S - B| / (S + B)    v = sigma sqrt(T)
 *
 * g, the time value, is the same function for calls and puts. Host: a series of three
 * multiply-adds, a division and a square root before; a selection and a multiply-add after. */
static double owed_by_series(const struct option *o)
{
	double x = o->rate * o->years;

	return o->strike * (1 - x * (1 - x * (0.5 - x / 6)));
}

static double intrinsic(const struct option *o, double owed)
{
	return fmax(o->put ? owed - o->spot : o->spot - owed, 0);
}

static void encode(const void *in, double *features)
{
	struct option o = option_read(in);
	double owed = owed_by_series(&o);

	features[0] = fabs(o.spot - owed) / (o.spot + owed);
	features[1] = o.sigma * sqrt(o.years);
}

static void encode_target(const void *in, const double *exact, double *values)
{
	struct option o = option_read(in);
	double owed = owed_by_series(&o);

	values[0] = (exact[0] - intrinsic(&o, owed)) / (o.spot + owed);
}

static void decode(const void *in, const double *values, double *out)
{
	struct option o = option_read(in);
	double owed = owed_by_series(&o);

	out[0] = intrinsic(&o, owed) + values[0] * (o.spot + owed);
}

const struct harvest_encoding blackscholes_encoding = {
	.name = "time_value",
	.features = 2,
	.values = 1,
	.pre_cycles = 65, /* 5 loads at 2, 4 VMLA at 3, VDIV and VSQRT at 14, 7 others, stores */
	.post_cycles = 15,
	.pre = encode,
	.target = encode_target,
	.post = decode,
};
