#include "daemon/sched/sched.h"
#include <math.h>

/* A split must beat the best single place by this much, or the job stays in one piece: parts
 * cost hand-offs that are not modelled, and predictions are not that good. */
static const double split_gain_min = 1.10, split_gain_min_us = 100.0;
static const double rate_min_us = 1e-6;

/* One place with the model chosen for it, as a straight line: n records take
 * start_us + n * rate_us. */
struct line {
	uint32_t at; /* index of the candidate */
	double start_us, rate_us, energy_uj;
	uint32_t share;
};

struct plan {
	const struct sched_job *j;
	struct sched_candidate *c;
	size_t n;
	struct line line[SCHED_CANDIDATES_MAX]; /* sorted by start_us */
	size_t lines;
};

static double rate_us(const struct sched_candidate *c)
{
	double r = c->link_us_per_record + c->compute_us_per_record;

	if (c->batch_records > 0)
		r += c->wait_us / c->batch_records;
	return r > rate_min_us ? r : rate_min_us;
}

static double start_us(const struct sched_candidate *c)
{
	return c->queue_us + c->load_us + c->fixed_us;
}

double sched_finish_us(const struct sched_candidate *c, uint32_t n)
{
	uint64_t runs =
		c->batch_records > 0 ? ((uint64_t)n + c->batch_records - 1) / c->batch_records : 1;

	return start_us(c) + (double)runs * c->wait_us +
	       n * (c->link_us_per_record + c->compute_us_per_record);
}

bool sched_eligible(const struct sched_candidate *c)
{
	return c->why_not == SCHED_GOT_SHARE || c->why_not >= SCHED_LOST_SIBLING;
}

static enum sched_why_not judge(const struct sched_job *j, const struct sched_candidate *c)
{
	bool cpu = c->place == SCHED_CPU_PLACE;

	if (cpu && j->where == SCHED_BOARD_ONLY)
		return SCHED_NOT_CPU;
	if (!cpu && j->where == SCHED_CPU_ONLY)
		return SCHED_NOT_BOARD;
	if (!c->named && !cpu)
		return SCHED_NOT_THIS_BOARD;
	if (!c->ready)
		return SCHED_NOT_READY;
	if (j->has_budget && !hv_metric_meets(j->metric, c->certified, j->budget))
		return SCHED_OVER_BUDGET;
	if (!c->in_domain)
		return SCHED_OUT_OF_DOMAIN;
	if (j->has_deadline && sched_finish_us(c, 1) > j->deadline_us)
		return SCHED_OVER_DEADLINE;
	return SCHED_GOT_SHARE;
}

/* Does a serve better than b on the same board, in the currency of the policy? */
static bool better_model(const struct sched_job *j, const struct sched_candidate *a,
			 const struct sched_candidate *b)
{
	double fa = sched_finish_us(a, j->records), fb = sched_finish_us(b, j->records);

	if (j->policy == SCHED_ENERGY && a->energy_uj_per_record != b->energy_uj_per_record)
		return a->energy_uj_per_record < b->energy_uj_per_record;
	return fa < fb;
}

static void insert_line(struct plan *p, uint32_t at)
{
	const struct sched_candidate *c = &p->c[at];
	struct line l = { at, start_us(c) + c->wait_us, rate_us(c), c->energy_uj_per_record, 0 };
	size_t i = p->lines++;

	while (i > 0 && p->line[i - 1].start_us > l.start_us) {
		p->line[i] = p->line[i - 1];
		i--;
	}
	p->line[i] = l;
}

/* Judge every candidate and keep one model per board. */
static void collect(struct plan *p)
{
	uint32_t best[SCHED_CANDIDATES_MAX];
	size_t n_best = 0;
	uint64_t seen = 0; /* places, so that the usual case needs no search */

	for (uint32_t i = 0; i < p->n; i++) {
		struct sched_candidate *c = &p->c[i];
		uint64_t bit = (uint32_t)c->place + 1 < 64 ? UINT64_C(1) << (c->place + 1) : 0;
		size_t k = bit != 0 && !(seen & bit) ? n_best : 0;

		c->share = 0;
		c->finish_us = sched_finish_us(c, p->j->records);
		c->why_not = judge(p->j, c);
		if (c->why_not != SCHED_GOT_SHARE)
			continue;
		seen |= bit;
		while (k < n_best && p->c[best[k]].place != c->place)
			k++;
		if (k == n_best) {
			best[n_best++] = i;
		} else if (better_model(p->j, c, &p->c[best[k]])) {
			p->c[best[k]].why_not = SCHED_LOST_SIBLING;
			best[k] = i;
		} else {
			c->why_not = SCHED_LOST_SIBLING;
		}
	}
	for (size_t k = 0; k < n_best; k++)
		insert_line(p, best[k]);
}

static bool is_cpu(const struct plan *p, const struct line *l)
{
	return p->c[l->at].place == SCHED_CPU_PLACE;
}

/* As a count of records of the job. */
static uint32_t whole(const struct plan *p, double n)
{
	return n >= p->j->records ? p->j->records : n > 0 ? (uint32_t)n : 0;
}

/* Most records of the job that l can finish by limit_us. The straight line charges the last run
 * in full, so it says too few at most; the bare rate says too many at most. */
static uint32_t capacity(const struct plan *p, const struct line *l, double limit_us)
{
	const struct sched_candidate *c = &p->c[l->at];
	double bare_us = c->link_us_per_record + c->compute_us_per_record;
	uint32_t can = whole(p, (limit_us - l->start_us) / l->rate_us), cannot;

	if (sched_finish_us(c, p->j->records) <= limit_us)
		return p->j->records;
	while (can > 0 && sched_finish_us(c, can) > limit_us)
		can--; /* rounding */
	cannot = bare_us > rate_min_us ? whole(p, (limit_us - l->start_us) / bare_us + 2)
				       : p->j->records;
	while (cannot > can && cannot - can > 1) {
		uint32_t mid = can + (cannot - can) / 2;

		if (sched_finish_us(c, mid) <= limit_us)
			can = mid;
		else
			cannot = mid;
	}
	return can;
}

/* The moment at which the lines of the mask, filled like connected vessels, hold n records.
 * Lines are sorted by start, so vessel k takes part once the level is over its start. */
static double level(const struct plan *p, uint32_t mask, double n)
{
	double sum_rate = 0, sum_start = 0, t = 0;

	for (size_t i = 0; i < p->lines; i++) {
		const struct line *l = &p->line[i];

		if (!(mask >> i & 1))
			continue;
		if (sum_rate > 0 && t <= l->start_us)
			break;
		sum_rate += 1 / l->rate_us;
		sum_start += l->start_us / l->rate_us;
		t = (n + sum_start) / sum_rate;
	}
	return t;
}

/* Rounding leaves at most one record for each line: to whoever ends first with it. */
static void pour_rest(struct plan *p, uint32_t mask, uint32_t left)
{
	double end_us[SCHED_CANDIDATES_MAX];

	for (size_t i = 0; i < p->lines; i++)
		end_us[i] = mask >> i & 1 ? p->line[i].start_us +
						    (p->line[i].share + 1.0) * p->line[i].rate_us
					  : INFINITY;
	for (; left > 0; left--) {
		size_t best = 0;

		for (size_t i = 1; i < p->lines; i++)
			if (end_us[i] < end_us[best])
				best = i;
		p->line[best].share++;
		end_us[best] += p->line[best].rate_us;
	}
}

/* Give n records to the lines of the mask so that they finish together. */
static void pour(struct plan *p, uint32_t mask, uint32_t n)
{
	double t = level(p, mask, n);
	uint32_t left = n;

	for (size_t i = 0; i < p->lines && p->line[i].start_us < t; i++) {
		double k = (t - p->line[i].start_us) / p->line[i].rate_us;
		uint32_t whole;

		if (!(mask >> i & 1) || k < 1)
			continue;
		whole = k >= left ? left : (uint32_t)k;
		p->line[i].share += whole;
		left -= whole;
	}
	pour_rest(p, mask, left);
}

static uint32_t all_lines(const struct plan *p)
{
	return p->lines < 32 ? (UINT32_C(1) << p->lines) - 1 : UINT32_MAX;
}

static uint32_t board_lines(const struct plan *p)
{
	uint32_t mask = 0;

	for (size_t i = 0; i < p->lines; i++)
		if (!is_cpu(p, &p->line[i]))
			mask |= UINT32_C(1) << i;
	return mask;
}

/* As many of n records as the lines of the mask can finish by limit_us: together when there is
 * room for all, else each to its brim. Returns what is left. */
static uint32_t fill(struct plan *p, uint32_t mask, uint32_t n, double limit_us)
{
	uint32_t room[SCHED_CANDIDATES_MAX] = { 0 };
	uint64_t sum = 0;

	for (size_t i = 0; i < p->lines; i++) {
		if (mask >> i & 1)
			room[i] = capacity(p, &p->line[i], limit_us);
		if (room[i] == 0)
			mask &= ~(UINT32_C(1) << i);
		sum += room[i];
	}
	if (sum > n)
		pour(p, mask, n);
	for (size_t i = 0; i < p->lines; i++) {
		struct line *l = &p->line[i];

		if ((mask >> i & 1) && (sum <= n || l->share > room[i]))
			l->share = room[i];
	}
	for (size_t i = 0; i < p->lines; i++)
		n -= (mask >> i & 1) ? p->line[i].share : 0;
	for (size_t i = 0; i < p->lines && n > 0; i++) { /* what the brim cut off */
		uint32_t more = room[i] - p->line[i].share;

		if (!(mask >> i & 1))
			continue;
		more = more < n ? more : n;
		p->line[i].share += more;
		n -= more;
	}
	return n;
}

static enum sched_why by_latency(struct plan *p)
{
	uint32_t n = p->j->records;
	double together = level(p, all_lines(p), n), single_us = INFINITY;
	size_t single = 0;

	for (size_t i = 0; i < p->lines; i++) {
		double us = sched_finish_us(&p->c[p->line[i].at], n);

		if (us < single_us || (us == single_us && is_cpu(p, &p->line[i]))) {
			single_us = us;
			single = i;
		}
	}
	if (single_us <= together * split_gain_min || single_us <= together + split_gain_min_us) {
		p->line[single].share = n;
		return SCHED_SOONEST;
	}
	pour(p, all_lines(p), n);
	return SCHED_SPLIT;
}

/* Boards first, to the limit; the CPU what is left. */
static enum sched_why by_offload(struct plan *p, double limit_us)
{
	uint32_t boards = board_lines(p), cpu = all_lines(p) & ~boards;
	uint32_t left = boards ? fill(p, boards, p->j->records, limit_us) : p->j->records;

	if (left > 0 && cpu)
		pour(p, cpu, left);
	else if (left > 0)
		pour(p, boards, left);
	return boards ? SCHED_SPARE_CPU : SCHED_SOONEST;
}

/* Cheapest first, each to the limit. Places of one price share. */
static enum sched_why by_energy(struct plan *p, double limit_us)
{
	uint32_t left = p->j->records, open = all_lines(p), first = 0;

	while (open != 0 && left > 0) {
		double least = INFINITY;
		uint32_t mask = 0;

		for (size_t i = 0; i < p->lines; i++)
			if ((open >> i & 1) && p->line[i].energy_uj < least)
				least = p->line[i].energy_uj;
		for (size_t i = 0; i < p->lines; i++)
			if ((open >> i & 1) && p->line[i].energy_uj <= least)
				mask |= UINT32_C(1) << i;
		if (mask == 0)
			break;
		first = first ? first : mask;
		left = fill(p, mask, left, limit_us);
		open &= ~mask;
	}
	if (left > 0)
		pour(p, first ? first : all_lines(p), left);
	return SCHED_LEAST_ENERGY;
}

static enum sched_why_not lost_because(enum sched_why why, const struct sched_candidate *c)
{
	if (why == SCHED_LEAST_ENERGY)
		return SCHED_LOST_ENERGY;
	if (why == SCHED_SPARE_CPU && c->place == SCHED_CPU_PLACE)
		return SCHED_LOST_OFFLOAD;
	return SCHED_LOST_LATER;
}

/* Shares onto candidates, totals into the verdict. */
static void settle(struct plan *p, struct sched_verdict *v)
{
	v->places = 0;
	v->finish_us = 0;
	v->energy_uj = 0;
	v->first = p->line[0].at;
	for (size_t i = 0; i < p->lines; i++) {
		const struct line *l = &p->line[i];
		struct sched_candidate *c = &p->c[l->at];

		c->share = l->share;
		if (l->share == 0) {
			c->why_not = lost_because(v->why, c);
			c->finish_us = sched_finish_us(c, p->j->records);
			continue;
		}
		c->finish_us = sched_finish_us(c, l->share);
		v->places++;
		v->energy_uj += l->share * l->energy_uj;
		if (c->finish_us > v->finish_us)
			v->finish_us = c->finish_us;
		if (l->share > p->c[v->first].share)
			v->first = l->at;
	}
	v->ok = true;
}

/* The place to name when nothing fits: the nearest to the budget, or the soonest. */
static uint32_t nearest_miss(const struct plan *p)
{
	bool up = hv_metric_larger_is_better(p->j->metric);
	uint32_t best = (uint32_t)p->n;

	for (uint32_t i = 0; i < p->n; i++) {
		const struct sched_candidate *c = &p->c[i];
		const struct sched_candidate *b = best < p->n ? &p->c[best] : NULL;

		if (c->why_not < SCHED_OVER_BUDGET)
			continue;
		if (b == NULL || c->why_not > b->why_not)
			best = i;
		else if (c->why_not == SCHED_OVER_BUDGET && b->why_not == SCHED_OVER_BUDGET &&
			 (up ? c->certified > b->certified : c->certified < b->certified))
			best = i;
		else if (c->why_not == b->why_not && c->why_not > SCHED_OVER_BUDGET &&
			 c->finish_us < b->finish_us)
			best = i;
	}
	return best;
}

static void refuse(struct plan *p, enum sched_why why, struct sched_verdict *v)
{
	for (size_t i = 0; i < p->n; i++)
		p->c[i].share = 0;
	*v = (struct sched_verdict){ .ok = false, .why = why, .first = nearest_miss(p) };
}

/* One eligible place: nothing to weigh. The common case, kept short. */
static bool only_one(struct plan *p, struct sched_verdict *v)
{
	struct sched_candidate *c = &p->c[p->line[0].at];

	if (p->lines != 1)
		return false;
	c->share = p->j->records;
	c->finish_us = sched_finish_us(c, c->share);
	*v = (struct sched_verdict){ .ok = true,
				     .why = SCHED_ONLY_PLACE,
				     .finish_us = c->finish_us,
				     .energy_uj = c->share * c->energy_uj_per_record,
				     .places = 1,
				     .first = p->line[0].at };
	return true;
}

/* The policy's own way is too late: all places together may still be in time. */
static void rescue(struct plan *p, struct sched_verdict *v)
{
	bool in_time;

	for (size_t i = 0; i < p->lines; i++)
		p->line[i].share = 0;
	in_time = fill(p, all_lines(p), p->j->records, p->j->deadline_us) == 0;
	for (size_t i = 0; i < p->lines; i++) {
		struct sched_candidate *c = &p->c[p->line[i].at];

		c->why_not = in_time ? SCHED_GOT_SHARE : SCHED_OVER_DEADLINE;
		c->finish_us = sched_finish_us(c, p->j->records);
	}
	v->why = SCHED_SPLIT;
	if (in_time)
		settle(p, v);
	else
		refuse(p, SCHED_TOO_LATE, v);
}

void sched_route(const struct sched_job *j, struct sched_candidate *c, size_t n,
		 struct sched_verdict *v)
{
	struct plan p;
	double limit_us = j->has_deadline ? j->deadline_us : SCHED_PATIENCE_US;

	p.j = j;
	p.c = c;
	p.n = n;
	p.lines = 0;
	collect(&p);
	if (p.lines == 0) {
		refuse(&p, SCHED_NONE_ELIGIBLE, v);
		return;
	}
	if (!only_one(&p, v)) {
		v->why = j->policy == SCHED_LATENCY  ? by_latency(&p)
			 : j->policy == SCHED_ENERGY ? by_energy(&p, limit_us)
						     : by_offload(&p, limit_us);
		settle(&p, v);
	}
	if (j->has_deadline && v->finish_us > j->deadline_us)
		rescue(&p, v);
}
