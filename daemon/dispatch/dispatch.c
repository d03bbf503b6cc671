#include "daemon/dispatch/inside.h"
#include "tasks/catalog.h"
#include "tasks/metric.h"
#include "util/own.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const uint64_t ms_ns = 1000000;
static const uint64_t busy_window_ns = UINT64_C(5000000000);

static void on_tick(struct timer_node *n, uint64_t now_ns);

static void on_ended(void *ctx, struct job *j)
{
	struct dispatch *d = ctx;

	d->ev.on_ended(d->ev.ctx, j);
}

static void on_model_leaves(void *ctx, struct model *m)
{
	struct dispatch *d = ctx;

	dispatch_forget_model(d, m);
	/* Last: until now somebody might have asked a board about it. */
	if (d->boards != NULL)
		boards_forget_model(d->boards, m);
}

int dispatch_new(const struct dispatch_parts *parts, const struct dispatch_events *ev,
		 struct dispatch **to)
{
	struct dispatch *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return HV_E_NOMEM;
	d->with = *parts;
	d->ev = *ev;
	d->tick.fire = on_tick;
	hv_rng_seed(&d->audit.rng, 1);
	parts->store->ended = on_ended;
	parts->store->ctx = d;
	models_on_leave(parts->models, on_model_leaves, d);
	d->log = calloc(DISPATCH_LOG, sizeof(*d->log));
	d->units = calloc(DISPATCH_UNITS, sizeof(*d->units));
	if (d->log == NULL || d->units == NULL) {
		dispatch_free(d);
		return HV_E_NOMEM;
	}
	for (size_t i = 0; i < DISPATCH_UNITS; i++) {
		d->units[i].next = d->free_units;
		d->free_units = &d->units[i];
	}
	for (size_t i = 0; i < DISPATCH_BOARDS_MAX; i++)
		d->board[i].slowness = 1;
	*to = d;
	return HV_OK;
}

void dispatch_deliver_to(struct dispatch *d, void *ctx)
{
	d->ev.ctx = ctx;
}

void dispatch_join(struct dispatch *d, struct cpu *cpu, struct boards *boards)
{
	d->cpu = cpu;
	d->boards = boards;
}

void dispatch_free(struct dispatch *d)
{
	if (d == NULL)
		return;
	dispatch_audit_drop(d);
	free(d->log);
	free(d->units);
	free(d);
}

void dispatch_clock(struct dispatch *d, uint64_t now_ns)
{
	if (now_ns > d->now_ns)
		d->now_ns = now_ns;
}

uint64_t dispatch_now_ns(const struct dispatch *d)
{
	return d->now_ns;
}

struct dispatch_unit *dispatch_unit_take(struct dispatch *d)
{
	struct dispatch_unit *u = d->free_units;

	if (u != NULL) {
		d->free_units = u->next;
		d->units_out++;
	}
	return u;
}

void dispatch_unit_give(struct dispatch *d, struct dispatch_unit *u)
{
	u->next = d->free_units;
	d->free_units = u;
	d->units_out--;
}

uint32_t dispatch_units_out(const struct dispatch *d)
{
	return d->units_out;
}

/* Every end of a job comes through here: off the queues first, then told. */
void dispatch_end(struct dispatch *d, struct job *j, enum job_state state, int code)
{
	uint32_t task = j->task_index;

	if (job_state_is_final(j->state))
		return;
	quota_clear(d, j);
	timers_clear(d->with.timers, &j->deadline);
	for (uint32_t i = 0; i < j->n_parts; i++) {
		if (j->part[i].model != NULL)
			model_drop(d->with.models, j->part[i].model);
		j->part[i].model = NULL;
	}
	job_end(d->with.store, j, state, code, d->now_ns);
	if (!task_is_served(task))
		cpu_task_leaves(d->cpu, task);
}

static void tell_progress(struct dispatch *d, struct job *j)
{
	if (!j->spec.progress || j->owner == NULL ||
	    d->now_ns - j->progress_ns < DISPATCH_PROGRESS_MS * ms_ns)
		return;
	j->progress_ns = d->now_ns;
	d->ev.on_progress(d->ev.ctx, j);
}

void dispatch_unit_done(struct dispatch *d, struct dispatch_unit *u)
{
	struct job *j = u->job;
	struct job_part *p = &j->part[u->part];

	p->failures = 0;
	job_done(d->with.store, j, p, u->count);
	dispatch_unit_give(d, u);
	if (job_state_is_final(j->state))
		return;
	if (job_all_done(j)) {
		dispatch_end(d, j, JOB_COMPLETED, HV_OK);
		return;
	}
	tell_progress(d, j);
	/* This place is through with its share and others are not: share anew. */
	if (p->quota == 0 && p->units == 0 && ranges_total(&j->todo) > 0)
		quota_reroute(d, j);
}

void dispatch_unit_unused(struct dispatch *d, struct dispatch_unit *u)
{
	struct job *j = u->job;

	job_return(d->with.store, j, &j->part[u->part], u->start, u->count, false);
	dispatch_unit_give(d, u);
	if (!job_state_is_final(j->state))
		quota_reroute(d, j);
}

void dispatch_unit_failed(struct dispatch *d, struct dispatch_unit *u, bool bar)
{
	struct job *j = u->job;
	struct job_part *p = &j->part[u->part];

	if (++p->failures >= DISPATCH_FAILURES_MAX || bar)
		p->barred = true;
	job_return(d->with.store, j, p, u->start, u->count, true);
	dispatch_unit_give(d, u);
	if (!job_state_is_final(j->state))
		quota_reroute(d, j);
}

void dispatch_pump(struct dispatch *d)
{
	if (d->cpu_queue.waiting > 0)
		pump_cores(d);
	if (d->board_queue.waiting > 0)
		pump_boards(d);
	if (d->cpu_queue.waiting + d->board_queue.waiting > 0)
		dispatch_tick_arm(d);
}

void dispatch_tick_arm(struct dispatch *d)
{
	if (d->tick.pos == 0)
		(void)timers_set(d->with.timers, &d->tick, d->now_ns + DISPATCH_TICK_MS * ms_ns);
}

/* Work that waits, and might be better off elsewhere by now. */
static bool may_move(const struct job *j)
{
	bool boards = j->board_node.flow != NULL || j->stranded_ns != 0 ||
		      (j->cpu_node.flow != NULL && j->spec.policy != SCHED_LATENCY);

	return !job_state_is_final(j->state) && boards && j->todo.n > 0;
}

/* Boards turn out slower or faster than predicted, come and go: look again at what waits. A
 * bounded number each time; the list is in the order of acceptance. */
static void on_tick(struct timer_node *n, uint64_t now_ns)
{
	enum { LOOKS = 64 };
	struct dispatch *d =
		(struct dispatch *)(void *)((char *)n - offsetof(struct dispatch, tick));
	struct job *next;
	bool again = false;
	int looks = 0;

	dispatch_clock(d, now_ns);
	for (struct job *j = d->with.store->live_first; j != NULL && looks < LOOKS; j = next) {
		next = j->in_list.next;
		if (!may_move(j))
			continue;
		again = true;
		if (now_ns - j->decided_ns < DISPATCH_TICK_MS * ms_ns)
			continue;
		looks++;
		j->decided_ns = now_ns;
		quota_reroute(d, j);
	}
	dispatch_pump(d);
	if (again)
		dispatch_tick_arm(d);
}

static void on_deadline(struct timer_node *n, uint64_t now_ns)
{
	struct job *j = (struct job *)(void *)((char *)n - offsetof(struct job, deadline));
	struct dispatch *d = j->account->store->ctx;

	dispatch_clock(d, now_ns);
	job_why(j, "the deadline passed with %u of %u records done", j->records_done,
		j->spec.records);
	dispatch_end(d, j, JOB_EXPIRED, HV_E_TIMEOUT);
	dispatch_pump(d);
}

/* On the loop thread, at once: the job is over when this returns. */
static void run_here(struct dispatch *d, struct job *j)
{
	struct job_part *p = &j->part[0];
	uint64_t begin_ns = d->now_ns, end_ns;

	j->n_parts = 1;
	*p = (struct job_part){
		.certified = hv_metric_exact(j->task->metric),
		.energy_uj_per_record = SCHED_CPU_CORE_WATT * cpu_record_us(d->cpu, j->task_index),
		.records = j->spec.records,
	};
	j->todo.n = 0;
	job_start(d->with.store, j);
	cpu_run_here(d->cpu, j->task_index, j->in->data, j->out->data, j->spec.records, &end_ns);
	dispatch_clock(d, end_ns);
	job_stamp(j, begin_ns, d->now_ns, 0, d->now_ns - begin_ns);
	j->at.cpu_ns = d->now_ns - begin_ns;
	j->records_done = j->spec.records;
	job_end(d->with.store, j, JOB_COMPLETED, HV_OK, d->now_ns);
}

static void explain_choice(const struct dispatch *d, struct job *j,
			   const struct dispatch_decision *dec)
{
	const struct sched_candidate *first = &dec->c[dec->verdict.first];
	const char *why = sched_why_text(&dec->job, dec->c, dec->n, &dec->verdict);
	char place[2 * NAME_CAP + 16];

	j->why = why;
	if (dec->verdict.places == 1 && first->place == SCHED_CPU_PLACE)
		return; /* nothing to add, and the text need not be made */
	if (dec->verdict.places == 1)
		job_why(j, "%s: %s", dispatch_place_text(d, first, place, sizeof(place)), why);
	else
		job_why(j, "%s: %u of %u records on %s", why, first->share, j->spec.records,
			dispatch_place_text(d, first, place, sizeof(place)));
}

void dispatch_decide(struct dispatch *d, const struct dispatch_request *r,
		     struct dispatch_decision *dec)
{
	struct subject s = { .task_index = r->task_index,
			     .records = r->spec.records,
			     .spec = &r->spec,
			     .in = r->in != NULL ? r->in->data : NULL,
			     .in_records = r->spec.records };

	facts_decide(d, &s, dec);
}

static int refuse(struct dispatch *d, const struct dispatch_decision *dec, char *why, size_t cap)
{
	char place[2 * NAME_CAP + 16] = "";

	if (dec->verdict.first < dec->n)
		dispatch_place_text(d, &dec->c[dec->verdict.first], place, sizeof(place));
	sched_refusal_text(&dec->job, dec->c, dec->n, &dec->verdict, place, why, cap);
	d->with.store->counts.refused++;
	return HV_E_BUDGET;
}

int dispatch_submit(struct dispatch *d, const struct dispatch_request *r, struct job **to,
		    char *why, size_t cap)
{
	struct dispatch_decision dec;
	const struct sched_candidate *first;
	struct job *j;
	int err;

	if (d->stopping) {
		snprintf(why, cap, "the daemon is shutting down");
		return HV_E_BUSY;
	}
	if (!task_is_served(r->task_index)) { /* it left while the samples came */
		snprintf(why, cap, "there is no task '%s' any more: see harvestctl tasks",
			 task_at(r->task_index)->name);
		d->with.store->counts.refused++;
		return HV_E_NOENT;
	}
	dispatch_decide(d, r, &dec);
	if (!dec.verdict.ok)
		return refuse(d, &dec, why, cap);
	err = job_new(r->account, task_at(r->task_index), r->task_index, &r->spec, r->in, r->out,
		      r->arrived_ns, d->now_ns, &j, why, cap);
	if (err != HV_OK) {
		d->with.store->counts.refused++;
		return err;
	}
	*to = j;
	j->owner = r->owner;
	j->tag = r->tag;
	if (job_spec_has_buffer(&j->spec) && !j->spec.newest) { /* of one named board */
		j->has_first = true;
		j->first_sample = j->spec.first;
		j->ring_board = boards_find(d->boards, j->spec.board);
	}
	facts_keep(d, j, &dec);
	explain_choice(d, j, &dec);
	first = &dec.c[dec.verdict.first];
	if (dec.verdict.places == 1 && first->place == SCHED_CPU_PLACE &&
	    cpu_may_run_here(d->cpu, r->task_index) &&
	    cpu_record_us(d->cpu, r->task_index) * r->spec.records <= DISPATCH_INLINE_US) {
		run_here(d, j);
		return HV_OK;
	}
	j->deadline.fire = on_deadline;
	if (j->spec.deadline_ns != UINT64_MAX)
		(void)timers_set(d->with.timers, &j->deadline, j->spec.deadline_ns);
	quota_set(d, j, &dec);
	dispatch_pump(d);
	return HV_OK;
}

bool dispatch_cancel(struct dispatch *d, struct job *j, const char *why)
{
	if (job_state_is_final(j->state))
		return false;
	job_why(j, "%s, %u of %u records were done", why, j->records_done, j->spec.records);
	dispatch_end(d, j, JOB_CANCELLED, HV_E_CANCEL);
	return true;
}

void dispatch_client_gone(struct dispatch *d, struct account *a)
{
	struct job *next;

	for (struct job *j = a->first; j != NULL; j = next) {
		next = j->in_account.next;
		j->owner = NULL;
		if (!j->spec.detach)
			dispatch_cancel(d, j, "the client went away");
	}
	dispatch_pump(d);
}

void dispatch_stop(struct dispatch *d)
{
	struct job *next;

	d->stopping = true;
	for (struct job *j = d->with.store->live_first; j != NULL; j = next) {
		next = j->in_list.next;
		if (j->state == JOB_WAITING)
			dispatch_cancel(d, j, "the daemon is shutting down");
	}
}

void dispatch_cancel_all(struct dispatch *d, const char *why)
{
	struct job *next;

	d->stopping = true;
	for (struct job *j = d->with.store->live_first; j != NULL; j = next) {
		next = j->in_list.next;
		dispatch_cancel(d, j, why);
	}
	timers_clear(d->with.timers, &d->tick);
}

void dispatch_forget_model(struct dispatch *d, const struct model *m)
{
	struct job *next;

	for (struct job *j = d->with.store->live_first; j != NULL; j = next) {
		bool waits = false;

		next = j->in_list.next;
		for (uint32_t i = 0; i < j->n_parts; i++) {
			struct job_part *p = &j->part[i];

			if (p->model != m)
				continue;
			p->barred = true;
			model_drop(d->with.models, p->model);
			p->model = NULL;
			waits |= p->quota > 0;
		}
		if (waits && !job_state_is_final(j->state))
			quota_reroute(d, j);
	}
	dispatch_pump(d);
}

double dispatch_cpu_busy_share(struct dispatch *d)
{
	uint64_t busy_ns = cpu_busy_ns(d->cpu), since_ns;

	/* Two windows: the one that fills, and the full one before it. */
	if (d->busy_window_ns == 0 || d->now_ns - d->busy_window_ns >= busy_window_ns) {
		d->busy_prev_ns = d->busy_window_ns;
		d->busy_at_prev_ns = d->busy_at_window_ns;
		d->busy_window_ns = d->now_ns;
		d->busy_at_window_ns = busy_ns;
	}
	since_ns = d->busy_prev_ns != 0 ? d->now_ns - d->busy_prev_ns : 0;
	if (since_ns == 0)
		return 0;
	return fmin(1, (double)(busy_ns - d->busy_at_prev_ns) /
			       ((double)since_ns * cpu_workers(d->cpu)));
}
