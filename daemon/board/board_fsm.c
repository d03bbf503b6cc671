#include "daemon/board/board_fsm.h"
#include <assert.h>

static const struct {
	const char *text;
	bool takes_jobs, has_jobs;
} info[BOARD_STATE_COUNT] = {
#define XX(id, text, takes, has) [BOARD_##id] = { text, takes, has },
	BOARD_STATE_MAP(XX)
#undef XX
};

static const char *const event_text[BOARD_EV_COUNT] = {
#define XX(id, text) [BOARD_EV_##id] = text,
	BOARD_EVENT_MAP(XX)
#undef XX
};

/* Short names for the table only. */
enum {
	ooo = BOARD_STATE_COUNT, /* no meaning here */
	ABS = BOARD_ABSENT,
	GRE = BOARD_GREETING,
	PRO = BOARD_PROVING,
	RDY = BOARD_READY,
	DRN = BOARD_DRAINING,
	REC = BOARD_RECOVERING,
	QUA = BOARD_QUARANTINE,
};

/* clang-format off */
/* Rows: where we are. Columns: what happened. */
static const uint8_t next[BOARD_STATE_COUNT][BOARD_EV_COUNT] = {
	/*                     ATTACHED GREETED PROVED FAULT RETRY DRAIN RESUME TEST RESET GIVE_UP DETACHED */
	[BOARD_ABSENT]     = { GRE,     ooo,    ooo,   ooo,  ooo,  ooo,  ooo,   ooo, ooo,  ooo,    ooo },
	[BOARD_GREETING]   = { ooo,     PRO,    ooo,   REC,  ooo,  ooo,  ooo,   ooo, REC,  QUA,    ABS },
	[BOARD_PROVING]    = { ooo,     ooo,    RDY,   REC,  ooo,  ooo,  ooo,   ooo, REC,  QUA,    ABS },
	[BOARD_READY]      = { ooo,     ooo,    ooo,   REC,  ooo,  DRN,  ooo,   PRO, REC,  QUA,    ABS },
	[BOARD_DRAINING]   = { ooo,     ooo,    ooo,   REC,  ooo,  ooo,  RDY,   ooo, REC,  QUA,    ABS },
	[BOARD_RECOVERING] = { ooo,     ooo,    ooo,   ooo,  GRE,  ooo,  ooo,   ooo, ooo,  QUA,    ABS },
	[BOARD_QUARANTINE] = { ooo,     ooo,    ooo,   ooo,  ooo,  ooo,  ooo,   ooo, REC,  ooo,    ABS },
};
/* clang-format on */

const char *board_state_text(enum board_state s)
{
	return (unsigned)s < BOARD_STATE_COUNT ? info[s].text : "?";
}

const char *board_event_text(enum board_event e)
{
	return (unsigned)e < BOARD_EV_COUNT ? event_text[e] : "?";
}

bool board_state_takes_jobs(enum board_state s)
{
	return (unsigned)s < BOARD_STATE_COUNT && info[s].takes_jobs;
}

bool board_state_has_jobs(enum board_state s)
{
	return (unsigned)s < BOARD_STATE_COUNT && info[s].has_jobs;
}

bool board_fsm_apply(struct board_fsm *f, enum board_event ev, uint64_t now_us)
{
	uint8_t to;

	assert((unsigned)f->state < BOARD_STATE_COUNT && (unsigned)ev < BOARD_EV_COUNT);
	to = next[f->state][ev];
	if (to == ooo)
		return false;
	f->state = (enum board_state)to;
	f->since_us = now_us;
	f->entered[to]++;
	return true;
}
