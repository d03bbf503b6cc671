#include "daemon/board/board_priv.h"
#include "daemon/log.h"
#include <stdio.h>
#include <string.h>

/* What a board says about itself, and whether that can be true. */

/* Below these every price and every timeout would be without end. */
enum { CNN_HZ_MIN = 1000000, LINK_BPS_MIN = 9600 };

/* Text of the wire: printable, ended. */
static void text_copy(char to[17], const char from[16])
{
	size_t n = 0;

	for (; n < 16 && from[n] != '\0'; n++)
		to[n] = (char)(from[n] > ' ' && from[n] < 127 ? from[n] : '?');
	to[n] = '\0';
}

static const char *hello_problem(const struct link_hello *h)
{
	if (strncmp(h->device.b, "max78000", sizeof(h->device.b)) != 0)
		return "its device is not a max78000";
	if (h->model_slots == 0 || h->job_slots == 0 || h->job_bytes == 0)
		return "it reports no slots or no job memory";
	if (h->cnn_hz < CNN_HZ_MIN || h->link_bps < LINK_BPS_MIN)
		return "it reports a clock or a line that is too slow to be true";
	if ((unsigned)h->kernel_first + h->kernel_words > CNN_KERNEL_WORDS ||
	    (unsigned)h->bias_first + h->bias_count > CNN_BIAS_BYTES ||
	    (unsigned)h->data_first + h->data_words > CNN_DATA_WORDS)
		return "it reports more memory than a max78000 has";
	return NULL;
}

static void adopt_hello(struct board *b, const struct link_hello *h, uint64_t now_us)
{
	bool same_boot = b->hello.boot == h->boot && b->hello.id_ == LINK_HELLO;

	b->hello = *h;
	text_copy(b->device, h->device.b);
	text_copy(b->primary, h->primary.b);
	snprintf(b->firmware, sizeof(b->firmware), "%u.%u", (unsigned)h->fw_major,
		 (unsigned)h->fw_minor);
	if (same_boot)
		tracker_forget(&b->tracker);
	else
		tracker_init(&b->tracker);
	b->window_us = UINT64_MAX;
	b->clock_ok = false;
	board_fits_clear(b->fits);
	link_set_bps(b->link, h->link_bps);
	b->heard_us = now_us;
}

static void greeted(struct board *b, uint64_t now_us)
{
	union link_msg reset = { .reset = { .id_ = LINK_RESET } };

	if (!board_event(b, BOARD_EV_GREETED, now_us))
		return;
	if (b->wipe && board_send(b, &reset, NULL, 0, now_us))
		b->wipe = false;
	log_event(LOG_LVL_INFO, "BOARD_GREETED",
		  "board %s: serial %s, %s, firmware %s, primary %s, %u model slots", b->id,
		  b->serial, b->device, b->firmware, b->primary[0] ? b->primary : "none",
		  (unsigned)b->hello.model_slots);
	/* Slot reports precede the answer to this; with it proving begins. */
	board_ask_clock(b, now_us);
	board_ask_status(b, now_us);
	board_details_begin(b, now_us);
	board_place(b, now_us);
}

void board_hello(struct board *b, const struct link_hello *h, uint64_t now_us)
{
	const char *problem = hello_problem(h);
	char serial[17], why[BOARD_REASON_MAX];

	if (b->fsm.state != BOARD_GREETING) {
		b->surprises++;
		return;
	}
	text_copy(serial, h->serial.b);
	if (b->known && strcmp(serial, b->serial) != 0) {
		board_quarantine(b, "it changed its serial", HV_E_GONE, now_us);
		return;
	}
	b->heard_us = now_us;
	if (!b->known)
		b = boards_identify(b, serial);
	if (b == NULL)
		return;
	if (h->proto < LINK_PROTO_MIN || h->proto > LINK_PROTO_MAX) {
		snprintf(why, sizeof(why),
			 "its firmware speaks link protocol %u, this daemon %d to %d: update one "
			 "of them",
			 (unsigned)h->proto, LINK_PROTO_MIN, LINK_PROTO_MAX);
		problem = why;
	}
	if (problem != NULL) {
		board_quarantine(b, problem, HV_E_GONE, now_us);
		return;
	}
	adopt_hello(b, h, now_us);
	greeted(b, now_us);
	board_rearm(b);
}
