#include "accel/loadimg/build.h"
#include "accel/cost/cost.h"
#include "accel/image/footprint.h"
#include "accel/image/geometry.h"
#include "util/fs/crc32.h"
#include "util/fs/wr.h"
#include "util/own.h"
#include <stdio.h>
#include <stdlib.h>

enum { ROOM_STEP_KERNELS = 4, ROOM_STEP_DATA = 64 };

/* A network on its way into an image. */
struct build {
	const struct cnn_net *net; /* borrowed */
	struct cnn_place place;
	struct cnn_image image;
	struct cnn_footprint footprint;
	struct loadimg head;
};

/* The smallest of a few rooms that holds it. */
static int place(struct build *b, char *why, size_t cap)
{
	static const uint16_t data[] = { 512, 1024, 2048, 3072, 4096, CNN_DATA_WORDS };
	int err = HV_E_BUSY;

	for (size_t i = 0; i < HV_ARRAY_SIZE(data) && err == HV_E_BUSY; i++) {
		struct cnn_room room = { .kernel_words = CNN_KERNEL_WORDS,
					 .bias_count = CNN_BIAS_BYTES,
					 .data_words = data[i] };

		err = cnn_place_fit(b->net, &room, &b->place, why, cap);
	}
	if (err == HV_OK)
		err = cnn_image_build(b->net, &b->place, 0, &b->image, why, cap);
	if (err == HV_OK)
		err = cnn_footprint_image(&b->footprint, &b->image, why, cap);
	return err;
}

/* One behind the last cell of a or b that is set in any row, rounded up. */
static uint16_t end_of(const uint32_t *a, const uint32_t *b, unsigned rows, unsigned cells,
		       unsigned step)
{
	unsigned end = 0;

	for (unsigned row = 0; row < rows; row++)
		for (unsigned i = end; i < cells; i++)
			if (cnn_cell(a + row * (cells / 32), i) ||
			    cnn_cell(b + row * (cells / 32), i))
				end = i + 1;
	end = (end + step - 1) / step * step;
	return (uint16_t)(end < cells ? end : cells);
}

/* What neither the network's kernels and biases nor its data touch. */
static void set_left(struct build *b)
{
	const struct cnn_footprint *f = &b->footprint;
	struct cnn_room *left = &b->head.left;

	left->kernel_first = end_of(f->loaded.kernel[0], f->read.kernel[0], CNN_PROCESSORS,
				    CNN_KERNEL_WORDS, ROOM_STEP_KERNELS);
	left->kernel_words = (uint16_t)(CNN_KERNEL_WORDS - left->kernel_first);
	left->bias_first =
		end_of(f->loaded.bias[0], f->read.bias[0], CNN_QUADRANTS, CNN_BIAS_BYTES, 1);
	left->bias_count = (uint16_t)(CNN_BIAS_BYTES - left->bias_first);
	left->data_first = end_of(f->read.data[0], f->written.data[0], CNN_INSTANCES,
				  CNN_DATA_WORDS, ROOM_STEP_DATA);
	left->data_words = (uint16_t)(CNN_DATA_WORDS - left->data_first);
}

static int refuse(char *why, size_t cap, const char *what)
{
	snprintf(why, cap, "a load image cannot carry a network with %s", what);
	return HV_E_INVAL;
}

/* Where the input is: the layers that read it agree on that. */
static int set_input(struct build *b, char *why, size_t cap)
{
	const struct cnn_layer *l = &b->net->layer[0];
	const struct cnn_place_layer *p = &b->place.layer[0];
	unsigned first = cnn_first_bit(p->in_processors), n = cnn_count_bits(p->in_processors);

	if (b->net->fifo || b->net->input_chw)
		return refuse(why, cap, "an input that is not written pixel by pixel");
	if (cnn_layer_operands(l) > 1 || l->from != CNN_FROM_INPUT)
		return refuse(why, cap, "an input of several operands");
	if (first % 4 != 0 || (p->in_processors >> first) + 1 != (n < 64 ? UINT64_C(1) << n : 0))
		return refuse(why, cap, "input processors that are not one run");
	b->head.in_word = (uint16_t)(p->in_offset / 4);
	b->head.in_pixels = (uint16_t)((uint32_t)l->height * l->width);
	b->head.in_passes = (uint8_t)cnn_passes(l->in_channels);
	b->head.in_first_group = (uint8_t)(first / 4);
	b->head.in_groups = (uint8_t)((n + 3) / 4);
	return HV_OK;
}

static void put_head(struct hv_wr *w, const struct loadimg *h)
{
	hv_wr_u32(w, h->magic);
	hv_wr_u16(w, h->version);
	hv_wr_u8(w, h->layers);
	hv_wr_u8(w, h->quadrants);
	hv_wr_bytes(w, h->name, LOADIMG_NAME_BYTES);
	hv_wr_u32(w, h->ctrl_extra);
	hv_wr_u16(w, h->left.kernel_first);
	hv_wr_u16(w, h->left.kernel_words);
	hv_wr_u16(w, h->left.bias_first);
	hv_wr_u16(w, h->left.bias_count);
	hv_wr_u16(w, h->left.data_first);
	hv_wr_u16(w, h->left.data_words);
	hv_wr_u16(w, h->in_word);
	hv_wr_u16(w, h->in_pixels);
	hv_wr_u8(w, h->in_passes);
	hv_wr_u8(w, h->in_first_group);
	hv_wr_u8(w, h->in_groups);
	hv_wr_u8(w, 0);
	hv_wr_u32(w, h->cycles);
	hv_wr_u16(w, h->out_words);
	hv_wr_u16(w, h->n_regs);
	hv_wr_u16(w, h->n_biases);
	hv_wr_u16(w, h->n_kernels);
	hv_wr_u16(w, h->n_outputs);
	hv_wr_u16(w, 0);
	hv_wr_u32(w, h->total_bytes);
}

static void put_body(struct hv_wr *w, const struct cnn_image *image)
{
	for (size_t i = 0; i < image->n_regs; i++) {
		const struct cnn_reg_write *r = &image->regs[i];

		hv_wr_u16(w, (uint16_t)(r->quadrant << 10 | r->reg << 5 | r->layer));
		hv_wr_u32(w, r->value);
	}
	for (size_t i = 0; i < image->n_biases; i++) {
		const struct cnn_bias_run *r = &image->biases[i];

		hv_wr_u16(w, r->quadrant);
		hv_wr_u16(w, r->first);
		hv_wr_u16(w, r->count);
		hv_wr_bytes(w, r->bytes, r->count);
	}
	for (size_t i = 0; i < image->n_kernels; i++) {
		const struct cnn_kernel_run *r = &image->kernels[i];

		hv_wr_u16(w, r->processor);
		hv_wr_u16(w, r->first_word);
		hv_wr_u16(w, r->words);
		hv_wr_bytes(w, r->bytes, (size_t)r->words * CNN_KERNEL_WORD_BYTES);
	}
}

/* Addresses of the answer in ascending order, neighbours together. */
static int put_outputs(struct hv_wr *w, struct build *b)
{
	const struct cnn_net *net = b->net;
	uint32_t words = 0, runs = 0;

	for (unsigned i = 0; i < net->layers; i++) {
		const struct cnn_layer *l = &net->layer[i];
		uint32_t chw[3], channels, at = 0, n = 0;

		if (!l->is_output)
			continue;
		cnn_layer_out_shape(l, chw);
		channels = l->out_bits == 32 ? chw[0] : (chw[0] + 3) / 4;
		for (uint32_t k = 0; k < channels * chw[1] * chw[2]; k++) {
			uint32_t row = (l->out_bits == 32 ? 1 : 4) * (k % channels);
			uint32_t addr = cnn_output_addr32(l, &b->place.layer[i], k / channels, row);

			words++;
			if (n > 0 && addr == at + 4 * n && n < UINT16_MAX) {
				n++;
				continue;
			}
			if (n > 0) {
				hv_wr_u32(w, at);
				hv_wr_u32(w, n);
				runs++;
			}
			at = addr;
			n = 1;
		}
		hv_wr_u32(w, at);
		hv_wr_u32(w, n);
		runs++;
	}
	b->head.out_words = (uint16_t)words;
	b->head.n_outputs = (uint16_t)runs;
	return words <= UINT16_MAX && runs <= UINT16_MAX ? HV_OK : HV_E_INVAL;
}

static size_t size_max(const struct build *b)
{
	size_t n = LOADIMG_HEADER_BYTES + 4 + 6 * b->image.n_regs;

	for (size_t i = 0; i < b->image.n_biases; i++)
		n += 6u + b->image.biases[i].count;
	for (size_t i = 0; i < b->image.n_kernels; i++)
		n += 6u + (size_t)b->image.kernels[i].words * CNN_KERNEL_WORD_BYTES;
	for (unsigned i = 0; i < b->net->layers; i++) {
		uint32_t chw[3];

		cnn_layer_out_shape(&b->net->layer[i], chw);
		n += 8 * (size_t)chw[0] * chw[1] * chw[2];
	}
	return n;
}

static int write_image(struct build *b, uint8_t **bytes, size_t *len, char *why, size_t cap)
{
	size_t room = size_max(b);
	hv_autofree uint8_t *buf = malloc(room);
	struct hv_wr w = hv_wr_init(buf, room), head = w;

	if (buf == NULL)
		return HV_E_NOMEM;
	(void)hv_wr_room(&w, LOADIMG_HEADER_BYTES);
	put_body(&w, &b->image);
	if (put_outputs(&w, b) < 0)
		return refuse(why, cap, "more than 65535 words of output");
	b->head.total_bytes = (uint32_t)(hv_wr_len(&w) + 4);
	put_head(&head, &b->head);
	hv_wr_u32(&w, hv_crc32(0, buf, hv_wr_len(&w)));
	if (!w.ok || hv_wr_len(&head) != LOADIMG_HEADER_BYTES)
		return refuse(why, cap, "more bytes than it was measured to have");
	*len = hv_wr_len(&w);
	*bytes = hv_take(buf);
	return HV_OK;
}

static int build(struct build *b, const char *name, uint8_t **bytes, size_t *len, char *why,
		 size_t cap)
{
	int err = place(b, why, cap);

	if (err == HV_OK)
		err = set_input(b, why, cap);
	if (err != HV_OK)
		return err;
	b->head.magic = LOADIMG_MAGIC;
	b->head.version = LOADIMG_VERSION;
	b->head.layers = (uint8_t)b->image.layers;
	b->head.quadrants = b->image.quadrants;
	snprintf(b->head.name, sizeof(b->head.name), "%.15s", name);
	b->head.ctrl_extra = b->image.ctrl_extra;
	b->head.cycles = cnn_cost_cycles(b->net);
	b->head.n_regs = (uint16_t)b->image.n_regs;
	b->head.n_biases = (uint16_t)b->image.n_biases;
	b->head.n_kernels = (uint16_t)b->image.n_kernels;
	set_left(b);
	return write_image(b, bytes, len, why, cap);
}

int loadimg_build(const char *name, const struct cnn_net *net, uint8_t **bytes, size_t *len,
		  struct loadimg *img, char *why, size_t cap)
{
	struct build *b = calloc(1, sizeof(*b));
	int err;

	snprintf(why, cap, "out of memory");
	if (b == NULL)
		return HV_E_NOMEM;
	b->net = net;
	err = build(b, name, bytes, len, why, cap);
	if (err == HV_OK)
		*img = b->head;
	cnn_image_free(&b->image);
	free(b);
	return err;
}
