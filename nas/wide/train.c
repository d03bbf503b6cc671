#include "nas/wide/train.h"
#include "nas/jobs.h"
#include <math.h>
#include <stdio.h>

/* Steps of Adam: rate rises over the first steps and falls like a cosine. The last part of them
 * is for the whole-number net, whose weights count in steps of int8. */
enum { WATCH_STEPS = 64 };
static const double whole_share = 0.3, rise_share = 0.04;
static const float whole_rate = 0.08F;

struct training {
	struct wide_net *net;
	const struct wide_pool *pool;
	uint64_t batch;
	float rate;
};

static int run_shard(void *ctx, unsigned i)
{
	struct training *t = ctx;
	struct wide_rows rows = wide_pool_rows(t->pool, t->batch, i);

	wide_net_shard(t->net, i, &rows);
	return HV_OK;
}

static int run_learn(void *ctx, unsigned i)
{
	struct training *t = ctx;

	wide_net_learn(t->net, i, t->rate);
	return HV_OK;
}

/* The longer a net learns the smaller its steps may be, and the wider it is: every unit of a
 * layer moves the sums of the next. */
static float real_rate(const struct wide_net *net, unsigned steps)
{
	unsigned most = 64;

	for (unsigned l = 0; l < net->layers; l++)
		most = net->layer[l].out > most ? net->layer[l].out : most;
	return fminf(8 / sqrtf((float)most * (float)steps), 0.016F);
}

static float rate_at(double share, double rise)
{
	double up = share < rise ? (share + 1e-3) / rise : 1;

	return (float)(fmin(up, 1) * (0.5 * (1 + cos(M_PI * share)) + 0.01));
}

static int step(struct training *t, unsigned threads)
{
	int r = nas_jobs_run(run_shard, t, WIDE_SHARDS, threads);

	wide_net_begin_step(t->net);
	return r == HV_OK ? nas_jobs_run(run_learn, t, WIDE_SHARDS, threads) : r;
}

static int train(struct wide_pool *pool, const struct wide_effort *e, struct wide_net *net,
		 char *why, size_t cap)
{
	struct training t = { .net = net, .pool = pool };
	unsigned whole = (unsigned)(whole_share * e->steps), real = e->steps - whole;
	const float rate = real_rate(net, e->steps);
	int r = HV_OK;

	for (unsigned s = 0; r == HV_OK && s < e->steps; s++) {
		if (s == real)
			r = wide_net_make_whole(net);
		t.batch = s;
		t.rate = s < real ? rate * rate_at(0.9 * s / real, rise_share)
				  : whole_rate * rate_at((double)(s - real) / whole, rise_share);
		if (r == HV_OK)
			r = wide_pool_need(pool, s, why, cap);
		if (r == HV_OK)
			r = step(&t, e->threads);
		if (r == HV_OK && s % WATCH_STEPS == 0 && e->watch != NULL &&
		    !e->watch(e->ctx, (double)s / e->steps, wide_net_loss(net)))
			r = HV_E_CANCEL;
	}
	if (r == HV_OK && !net->whole)
		r = wide_net_make_whole(net);
	return r;
}

int wide_train(struct wide_pool *pool, const struct wide_effort *e, struct wide_net **to, char *why,
	       size_t cap)
{
	struct wide_net *net = NULL;
	int r = wide_net_new(&e->shape, pool->plan->channels, pool->plan->targets, pool->decides,
			     e->seed, &net);

	if (r == HV_OK)
		r = train(pool, e, net, why, cap);
	if (r == HV_E_NOMEM)
		snprintf(why, cap, "out of memory");
	if (r < 0)
		wide_net_free(net);
	else
		*to = net;
	return r;
}
