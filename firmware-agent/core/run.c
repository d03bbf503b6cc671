#include "firmware-agent/core/state.h"
#include "util/fs/rd.h"
#include <string.h>

/* One harvested run, slice by slice:
 *
 *   IDLE -> SNAP -> CONFIG -> INPUT -> WAIT -> RESTORE -> UNLOAD -> IDLE
 *
 * SNAP reads the primary's values of the registers the guest uses, once after each time the
 * primary had the accelerator. RESTORE puts back those that differ as soon as the inference
 * is done; the unload needs no layer register. ag_run_abort() leaves any phase. */

static const struct slotimg *image(const struct agent *a)
{
	return &a->slot[a->job[a->run.job].slot].img;
}

static uint32_t reg_entry(const struct agent *a, unsigned i, uint32_t *addr)
{
	const struct ag_slot *s = &a->slot[a->run.snap_slot];
	struct hv_rd r = hv_rd_init(s->memory + SLOTIMG_HEADER_BYTES + i * SLOTIMG_REG_BYTES,
				    SLOTIMG_REG_BYTES);
	uint16_t id = hv_rd_u16(&r);
	uint32_t value = hv_rd_u32(&r);

	if ((id >> 5 & 31) == CNN_R_RCNT)
		value = (uint32_t)s->img.positions * a->run.records - 1;
	*addr = cnn_reg_addr(id >> 10, id >> 5 & 31, id & 31);
	return value;
}

/* Latency of a start by the header's cycles, in microseconds. */
static uint64_t inference_us(const struct agent *a)
{
	const struct slotimg *img = image(a);
	uint64_t cycles = img->fixed_cycles + (uint64_t)img->record_cycles * a->run.records;

	return cycles * 1000000u / a->cfg.cnn_hz + 1;
}

/* The oldest job, if the guard lets some of its records start. */
static bool try_start(struct agent *a)
{
	struct ag_run *run = &a->run;
	struct ag_job *j = ag_job_next(a);
	struct guard_forecast f;
	struct guard_question q;
	uint64_t now = ag_now(a);
	unsigned left;

	if (j == NULL)
		return false;
	left = (unsigned)j->records - j->done;
	f = guard_forecast(&a->primary.seen, &a->primary.told, now);
	q = (struct guard_question){ .now_us = now,
				     .idle_since_us = a->primary.end_us,
				     .busy_us = a->primary.busy_max_us,
				     .fixed_ns = a->slot[j->slot].fixed_ns,
				     .record_ns = a->slot[j->slot].record_ns,
				     .records = a->slot[j->slot].cap_records };
	if (left < q.records)
		q.records = (uint16_t)left;
	run->records = guard_records(&f, &q, &a->guard_wake_us);
	if (run->records == 0) {
		if (j->latest_start_us != 0 && j->start_us == 0 &&
		    j->latest_start_us < a->guard_wake_us)
			a->guard_wake_us = j->latest_start_us + 1;
		return false;
	}
	j->state = AG_JOB_RUNNING;
	if (j->start_us == 0)
		j->start_us = now;
	run->job = (uint8_t)(j - a->job);
	run->start_us = now;
	run->at = run->record = run->item = 0;
	run->dirty_regs = 0;
	run->dirty_ctrl = false;
	run->phase = run->snap_valid && run->snap_slot == j->slot ? AG_CONFIG : AG_SNAP;
	run->snap_slot = j->slot;
	return true;
}

static void snap_slice(struct agent *a)
{
	struct ag_run *run = &a->run;
	uint32_t addr;

	if (run->at == 0) {
		run->snap_valid = false;
		for (unsigned q = 0; q < CNN_QUADRANTS; q++) {
			run->ctrl[q] = ag_read(a, ag_quadrant(CNN_CTRL, q));
			run->lcnt[q] = ag_read(a, ag_quadrant(CNN_LCNT_MAX, q));
		}
	}
	for (int i = 0; i < AG_SLICE_REGS && run->at < image(a)->n_regs; i++, run->at++) {
		(void)reg_entry(a, run->at, &addr);
		run->reg[run->at] = ag_read(a, addr);
	}
	if (run->at == image(a)->n_regs) {
		run->snap_valid = true;
		run->at = 0;
		run->phase = AG_CONFIG;
	}
}

static void config_slice(struct agent *a)
{
	struct ag_run *run = &a->run;
	const struct slotimg *img = image(a);

	if (!run->dirty_ctrl) {
		run->dirty_ctrl = true;
		for (unsigned q = 0; q < CNN_QUADRANTS; q++) {
			ag_write(a, ag_quadrant(CNN_CTRL, q), CNN_CTRL_CLK_EN);
			ag_write(a, ag_quadrant(CNN_LCNT_MAX, q), img->layers - 1u);
		}
	}
	for (int i = 0; i < AG_SLICE_REGS && run->at < img->n_regs; i++, run->at++) {
		uint32_t addr, value = reg_entry(a, run->at, &addr);

		run->dirty_regs = (uint16_t)(run->at + 1);
		if (value != run->reg[run->at])
			ag_write(a, addr, value);
	}
	if (run->at == img->n_regs) {
		run->at = 0;
		run->phase = AG_INPUT;
	}
}

/* One word of the input memories: four channels of one pixel. */
static uint32_t input_word(const struct agent *a, const uint8_t *record, unsigned position,
			   unsigned pass, unsigned group)
{
	const struct cnn_steps *s = &a->slot[a->run.snap_slot].steps;
	unsigned per_pass = image(a)->per_pass, lane_channel = 4 * group;
	uint32_t v = 0;

	for (unsigned lane = 0; lane < 4; lane++, lane_channel++) {
		unsigned c = pass * per_pass + lane_channel;

		if (lane_channel < per_pass && c < s->channels)
			v |= (uint32_t)(uint8_t)cnn_steps_in(s, record, position, c) << 8 * lane;
	}
	return v;
}

/* Quadrant 0 is always used and starts the others: vendor sequence. */
static void start(struct agent *a)
{
	struct ag_run *run = &a->run;

	for (unsigned q = 0; q < CNN_QUADRANTS; q++)
		if ((image(a)->quadrants >> q & 1) != 0)
			ag_write(a, ag_quadrant(CNN_CTRL, q),
				 CNN_CTRL_CLK_EN | CNN_CTRL_SYNC | (q != 0 ? CNN_CTRL_CNN_EN : 0));
	ag_write(a, CNN_CTRL, CNN_CTRL_CLK_EN | CNN_CTRL_CNN_EN);
	run->phase = AG_WAIT;
	run->poll_us = ag_now(a) + inference_us(a);
	run->give_up_us = ag_now(a) + 64 * inference_us(a) + 1000;
}

static void input_slice(struct agent *a)
{
	struct ag_run *run = &a->run;
	const struct slotimg *img = image(a);
	const struct ag_job *j = &a->job[run->job];
	unsigned groups = (img->per_pass + 3u) / 4u, per_pixel = groups * img->in_passes;
	uint32_t pixels = (uint32_t)img->positions * run->records;

	for (int i = 0; i < AG_SLICE_PIXELS && run->at < pixels * per_pixel; i++, run->at++) {
		uint32_t pixel = run->at / per_pixel;
		unsigned pass = run->at % per_pixel / groups, group = run->at % groups;
		const uint8_t *record = ag_job_input(a, j, j->done + pixel / img->positions);

		ag_write(a, slotimg_in_addr(img, pixel, pass, group),
			 input_word(a, record, pixel % img->positions, pass, group));
	}
	if (run->at == pixels * per_pixel)
		start(a);
}

static bool wait_slice(struct agent *a)
{
	struct ag_run *run = &a->run;
	uint64_t now = ag_now(a);

	if (now < run->poll_us)
		return false;
	if ((ag_read(a, CNN_CTRL) & CNN_CTRL_IRQ) == 0) {
		struct ag_job *j = &a->job[run->job];

		run->poll_us = now + 1 + (now - run->start_us) / 16;
		if (now <= run->give_up_us)
			return true;
		ag_run_abort(a);
		if (j->state == AG_JOB_QUEUED)
			ag_job_end(a, j, HV_E_TIMEOUT);
		return true;
	}
	/* acknowledge; CTRL stays the guest's until the unload is over */
	for (unsigned q = 0; q < CNN_QUADRANTS; q++)
		ag_write(a, ag_quadrant(CNN_CTRL, q), CNN_CTRL_CLK_EN);
	run->at = 0;
	run->phase = AG_RESTORE;
	return true;
}

/* Put back registers [from, dirty_regs), at most n of them. */
static void restore_regs(struct agent *a, uint32_t *from, uint32_t n)
{
	struct ag_run *run = &a->run;

	for (; n > 0 && *from < run->dirty_regs; n--, ++*from) {
		uint32_t addr, value = reg_entry(a, *from, &addr);

		if (value != run->reg[*from])
			ag_write(a, addr, run->reg[*from]);
	}
}

static void restore_slice(struct agent *a)
{
	struct ag_run *run = &a->run;

	restore_regs(a, &run->at, AG_SLICE_REGS);
	if (run->at == run->dirty_regs) {
		run->dirty_regs = 0;
		run->phase = AG_UNLOAD;
	}
}

static int32_t output_word(void *ctx, unsigned set, unsigned position, unsigned row)
{
	const struct agent *a = ctx;
	const struct slotimg *img = image(a);
	uint32_t pixel = (uint32_t)a->run.record * img->positions + position;

	return (int32_t)ag_read(a, slotimg_out_addr(img, set, pixel, row));
}

static void restore_ctrl(struct agent *a)
{
	struct ag_run *run = &a->run;

	for (unsigned q = 0; q < CNN_QUADRANTS; q++) {
		ag_write(a, ag_quadrant(CNN_LCNT_MAX, q), run->lcnt[q]);
		ag_write(a, ag_quadrant(CNN_CTRL, q), ag_ctrl_idle(run->ctrl[q]));
	}
	run->dirty_ctrl = false;
}

static void run_done(struct agent *a)
{
	struct ag_run *run = &a->run;
	struct ag_job *j = &a->job[run->job];
	struct ag_slot *s = &a->slot[j->slot];

	restore_ctrl(a);
	run->phase = AG_IDLE;
	a->n.harvest_busy_us += ag_now(a) - run->start_us;
	if (s->cap_records < s->img.records_max)
		s->cap_records =
			(uint16_t)(2 * s->cap_records < s->img.records_max ? 2 * s->cap_records
									   : s->img.records_max);
	j->cycles += s->img.fixed_cycles + s->img.record_cycles * run->records;
	j->fruitless = 0;
	j->state = AG_JOB_QUEUED;
	if (j->done == j->records)
		ag_job_end(a, j, HV_OK);
}

/* Words an item reads, at most 16: see steps.h. */
static unsigned item_words(const struct cnn_steps *s)
{
	if (s->finish == CNN_OUT_RAW)
		return CNN_STEPS_RAW_WORDS;
	return (unsigned)s->sets * s->parts * (s->finish == CNN_OUT_DFT ? 4u : 1u);
}

/* A finished record counts even if the run is aborted later. */
static void unload_slice(struct agent *a)
{
	struct ag_run *run = &a->run;
	struct ag_job *j = &a->job[run->job];
	const struct ag_slot *s = &a->slot[j->slot];
	unsigned items = cnn_steps_items(&s->steps), end;

	if (run->record == run->records) {
		run_done(a);
		return;
	}
	end = run->item + AG_SLICE_OPS / item_words(&s->steps);
	for (; run->item < end && run->item < items; run->item++)
		cnn_steps_out(&s->steps, run->item, output_word, a, a->cfg.record_memory);
	if (run->item < items)
		return;
	memcpy(j->memory + (size_t)j->done * s->img.out_record_bytes, a->cfg.record_memory,
	       s->img.out_record_bytes);
	j->done++;
	run->item = 0;
	run->record++;
}

void ag_run_abort(struct agent *a)
{
	struct ag_run *run = &a->run;
	struct ag_job *j = &a->job[run->job];
	struct ag_slot *s = &a->slot[j->slot];
	uint32_t from = 0;

	if (run->phase == AG_IDLE)
		return;
	if (run->dirty_ctrl) {
		ag_write(a, CNN_CTRL, CNN_CTRL_CLK_EN);
		for (unsigned q = 1; q < CNN_QUADRANTS; q++)
			ag_write(a, ag_quadrant(CNN_CTRL, q), CNN_CTRL_CLK_EN);
	}
	restore_regs(a, &from, run->dirty_regs);
	if (run->dirty_ctrl)
		restore_ctrl(a);
	run->dirty_regs = 0;
	run->phase = AG_IDLE;
	a->guard_wake_us = 0;
	a->n.harvest_busy_us += ag_now(a) - run->start_us;
	if (j->done == j->records) { /* every record was unloaded: nothing is left to abort */
		j->cycles += s->img.fixed_cycles + s->img.record_cycles * run->records;
		ag_job_end(a, j, HV_OK);
		return;
	}
	a->n.aborted++;
	if (j->aborted < UINT16_MAX)
		j->aborted++;
	j->state = AG_JOB_QUEUED;
	j->fruitless = run->record > 0 ? 0 : (uint16_t)(j->fruitless + 1);
	s->cap_records = (uint16_t)((run->records + 1u) / 2u);
	if (j->fruitless > AG_FRUITLESS_MAX)
		ag_job_end(a, j, HV_E_BUSY);
}

bool ag_run_slice(struct agent *a)
{
	struct ag_run *run = &a->run;

	if (a->primary.active)
		return false;
	switch (run->phase) {
	case AG_IDLE: return !a->hold && !a->load_waits && try_start(a);
	case AG_SNAP: snap_slice(a); break;
	case AG_CONFIG: config_slice(a); break;
	case AG_INPUT: input_slice(a); break;
	case AG_WAIT: return wait_slice(a);
	case AG_RESTORE: restore_slice(a); break;
	case AG_UNLOAD: unload_slice(a); break;
	}
	return true;
}

uint64_t ag_run_next_us(const struct agent *a)
{
	if (a->primary.active)
		return UINT64_MAX;
	if (a->run.phase == AG_WAIT)
		return a->run.poll_us;
	if (a->run.phase != AG_IDLE)
		return 0;
	for (unsigned i = 0; i < a->cfg.job_slots; i++)
		if (a->job[i].state == AG_JOB_QUEUED)
			return a->guard_wake_us;
	return UINT64_MAX;
}
