#include "nas/certify.h"
#include "nas/curve.h"
#include "nas/encoding.h"
#include "nas/hinge.h"
#include "nas/jobs.h"
#include "nas/journal.h"
#include "nas/lsq.h"
#include "nas/model.h"
#include "nas/search.h"
#include "nas/structure/structure.h"
#include "tasks/catalog.h"
#include "tasks/metric.h"
#include "util/rng.h"
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A task of this test's own: y = x0 * x1 / 2^14, with a part that no network of ours has. */
static void product_reference(const void *in, double *out)
{
	int16_t x[2];

	memcpy(x, in, sizeof(x));
	out[0] = x[0] * (double)x[1] / 16384 + 3000 * sin(x[0] / 4000.0);
}

static void product_sample(uint64_t seed, uint64_t index, void *in)
{
	struct hv_rng r;
	int16_t x[2];

	hv_rng_seed(&r, seed * 1000003 + index);
	x[0] = (int16_t)hv_rng_uniform(&r, -16000, 16000);
	x[1] = (int16_t)hv_rng_uniform(&r, -16000, 16000);
	memcpy(in, x, sizeof(x));
}

static const struct harvest_task product = { .size = sizeof(product),
					     .abi = HARVEST_TASK_ABI,
					     .name = "product_of_test",
					     .about = "",
					     .version = 1,
					     .in = { HARVEST_S16, 1, { 2 } },
					     .out = { HARVEST_S16, 1, { 1 } },
					     .metric = HARVEST_NRMSE_RANGE,
					     .reference = product_reference,
					     .sample = product_sample };

static void random_bytes(struct hv_rng *r, int8_t *to, size_t n, int most)
{
	for (size_t i = 0; i < n; i++)
		to[i] = (int8_t)((int)hv_rng_below(r, (uint32_t)(2 * most + 1)) - most);
}

/* A model of random numbers: `hiddens` layers of different widths. */
static struct nas_model *random_model(struct hv_rng *r, unsigned hiddens, bool direct,
				      bool residual)
{
	struct nas_model *m = calloc(1, sizeof(*m));
	unsigned from = 5;

	m->plan = calloc(1, sizeof(*m->plan));
	for (unsigned i = 0; i < 5; i++)
		ck_assert(nas_plan_channel(m->plan, nas_plan_in(m->plan, i % 2), 0.002 * (i + 1),
					   (double)i));
	m->plan->targets = 1;
	m->direct = direct;
	m->residual = residual;
	for (unsigned i = 0; i < hiddens; i++) {
		struct nas_hidden *h = &m->hidden[m->hiddens++];

		*h = (struct nas_hidden){ .units = 3 + hv_rng_below(r, 9),
					  .from = from,
					  .shift = -(int)hv_rng_below(r, 3),
					  .act = (enum cnn_act)hv_rng_below(r, 3) };
		h->weights = malloc(h->units * from);
		h->bias = malloc(h->units);
		random_bytes(r, h->weights, h->units * from, 90);
		random_bytes(r, h->bias, h->units, 60);
		from = h->units;
	}
	snprintf(m->engine, sizeof(m->engine), "test");
	return m;
}

START_TEST(a_package_answers_as_its_model_does)
{
	struct hv_rng r;
	struct nas_data d;
	struct nas_model *m;
	struct package *p = NULL;
	double *t = NULL, *w = NULL, *want;
	float *x;
	int16_t got[300];
	char why[300] = "";

	hv_rng_seed(&r, (uint64_t)_i);
	ck_assert_int_eq(nas_data_draw(&product, 1, 0, 300, &d, why, sizeof(why)), HV_OK);
	m = random_model(&r, (unsigned)_i % 3, _i % 3 == 0 || _i % 2, _i / 3 % 2);
	x = nas_plan_channels(m->plan, &d);
	ck_assert_int_eq(nas_plan_targets(m->plan, &d, &t, &w), HV_OK);
	ck_assert_int_eq(nas_model_solve(m, x, d.n, t, w, _i % 5 == 0), HV_OK);
	ck_assert_msg(nas_model_package(m, &product, &p, why, sizeof(why)) == HV_OK, "%s", why);
	want = nas_model_answers(m, &d, x);
	ck_assert_int_eq(package_run(p, d.records, got, d.n), HV_OK);
	for (size_t i = 0; i < d.n; i++)
		/* sums in another order: half a unit and the last bit of a double */
		ck_assert_double_le(fabs(got[i] - want[i]), 0.5 + 1e-6);
	package_free(p);
	nas_model_free(m);
	nas_data_clear(&d);
	free(t);
	free(w);
	free(x);
	free(want);
}
END_TEST

enum { ROWS = 400, COLS = 12 };

/* Error of nearest-plane rounding and of plain rounding on one problem of correlated columns. */
static void round_both(uint64_t seed, double *plane, double *plain)
{
	float *f = malloc(sizeof(*f) * COLS * ROWS);
	double t[ROWS], w[ROWS], true_coef[COLS], coef[COLS + 1], err, constant;
	const double unit = 0.05;
	const uint8_t group[COLS + 1] = { 0 };
	int32_t q[COLS + 1];
	struct nas_gram g;
	struct hv_rng r;

	hv_rng_seed(&r, seed);
	for (int c = 0; c < COLS; c++)
		true_coef[c] = hv_rng_normal(&r, 0, 1);
	for (int i = 0; i < ROWS; i++) {
		double common = hv_rng_normal(&r, 0, 30);

		w[i] = 1;
		t[i] = 0;
		for (int c = 0; c < COLS; c++) {
			f[c * ROWS + i] = (float)rint(common + hv_rng_normal(&r, 0, 5));
			t[i] += true_coef[c] * (double)f[c * ROWS + i];
		}
	}
	ck_assert_int_eq(nas_gram_make(f, COLS, t, 1, w, ROWS, &g), HV_OK);
	ck_assert_int_eq(nas_gram_solve(&g, 0, 1e-12, coef, &err), HV_OK);
	ck_assert_double_lt(err, 1e-3);
	ck_assert_int_eq(nas_gram_round(&g, 0, 1e-12, group, &unit, 127, NULL, q, &constant, &err),
			 HV_OK);
	*plane += err;
	for (int i = 0; i < ROWS; i++) {
		double e = coef[0] - t[i];

		for (int c = 0; c < COLS; c++)
			e += rint(coef[c + 1] / unit) * unit * (double)f[c * ROWS + i];
		*plain += e * e;
	}
	nas_gram_clear(&g);
	free(f);
}

START_TEST(rounding_that_makes_up_for_itself_beats_plain_rounding)
{
	double plane = 0, plain = 0;

	for (uint64_t seed = 1; seed <= 40; seed++)
		round_both(seed, &plane, &plain);
	ck_assert_double_lt(plane, 0.5 * plain);
}
END_TEST

static struct nas_request request(const struct harvest_task *t, unsigned threads)
{
	return (struct nas_request){ .task = t,
				     .aim = 0.01,
				     .max_error = 0.01,
				     .max_host_cycles = 90,
				     .budget_s = 600,
				     .seed = 7,
				     .threads = threads };
}

START_TEST(a_search_reaches_its_aim_whatever_the_threads)
{
	struct nas_front *f[2] = { NULL, NULL };
	uint8_t *bytes[2];
	size_t len[2];
	char why[300] = "";

	for (unsigned i = 0; i < 2; i++) {
		struct nas_request q = request(&product, 1 + i);
		struct nas_found *x;
		struct nas_verdict v;
		bool meets;

		ck_assert_msg(nas_search(&q, &f[i], why, sizeof(why)) == HV_OK, "%s", why);
		x = nas_front_choose(f[i], &q, &meets);
		ck_assert(meets);
		ck_assert_uint_le(x->host_cycles, 90);
		ck_assert_int_eq(nas_certify(x->package, &product, NAS_TEST_STREAM, 1024, &v, why,
					     sizeof(why)),
				 HV_OK);
		ck_assert_double_ge(x->package->cert.certified, v.whole);
		ck_assert_double_lt(fabs(v.whole - x->error), 0.2 * x->error);
		ck_assert_int_eq(nas_domain(x->package, &product), HV_OK);
		ck_assert_int_eq(nas_vectors(x->package, &product), HV_OK);
		snprintf(x->package->name, sizeof(x->package->name), "product");
		ck_assert_int_eq(package_encode(x->package, &bytes[i], &len[i]), HV_OK);
	}
	ck_assert_uint_eq(len[0], len[1]);
	ck_assert_mem_eq(bytes[0], bytes[1], len[0]);
	for (unsigned i = 0; i < 2; i++) {
		struct package *p = NULL;

		ck_assert_msg(package_decode(bytes[i], len[i], &p, why, sizeof(why)) == HV_OK, "%s",
			      why);
		ck_assert_int_eq(package_self_test(p, why, sizeof(why)), HV_OK);
		package_free(p);
		nas_front_free(f[i]);
		free(bytes[i]);
	}
}
END_TEST

/* Encodes p and reads it back with this outcome. */
static void decoded(struct package *p, int want, const char *word)
{
	struct package *back = NULL;
	uint8_t *bytes = NULL;
	size_t len = 0;
	char why[300] = "";
	int r;

	snprintf(p->name, sizeof(p->name), "product");
	ck_assert_int_eq(package_encode(p, &bytes, &len), HV_OK);
	r = package_decode(bytes, len, &back, why, sizeof(why));
	ck_assert_msg(r == want && strstr(why, word) != NULL, "%d: %s", r, why);
	if (r == HV_OK)
		package_free(back);
	free(bytes);
}

/* Of a model of random numbers, solved on the records of d. */
static struct package *random_package(const struct nas_data *d)
{
	struct hv_rng r;
	struct nas_model *m;
	struct package *p = NULL;
	double *t = NULL, *w = NULL;
	float *x;
	char why[300] = "";

	hv_rng_seed(&r, 5);
	m = random_model(&r, 1, true, false);
	x = nas_plan_channels(m->plan, d);
	ck_assert_int_eq(nas_plan_targets(m->plan, d, &t, &w), HV_OK);
	ck_assert_int_eq(nas_model_solve(m, x, d->n, t, w, false), HV_OK);
	ck_assert_msg(nas_model_package(m, &product, &p, why, sizeof(why)) == HV_OK, "%s", why);
	nas_model_free(m);
	free(t);
	free(w);
	free(x);
	return p;
}

/* Both metrics divide the same errors, each by a number of its own. */
START_TEST(a_record_is_judged_in_the_unit_of_the_whole)
{
	struct harvest_task by_energy = product;
	struct nas_verdict v;
	struct nas_data d;
	struct package *p;
	double ratio;
	char why[300] = "";

	by_energy.metric = HARVEST_NRMSE;
	ck_assert_int_eq(nas_data_draw(&product, 1, 0, 200, &d, why, sizeof(why)), HV_OK);
	p = random_package(&d);
	ck_assert_int_eq(nas_certify(p, &product, NAS_TEST_STREAM, 256, &v, why, sizeof(why)),
			 HV_OK);
	ratio = p->cert.worst / v.whole;
	ck_assert_double_ge(ratio, 1);
	ck_assert_int_eq(nas_certify(p, &by_energy, NAS_TEST_STREAM, 256, &v, why, sizeof(why)),
			 HV_OK);
	ck_assert_double_eq_tol(p->cert.worst / v.whole, ratio, 1e-5 * ratio);
	ck_assert_double_le(p->cert.median, p->cert.worst);
	package_free(p);
	nas_data_clear(&d);
}
END_TEST

START_TEST(a_hosted_package_with_another_shape_is_refused)
{
	struct nas_verdict v;
	struct package *p;
	struct nas_data d;
	char why[300] = "";

	ck_assert_int_eq(nas_data_draw(&product, 1, 0, 200, &d, why, sizeof(why)), HV_OK);
	p = random_package(&d);
	ck_assert_int_eq(nas_domain(p, &product), HV_OK);
	ck_assert(package_in_domain(p, d.records));
	p->domain[0] = p->domain[1] = 40000;
	ck_assert(!package_in_domain(p, d.records));
	p->domain[0] = -16000, p->domain[1] = 16000;
	ck_assert_int_eq(nas_vectors(p, &product), HV_OK);
	ck_assert_int_eq(nas_certify(p, &product, NAS_TEST_STREAM, 256, &v, why, sizeof(why)),
			 HV_OK);
	decoded(p, HV_OK, "");
	p->host->words++;
	decoded(p, HV_E_FORMAT, "values");
	p->host->words--;
	p->level = 1;
	decoded(p, HV_E_FORMAT, "level");
	p->level = 0;
	p->n_domain = 1;
	decoded(p, HV_OK, "");
	p->n_domain = 0;
	decoded(p, HV_E_FORMAT, "domain");
	p->n_domain = 2;
	p->domain[3] = -1e6;
	decoded(p, HV_E_FORMAT, "domain");
	p->domain[3] = 1e6;
	p->cert.in_max = 3;
	decoded(p, HV_E_FORMAT, "domain");
	package_free(p);
	nas_data_clear(&d);
}
END_TEST

/* The network of comparators gives the median of what the seven bits are. */
START_TEST(comparators_give_the_exact_median)
{
	const struct harvest_task *t = task_find("median9");
	struct nas_request q = request(t, 1);
	struct nas_front *f = NULL;
	int16_t in[64], out[56];
	double want[56];
	struct hv_rng r;
	char why[300] = "";

	hv_rng_seed(&r, 3);
	q.max_host_cycles = 0;
	ck_assert_msg(nas_search(&q, &f, why, sizeof(why)) == HV_OK, "%s", why);
	ck_assert_uint_eq(f->n, 1);
	for (int round = 0; round < 50; round++) {
		for (int i = 0; i < 64; i++) /* middles of steps, so nothing is lost */
			in[i] = (int16_t)(512 * (int)hv_rng_below(&r, 127) - 32512);
		t->reference(in, want);
		ck_assert_int_eq(package_run(f->of[0].package, in, out, 1), HV_OK);
		for (int i = 0; i < 56; i++)
			ck_assert_double_le(fabs(out[i] - want[i]), 256);
	}
	nas_front_free(f);
}
END_TEST

/* An energy that is always there hides in loud blocks: the certificate is that of quiet ones. */
START_TEST(a_certificate_of_two_parts_is_that_of_the_worst_kind_of_records)
{
	const struct harvest_task *t = task_find("features64");
	struct nas_request q = request(t, 1);
	struct nas_front *f = NULL;
	struct nas_verdict v;
	struct package *p;
	char why[300] = "";

	ck_assert_msg(nas_search(&q, &f, why, sizeof(why)) == HV_OK, "%s", why);
	ck_assert_uint_eq(f->n, 1);
	ck_assert_uint_le(f->of[0].host_cycles, t->cpu_cycles / 3);
	p = f->of[0].package;
	ck_assert_int_eq(nas_certify(p, t, NAS_TEST_STREAM, 3072, &v, why, sizeof(why)), HV_OK);
	ck_assert_double_lt(p->cert.certified, t->goal);
	ck_assert_double_gt(p->cert.certified, 0.0034); /* of the medians */
	for (uint32_t i = p->host->n_ins; i-- > 0;)
		if (p->host->ins[i].op == HP_IN && p->host->ins[i].index == 63) {
			p->host->ins[i] = (struct hostprog_ins){ .op = HP_CONST, .k = 1500 };
			break;
		}
	ck_assert_int_eq(nas_certify(p, t, NAS_TEST_STREAM, 3072, &v, why, sizeof(why)), HV_OK);
	ck_assert_double_gt(v.whole, t->pass);
	ck_assert_double_gt(p->cert.certified, 1.5 * v.whole);
	nas_front_free(f);
}
END_TEST

/* Real and imaginary parts of bins, lengths by the host: within a third of the exact code. */
START_TEST(parts_of_bins_give_their_lengths)
{
	struct nas_request q = request(task_find("specmag256"), 1);
	struct nas_front *f = calloc(1, sizeof(*f));
	char why[300] = "";
	struct structure s = { &q, f, why, sizeof(why) };

	ck_assert_ptr_nonnull(f);
	ck_assert_msg(structure_bins(&s, true) == HV_OK, "%s", why);
	ck_assert_msg(structure_bins(&s, false) == HV_OK, "%s", why);
	ck_assert_uint_eq(f->n, 2);
	ck_assert_double_gt(f->of[0].error, 48);
	ck_assert_uint_le(f->of[0].host_cycles, q.task->cpu_cycles / 3);
	ck_assert_double_gt(f->of[1].error, 40);
	ck_assert_uint_lt(f->of[1].host_cycles, f->of[0].host_cycles);
	nas_front_free(f);
}
END_TEST

static void constant_reference(const void *in, double *out)
{
	(void)in;
	out[0] = 4;
}

static void nan_reference(const void *in, double *out)
{
	(void)in;
	out[0] = NAN;
}

START_TEST(a_task_that_answers_nothing_is_refused)
{
	struct harvest_task t = product;
	struct nas_request q = request(&t, 1);
	struct nas_front *f = NULL;
	char why[300] = "";

	t.reference = constant_reference;
	ck_assert_int_eq(nas_search(&q, &f, why, sizeof(why)), HV_E_INVAL);
	ck_assert_ptr_nonnull(strstr(why, "same to every record"));
	t.reference = nan_reference;
	ck_assert_int_eq(nas_search(&q, &f, why, sizeof(why)), HV_E_INVAL);
	ck_assert_ptr_nonnull(strstr(why, "no finite"));
}
END_TEST

/* A task of one input, answers 0.01 to 100, log-uniform samples. */
static void decades_reference(const void *in, double *out)
{
	memcpy(out, in, sizeof(*out));
}

static void decades_sample(uint64_t seed, uint64_t index, void *in)
{
	struct hv_rng r;
	double x;

	hv_rng_seed(&r, seed * 1000003 + index);
	x = pow(10, hv_rng_uniform(&r, -2, 2));
	memcpy(in, &x, sizeof(x));
}

static const struct harvest_task decades = { .size = sizeof(decades),
					     .abi = HARVEST_TASK_ABI,
					     .name = "decades_of_test",
					     .about = "",
					     .version = 1,
					     .in = { HARVEST_F64, 1, { 1 } },
					     .out = { HARVEST_F64, 1, { 1 } },
					     .metric = HARVEST_MEAN_REL,
					     .reference = decades_reference,
					     .sample = decades_sample };

static struct nas_data decades_data(size_t n)
{
	struct nas_data d;
	char why[200];

	ck_assert_int_eq(nas_data_draw(&decades, 1, 0, n, &d, why, sizeof(why)), HV_OK);
	return d;
}

/* The instructions behind a word, run. */
static double bent(const struct nas_plan *p, double word)
{
	double v[NAS_VALUES_MAX];

	for (unsigned i = 0; i < p->posts; i++) {
		const struct hostprog_ins *s = &p->post[i];

		if (s->op == HP_WORD)
			v[i] = word;
		else if (s->op == HP_CONST)
			v[i] = s->k;
		else
			hostprog_column(s->op, 1, &v[s->a], &v[s->b], &v[s->c], &v[i]);
	}
	return v[p->result[0]];
}

START_TEST(a_curve_gives_back_every_answer_of_either_sign)
{
	const enum nas_curve_kind kind = (enum nas_curve_kind)_i;
	struct nas_data d = decades_data(512);
	struct nas_plan *p = calloc(1, sizeof(*p));

	for (int sign = -1; sign <= 1; sign += 2) {
		for (size_t i = 0; i < d.n; i++)
			d.ref[i] = sign * fabs(d.ref[i]);
		ck_assert(nas_curve_apply(p, kind, &d));
		for (size_t i = 0; i < d.n; i++) {
			double y = bent(p, nas_curve_target(&p->curve, d.ref[i]));

			ck_assert_msg(fabs(y / d.ref[i] - 1) < 1e-4, "%s: %g instead of %g",
				      nas_curve_text(kind), y, d.ref[i]);
		}
		ck_assert(isfinite(bent(p, 1e30)) && isfinite(bent(p, -1e30)));
	}
	free(p);
	nas_data_clear(&d);
}
END_TEST

START_TEST(no_curve_is_fitted_to_answers_of_both_signs)
{
	struct nas_data d = decades_data(512);
	struct nas_plan *p = calloc(1, sizeof(*p));

	d.ref[7] = -d.ref[7];
	for (int kind = 0; kind < NAS_CURVES; kind++)
		ck_assert(!nas_curve_apply(p, (enum nas_curve_kind)kind, &d));
	ck_assert_uint_eq(p->posts, 0);
	nas_data_clear(&d);
	free(p);
}
END_TEST

START_TEST(pieces_by_rank_hold_as_many_records_each)
{
	struct nas_data d = decades_data(4096);
	struct nas_encoding *e = calloc(1, sizeof(*e));
	unsigned in[8] = { 0 };

	e->cut[0] = (struct nas_cut){ .value = (uint16_t)nas_plan_in(&e->plan, 0),
				      .pieces = 8,
				      .spacing = NAS_BY_RANK };
	e->cuts = 1;
	nas_encoding_range(e, 0, &d);
	ck_assert(nas_encoding_apply(e));
	ck_assert_uint_eq(e->plan.channels, 8);
	for (size_t i = 0; i < d.n; i++)
		for (unsigned k = 0; k < 8; k++) {
			double c = e->plan.channel[k].gain * d.in[i] + e->plan.channel[k].offset;

			in[k] += c > -128 && c <= 127;
		}
	for (unsigned k = 0; k < 8; k++)
		ck_assert_msg(in[k] > 400 && in[k] < 624, "%u of 512 records in piece %u", in[k],
			      k);
	nas_data_clear(&d);
	free(e);
}
END_TEST

static struct nas_journal *journal_of(const char *path, const struct nas_data *d, bool *damaged)
{
	struct nas_journal *j = NULL;
	char why[300];

	ck_assert_msg(nas_journal_open(path, d, &j, damaged, why, sizeof(why)) == HV_OK, "%s", why);
	return j;
}

static struct nas_key numbered(uint64_t n)
{
	struct nas_key k = nas_key_begin("test");

	nas_key_u64(&k, n);
	return k;
}

static unsigned found(struct nas_journal *j)
{
	unsigned n = 0;

	for (uint64_t i = 0; i < 20; i++) {
		size_t len = 0;
		uint8_t *b = nas_journal_find(j, numbered(i), &len);

		if (b == NULL)
			continue;
		ck_assert_uint_eq(len, 8);
		ck_assert_mem_eq(b, &i, 8);
		free(b);
		n++;
	}
	return n;
}

static void put_file(int fd, const uint8_t *b, ssize_t n)
{
	ck_assert_int_eq(ftruncate(fd, 0), 0);
	ck_assert_int_eq(pwrite(fd, b, (size_t)n, 0), n);
}

/* Cut at many lengths, and with many a byte changed: what is found is what was kept. */
START_TEST(a_journal_gives_what_it_was_given_or_nothing)
{
	enum { HEAD = 36, ENTRY = 48, ENTRIES = 20 };
	char path[] = "journal_of_test.XXXXXX";
	struct nas_data d = decades_data(64);
	uint8_t whole[HEAD + ENTRIES * ENTRY + 1];
	int fd = mkstemp(path);
	bool damaged;
	struct nas_journal *j;
	ssize_t len;

	ck_assert_int_ge(fd, 0);
	j = journal_of(path, &d, &damaged);
	for (uint64_t i = 0; i < ENTRIES; i++)
		nas_journal_keep(j, numbered(i), &i, 8);
	ck_assert_int_eq(nas_journal_error(j), 0);
	nas_journal_close(j);
	len = pread(fd, whole, sizeof(whole), 0);
	ck_assert_int_eq(len, HEAD + ENTRIES * ENTRY);
	for (ssize_t cut = 0; cut < HEAD; cut++) { /* not even begun */
		put_file(fd, whole, cut);
		j = journal_of(path, &d, &damaged);
		ck_assert_uint_eq(found(j), 0);
		nas_journal_close(j);
	}
	for (ssize_t cut = HEAD; cut <= len; cut += 5) {
		put_file(fd, whole, cut);
		j = journal_of(path, &d, &damaged);
		ck_assert(!damaged);
		ck_assert_uint_eq(found(j), (unsigned)(cut - HEAD) / ENTRY);
		nas_journal_close(j);
	}
	for (ssize_t at = HEAD; at < len; at += 7) {
		whole[at] ^= 0x41;
		put_file(fd, whole, len);
		whole[at] ^= 0x41;
		j = journal_of(path, &d, &damaged);
		ck_assert_uint_eq(found(j), (unsigned)(at - HEAD) / ENTRY);
		nas_journal_close(j);
	}
	for (ssize_t n = 1; n < HEAD; n++) {
		char why[400] = "";

		put_file(fd, (const uint8_t *)"to whom it may concern: no journal", n);
		ck_assert_int_eq(nas_journal_open(path, &d, &j, &damaged, why, sizeof(why)),
				 HV_E_FORMAT);
		ck_assert_msg(strstr(why, "is no journal") != NULL, "%s", why);
	}
	close(fd);
	unlink(path);
	nas_data_clear(&d);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("nas");
	TCase *t = tcase_create("nas");
	SRunner *r;
	int failed;

	nas_jobs_prepare();
	tcase_set_timeout(t, 300);
	tcase_add_loop_test(t, a_package_answers_as_its_model_does, 0, 12);
	tcase_add_test(t, rounding_that_makes_up_for_itself_beats_plain_rounding);
	tcase_add_test(t, a_record_is_judged_in_the_unit_of_the_whole);
	tcase_add_test(t, a_hosted_package_with_another_shape_is_refused);
	tcase_add_test(t, comparators_give_the_exact_median);
	tcase_add_test(t, a_certificate_of_two_parts_is_that_of_the_worst_kind_of_records);
	tcase_add_test(t, parts_of_bins_give_their_lengths);
	tcase_add_test(t, a_task_that_answers_nothing_is_refused);
	tcase_add_loop_test(t, a_curve_gives_back_every_answer_of_either_sign, NAS_CURVE_EXP,
			    NAS_CURVES);
	tcase_add_test(t, no_curve_is_fitted_to_answers_of_both_signs);
	tcase_add_test(t, pieces_by_rank_hold_as_many_records_each);
	tcase_add_test(t, a_journal_gives_what_it_was_given_or_nothing);
	if (getenv("HARVEST_LONG") != NULL)
		tcase_add_test(t, a_search_reaches_its_aim_whatever_the_threads);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
