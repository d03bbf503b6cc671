#include "accel/slotimg/slotimg.h"

#include "util/fs/rd.h"
#include "util/fs/wr.h"

#include <stdbool.h>

enum {
	STEPS_BYTES_MIN = 12,
	KERNEL_BYTES_ALL = CNN_PROCESSORS * CNN_KERNEL_WORDS * CNN_KERNEL_WORD_BYTES,
	BIAS_BYTES_ALL = CNN_QUADRANTS * CNN_BIAS_BYTES,
};

/* Bits a linear layer may set. */
#define LCTL_LINEAR  UINT32_C(0x1fb20) /* bits 5, 8, 9, 11, 12..15, 16 */
#define LCTL2_LINEAR UINT32_C(0x1ffff)
#define POST_LINEAR  UINT32_C(0x4c3ffff) /* bias, shift, weight width, abs */

void slotimg_header_encode(const struct slotimg *img, uint8_t to[SLOTIMG_HEADER_BYTES])
{
	struct hv_wr w = hv_wr_init(to, SLOTIMG_HEADER_BYTES);

	hv_wr_u32(&w, img->magic);
	hv_wr_u16(&w, img->version);
	hv_wr_u8(&w, img->layers);
	hv_wr_u8(&w, img->quadrants);
	hv_wr_u8(&w, img->positions);
	hv_wr_u8(&w, img->sets);
	hv_wr_u16(&w, img->records_max);
	hv_wr_u16(&w, img->in_record_bytes);
	hv_wr_u16(&w, img->out_record_bytes);
	hv_wr_u16(&w, img->in_word);
	hv_wr_u16(&w, img->in_passes);
	hv_wr_u16(&w, img->per_pass);
	hv_wr_u16(&w, img->kernel_first);
	hv_wr_u16(&w, img->kernel_words);
	hv_wr_u16(&w, img->bias_first);
	hv_wr_u16(&w, img->bias_count);
	hv_wr_u16(&w, img->data_first);
	hv_wr_u16(&w, img->data_words);
	for (unsigned s = 0; s < CNN_STEPS_SETS_MAX; s++) {
		hv_wr_u16(&w, img->set[s].out_word);
		hv_wr_u16(&w, img->set[s].out_passes);
		hv_wr_u16(&w, img->set[s].slots);
		hv_wr_u16(&w, img->set[s].first_group);
	}
	hv_wr_u32(&w, img->fixed_cycles);
	hv_wr_u32(&w, img->record_cycles);
	hv_wr_u16(&w, img->n_regs);
	hv_wr_u16(&w, img->steps_bytes);
	hv_wr_u16(&w, img->n_biases);
	hv_wr_u16(&w, img->n_kernels);
	hv_wr_u32(&w, img->total_bytes);
}

static void header_read(struct hv_rd *r, struct slotimg *img)
{
	img->magic = hv_rd_u32(r);
	img->version = hv_rd_u16(r);
	img->layers = hv_rd_u8(r);
	img->quadrants = hv_rd_u8(r);
	img->positions = hv_rd_u8(r);
	img->sets = hv_rd_u8(r);
	img->records_max = hv_rd_u16(r);
	img->in_record_bytes = hv_rd_u16(r);
	img->out_record_bytes = hv_rd_u16(r);
	img->in_word = hv_rd_u16(r);
	img->in_passes = hv_rd_u16(r);
	img->per_pass = hv_rd_u16(r);
	img->kernel_first = hv_rd_u16(r);
	img->kernel_words = hv_rd_u16(r);
	img->bias_first = hv_rd_u16(r);
	img->bias_count = hv_rd_u16(r);
	img->data_first = hv_rd_u16(r);
	img->data_words = hv_rd_u16(r);
	for (unsigned s = 0; s < CNN_STEPS_SETS_MAX; s++) {
		img->set[s].out_word = hv_rd_u16(r);
		img->set[s].out_passes = hv_rd_u16(r);
		img->set[s].slots = hv_rd_u16(r);
		img->set[s].first_group = hv_rd_u16(r);
	}
	img->fixed_cycles = hv_rd_u32(r);
	img->record_cycles = hv_rd_u32(r);
	img->n_regs = hv_rd_u16(r);
	img->steps_bytes = hv_rd_u16(r);
	img->n_biases = hv_rd_u16(r);
	img->n_kernels = hv_rd_u16(r);
	img->total_bytes = hv_rd_u32(r);
}

static uint32_t pixels_max(const struct slotimg *img)
{
	return (uint32_t)img->positions * img->records_max;
}

/* `words` from `first` lie inside the claimed data words. */
static bool in_data(const struct slotimg *img, uint32_t first, uint32_t words)
{
	return first >= img->data_first && words <= img->data_words &&
	       first - img->data_first <= (uint32_t)img->data_words - words;
}

static bool claims_fit(const struct slotimg *img)
{
	return (uint32_t)img->kernel_first + img->kernel_words <= CNN_KERNEL_WORDS &&
	       (uint32_t)img->bias_first + img->bias_count <= CNN_BIAS_BYTES &&
	       (uint32_t)img->data_first + img->data_words <= CNN_DATA_WORDS &&
	       img->kernel_words > 0 && img->data_words > 0;
}

static bool shape_ok(const struct slotimg *img)
{
	return img->layers >= 1 && img->layers <= CNN_LAYERS_MAX && (img->quadrants & 1) != 0 &&
	       img->quadrants < 1u << CNN_QUADRANTS && img->positions >= 1 && img->sets >= 1 &&
	       img->sets <= CNN_STEPS_SETS_MAX && img->sets <= img->layers &&
	       img->records_max >= 1 && pixels_max(img) <= CNN_ROWS_MAX &&
	       img->in_record_bytes >= 1 && img->out_record_bytes >= 1;
}

static bool input_ok(const struct slotimg *img)
{
	return img->in_passes >= 1 && img->in_passes <= CNN_CHANNELS_MAX / CNN_PROCESSORS &&
	       img->per_pass >= 1 && img->per_pass <= CNN_PROCESSORS &&
	       in_data(img, img->in_word, pixels_max(img) * img->in_passes);
}

static bool set_ok(const struct slotimg *img, const struct slotimg_set *set)
{
	return set->out_passes >= 1 && set->out_passes <= CNN_CHANNELS_MAX / CNN_PROCESSORS &&
	       set->slots >= 1 && set->slots <= CNN_PROCESSORS &&
	       set->first_group < CNN_INSTANCES &&
	       4u * set->first_group + set->slots <= CNN_PROCESSORS &&
	       in_data(img, set->out_word, 4 * pixels_max(img) * set->out_passes);
}

static bool counts_ok(const struct slotimg *img)
{
	uint32_t least = SLOTIMG_HEADER_BYTES + (uint32_t)img->n_regs * SLOTIMG_REG_BYTES +
			 img->steps_bytes + (uint32_t)img->n_biases * SLOTIMG_RUN_HEAD_BYTES +
			 (uint32_t)img->n_kernels * SLOTIMG_RUN_HEAD_BYTES;

	return img->n_regs >= 1 && img->n_regs <= SLOTIMG_REGS_MAX &&
	       img->steps_bytes >= STEPS_BYTES_MIN &&
	       img->n_biases <= CNN_QUADRANTS * CNN_LAYERS_MAX && img->n_kernels >= 1 &&
	       img->n_kernels <= CNN_PROCESSORS * CNN_LAYERS_MAX && img->total_bytes > least &&
	       img->total_bytes - least <= KERNEL_BYTES_ALL + BIAS_BYTES_ALL;
}

int slotimg_header_parse(const void *bytes, size_t len, struct slotimg *img)
{
	struct hv_rd r = hv_rd_init(bytes, len);
	struct slotimg got;

	header_read(&r, &got);
	if (!r.ok || got.magic != SLOTIMG_MAGIC)
		return HV_E_FORMAT;
	if (got.version != SLOTIMG_VERSION)
		return HV_E_VERSION;
	if (!shape_ok(&got) || !claims_fit(&got) || !input_ok(&got) || !counts_ok(&got))
		return HV_E_FORMAT;
	for (unsigned s = 0; s < got.sets; s++)
		if (!set_ok(&got, &got.set[s]))
			return HV_E_FORMAT;
	*img = got;
	return HV_OK;
}

/* Kernel counter: start and inclusive end in bits of one plane, eight planes of nine a word. */
static bool mcnt_ok(const struct slotimg *img, uint32_t value)
{
	uint32_t start = value >> 16, end = value & 0xffff;
	uint32_t bits = 8 * CNN_KERNEL_WORD_BYTES;

	return start <= end && start >= bits * img->kernel_first &&
	       end < bits * ((uint32_t)img->kernel_first + img->kernel_words);
}

/* Bias bytes are counted by output channel; only the first is in the register. */
static bool post_ok(const struct slotimg *img, uint32_t value)
{
	uint32_t first = value & 0xfff;

	if ((value & ~POST_LINEAR) != 0)
		return false;
	if ((value & 1u << 12) == 0)
		return true;
	return first >= img->bias_first && first < (uint32_t)img->bias_first + img->bias_count;
}

static bool lctl_ok(const struct slotimg *img, uint32_t value)
{
	return (value & ~LCTL_LINEAR) == 0 && (value >> 12 & 0xf & ~(uint32_t)img->quadrants) == 0;
}

static bool value_ok(const struct slotimg *img, unsigned reg, uint32_t value)
{
	switch (reg) {
	case CNN_R_RCNT: return value < pixels_max(img);
	case CNN_R_ONED: return value == 0x100; /* 1x1 kernels only */
	case CNN_R_WPTR_BASE: return value < 1u << 17 && in_data(img, value & 0x1fff, 1);
	case CNN_R_WPTR_TOFF: return value <= 1;
	case CNN_R_WPTR_MOFF: return value == 0 || value == CNN_DATA_WORDS;
	case CNN_R_WPTR_CHOFF: return value <= 4;
	case CNN_R_RPTR_BASE: return in_data(img, value, 1);
	case CNN_R_LCTL: return lctl_ok(img, value);
	case CNN_R_MCNT: return mcnt_ok(img, value);
	case CNN_R_EN: return value >> 16 == (value & 0xffff);
	case CNN_R_POST: return post_ok(img, value);
	case CNN_R_LCTL2: return (value & ~LCTL2_LINEAR) == 0;
	case CNN_R_IFRM: return false;
	default: /* columns, pooling, line buffer, streaming: not used */ return value == 0;
	}
}

int slotimg_reg_check(const struct slotimg *img, uint16_t id, uint32_t value)
{
	unsigned quadrant = id >> 10, reg = id >> 5 & 0x1f, layer = id & 0x1f;

	if (quadrant >= CNN_QUADRANTS || (img->quadrants >> quadrant & 1) == 0 ||
	    reg >= CNN_LAYER_REGS || layer >= img->layers || !value_ok(img, reg, value))
		return HV_E_FORMAT;
	return HV_OK;
}

uint32_t slotimg_in_addr(const struct slotimg *img, uint32_t pixel, unsigned pass, unsigned group)
{
	return cnn_data_addr(group, img->in_word + pixel * img->in_passes + pass);
}

uint32_t slotimg_out_addr(const struct slotimg *img, unsigned set, uint32_t pixel, unsigned row)
{
	const struct slotimg_set *s = &img->set[set];
	unsigned pass = row / s->slots, pos = row % s->slots;

	return cnn_data_addr(s->first_group + pos / 4,
			     s->out_word + 4 * pass + 4 * pixel * s->out_passes + pos % 4);
}
