#include "tests/lib/board_world.h"
#include "accel/build/build.h"
#include "tasks/catalog.h"
#include <check.h>
#include <stdlib.h>
#include <string.h>

uint64_t world_now_ns;

enum { REPLUG_US = 50000, SLOTS = 3, JOBS = 2, JOB_BYTES = 12288, SLOT_BYTES = 8192 };

static uint64_t now_us(void)
{
	return world_now_ns / 1000;
}

/* -- wire ------------------------------------------------------------------------------- */

static void wire_put(struct world *w, struct world_wire *q, const uint8_t *bytes, size_t n)
{
	uint64_t start = q->free_us > now_us() ? q->free_us : now_us();
	struct world_frame *f;

	if (q->count == q->cap) {
		unsigned cap = q->cap ? 2 * q->cap : 64;
		struct world_frame *all = malloc(cap * sizeof(*all));

		ck_assert_ptr_nonnull(all);
		for (unsigned i = 0; i < q->count; i++)
			all[i] = q->frame[(q->first + i) % q->cap];
		free(q->frame);
		q->frame = all;
		q->first = 0;
		q->cap = cap;
	}
	ck_assert_uint_le(n, FRAME_MAX_WIRE);
	f = &q->frame[(q->first + q->count++) % q->cap];
	memcpy(f->bytes, bytes, n);
	f->len = (uint16_t)n;
	q->free_us = start + n * 10000000 / w->bps;
	f->at_us = q->free_us;
}

static void wire_clear(struct world_wire *q)
{
	q->count = q->first = 0;
	q->free_us = 0;
}

static void boot(struct world *w);

/* One more frame goes onto the wire; here the fault of the scenario strikes. */
static void wire_frame(struct world *w, struct world_wire *q, const uint8_t *bytes, size_t n)
{
	uint8_t copy[FRAME_MAX_WIRE];

	w->frames++;
	if ((w->frames * 2654435761u >> 8) % 100 < w->lost_percent)
		return;
	if (w->fault_at == 0 || w->frames != w->fault_at) {
		wire_put(w, q, bytes, n);
		return;
	}
	switch (w->fault) {
	case WORLD_DROP: return;
	case WORLD_CORRUPT:
		memcpy(copy, bytes, n);
		copy[n / 2] ^= copy[n / 2] == 0x11 ? 0x22 : 0x11;
		wire_put(w, q, copy, n);
		return;
	case WORLD_REPEAT: wire_put(w, q, bytes, n); break;
	case WORLD_RESET: w->powered = false; break; /* boots at the next step */
	case WORLD_UNPLUG: w->replug_us = UINT64_MAX; break; /* done by the next step */
	case WORLD_STALL: w->stalled = true; break;
	case WORLD_NONE:
	case WORLD_FAULTS: break;
	}
	wire_put(w, q, bytes, n);
}

/* -- the daemon's end ------------------------------------------------------------------- */

static size_t wl_room(const struct link *l)
{
	(void)l;
	return 1 << 20;
}

static void wl_write(struct link *l, const uint8_t *bytes, size_t n)
{
	struct world_link *wl = (struct world_link *)l;

	wire_frame(wl->w, &wl->w->to_board, bytes, n);
}

static void wl_flush(struct link *l, uint64_t at)
{
	(void)l;
	(void)at;
}

static void wl_arm(struct link *l, uint64_t at_us)
{
	((struct world_link *)l)->armed_us = at_us;
}

static void wl_close(struct link *l)
{
	struct world_link *wl = (struct world_link *)l;

	wl->next_dead = wl->w->dead;
	wl->w->dead = wl;
	if (wl->w->wire == wl)
		wl->w->wire = NULL;
}

static const struct link_kind world_kind = { "world", wl_room,  wl_write, wl_flush,
					     wl_arm,  wl_close, NULL };

static void bury(struct world *w)
{
	while (w->dead != NULL) {
		struct world_link *wl = w->dead;

		w->dead = wl->next_dead;
		free(wl);
	}
}

/* -- the board -------------------------------------------------------------------------- */

static void bus_time(struct world *w, uint64_t ns)
{
	world_now_ns += ns;
	if (w->emu_busy && world_now_ns >= w->done_at_ns) {
		w->emu_busy = false;
		cnn_emu_finish(w->emu);
	}
}

static uint64_t hal_now(void *ctx)
{
	(void)ctx;
	return now_us();
}

static size_t hal_read(void *ctx, uint8_t *to, size_t cap)
{
	struct world *w = ctx;
	struct world_wire *q = &w->to_board;
	size_t n = 0;

	while (n < cap && q->count > 0 && q->frame[q->first].at_us <= now_us()) {
		struct world_frame *f = &q->frame[q->first];
		size_t part = f->len - w->read_at < cap - n ? f->len - w->read_at : cap - n;

		memcpy(to + n, f->bytes + w->read_at, part);
		n += part;
		w->read_at += part;
		if (w->read_at < f->len)
			continue;
		w->read_at = 0;
		q->first = (q->first + 1) % q->cap;
		q->count--;
	}
	return n;
}

static size_t hal_write(void *ctx, const uint8_t *from, size_t n)
{
	struct world *w = ctx;

	for (size_t i = 0; i < n; i++) {
		w->part[w->part_len++] = from[i];
		if (from[i] == 0 || w->part_len == FRAME_MAX_WIRE) {
			wire_frame(w, &w->to_daemon, w->part, w->part_len);
			w->part_len = 0;
		}
	}
	return n;
}

static void after_write(struct world *w)
{
	bool running = cnn_emu_running(w->emu);

	if (running && !w->emu_busy)
		w->done_at_ns = world_now_ns + (uint64_t)cnn_emu_cycles(w->emu) * CNN_CYCLE_NS;
	w->emu_busy = running;
}

static void hal_write32(void *ctx, uint32_t addr, uint32_t value)
{
	struct world *w = ctx;

	bus_time(w, CNN_BUS_WRITE_NS);
	cnn_emu_write32(w->emu, addr, value);
	after_write(w);
}

static void hal_write8(void *ctx, uint32_t addr, uint8_t value)
{
	struct world *w = ctx;

	bus_time(w, CNN_BUS_WRITE_NS);
	cnn_emu_write8(w->emu, addr, value);
	after_write(w);
}

static uint32_t hal_read32(void *ctx, uint32_t addr)
{
	struct world *w = ctx;
	uint32_t v;

	bus_time(w, CNN_BUS_READ_NS);
	v = cnn_emu_read32(w->emu, addr);
	if ((addr & 0xffc00000u) != CNN_BASE && w->lie_every != 0 && ++w->reads % w->lie_every == 0)
		v ^= 0x08080808u; /* answers of one byte each notice, too */
	return v;
}

static uint32_t hal_random(void *ctx)
{
	return ++((struct world *)ctx)->boot;
}

static void boot(struct world *w)
{
	struct ag_hal hal = { .ctx = w,
			      .now_us = hal_now,
			      .uart_read = hal_read,
			      .uart_write = hal_write,
			      .cnn_write32 = hal_write32,
			      .cnn_write8 = hal_write8,
			      .cnn_read32 = hal_read32,
			      .random = hal_random };

	cnn_emu_reset(w->emu);
	w->emu_busy = false;
	w->part_len = 0;
	w->primary_active = false;
	w->primary_next_us =
		w->primary_period_us != 0 ? now_us() + w->primary_period_us : UINT64_MAX;
	w->powered = true;
	ck_assert_int_eq(agent_init(&w->agent, &hal, &w->cfg), HV_OK);
}

static void primary_step(struct world *w)
{
	if (w->primary_active && now_us() >= w->primary_end_us) {
		w->primary_active = false;
		agent_primary_end(&w->agent);
	}
	if (!w->primary_active && now_us() >= w->primary_next_us) {
		agent_primary_begin(&w->agent, w->primary_next_us);
		w->primary_active = true;
		w->primary_end_us = now_us() + w->primary_busy_us;
		w->primary_next_us += w->primary_period_us;
	}
}

static void board_step(struct world *w)
{
	if (w->stalled || w->replug_us != 0 || (w->wire == NULL && !w->keeps_power))
		return;
	if (!w->powered)
		boot(w);
	for (int i = 0; i < 2000; i++) {
		primary_step(w);
		if (!agent_step(&w->agent) || !w->powered || w->stalled)
			break;
		world_now_ns += 200;
	}
}

/* -- time ------------------------------------------------------------------------------- */

static void plug_step(struct world *w)
{
	if (w->replug_us == UINT64_MAX) {
		world_unplug(w);
		w->replug_us = now_us() + REPLUG_US;
	} else if (w->replug_us != 0 && now_us() >= w->replug_us) {
		w->replug_us = 0;
		world_plug(w);
	}
}

static void daemon_step(struct world *w)
{
	struct world_wire *q = &w->to_daemon;

	while (w->wire != NULL && q->count > 0 && q->frame[q->first].at_us <= now_us()) {
		struct world_frame f = q->frame[q->first];

		q->first = (q->first + 1) % q->cap;
		q->count--;
		link_bytes_in(&w->wire->link, f.bytes, f.len, now_us());
	}
	if (w->wire != NULL && w->wire->armed_us <= now_us())
		link_on_time(&w->wire->link, now_us());
	bury(w);
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t next_event_us(const struct world *w)
{
	uint64_t at = UINT64_MAX;

	if (w->wire != NULL)
		at = least(at, w->wire->armed_us);
	if (w->to_board.count > 0 && !w->stalled)
		at = least(at, w->to_board.frame[w->to_board.first].at_us);
	if (w->to_daemon.count > 0 && w->wire != NULL)
		at = least(at, w->to_daemon.frame[w->to_daemon.first].at_us);
	if (w->replug_us != 0)
		return least(at, w->replug_us);
	if (w->stalled || (w->wire == NULL && !w->keeps_power))
		return at;
	if (!w->powered)
		return now_us();
	at = least(at, agent_next_us(&w->agent));
	return least(at, w->primary_active ? w->primary_end_us : w->primary_next_us);
}

static bool aside_take(struct boards *bs, struct board_aside *a)
{
	struct world *w = bs->ev.ctx;
	unsigned i = 0;

	while (i < WORLD_ASIDES && w->aside[i] != NULL)
		i++;
	ck_assert_uint_lt(i, WORLD_ASIDES);
	w->aside[i] = a;
	w->aside_at_us[i] = w->aside_us < UINT64_MAX ? now_us() + w->aside_us : UINT64_MAX;
	w->asides[a->what]++;
	return true;
}

static void aside_step(struct world *w, uint64_t until_us)
{
	for (unsigned i = 0; i < WORLD_ASIDES; i++) {
		struct board_aside *a = w->aside[i];

		if (w->aside_at_us[i] == UINT64_MAX && w->aside_us < UINT64_MAX)
			w->aside_at_us[i] = 0; /* let go */
		if (a == NULL || w->aside_at_us[i] > until_us)
			continue;
		w->aside[i] = NULL;
		board_aside_run(a);
		board_aside_done(a);
	}
}

void world_asides_finish(struct world *w)
{
	w->aside_us = 0;
	aside_step(w, UINT64_MAX);
}

static void start_batches(struct world *w);

bool world_run(struct world *w, bool (*pred)(struct world *w), uint64_t limit_us)
{
	uint64_t end = now_us() + limit_us;

	while (pred == NULL || !pred(w)) {
		uint64_t at;

		if (now_us() >= end)
			return false;
		board_step(w);
		plug_step(w);
		daemon_step(w);
		aside_step(w, now_us());
		start_batches(w);
		at = next_event_us(w);
		for (unsigned i = 0; i < WORLD_ASIDES; i++)
			if (w->aside[i] != NULL)
				at = least(at, w->aside_at_us[i]);
		if (at > end)
			at = end;
		if (at > now_us())
			world_now_ns = at * 1000;
		else
			world_now_ns += 1000;
	}
	return true;
}

void world_pass(struct world *w, uint64_t us)
{
	(void)world_run(w, NULL, us);
}

/* -- the dispatcher --------------------------------------------------------------------- */

static void start_batches(struct world *w)
{
	struct board *b = world_board(w);

	w->turn++; /* each time another one asks first: fair, and hard on what is resident */
	for (unsigned i = 0; b != NULL && i < w->batches; i++) {
		struct world_batch *x = &w->batch[(i + w->turn * 7) % w->batches];

		if (x->done || x->running || !board_can_take(b, x->b.model))
			continue;
		memset(x->out, 0xee, (size_t)x->b.records * tensor_bytes(&x->b.model->task->out));
		x->running = true;
		if (board_run(b, &x->b, world_now_ns) == HV_OK)
			x->accepted++;
		else
			x->running = false;
	}
}

static void on_batch(void *ctx, struct board *b, struct board_batch *batch, int err)
{
	struct world *w = ctx;
	struct world_batch *x = batch->cookie;

	(void)b;
	ck_assert_msg(x->running, "a batch came back that was not out: %s", hv_err_name(err));
	ck_assert_int_le(err, 0);
	ck_assert_int_gt(err, -32);
	x->running = false;
	x->returned++;
	w->codes[-err]++;
	if (err == HV_OK) {
		size_t n = (size_t)batch->records * tensor_bytes(&batch->model->task->out);

		x->done = true;
		w->done++;
		x->wrong += memcmp(x->out, x->want, n) != 0;
		ck_assert_uint_ge(batch->done_ns, batch->sent_ns);
	}
	if (w->on_batch_runs)
		start_batches(w);
}

static void on_room(void *ctx, struct board *b)
{
	(void)b;
	((struct world *)ctx)->rooms++;
}

static void on_lost(void *ctx, struct board *b)
{
	struct world *w = ctx;

	(void)b;
	w->losts++;
	for (unsigned i = 0; i < w->batches; i++)
		ck_assert_msg(!w->batch[i].running, "a board is lost and still has a batch");
}

/* Built once: packages outlive the worlds of a process. */
static struct package *built(const char *task, unsigned level)
{
	static struct {
		char task[32];
		unsigned level;
		uint8_t *bytes;
		size_t len;
	} shelf[16];
	struct package *p = NULL;
	char why[200];
	unsigned i = 0;

	while (shelf[i].bytes != NULL &&
	       (strcmp(shelf[i].task, task) != 0 || shelf[i].level != level))
		i++;
	ck_assert_uint_lt(i, 16);
	if (shelf[i].bytes == NULL) {
		ck_assert_msg(cnn_build_linear(task_find(task), level, 128, &p, why, sizeof(why)) ==
				      HV_OK,
			      "%s", why);
		ck_assert_int_eq(package_encode(p, &shelf[i].bytes, &shelf[i].len), HV_OK);
		strcpy(shelf[i].task, task);
		shelf[i].level = level;
		package_free(p);
	}
	ck_assert_msg(package_decode(shelf[i].bytes, shelf[i].len, &p, why, sizeof(why)) == HV_OK,
		      "%s", why);
	return p;
}

void world_add_model(struct world *w, const char *task, unsigned level)
{
	struct model *m = NULL;
	char why[200];

	ck_assert_int_eq(model_new(built(task, level), "test", &m, why, sizeof(why)), HV_OK);
	ck_assert_int_eq(models_add(&w->models, m, why, sizeof(why)), HV_OK);
}

void world_add_package(struct world *w, const char *path)
{
	struct package *p = NULL;
	struct model *m = NULL;
	char why[200];

	ck_assert_msg(package_read(path, &p, why, sizeof(why)) == HV_OK, "%s: %s", path, why);
	ck_assert_int_eq(model_new(p, path, &m, why, sizeof(why)), HV_OK);
	ck_assert_int_eq(models_add(&w->models, m, why, sizeof(why)), HV_OK);
}

void world_batches(struct world *w, unsigned n, unsigned model, unsigned records)
{
	struct model *m = models_at(&w->models, model);
	size_t in = tensor_bytes(&m->task->in), out = tensor_bytes(&m->task->out);

	for (unsigned i = 0; i < n; i++) {
		struct world_batch *x = &w->batch[w->batches++];

		ck_assert_uint_le(w->batches, WORLD_BATCHES);
		memset(x, 0, sizeof(*x));
		x->in = malloc(records * in);
		x->out = malloc(records * out);
		x->want = malloc(records * out);
		for (unsigned k = 0; k < records; k++)
			m->task->sample(3, w->batches * 1000 + k, x->in + k * in);
		ck_assert_int_eq(package_run(m->pkg, x->in, x->want, records), HV_OK);
		x->b = (struct board_batch){
			.model = m, .in = x->in, .out = x->out, .records = records, .cookie = x
		};
	}
}

struct board *world_board(const struct world *w)
{
	return boards_count(w->bs) > 0 ? boards_at(w->bs, 0) : NULL;
}

bool world_is(const struct world *w, enum board_state s)
{
	struct board *b = world_board(w);

	return b != NULL && b->fsm.state == s;
}

bool world_ready(struct world *w)
{
	return world_is(w, BOARD_READY);
}

bool world_all_done(struct world *w)
{
	return w->done == w->batches;
}

/* -- beginning and end ------------------------------------------------------------------- */

static uint64_t boards_now(void)
{
	return now_us();
}

void world_open(struct world *w)
{
	struct board_events ev = { w, on_batch, on_room, on_lost };
	char why[200];

	memset(w, 0, sizeof(*w));
	world_now_ns = 1000000000;
	w->bps = 1000000;
	w->slot_memory = malloc(SLOTS * SLOT_BYTES);
	w->job_memory = malloc(JOBS * JOB_BYTES);
	w->record_memory = malloc(JOB_BYTES);
	strcpy(w->serial, "world-1");
	ck_assert_int_eq(cnn_emu_new(&w->emu), HV_OK);
	w->cfg = (struct ag_config){
		.serial = w->serial,
		.device = "max78000",
		.primary_name = "none",
		.fw_minor = 1,
		.link_bps = w->bps,
		.cnn_hz = CNN_CLOCK_HZ,
		.bus_write_ns = CNN_BUS_WRITE_NS,
		.bus_read_ns = CNN_BUS_READ_NS,
		.kernel_first = 0,
		.kernel_words = CNN_KERNEL_WORDS,
		.bias_first = 0,
		.bias_count = CNN_BIAS_BYTES,
		.data_first = 0,
		.data_words = CNN_DATA_WORDS,
		.model_slots = SLOTS,
		.job_slots = JOBS,
		.slot_memory = w->slot_memory,
		.slot_bytes = SLOT_BYTES,
		.job_memory = w->job_memory,
		.job_bytes = JOB_BYTES,
		.record_memory = w->record_memory,
		.record_bytes = JOB_BYTES,
		.tx = w->tx,
		.rx = w->rx,
		.tx_bytes = sizeof(w->tx),
		.rx_bytes = sizeof(w->rx),
	};
	ck_assert_msg(boards_new(NULL, NULL, -1, &w->models, &ev, &w->bs, why, sizeof(why)) ==
			      HV_OK,
		      "%s", why);
	w->bs->now_us = boards_now;
	w->bs->aside = aside_take;
	w->aside_us = 150;
}

void world_plug(struct world *w)
{
	struct world_link *wl = calloc(1, sizeof(*wl));

	ck_assert_ptr_nonnull(wl);
	ck_assert_ptr_null(w->wire);
	wire_clear(&w->to_board);
	wire_clear(&w->to_daemon);
	w->read_at = 0;
	if (!w->keeps_power)
		w->powered = false;
	wl->w = w;
	wl->armed_us = UINT64_MAX;
	link_init(&wl->link, &world_kind, w->bps, now_us());
	w->wire = wl;
	boards_plug(w->bs, &wl->link, now_us());
}

void world_unplug(struct world *w)
{
	if (w->wire != NULL)
		link_gone(&w->wire->link, "pulled", now_us());
	bury(w);
}

void world_close(struct world *w)
{
	boards_close(w->bs, NULL, NULL);
	world_asides_finish(w);
	for (unsigned i = 0; i < w->batches; i++) {
		struct world_batch *x = &w->batch[i];

		ck_assert_msg(x->accepted == x->returned,
			      "batch %u was accepted %u times and "
			      "came back %u times",
			      i, x->accepted, x->returned);
		ck_assert_msg(x->wrong == 0, "batch %u has a wrong answer", i);
		free(x->in);
		free(x->out);
		free(x->want);
	}
	bury(w);
	boards_free(w->bs);
	while (w->models.count > 0)
		models_take_out(&w->models, w->models.list[0]);
	cnn_emu_free(w->emu);
	free(w->slot_memory);
	free(w->job_memory);
	free(w->record_memory);
	free(w->to_board.frame);
	free(w->to_daemon.frame);
}
