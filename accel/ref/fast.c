#include "accel/ref/fast.h"

#include "accel/num.h"
#include "accel/ref/fast_kernel.h"

#include <stdlib.h>
#include <string.h>

enum { SLACK = 64 }; /* bytes a block of outputs may spill behind a tensor */

/* Bytes x + 128, pixel after pixel. */
struct plane {
	uint32_t pixels, channels, stride; /* stride: channels rounded up to a multiple of 4 */
	uint8_t *v;
};

struct layer {
	struct cnn_layer l; /* weights and bias are not used after packing */
	uint32_t out_h, out_w, pooled_h, pooled_w;
	uint32_t rows, row_pixels; /* calls of the kernel: output pixels in a row, and rows */
	size_t row_step; /* values of activations between rows */
	const struct fast_way *way;
	bool positive; /* results are 0..127 */
	struct fast_gemm g;
	struct fast_finish finish;
	void *weights;
	int32_t *start;
	uint8_t *padded; /* the input with what is around it, NULL when nothing is */
	uint32_t padded_h, padded_w;
	struct plane out; /* 8-bit results */
	int32_t *wide; /* 32-bit results, (pixels, blocks * 16) */
};

struct cnn_fast {
	struct cnn_net net;
	const struct fast_isa *isa;
	struct plane input;
	struct layer layer[CNN_LAYERS_MAX];
	size_t outputs;
	/* room for one layer's operands: gathered, pooled; combined ones are wider */
	uint8_t *gathered, *pooled;
	int16_t *combined, *arranged;
	int32_t *sums; /* FAST_TILE pixels, or a row of pooling sums */
};

static const struct fast_isa plain = { "plain",
				       { fast_kernel_plain, FAST_WIDE, 0 },
				       { fast_kernel_plain, FAST_WIDE, 0 },
				       fast_finish_plain };

static const struct fast_isa *isa_at(unsigned i)
{
	const struct fast_isa *special = fast_isa_special(i);

	if (special != NULL)
		return special;
	return i == 0 || fast_isa_special(i - 1) != NULL ? &plain : NULL;
}

const char *cnn_fast_isa(unsigned i)
{
	const struct fast_isa *isa = isa_at(i);

	return isa != NULL ? isa->name : NULL;
}

static uint32_t round4(uint32_t n)
{
	return (n + 3) / 4 * 4;
}

/* ---- preparation ---- */

static bool plane_new(struct plane *p, uint32_t pixels, uint32_t channels)
{
	size_t bytes;

	*p = (struct plane){ .pixels = pixels, .channels = channels, .stride = round4(channels) };
	bytes = (size_t)pixels * p->stride + SLACK;
	p->v = malloc(bytes);
	if (p->v != NULL)
		memset(p->v, 128, bytes);
	return p->v != NULL;
}

static bool pads(const struct cnn_layer *l)
{
	return l->op == CNN_OP_CONVT2D || l->pad_h > 0 || l->pad_w > 0;
}

/* How the kernel walks over the activations. */
static void plan_walk(struct layer *y)
{
	const struct cnn_layer *l = &y->l;
	uint32_t kh = cnn_layer_kernel_h(l), kw = cnn_layer_kernel_w(l);
	uint32_t stride = round4(l->in_channels);
	size_t line = (size_t)y->padded_w * stride;

	y->g.pixel_step = stride;
	y->g.segments = kh;
	y->g.segment_values = kw * stride;
	y->g.segment_step = line * cnn_layer_dilation(l);
	y->rows = y->out_h;
	y->row_pixels = y->out_w;
	y->row_step = line;
	if (kw == 1) { /* rows follow each other without a gap */
		y->rows = 1;
		y->row_pixels = y->out_h * y->out_w;
	}
	if (l->flatten) {
		y->g.segment_values = stride * l->height * l->width;
		y->row_pixels = 1;
	} else if (l->op == CNN_OP_CONV1D && cnn_layer_dilation(l) == 1) {
		y->g.segment_values = kh * stride;
		y->g.segments = 1;
	}
}

/* Value b of segment s: which tap and channel; false for channels that only fill up. */
static bool weight_at(const struct layer *y, uint32_t o, uint32_t s, uint32_t b, int8_t *w)
{
	const struct cnn_layer *l = &y->l;
	uint32_t stride = round4(l->in_channels), c = b % stride, unit = b / stride;
	uint32_t taps = cnn_layer_kernel_h(l) * cnn_layer_kernel_w(l);

	if (o >= l->out_channels || c >= l->in_channels)
		return false;
	if (l->flatten) {
		uint32_t pixels = (uint32_t)l->height * l->width;

		*w = l->weights[((size_t)o * l->in_channels + c) * pixels + unit];
		return true;
	}
	if (y->g.segments > 1)
		unit += s * cnn_layer_kernel_w(l);
	*w = l->weights[((size_t)o * l->in_channels + c) * taps + unit];
	return true;
}

/* The weights of one block behind each other; what FAST_BIASED adds to the sums is taken off
 * their start. */
static void pack_block(struct layer *y, uint32_t block, uint32_t group)
{
	const struct fast_gemm *g = &y->g;
	size_t at = (size_t)block * g->segments * g->segment_values * FAST_BLOCK;

	for (uint32_t s = 0; s < g->segments; s++)
		for (uint32_t k = 0; k < g->segment_values; k += group)
			for (uint32_t i = 0; i < group * FAST_BLOCK; i++, at++) {
				uint32_t o = block * FAST_BLOCK + i / group;
				int8_t w = 0;

				if (!weight_at(y, o, s, k + i % group, &w))
					continue;
				if (y->way->form == FAST_WIDE)
					((int16_t *)y->weights)[at] = w;
				else
					((int8_t *)y->weights)[at] = w;
				if (y->way->form == FAST_BIASED)
					y->start[o] -= 128 * w;
			}
}

static bool pack_weights(struct layer *y)
{
	const struct cnn_layer *l = &y->l;
	struct fast_gemm *g = &y->g;
	size_t bytes = y->way->form == FAST_WIDE ? 2 : 1;

	g->blocks = (l->out_channels + FAST_BLOCK - 1u) / FAST_BLOCK;
	y->weights =
		calloc((size_t)g->blocks * g->segments * g->segment_values, FAST_BLOCK * bytes);
	y->start = calloc(g->blocks, FAST_BLOCK * sizeof *y->start);
	if (y->weights == NULL || y->start == NULL)
		return false;
	for (uint32_t b = 0; b < g->blocks; b++)
		pack_block(y, b, y->way->group > 0 ? y->way->group : g->segment_values);
	for (uint32_t o = 0; l->bias != NULL && o < l->out_channels; o++)
		y->start[o] += 128 * l->bias[o];
	g->weights = y->weights;
	g->start = y->start;
	return true;
}

/* Values of the activations that the kernel sees. */
static size_t walked_values(const struct layer *y)
{
	size_t pixels = (size_t)y->pooled_h * y->pooled_w;

	if (pads(&y->l))
		pixels = (size_t)y->padded_h * y->padded_w;
	return pixels * round4(y->l.in_channels);
}

/* Whether a layer's operands, pooled and combined, are never negative. */
static bool takes_positive(const struct cnn_fast *f, const struct cnn_layer *l)
{
	for (unsigned s = 0; s < cnn_layer_sources(l); s++) {
		int from = cnn_layer_source(l, s);

		if (from == CNN_FROM_INPUT || !f->layer[from].positive)
			return false;
	}
	return cnn_layer_operands(l) == 1 || l->eltwise != CNN_ELT_SUB;
}

static void choose_way(const struct cnn_fast *f, struct layer *y)
{
	bool positive = takes_positive(f, &y->l);

	y->way = positive ? &f->isa->positive : &f->isa->any;
	y->positive = y->l.op == CNN_OP_PASS ? positive : y->l.act != CNN_ACT_NONE;
}

static bool prepare_padded(struct layer *y)
{
	const struct cnn_layer *l = &y->l;
	bool spread = l->op == CNN_OP_CONVT2D;
	uint32_t pad_h = spread ? 2u - l->pad_h : l->pad_h,
		 pad_w = spread ? 2u - l->pad_w : l->pad_w;
	size_t bytes;

	y->padded_h = (spread ? 2 : 1) * y->pooled_h + 2 * pad_h;
	y->padded_w = (spread ? 2 : 1) * y->pooled_w + 2 * pad_w;
	if (!pads(l))
		return true;
	bytes = walked_values(y) + SLACK;
	y->padded = malloc(bytes);
	if (y->padded == NULL)
		return false;
	memset(y->padded, 128, bytes);
	return true;
}

static bool prepare_layer(struct cnn_fast *f, unsigned i)
{
	struct layer *y = &f->layer[i];
	uint32_t chw[3], hw[2];

	y->l = f->net.layer[i];
	cnn_layer_out_shape(&y->l, chw);
	cnn_layer_pooled(&y->l, hw);
	y->pooled_h = hw[0];
	y->pooled_w = hw[1];
	y->out_h = chw[1];
	y->out_w = chw[2];
	y->finish = (struct fast_finish){ .shift = y->l.shift, .act = (int)y->l.act };
	if (y->l.is_output)
		f->outputs += (size_t)chw[0] * chw[1] * chw[2];
	if (!plane_new(&y->out, chw[1] * chw[2], chw[0]))
		return false;
	choose_way(f, y);
	if (y->l.op == CNN_OP_PASS)
		return true;
	if (!prepare_padded(y))
		return false;
	plan_walk(y);
	if (!pack_weights(y))
		return false;
	if (y->l.out_bits == 32)
		y->wide = malloc((size_t)chw[1] * chw[2] * y->g.blocks * FAST_BLOCK *
				 sizeof *y->wide);
	return y->l.out_bits != 32 || y->wide != NULL;
}

static bool prepare_scratch(struct cnn_fast *f)
{
	size_t plane = 0, walked = 0, sums = 0;

	for (unsigned i = 0; i < f->net.layers; i++) {
		const struct layer *y = &f->layer[i];
		size_t n = (size_t)y->l.height * y->l.width * round4(y->l.in_channels);
		size_t s = (size_t)FAST_TILE * y->g.blocks * FAST_BLOCK + y->l.in_channels + 4u;

		plane = n > plane ? n : plane;
		walked = walked_values(y) > walked ? walked_values(y) : walked;
		sums = s > sums ? s : sums;
	}
	f->gathered = malloc(plane + SLACK);
	f->pooled = malloc(plane + SLACK);
	f->combined = malloc((plane + SLACK) * sizeof *f->combined);
	f->arranged = malloc((walked + SLACK) * sizeof *f->arranged);
	f->sums = malloc(sums * sizeof *f->sums);
	return f->gathered != NULL && f->pooled != NULL && f->combined != NULL &&
	       f->arranged != NULL && f->sums != NULL &&
	       plane_new(&f->input, (uint32_t)f->net.height * f->net.width, f->net.channels);
}

int cnn_fast_new(const struct cnn_net *net, const char *isa, struct cnn_fast **f)
{
	const struct fast_isa *found = isa_at(0);
	struct cnn_fast *made;
	bool ok = true;

	for (unsigned i = 0; isa != NULL && found != NULL && strcmp(found->name, isa) != 0; i++)
		found = isa_at(i);
	if (found == NULL)
		return HV_E_NOENT;
	made = calloc(1, sizeof *made);
	if (made == NULL)
		return HV_E_NOMEM;
	made->net = *net;
	made->isa = found;
	for (unsigned i = 0; ok && i < net->layers; i++)
		ok = prepare_layer(made, i);
	if (!ok || !prepare_scratch(made)) {
		cnn_fast_free(made);
		return HV_E_NOMEM;
	}
	*f = made;
	return HV_OK;
}

void cnn_fast_free(struct cnn_fast *f)
{
	if (f == NULL)
		return;
	for (unsigned i = 0; i < CNN_LAYERS_MAX; i++) {
		free(f->layer[i].weights);
		free(f->layer[i].start);
		free(f->layer[i].padded);
		free(f->layer[i].out.v);
		free(f->layer[i].wide);
	}
	free(f->input.v);
	free(f->gathered);
	free(f->pooled);
	free(f->combined);
	free(f->arranged);
	free(f->sums);
	free(f);
}

size_t cnn_fast_outputs(const struct cnn_fast *f)
{
	return f->outputs;
}

/* ---- a layer's input ---- */

static const struct plane *source(const struct cnn_fast *f, const struct cnn_layer *l, unsigned s)
{
	int from = cnn_layer_source(l, s);

	return from == CNN_FROM_INPUT ? &f->input : &f->layer[from].out;
}

/* Channels first .. first + in_channels - 1 of the concatenated sources. */
static const uint8_t *gather(struct cnn_fast *f, const struct cnn_layer *l, uint32_t first)
{
	uint32_t stride = round4(l->in_channels), at = 0;

	if (cnn_layer_sources(l) == 1 && source(f, l, 0)->channels == l->in_channels)
		return source(f, l, 0)->v;
	for (unsigned s = 0; s < cnn_layer_sources(l); s++) {
		const struct plane *p = source(f, l, s);
		uint32_t lo = first > at ? first : at;
		uint32_t hi = first + l->in_channels < at + p->channels ? first + l->in_channels
									: at + p->channels;

		for (uint32_t n = 0; lo < hi && n < p->pixels; n++)
			memcpy(f->gathered + (size_t)n * stride + (lo - first),
			       p->v + (size_t)n * p->stride + (lo - at), hi - lo);
		at += p->channels;
	}
	return f->gathered;
}

static void pool_max(const struct layer *y, const uint8_t *in, uint8_t *out, uint32_t stride)
{
	uint32_t h = y->l.pool_h > 1 ? y->l.pool_h : 1, w = y->l.pool_w > 1 ? y->l.pool_w : 1;

	memcpy(out, in, stride);
	for (uint32_t r = 0; r < h; r++)
		for (uint32_t c = r == 0 ? 1 : 0; c < w; c++) {
			const uint8_t *restrict x = in + ((size_t)r * y->l.width + c) * stride;
			uint8_t *restrict max = out;

			for (uint32_t i = 0; i < stride; i++)
				max[i] = x[i] > max[i] ? x[i] : max[i];
		}
}

/* cnn_num_mean() of many sums: the same quotient by a multiplication, exact because sums stay
 * below 2^17 and divisors below 2^10. */
static void means(const int32_t *restrict sums, uint32_t n, bool round, uint8_t *restrict out,
		  uint32_t count)
{
	const uint32_t times = round ? 2 : 1, add = round ? n : 0, by = times * n;
	const uint64_t inverse = ((UINT64_C(1) << 27) + by - 1) / by;

	for (uint32_t i = 0; i < count; i++) {
		uint32_t magnitude = (uint32_t)(sums[i] < 0 ? -sums[i] : sums[i]);
		int32_t mean = (int32_t)((magnitude * times + add) * inverse >> 27);

		out[i] = (uint8_t)((sums[i] < 0 ? -mean : mean) + 128);
	}
}

static void pool_mean(const struct layer *y, bool round, const uint8_t *in, uint8_t *out,
		      uint32_t stride, int32_t *restrict sums)
{
	uint32_t h = y->l.pool_h > 1 ? y->l.pool_h : 1, w = y->l.pool_w > 1 ? y->l.pool_w : 1;
	uint32_t n = h * w;

	for (uint32_t i = 0; i < stride; i++)
		sums[i] = -128 * (int32_t)n;
	for (uint32_t r = 0; r < h; r++)
		for (uint32_t c = 0; c < w; c++) {
			const uint8_t *restrict x = in + ((size_t)r * y->l.width + c) * stride;

			for (uint32_t i = 0; i < stride; i++)
				sums[i] += x[i];
		}
	means(sums, n, round, out, stride);
}

static const uint8_t *pool(struct cnn_fast *f, const struct layer *y, const uint8_t *in)
{
	uint32_t stride = round4(y->l.in_channels), step = cnn_layer_stride(&y->l);
	bool round = f->net.avg_round && y->l.op != CNN_OP_CONV1D;

	if (y->l.pool == CNN_POOL_NONE && step == 1)
		return in;
	for (uint32_t r = 0; r < y->pooled_h; r++)
		for (uint32_t c = 0; c < y->pooled_w; c++) {
			const uint8_t *x = in + ((size_t)r * step * y->l.width + c * step) * stride;
			uint8_t *out = f->pooled + ((size_t)r * y->pooled_w + c) * stride;

			if (y->l.pool == CNN_POOL_NONE)
				memcpy(out, x, stride);
			else if (y->l.pool == CNN_POOL_MAX)
				pool_max(y, x, out, stride);
			else
				pool_mean(y, round, x, out, stride, f->sums);
		}
	return f->pooled;
}

static void combine(const struct layer *y, int16_t *all, const uint8_t *next, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int32_t a = all[i], b = next[i] - 128;

		switch (y->l.eltwise) {
		case CNN_ELT_SUB: a -= b; break;
		case CNN_ELT_ADD: a += b; break;
		case CNN_ELT_OR: a |= b; break;
		case CNN_ELT_XOR: a ^= b; break;
		}
		all[i] = (int16_t)a;
	}
}

static const uint8_t *combine_operands(struct cnn_fast *f, const struct layer *y)
{
	bool pool_each = !y->l.combine_first;
	uint32_t pixels =
		pool_each ? y->pooled_h * y->pooled_w : (uint32_t)y->l.height * y->l.width;
	size_t n = (size_t)pixels * round4(y->l.in_channels);

	for (uint32_t k = 0; k < cnn_layer_operands(&y->l); k++) {
		const uint8_t *x = gather(f, &y->l, k * y->l.in_channels);

		if (pool_each)
			x = pool(f, y, x);
		if (k > 0)
			combine(y, f->combined, x, n);
		for (size_t i = 0; k == 0 && i < n; i++)
			f->combined[i] = (int16_t)(x[i] - 128);
	}
	for (size_t i = 0; i < n; i++)
		f->gathered[i] = (uint8_t)(cnn_num_clamp8(f->combined[i]) + 128);
	return pool_each ? f->gathered : pool(f, y, f->gathered);
}

static const uint8_t *operands(struct cnn_fast *f, const struct layer *y)
{
	if (cnn_layer_operands(&y->l) > 1)
		return combine_operands(f, y);
	return pool(f, y, gather(f, &y->l, 0));
}

/* Into the middle of the padded buffer; transposed: with a zero behind every pixel and row. */
static const uint8_t *pad(const struct layer *y, const uint8_t *in)
{
	uint32_t stride = round4(y->l.in_channels);
	bool spread = y->l.op == CNN_OP_CONVT2D;
	uint32_t pad_h = spread ? 2u - y->l.pad_h : y->l.pad_h;
	uint32_t pad_w = spread ? 2u - y->l.pad_w : y->l.pad_w;

	if (y->padded == NULL)
		return in;
	for (uint32_t r = 0; r < y->pooled_h; r++) {
		size_t row = (size_t)(pad_h + (spread ? 2 : 1) * r) * y->padded_w + pad_w;
		const uint8_t *from = in + (size_t)r * y->pooled_w * stride;

		if (!spread)
			memcpy(y->padded + row * stride, from, (size_t)y->pooled_w * stride);
		for (uint32_t c = 0; spread && c < y->pooled_w; c++)
			memcpy(y->padded + (row + 2 * c) * stride, from + (size_t)c * stride,
			       stride);
	}
	return y->padded;
}

/* In the form that the kernel wants. */
static const void *arrange(struct cnn_fast *f, const struct layer *y, const uint8_t *restrict in)
{
	size_t n = walked_values(y);
	int16_t *restrict wide = f->arranged;
	int8_t *restrict bytes = (int8_t *)f->arranged;

	if (y->way->form == FAST_BIASED)
		return in;
	if (y->way->form == FAST_WIDE) {
		for (size_t i = 0; i < n; i++)
			wide[i] = (int16_t)(in[i] - 128);
	} else {
		for (size_t i = 0; i < n; i++)
			bytes[i] = (int8_t)(in[i] ^ 128);
	}
	return f->arranged;
}

/* ---- a layer ---- */

/* `at`: values from the start of the activations `activations`. */
static void run_pixels(struct cnn_fast *f, struct layer *y, const void *activations, size_t at,
		       uint32_t first, uint32_t pixels)
{
	const uint8_t *in = activations;
	uint32_t width = y->g.blocks * FAST_BLOCK;

	in += at * (y->way->form == FAST_WIDE ? 2 : 1);

	if (y->wide != NULL) {
		y->way->kernel(&y->g, in, pixels, y->wide + (size_t)first * width);
		return;
	}
	y->way->kernel(&y->g, in, pixels, f->sums);
	/* In order: what spills behind a pixel is overwritten by the next one. */
	for (uint32_t p = 0; p < pixels; p++)
		f->isa->finish(&y->finish, f->sums + (size_t)p * width, width,
			       y->out.v + (size_t)(first + p) * y->out.stride);
}

static void run_layer(struct cnn_fast *f, struct layer *y)
{
	const uint8_t *values = operands(f, y);
	const void *in;

	if (y->l.op == CNN_OP_PASS) {
		memcpy(y->out.v, values, (size_t)y->out.pixels * y->out.stride);
		return;
	}
	in = arrange(f, y, pad(y, values));
	for (uint32_t r = 0; r < y->rows; r++)
		for (uint32_t p = 0; p < y->row_pixels; p += FAST_TILE) {
			uint32_t n = y->row_pixels - p;

			run_pixels(f, y, in, r * y->row_step + p * y->g.pixel_step,
				   r * y->row_pixels + p, n < FAST_TILE ? n : FAST_TILE);
		}
}

/* Eight rows of eight bytes at `from` become columns at `to`, with 128 added. */
static void transpose8(const int8_t *from, size_t from_step, uint8_t *to, size_t to_step)
{
	static const uint64_t masks[3] = { UINT64_C(0x00000000ffffffff),
					   UINT64_C(0x0000ffff0000ffff),
					   UINT64_C(0x00ff00ff00ff00ff) };
	uint64_t v[8];

#pragma GCC unroll 8
	for (unsigned i = 0; i < 8; i++)
		memcpy(&v[i], from + i * from_step, 8);
#pragma GCC unroll 3
	for (unsigned m = 0, half = 4; m < 3; m++, half /= 2)
#pragma GCC unroll 8
		for (unsigned i = 0; i < 8; i++) {
			uint64_t swap;

			if ((i & half) != 0)
				continue;
			swap = (v[i] >> 8 * half ^ v[i + half]) & masks[m];
			v[i] ^= swap << 8 * half;
			v[i + half] ^= swap;
		}
#pragma GCC unroll 8
	for (unsigned i = 0; i < 8; i++) {
		v[i] ^= UINT64_C(0x8080808080808080);
		memcpy(to + i * to_step, &v[i], 8);
	}
}

static void take_input(struct cnn_fast *f, const int8_t *input)
{
	struct plane *p = &f->input;
	uint32_t block = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? 8 : UINT32_MAX;

	for (uint32_t c = 0; c < p->channels;) {
		uint32_t rows = p->channels - c >= block ? 8 : 1, n = 0;

		for (; rows == 8 && n + 8 <= p->pixels; n += 8)
			transpose8(input + (size_t)c * p->pixels + n, p->pixels,
				   p->v + (size_t)n * p->stride + c, p->stride);
		for (; n < p->pixels; n++)
			for (uint32_t i = 0; i < rows; i++)
				p->v[(size_t)n * p->stride + c + i] =
					(uint8_t)(input[(size_t)(c + i) * p->pixels + n] + 128);
		c += rows;
	}
}

static int32_t *give_output(const struct layer *y, int32_t *to)
{
	uint32_t width = y->g.blocks * FAST_BLOCK;

	for (uint32_t c = 0; c < y->out.channels; c++)
		for (uint32_t n = 0; n < y->out.pixels; n++)
			*to++ = y->wide != NULL ? y->wide[(size_t)n * width + c]
						: y->out.v[(size_t)n * y->out.stride + c] - 128;
	return to;
}

void cnn_fast_run(struct cnn_fast *f, const int8_t *inputs, unsigned batch, int32_t *outputs)
{
	size_t size = (size_t)f->net.channels * f->net.height * f->net.width;

	for (unsigned b = 0; b < batch; b++) {
		take_input(f, inputs + b * size);
		for (unsigned i = 0; i < f->net.layers; i++)
			run_layer(f, &f->layer[i]);
		for (unsigned i = 0; i < f->net.layers; i++)
			if (f->net.layer[i].is_output)
				outputs = give_output(&f->layer[i], outputs);
	}
}
