#ifndef BENCH_PROOF_LOAD_H
#define BENCH_PROOF_LOAD_H
#include "bench/proof/ring.h"
#include "tests/lib/board_peer.h"

/* Work for a virtual board, from the other end of its line, in modelled time.
 *
 *   none    nobody is there
 *   ring    three models resident together, always more jobs than the board can run, of samples
 *           that are on the board already: only outputs cross the line
 *   jobs    the same jobs with their inputs sent over the line
 *   loads   the same, and a fourth model is loaded, used and evicted without end
 *   babble  the same, on a line with bursts of garbage, and messages of a hostile daemon: random
 *           bytes, wrong lengths, foreign slots, changed images, evictions, resets */
enum load_kind { LOAD_NONE, LOAD_RING, LOAD_JOBS, LOAD_LOADS, LOAD_BABBLE, LOAD_KINDS };

enum { LOAD_MODELS = 5 }; /* the last two take turns in one slot */

struct load_model {
	const struct package *pkg; /* of peer_package() */
	uint8_t *image; /* owned */
	size_t len;
	struct slotimg head;
};

enum loader_state { LOADER_IDLE, LOADER_ASKED, LOADER_SENDING, LOADER_COMMITTED };

struct load {
	struct vboard *b; /* borrowed */
	struct peer p;
	enum load_kind kind;
	struct hv_rng rng;
	struct ring ring;
	struct load_model model[LOAD_MODELS];
	unsigned fourth; /* which of the two is, or will be, in the last slot */
	/* the one load under way */
	enum loader_state loader;
	unsigned slot, answers; /* states of that slot before the question */
	size_t at;
	uint64_t since_ns, churn_ns, babble_ns;
	uint16_t conn;
	uint32_t job, turn;
	/* what happened */
	uint64_t sent, dropped, loads, evictions, refusals, lives;
	uint64_t garbage_bytes, hostile_messages;
	uint64_t first_job_ns; /* 0: none yet */
};

const char *load_text(enum load_kind k);

/* Connects and builds the slot images for the room the board offers. Aborts the program when
 * the board does not answer: then nothing is worth a comparison. */
void load_begin(struct load *l, struct vboard *b, enum load_kind kind, uint64_t seed);
void load_until(struct load *l, uint64_t end_ns);
/* No more work: wait for the last answers, at most two modelled seconds. Jobs still open. */
unsigned load_end(struct load *l);
void load_clear(struct load *l);

#endif
