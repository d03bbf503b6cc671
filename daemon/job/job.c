#include "daemon/job/job.h"
#include "daemon/job/store.h"
#include "util/own.h"
#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *text;
	bool final;
} states[JOB_STATE_COUNT] = {
#define XX(id, text, final) [JOB_##id] = { text, final },
	JOB_STATE_MAP(XX)
#undef XX
};

const char *job_state_text(enum job_state s)
{
	return (unsigned)s < JOB_STATE_COUNT ? states[s].text : "?";
}

bool job_state_is_final(enum job_state s)
{
	return (unsigned)s < JOB_STATE_COUNT && states[s].final;
}

bool job_counts_add_up(const struct job_counts *c)
{
	uint64_t sum = 0;

	for (int i = 0; i < JOB_STATE_COUNT; i++)
		sum += c->in_state[i];
	return sum == c->accepted;
}

/* The only place that changes a state: every accepted job is in exactly one. */
static void enter(struct store *s, struct job *j, enum job_state state)
{
	s->counts.in_state[j->state]--;
	s->counts.in_state[state]++;
	j->state = state;
}

int account_new(struct store *s, int32_t pid, uint32_t uid, struct account **out)
{
	struct account *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return HV_E_NOMEM;
	a->store = s;
	a->refs = 1;
	a->pid = pid;
	a->uid = uid;
	snprintf(a->label, sizeof(a->label), "pid %" PRId32 " uid %" PRIu32, pid, uid);
	for (int i = 0; i < SQUEUE_CLASSES; i++) {
		squeue_flow_init(&a->cpu[i], (enum squeue_class)i);
		squeue_flow_init(&a->board[i], (enum squeue_class)i);
	}
	*out = a;
	return HV_OK;
}

void account_unref(struct account *a)
{
	if (a != NULL && --a->refs == 0)
		free(a);
}

int job_admissible(const struct account *a, char *why, size_t cap)
{
	const struct store *s = a->store;

	if (a->jobs >= s->limits.jobs_per_client) {
		snprintf(why, cap,
			 "this client has %u jobs in flight, the limit: wait for one to end",
			 a->jobs);
		return HV_E_BUSY;
	}
	if (s->live >= s->limits.jobs) {
		snprintf(why, cap, "the daemon has %u jobs in flight, the limit: try again later",
			 s->live);
		return HV_E_BUSY;
	}
	return HV_OK;
}

static void link_account(struct account *a, struct job *j)
{
	j->in_account.prev = NULL;
	j->in_account.next = a->first;
	if (a->first != NULL)
		a->first->in_account.prev = j;
	a->first = j;
	a->jobs++;
	a->refs++;
	j->account = a;
}

static void unlink_account(struct job *j)
{
	struct account *a = j->account;

	if (j->in_account.prev != NULL)
		j->in_account.prev->in_account.next = j->in_account.next;
	else
		a->first = j->in_account.next;
	if (j->in_account.next != NULL)
		j->in_account.next->in_account.prev = j->in_account.prev;
	j->in_account.prev = j->in_account.next = NULL;
	a->jobs--;
}

int job_new(struct account *a, const struct harvest_task *task, uint32_t task_index,
	    const struct job_spec *spec, struct buf *in, struct buf *out, uint64_t arrived_ns,
	    uint64_t now_ns, struct job **to, char *why, size_t cap)
{
	struct store *s = a->store;
	int err = job_admissible(a, why, cap);
	struct job *j;

	if (err != HV_OK)
		return err;
	j = store_slot_take(s);
	j->state = JOB_WAITING;
	j->code = HV_OK;
	j->task = task;
	j->task_index = task_index;
	j->spec = *spec;
	j->owner = NULL;
	j->ended_ns = j->progress_ns = 0;
	j->in = in;
	j->out = out;
	ranges_init(&j->todo, spec->records);
	j->records_done = j->units = j->n_parts = 0;
	j->at = (struct job_stamps){ .arrived_ns = arrived_ns, .accepted_ns = now_ns };
	j->cpu_node = (struct squeue_node){ .owner = j };
	j->board_node = (struct squeue_node){ .owner = j };
	j->deadline.pos = 0;
	j->candidates = 0;
	j->stranded_ns = 0;
	j->has_first = false;
	j->ring_board = NULL;
	memset(j->out_of_domain, 0, sizeof(j->out_of_domain));
	j->why = "";
	link_account(a, j);
	s->counts.accepted++;
	s->counts.in_state[JOB_WAITING]++;
	*to = j;
	return HV_OK;
}

void job_start(struct store *s, struct job *j)
{
	if (j->state == JOB_WAITING)
		enter(s, j, JOB_RUNNING);
}

void job_stamp(struct job *j, uint64_t begin_ns, uint64_t end_ns, uint64_t transfer_ns,
	       uint64_t compute_ns)
{
	if (j->at.started_ns == 0 || begin_ns < j->at.started_ns)
		j->at.started_ns = begin_ns;
	if (end_ns > j->at.done_ns)
		j->at.done_ns = end_ns;
	j->at.transfer_ns += transfer_ns;
	j->at.compute_ns += compute_ns;
}

void job_why(struct job *j, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(j->why_text, sizeof(j->why_text), fmt, ap);
	va_end(ap);
	j->why = j->why_text;
}

/* Samples that nobody needs any more. Units write into out, so they come first. */
static void release(struct store *s, struct job *j)
{
	if (j->units > 0)
		return;
	buf_unref(j->in);
	j->in = NULL;
	if (!(j->state == JOB_COMPLETED && j->spec.detach)) {
		buf_unref(j->out);
		j->out = NULL;
	}
	store_remember(s, j);
}

bool job_end(struct store *s, struct job *j, enum job_state state, int code, uint64_t now_ns)
{
	assert(job_state_is_final(state));
	if (job_state_is_final(j->state))
		return false;
	enter(s, j, state);
	j->code = code;
	j->ended_ns = now_ns;
	if (state != JOB_COMPLETED && j->at.started_ns != 0)
		j->at.done_ns = now_ns;
	unlink_account(j);
	if (s->ended != NULL)
		s->ended(s->ctx, j);
	j->owner = NULL;
	release(s, j);
	return true;
}

bool job_take(struct job *j, struct job_part *p, uint32_t want, uint32_t *start, uint32_t *count)
{
	if (want > p->quota)
		want = p->quota;
	if (j->units >= JOB_UNITS_MAX || !ranges_take(&j->todo, want, j->units, start, count))
		return false;
	p->quota -= *count;
	p->units++;
	j->units++;
	return true;
}

void job_return(struct store *s, struct job *j, struct job_part *p, uint32_t start, uint32_t count,
		bool retried)
{
	p->units--;
	j->units--;
	if (job_state_is_final(j->state)) {
		release(s, j);
		return;
	}
	if (retried)
		p->records_retried += count;
	ranges_return(&j->todo, start, count);
}

void job_done(struct store *s, struct job *j, struct job_part *p, uint32_t count)
{
	p->units--;
	j->units--;
	if (job_state_is_final(j->state)) {
		release(s, j);
		return;
	}
	p->records += count;
	j->records_done += count;
}

/* Boundaries are cut to microseconds, phases are their differences: they add up exactly. */
struct job_times job_times(const struct job *j)
{
	uint64_t zero = j->at.arrived_ns, last = zero, us[6] = { 0 };
	const uint64_t at[] = { j->at.accepted_ns, j->at.started_ns, j->at.done_ns,
				j->at.delivered_ns };
	uint64_t run_us, work_ns = j->at.transfer_ns + j->at.compute_ns, transfer_us = 0;

	for (size_t i = 0; i < HV_ARRAY_SIZE(at); i++) {
		uint64_t t = at[i];

		/* Never started: the wait lasts to the end, and nothing follows but delivery. */
		if (i == 1 && t == 0)
			t = j->ended_ns;
		if (t > last)
			last = t;
		us[i + 1] = (last - zero) / 1000;
	}
	run_us = us[3] - us[2];
	if (work_ns > 0)
		transfer_us =
			(uint64_t)((double)run_us * ((double)j->at.transfer_ns / (double)work_ns));
	return (struct job_times){ .admit_us = us[1],
				   .queue_us = us[2] - us[1],
				   .transfer_us = transfer_us,
				   .compute_us = run_us - transfer_us,
				   .deliver_us = us[4] - us[3],
				   .total_us = us[4] };
}
