#include "accel/ref/ref.h"
#include "nas/jobs.h"
#include "nas/search.h"
#include "nas/wide/train.h"
#include "tasks/catalog.h"
#include "util/own.h"
#include "util/rng.h"
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A decision of this test's own over ten numbers: |x0 + x1 - x2| > |x3 - x4|. Of that a
 * linear sum says little. */
enum { INS = 10 };

static void decision_reference(const void *in, double *out)
{
	int16_t x[INS];

	memcpy(x, in, sizeof(x));
	out[0] = abs(x[0] + x[1] - x[2]) > abs(x[3] - x[4]);
}

static void decision_sample(uint64_t seed, uint64_t index, void *in)
{
	struct hv_rng r;
	int16_t x[INS];

	hv_rng_seed(&r, seed * 1000003 + index);
	for (unsigned i = 0; i < INS; i++)
		x[i] = (int16_t)(hv_rng_below(&r, 32768));
	memcpy(in, x, sizeof(x));
}

static const struct harvest_task decision = { .size = sizeof(decision),
					      .abi = HARVEST_TASK_ABI,
					      .name = "decision_of_test",
					      .about = "",
					      .version = 1,
					      .in = { HARVEST_S16, 1, { INS } },
					      .out = { HARVEST_U8, 1, { 1 } },
					      .metric = HARVEST_MISS_RATE,
					      .reference = decision_reference,
					      .sample = decision_sample };

/* Rows of random bytes with targets of a kind, for nets without a task. */
struct batch {
	int8_t x[WIDE_BATCH * INS];
	float y[WIDE_BATCH * 2];
};

static void fill(struct batch *b, uint64_t seed, bool logistic)
{
	struct hv_rng r;

	hv_rng_seed(&r, seed);
	for (size_t i = 0; i < sizeof(b->x); i++)
		b->x[i] = (int8_t)((int)hv_rng_below(&r, 256) - 128);
	for (size_t i = 0; i < HV_ARRAY_SIZE(b->y); i++)
		b->y[i] = logistic ? (float)hv_rng_below(&r, 2) : (float)hv_rng_normal(&r, 0, 1);
}

static void run_shards(struct wide_net *net, const struct batch *b)
{
	for (unsigned i = 0; i < WIDE_SHARDS; i++) {
		size_t at = (size_t)i * WIDE_SHARD_ROWS;
		struct wide_rows rows = { .x = b->x + at * net->in, .y = b->y + at * net->targets };

		wide_net_shard(net, i, &rows);
	}
}

static struct wide_net *net_new(bool logistic, unsigned targets)
{
	const struct wide_shape shape = { 2, { 12, 7 } };
	struct wide_net *net = NULL;

	ck_assert_int_eq(wide_net_new(&shape, INS, targets, logistic, 3, &net), HV_OK);
	return net;
}

START_TEST(a_gradient_is_the_slope_of_the_loss)
{
	struct batch *b = malloc(sizeof(*b));
	struct wide_net *net = net_new(_i == 0, 2);
	const float h = 2e-2F;

	fill(b, 1, _i == 0);
	for (size_t p = 0; p < net->n; p += 5) {
		double up, down, slope = 0;
		float keep = net->used[p];

		net->used[p] = keep + h;
		run_shards(net, b);
		up = wide_net_loss(net);
		net->used[p] = keep - h;
		run_shards(net, b);
		down = wide_net_loss(net);
		net->used[p] = keep;
		run_shards(net, b);
		for (unsigned i = 0; i < WIDE_SHARDS; i++)
			slope += net->shard[i].grad[p];
		ck_assert_msg(fabs(slope - (up - down) / (2 * h)) < 2e-3 + 0.03 * fabs(slope),
			      "parameter %zu: %g, differences say %g", p, slope,
			      (up - down) / (2 * h));
	}
	wide_net_free(net);
	free(b);
}
END_TEST

/* The layers of a whole net as the accelerator's reference sees them. */
static void as_network(const struct wide_net *net, int8_t *weights, int8_t *bias,
		       struct cnn_net *to)
{
	*to = (struct cnn_net){ .layers = net->layers, .channels = INS, .height = 1, .width = 1 };
	for (unsigned l = 0; l < net->layers; l++) {
		const struct wide_layer *y = &net->layer[l];
		bool last = l + 1 == net->layers;

		wide_net_take(net, l, weights, bias);
		to->layer[l] = (struct cnn_layer){ .op = CNN_OP_LINEAR,
						   .from = (int)l - 1,
						   .in_channels = (uint16_t)y->in,
						   .height = 1,
						   .width = 1,
						   .out_channels = (uint16_t)y->out,
						   .weight_bits = 8,
						   .shift = (int8_t)(last ? 0 : y->shift),
						   .act = last ? CNN_ACT_NONE : CNN_ACT_RELU,
						   .out_bits = last ? 32 : 8,
						   .is_output = last,
						   .weights = weights,
						   .bias = bias };
		weights += (size_t)y->in * y->out;
		bias += y->out;
	}
}

/* Every unit of every layer, bit for bit; the last layer's sums too, behind its unit. */
START_TEST(a_whole_net_answers_as_the_accelerator_does)
{
	struct batch *b = malloc(sizeof(*b));
	struct wide_net *net = net_new(true, 1);
	hv_autofree int8_t *weights = malloc(net->n), *bias = malloc(net->n);
	struct cnn_net same;
	char why[200] = "";

	fill(b, 2, true);
	run_shards(net, b);
	ck_assert_int_eq(wide_net_make_whole(net), HV_OK);
	for (unsigned s = 0; s < 20; s++) { /* so that roundings and limits are met */
		run_shards(net, b);
		wide_net_begin_step(net);
		for (unsigned i = 0; i < WIDE_SHARDS; i++)
			wide_net_learn(net, i, 2);
	}
	run_shards(net, b);
	as_network(net, weights, bias, &same);
	ck_assert_msg(cnn_net_check(&same, why, sizeof(why)) == HV_OK, "%s", why);
	for (size_t i = 0; i < WIDE_BATCH; i += 7) {
		const struct wide_shard *s = &net->shard[i / WIDE_SHARD_ROWS];
		const struct wide_layer *top = &net->layer[net->layers - 1];
		size_t row = i % WIDE_SHARD_ROWS;
		struct cnn_tensors t;

		ck_assert_int_eq(cnn_ref_run(&same, b->x + i * INS, &t), HV_OK);
		for (unsigned l = 0; l + 1 < net->layers; l++)
			for (unsigned u = 0; u < net->layer[l].out; u++)
				ck_assert_float_eq(s->h[l][row * net->layer[l].out + u],
						   (float)t.out[l][u]);
		ck_assert_float_eq_tol((s->h[2][row] - net->used[top->bias]) / top->factor,
				       (float)t.out[2][0], 0.5F);
		cnn_tensors_free(&t);
	}
	wide_net_free(net);
	free(b);
}
END_TEST

/* To be made whole changes little of what a net answers. */
START_TEST(making_a_net_whole_keeps_its_answers)
{
	struct batch *b = malloc(sizeof(*b));
	struct wide_net *net = net_new(false, 1);
	hv_autofree float *before = malloc(WIDE_SHARD_ROWS * sizeof(*before));
	double err = 0, power = 0;

	fill(b, 4, false);
	run_shards(net, b);
	memcpy(before, net->shard[1].h[2], WIDE_SHARD_ROWS * sizeof(*before));
	ck_assert_int_eq(wide_net_make_whole(net), HV_OK);
	run_shards(net, b);
	for (unsigned i = 0; i < WIDE_SHARD_ROWS; i++) {
		double e = net->shard[1].h[2][i] - before[i];

		err += e * e;
		power += (double)before[i] * before[i];
	}
	ck_assert_double_lt(err, 0.03 * power);
	wide_net_free(net);
	free(b);
}
END_TEST

static struct nas_request request(unsigned threads)
{
	return (struct nas_request){ .task = &decision,
				     .aim = 0.04,
				     .max_error = 0.04,
				     .max_host_cycles = 60,
				     .budget_s = 600,
				     .seed = 5,
				     .threads = threads };
}

/* The whole way: from ten numbers to a package that decides. */
START_TEST(a_decision_is_learnt_and_the_same_whatever_the_threads)
{
	uint8_t *bytes[2];
	size_t len[2];
	char why[300] = "";

	for (unsigned i = 0; i < 2; i++) {
		struct nas_request q = request(1 + i);
		struct nas_front *f = NULL;
		struct nas_found *x;
		bool meets;

		ck_assert_msg(nas_search(&q, &f, why, sizeof(why)) == HV_OK, "%s", why);
		ck_assert_double_gt(f->base_error, 0.15); /* of the linear fit */
		x = nas_front_choose(f, &q, &meets);
		ck_assert_msg(meets, "error %g", x->error);
		ck_assert_str_eq(x->engine, "wide");
		ck_assert_uint_le(x->host_cycles, 60);
		ck_assert_int_eq(x->words, 1);
		ck_assert_int_eq(package_encode(x->package, &bytes[i], &len[i]), HV_OK);
		nas_front_free(f);
	}
	ck_assert_uint_eq(len[0], len[1]);
	ck_assert_mem_eq(bytes[0], bytes[1], len[0]);
	free(bytes[0]);
	free(bytes[1]);
}
END_TEST

static void distance_reference(const void *in, double *out)
{
	int16_t x[INS];

	memcpy(x, in, sizeof(x));
	out[0] = abs(x[0] - x[1]) + abs(x[5] - x[9]);
}

/* The same engine for numbers: what it has learnt explains most of how they vary. */
START_TEST(numbers_are_learnt_by_their_squares)
{
	struct harvest_task distance = decision;
	struct nas_plan *plan = calloc(1, sizeof(*plan));
	struct wide_effort e = { .shape = { 1, { 16 } }, .steps = 400, .seed = 2, .threads = 1 };
	struct wide_pool pool;
	struct wide_net *net = NULL;
	struct nas_data some;
	char why[300] = "";

	distance.metric = HARVEST_NRMSE;
	distance.out.dtype = HARVEST_S32;
	distance.reference = distance_reference;
	for (unsigned i = 0; i < INS; i++)
		ck_assert(nas_plan_channel(plan, nas_plan_in(plan, i), 1.0 / 128, -128.5));
	plan->targets = 1;
	ck_assert_int_eq(nas_data_draw(&distance, 1, 0, 1000, &some, why, sizeof(why)), HV_OK);
	ck_assert_int_eq(wide_pool_new(plan, &some, &pool), HV_OK);
	ck_assert(!pool.decides);
	ck_assert_msg(wide_train(&pool, &e, &net, why, sizeof(why)) == HV_OK, "%s", why);
	ck_assert(net->whole);
	ck_assert_double_lt(wide_net_loss(net), 0.01); /* half the variance before */
	wide_net_free(net);
	wide_pool_clear(&pool);
	nas_data_clear(&some);
	free(plan);
}
END_TEST

START_TEST(inputs_that_cost_the_host_too_much_are_refused)
{
	struct nas_request q = request(1);
	struct nas_front *f = NULL;
	char why[300] = "";

	q.max_host_cycles = 40;
	ck_assert_int_eq(nas_search(&q, &f, why, sizeof(why)), HV_E_BUDGET);
	ck_assert_ptr_nonnull(strstr(why, "10 inputs"));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("wide");
	TCase *t = tcase_create("wide");
	SRunner *r;
	int failed;

	nas_jobs_prepare();
	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, a_gradient_is_the_slope_of_the_loss, 0, 2);
	tcase_add_test(t, a_whole_net_answers_as_the_accelerator_does);
	tcase_add_test(t, making_a_net_whole_keeps_its_answers);
	tcase_add_test(t, a_decision_is_learnt_and_the_same_whatever_the_threads);
	tcase_add_test(t, numbers_are_learnt_by_their_squares);
	tcase_add_test(t, inputs_that_cost_the_host_too_much_are_refused);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
