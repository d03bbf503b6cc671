#include "daemon/dispatch/inside.h"
#include "tasks/catalog.h"
#include "util/clock.h"
#include <math.h>

double cores_queued_us(const struct dispatch *d, enum squeue_class cls)
{
	uint32_t tasks = task_count() < CPU_TASKS_MAX ? (uint32_t)task_count() : CPU_TASKS_MAX;
	double us = 0;

	for (uint32_t t = 0; d->cpu_queue.waiting > 0 && t < tasks; t++) {
		uint64_t records = 0;

		for (int c = 0; c <= (int)cls; c++)
			records += d->cpu_queued[c][t];
		if (records > 0)
			us += (double)records * cpu_record_us(d->cpu, t);
	}
	return us / cpu_workers(d->cpu) + cpu_backlog_us(d->cpu);
}

static struct job_part *cpu_part(struct job *j)
{
	for (uint32_t i = 0; i < j->n_parts; i++)
		if (j->part[i].board == NULL)
			return &j->part[i];
	return NULL;
}

static bool suits(void *ctx, void *owner)
{
	struct job *j = owner;
	const struct job_part *p = cpu_part(j);

	(void)ctx;
	return p != NULL && p->quota > 0 && j->units < JOB_UNITS_MAX &&
	       ranges_can_take(&j->todo, j->units);
}

/* A piece worth a hand-off, small enough that others get their turn soon, and not more than a
 * worker's share of what there is. */
static uint32_t chunk(const struct dispatch *d, const struct job *j, const struct job_part *p)
{
	double record_us = cpu_record_us(d->cpu, j->task_index) + 1e-6;
	double share = ceil((double)p->quota / cpu_workers(d->cpu));
	double most = fmax(1, floor(DISPATCH_CHUNK_US / record_us));
	double least = fmax(1, ceil(DISPATCH_INLINE_US / record_us));
	double n = fmax(least, fmin(share, most));

	return n < p->quota ? (uint32_t)n : p->quota;
}

static bool hand_out(struct dispatch *d, struct job *j)
{
	struct job_part *p = cpu_part(j);
	struct dispatch_unit *u = dispatch_unit_take(d);

	if (u == NULL)
		return false;
	if (!job_take(j, p, chunk(d, j, p), &u->start, &u->count)) {
		dispatch_unit_give(d, u);
		return false;
	}
	u->job = j;
	u->part = (uint32_t)(p - j->part);
	u->as.cpu = (struct cpu_unit){
		.task = j->task_index,
		.records = u->count,
		.first = u->start,
		.in = j->in->data + (size_t)u->start * (j->in->bytes / j->spec.records),
		.out = j->out->data + (size_t)u->start * (j->out->bytes / j->spec.records),
	};
	squeue_charge(&d->cpu_queue, &j->cpu_node, u->count * cpu_record_us(d->cpu, j->task_index));
	quota_took(d, j, p, u->count);
	job_start(d->with.store, j);
	cpu_give(d->cpu, &u->as.cpu);
	return true;
}

void pump_cores(struct dispatch *d)
{
	while (d->cpu_queue.waiting > 0 && cpu_has_room(d->cpu)) {
		struct squeue_node *n = squeue_pick(&d->cpu_queue, suits, d, d->now_ns);

		if (n == NULL || !hand_out(d, n->owner))
			return;
	}
}

/* The exact function itself failed: a plug-in did. No other place has a right answer to fall
 * back on, so the job ends with the plug-in's reason. */
static void fail_job(struct dispatch *d, struct dispatch_unit *u)
{
	struct job *j = u->job;

	if (!job_state_is_final(j->state)) {
		job_why(j, "%s", u->as.cpu.why);
		dispatch_end(d, j, JOB_FAILED, u->as.cpu.err);
	}
	job_return(d->with.store, j, &j->part[u->part], u->start, u->count, false);
	dispatch_unit_give(d, u);
}

void dispatch_on_cpu_done(void *dispatch, struct cpu_unit *c)
{
	struct dispatch *d = dispatch;
	struct dispatch_unit *u =
		(struct dispatch_unit *)(void *)((char *)c - offsetof(struct dispatch_unit, as));
	uint64_t ns = c->end_ns - c->begin_ns;
	struct job *j;

	dispatch_clock(d, hv_now_ns());
	if (dispatch_audit_done(d, c)) {
		dispatch_pump(d);
		return;
	}
	j = u->job;
	job_stamp(j, c->begin_ns, c->end_ns, 0, ns);
	j->at.cpu_ns += ns;
	if (c->err == HV_OK)
		dispatch_unit_done(d, u);
	else
		fail_job(d, u);
	dispatch_pump(d);
}
