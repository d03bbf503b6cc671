/* Execution of layers on the memories' contents. */
#include "accel/emu/dot.h"
#include "accel/emu/layer.h"
#include "accel/num.h"
#include "util/own.h"

#include <string.h>

/* Values of the input as the datapath sees them: pixel by pixel, in a pixel all passes of all
 * enabled processors. 16-bit holders of 8-bit values: the sums below then map to the host's
 * multiply-add of neighbours. */
struct frame {
	uint32_t height, width, depth;
	int16_t *v;
};

static int frame_new(struct frame *f, uint32_t height, uint32_t width, uint32_t depth)
{
	*f = (struct frame){ .height = height, .width = width, .depth = depth };
	f->v = calloc((size_t)height * width * depth + 1, sizeof *f->v);
	return f->v == NULL ? HV_E_NOMEM : HV_OK;
}

static int16_t *frame_at(const struct frame *f, uint32_t y, uint32_t x)
{
	return f->v + ((size_t)y * f->width + x) * f->depth;
}

static void frame_replace(struct frame *f, const struct frame *by)
{
	free(f->v);
	*f = *by;
}

/* ---- input ---- */

/* A FIFO word goes to the first processors of its quadrant. */
static int8_t fifo_byte(const struct cnn_emu *e, const struct emu_layer *l, unsigned p, uint32_t n)
{
	const struct emu_fifo *f = &e->fifo[p / CNN_PER_QUADRANT];
	uint32_t word = l->bytewise ? n / 4 : n;
	unsigned lane = l->bytewise ? n % 4 : p % 4;

	return (int8_t)(uint8_t)(word < f->n ? f->words[word] >> 8 * lane : 0);
}

/* A frame on its way from one layer to a streaming one: what would pass through the ring buffer
 * of every data memory, all of it. */
struct stream {
	uint32_t *words[CNN_INSTANCES]; /* owned */
	size_t n;
};

static void stream_free(struct stream *s)
{
	for (unsigned i = 0; i < CNN_INSTANCES; i++)
		free(s->words[i]);
	*s = (struct stream){ 0 };
}

static int stream_new(struct stream *s, size_t n)
{
	*s = (struct stream){ .n = n };
	for (unsigned i = 0; i < CNN_INSTANCES; i++) {
		s->words[i] = calloc(n, sizeof *s->words[i]);
		if (s->words[i] == NULL) {
			stream_free(s);
			return HV_E_NOMEM;
		}
	}
	return HV_OK;
}

static int8_t stream_byte(const struct stream *s, unsigned p, size_t word)
{
	return (int8_t)(uint8_t)(word < s->n ? s->words[p / 4][word] >> 8 * (p % 4) : 0);
}

static int8_t memory_byte(const struct cnn_emu *e, const struct emu_layer *l, unsigned p,
			  uint32_t n, uint32_t pass, uint32_t operand)
{
	uint32_t step = l->passes * l->operands, sub = pass * l->operands + operand;

	return (int8_t)(uint8_t)(e->data[p / 4][l->read_word + n / 4 * step + sub] >> 8 * (n % 4));
}

/* The normal layout: a pass of a pixel is one word of every data memory. */
static void read_words(const struct cnn_emu *e, const struct emu_layer *l, uint32_t operand,
		       int16_t *to)
{
	const uint32_t *from[CNN_PROCESSORS];
	uint32_t words = l->height * l->width * l->passes;

	for (unsigned j = 0; j < l->n_processors; j++)
		from[j] = e->data[l->processors[j] / 4] + l->read_word + operand;
	for (uint32_t w = 0; w < words; w++)
		for (unsigned j = 0; j < l->n_processors; j++)
			*to++ = (int8_t)(uint8_t)(from[j][w * l->operands] >>
						  8 * (l->processors[j] % 4));
}

static int8_t input_byte(const struct cnn_emu *e, const struct emu_layer *l,
			 const struct stream *in, unsigned p, uint32_t n, uint32_t pass,
			 uint32_t operand)
{
	if (l->from_fifo)
		return fifo_byte(e, l, p, n);
	if (l->streams)
		return stream_byte(in, p, ((size_t)n * l->passes + pass) * l->operands + operand);
	return memory_byte(e, l, p, n, pass, operand);
}

static int read_operand(const struct cnn_emu *e, const struct emu_layer *l, const struct stream *in,
			uint32_t operand, struct frame *f)
{
	uint32_t pixels = l->height * l->width;
	int16_t *to;

	if (frame_new(f, l->height, l->width, l->passes * l->n_processors) < 0)
		return HV_E_NOMEM;
	to = f->v;
	if (!l->from_fifo && !l->streams && !l->bytewise) {
		read_words(e, l, operand, to);
		return HV_OK;
	}
	for (uint32_t n = 0; n < pixels; n++)
		for (uint32_t pass = 0; pass < l->passes; pass++)
			for (unsigned j = 0; j < l->n_processors; j++)
				*to++ = input_byte(e, l, in, l->processors[j], n, pass, operand);
	return HV_OK;
}

/* ---- pooling and element-wise ---- */

static int16_t pool_one(const struct emu_layer *l, const struct frame *f, uint32_t y, uint32_t x,
			uint32_t d)
{
	int32_t sum = 0, max = -128;

	for (uint32_t r = 0; r < l->pool_h; r++)
		for (uint32_t c = 0; c < l->pool_w; c++) {
			int32_t v = frame_at(f, y * l->stride + r, x * l->stride + c)[d];

			sum += v;
			if (v > max)
				max = v;
		}
	if (!l->pools || l->pool_max)
		return (int16_t)max;
	return (int16_t)cnn_num_mean(sum, (int32_t)(l->pool_h * l->pool_w), l->round);
}

static int pool_frame(const struct emu_layer *l, struct frame *f)
{
	struct frame out;

	if (!l->pools && l->stride == 1)
		return HV_OK;
	if (frame_new(&out, l->pooled_h, l->pooled_w, f->depth) < 0)
		return HV_E_NOMEM;
	for (uint32_t y = 0; y < out.height; y++)
		for (uint32_t x = 0; x < out.width; x++)
			for (uint32_t d = 0; d < f->depth; d++)
				frame_at(&out, y, x)[d] = pool_one(l, f, y, x, d);
	frame_replace(f, &out);
	return HV_OK;
}

static void combine(const struct emu_layer *l, struct frame *f, const struct frame *by)
{
	size_t n = (size_t)f->height * f->width * f->depth;

	for (size_t i = 0; i < n; i++) {
		int32_t a = f->v[i], b = by->v[i];

		switch (l->eltwise) {
		case 0: a -= b; break;
		case 1: a += b; break;
		case 2: a |= b; break;
		default: a ^= b; break;
		}
		f->v[i] = (int16_t)a;
	}
}

static int prepare(const struct cnn_emu *e, const struct emu_layer *l, const struct stream *in,
		   struct frame *f)
{
	bool pool_each = l->operands == 1 || l->pool_first || !l->pools;
	int err = read_operand(e, l, in, 0, f);

	if (err == HV_OK && pool_each)
		err = pool_frame(l, f);
	for (uint32_t k = 1; err == HV_OK && k < l->operands; k++) {
		struct frame next;

		err = read_operand(e, l, in, k, &next);
		if (err == HV_OK && pool_each)
			err = pool_frame(l, &next);
		if (err == HV_OK)
			combine(l, f, &next);
		free(next.v);
	}
	for (size_t i = 0;
	     err == HV_OK && l->operands > 1 && i < (size_t)f->height * f->width * f->depth; i++)
		f->v[i] = (int16_t)cnn_num_clamp8(f->v[i]);
	if (err == HV_OK && !pool_each)
		err = pool_frame(l, f);
	return err;
}

static int spread(struct frame *f)
{
	struct frame out;

	if (frame_new(&out, 2 * f->height, 2 * f->width, f->depth) < 0)
		return HV_E_NOMEM;
	for (uint32_t y = 0; y < f->height; y++)
		for (uint32_t x = 0; x < f->width; x++)
			memcpy(frame_at(&out, 2 * y, 2 * x), frame_at(f, y, x),
			       f->depth * sizeof *f->v);
	frame_replace(f, &out);
	return HV_OK;
}

/* ---- kernels ---- */

/* Weights of kernel number v: a field of `weight_bits` in one byte per tap, taps reversed. */
static void decode_kernel(const uint8_t *stream, const struct emu_layer *l, uint32_t v, int16_t *to,
			  size_t step)
{
	uint32_t taps = l->kernel_h * l->kernel_w, bits = l->weight_bits;
	uint32_t count = l->count_start + v * bits, low = count % 8;
	const uint8_t *from = stream + count / 8 * taps + l->remainder + taps;

	for (uint32_t tap = 0; tap < taps; tap++, to += step) {
		int32_t field = *--from >> low & ((1 << bits) - 1);

		*to = (int16_t)(field - ((field >> (bits - 1)) << bits));
	}
}

/* Values of a patch of the input, rounded up to what vectors of the host take whole. */
static size_t patch_length(const struct emu_layer *l)
{
	size_t n = (size_t)l->kernel_h * l->kernel_w * l->passes * l->n_processors;

	return n > 0 ? (n + 31) / 32 * 32 : 32;
}

/* decode_kernel() of all processors when weights are whole bytes. */
static void decode_bytes(const struct cnn_emu *e, const struct emu_layer *l, uint32_t v,
			 int16_t *to, size_t step)
{
	uint32_t taps = l->kernel_h * l->kernel_w;
	uint32_t last = (l->count_start / 8 + v) * taps + l->remainder + taps - 1;

	for (uint32_t tap = 0; tap < taps; tap++, to += step)
		for (unsigned j = 0; j < l->n_processors; j++)
			to[j] = (int8_t)e->kernel[l->processors[j]][last - tap];
}

/* All kernels as (slot, tap, pass, processor), the order of a patch of the input; zeros behind
 * them and up to a multiple of four slots. */
static int16_t *decode_kernels(const struct cnn_emu *e, const struct emu_layer *l)
{
	uint32_t depth = l->passes * l->n_processors, taps = l->kernel_h * l->kernel_w;
	size_t length = patch_length(l), used = (size_t)taps * depth,
	       slots = (l->slots + 3) / 4 * 4;
	int16_t *w = aligned_alloc(64, slots * length * sizeof *w);

	if (w == NULL)
		return NULL;
	for (uint32_t s = 0; s < l->slots; s++)
		memset(w + s * length + used, 0, (length - used) * sizeof *w);
	memset(w + l->slots * length, 0, (slots - l->slots) * length * sizeof *w);
	for (uint32_t v = 0; v < l->slots * l->passes; v++) {
		int16_t *to = w + v / l->passes * length + v % l->passes * l->n_processors;

		if (l->weight_bits == 8 && l->count_start % 8 == 0)
			decode_bytes(e, l, v, to, depth);
		else
			for (unsigned j = 0; j < l->n_processors; j++)
				decode_kernel(e->kernel[l->processors[j]], l, v, to + j, depth);
	}
	return w;
}

/* ---- output ---- */

/* Where a layer's results go: the data memories, or a stream to the next layer. */
struct sink {
	struct cnn_emu *e;
	struct stream *to; /* NULL: memories */
};

/* Word `offset` behind the pointer `base`, whose upper bits are the instance. */
static uint32_t *sink_word(const struct sink *k, uint32_t base, uint32_t offset)
{
	uint32_t at = base + offset;

	if (k->to == NULL)
		return &k->e->data[(at / CNN_DATA_WORDS) % CNN_INSTANCES][at % CNN_DATA_WORDS];
	return offset < k->to->n ? &k->to->words[(base / CNN_DATA_WORDS) % CNN_INSTANCES][offset]
				 : NULL;
}

static void write_lane(uint32_t *word, unsigned lane, int32_t value)
{
	if (word == NULL)
		return;
	/* A whole word is written: lanes without a channel become 0. */
	if (lane == 0)
		*word = 0;
	*word = (*word & ~(UINT32_C(0xff) << 8 * lane)) | ((uint32_t)value & 0xff) << 8 * lane;
}

static int32_t bias_of(const struct cnn_emu *e, const struct emu_layer *l, uint32_t slot)
{
	if (l->bias_quadrant < 0 || l->bias_first + slot >= CNN_BIAS_BYTES)
		return 0;
	return 128 * e->bias[l->bias_quadrant][l->bias_first + slot];
}

/* `n` words of a result, `step` apart, hold something from now on. */
static void mark_written(const struct sink *k, uint32_t at, uint32_t n, uint32_t step)
{
	for (uint32_t i = 0; k->to == NULL && i < n; i++, at += step)
		emu_set(k->e->data_set[(at / CNN_DATA_WORDS) % CNN_INSTANCES], at % CNN_DATA_WORDS);
}

/* Where the results of a slot go for pixel 0, and what is added to them. */
struct slot {
	uint32_t base, offset, lane;
	int32_t bias;
};

static void place_slots(const struct cnn_emu *e, const struct emu_layer *l, struct slot *slots)
{
	for (uint32_t s = 0; s < l->slots; s++) {
		uint32_t pass = s / l->pass_slots, pos = s % l->pass_slots;

		slots[s] = (struct slot){
			.base = l->write_word[0] + pos / 4 * l->group_step,
			.offset = pass * l->pass_step,
			.lane = pos % 4,
			.bias = bias_of(e, l, s),
		};
	}
}

static void write_slot(const struct sink *k, const struct emu_layer *l, const struct slot *slot,
		       uint32_t n, int32_t value)
{
	uint32_t offset = slot->offset + n * l->pixel_step * (l->wide ? 4 : 1);

	if (!l->wide)
		write_lane(sink_word(k, slot->base, offset), slot->lane, value);
	else
		*sink_word(k, slot->base, offset + slot->lane) = (uint32_t)value;
}

static int32_t finish(const struct emu_layer *l, int32_t acc)
{
	if (l->wide)
		return acc;
	acc = cnn_num_requant(acc, l->shift);
	if (l->abs)
		return cnn_num_abs(acc);
	return l->relu ? cnn_num_relu(acc) : acc;
}

/* ---- convolution ---- */

/* The input under the kernel at output (y, x), zeros outside, as (tap, depth). */
static void take_patch(const struct emu_layer *l, const struct frame *f, uint32_t y, uint32_t x,
		       int16_t *patch)
{
	for (uint32_t r = 0; r < l->kernel_h; r++)
		for (uint32_t c = 0; c < l->kernel_w; c++, patch += f->depth) {
			uint32_t iy = y + r - l->pad_h, ix = x + c - l->pad_w;

			if (iy < f->height && ix < f->width)
				memcpy(patch, frame_at(f, iy, ix), f->depth * sizeof *patch);
			else
				memset(patch, 0, f->depth * sizeof *patch);
		}
}

/* Sums of all slots for one patch, four at a time; there are kernels for a multiple of four. */
static void convolve_patch(const struct sink *k, const struct emu_layer *l,
			   const struct slot *slots, const int16_t *patch, const int16_t *w,
			   size_t length, uint32_t n)
{
	emu_dot4 *dot4 = emu_dot4_best();
	int32_t sums[4];

	for (uint32_t s = 0; s < l->slots; s += 4) {
		dot4(patch, w + s * length, length, length, sums);
		for (uint32_t i = 0; i < 4 && s + i < l->slots; i++)
			write_slot(k, l, &slots[s + i], n, finish(l, sums[i] + slots[s + i].bias));
	}
}

static void mark_slots(const struct sink *k, const struct emu_layer *l, const struct slot *slots)
{
	uint32_t pixels = l->out_h * l->out_w, wide = l->wide ? 4 : 1;

	for (uint32_t s = 0; s < l->slots; s++)
		if (l->wide || slots[s].lane == 0)
			mark_written(
				k, slots[s].base + slots[s].offset + (l->wide ? slots[s].lane : 0),
				pixels, l->pixel_step * wide);
}

static int convolve(const struct sink *k, const struct emu_layer *l, struct frame *f)
{
	size_t length = patch_length(l);
	hv_autofree int16_t *w = decode_kernels(k->e, l);
	hv_autofree int16_t *patch = aligned_alloc(64, length * sizeof *patch);
	hv_autofree struct slot *slots = malloc(l->slots * sizeof *slots);
	uint32_t n = 0;

	if (w == NULL || patch == NULL || slots == NULL || (l->transposed && spread(f) < 0))
		return HV_E_NOMEM;
	place_slots(k->e, l, slots);
	memset(patch, 0, length * sizeof *patch);
	mark_slots(k, l, slots);
	for (uint32_t y = 0; y < l->out_h; y++)
		for (uint32_t x = 0; x < l->out_w; x++, n++) {
			take_patch(l, f, y, x, patch);
			convolve_patch(k, l, slots, patch, w, length, n);
		}
	return HV_OK;
}

/* ---- pass-through ---- */

static void pass_through(const struct sink *k, const struct emu_layer *l, const struct frame *f)
{
	uint32_t pixels = f->height * f->width;

	for (unsigned j = 0, q = 0, i = 0; j < l->n_processors; j++, i++) {
		if (l->processors[j] / CNN_PER_QUADRANT != q) {
			q = l->processors[j] / CNN_PER_QUADRANT;
			i = 0; /* every quadrant writes its own, packed */
		}
		if (i % 4 == 0)
			mark_written(k, l->write_word[q] + i / 4 * l->slot_step, pixels * l->passes,
				     l->pixel_step);
		for (uint32_t n = 0; n < pixels; n++)
			for (uint32_t pass = 0; pass < l->passes; pass++)
				write_lane(sink_word(k, l->write_word[q] + i / 4 * l->slot_step,
						     (n * l->passes + pass) * l->pixel_step),
					   i % 4, f->v[n * f->depth + pass * l->n_processors + j]);
	}
}

static int run_layer(const struct sink *k, const struct emu_layer *l, const struct stream *in)
{
	struct frame f = { 0 };
	int err = prepare(k->e, l, in, &f);

	if (err == HV_OK && l->pass_through)
		pass_through(k, l, &f);
	else if (err == HV_OK)
		err = convolve(k, l, &f);
	free(f.v);
	return err;
}

/* Runs layer l; `between` holds the frame a streaming one reads, and then the one it made. */
static int run_between(struct cnn_emu *e, const struct emu_layer *l, struct stream *between)
{
	struct stream out = { 0 };
	struct sink k = { .e = e, .to = l->feeds ? &out : NULL };
	size_t words =
		(size_t)l->out_h * l->out_w * l->pixel_step * (l->pass_through ? l->passes : 1);
	int err = l->feeds ? stream_new(&out, words) : HV_OK;

	if (err == HV_OK)
		err = run_layer(&k, l, between);
	stream_free(between);
	*between = out;
	return err;
}

void emu_run(struct cnn_emu *e, unsigned first, unsigned last)
{
	struct stream between = { 0 };
	uint64_t work = 0;
	struct emu_layer l;

	for (unsigned i = first; i <= last && i < CNN_LAYERS_MAX; i++) {
		const char *wrong = emu_layer_decode(e, i, &l);

		if (wrong == NULL) {
			emu_unset_layer(e, &l);
			work += emu_layer_work(&l);
			if (work > e->work_max)
				wrong = "the run is longer than the emulator's limit";
		}
		if (wrong != NULL)
			emu_misuse(e, "layer %u: %s", i, wrong);
		else if (run_between(e, &l, &between) < 0)
			emu_misuse(e, "layer %u: the emulator is out of memory", i);
		if (e->on_layer != NULL)
			e->on_layer(e->on_layer_ctx, i);
	}
	stream_free(&between);
}

uint64_t emu_run_cycles(const struct cnn_emu *e, unsigned first, unsigned last)
{
	struct emu_layer l;
	uint64_t cycles = 0;

	for (unsigned i = first; i <= last && i < CNN_LAYERS_MAX; i++)
		if (emu_layer_decode(e, i, &l) == NULL)
			cycles += emu_layer_cycles(&l);
	return cycles;
}
