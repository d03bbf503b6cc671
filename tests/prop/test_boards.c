/* Boards of the daemon against the real agent core over the emulator: stories, and a fault at
 * every step of attach, load and job. Time is virtual. */
#include "daemon/log.h"
#include "tests/lib/board_world.h"
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct world w;

START_TEST(a_board_attaches_proves_itself_loads_and_runs)
{
	struct board *b;

	world_open(&w);
	world_add_model(&w, "matvec64", 1);
	world_add_model(&w, "dct32", 2);
	world_batches(&w, 6, 0, 8);
	world_batches(&w, 6, 1, 8);
	world_plug(&w);
	ck_assert_msg(world_run(&w, world_all_done, 20000000), "%u of %u done", w.done, w.batches);
	b = world_board(&w);
	ck_assert_str_eq(board_id(b), "virt0");
	ck_assert_str_eq(board_state(b), "ready");
	ck_assert(board_has_model(b, models_at(&w.models, 0)));
	ck_assert(board_has_model(b, models_at(&w.models, 1)));
	ck_assert_uint_eq(b->audit.checked, 12);
	ck_assert(b->audit.worst <= 1);
	ck_assert_uint_eq(b->faults, 0);
	printf("  ready and 12 batches after %.1f ms, %u frames\n",
	       (double)(world_now_ns - 1000000000) / 1e6, w.frames);
	world_close(&w);
}
END_TEST

/* -- a fault at every step ---------------------------------------------------------------- */

static bool left_alone(const struct world *x)
{
	return x->stalled && x->wire == NULL && world_board(x) == NULL;
}

static bool settled(struct world *x)
{
	return left_alone(x) || (world_all_done(x) && world_ready(x)) ||
	       world_is(x, BOARD_QUARANTINE);
}

/* Two models, so that one load happens under way; frames of attach, proof, load and jobs. With
 * `hosted` one of them has a host program that runs aside. */
static bool hosted;

static void scenario(enum world_fault fault, unsigned k)
{
	world_open(&w);
	world_add_model(&w, "matvec64", 1);
	if (hosted)
		world_add_package(&w, APPROX_DIR "/sobel/sobel-pass.hvm");
	else
		world_add_model(&w, "dct32", 2);
	world_batches(&w, 3, 0, 4);
	world_batches(&w, 3, 1, hosted ? 1 : 4);
	w.fault = fault;
	w.fault_at = k;
	w.on_batch_runs = k % 2 == 0;
	world_plug(&w);
}

static void survives(enum world_fault fault, unsigned k)
{
	struct board *b;

	scenario(fault, k);
	ck_assert_msg(world_run(&w, settled, 60000000),
		      "fault %d at frame %u: %u of %u done, board %s", (int)fault, k, w.done,
		      w.batches, world_board(&w) ? board_state(world_board(&w)) : "unknown");
	b = world_board(&w);
	if (fault == WORLD_STALL) {
		if (b != NULL && !world_all_done(&w)) {
			ck_assert_str_eq(board_state(b), "quarantine");
			ck_assert_uint_gt(strlen(b->reason), 10);
		}
	} else {
		ck_assert_msg(world_ready(&w), "fault %d at frame %u: board ends %s: %s",
			      (int)fault, k, board_state(b), b->reason);
		ck_assert_uint_eq(w.done, w.batches);
	}
	if (fault == WORLD_DROP || fault == WORLD_CORRUPT || fault == WORLD_REPEAT)
		ck_assert_msg(w.codes[0] == w.batches, "the link repairs single frames itself");
	world_close(&w);
}

static unsigned frames_of_a_clean_run(void)
{
	unsigned n;

	scenario(WORLD_NONE, 0);
	ck_assert(world_run(&w, settled, 60000000));
	n = w.frames;
	world_close(&w);
	return n;
}

static void fault_at_any_frame(enum world_fault fault)
{
	unsigned last = frames_of_a_clean_run();
	unsigned step = hosted && getenv("HARVEST_LONG") == NULL ? 5 : 1; /* long messages */

	ck_assert_uint_gt(last, 30);
	for (unsigned k = 1; k <= last; k += step)
		survives(fault, k);
	printf("  fault %d at every %u of %u frames%s\n", (int)fault, step, last,
	       hosted ? ", host program aside" : "");
}

START_TEST(a_fault_at_any_frame_loses_no_batch_and_leaks_nothing)
{
	hosted = false;
	fault_at_any_frame((enum world_fault)_i);
}
END_TEST

START_TEST(nor_with_work_that_runs_aside)
{
	hosted = true;
	fault_at_any_frame((enum world_fault)_i);
}
END_TEST

/* A line that is bad all the time, and boards that reboot again and again. */
START_TEST(several_faults_in_a_row_lose_no_batch)
{
	unsigned rounds = getenv("HARVEST_LONG") != NULL ? 2000 : 60;
	struct hv_rng r;

	hv_rng_seed(&r, (uint64_t)_i);
	for (unsigned round = 0; round < rounds; round++) {
		enum world_fault f =
			(enum world_fault)(WORLD_DROP + hv_rng_below(&r, WORLD_STALL - WORLD_DROP));

		scenario(f, 1 + hv_rng_below(&r, 40));
		for (unsigned again = 0; again < 6 && !settled(&w); again++) {
			(void)world_run(&w, settled, 20000 + hv_rng_below(&r, 200000));
			w.fault = (enum world_fault)(WORLD_DROP +
						     hv_rng_below(&r, WORLD_STALL - WORLD_DROP));
			w.fault_at = w.frames + 1 + hv_rng_below(&r, 8);
		}
		ck_assert_msg(world_run(&w, settled, 90000000), "round %u: board %s", round,
			      world_board(&w) ? board_state(world_board(&w)) : "unknown");
		if (world_is(&w, BOARD_QUARANTINE))
			ck_assert_uint_gt(strlen(world_board(&w)->reason), 10);
		world_close(&w);
	}
}
END_TEST

/* -- what runs aside -------------------------------------------------------------------- */

/* A package whose host program is long, and one without; held: nothing aside gets through. */
static void heavy_world(unsigned batches)
{
	world_open(&w);
	world_add_package(&w, APPROX_DIR "/sobel/sobel-pass.hvm");
	world_add_model(&w, "matvec64", 1);
	world_batches(&w, batches, 0, 1);
	world_plug(&w);
	ck_assert_msg(world_run(&w, world_ready, 5000000), "%s", world_board(&w)->reason);
	ck_assert_msg(board_fit(world_board(&w), models_at(&w.models, 0))->fits, "%s",
		      board_fit(world_board(&w), models_at(&w.models, 0))->why);
}

static bool failed_wrong(struct world *x)
{
	return x->codes[-HV_E_WRONG] > 0;
}

static void set_true(void *flag)
{
	*(bool *)flag = true;
}

START_TEST(host_programs_and_placing_run_aside)
{
	struct board_offer o;
	struct board *b;

	heavy_world(6);
	b = world_board(&w);
	ck_assert_uint_eq(w.asides[ASIDE_PLACE], 1);
	ck_assert_uint_eq(b->fits->count, 2);
	ck_assert(world_run(&w, world_all_done, 20000000));
	ck_assert_uint_ge(w.asides[ASIDE_ENCODE], 6);
	ck_assert_uint_ge(w.asides[ASIDE_DECODE], 6);
	ck_assert_uint_eq(b->audit.checked, 6);
	ck_assert_uint_eq(b->faults, 0);
	board_offer(b, models_at(&w.models, 0), world_now_ns, &o);
	ck_assert_uint_le(o.batch_records * hostprog_steps(models_at(&w.models, 0)->pkg->host,
							   HOSTPROG_ENCODE),
			  BOARD_BATCH_STEPS);
	world_close(&w);
}
END_TEST

START_TEST(a_model_that_comes_later_is_placed_aside)
{
	heavy_world(0);
	world_add_model(&w, "dct32", 2);
	boards_place_models(w.bs);
	world_pass(&w, 1000);
	ck_assert_uint_eq(w.asides[ASIDE_PLACE], 2);
	ck_assert_ptr_nonnull(board_fit_find(world_board(&w), models_at(&w.models, 2)));
	world_close(&w);
}
END_TEST

START_TEST(images_are_built_aside_and_no_board_is_ready_before_its_proof)
{
	world_open(&w);
	w.aside_us = UINT64_MAX;
	world_add_model(&w, "matvec64", 1);
	world_plug(&w);
	world_pass(&w, 10000000);
	ck_assert(world_is(&w, BOARD_PROVING)); /* nothing is known of what fits */
	ck_assert_uint_eq(world_board(&w)->faults, 0);
	w.aside_us = 150;
	ck_assert(world_run(&w, world_ready, 5000000));
	ck_assert_uint_eq(w.asides[ASIDE_BUILD], 1);
	ck_assert(board_has_model(world_board(&w), models_at(&w.models, 0)));
	world_close(&w);
}
END_TEST

static bool is_reading(struct world *x)
{
	struct board *b = world_board(x);

	return b != NULL && b->aside != NULL && b->aside->what == ASIDE_DECODE;
}

static bool is_encoding(struct world *x)
{
	struct board *b = world_board(x);

	return b != NULL && b->aside != NULL && b->aside->what == ASIDE_ENCODE;
}

/* Hold the next piece of work: to send a batch, or to read its answer. */
static void hold_aside(bool reading)
{
	uint64_t end_ns = world_now_ns + UINT64_C(10000000000);

	if (!reading) {
		w.aside_us = UINT64_MAX;
		ck_assert(world_run(&w, is_encoding, 10000000));
		return;
	}
	while (world_now_ns < end_ns && !is_reading(&w)) {
		w.aside_us = is_encoding(&w) ? 0 : UINT64_MAX;
		(void)world_run(&w, NULL, 20);
	}
	ck_assert(is_reading(&w));
	w.aside_us = UINT64_MAX;
}

START_TEST(a_machine_that_gets_nothing_done_aside_is_no_fault_of_the_board)
{
	heavy_world(3);
	hold_aside(_i);
	world_pass(&w, 30000000);
	ck_assert_uint_eq(world_board(&w)->faults, 0);
	ck_assert_uint_eq(w.done, 0);
	ck_assert(world_ready(&w));
	w.aside_us = 150;
	ck_assert(world_run(&w, world_all_done, 20000000));
	ck_assert_uint_eq(world_board(&w)->faults, 0);
	world_close(&w);
}
END_TEST

/* Where the aside work of a life that is over comes back: before, amid or after the next. */
static const uint64_t release_after_us[] = { 0, 1000, 60000, 300000, 2000000 };

START_TEST(a_board_that_leaves_meanwhile_gives_its_batches_back_at_once)
{
	for (unsigned reading = 0; reading < 2; reading++) {
		heavy_world(3);
		hold_aside(reading);
		world_unplug(&w);
		ck_assert_uint_gt(w.codes[-HV_E_GONE], 0);
		world_pass(&w, 30000);
		world_plug(&w);
		world_pass(&w, release_after_us[_i]);
		w.aside_us = 150;
		ck_assert(world_run(&w, world_all_done, 30000000));
		ck_assert_uint_eq(world_board(&w)->audit.wrong, 0);
		world_close(&w);
	}
}
END_TEST

START_TEST(closing_waits_for_what_runs_aside)
{
	for (unsigned reading = 0; reading < 2; reading++) {
		bool closed = false;

		heavy_world(3);
		hold_aside(reading);
		boards_close(w.bs, set_true, &closed);
		ck_assert_uint_gt(w.codes[-HV_E_CANCEL], 0);
		ck_assert(!closed);
		world_asides_finish(&w);
		ck_assert(closed);
		world_close(&w);
	}
}
END_TEST

START_TEST(batches_of_short_programs_wait_for_the_audit_that_is_out)
{
	heavy_world(3);
	world_batches(&w, 4, 1, 8);
	hold_aside(true);
	world_pass(&w, 1000000);
	ck_assert_uint_eq(world_board(&w)->faults, 0);
	w.aside_us = 150;
	ck_assert(world_run(&w, world_all_done, 20000000));
	ck_assert_uint_eq(world_board(&w)->audit.checked, 7);
	world_close(&w);
}
END_TEST

START_TEST(a_lie_that_is_found_aside_counts)
{
	heavy_world(3);
	w.lie_every = 1;
	ck_assert(world_run(&w, failed_wrong, 20000000));
	ck_assert_str_eq(board_state(world_board(&w)), "recovering");
	ck_assert_ptr_nonnull(strstr(world_board(&w)->reason, "wrong answer"));
	world_close(&w);
}
END_TEST

/* -- stories ---------------------------------------------------------------------------- */

START_TEST(without_packages_a_board_is_ready_and_says_that_it_can_do_nothing)
{
	world_open(&w);
	world_plug(&w);
	ck_assert(world_run(&w, world_ready, 5000000));
	ck_assert_ptr_nonnull(strstr(world_board(&w)->reason, "no package is installed"));
	world_close(&w);
}
END_TEST

START_TEST(a_board_that_got_its_first_package_has_no_complaint)
{
	world_open(&w);
	world_plug(&w);
	ck_assert(world_run(&w, world_ready, 5000000));
	world_add_model(&w, "dct32", 2);
	world_batches(&w, 1, 0, 4);
	ck_assert(world_run(&w, world_all_done, 5000000));
	ck_assert_str_eq(world_board(&w)->reason, "");
	world_close(&w);
}
END_TEST

START_TEST(a_replugged_board_keeps_its_id_and_is_not_sent_again_what_it_has)
{
	uint64_t sent;

	world_open(&w);
	world_add_model(&w, "dct32", 2);
	w.keeps_power = true;
	world_plug(&w);
	ck_assert(world_run(&w, world_ready, 5000000));
	sent = w.wire->link.arq.n.bytes_out;
	world_unplug(&w);
	ck_assert(world_is(&w, BOARD_ABSENT));
	ck_assert_ptr_nonnull(strstr(world_board(&w)->reason, "unplugged"));
	world_pass(&w, 20000);
	world_plug(&w);
	ck_assert(world_run(&w, world_ready, 5000000));
	ck_assert_uint_eq(boards_count(w.bs), 1);
	ck_assert_str_eq(board_id(world_board(&w)), "virt0");
	ck_assert_msg(w.wire->link.arq.n.bytes_out + 1500 < sent,
		      "%ju bytes the second time, %ju the first",
		      (uintmax_t)w.wire->link.arq.n.bytes_out, (uintmax_t)sent);
	world_close(&w);
}
END_TEST

START_TEST(an_unplugged_board_gives_its_batches_back_as_gone)
{
	world_open(&w);
	world_add_model(&w, "dct32", 2);
	world_batches(&w, 4, 0, 16);
	world_plug(&w);
	ck_assert(world_run(&w, world_ready, 5000000));
	world_pass(&w, 1500);
	ck_assert_uint_gt(board_works(world_board(&w)), 0);
	world_unplug(&w);
	ck_assert_uint_gt(w.codes[-HV_E_GONE], 0);
	ck_assert_uint_eq(w.losts, 1);
	world_pass(&w, 100000);
	world_plug(&w);
	ck_assert(world_run(&w, world_all_done, 5000000));
	world_close(&w);
}
END_TEST

START_TEST(closing_under_load_cancels_what_is_out)
{
	world_open(&w);
	world_add_model(&w, "dct32", 2);
	world_batches(&w, 4, 0, 16);
	world_plug(&w);
	ck_assert(world_run(&w, world_ready, 5000000));
	world_pass(&w, 1500);
	boards_close(w.bs, NULL, NULL);
	ck_assert_uint_eq(w.codes[-HV_E_CANCEL], 2);
	world_close(&w);
}
END_TEST

START_TEST(two_batches_are_on_their_way_at_a_time_and_answers_are_timed)
{
	struct board *b;
	const struct board_batch *x;

	world_open(&w);
	world_add_model(&w, "dct32", 2);
	world_batches(&w, 3, 0, 8);
	world_plug(&w);
	ck_assert(world_run(&w, world_ready, 5000000));
	b = world_board(&w);
	world_pass(&w, 1000);
	ck_assert_uint_eq(board_works(b), 2);
	ck_assert(!board_can_take(b, models_at(&w.models, 0)));
	ck_assert_int_eq(board_run(b, &w.batch[2].b, world_now_ns), HV_E_BUSY);
	ck_assert(world_run(&w, world_all_done, 5000000));
	x = &w.batch[0].b;
	ck_assert_uint_gt(x->compute_us, 100);
	ck_assert_uint_lt(x->compute_us * 1000, x->done_ns - x->sent_ns);
	world_close(&w);
}
END_TEST

START_TEST(batches_that_are_empty_or_too_long_are_refused)
{
	struct board_batch x;
	struct board_offer o;
	struct board *b;

	world_open(&w);
	world_add_model(&w, "dct32", 2);
	world_batches(&w, 1, 0, 1);
	world_plug(&w);
	ck_assert(world_run(&w, world_all_done, 5000000));
	b = world_board(&w);
	board_offer(b, models_at(&w.models, 0), world_now_ns, &o);
	ck_assert(o.eligible);
	x = w.batch[0].b;
	x.records = 0;
	ck_assert_int_eq(board_run(b, &x, world_now_ns), HV_E_INVAL);
	x.records = o.batch_records + 1;
	ck_assert_int_eq(board_run(b, &x, world_now_ns), HV_E_INVAL);
	world_close(&w);
}
END_TEST

static bool greeted(struct world *x)
{
	return world_is(x, BOARD_PROVING);
}

/* Time until some batches are through, on a line that loses frames. */
static uint64_t batches_us(unsigned lost_percent)
{
	uint64_t us;

	world_open(&w);
	world_add_model(&w, "fft64", 2);
	world_batches(&w, 8, 0, 4);
	world_plug(&w);
	ck_assert(world_run(&w, greeted, 5000000));
	w.lost_percent = lost_percent;
	ck_assert_msg(world_run(&w, world_all_done, 60000000), "%u of %u, %s: %s", w.done,
		      w.batches, board_state(world_board(&w)), world_board(&w)->reason);
	ck_assert_uint_eq(world_board(&w)->faults, 0);
	us = world_now_ns / 1000 - 1000000;
	world_close(&w);
	return us;
}

START_TEST(a_bad_line_is_slow_and_no_fault_of_the_board)
{
	uint64_t clean_us = batches_us(0), bad_us = batches_us(40);

	printf("  clean line %.0f ms, losing 40 %% of the frames %.0f ms\n", (double)clean_us / 1e3,
	       (double)bad_us / 1e3);
	ck_assert_uint_gt(bad_us, 2 * clean_us);
}
END_TEST

START_TEST(more_models_than_slots_take_turns)
{
	static const char *const task[] = { "matvec64", "dct32", "fir32", "fft64" };

	world_open(&w);
	for (unsigned i = 0; i < 4; i++) {
		world_add_model(&w, task[i], 2);
		world_batches(&w, 3, i, 2);
	}
	world_plug(&w);
	ck_assert_msg(world_run(&w, world_all_done, 60000000), "%u of %u", w.done, w.batches);
	ck_assert_uint_eq(world_board(&w)->faults, 0);
	world_close(&w);
}
END_TEST

START_TEST(a_model_may_work_off_its_load_before_another_evicts_it)
{
	struct model *a, *b;
	struct board *x;
	unsigned rooms;

	world_open(&w);
	w.cfg.model_slots = 1;
	world_add_model(&w, "fft64", 4);
	world_add_model(&w, "matvec64", 3);
	world_plug(&w);
	ck_assert(world_run(&w, world_ready, 5000000));
	x = world_board(&w);
	b = models_at(&w.models, board_has_model(x, models_at(&w.models, 0)) ? 0 : 1);
	a = models_at(&w.models, b == models_at(&w.models, 0) ? 1 : 0);
	ck_assert(board_can_take(x, b));
	ck_assert(!board_can_take(x, a)); /* asks for the load: too early */
	ck_assert(!board_loading(x));
	ck_assert(board_can_take(x, b));
	rooms = w.rooms;
	world_pass(&w, BOARD_IDLE_US + 1000);
	ck_assert_uint_eq(w.rooms, rooms + 1); /* told that asking again makes sense */
	ck_assert(!board_can_take(x, a));
	ck_assert(board_loading(x));
	ck_assert_uint_eq(x->evictions, 1);
	world_pass(&w, 1000000);
	ck_assert(board_has_model(x, a));
	world_batches(&w, 6, 0, 2);
	world_batches(&w, 6, 1, 2);
	ck_assert_msg(world_run(&w, world_all_done, 20000000), "%u of %u", w.done, w.batches);
	ck_assert_uint_le(x->evictions, 8);
	world_close(&w);
}
END_TEST

START_TEST(a_removed_model_is_used_no_more_and_its_memory_follows_its_last_user)
{
	struct board *b;
	struct model *m;

	world_open(&w);
	world_add_model(&w, "dct32", 2);
	world_batches(&w, 2, 0, 8);
	world_plug(&w);
	ck_assert(world_run(&w, world_ready, 5000000));
	world_pass(&w, 1500);
	b = world_board(&w);
	m = models_at(&w.models, 0);
	ck_assert_uint_gt(board_works(b), 0);
	models_take_out(&w.models, m);
	ck_assert(world_run(&w, world_all_done, 5000000));
	ck_assert(!board_can_take(b, m));
	world_close(&w);
}
END_TEST

START_TEST(what_a_board_knows_of_a_model_goes_with_the_model)
{
	struct board_offer o;
	struct board *b;

	world_open(&w);
	world_add_model(&w, "dct32", 2);
	world_add_model(&w, "fft64", 2);
	world_plug(&w);
	ck_assert(world_run(&w, world_ready, 5000000));
	b = world_board(&w);
	for (size_t i = 0; i < 2; i++)
		board_offer(b, models_at(&w.models, i), 0, &o);
	ck_assert_uint_eq(b->fits->count, 2);
	boards_forget_model(w.bs, models_at(&w.models, 0));
	ck_assert_uint_eq(b->fits->count, 1);
	ck_assert_ptr_eq(b->fits->list[0].model, models_at(&w.models, 1));
	world_close(&w);
}
END_TEST

START_TEST(a_wrong_answer_is_caught_by_the_audit_and_a_second_one_ends_the_trust)
{
	struct board *b;

	world_open(&w);
	world_add_model(&w, "dct32", 2);
	world_batches(&w, 12, 0, 1);
	world_plug(&w);
	ck_assert(world_run(&w, world_ready, 5000000));
	b = world_board(&w);
	w.lie_every = 1;
	ck_assert(world_run(&w, failed_wrong, 5000000));
	w.lie_every = 0;
	ck_assert_str_eq(board_state(b), "recovering");
	ck_assert_ptr_nonnull(strstr(b->reason, "wrong answer"));
	ck_assert(b->audit.worst > 1);
	ck_assert(world_run(&w, world_ready, 5000000));
	w.codes[-HV_E_WRONG] = 0;
	w.lie_every = 1;
	ck_assert(world_run(&w, failed_wrong, 5000000));
	ck_assert_str_eq(board_state(b), "quarantine");
	world_close(&w);
}
END_TEST

static bool quarantined(struct world *x)
{
	return world_is(x, BOARD_QUARANTINE);
}

START_TEST(a_wrong_known_answer_sets_the_board_aside_until_it_is_reset)
{
	struct board *b;
	char why[200];

	world_open(&w);
	world_add_model(&w, "dct32", 2);
	world_batches(&w, 2, 0, 4);
	w.lie_every = 1;
	world_plug(&w);
	ck_assert(world_run(&w, quarantined, 5000000));
	b = world_board(&w);
	ck_assert_ptr_nonnull(strstr(b->reason, "known-answer vector 1 of dct32"));
	world_pass(&w, 10000000);
	ck_assert(quarantined(&w));
	ck_assert_int_eq(board_test(b, why, sizeof(why)), HV_E_BUSY);
	w.lie_every = 0;
	ck_assert_int_eq(board_reset(b, why, sizeof(why)), HV_OK);
	ck_assert(world_run(&w, world_all_done, 5000000));
	ck_assert(world_ready(&w));
	world_close(&w);
}
END_TEST

START_TEST(three_faults_within_a_minute_are_too_many)
{
	struct board *b;

	world_open(&w);
	world_add_model(&w, "dct32", 2);
	world_plug(&w);
	for (unsigned i = 0; i < 3; i++) {
		ck_assert(world_run(&w, world_ready, 5000000));
		world_pass(&w, 300000);
		w.powered = false; /* reboots */
		world_pass(&w, 1000);
	}
	ck_assert(world_run(&w, quarantined, 5000000));
	b = world_board(&w);
	ck_assert_ptr_nonnull(strstr(b->reason, "3 faults within a minute"));
	ck_assert_uint_eq(b->faults, 3);
	world_close(&w);
}
END_TEST

START_TEST(faults_that_are_minutes_apart_are_forgiven)
{
	world_open(&w);
	world_add_model(&w, "dct32", 2);
	world_plug(&w);
	for (unsigned i = 0; i < 5; i++) {
		ck_assert(world_run(&w, world_ready, 5000000));
		world_pass(&w, 35000000);
		w.powered = false;
		world_pass(&w, 1000);
	}
	ck_assert(world_run(&w, world_ready, 5000000));
	ck_assert_uint_eq(world_board(&w)->faults, 5);
	world_close(&w);
}
END_TEST

START_TEST(a_drained_board_finishes_and_takes_nothing_until_it_is_resumed)
{
	struct board *b;
	char why[200];

	world_open(&w);
	world_add_model(&w, "dct32", 2);
	world_batches(&w, 6, 0, 8);
	world_plug(&w);
	ck_assert(world_run(&w, world_ready, 5000000));
	b = world_board(&w);
	ck_assert_int_eq(board_resume(b, why, sizeof(why)), HV_E_BUSY);
	world_pass(&w, 1500);
	ck_assert_int_eq(board_drain(b, why, sizeof(why)), HV_OK);
	world_pass(&w, 2000000);
	ck_assert_uint_eq(w.done, 2);
	ck_assert_uint_eq(board_works(b), 0);
	w.powered = false; /* the wish outlives a reboot */
	world_pass(&w, 3000000);
	ck_assert_str_eq(board_state(b), "draining");
	ck_assert_uint_eq(w.done, 2);
	ck_assert_int_eq(board_resume(b, why, sizeof(why)), HV_OK);
	ck_assert(world_run(&w, world_all_done, 5000000));
	world_close(&w);
}
END_TEST

START_TEST(a_test_proves_everything_resident_again)
{
	struct board *b;
	char why[200];
	uint32_t proofs;

	world_open(&w);
	world_add_model(&w, "dct32", 2);
	world_add_model(&w, "matvec64", 1);
	world_batches(&w, 2, 0, 4);
	world_batches(&w, 2, 1, 4);
	world_plug(&w);
	ck_assert(world_run(&w, world_all_done, 5000000));
	b = world_board(&w);
	proofs = b->fsm.entered[BOARD_PROVING];
	ck_assert_int_eq(board_test(b, why, sizeof(why)), HV_OK);
	ck_assert_str_eq(board_state(b), "proving");
	ck_assert(world_run(&w, world_ready, 5000000));
	ck_assert_uint_eq(b->fsm.entered[BOARD_PROVING], proofs + 1);
	w.lie_every = 1;
	ck_assert_int_eq(board_test(b, why, sizeof(why)), HV_OK);
	ck_assert(world_run(&w, quarantined, 5000000));
	world_close(&w);
}
END_TEST

START_TEST(verbs_on_an_absent_board_are_refused_with_a_reason)
{
	struct board *b;
	char why[200];

	world_open(&w);
	world_plug(&w);
	ck_assert(world_run(&w, world_ready, 5000000));
	b = world_board(&w);
	world_unplug(&w);
	ck_assert_int_eq(board_drain(b, why, sizeof(why)), HV_E_GONE);
	ck_assert_int_eq(board_reset(b, why, sizeof(why)), HV_E_GONE);
	ck_assert_int_eq(board_test(b, why, sizeof(why)), HV_E_BUSY);
	ck_assert_ptr_nonnull(strstr(why, "absent"));
	world_close(&w);
}
END_TEST

START_TEST(the_primary_is_followed_and_the_offer_prices_its_windows)
{
	struct board_offer idle, busy;
	Hv__BoardInfo info;
	struct board *b;

	world_open(&w);
	world_add_model(&w, "dct32", 2);
	world_batches(&w, 6, 0, 8);
	w.primary_period_us = 33333;
	w.primary_busy_us = 18480;
	world_plug(&w);
	ck_assert(world_run(&w, world_ready, 5000000));
	board_offer(world_board(&w), models_at(&w.models, 0), world_now_ns, &idle);
	ck_assert(world_run(&w, world_all_done, 20000000));
	world_pass(&w, 10000000);
	b = world_board(&w);
	board_offer(b, models_at(&w.models, 0), world_now_ns, &busy);
	ck_assert(busy.eligible);
	ck_assert_double_eq_tol(busy.idle_share, 1 - 18480.0 / 33333, 0.02);
	ck_assert_uint_gt(busy.wait_us, 5000);
	ck_assert_uint_eq(busy.load_us, 0);
	ck_assert_int_eq(board_info(b, world_now_ns, &info), HV_OK);
	ck_assert_double_eq_tol(info.primary_busy_share, 18480.0 / 33333, 0.02);
	ck_assert_uint_gt(info.primary_inferences, 200);
	ck_assert_double_lt(info.primary_wait_max_us, info.wait_bound_us);
	ck_assert_uint_eq(info.harvest_records, 48);
	ck_assert_uint_eq(info.n_resident, 1);
	ck_assert_str_eq(info.resident[0]->model, "dct32-l2");
	ck_assert_str_eq(info.state, "ready");
	board_info_clear(&info);
	world_close(&w);
}
END_TEST

START_TEST(a_primary_without_windows_makes_a_board_ineligible)
{
	struct board_offer o;

	world_open(&w);
	world_add_model(&w, "dct32", 2);
	w.primary_period_us = 100000; /* quiet enough to be proved */
	w.primary_busy_us = 100;
	world_plug(&w);
	ck_assert(world_run(&w, world_ready, 5000000));
	w.primary_period_us = 10000;
	w.primary_busy_us = 9990;
	world_pass(&w, 6000000);
	board_offer(world_board(&w), models_at(&w.models, 0), world_now_ns, &o);
	ck_assert(!o.eligible);
	ck_assert_ptr_nonnull(strstr(o.why_not, "window"));
	world_close(&w);
}
END_TEST

/* The price of an offer against what the modelled board and line then took. */
START_TEST(prices_are_near_what_things_take)
{
	struct board_offer before, after;
	const struct board_batch *x;
	uint64_t start, took, said;
	struct board *b;

	world_open(&w);
	world_add_model(&w, "matvec64", 1);
	world_add_model(&w, "fft64", 3);
	world_plug(&w);
	ck_assert(world_run(&w, world_ready, 5000000));
	b = world_board(&w);
	board_offer(b, models_at(&w.models, 1), world_now_ns, &before);
	ck_assert(before.eligible);
	ck_assert_uint_gt(before.load_us, 1000);
	start = world_now_ns / 1000;
	world_batches(&w, 1, 1, 16);
	ck_assert(world_run(&w, world_all_done, 5000000));
	x = &w.batch[0].b;
	took = x->sent_ns / 1000 - start;
	ck_assert_msg(took > before.load_us / 2 && took < before.load_us * 2,
		      "loading took %ju us, the offer said %ju", (uintmax_t)took,
		      (uintmax_t)before.load_us);
	board_offer(b, models_at(&w.models, 1), world_now_ns, &after);
	ck_assert_uint_eq(after.load_us, 0);
	said = (uint64_t)(16 * after.compute_us_per_record);
	ck_assert_msg(x->compute_us > said * 6 / 10 && x->compute_us < said * 16 / 10,
		      "computing took %ju us, the offer said %ju", (uintmax_t)x->compute_us,
		      (uintmax_t)said);
	took = (x->done_ns - x->sent_ns) / 1000;
	said = board_job_us(b, models_at(&w.models, 1), &b->slot[1].img, 16);
	ck_assert_msg(took > said * 7 / 10 && took < said * 14 / 10,
		      "a batch took %ju us, expected were %ju", (uintmax_t)took, (uintmax_t)said);
	printf("  load %ju us (said %ju), batch %ju us (said %ju)\n",
	       (uintmax_t)(x->sent_ns / 1000 - start), (uintmax_t)before.load_us, (uintmax_t)took,
	       (uintmax_t)said);
	world_close(&w);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("boards");
	TCase *tc = tcase_create("stories");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 100);
	tcase_add_test(tc, a_board_attaches_proves_itself_loads_and_runs);
	tcase_add_test(tc, without_packages_a_board_is_ready_and_says_that_it_can_do_nothing);
	tcase_add_test(tc, a_board_that_got_its_first_package_has_no_complaint);
	tcase_add_test(tc, a_replugged_board_keeps_its_id_and_is_not_sent_again_what_it_has);
	tcase_add_test(tc, an_unplugged_board_gives_its_batches_back_as_gone);
	tcase_add_test(tc, closing_under_load_cancels_what_is_out);
	tcase_add_test(tc, two_batches_are_on_their_way_at_a_time_and_answers_are_timed);
	tcase_add_test(tc, batches_that_are_empty_or_too_long_are_refused);
	tcase_add_test(tc, a_bad_line_is_slow_and_no_fault_of_the_board);
	tcase_add_test(tc, more_models_than_slots_take_turns);
	tcase_add_test(tc, a_model_may_work_off_its_load_before_another_evicts_it);
	tcase_add_test(tc, a_removed_model_is_used_no_more_and_its_memory_follows_its_last_user);
	tcase_add_test(tc, what_a_board_knows_of_a_model_goes_with_the_model);
	tcase_add_test(tc, a_wrong_answer_is_caught_by_the_audit_and_a_second_one_ends_the_trust);
	tcase_add_test(tc, a_wrong_known_answer_sets_the_board_aside_until_it_is_reset);
	tcase_add_test(tc, three_faults_within_a_minute_are_too_many);
	tcase_add_test(tc, faults_that_are_minutes_apart_are_forgiven);
	tcase_add_test(tc, a_drained_board_finishes_and_takes_nothing_until_it_is_resumed);
	tcase_add_test(tc, a_test_proves_everything_resident_again);
	tcase_add_test(tc, verbs_on_an_absent_board_are_refused_with_a_reason);
	tcase_add_test(tc, the_primary_is_followed_and_the_offer_prices_its_windows);
	tcase_add_test(tc, a_primary_without_windows_makes_a_board_ineligible);
	tcase_add_test(tc, prices_are_near_what_things_take);
	tcase_add_loop_test(tc, a_fault_at_any_frame_loses_no_batch_and_leaks_nothing, WORLD_DROP,
			    WORLD_FAULTS);
	tcase_add_loop_test(tc, nor_with_work_that_runs_aside, WORLD_DROP, WORLD_FAULTS);
	tcase_add_test(tc, host_programs_and_placing_run_aside);
	tcase_add_test(tc, images_are_built_aside_and_no_board_is_ready_before_its_proof);
	tcase_add_test(tc, a_model_that_comes_later_is_placed_aside);
	tcase_add_loop_test(tc, a_machine_that_gets_nothing_done_aside_is_no_fault_of_the_board, 0,
			    2);
	tcase_add_loop_test(tc, a_board_that_leaves_meanwhile_gives_its_batches_back_at_once, 0,
			    sizeof(release_after_us) / sizeof(release_after_us[0]));
	tcase_add_test(tc, closing_waits_for_what_runs_aside);
	tcase_add_test(tc, batches_of_short_programs_wait_for_the_audit_that_is_out);
	tcase_add_test(tc, a_lie_that_is_found_aside_counts);
	tcase_add_loop_test(tc, several_faults_in_a_row_lose_no_batch, 0, 4);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	log_set_level(getenv("HARVEST_TEST_LOG") != NULL ? LOG_LVL_DEBUG : LOG_LVL_ERROR);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
