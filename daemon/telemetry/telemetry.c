#include "daemon/telemetry/telemetry.h"
#include "tasks/catalog.h"
#include "tasks/metric.h"
#include <math.h>
#include <stdio.h>

enum { TEXT_CAP = 320 };

static void fill_times(const struct job *j, Hv__Times *t)
{
	struct job_times us = job_times(j);

	hv__times__init(t);
	t->admit = us.admit_us;
	t->queue = us.queue_us;
	t->transfer = us.transfer_us;
	t->compute = us.compute_us;
	t->deliver = us.deliver_us;
	t->total = us.total_us;
}

static void fill_part(const struct names *names, const struct job_part *p, Hv__Part *out)
{
	hv__part__init(out);
	out->where = p->board == NULL ? "cpu" : "board";
	out->board = (char *)names_text(names, p->board_name);
	out->model = (char *)names_text(names, p->model_name);
	out->records = p->records;
	out->records_retried = p->records_retried;
	out->certified = p->certified;
}

/* The certificate of the whole is that of its worst part. */
static void worst(Hv__Result *r, enum harvest_metric kind, double certified)
{
	if (certified == hv_metric_exact(kind))
		return;
	if (!r->has_certified || (hv_metric_larger_is_better(kind) ? certified < r->certified
								   : certified > r->certified))
		r->certified = certified;
	r->has_certified = true;
}

static void begin(struct telemetry_result *r, const struct harvest_task *t, uint32_t records)
{
	hv__result__init(&r->msg);
	r->msg.task = (char *)t->name;
	r->msg.records = records;
	r->msg.metric = (char *)hv_metric_text(t->metric);
	r->msg.parts = r->parts;
	r->msg.time_us = &r->times;
}

void telemetry_result(const struct store *s, const struct job *j, struct telemetry_result *r)
{
	begin(r, j->task, j->spec.records);
	r->msg.job = job_id_text(s, j, r->id);
	r->msg.ok = j->state == JOB_COMPLETED;
	r->msg.code = j->code;
	r->msg.state = (char *)job_state_text(j->state);
	r->msg.why = (char *)j->why;
	r->msg.has_budget = j->spec.has_budget;
	r->msg.budget = j->spec.budget;
	r->msg.cpu_energy_uj = SCHED_CPU_CORE_WATT * (double)j->at.cpu_ns / 1000.0;
	r->msg.has_first_sample = j->has_first && r->msg.ok;
	r->msg.first_sample = j->first_sample;
	fill_times(j, &r->times);
	for (uint32_t i = 0; i < j->n_parts; i++) {
		const struct job_part *p = &j->part[i];

		if (p->records == 0 && p->records_retried == 0)
			continue;
		fill_part(&s->names, p, &r->part[r->msg.n_parts]);
		r->parts[r->msg.n_parts] = &r->part[r->msg.n_parts];
		r->msg.n_parts++;
		if (p->records > 0)
			worst(&r->msg, j->task->metric, p->certified);
		if (p->board != NULL)
			r->msg.board_energy_uj += p->records * p->energy_uj_per_record;
	}
}

bool telemetry_dry_run(const struct store *s, const struct dispatch_decision *dec,
		       const struct harvest_task *t, struct telemetry_result *r, struct hv_arena *a)
{
	char *why = hv_arena_alloc(a, TEXT_CAP);

	if (why == NULL)
		return false;
	begin(r, t, dec->job.records);
	hv__times__init(&r->times);
	snprintf(why, TEXT_CAP, "dry run: %s; predicted to take %.0f us%s",
		 sched_why_text(&dec->job, dec->c, dec->n, &dec->verdict), dec->verdict.finish_us,
		 dec->verdict.places > 1 ? ", a board's share is at most what is shown: what "
					   "it does not get to in time goes elsewhere"
					 : "");
	r->msg.ok = true;
	r->msg.state = "dry-run";
	r->msg.why = why;
	r->msg.has_budget = dec->job.has_budget;
	r->msg.budget = dec->job.budget;
	for (uint32_t i = 0; i < dec->n && r->msg.n_parts < JOB_PARTS_MAX; i++) {
		const struct sched_candidate *c = &dec->c[i];
		struct job_part p = { .board_name = c->board_name,
				      .model_name = c->model_name,
				      .records = c->share,
				      .certified = c->certified };
		Hv__Part *out = &r->part[r->msg.n_parts];
		bool board = c->place != SCHED_CPU_PLACE;

		if (c->share == 0)
			continue;
		fill_part(&s->names, &p, out);
		out->where = board ? "board" : "cpu";
		r->parts[r->msg.n_parts++] = out;
		worst(&r->msg, t->metric, c->certified);
		*(board ? &r->msg.board_energy_uj : &r->msg.cpu_energy_uj) +=
			c->share * c->energy_uj_per_record;
	}
	return true;
}

static uint64_t whole_us(double us)
{
	return us > 0 && us < 1e18 ? (uint64_t)llround(us) : 0;
}

/* Terms for the candidate's share, or for the whole job when it got none. */
static bool fill_candidate(const struct dispatch_decision *dec, const struct sched_candidate *c,
			   const struct names *names, Hv__Candidate *out, struct hv_arena *a)
{
	uint32_t n = c->share > 0 ? c->share : dec->job.records;
	double runs = c->batch_records > 0 ? ceil((double)n / c->batch_records) : 1;
	char *where = hv_arena_alloc(a, NAME_CAP + 8), *why = hv_arena_alloc(a, TEXT_CAP);

	if (where == NULL || why == NULL)
		return false;
	hv__candidate__init(out);
	if (c->place == SCHED_CPU_PLACE)
		snprintf(where, NAME_CAP + 8, "cpu");
	else
		snprintf(where, NAME_CAP + 8, "board:%s", names_text(names, c->board_name));
	out->where = where;
	out->model = (char *)names_text(names, c->model_name);
	out->eligible = sched_eligible(c);
	out->why_not = sched_why_not_text(&dec->job, c, why, TEXT_CAP);
	out->queue_us = whole_us(c->queue_us);
	out->link_us = whole_us(n * c->link_us_per_record);
	out->load_us = whole_us(c->load_us);
	out->wait_us = whole_us(runs * c->wait_us);
	out->compute_us = whole_us(n * c->compute_us_per_record);
	out->finish_us = whole_us(c->finish_us);
	out->energy_uj = n * c->energy_uj_per_record;
	out->exact = c->certified == hv_metric_exact(dec->job.metric);
	out->certified_error = out->exact ? 0 : c->certified;
	out->records = c->share;
	return true;
}

bool telemetry_explanation(struct dispatch *d, const struct store *s, const struct job *j,
			   Hv__Explanation *msg, struct hv_arena *a)
{
	struct dispatch_decision dec = { 0 };
	char *chosen = hv_arena_alloc(a, TEXT_CAP), *id = hv_arena_alloc(a, JOB_ID_CAP);
	bool known = dispatch_recall(d, j, &dec);
	Hv__Candidate *all = hv_arena_zero(a, SCHED_CANDIDATES_MAX, sizeof(*all));

	msg->candidates = hv_arena_zero(a, SCHED_CANDIDATES_MAX, sizeof(*msg->candidates));
	if (chosen == NULL || id == NULL || all == NULL || msg->candidates == NULL)
		return false;
	snprintf(chosen, TEXT_CAP, "%s", "forgotten");
	if (known)
		dispatch_place_text(d, &dec.c[dec.verdict.first], chosen, TEXT_CAP);
	msg->job = job_id_text(s, j, id);
	msg->task = (char *)j->task->name;
	msg->policy = (char *)sched_policy_text(j->spec.policy);
	msg->chosen = chosen;
	msg->why = (char *)j->why;
	msg->has_budget = j->spec.has_budget;
	msg->budget = j->spec.budget;
	msg->metric = (char *)hv_metric_text(j->task->metric);
	msg->records = j->spec.records;
	for (uint32_t i = 0; known && i < dec.n; i++) {
		if (!fill_candidate(&dec, &dec.c[i], &s->names, &all[i], a))
			return false;
		msg->candidates[msg->n_candidates++] = &all[i];
	}
	return true;
}

static bool fill_job(const struct store *s, const struct job *j, uint64_t now_ns, Hv__JobInfo *out,
		     struct hv_arena *a)
{
	char *id = hv_arena_alloc(a, JOB_ID_CAP);

	if (id == NULL)
		return false;
	hv__job_info__init(out);
	out->job = job_id_text(s, j, id);
	out->task = (char *)j->task->name;
	out->records = j->spec.records;
	out->records_done = j->records_done;
	out->state = (char *)job_state_text(j->state);
	out->age_us = (now_ns - j->at.arrived_ns) / 1000;
	out->client = j->account != NULL ? j->account->label : (char *)j->client;
	out->why = (char *)j->why;
	return true;
}

bool telemetry_jobs(const struct store *s, uint32_t limit, size_t max_bytes, uint64_t now_ns,
		    Hv__JobList *msg, struct hv_arena *a)
{
	enum { AT_MOST = 1024, FIELD_BYTES = 6 };
	size_t bytes = 0;

	if (limit == 0 || limit > AT_MOST)
		limit = AT_MOST;
	msg->jobs = hv_arena_zero(a, limit, sizeof(*msg->jobs));
	if (msg->jobs == NULL)
		return false;
	for (const struct job *j = job_newest(s); j != NULL && msg->n_jobs < limit;
	     j = job_older(s, j)) {
		Hv__JobInfo *out = hv_arena_alloc(a, sizeof(*out));

		if (out == NULL || !fill_job(s, j, now_ns, out, a))
			return msg->n_jobs > 0;
		bytes += hv__job_info__get_packed_size(out) + FIELD_BYTES;
		if (bytes > max_bytes)
			return true;
		msg->jobs[msg->n_jobs++] = out;
	}
	return true;
}

static bool fill_task(const struct models *m, const struct harvest_task *t, Hv__TaskInfo *out,
		      struct hv_arena *a)
{
	enum { MODELS = 16 };
	struct model *of[MODELS];
	size_t n = models_of_task(m, t, of, MODELS);
	char *in = hv_arena_alloc(a, TEXT_CAP), *text = hv_arena_alloc(a, TEXT_CAP);

	hv__task_info__init(out);
	out->models = hv_arena_zero(a, MODELS, sizeof(*out->models));
	if (in == NULL || text == NULL || out->models == NULL)
		return false;
	out->name = (char *)t->name;
	out->about = (char *)t->about;
	out->in = tensor_text(&t->in, in, TEXT_CAP);
	out->out = tensor_text(&t->out, text, TEXT_CAP);
	out->in_bytes = tensor_bytes(&t->in);
	out->out_bytes = tensor_bytes(&t->out);
	out->metric = (char *)hv_metric_text(t->metric);
	for (size_t i = 0; i < n; i++)
		out->models[out->n_models++] = of[i]->pkg->name;
	return true;
}

bool telemetry_tasks(const struct models *m, Hv__TaskList *msg, struct hv_arena *a)
{
	size_t n = task_count();
	Hv__TaskInfo *all = hv_arena_zero(a, n, sizeof(*all));

	msg->tasks = hv_arena_zero(a, n, sizeof(*msg->tasks));
	if (all == NULL || msg->tasks == NULL)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!task_is_served(i))
			continue;
		if (!fill_task(m, task_at(i), &all[i], a))
			return false;
		msg->tasks[msg->n_tasks++] = &all[i];
	}
	return true;
}

static void fill_audit(const struct model *m, Hv__ModelInfo *out, struct hv_arena *a)
{
	char *text = m->suspended ? hv_arena_alloc(a, TEXT_CAP) : NULL;

	out->audited = m->doubt.pooled.records;
	out->measured = out->audited > 0 ? doubt_measured(&m->doubt) : 0;
	if (m->suspended) /* a word at least */
		out->suspended =
			text != NULL ? doubt_text(&m->doubt, text, TEXT_CAP) : "by the audit";
	text = m->pkg->support != NULL ? hv_arena_alloc(a, TEXT_CAP) : NULL;
	if (text != NULL)
		out->support = support_text(m->pkg->support, text, TEXT_CAP);
}

static bool fill_model(struct boards *bs, const struct model *m, Hv__ModelInfo *out,
		       struct hv_arena *a)
{
	const struct package *p = m->pkg;
	size_t n = bs != NULL ? boards_count(bs) : 0;

	hv__model_info__init(out);
	out->resident_on = hv_arena_zero(a, n, sizeof(*out->resident_on));
	if (out->resident_on == NULL)
		return false;
	out->name = (char *)p->name;
	out->task = (char *)p->task;
	out->level = p->level;
	out->hash = (char *)m->hash_hex;
	out->metric = (char *)hv_metric_text(p->cert.metric);
	out->certified = p->cert.certified;
	out->samples = p->cert.samples;
	out->confidence = p->cert.confidence;
	out->max_abs = p->cert.max_abs;
	out->record_cycles = p->record_cycles;
	for (uint32_t i = 0; i < p->net.layers; i++)
		out->weights_bytes += cnn_layer_weights(&p->net.layer[i]);
	out->origin = (char *)m->origin;
	fill_audit(m, out, a);
	for (size_t i = 0; i < n; i++)
		if (board_has_model(boards_at(bs, i), m))
			out->resident_on[out->n_resident_on++] = (char *)board_id(boards_at(bs, i));
	return true;
}

bool telemetry_models(const struct models *m, struct boards *bs, const struct model *only,
		      Hv__ModelList *msg, struct hv_arena *a)
{
	size_t n = models_count(m);
	Hv__ModelInfo *all = hv_arena_zero(a, n, sizeof(*all));

	msg->models = hv_arena_zero(a, n, sizeof(*msg->models));
	if (all == NULL || msg->models == NULL)
		return false;
	for (size_t i = 0; i < n; i++) {
		const struct model *at = models_at(m, i);

		if (only != NULL && at != only)
			continue;
		if (!fill_model(bs, at, &all[msg->n_models], a))
			return false;
		msg->models[msg->n_models] = &all[msg->n_models];
		msg->n_models++;
	}
	return true;
}

bool telemetry_suspended(const struct models *m, Hv__Status *msg, struct hv_arena *a)
{
	size_t n = models_count(m);

	msg->suspended_models = hv_arena_zero(a, n, sizeof(*msg->suspended_models));
	if (msg->suspended_models == NULL)
		return false;
	for (size_t i = 0; i < n; i++)
		if (models_at(m, i)->suspended)
			msg->suspended_models[msg->n_suspended_models++] =
				models_at(m, i)->pkg->name;
	return true;
}

void telemetry_counts(const struct store *s, Hv__JobCounts *msg)
{
	const uint64_t *in = s->counts.in_state;

	hv__job_counts__init(msg);
	msg->accepted = s->counts.accepted;
	msg->completed = in[JOB_COMPLETED];
	msg->failed = in[JOB_FAILED];
	msg->cancelled = in[JOB_CANCELLED];
	msg->expired = in[JOB_EXPIRED];
	msg->waiting = in[JOB_WAITING];
	msg->running = in[JOB_RUNNING];
	msg->refused = s->counts.refused;
}
