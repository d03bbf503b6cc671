#include "firmware-agent/core/state.h"
#include <string.h>

/* One harvested run, slice by slice:
 *
 *   IDLE -> SNAP -> INPUT -> CONFIG -> START -> WAIT -> RESTORE -> UNLOAD -> IDLE
 *
 * SNAP reads the primary's values of the registers the guest uses, once after each time the
 * primary had the accelerator. The input needs no layer register, so they are written after it,
 * and RESTORE puts them back as soon as the inference is done: in between every step must be
 * short, because the primary would wait for both. The unload needs no layer register either.
 * ag_run_abort() leaves any phase. */

static const struct slotimg *image(const struct agent *a)
{
	return &a->slot[a->job[a->run.job].slot].img;
}

/* Entry i of the guest's registers: its address, and its value for this run. */
static uint32_t reg_entry(const struct agent *a, unsigned i, uint32_t *value, bool *varies)
{
	const struct ag_slot *s = &a->slot[a->run.snap_slot];
	const uint8_t *b = s->memory + SLOTIMG_HEADER_BYTES + i * SLOTIMG_REG_BYTES;
	unsigned id = b[0] | (unsigned)b[1] << 8;

	*value = b[2] | (uint32_t)b[3] << 8 | (uint32_t)b[4] << 16 | (uint32_t)b[5] << 24;
	*varies = (id >> 5 & 31) == CNN_R_RCNT;
	if (*varies)
		*value -= (uint32_t)s->img.height * (s->img.records_max - a->run.records);
	return cnn_reg_addr(id >> 10, id >> 5 & 31, id & 31);
}

/* Latency of a start by the header's cycles, in microseconds. */
static uint32_t inference_us(const struct agent *a)
{
	const struct ag_slot *s = &a->slot[a->run.snap_slot];
	uint64_t ns = s->start_ns + (uint64_t)s->start_record_ns * a->run.records;

	return (ns < UINT32_MAX ? (uint32_t)ns : UINT32_MAX) / 1000 + 1;
}

static uint32_t paced(uint32_t ns, unsigned pace)
{
	uint64_t v = (uint64_t)ns * pace / AG_PACE_ONE;

	return v < UINT32_MAX ? (uint32_t)v : UINT32_MAX;
}

static uint32_t plan_us(uint32_t fixed_ns, uint32_t record_ns, unsigned records)
{
	uint64_t us = (fixed_ns + (uint64_t)record_ns * records) >> 10;

	return us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
}

/* A run took so long: how fast this processor is, and how busy the link, is learned. */
static void pace_learn(struct ag_slot *s, uint32_t planned_us, uint64_t took_us)
{
	uint32_t took =
		took_us < UINT32_MAX / AG_PACE_MAX ? (uint32_t)took_us : UINT32_MAX / AG_PACE_MAX;
	uint32_t pace = took * s->pace / (planned_us > 0 ? planned_us : 1) + 1;

	if (pace > AG_PACE_MAX)
		pace = AG_PACE_MAX;
	if (pace < AG_PACE_ONE)
		pace = AG_PACE_ONE;
	if (pace > s->pace)
		s->pace = (uint16_t)pace;
	else
		s->pace = (uint16_t)(s->pace - (s->pace - pace) / 16);
}

/* The oldest job, if the guard lets some of its records start. */
static bool try_start(struct agent *a)
{
	struct ag_run *run = &a->run;
	struct ag_job *j;
	const struct ag_slot *s;
	struct guard_forecast f;
	struct guard_question q;
	uint64_t now = ag_now(a);
	unsigned left;

	if (a->long_due || now < a->guard_wake_us)
		return false;
	j = ag_job_next(a);
	if (j == NULL)
		return false;
	s = &a->slot[j->slot];
	left = (unsigned)j->records - j->done;
	f = guard_forecast(&a->primary.seen, &a->primary.told, now);
	q = (struct guard_question){ .now_us = now,
				     .idle_since_us = a->primary.end_us,
				     .busy_us = a->primary.busy_max_us,
				     .fixed_ns = paced(s->fixed_ns, s->pace),
				     .record_ns = paced(s->record_ns, s->pace),
				     .records = a->slot[j->slot].cap_records };
	if (left < q.records)
		q.records = (uint16_t)left;
	run->records = guard_records(&f, &q, &a->guard_wake_us);
	if (run->records == 0) {
		ag_job_wake(a);
		return false;
	}
	a->guard_wake_us = 0;
	j->state = AG_JOB_RUNNING;
	if (j->start_us == 0)
		j->start_us = now;
	run->job = (uint8_t)(j - a->job);
	run->start_us = now;
	run->at = run->record = run->item = run->sums = 0;
	run->in_record = run->in_pass = 0;
	run->in_position = run->in_group = 0;
	run->in_step = (a->slot[j->slot].img.flags & SLOTIMG_CHW) != 0 ? 4 : 1;
	run->dirty_regs = 0;
	run->dirty_ctrl = false;
	run->planned_us = plan_us(q.fixed_ns, q.record_ns, run->records);
	run->phase = run->snap_valid && run->snap_slot == j->slot ? AG_CONFIG : AG_SNAP;
	run->snap_slot = j->slot;
	run->snap_q = 0;
	return true;
}

/* Registers that the guest leaves as they are need no restore; there may be too many others. */
static void snap_slice(struct agent *a)
{
	struct ag_run *run = &a->run;
	unsigned n = image(a)->n_regs;

	if (run->snap_q < CNN_QUADRANTS) {
		unsigned q = run->snap_q++;

		run->snap_valid = false;
		run->saved_n = 0;
		run->ctrl[q] = ag_read(a, ag_quadrant(CNN_CTRL, q));
		run->lcnt[q] = ag_read(a, ag_quadrant(CNN_LCNT_MAX, q));
		return;
	}
	for (int i = 0; i < AG_SLICE_SNAP && run->at < n; i++, run->at++) {
		bool varies;
		uint32_t want, addr = reg_entry(a, run->at, &want, &varies);
		uint32_t is = ag_read(a, addr);

		if (is == want && !varies)
			continue;
		if (run->saved_n == AG_RESTORE_REGS_MAX) {
			run->phase = AG_IDLE;
			ag_job_end(a, &a->job[run->job], HV_E_BUSY);
			return;
		}
		run->saved[run->saved_n++] = (struct ag_saved){ addr, is };
	}
	if (run->at == n) {
		run->snap_valid = true;
		run->at = 0;
		run->phase = AG_CONFIG;
	}
}

/* CTRL and LCNT_MAX first, then the input, then the registers. */
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
		run->phase = AG_INPUT;
		return;
	}
	for (int i = 0; i < AG_SLICE_REGS && run->at < img->n_regs; i++, run->at++) {
		bool varies;
		uint32_t want, addr = reg_entry(a, run->at, &want, &varies);

		if (run->dirty_regs == run->saved_n || run->saved[run->dirty_regs].addr != addr)
			continue;
		run->dirty_regs++;
		ag_write(a, addr, want);
	}
	if (run->at == img->n_regs)
		run->phase = AG_START;
}

/* One word of the input memories: four channels of one pixel, or four pixels. */
static uint32_t input_word(const struct agent *a, const uint8_t *record)
{
	const struct ag_run *run = &a->run;
	const struct cnn_steps *s = &a->slot[run->snap_slot].steps;
	unsigned per_pass = image(a)->per_pass, lane = 4u * run->in_group;
	unsigned lanes = per_pass - lane, channel = run->in_pass * per_pass + lane;

	if ((image(a)->flags & SLOTIMG_CHW) != 0) {
		lanes = image(a)->positions - run->in_position;
		channel = 0;
	} else if (channel >= s->channels) {
		return 0;
	} else if (lanes > s->channels - channel) {
		lanes = s->channels - channel;
	}
	if (lanes > 4)
		lanes = 4;
	return cnn_steps_in_word(s, record, run->in_position, channel, lanes);
}

/* To the next word: groups of a pass, passes of a pixel, positions of a record. */
static void input_next(struct ag_run *run, const struct slotimg *img)
{
	if (4u * ++run->in_group < img->per_pass)
		return;
	run->in_group = 0;
	run->at++;
	if (++run->in_pass < img->in_passes)
		return;
	run->in_pass = 0;
	run->in_position = (uint16_t)(run->in_position + run->in_step);
	if (run->in_position < img->positions)
		return;
	run->in_position = 0;
	run->in_record++;
}

/* Quadrant 0 is always used and starts the others: vendor sequence. */
static void start(struct agent *a)
{
	struct ag_run *run = &a->run;
	uint32_t us = inference_us(a), ctrl = CNN_CTRL_CLK_EN;

	if ((image(a)->flags & SLOTIMG_ROUND) != 0)
		ctrl |= CNN_CTRL_POOLRND;
	for (unsigned q = 0; q < CNN_QUADRANTS; q++)
		if ((image(a)->quadrants >> q & 1) != 0)
			ag_write(a, ag_quadrant(CNN_CTRL, q),
				 ctrl | CNN_CTRL_SYNC | (q != 0 ? CNN_CTRL_CNN_EN : 0));
	ag_write(a, CNN_CTRL, ctrl | CNN_CTRL_CNN_EN);
	run->phase = AG_WAIT;
	run->poll_us = ag_now(a) + us;
	run->give_up_us = run->poll_us + UINT64_C(63) * us + 1000;
}

static void input_slice(struct agent *a)
{
	struct ag_run *run = &a->run;
	const struct slotimg *img = image(a);
	const struct ag_job *j = &a->job[run->job];
	const uint8_t *record = ag_job_input(a, j, (unsigned)j->done + run->in_record);

	for (int i = 0; i < AG_SLICE_PIXELS; i++) {
		unsigned was = run->in_record;

		ag_write(a, cnn_data_addr(run->in_group, img->in_word + run->at),
			 input_word(a, record));
		input_next(run, img);
		if (run->in_record == run->records) {
			run->at = 0;
			run->phase = AG_CONFIG;
			return;
		}
		if (run->in_record != was)
			record += img->in_record_bytes;
	}
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

/* Put back saved registers [from, to): one write each, because the primary may be waiting. */
static void restore_regs(const struct agent *a, unsigned from, unsigned to)
{
	const struct ag_saved *s = a->run.saved + from, *end = a->run.saved + to;
	void (*write)(void *, uint32_t, uint32_t) = a->hal.cnn_write32;
	void *ctx = a->hal.ctx;

	if (s == end)
		return;
	do { /* a branch less a register than for */
		write(ctx, s->addr, s->value);
	} while (++s < end);
}

static void restore_slice(struct agent *a)
{
	struct ag_run *run = &a->run;
	unsigned from = run->at, to = from + AG_SLICE_REGS;

	if (to > run->dirty_regs)
		to = run->dirty_regs;
	restore_regs(a, from, to);
	run->at = to;
	if (to == run->dirty_regs) {
		run->dirty_regs = 0;
		run->phase = AG_UNLOAD;
	}
}

static int32_t output_word(void *ctx, unsigned set, unsigned position, unsigned row)
{
	const struct agent *a = ctx;
	const struct slotimg *img = image(a);
	uint32_t pixel = (uint32_t)a->run.record * img->positions + position;

	return slotimg_out_value(img, set, row, ag_read(a, slotimg_out_addr(img, set, pixel, row)));
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
	uint64_t took_us;
	struct ag_job *j = &a->job[run->job];
	struct ag_slot *s = &a->slot[j->slot];

	restore_ctrl(a);
	run->phase = AG_IDLE;
	took_us = ag_now(a) - run->start_us;
	a->n.harvest_busy_us += took_us;
	pace_learn(s, run->planned_us, took_us);
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

/* A whole record goes to its job's memory in pieces, where it may lie over its own input. From
 * now on it is finished, even if the run is aborted. */
static void record_done(struct agent *a)
{
	struct ag_run *run = &a->run;

	a->copy = (struct ag_copy){ .job = run->job, .n = image(a)->out_record_bytes };
	run->item = 0;
	run->record++;
}

static void copy_slice(struct agent *a)
{
	struct ag_copy *c = &a->copy;
	struct ag_job *j = &a->job[c->job];
	uint16_t n = c->n < ag_copy_bytes(a) ? c->n : (uint16_t)ag_copy_bytes(a);
	uint32_t whole = a->slot[j->slot].img.out_record_bytes;

	memcpy(j->memory + j->done * whole + c->at, a->cfg.record_memory + c->at, n);
	c->at = (uint16_t)(c->at + n);
	c->n = (uint16_t)(c->n - n);
	if (c->n > 0)
		return;
	j->done++;
	if (j->done == j->records && j->state == AG_JOB_QUEUED) /* its run was aborted */
		ag_job_end(a, j, HV_OK);
}

/* What an item's sums and its end cost, in words read. */
static int sum_words(const struct cnn_steps *s)
{
	return s->sets * s->parts;
}

static int finish_words(const struct cnn_steps *s)
{
	return s->finish == CNN_OUT_ROWS ? 1 : 4;
}

static void unload_slice(struct agent *a)
{
	struct ag_run *run = &a->run;
	const struct cnn_steps *s = &a->slot[run->snap_slot].steps;
	int words = AG_SLICE_WORDS;

	if (run->record == run->records) {
		run_done(a);
		return;
	}
	while (words > 0) {
		if (run->sums < cnn_steps_sums(s, run->item)) {
			run->sum[run->sums] =
				cnn_steps_sum(s, run->item, run->sums, output_word, a);
			run->sums++;
			words -= sum_words(s);
			continue;
		}
		cnn_steps_finish(s, run->item, run->sum, output_word, a, a->cfg.record_memory);
		run->sums = 0;
		words -= finish_words(s);
		if (++run->item == cnn_steps_items(s)) {
			record_done(a);
			return;
		}
	}
}

void ag_run_abort(struct agent *a)
{
	struct ag_run *run = &a->run;
	struct ag_job *j = &a->job[run->job];
	struct ag_slot *s = &a->slot[j->slot];
	bool copying = a->copy.n > 0 && a->copy.job == run->job;
	uint64_t took_us;

	if (run->phase == AG_IDLE)
		return;
	if (run->dirty_ctrl) {
		ag_write(a, CNN_CTRL, CNN_CTRL_CLK_EN);
		for (unsigned q = 1; q < CNN_QUADRANTS; q++)
			ag_write(a, ag_quadrant(CNN_CTRL, q), CNN_CTRL_CLK_EN);
	}
	restore_regs(a, 0, run->dirty_regs);
	if (run->dirty_ctrl)
		restore_ctrl(a);
	run->dirty_regs = 0;
	run->phase = AG_IDLE;
	a->guard_wake_us = 0;
	took_us = ag_now(a) - run->start_us;
	a->n.harvest_busy_us += took_us;
	if (took_us > run->planned_us && s->pace < AG_PACE_MAX / 2) /* no division: it waits */
		s->pace = (uint16_t)(s->pace + s->pace / 4);
	if (j->done + copying == j->records) { /* every record was unloaded: nothing to abort */
		j->cycles += s->img.fixed_cycles + s->img.record_cycles * run->records;
		j->state = AG_JOB_QUEUED; /* until the copy is done */
		if (!copying)
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

	if (a->copy.n > 0) {
		copy_slice(a);
		return true;
	}
	if (a->primary.active)
		return false;
	switch (run->phase) {
	case AG_IDLE: return !a->hold && !a->load_waits && try_start(a);
	case AG_SNAP: snap_slice(a); break;
	case AG_CONFIG: config_slice(a); break;
	case AG_INPUT: input_slice(a); break;
	case AG_START: start(a); break;
	case AG_WAIT: return wait_slice(a);
	case AG_RESTORE: restore_slice(a); break;
	case AG_UNLOAD: unload_slice(a); break;
	}
	return true;
}

uint64_t ag_run_next_us(const struct agent *a)
{
	if (a->copy.n > 0)
		return 0;
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
