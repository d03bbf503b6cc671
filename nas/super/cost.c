#include "nas/super/net.h"
#include <math.h>

/* A dense layer takes about one cycle per output unit and 64 inputs; every weight costs its
 * share of loading and of memory; the host pays for encodings. One formula serves the
 * expectation (real-valued sizes) and the network that is chosen. */
struct size {
	double in, width[SUPER_DEPTH_MAX], bits[SUPER_DEPTH_MAX];
	double reach[SUPER_DEPTH_MAX]; /* share of networks that have this layer */
	double ends[SUPER_DEPTH_MAX]; /* share of networks whose last hidden layer it is */
	double host;
};

/* Input channels are fetched 64 at a time. */
static double passes(double in)
{
	return in > 64 ? in / 64 : 1;
}

static double layer_cost(const struct super_options *o, double in, double width, double bits)
{
	return width * passes(in) + o->byte_cost * width * in * bits / 8;
}

/* Head: 32-bit outputs are read word by word; the encoded input takes part. */
static double head_cost(const struct super_options *o, const struct super_net *net, double in,
			double width)
{
	return net->out * (passes(in) + passes(width)) + o->byte_cost * net->out * (in + width) +
	       4.0 * net->out;
}

static double total(const struct super_net *net, const struct size *s)
{
	double cost = s->in / 4 + net->o->host_cost * s->host, in = s->in;

	for (unsigned l = 0; l < net->depth; l++) {
		cost += s->reach[l] * layer_cost(net->o, in, s->width[l], s->bits[l]);
		cost += s->ends[l] * head_cost(net->o, net, s->in, s->width[l]);
		in = s->width[l];
	}
	return cost;
}

static double bits_of(unsigned i)
{
	return 8 >> i;
}

static double expect(const struct super_pick *p, double (*value)(const void *, unsigned),
		     const void *ctx)
{
	float share[SUPER_WIDTHS_MAX];
	double sum = 0;

	super_pick_mean(p, share);
	for (unsigned i = 0; i < p->n; i++)
		sum += share[i] * value(ctx, i);
	return sum;
}

static double width_value(const void *ctx, unsigned i)
{
	return ((const struct super_options *)ctx)->widths[i];
}

static double bits_value(const void *ctx, unsigned i)
{
	(void)ctx;
	return bits_of(i);
}

static unsigned group_channels(const struct super_net *net, unsigned g)
{
	unsigned n = 0;

	for (unsigned c = 0; c < net->in; c++)
		n += net->group[c] == g;
	return n;
}

static void expected_size(const struct super_net *net, const struct super_data *d, struct size *s)
{
	float share[SUPER_WIDTHS_MAX];
	double left = 1;

	*s = (struct size){ 0 };
	for (unsigned g = 0; g < net->groups; g++) {
		super_pick_mean(&net->gate[g], share);
		s->in += (double)share[1] * group_channels(net, g);
		s->host += (double)share[1] * d->group_cycles[g];
	}
	super_pick_mean(&net->exits, share);
	for (unsigned l = 0; l < net->depth; l++) {
		s->width[l] = expect(&net->layer[l].width, width_value, net->o);
		s->bits[l] = expect(&net->layer[l].bits, bits_value, NULL);
		s->reach[l] = left;
		s->ends[l] = share[l];
		left -= share[l];
	}
}

/* How the cost changes with one share: by a small step of the sizes, which is exact where the
 * formula is linear in them. */
static void push(struct super_pick *p, unsigned i, double slope, double scale)
{
	p->cost_grad[i] += (float)(slope * scale);
}

static double slope(const struct super_net *net, struct size *s, double *at)
{
	const double step = 1e-3;
	double old = *at, up, down;

	*at = old + step;
	up = total(net, s);
	*at = old - step;
	down = total(net, s);
	*at = old;
	return (up - down) / (2 * step);
}

double super_cost_expected(struct super_net *net, const struct super_data *d, double weight)
{
	struct size s;
	double cost, scale, by_in, by_host;

	expected_size(net, d, &s);
	cost = total(net, &s);
	scale = weight / cost;
	by_in = slope(net, &s, &s.in);
	by_host = slope(net, &s, &s.host);
	for (unsigned g = 0; g < net->groups; g++)
		push(&net->gate[g], 1,
		     by_in * group_channels(net, g) + by_host * d->group_cycles[g], scale);
	for (unsigned l = 0; l < net->depth; l++) {
		double by_width = slope(net, &s, &s.width[l]), by_bits = slope(net, &s, &s.bits[l]);
		double by_end = slope(net, &s, &s.ends[l]);

		for (unsigned k = 0; k < net->layer[l].width.n; k++)
			push(&net->layer[l].width, k, by_width * net->o->widths[k], scale);
		for (unsigned k = 0; k < net->layer[l].bits.n; k++)
			push(&net->layer[l].bits, k, by_bits * bits_of(k), scale);
		/* whoever ends at l or later has passed layers 0..l */
		for (unsigned e = l; e < net->depth; e++)
			push(&net->exits, e, slope(net, &s, &s.reach[l]), scale);
		push(&net->exits, l, by_end, scale);
	}
	return cost;
}

double super_cost_of(const struct super_net *net, const struct super_data *d,
		     const struct super_choice *c)
{
	struct size s = { 0 };

	for (unsigned g = 0; g < net->groups; g++) {
		if ((c->groups >> g & 1) == 0)
			continue;
		s.in += group_channels(net, g);
		s.host += d->group_cycles[g];
	}
	for (unsigned l = 0; l < c->depth; l++) {
		s.width[l] = c->width[l];
		s.bits[l] = c->bits[l];
		s.reach[l] = 1;
		s.ends[l] = l + 1 == c->depth;
	}
	return total(net, &s);
}
