#include "sim/vboard.h"
#include "util/own.h"
#include <inttypes.h>
#include <string.h>

/* -- evidence: one line an inference ----------------------------------------------------- */

void vboard_log_header(FILE *log)
{
	fprintf(log, "kind,start_ns,end_ns,requested_ns,output_hash\n");
}

static void log_line(struct vboard *b, const char *kind, uint64_t start, uint64_t end,
		     uint64_t requested, uint64_t hash)
{
	if (b->log != NULL)
		fprintf(b->log, "%s,%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%016" PRIx64 "\n", kind,
			start, end, requested, hash);
}

/* A harvested run is told when the next one starts: its outputs are read after its end. */
static void close_run(struct vboard *b)
{
	if (!b->run_open)
		return;
	b->run_open = false;
	log_line(b, "harvest", b->run_start_ns, b->run_end_ns, b->run_start_ns, b->run_hash);
}

void vboard_log_flush(struct vboard *b)
{
	if (b->hal.done_ns == UINT64_MAX)
		close_run(b);
	if (b->log != NULL)
		fflush(b->log);
}

/* -- what the chip tells ----------------------------------------------------------------- */

static size_t uart_read(void *ctx, uint8_t *to, size_t cap)
{
	struct vboard *b = ctx;

	return wire_take(&b->to_board, to, cap, b->hal.now_ns);
}

/* Bytes the serial driver takes now. */
static size_t tx_room(struct vboard *b)
{
	size_t waiting = b->from_board.n - wire_ready(&b->from_board, b->hal.now_ns);
	size_t room = waiting < VBOARD_TX_BYTES ? VBOARD_TX_BYTES - waiting : 0;

	return room < wire_room(&b->from_board) ? room : wire_room(&b->from_board);
}

static size_t uart_write(void *ctx, const uint8_t *from, size_t n)
{
	struct vboard *b = ctx;
	size_t room = tx_room(b);

	return wire_put(&b->from_board, from, n < room ? n : room, b->hal.now_ns);
}

static bool uart_tx_idle(void *ctx)
{
	struct vboard *b = ctx;

	return b->from_board.n == wire_ready(&b->from_board, b->hal.now_ns);
}

static bool uart_set_baud(void *ctx, uint32_t bps)
{
	struct vboard *b = ctx;
	bool garbled = bps > b->fault.garble_above_bps;

	wire_set_bps(&b->to_board, bps);
	wire_set_bps(&b->from_board, bps);
	b->to_board.garbled = b->from_board.garbled = garbled;
	return true;
}

static void on_start(void *ctx)
{
	struct vboard *b = ctx;

	close_run(b);
	b->n.runs++;
	b->run_start_ns = b->hal.now_ns;
	b->run_hash = UINT64_C(0xcbf29ce484222325);
	b->lying = b->fault.wrong_answer > 0 &&
		   hv_rng_uniform(&b->fault_rng, 0, 1) < b->fault.wrong_answer;
}

static void on_done(void *ctx)
{
	struct vboard *b = ctx;

	b->run_end_ns = b->hal.done_ns;
	b->run_open = true;
}

/* What a stopped layer leaves in the memories is undefined: make sure nobody relies on it. */
static void on_stop(void *ctx)
{
	struct vboard *b = ctx;
	uint32_t end = (uint32_t)b->config.data_first + b->config.data_words;

	b->n.run_aborts++;
	log_line(b, "harvest", b->run_start_ns, b->hal.now_ns, b->run_start_ns, 0);
	for (unsigned i = 0; i < CNN_INSTANCES; i++)
		for (uint32_t w = b->config.data_first; w < end; w++)
			cnn_emu_write32(b->emu, cnn_data_addr(i, w),
					(uint32_t)hv_rng_u64(&b->fault_rng));
}

static void on_output(void *ctx, uint32_t *v)
{
	struct vboard *b = ctx;

	if (b->lying)
		*v ^= (uint32_t)hv_rng_u64(&b->fault_rng) & 0xffff;
	b->run_hash = (b->run_hash ^ *v) * UINT64_C(0x100000001b3);
}

/* -- the primary ------------------------------------------------------------------------- */

static void next_arrival(struct vboard *b)
{
	b->has_next = b->net != NULL &&
		      primary_arrivals_next(&b->arrivals, &b->next_ns, &b->next_busy_us);
	if (b->has_next && b->next_busy_us == 0)
		b->next_busy_us = primary_net_busy_us(b->net);
}

/* The primary serves its requests one after the other: what it requests of the agent is the
 * accelerator after its own last use of it. */
static uint64_t request_ns(const struct vboard *b)
{
	return b->next_ns > b->end_ns ? b->next_ns : b->end_ns;
}

static void primary_begin(struct vboard *b)
{
	b->requested_ns = request_ns(b);
	if (b->requested_ns < b->hal.boot_ns)
		b->requested_ns = b->hal.boot_ns;
	agent_primary_begin(&b->agent, (b->requested_ns - b->hal.boot_ns) / 1000);
	primary_net_start(b->net, b->emu, b->inference);
	b->active = true;
	b->bus_ops_begin = b->hal.bus_ops;
	b->begin_ns = b->hal.now_ns;
	b->end_ns = b->begin_ns + (uint64_t)b->next_busy_us * 1000;
}

/* The primary's firmware says when it comes next, if it knows. */
static void tell(struct vboard *b)
{
	uint64_t earliest_us, latest_us, boot_us = b->hal.boot_ns / 1000;

	if (b->has_next && primary_arrivals_told(&b->arrivals, &earliest_us, &latest_us) &&
	    earliest_us > boot_us)
		agent_primary_expect(&b->agent, earliest_us - boot_us, latest_us - boot_us);
}

static void primary_end(struct vboard *b)
{
	uint64_t hash = primary_net_finish(b->net, b->emu);
	uint64_t wait = b->begin_ns - b->requested_ns;

	b->active = false;
	b->inference++;
	b->n.intrusions += b->hal.bus_ops - b->bus_ops_begin;
	agent_primary_end(&b->agent);
	log_line(b, "primary", b->begin_ns, b->end_ns, b->requested_ns, hash);
	b->n.primaries++;
	b->n.wait_sum_ns += wait;
	b->n.primary_busy_ns += b->end_ns - b->begin_ns;
	if (b->n.wait_max_ns < wait)
		b->n.wait_max_ns = wait;
	next_arrival(b);
	tell(b);
}

/* -- the board --------------------------------------------------------------------------- */

static int boot(struct vboard *b)
{
	struct ag_hal hal = host_hal_ops(&b->hal);
	int err;

	if (b->net != NULL)
		primary_net_boot(b->net, b->emu);
	b->more = true;
	(void)uart_set_baud(b, b->config.link_bps);
	err = agent_init(&b->agent, &hal, &b->config);
	for (unsigned i = 0; i < b->n_rings && err == HV_OK; i++)
		err = sim_ring_register(&b->rings[i], &b->agent);
	if (err == HV_OK)
		tell(b);
	return err;
}

/* A use of the primary that a reset cut short is lost, as on a real board. */
static void reset(struct vboard *b)
{
	b->fault.reset_ns = UINT64_MAX;
	b->n.resets++;
	close_run(b);
	host_hal_reboot(&b->hal);
	wire_clear(&b->to_board);
	if (b->active) {
		b->active = false;
		b->end_ns = b->hal.now_ns;
		b->inference++;
		next_arrival(b);
	}
	b->config.reset_cause = AGENT_RESET_WATCHDOG;
	(void)boot(b); /* the same configuration was good before */
}

/* What a port of a real board would offer below the fastest its bridge carries. */
static uint8_t offer_rates(struct vboard *b, const struct vboard_options *o)
{
	static const uint32_t usual[] = { 230400, 460800, 921600, 1000000, 2000000, 3000000 };
	uint8_t n = 0;

	if (o->meet_bps == 0 || o->meet_bps >= o->link_bps)
		return 0;
	for (size_t i = 0; i < HV_ARRAY_SIZE(usual); i++)
		if (usual[i] > o->meet_bps && usual[i] < o->link_bps)
			b->rates[n++] = usual[i];
	b->rates[n++] = o->link_bps;
	return n;
}

static void configure(struct vboard *b, const struct vboard_options *o)
{
	struct cnn_room room = { .kernel_words = CNN_KERNEL_WORDS,
				 .bias_count = CNN_BIAS_BYTES,
				 .data_words = CNN_DATA_WORDS };
	struct ag_config *c = &b->config;

	snprintf(b->serial, sizeof(b->serial), "%s", o->serial);
	snprintf(b->device, sizeof(b->device), "%s", o->device);
	*c = (struct ag_config){ .serial = b->serial,
				 .device = b->device,
				 .primary_name = "none",
				 .fw_minor = 1,
				 .link_bps = o->link_bps,
				 .cnn_hz = CNN_CLOCK_HZ,
				 .bus_write_ns = CNN_BUS_WRITE_NS,
				 .bus_read_ns = CNN_BUS_READ_NS,
				 .model_slots = VBOARD_MODEL_SLOTS,
				 .job_slots = VBOARD_JOB_SLOTS,
				 .slot_memory = b->slot_memory,
				 .slot_bytes = VBOARD_SLOT_BYTES,
				 .job_memory = b->job_memory,
				 .job_bytes = VBOARD_JOB_BYTES,
				 .record_memory = b->record_memory,
				 .record_bytes = VBOARD_RECORD_BYTES,
				 .tx = b->tx,
				 .rx = b->rx,
				 .tx_bytes = VBOARD_LINK_BUF,
				 .rx_bytes = VBOARD_LINK_BUF,
				 .rates = b->rates,
				 .n_rates = offer_rates(b, o),
				 .box = &b->box };
	if (c->n_rates > 0)
		c->link_bps = o->meet_bps;
	if (b->net != NULL) {
		primary_net_room(b->net, &room, &c->primary_quadrants);
		c->primary_name = primary_net_name(b->net);
	}
	c->kernel_first = room.kernel_first;
	c->kernel_words = room.kernel_words;
	c->bias_first = room.bias_first;
	c->bias_count = room.bias_count;
	c->data_first = room.data_first;
	c->data_words = room.data_words;
}

static int build(struct vboard *b, const struct vboard_options *o, char *why, size_t cap)
{
	struct host_events ev = { b,       uart_read, uart_write,   on_start,     on_done,
				  on_stop, on_output, uart_tx_idle, uart_set_baud };
	int err;

	b->net = o->net;
	err = cnn_emu_new(&b->emu);
	if (err == HV_OK && o->primary->kind != PRIMARY_NONE && b->net == NULL)
		err = primary_net_new(o->primary->file != NULL && o->primary->kind == PRIMARY_MODEL
					      ? o->primary->file
					      : NULL,
				      o->seed, &b->net, why, cap);
	if (err != HV_OK)
		return err;
	b->fault = o->fault;
	b->step_ns = VBOARD_STEP_NS;
	b->log = o->log;
	hv_rng_seed(&b->fault_rng, o->seed + 1);
	hv_rng_seed(&b->link_rng, o->seed + 2);
	wire_init(&b->to_board, o->link_bps, &b->link_rng);
	wire_init(&b->from_board, o->link_bps, &b->link_rng);
	b->to_board.drop = b->from_board.drop = o->fault.drop;
	b->to_board.flip = b->from_board.flip = o->fault.flip;
	b->rings = o->rings;
	b->n_rings = o->n_rings;
	b->spec = o->primary;
	primary_arrivals_init(&b->arrivals, b->spec, o->seed + 3);
	next_arrival(b);
	configure(b, o);
	host_hal_init(&b->hal, b->emu, &ev, (uint32_t)(o->seed * 2654435761u + 12345));
	b->hal.slow = o->fault.slow;
	return boot(b);
}

int vboard_new(const struct vboard_options *o, struct vboard **out, char *why, size_t cap)
{
	struct vboard *b = calloc(1, sizeof(*b));
	int err;

	snprintf(why, cap, "out of memory");
	if (b == NULL)
		return HV_E_NOMEM;
	err = build(b, o, why, cap);
	if (err != HV_OK) {
		vboard_free(b);
		return err;
	}
	*out = b;
	return HV_OK;
}

void vboard_free(struct vboard *b)
{
	if (b == NULL)
		return;
	primary_net_free(b->net);
	cnn_emu_free(b->emu);
	free(b);
}

/* -- time -------------------------------------------------------------------------------- */

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* When the serial driver is half empty again, if the agent waits for that. */
static uint64_t tx_wake_ns(struct vboard *b)
{
	const struct wire *w = &b->from_board;
	uint32_t waiting;

	if (b->agent.out_at == b->agent.out_n)
		return UINT64_MAX;
	if (tx_room(b) >= VBOARD_TX_BYTES / 2)
		return b->hal.now_ns;
	waiting = w->n - w->ready;
	if (waiting <= VBOARD_TX_BYTES / 2) /* the far end has not taken what arrived */
		return UINT64_MAX;
	return w->next_ns + (waiting - VBOARD_TX_BYTES / 2 - 1) * w->byte_ns;
}

static uint64_t agent_next_ns(struct vboard *b)
{
	uint64_t now = b->hal.now_ns, us, next;

	if (b->stalled)
		return UINT64_MAX;
	if (agent_is_quiet(&b->agent, &us))
		return us * 1000 + b->hal.boot_ns;
	if (b->more || wire_ready(&b->to_board, now) > 0)
		return now;
	next = earlier(tx_wake_ns(b), wire_next_ns(&b->to_board, VBOARD_RX_WAKE, now));
	us = agent_next_us(&b->agent);
	return us >= UINT64_MAX / 1000 ? next : earlier(next, us * 1000 + b->hal.boot_ns);
}

static uint64_t event_next_ns(struct vboard *b)
{
	uint64_t next = earlier(agent_next_ns(b), b->fault.reset_ns);

	if (b->active)
		next = earlier(next, b->end_ns);
	else if (b->has_next)
		next = earlier(next, request_ns(b));
	if (!b->stalled)
		next = earlier(next, b->fault.stall_ns);
	return b->unplugged ? next : earlier(next, b->fault.unplug_ns);
}

uint64_t vboard_next_ns(struct vboard *b)
{
	uint64_t now = b->hal.now_ns;
	uint64_t next = earlier(event_next_ns(b), wire_next_ns(&b->from_board, WIRE_BYTES, now));

	return next > now ? next : now;
}

bool vboard_is_busy(const struct vboard *b)
{
	const struct agent *a = &b->agent;

	if (b->stalled || b->unplugged)
		return false;
	if (b->to_board.n > 0 || b->from_board.n > b->from_board.ready || a->in.bytes > 0 ||
	    a->send.n > 0 || a->rx_at < a->rx_n || arq_is_storing(&a->arq))
		return true;
	for (unsigned i = 0; i < b->config.job_slots; i++)
		if (a->job[i].state != AG_JOB_FREE && a->job[i].state != AG_JOB_ENDED)
			return true;
	return a->out_at < a->out_n;
}

static void primary_events(struct vboard *b)
{
	if (b->active && b->hal.now_ns >= b->end_ns)
		primary_end(b);
	if (!b->active && b->has_next && b->hal.now_ns >= request_ns(b))
		primary_begin(b);
}

static void fault_events(struct vboard *b)
{
	uint64_t now = b->hal.now_ns;

	b->stalled = b->stalled || now >= b->fault.stall_ns;
	b->unplugged = b->unplugged || now >= b->fault.unplug_ns;
	if (now >= b->fault.reset_ns)
		reset(b);
}

static void feed_rings(struct vboard *b)
{
	for (unsigned i = 0; i < b->n_rings; i++)
		sim_ring_advance(&b->rings[i], &b->agent, b->hal.now_ns - b->hal.boot_ns);
}

void vboard_run(struct vboard *b, uint64_t until_ns)
{
	while (b->hal.now_ns < until_ns && !b->unplugged) {
		uint64_t next;

		fault_events(b);
		primary_events(b);
		if (agent_next_ns(b) <= b->hal.now_ns) {
			feed_rings(b);
			b->more = agent_step(&b->agent);
			host_hal_advance(&b->hal, b->step_ns);
		}
		if (agent_next_ns(b) <= b->hal.now_ns)
			continue;
		next = earlier(event_next_ns(b), until_ns);
		if (next > b->hal.now_ns)
			host_hal_advance(&b->hal, next - b->hal.now_ns);
	}
}

size_t vboard_feed(struct vboard *b, const uint8_t *bytes, size_t n)
{
	return b->unplugged ? 0 : wire_put(&b->to_board, bytes, n, b->hal.now_ns);
}

size_t vboard_drain(struct vboard *b, uint8_t *to, size_t cap)
{
	return wire_take(&b->from_board, to, cap, b->hal.now_ns);
}
