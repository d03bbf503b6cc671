#include "accel/cost/cycles.h"
#include "accel/emu/layer.h"

#include <string.h>

static uint32_t field(uint32_t value, unsigned low, unsigned bits)
{
	return value >> low & ((UINT32_C(1) << bits) - 1);
}

/* Quadrants that run: the leader and those whose partial sums it takes, or in pass-through all
 * that are enabled. */
static unsigned used_quadrants(const struct cnn_emu *e, unsigned index, bool pass_through)
{
	unsigned listed = 1u | field(e->reg[0][CNN_R_LCTL][index], 12, 4), enabled = 0;

	for (unsigned q = 0; q < CNN_QUADRANTS; q++)
		if ((e->ctrl[q] & CNN_CTRL_CNN_EN) != 0)
			enabled |= 1u << q;
	return pass_through ? enabled : listed & enabled;
}

static void decode_processors(const struct cnn_emu *e, struct emu_layer *l, unsigned quadrants)
{
	for (unsigned p = 0; p < CNN_PROCESSORS; p++) {
		unsigned q = p / CNN_PER_QUADRANT, bit = p % CNN_PER_QUADRANT;
		uint32_t en = e->reg[q][CNN_R_EN][l->index];

		if (!l->pass_through)
			en &= en >> 16;
		if ((quadrants >> q & 1) != 0 && (en >> bit & 1) != 0)
			l->processors[l->n_processors++] = p;
	}
}

static void decode_kernel_size(uint32_t oned, struct emu_layer *l)
{
	uint32_t length = field(oned, 8, 4);

	l->kernel_h = l->kernel_w = 1;
	if (field(oned, 12, 1) != 0)
		l->kernel_h = length > 0 ? length : 1;
	else if (length != 1)
		l->kernel_h = l->kernel_w = 3;
}

/* A streaming layer has a ring buffer; the first one reads the FIFO. */
static bool streams(const struct cnn_emu *e, unsigned index)
{
	return (e->ctrl[0] & CNN_CTRL_STREAM) != 0 && index < CNN_STREAM_LAYERS &&
	       e->reg[0][CNN_R_FBUF][index] != 0;
}

static void decode_modes(const struct cnn_emu *e, struct emu_layer *l, uint32_t oned, uint32_t lctl,
			 uint32_t post)
{
	l->pass_through = field(post, 24, 2) != 0;
	l->transposed = field(post, 28, 1) != 0;
	l->big_flatten = field(post, 27, 1) != 0;
	l->operands = field(oned, 13, 1) != 0 ? field(oned, 18, 4) + 1 : 1;
	l->eltwise = field(oned, 14, 2);
	l->pools = field(lctl, 7, 1) != 0;
	l->pool_max = field(lctl, 8, 1) != 0;
	l->pool_first = field(oned, 16, 1) != 0;
	l->bytewise = l->index == 0 && field(lctl, 6, 1) != 0;
	l->from_fifo = l->index == 0 && (e->ctrl[0] & CNN_CTRL_FIFO) != 0;
	l->streams = streams(e, l->index);
	l->feeds = l->index < e->lcnt_max[0] && streams(e, l->index + 1);
	/* The generator's simulation keeps truncating in 1-D layers. */
	l->round = (e->ctrl[0] & CNN_CTRL_POOLRND) != 0 && field(oned, 12, 1) == 0;
	l->relu = field(lctl, 9, 1) != 0;
	l->abs = field(post, 26, 1) != 0;
	l->wide = field(lctl, 16, 1) != 0;
	l->shift = (int)field(post, 13, 4);
	if (field(post, 17, 1) != 0)
		l->shift = -l->shift;
}

static void decode_input(const struct cnn_emu *e, struct emu_layer *l)
{
	const uint32_t(*reg)[CNN_LAYERS_MAX] = e->reg[0];
	uint32_t rcnt = reg[CNN_R_RCNT][l->index], ccnt = reg[CNN_R_CCNT][l->index];
	uint32_t lctl2 = reg[CNN_R_LCTL2][l->index], post = reg[CNN_R_POST][l->index];

	l->pad_h = field(rcnt, 16, 2);
	l->pad_w = field(ccnt, 16, 2);
	l->height = field(rcnt, 0, 10) + 1 - 2 * l->pad_h;
	l->width = field(ccnt, 0, 10) + 1 - 2 * l->pad_w;
	if (l->transposed) {
		l->height /= 2;
		l->width /= 2;
	}
	l->pool_h = l->pools ? field(reg[CNN_R_PRCNT][l->index], 0, 4) + 1 : 1;
	l->pool_w = l->pools ? field(reg[CNN_R_PCCNT][l->index], 0, 4) + 1 : 1;
	l->stride = field(reg[CNN_R_STRIDE][l->index], 0, 4) + 1;
	l->passes = field(lctl2, 0, 4) + 1;
	if (l->big_flatten)
		l->passes = (field(lctl2, 0, 4) | field(post, 18, 4) << 4) + 1;
	l->read_word = field(reg[CNN_R_RPTR_BASE][l->index], 0, 13);
}

static void decode_output(const struct cnn_emu *e, struct emu_layer *l, unsigned quadrants)
{
	const uint32_t(*reg)[CNN_LAYERS_MAX] = e->reg[0];
	static const uint8_t widths[4] = { 8, 1, 2, 4 };
	uint32_t mcnt = reg[CNN_R_MCNT][l->index], lctl2 = reg[CNN_R_LCTL2][l->index];

	l->weight_bits = widths[field(reg[CNN_R_POST][l->index], 22, 2)];
	l->count_start = mcnt >> 16;
	l->count_end = mcnt & 0xffff;
	l->remainder = field(reg[CNN_R_ONED][l->index], 4, 4);
	l->slots = 0;
	if (l->count_end >= l->count_start)
		l->slots = ((l->count_end - l->count_start) / l->weight_bits + 1) / l->passes;
	l->pass_slots = field(lctl2, 8, 9) / l->weight_bits + 1;
	l->pixel_step = field(lctl2, 4, 4) + 1;
	l->slot_step = reg[CNN_R_WPTR_TOFF][l->index];
	l->group_step = reg[CNN_R_WPTR_MOFF][l->index];
	l->pass_step = reg[CNN_R_WPTR_CHOFF][l->index];
	l->timeslots = field(reg[CNN_R_ONED][l->index], 0, 4) + 1;
	l->bias_quadrant = -1;
	for (unsigned q = 0; q < CNN_QUADRANTS; q++) {
		uint32_t post = e->reg[q][CNN_R_POST][l->index];

		l->write_word[q] = e->reg[q][CNN_R_WPTR_BASE][l->index] & 0x1ffff;
		if ((quadrants >> q & 1) == 0 || field(post, 12, 1) == 0)
			continue;
		l->bias_quadrant = (int)q;
		l->bias_first = field(post, 0, 12);
	}
}

static uint32_t pooled(uint32_t in, uint32_t pool, uint32_t stride)
{
	return (in - pool) / stride + 1;
}

static const char *derive_sizes(struct emu_layer *l)
{
	uint32_t rows, columns;

	if (l->height < 1 || l->height > CNN_ROWS_MAX || l->width < 1 || l->width > CNN_ROWS_MAX)
		return "no rows or columns are left beside the padding";
	if (l->pool_h > l->height || l->pool_w > l->width)
		return "the pooling window is larger than the input";
	l->pooled_h = pooled(l->height, l->pool_h, l->stride);
	l->pooled_w = pooled(l->width, l->pool_w, l->stride);
	l->out_h = l->pooled_h;
	l->out_w = l->pooled_w;
	if (l->pass_through)
		return NULL;
	rows = (l->transposed ? 2 : 1) * l->pooled_h + 2 * l->pad_h;
	columns = (l->transposed ? 2 : 1) * l->pooled_w + 2 * l->pad_w;
	if (rows < l->kernel_h || columns < l->kernel_w)
		return "the kernel is larger than the padded input";
	l->out_h = rows - l->kernel_h + 1;
	l->out_w = columns - l->kernel_w + 1;
	return NULL;
}

static const char *check_memories(const struct emu_layer *l)
{
	uint64_t pixels = (uint64_t)l->height * l->width;
	uint64_t words = (l->bytewise ? (pixels + 3) / 4 : pixels) * l->passes * l->operands;
	uint64_t last_bit = l->count_end + l->weight_bits;
	uint64_t taps = (uint64_t)l->kernel_h * l->kernel_w;

	if (pixels * l->passes * l->operands > EMU_FIFO_WORDS_MAX)
		return "the input is larger than any frame";
	if (!l->from_fifo && !l->streams && l->read_word + words > CNN_DATA_WORDS)
		return "the input runs over the end of a data memory";
	if (l->pass_through)
		return NULL;
	if (l->big_flatten && taps != 1)
		return "flattening needs a 1x1 kernel";
	if (l->slots == 0 || l->slots > CNN_CHANNELS_MAX)
		return "the kernel counter gives no or too many output channels";
	if (((last_bit + 7) / 8 * taps + l->remainder) > EMU_KERNEL_STREAM)
		return "the kernel counter runs over the end of the kernel memories";
	return NULL;
}

static const char *check_output(const struct emu_layer *l)
{
	uint64_t pixels = (uint64_t)l->out_h * l->out_w;
	uint64_t reach = (pixels - 1) * l->pixel_step * (l->wide ? 4 : 1);

	if (l->feeds)
		return reach < EMU_FIFO_WORDS_MAX && !l->wide
			       ? NULL
			       : "its output is larger than any frame";
	if ((l->write_word[0] % CNN_DATA_WORDS) + reach >= CNN_DATA_WORDS)
		return "the output runs over the end of a data memory";
	return NULL;
}

const char *emu_layer_decode(const struct cnn_emu *e, unsigned index, struct emu_layer *l)
{
	const uint32_t(*reg)[CNN_LAYERS_MAX] = e->reg[0];
	const char *wrong;
	unsigned quadrants;

	memset(l, 0, sizeof *l);
	l->index = index;
	decode_modes(e, l, reg[CNN_R_ONED][index], reg[CNN_R_LCTL][index], reg[CNN_R_POST][index]);
	quadrants = used_quadrants(e, index, l->pass_through);
	decode_processors(e, l, quadrants);
	if (!l->pass_through)
		decode_kernel_size(reg[CNN_R_ONED][index], l);
	else
		l->kernel_h = l->kernel_w = 1;
	decode_input(e, l);
	decode_output(e, l, quadrants);
	wrong = derive_sizes(l);
	if (wrong == NULL)
		wrong = check_memories(l);
	return wrong == NULL ? check_output(l) : wrong;
}

uint64_t emu_layer_work(const struct emu_layer *l)
{
	uint64_t depth = (uint64_t)l->passes * l->n_processors;
	uint64_t input = (uint64_t)l->height * l->width * depth * l->operands;
	uint64_t pooled =
		(uint64_t)l->pooled_h * l->pooled_w * l->pool_h * l->pool_w * depth * l->operands;
	uint64_t products = (uint64_t)l->out_h * l->out_w * l->kernel_h * l->kernel_w * depth;

	return input + pooled + (l->pass_through ? 0 : products * (l->slots + 1));
}

uint64_t emu_layer_cycles(const struct emu_layer *l)
{
	uint32_t taps = l->kernel_h * l->kernel_w;
	uint32_t scale = l->transposed ? 2 : 1;
	bool pools = l->pool_h > 1 || l->pool_w > 1;
	uint64_t cycles;
	struct cnn_cycle_shape s = {
		.pooled_h = scale * l->pooled_h,
		.pooled_w = scale * l->pooled_w,
		.pool_h = l->pool_h,
		.pool_w = l->pool_w,
		.kernel_h = l->kernel_h,
		.kernel_w = l->kernel_w,
		.pad_h = l->pad_h,
		.pad_w = l->pad_w,
		.out_w = l->out_w,
		.passes = l->passes,
		.operands = l->operands,
		.slots = l->slots,
		.kernel_word = (l->count_start / 8 * taps + l->remainder) / CNN_KERNEL_WORD_BYTES,
		.timeslots = l->timeslots,
		.combine_first = l->operands > 1 && pools && !l->pool_first,
		.pass_through = l->pass_through,
		.big_flatten = l->big_flatten,
	};

	if (l->pass_through && pools && l->passes > 1)
		s.passes = 2 * l->passes - 1;
	cycles = cnn_cycle_count(&s);
	return l->streams ? (3 * cycles + 1) / 2 : cycles;
}
