/* The answer of a package is the answer of the accelerator: what package_run() says and what
 * the register-level emulator leaves behind are the same bits, for any matrix, any place. */
#include "accel/build/build.h"
#include "accel/slotimg/build.h"
#include "tasks/catalog.h"
#include "tests/lib/slot_run.h"
#include "util/rng.h"
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLES = 128, RECORDS_MAX = 5 };

static struct hv_rng rng;

static void fill_random(void *to, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((uint8_t *)to)[i] = (uint8_t)hv_rng_u64(&rng);
}

/* A room that leaves something to a neighbour on every side. */
static struct cnn_room random_room(void)
{
	struct cnn_room room = {
		.kernel_first = (uint16_t)hv_rng_below(&rng, 100),
		.bias_first = (uint16_t)hv_rng_below(&rng, 100),
		.bias_count = 300,
		.data_first = (uint16_t)(4 * hv_rng_below(&rng, 500)),
	};

	room.kernel_words = (uint16_t)(CNN_KERNEL_WORDS - room.kernel_first);
	room.data_words = (uint16_t)(CNN_DATA_WORDS - room.data_first);
	return room;
}

static void compare(struct package *p, const struct cnn_room *room)
{
	size_t in_bytes = cnn_steps_in_bytes(&p->steps), out_bytes = cnn_steps_out_bytes(&p->steps);
	uint8_t *in = malloc(RECORDS_MAX * in_bytes), *image = NULL;
	uint8_t *want = malloc(RECORDS_MAX * out_bytes), *got = malloc(RECORDS_MAX * out_bytes);
	struct cnn_emu *e = NULL;
	struct slotimg h;
	char why[300] = "";
	const char *bad;
	unsigned records;
	size_t len;

	ck_assert_int_eq(cnn_emu_new(&e), 0);
	ck_assert_msg(slotimg_build(&p->net, p->steps_blob, p->steps_len, room, 0, &image, &len,
				    why, sizeof(why)) == 0,
		      "%s: %s", p->name, why);
	ck_assert_int_eq(slotimg_header_parse(image, len, &h), 0);
	records = 1 + hv_rng_below(&rng, RECORDS_MAX);
	records = records > h.records_max ? h.records_max : records;
	fill_random(in, records * in_bytes);
	memset(got, 0x55, RECORDS_MAX * out_bytes);
	ck_assert_int_eq(package_run(p, in, want, records), 0);
	bad = slot_run_load(e, image, len);
	ck_assert_msg(bad == NULL, "%s: load: %s", p->name, bad);
	bad = slot_run_records(e, image, len, in, got, records);
	ck_assert_msg(bad == NULL, "%s: run: %s", p->name, bad);
	ck_assert_msg(memcmp(got, want, records * out_bytes) == 0,
		      "%s, %u by %u, %u records: the emulator gives other bits", p->name,
		      p->steps.rows, p->steps.channels, records);
	cnn_emu_free(e);
	free(in);
	free(want);
	free(got);
	free(image);
}

START_TEST(random_matrices_give_the_same_bits_on_the_emulator)
{
	unsigned rows, cols, level = 1 + (unsigned)_i % 4;
	struct cnn_room room;
	struct package *p;
	double *m;
	char why[300] = "";

	hv_rng_seed(&rng, 500 + (uint64_t)_i);
	rows = 1 + hv_rng_below(&rng, _i % 3 == 2 ? 300 : 70);
	cols = 1 + hv_rng_below(&rng, _i % 5 == 4 ? 300 : 130);
	m = malloc(sizeof(*m) * rows * cols);
	for (unsigned i = 0; i < rows * cols; i++)
		m[i] = hv_rng_normal(&rng, 0, 1);
	ck_assert_msg(cnn_build_matrix("random", m, rows, cols, level, SAMPLES, &p, why,
				       sizeof(why)) == 0,
		      "%u by %u level %u: %s", rows, cols, level, why);
	room = random_room();
	compare(p, &room);
	package_free(p);
	free(m);
}
END_TEST

START_TEST(every_built_in_package_gives_the_same_bits_on_the_emulator)
{
	const struct harvest_task *t = task_at((size_t)_i / 4);
	struct cnn_room room;
	struct package *p;
	char why[300] = "";

	if (t->linear == HARVEST_NOT_LINEAR)
		return;
	hv_rng_seed(&rng, 900 + (uint64_t)_i);
	ck_assert_msg(cnn_build_linear(t, 1 + (unsigned)_i % 4, SAMPLES, &p, why, sizeof(why)) == 0,
		      "%s: %s", t->name, why);
	room = random_room();
	compare(p, &room);
	package_free(p);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("package on the emulator");
	TCase *tc = tcase_create("bits");
	SRunner *sr;
	bool is_long = getenv("HARVEST_LONG") != NULL;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, random_matrices_give_the_same_bits_on_the_emulator, 0,
			    is_long ? 1000 : 40);
	tcase_add_loop_test(tc, every_built_in_package_gives_the_same_bits_on_the_emulator, 0,
			    (int)(4 * task_count()));
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
