#include "daemon/dispatch/inside.h"
#include <stdio.h>

static size_t board_index(const struct dispatch *d, const struct board *b)
{
	size_t n = boards_count(d->boards);

	for (size_t i = 0; i < n && i < DISPATCH_BOARDS_MAX; i++)
		if (boards_at(d->boards, i) == b)
			return i;
	return DISPATCH_BOARDS_MAX;
}

/* Sums of what waits for each place; n may be negative. */
static void account_quota(struct dispatch *d, const struct job *j, const struct job_part *p,
			  int64_t n)
{
	uint64_t *cores = &d->cpu_queued[j->spec.cls][j->task_index];
	size_t at;

	if (p->board == NULL) {
		*cores = (uint64_t)((int64_t)*cores + n);
		return;
	}
	at = board_index(d, p->board);
	if (at < DISPATCH_BOARDS_MAX)
		d->board[at].queued_us += (double)n * p->us_per_record;
}

static void requeue(struct dispatch *d, struct job *j)
{
	bool cpu = false, board = false;

	for (uint32_t i = 0; i < j->n_parts; i++) {
		if (j->part[i].quota == 0)
			continue;
		cpu |= j->part[i].board == NULL;
		board |= j->part[i].board != NULL;
	}
	if (!cpu)
		squeue_remove(&d->cpu_queue, &j->cpu_node);
	else if (!squeue_has(&j->cpu_node))
		squeue_push(&d->cpu_queue, &j->account->cpu[j->spec.cls], &j->cpu_node,
			    j->spec.deadline_ns, d->now_ns);
	if (!board)
		squeue_remove(&d->board_queue, &j->board_node);
	else if (!squeue_has(&j->board_node))
		squeue_push(&d->board_queue, &j->account->board[j->spec.cls], &j->board_node,
			    j->spec.deadline_ns, d->now_ns);
	if (d->board_queue.waiting == 0)
		for (size_t i = 0; i < DISPATCH_BOARDS_MAX; i++)
			d->board[i].queued_us = 0; /* rounding does not pile up */
}

void quota_clear(struct dispatch *d, struct job *j)
{
	for (uint32_t i = 0; i < j->n_parts; i++) {
		if (j->part[i].quota > 0)
			account_quota(d, j, &j->part[i], -(int64_t)j->part[i].quota);
		j->part[i].quota = 0;
	}
	requeue(d, j);
}

void quota_took(struct dispatch *d, struct job *j, struct job_part *p, uint32_t count)
{
	account_quota(d, j, p, -(int64_t)count);
	if (p->quota == 0)
		requeue(d, j);
}

/* A part that never did anything may serve for another place. */
static bool is_spare(const struct job_part *p)
{
	return p->records == 0 && p->records_retried == 0 && p->units == 0 && p->quota == 0 &&
	       !p->barred && p->failures == 0;
}

static struct job_part *part_for(struct dispatch *d, struct job *j, const struct sched_candidate *c,
				 struct model *m)
{
	struct board *b =
		c->place == SCHED_CPU_PLACE ? NULL : boards_at(d->boards, (size_t)c->place);
	struct job_part *spare = NULL;

	for (uint32_t i = 0; i < j->n_parts; i++) {
		if (j->part[i].board == b && j->part[i].model == m)
			return &j->part[i];
		if (spare == NULL && is_spare(&j->part[i]))
			spare = &j->part[i];
	}
	if (spare == NULL && j->n_parts < JOB_PARTS_MAX) {
		spare = &j->part[j->n_parts++];
		spare->model = NULL;
	}
	if (spare == NULL)
		return NULL;
	if (spare->model != NULL)
		model_drop(d->with.models, spare->model);
	if (m != NULL)
		model_hold(m);
	*spare = (struct job_part){
		.board = b, .model = m, .board_name = c->board_name, .model_name = c->model_name
	};
	return spare;
}

void quota_set(struct dispatch *d, struct job *j, const struct dispatch_decision *dec)
{
	struct job_part *last = NULL;
	uint32_t homeless = 0;

	quota_clear(d, j);
	for (uint32_t i = 0; i < dec->n; i++) {
		const struct sched_candidate *c = &dec->c[i];
		struct job_part *p;

		if (c->share == 0)
			continue;
		p = part_for(d, j, c, d->candidate_model[i]);
		if (p == NULL) {
			homeless += c->share;
			continue;
		}
		p->certified = c->certified;
		p->energy_uj_per_record = c->energy_uj_per_record;
		p->us_per_record = c->link_us_per_record + c->compute_us_per_record;
		p->wait_us = c->wait_us;
		p->batch_records = c->batch_records;
		p->quota = c->share;
		account_quota(d, j, p, c->share);
		last = p;
	}
	/* More places than a job has room for: all of them are eligible, so the last takes it. */
	if (homeless > 0 && last != NULL) {
		last->quota += homeless;
		account_quota(d, j, last, homeless);
	}
	requeue(d, j);
}

static bool may_wait_for_board(struct dispatch *d, struct job *j)
{
	if (j->stranded_ns == 0)
		j->stranded_ns = d->now_ns;
	return !d->stopping &&
	       d->now_ns - j->stranded_ns < DISPATCH_STRANDED_MS * UINT64_C(1000000);
}

void quota_reroute(struct dispatch *d, struct job *j)
{
	struct subject s = { .task_index = j->task_index,
			     .records = ranges_total(&j->todo),
			     .spec = &j->spec,
			     .in = j->in != NULL ? j->in->data : NULL,
			     .in_records = j->spec.records,
			     .job = j };
	struct dispatch_decision dec;
	char place[2 * NAME_CAP + 16], why[JOB_WHY_CAP];

	if (s.records == 0)
		return;
	quota_clear(d, j); /* its own records are no queue in front of it */
	facts_decide(d, &s, &dec);
	if (!dec.verdict.ok) {
		/* It was promised before; late is better than not at all, and the deadline's
		 * own timer has the last word. */
		s.ignore_deadline = true;
		facts_decide(d, &s, &dec);
	}
	if (dec.verdict.ok) {
		j->stranded_ns = 0;
		quota_set(d, j, &dec);
		return;
	}
	dispatch_tick_arm(d);
	if (j->units > 0 || may_wait_for_board(d, j))
		return;
	place[0] = '\0';
	if (dec.verdict.first < dec.n)
		dispatch_place_text(d, &dec.c[dec.verdict.first], place, sizeof(place));
	sched_refusal_text(&dec.job, dec.c, dec.n, &dec.verdict, place, why, sizeof(why));
	job_why(j, "after %u of %u records: %s", j->records_done, j->spec.records, why);
	dispatch_end(d, j, JOB_FAILED, HV_E_GONE);
}
