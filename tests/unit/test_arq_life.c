/* Stories of one link: how a life begins and ends, what a full buffer does, what is resent. */
#include "tests/lib/arq_world.h"
#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct arq_world w;
static struct arq *const daemon_side = &w.side[ARQ_DAEMON].a, *const board = &w.side[ARQ_BOARD].a;

/* Nobody sends by himself in these stories. */
static void setup(void)
{
	world_init(&w, 1, 1000000, 2048);
	w.side[0].want_send = w.side[1].want_send = 0;
}

static void connected(void)
{
	setup();
	world_connect(&w);
	for (int i = 0; i < 2000 && (daemon_side->state != ARQ_UP || board->state != ARQ_UP); i++)
		world_step(&w);
	ck_assert(daemon_side->state == ARQ_UP && board->state == ARQ_UP);
	w.side[0].deaf = w.side[1].deaf = true;
}

/* Until the line is silent for a while of virtual time. */
static void settle(uint64_t us)
{
	uint64_t until = w.now_us + us;

	while (w.now_us < until && world_step(&w))
		;
	ck_assert_msg(w.error[0] == '\0', "%s", w.error);
}

/* The kind of frame a side wants to send; -1 for none. */
static int kind_out(struct arq *a)
{
	static struct frame_rx rx;
	uint8_t wire[FRAME_MAX_WIRE];
	size_t n = arq_output(a, wire, w.now_us);
	struct frame f;

	for (size_t i = 0; i < n; i++)
		if (frame_rx_byte(&rx, wire[i], &f) == 1)
			return f.kind;
	return -1;
}

static unsigned give(struct arq *a, struct frame f)
{
	uint8_t wire[FRAME_MAX_WIRE];

	f.ver = FRAME_VER;
	return arq_input(a, wire, frame_encode(&f, wire), w.now_us);
}

START_TEST(a_board_says_at_boot_that_it_knows_no_life_and_then_keeps_silent)
{
	ck_assert_int_eq(kind_out(board), FRAME_RST);
	ck_assert_int_eq(kind_out(board), -1);
	ck_assert(arq_next_us(board) == UINT64_MAX);
	ck_assert_int_eq(arq_send(board, "x", 1, NULL, 0), HV_E_GONE);
	ck_assert_uint_eq(arq_room(board), 0);
}
END_TEST

START_TEST(a_daemon_repeats_syn_ever_more_slowly_and_then_counts_as_stuck)
{
	uint64_t last = 0, gap = 0;

	world_connect(&w);
	for (uint32_t i = 0; i < 8; i++) {
		ck_assert(!arq_is_stuck(daemon_side, i));
		ck_assert_int_eq(kind_out(daemon_side), FRAME_SYN);
		ck_assert_int_eq(kind_out(daemon_side), -1);
		gap = arq_next_us(daemon_side) - w.now_us;
		ck_assert_uint_ge(gap, last);
		last = gap;
		w.now_us += gap;
		ck_assert(arq_is_stuck(daemon_side, i));
	}
	ck_assert_uint_eq(gap, 8 * ARQ_SYN_US);
}
END_TEST

START_TEST(syn_and_synack_bring_both_sides_up_and_a_repeated_syn_changes_nothing)
{
	uint8_t msg[8];

	connected();
	ck_assert_int_eq(arq_send(board, "hello", 5, NULL, 0), HV_OK);
	settle(50000);
	ck_assert_uint_eq(give(board, (struct frame){ .kind = FRAME_SYN, .conn = w.conn }), 0);
	ck_assert_int_eq(kind_out(board), FRAME_SYNACK);
	ck_assert_int_eq(arq_recv(daemon_side, msg, sizeof(msg)), 5);
	ck_assert_uint_eq(board->una, 7);
}
END_TEST

START_TEST(a_syn_of_another_life_begins_it_at_byte_0_at_any_time)
{
	connected();
	ck_assert_int_eq(arq_send(board, "lost", 4, NULL, 0), HV_OK);
	ck_assert_uint_eq(give(board, (struct frame){ .kind = FRAME_SYN,
						      .conn = (uint16_t)(w.conn ^ 1),
						      .window = 99 }),
			  1u << ARQ_EV_UP);
	ck_assert(board->conn == (w.conn ^ 1) && board->una == 0 && board->end == 0);
	ck_assert_uint_eq(board->peer_window, 99);
	ck_assert_uint_eq(give(board, (struct frame){ .kind = FRAME_SYN, .conn = 0 }), 0);
	ck_assert_int_eq(kind_out(board), FRAME_SYNACK);
}
END_TEST

START_TEST(bytes_of_an_unknown_life_are_answered_by_its_rst)
{
	struct frame f = { .kind = FRAME_DATA, .conn = 77, .len = 3, .payload = board->tx };

	kind_out(board);
	give(board, f);
	ck_assert_int_eq(kind_out(board), FRAME_RST);
	connected();
	give(board, f);
	ck_assert_int_eq(kind_out(board), FRAME_RST);
	ck_assert_uint_eq(board->rcv, 0);
	ck_assert_int_eq(board->state, ARQ_UP);
}
END_TEST

START_TEST(rst_of_this_life_or_of_a_boot_ends_it_and_any_other_does_not)
{
	connected();
	ck_assert_uint_eq(give(daemon_side,
			       (struct frame){ .kind = FRAME_RST, .conn = (uint16_t)(w.conn ^ 1) }),
			  0);
	ck_assert_uint_eq(give(board, (struct frame){ .kind = FRAME_RST, .conn = 0 }), 0);
	ck_assert_int_eq(board->state, ARQ_UP);
	ck_assert_uint_eq(give(daemon_side, (struct frame){ .kind = FRAME_RST, .conn = 0 }),
			  1u << ARQ_EV_RESET);
	ck_assert_int_eq(daemon_side->state, ARQ_DOWN);
	ck_assert_uint_eq(give(board, (struct frame){ .kind = FRAME_RST, .conn = w.conn }),
			  1u << ARQ_EV_RESET);
	ck_assert_int_eq(arq_send(board, "x", 1, NULL, 0), HV_E_GONE);
}
END_TEST

START_TEST(a_life_ended_here_is_ended_there)
{
	connected();
	arq_reset(board);
	ck_assert_int_eq(board->state, ARQ_DOWN);
	w.side[ARQ_DAEMON].events = 0;
	settle(5000);
	ck_assert_uint_eq(w.side[ARQ_DAEMON].events & 1u << ARQ_EV_RESET, 1u << ARQ_EV_RESET);
}
END_TEST

START_TEST(a_full_receiver_stops_the_sender_and_reading_lets_it_go_on_though_that_word_be_lost)
{
	uint8_t msg[2046] = { 0 };
	uint64_t asked;

	connected();
	for (int i = 0; i < 2; i++) {
		settle(200000);
		ck_assert_int_eq(arq_send(daemon_side, msg, 1500, NULL, 0), HV_OK);
	}
	settle(2000000);
	ck_assert_uint_eq((uint16_t)(board->rcv - board->rd), 2048);
	asked = daemon_side->n.frames_out;
	settle(10000000);
	ck_assert_msg(daemon_side->n.frames_out > asked, "a closed window is not probed");
	ck_assert_msg(daemon_side->n.frames_out < asked + 200,
		      "a closed window is probed in haste");
	ck_assert(!arq_is_stuck(daemon_side, 2));

	ck_assert_int_eq(arq_recv(board, msg, sizeof(msg)), 1500);
	if (_i == 1)
		ck_assert_int_eq(kind_out(board), FRAME_DATA); /* and it never arrives */
	settle(2000000);
	ck_assert_int_eq(arq_recv(board, msg, sizeof(msg)), 1500);
}
END_TEST

START_TEST(a_silent_peer_makes_the_sender_stuck_and_resends_slow_down)
{
	uint64_t last = 0;

	connected();
	ck_assert_int_eq(arq_send(daemon_side, "hello", 5, NULL, 0), HV_OK);
	ck_assert_int_eq(kind_out(daemon_side), FRAME_DATA);
	for (uint32_t i = 0; i < 8; i++) {
		uint64_t gap = arq_next_us(daemon_side) - w.now_us;

		ck_assert_uint_ge(gap + 10000, last); /* a shorter segment is sooner there */
		ck_assert_uint_le(gap, 1000000);
		last = gap;
		w.now_us += gap;
		ck_assert(!arq_is_stuck(daemon_side, i));
		ck_assert_int_eq(kind_out(daemon_side), FRAME_DATA);
		ck_assert(arq_is_stuck(daemon_side, i));
	}
	ck_assert_uint_eq(daemon_side->n.resent, 8);
	ck_assert_uint_eq(daemon_side->seg, ARQ_SEG_MIN);
}
END_TEST

START_TEST(a_gap_is_told_at_once_and_mended_without_waiting_for_the_timeout)
{
	uint8_t wire[FRAME_MAX_WIRE], msg[1500] = { 7 };
	uint64_t before;

	connected();
	ck_assert_int_eq(arq_send(daemon_side, msg, sizeof(msg), NULL, 0), HV_OK);
	ck_assert_uint_gt(arq_output(daemon_side, wire, w.now_us), 1000); /* lost */
	before = w.now_us;
	while (board->rcv < sizeof(msg) + 2 && world_step(&w))
		;
	ck_assert_uint_lt(w.now_us - before, 45000); /* two times over the line and back */
	ck_assert_uint_eq(daemon_side->unanswered, 0);
}
END_TEST

/* Frames of which one is lost on the way to the board. */
static void lose_one(unsigned which, unsigned frames)
{
	for (unsigned i = 0; i < frames; i++) {
		uint8_t wire[FRAME_MAX_WIRE];
		size_t n = arq_output(daemon_side, wire, w.now_us);

		ck_assert_uint_gt(n, 0);
		if (i != which)
			(void)arq_input(board, wire, n, w.now_us);
		w.now_us += 1000; /* no time for a timeout */
	}
}

START_TEST(what_follows_a_hole_is_kept_and_only_the_hole_is_sent_again)
{
	uint8_t msg[1500], back[1500];

	memset(msg, 9, sizeof(msg));
	world_init(&w, 1, 1000000, 8192);
	w.side[0].want_send = w.side[1].want_send = 0;
	world_connect(&w);
	settle(20000);
	w.side[0].deaf = w.side[1].deaf = true;
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(arq_send(daemon_side, msg, sizeof(msg), NULL, 0), HV_OK);
	lose_one((unsigned)_i, 6); /* of 5 * 1024 bytes and the rest */
	ck_assert_uint_eq(board->rcv, (unsigned)_i * 1024);
	ck_assert_uint_eq(board->islands, 1);
	settle(100000);
	ck_assert_uint_eq(board->rcv, 4 * (sizeof(msg) + 2));
	ck_assert_uint_eq(board->islands, 0);
	ck_assert_uint_le(daemon_side->n.resent, 4); /* smaller segments, of the hole alone */
	for (int i = 0; i < 4; i++) {
		ck_assert_int_eq(arq_recv(board, back, sizeof(back)), sizeof(msg));
		ck_assert_mem_eq(back, msg, sizeof(msg));
	}
}
END_TEST

/* Everything a board does in pieces gives what the whole does. */
START_TEST(bytes_and_messages_in_pieces_are_the_same_conversation)
{
	uint8_t msg[1800], back[1800], wire[FRAME_MAX_WIRE], answer[FRAME_MAX_WIRE];
	size_t piece = (size_t)_i * 7 + 1, sent = 0, got = 0, n;
	unsigned events = 0;

	for (size_t i = 0; i < sizeof(msg); i++)
		msg[i] = (uint8_t)(i * 31 % 251);
	connected();
	ck_assert_int_eq(arq_send(daemon_side, msg, 1000, msg + 1000, 800), HV_OK);
	for (int i = 0; i < 2; i++) {
		n = arq_output(daemon_side, wire, w.now_us);
		for (size_t at = 0; at < n || arq_is_storing(board);)
			at += arq_take(board, wire + at, piece < n - at ? piece : n - at, w.now_us,
				       &events);
	}
	ck_assert_uint_eq(events, 0);
	ck_assert_int_eq(arq_recv_begin(board), sizeof(msg));
	ck_assert_int_eq(arq_recv_begin(board), 0); /* one at a time */
	while (got < sizeof(msg)) {
		ck_assert(arq_recv_ready(board));
		got += arq_recv_some(board, back + got, piece);
	}
	ck_assert_uint_eq(arq_recv_some(board, back, 1), 0);
	ck_assert_mem_eq(back, msg, sizeof(msg));
	ck_assert_int_eq(arq_send_begin(board, sizeof(msg)), HV_OK);
	ck_assert_uint_eq(arq_room(board), 0); /* nothing may come in between */
	ck_assert_int_eq(arq_send(board, msg, 1, NULL, 0), HV_E_BUSY);
	for (; sent < sizeof(msg); sent += piece)
		arq_send_some(board, msg + sent, piece);
	for (int i = 0; i < 2; i++) {
		ck_assert(arq_output_begin(board, w.now_us));
		for (n = 0; arq_is_pulling(board);)
			n += arq_pull(board, answer + n, piece);
		(void)arq_input(daemon_side, answer, n, w.now_us);
	}
	ck_assert_int_eq(arq_recv(daemon_side, back, sizeof(back)), sizeof(msg));
	ck_assert_mem_eq(back, msg, sizeof(msg));
}
END_TEST

START_TEST(a_lone_acknowledgement_waits_for_company_but_not_long)
{
	struct frame f = { .kind = FRAME_DATA, .len = 4, .payload = (const uint8_t *)"\2\0hi" };

	connected();
	f.conn = w.conn;
	give(board, f);
	ck_assert_uint_eq(arq_next_us(board), w.now_us + ARQ_ACK_DELAY_US);
	ck_assert_int_eq(kind_out(board), -1);
	ck_assert_int_eq(arq_send(board, "pong", 4, NULL, 0), HV_OK);
	ck_assert_int_eq(kind_out(board), FRAME_DATA);
	ck_assert_int_eq(kind_out(board), -1);
	ck_assert(!board->ack_due);
}
END_TEST

START_TEST(messages_that_do_not_fit_are_refused_with_the_right_code)
{
	uint8_t msg[2048] = { 0 };

	connected();
	ck_assert_int_eq(arq_send(board, msg, 0, NULL, 0), HV_E_INVAL);
	ck_assert_int_eq(arq_send(board, msg, 2047, NULL, 0), HV_E_INVAL);
	ck_assert_int_eq(arq_send(board, msg, SIZE_MAX, msg, 2), HV_E_INVAL);
	ck_assert_int_eq(arq_send(board, msg, 2, msg, SIZE_MAX), HV_E_INVAL);
	ck_assert_uint_eq(arq_room(board), 2046);
	ck_assert_int_eq(arq_send(board, msg, 1000, msg, 1046), HV_OK);
	ck_assert_int_eq(arq_send(board, msg, 1, NULL, 0), HV_E_BUSY);
	ck_assert_uint_eq(arq_room(board), 0);
}
END_TEST

START_TEST(an_announced_length_that_cannot_be_is_told_again_and_again)
{
	static const uint16_t lengths[] = { 0, 101, 2047, ARQ_MSG_MAX + 1, 65535 };
	uint8_t head[4] = { (uint8_t)lengths[_i], (uint8_t)(lengths[_i] >> 8) }, msg[4096];
	struct frame f = { .kind = FRAME_DATA, .len = 4, .payload = head };

	connected();
	f.conn = w.conn;
	give(board, f);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(arq_recv(board, msg, lengths[_i] == 101 ? 100 : sizeof(msg)),
				 HV_E_FRAME);
	arq_reset(board);
	ck_assert_int_eq(arq_recv(board, msg, sizeof(msg)), 0);
}
END_TEST

START_TEST(acknowledgements_of_bytes_never_sent_and_frames_of_other_lives_change_nothing)
{
	struct frame f = { .kind = FRAME_DATA };

	connected();
	ck_assert_int_eq(arq_send(board, "hello", 5, NULL, 0), HV_OK);
	ck_assert_int_eq(kind_out(board), FRAME_DATA);
	f.conn = w.conn;
	f.ack = 8;
	give(board, f);
	ck_assert_uint_eq(board->una, 0);
	f.ack = 7;
	f.conn ^= 1;
	give(board, f);
	ck_assert_uint_eq(board->una, 0);
	ck_assert_uint_eq(board->n.stale, 2);
	f.conn ^= 1;
	give(board, f);
	ck_assert_uint_eq(board->una, 7);
}
END_TEST

START_TEST(a_frame_of_another_version_is_an_event)
{
	uint8_t wire[FRAME_MAX_WIRE];
	struct frame f = { .ver = FRAME_VER + 1, .kind = FRAME_SYNACK };

	ck_assert_uint_eq(arq_input(daemon_side, wire, frame_encode(&f, wire), 0),
			  1u << ARQ_EV_VERSION);
}
END_TEST

/* 16-bit positions wrap many times on the way. */
START_TEST(streams_longer_than_their_numbers_arrive_whole)
{
	world_init(&w, 3, 2000000, (uint16_t)(2048u << _i));
	w.msg_max = 2000;
	world_connect(&w);
	ck_assert(world_run(&w, 400, 60u * 1000000u));
	ck_assert_uint_gt(w.side[0].got_bytes, 2 * 65536);
}
END_TEST

static Suite *life_suite(void)
{
	Suite *s = suite_create("proto/arq");
	TCase *tc = tcase_create("stories");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, a_board_says_at_boot_that_it_knows_no_life_and_then_keeps_silent);
	tcase_add_test(tc, a_daemon_repeats_syn_ever_more_slowly_and_then_counts_as_stuck);
	tcase_add_test(tc, syn_and_synack_bring_both_sides_up_and_a_repeated_syn_changes_nothing);
	tcase_add_test(tc, a_syn_of_another_life_begins_it_at_byte_0_at_any_time);
	tcase_add_test(tc, bytes_of_an_unknown_life_are_answered_by_its_rst);
	tcase_add_test(tc, rst_of_this_life_or_of_a_boot_ends_it_and_any_other_does_not);
	tcase_add_test(tc, a_life_ended_here_is_ended_there);
	tcase_add_loop_test(
		tc,
		a_full_receiver_stops_the_sender_and_reading_lets_it_go_on_though_that_word_be_lost,
		0, 2);
	tcase_add_test(tc, a_silent_peer_makes_the_sender_stuck_and_resends_slow_down);
	tcase_add_test(tc, a_gap_is_told_at_once_and_mended_without_waiting_for_the_timeout);
	tcase_add_loop_test(tc, what_follows_a_hole_is_kept_and_only_the_hole_is_sent_again, 0, 5);
	tcase_add_loop_test(tc, bytes_and_messages_in_pieces_are_the_same_conversation, 0, 12);
	tcase_add_test(tc, a_lone_acknowledgement_waits_for_company_but_not_long);
	tcase_add_test(tc, messages_that_do_not_fit_are_refused_with_the_right_code);
	tcase_add_loop_test(tc, an_announced_length_that_cannot_be_is_told_again_and_again, 0, 5);
	tcase_add_test(
		tc, acknowledgements_of_bytes_never_sent_and_frames_of_other_lives_change_nothing);
	tcase_add_test(tc, a_frame_of_another_version_is_an_event);
	tcase_add_loop_test(tc, streams_longer_than_their_numbers_arrive_whole, 0, 5);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	SRunner *sr = srunner_create(life_suite());
	int failed;

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
