#ifndef DAEMON_BOARD_PRIV_H
#define DAEMON_BOARD_PRIV_H
#include "accel/image/image.h"
#include "accel/slotimg/slotimg.h"
#include "daemon/board/board.h"
#include "daemon/board/board_fsm.h"
#include "daemon/board/boardclock.h"
#include "daemon/board/rate.h"
#include "daemon/board/rooms.h"
#include "daemon/board/tracker.h"
#include "daemon/link/link.h"
#include "daemon/quality/audit.h"
#include "proto/linkmsg.h"
#include "util/fs/sha256.h"

/* What the files of this folder know of each other.
 *
 *   boards.c     the set: identities, links, closing
 *   life.c       events of the link, faults, recovery, clock, status, the one alarm of a board
 *   hello.c      what a board says about itself
 *   residency.c  slots: load, prove, evict
 *   work.c       batches: send, result, timeout
 *   aside.c      what takes too long for the loop's thread
 *   price.c      what things take; offers
 *   verbs.c info.c
 *
 * Glossary
 *   life    from one SYN to the next; job numbers carry it, so a result of an old life
 *           matches nothing
 *   work    one job on the board: a batch of the dispatcher, or known-answer vectors
 *   fit     what the compiler says about one package on this board */
enum {
	BOARDS_MAX = 64,
	BOARD_SLOTS_MAX = 16,
	BOARD_JOBS_MAX = 8,
	BOARD_FAULTS_MAX = 3, /* within BOARD_FAULTS_US: quarantine */
	BOARD_WRONG_MAX = 2, /* wrong answers until reset or replug: quarantine */
	BOARD_HELLO_TRIES = 3,
	BOARD_HELLO_US = 500000, /* each */
	BOARD_RETRY_US = 100000, /* pause after the first fault, doubled for each more */
	BOARD_STATUS_US = 500000, /* how often a status is asked for */
	BOARD_SILENCE_US = 4000000, /* nothing heard for so long is a fault */
	BOARD_GRACE_US = 500000, /* on top of four times the expected time */
	BOARD_SLOW_MAX = 32, /* so many times it, while the line is bad but moves */
	BOARD_STALL_US = 1000000, /* a line moves when a chunk gets through in this time */
	BOARD_IDLE_US = 200000, /* a model unused for so long may be evicted at any time */
	BOARD_CHUNK_BYTES = 960,
	BOARD_CHUNK_BACKLOG = 8192, /* loads keep no more than this on their way */
	BOARD_REASON_MAX = 192,
};
#define BOARD_FAULTS_US UINT64_C(60000000)

enum slot_state {
	SLOT_EMPTY,
	SLOT_FOREIGN, /* the board reported something there that is not ours (yet) */
	SLOT_BEGUN, /* begin sent, answer awaited */
	SLOT_SENDING,
	SLOT_COMMITTED, /* answer awaited */
	SLOT_PROVING, /* resident, its vectors have not all passed */
	SLOT_SERVING,
};

/* How long something may take. A bad line slows all down, and that is no fault of the board. */
struct board_patience {
	uint64_t deadline_us; /* 0: none */
	uint64_t limit_us; /* not even a line that moves puts the deadline off beyond */
	uint64_t moved; /* link_moved() when the deadline was set */
	bool put_off; /* the line moved when the first deadline passed */
};

struct board_slot {
	enum slot_state state;
	struct model *model; /* held; NULL when EMPTY or FOREIGN */
	struct slotimg img;
	uint8_t hash[HV_SHA256_BYTES];
	uint8_t *image; /* owned while loading */
	size_t image_len, sent;
	struct board_patience patience; /* of the load */
	uint64_t used_us; /* last use, for eviction */
	uint64_t keep_until_us; /* its load has to pay first */
	unsigned works; /* on their way */
	unsigned kats_passed, kats_sent;
};

struct board_work {
	uint32_t id; /* 0: free */
	uint32_t order;
	bool sent;
	uint8_t slot;
	uint16_t records;
	int code; /* how it ended, when it goes back with all others */
	struct board_batch *batch; /* NULL: known-answer vectors */
	uint8_t ring; /* of a batch from a ring */
	unsigned kat_first;
	uint8_t *kat_in; /* owned */
	uint8_t *wire; /* owned; its records as the board sees them, made aside */
	uint8_t *got; /* owned; the board's answer, to be read aside */
	bool reading; /* that is being done */
	uint64_t begun_us, expected_us;
	struct board_patience patience;
};

struct board_fit {
	const struct model *model;
	uint8_t hash[32];
	bool fits;
	bool refused; /* by the board, in this life */
	struct slotimg img; /* as if alone on the board */
	char why[160]; /* a sentence, when it does not fit */
};

/* A wait that was asked for since the last report of the primary. */
struct board_wait {
	uint64_t run_us, wait_us;
	uint32_t version; /* of the tracker */
};
enum { BOARD_WAITS = 8 };

struct board_fits {
	size_t count, cap;
	struct board_fit *list;
	struct board_wait wait[BOARD_WAITS];
};

enum { BOARD_RINGS_MAX = 8, BOARD_BOX_MAX = 64 };

/* A ring of samples that the board has. */
struct board_ring {
	char name[16];
	uint8_t number, dtype, channels;
	uint32_t samples, write_ahead;
	double rate_hz; /* 0: not regular */
	uint64_t written; /* when it was described */
};

struct board_box_event {
	uint64_t at_us;
	uint32_t seq, value;
	uint16_t boot;
	uint8_t kind, arg;
};

/* What the board told beyond its hello. */
struct board_details {
	struct rate rate;
	bool line_told, rate_settled;
	uint64_t rate_asked_us;
	struct boardclock clock;
	uint64_t time_sent_us; /* of the question on its way; 0: none */
	uint64_t time_at_us; /* when the next is due */
	uint32_t time_seq, time_bps;
	struct board_ring ring[BOARD_RINGS_MAX];
	unsigned n_rings;
	struct board_box_event box[BOARD_BOX_MAX];
	unsigned n_box;
	bool box_whole; /* the next message begins anew */
	uint16_t boot;
	bool stood_down;
};

/* An image of a package for the room that a board has, as the slots were when it began; only
 * one is built at a time, so room may have become free since, but not less. */
struct board_build {
	struct rooms_claim claim[BOARD_SLOTS_MAX];
	unsigned claims;
	uint16_t kernel_words, bias_count; /* that it needs */
	int code; /* HV_E_BUSY: no gap holds it */
	uint8_t *image; /* owned */
	size_t len;
	uint8_t hash[HV_SHA256_BYTES];
};

enum aside_what { ASIDE_PLACE, ASIDE_BUILD, ASIDE_ENCODE, ASIDE_DECODE };

/* One piece of work for another thread than the loop's, with all that it reads and writes: the
 * board may be gone, or have another life, when it is done. */
struct board_aside {
	enum aside_what what;
	struct board *b; /* the loop's; board_aside_run() does not look at it */
	uint16_t life; /* placing, building: of the board, */
	struct link_hello hello; /* and what it said */
	struct board_build build;
	struct board_fit *fit; /* owned; placing: their models are held */
	size_t fits;
	uint32_t work; /* id; encoding and decoding */
	struct model *model; /* held */
	uint32_t records;
	uint8_t *in, *out; /* of the task; in one allocation with this, as words */
	uint8_t *wire; /* owned; of the board */
	int32_t *words; /* scratch */
	bool judges; /* audit is the board's own, which waits for it */
	struct audit audit;
	int verdict;
	char why[BOARD_REASON_MAX];
	uint64_t (*now_us)(void);
	uint64_t audit_us; /* what it took */
};

struct board {
	struct boards *set;
	struct link *link; /* NULL when absent */
	struct board_fsm fsm;
	bool known; /* told its serial and is in the set */
	bool held; /* drained by the operator, also across faults */
	bool wipe; /* reset by the operator: drop all slots at the next hello */
	bool proving_begun;
	unsigned number; /* "virt<number>" */
	char id[16], serial[17], device[17], primary[17], firmware[16];
	char reason[BOARD_REASON_MAX];
	char greet_why[BOARD_REASON_MAX]; /* what went wrong in the present greeting */
	struct link_hello hello;
	uint16_t life, job_seq;
	unsigned hello_tries;
	uint64_t await_us; /* greeting: until then; recovering: retry then */
	uint64_t heard_us, status_at_us;
	uint64_t room_at_us; /* when a resident model may be evicted; 0: nobody waits */
	uint64_t fault_us[BOARD_FAULTS_MAX];
	uint64_t faults, late, surprises;
	unsigned wrongs;
	bool clock_ok;
	int64_t clock_offset_us; /* board minus host */
	uint64_t clock_rtt_us;
	struct board_details details;
	struct tracker tracker;
	uint64_t window_us; /* tracker_window_us() of the last report */
	struct board_slot slot[BOARD_SLOTS_MAX];
	struct board_work work[BOARD_JOBS_MAX];
	uint32_t work_order;
	struct board_fits *fits;
	struct board_aside *aside; /* on its way; NULL: none */
	bool place_due; /* packages are to be placed aside */
	struct audit audit;
	uint64_t records, aborted, refused, evictions;
};

struct link_hub;
struct boards {
	struct board_events ev;
	struct models *models;
	struct link_hub *hub; /* NULL: no virtual boards */
	struct board *list[BOARDS_MAX];
	size_t count;
	struct board *strangers[BOARDS_MAX]; /* linked, have not told their serial */
	unsigned next_number;
	uint64_t (*now_us)(void); /* monotonic; tests have their own */
	struct audit_purse purse;
	/* of one message: what a host program makes and reads; board_batch_max() keeps both
	 * below ARQ_MSG_MAX bytes */
	uint8_t pixels[ARQ_MSG_MAX];
	int32_t values[ARQ_MSG_MAX];
	uint8_t answer[HARVEST_RECORD_MAX_BYTES]; /* of the task, to one vector */
	/* Have a piece of work run aside: board_aside_run() on any thread, then
	 * board_aside_done() on the loop's. False: it cannot be, nothing was taken. NULL: there
	 * is no loop, and everything is done where it comes up. */
	bool (*aside)(struct boards *bs, struct board_aside *a);
	struct uv_loop_s *loop;
	unsigned asides; /* on their way, of all boards */
	bool closing;
	void (*done)(void *ctx);
	void *done_ctx;
};

static inline unsigned board_slots(const struct board *b)
{
	return b->hello.model_slots < BOARD_SLOTS_MAX ? b->hello.model_slots : BOARD_SLOTS_MAX;
}

static inline unsigned board_jobs(const struct board *b)
{
	return b->hello.job_slots < BOARD_JOBS_MAX ? b->hello.job_slots : BOARD_JOBS_MAX;
}

/* records.c: records of the task to those of the board, borrowed until the next call (the same
 * ones without host program), and answers back; got holds records answers of the board. */
const uint8_t *board_records_in(struct board *b, const struct model *m, const uint8_t *in,
				uint32_t records);
void board_records_out(struct board *b, const struct model *m, const uint8_t *in,
		       const uint8_t *got, uint32_t records, uint8_t *out);

/* threads.c: the threads of the loop */
bool board_threads_give(struct boards *bs, struct board_aside *a);

/* aside.c */
void board_aside_run(struct board_aside *a);
void board_aside_done(struct board_aside *a);
void board_aside_next(struct board *b, uint64_t now_us); /* whatever waits, oldest first */
/* Place every package that was not yet; a second call while it lasts is fine. */
void board_place(struct board *b, uint64_t now_us);
bool board_aside_busy(const struct board *b);
/* The audit's books are on another thread. */
bool board_aside_judges(const struct board *b);
/* True: an image is built aside, board_built() follows. */
bool board_aside_builds(struct board *b, struct model *m, const struct board_build *t);
/* Are the records of w ready to be sent, or so few that making them here takes no time worth
 * mentioning? Else they are made aside and board_work_pump() follows. */
bool board_aside_encoded(struct board *b, struct board_work *w);
/* True: the answer to w takes long to read, or has to wait for one that does, and was taken.
 * board_aside_next() has it read. */
bool board_aside_takes(struct board *b, struct board_work *w, const uint8_t *got);

/* boards.c */
void boards_closed_if_done(struct boards *bs); /* tells once that all is closed */
void boards_plug(void *set, struct link *l, uint64_t now_us); /* a link came up */
/* Find the identity for a stranger that told its serial. Returns the board that goes on with
 * the link (perhaps another object), or NULL: refused, the link is closed, b is gone. */
struct board *boards_identify(struct board *b, const char *serial);
void boards_forget_stranger(struct board *b); /* close its link, free it */

/* life.c */
extern const struct link_events board_link_events;
void board_begin(struct board *b, uint64_t now_us);
/* The board did something it must not, or nothing at all: batches go back as code, a new life
 * follows or quarantine. why is a sentence without full stop. */
void board_fault(struct board *b, const char *why, int code, uint64_t now_us);
void board_quarantine(struct board *b, const char *why, int code, uint64_t now_us);
/* The operator's reset: batches go back, a new life, all slots dropped, faults forgiven. */
void board_restart(struct board *b, uint64_t now_us);
bool board_event(struct board *b, enum board_event ev, uint64_t now_us);
void board_rearm(struct board *b);
void board_proved_if_done(struct board *b, uint64_t now_us);
void board_prove_if_may(struct board *b, uint64_t now_us); /* clock known, rate settled */
void board_patience_set(const struct board *b, struct board_patience *p, uint64_t expected_us,
			uint64_t now_us);
/* How it ended, as a predicate ("took more than ..."); NULL: it has not. Also puts the deadline
 * off if the line moves. */
const char *board_patience_ended(const struct board *b, struct board_patience *p, uint64_t now_us);
bool board_send(struct board *b, const union link_msg *m, const void *tail, size_t n,
		uint64_t now_us);
void board_tell_room(struct board *b); /* to the dispatcher, when ready */
void board_ask_clock(struct board *b, uint64_t now_us);
void board_ask_status(struct board *b, uint64_t now_us);
uint64_t board_clock_us(const struct board *b, uint64_t now_us);

/* hello.c: b may be gone afterwards, or its link belong to another board */
void board_hello(struct board *b, const struct link_hello *h, uint64_t now_us);

/* residency.c */
struct board_slot *board_slot_of(struct board *b, const struct model *m);
void board_slots_forget(struct board *b);
/* Begin to make a model resident; false: not now, or never (fit says). */
bool board_load(struct board *b, struct model *m, uint64_t now_us);
bool board_loading(const struct board *b);
void board_image_build(struct board_build *t, const struct model *m,
		       const struct link_hello *hello);
void board_built(struct board *b, struct model *m, struct board_build *t, uint64_t now_us);
void board_load_pump(struct board *b, uint64_t now_us);
void board_model_state(struct board *b, const struct link_model_state *m, uint64_t now_us);
/* Its proof cannot go on: what is there is somebody's again, and is proved when it is wanted. */
void board_slot_leave(struct board *b, unsigned slot, uint64_t now_us);
/* The board does not run what it has there: it is not offered again in this life. */
void board_slot_refuse(struct board *b, unsigned slot, const char *why, uint64_t now_us);
void board_prove_begin(struct board *b, uint64_t now_us);
void board_prove_again(struct board *b, uint64_t now_us); /* everything resident */

/* work.c */
unsigned board_works(const struct board *b);
void board_work_pump(struct board *b, uint64_t now_us);
void board_result(struct board *b, const struct link_result *r, uint64_t now_us);
void board_work_place(struct board *b, uint32_t id, uint64_t first); /* where its samples were */
/* Give everything back with a code; known-answer work just ends. */
/* What was made aside, if the work is still there. */
void board_work_encoded(struct board *b, struct board_aside *a, uint64_t now_us);
void board_work_read(struct board *b, const struct board_aside *a, uint64_t now_us);
/* Read an answer on this thread; w is over, and perhaps more than that. */
void board_work_read_here(struct board *b, struct board_work *w, const uint8_t *got,
			  uint64_t now_us);
void board_work_goes_on(struct board *b, uint64_t now_us); /* after the end of one */
void board_works_return(struct board *b, int code, uint64_t now_us);
void board_works_patience(struct board *b, uint64_t now_us); /* anew, at the rate of the line */
void board_works_of_slot_return(struct board *b, unsigned slot, int code, uint64_t now_us);
struct board_work *board_work_add(struct board *b, unsigned slot, uint16_t records,
				  uint64_t now_us);
uint64_t board_work_deadline(const struct board *b); /* the earliest; UINT64_MAX: none */
/* As board_patience_ended(), of the first that has. */
const char *board_work_overdue(struct board *b, uint64_t now_us);

/* details.c */
void board_details_begin(struct board *b, uint64_t now_us); /* after the hello */
void board_details_message(struct board *b, const union link_msg *m, uint64_t now_us);
void board_details_tick(struct board *b, uint64_t now_us);
uint64_t board_details_next_us(const struct board *b);
void board_ask_rate(struct board *b, uint64_t now_us); /* whether both ends have the same */
void board_rate_begin(struct board *b); /* the line gets the meeting rate */
const struct board_ring *board_ring_find(const struct board *b, const char *name);
uint32_t board_ring_hop(const struct board_ring *r, const struct board_input *from,
			const struct model *m);
void board_box_again(struct board *b, uint64_t now_us); /* ask for the black box */

/* info_details.c */
bool board_info_details(const struct board *b, uint64_t now_us, Hv__BoardInfo *info);
void board_info_details_clear(Hv__BoardInfo *info);

/* price.c */
enum {
	BOARD_ASIDE_STEPS = 1 << 13, /* about 40 us; more of a host program runs aside */
	BOARD_BATCH_STEPS = 1 << 21, /* of one part of a host program, for one batch */
	BOARD_BATCH_BYTES = 1 << 20, /* of the task's records, where there is a host program */
};
/* Work out what the compiler says; reads nothing but its arguments. */
void board_fit_make(struct board_fit *f, const struct link_hello *hello);
struct board_fit *board_fit_find(const struct board *b, const struct model *m); /* NULL: unknown */
bool board_fit_add(const struct board *b, const struct board_fit *f);
struct board_fit *board_fit(const struct board *b, const struct model *m);
void board_fits_clear(struct board_fits *f);
void board_fits_forget(struct board_fits *f, const struct model *m);
uint32_t board_batch_max(const struct board *b, const struct model *m, const struct slotimg *img);
double board_load_us(const struct board *b, const struct slotimg *img);
/* Expected time of one job from sending to its result, alone on the board. */
/* Link time of a record when batches follow each other: that of the dearer direction, which
 * side names. */
double board_link_us(const struct board *b, const struct slotimg *img, const char **side);
double board_compute_us(const struct board *b, const struct model *m, const struct slotimg *img,
			uint32_t records);
uint64_t board_job_us(const struct board *b, const struct model *m, const struct slotimg *img,
		      uint32_t records);

#endif
