#include "bench/proof/trial.h"
#include "util/clock.h"
#include "util/own.h"
#include <inttypes.h>
#include <string.h>

#define SECOND_NS UINT64_C(1000000000)

/* The daemon attaches to a board that has been at work for a second. */
static const uint64_t attach_ns = SECOND_NS;

/* A trace as long as the trial: what is behind its last use begins anew. */
static int repeat(struct primary_spec *s, double seconds)
{
	size_t n = s->n_uses, rounds;
	uint64_t length_us = s->use[n - 1].start_us + s->use[n - 1].busy_us + 20000;
	struct primary_use *grown;

	rounds = (size_t)(seconds * 1e6 / (double)length_us) + 1;
	grown = realloc(s->use, rounds * n * sizeof(*grown));
	if (grown == NULL)
		return HV_E_NOMEM;
	s->use = grown;
	for (size_t i = n; i < rounds * n; i++)
		s->use[i] = (struct primary_use){ s->use[i - n].start_us + length_us,
						  s->use[i - n].busy_us };
	s->n_uses = rounds * n;
	return HV_OK;
}

static int spec_of(const struct trial_trace *t, const struct trial_options *o,
		   struct primary_spec *s, char *why, size_t cap)
{
	char text[512];
	int err;

	if (t->spec != NULL)
		return primary_spec_parse(t->spec, s, why, cap);
	snprintf(text, sizeof(text), "trace:%s", o->recorded);
	err = primary_spec_parse(text, s, why, cap);
	return err == HV_OK ? repeat(s, o->seconds) : err;
}

static FILE *log_open(const struct trial_trace *t, enum load_kind load,
		      const struct trial_options *o, char *why, size_t cap)
{
	char path[512];
	FILE *f;

	if (o->keep == NULL) {
		f = tmpfile();
		if (f == NULL)
			snprintf(why, cap, "no temporary file: is TMPDIR writable?");
		return f;
	}
	snprintf(path, sizeof(path), "%s/%s-%s.csv", o->keep, t->name, load_text(load));
	f = fopen(path, "w+");
	if (f == NULL)
		snprintf(why, cap, "%s cannot be written", path);
	return f;
}

/* What the board and the daemon's end have counted. */
static void collect(const struct vboard *b, const struct load *l, uint64_t busy_at_start_ns,
		    uint64_t harvest_at_start_us, uint64_t end_ns, struct trial *r)
{
	uint64_t from = l->first_job_ns != 0 ? l->first_job_ns : end_ns;
	uint64_t idle_ns = end_ns - from - (b->n.primary_busy_ns - busy_at_start_ns);

	r->bound_us = l->p.hello.wait_bound_us;
	r->primary_busy_ns = b->n.primary_busy_ns;
	r->intrusions = b->n.intrusions;
	r->misuse = cnn_emu_misuse(b->emu);
	r->aborted = b->agent.n.aborted;
	r->records = b->agent.n.records;
	r->jobs = l->sent;
	r->good = l->p.good;
	r->wrong = l->p.wrong;
	r->failed = l->p.failed;
	r->strays = l->p.strays;
	r->dropped = l->dropped;
	r->loads = l->loads;
	r->evictions = l->evictions;
	r->refusals = l->refusals;
	r->garbage_bytes = l->garbage_bytes;
	r->hostile_messages = l->hostile_messages;
	r->lives = l->lives;
	if (idle_ns > 0)
		r->share = (double)(b->agent.n.harvest_busy_us - harvest_at_start_us) * 1e3 /
			   (double)idle_ns;
}

/* Until the first job is on its way nothing could be used: loading is no harvest. */
static void work(struct vboard *b, struct load *l, uint64_t end_ns, struct trial *r)
{
	uint64_t busy_ns, harvest_us;

	while (l->first_job_ns == 0 && vboard_now_ns(b) < end_ns)
		load_until(l, vboard_now_ns(b) + 1000000);
	busy_ns = b->n.primary_busy_ns;
	harvest_us = b->agent.n.harvest_busy_us;
	l->first_job_ns = vboard_now_ns(b);
	load_until(l, end_ns);
	collect(b, l, busy_ns, harvest_us, vboard_now_ns(b), r);
	r->lost = load_end(l);
	r->good = l->p.good;
	r->failed = l->p.failed;
	r->strays = l->p.strays;
	r->wrong = l->p.wrong;
}

static int live(const struct trial_trace *t, enum load_kind kind, const struct trial_options *o,
		const struct kws20 *net, FILE *log, struct trial *r, char *why, size_t cap)
{
	uint64_t end_ns = (uint64_t)(o->seconds * 1e9);
	struct vboard_options vo = { .serial = "proof",
				     .device = "max78000",
				     .link_bps = o->link_bps,
				     .seed = o->seed,
				     .log = log };
	struct primary_spec spec = { 0 };
	hv_autofree struct load *l = calloc(1, sizeof(*l));
	struct vboard *b = NULL;
	int err = l == NULL ? HV_E_NOMEM : spec_of(t, o, &spec, why, cap);

	fault_plan_init(&vo.fault);
	vo.primary = &spec;
	if (err == HV_OK)
		err = primary_net_borrow(&net->net, "kws20_v3", o->seed, &vo.net, why, cap);
	if (err == HV_OK)
		err = vboard_new(&vo, &b, why, cap);
	if (err == HV_OK) {
		vboard_log_header(log);
		vboard_run(b, attach_ns);
		load_begin(l, b, kind, o->seed + 17);
		if (kind == LOAD_NONE)
			load_until(l, end_ns);
		else
			work(b, l, end_ns, r);
		vboard_log_flush(b);
		load_clear(l);
	}
	vboard_free(b);
	primary_spec_clear(&spec);
	return err;
}

/* Runs a board and reads back what it wrote. */
static int witness(const struct trial_trace *t, enum load_kind kind, const struct trial_options *o,
		   const struct kws20 *net, struct trial *r, struct evidence *e, char *why,
		   size_t cap)
{
	FILE *log = log_open(t, kind, o, why, cap);
	int err;

	if (log == NULL)
		return HV_E_IO;
	err = live(t, kind, o, net, log, r, why, cap);
	if (err == HV_OK) {
		rewind(log);
		err = evidence_read(log, t->name, e, why, cap);
	}
	fclose(log);
	return err;
}

int trial_alone(const struct trial_trace *t, const struct trial_options *o, const struct kws20 *net,
		struct evidence *alone, double *wall_s, char *why, size_t cap)
{
	uint64_t start = hv_now_ns();
	int err = witness(t, LOAD_NONE, o, net, NULL, alone, why, cap);

	*wall_s = (double)(hv_now_ns() - start) / 1e9;
	return err;
}

int trial_run(const struct trial_trace *t, enum load_kind load, const struct trial_options *o,
	      const struct kws20 *net, const struct evidence *alone, struct trial *r, char *why,
	      size_t cap)
{
	uint64_t start = hv_now_ns();
	struct evidence with;
	int err;

	*r = (struct trial){ .trace = t, .load = load, .modelled_s = o->seconds };
	err = witness(t, load, o, net, r, &with, why, cap);
	if (err != HV_OK)
		return err;
	err = evidence_compare(alone, &with, &r->c);
	r->runs = with.runs;
	r->stopped = with.stopped;
	r->computing = o->seconds * 1e9 > (double)(r->primary_busy_ns + attach_ns)
			       ? (double)with.computing_ns / (o->seconds * 1e9 - (double)attach_ns -
							      (double)r->primary_busy_ns)
			       : 0;
	evidence_free(&with);
	r->wall_s = (double)(hv_now_ns() - start) / 1e9;
	if (err == HV_OK)
		trial_judge(r);
	return err;
}

static void blame_primary(struct trial *r)
{
	const struct comparison *c = &r->c;
	uint64_t bound_ns = (uint64_t)r->bound_us * 1000;
	uint64_t late_ns = bound_ns + (uint64_t)r->interrupts_us * 1000;

	if (c->differing > 0)
		snprintf(r->why, sizeof(r->why),
			 "%" PRIu64
			 " outputs of the primary differ, the first at inference %" PRIu64,
			 c->differing, c->first_differing);
	else if (c->inferences == 0 || c->missing > 1)
		snprintf(r->why, sizeof(r->why),
			 "%" PRIu64 " inferences of the primary are missing", c->missing);
	else if (c->repeated > c->inferences / 100)
		snprintf(r->why, sizeof(r->why), "outputs repeat: nothing is compared");
	else if (c->wait_max_ns > bound_ns || c->shift_max_ns > late_ns)
		snprintf(
			r->why, sizeof(r->why),
			"the primary waited %.2f us and ended %.2f us late, more than the bound of "
			"%u us",
			(double)c->wait_max_ns / 1e3, (double)c->shift_max_ns / 1e3, r->bound_us);
	else if (r->trace->no_wait && c->wait_max_ns > 0)
		snprintf(r->why, sizeof(r->why),
			 "a primary that came when expected waited, %.2f us at worst",
			 (double)c->wait_max_ns / 1e3);
	else if (r->intrusions > 0 || r->misuse > 0)
		snprintf(r->why, sizeof(r->why),
			 "%" PRIu64 " bus accesses into the primary's time, %" PRIu64 " misuses",
			 r->intrusions, r->misuse);
}

static void blame_work(struct trial *r)
{
	if (r->wrong > 0 || r->strays > 0 || r->lost > 0)
		snprintf(r->why, sizeof(r->why),
			 "jobs: %" PRIu64 " with another result than the reference, %" PRIu64
			 " answered twice, %" PRIu64 " never",
			 r->wrong, r->strays, r->lost);
	else if (r->good == 0)
		snprintf(r->why, sizeof(r->why), "no job was done: nothing is shown");
	else if (r->load <= LOAD_JOBS && (r->failed > 0 || r->refusals > 0))
		snprintf(r->why, sizeof(r->why), "%" PRIu64 " jobs and %" PRIu64 " loads failed",
			 r->failed, r->refusals);
	else if (r->load <= LOAD_JOBS && r->share < r->trace->share_min)
		snprintf(r->why, sizeof(r->why), "jobs used %.1f %% of the idle time, %.1f wanted",
			 100 * r->share, 100 * r->trace->share_min);
}

void trial_judge(struct trial *r)
{
	r->why[0] = '\0';
	blame_primary(r);
	if (r->why[0] == '\0')
		blame_work(r);
}
