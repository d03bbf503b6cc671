#include "accel/slotimg/slotimg.h"

#include <stdbool.h>

/* What one layer's registers make the accelerator read and write. Quadrant 0 leads; the others
 * must be told the same. Sizes follow from the counters as they do in the device. */

enum { SLOTS_MAX = CNN_CHANNELS_MAX, PIXELS_MAX = 4 * CNN_DATA_WORDS };

#define POST_OWN      UINT32_C(0x00001fff) /* a quadrant's bias */
#define POST_ALLOWED  UINT32_C(0x1fffffff)
#define LCTL_SUMS     UINT32_C(0x0000f000) /* whose sums the leader takes */
#define LCTL_ALLOWED  UINT32_C(0x0001fbe0)
#define ONED_ALLOWED  UINT32_C(0x003fffff)
#define COUNT_ALLOWED UINT32_C(0x000303ff)
#define TPTR_ALLOWED  UINT32_C(0x07ff07ff) /* of the line buffer, which nobody keeps */

/* A layer being looked at. */
struct look {
	const struct slotimg *img;
	const uint8_t *at; /* its first entry */
	unsigned per_quadrant, quadrants, layer;
	uint32_t lctl, post, oned, lctl2;
	bool pass, doubled; /* pass-through; transposed convolution */
	uint32_t kernel_h, kernel_w, in_pixels, out_pixels; /* with all records */
	uint32_t passes, operands, bits;
};

static uint32_t field(uint32_t v, unsigned low, unsigned n)
{
	return v >> low & ((UINT32_C(1) << n) - 1);
}

/* Register of the nth covered quadrant. */
static uint32_t value(const struct look *k, unsigned n, unsigned reg)
{
	const uint8_t *b;

	if (reg > CNN_R_IFRM)
		reg--;
	if (k->per_quadrant == SLOTIMG_LATE_REGS && reg > CNN_R_STRM1)
		reg -= 2;
	b = k->at + (n * k->per_quadrant + reg) * SLOTIMG_REG_BYTES;
	return b[2] | (uint32_t)b[3] << 8 | (uint32_t)b[4] << 16 | (uint32_t)b[5] << 24;
}

static uint32_t lead(const struct look *k, unsigned reg)
{
	return value(k, 0, reg);
}

/* `words` from `first` lie inside [claim, claim + claimed). */
static bool inside(uint32_t first, uint32_t words, uint32_t claim, uint32_t claimed)
{
	return first >= claim && words <= claimed && first - claim <= claimed - words;
}

static bool in_data(const struct look *k, uint32_t first, uint32_t words)
{
	return inside(first, words, k->img->data_first, k->img->data_words);
}

/* Nothing is set that has no place here, and nothing streams. */
static bool bits_ok(const struct look *k)
{
	uint32_t mode = field(k->post, 24, 2);

	if ((k->lctl & ~LCTL_ALLOWED) != 0 || (k->post & ~POST_ALLOWED) != 0 ||
	    (k->oned & ~ONED_ALLOWED) != 0 || k->lctl2 >= 1u << 17 ||
	    (field(k->lctl, 12, 4) & ~(uint32_t)k->img->quadrants))
		return false;
	if (mode == 2 || (k->pass && (field(k->post, 27, 2) != 0 || field(k->lctl, 16, 1) != 0)))
		return false;
	if (field(k->lctl, 6, 1) != (k->layer == 0 && (k->img->flags & SLOTIMG_CHW) != 0))
		return false;
	if (k->layer < CNN_STREAM_LAYERS && (lead(k, CNN_R_STRM0) | lead(k, CNN_R_STRM1)) != 0)
		return false;
	return lead(k, CNN_R_PRCNT) < 16 && lead(k, CNN_R_PCCNT) < 16 &&
	       lead(k, CNN_R_STRIDE) < 16 && lead(k, CNN_R_FBUF) == 0 &&
	       (lead(k, CNN_R_TPTR) & ~TPTR_ALLOWED) == 0 &&
	       ((lead(k, CNN_R_RCNT) | lead(k, CNN_R_CCNT)) & ~COUNT_ALLOWED) == 0;
}

/* Does a quadrant's register differ from the leader's where it must not? */
static bool alike(const struct look *k, unsigned n, unsigned reg)
{
	uint32_t differs = value(k, n, reg) ^ lead(k, reg);

	switch (reg) {
	case CNN_R_EN: return true;
	case CNN_R_WPTR_BASE: return k->pass || differs == 0;
	case CNN_R_POST: return (differs & ~POST_OWN) == 0;
	case CNN_R_LCTL: return (value(k, n, reg) ^ (k->lctl & ~LCTL_SUMS)) == 0;
	default: return differs == 0;
	}
}

static bool quadrant_ok(const struct look *k, unsigned n)
{
	uint32_t en = value(k, n, CNN_R_EN);

	if (k->pass ? en > 0xffff : en >> 16 != (en & 0xffff))
		return false;
	for (unsigned reg = 0; n > 0 && reg < CNN_LAYER_REGS; reg++) {
		bool there =
			k->layer < CNN_STREAM_LAYERS || (reg != CNN_R_STRM0 && reg != CNN_R_STRM1);

		if (reg != CNN_R_IFRM && there && !alike(k, n, reg))
			return false;
	}
	return true;
}

/* One axis: pixels in, *out of them behind pooling and kernel; false when nothing is left.
 * `less`: so many rows of other records are missing. */
static bool axis(const struct look *k, unsigned count_reg, uint32_t less, uint32_t *in,
		 uint32_t *out)
{
	bool pools = field(k->lctl, 7, 1) != 0;
	uint32_t count = lead(k, count_reg), pad = count >> 16;
	uint32_t pool = 1, kernel = count_reg == CNN_R_RCNT ? k->kernel_h : k->kernel_w;
	uint32_t rows = field(count, 0, 10) + 1, took = less + 2 * pad;

	if (pools)
		pool = 1 + lead(k, count_reg == CNN_R_RCNT ? CNN_R_PRCNT : CNN_R_PCCNT);
	if (rows <= took || (k->pass && pad != 0))
		return false;
	*in = (rows - took) / (k->doubled ? 2 : 1);
	if (*in < pool || *in > CNN_ROWS_MAX)
		return false;
	*out = ((*in - pool) / (lead(k, CNN_R_STRIDE) + 1) + 1) * (k->doubled ? 2 : 1) + 2 * pad;
	if (*out < kernel)
		return false;
	*out -= kernel - 1;
	return true;
}

static bool sizes(struct look *k)
{
	uint32_t length = field(k->oned, 8, 4), h, w, out_h, out_w;
	uint32_t less = k->img->height * (k->img->records_max - 1u);

	k->kernel_h = k->kernel_w = 1;
	if (!k->pass && field(k->oned, 12, 1) != 0)
		k->kernel_h = length > 0 ? length : 1;
	else if (!k->pass && length != 1)
		k->kernel_h = k->kernel_w = 3;
	/* with one record, then with all of them */
	if (!axis(k, CNN_R_RCNT, less, &h, &out_h) || !axis(k, CNN_R_RCNT, 0, &h, &out_h) ||
	    !axis(k, CNN_R_CCNT, 0, &w, &out_w))
		return false;
	k->in_pixels = h * w;
	k->out_pixels = out_h * out_w;
	return k->in_pixels <= PIXELS_MAX && k->out_pixels <= PIXELS_MAX;
}

static bool input_ok(struct look *k)
{
	uint32_t words = k->in_pixels;

	k->passes = field(k->lctl2, 0, 4) + 1;
	if (field(k->post, 27, 1) != 0)
		k->passes += field(k->post, 18, 4) << 4;
	k->operands = field(k->oned, 13, 1) != 0 ? field(k->oned, 18, 4) + 1 : 1;
	if (field(k->lctl, 6, 1) != 0)
		words = (words + 3) / 4;
	return in_data(k, lead(k, CNN_R_RPTR_BASE), words * k->passes * k->operands);
}

/* Kernel words that the counter goes over. */
static bool kernels_ok(const struct look *k, uint32_t start, uint32_t end)
{
	uint32_t taps = k->kernel_h * k->kernel_w, rest = field(k->oned, 4, 4);
	uint32_t first = (start / 8 * taps + rest) / CNN_KERNEL_WORD_BYTES;
	uint32_t last = ((end + k->bits - 1) / 8 * taps + rest + taps - 1) / CNN_KERNEL_WORD_BYTES;

	return start <= end && (field(k->post, 27, 1) == 0 || taps == 1) &&
	       inside(first, last - first + 1, k->img->kernel_first, k->img->kernel_words);
}

/* Slots of a last pass without a channel take any bias; nobody looks at what they make. */
static bool biases_ok(const struct look *k, uint32_t slots, uint32_t per_pass)
{
	uint32_t needed = slots > per_pass ? slots - per_pass + 1 : slots;

	for (unsigned n = 0; n < k->quadrants; n++) {
		uint32_t post = value(k, n, CNN_R_POST);

		if (field(post, 12, 1) != 0 &&
		    !inside(field(post, 0, 12), needed, k->img->bias_first, k->img->bias_count))
			return false;
	}
	return true;
}

/* A write pointer and how many memories and words it goes over. */
static bool pointer_ok(const struct look *k, uint32_t pointer, uint32_t memories, uint32_t words)
{
	return pointer < 1u << 17 && pointer / CNN_DATA_WORDS + memories <= CNN_INSTANCES &&
	       in_data(k, pointer % CNN_DATA_WORDS, words);
}

static bool convolution_ok(struct look *k)
{
	static const uint8_t widths[4] = { 8, 1, 2, 4 };
	uint32_t mcnt = lead(k, CNN_R_MCNT), start = mcnt >> 16, end = mcnt & 0xffff;
	uint32_t wide = field(k->lctl, 16, 1) != 0 ? 4 : 1, step = field(k->lctl2, 4, 4) + 1;
	uint32_t slots, per_pass, shown, offset = lead(k, CNN_R_WPTR_CHOFF);

	k->bits = widths[field(k->post, 22, 2)];
	if (!kernels_ok(k, start, end))
		return false;
	slots = ((end - start) / k->bits + 1) / k->passes;
	per_pass = field(k->lctl2, 8, 9) / k->bits + 1;
	shown = slots < per_pass ? slots : per_pass;
	if (slots < 1 || slots > SLOTS_MAX || offset > CNN_PROCESSORS ||
	    lead(k, CNN_R_WPTR_TOFF) > 1 || lead(k, CNN_R_WPTR_MOFF) != CNN_DATA_WORDS ||
	    field(k->oned, 0, 4) != 0 || !biases_ok(k, slots, per_pass))
		return false;
	return pointer_ok(k, lead(k, CNN_R_WPTR_BASE), (shown + 3) / 4,
			  (slots - 1) / per_pass * offset + (k->out_pixels - 1) * step * wide +
				  wide);
}

/* Every quadrant writes what its processors read. */
static bool pass_ok(const struct look *k)
{
	uint32_t groups = field(k->oned, 0, 4) + 1, step = field(k->lctl2, 4, 4) + 1;
	uint32_t words = (k->out_pixels * k->passes - 1) * step + 1;

	if (groups > 4 || (groups > 1 && lead(k, CNN_R_WPTR_TOFF) != CNN_DATA_WORDS) ||
	    lead(k, CNN_R_WPTR_MOFF) != 0 || lead(k, CNN_R_WPTR_CHOFF) != 0)
		return false;
	for (unsigned n = 0; n < k->quadrants; n++) {
		uint32_t left = value(k, n, CNN_R_EN), used = 0;

		for (; left != 0; left &= left - 1)
			used++;
		used = (used + 3) / 4;
		if (used > groups ||
		    (used > 0 && !pointer_ok(k, value(k, n, CNN_R_WPTR_BASE), used, words)))
			return false;
	}
	return true;
}

int slotimg_layer_check(const struct slotimg *img, const uint8_t *regs, unsigned layer)
{
	int err = HV_OK;

	for (unsigned part = 0; part < SLOTIMG_LAYER_PARTS && err == HV_OK; part++)
		err = slotimg_part_check(img, regs, layer, part);
	return err;
}

int slotimg_part_check(const struct slotimg *img, const uint8_t *regs, unsigned layer,
		       unsigned part)
{
	unsigned first = slotimg_layer_entry(img, layer);
	struct look k = { .img = img, .layer = layer };

	k.at = regs + first * SLOTIMG_REG_BYTES;
	k.per_quadrant = layer < CNN_STREAM_LAYERS ? SLOTIMG_STREAM_REGS : SLOTIMG_LATE_REGS;
	k.quadrants = (slotimg_layer_entry(img, layer + 1) - first) / k.per_quadrant;
	k.lctl = lead(&k, CNN_R_LCTL);
	k.post = lead(&k, CNN_R_POST);
	k.oned = lead(&k, CNN_R_ONED);
	k.lctl2 = lead(&k, CNN_R_LCTL2);
	k.pass = field(k.post, 24, 2) != 0;
	k.doubled = field(k.post, 28, 1) != 0;
	if (part < CNN_QUADRANTS)
		return part >= k.quadrants || quadrant_ok(&k, part) ? HV_OK : HV_E_FORMAT;
	if (!bits_ok(&k) || !sizes(&k) || !input_ok(&k))
		return HV_E_FORMAT;
	return (k.pass ? pass_ok(&k) : convolution_ok(&k)) ? HV_OK : HV_E_FORMAT;
}
