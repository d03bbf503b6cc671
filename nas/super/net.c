#include "nas/super/net.h"
#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ACT_NONE, ACT_RELU, ACT_ABS };

/* -- memory -------------------------------------------------------------------------------- */

/* The first walk counts, the second one hands out. */
struct cut {
	float *base;
	size_t used;
};

static float *take(struct cut *c, size_t n)
{
	float *at = c->base != NULL ? c->base + c->used : NULL;

	c->used += (n + 15) / 16 * 16;
	return at;
}

static void take_param(struct cut *c, struct super_param *p, size_t n)
{
	p->n = n;
	p->v = take(c, n);
	p->grad = take(c, n);
	p->m = take(c, n);
	p->s = take(c, n);
}

static void lay_out(struct super_net *net, struct cut *c)
{
	size_t batch = net->batch;

	for (unsigned l = 0; l < net->depth; l++) {
		struct super_layer *y = &net->layer[l];

		take_param(c, &y->w, (size_t)y->max * y->in);
		take_param(c, &y->b, y->max);
		take_param(c, &y->head, (size_t)net->out * y->max);
		y->rounded = take(c, (size_t)y->max * y->in);
		y->bias = take(c, y->max);
		y->head_used = take(c, (size_t)net->out * y->max);
		y->y = take(c, batch * y->max);
		y->h = take(c, batch * y->max);
		y->d = take(c, batch * y->max);
	}
	take_param(c, &net->skip, (size_t)net->out * net->in);
	take_param(c, &net->offset, (size_t)net->depth * net->out);
	net->x = take(c, batch * net->in);
	net->x_used = take(c, batch * net->in);
	net->dx = take(c, batch * net->in);
	net->target = take(c, batch * net->out);
	net->pred = take(c, batch * net->out);
	net->derr = take(c, batch * net->out);
}

static void fill_normal(struct hv_rng *r, struct super_param *p, double dev)
{
	for (size_t i = 0; i < p->n; i++)
		p->v[i] = (float)hv_rng_normal(r, 0, dev);
}

static void begin(struct super_net *net)
{
	struct hv_rng r;

	hv_rng_seed(&r, net->o->seed);
	for (unsigned l = 0; l < net->depth; l++) {
		struct super_layer *y = &net->layer[l];

		fill_normal(&r, &y->w, 40);
		fill_normal(&r, &y->b, 20);
		fill_normal(&r, &y->head, 1 / sqrt((double)y->max));
		super_pick_init(&y->width, net->o->n_widths);
		super_pick_init(&y->act, SUPER_ACTS);
		super_pick_init(&y->bits, SUPER_BITS);
	}
	super_pick_init(&net->exits, net->depth);
	for (unsigned g = 0; g < net->groups; g++) {
		super_pick_init(&net->gate[g], 2);
		net->gate[g].logit[1] = 3;
	}
}

int super_net_new(const struct super_data *d, const struct super_options *o, struct super_net *net)
{
	struct cut c = { 0 };

	*net = (struct super_net){ .o = o,
				   .in = d->in,
				   .out = d->out,
				   .groups = d->groups,
				   .batch = o->batch,
				   .depth = o->depth,
				   .group = d->group };
	for (unsigned l = 0; l < o->depth; l++) {
		net->layer[l].max = o->widths[o->n_widths - 1];
		net->layer[l].in = l == 0 ? d->in : net->layer[l].max;
	}
	lay_out(net, &c);
	net->store = calloc(c.used, sizeof(float));
	if (net->store == NULL)
		return HV_E_NOMEM;
	c = (struct cut){ .base = net->store };
	lay_out(net, &c);
	begin(net);
	return HV_OK;
}

void super_net_free(struct super_net *net)
{
	free(net->store);
	net->store = NULL;
}

/* -- products ------------------------------------------------------------------------------ */

/* Corners of matrices: each is (rows of it, ld) in memory. */
struct mat {
	float *v;
	unsigned ld;
};

/* to (m, n) = a (m, k) * b (n, k)^T * scale, + to when more */
static void mul_nt(struct mat a, struct mat b, struct mat to, unsigned m, unsigned n, unsigned k,
		   float scale, bool more)
{
	cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)m, (int)n, (int)k, scale, a.v,
		    (int)a.ld, b.v, (int)b.ld, more ? 1.0F : 0.0F, to.v, (int)to.ld);
}

/* to (m, n) += a (m, k) * b (k, n) * scale */
static void mul_nn(struct mat a, struct mat b, struct mat to, unsigned m, unsigned n, unsigned k,
		   float scale)
{
	cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)m, (int)n, (int)k, scale, a.v,
		    (int)a.ld, b.v, (int)b.ld, 1, to.v, (int)to.ld);
}

/* to (m, n) += a (k, m)^T * b (k, n) * scale */
static void mul_tn(struct mat a, struct mat b, struct mat to, unsigned m, unsigned n, unsigned k,
		   float scale)
{
	cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)m, (int)n, (int)k, scale, a.v,
		    (int)a.ld, b.v, (int)b.ld, 1, to.v, (int)to.ld);
}

/* -- forward ------------------------------------------------------------------------------- */

static float clampf(float v, float min, float max)
{
	return v < min ? min : v > max ? max : v;
}

/* To the nearest integer, ties to even; |v| < 2^22. Adding 1.5 * 2^23 leaves no room for a
 * fraction, and unlike rintf() this becomes a vector instruction on every CPU. */
static float nearest(float v)
{
	const float big = 12582912.0F;

	return (v + big) - big;
}

/* floor(v + 1/2), limited to eight bits */
static float round8(float v)
{
	v = clampf(v + 0.5F, -128, 127);
	return (float)((int)(v + 128) - 128);
}

/* All weights at choice `bits` (8 >> bits wide), on the scale of eight bits. */
static void round_weights(const struct super_layer *l, unsigned bits, float *to)
{
	float step = (float)(1 << (8 - (8 >> bits))), half = (float)(1 << ((8 >> bits) - 1));
	float inverse = 1 / step;

	for (size_t i = 0; i < l->w.n; i++)
		to[i] = step * clampf(nearest(l->w.v[i] * inverse), -half, half - 1);
}

/* Sums of narrow weights count in steps of theirs, and so do their biases: 128 of them is the
 * bias's unit. */
static float round_bias(float v, unsigned bits)
{
	float step = (float)(1 << (8 - (8 >> bits)));

	return 128 * step * clampf(nearest(v / step), -128, 127);
}

/* Heads have eight-bit weights too, one scale a row. */
static void round_head(struct super_layer *l, unsigned out)
{
	for (unsigned o = 0; o < out; o++) {
		const float *v = l->head.v + (size_t)o * l->max;
		float max = 1e-9F, scale;

		for (unsigned i = 0; i < l->max; i++)
			max = fabsf(v[i]) > max ? fabsf(v[i]) : max;
		scale = max / 127;
		for (unsigned i = 0; i < l->max; i++)
			l->head_used[(size_t)o * l->max + i] = scale * nearest(v[i] / scale);
	}
}

static void gate_inputs(struct super_net *net)
{
	float on[SUPER_IN_MAX];

	for (unsigned c = 0; c < net->in; c++)
		on[c] = net->gate[net->group[c]].drawn != 0 ? 1.0F : 0.0F;
	for (unsigned i = 0; i < net->batch; i++)
		for (unsigned c = 0; c < net->in; c++)
			net->x_used[(size_t)i * net->in + c] =
				net->x[(size_t)i * net->in + c] * on[c];
}

static struct mat layer_input(const struct super_net *net, unsigned l)
{
	if (l == 0)
		return (struct mat){ net->x_used, net->in };
	return (struct mat){ net->layer[l - 1].h, net->layer[l - 1].max };
}

/* Inputs of a layer that are not known to be 0. */
static unsigned fan_in(const struct super_net *net, unsigned l)
{
	return l == 0 ? net->in : net->layer[l - 1].width_drawn;
}

/* Sums of the first `units` units of a layer, exact integers. */
static void layer_sums(struct super_net *net, unsigned at, unsigned units)
{
	struct super_layer *l = &net->layer[at];

	mul_nt(layer_input(net, at), (struct mat){ l->rounded, l->in },
	       (struct mat){ l->y, l->max }, net->batch, units, fan_in(net, at), 1, false);
	for (unsigned u = 0; u < units; u++)
		l->bias[u] = round_bias(l->b.v[u], l->bits.drawn);
	for (unsigned i = 0; i < net->batch; i++)
		for (unsigned u = 0; u < units; u++)
			l->y[(size_t)i * l->max + u] += l->bias[u];
}

static float activate(float y, unsigned act)
{
	if (act == ACT_NONE)
		return y;
	if (act == ACT_RELU)
		return y > 0 ? y : 0;
	return clampf(fabsf(y), 0, 127);
}

/* Units beyond the drawn width matter to the choice of the width alone. */
static void layer_forward(struct super_net *net, unsigned at, bool all)
{
	struct super_layer *l = &net->layer[at];
	float factor = ldexpf(1, l->shift - 7);
	unsigned width = net->o->widths[l->width.drawn], act = l->act.drawn;
	unsigned units = all ? l->max : width;

	l->width_drawn = width;
	round_weights(l, l->bits.drawn, l->rounded);
	layer_sums(net, at, units);
	for (unsigned i = 0; i < net->batch; i++) {
		float *y = l->y + (size_t)i * l->max, *h = l->h + (size_t)i * l->max;

		for (unsigned u = 0; u < units; u++)
			y[u] = round8(y[u] * factor);
		for (unsigned u = 0; u < width; u++)
			h[u] = activate(y[u], act);
	}
}

/* Activations count in units of 64 for the heads, so that their weights are near one. */
static const float head_unit = 1.0F / 64;

/* Prediction of exit l into pred, its error into derr; returns the mean square. */
static float exit_error(struct super_net *net, unsigned l)
{
	struct super_layer *y = &net->layer[l];
	struct mat pred = { net->pred, net->out };
	const float *offset = net->offset.v + (size_t)l * net->out;
	double sum = 0;

	mul_nt((struct mat){ y->h, y->max }, (struct mat){ y->head_used, y->max }, pred, net->batch,
	       net->out, y->width_drawn, head_unit, false);
	mul_nt((struct mat){ net->x_used, net->in }, (struct mat){ net->skip.v, net->in }, pred,
	       net->batch, net->out, net->in, head_unit, true);
	for (unsigned i = 0; i < net->batch; i++)
		for (unsigned o = 0; o < net->out; o++) {
			size_t at = (size_t)i * net->out + o;

			net->derr[at] = net->pred[at] + offset[o] - net->target[at];
			sum += (double)net->derr[at] * net->derr[at];
		}
	return (float)(sum / ((double)net->batch * net->out));
}

float super_net_forward(struct super_net *net, bool all)
{
	float mse = 0;

	gate_inputs(net);
	for (unsigned l = 0; l < net->depth; l++) {
		layer_forward(net, l, all);
		round_head(&net->layer[l], net->out);
		net->loss[l] = exit_error(net, l);
		mse += net->exits.soft[l] * net->loss[l];
	}
	return mse;
}

void super_net_calibrate(struct super_net *net)
{
	gate_inputs(net);
	for (unsigned l = 0; l < net->depth; l++) {
		struct super_layer *y = &net->layer[l];
		size_t n = (size_t)net->batch * y->max;
		double power = 0;

		round_weights(y, y->bits.drawn, y->rounded);
		layer_sums(net, l, y->max);
		for (size_t i = 0; i < n; i++)
			power += (double)y->y[i] * y->y[i];
		power = sqrt(power / (double)n);
		/* two standard deviations are full scale */
		y->shift = power > 0 ? (int)floor(log2(127 / (2 * power / 128))) : 0;
		y->shift = y->shift < -15 ? -15 : y->shift > 15 ? 15 : y->shift;
		layer_forward(net, l, true);
	}
}

/* -- backward ------------------------------------------------------------------------------ */

/* Units whose gradients are wanted: see layer_forward(). */
static unsigned units_of(const struct super_layer *l, bool all)
{
	return all ? l->max : l->width_drawn;
}

/* Errors of exit l reach its head, the skip and h of layer l. */
static void exit_backward(struct super_net *net, unsigned l, float scale, bool weights)
{
	struct super_layer *y = &net->layer[l];
	struct mat derr = { net->derr, net->out }, h = { y->h, y->max };
	struct mat x = { net->x_used, net->in };
	size_t n = (size_t)net->batch * net->out;
	float by_error = scale * net->exits.soft[l] * 2 / (float)n;

	(void)exit_error(net, l);
	net->exits.grad[l] += scale * net->loss[l];
	for (size_t i = 0; i < n; i++)
		net->derr[i] *= by_error;
	if (weights) {
		mul_tn(derr, h, (struct mat){ y->head.grad, y->max }, net->out, y->width_drawn,
		       net->batch, head_unit);
		mul_tn(derr, x, (struct mat){ net->skip.grad, net->in }, net->out, net->in,
		       net->batch, head_unit);
		for (unsigned i = 0; i < net->batch; i++)
			for (unsigned o = 0; o < net->out; o++)
				net->offset.grad[l * net->out + o] += net->derr[i * net->out + o];
	}
	mul_nn(derr, (struct mat){ y->head_used, y->max }, (struct mat){ y->d, y->max }, net->batch,
	       units_of(y, !weights), net->out, head_unit);
	if (!weights && net->groups > 1)
		mul_nn(derr, (struct mat){ net->skip.v, net->in }, (struct mat){ net->dx, net->in },
		       net->batch, net->in, net->out, head_unit);
}

/* What the three activations and the widths would have made of h's gradient. */
static void choose_backward(const struct super_net *net, struct super_layer *l)
{
	unsigned width = net->o->widths[l->width.drawn];
	float plain[SUPER_WIDTH_MAX] = { 0 }, folded[SUPER_WIDTH_MAX] = { 0 };
	float grad[SUPER_ACTS] = { 0 }, sum = 0;

	for (unsigned i = 0; i < net->batch; i++) {
		const float *y = l->y + (size_t)i * l->max, *d = l->d + (size_t)i * l->max;

		for (unsigned u = 0; u < l->max; u++) {
			plain[u] += d[u] * y[u];
			folded[u] += d[u] * fabsf(y[u]);
		}
	}
	for (unsigned k = 0, u = 0; k < l->width.n; k++) {
		for (; u < net->o->widths[k]; u++) {
			float by[SUPER_ACTS] = { [ACT_NONE] = plain[u],
						 [ACT_RELU] = (plain[u] + folded[u]) / 2,
						 [ACT_ABS] = folded[u] };

			sum += by[l->act.drawn];
			for (unsigned a = 0; u < width && a < SUPER_ACTS; a++)
				grad[a] += by[a];
		}
		l->width.grad[k] += sum;
	}
	for (unsigned a = 0; a < SUPER_ACTS; a++)
		l->act.grad[a] += grad[a];
}

/* Gradient of h becomes that of the sums: straight through the rounding, not through clamps. */
static void activation_backward(const struct super_net *net, struct super_layer *l)
{
	float factor = ldexpf(1, l->shift - 7);
	unsigned width = net->o->widths[l->width.drawn], act = l->act.drawn;

	float negative = act == ACT_NONE ? factor : act == ACT_RELU ? 0 : -factor;

	for (unsigned i = 0; i < net->batch; i++) {
		const float *y = l->y + (size_t)i * l->max;
		float *d = l->d + (size_t)i * l->max;

		for (unsigned u = 0; u < width; u++) {
			float slope = y[u] > 0 ? factor : negative;

			d[u] *= y[u] > -128 && y[u] < 127 ? slope : 0;
		}
	}
}

/* w.grad holds the gradient of the rounded weights; they are needed no more. */
static void bits_backward(struct super_layer *l)
{
	for (unsigned k = 0; k < l->bits.n; k++) {
		round_weights(l, k, l->rounded);
		l->bits.grad[k] += cblas_sdot((int)l->w.n, l->w.grad, 1, l->rounded, 1);
	}
}

static void layer_backward(struct super_net *net, unsigned at, bool weights)
{
	struct super_layer *l = &net->layer[at], *below = l - 1;
	struct mat d = { l->d, l->max }, rounded = { l->rounded, l->in };
	unsigned width = l->width_drawn;

	if (!weights)
		choose_backward(net, l);
	activation_backward(net, l);
	mul_tn(d, layer_input(net, at), (struct mat){ l->w.grad, l->in }, width, fan_in(net, at),
	       net->batch, 1);
	for (unsigned i = 0; weights && i < net->batch; i++)
		for (unsigned u = 0; u < width; u++)
			l->b.grad[u] += 128 * l->d[(size_t)i * l->max + u];
	if (at > 0)
		mul_nn(d, rounded, (struct mat){ below->d, below->max }, net->batch,
		       units_of(below, !weights), width, 1);
	else if (!weights && net->groups > 1)
		mul_nn(d, rounded, (struct mat){ net->dx, net->in }, net->batch, l->in, width, 1);
	if (!weights)
		bits_backward(l);
}

static void gates_backward(struct super_net *net)
{
	float by_channel[SUPER_IN_MAX] = { 0 };

	for (unsigned i = 0; i < net->batch; i++)
		for (unsigned c = 0; c < net->in; c++)
			by_channel[c] +=
				net->dx[(size_t)i * net->in + c] * net->x[(size_t)i * net->in + c];
	for (unsigned c = 0; c < net->in; c++)
		net->gate[net->group[c]].grad[1] += by_channel[c];
}

void super_net_backward(struct super_net *net, bool weights)
{
	float mse = 1e-12F, scale;

	for (unsigned l = 0; l < net->depth; l++)
		mse += net->exits.soft[l] * net->loss[l];
	scale = 1 / mse;
	memset(net->skip.grad, 0, net->skip.n * sizeof(float));
	memset(net->offset.grad, 0, net->offset.n * sizeof(float));
	memset(net->dx, 0, (size_t)net->batch * net->in * sizeof(float));
	for (unsigned l = 0; l < net->depth; l++) {
		struct super_layer *y = &net->layer[l];

		memset(y->d, 0, (size_t)net->batch * y->max * sizeof(float));
		memset(y->w.grad, 0, y->w.n * sizeof(float));
		memset(y->b.grad, 0, y->b.n * sizeof(float));
		memset(y->head.grad, 0, y->head.n * sizeof(float));
	}
	for (unsigned l = net->depth; l-- > 0;) {
		exit_backward(net, l, scale, weights);
		layer_backward(net, l, weights);
	}
	if (!weights && net->groups > 1)
		gates_backward(net);
}

/* -- learning ------------------------------------------------------------------------------ */

static void adam(struct super_param *p, float rate, float limit, uint64_t t)
{
	const float keep_m = 0.9F, keep_s = 0.999F;
	float fix_m = 1 / (1 - powf(keep_m, (float)t)), fix_s = 1 / (1 - powf(keep_s, (float)t));

	for (size_t i = 0; i < p->n; i++) {
		float g = p->grad[i];

		p->m[i] = keep_m * p->m[i] + (1 - keep_m) * g;
		p->s[i] = keep_s * p->s[i] + (1 - keep_s) * g * g;
		p->v[i] = clampf(p->v[i] - rate * (p->m[i] * fix_m) /
						   (sqrtf(p->s[i] * fix_s) + 1e-9F),
				 -limit, limit);
	}
}

void super_net_learn_weights(struct super_net *net, float rate)
{
	const float weight_unit = 100, no_limit = 1e30F;

	net->t++;
	for (unsigned l = 0; l < net->depth; l++) {
		struct super_layer *y = &net->layer[l];

		adam(&y->w, weight_unit * rate, 127, net->t);
		adam(&y->b, weight_unit * rate, 127, net->t);
		adam(&y->head, rate, no_limit, net->t);
	}
	adam(&net->skip, rate, no_limit, net->t);
	adam(&net->offset, rate, no_limit, net->t);
}

static void each_pick(struct super_net *net, void (*act)(struct super_pick *, void *), void *ctx)
{
	for (unsigned l = 0; l < net->depth; l++) {
		act(&net->layer[l].width, ctx);
		act(&net->layer[l].act, ctx);
		act(&net->layer[l].bits, ctx);
	}
	for (unsigned g = 0; g < net->groups; g++)
		act(&net->gate[g], ctx);
}

struct draw {
	struct hv_rng *r;
	float temperature;
};

static void draw_one(struct super_pick *p, void *ctx)
{
	struct draw *d = ctx;

	super_pick_draw(p, d->r, d->temperature);
}

/* A network without any input is none. */
static void keep_one_input(struct super_net *net)
{
	unsigned best = 0;

	for (unsigned g = 0; g < net->groups; g++) {
		if (net->gate[g].drawn != 0)
			return;
		if (net->gate[g].logit[1] - net->gate[g].logit[0] >
		    net->gate[best].logit[1] - net->gate[best].logit[0])
			best = g;
	}
	net->gate[best].drawn = 1;
}

void super_net_draw(struct super_net *net, struct hv_rng *r, float temperature)
{
	struct draw d = { r, temperature };

	each_pick(net, draw_one, &d);
	super_pick_draw(&net->exits, r, 0);
	keep_one_input(net);
}

struct learn {
	float rate, temperature;
	uint64_t t;
};

static void learn_one(struct super_pick *p, void *ctx)
{
	struct learn *l = ctx;

	super_pick_learn(p, l->rate, l->temperature, l->t);
}

void super_net_learn_picks(struct super_net *net, float rate, float temperature)
{
	struct learn l = { rate, temperature, net->t + 1 };

	each_pick(net, learn_one, &l);
	super_pick_learn(&net->exits, rate, 1, l.t);
}

static void forget_one(struct super_pick *p, void *ctx)
{
	(void)ctx;
	super_pick_forget(p);
}

void super_net_forget_picks(struct super_net *net)
{
	each_pick(net, forget_one, NULL);
	super_pick_forget(&net->exits);
}
