#include "nas/super/net.h"
#include <math.h>
#include <string.h>

void super_pick_init(struct super_pick *p, unsigned n)
{
	memset(p, 0, sizeof(*p));
	p->n = n;
}

static void softmax(const float *logit, unsigned n, float temperature, float *to)
{
	float max = logit[0], sum = 0;

	for (unsigned i = 1; i < n; i++)
		max = logit[i] > max ? logit[i] : max;
	for (unsigned i = 0; i < n; i++) {
		to[i] = expf((logit[i] - max) / temperature);
		sum += to[i];
	}
	for (unsigned i = 0; i < n; i++)
		to[i] /= sum;
}

void super_pick_mean(const struct super_pick *p, float share[SUPER_WIDTHS_MAX])
{
	softmax(p->logit, p->n, 1, share);
}

static unsigned largest(const float *v, unsigned n)
{
	unsigned best = 0;

	for (unsigned i = 1; i < n; i++)
		if (v[i] > v[best])
			best = i;
	return best;
}

unsigned super_pick_best(const struct super_pick *p)
{
	return largest(p->logit, p->n);
}

void super_pick_draw(struct super_pick *p, struct hv_rng *r, float temperature)
{
	float noisy[SUPER_WIDTHS_MAX] = { 0 };

	if (temperature <= 0) {
		super_pick_mean(p, p->soft);
		p->drawn = super_pick_best(p);
		return;
	}
	for (unsigned i = 0; i < p->n; i++) {
		double u = hv_rng_uniform(r, 1e-9, 1);

		noisy[i] = p->logit[i] - (float)log(-log(u));
	}
	softmax(noisy, p->n, temperature, p->soft);
	p->drawn = largest(noisy, p->n);
}

/* Gradient of logits from the gradient of their softmax. */
static void through_softmax(const float *share, const float *grad, unsigned n, float temperature,
			    float *to)
{
	float mean = 0;

	for (unsigned i = 0; i < n; i++)
		mean += grad[i] * share[i];
	for (unsigned i = 0; i < n; i++)
		to[i] += share[i] * (grad[i] - mean) / temperature;
}

void super_pick_forget(struct super_pick *p)
{
	memset(p->grad, 0, sizeof(p->grad));
	memset(p->cost_grad, 0, sizeof(p->cost_grad));
}

void super_pick_learn(struct super_pick *p, float rate, float temperature, uint64_t t)
{
	const float keep_m = 0.9F, keep_s = 0.99F;
	float share[SUPER_WIDTHS_MAX], g[SUPER_WIDTHS_MAX] = { 0 };

	super_pick_mean(p, share);
	through_softmax(p->soft, p->grad, p->n, temperature, g);
	through_softmax(share, p->cost_grad, p->n, 1, g);
	for (unsigned i = 0; i < p->n; i++) {
		float m, s;

		p->m[i] = keep_m * p->m[i] + (1 - keep_m) * g[i];
		p->s[i] = keep_s * p->s[i] + (1 - keep_s) * g[i] * g[i];
		m = p->m[i] / (1 - powf(keep_m, (float)t));
		s = p->s[i] / (1 - powf(keep_s, (float)t));
		p->logit[i] -= rate * m / (sqrtf(s) + 1e-6F);
	}
	super_pick_forget(p);
}

void super_pick_fix(struct super_pick *p, unsigned i)
{
	for (unsigned k = 0; k < p->n; k++)
		p->logit[k] = k == i ? 0 : -1e4F;
}
