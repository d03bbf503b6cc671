#include "sim/primary_net.h"
#include "accel/cost/cost.h"
#include "accel/package/package.h"
#include "util/own.h"
#include "util/rng.h"
#include <stdio.h>
#include <string.h>

enum { LAYERS = 5, PIXELS = 2 };

struct primary_net {
	struct cnn_net net;
	struct cnn_place place;
	struct cnn_image image;
	struct cnn_room used; /* the room it was placed in */
	struct package *pkg; /* of a model file, owned; its weights are borrowed by net */
	int8_t *weights, *biases; /* of the made one, owned */
	int8_t *input; /* owned */
	char name[16];
	uint64_t seed;
};

/* clang-format off */
/* Kernel words a processor: 52 + 60 + 200 + 32 + 32. */
static const struct {
	uint16_t in, out;
	int8_t shift;
	enum cnn_act act;
	uint8_t out_bits;
	bool bias;
} plan[LAYERS] = {
	{ 448,  64, -3, CNN_ACT_RELU,  8, true },
	{  64, 512, -2, CNN_ACT_NONE,  8, false },
	{ 512, 224, -3, CNN_ACT_ABS,   8, false },
	{ 224,  64, -3, CNN_ACT_RELU,  8, true },
	{  64, 256,  0, CNN_ACT_NONE, 32, false },
};
/* clang-format on */

static int make_net(struct primary_net *p)
{
	size_t n_weights = 0, n_biases = 0, w = 0, b = 0;
	struct hv_rng rng;

	for (int i = 0; i < LAYERS; i++) {
		n_weights += (size_t)plan[i].in * plan[i].out;
		n_biases += plan[i].out;
	}
	p->weights = malloc(n_weights);
	p->biases = malloc(n_biases);
	if (p->weights == NULL || p->biases == NULL)
		return HV_E_NOMEM;
	hv_rng_seed(&rng, p->seed);
	for (size_t i = 0; i < n_weights; i++)
		p->weights[i] = (int8_t)((int)hv_rng_below(&rng, 256) - 128);
	for (size_t i = 0; i < n_biases; i++)
		p->biases[i] = (int8_t)((int)hv_rng_below(&rng, 256) - 128);
	p->net = (struct cnn_net){
		.layers = LAYERS, .channels = plan[0].in, .height = PIXELS, .width = 1
	};
	for (int i = 0; i < LAYERS; i++) {
		p->net.layer[i] = (struct cnn_layer){ .op = CNN_OP_LINEAR,
						      .from = i - 1,
						      .in_channels = plan[i].in,
						      .height = PIXELS,
						      .width = 1,
						      .out_channels = plan[i].out,
						      .weight_bits = 8,
						      .shift = plan[i].shift,
						      .act = plan[i].act,
						      .out_bits = plan[i].out_bits,
						      .is_output = i == LAYERS - 1,
						      .weights = p->weights + w };
		if (plan[i].bias)
			p->net.layer[i].bias = p->biases + b;
		w += (size_t)plan[i].in * plan[i].out;
		b += plan[i].out;
	}
	snprintf(p->name, sizeof(p->name), "synthetic-5");
	return HV_OK;
}

static int read_net(struct primary_net *p, const char *file, char *why, size_t cap)
{
	int err = package_read(file, &p->pkg, why, cap);

	if (err != HV_OK)
		return err;
	p->net = p->pkg->net;
	snprintf(p->name, sizeof(p->name), "%.15s", p->pkg->name);
	return HV_OK;
}

/* The smallest of a few rooms that holds it; the rest is the guests'. */
static int place(struct primary_net *p, char *why, size_t cap)
{
	static const uint16_t kernels[] = { 64, 128, 256, 376, 512, 640, CNN_KERNEL_WORDS };
	static const uint16_t data[] = { 512, 1024, 2048, 4096, CNN_DATA_WORDS };
	int err = HV_E_BUSY;

	for (size_t d = 0; d < HV_ARRAY_SIZE(data) && err == HV_E_BUSY; d++)
		for (size_t k = 0; k < HV_ARRAY_SIZE(kernels) && err == HV_E_BUSY; k++) {
			p->used = (struct cnn_room){ .kernel_words = kernels[k],
						     .bias_count = CNN_BIAS_BYTES / 2,
						     .data_words = data[d] };
			err = cnn_place_fit(&p->net, &p->used, &p->place, why, cap);
		}
	if (err != HV_OK)
		return err;
	return cnn_image_build(&p->net, &p->place, 0, &p->image, why, cap);
}

static size_t input_size(const struct primary_net *p)
{
	return (size_t)p->net.channels * p->net.height * p->net.width;
}

/* Placed, and ready for inputs; freed on failure. */
static int finish(struct primary_net *p, int err, struct primary_net **net, char *why, size_t cap)
{
	if (err == HV_OK)
		err = place(p, why, cap);
	if (err == HV_OK)
		p->input = malloc(input_size(p));
	if (err == HV_OK && p->input == NULL)
		err = HV_E_NOMEM;
	if (err != HV_OK) {
		primary_net_free(p);
		return err;
	}
	*net = p;
	return HV_OK;
}

int primary_net_borrow(const struct cnn_net *n, const char *name, uint64_t seed,
		       struct primary_net **net, char *why, size_t cap)
{
	struct primary_net *p = calloc(1, sizeof(*p));

	snprintf(why, cap, "out of memory");
	if (p == NULL)
		return HV_E_NOMEM;
	p->seed = seed;
	p->net = *n;
	snprintf(p->name, sizeof(p->name), "%.15s", name);
	return finish(p, HV_OK, net, why, cap);
}

int primary_net_new(const char *file, uint64_t seed, struct primary_net **net, char *why,
		    size_t cap)
{
	struct primary_net *p = calloc(1, sizeof(*p));
	int err;

	snprintf(why, cap, "out of memory");
	if (p == NULL)
		return HV_E_NOMEM;
	p->seed = seed;
	err = file != NULL ? read_net(p, file, why, cap) : make_net(p);
	return finish(p, err, net, why, cap);
}

void primary_net_free(struct primary_net *p)
{
	if (p == NULL)
		return;
	cnn_image_free(&p->image);
	package_free(p->pkg);
	free(p->weights);
	free(p->biases);
	free(p->input);
	free(p);
}

void primary_net_room(const struct primary_net *p, struct cnn_room *room, uint8_t *quadrants)
{
	room->kernel_first = p->used.kernel_words;
	room->kernel_words = (uint16_t)(CNN_KERNEL_WORDS - room->kernel_first);
	room->bias_first = p->used.bias_count;
	room->bias_count = (uint16_t)(CNN_BIAS_BYTES - room->bias_first);
	room->data_first = p->used.data_words;
	room->data_words = (uint16_t)(CNN_DATA_WORDS - room->data_first);
	*quadrants = p->image.quadrants;
}

const char *primary_net_name(const struct primary_net *p)
{
	return p->name;
}

uint32_t primary_net_busy_us(const struct primary_net *p)
{
	uint64_t in_words = (input_size(p) + 3) / 4;
	uint64_t out_words = 0, ns;

	for (unsigned i = 0; i < p->net.layers; i++) {
		uint32_t chw[3];

		cnn_layer_out_shape(&p->net.layer[i], chw);
		if (p->net.layer[i].is_output)
			out_words += (uint64_t)chw[0] * chw[1] * chw[2];
	}
	ns = in_words * CNN_BUS_WRITE_NS + out_words * CNN_BUS_READ_NS +
	     (uint64_t)cnn_cost_cycles(&p->net) * CNN_CYCLE_NS;
	return (uint32_t)(ns / 1000 + 1);
}

static void bus_write32(void *ctx, uint32_t addr, uint32_t value)
{
	cnn_emu_write32(ctx, addr, value);
}

static void bus_write8(void *ctx, uint32_t addr, uint8_t value)
{
	cnn_emu_write8(ctx, addr, value);
}

static uint32_t bus_read32(void *ctx, uint32_t addr)
{
	return cnn_emu_read32(ctx, addr);
}

static struct cnn_bus bus(struct cnn_emu *emu)
{
	return (struct cnn_bus){ emu, bus_write32, bus_write8, bus_read32 };
}

void primary_net_boot(const struct primary_net *p, struct cnn_emu *emu)
{
	struct cnn_bus b = bus(emu);

	cnn_image_init(&p->image, &b);
	cnn_image_load(&p->image, &b);
	cnn_image_configure(&p->image, &b);
}

/* Inputs come from the inference number alone, so any two runs can be compared. */
void primary_net_start(const struct primary_net *p, struct cnn_emu *emu, uint64_t n)
{
	struct cnn_bus b = bus(emu);
	struct hv_rng rng;

	hv_rng_seed(&rng, p->seed ^ (n + 1) * UINT64_C(0x9e3779b97f4a7c15));
	for (size_t i = 0; i < input_size(p); i++)
		p->input[i] = (int8_t)((int)hv_rng_below(&rng, 256) - 128);
	if (p->net.fifo) /* the input is awaited */
		cnn_image_start(&p->image, &b);
	cnn_input_write(&p->net, &p->place, p->input, &b);
	if (!p->net.fifo)
		cnn_image_start(&p->image, &b);
}

static uint64_t fnv(uint64_t h, int32_t v)
{
	for (int i = 0; i < 4; i++)
		h = (h ^ ((uint32_t)v >> 8 * i & 0xff)) * UINT64_C(0x100000001b3);
	return h;
}

uint64_t primary_net_finish(const struct primary_net *p, struct cnn_emu *emu)
{
	struct cnn_bus b = bus(emu);
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	cnn_emu_finish(emu);
	for (unsigned q = 0; q < CNN_QUADRANTS; q++) {
		uint32_t at = CNN_CTRL + q * CNN_QUADRANT_STRIDE;

		if ((p->image.quadrants >> q & 1) != 0)
			cnn_emu_write32(emu, at,
					cnn_emu_read32(emu, at) &
						~(CNN_CTRL_IRQ | CNN_CTRL_CNN_EN));
	}
	for (unsigned i = 0; i < p->net.layers; i++) {
		hv_autofree int32_t *out = NULL;
		uint32_t chw[3];
		size_t size;

		if (!p->net.layer[i].is_output)
			continue;
		cnn_layer_out_shape(&p->net.layer[i], chw);
		size = (size_t)chw[0] * chw[1] * chw[2];
		out = malloc(size * sizeof(*out));
		if (out == NULL)
			return 0;
		cnn_output_read(&p->net, &p->place, i, out, &b);
		for (size_t k = 0; k < size; k++)
			h = fnv(h, out[k]);
	}
	return h;
}
