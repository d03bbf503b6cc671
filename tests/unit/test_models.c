/* The catalogue of packages, the domain check before a board is used and the audit after. */
#include "accel/build/build.h"
#include "accel/import/import.h"
#include "daemon/log.h"
#include "daemon/models/models_priv.h"
#include "daemon/quality/audit.h"
#include "tasks/catalog.h"
#include "tests/lib/temp_dir.h"
#include "util/own.h"
#include <check.h>
#include <sys/stat.h>

static char dir[64], sys_dir[80], state_dir[96];
static struct models *set;
static char why[300];

static uint8_t *file_of(const char *task, unsigned level, size_t *len)
{
	struct package *p = NULL;
	uint8_t *bytes = NULL;

	ck_assert_msg(cnn_build_linear(task_find(task), level, 128, &p, why, sizeof(why)) == HV_OK,
		      "%s", why);
	ck_assert_int_eq(package_encode(p, &bytes, len), HV_OK);
	package_free(p);
	return bytes;
}

static void put(const char *name, const void *bytes, size_t len)
{
	char path[200];

	snprintf(path, sizeof(path), "%s/%s", sys_dir, name);
	ck_assert_int_eq(hv_file_write(path, bytes, len), HV_OK);
}

static void setup(void)
{
	temp_dir_make(dir, sizeof(dir));
	snprintf(sys_dir, sizeof(sys_dir), "%s/sys", dir);
	snprintf(state_dir, sizeof(state_dir), "%s/state/models", dir);
	ck_assert_int_eq(mkdir(sys_dir, 0755), 0);
	set = NULL;
	why[0] = '\0';
}

static void teardown(void)
{
	models_free(set);
	temp_dir_remove(dir);
}

/* All three steps at once. */
static int change(struct models_change *ch)
{
	int err;

	models_begin(set, ch);
	models_run(set, ch);
	err = models_finish(set, ch);
	snprintf(why, sizeof(why), "%.250s", ch->why);
	return err;
}

static int install(const uint8_t *bytes, size_t len, struct model **m)
{
	struct models_change ch = { .verb = MODELS_INSTALL, .bytes = bytes, .len = len };
	int err = change(&ch);

	*m = ch.model;
	return err;
}

static int by_name(enum models_verb verb, const char *name)
{
	struct models_change ch = { .verb = verb, .model = models_find(set, name) };

	ck_assert_ptr_nonnull(ch.model);
	return change(&ch);
}

static void load(void)
{
	char dirs[200];

	snprintf(dirs, sizeof(dirs), "/nonexistent:%s:%s", sys_dir, sys_dir);
	ck_assert_int_eq(models_new(dirs, state_dir, NULL, &set), HV_OK);
}

START_TEST(good_files_are_loaded_once_and_bad_ones_skipped)
{
	size_t n;
	hv_autofree uint8_t *bytes = file_of("dct32", 1, &n);

	put("a.hvm", bytes, n);
	put("b.hvm", bytes, n); /* the same content */
	put("cut.hvm", bytes, n / 2);
	put("empty.hvm", "", 0);
	put("not.txt", bytes, n);
	bytes[n / 2] ^= 1;
	put("flipped.hvm", bytes, n);
	load();
	ck_assert_uint_eq(models_count(set), 1);
	ck_assert_str_eq(models_at(set, 0)->pkg->name, "dct32-l1");
	ck_assert_uint_eq(strlen(models_at(set, 0)->hash_hex), 64);
	ck_assert_ptr_nonnull(strstr(models_at(set, 0)->origin, "sys/a.hvm"));
}
END_TEST

START_TEST(models_of_a_task_come_cheapest_first)
{
	struct model *m[8];

	for (unsigned level = 4; level >= 1; level--) {
		size_t n;
		hv_autofree uint8_t *bytes = file_of("matvec64", level, &n);
		char name[20];

		snprintf(name, sizeof(name), "%u.hvm", 5 - level);
		put(name, bytes, n);
	}
	load();
	ck_assert_uint_eq(models_count(set), 4);
	ck_assert_uint_eq(models_of_task(set, task_find("matvec64"), m, 8), 4);
	for (unsigned i = 1; i < 4; i++)
		ck_assert_uint_le(m[i - 1]->pkg->record_cycles, m[i]->pkg->record_cycles);
	ck_assert_uint_eq(models_of_task(set, task_find("matvec64"), m, 2), 2);
	ck_assert_str_eq(m[0]->pkg->name, "matvec64-l1");
	ck_assert_uint_eq(models_of_task(set, task_find("dct32"), m, 8), 0);
}
END_TEST

START_TEST(installed_packages_survive_a_restart_and_removed_ones_do_not)
{
	size_t n;
	hv_autofree uint8_t *bytes = file_of("dct32", 1, &n);
	struct model *m = NULL, *again = NULL;

	load();
	ck_assert_msg(install(bytes, n, &m) == HV_OK, "%s", why);
	ck_assert_ptr_eq(models_find(set, "dct32-l1"), m);
	ck_assert_int_eq(install(bytes, n, &again), HV_OK);
	ck_assert_ptr_eq(again, m);
	ck_assert_int_eq(by_name(MODELS_VERIFY, "dct32-l1"), HV_OK);
	models_free(set);
	load();
	ck_assert_uint_eq(models_count(set), 1);
	ck_assert_int_eq(by_name(MODELS_REMOVE, "dct32-l1"), HV_OK);
	ck_assert_uint_eq(models_count(set), 0);
	models_free(set);
	load();
	ck_assert_uint_eq(models_count(set), 0);
}
END_TEST

START_TEST(a_removed_model_lives_as_long_as_it_is_held)
{
	size_t n;
	hv_autofree uint8_t *bytes = file_of("dct32", 1, &n);
	struct model *m = NULL;

	load();
	ck_assert_int_eq(install(bytes, n, &m), HV_OK);
	model_hold(m);
	ck_assert_int_eq(by_name(MODELS_REMOVE, "dct32-l1"), HV_OK);
	ck_assert(m->removed);
	ck_assert_str_eq(m->pkg->name, "dct32-l1");
	model_drop(set, m);
}
END_TEST

struct left {
	unsigned n;
	struct model *last;
};

/* As a user of the model would: lets it go when told. */
static void on_leave(void *ctx, struct model *m)
{
	struct left *l = ctx;

	ck_assert(m->removed);
	ck_assert_ptr_ne(models_find(set, m->pkg->name), m);
	l->n++;
	l->last = m;
	model_drop(set, m);
}

START_TEST(who_uses_a_model_is_told_when_it_is_removed_or_replaced)
{
	size_t n, n_other;
	hv_autofree uint8_t *bytes = file_of("dct32", 1, &n), *other = NULL;
	struct model *first = NULL, *second = NULL;
	struct package *p = NULL;
	struct left left = { 0 };

	ck_assert_int_eq(cnn_build_linear(task_find("dct32"), 2, 128, &p, why, sizeof(why)), HV_OK);
	snprintf(p->name, sizeof(p->name), "dct32-l1");
	ck_assert_int_eq(package_encode(p, &other, &n_other), HV_OK);
	package_free(p);
	load();
	models_on_leave(set, on_leave, &left);
	ck_assert_int_eq(install(bytes, n, &first), HV_OK);
	ck_assert_uint_eq(left.n, 0);
	model_hold(first);
	ck_assert_msg(install(other, n_other, &second) == HV_OK, "%s", why);
	ck_assert_uint_eq(left.n, 1);
	ck_assert_ptr_eq(left.last, first);
	ck_assert_uint_eq(models_count(set), 1);
	ck_assert_ptr_eq(models_find(set, "dct32-l1"), second);
	model_hold(second);
	ck_assert_int_eq(by_name(MODELS_REMOVE, "dct32-l1"), HV_OK);
	ck_assert_uint_eq(left.n, 2);
	ck_assert_ptr_eq(left.last, second);
}
END_TEST

START_TEST(what_cannot_be_installed_is_refused_with_a_reason)
{
	size_t n;
	hv_autofree uint8_t *bytes = file_of("dct32", 1, &n);
	struct model *m = NULL;

	load();
	ck_assert_int_eq(install(bytes, n - 1, &m), HV_E_FORMAT);
	ck_assert_uint_gt(strlen(why), 10);
	ck_assert_int_eq(install((const uint8_t *)"HVM1", 4, &m), HV_E_FORMAT);
	ck_assert_ptr_null(models_find(set, "nothing"));
	models_free(set);
	ck_assert_int_eq(models_new(NULL, NULL, NULL, &set), HV_OK);
	ck_assert_int_eq(install(bytes, n, &m), HV_E_DENIED);
	ck_assert_ptr_nonnull(strstr(why, "state directory"));
}
END_TEST

/* A package whose vectors are not what its network answers. */
START_TEST(a_network_alone_serves_no_jobs_and_is_refused)
{
	static const int8_t weights[6] = { 1, 2, 3, 4, 5, 6 };
	const struct cnn_net net = { .layers = 1,
				     .channels = 3,
				     .height = 1,
				     .width = 1,
				     .layer = { { .op = CNN_OP_LINEAR,
						  .from = CNN_FROM_INPUT,
						  .in_channels = 3,
						  .height = 1,
						  .width = 1,
						  .out_channels = 2,
						  .weight_bits = 8,
						  .out_bits = 32,
						  .is_output = true,
						  .weights = weights } } };
	hv_autofree uint8_t *bytes = NULL;
	struct package *p = NULL;
	struct model *m = NULL;
	size_t n;

	ck_assert_int_eq(import_package("net", "", &net, NULL, &p, why, sizeof(why)), HV_OK);
	ck_assert_int_eq(package_encode(p, &bytes, &n), HV_OK);
	package_free(p);
	put("net.hvm", bytes, n);
	load();
	ck_assert_uint_eq(models_count(set), 0);
	ck_assert_int_eq(install(bytes, n, &m), HV_E_FORMAT);
	ck_assert_msg(strstr(why, "a network alone and serves no task") != NULL, "%s", why);
	ck_assert_uint_eq(models_count(set), 0);
}
END_TEST

START_TEST(a_package_that_fails_its_own_vectors_is_not_installed)
{
	struct package *p = NULL;
	uint8_t *bytes = NULL;
	struct model *m = NULL;
	size_t n;

	ck_assert_int_eq(cnn_build_linear(task_find("dct32"), 1, 128, &p, why, sizeof(why)), HV_OK);
	p->kat[0].out[5] ^= 1;
	ck_assert_int_eq(package_encode(p, &bytes, &n), HV_OK);
	package_free(p);
	load();
	ck_assert_int_eq(install(bytes, n, &m), HV_E_WRONG);
	ck_assert_uint_eq(models_count(set), 0);
	free(bytes);
}
END_TEST

START_TEST(records_outside_the_domain_are_found_and_named)
{
	size_t n;
	hv_autofree uint8_t *bytes = file_of("dct32", 1, &n);
	int16_t records[3][32];
	struct model *m = NULL;
	struct package_cert *c;

	load();
	ck_assert_int_eq(install(bytes, n, &m), HV_OK);
	c = &m->pkg->cert;
	for (int i = 0; i < 3; i++)
		for (int k = 0; k < 32; k++)
			records[i][k] = (int16_t)(k % 2 ? 1000 : -1000);
	c->in_min = -20000;
	c->in_max = 20000;
	c->in_min_rms = 500;
	ck_assert(model_in_domain(m, records, 3, why, sizeof(why)));
	records[2][31] = 20001;
	ck_assert(!model_in_domain(m, records, 3, why, sizeof(why)));
	ck_assert_ptr_nonnull(strstr(why, "record 2 has the value 20001"));
	records[2][31] = -20001;
	ck_assert(!model_in_domain(m, records, 3, why, sizeof(why)));
	ck_assert_ptr_nonnull(strstr(why, "-20001"));
	ck_assert(model_in_domain(m, records, 2, why, sizeof(why)));
	/* The least rms is one over all records of the job, so a pause in it is no matter. */
	memset(records[1], 0, sizeof(records[1]));
	ck_assert(model_in_domain(m, records, 2, why, sizeof(why)));
	memset(records[0], 0, sizeof(records[0]));
	ck_assert(!model_in_domain(m, records, 2, why, sizeof(why)));
	ck_assert_ptr_nonnull(strstr(why, "quieter than rms 500"));
	records[1][7] = 4000; /* 500 * sqrt(64) exactly */
	ck_assert(model_in_domain(m, records, 2, why, sizeof(why)));
	records[1][7] = 3999;
	ck_assert(!model_in_domain(m, records, 2, why, sizeof(why)));
	c->in_min = INT16_MIN;
	c->in_max = INT16_MAX;
	c->in_min_rms = 0;
	records[0][0] = INT16_MIN;
	ck_assert(model_in_domain(m, records, 3, why, sizeof(why)));
}
END_TEST

START_TEST(audit_lets_every_answer_of_the_network_pass_and_none_beyond_the_bound)
{
	static const char *const task[] = { "fft64", "dct32", "fir32", "matvec64" };
	const struct harvest_task *t = task_find(task[_i / 4]);
	size_t n, in_bytes = tensor_bytes(&t->in), out_bytes = tensor_bytes(&t->out);
	hv_autofree uint8_t *bytes = file_of(task[_i / 4], 1 + (unsigned)_i % 4, &n);
	hv_autofree uint8_t *in = malloc(in_bytes), *out = malloc(out_bytes);
	struct model *m = NULL;
	struct audit a;
	int32_t v, push;

	load();
	ck_assert_int_eq(install(bytes, n, &m), HV_OK);
	audit_init(&a, 1);
	for (uint64_t k = 0; k < 40; k++) {
		t->sample(3, k, in);
		ck_assert_int_eq(package_run(m->pkg, in, out, 1), HV_OK);
		ck_assert_msg(audit_batch(&a, m, in, out, 1, why, sizeof(why)) == HV_OK, "%s", why);
	}
	ck_assert_uint_eq(a.checked, 40);
	ck_assert(a.worst > 0 && a.worst <= 1);
	ck_assert_uint_eq(m->doubt.pooled.records, 40);
	ck_assert(!m->suspended);
	if (t->out.dtype == HARVEST_S32) {
		memcpy(&v, out + out_bytes - 4, 4);
		push = (int32_t)(2 * m->pkg->cert.max_abs) + 2;
		v += v > 0 ? -push : push;
		memcpy(out + out_bytes - 4, &v, 4);
		ck_assert_int_eq(audit_batch(&a, m, in, out, 1, why, sizeof(why)), HV_E_WRONG);
		ck_assert_ptr_nonnull(strstr(why, "wrong answer"));
		ck_assert_uint_eq(a.wrong, 1);
	}
	audit_clear(&a);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("models");
	TCase *tc = tcase_create("catalogue");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, good_files_are_loaded_once_and_bad_ones_skipped);
	tcase_add_test(tc, models_of_a_task_come_cheapest_first);
	tcase_add_test(tc, installed_packages_survive_a_restart_and_removed_ones_do_not);
	tcase_add_test(tc, a_removed_model_lives_as_long_as_it_is_held);
	tcase_add_test(tc, who_uses_a_model_is_told_when_it_is_removed_or_replaced);
	tcase_add_test(tc, what_cannot_be_installed_is_refused_with_a_reason);
	tcase_add_test(tc, a_network_alone_serves_no_jobs_and_is_refused);
	tcase_add_test(tc, a_package_that_fails_its_own_vectors_is_not_installed);
	tcase_add_test(tc, records_outside_the_domain_are_found_and_named);
	tcase_add_loop_test(
		tc, audit_lets_every_answer_of_the_network_pass_and_none_beyond_the_bound, 0, 16);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	log_set_level(getenv("HARVEST_TEST_LOG") != NULL ? LOG_LVL_DEBUG : LOG_LVL_ERROR);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
