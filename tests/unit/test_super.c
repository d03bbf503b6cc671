#include "accel/ref/ref.h"
#include "nas/super/net.h"
#include "util/own.h"
#include <check.h>
#include <math.h>
#include <stdlib.h>

/* A task with a known answer: the target is |x0 - x1| + |x0 + x1|, channel 2 is noise that costs
 * the host a fortune. */
enum { RECORDS = 4096, IN = 3, OUT = 1 };

static int8_t x[RECORDS * IN];
static double y[RECORDS * OUT];
static const uint8_t group[IN] = { 0, 0, 1 };
static const double group_cycles[2] = { 1, 500 };

static struct super_data data(void)
{
	struct hv_rng r;

	hv_rng_seed(&r, 5);
	for (size_t i = 0; i < RECORDS; i++) {
		for (unsigned c = 0; c < IN; c++)
			x[i * IN + c] = (int8_t)((int)hv_rng_below(&r, 201) - 100);
		y[i] = fabs((double)x[i * IN] - x[i * IN + 1]) +
		       fabs((double)x[i * IN] + x[i * IN + 1]);
	}
	return (struct super_data){ .x = x,
				    .y = y,
				    .n = RECORDS,
				    .in = IN,
				    .out = OUT,
				    .groups = 2,
				    .group = group,
				    .group_cycles = group_cycles };
}

static struct super_options small(void)
{
	struct super_options o = super_defaults();

	o.steps = 2000;
	o.n_widths = 3;
	o.widths[0] = 4;
	o.widths[1] = 8;
	o.widths[2] = 16;
	return o;
}

/* The hidden layers that were drawn, as the accelerator's reference sees them. */
static void as_network(const struct super_net *net, int8_t *weights, int8_t *bias,
		       struct cnn_net *to)
{
	*to = (struct cnn_net){ .layers = net->depth, .channels = IN, .height = 1, .width = 1 };
	for (unsigned l = 0; l < net->depth; l++) {
		const struct super_layer *from = &net->layer[l];
		unsigned bits = 8u >> from->bits.drawn, step = 1u << (8 - bits);
		struct cnn_layer *layer = &to->layer[l];
		unsigned fan_in = l == 0 ? IN : net->layer[l - 1].width_drawn;

		*layer = (struct cnn_layer){ .op = CNN_OP_LINEAR,
					     .from = (int)l - 1,
					     .in_channels = (uint16_t)fan_in,
					     .height = 1,
					     .width = 1,
					     .out_channels = (uint16_t)from->width_drawn,
					     .weight_bits = (uint8_t)bits,
					     .shift = (int8_t)(from->shift + 8 - (int)bits),
					     .act = (enum cnn_act)from->act.drawn,
					     .out_bits = 8,
					     .is_output = true,
					     .weights = weights,
					     .bias = bias };
		for (unsigned u = 0; u < from->width_drawn; u++) {
			for (unsigned c = 0; c < fan_in; c++)
				*weights++ =
					(int8_t)(from->rounded[u * from->in + c] / (float)step);
			*bias++ = (int8_t)(from->bias[u] / 128 / (float)step);
		}
	}
}

/* The gate of the noise may be drawn shut: then that input is 0. */
static void compare(const struct super_net *net, const struct cnn_net *ref, bool *seen_bits)
{
	for (unsigned i = 0; i < net->batch; i++) {
		struct cnn_tensors t;
		int8_t in[IN];

		for (unsigned c = 0; c < IN; c++)
			in[c] = (int8_t)net->x_used[i * IN + c];
		ck_assert_int_eq(cnn_ref_run(ref, in, &t), HV_OK);
		for (unsigned l = 0; l < net->depth; l++)
			for (unsigned u = 0; u < net->layer[l].width_drawn; u++)
				ck_assert_int_eq((int)net->layer[l].h[i * net->layer[l].max + u],
						 t.out[l][u]);
		cnn_tensors_free(&t);
	}
	for (unsigned l = 0; l < net->depth; l++)
		seen_bits[net->layer[l].bits.drawn] = true;
}

START_TEST(a_forward_pass_is_a_network_that_the_accelerator_would_run)
{
	struct super_options o = small();
	struct super_data d = data();
	int8_t weights[SUPER_DEPTH_MAX * 16 * 16], bias[SUPER_DEPTH_MAX * 16];
	bool seen_bits[SUPER_BITS] = { false };
	struct super_net net;
	struct hv_rng r;

	hv_rng_seed(&r, 9);
	ck_assert_int_eq(super_net_new(&d, &o, &net), HV_OK);
	for (unsigned round = 0; round < 20; round++) {
		struct cnn_net ref;
		char why[128];

		for (unsigned i = 0; i < net.batch * IN; i++)
			net.x[i] = x[(round * net.batch * IN + i) % (RECORDS * IN)];
		super_net_draw(&net, &r, 5);
		super_net_calibrate(&net);
		(void)super_net_forward(&net, round % 2 == 0);
		as_network(&net, weights, bias, &ref);
		ck_assert_msg(cnn_net_check(&ref, why, sizeof(why)) == HV_OK, "%s", why);
		compare(&net, &ref, seen_bits);
	}
	ck_assert(seen_bits[0] && seen_bits[1] && seen_bits[2]);
	super_net_free(&net);
}
END_TEST

/* The objective's cost, at logits a little off. */
static double log_cost(struct super_net *net, const struct super_data *d, float *logit, float by)
{
	double cost;

	*logit += by;
	cost = super_cost_expected(net, d, 0);
	super_net_forget_picks(net);
	*logit -= by;
	return log(cost);
}

static void slope_is_right(struct super_net *net, const struct super_data *d, struct super_pick *p)
{
	const float step = 1e-2F;
	float before[SUPER_WIDTHS_MAX], share[SUPER_WIDTHS_MAX];

	super_pick_mean(p, share);
	(void)super_cost_expected(net, d, 1);
	for (unsigned i = 0; i < p->n; i++)
		before[i] = p->cost_grad[i];
	super_net_forget_picks(net);
	for (unsigned i = 0; i < p->n; i++) {
		double want = (log_cost(net, d, &p->logit[i], step) -
			       log_cost(net, d, &p->logit[i], -step)) /
			      (2 * (double)step);
		double mean = 0, got;

		for (unsigned k = 0; k < p->n; k++)
			mean += (double)before[k] * share[k];
		got = share[i] * (before[i] - mean);
		ck_assert_msg(fabs(got - want) <= 2e-3 * (fabs(want) + 0.01), "choice %u: %g, %g",
			      i, got, want);
	}
}

START_TEST(the_cost_pulls_every_choice_by_its_derivative)
{
	struct super_options o = small();
	struct super_data d = data();
	struct super_net net;

	ck_assert_int_eq(super_net_new(&d, &o, &net), HV_OK);
	net.exits.logit[1] = 0.5F;
	net.layer[0].width.logit[2] = 0.3F;
	net.layer[1].bits.logit[0] = -0.4F;
	slope_is_right(&net, &d, &net.exits);
	slope_is_right(&net, &d, &net.gate[1]);
	for (unsigned l = 0; l < net.depth; l++) {
		slope_is_right(&net, &d, &net.layer[l].width);
		slope_is_right(&net, &d, &net.layer[l].bits);
	}
	super_net_free(&net);
}
END_TEST

START_TEST(it_finds_a_small_network_for_a_piecewise_linear_task)
{
	struct super_options o = small();
	struct super_data d = data();
	struct super_choice c, again;

	ck_assert_int_eq(super_search(&d, &o, &c), HV_OK);
	ck_assert_msg(c.mse < 0.01, "mse %g of a variance of 1", c.mse);
	ck_assert_uint_eq(c.groups, 1); /* the noise is not worth its cost */
	ck_assert_uint_le(c.width[0], 8);
	ck_assert_int_ne(c.act[0], CNN_ACT_NONE);
	ck_assert_int_eq(super_search(&d, &o, &again), HV_OK);
	ck_assert_mem_eq(&c, &again, sizeof(c));
}
END_TEST

START_TEST(cost_decides_between_networks_of_like_error)
{
	struct super_options o = small();
	struct super_data d = data();
	struct super_choice dear, cheap;

	o.widths[0] = 8;
	o.widths[1] = 32;
	o.widths[2] = 64;
	o.cost_weight = 0;
	ck_assert_int_eq(super_search(&d, &o, &dear), HV_OK);
	o.cost_weight = 1;
	ck_assert_int_eq(super_search(&d, &o, &cheap), HV_OK);
	ck_assert_msg(cheap.cost < dear.cost, "%g, without its weight %g", cheap.cost, dear.cost);
}
END_TEST

START_TEST(a_trained_network_is_small_numbers_that_do_the_task)
{
	struct super_options o = small();
	struct super_data d = data();
	struct super_choice c = { .depth = 2,
				  .width = { 8, 4 },
				  .act = { CNN_ACT_ABS, CNN_ACT_RELU },
				  .bits = { 8, 4 },
				  .groups = 1 };
	struct super_trained t;

	o.steps = 3000;
	ck_assert_int_eq(super_train(&d, &o, &c, &t), HV_OK);
	ck_assert_uint_eq(t.layers, 2);
	ck_assert_msg(t.mse < 0.02, "mse %g", t.mse);
	ck_assert_uint_eq(t.layer[0].units, 8);
	ck_assert_uint_eq(t.layer[0].from, IN);
	ck_assert_uint_eq(t.layer[1].units, 4);
	ck_assert_uint_eq(t.layer[1].from, 8);
	for (unsigned u = 0; u < 8; u++)
		ck_assert_int_eq(t.layer[0].weights[u * IN + 2], 0); /* the dropped encoding */
	for (unsigned i = 0; i < 4 * 8; i++)
		ck_assert(t.layer[1].weights[i] >= -8 && t.layer[1].weights[i] <= 7);
	super_trained_clear(&t);
	c.width[0] = 7; /* no width of the space */
	ck_assert_int_eq(super_train(&d, &o, &c, &t), HV_E_INVAL);
}
END_TEST

static bool stop_at_once(void *ctx, unsigned step, double mse, double cost)
{
	(void)mse;
	(void)cost;
	*(unsigned *)ctx = step + 1;
	return false;
}

START_TEST(who_watches_may_stop_it_and_limits_are_refused)
{
	struct super_options o = small();
	struct super_data d = data();
	struct super_choice c;
	unsigned steps = 0;

	o.progress = stop_at_once;
	o.ctx = &steps;
	ck_assert_int_eq(super_search(&d, &o, &c), HV_E_CANCEL);
	ck_assert_uint_eq(steps, 1);
	o = small();
	o.widths[1] = 4; /* not ascending */
	ck_assert_int_eq(super_search(&d, &o, &c), HV_E_INVAL);
	o = small();
	d.n = 1;
	ck_assert_int_eq(super_search(&d, &o, &c), HV_E_INVAL);
	d = data();
	d.groups = 1; /* channel 2 is in group 1 */
	ck_assert_int_eq(super_search(&d, &o, &c), HV_E_INVAL);
	ck_assert(super_step_seconds(&d, &o, 1) < 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("super");
	TCase *t = tcase_create("super");
	SRunner *sr;
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_test(t, a_forward_pass_is_a_network_that_the_accelerator_would_run);
	tcase_add_test(t, the_cost_pulls_every_choice_by_its_derivative);
	tcase_add_test(t, it_finds_a_small_network_for_a_piecewise_linear_task);
	tcase_add_test(t, cost_decides_between_networks_of_like_error);
	tcase_add_test(t, a_trained_network_is_small_numbers_that_do_the_task);
	tcase_add_test(t, who_watches_may_stop_it_and_limits_are_refused);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
