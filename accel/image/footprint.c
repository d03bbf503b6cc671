/* Bus writes into what they occupy. */
#include "accel/image/footprint.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { BANK_BYTES = 0x4000, INSTANCE_BYTES = 0x8000 };

static int refuse(char *why, size_t cap, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int refuse(char *why, size_t cap, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (cap > 0)
		vsnprintf(why, cap, fmt, ap);
	va_end(ap);
	return HV_E_INVAL;
}

/* ---- collecting ---- */

static void kernel_bytes(struct cnn_footprint *f, unsigned p)
{
	for (unsigned i = 0; i < 4; i++) {
		if (++f->bytes[p] < CNN_KERNEL_WORD_BYTES)
			continue;
		f->bytes[p] = 0;
		if (f->word[p] < CNN_KERNEL_WORDS)
			cnn_cell_set(f->loaded.kernel[p], f->word[p]);
		else
			f->strays++;
		f->word[p]++;
	}
}

static void kernel_write(struct cnn_footprint *f, unsigned p, uint32_t off, uint32_t q)
{
	if ((f->ctrl[q] & CNN_CTRL_MEXPRESS) != 0)
		kernel_bytes(f, p);
	else if (off / 16 >= CNN_KERNEL_WORDS)
		f->strays++;
	else if (off % 16 == 12)
		cnn_cell_set(f->loaded.kernel[p], off / 16);
}

static void register_write(struct cnn_footprint *f, uint32_t q, uint32_t off, uint32_t value)
{
	uint32_t reg = (off - 0x10) / 0x80, layer = (off - 0x10) % 0x80 / 4;

	if (off == 0) {
		if ((value & CNN_CTRL_CNN_EN) != 0)
			f->started |= (uint8_t)(1u << q);
		f->ctrl[q] = value;
	} else if (off == 8) {
		f->last_layer[q] = value & (CNN_LAYERS_MAX - 1);
	} else if (off >= 0x10 && reg < CNN_LAYER_REGS) {
		f->reg[q][reg][layer] = value;
		f->reg_set[q][reg] |= UINT32_C(1) << layer;
	}
}

static void write32(void *ctx, uint32_t addr, uint32_t value)
{
	struct cnn_footprint *f = ctx;
	uint32_t q, off;

	if (addr < CNN_CTRL || addr >= CNN_CTRL + CNN_QUADRANTS * CNN_QUADRANT_STRIDE)
		return; /* FIFO and always-on domain: hold nothing of a network */
	q = (addr - CNN_CTRL) / CNN_QUADRANT_STRIDE;
	off = (addr - CNN_CTRL) % CNN_QUADRANT_STRIDE;
	if (off < 0x2000)
		register_write(f, q, off, value);
	else if (off >= CNN_BIAS - CNN_CTRL && off < CNN_BIAS - CNN_CTRL + 4 * CNN_BIAS_BYTES)
		cnn_cell_set(f->loaded.bias[q], (off - (CNN_BIAS - CNN_CTRL)) / 4);
	else if (off >= CNN_KERNEL - CNN_CTRL &&
		 off < CNN_KERNEL - CNN_CTRL + CNN_PER_QUADRANT * BANK_BYTES)
		kernel_write(f, q * CNN_PER_QUADRANT + (off - (CNN_KERNEL - CNN_CTRL)) / BANK_BYTES,
			     (off - (CNN_KERNEL - CNN_CTRL)) % BANK_BYTES, q);
	else if (off >= CNN_DATA - CNN_CTRL && off < CNN_DATA - CNN_CTRL + 4 * INSTANCE_BYTES)
		cnn_cell_set(f->loaded.data[4 * q + (off - (CNN_DATA - CNN_CTRL)) / INSTANCE_BYTES],
			     (off - (CNN_DATA - CNN_CTRL)) % INSTANCE_BYTES / 4);
	else
		f->strays++;
}

/* The address of a packed kernel stream. */
static void write8(void *ctx, uint32_t addr, uint8_t value)
{
	struct cnn_footprint *f = ctx;
	uint32_t off = addr - CNN_KERNEL, p;

	p = off / CNN_QUADRANT_STRIDE * CNN_PER_QUADRANT + off % CNN_QUADRANT_STRIDE / BANK_BYTES;
	if (addr < CNN_KERNEL || p >= CNN_PROCESSORS || value != 1 ||
	    off % CNN_QUADRANT_STRIDE / BANK_BYTES >= CNN_PER_QUADRANT) {
		f->strays++;
		return;
	}
	f->word[p] = (uint16_t)(off % BANK_BYTES / 4);
	f->bytes[p] = 0;
}

static uint32_t read32(void *ctx, uint32_t addr)
{
	(void)ctx;
	(void)addr;
	return 0;
}

void cnn_footprint_begin(struct cnn_footprint *f)
{
	memset(f, 0, sizeof *f);
}

struct cnn_bus cnn_footprint_bus(struct cnn_footprint *f)
{
	return (struct cnn_bus){ .ctx = f, .write32 = write32, .write8 = write8, .read32 = read32 };
}

/* ---- what a run does ---- */

/* One layer's registers, only as far as addresses depend on them. */
struct run {
	struct cnn_footprint *f;
	unsigned layer;
	uint64_t processors;
	bool pass, fifo, streams, feeds, wide, bytewise;
	uint32_t rows, columns, out_pixels, taps, passes, operands, bits, kernels;
};

static uint32_t reg(const struct run *r, unsigned n)
{
	return r->f->reg[0][n][r->layer];
}

static uint32_t bits_of(uint32_t v, unsigned low, unsigned n)
{
	return v >> low & ((UINT32_C(1) << n) - 1);
}

/* Quadrants without a start do not run; those of a convolution must be listed besides. */
static uint64_t running(const struct run *r)
{
	uint32_t listed = 1u | bits_of(reg(r, CNN_R_LCTL), 12, 4);
	uint64_t map = 0;

	for (unsigned q = 0; q < CNN_QUADRANTS; q++) {
		uint32_t en = r->f->reg[q][CNN_R_EN][r->layer];

		if ((r->f->started >> q & 1) == 0 || (!r->pass && (listed >> q & 1) == 0))
			continue;
		if (!r->pass)
			en &= en >> 16;
		map |= (uint64_t)(en & 0xffff) << (q * CNN_PER_QUADRANT);
	}
	return map;
}

static bool is_stream(const struct cnn_footprint *f, unsigned layer)
{
	return (f->ctrl[0] & CNN_CTRL_STREAM) != 0 && layer < CNN_STREAM_LAYERS &&
	       f->reg[0][CNN_R_FBUF][layer] != 0;
}

/* Size along one axis behind pooling and kernel; 0 when nothing is left. */
static uint32_t out_size(uint32_t in, uint32_t pool, uint32_t stride, uint32_t kernel, uint32_t pad,
			 bool doubled)
{
	uint32_t pooled = in >= pool ? (in - pool) / stride + 1 : 0;
	uint32_t padded = (doubled ? 2 * pooled : pooled) + 2 * pad;

	return pooled > 0 && padded >= kernel ? padded - kernel + 1 : 0;
}

static uint32_t in_size(uint32_t count, bool doubled)
{
	uint32_t rows = bits_of(count, 0, 10) + 1, pad = 2 * bits_of(count, 16, 2);

	if (rows <= pad)
		return 0;
	return (rows - pad) / (doubled ? 2 : 1);
}

static void sizes(struct run *r)
{
	uint32_t oned = reg(r, CNN_R_ONED), length = bits_of(oned, 8, 4);
	bool pools = bits_of(reg(r, CNN_R_LCTL), 7, 1) != 0;
	bool doubled = bits_of(reg(r, CNN_R_POST), 28, 1) != 0;
	uint32_t stride = bits_of(reg(r, CNN_R_STRIDE), 0, 4) + 1, kh = 1, kw = 1, h, w;

	if (!r->pass && bits_of(oned, 12, 1) != 0)
		kh = length > 0 ? length : 1;
	else if (!r->pass && length != 1)
		kh = kw = 3;
	r->taps = kh * kw;
	r->rows = in_size(reg(r, CNN_R_RCNT), doubled);
	r->columns = in_size(reg(r, CNN_R_CCNT), doubled);
	h = out_size(r->rows, pools ? bits_of(reg(r, CNN_R_PRCNT), 0, 4) + 1 : 1, stride, kh,
		     r->pass ? 0 : bits_of(reg(r, CNN_R_RCNT), 16, 2), doubled);
	w = out_size(r->columns, pools ? bits_of(reg(r, CNN_R_PCCNT), 0, 4) + 1 : 1, stride, kw,
		     r->pass ? 0 : bits_of(reg(r, CNN_R_CCNT), 16, 2), doubled);
	r->out_pixels = h * w;
}

static void counters(struct run *r)
{
	static const uint8_t width[4] = { 8, 1, 2, 4 };
	uint32_t post = reg(r, CNN_R_POST), oned = reg(r, CNN_R_ONED), mcnt = reg(r, CNN_R_MCNT);

	r->operands = bits_of(oned, 13, 1) != 0 ? bits_of(oned, 18, 4) + 1 : 1;
	r->passes = bits_of(reg(r, CNN_R_LCTL2), 0, 4) + 1;
	if (bits_of(post, 27, 1) != 0)
		r->passes += bits_of(post, 18, 4) << 4;
	r->bits = width[bits_of(post, 22, 2)];
	if (!r->pass && (mcnt & 0xffff) >= mcnt >> 16)
		r->kernels = ((mcnt & 0xffff) - (mcnt >> 16)) / r->bits + 1;
}

static void mark_range(uint32_t *bits, uint32_t first, uint32_t count, uint32_t size)
{
	for (uint32_t i = first; i < size && i - first < count; i++)
		cnn_cell_set(bits, i);
}

static int mark_input(const struct run *r, char *why, size_t cap)
{
	uint64_t words = (uint64_t)r->rows * r->columns;
	uint32_t first = bits_of(reg(r, CNN_R_RPTR_BASE), 0, 13);

	if (r->bytewise)
		words = (words + 3) / 4;
	words *= (uint64_t)r->passes * r->operands;
	if (r->streams)
		words = reg(r, CNN_R_FBUF);
	if (words == 0 || first + words > CNN_DATA_WORDS)
		return refuse(why, cap, "layer %u reads %llu words from word %u of %d", r->layer,
			      (unsigned long long)words, (unsigned)first, CNN_DATA_WORDS);
	for (unsigned i = 0; i < CNN_INSTANCES; i++) {
		if ((r->processors >> 4 * i & 0xf) == 0)
			continue;
		mark_range(r->f->read.data[i], first, (uint32_t)words, CNN_DATA_WORDS);
		if (r->fifo || r->streams) /* the words come in through there, too */
			mark_range(r->f->written.data[i], first, (uint32_t)words, CNN_DATA_WORDS);
	}
	return HV_OK;
}

/* The last of several output passes may have as little as one channel; the slots behind it take
 * whatever bytes follow into results that nobody looks at. */
static void mark_biases(const struct run *r)
{
	uint32_t slots = r->kernels / r->passes;
	uint32_t per_pass = bits_of(reg(r, CNN_R_LCTL2), 8, 9) / r->bits + 1;
	uint32_t needed = slots > per_pass ? slots - per_pass + 1 : slots;

	for (unsigned q = 0; q < CNN_QUADRANTS; q++) {
		uint32_t post = r->f->reg[q][CNN_R_POST][r->layer];

		if ((r->f->started >> q & 1) != 0 && bits_of(post, 12, 1) != 0)
			mark_range(r->f->read.bias[q], bits_of(post, 0, 12), needed,
				   CNN_BIAS_BYTES);
	}
}

static int mark_kernels(const struct run *r, char *why, size_t cap)
{
	uint32_t mcnt = reg(r, CNN_R_MCNT), start = mcnt >> 16, end = mcnt & 0xffff;
	uint32_t remainder = bits_of(reg(r, CNN_R_ONED), 4, 4);
	uint32_t first = (start / 8 * r->taps + remainder) / CNN_KERNEL_WORD_BYTES;
	uint32_t last = ((end + r->bits - 1) / 8 * r->taps + remainder + r->taps - 1) /
			CNN_KERNEL_WORD_BYTES;

	if (r->kernels == 0 || last >= CNN_KERNEL_WORDS)
		return refuse(why, cap, "layer %u reads kernel words %u to %u of %d", r->layer,
			      (unsigned)first, (unsigned)last, CNN_KERNEL_WORDS);
	for (unsigned p = 0; p < CNN_PROCESSORS; p++)
		if ((r->processors >> p & 1) != 0)
			mark_range(r->f->read.kernel[p], first, last - first + 1, CNN_KERNEL_WORDS);
	mark_biases(r);
	return HV_OK;
}

/* `at`: word with the instance in its upper bits. */
static void mark_word(const struct run *r, uint32_t at)
{
	cnn_cell_set(r->f->written.data[at / CNN_DATA_WORDS % CNN_INSTANCES], at % CNN_DATA_WORDS);
}

static void mark_pixels(const struct run *r, uint32_t at, uint32_t step)
{
	uint32_t ring = r->feeds ? r->f->reg[0][CNN_R_FBUF][r->layer + 1] : 0;
	uint32_t wide = r->wide ? 4 : 1;

	for (uint32_t i = 0; i < ring && i < CNN_DATA_WORDS; i++)
		mark_word(r, at + i);
	for (uint32_t n = 0; !r->feeds && n < r->out_pixels; n++)
		for (uint32_t lane = 0; lane < wide; lane++)
			mark_word(r, at + n * step * wide + lane);
}

static void mark_convolved(const struct run *r, uint32_t step)
{
	uint32_t slots = r->kernels / r->passes;
	uint32_t per_pass = bits_of(reg(r, CNN_R_LCTL2), 8, 9) / r->bits + 1;
	uint32_t base = bits_of(reg(r, CNN_R_WPTR_BASE), 0, 17);

	for (uint32_t s = 0; s < slots; s++)
		if (s % per_pass % 4 == 0)
			mark_pixels(r,
				    base + s % per_pass / 4 * reg(r, CNN_R_WPTR_MOFF) +
					    s / per_pass * reg(r, CNN_R_WPTR_CHOFF),
				    step);
}

static void mark_passed(const struct run *r, uint32_t step)
{
	for (unsigned q = 0; q < CNN_QUADRANTS; q++) {
		uint32_t map = (uint32_t)(r->processors >> (q * CNN_PER_QUADRANT)) & 0xffff;
		uint32_t base = bits_of(r->f->reg[q][CNN_R_WPTR_BASE][r->layer], 0, 17);
		uint32_t n = (uint32_t)__builtin_popcount(map);

		for (uint32_t i = 0; i < n; i += 4)
			for (uint32_t e = 0; e < r->passes; e++)
				mark_pixels(r, base + i / 4 * reg(r, CNN_R_WPTR_TOFF) + e * step,
					    r->passes * step);
	}
}

static int mark_output(const struct run *r, char *why, size_t cap)
{
	uint32_t step = bits_of(reg(r, CNN_R_LCTL2), 4, 4) + 1;
	uint64_t reach = (uint64_t)r->out_pixels * step * (r->wide ? 4 : 1);

	if (r->out_pixels == 0 || (!r->feeds && reach > CNN_DATA_WORDS + 64u))
		return refuse(why, cap, "layer %u writes %llu words of %d", r->layer,
			      (unsigned long long)reach, CNN_DATA_WORDS);
	if (r->pass)
		mark_passed(r, step);
	else
		mark_convolved(r, step);
	return HV_OK;
}

static int run_layer(struct cnn_footprint *f, unsigned layer, char *why, size_t cap)
{
	struct run r = { .f = f, .layer = layer };
	int err;

	r.pass = bits_of(reg(&r, CNN_R_POST), 24, 2) != 0;
	r.wide = bits_of(reg(&r, CNN_R_LCTL), 16, 1) != 0;
	r.fifo = layer == 0 && (f->ctrl[0] & CNN_CTRL_FIFO) != 0;
	r.bytewise = layer == 0 && bits_of(reg(&r, CNN_R_LCTL), 6, 1) != 0;
	r.streams = is_stream(f, layer);
	r.feeds = layer < f->last_layer[0] && is_stream(f, layer + 1);
	r.processors = running(&r);
	counters(&r);
	sizes(&r);
	err = mark_input(&r, why, cap);
	if (err == HV_OK && !r.pass)
		err = mark_kernels(&r, why, cap);
	return err == HV_OK ? mark_output(&r, why, cap) : err;
}

int cnn_footprint_close(struct cnn_footprint *f, char *why, size_t cap)
{
	int err = HV_OK;

	if ((f->started & 1) == 0)
		return refuse(why, cap, "quadrant 0 was never started");
	if (f->strays > 0)
		return refuse(why, cap, "%u writes go to addresses outside the memories",
			      (unsigned)f->strays);
	for (unsigned i = 0; err == HV_OK && i <= f->last_layer[0]; i++)
		err = run_layer(f, i, why, cap);
	return err;
}

int cnn_footprint_image(struct cnn_footprint *f, const struct cnn_image *image, char *why,
			size_t cap)
{
	struct cnn_bus bus = cnn_footprint_bus(f);

	cnn_footprint_begin(f);
	cnn_image_init(image, &bus);
	cnn_image_load(image, &bus);
	cnn_image_configure(image, &bus);
	cnn_image_start(image, &bus);
	return cnn_footprint_close(f, why, cap);
}
