#ifndef TESTS_BOARD_PEER_H
#define TESTS_BOARD_PEER_H
#include "accel/package/package.h"
#include "proto/arq.h"
#include "proto/linkmsg.h"
#include "sim/vboard.h"

/* The daemon's end of a virtual board's line in modelled time: sends any message, keeps the
 * last of each kind that came, and checks every result against package_run(). */
#define PEER_FOREIGN (1u << 31) /* job numbers from here on are somebody else's */
enum { PEER_JOBS = VBOARD_JOB_SLOTS, PEER_SLOTS = VBOARD_MODEL_SLOTS, PEER_BUF = 32768 };

struct peer_job;
/* Are the outputs those of the samples that the board names? */
typedef bool peer_check(const struct peer_job *j, const struct link_buffer_result *r);

struct peer_job {
	bool open, check;
	uint32_t id;
	uint16_t records;
	uint8_t *want; /* owned: outputs of the reference */
	size_t want_len;
	/* of samples that the board has */
	const struct package *pkg;
	uint32_t hop;
	peer_check *is_right;
};

struct peer {
	struct vboard *b; /* borrowed */
	struct arq arq;
	uint8_t tx[PEER_BUF], rx[PEER_BUF], msg[ARQ_MSG_MAX];
	uint8_t wire[FRAME_MAX_WIRE];
	size_t wire_n, wire_at;
	unsigned hellos, states, results, good, wrong, aborted;
	struct link_hello hello;
	struct link_model_state state; /* the last one */
	struct link_model_state slot[PEER_SLOTS]; /* the last one of each slot */
	unsigned slot_states[PEER_SLOTS];
	unsigned failed, strays; /* results with a code; of jobs that were not open */
	struct link_result result; /* the last one, without its tail */
	struct link_status status;
	struct link_clock clock;
	struct link_time time; /* the last one, and when it came */
	uint64_t time_heard_ns;
	struct link_baud baud;
	struct link_stand stand;
	struct link_buffer_result buffer_result; /* without its tail */
	uint8_t box_kind[64]; /* of the events of the black box that came */
	unsigned times, box_n;
	unsigned clocks, statuses, reports, events, others;
	int last_code;
	struct peer_job job[PEER_JOBS];
};

void peer_init(struct peer *p, struct vboard *b);
void peer_clear(struct peer *p);
/* A new life; runs until the hello is there. False: it did not come in a modelled second. */
bool peer_connect(struct peer *p, uint16_t conn);
/* False: no room on the link now. */
bool peer_send(struct peer *p, const union link_msg *m, const void *tail, size_t n);
/* Let modelled time pass, the link working. */
void peer_run(struct peer *p, uint64_t ns);
/* Until *counter changes, at most limit_ns. */
bool peer_until(struct peer *p, const unsigned *counter, uint64_t limit_ns);

/* Slot image of a package for this board, owned by the caller. */
uint8_t *peer_image(const struct peer *p, const struct package *pkg, size_t *len);
/* Begin, chunks, commit; the code of the answer, 1 when none came. */
int peer_load(struct peer *p, uint8_t slot, const uint8_t *image, size_t len);
void peer_hash(const uint8_t *image, size_t len, uint8_t hash[HV_SHA256_BYTES]);

/* A job of random records of pkg; false: no room, on the link or in the table. */
bool peer_job(struct peer *p, uint32_t id, uint8_t slot, const struct package *pkg,
	      uint16_t records, struct hv_rng *rng);

/* A job of samples that the board has; its outputs are judged by is_right(). */
bool peer_job_of_samples(struct peer *p, const struct link_job_buffer *m, const struct package *pkg,
			 peer_check *is_right);

/* Packages are built once a process: a task at a level. */
const struct package *peer_package(const char *task, unsigned level);
void peer_packages_free(void);

/* A board with a primary; the caller frees both. Aborts the test on failure. */
struct vboard *peer_board(const char *primary, struct primary_spec *spec, uint32_t link_bps,
			  FILE *log);
#endif
