/* The supernet's step against the same step in PyTorch (bench/nas_peer.py), one thread each,
 * alternating. Usage: nas PEER.PY */
#include "bench/stats.h"
#include "nas/super/super.h"
#include "util/rng.h"
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 5, STEPS = 2000, PEER_STEPS = 30, RECORDS = 32768, IN = 34, OUT = 2, GROUPS = 3 };

static const double target = 20;

static int8_t x[RECORDS * IN];
static double y[RECORDS * OUT];
static uint8_t group[IN];
static const double group_cycles[GROUPS] = { 1, 1, 1 };

static void fill(void)
{
	struct hv_rng r;

	hv_rng_seed(&r, 1);
	for (size_t i = 0; i < RECORDS * IN; i++)
		x[i] = (int8_t)((int)hv_rng_below(&r, 256) - 128);
	for (size_t i = 0; i < RECORDS * OUT; i++)
		y[i] = hv_rng_normal(&r, 0, 1);
	for (unsigned c = 0; c < IN; c++)
		group[c] = (uint8_t)(c % GROUPS);
}

/* Debian's own, which python3-torch belongs to, unless told otherwise. */
static const char *python(void)
{
	const char *name = getenv("PYTHON");

	return name != NULL ? name : "/usr/bin/python3";
}

static bool peer_is_there(void)
{
	char command[512];
	int n = snprintf(command, sizeof(command), "%s -c 'import torch' 2>/dev/null", python());

	return n > 0 && (size_t)n < sizeof(command) && system(command) == 0;
}

/* Milliseconds a step of the peer; 0 when it failed, it has said why. */
static double peer_ms(const char *script, const struct super_options *o)
{
	char command[512], line[64] = "";
	int n = snprintf(command, sizeof(command), "%s '%s' %d %u %d %d %u", python(), script,
			 PEER_STEPS, o->batch, IN, OUT, o->depth);
	FILE *p;

	for (unsigned k = 0; k < o->n_widths && n > 0 && (size_t)n < sizeof(command); k++)
		n += snprintf(command + n, sizeof(command) - (size_t)n, " %u", o->widths[k]);
	p = popen(command, "r");
	if (p == NULL)
		return 0;
	if (fgets(line, sizeof(line), p) == NULL)
		line[0] = '\0';
	return pclose(p) == 0 ? atof(line) : 0;
}

int main(int argc, char **argv)
{
	struct super_options o = super_defaults();
	struct super_data d = { x, y, RECORDS, IN, OUT, GROUPS, group, group_cycles };
	struct bench_series ours = { 0 }, peers = { 0 };
	struct bench_quartiles ratio;
	bool with_peer;

	if (argc != 2 || strchr(argv[1], '\'') != NULL) {
		fprintf(stderr, "usage: nas PEER.PY\n");
		return 2;
	}
	fill();
	setenv("OPENBLAS_NUM_THREADS", "1", 1); /* for the peer; ours asks for one by itself */
	with_peer = peer_is_there();
	for (int i = 0; i < ROUNDS; i++) {
		bench_series_add(&ours, 1e3 * super_step_seconds(&d, &o, STEPS));
		if (with_peer)
			bench_series_add(&peers, peer_ms(argv[1], &o));
	}
	printf("supernet step, %u layers of up to %u units, batch %u, %d inputs, one thread\n",
	       o.depth, o.widths[o.n_widths - 1], o.batch, IN);
	printf("  nas/super  %8.3f ms\n", bench_series_quartiles(&ours).median);
	if (bench_series_quartiles(&peers).q1 <= 0) {
		printf("  PyTorch    skipped: python3 cannot import torch (Debian: "
		       "python3-torch)\n");
		return 0;
	}
	ratio = bench_series_ratio(&peers, &ours);
	printf("  PyTorch    %8.3f ms\n", bench_series_quartiles(&peers).median);
	printf("  PyTorch / nas/super %.1f (%.1f-%.1f), target >= %.0f: %s\n", ratio.median,
	       ratio.q1, ratio.q3, target, ratio.median >= target ? "met" : "missed");
	return 0;
}
