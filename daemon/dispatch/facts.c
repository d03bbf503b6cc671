#include "daemon/dispatch/inside.h"
#include "tasks/catalog.h"
#include "tasks/metric.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MODELS_OF_TASK_MAX = 8, NAME_TRIES = 4 };

/* Names of models are looked up for every candidate of every job: remember which is which. A
 * freed model's address may come back with another name, so the text is compared. */
static uint16_t model_name(struct dispatch *d, const struct model *m)
{
	size_t at = ((uintptr_t)m >> 6) % (sizeof(d->names) / sizeof(d->names[0]));
	struct name_cache *e = &d->names[at];

	if (e->key != m || strcmp(names_text(&d->with.store->names, e->name), m->pkg->name) != 0) {
		e->key = m;
		e->name = names_intern(&d->with.store->names, m->pkg->name);
	}
	return e->name;
}

static void cpu_candidate(const struct dispatch *d, const struct subject *s,
			  struct sched_candidate *c)
{
	double record_us = cpu_record_us(d->cpu, s->task_index);
	double work_us = record_us * s->records;
	bool here = work_us <= DISPATCH_INLINE_US;
	double wide = fmin(cpu_workers(d->cpu), fmax(1, ceil(work_us / DISPATCH_CHUNK_US)));

	*c = (struct sched_candidate){
		.place = SCHED_CPU_PLACE,
		.ready = true,
		.named = true,
		.in_domain = true,
		.queue_us = here ? 0 : cores_queued_us(d, s->spec->cls),
		.fixed_us = here ? 0 : DISPATCH_HANDOFF_US,
		.compute_us_per_record = record_us / wide,
		.energy_uj_per_record = SCHED_CPU_CORE_WATT * record_us,
		.certified = hv_metric_exact(task_at(s->task_index)->metric),
	};
	if (job_spec_has_buffer(s->spec)) {
		c->ready = false;
		c->not_ready = "the samples are on a board, not here";
		c->no_samples = true;
	}
}

/* The same text for as long as the daemon lives. */
static const char *keep_reason(struct dispatch *d, const char *text)
{
	for (unsigned i = 0; i < d->n_reasons; i++)
		if (strcmp(d->reasons[i], text) == 0)
			return d->reasons[i];
	if (d->n_reasons == REASONS_MAX)
		return "the board has said why in its list of models";
	snprintf(d->reasons[d->n_reasons], REASON_CAP, "%s", text);
	return d->reasons[d->n_reasons++];
}

static const char *suspension(struct dispatch *d, const struct model *m)
{
	char measured[96], text[REASON_CAP];

	snprintf(text, sizeof(text), "the model is suspended: %s",
		 doubt_text(&m->doubt, measured, sizeof(measured)));
	return keep_reason(d, text);
}

/* said: where a reason that names the job's buffer goes, for this decision. */
static void offer(struct dispatch *d, const struct subject *s, const struct board *b,
		  const struct model *m, struct board_offer *o, char said[REASON_CAP])
{
	struct board_input from = { .hop = s->spec->hop, .span = s->spec->records };

	if (!job_spec_has_buffer(s->spec)) {
		board_offer(b, m, d->now_ns, o);
		if (o->why_passes)
			o->why_not = keep_reason(d, o->why_not);
		return;
	}
	memcpy(from.buffer, s->spec->buffer, sizeof(from.buffer));
	board_offer_buffer(b, m, &from, d->now_ns, o, said, REASON_CAP);
	if (o->why_not != said && o->why_passes)
		o->why_not = keep_reason(d, o->why_not);
	if (s->job != NULL && s->job->ring_board != NULL && s->job->ring_board != b) {
		o->eligible = false;
		o->why_not = "another board has the samples of this job";
	}
}

static const struct job_part *part_of(const struct job *j, const struct board *b,
				      const struct model *m)
{
	for (uint32_t i = 0; j != NULL && i < j->n_parts; i++)
		if (j->part[i].board == b && j->part[i].model == m)
			return &j->part[i];
	return NULL;
}

static bool left_domain(const struct job *j, uint16_t name)
{
	for (size_t i = 0; j != NULL && i < sizeof(j->out_of_domain) / 2; i++)
		if (j->out_of_domain[i] == name)
			return true;
	return false;
}

static void board_candidate(struct dispatch *d, const struct subject *s, size_t at,
			    const struct model *m, struct sched_candidate *c, char said[REASON_CAP])
{
	struct board *b = boards_at(d->boards, at);
	const struct job_part *p = part_of(s->job, b, m);
	const struct board_stat *stat = &d->board[at];
	struct board_offer o = { 0 };

	offer(d, s, b, m, &o, said);
	*c = (struct sched_candidate){
		.place = (int32_t)at,
		.ready = o.eligible,
		.not_ready = o.why_not,
		.no_samples = o.no_buffer,
		.board_name = names_intern(&d->with.store->names, board_id(b)),
		.model_name = model_name(d, m),
		.batch_records = o.batch_records,
		.queue_us = (double)o.queue_us + stat->queued_us,
		.load_us = (double)o.load_us,
		.wait_us = (double)o.wait_us,
		.link_us_per_record = o.link_us_per_record * stat->slowness,
		.compute_us_per_record = o.compute_us_per_record * stat->slowness,
		.energy_uj_per_record = o.energy_uj_per_record,
		.certified = m->pkg->cert.certified,
	};
	c->named = s->spec->board[0] == '\0' || boards_find(d->boards, s->spec->board) == b;
	c->in_domain = !left_domain(s->job, c->model_name);
	if (m->suspended) {
		c->ready = false;
		c->not_ready = suspension(d, m);
	} else if (p != NULL && p->barred) {
		c->ready = false;
		c->not_ready = "it failed while working on this job";
	}
}

/* Names of buffers are the clients' to choose, and reasons are kept for ever: only those that
 * name what some board has. Where none has it no job is accepted, and the decision is forgotten
 * with its reasons. */
static void keep_said(struct dispatch *d, struct sched_candidate *c, uint32_t n)
{
	bool known = false;

	for (uint32_t i = 1; i < n; i++)
		known |= c[i].ready;
	for (uint32_t i = 1; i < n && known; i++)
		if (c[i].not_ready == d->said[i])
			c[i].not_ready = keep_reason(d, d->said[i]);
}

static uint32_t gather(struct dispatch *d, const struct subject *s, struct sched_candidate *c)
{
	struct model *m[MODELS_OF_TASK_MAX];
	size_t boards = d->boards != NULL ? boards_count(d->boards) : 0, models = 0;
	uint32_t n = 1;

	cpu_candidate(d, s, &c[0]);
	d->candidate_model[0] = NULL;
	if (boards > 0)
		models = models_of_task(d->with.models, task_at(s->task_index), m,
					MODELS_OF_TASK_MAX);
	for (size_t b = 0; b < boards && b < DISPATCH_BOARDS_MAX; b++) {
		for (size_t k = 0; k < models && n < SCHED_CANDIDATES_MAX; k++) {
			d->candidate_model[n] = m[k];
			board_candidate(d, s, b, m[k], &c[n], d->said[n]);
			n++;
		}
	}
	if (job_spec_has_buffer(s->spec))
		keep_said(d, c, n);
	return n;
}

static void note_out_of_domain(struct job *j, uint16_t name)
{
	for (size_t i = 0; j != NULL && i < sizeof(j->out_of_domain) / 2; i++) {
		if (j->out_of_domain[i] == 0) {
			j->out_of_domain[i] = name;
			return;
		}
	}
}

/* The domain costs a look at every record, so it is asked only of models that would get some.
 * True when the verdict has to be made again. */
static bool leaves_domain(struct dispatch *d, const struct subject *s, struct sched_candidate *c,
			  uint32_t n)
{
	char why[JOB_WHY_CAP];
	bool any = false;

	for (uint32_t i = 1; i < n && s->in != NULL; i++) {
		const struct model *m = d->candidate_model[i];

		if (c[i].share == 0 || part_of(s->job, boards_at(d->boards, (size_t)c[i].place), m))
			continue;
		if (model_in_domain(m, s->in, s->in_records, why, sizeof(why)))
			continue;
		note_out_of_domain(s->job, c[i].model_name);
		for (uint32_t k = 1; k < n; k++)
			if (d->candidate_model[k] == m)
				c[k].in_domain = false;
		any = true;
	}
	return any;
}

/* Each board has samples of its own: a job of theirs is not split over boards. True when the
 * verdict has to be made again. */
static bool is_scattered(const struct subject *s, struct sched_candidate *c, uint32_t n,
			 const struct sched_verdict *v)
{
	bool any = false;

	for (uint32_t i = 0; i < n && job_spec_has_buffer(s->spec); i++) {
		if (c[i].share == 0 || c[i].place == c[v->first].place)
			continue;
		c[i].ready = false;
		c[i].not_ready = "the samples of one job are those of one board";
		any = true;
	}
	return any;
}

static struct sched_candidate *log_room(struct dispatch *d)
{
	uint64_t at = d->log_next % DISPATCH_LOG;

	if (at + SCHED_CANDIDATES_MAX > DISPATCH_LOG)
		d->log_next += DISPATCH_LOG - at;
	return &d->log[d->log_next % DISPATCH_LOG];
}

void facts_decide(struct dispatch *d, const struct subject *s, struct dispatch_decision *dec)
{
	struct sched_candidate *c = log_room(d);
	bool has_deadline = s->spec->deadline_ns != UINT64_MAX && !s->ignore_deadline;

	dec->job = (struct sched_job){
		.records = s->records,
		.policy = s->spec->policy,
		.where = s->spec->where,
		.metric = task_at(s->task_index)->metric,
		.has_budget = s->spec->has_budget,
		.budget = s->spec->budget,
		.has_deadline = has_deadline,
	};
	if (has_deadline)
		dec->job.deadline_us = ((double)s->spec->deadline_ns - (double)d->now_ns) / 1000.0;
	dec->c = c;
	dec->n = gather(d, s, c);
	do
		sched_route(&dec->job, c, dec->n, &dec->verdict);
	while (dec->verdict.ok &&
	       (leaves_domain(d, s, c, dec->n) || is_scattered(s, c, dec->n, &dec->verdict)));
}

void facts_keep(struct dispatch *d, struct job *j, const struct dispatch_decision *dec)
{
	j->decision = d->log_next;
	j->candidates = dec->n;
	j->chosen = dec->verdict.first;
	j->decision_deadline_us = dec->job.deadline_us;
	j->decided_ns = d->now_ns;
	d->log_next += dec->n;
}

bool dispatch_recall(const struct dispatch *d, const struct job *j, struct dispatch_decision *dec)
{
	/* The room behind log_next may be half written by a decision that was not kept. */
	if (j->candidates == 0 || d->log_next + SCHED_CANDIDATES_MAX > j->decision + DISPATCH_LOG)
		return false;
	dec->job = (struct sched_job){
		.records = j->spec.records,
		.policy = j->spec.policy,
		.where = j->spec.where,
		.metric = j->task->metric,
		.has_budget = j->spec.has_budget,
		.budget = j->spec.budget,
		.has_deadline = j->spec.deadline_ns != UINT64_MAX,
		.deadline_us = j->decision_deadline_us,
	};
	dec->c = &d->log[j->decision % DISPATCH_LOG];
	dec->n = j->candidates;
	dec->verdict = (struct sched_verdict){ .ok = true, .first = j->chosen };
	return true;
}

char *dispatch_place_text(const struct dispatch *d, const struct sched_candidate *c, char *to,
			  size_t cap)
{
	const struct names *names = &d->with.store->names;

	if (c->place == SCHED_CPU_PLACE)
		snprintf(to, cap, "cpu");
	else
		snprintf(to, cap, "board:%s with %s", names_text(names, c->board_name),
			 names_text(names, c->model_name));
	return to;
}
