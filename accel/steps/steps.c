#include "accel/steps/steps.h"
#include "accel/arch.h"
#include "util/fs/rd.h"
#include "util/fs/wr.h"
#include <stdbool.h>

/* Right shifts of negative values are arithmetic on every supported compiler. */
_Static_assert((-3 >> 1) == -2, "arithmetic right shift");

static int32_t s32_at(const uint8_t *table, unsigned i)
{
	const uint8_t *b = table + 4u * i;

	return (int32_t)((uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 |
			 (uint32_t)b[3] << 24);
}

static uint64_t magnitude(int64_t v)
{
	return v < 0 ? (uint64_t)-v : (uint64_t)v;
}

int32_t cnn_steps_mul(const struct cnn_steps *s, unsigned row)
{
	return s32_at(s->mul, s->mul_per_row ? row : 0);
}

/* Largest |v[component][row]|. At most 2 * 256 * 257 * 1025 * 2^14 + 128 * 2^31 < 2^43. */
static uint64_t row_sum_max(const struct cnn_steps *s, unsigned row)
{
	uint64_t per_word = s->input == CNN_IN_SPLIT ? 257 : 256;
	uint64_t max = 0;

	for (unsigned i = 0; i < s->sets; i++)
		max += magnitude(s->scale[i]) * per_word *
		       (uint64_t)CNN_STEPS_WORD_MAX(s->channels);
	if (s->input == CNN_IN_SPLIT)
		max += 128u * magnitude(s32_at(s->base, row));
	return max;
}

/* sum * |mul| plus the rounding constant stays below 2^63. Without a division: the board has
 * none for 64 bits. sum is below 2^45. */
static bool product_fits(const struct cnn_steps *s, uint64_t sum_max, int32_t mul)
{
	uint64_t room = ((uint64_t)1 << 63) - 1 - ((uint64_t)1 << (s->shift - 1));
	uint64_t low = (sum_max & UINT32_MAX) * magnitude(mul);
	uint64_t high = (sum_max >> 32) * magnitude(mul) + (low >> 32);

	return high <= room >> 32 && (high << 32 | (low & UINT32_MAX)) <= room;
}

static bool sum_fits(const struct cnn_steps *s, unsigned row)
{
	unsigned half = s->rows / 2u;
	uint64_t max = row_sum_max(s, row);

	if (s->finish == CNN_OUT_DFT && row > 0 && row < half)
		max += row_sum_max(s, half + row);
	return product_fits(s, max, cnn_steps_mul(s, row));
}

int cnn_steps_check(const struct cnn_steps *s, unsigned row, unsigned n)
{
	for (; n > 0 && row < s->rows; n--, row++)
		if (!sum_fits(s, row))
			return HV_E_FORMAT;
	return HV_OK;
}

static bool header_ok(const struct cnn_steps *s)
{
	if (s->input != CNN_IN_SPLIT && s->input != CNN_IN_ROUND)
		return false;
	if (s->sets < 1 || s->sets > CNN_STEPS_SETS_MAX)
		return false;
	if (s->channels < 1 || s->channels > CNN_CHANNELS_MAX)
		return false;
	if (s->rows < 1 || s->rows > CNN_CHANNELS_MAX)
		return false;
	if (s->out_bits != 16 && s->out_bits != 32)
		return false;
	if (s->shift < 1 || s->shift > CNN_STEPS_SHIFT_MAX || s->mul_per_row > 1)
		return false;
	if (s->finish == CNN_OUT_ROWS)
		return s->components == 1;
	return s->finish == CNN_OUT_DFT && s->components == 2 && s->channels == s->rows &&
	       s->rows % 2 == 0 && s->mul_per_row == 0;
}

static bool raw_ok(const struct cnn_steps *s)
{
	uint64_t in = (uint64_t)s->channels * s->height * s->width, out = 0;

	if (s->input != CNN_IN_BYTES || s->finish != CNN_OUT_RAW || s->sets < 1 ||
	    s->channels < 1 || s->channels > CNN_CHANNELS_MAX || s->height > CNN_ROWS_MAX ||
	    s->width > CNN_ROWS_MAX)
		return false;
	for (unsigned i = 0; i < s->sets; i++) {
		const struct cnn_steps_raw *w = &s->raw[i];

		if ((w->bits != 8 && w->bits != 32) || w->rows < 1 || w->rows > CNN_CHANNELS_MAX ||
		    w->pixels < 1)
			return false;
		out += (uint64_t)w->rows * w->pixels * (w->bits / 8u);
	}
	return in >= 1 && in <= CNN_STEPS_RAW_BYTES_MAX && out <= CNN_STEPS_RAW_BYTES_MAX;
}

/* Version 2; the version has been read. */
static int parse_raw(struct hv_rd *r, struct cnn_steps *s)
{
	struct cnn_steps t = { .components = 1, .parts = 1 };
	uint8_t zeros = 0;

	t.input = hv_rd_u8(r);
	t.finish = hv_rd_u8(r);
	t.sets = hv_rd_u8(r);
	t.channels = hv_rd_u16(r);
	t.height = hv_rd_u16(r);
	t.width = hv_rd_u16(r);
	if (t.sets > CNN_STEPS_SETS_MAX)
		return HV_E_FORMAT;
	for (unsigned i = 0; i < t.sets; i++) {
		t.raw[i].rows = hv_rd_u16(r);
		t.raw[i].bits = hv_rd_u8(r);
		zeros |= hv_rd_u8(r);
		t.raw[i].pixels = hv_rd_u32(r);
	}
	if (!hv_rd_done(r) || zeros != 0 || !raw_ok(&t))
		return HV_E_FORMAT;
	*s = t;
	return HV_OK;
}

int cnn_steps_view(const void *blob, size_t len, struct cnn_steps *s)
{
	struct hv_rd r = hv_rd_init(blob, len);
	struct cnn_steps t = { 0 };
	uint8_t version = hv_rd_u8(&r);

	if (version == CNN_STEPS_RAW_VERSION)
		return parse_raw(&r, s);
	if (version != CNN_STEPS_VERSION)
		return HV_E_FORMAT;
	t.input = hv_rd_u8(&r);
	t.components = hv_rd_u8(&r);
	t.sets = hv_rd_u8(&r);
	t.channels = hv_rd_u16(&r);
	t.rows = hv_rd_u16(&r);
	t.finish = hv_rd_u8(&r);
	t.out_bits = hv_rd_u8(&r);
	t.shift = hv_rd_u8(&r);
	t.mul_per_row = hv_rd_u8(&r);
	if (!r.ok || !header_ok(&t))
		return HV_E_FORMAT;
	t.parts = t.input == CNN_IN_SPLIT ? 2 : 1;
	for (unsigned i = 0; i < t.sets; i++) {
		t.scale[i] = (int32_t)hv_rd_u32(&r);
		if (t.scale[i] < -CNN_STEPS_SCALE_MAX || t.scale[i] > CNN_STEPS_SCALE_MAX)
			return HV_E_FORMAT;
	}
	t.mul = hv_rd_bytes(&r, t.mul_per_row ? 4u * t.rows : 4u);
	t.base = t.input == CNN_IN_SPLIT ? hv_rd_bytes(&r, 4u * t.rows) : NULL;
	if (!hv_rd_done(&r))
		return HV_E_FORMAT;
	*s = t;
	return HV_OK;
}

static size_t encode_raw(const struct cnn_steps *s, struct hv_wr *w)
{
	hv_wr_u8(w, CNN_STEPS_RAW_VERSION);
	hv_wr_u8(w, s->input);
	hv_wr_u8(w, s->finish);
	hv_wr_u8(w, s->sets);
	hv_wr_u16(w, s->channels);
	hv_wr_u16(w, s->height);
	hv_wr_u16(w, s->width);
	for (unsigned i = 0; i < s->sets && i < CNN_STEPS_SETS_MAX; i++) {
		hv_wr_u16(w, s->raw[i].rows);
		hv_wr_u8(w, s->raw[i].bits);
		hv_wr_u8(w, 0);
		hv_wr_u32(w, s->raw[i].pixels);
	}
	return w->ok ? hv_wr_len(w) : 0;
}

int cnn_steps_parse(const void *blob, size_t len, struct cnn_steps *s)
{
	struct cnn_steps t;
	int err = cnn_steps_view(blob, len, &t);

	if (err == HV_OK)
		err = cnn_steps_check(&t, 0, t.rows);
	if (err == HV_OK)
		*s = t;
	return err;
}

size_t cnn_steps_encode(const struct cnn_steps *s, const int32_t *mul, const int32_t *base,
			uint8_t *to, size_t cap)
{
	struct hv_wr w = hv_wr_init(to, cap);
	unsigned n_mul = s->mul_per_row ? s->rows : 1u;

	if (s->input == CNN_IN_BYTES)
		return encode_raw(s, &w);
	hv_wr_u8(&w, CNN_STEPS_VERSION);
	hv_wr_u8(&w, s->input);
	hv_wr_u8(&w, s->components);
	hv_wr_u8(&w, s->sets);
	hv_wr_u16(&w, s->channels);
	hv_wr_u16(&w, s->rows);
	hv_wr_u8(&w, s->finish);
	hv_wr_u8(&w, s->out_bits);
	hv_wr_u8(&w, s->shift);
	hv_wr_u8(&w, s->mul_per_row);
	for (unsigned i = 0; i < s->sets && i < CNN_STEPS_SETS_MAX; i++)
		hv_wr_u32(&w, (uint32_t)s->scale[i]);
	for (unsigned i = 0; i < n_mul; i++)
		hv_wr_u32(&w, (uint32_t)mul[i]);
	for (unsigned i = 0; s->input == CNN_IN_SPLIT && i < s->rows; i++)
		hv_wr_u32(&w, (uint32_t)base[i]);
	return w.ok ? hv_wr_len(&w) : 0;
}

uint32_t cnn_steps_in_bytes(const struct cnn_steps *s)
{
	if (s->input == CNN_IN_BYTES)
		return (uint32_t)s->channels * s->height * s->width;
	return 2u * s->channels * s->components;
}

uint32_t cnn_steps_words(const struct cnn_steps *s)
{
	uint32_t n = 0;

	if (s->finish != CNN_OUT_RAW)
		return (uint32_t)s->sets * cnn_steps_positions(s) * s->rows;
	for (unsigned i = 0; i < s->sets; i++)
		n += s->raw[i].rows * s->raw[i].pixels;
	return n;
}

uint32_t cnn_steps_out_bytes(const struct cnn_steps *s)
{
	uint32_t bytes = 0;

	if (s->finish != CNN_OUT_RAW)
		return s->out_bits / 8u * s->rows * s->components;
	for (unsigned i = 0; i < s->sets; i++)
		bytes += s->raw[i].bits / 8u * s->raw[i].rows * s->raw[i].pixels;
	return bytes;
}

int8_t cnn_steps_in(const struct cnn_steps *s, const uint8_t *record, unsigned position,
		    unsigned channel)
{
	unsigned component = position / s->parts, part = position % s->parts;
	const uint8_t *at = record + 2u * (channel * s->components + component);
	int32_t x;

	if (s->input == CNN_IN_BYTES)
		return (int8_t)record[(uint32_t)position * s->channels + channel];
	x = (int16_t)(at[0] | at[1] << 8);
	if (s->input == CNN_IN_SPLIT)
		return (int8_t)(part == 0 ? x >> 8 : (x & 255) - 128);
	x = (x + 128) >> 8;
	return (int8_t)(x > 127 ? 127 : x);
}

/* Rounded, and 127.5 is not 128. */
static uint32_t rounded_word(const uint8_t *at, unsigned stride, unsigned lanes)
{
	uint32_t v = 0;

	for (unsigned shift = 0; shift < 8 * lanes; shift += 8, at += stride) {
		uint32_t high = at[1];

		v |= ((high + (at[0] >> 7 & (high != 0x7f))) & 0xff) << shift;
	}
	return v;
}

uint32_t cnn_steps_in_word(const struct cnn_steps *s, const uint8_t *record, unsigned position,
			   unsigned channel, unsigned lanes)
{
	unsigned second = s->parts == 2 ? position & 1 : 0;
	unsigned component = s->parts == 2 ? position >> 1 : position;
	unsigned stride = 2u * s->components;
	const uint8_t *at = record + channel * stride + 2 * component;
	uint32_t v = 0, flip = second ? 0x80 : 0;

	if (s->input == CNN_IN_ROUND)
		return rounded_word(at, stride, lanes);
	if (s->input == CNN_IN_BYTES) {
		at = record + (uint32_t)position * s->channels + channel;
		stride = 1;
	} else {
		at += 1 - second;
	}
	for (unsigned shift = 0; shift < 8 * lanes; shift += 8, at += stride)
		v |= (*at ^ flip) << shift;
	return v;
}

/* Words come from a memory that anybody may have written: limited, see steps.h. */
static int64_t limited(const struct cnn_steps *s, int32_t word)
{
	int32_t max = CNN_STEPS_WORD_MAX(s->channels);

	return word > max ? max : word < -max ? -max : word;
}

static int64_t row_sum(const struct cnn_steps *s, unsigned component, unsigned row,
		       cnn_steps_word word, void *ctx)
{
	unsigned position = component * s->parts;
	int64_t v = 0;

	for (unsigned i = 0; i < s->sets; i++) {
		int64_t w = 256 * limited(s, word(ctx, i, position, row));

		if (s->input == CNN_IN_SPLIT)
			w += limited(s, word(ctx, i, position + 1, row));
		v += s->scale[i] * w;
	}
	if (s->input == CNN_IN_SPLIT)
		v += 128 * (int64_t)s32_at(s->base, row);
	return v;
}

static void store_fit(const struct cnn_steps *s, int64_t value, int32_t mul, uint8_t *record,
		      unsigned element)
{
	int64_t max = s->out_bits == 16 ? INT16_MAX : INT32_MAX;
	int64_t v = (value * mul + ((int64_t)1 << (s->shift - 1))) >> s->shift;
	uint8_t *at = record + s->out_bits / 8u * element;

	v = v > max ? max : v < -max - 1 ? -max - 1 : v;
	for (unsigned i = 0; i < s->out_bits / 8u; i++)
		at[i] = (uint8_t)((uint64_t)v >> 8 * i);
}

/* Sums of an item of a DFT: a.c, b.c, a.s, b.s. */
static void finish_dft(const struct cnn_steps *s, unsigned k, const int64_t *sum, uint8_t *record)
{
	unsigned n = s->rows, half = n / 2;
	bool has_sine = k > 0 && k < half;
	int32_t mul = cnn_steps_mul(s, 0);
	int64_t as = has_sine ? sum[2] : 0, bs = has_sine ? sum[3] : 0;

	if (has_sine) {
		store_fit(s, sum[0] - bs, mul, record, 2 * (n - k));
		store_fit(s, sum[1] + as, mul, record, 2 * (n - k) + 1);
	}
	store_fit(s, sum[0] + bs, mul, record, 2 * k);
	store_fit(s, sum[1] - as, mul, record, 2 * k + 1);
}

/* CNN_STEPS_RAW_WORDS values of the answer, as they are. */
static void out_raw(const struct cnn_steps *s, unsigned item, cnn_steps_word word, void *ctx,
		    uint8_t *record)
{
	uint32_t at = CNN_STEPS_RAW_WORDS * item, left = CNN_STEPS_RAW_WORDS;

	for (unsigned i = 0; i < s->sets; i++) {
		const struct cnn_steps_raw *w = &s->raw[i];
		uint32_t n = w->rows * w->pixels, bytes = w->bits / 8u;

		for (; at < n && left > 0; at++, left--) {
			uint32_t v = (uint32_t)word(ctx, i, at / w->rows, at % w->rows);

			for (uint32_t b = 0; b < bytes; b++)
				record[at * bytes + b] = (uint8_t)(v >> 8 * b);
		}
		if (left == 0)
			return;
		at -= n;
		record += n * bytes;
	}
}

unsigned cnn_steps_sums(const struct cnn_steps *s, unsigned item)
{
	if (s->finish != CNN_OUT_DFT)
		return s->finish == CNN_OUT_ROWS;
	return item > 0 && item < s->rows / 2u ? 4 : 2;
}

int64_t cnn_steps_sum(const struct cnn_steps *s, unsigned item, unsigned i, cnn_steps_word word,
		      void *ctx)
{
	return row_sum(s, i & 1, i < 2 ? item : s->rows / 2u + item, word, ctx);
}

void cnn_steps_finish(const struct cnn_steps *s, unsigned item, const int64_t *sum,
		      cnn_steps_word word, void *ctx, uint8_t *record)
{
	if (s->finish == CNN_OUT_RAW)
		out_raw(s, item, word, ctx, record);
	else if (s->finish == CNN_OUT_DFT)
		finish_dft(s, item, sum, record);
	else
		store_fit(s, sum[0], cnn_steps_mul(s, item), record, item);
}

unsigned cnn_steps_items(const struct cnn_steps *s)
{
	if (s->finish == CNN_OUT_RAW)
		return (cnn_steps_words(s) + CNN_STEPS_RAW_WORDS - 1) / CNN_STEPS_RAW_WORDS;
	return s->finish == CNN_OUT_DFT ? s->rows / 2u + 1u : s->rows;
}

void cnn_steps_out(const struct cnn_steps *s, unsigned item, cnn_steps_word word, void *ctx,
		   uint8_t *record)
{
	int64_t sum[CNN_STEPS_SUMS_MAX];

	for (unsigned i = 0; i < cnn_steps_sums(s, item); i++)
		sum[i] = cnn_steps_sum(s, item, i, word, ctx);
	cnn_steps_finish(s, item, sum, word, ctx, record);
}
