#include "firmware-agent/include/agent.h"
#include "firmware-agent/core/state.h"
#include <string.h>

static bool power_of_two(uint32_t n)
{
	return n >= 2048 && n <= 32768 && (n & (n - 1)) == 0;
}

static bool memory_ok(const struct ag_config *c)
{
	return c->slot_memory != NULL && c->job_memory != NULL && c->record_memory != NULL &&
	       c->tx != NULL && c->rx != NULL && power_of_two(c->tx_bytes) &&
	       power_of_two(c->rx_bytes) && c->slot_bytes >= SLOTIMG_HEADER_BYTES &&
	       c->job_bytes >= 1 && c->record_bytes >= 1 &&
	       c->job_bytes + AG_REPLY_ROOM <= ARQ_MSG_MAX &&
	       c->job_bytes + AG_REPLY_ROOM <= c->tx_bytes;
}

static bool room_ok(const struct ag_config *c)
{
	return (uint32_t)c->kernel_first + c->kernel_words <= CNN_KERNEL_WORDS &&
	       (uint32_t)c->bias_first + c->bias_count <= CNN_BIAS_BYTES &&
	       (uint32_t)c->data_first + c->data_words <= CNN_DATA_WORDS &&
	       c->primary_quadrants < 1u << CNN_QUADRANTS;
}

static bool limits_ok(const struct ag_config *c)
{
	return c->serial != NULL && c->device != NULL && c->primary_name != NULL &&
	       c->model_slots >= 1 && c->model_slots <= AG_SLOTS_MAX && c->job_slots >= 1 &&
	       c->job_slots <= AG_JOBS_MAX && c->link_bps > 0 && c->cnn_hz > 0 &&
	       c->bus_write_ns > 0 && c->bus_read_ns > 0 && c->n_rates <= AG_RATES_MAX &&
	       (c->n_rates == 0 || c->rates != NULL);
}

int agent_init(struct agent *a, const struct ag_hal *hal, const struct ag_config *c)
{
	if (!memory_ok(c) || !room_ok(c) || !limits_ok(c))
		return HV_E_INVAL;
	memset(a, 0, sizeof(*a));
	a->hal = *hal;
	a->cfg = *c;
	a->boot_us = ag_now(a);
	a->primary.quiet_from_us = UINT64_MAX;
	a->boot_id = a->hal.random(a->hal.ctx);
	ag_baud_begin(a);
	ag_box_begin(a);
	for (unsigned i = 0; i < c->model_slots; i++)
		a->slot[i].memory = c->slot_memory + (size_t)i * c->slot_bytes;
	for (unsigned i = 0; i < c->job_slots; i++)
		a->job[i].memory = c->job_memory + (size_t)i * c->job_bytes;
	arq_init(&a->arq, ARQ_BOARD, c->tx, c->tx_bytes, c->rx, c->rx_bytes, c->link_bps);
	/* Quadrants without the primary are the agent's to set up. */
	if (c->primary_quadrants == 0)
		ag_write(a, CNN_AON, 0);
	for (unsigned q = 0; q < CNN_QUADRANTS; q++)
		if ((c->primary_quadrants >> q & 1) == 0)
			ag_write(a, ag_quadrant(CNN_SRAM, q), CNN_SRAM_DEFAULT);
	return HV_OK;
}

/* Who does something in a step: one of these. A run in progress has every fourth turn, because
 * its slices are the longest: the link must keep up with a line of 1 Mbaud meanwhile. */
enum kind { RUN, IN, OUT, SEND, TAKE };
static const uint8_t turns[] = { RUN, IN, OUT, IN, RUN, IN, OUT, SEND,
				 RUN, IN, OUT, IN, RUN, IN, OUT, TAKE };
enum { ALL_IDLE = 1 << RUN | 1 << IN | 1 << OUT | 1 << SEND | 1 << TAKE };

static bool work(struct agent *a, enum kind k)
{
	switch (k) {
	case RUN: return ag_run_slice(a);
	case IN: return ag_link_in(a);
	case OUT: return ag_baud_step(a) || ag_link_out(a);
	case SEND: return ag_talk_send_due(a);
	case TAKE: break;
	}
	return ag_talk_take(a);
}

/* Looking whether there is something to send or to answer takes a while: that was this step's
 * work, then. */
static bool is_cheap(enum kind k)
{
	return k == RUN || k == IN;
}

bool agent_step(struct agent *a)
{
	if (ag_quiet_step(a))
		return false;
	ag_buffers_follow(a);
	for (;;) {
		enum kind k = (enum kind)turns[a->turn];

		a->turn = (uint8_t)(a->turn + 1u < sizeof(turns) ? a->turn + 1u : 0);
		if ((a->idle >> k & 1) != 0)
			continue;
		if (work(a, k)) {
			a->idle = 0;
			return true;
		}
		a->idle |= (uint8_t)(1u << k);
		if (a->idle == ALL_IDLE)
			break;
		if (!is_cheap(k))
			return true;
	}
	a->idle = 0;
	return false;
}

uint32_t ag_wait_bound_us(const struct ag_config *c)
{
	uint32_t hz = c->cpu_hz != 0 ? c->cpu_hz : AG_CPU_HZ;

	return (AG_WAIT_BOUND_NS(c->bus_write_ns, c->bus_read_ns, hz) + 999) / 1000;
}

uint64_t agent_next_us(const struct agent *a)
{
	uint64_t next = ag_talk_next_us(a), run = ag_run_next_us(a);

	if (run < next)
		next = run;
	/* the primary or a run has ended: bytes of a slot image may go in at once */
	if (a->load_waits && !a->primary.active && a->run.phase == AG_IDLE)
		next = 0;
	if (a->primary.n > 0 && a->arq.state == ARQ_UP && a->primary.report_us < next)
		next = a->primary.report_us;
	return ag_quiet_next_us(a, next);
}
