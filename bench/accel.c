/* bench/accel: the fast reference on a keyword-spotting network (the shapes of the vendor's
 * KWS20 v3, random weights) as a ratio to the machine's integer multiply-accumulate peak out of
 * registers, and with AVX2 to oneDNN's convolutions; emulator and slow twin as ratios to the
 * fast one; compile time. One thread. */
#include "accel/cost/cost.h"
#include "accel/emu/emu.h"
#include "accel/image/image.h"
#include "accel/ref/fast.h"
#include "accel/ref/ref.h"
#include "bench/peak.h"
#include "bench/peer.h"
#include "bench/stats.h"
#include "util/clock.h"
#include "util/own.h"
#include "util/rng.h"
#include <stdio.h>
#include <string.h>

enum { ROUNDS = 15, PEAK_STEPS = 20000 };
static const double target_fast = 2.5, target_peer = 1.5, target_emulator = 20.0;
static const double target_compile_ms = 20.0;

static const struct {
	uint16_t in, rows, out;
	uint8_t kernel, pad;
	enum cnn_pool pool;
} shapes[] = {
	{ 128, 128, 100, 1, 0, CNN_POOL_NONE }, { 100, 128, 96, 3, 0, CNN_POOL_NONE },
	{ 96, 126, 64, 3, 1, CNN_POOL_MAX },    { 64, 63, 48, 3, 0, CNN_POOL_NONE },
	{ 48, 61, 64, 3, 1, CNN_POOL_MAX },     { 64, 30, 96, 3, 0, CNN_POOL_NONE },
	{ 96, 28, 100, 3, 1, CNN_POOL_AVG },    { 100, 14, 64, 6, 1, CNN_POOL_MAX },
};

static const struct cnn_room whole_device = { .kernel_words = CNN_KERNEL_WORDS,
					      .bias_count = CNN_BIAS_BYTES,
					      .data_words = CNN_DATA_WORDS };

struct network {
	struct cnn_net net;
	int8_t *weights[CNN_LAYERS_MAX], *input; /* owned */
};

static int8_t *random_bytes(struct hv_rng *r, size_t n)
{
	int8_t *v = malloc(n);

	for (size_t i = 0; v != NULL && i < n; i++)
		v[i] = (int8_t)((int)hv_rng_below(r, 256) - 128);
	return v;
}

static void describe(struct cnn_net *net)
{
	unsigned layers = HV_ARRAY_SIZE(shapes);

	*net = (struct cnn_net){ .layers = layers + 1, .channels = 128, .height = 128, .width = 1 };
	for (unsigned i = 0; i < layers; i++)
		net->layer[i] = (struct cnn_layer){
			.op = CNN_OP_CONV1D,
			.from = (int)i - 1,
			.in_channels = shapes[i].in,
			.height = shapes[i].rows,
			.width = 1,
			.out_channels = shapes[i].out,
			.kernel_h = shapes[i].kernel,
			.pad_h = shapes[i].pad,
			.pool = shapes[i].pool,
			.pool_h = 2,
			.pool_stride = shapes[i].pool != CNN_POOL_NONE ? 2 : 1,
			.weight_bits = 8,
			.shift = -4,
			.act = CNN_ACT_RELU,
			.out_bits = 8,
		};
	net->layer[layers] = (struct cnn_layer){
		.op = CNN_OP_LINEAR,
		.from = (int)layers - 1,
		.in_channels = 64,
		.height = 4,
		.width = 1,
		.flatten = true,
		.out_channels = 21,
		.weight_bits = 8,
		.out_bits = 32,
		.is_output = true,
	};
}

static int network_make(struct network *n)
{
	struct hv_rng r;
	char why[200];

	hv_rng_seed(&r, 1);
	describe(&n->net);
	for (unsigned i = 0; i < n->net.layers; i++) {
		n->weights[i] = random_bytes(&r, cnn_layer_weights(&n->net.layer[i]));
		n->net.layer[i].weights = n->weights[i];
	}
	n->input = random_bytes(&r, (size_t)n->net.channels * n->net.height);
	return n->input == NULL ? HV_E_NOMEM : cnn_net_check(&n->net, why, sizeof why);
}

static void network_free(struct network *n)
{
	for (unsigned i = 0; i < CNN_LAYERS_MAX; i++)
		free(n->weights[i]);
	free(n->input);
}

static void write32(void *ctx, uint32_t addr, uint32_t value)
{
	cnn_emu_write32(ctx, addr, value);
}

static void write8(void *ctx, uint32_t addr, uint8_t value)
{
	cnn_emu_write8(ctx, addr, value);
}

static struct cnn_bus bus_of_emu(struct cnn_emu *e)
{
	return (struct cnn_bus){ .ctx = e, .write32 = write32, .write8 = write8 };
}

struct subjects {
	struct network n;
	struct cnn_fast *fast;
	struct cnn_emu *emu;
	struct cnn_place place;
	struct cnn_image image;
	int32_t *out;
	struct bench_peer *peer; /* NULL: not measured */
	struct bench_series peak_us, peer_us, fast_us, emu_us, slow_us, compile_us;
};

static double since_us(uint64_t start)
{
	return (double)(hv_now_ns() - start) / 1e3;
}

/* What the network's products would take if every instruction fed the multipliers. */
static double peak_us(double macs)
{
	uint64_t start = hv_now_ns();
	double done = bench_peak_run(PEAK_STEPS);

	return since_us(start) * macs / done;
}

static void peer_round(struct subjects *s)
{
	uint64_t start;

	if (s->peer == NULL)
		return;
	bench_peer_run(s->peer);
	start = hv_now_ns();
	for (int i = 0; i < 20; i++)
		bench_peer_run(s->peer);
	bench_series_add(&s->peer_us, since_us(start) / 20);
}

static int one_round(struct subjects *s)
{
	struct cnn_bus bus = bus_of_emu(s->emu);
	struct cnn_image image = { 0 };
	struct cnn_tensors t;
	char why[200];
	uint64_t start;

	bench_series_add(&s->peak_us, peak_us((double)cnn_cost_macs(&s->n.net)));
	peer_round(s);
	start = hv_now_ns();
	for (int i = 0; i < 20; i++)
		cnn_fast_run(s->fast, s->n.input, 1, s->out);
	bench_series_add(&s->fast_us, since_us(start) / 20);
	cnn_image_start(&s->image, &bus);
	start = hv_now_ns();
	cnn_emu_finish(s->emu);
	bench_series_add(&s->emu_us, since_us(start));
	cnn_image_init(&s->image, &bus);
	cnn_input_write(&s->n.net, &s->place, s->n.input, &bus);
	start = hv_now_ns();
	if (cnn_ref_run(&s->n.net, s->n.input, &t) < 0)
		return HV_E_NOMEM;
	bench_series_add(&s->slow_us, since_us(start));
	if (memcmp(t.out[s->n.net.layers - 1], s->out, 21 * sizeof *s->out) != 0)
		return HV_E_WRONG;
	cnn_tensors_free(&t);
	start = hv_now_ns();
	if (cnn_image_build(&s->n.net, &s->place, 0, &image, why, sizeof why) < 0)
		return HV_E_INVAL;
	bench_series_add(&s->compile_us, since_us(start));
	cnn_image_free(&image);
	return HV_OK;
}

static void print_ratio(const char *what, const struct bench_series *v,
			const struct bench_series *base, const char *of, double target)
{
	struct bench_quartiles us = bench_series_quartiles(v), r = bench_series_ratio(v, base);

	printf("%-22s %9.1f us; %.2f (%.2f .. %.2f) of %s", what, us.median, r.median, r.q1, r.q3,
	       of);
	if (target > 0)
		printf(", target %.1f: %s", target, bench_verdict(r.median, target));
	putchar('\n');
}

/* Targets are for the best instruction set of the machine. */
static void report(const struct subjects *s, const char *isa, bool best)
{
	double compile_ms = bench_series_quartiles(&s->compile_us).median / 1e3;
	char name[32];

	printf("%llu multiply-accumulates; peak out of registers (%s) %.1f us\n",
	       (unsigned long long)cnn_cost_macs(&s->n.net), bench_peak_name(),
	       bench_series_quartiles(&s->peak_us).median);
	snprintf(name, sizeof name, "fast (%s)", isa);
	print_ratio(name, &s->fast_us, &s->peak_us, "the peak", best ? target_fast : 0);
	if (s->peer != NULL) {
		printf("oneDNN, AVX2, convolutions only: %.1f us\n",
		       bench_series_quartiles(&s->peer_us).median);
		print_ratio(name, &s->fast_us, &s->peer_us, "oneDNN", target_peer);
	}
	print_ratio("emulator", &s->emu_us, &s->fast_us, "the fast reference",
		    best ? target_emulator : 0);
	print_ratio("slow twin", &s->slow_us, &s->fast_us, "the fast reference", 0);
	if (!best)
		return;
	printf("compile %.2f ms, target %.0f: %s\n", compile_ms, target_compile_ms,
	       compile_ms <= target_compile_ms ? "met" : "missed");
}

/* The peer of the AVX2 kernels; without it the rest is measured all the same. */
static void take_peer(struct subjects *s, const char *isa)
{
	int err;

	if (strcmp(isa, "avx2") != 0)
		return;
	err = bench_peer_new(&s->n.net, &s->peer);
	if (err == HV_E_NOENT)
		puts("oneDNN skipped: configure has not found it (Debian: libdnnl-dev)");
	else if (err < 0)
		puts("oneDNN skipped: it has no such AVX2 convolutions on this machine");
}

static int run(struct subjects *s, const char *isa)
{
	struct cnn_bus bus;
	char why[200];
	int err = cnn_fast_new(&s->n.net, isa, &s->fast);

	if (err == HV_OK)
		err = cnn_emu_new(&s->emu);
	if (err == HV_OK)
		err = cnn_place_fit(&s->n.net, &whole_device, &s->place, why, sizeof why);
	if (err == HV_OK)
		err = cnn_image_build(&s->n.net, &s->place, 0, &s->image, why, sizeof why);
	if (err < 0)
		return err;
	take_peer(s, isa);
	bus = bus_of_emu(s->emu);
	cnn_image_init(&s->image, &bus);
	cnn_image_load(&s->image, &bus);
	cnn_image_configure(&s->image, &bus);
	cnn_input_write(&s->n.net, &s->place, s->n.input, &bus);
	s->out = malloc(cnn_fast_outputs(s->fast) * sizeof *s->out);
	if (s->out == NULL)
		return HV_E_NOMEM;
	for (int round = 0; err == HV_OK && round < ROUNDS; round++)
		err = one_round(s);
	return err;
}

int main(int argc, char **argv)
{
	int err = HV_OK;

	(void)argc;
	bench_peer_one_thread(argv);
	for (unsigned i = 0; err == HV_OK && cnn_fast_isa(i) != NULL; i++) {
		struct subjects s = { 0 };

		err = network_make(&s.n);
		if (err == HV_OK)
			err = run(&s, cnn_fast_isa(i));
		if (err == HV_OK)
			report(&s, cnn_fast_isa(i), i == 0);
		cnn_image_free(&s.image);
		bench_peer_free(s.peer);
		cnn_fast_free(s.fast);
		cnn_emu_free(s.emu);
		network_free(&s.n);
		free(s.out);
	}
	if (err < 0)
		fprintf(stderr, "bench/accel: %s\n", hv_err_text(err));
	return err < 0;
}
