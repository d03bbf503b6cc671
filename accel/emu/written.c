/* Which memory words hold something: written over the bus or by a run since they were lost. */
#include "accel/emu/layer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

__attribute__((format(printf, 2, 3))) static void unset(struct cnn_emu *e, const char *fmt, ...)
{
	va_list ap;

	e->unset++;
	va_start(ap, fmt);
	vsnprintf(e->unset_text, sizeof e->unset_text, fmt, ap);
	va_end(ap);
}

uint64_t cnn_emu_unset(const struct cnn_emu *e)
{
	return e->unset;
}

const char *cnn_emu_unset_text(const struct cnn_emu *e)
{
	return e->unset_text;
}

static bool is_set(const uint32_t *bits, uint32_t i)
{
	return (bits[i / 32] >> i % 32 & 1) != 0;
}

/* First of `count` words from `first` on that is not set, below `size`; false: all are. */
static bool find_unset(const uint32_t *bits, uint32_t first, uint64_t count, uint32_t size,
		       uint32_t *at)
{
	uint64_t end = first + count < size ? first + count : size;

	*at = first;
	while (*at < end)
		if (bits[*at / 32] == UINT32_MAX) /* most of the time */
			*at = (*at / 32 + 1) * 32;
		else if (is_set(bits, *at))
			++*at;
		else
			return true;
	return false;
}

void emu_unset_bus_read(struct cnn_emu *e, uint32_t addr, const uint32_t *bits, uint32_t i)
{
	if (!is_set(bits, i))
		unset(e, "read of %08x which nothing has written", (unsigned)addr);
}

static void check_data(struct cnn_emu *e, const struct emu_layer *l)
{
	uint64_t pixels = (uint64_t)l->height * l->width;
	uint64_t words = (l->bytewise ? (pixels + 3) / 4 : pixels) * l->passes * l->operands;
	uint32_t at;

	for (unsigned j = 0; j < l->n_processors; j++) {
		unsigned i = l->processors[j] / 4;

		if (j > 0 && l->processors[j - 1] / 4 == i)
			continue;
		if (!find_unset(e->data_set[i], l->read_word, words, CNN_DATA_WORDS, &at))
			continue;
		unset(e, "layer %u reads word %u of data memory %u which nothing has written",
		      l->index, (unsigned)at, i);
		return;
	}
}

static void check_fifos(struct cnn_emu *e, const struct emu_layer *l)
{
	uint64_t pixels = (uint64_t)l->height * l->width;
	uint64_t words = l->bytewise ? (pixels + 3) / 4 : pixels;

	for (unsigned j = 0; j < l->n_processors; j++) {
		unsigned f = l->processors[j] / CNN_PER_QUADRANT;

		if (e->fifo[f].n >= words)
			continue;
		unset(e, "layer %u wants %llu words from FIFO %u, there are %zu", l->index,
		      (unsigned long long)words, f, e->fifo[f].n);
		return;
	}
}

static void check_kernels(struct cnn_emu *e, const struct emu_layer *l)
{
	uint32_t taps = l->kernel_h * l->kernel_w, at;
	uint32_t first = (l->count_start / 8 * taps + l->remainder) / CNN_KERNEL_WORD_BYTES;
	uint32_t bits = l->slots * l->passes * l->weight_bits;
	uint32_t end = ((l->count_start + bits - 1) / 8 * taps + l->remainder + taps - 1) /
			       CNN_KERNEL_WORD_BYTES +
		       1;

	for (unsigned j = 0; j < l->n_processors; j++) {
		unsigned p = l->processors[j];

		if (!find_unset(e->kernel_set[p], first, end - first, CNN_KERNEL_WORDS, &at))
			continue;
		unset(e, "layer %u reads kernel word %u of processor %u which nothing has written",
		      l->index, (unsigned)at, p);
		return;
	}
}

void emu_unset_layer(struct cnn_emu *e, const struct emu_layer *l)
{
	if (l->n_processors == 0)
		unset(e, "layer %u runs without any processor: it is not configured", l->index);
	if (l->from_fifo)
		check_fifos(e, l);
	else if (!l->streams)
		check_data(e, l);
	if (!l->pass_through && l->n_processors > 0)
		check_kernels(e, l);
}

/* ---- losing it again ---- */

void emu_lose_data(struct cnn_emu *e, unsigned q)
{
	memset(e->data[4 * q], 0, 4 * sizeof e->data[0]);
	memset(e->data_set[4 * q], 0, 4 * sizeof e->data_set[0]);
}

void emu_lose_bias(struct cnn_emu *e, unsigned q)
{
	memset(e->bias[q], 0, sizeof e->bias[q]);
	memset(e->bias_set[q], 0, sizeof e->bias_set[q]);
}

void emu_lose_lines(struct cnn_emu *e, unsigned q)
{
	memset(e->tram[q * CNN_PER_QUADRANT], 0, CNN_PER_QUADRANT * sizeof e->tram[0]);
}

void emu_lose_kernels(struct cnn_emu *e, unsigned q)
{
	memset(e->kernel[q * CNN_PER_QUADRANT], 0, CNN_PER_QUADRANT * sizeof e->kernel[0]);
	memset(e->kernel_set[q * CNN_PER_QUADRANT], 0, CNN_PER_QUADRANT * sizeof e->kernel_set[0]);
}

/* ---- built-in self test ---- */

/* Bit pairs of the test register: run and zeroise of data, kernels, line buffers, biases. A
 * memory that either has gone over holds zeros, and may be read. */
void emu_test_write(struct cnn_emu *e, unsigned q, uint32_t value)
{
	static void (*const clear[4])(struct cnn_emu *,
				      unsigned) = { emu_lose_data, emu_lose_kernels, emu_lose_lines,
						    emu_lose_bias };
	uint32_t rising = value & ~e->test[q] & 0xff;

	e->test[q] = (e->test[q] & ~UINT32_C(0xff)) | (value & 0xff);
	for (unsigned m = 0; m < 4; m++) {
		if ((rising >> 2 * m & 3) != 0)
			clear[m](e, q);
		if ((rising >> 2 * m & 1) != 0)
			e->test[q] |= UINT32_C(1) << 27 | UINT32_C(1) << (18 + m);
		if ((rising >> 2 * m & 2) != 0)
			e->test[q] |= UINT32_C(1) << 28 | UINT32_C(1) << (22 + m);
	}
	if ((rising & 0x03) != 0)
		memset(e->data_set[4 * q], 0xff, 4 * sizeof e->data_set[0]);
	if ((rising & 0x0c) != 0)
		memset(e->kernel_set[q * CNN_PER_QUADRANT], 0xff,
		       CNN_PER_QUADRANT * sizeof e->kernel_set[0]);
	if ((rising & 0xc0) != 0)
		memset(e->bias_set[q], 0xff, sizeof e->bias_set[q]);
}
