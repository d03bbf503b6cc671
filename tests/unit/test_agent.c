#include "tests/lib/board_peer.h"
#include "util/own.h"
#include <check.h>
#include <stdlib.h>
#include <string.h>

/* The agent on a virtual board whose primary never asks by itself: the tests call it. */
#define QUIET "periodic:period_us=1900000000,busy_us=1000"

static struct primary_spec spec;
static struct vboard *b;
static struct peer p;
static struct hv_rng rng;
static uint8_t *image;
static size_t image_len;

static void setup(void)
{
	hv_rng_seed(&rng, 11);
	b = peer_board(QUIET, &spec, 20000000, NULL);
	peer_init(&p, b);
	ck_assert(peer_connect(&p, 3));
	image = peer_image(&p, peer_package("fft64", 4), &image_len);
}

static void teardown(void)
{
	ck_assert_msg(cnn_emu_misuse(b->emu) == 0, "misuse of the accelerator: %s",
		      cnn_emu_misuse_text(b->emu));
	free(image);
	peer_clear(&p);
	vboard_free(b);
	primary_spec_clear(&spec);
	peer_packages_free();
}

/* -- helpers ----------------------------------------------------------------------------- */

enum { DUMP = CNN_QUADRANTS * (CNN_LAYER_REGS * CNN_LAYERS_MAX + 2) };

/* Every register a guest could have touched. */
static void dump(uint32_t *to)
{
	for (unsigned q = 0; q < CNN_QUADRANTS; q++) {
		*to++ = ag_ctrl_idle(cnn_emu_read32(b->emu, ag_quadrant(CNN_CTRL, q)));
		*to++ = cnn_emu_read32(b->emu, ag_quadrant(CNN_LCNT_MAX, q));
		for (unsigned r = 0; r < CNN_LAYER_REGS; r++)
			for (unsigned l = 0; l < CNN_LAYERS_MAX; l++)
				*to++ = r == CNN_R_IFRM
						? 0
						: cnn_emu_read32(b->emu, cnn_reg_addr(q, r, l));
	}
}

/* One inference of the primary, now; the hash of its outputs. */
static uint64_t primary_once(void)
{
	uint64_t hash;

	agent_primary_begin(&b->agent, vboard_now_ns(b) / 1000);
	primary_net_start(b->net, b->emu, 7);
	host_hal_advance(&b->hal, 1000000);
	hash = primary_net_finish(b->net, b->emu);
	agent_primary_end(&b->agent);
	b->more = true;
	return hash;
}

static void one_step(void)
{
	vboard_run(b, vboard_now_ns(b) + 1);
}

static int load(uint8_t slot)
{
	return peer_load(&p, slot, image, image_len);
}

/* -- the primary comes at any moment ------------------------------------------------------ */

/* Every slice in the long form, else each of the first ones and then fewer and fewer. */
static unsigned slices_on(unsigned k)
{
	return getenv("HARVEST_LONG") != NULL ? 1 : 1 + k / 12;
}

START_TEST(an_abort_at_any_slice_restores_every_register_and_loses_no_job)
{
	static uint32_t before[DUMP], after[DUMP];
	const struct package *pkg = peer_package("fft64", 4);
	uint64_t hash = primary_once();
	unsigned k = 0, tries = 0;
	bool ran_through = false;

	ck_assert_int_eq(load(0), HV_OK);
	dump(before);
	for (; !ran_through; k += slices_on(k), tries++) {
		unsigned results = p.results, slice = 0;
		uint64_t from;

		ck_assert(peer_job(&p, k, 0, pkg, 2, &rng));
		while (b->agent.run.phase == AG_IDLE)
			peer_run(&p, 500);
		for (; slice < k && b->agent.run.phase != AG_IDLE; slice++)
			one_step();
		ran_through = b->agent.run.phase == AG_IDLE;
		from = vboard_now_ns(b);
		agent_primary_begin(&b->agent, from / 1000);
		ck_assert_uint_le(vboard_now_ns(b) - from, AG_HANDOVER_WRITES * CNN_BUS_WRITE_NS);
		dump(after);
		ck_assert_msg(memcmp(before, after, sizeof(before)) == 0,
			      "registers differ after an abort at slice %u", k);
		agent_primary_end(&b->agent);
		ck_assert_msg(primary_once() == hash, "primary differs after slice %u", k);
		ck_assert(p.results != results || peer_until(&p, &p.results, UINT64_C(100000000)));
		ck_assert_int_eq(p.last_code, HV_OK);
		ck_assert_uint_eq(p.result.aborted, ran_through ? 0 : 1);
	}
	ck_assert_uint_gt(tries, 30); /* it did visit the phases */
	ck_assert_uint_eq(p.wrong, 0);
	ck_assert_uint_eq(p.good, tries);
}
END_TEST

START_TEST(the_primary_may_interrupt_a_load_at_every_step)
{
	static uint32_t before[DUMP], after[DUMP];
	uint64_t hash = primary_once();
	union link_msg begin = {
		.model_begin = { .id_ = LINK_MODEL_BEGIN, .slot = 1, .bytes = (uint32_t)image_len }
	};
	union link_msg commit = { .model_commit = { .id_ = LINK_MODEL_COMMIT, .slot = 1 } };
	size_t at = 0;
	bool committed = false;

	dump(before);
	peer_hash(image, image_len, begin.model_begin.hash.b);
	ck_assert(peer_send(&p, &begin, NULL, 0));
	peer_run(&p, 1000000);
	ck_assert_uint_eq(p.state.state, LINK_SLOT_LOADING);
	for (int k = 0; b->agent.slot[1].state != LINK_SLOT_RESIDENT; k++) {
		union link_msg m = { .model_chunk = { .id_ = LINK_MODEL_CHUNK,
						      .slot = 1,
						      .offset = (uint32_t)at } };
		size_t n = image_len - at < 700 ? image_len - at : 700;

		ck_assert_int_lt(k, 20000);
		if (n > 0 && peer_send(&p, &m, image + at, n))
			at += n;
		else if (n == 0 && !committed)
			committed = peer_send(&p, &commit, NULL, 0);
		peer_run(&p, 30000);
		for (int i = 0; i < k % 7; i++)
			one_step();
		agent_primary_begin(&b->agent, vboard_now_ns(b) / 1000);
		dump(after);
		ck_assert_msg(memcmp(before, after, sizeof(before)) == 0,
			      "registers differ in interruption %d", k);
		agent_primary_end(&b->agent);
		ck_assert(primary_once() == hash);
	}
	ck_assert(peer_job(&p, 1, 1, peer_package("fft64", 4), 5, &rng));
	ck_assert(peer_until(&p, &p.results, UINT64_C(100000000)));
	ck_assert_uint_eq(p.good, 1);
}
END_TEST

START_TEST(loading_waits_while_the_primary_has_the_accelerator)
{
	uint64_t writes;

	agent_primary_begin(&b->agent, vboard_now_ns(b) / 1000);
	writes = b->hal.bus_ops;
	ck_assert_int_eq(load(0), 1); /* no answer to the commit */
	ck_assert_uint_eq(b->hal.bus_ops, writes);
	agent_primary_end(&b->agent);
	b->more = true;
	ck_assert(peer_until(&p, &p.states, UINT64_C(100000000)));
	ck_assert_uint_eq(p.state.state, LINK_SLOT_RESIDENT);
}
END_TEST

START_TEST(a_job_that_fits_no_window_is_refused_after_a_bounded_number_of_aborts)
{
	ck_assert_int_eq(load(0), HV_OK);
	ck_assert(peer_job(&p, 5, 0, peer_package("fft64", 4), 8, &rng));
	for (int i = 0; i < 200 && p.results == 0; i++) {
		peer_run(&p, 60000); /* less than one record takes */
		agent_primary_begin(&b->agent, vboard_now_ns(b) / 1000);
		host_hal_advance(&b->hal, 50000);
		agent_primary_end(&b->agent);
		b->more = true;
	}
	ck_assert_uint_eq(p.results, 1);
	ck_assert_int_eq(p.last_code, HV_E_BUSY);
	ck_assert_uint_le(p.result.aborted, AG_FRUITLESS_MAX + 1);
}
END_TEST

START_TEST(a_primary_right_after_the_last_record_finds_a_job_that_is_done)
{
	ck_assert_int_eq(load(0), HV_OK);
	ck_assert(peer_job(&p, 5, 0, peer_package("fft64", 4), 2, &rng));
	for (int i = 0; i < 100000; i++) {
		peer_run(&p, 100);
		if (b->agent.run.phase == AG_UNLOAD && b->agent.run.record == b->agent.run.records)
			break;
	}
	ck_assert_int_eq(b->agent.run.phase, AG_UNLOAD);
	agent_primary_begin(&b->agent, vboard_now_ns(b) / 1000);
	agent_primary_end(&b->agent);
	b->more = true;
	ck_assert(peer_until(&p, &p.results, UINT64_C(100000000)));
	ck_assert_uint_eq(p.good, 1);
	ck_assert_uint_eq(p.result.records, 2);
	ck_assert_uint_eq(p.result.aborted, 0);
}
END_TEST

START_TEST(nothing_is_begun_while_the_primary_is_due_and_work_goes_on_when_it_does_not_come)
{
	uint64_t from_us, until_us, ops;

	ck_assert_int_eq(load(0), HV_OK);
	from_us = vboard_now_ns(b) / 1000 + 20000;
	agent_primary_expect(&b->agent, from_us, from_us + 400);
	b->hal.slow = 4; /* the run takes longer than the guard was told */
	while (vboard_now_ns(b) / 1000 < from_us) {
		(void)peer_job(&p, 5, 0, peer_package("fft64", 4), 8, &rng);
		peer_run(&p, 20000);
	}
	ck_assert(agent_is_quiet(&b->agent, &until_us));
	ck_assert_uint_eq(until_us, from_us + 400 + GUARD_MARGIN_US + 1);
	ck_assert_int_eq(b->agent.run.phase, AG_IDLE);
	ops = b->hal.bus_ops;
	ck_assert(!agent_step(&b->agent));
	ck_assert_uint_eq(agent_next_us(&b->agent), until_us);
	ck_assert_uint_eq(b->hal.bus_ops, ops);
	peer_run(&p, 100000000);
	ck_assert_uint_gt(p.good, 0);
}
END_TEST

/* -- slots: every refusal ----------------------------------------------------------------- */

enum { REG = SLOTIMG_HEADER_BYTES };

/* clang-format off */
static const struct {
	const char *name;
	unsigned at, n;       /* bytes to overwrite */
	uint32_t value;
	int code;
} lies[] = {
	{ "magic",                          0, 4, 0x12345678, HV_E_FORMAT },
	{ "version",                        4, 2, 3,          HV_E_VERSION },
	{ "no layers",                      6, 1, 0,          HV_E_FORMAT },
	{ "not the primary's quadrants",    7, 1, 1,          HV_E_FORMAT },
	{ "other positions than the steps", 8, 1, 2,          HV_E_FORMAT },
	{ "more records than memory",      10, 2, 1000,       HV_E_FORMAT },
	{ "other input than the steps",    12, 2, 12,         HV_E_FORMAT },
	{ "input in the primary's words",  16, 2, 0,          HV_E_FORMAT },
	{ "the primary's kernels",         22, 2, 0,          HV_E_BUSY },
	{ "kernels over the end",          24, 2, 600,        HV_E_FORMAT },
	{ "the primary's bias",            26, 4, 0x00100000, HV_E_BUSY },
	{ "the primary's data",            30, 4, 0x20000000, HV_E_BUSY },
	{ "records of outputs too large",  14, 2, 5000,       HV_E_BUSY },
	{ "too many registers",            58, 2, 600,        HV_E_BUSY },
	{ "size other than announced",     66, 4, 9000,       HV_E_FORMAT },
	{ "a register beyond the layers",  REG, 2, 31,        HV_E_FORMAT },
	{ "steps of another version",      0xffff, 1, 9,      HV_E_FORMAT }, /* see below */
	{ "a kernel of processor 64",      0xfffe, 1, 64,     HV_E_FORMAT },
};
/* clang-format on */

static unsigned lie_at(int i)
{
	struct slotimg img;

	if (lies[i].at < 0xfffe)
		return lies[i].at;
	ck_assert_int_eq(slotimg_header_parse(image, image_len, &img), HV_OK);
	ck_assert_uint_eq(img.n_biases, 0);
	return SLOTIMG_HEADER_BYTES + img.n_regs * (unsigned)SLOTIMG_REG_BYTES +
	       (lies[i].at == 0xfffe ? img.steps_bytes : 0u);
}

START_TEST(a_slot_image_that_lies_is_refused_and_the_slot_stays_empty)
{
	uint64_t hash = primary_once();
	unsigned at = lie_at(_i);
	int code;

	for (unsigned i = 0; i < lies[_i].n; i++)
		image[at + i] = (uint8_t)(lies[_i].value >> 8 * i);
	code = load(2);
	ck_assert_msg(code == lies[_i].code, "%s: code %d, wanted %d", lies[_i].name, code,
		      lies[_i].code);
	ck_assert_uint_eq(p.state.state, LINK_SLOT_EMPTY);
	ck_assert(primary_once() == hash);
	/* and the slot can be used again */
	free(image);
	image = peer_image(&p, peer_package("fft64", 4), &image_len);
	ck_assert_int_eq(load(2), HV_OK);
}
END_TEST

START_TEST(an_output_record_longer_than_its_memory_is_refused_at_load)
{
	uint32_t record = cnn_steps_out_bytes(&peer_package("fft64", 4)->steps);

	b->agent.cfg.record_bytes = record - 1;
	ck_assert_int_eq(load(2), HV_E_BUSY);
	b->agent.cfg.record_bytes = record;
	ck_assert_int_eq(load(2), HV_OK);
}
END_TEST

static int ask(union link_msg m, const void *tail, size_t n)
{
	ck_assert(peer_send(&p, &m, tail, n));
	if (!peer_until(&p, &p.states, UINT64_C(50000000)))
		return 1;
	return (int16_t)p.state.code;
}

static union link_msg begin_msg(uint8_t slot, uint32_t bytes, uint8_t fill)
{
	union link_msg m = { .model_begin = {
				     .id_ = LINK_MODEL_BEGIN, .slot = slot, .bytes = bytes } };

	memset(m.model_begin.hash.b, fill, sizeof(m.model_begin.hash.b));
	return m;
}

START_TEST(requests_out_of_order_are_answered_with_a_code)
{
	union link_msg chunk = { .model_chunk = { .id_ = LINK_MODEL_CHUNK, .slot = 0 } };
	union link_msg commit = { .model_commit = { .id_ = LINK_MODEL_COMMIT, .slot = 0 } };
	union link_msg evict = { .model_evict = { .id_ = LINK_MODEL_EVICT, .slot = 9 } };

	ck_assert_int_eq(ask(begin_msg(9, 5000, 1), NULL, 0), HV_E_INVAL);
	ck_assert_int_eq(ask(begin_msg(0, 5, 1), NULL, 0), HV_E_FORMAT);
	ck_assert_int_eq(ask(chunk, image, 10), HV_E_NOENT);
	ck_assert_int_eq(ask(commit, NULL, 0), HV_E_NOENT);
	ck_assert_int_eq(ask(evict, NULL, 0), HV_E_INVAL);
	ck_assert_int_eq(ask(begin_msg(0, (uint32_t)image_len, 1), NULL, 0), HV_OK);
	ck_assert_int_eq(ask(begin_msg(1, (uint32_t)image_len, 1), NULL, 0), HV_E_BUSY);
	chunk.model_chunk.offset = 1;
	ck_assert_int_eq(ask(chunk, image, 10), HV_E_INVAL);
	ck_assert_uint_eq(p.state.state, LINK_SLOT_EMPTY);
	/* the rest of a refused load is not answered again */
	ck_assert_int_eq(ask(chunk, image, 10), 1);
	ck_assert_int_eq(ask(begin_msg(0, (uint32_t)image_len, 1), NULL, 0), HV_OK);
	ck_assert_int_eq(ask(commit, NULL, 0), HV_E_FORMAT);
}
END_TEST

START_TEST(a_content_that_does_not_match_its_hash_is_never_resident)
{
	union link_msg commit = { .model_commit = { .id_ = LINK_MODEL_COMMIT, .slot = 0 } };

	ck_assert_int_eq(ask(begin_msg(0, (uint32_t)image_len, 1), NULL, 0), HV_OK);
	for (size_t at = 0; at < image_len;) {
		union link_msg m = { .model_chunk = { .id_ = LINK_MODEL_CHUNK,
						      .offset = (uint32_t)at } };
		size_t n = image_len - at < 900 ? image_len - at : 900;

		if (peer_send(&p, &m, image + at, n))
			at += n;
		peer_run(&p, 1000000);
	}
	ck_assert_int_eq(ask(commit, NULL, 0), HV_E_WRONG);
	ck_assert_uint_eq(b->agent.slot[0].state, LINK_SLOT_EMPTY);
}
END_TEST

START_TEST(the_same_content_again_is_resident_at_once_and_elsewhere_overlaps)
{
	union link_msg m = begin_msg(0, (uint32_t)image_len, 0);

	ck_assert_int_eq(load(0), HV_OK);
	peer_hash(image, image_len, m.model_begin.hash.b);
	ck_assert_int_eq(ask(m, NULL, 0), HV_OK);
	ck_assert_uint_eq(p.state.state, LINK_SLOT_RESIDENT);
	ck_assert_int_eq(load(1), HV_E_BUSY);
}
END_TEST

START_TEST(a_new_life_keeps_residents_and_drops_half_loads_and_jobs)
{
	unsigned states;

	ck_assert_int_eq(load(0), HV_OK);
	ck_assert_int_eq(ask(begin_msg(1, (uint32_t)image_len, 1), NULL, 0), HV_OK);
	ck_assert(peer_job(&p, 1, 0, peer_package("fft64", 4), 8, &rng));
	while (b->agent.run.phase != AG_WAIT)
		peer_run(&p, 500);
	states = p.states;
	peer_clear(&p);
	ck_assert(peer_connect(&p, 4));
	peer_run(&p, 20000000);
	ck_assert_uint_eq(p.hellos, 2);
	ck_assert_uint_eq(p.states - states, 1); /* of the one resident slot */
	ck_assert_uint_eq(p.state.slot, 0);
	ck_assert_uint_eq(p.state.state, LINK_SLOT_RESIDENT);
	ck_assert_uint_eq(b->agent.slot[1].state, LINK_SLOT_EMPTY);
	ck_assert_uint_eq(p.results, 0);
	ck_assert(peer_job(&p, 2, 0, peer_package("fft64", 4), 8, &rng));
	ck_assert(peer_until(&p, &p.results, UINT64_C(100000000)));
	ck_assert_uint_eq(p.good, 1);
}
END_TEST

/* -- jobs --------------------------------------------------------------------------------- */

static int job_code(uint8_t slot, uint16_t records, size_t tail)
{
	static const uint8_t zeros[8192];
	union link_msg m = {
		.job = { .id_ = LINK_JOB, .job = 77, .slot = slot, .records = records }
	};

	ck_assert(peer_send(&p, &m, zeros, tail));
	ck_assert(peer_until(&p, &p.results, UINT64_C(200000000)));
	ck_assert_uint_eq(p.result.job, 77);
	return p.last_code;
}

START_TEST(jobs_that_cannot_run_get_a_result_with_a_code)
{
	ck_assert_int_eq(load(0), HV_OK);
	ck_assert_int_eq(job_code(0, 2, 512), HV_OK);
	ck_assert_int_eq(job_code(9, 2, 512), HV_E_INVAL);
	ck_assert_int_eq(job_code(1, 2, 512), HV_E_NOENT);
	ck_assert_int_eq(job_code(0, 2, 511), HV_E_INVAL);
	ck_assert_int_eq(job_code(0, 0, 0), HV_E_INVAL);
	ck_assert_int_eq(job_code(0, 17, 17 * 256), HV_E_INVAL);
	ck_assert_int_eq(job_code(0, 65535, 512), HV_E_INVAL);
}
END_TEST

START_TEST(a_queued_job_can_be_cancelled_or_be_too_late_and_a_full_queue_says_so)
{
	const struct package *pkg = peer_package("fft64", 4);
	union link_msg cancel = { .job_cancel = { .id_ = LINK_JOB_CANCEL, .job = 3 } };
	union link_msg late = {
		.job = { .id_ = LINK_JOB, .job = 5, .records = 1, .latest_start_us = 1 }
	};
	uint8_t in[256] = { 0 };

	ck_assert_int_eq(load(0), HV_OK);
	agent_primary_begin(&b->agent, vboard_now_ns(b) / 1000); /* nothing starts now */
	for (uint32_t id = 1; id <= 3; id++)
		ck_assert(peer_job(&p, id, 0, pkg, 4, &rng));
	ck_assert(peer_send(&p, &late, in, sizeof(in)));
	peer_run(&p, 30000000);
	ck_assert_uint_eq(p.results, 0);
	ck_assert(peer_job(&p, 6, 0, pkg, 1, &rng));
	peer_run(&p, 30000000);
	ck_assert_int_eq(p.last_code, HV_E_BUSY);
	ck_assert(peer_send(&p, &cancel, NULL, 0));
	peer_run(&p, 10000000);
	ck_assert_int_eq(p.last_code, HV_E_CANCEL);
	agent_primary_end(&b->agent);
	b->more = true;
	ck_assert(peer_until(&p, &p.results, UINT64_C(100000000)));
	peer_run(&p, 50000000);
	ck_assert_uint_eq(p.results, 5);
	ck_assert_uint_eq(p.good, 2);
	ck_assert_uint_eq(b->agent.n.jobs_failed, 2);
}
END_TEST

START_TEST(evicting_a_slot_ends_its_jobs_with_a_code_and_restores_the_registers)
{
	static uint32_t before[DUMP], after[DUMP];
	union link_msg evict = { .model_evict = { .id_ = LINK_MODEL_EVICT, .slot = 0 } };

	ck_assert_int_eq(load(0), HV_OK);
	dump(before);
	ck_assert(peer_job(&p, 1, 0, peer_package("fft64", 4), 8, &rng));
	while (b->agent.run.phase != AG_WAIT)
		peer_run(&p, 500);
	ck_assert_int_eq(ask(evict, NULL, 0), HV_OK);
	peer_run(&p, 20000000);
	ck_assert_int_eq(p.last_code, HV_E_NOENT);
	dump(after);
	ck_assert_mem_eq(before, after, sizeof(before));
}
END_TEST

START_TEST(outputs_larger_than_inputs_never_overwrite_inputs_that_are_still_to_come)
{
	const struct package *pkg = peer_package("fft64", 1);
	size_t len;
	uint8_t *mine = peer_image(&p, pkg, &len);

	ck_assert_uint_gt(cnn_steps_out_bytes(&pkg->steps), cnn_steps_in_bytes(&pkg->steps));
	ck_assert_int_eq(peer_load(&p, 0, mine, len), HV_OK);
	free(mine);
	b->agent.slot[0].cap_records = 1; /* many runs for one job */
	for (uint32_t id = 1; id <= 4; id++)
		ck_assert(peer_job(&p, id, 0, pkg, 16, &rng));
	peer_run(&p, UINT64_C(200000000));
	ck_assert_uint_eq(p.good, 4);
}
END_TEST

/* -- questions ---------------------------------------------------------------------------- */

START_TEST(hello_clock_and_status_tell_the_truth)
{
	union link_msg clock = { .clock_req = { .id_ = LINK_CLOCK_REQ, .host_ns = 99 } };
	union link_msg status = { .status_req = { .id_ = LINK_STATUS_REQ } };
	union link_msg hello = { .hello_req = { .id_ = LINK_HELLO_REQ, .proto_max = 1 } };

	ck_assert_uint_eq(p.hello.wait_bound_us, AG_WAIT_BOUND_US);
	ck_assert_uint_le(p.hello.wait_bound_us, 100);
	ck_assert_str_eq(p.hello.serial.b, "test");
	ck_assert_int_eq(load(0), HV_OK);
	ck_assert(peer_job(&p, 1, 0, peer_package("fft64", 4), 8, &rng));
	ck_assert(peer_until(&p, &p.results, UINT64_C(100000000)));
	ck_assert(peer_send(&p, &clock, NULL, 0));
	ck_assert(peer_send(&p, &status, NULL, 0));
	peer_run(&p, 10000000);
	ck_assert_uint_eq(p.clock.host_ns, 99);
	ck_assert_uint_le(p.clock.board_us, vboard_now_ns(b) / 1000);
	ck_assert_uint_gt(p.clock.board_us, vboard_now_ns(b) / 1000 - 10000);
	ck_assert_uint_eq(p.status.jobs_done, 1);
	ck_assert_uint_eq(p.status.records, 8);
	ck_assert_uint_gt(p.status.harvest_busy_us, 500);
	/* the first question of a life was answered before it was asked */
	ck_assert(peer_send(&p, &hello, NULL, 0));
	ck_assert(peer_send(&p, &hello, NULL, 0));
	peer_run(&p, 10000000);
	ck_assert_uint_eq(p.hellos, 2);
}
END_TEST

START_TEST(activations_are_reported_a_few_times_a_second_and_losses_are_counted)
{
	for (int i = 0; i < 100; i++) {
		agent_primary_begin(&b->agent, vboard_now_ns(b) / 1000);
		host_hal_advance(&b->hal, 400000);
		agent_primary_end(&b->agent);
		b->more = true;
		peer_run(&p, 9600000);
	}
	peer_run(&p, UINT64_C(600000000));
	ck_assert_uint_eq(p.events, 100);
	ck_assert_uint_le(p.reports, 6 + 100 / 8); /* a message holds eight */
	for (int i = 0; i < 500; i++) {
		agent_primary_begin(&b->agent, vboard_now_ns(b) / 1000);
		agent_primary_end(&b->agent);
	}
	ck_assert_uint_eq(b->agent.primary.dropped, 500 - AG_EVENTS);
}
END_TEST

/* Records of 64 bytes each way, 30 a job, at 1 Mbaud; a step takes three times what the longest
 * of its kind was counted at, mostly. */
START_TEST(a_line_of_1_mbaud_is_nine_tenths_full_of_payload_both_ways_though_steps_are_slow)
{
	enum { BPS = 1000000, SECONDS = 2 };
	const struct package *pkg = peer_package("dct32", 2);
	uint64_t from_ns, to, from;
	double share = SECONDS * BPS / 10;

	ck_assert_uint_eq(cnn_steps_in_bytes(&pkg->steps), cnn_steps_out_bytes(&pkg->steps));
	peer_clear(&p);
	vboard_free(b);
	primary_spec_clear(&spec);
	b = peer_board(QUIET, &spec, BPS, NULL);
	b->step_ns = 8000;
	peer_init(&p, b);
	ck_assert(peer_connect(&p, 3));
	free(image);
	image = peer_image(&p, pkg, &image_len);
	ck_assert_int_eq(load(0), HV_OK);
	for (uint32_t id = 1; id <= 3; id++)
		ck_assert(peer_job(&p, id, 0, pkg, 30, &rng));
	peer_run(&p, UINT64_C(400000000));
	from_ns = vboard_now_ns(b);
	to = p.arq.n.bytes_acked;
	from = p.arq.n.bytes_taken;
	for (uint32_t id = 4; vboard_now_ns(b) - from_ns < SECONDS * UINT64_C(1000000000);)
		if (peer_job(&p, id, 0, pkg, 30, &rng))
			id++;
		else
			peer_run(&p, 1000000);
	to = p.arq.n.bytes_acked - to;
	from = p.arq.n.bytes_taken - from;
	printf("  1 Mbaud, 8 us a step: %.1f %% of the line to the board, %.1f %% from it\n",
	       100 * (double)to / share, 100 * (double)from / share);
	ck_assert_uint_ge(to, (uint64_t)(0.90 * share));
	ck_assert_uint_ge(from, (uint64_t)(0.90 * share));
	ck_assert_uint_eq(p.arq.n.resent + b->agent.arq.n.resent, 0);
	ck_assert_uint_eq(p.wrong, 0);
}
END_TEST

/* The fastest line a bridge has, with jobs all the time. */
START_TEST(nothing_is_resent_on_a_clean_line_of_12_mbaud_under_load)
{
	const struct package *pkg = peer_package("fft64", 4);
	uint64_t until;

	peer_clear(&p);
	vboard_free(b);
	primary_spec_clear(&spec);
	b = peer_board("periodic:period_us=33333,busy_us=18480", &spec, 12000000, NULL);
	peer_init(&p, b);
	ck_assert(peer_connect(&p, 3));
	ck_assert_int_eq(load(0), HV_OK);
	until = vboard_now_ns(b) + UINT64_C(2000000000);
	for (uint32_t id = 1; vboard_now_ns(b) < until;)
		if (peer_job(&p, id, 0, pkg, 16, &rng))
			id++;
		else
			peer_run(&p, 300000);
	ck_assert_uint_gt(p.good, 50);
	ck_assert_uint_eq(p.arq.n.resent + b->agent.arq.n.resent, 0);
	ck_assert_uint_eq(p.wrong, 0);
}
END_TEST

START_TEST(an_impossible_configuration_is_refused)
{
	struct ag_config bad = b->config;
	struct ag_hal hal = host_hal_ops(&b->hal);
	struct agent *a = malloc(sizeof(*a));

	bad.tx_bytes = 3000;
	ck_assert_int_eq(agent_init(a, &hal, &bad), HV_E_INVAL);
	bad = b->config;
	bad.job_bytes = ARQ_MSG_MAX;
	ck_assert_int_eq(agent_init(a, &hal, &bad), HV_E_INVAL);
	bad = b->config;
	bad.kernel_words = CNN_KERNEL_WORDS;
	ck_assert_int_eq(agent_init(a, &hal, &bad), HV_E_INVAL);
	bad = b->config;
	bad.model_slots = AG_SLOTS_MAX + 1;
	ck_assert_int_eq(agent_init(a, &hal, &bad), HV_E_INVAL);
	bad = b->config;
	bad.record_memory = NULL;
	ck_assert_int_eq(agent_init(a, &hal, &bad), HV_E_INVAL);
	bad = b->config;
	bad.record_bytes = 0;
	ck_assert_int_eq(agent_init(a, &hal, &bad), HV_E_INVAL);
	free(a);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("agent");
	TCase *tc = tcase_create("agent");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, an_abort_at_any_slice_restores_every_register_and_loses_no_job);
	tcase_add_test(tc, the_primary_may_interrupt_a_load_at_every_step);
	tcase_add_test(tc, loading_waits_while_the_primary_has_the_accelerator);
	tcase_add_test(tc, a_job_that_fits_no_window_is_refused_after_a_bounded_number_of_aborts);
	tcase_add_test(tc, a_primary_right_after_the_last_record_finds_a_job_that_is_done);
	tcase_add_test(
		tc,
		nothing_is_begun_while_the_primary_is_due_and_work_goes_on_when_it_does_not_come);
	tcase_add_loop_test(tc, a_slot_image_that_lies_is_refused_and_the_slot_stays_empty, 0,
			    HV_ARRAY_SIZE(lies));
	tcase_add_test(tc, an_output_record_longer_than_its_memory_is_refused_at_load);
	tcase_add_test(tc, requests_out_of_order_are_answered_with_a_code);
	tcase_add_test(tc, a_content_that_does_not_match_its_hash_is_never_resident);
	tcase_add_test(tc, the_same_content_again_is_resident_at_once_and_elsewhere_overlaps);
	tcase_add_test(tc, a_new_life_keeps_residents_and_drops_half_loads_and_jobs);
	tcase_add_test(tc, jobs_that_cannot_run_get_a_result_with_a_code);
	tcase_add_test(tc, a_queued_job_can_be_cancelled_or_be_too_late_and_a_full_queue_says_so);
	tcase_add_test(tc, evicting_a_slot_ends_its_jobs_with_a_code_and_restores_the_registers);
	tcase_add_test(tc,
		       outputs_larger_than_inputs_never_overwrite_inputs_that_are_still_to_come);
	tcase_add_test(tc, hello_clock_and_status_tell_the_truth);
	tcase_add_test(tc, activations_are_reported_a_few_times_a_second_and_losses_are_counted);
	tcase_add_test(
		tc,
		a_line_of_1_mbaud_is_nine_tenths_full_of_payload_both_ways_though_steps_are_slow);
	tcase_add_test(tc, nothing_is_resent_on_a_clean_line_of_12_mbaud_under_load);
	tcase_add_test(tc, an_impossible_configuration_is_refused);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
