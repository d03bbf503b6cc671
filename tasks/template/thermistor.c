/* A task of your own, as a plug-in. Copy this file, change the six marked places, then
 *
 *   harvest-nas search --task ./thermistor.c -o thermistor.hvm
 *   harvestctl models install thermistor.hvm
 *
 * See docs/tutorial-plugin.md. This one turns the reading of a 12-bit converter across a
 * 10 kOhm NTC thermistor (B = 3950 K, 10 kOhm at 25 degrees, fed through 10 kOhm) into
 * hundredths of a degree. */
#include <harvest/task.h>
#include <math.h>
#include <string.h>

/* 1. The function, in double, from the values as they lie in the record. It must answer every
 *    record with finite numbers, and the same record always with the same. */
static void reference(const void *in, double *out)
{
	int16_t reading;
	double ratio, kelvin;

	memcpy(&reading, in, sizeof(reading)); /* records may lie at any address */
	ratio = fmin(fmax(reading, 1), 4095) / 4096; /* of the voltage */
	kelvin = 1 / (1 / 298.15 + log(ratio / (1 - ratio)) / 3950);
	out[0] = 100 * (kelvin - 273.15);
}

/* A good generator of 64 bits from two numbers (splitmix64's finaliser, twice). */
static uint64_t mixed(uint64_t z)
{
	z += 0x9e3779b97f4a7c15u;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

/* 2. Record number `index` of the stream `seed`: inputs as they will come in use, drawn from
 *    these two numbers alone. Certificates hold for such inputs. */
static void sample(uint64_t seed, uint64_t index, void *in)
{
	int16_t reading = (int16_t)(200 + mixed(mixed(seed) + index) % 3600);

	memcpy(in, &reading, sizeof(reading));
}

/* 3. Where samples lie: one range for all input elements, or one for each. */
static const struct harvest_range domain[] = { { 200, 3799 } };

static const struct harvest_task task = {
	.size = sizeof(struct harvest_task),
	.abi = HARVEST_TASK_ABI,
	/* 4. A name of its own; raise the version when the meaning changes. */
	.name = "thermistor",
	.about = "12-bit reading of an NTC thermistor to 1/100 degree",
	.version = 1,
	/* 5. Types and shapes of one record in and out. */
	.in = { HARVEST_S16, 1, { 1 } },
	.out = { HARVEST_S16, 1, { 1 } },
	/* 6. How answers are judged, and from when on they are good enough. */
	.metric = HARVEST_NRMSE_RANGE,
	.pass = 0.01,
	.goal = 0.002,
	.reference = reference,
	.sample = sample,
	.domain = domain,
	.domain_count = 1,
	.cpu_cycles = 190,
	.cpu_method = "single precision: logf 130, three divisions at 14, conversions",
};

/* What the loader looks for. */
const struct harvest_task *harvest_task(void)
{
	return &task;
}
