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

/* n bytes of the chunk are used up. */
static void consume(struct agent *a, uint32_t n)
{
	hv_sha256_add(&a->load.sha, a->cfg.message + a->message_at, n);
	a->message_at += n;
	a->load.got += n;
}

static void next_part(struct ag_load *l, const struct slotimg *img)
{
	if (l->part == AG_PART_KEPT) {
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

static int header_complete(struct agent *a)
{
	struct ag_slot *s = &a->slot[a->load.slot];
	int err = slotimg_header_parse(s->memory, SLOTIMG_HEADER_BYTES, &s->img);

	if (err == HV_OK)
		err = ag_slot_check_header(a, a->load.slot);
	if (err == HV_OK)
		a->load.kept = SLOTIMG_HEADER_BYTES + (uint32_t)s->img.n_regs * SLOTIMG_REG_BYTES +
			       s->img.steps_bytes;
	return err;
}

/* Check the registers that have arrived, a slice of them. */
static int check_regs(struct agent *a)
{
	struct ag_load *l = &a->load;
	struct ag_slot *s = &a->slot[l->slot];
	uint32_t have = (l->got - SLOTIMG_HEADER_BYTES) / SLOTIMG_REG_BYTES;
	uint32_t end = min_u32(have, s->img.n_regs);
	int err = HV_OK;

	for (; l->checked < end && err == HV_OK; l->checked++) {
		struct hv_rd r = hv_rd_init(s->memory + SLOTIMG_HEADER_BYTES +
						    l->checked * SLOTIMG_REG_BYTES,
					    SLOTIMG_REG_BYTES);
		uint16_t id = hv_rd_u16(&r);

		err = slotimg_reg_check(&s->img, id, hv_rd_u32(&r));
	}
	return err;
}

static int keep_slice(struct agent *a)
{
	struct ag_load *l = &a->load;
	uint32_t end = l->kept != 0 ? l->kept : SLOTIMG_HEADER_BYTES;
	uint32_t n = min_u32(a->message_n - a->message_at, end - l->got);
	int err = HV_OK;

	n = min_u32(n, AG_SLICE_HASH_BYTES);
	memcpy(a->slot[l->slot].memory + l->got, a->cfg.message + a->message_at, n);
	consume(a, n);
	if (l->kept == 0)
		return l->got == SLOTIMG_HEADER_BYTES ? header_complete(a) : HV_OK;
	err = check_regs(a);
	if (err == HV_OK && l->got == l->kept) {
		err = ag_slot_check_steps(a, l->slot);
		next_part(l, &a->slot[l->slot].img);
	}
	return err;
}

/* Head of a bias or kernel run: unit, 0, first, count. */
static int head_slice(struct agent *a)
{
	struct ag_load *l = &a->load;
	const struct slotimg *img = &a->slot[l->slot].img;
	uint32_t n = min_u32(a->message_n - a->message_at, (uint32_t)sizeof(l->head) - l->head_n);
	bool kernel = l->part == AG_PART_KERNEL;
	uint32_t first = kernel ? img->kernel_first : img->bias_first;
	uint32_t count = kernel ? img->kernel_words : img->bias_count;
	struct hv_rd r;

	memcpy(l->head + l->head_n, a->cfg.message + a->message_at, n);
	consume(a, n);
	l->head_n = (uint8_t)(l->head_n + n);
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

/* One group of 10 accesses: hashing it takes longer than writing it. */
static void kernel_slice(struct agent *a)
{
	struct ag_load *l = &a->load;
	uint32_t want =
		min_u32(l->left * (uint32_t)CNN_KERNEL_WORD_BYTES, (uint32_t)sizeof(l->group));
	uint32_t n = min_u32(a->message_n - a->message_at, want - l->group_n);

	memcpy(l->group + l->group_n, a->cfg.message + a->message_at, n);
	consume(a, n);
	l->group_n = (uint8_t)(l->group_n + n);
	if (l->group_n == want)
		write_group(a);
}

static void bias_slice(struct agent *a)
{
	struct ag_load *l = &a->load;
	uint32_t n = min_u32(a->message_n - a->message_at, min_u32(l->left, AG_SLICE_OPS));

	for (uint32_t i = 0; i < n; i++)
		ag_write(a, cnn_bias_addr(l->unit, l->at + i), a->cfg.message[a->message_at + i]);
	consume(a, n);
	l->at = (uint16_t)(l->at + n);
	l->left = (uint16_t)(l->left - n);
}

static int bus_slice(struct agent *a)
{
	struct ag_load *l = &a->load;

	if (l->left == 0 || l->head_n < sizeof(l->head))
		return head_slice(a);
	a->load_waits = a->primary.active || a->run.phase != AG_IDLE;
	if (a->load_waits)
		return HV_E_BUSY;
	if (!a->hold) {
		take_hold(a);
		return HV_OK;
	}
	if (l->part == AG_PART_KERNEL)
		kernel_slice(a);
	else
		bias_slice(a);
	if (l->left == 0) {
		l->head_n = 0;
		l->runs_left--;
		next_part(l, &a->slot[l->slot].img);
	}
	return HV_OK;
}

bool ag_load_slice(struct agent *a)
{
	int err = HV_OK;

	if (!a->load.active || a->message_at >= a->message_n) {
		ag_load_release(a);
		a->load_waits = false;
		a->message_n = a->message_at = 0;
		return true;
	}
	switch (a->load.part) {
	case AG_PART_KEPT: err = keep_slice(a); break;
	case AG_PART_BIAS:
	case AG_PART_KERNEL: err = bus_slice(a); break;
	case AG_PART_DONE: err = HV_E_FORMAT; break;
	}
	if (err == HV_E_BUSY && a->load.part != AG_PART_KEPT)
		return false;
	if (err != HV_OK)
		ag_slot_refuse(a, err);
	return true;
}
