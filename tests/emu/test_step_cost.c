/* The wait bound's processor part, counted in the agent's Arm code: every step of a board that
 * is loaded, cancelled, reset and babbled at, on a line that loses and damages frames, and after
 * every step how long a primary that wants the accelerator at that moment would wait. */
#include "accel/slotimg/build.h"
#include "tests/emu/steps/counter.h"
#include "tests/lib/board_peer.h"
#include <check.h>
#include <stdlib.h>

enum { CPU_HZ = 100000000, LINE_BYTES = 48, LAYER_REGS = 4 };

/* The longest of a kind of call, and where it happened. */
struct worst {
	uint32_t cycles, ops;
	uint64_t ns;
	unsigned turn, phase, what, part;
};

struct world {
	struct counter c;
	struct arq arq; /* the daemon's side */
	uint8_t tx[32768], rx[32768], msg[ARQ_MSG_MAX], wire[FRAME_MAX_WIRE];
	size_t wire_n, wire_at;
	struct hv_rng rng;
	uint64_t now_ns, done_ns;
	bool running, has_primary;
	unsigned damage; /* one of so many bytes; 0: none */
	unsigned hellos, results, good, resident, codes, others;
	struct worst dirty, other, begin, restore, wait;
	uint64_t steps;
	uint8_t *image[3];
	size_t image_len[3];
	uint32_t in_bytes[3];
};

static struct world w;

/* -- costs ----------------------------------------------------------------------------------- */

static uint32_t ops(const struct counter_cost *k)
{
	return k->writes + k->reads;
}

static void note(struct worst *x, const struct counter_cost *k, uint64_t ns)
{
	const struct target_port *p = counter_port(&w.c);

	if (ops(k) > x->ops)
		x->ops = ops(k);
	if (ns <= x->ns)
		return;
	*x = (struct worst){ k->cycles,
			     x->ops,
			     ns,
			     counter_u8(&w.c, p->turn),
			     counter_u8(&w.c, p->phase),
			     counter_u8(&w.c, p->in_what),
			     counter_u8(&w.c, p->load_part) };
}

static void show(const char *kind, const struct worst *x)
{
	printf("  %-44s %6u cycles, %3u bus accesses, %6.2f us (turn %u, phase %u, message %u, "
	       "load %u)\n",
	       kind, x->cycles, x->ops, (double)x->ns / 1e3, x->turn, x->phase, x->what, x->part);
}

/* Modelled time passes; an inference that ends meanwhile is finished. */
static void pass(uint64_t ns)
{
	w.now_ns += ns;
	counter_port(&w.c)->now_us = w.now_ns / 1000;
	if (!w.running && cnn_emu_running(w.c.emu)) {
		w.running = true;
		w.done_ns = w.now_ns + (uint64_t)cnn_emu_cycles(w.c.emu) * CNN_CYCLE_NS;
	} else if (w.running && !cnn_emu_running(w.c.emu)) {
		w.running = false; /* stopped */
	} else if (w.running && w.now_ns >= w.done_ns) {
		cnn_emu_finish(w.c.emu);
		w.running = false;
	}
}

/* What agent_primary_begin() would cost now, alone and after the step before. */
static void try_begin(uint64_t step_ns)
{
	const struct target_port *p = counter_port(&w.c);
	uint64_t now_us = w.now_ns / 1000;
	uint32_t regs = counter_u16(&w.c, p->dirty_regs);
	struct counter_cost k =
		counter_try(&w.c, w.c.begin, w.c.agent, (uint32_t)now_us, (uint32_t)(now_us >> 32));

	note(&w.wait, &k, step_ns + counter_ns(&k, CPU_HZ));
	if (regs > 0) { /* without its registers */
		uint32_t cycles = k.cycles;

		if (regs == p->restore_regs_max)
			note(&w.restore, &k, counter_ns(&k, CPU_HZ));
		k.cycles -= cycles < regs * p->restore_cycles ? cycles : regs * p->restore_cycles;
		k.writes -= k.writes < regs ? k.writes : regs;
	}
	note(&w.begin, &k, counter_ns(&k, CPU_HZ));
}

/* -- the line -------------------------------------------------------------------------------- */

static void on_message(const uint8_t *bytes, size_t n)
{
	union link_msg m;

	ck_assert_int_eq(link_msg_decode(bytes, n, &m), HV_OK);
	switch (m.any.id_) {
	case LINK_HELLO: w.hellos++; break;
	case LINK_MODEL_STATE:
		w.resident += m.model_state.state == LINK_SLOT_RESIDENT;
		w.codes += m.model_state.code != 0;
		break;
	case LINK_RESULT:
		w.results++;
		w.good += m.result.code == 0;
		break;
	case LINK_BUFFER_RESULT:
		w.results++;
		w.good += m.buffer_result.code == 0;
		break;
	default: w.others++; break;
	}
}

static void from_board(void)
{
	struct target_port *p = counter_port(&w.c);
	int n;

	if (p->tx_n > 0)
		(void)arq_input(&w.arq, p->tx, p->tx_n, w.now_ns / 1000);
	p->tx_n = 0;
	for (n = arq_recv(&w.arq, w.msg, sizeof(w.msg)); n > 0;
	     n = arq_recv(&w.arq, w.msg, sizeof(w.msg)))
		on_message(w.msg, (size_t)n);
	ck_assert_int_ge(n, 0);
}

static void to_board(void)
{
	struct target_port *p = counter_port(&w.c);

	if (p->rx_at < p->rx_n)
		return;
	p->rx_at = p->rx_n = 0;
	if (w.wire_at == w.wire_n) {
		w.wire_at = 0;
		w.wire_n = arq_output(&w.arq, w.wire, w.now_ns / 1000);
	}
	while (w.wire_at < w.wire_n && p->rx_n < LINE_BYTES) {
		uint8_t byte = w.wire[w.wire_at++];

		if (w.damage != 0 && hv_rng_below(&w.rng, w.damage) == 0)
			byte ^= (uint8_t)(1u << hv_rng_below(&w.rng, 8));
		p->rx[p->rx_n++] = byte;
	}
}

/* -- one step -------------------------------------------------------------------------------- */

static void one_step(void)
{
	const struct target_port *p = counter_port(&w.c);
	struct counter_cost k;
	bool dirty, more;
	uint64_t ns;

	to_board();
	dirty = counter_u16(&w.c, p->dirty_regs) > 0;
	more = counter_call(&w.c, w.c.step, w.c.agent, 0, 0) != 0;
	ck_assert_msg(w.c.error[0] == '\0', "%s", w.c.error);
	k = w.c.cost;
	ns = counter_ns(&k, CPU_HZ);
	w.steps++;
	pass(ns + (more ? 0 : 20000));
	from_board();
	dirty = dirty && counter_u16(&w.c, p->dirty_regs) > 0;
	note(dirty ? &w.dirty : &w.other, &k, ns);
	/* what a step does hardly depends on how often the same was tried before */
	if (w.has_primary)
		return;
	if (counter_u16(&w.c, p->dirty_regs) > 0 || counter_u8(&w.c, p->hold) != 0 ||
	    ns + 4000 > w.wait.ns || w.steps % 16 == 0)
		try_begin(ns);
}

static void run(unsigned steps)
{
	while (steps-- > 0)
		one_step();
}

static void primary(uint64_t busy_ns)
{
	uint64_t now_us = w.now_ns / 1000;

	(void)counter_call(&w.c, w.c.begin, w.c.agent, (uint32_t)now_us, (uint32_t)(now_us >> 32));
	pass(counter_ns(&w.c.cost, CPU_HZ));
	w.has_primary = true;
	run(20);
	w.has_primary = false;
	pass(busy_ns);
	(void)counter_call(&w.c, w.c.end, w.c.agent, 0, 0);
	ck_assert_msg(w.c.error[0] == '\0', "%s", w.c.error);
}

/* -- what the daemon says ---------------------------------------------------------------------- */

static bool send(const union link_msg *m, const void *tail, size_t n)
{
	uint8_t head[256];
	size_t len = link_msg_encode(m, head, sizeof(head));

	return arq_send(&w.arq, head, len, tail, n) == HV_OK;
}

static void send_now(const union link_msg *m, const void *tail, size_t n)
{
	for (int i = 0; i < 20000 && !send(m, tail, n); i++)
		one_step();
}

static void load(unsigned which, uint8_t slot)
{
	const uint8_t *image = w.image[which];
	size_t len = w.image_len[which];
	union link_msg begin = {
		.model_begin = { .id_ = LINK_MODEL_BEGIN, .slot = slot, .bytes = (uint32_t)len }
	};
	union link_msg commit = { .model_commit = { .id_ = LINK_MODEL_COMMIT, .slot = slot } };
	unsigned before = w.resident, codes = w.codes;

	peer_hash(image, len, begin.model_begin.hash.b);
	send_now(&begin, NULL, 0);
	run(300);
	for (size_t at = 0, n; at < len; at += n) {
		union link_msg m = { .model_chunk = { .id_ = LINK_MODEL_CHUNK,
						      .slot = slot,
						      .offset = (uint32_t)at } };

		n = len - at < 1900 ? len - at : 1900;
		send_now(&m, image + at, n);
	}
	send_now(&commit, NULL, 0);
	for (int i = 0; i < 400000 && w.resident == before && w.codes == codes; i++)
		one_step();
	ck_assert_msg(w.resident > before, "slot %u is not resident", slot);
}

static bool job(uint32_t id, unsigned which, uint8_t slot, unsigned records)
{
	static uint8_t tail[8192];
	union link_msg m = {
		.job = { .id_ = LINK_JOB, .job = id, .slot = slot, .records = (uint16_t)records }
	};

	for (size_t i = 0; i < sizeof(tail); i++)
		tail[i] = (uint8_t)hv_rng_u64(&w.rng);
	return send(&m, tail, records * w.in_bytes[which]);
}

static void small_talk(uint32_t n)
{
	const union link_msg m[] = {
		{ .clock_req = { .id_ = LINK_CLOCK_REQ, .host_ns = n } },
		{ .time_req = { .id_ = LINK_TIME_REQ, .seq = n } },
		{ .status_req = { .id_ = LINK_STATUS_REQ } },
		{ .hello_req = { .id_ = LINK_HELLO_REQ, .proto_min = 1, .proto_max = 1 } },
		{ .details_req = { .id_ = LINK_DETAILS_REQ, .what = UINT32_MAX } },
		{ .baud_req = { .id_ = LINK_BAUD_REQ, .bps = n } },
		{ .job_cancel = { .id_ = LINK_JOB_CANCEL, .job = n } },
		{ .job_buffer = { .id_ = LINK_JOB_BUFFER,
				  .job = n,
				  .slot = (uint8_t)(n % 4),
				  .records = 4,
				  .from = LINK_FROM_NEWEST,
				  .hop = 3 } },
		{ .model_evict = { .id_ = LINK_MODEL_EVICT, .slot = 9 } },
		{ .model_begin = { .id_ = LINK_MODEL_BEGIN, .slot = 3, .bytes = 5000 } },
		{ .model_commit = { .id_ = LINK_MODEL_COMMIT, .slot = 3 } },
		{ .job = { .id_ = LINK_JOB, .job = n, .slot = 7, .records = 3 } },
	};
	uint8_t noise[48];

	(void)send(&m[n % (sizeof(m) / sizeof(*m))], NULL, 0);
	if (hv_rng_below(&w.rng, 8) != 0)
		return;
	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (uint8_t)hv_rng_u64(&w.rng);
	if (arq_send(&w.arq, noise, 1 + hv_rng_below(&w.rng, sizeof(noise)), NULL, 0) != HV_OK)
		run(100);
}

static void connect(uint16_t conn)
{
	unsigned before = w.hellos;

	arq_connect(&w.arq, conn, w.now_ns / 1000);
	for (int i = 0; i < 100000 && w.hellos == before; i++)
		one_step();
	ck_assert_uint_gt(w.hellos, before);
}

/* -- the world --------------------------------------------------------------------------------- */

/* The primary's registers differ from what guests write wherever a network without streaming
 * may have them other than zero: as many as a run may find. */
static void primary_registers(void)
{
	for (unsigned q = 0; q < CNN_QUADRANTS; q++)
		for (unsigned r = 0; r < CNN_LAYER_REGS; r++)
			for (unsigned l = 0; l < LAYER_REGS; l++) {
				bool zero = r == CNN_R_STRM0 || r == CNN_R_STRM1;

				if (r != CNN_R_IFRM && !zero)
					cnn_emu_write32(w.c.emu, cnn_reg_addr(q, r, l),
							0x155 + (uint32_t)hv_rng_below(&w.rng, 64));
			}
}

static void images(void)
{
	static const struct {
		const char *task;
		unsigned level;
		uint16_t kernel_first, kernel_words;
	} of[3] = { { "fft64", 4, 376, 40 }, { "fft128", 4, 416, 280 }, { "fir32", 2, 696, 72 } };

	for (unsigned i = 0; i < 3; i++) {
		const struct package *pkg = peer_package(of[i].task, of[i].level);
		struct cnn_room room = { .kernel_first = of[i].kernel_first,
					 .kernel_words = of[i].kernel_words,
					 .bias_count = CNN_BIAS_BYTES,
					 .data_first = 512,
					 .data_words = 7680 };
		struct slotimg head;
		char why[160];

		ck_assert_msg(slotimg_build(&pkg->net, pkg->steps_blob, pkg->steps_len, &room, 15,
					    &w.image[i], &w.image_len[i], why,
					    sizeof(why)) == HV_OK,
			      "%s: %s", of[i].task, why);
		ck_assert_int_eq(slotimg_header_parse(w.image[i], w.image_len[i], &head), HV_OK);
		w.in_bytes[i] = head.in_record_bytes;
	}
}

static void begin(const char *elf)
{
	memset(&w, 0, sizeof(w));
	hv_rng_seed(&w.rng, 4);
	ck_assert_msg(counter_open(&w.c, elf), "%s", w.c.error);
	arq_init(&w.arq, ARQ_DAEMON, w.tx, sizeof(w.tx), w.rx, sizeof(w.rx), 1000000);
	pass(1000000);
	primary_registers();
	images();
	connect(3);
}

static void end(void)
{
	counter_close(&w.c);
	for (int i = 0; i < 3; i++)
		free(w.image[i]);
	peer_packages_free();
}

/* Jobs of every model without a pause, an active primary, small talk. */
static void saturate(unsigned rounds)
{
	for (unsigned i = 0; i < rounds; i++) {
		static const unsigned records[3] = { 2, 1, 4 };
		unsigned which = i % 3;

		(void)job(i, which, (uint8_t)which, records[which]);
		small_talk(i);
		run(400 + hv_rng_below(&w.rng, 400));
		if (i % 3 == 0)
			primary(hv_rng_below(&w.rng, 400000));
	}
}

static void story(void)
{
	union link_msg reset = { .reset = { .id_ = LINK_RESET } };

	load(0, 0);
	load(1, 1);
	load(2, 2);
	saturate(60);
	w.damage = 300;
	saturate(60);
	w.damage = 40;
	saturate(30);
	w.damage = 0;
	connect(5);
	load(2, 3 - 1);
	(void)job(99, 0, 0, 16);
	run(2000);
	send_now(&reset, NULL, 0);
	run(4000);
	connect(6);
	run(2000);
}

static void report(void)
{
	const struct target_port *p = counter_port(&w.c);

	printf("  %llu steps, %u results, %u of them good, bound %u us\n",
	       (unsigned long long)w.steps, w.results, w.good, p->bound_us);
	show("step, registers to restore", &w.dirty);
	show("any other step", &w.other);
	show("begin without its registers", &w.begin);
	show("begin with as many registers as there may be", &w.restore);
	show("a step and then begin", &w.wait);
}

/* NULL, or which part of the bound does not hold. */
static const char *broken(void)
{
	const struct target_port *p = counter_port(&w.c);

	if (w.dirty.cycles > p->step_cycles)
		return "a step that leaves registers to restore takes too many cycles";
	if (w.dirty.ops > p->slice_ops)
		return "a step that leaves registers to restore takes too many bus accesses";
	if (w.other.cycles > p->long_cycles)
		return "a step that leaves nothing to restore takes too many cycles";
	if (w.begin.cycles > p->begin_cycles)
		return "agent_primary_begin() takes too many cycles beside its registers";
	if (w.begin.ops > 1 + 3 * CNN_QUADRANTS)
		return "agent_primary_begin() takes too many bus accesses beside its registers";
	if (w.wait.ns > p->bound_us * UINT64_C(1000))
		return "a step and the hand-over after it take longer than the bound";
	return NULL;
}

START_TEST(no_step_and_no_hand_over_is_longer_than_what_the_bound_is_made_of)
{
	begin(STEPS_ELF);
	story();
	report();
	ck_assert_msg(broken() == NULL, "%s", broken());
	ck_assert_uint_gt(w.good, 20);
	ck_assert_uint_gt(w.restore.cycles, 0); /* it did happen */
	end();
}
END_TEST

START_TEST(an_agent_with_one_slice_too_long_is_found)
{
	begin(BROKEN_ELF);
	load(0, 0);
	saturate(6);
	report();
	ck_assert_ptr_nonnull(broken());
	printf("  found: %s\n", broken());
	end();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("step cost");
	TCase *tc = tcase_create("Arm code");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, no_step_and_no_hand_over_is_longer_than_what_the_bound_is_made_of);
	tcase_add_test(tc, an_agent_with_one_slice_too_long_is_found);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
