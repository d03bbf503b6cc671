/* Plug-ins that are linear and do not say so: a filter of 40 taps over blocks of 64 samples,
 * and with CALIBRATION three axes with cross-talk and offsets. */
#include <harvest/task.h>
#include <math.h>
#include <string.h>

/* A good generator of 64 bits from two numbers (splitmix64's finaliser, twice). */
static uint64_t mixed(uint64_t z)
{
	z += 0x9e3779b97f4a7c15u;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

/* -1..1 */
static double uniform(uint64_t seed, uint64_t index, unsigned element)
{
	uint64_t bits = mixed(mixed(mixed(seed) + index) + element);

	return (double)(bits >> 11) / 4503599627370496.0 - 1;
}

#ifdef CALIBRATION
enum { INS = 3, OUTS = 3 };
static const struct harvest_range domain[] = { { -50, 50 } };

static void reference(const void *in, double *out)
{
	static const double m[3][4] = { { 1.02, 0.03, -0.01, 0.7 },
					{ 0.02, 0.97, 0.04, -1.3 },
					{ -0.03, 0.01, 1.05, 5.1 } };
	float x[INS];

	memcpy(x, in, sizeof(x));
	for (int r = 0; r < OUTS; r++)
		out[r] = m[r][0] * (double)x[0] + m[r][1] * (double)x[1] + m[r][2] * (double)x[2] +
			 m[r][3];
}

static void sample(uint64_t seed, uint64_t index, void *in)
{
	float x[INS];

	for (unsigned c = 0; c < INS; c++)
		x[c] = (float)(50 * uniform(seed, index, c));
	memcpy(in, x, sizeof(x));
}
#else
enum { TAPS = 40, OUTS = 64, INS = OUTS + TAPS - 1 };
static const struct harvest_range domain[] = { { -32000, 32000 } };

static void reference(const void *in, double *out)
{
	int16_t x[INS];

	memcpy(x, in, sizeof(x));
	for (int r = 0; r < OUTS; r++) {
		out[r] = 0;
		for (int j = 0; j < TAPS; j++)
			out[r] += sin(0.3 * (j + 1)) * exp(-0.1 * j) / 4 * x[r + j];
	}
}

static void sample(uint64_t seed, uint64_t index, void *in)
{
	double size = index % 2 ? 32000 : 8000;
	int16_t x[INS];

	for (unsigned c = 0; c < INS; c++)
		x[c] = (int16_t)(size * uniform(seed, index, c));
	memcpy(in, x, sizeof(x));
}
#endif

static const struct harvest_task task = {
	.size = sizeof(struct harvest_task),
	.abi = HARVEST_TASK_ABI,
#ifdef CALIBRATION
	.name = "calibrate",
	.about = "three axes, cross-talk and offsets",
	.in = { HARVEST_F32, 1, { INS } },
	.out = { HARVEST_F32, 1, { OUTS } },
#else
	.name = "filter40",
	.about = "a filter of 40 taps, 64 samples at a time",
	.in = { HARVEST_S16, 1, { INS } },
	.out = { HARVEST_S16, 1, { OUTS } },
#endif
	.version = 1,
	.metric = HARVEST_SNR_DB,
	.pass = 40,
	.goal = 60,
	.reference = reference,
	.sample = sample,
	.domain = domain,
	.domain_count = 1,
};

const struct harvest_task *harvest_task(void)
{
	return &task;
}
