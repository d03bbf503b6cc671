#include "daemon/board/board_priv.h"
#include "daemon/log.h"
#include <stdio.h>

/* What the operator may ask of a board; each refusal is one sentence. */

int board_drain(struct board *b, char *why, size_t cap)
{
	uint64_t now_us = b->set->now_us();

	if (b->link == NULL) {
		snprintf(why, cap, "%s is not plugged in, so there is nothing to drain", b->id);
		return HV_E_GONE;
	}
	/* While it recovers or proves itself the wish is kept. */
	b->held = true;
	if (b->fsm.state == BOARD_READY) {
		board_event(b, BOARD_EV_DRAIN, now_us);
		board_rearm(b);
	}
	return HV_OK;
}

int board_resume(struct board *b, char *why, size_t cap)
{
	uint64_t now_us = b->set->now_us();

	if (!b->held) {
		snprintf(why, cap, "%s is not drained, it is %s", b->id,
			 board_state_text(b->fsm.state));
		return HV_E_BUSY;
	}
	b->held = false;
	if (b->fsm.state == BOARD_DRAINING) {
		board_event(b, BOARD_EV_RESUME, now_us);
		board_rearm(b);
		board_tell_room(b);
	}
	return HV_OK;
}

int board_reset(struct board *b, char *why, size_t cap)
{
	if (b->link == NULL) {
		snprintf(why, cap, "%s is not plugged in: plug it in, that is a reset too", b->id);
		return HV_E_GONE;
	}
	if (b->fsm.state == BOARD_RECOVERING) {
		snprintf(why, cap, "%s is already getting a new life", b->id);
		return HV_E_BUSY;
	}
	board_restart(b, b->set->now_us());
	return HV_OK;
}

int board_test(struct board *b, char *why, size_t cap)
{
	uint64_t now_us = b->set->now_us();

	if (b->fsm.state != BOARD_READY) {
		snprintf(why, cap, "%s is %s: only a ready board can be tested", b->id,
			 board_state_text(b->fsm.state));
		return HV_E_BUSY;
	}
	if (board_loading(b)) {
		snprintf(why, cap, "%s is loading a model, which ends with a test: try again later",
			 b->id);
		return HV_E_BUSY;
	}
	board_event(b, BOARD_EV_TEST, now_us);
	board_prove_again(b, now_us);
	board_rearm(b);
	return HV_OK;
}

void board_look(struct board *b)
{
	uint64_t now_us = b->set->now_us();

	if (board_state_has_jobs(b->fsm.state))
		board_box_again(b, now_us);
}
