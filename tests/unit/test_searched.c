/* The packages of models/approx that were searched for: each is what its recipe says, answers as
 * its vectors say, is worth its mark, and fresh records do not contradict its certificate. Their
 * searches are not repeated here: scripts/models check. HARVEST_LONG=1: more records. */
#include "nas/certify.h"
#include "tasks/catalog.h"
#include "tasks/metric.h"
#include "util/own.h"
#include <check.h>
#include <glob.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { FRESH_STREAM = 71, SAMPLES = 4096, SAMPLES_LONG = 65536, RECIPE_MAX_BYTES = 4096 };

static glob_t found;
static char why[400];

static struct package *package_of(int i)
{
	struct package *p = NULL;

	ck_assert_msg(package_read(found.gl_pathv[i], &p, why, sizeof(why)) == HV_OK, "%s: %s",
		      found.gl_pathv[i], why);
	return p;
}

/* What follows "KEY=" in the recipe of package i. */
static void recipe(int i, const char *key, char *to, size_t cap)
{
	const char *path = found.gl_pathv[i];
	hv_autofree uint8_t *bytes = NULL;
	char name[512], line[64];
	const char *at;
	size_t len = 0, n = strlen(path) - strlen("hvm");
	char text[RECIPE_MAX_BYTES + 1];

	snprintf(name, sizeof(name), "%.*srecipe", (int)n, path);
	ck_assert_msg(hv_file_read(name, RECIPE_MAX_BYTES, &bytes, &len) == HV_OK,
		      "%s is missing: a package without a recipe", name);
	snprintf(text, sizeof(text), "%.*s", (int)len, (const char *)bytes);
	snprintf(line, sizeof(line), "\n%s=", key);
	at = strstr(text, line);
	ck_assert_msg(at != NULL, "%s says nothing of %s", name, key);
	at += strlen(line);
	n = strcspn(at, "\n");
	ck_assert_uint_lt(n, cap);
	memcpy(to, at, n);
	to[n] = '\0';
}

START_TEST(package_is_what_its_recipe_says)
{
	const char *file = strrchr(found.gl_pathv[_i], '/') + 1;
	struct package *p = package_of(_i);
	char text[128], hash[65], name[48];

	for (unsigned b = 0; b < sizeof(p->hash); b++)
		snprintf(hash + 2 * b, 3, "%02x", p->hash[b]);
	recipe(_i, "hash", text, sizeof(text));
	ck_assert_str_eq(text, hash);
	recipe(_i, "task", text, sizeof(text));
	ck_assert_str_eq(text, p->task);
	recipe(_i, "seed", text, sizeof(text));
	ck_assert_uint_eq(strtoull(text, NULL, 10), p->seed);
	snprintf(name, sizeof(name), "%s.hvm", p->name);
	ck_assert_str_eq(file, name);
	package_free(p);
}
END_TEST

START_TEST(package_is_worth_its_mark_within_a_third_of_the_exact_code)
{
	struct package *p = package_of(_i);
	const struct harvest_task *t = task_find(p->task);
	char text[64], aim[16];
	uint64_t host;

	ck_assert_ptr_nonnull(t);
	recipe(_i, "max_error", text, sizeof(text));
	recipe(_i, "aim", aim, sizeof(aim));
	ck_assert_ptr_nonnull(strstr(p->name, aim));
	ck_assert_msg(hv_metric_meets(t->metric, p->cert.certified, strtod(text, NULL)),
		      "%s: certified %g, promised %s", p->name, p->cert.certified, text);
	if (t->pass > 0)
		ck_assert(hv_metric_meets(t->metric, strtod(text, NULL),
					  strcmp(aim, "goal") == 0 ? t->goal : t->pass));
	ck_assert_ptr_nonnull(p->host);
	host = hostprog_cycles(p->host, HOSTPROG_ENCODE) +
	       hostprog_cycles(p->host, HOSTPROG_DECODE);
	ck_assert_uint_le(3 * host, t->cpu_cycles);
	package_free(p);
}
END_TEST

START_TEST(fresh_records_do_not_contradict_the_certificate)
{
	struct package *p = package_of(_i);
	const struct harvest_task *t = task_find(p->task);
	uint64_t samples = getenv("HARVEST_LONG") != NULL ? SAMPLES_LONG : SAMPLES;
	struct package_cert stated = p->cert;
	struct nas_verdict v;
	double doubt;

	ck_assert_msg(package_self_test(p, why, sizeof(why)) == HV_OK, "%s", why);
	ck_assert_int_eq(nas_certify(p, t, FRESH_STREAM, samples, &v, why, sizeof(why)), HV_OK);
	doubt = fabs(v.whole - p->cert.certified);
	if (hv_metric_larger_is_better(t->metric))
		doubt = -doubt;
	ck_assert_msg(hv_metric_meets(t->metric, v.whole - doubt, stated.certified),
		      "%s: %g on %llu fresh records, stated %g", p->name, v.whole,
		      (unsigned long long)samples, stated.certified);
	/* and it can fail: half the certificate would be */
	if (!hv_metric_larger_is_better(t->metric))
		ck_assert(v.whole + doubt > stated.certified / 2);
	package_free(p);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("searched packages");
	TCase *c = tcase_create("each");
	SRunner *sr;
	int bad;

	if (glob(MODELS "/*/*-pass.hvm", 0, NULL, &found) != 0 ||
	    glob(MODELS "/*/*-goal.hvm", GLOB_APPEND, NULL, &found) != 0) {
		fprintf(stderr, "no packages below " MODELS "\n");
		return 1;
	}
	tcase_set_timeout(c, 600);
	tcase_add_loop_test(c, package_is_what_its_recipe_says, 0, (int)found.gl_pathc);
	tcase_add_loop_test(c, package_is_worth_its_mark_within_a_third_of_the_exact_code, 0,
			    (int)found.gl_pathc);
	tcase_add_loop_test(c, fresh_records_do_not_contradict_the_certificate, 0,
			    (int)found.gl_pathc);
	suite_add_tcase(s, c);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	bad = srunner_ntests_failed(sr);
	srunner_free(sr);
	globfree(&found);
	return bad != 0;
}
