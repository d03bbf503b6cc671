/* Weights into 72-bit kernel words, biases into bias bytes. */
#include "accel/image/geometry.h"

#include <stdlib.h>
#include <string.h>

/* One layer on its way into the kernel memories. */
struct packing {
	const struct cnn_layer *l;
	const struct cnn_place_layer *p;
	struct cnn_geometry g;
	uint32_t hw, taps; /* pixels that are flattened, else 1; taps of the hardware's kernel */
};

/* Field of kernel number v, tap t (hardware order) of a processor's byte stream. */
static void put(const struct packing *k, uint8_t *stream, uint32_t v, uint32_t tap, int8_t w)
{
	uint32_t bits = k->l->weight_bits, fields = 8 / bits;
	uint32_t at = v / fields * k->taps + (k->taps - 1 - tap);
	uint32_t word = at / CNN_KERNEL_WORD_BYTES, byte = at % CNN_KERNEL_WORD_BYTES;
	uint8_t field = (uint8_t)((uint8_t)w & ((1u << bits) - 1));

	/* The stream counts bytes from the low end of a word; K0 is the high end. */
	stream[word * CNN_KERNEL_WORD_BYTES + (CNN_KERNEL_WORD_BYTES - 1 - byte)] |=
		(uint8_t)(field << (v % fields * bits));
}

/* All kernels between input channel `c` (at flattened pixel n) and output channel `o`. */
static void put_kernel(const struct packing *k, uint8_t *stream, uint32_t v, uint32_t o, uint32_t c,
		       uint32_t n)
{
	const struct cnn_layer *l = k->l;
	uint32_t kh = cnn_layer_kernel_h(l), kw = cnn_layer_kernel_w(l);
	const int8_t *w = l->weights + (((size_t)o * l->in_channels + c) * k->hw + n) * kh * kw;

	for (uint32_t r = 0; r < kh; r++)
		for (uint32_t col = 0; col < kw; col++)
			put(k, stream, v, cnn_geometry_tap(l, &k->g, r, col), w[r * kw + col]);
}

/* Stream of the j-th processor: output pass, slot, flattened pixel, input pass. */
static void pack_processor(const struct packing *k, uint32_t j, uint8_t *stream)
{
	const struct cnn_geometry *g = &k->g;

	for (uint32_t s = 0; s < g->slots; s++) {
		uint32_t o;

		if (!cnn_geometry_channel(g, s, &o))
			continue;
		for (uint32_t e = 0; e < g->passes; e++) {
			uint32_t c = e % g->channel_passes * g->per_pass + j;

			if (c < g->channels)
				put_kernel(k, stream, s * g->passes + e, o, c,
					   e / g->channel_passes);
		}
	}
}

static int pack_layer(const struct packing *k, struct cnn_image *image)
{
	size_t bytes = (size_t)k->g.kernel_words * CNN_KERNEL_WORD_BYTES;
	uint32_t j = 0;

	for (unsigned p = 0; p < CNN_PROCESSORS; p++) {
		struct cnn_kernel_run *run = &image->kernels[image->n_kernels];

		if ((k->p->in_processors >> p & 1) == 0)
			continue;
		run->bytes = calloc(1, bytes);
		if (run->bytes == NULL)
			return HV_E_NOMEM;
		image->n_kernels++;
		run->processor = (uint8_t)p;
		run->first_word = k->p->kernel_word;
		run->words = (uint16_t)k->g.kernel_words;
		pack_processor(k, j++, run->bytes);
	}
	return HV_OK;
}

/* Unused slots before and between channels have a byte too. */
static int pack_bias(const struct packing *k, struct cnn_image *image)
{
	const struct cnn_geometry *g = &k->g;
	struct cnn_bias_run *run = &image->biases[image->n_biases];
	uint32_t last = 0;

	run->bytes = calloc(1, g->slots);
	if (run->bytes == NULL)
		return HV_E_NOMEM;
	image->n_biases++;
	for (uint32_t s = 0; s < g->slots; s++) {
		uint32_t o;

		if (!cnn_geometry_channel(g, s, &o))
			continue;
		run->bytes[s] = k->l->bias[o];
		last = s;
	}
	run->quadrant = (uint8_t)k->p->bias_quadrant;
	run->first = k->p->bias_first;
	run->count = (uint16_t)(last + 1);
	return HV_OK;
}

int cnn_image_pack(const struct cnn_net *net, const struct cnn_place *place,
		   struct cnn_image *image)
{
	int err = HV_OK;

	image->kernels = calloc((size_t)net->layers * CNN_PROCESSORS, sizeof *image->kernels);
	image->biases = calloc(net->layers, sizeof *image->biases);
	if (image->kernels == NULL || image->biases == NULL)
		return HV_E_NOMEM;
	for (unsigned i = 0; err == HV_OK && i < net->layers; i++) {
		struct packing k = { .l = &net->layer[i], .p = &place->layer[i], .hw = 1 };

		if (k.l->op == CNN_OP_PASS)
			continue;
		cnn_geometry_of(k.l, k.p->out_processors, &k.g);
		k.taps = k.g.kernel_h * k.g.kernel_w;
		if (k.l->flatten)
			k.hw = (uint32_t)k.l->height * k.l->width;
		err = pack_layer(&k, image);
		if (err == HV_OK && k.l->bias != NULL)
			err = pack_bias(&k, image);
	}
	return err;
}
