#include "daemon/dispatch/inside.h"
#include "util/clock.h"
#include <math.h>
#include <string.h>

/* How fast the picture of a board's speed follows what it does. */
static const double slowness_weight = 0.3;
static const double slowness_max = 50;

struct pump {
	struct board *board;
	struct job_part *part; /* of the job that suited last */
};

static struct job_part *part_on(struct job *j, struct board *b)
{
	for (uint32_t i = 0; i < j->n_parts; i++) {
		struct job_part *p = &j->part[i];

		if (p->board == b && p->quota > 0 && !p->barred && board_can_take(b, p->model))
			return p;
	}
	return NULL;
}

static bool suits(void *ctx, void *owner)
{
	struct pump *pump = ctx;
	struct job *j = owner;

	/* where the newest samples begin is known when the first unit comes back */
	if (job_spec_has_buffer(&j->spec) && j->spec.newest && !j->has_first && j->units > 0)
		return false;
	return j->units < JOB_UNITS_MAX && ranges_can_take(&j->todo, j->units) &&
	       part_on(j, pump->board) != NULL;
}

static const struct board_input *input_of(const struct job *j, struct dispatch_unit *u)
{
	if (!job_spec_has_buffer(&j->spec))
		return NULL;
	u->from = (struct board_input){ .hop = j->spec.hop,
					.newest = j->spec.newest && !j->has_first,
					.first = j->has_first ? j->first_sample : j->spec.first,
					.start = u->start,
					.span = j->spec.records };
	memcpy(u->from.buffer, j->spec.buffer, sizeof(u->from.buffer));
	return &u->from;
}

/* False: nothing more for this board now. */
static bool hand_out(struct dispatch *d, struct board *b, struct job *j)
{
	struct job_part *p = part_on(j, b);
	struct dispatch_unit *u = p != NULL ? dispatch_unit_take(d) : NULL;
	uint32_t want;
	int err;

	if (u == NULL)
		return false;
	want = p->batch_records > 0 ? p->batch_records : p->quota;
	if (!job_take(j, p, want, &u->start, &u->count)) {
		dispatch_unit_give(d, u);
		return false;
	}
	u->job = j;
	u->part = (uint32_t)(p - j->part);
	u->as.batch = (struct board_batch){
		.model = p->model,
		.in = j->in != NULL
			      ? j->in->data + (size_t)u->start * (j->in->bytes / j->spec.records)
			      : NULL,
		.from = input_of(j, u),
		.out = j->out->data + (size_t)u->start * (j->out->bytes / j->spec.records),
		.records = u->count,
		.cookie = u,
		.sent_ns = d->now_ns,
	};
	squeue_charge(&d->board_queue, &j->board_node, u->count * p->us_per_record);
	quota_took(d, j, p, u->count);
	job_start(d->with.store, j);
	err = board_run(b, &u->as.batch, d->now_ns);
	if (err == HV_E_BUSY)
		dispatch_unit_unused(d, u);
	else if (err != HV_OK)
		dispatch_unit_failed(d, u, true);
	return err == HV_OK;
}

void pump_boards(struct dispatch *d)
{
	size_t n = d->board_queue.waiting > 0 ? boards_count(d->boards) : 0;

	for (size_t i = 0; i < n && i < DISPATCH_BOARDS_MAX; i++) {
		struct pump pump = { .board = boards_at(d->boards, i) };

		while (d->board_queue.waiting > 0) {
			struct squeue_node *at =
				squeue_pick(&d->board_queue, suits, &pump, d->now_ns);

			if (at == NULL || !hand_out(d, pump.board, at->owner))
				break;
		}
	}
}

/* Compare what a batch took with what was predicted, so that a slow board is priced as one.
 * Batches queue up on the board to keep its link busy, so a batch's time begins when the one
 * before it came back. */
static void learn(struct dispatch *d, const struct board *b, const struct dispatch_unit *u)
{
	const struct job_part *p = &u->job->part[u->part];
	const struct board_batch *batch = &u->as.batch;
	double predicted_us = p->us_per_record * u->count + p->wait_us;

	for (size_t i = 0; i < boards_count(d->boards) && i < DISPATCH_BOARDS_MAX; i++) {
		struct board_stat *s = &d->board[i];
		uint64_t begin_ns;
		double ratio;

		if (boards_at(d->boards, i) != b || predicted_us <= 0)
			continue;
		begin_ns = s->last_done_ns > batch->sent_ns ? s->last_done_ns : batch->sent_ns;
		s->last_done_ns = batch->done_ns;
		ratio = ((double)batch->done_ns - (double)begin_ns) / 1000.0 / predicted_us *
			s->slowness;
		s->slowness += slowness_weight * (ratio - s->slowness);
		s->slowness = fmin(slowness_max, fmax(1, s->slowness));
	}
}

/* Samples that a board had are not found again: an end that says so, and no other samples. */
static void samples_lost(struct dispatch *d, const struct board *b, const struct dispatch_unit *u,
			 int err)
{
	struct job *j = u->job;

	if (!job_spec_has_buffer(&j->spec) || job_state_is_final(j->state))
		return;
	if (err == HV_E_STALE) {
		job_why(j,
			"%s: samples of buffer \"%s\" are not there yet, or were overwritten "
			"before "
			"they were read; %u of %u records were done",
			board_id(b), j->spec.buffer, j->records_done, j->spec.records);
		dispatch_end(d, j, JOB_FAILED, HV_E_STALE);
	} else if (j->ring_board != NULL && (err == HV_E_GONE || err == HV_E_TIMEOUT)) {
		job_why(j, "%s, which has the samples, was lost with %u of %u records done",
			board_id(b), j->records_done, j->spec.records);
		dispatch_end(d, j, JOB_FAILED, HV_E_GONE);
	}
}

static void on_batch(void *ctx, struct board *b, struct board_batch *batch, int err)
{
	struct dispatch *d = ctx;
	struct dispatch_unit *u = batch->cookie;
	uint64_t compute_ns = batch->compute_us * 1000, all_ns;

	dispatch_clock(d, hv_now_ns());
	if (err != HV_OK) {
		samples_lost(d, b, u, err);
		dispatch_unit_failed(d, u, err == HV_E_GONE || err == HV_E_WRONG);
		dispatch_pump(d);
		return;
	}
	if (batch->from != NULL && !u->job->has_first) {
		u->job->has_first = true;
		u->job->first_sample = batch->first;
		u->job->ring_board = b;
	}
	all_ns = batch->done_ns > batch->sent_ns ? batch->done_ns - batch->sent_ns : 0;
	compute_ns = compute_ns < all_ns ? compute_ns : all_ns;
	job_stamp(u->job, batch->sent_ns, batch->done_ns, all_ns - compute_ns, compute_ns);
	if (!job_state_is_final(u->job->state))
		learn(d, b, u);
	dispatch_audit_batch(d, u->job, batch);
	dispatch_unit_done(d, u);
	dispatch_pump(d);
}

static void on_room(void *ctx, struct board *b)
{
	struct dispatch *d = ctx;

	(void)b;
	dispatch_clock(d, hv_now_ns());
	dispatch_pump(d);
}

/* Records that were promised to a board that left go elsewhere at once. */
static void on_lost(void *ctx, struct board *b)
{
	struct dispatch *d = ctx;
	struct job *next;

	dispatch_clock(d, hv_now_ns());
	for (struct job *j = d->with.store->live_first; j != NULL; j = next) {
		bool waits = false;

		next = j->in_list.next;
		for (uint32_t i = 0; i < j->n_parts; i++)
			waits |= j->part[i].board == b && j->part[i].quota > 0;
		if (j->ring_board == b && !job_state_is_final(j->state)) {
			job_why(j, "%s, which has the samples, was lost with %u of %u records done",
				board_id(b), j->records_done, j->spec.records);
			dispatch_end(d, j, JOB_FAILED, HV_E_GONE);
		}
		if (waits && !job_state_is_final(j->state))
			quota_reroute(d, j);
	}
	dispatch_pump(d);
}

struct board_events dispatch_board_events(struct dispatch *d)
{
	return (struct board_events){
		.ctx = d, .on_batch = on_batch, .on_room = on_room, .on_lost = on_lost
	};
}
