#ifndef DAEMON_BOARD_FSM_H
#define DAEMON_BOARD_FSM_H
#include <stdbool.h>
#include <stdint.h>

/* Life of one board as a table. PURE.
 *
 *   absent      no link
 *   greeting    link up; a life of the link and a hello are awaited
 *   proving     known-answer vectors run
 *   ready       takes jobs
 *   draining    finishes what it has, takes nothing new; the operator's wish
 *   recovering  something went wrong: batches went back, a new life begins after a pause
 *   quarantine  set aside until the operator resets it or it is replugged */
/* clang-format off */
/*      id          shown as      takes jobs, has jobs */
#define BOARD_STATE_MAP(XX) \
	XX(ABSENT,     "absent",     0, 0) \
	XX(GREETING,   "greeting",   0, 0) \
	XX(PROVING,    "proving",    0, 1) \
	XX(READY,      "ready",      1, 1) \
	XX(DRAINING,   "draining",   0, 1) \
	XX(RECOVERING, "recovering", 0, 0) \
	XX(QUARANTINE, "quarantine", 0, 0)

/* Facts that happened. The machine never asks, it is told. */
#define BOARD_EVENT_MAP(XX) \
	XX(ATTACHED, "attached")       /* a link came up */ \
	XX(GREETED,  "greeted")        /* hello with a common protocol version */ \
	XX(PROVED,   "proved")         /* known answers are bit-exact, or there is nothing to prove */ \
	XX(FAULT,    "fault")          /* timeout, restart, broken rule, wrong answer */ \
	XX(RETRY,    "retry")          /* the pause after a fault is over */ \
	XX(DRAIN,    "drain")          /* the operator asked */ \
	XX(RESUME,   "resume")         /* the operator asked */ \
	XX(TEST,     "test")           /* the operator asked */ \
	XX(RESET,    "reset")          /* the operator asked */ \
	XX(GIVE_UP,  "give up")        /* too many faults, or a wrong known answer */ \
	XX(DETACHED, "detached")       /* the link is gone; valid wherever there was one */
/* clang-format on */

enum board_state {
#define XX(id, text, takes, has) BOARD_##id,
	BOARD_STATE_MAP(XX)
#undef XX
		BOARD_STATE_COUNT
};

enum board_event {
#define XX(id, text) BOARD_EV_##id,
	BOARD_EVENT_MAP(XX)
#undef XX
		BOARD_EV_COUNT
};

struct board_fsm {
	enum board_state state;
	uint64_t since_us; /* entry into state */
	uint32_t entered[BOARD_STATE_COUNT]; /* how often */
};

const char *board_state_text(enum board_state s);
const char *board_event_text(enum board_event e);
bool board_state_takes_jobs(enum board_state s); /* new ones */
bool board_state_has_jobs(enum board_state s); /* may be working */

/* Apply one event. Returns false, and changes nothing, when the event has no meaning in the
 * present state. */
bool board_fsm_apply(struct board_fsm *f, enum board_event ev, uint64_t now_us);

#endif
