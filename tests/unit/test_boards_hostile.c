/* Boards that lie, repeat themselves, speak garbage or nothing: the daemon says which and why,
 * and goes on. */
#include "accel/build/build.h"
#include "daemon/log.h"
#include "tasks/catalog.h"
#include "tests/lib/raw_board.h"
#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct raw_set s;
static struct raw_board r, r2;
static struct board_batch batch[2];
static bool out[2];
static uint8_t in[2][8192], got[2][8192];

static void setup(void)
{
	raw_open(&s);
	memset(out, 0, sizeof(out));
}

static void teardown(void)
{
	raw_close(&s);
}

static struct board *first(void)
{
	return boards_at(s.bs, 0);
}

static void add_dct(void)
{
	struct package *p = NULL;
	struct model *m;
	char why[200];

	ck_assert_msg(cnn_build_linear(task_find("dct32"), 2, 128, &p, why, sizeof(why)) == HV_OK,
		      "%s", why);
	ck_assert_int_eq(model_new(p, "test", &m, why, sizeof(why)), HV_OK);
	ck_assert_int_eq(models_add(&s.models, m, why, sizeof(why)), HV_OK);
}

static void slot_state(uint8_t state, int code, const link_h32 *hash)
{
	union link_msg m = {
		.model_state = { .id_ = LINK_MODEL_STATE, .state = state, .code = (uint16_t)code }
	};

	if (hash != NULL)
		m.model_state.hash = *hash;
	raw_send(&r, &m, NULL, 0);
	raw_pump(&r);
}

static void result(unsigned i, int code, unsigned records, const void *tail, size_t n)
{
	union link_msg m = { .result = { .id_ = LINK_RESULT,
					 .job = r.jobs[i],
					 .code = (uint16_t)code,
					 .records = (uint16_t)records,
					 .start_us = 10,
					 .end_us = 20 } };

	raw_send(&r, &m, tail, n);
	raw_pump(&r);
}

/* Say what has to be said until the model serves. */
static void load_and_prove(void)
{
	const struct package *p = models_at(&s.models, 0)->pkg;
	size_t n = tensor_bytes(&models_at(&s.models, 0)->task->out);
	uint8_t *answers = malloc(p->n_kats * n);
	link_h32 hash = first()->slot[0].model ? (link_h32){ { 0 } } : (link_h32){ { 0 } };

	memcpy(hash.b, first()->slot[0].hash, sizeof(hash.b));
	slot_state(LINK_SLOT_LOADING, 0, NULL);
	ck_assert_uint_eq(r.seen[LINK_MODEL_COMMIT], 1);
	slot_state(LINK_SLOT_RESIDENT, 0, &hash);
	ck_assert_uint_eq(r.job_count, 1);
	for (unsigned i = 0; i < p->n_kats; i++)
		memcpy(answers + i * n, p->kat[i].out, n);
	result(0, 0, p->n_kats, answers, p->n_kats * n);
	free(answers);
	ck_assert_str_eq(board_state(first()), "ready");
}

static void run_two(void)
{
	struct model *m = models_at(&s.models, 0);

	for (unsigned i = 0; i < 2; i++) {
		ck_assert(board_can_take(first(), m));
		m->task->sample(3, i, in[i]);
		batch[i] = (struct board_batch){
			.model = m, .in = in[i], .out = got[i], .records = 1, .cookie = &out[i]
		};
		out[i] = true;
		ck_assert_int_eq(board_run(first(), &batch[i], raw_now_us * 1000), HV_OK);
		s.accepted++;
	}
	raw_pump(&r);
}

START_TEST(garbage_is_left_alone_after_three_tries_and_another_board_still_comes)
{
	struct hv_rng g;
	uint8_t noise[512];

	hv_rng_seed(&g, 5);
	raw_plug(&s, &r2);
	for (unsigned i = 0; i < 2000 && r2.wire != NULL; i++) {
		for (size_t k = 0; k < sizeof(noise); k++)
			noise[k] = (uint8_t)hv_rng_u64(&g);
		link_bytes_in(&r2.wire->link, noise, sizeof(noise), raw_now_us);
		raw_now_us += 1000;
		if (r2.wire != NULL && r2.wire->armed_us <= raw_now_us)
			link_on_time(&r2.wire->link, raw_now_us);
		if (r2.wire != NULL)
			r2.wire->out_len = 0;
	}
	ck_assert_ptr_null(r2.wire);
	ck_assert_uint_eq(boards_count(s.bs), 0);
	raw_attach(&s, &r, "good");
	ck_assert_str_eq(board_state(first()), "ready");
}
END_TEST

START_TEST(silence_is_left_alone_after_a_second_and_a_half)
{
	uint64_t start = raw_now_us;

	raw_plug(&s, &r);
	while (r.wire != NULL && raw_now_us < start + 60000000) {
		raw_now_us = r.wire->armed_us;
		r.wire->out_len = 0;
		link_on_time(&r.wire->link, raw_now_us);
	}
	ck_assert_ptr_null(r.wire);
	ck_assert_uint_ge(raw_now_us - start, 1500000);
	ck_assert_uint_le(raw_now_us - start, 1600000);
}
END_TEST

START_TEST(second_board_with_a_serial_in_use_is_refused_until_the_first_leaves)
{
	raw_attach(&s, &r, "twin");
	raw_attach(&s, &r2, "twin");
	ck_assert_ptr_null(r2.wire);
	ck_assert_uint_eq(boards_count(s.bs), 1);
	ck_assert_str_eq(board_state(first()), "ready");
	raw_pull(&r);
	raw_attach(&s, &r2, "twin");
	ck_assert_ptr_nonnull(r2.wire);
	ck_assert_str_eq(board_id(first()), "virt0");
	ck_assert_str_eq(board_state(first()), "ready");
	raw_attach(&s, &r, "other");
	ck_assert_str_eq(board_id(boards_at(s.bs, 1)), "virt1");
}
END_TEST

static void hello_ends(const union link_msg *hello, const char *reason)
{
	raw_plug(&s, &r);
	raw_pump(&r);
	raw_send(&r, hello, NULL, 0);
	raw_pump(&r);
	ck_assert_str_eq(board_state(first()), "quarantine");
	ck_assert_msg(strstr(first()->reason, reason) != NULL, "%s", first()->reason);
}

START_TEST(a_hello_that_cannot_be_true_sets_the_board_aside_with_the_reason)
{
	union link_msg m = raw_hello("liar");
	const char *reason = "";

	switch (_i) {
	case 0:
		m.hello.proto = LINK_PROTO_MAX + 1;
		reason = "link protocol 2";
		break;
	case 1:
		m.hello.proto = 0;
		reason = "link protocol 0";
		break;
	case 2:
		m.hello.device.b[3] = 'X';
		reason = "not a max78000";
		break;
	case 3:
		m.hello.job_slots = 0;
		reason = "no slots";
		break;
	case 4:
		m.hello.cnn_hz = 0;
		reason = "too slow";
		break;
	case 5:
		m.hello.kernel_first = 700;
		reason = "more memory";
		break;
	case 6:
		m.hello.data_words = 65535;
		reason = "more memory";
		break;
	}
	hello_ends(&m, reason);
}
END_TEST

START_TEST(text_of_a_hello_is_made_printable)
{
	union link_msg m = raw_hello("");

	memcpy(m.hello.serial.b, "\x1b[31mevil\n\xff\xff\xff\xff\xff\xff", 16);
	raw_plug(&s, &r);
	raw_pump(&r);
	raw_send(&r, &m, NULL, 0);
	raw_pump(&r);
	for (const char *c = first()->serial; *c != '\0'; c++)
		ck_assert(*c > ' ' && *c < 127);
}
END_TEST

START_TEST(a_malformed_message_costs_the_life_and_the_board_comes_back)
{
	static const uint8_t bad[][3] = { { 200, 1, 2 }, { LINK_CLOCK, 1, 2 }, { LINK_JOB, 0, 0 } };

	raw_attach(&s, &r, "odd");
	raw_message(&r, bad[_i], sizeof(bad[_i]));
	ck_assert_str_eq(board_state(first()), "recovering");
	ck_assert_ptr_nonnull(strstr(first()->reason, "malformed"));
	raw_pass(&r, 200000);
	ck_assert_str_eq(board_state(first()), "greeting");
	union link_msg m = raw_hello("odd");
	raw_send(&r, &m, NULL, 0);
	raw_pump(&r);
	ck_assert_str_eq(board_state(first()), "ready");
}
END_TEST

START_TEST(other_content_than_was_sent_is_a_fault)
{
	link_h32 lie = { { 1, 2, 3 } };

	add_dct();
	raw_attach(&s, &r, "liar");
	ck_assert_str_eq(board_state(first()), "proving");
	ck_assert_uint_eq(r.seen[LINK_MODEL_BEGIN], 1);
	if (_i == 1)
		slot_state(LINK_SLOT_LOADING, 0, NULL);
	slot_state(LINK_SLOT_RESIDENT, 0, &lie);
	ck_assert_str_eq(board_state(first()), "recovering");
	ck_assert_ptr_nonnull(strstr(first()->reason, "other content"));
}
END_TEST

START_TEST(a_refused_model_is_not_offered_and_the_board_says_so)
{
	struct board_offer o;

	add_dct();
	raw_attach(&s, &r, "picky");
	slot_state(LINK_SLOT_EMPTY, HV_E_BUSY, NULL);
	ck_assert_str_eq(board_state(first()), "ready");
	ck_assert_ptr_nonnull(strstr(first()->reason, "refuses dct32"));
	board_offer(first(), models_at(&s.models, 0), raw_now_us * 1000, &o);
	ck_assert(!o.eligible);
	ck_assert_ptr_nonnull(strstr(o.why_not, "refuses"));
	ck_assert(!board_can_take(first(), models_at(&s.models, 0)));
	ck_assert_uint_eq(r.seen[LINK_MODEL_BEGIN], 1);
}
END_TEST

/* Each kind of room, too small. */
START_TEST(a_model_that_does_not_fit_is_not_offered_and_what_is_missing_is_named)
{
	static const char *const missing[] = { "kernel words", "data words", "job memory" };
	union link_msg hello = raw_hello("narrow");
	struct board_offer o;

	add_dct();
	if (_i == 0)
		hello.hello.kernel_words = 1;
	else if (_i == 1)
		hello.hello.data_words = 2;
	else
		hello.hello.job_bytes = 16;
	raw_plug(&s, &r);
	raw_pump(&r);
	raw_send(&r, &hello, NULL, 0);
	raw_pump(&r);
	board_offer(first(), models_at(&s.models, 0), raw_now_us * 1000, &o);
	ck_assert(!o.eligible);
	ck_assert(o.why_passes);
	ck_assert_msg(strstr(o.why_not, "does not fit beside the primary: ") != NULL &&
			      strstr(o.why_not, missing[_i]) != NULL,
		      "%s", o.why_not);
}
END_TEST

static void attach_with(const char *serial, uint32_t caps)
{
	union link_msg hello = raw_hello(serial);

	hello.hello.caps = caps;
	raw_plug(&s, &r);
	raw_pump(&r);
	raw_send(&r, &hello, NULL, 0);
	raw_pump(&r);
}

START_TEST(a_board_that_keeps_the_rates_of_its_line_to_itself_is_proved_at_the_one_it_has)
{
	attach_with("shy", LINK_CAP_BAUD);
	ck_assert_str_eq(board_state(first()), "proving");
	raw_pass(&r, RATE_ANSWER_US + 100000);
	ck_assert_str_eq(board_state(first()), "ready");
	ck_assert_uint_eq(first()->faults, 0);
	ck_assert_uint_eq(first()->hello.link_bps, 10000000);
}
END_TEST

static void stand(bool down)
{
	union link_msg m = { .stand = { .id_ = LINK_STAND, .down = down } };

	raw_send(&r, &m, NULL, 0);
	raw_pump(&r);
}

static void offered(struct board_offer *o)
{
	board_offer(first(), models_at(&s.models, 0), raw_now_us * 1000, o);
}

START_TEST(a_board_that_stands_down_is_offered_nothing_until_it_gives_back)
{
	struct board_offer o;

	add_dct();
	attach_with("owner", LINK_CAP_STAND);
	load_and_prove();
	stand(true);
	offered(&o);
	ck_assert(!o.eligible);
	ck_assert_ptr_nonnull(strstr(o.why_not, "keeps the accelerator"));
	ck_assert(!board_can_take(first(), models_at(&s.models, 0)));
	ck_assert_int_eq(board_run(first(), &batch[0], raw_now_us * 1000), HV_E_BUSY);
	ck_assert_str_eq(board_state(first()), "ready");
	stand(false);
	offered(&o);
	ck_assert(o.eligible);
	run_two();
	ck_assert_uint_eq(r.job_count, 3); /* its vectors, and these */
	ck_assert_uint_eq(first()->faults, 0);
}
END_TEST

/* Its firmware takes the memory for itself: what was to run there goes back, and is no fault. */
START_TEST(memory_that_a_standing_board_takes_back_returns_the_work_on_it)
{
	struct board_offer o;

	add_dct();
	attach_with("owner", LINK_CAP_STAND);
	load_and_prove();
	run_two();
	stand(true);
	slot_state(LINK_SLOT_EMPTY, 0, NULL);
	ck_assert_uint_eq(s.returned, 2);
	ck_assert_uint_eq(s.codes[-HV_E_BUSY], 2);
	ck_assert_uint_eq(board_works(first()), 0);
	result(1, HV_E_BUSY, 0, NULL, 0); /* of a job that is nobody's any more */
	ck_assert_str_eq(board_state(first()), "ready");
	ck_assert_uint_eq(first()->faults, 0);
	stand(false);
	offered(&o);
	ck_assert(o.eligible);
	ck_assert_uint_gt(o.load_us, 0); /* it has to be loaded again */
	ck_assert(!board_can_take(first(), models_at(&s.models, 0)));
	raw_pump(&r);
	ck_assert_uint_eq(r.seen[LINK_MODEL_BEGIN], 2);
}
END_TEST

START_TEST(vectors_that_a_standing_board_refuses_are_no_fault_and_it_is_proved_later)
{
	link_h32 hash;

	add_dct();
	attach_with("owner", LINK_CAP_STAND);
	memcpy(hash.b, first()->slot[0].hash, sizeof(hash.b));
	slot_state(LINK_SLOT_LOADING, 0, NULL);
	slot_state(LINK_SLOT_RESIDENT, 0, &hash);
	ck_assert_uint_eq(r.job_count, 1);
	stand(true);
	if (_i == 0)
		result(0, HV_E_BUSY, 0, NULL, 0);
	else
		slot_state(LINK_SLOT_EMPTY, 0, NULL);
	ck_assert_str_eq(board_state(first()), "ready");
	ck_assert_uint_eq(first()->faults, 0);
	ck_assert(!board_has_model(first(), models_at(&s.models, 0)));
	stand(false);
	ck_assert(!board_can_take(first(), models_at(&s.models, 0)));
	raw_pump(&r);
	ck_assert_uint_eq(r.seen[LINK_MODEL_BEGIN], 2);
}
END_TEST

/* It differs from the primary in too many registers: that is nothing the board did wrong. */
START_TEST(vectors_that_a_board_never_begins_are_no_fault_and_the_model_is_not_offered)
{
	struct board_offer o;
	link_h32 hash;

	add_dct();
	raw_attach(&s, &r, "streaming");
	memcpy(hash.b, first()->slot[0].hash, sizeof(hash.b));
	slot_state(LINK_SLOT_LOADING, 0, NULL);
	slot_state(LINK_SLOT_RESIDENT, 0, &hash);
	ck_assert_uint_eq(r.job_count, 1);
	result(0, HV_E_BUSY, 0, NULL, 0);
	ck_assert_str_eq(board_state(first()), "ready");
	ck_assert_uint_eq(first()->faults, 0);
	ck_assert_msg(strstr(first()->reason, "refuses dct32-l2: ") != NULL, "%s", first()->reason);
	board_offer(first(), models_at(&s.models, 0), raw_now_us * 1000, &o);
	ck_assert(!o.eligible);
	ck_assert_ptr_nonnull(strstr(o.why_not, "more registers than a board restores in time"));
	ck_assert(!board_can_take(first(), models_at(&s.models, 0)));
	ck_assert_uint_eq(r.seen[LINK_MODEL_BEGIN], 1);
}
END_TEST

/* One vector a job: the second of two is on its way when the first is refused. */
START_TEST(the_other_vectors_of_a_slot_that_is_left_are_nobodys)
{
	union link_msg hello = raw_hello("owner");
	link_h32 hash;

	size_t n;

	add_dct();
	n = tensor_bytes(&models_at(&s.models, 0)->task->out);
	hello.hello.caps = LINK_CAP_STAND;
	hello.hello.job_bytes = (uint32_t)n;
	raw_plug(&s, &r);
	raw_pump(&r);
	raw_send(&r, &hello, NULL, 0);
	raw_pump(&r);
	memcpy(hash.b, first()->slot[0].hash, sizeof(hash.b));
	slot_state(LINK_SLOT_LOADING, 0, NULL);
	slot_state(LINK_SLOT_RESIDENT, 0, &hash);
	result(0, 0, 1, models_at(&s.models, 0)->pkg->kat[0].out, n);
	ck_assert_uint_eq(r.job_count, 3);
	stand(true);
	result(1, HV_E_BUSY, 0, NULL, 0);
	result(2, 0, 1, models_at(&s.models, 0)->pkg->kat[2].out, n);
	ck_assert_uint_eq(first()->late, 1);
	ck_assert_str_eq(board_state(first()), "ready");
}
END_TEST

START_TEST(results_of_unknown_jobs_are_ignored)
{
	add_dct();
	raw_attach(&s, &r, "late");
	load_and_prove();
	run_two();
	r.jobs[10] = r.jobs[1] + 0x10000; /* another life */
	result(10, 0, 1, got[0], 64);
	r.jobs[10] = 0;
	result(10, 0, 1, got[0], 64);
	ck_assert_uint_eq(first()->late, 2);
	ck_assert_uint_eq(s.returned, 0);
	ck_assert_str_eq(board_state(first()), "ready");
}
END_TEST

START_TEST(a_result_of_wrong_length_is_a_fault_and_all_batches_come_back)
{
	add_dct();
	raw_attach(&s, &r, "short");
	load_and_prove();
	run_two();
	switch (_i) {
	case 0: result(1, 0, 1, got[0], 10); break;
	case 1: result(1, 0, 2, got[0], 128); break;
	case 2: result(1, 0, 1, NULL, 0); break;
	}
	ck_assert_str_eq(board_state(first()), "recovering");
	ck_assert_ptr_nonnull(strstr(first()->reason, "wrong length"));
	ck_assert_uint_eq(s.codes[-HV_E_TIMEOUT], 2);
	ck_assert_uint_eq(s.losts, 1);
}
END_TEST

START_TEST(a_result_with_a_code_gives_that_batch_back_and_only_that)
{
	add_dct();
	raw_attach(&s, &r, "busy");
	load_and_prove();
	run_two();
	result(1, HV_E_BUSY, 0, NULL, 0);
	ck_assert_uint_eq(s.codes[-HV_E_BUSY], 1);
	ck_assert_uint_eq(s.returned, 1);
	ck_assert_str_eq(board_state(first()), "ready");
	result(2, 0x7fff, 0, NULL, 0); /* no code of ours */
	ck_assert_uint_eq(s.codes[-HV_E_LINK], 1);
}
END_TEST

START_TEST(a_job_without_result_comes_back_in_time)
{
	uint64_t start;

	add_dct();
	raw_attach(&s, &r, "stuck");
	load_and_prove();
	run_two();
	start = raw_now_us;
	while (s.returned < 2 && raw_now_us < start + 10000000)
		raw_pass(&r, 10000);
	ck_assert_uint_eq(s.codes[-HV_E_TIMEOUT], 2);
	ck_assert_uint_le(raw_now_us - start, 800000);
	ck_assert_ptr_nonnull(strstr(first()->reason, "four times"));
}
END_TEST

/* Ask twice a second about what should take one second; the line moves until then. */
static const char *patience_end(uint64_t moves_until_us, uint64_t *end_us)
{
	static struct link l;
	static struct board b;
	struct board_patience p;
	const char *how = NULL;

	memset(&l, 0, sizeof(l));
	b.link = &l;
	board_patience_set(&b, &p, 1000000, 0);
	for (*end_us = 0; how == NULL && *end_us < 100000000; *end_us += how == NULL ? 500000 : 0) {
		how = board_patience_ended(&b, &p, *end_us);
		if (*end_us < moves_until_us)
			l.arq.n.bytes_acked += BOARD_CHUNK_BYTES;
	}
	return how;
}

START_TEST(the_limit_that_ended_the_patience_is_named)
{
	uint64_t end_us;

	ck_assert_str_eq(patience_end(0, &end_us), "took more than four times its expected time");
	ck_assert_uint_eq(end_us, 4500000);
	ck_assert_str_eq(patience_end(UINT64_MAX, &end_us),
			 "took more than 32 times its expected time on a bad line");
	ck_assert_uint_eq(end_us, 32500000);
	ck_assert_str_eq(patience_end(10000000, &end_us),
			 "was late on a bad line, and then the line stood still for a second");
	ck_assert_uint_ge(end_us, 10500000);
	ck_assert_uint_le(end_us, 12000000);
}
END_TEST

START_TEST(a_board_that_stops_talking_is_a_fault_after_four_seconds)
{
	raw_attach(&s, &r, "mute");
	r.answers = false;
	raw_pass(&r, 3900000);
	ck_assert_str_eq(board_state(first()), "ready");
	raw_pass(&r, 600000);
	ck_assert_str_ne(board_state(first()), "ready");
	ck_assert_uint_eq(first()->faults, 1);
}
END_TEST

START_TEST(a_primary_report_of_wrong_length_is_a_fault)
{
	union link_msg m = { .primary = { .id_ = LINK_PRIMARY, .n = 3 } };

	raw_attach(&s, &r, "odd");
	raw_send(&r, &m, "short", 5);
	raw_pump(&r);
	ck_assert_str_eq(board_state(first()), "recovering");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("boards_hostile");
	TCase *tc = tcase_create("lies");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, garbage_is_left_alone_after_three_tries_and_another_board_still_comes);
	tcase_add_test(tc, silence_is_left_alone_after_a_second_and_a_half);
	tcase_add_test(tc, second_board_with_a_serial_in_use_is_refused_until_the_first_leaves);
	tcase_add_loop_test(tc, a_hello_that_cannot_be_true_sets_the_board_aside_with_the_reason, 0,
			    7);
	tcase_add_test(tc, text_of_a_hello_is_made_printable);
	tcase_add_loop_test(tc, a_malformed_message_costs_the_life_and_the_board_comes_back, 0, 3);
	tcase_add_loop_test(tc, other_content_than_was_sent_is_a_fault, 0, 2);
	tcase_add_test(tc, a_refused_model_is_not_offered_and_the_board_says_so);
	tcase_add_loop_test(
		tc, a_model_that_does_not_fit_is_not_offered_and_what_is_missing_is_named, 0, 3);
	tcase_add_test(
		tc, a_board_that_keeps_the_rates_of_its_line_to_itself_is_proved_at_the_one_it_has);
	tcase_add_test(tc, the_other_vectors_of_a_slot_that_is_left_are_nobodys);
	tcase_add_test(tc, a_board_that_stands_down_is_offered_nothing_until_it_gives_back);
	tcase_add_test(tc, memory_that_a_standing_board_takes_back_returns_the_work_on_it);
	tcase_add_loop_test(
		tc, vectors_that_a_standing_board_refuses_are_no_fault_and_it_is_proved_later, 0,
		2);
	tcase_add_test(tc,
		       vectors_that_a_board_never_begins_are_no_fault_and_the_model_is_not_offered);
	tcase_add_test(tc, results_of_unknown_jobs_are_ignored);
	tcase_add_loop_test(tc, a_result_of_wrong_length_is_a_fault_and_all_batches_come_back, 0,
			    3);
	tcase_add_test(tc, a_result_with_a_code_gives_that_batch_back_and_only_that);
	tcase_add_test(tc, a_job_without_result_comes_back_in_time);
	tcase_add_test(tc, the_limit_that_ended_the_patience_is_named);
	tcase_add_test(tc, a_board_that_stops_talking_is_a_fault_after_four_seconds);
	tcase_add_test(tc, a_primary_report_of_wrong_length_is_a_fault);
	suite_add_tcase(suite, tc);
	sr = srunner_create(suite);
	log_set_level(getenv("HARVEST_TEST_LOG") != NULL ? LOG_LVL_DEBUG : LOG_LVL_ERROR);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
