/* The primary of a virtual board with and without saturating jobs: the same requests, the same
 * output bits, and no activation waits longer than the bound the board promised. */
#include "tests/lib/board_peer.h"
#include "util/own.h"
#include <check.h>
#include <string.h>

#define LINK_BPS 50000000u

struct line {
	uint64_t start, end, requested, hash;
};

struct evidence {
	struct line *line; /* of the primary, owned */
	size_t n, harvested;
};

static void read_evidence(FILE *f, struct evidence *e)
{
	char text[160];
	size_t room = 0;

	*e = (struct evidence){ 0 };
	rewind(f);
	ck_assert_ptr_nonnull(fgets(text, sizeof(text), f));
	ck_assert_str_eq(text, "kind,start_ns,end_ns,requested_ns,output_hash\n");
	while (fgets(text, sizeof(text), f) != NULL) {
		unsigned long long v[4];
		char kind[16];

		ck_assert_int_eq(sscanf(text, "%15[a-z],%llu,%llu,%llu,%llx", kind, &v[0], &v[1],
					&v[2], &v[3]),
				 5);
		if (strcmp(kind, "primary") != 0) {
			e->harvested++;
			continue;
		}
		if (e->n == room) {
			room = room ? 2 * room : 64;
			e->line = realloc(e->line, room * sizeof(*e->line));
			ck_assert_ptr_nonnull(e->line);
		}
		e->line[e->n++] = (struct line){ v[0], v[1], v[2], v[3] };
	}
}

struct load {
	const char *task;
	unsigned level;
	uint16_t records;
};

/* The board alone, or with a queue that is never empty. */
static void live(const char *primary, uint64_t seconds, const struct load *load, struct evidence *e)
{
	struct primary_spec spec;
	FILE *log = tmpfile();
	struct vboard *b;
	static struct peer p;
	struct hv_rng rng;
	uint32_t id = 1;

	ck_assert_ptr_nonnull(log);
	hv_rng_seed(&rng, 21);
	vboard_log_header(log);
	b = peer_board(primary, &spec, LINK_BPS, log);
	if (load == NULL) {
		vboard_run(b, seconds * UINT64_C(1000000000));
	} else {
		const struct package *pkg = peer_package(load->task, load->level);
		hv_autofree uint8_t *image = NULL;
		size_t len;

		peer_init(&p, b);
		ck_assert(peer_connect(&p, 9));
		image = peer_image(&p, pkg, &len);
		ck_assert_int_eq(peer_load(&p, 0, image, len), HV_OK);
		while (vboard_now_ns(b) < seconds * UINT64_C(1000000000)) {
			if (!peer_job(&p, id, 0, pkg, load->records, &rng))
				peer_run(&p, 300000);
			else
				id++;
		}
		printf("%s, %s L%u: worst wait %.2f us of %u, %llu records, %u aborted, "
		       "%.1f %% of the idle time used\n",
		       primary, load->task, load->level, (double)b->n.wait_max_ns / 1e3,
		       p.hello.wait_bound_us, (unsigned long long)b->agent.n.records,
		       b->agent.n.aborted,
		       1e5 * (double)b->agent.n.harvest_busy_us /
			       ((double)vboard_now_ns(b) - (double)b->n.primary_busy_ns));
		ck_assert_uint_gt(p.good, 10);
		ck_assert_uint_eq(p.wrong, 0);
		ck_assert_uint_eq(p.hello.wait_bound_us, AG_WAIT_BOUND_US);
		peer_clear(&p);
	}
	ck_assert_msg(cnn_emu_misuse(b->emu) == 0, "%s", cnn_emu_misuse_text(b->emu));
	vboard_log_flush(b);
	read_evidence(log, e);
	fclose(log);
	vboard_free(b);
	primary_spec_clear(&spec);
}

static void compare(const char *primary, uint64_t seconds, const struct load *load)
{
	struct evidence alone, with;
	uint64_t late = 0;
	size_t n;

	live(primary, seconds, NULL, &alone);
	live(primary, seconds, load, &with);
	n = alone.n < with.n ? alone.n : with.n;
	ck_assert_uint_gt(n, 3 * seconds);
	ck_assert_uint_le(alone.n - n + with.n - n, 1);
	ck_assert_uint_gt(with.harvested, 0);
	ck_assert_uint_eq(alone.harvested, 0);
	for (size_t i = 0; i < n; i++) {
		uint64_t wait = with.line[i].start - with.line[i].requested;

		ck_assert_msg(alone.line[i].hash == with.line[i].hash,
			      "%s: inference %zu has another result beside jobs", primary, i);
		ck_assert_uint_eq(alone.line[i].start, alone.line[i].requested);
		late = wait > late ? wait : late;
	}
	ck_assert_msg(late <= AG_WAIT_BOUND_US * 1000u, "%s: a wait of %llu ns", primary,
		      (unsigned long long)late);
	free(alone.line);
	free(with.line);
}

/* A sanitizer makes the emulator five times slower: then a sixth of the time. */
static uint64_t seconds(uint64_t usual, uint64_t whole)
{
	if (getenv("HARVEST_LONG") != NULL)
		return whole;
#ifdef __SANITIZE_ADDRESS__
	usual = usual > 10 ? usual / 6 : usual;
#endif
	return usual;
}

START_TEST(a_camera_of_30_frames_a_second_notices_nothing_in_a_minute)
{
	struct load load = { "fft64", 4, 16 };

	compare("periodic:period_us=33333,busy_us=18480", seconds(60, 600), &load);
}
END_TEST

START_TEST(a_jittering_camera_notices_nothing)
{
	struct load load = { "fft256", 4, 4 };

	compare("periodic:period_us=33333,busy_us=18480,jitter_us=500", seconds(4, 60), &load);
}
END_TEST

START_TEST(random_arrivals_notice_nothing)
{
	struct load load = { "fft256", 3, 4 };

	compare("poisson:rate_hz=40,busy_us=4000", seconds(4, 60), &load);
}
END_TEST

START_TEST(a_fast_primary_with_short_windows_notices_nothing)
{
	struct load load = { "fir32", 2, 30 };

	compare("periodic:period_us=2000,busy_us=700", seconds(3, 60), &load);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("non-interference");
	TCase *tc = tcase_create("traces");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, getenv("HARVEST_LONG") != NULL ? 900 : 120);
	tcase_add_test(tc, a_camera_of_30_frames_a_second_notices_nothing_in_a_minute);
	tcase_add_test(tc, a_jittering_camera_notices_nothing);
	tcase_add_test(tc, random_arrivals_notice_nothing);
	tcase_add_test(tc, a_fast_primary_with_short_windows_notices_nothing);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
