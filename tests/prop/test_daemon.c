#include "tests/lib/daemon_world.h"
#include "util/clock.h"
#include "util/own.h"
#include <check.h>
#include <stdlib.h>
#include <string.h>

/* Chaos with a fixed seed: clients come, ask, cancel and die; boards fail, stall, leave and come
 * back. Whatever happens, every accepted job ends once, completed jobs have right answers, the
 * books balance after every step, and nothing is left at the end. */
enum { CLIENTS = 4, STEPS = 600, LONG_STEPS = 20000, TAGS = 4096 };
/* Without a unit out: several times what a job that may only use a board waits for one. */
enum { STEPS_PER_MS = 16, IDLE_STEPS = 4 * DISPATCH_STRANDED_MS * STEPS_PER_MS };
#define SETTLE_NS UINT64_C(120000000000)

struct client {
	struct peer peer;
	bool alive;
	uint32_t next_tag;
	uint8_t owed[TAGS]; /* jobs submitted and not yet answered */
	uint32_t records[TAGS];
};

static struct world w;
static struct client client[CLIENTS];
static uint64_t answered, right;

static bool chance(uint32_t percent)
{
	return hv_rng_below(&w.rng, 100) < percent;
}

static void connect_client(struct client *c)
{
	memset(c, 0, sizeof(*c));
	c->peer = peer_connect(&w);
	c->alive = true;
}

static void take_reply(struct client *c, const struct reply *r)
{
	Hv__Result *m;

	if (r->f.kind == IPC_CANCEL_REPLY || r->f.kind == IPC_PROGRESS ||
	    r->f.kind == IPC_STATUS_REPLY)
		return;
	ck_assert_msg(r->f.tag < TAGS && c->owed[r->f.tag] == 1, "job of tag %u answered twice",
		      r->f.tag);
	c->owed[r->f.tag] = 0;
	answered++;
	if (r->f.kind == IPC_ERROR)
		return;
	ck_assert_int_eq(r->f.kind, IPC_RESULT);
	m = hv__result__unpack(NULL, r->f.msg_len, r->msg);
	ck_assert_ptr_nonnull(m);
	if (m->ok) {
		uint32_t sum = 0;

		ck_assert(answers_right("fft64", c->records[r->f.tag], r->f.tag, r->samples,
					r->f.payload_len));
		for (size_t i = 0; i < m->n_parts; i++)
			sum += m->parts[i]->records;
		ck_assert_uint_eq(sum, c->records[r->f.tag]);
		right++;
	}
	ck_assert_uint_eq(m->time_us->admit + m->time_us->queue + m->time_us->transfer +
				  m->time_us->compute + m->time_us->deliver,
			  m->time_us->total);
	hv__result__free_unpacked(m, NULL);
}

static void drain(struct client *c)
{
	struct reply r;

	while (c->alive && peer_poll(&c->peer, &r)) {
		take_reply(c, &r);
		free(r.msg);
	}
}

static void submit(struct client *c)
{
	Hv__Submit m = submit_of("fft64", chance(70) ? 1 + hv_rng_below(&w.rng, 60)
						     : 1 + hv_rng_below(&w.rng, 900));

	if (c->next_tag == TAGS)
		return;
	m.policy = (Hv__Policy)hv_rng_below(&w.rng, 4);
	m.priority = (Hv__Priority)hv_rng_below(&w.rng, 3);
	m.route = chance(70) ? HV__ROUTE__AUTO : (Hv__Route)hv_rng_below(&w.rng, 3);
	m.has_budget = chance(50);
	m.max_error = chance(30) ? 0 : 40 + hv_rng_below(&w.rng, 40);
	m.has_deadline = chance(30);
	m.deadline_us = 1 + hv_rng_below(&w.rng, 200000);
	m.progress = chance(20);
	c->records[c->next_tag] = m.records;
	c->owed[c->next_tag] = 1;
	ck_assert(peer_submit(&w, &c->peer, c->next_tag, &m, c->next_tag));
	c->next_tag++;
}

static void ask_something(struct client *c)
{
	Hv__JobRef ref = HV__JOB_REF__INIT;
	Hv__Empty empty = HV__EMPTY__INIT;

	ref.submit_tag = c->next_tag > 0 ? hv_rng_below(&w.rng, c->next_tag) : 0;
	if (chance(70))
		ck_assert(peer_send(&w, &c->peer, IPC_CANCEL, TAGS, &ref.base, NULL, 0));
	else
		ck_assert(peer_send(&w, &c->peer, IPC_STATUS, TAGS, &empty.base, NULL, 0));
}

static void act(struct client *c)
{
	if (!c->alive) {
		connect_client(c);
		return;
	}
	if (chance(50))
		submit(c);
	if (chance(10))
		ask_something(c);
	if (chance(60))
		drain(c);
	if (chance(2)) {
		peer_close(&c->peer);
		c->alive = false;
	}
}

static void trouble(void)
{
	size_t i = hv_rng_below(&w.rng, (uint32_t)fake_boards_n);

	if (chance(5))
		fake_plan[i].stuck = !fake_plan[i].stuck;
	if (chance(5) && fake_plan[i].ready)
		fake_board_leave(w.boards, i);
	else if (chance(20) && !fake_plan[i].ready)
		fake_board_return(w.boards, i);
	if (chance(10))
		world_advance(&w, hv_rng_below(&w.rng, 30) * UINT64_C(1000000));
}

static bool owes_any(const struct client *c)
{
	for (uint32_t t = 0; t < c->next_tag && c->alive; t++)
		if (c->owed[t] != 0)
			return true;
	return false;
}

static bool anybody_is_owed(void)
{
	bool owed = false;

	for (int i = 0; i < CLIENTS; i++) {
		drain(&client[i]);
		owed |= owes_any(&client[i]);
	}
	return owed;
}

static bool jobs_live(void)
{
	return w.store.live > 0;
}

/* Step until nothing is pending. How long workers take is the machine's affair, so steps count
 * only while no unit is out: then the daemon has nothing to wait for but its own timers. */
static bool settles(bool (*pending)(void))
{
	uint64_t start_ns = hv_now_ns();
	int idle = 0;

	for (int step = 0; pending(); step++) {
		idle = dispatch_units_out(w.dispatch) == 0 ? idle + 1 : 0;
		if (idle > IDLE_STEPS || hv_now_ns() - start_ns > SETTLE_NS)
			return false;
		if (step % STEPS_PER_MS == 0)
			world_advance(&w, UINT64_C(1000000));
		else
			world_step(&w);
	}
	return true;
}

START_TEST(whatever_fails_every_job_ends_once_and_right)
{
	static const int errors[] = { HV_E_TIMEOUT, HV_E_GONE, HV_E_WRONG, HV_E_BUSY };
	int steps = getenv("HARVEST_LONG") != NULL ? LONG_STEPS : STEPS;

	world_limits = (struct limits)LIMITS_DEFAULT;
	fake_models_clear();
	fake_model_add("fft64-coarse", "fft64", 45);
	fake_model_add("fft64-fine", "fft64", 70);
	fake_boards_n = 3;
	for (size_t i = 0; i < fake_boards_n; i++)
		fake_plan[i] = (struct fake_board_plan){ .ready = true,
							 .batch_records = 8u << i,
							 .room = 2,
							 .us_per_record = 0.01 + (double)i,
							 .energy_uj_per_record = 0.01,
							 .fail_percent = (uint32_t)_i * 7,
							 .fail_with = errors[_i % 4] };
	world_start(&w, (uint64_t)_i + 1);
	answered = right = 0;
	for (int i = 0; i < CLIENTS; i++)
		connect_client(&client[i]);
	for (int step = 0; step < steps; step++) {
		act(&client[hv_rng_below(&w.rng, CLIENTS)]);
		trouble();
		world_step(&w);
	}
	for (size_t i = 0; i < fake_boards_n; i++) {
		fake_plan[i].stuck = false;
		fake_plan[i].fail_percent = 0;
		if (!fake_plan[i].ready)
			fake_board_return(w.boards, i);
	}
	ck_assert_msg(settles(anybody_is_owed),
		      "a job was never answered: %zu live, %u units are out", (size_t)w.store.live,
		      (unsigned)dispatch_units_out(w.dispatch));
	ck_assert_uint_gt(right, answered / 4);
	for (int i = 0; i < CLIENTS; i++)
		if (client[i].alive)
			peer_close(&client[i].peer);
	ck_assert_msg(settles(jobs_live), "%zu jobs outlive their clients", (size_t)w.store.live);
	world_stop(&w);
}
END_TEST

START_TEST(the_daemon_ends_cleanly_at_any_moment)
{
	fake_models_clear();
	fake_model_add("fft64-t", "fft64", 70);
	fake_boards_n = 2;
	for (size_t i = 0; i < 2; i++)
		fake_plan[i] = (struct fake_board_plan){
			.ready = true, .batch_records = 8, .room = 2, .us_per_record = 0.1
		};
	world_limits = (struct limits)LIMITS_DEFAULT;
	for (int moment = 0; moment < 12; moment++) {
		world_start(&w, (uint64_t)moment + 50);
		for (int i = 0; i < CLIENTS; i++)
			connect_client(&client[i]);
		for (int i = 0; i < CLIENTS; i++)
			for (int k = 0; k < 3; k++)
				submit(&client[i]);
		for (int i = 0; i < moment * 3; i++)
			world_step(&w);
		world_stop(&w);
		for (int i = 0; i < CLIENTS; i++)
			peer_close(&client[i].peer);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("daemon properties");
	TCase *tc = tcase_create("chaos");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 300);
	tcase_add_loop_test(tc, whatever_fails_every_job_ends_once_and_right, 0, 8);
	tcase_add_test(tc, the_daemon_ends_cleanly_at_any_moment);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
