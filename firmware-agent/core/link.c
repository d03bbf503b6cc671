#include "firmware-agent/core/state.h"
#include <string.h>

/* Bytes of the serial line through arq, and messages in pieces: no step decodes, encodes or
 * copies more than a few bytes. */

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

static void events_note(struct agent *a, unsigned events)
{
	if ((events & (1u << ARQ_EV_UP | 1u << ARQ_EV_RESET)) != 0)
		ag_talk_life_over(a);
	if ((events & 1u << ARQ_EV_RESET) != 0)
		ag_box_add(a, LINK_BOX_LIFE_END, 0, a->arq.conn);
	if ((events & 1u << ARQ_EV_UP) != 0) {
		a->hello_due = a->hello_unasked = true;
		ag_box_add(a, LINK_BOX_LIFE, 0, a->arq.conn);
	}
}

bool ag_link_in(struct agent *a)
{
	unsigned events = 0;
	uint64_t now;
	size_t n;

	if (!arq_is_storing(&a->arq) && a->rx_at == a->rx_n) {
		a->rx_at = 0;
		a->rx_n = (uint8_t)a->hal.uart_read(a->hal.ctx, a->rx, ag_line_bytes(a));
		if (a->rx_n == 0)
			return false;
	}
	now = ag_now(a);
	n = least((size_t)a->rx_n - a->rx_at, ag_line_bytes(a));
	a->rx_at = (uint8_t)(a->rx_at + arq_take(&a->arq, a->rx + a->rx_at, n, now, &events));
	a->read_us = now;
	if (events != 0)
		events_note(a, events);
	return true;
}

bool ag_link_out(struct agent *a)
{
	size_t n;

	if (a->out_at == a->out_n) {
		if (!arq_is_pulling(&a->arq))
			return !ag_baud_holds(a) && arq_output_begin(&a->arq, ag_now(a));
		a->out_at = 0;
		a->out_n = (uint8_t)arq_pull(&a->arq, a->out, ag_line_bytes(a));
		if (a->out_n == 0)
			return true;
	}
	n = least((size_t)(a->out_n - a->out_at), ag_line_bytes(a));
	n = a->hal.uart_write(a->hal.ctx, a->out + a->out_at, n);
	a->out_at = (uint8_t)(a->out_at + n);
	return n > 0;
}

bool ag_link_send_piece(struct agent *a)
{
	struct ag_out *o = &a->send;
	size_t max = ag_copy_bytes(a), n = least((size_t)o->n - o->at, max);

	if (o->n == 0)
		return false;
	if (n > 0) {
		arq_send_some(&a->arq, o->head + o->at, n);
		o->at = (uint16_t)(o->at + n);
	} else {
		n = least(o->tail_n - o->tail_at, max);
		arq_send_some(&a->arq, o->tail + o->tail_at, n);
		o->tail_at += (uint32_t)n;
	}
	if (o->at < o->n || o->tail_at < o->tail_n)
		return true;
	o->n = 0;
	if (o->job != NULL)
		o->job->state = AG_JOB_FREE;
	o->job = NULL;
	return true;
}

size_t ag_link_tail(struct agent *a, uint8_t *to, size_t n)
{
	struct ag_in *in = &a->in;

	n = least(n, in->left);
	if (in->at < in->n) {
		n = least(n, (size_t)in->n - in->at);
		memcpy(to, in->head + in->at, n);
		in->at = (uint8_t)(in->at + n);
	} else {
		n = arq_recv_some(&a->arq, to, n);
	}
	in->left = (uint16_t)(in->left - n);
	return n;
}
