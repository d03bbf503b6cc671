#include "tasks/builtin.h"
#include "tasks/draw.h"
#include <math.h>
#include <string.h>

/* Domains. Record `index` of stream `seed` depends on nothing else, so records can be drawn
 * in any order, on any thread. Levels are rms, 0 dBFS = 1.0 = 32768. A draw beyond int16 is
 * clipped, as a converter would; the notes say how often that happens. */

static const double level_noise = 0.251188643150958; /* -12 dBFS: 1 of 15 000 is clipped */
static const double level_quiet = 0.01; /* -40 dBFS */
static const double level_hiss = 0.00316227766016838; /* -50 dBFS, under the tones */
static const double level_speech = 0.177827941003892; /* -15 dBFS: 1 of 50 000 000 is clipped */

static uint64_t mixed(uint64_t z)
{
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

/* Both arguments are scrambled, bijectively, by splitmix64's finaliser. */
struct hv_rng draw_record_rng(uint64_t seed, uint64_t index)
{
	struct hv_rng r;

	hv_rng_seed(&r, mixed(mixed(seed + 0x9e3779b97f4a7c15u) + index));
	return r;
}

int16_t draw_q15(double v)
{
	v = round(v * 32768);
	return (int16_t)(v < INT16_MIN ? INT16_MIN : v > INT16_MAX ? INT16_MAX : v);
}

static void noise(struct hv_rng *r, double rms, int16_t *x, size_t n)
{
	for (size_t i = 0; i < n; i++)
		x[i] = draw_q15(hv_rng_normal(r, 0, rms));
}

/* Three tones, amplitude U(.05, .3), frequency U(0, .5) cycles per sample, random phase, over
 * hiss. step 2: x is (n, 2), complex tones; step 1: x is (n), their real parts. The sum of
 * amplitudes stays below .9: nothing is clipped. */
static void tones(struct hv_rng *r, int16_t *x, size_t n, size_t step)
{
	double amp[3], freq[3], phase[3];

	for (int t = 0; t < 3; t++) {
		amp[t] = hv_rng_uniform(r, 0.05, 0.3);
		freq[t] = hv_rng_uniform(r, 0, 0.5);
		phase[t] = hv_rng_uniform(r, 0, 1);
	}
	for (size_t i = 0; i < n; i++) {
		double v[2];

		for (size_t c = 0; c < step; c++)
			v[c] = hv_rng_normal(r, 0, level_hiss);
		for (int t = 0; t < 3; t++) {
			double angle = 2 * M_PI * (freq[t] * (double)i + phase[t]);

			v[0] += amp[t] * cos(angle);
			if (step == 2)
				v[1] += amp[t] * sin(angle);
		}
		for (size_t c = 0; c < step; c++)
			x[i * step + c] = draw_q15(v[c]);
	}
}

/* Driven by Gaussian noise. The first SETTLE samples are thrown away; .95^160 leaves -71 dB of
 * the start at rest. One sample to each, so that nobody needs room for the settling. */
static void ar2(struct hv_rng *r, double rms, void (*take)(void *to, size_t i, double y), void *to,
		size_t n)
{
	enum { SETTLE = 160 };
	const double radius2 = 0.95 * 0.95, a1 = 2 * 0.95 * cos(0.3);
	const double gain2 =
		(1 + radius2) / ((1 - radius2) * ((1 + radius2) * (1 + radius2) - a1 * a1));
	const double drive = rms / sqrt(gain2);
	double y1 = 0, y2 = 0;

	for (size_t i = 0; i < SETTLE + n; i++) {
		double y = a1 * y1 - radius2 * y2 + hv_rng_normal(r, 0, drive);

		y2 = y1;
		y1 = y;
		if (i >= SETTLE)
			take(to, i - SETTLE, y);
	}
}

static void take_q15(void *to, size_t i, double y)
{
	((int16_t *)to)[i] = draw_q15(y);
}

static void take_double(void *to, size_t i, double y)
{
	((double *)to)[i] = y;
}

static void speech(struct hv_rng *r, int16_t *x, size_t n)
{
	ar2(r, level_speech, take_q15, x, n);
}

void draw_ar2(struct hv_rng *r, double *x, size_t n)
{
	ar2(r, 1, take_double, x, n);
}

void draw_signal(struct hv_rng *r, uint64_t kind, int16_t *x, size_t n)
{
	switch (kind % DRAW_SIGNALS) {
	case 0: noise(r, level_noise, x, n); break;
	case 1: tones(r, x, n, 1); break;
	case 2: speech(r, x, n); break;
	default: noise(r, level_quiet, x, n); break;
	}
}

/* Three equal parts: 0 white noise at -12 dBFS per component, 1 complex tones, 2 white noise
 * at -40 dBFS per component. */
static void fft_sample(uint64_t seed, uint64_t index, void *in, size_t n)
{
	struct hv_rng r = draw_record_rng(seed, index);
	int16_t x[2 * FFT_MAX];

	switch (index % 3) {
	case 0: noise(&r, level_noise, x, 2 * n); break;
	case 1: tones(&r, x, n, 2); break;
	default: noise(&r, level_quiet, x, 2 * n); break;
	}
	memcpy(in, x, sizeof(*x) * 2 * n);
}

void fft64_sample(uint64_t seed, uint64_t index, void *in)
{
	fft_sample(seed, index, in, 64);
}

void fft128_sample(uint64_t seed, uint64_t index, void *in)
{
	fft_sample(seed, index, in, 128);
}

void fft256_sample(uint64_t seed, uint64_t index, void *in)
{
	fft_sample(seed, index, in, 256);
}

/* Four equal parts: 0 white noise at -12 dBFS, 1 tones, 2 speech-like at -15 dBFS, 3 white
 * noise at -40 dBFS. History and new samples are one run of the process. */
void fir32_sample(uint64_t seed, uint64_t index, void *in)
{
	struct hv_rng r = draw_record_rng(seed, index);
	int16_t x[FIR_IN];

	draw_signal(&r, index, x, FIR_IN);
	memcpy(in, x, sizeof(x));
}

/* Log-mel-like frames: Gaussian AR(1) along the axis, coefficient .9, each value mapped
 * through the normal distribution to uniform over 60 dB. 182 units a decibel around the
 * middle of the range: |x| <= 5460, so that even a flat frame at the end of the range, whose
 * y[0] is sqrt(32) times as large, stays inside int16. */
void dct32_sample(uint64_t seed, uint64_t index, void *in)
{
	const double rho = 0.9, units_per_db = 182, range_db = 60;
	struct hv_rng r = draw_record_rng(seed, index);
	double z = hv_rng_normal(&r, 0, 1);
	int16_t x[DCT_POINTS];

	for (size_t i = 0; i < DCT_POINTS; i++) {
		double share = 0.5 * erfc(-z / M_SQRT2); /* U(0, 1) */

		x[i] = (int16_t)lround(units_per_db * range_db * (share - 0.5));
		z = rho * z + hv_rng_normal(&r, 0, sqrt(1 - rho * rho));
	}
	memcpy(in, x, sizeof(x));
}

/* N(0, .25): standard deviation a quarter of full scale; 1 of 16 000 is clipped. */
void matvec64_sample(uint64_t seed, uint64_t index, void *in)
{
	struct hv_rng r = draw_record_rng(seed, index);
	int16_t x[MATVEC_N];

	noise(&r, 0.25, x, MATVEC_N);
	memcpy(in, x, sizeof(x));
}

/* matvec64 with the other matrix: the same vectors. */
void matvec64_rank8_sample(uint64_t seed, uint64_t index, void *in)
{
	matvec64_sample(seed, index, in);
}

/* Three equal parts, as the FFT's but real: white noise at -12 dBFS, three tones, white noise
 * at -40 dBFS. */
void specmag256_sample(uint64_t seed, uint64_t index, void *in)
{
	static const uint64_t kind[] = { 0, 1, 3 };
	struct hv_rng r = draw_record_rng(seed, index);
	int16_t x[SPECMAG_IN];

	draw_signal(&r, kind[index % 3], x, SPECMAG_IN);
	memcpy(in, x, sizeof(x));
}

/* A block of a running filter: the signals of fir32, and the state that IIR_SETTLE samples
 * before the block have left, rounded to q15. From rest, which a filter is in once too, the
 * slowest of the filters is within 1e-3 of its steady state. */
static void iir_sample(enum iir_filter f, uint64_t seed, uint64_t index, void *in)
{
	enum { IIR_SETTLE = 160 };
	struct hv_rng r = draw_record_rng(seed, index);
	double state[IIR_STATES] = { 0 };
	int16_t x[IIR_SETTLE + IIR_BLOCK], record[IIR_IO];

	draw_signal(&r, index, x, IIR_SETTLE + IIR_BLOCK);
	iir_settle(f, x, IIR_SETTLE, state);
	memcpy(record, x + IIR_SETTLE, sizeof(*x) * IIR_BLOCK);
	for (size_t i = 0; i < IIR_STATES; i++)
		record[IIR_BLOCK + i] = draw_q15(state[i] / 32768);
	memcpy(in, record, sizeof(record));
}

void iir_c20_sample(uint64_t seed, uint64_t index, void *in)
{
	iir_sample(IIR_C20, seed, index, in);
}

void iir_c05_sample(uint64_t seed, uint64_t index, void *in)
{
	iir_sample(IIR_C05, seed, index, in);
}

void iir_c02_sample(uint64_t seed, uint64_t index, void *in)
{
	iir_sample(IIR_C02, seed, index, in);
}

/* Vibration-like: two tones and AR(2) noise, a third of the power each, at -12, -24 and
 * -36 dBFS together (the part), and on 2 % of the samples an impulse of amplitude U(.3, 1) of
 * either sign on top. */
static void vibration(uint64_t seed, uint64_t index, void *in)
{
	static const double level[] = { 0.251188643150958, 0.0630957344480193, 0.0158489319246111 };
	const double third = level[index % 3] / sqrt(3), amp = third * M_SQRT2;
	struct hv_rng r = draw_record_rng(seed, index);
	double ar[FEATURE_BLOCK], freq[2], phase[2];
	int16_t x[FEATURE_BLOCK];

	for (int t = 0; t < 2; t++) {
		freq[t] = hv_rng_uniform(&r, 0, 0.5);
		phase[t] = hv_rng_uniform(&r, 0, 1);
	}
	draw_ar2(&r, ar, FEATURE_BLOCK);
	for (size_t i = 0; i < FEATURE_BLOCK; i++) {
		double v = third * ar[i];

		for (int t = 0; t < 2; t++)
			v += amp * sin(2 * M_PI * (freq[t] * (double)i + phase[t]));
		if (hv_rng_uniform(&r, 0, 1) < 0.02) {
			double size = hv_rng_uniform(&r, 0.3, 1);

			v += hv_rng_below(&r, 2) ? size : -size;
		}
		x[i] = draw_q15(v);
	}
	memcpy(in, x, sizeof(x));
}

void median9_sample(uint64_t seed, uint64_t index, void *in)
{
	vibration(seed, index, in);
}

void rms64_sample(uint64_t seed, uint64_t index, void *in)
{
	vibration(seed, index, in);
}

void features64_sample(uint64_t seed, uint64_t index, void *in)
{
	vibration(seed, index, in);
}
