#include "firmware-agent/core/state.h"
#include "util/fs/rd.h"
#include <string.h>

/* The streaming reader of slot images. Header, registers and steps are collected in slot
 * memory and checked; then biases and kernels go straight into the accelerator, a few words
 * a slice, whenever the primary does not have it. */

static uint32_t min_u32(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* Up to n bytes of the chunk, as many as have come and as the block of the hash has room for. */
static uint32_t take(struct agent *a, uint8_t *to, uint32_t n)
{
	struct ag_load *l = &a->load;

	n = min_u32(n, (uint32_t)hv_sha256_room(&l->sha));
	n = (uint32_t)ag_link_tail(a, to, min_u32(n, AG_SLICE_HASH_BYTES));
	(void)hv_sha256_put(&l->sha, to, n);
	l->got += n;
	return n;
}

static void next_part(struct ag_load *l, const struct slotimg *img)
{
	if (l->part == AG_PART_STEPS) {
		l->part = AG_PART_BIAS;
		l->runs_left = img->n_biases;
	}
	if (l->part == AG_PART_BIAS && l->runs_left == 0) {
		l->part = AG_PART_KERNEL;
		l->runs_left = img->n_kernels;
	}
	if (l->part == AG_PART_KERNEL && l->runs_left == 0)
		l->part = AG_PART_DONE;
}

static int header_slice(struct agent *a)
{
	struct ag_load *l = &a->load;
	struct ag_slot *s = &a->slot[l->slot];
	int err;

	if (!ag_may_be_long(a))
		return HV_E_BUSY;
	err = slotimg_header_parse(s->memory, SLOTIMG_HEADER_BYTES, &s->img);
	if (err == HV_OK)
		err = ag_slot_check_header(a, l->slot);
	if (err != HV_OK)
		return err;
	l->kept = SLOTIMG_HEADER_BYTES + (uint32_t)s->img.n_regs * SLOTIMG_REG_BYTES +
		  s->img.steps_bytes;
	l->part = AG_PART_KEPT;
	return HV_OK;
}

/* First the view of the table, then its rows, then what the layers may touch. */
static int steps_slice(struct agent *a)
{
	struct ag_load *l = &a->load;
	struct ag_slot *s = &a->slot[l->slot];
	int err;

	if (l->checks == 0) {
		l->checks++;
		l->checked = 0;
		return ag_slot_parse_steps(a, l->slot);
	}
	if (l->checks == 1) {
		err = cnn_steps_check(&s->steps, l->checked, AG_SLICE_ROWS);
		l->checked += AG_SLICE_ROWS;
		if (l->checked >= s->steps.rows) {
			l->checks++;
			l->checked = 0;
		}
		return err;
	}
	if (!ag_may_be_long(a))
		return HV_E_BUSY;
	err = slotimg_part_check(&s->img, s->memory + SLOTIMG_HEADER_BYTES,
				 l->checked / SLOTIMG_LAYER_PARTS,
				 l->checked % SLOTIMG_LAYER_PARTS);
	if (++l->checked == s->img.layers * SLOTIMG_LAYER_PARTS)
		next_part(l, &s->img);
	return err;
}

/* Are the registers that have arrived those that come here? */
static int check_regs(struct agent *a)
{
	struct ag_load *l = &a->load;
	struct ag_slot *s = &a->slot[l->slot];
	uint32_t have = (l->got - SLOTIMG_HEADER_BYTES) / SLOTIMG_REG_BYTES;
	uint32_t end = min_u32(have, s->img.n_regs);

	for (; l->checked < end; l->checked++) {
		const uint8_t *id =
			s->memory + SLOTIMG_HEADER_BYTES + l->checked * SLOTIMG_REG_BYTES;

		if ((id[0] | (unsigned)id[1] << 8) != slotimg_reg_id(&s->img, l->checked))
			return HV_E_FORMAT;
	}
	return HV_OK;
}

static int keep_slice(struct agent *a, uint32_t *n)
{
	struct ag_load *l = &a->load;
	uint32_t end = l->kept != 0 ? l->kept : SLOTIMG_HEADER_BYTES;
	int err;

	*n = take(a, a->slot[l->slot].memory + l->got, end - l->got);
	if (l->kept == 0) {
		if (l->got == SLOTIMG_HEADER_BYTES)
			l->part = AG_PART_HEADER;
		return HV_OK;
	}
	err = check_regs(a);
	if (l->got == l->kept)
		l->part = AG_PART_STEPS;
	return err;
}

/* Head of a bias or kernel run: unit, 0, first, count. */
static int head_slice(struct agent *a, uint32_t *n)
{
	struct ag_load *l = &a->load;
	const struct slotimg *img = &a->slot[l->slot].img;
	bool kernel = l->part == AG_PART_KERNEL;
	uint32_t first = kernel ? img->kernel_first : img->bias_first;
	uint32_t count = kernel ? img->kernel_words : img->bias_count;
	struct hv_rd r;

	*n = take(a, l->head + l->head_n, (uint32_t)sizeof(l->head) - l->head_n);
	l->head_n = (uint8_t)(l->head_n + *n);
	if (l->head_n < sizeof(l->head))
		return HV_OK;
	r = hv_rd_init(l->head, sizeof(l->head));
	l->unit = hv_rd_u8(&r);
	if (hv_rd_u8(&r) != 0)
		return HV_E_FORMAT;
	l->at = hv_rd_u16(&r);
	l->left = hv_rd_u16(&r);
	if (l->unit >= (kernel ? CNN_PROCESSORS : CNN_QUADRANTS) || l->left == 0 || l->at < first ||
	    (uint32_t)l->at + l->left > first + count)
		return HV_E_FORMAT;
	return HV_OK;
}

/* CTRL of every quadrant is set for packed kernel loading while a chunk is written. */
static void take_hold(struct agent *a)
{
	for (unsigned q = 0; q < CNN_QUADRANTS; q++) {
		a->hold_ctrl[q] = ag_read(a, ag_quadrant(CNN_CTRL, q));
		ag_write(a, ag_quadrant(CNN_CTRL, q), CNN_CTRL_CLK_EN | CNN_CTRL_MEXPRESS);
	}
	a->hold = true;
}

void ag_load_release(struct agent *a)
{
	if (!a->hold)
		return;
	for (unsigned q = 0; q < CNN_QUADRANTS; q++)
		ag_write(a, ag_quadrant(CNN_CTRL, q), ag_ctrl_idle(a->hold_ctrl[q]));
	a->hold = false;
}

/* A group of up to four kernel words: set the address, then the bytes, most significant
 * first; the last write is padded. A hand-over in between leaves nothing half written. */
static void write_group(struct agent *a)
{
	struct ag_load *l = &a->load;
	uint32_t base = cnn_kernel_addr(l->unit) + 4u * l->at;

	a->hal.cnn_write8(a->hal.ctx, base + 1, 1);
	for (unsigned i = 0; i < l->group_n; i += 4) {
		uint32_t v = 0;

		for (unsigned b = i; b < i + 4; b++)
			v = v << 8 | (b < l->group_n ? l->group[b] : 0u);
		ag_write(a, base + i, v);
	}
	l->at = (uint16_t)(l->at + l->group_n / CNN_KERNEL_WORD_BYTES);
	l->left = (uint16_t)(l->left - l->group_n / CNN_KERNEL_WORD_BYTES);
	l->group_n = 0;
}

/* One group of 10 accesses, once its bytes are all there. */
static void kernel_slice(struct agent *a, uint32_t *n)
{
	struct ag_load *l = &a->load;
	uint32_t want =
		min_u32(l->left * (uint32_t)CNN_KERNEL_WORD_BYTES, (uint32_t)sizeof(l->group));

	*n = l->group_n;
	if (l->group_n == want) {
		write_group(a);
		*n = want;
		return;
	}
	*n = take(a, l->group + l->group_n, want - l->group_n);
	l->group_n = (uint8_t)(l->group_n + *n);
}

static void bias_slice(struct agent *a, uint32_t *n)
{
	struct ag_load *l = &a->load;
	uint8_t byte[AG_SLICE_OPS];

	*n = take(a, byte, min_u32(l->left, AG_SLICE_OPS));
	for (uint32_t i = 0; i < *n; i++)
		ag_write(a, cnn_bias_addr(l->unit, l->at + i), byte[i]);
	l->at = (uint16_t)(l->at + *n);
	l->left = (uint16_t)(l->left - *n);
}

/* A group whose bytes are there is written before the chunk is done. */
static bool group_waits(const struct ag_load *l)
{
	return l->part == AG_PART_KERNEL && l->left > 0 && l->head_n == sizeof(l->head) &&
	       l->group_n > 0 &&
	       l->group_n == min_u32(l->left * (uint32_t)CNN_KERNEL_WORD_BYTES,
				     (uint32_t)sizeof(l->group));
}

static int bus_slice(struct agent *a, uint32_t *n)
{
	struct ag_load *l = &a->load;

	if (l->left == 0 || l->head_n < sizeof(l->head))
		return head_slice(a, n);
	if (a->in.at == a->in.n && !arq_recv_ready(&a->arq) && !group_waits(l)) {
		/* nobody waits for the line */
		ag_load_release(a);
		a->load_waits = false;
		return HV_OK;
	}
	a->load_waits = a->primary.active || a->run.phase != AG_IDLE;
	if (a->load_waits)
		return HV_E_BUSY;
	*n = 1;
	if (!a->hold) {
		take_hold(a);
		return HV_OK;
	}
	if (l->part == AG_PART_KERNEL)
		kernel_slice(a, n);
	else
		bias_slice(a, n);
	if (l->left == 0) {
		l->head_n = 0;
		l->runs_left--;
		next_part(l, &a->slot[l->slot].img);
	}
	return HV_OK;
}

static void chunk_end(struct agent *a)
{
	ag_load_release(a);
	a->load_waits = false;
	a->in.what = a->in.left > 0 ? AG_IN_SKIP : AG_IN_HEAD;
	if (a->in.left == 0)
		a->in.bytes = 0;
}

static int part_slice(struct agent *a, uint32_t *n)
{
	switch (a->load.part) {
	case AG_PART_KEPT: return keep_slice(a, n);
	case AG_PART_HEADER: *n = 1; return header_slice(a);
	case AG_PART_STEPS: *n = 1; return steps_slice(a);
	case AG_PART_BIAS:
	case AG_PART_KERNEL: return bus_slice(a, n);
	case AG_PART_DONE: break;
	}
	return HV_E_FORMAT;
}

bool ag_load_slice(struct agent *a)
{
	struct ag_load *l = &a->load;
	uint32_t n = 0;
	int err;

	if (l->active && hv_sha256_room(&l->sha) == 0) {
		(void)hv_sha256_work(&l->sha, AG_SLICE_ROUNDS);
		return true;
	}
	if (!l->active || (a->in.left == 0 && l->part != AG_PART_HEADER &&
			   l->part != AG_PART_STEPS && !group_waits(l))) {
		chunk_end(a);
		return true;
	}
	err = part_slice(a, &n);
	if (err == HV_E_BUSY && (l->part < AG_PART_BIAS ? a->long_due : a->load_waits))
		return false;
	if (err != HV_OK) {
		ag_slot_refuse(a, err);
		return true;
	}
	return n > 0;
}
