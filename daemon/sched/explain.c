#include "daemon/sched/sched.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const policies[] = {
	[SCHED_LATENCY] = "latency",
	[SCHED_ENERGY] = "energy",
	[SCHED_OFFLOAD] = "offload",
};

const char *sched_policy_text(enum sched_policy p)
{
	return (size_t)p < sizeof(policies) / sizeof(policies[0]) ? policies[p] : "?";
}

bool sched_policy_find(const char *text, enum sched_policy *p)
{
	for (size_t i = 0; i < sizeof(policies) / sizeof(policies[0]); i++) {
		if (strcmp(policies[i], text) == 0) {
			*p = (enum sched_policy)i;
			return true;
		}
	}
	return false;
}

/* "exact" or "48.2 snr_db". */
static const char *error_text(enum harvest_metric kind, double value, char *to, size_t cap)
{
	if (value == hv_metric_exact(kind))
		snprintf(to, cap, "exact");
	else
		snprintf(to, cap, "%.4g %s", value, hv_metric_text(kind));
	return to;
}

static const char *budget_text(const struct sched_job *j, char *to, size_t cap)
{
	if (j->budget == 0)
		snprintf(to, cap, "0 (exact)");
	else
		snprintf(to, cap, "%.4g %s", j->budget, hv_metric_text(j->metric));
	return to;
}

static const char *const fixed_text[] = {
	[SCHED_NOT_CPU] = "the job asks for a board",
	[SCHED_NOT_BOARD] = "the job asks for the CPU",
	[SCHED_NOT_THIS_BOARD] = "the job names another board",
	[SCHED_OUT_OF_DOMAIN] = "records lie outside the domain the model is certified for",
	[SCHED_LOST_SIBLING] = "another model of the task serves better on this board",
	[SCHED_LOST_OFFLOAD] = "the policy spares the CPU and boards finish in time",
};

char *sched_why_not_text(const struct sched_job *j, const struct sched_candidate *c, char *to,
			 size_t cap)
{
	char have[48], want[48];

	switch (c->why_not) {
	case SCHED_GOT_SHARE: snprintf(to, cap, "%s", ""); break;
	case SCHED_NOT_READY:
		snprintf(to, cap, "%s", c->not_ready != NULL ? c->not_ready : "not ready");
		break;
	case SCHED_OVER_BUDGET:
		snprintf(to, cap, "certified %s does not meet the budget of %s",
			 error_text(j->metric, c->certified, have, sizeof(have)),
			 budget_text(j, want, sizeof(want)));
		break;
	case SCHED_OVER_DEADLINE:
		snprintf(to, cap, "would need %.0f us, the deadline is in %.0f us", c->finish_us,
			 j->deadline_us);
		break;
	case SCHED_LOST_LATER:
		snprintf(to, cap, "would finish the job in %.0f us, the chosen place is sooner",
			 c->finish_us);
		break;
	case SCHED_LOST_ENERGY:
		snprintf(to, cap, "would need %.3g uJ a record, the chosen place needs less",
			 c->energy_uj_per_record);
		break;
	default: snprintf(to, cap, "%s", fixed_text[c->why_not]); break;
	}
	return to;
}

/* Why no board is eligible, when all of them say the same. */
static const char *cpu_alone_text(const struct sched_job *j, const struct sched_candidate *c,
				  size_t n)
{
	enum sched_why_not same = SCHED_GOT_SHARE;

	for (size_t i = 0; i < n; i++) {
		if (c[i].place == SCHED_CPU_PLACE)
			continue;
		if (same != SCHED_GOT_SHARE && same != c[i].why_not)
			return "the CPU is the only eligible place";
		same = c[i].why_not;
	}
	switch (same) {
	case SCHED_GOT_SHARE: return "the CPU: no board with a model of the task is attached";
	case SCHED_NOT_BOARD: return "the CPU: the job asks for it";
	case SCHED_NOT_READY: return "the CPU: no board is ready";
	case SCHED_OVER_BUDGET:
		return j->budget == 0 ? "the CPU: the job asks for the exact answer"
				      : "the CPU: no model on a board meets the error budget";
	case SCHED_OUT_OF_DOMAIN: return "the CPU: the records are outside every model's domain";
	case SCHED_OVER_DEADLINE: return "the CPU: no board can do it in time";
	default: return "the CPU is the only eligible place";
	}
}

const char *sched_why_text(const struct sched_job *j, const struct sched_candidate *c, size_t n,
			   const struct sched_verdict *v)
{
	bool on_cpu = v->first < n && c[v->first].place == SCHED_CPU_PLACE;

	switch (v->why) {
	case SCHED_ONLY_PLACE:
		return on_cpu ? cpu_alone_text(j, c, n) : "this board is the only eligible place";
	case SCHED_SOONEST: return on_cpu ? "the CPU finishes first" : "this board finishes first";
	case SCHED_SPLIT: return "split so that all places finish together";
	case SCHED_LEAST_ENERGY:
		return on_cpu ? "the CPU needs the least modelled energy"
			      : "boards need the least modelled energy";
	case SCHED_SPARE_CPU: return "boards take what they can finish in time, to spare the CPU";
	case SCHED_NONE_ELIGIBLE: return "no place is eligible";
	case SCHED_TOO_LATE: return "no place can meet the deadline";
	}
	return "?";
}

/* The deadline is what is left of it: samples take time to arrive. */
static void late_text(const struct sched_job *j, const struct sched_candidate *best,
		      const char *seek, const char *best_name, char *to, size_t cap)
{
	if (j->deadline_us <= 0)
		snprintf(to, cap,
			 "the deadline passed while the samples arrived: give the job more time");
	else
		snprintf(to, cap,
			 "%s can finish within the deadline, %.1f ms from now: the soonest is %s, "
			 "in %.1f ms",
			 seek, j->deadline_us / 1000, best_name, best->finish_us / 1000);
}

/* The last one told, but a board without the samples speaks only when all boards lack them. */
static const char *not_ready_reason(const struct sched_candidate *c, size_t n)
{
	const struct sched_candidate *best = NULL;

	for (size_t i = 0; i < n; i++) {
		if (c[i].why_not != SCHED_NOT_READY || c[i].not_ready == NULL)
			continue;
		if (best == NULL || best->no_samples || !c[i].no_samples)
			best = &c[i];
	}
	return best != NULL ? best->not_ready : NULL;
}

char *sched_refusal_text(const struct sched_job *j, const struct sched_candidate *c, size_t n,
			 const struct sched_verdict *v, const char *best_name, char *to, size_t cap)
{
	const char *seek = j->where == SCHED_BOARD_ONLY ? "no board" : "no place";
	const struct sched_candidate *b = v->first < n ? &c[v->first] : NULL;
	const char *reason = not_ready_reason(c, n);
	char have[48], want[48];

	if (b == NULL) {
		snprintf(to, cap, "%s can run this job now: %s; see harvestctl boards", seek,
			 n > 1 ? "boards are not ready or have no model of the task"
			       : "no board with a model of the task is attached");
		if (reason != NULL)
			snprintf(to, cap, "%s can run this job now: %s; see harvestctl boards",
				 seek, reason);
		return to;
	}
	switch (b->why_not) {
	case SCHED_OVER_BUDGET:
		snprintf(to, cap,
			 "%s meets the error budget of %s: the best available is %s, certified %s",
			 seek, budget_text(j, want, sizeof(want)), best_name,
			 error_text(j->metric, b->certified, have, sizeof(have)));
		break;
	case SCHED_OUT_OF_DOMAIN:
		snprintf(to, cap,
			 "%s may serve these records: they lie outside the domain %s is certified "
			 "for; use --route auto or cpu",
			 seek, best_name);
		break;
	default: late_text(j, b, seek, best_name, to, cap); break;
	}
	return to;
}
