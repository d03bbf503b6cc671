#ifndef DAEMON_BOARD_H
#define DAEMON_BOARD_H
#include "daemon/models/models.h"
#include "proto/harvest.pb-c.h"
#include <stdbool.h>
#include <stdint.h>

/* The boards: their life (state machine), their truth (duty cycle, residents, trust), and
 * their mouths (a link each). One loop thread. Upper module: app/dispatch, by events. */
struct boards;
struct board;

/* Facts for the router, about one board and one model, now. */
struct board_offer {
	bool eligible;
	const char *why_not; /* when not */
	bool why_passes; /* why_not is good until the next call for this board; else static */
	bool no_buffer; /* why_not is that the samples are not on this board */
	uint32_t batch_records; /* most records of one board_run() */
	uint64_t queue_us; /* work already there */
	uint64_t load_us; /* to make the model resident; 0 when it is */
	uint64_t wait_us; /* expected wait for a window, per run */
	double link_us_per_record; /* both ways */
	double compute_us_per_record; /* bus and inference */
	double energy_uj_per_record; /* modelled */
	const char *link_side; /* the direction that costs link_us: "to board", "from board" */
	double idle_share; /* of the accelerator, 0..1 */
};

/* Samples that a board has in a ring, as input of a batch. */
struct board_input {
	char buffer[16]; /* name of the ring */
	uint32_t hop; /* samples from the begin of a record to the next; 0: back to back */
	bool newest; /* the last of `span` records ends with the newest sample ... */
	uint64_t first; /* ... else: the sample that record 0 of the job begins with */
	uint32_t start; /* record of the job that the batch begins with; 0 when newest */
	uint32_t span; /* records of the whole job */
};

/* One batch of records on a board. Owner: the dispatcher; must live until on_batch. The board
 * holds the model meanwhile. */
struct board_batch {
	struct model *model;
	const uint8_t *in; /* records * in_bytes, borrowed until on_batch; NULL with from */
	const struct board_input *from; /* borrowed until on_batch; NULL: in has the samples */
	uint8_t *out; /* filled before on_batch(HV_OK) */
	uint32_t records;
	void *cookie;
	/* filled when done, on the daemon's clock: */
	uint64_t sent_ns, done_ns;
	uint64_t compute_us; /* on the board */
	uint32_t aborted; /* runs given up for the primary, then repeated */
	uint64_t first; /* of the ring: sample that record 0 of the job began with */
};

/* Up-calls. They may call board_run() again but not boards_free(). */
struct board_events {
	void *ctx;
	/* Exactly once for every accepted board_run(): HV_OK, HV_E_TIMEOUT, HV_E_GONE,
	 * HV_E_WRONG (audit), HV_E_DENIED (the model is suspended), HV_E_CANCEL, or the code the
	 * board answered with. Never from inside board_run(). */
	void (*on_batch)(void *ctx, struct board *b, struct board_batch *batch, int err);
	/* Something became possible: board ready, model resident, room in its queue. */
	void (*on_room)(void *ctx, struct board *b);
	/* A board left or was set aside; its batches have been given back before. */
	void (*on_lost)(void *ctx, struct board *b);
};

struct uv_loop_s;
/* Listen for virtual boards at socket_path (mode 0660), or on listen_fd when it is >= 0 (socket
 * activation; taken). socket_path NULL and listen_fd -1: no virtual boards. A stale socket file
 * is removed only if nobody listens there. HV_E_BUSY: somebody does; HV_E_DENIED, HV_E_INVAL
 * (path too long), HV_E_IO, HV_E_NOMEM: why gets a sentence. */
HV_NODISCARD int boards_new(struct uv_loop_s *loop, const char *socket_path, int listen_fd,
			    struct models *models, const struct board_events *ev,
			    struct boards **bs, char *why, size_t cap);
/* Begin closing: links end, batches come back with HV_E_CANCEL; done runs when all handles
 * are closed and no thread works for a board any more; free afterwards. */
void boards_close(struct boards *bs, void (*done)(void *ctx), void *ctx);
void boards_free(struct boards *bs);

/* Boards that have told their serial, also absent ones: a board pointer stays valid until
 * boards_free(). */
size_t boards_count(const struct boards *bs);
struct board *boards_at(const struct boards *bs, size_t i);
/* By id, else by serial; NULL when there is none. */
struct board *boards_find(const struct boards *bs, const char *id);
const char *board_id(const struct board *b); /* "virt0" */
const char *board_state(const struct board *b); /* "ready"; static text */

void board_offer(const struct board *b, const struct model *m, uint64_t now_ns,
		 struct board_offer *o);
/* The same for samples that the board has: the price of the link is that of the results. With
 * from->span records; a reason of its own is put into why[cap] and told by o->why_not. */
void board_offer_buffer(const struct board *b, const struct model *m,
			const struct board_input *from, uint64_t now_ns, struct board_offer *o,
			char *why, size_t cap);
/* Room for one more batch right now. If the model is not resident, asking starts its load. */
bool board_can_take(struct board *b, struct model *m);
/* Is it resident and proved there? For boards and models verbs. */
bool board_has_model(const struct board *b, const struct model *m);
/* HV_E_BUSY: no room, or the model is not resident: ask board_can_take() first. HV_E_INVAL:
 * no records, or more than the board takes at once. HV_E_NOENT: it has no such ring. The batch
 * is taken only on HV_OK. */
HV_NODISCARD int board_run(struct board *b, struct board_batch *batch, uint64_t now_ns);

/* A model came into the catalogue: it is placed on all boards, aside, before somebody asks. */
void boards_place_models(struct boards *bs);
/* A model left the catalogue: what was worked out for it is dropped. */
void boards_forget_model(struct boards *bs, const struct model *m);

/* Operator verbs; why gets a sentence on refusal. */
HV_NODISCARD int board_drain(struct board *b, char *why, size_t cap);
HV_NODISCARD int board_resume(struct board *b, char *why, size_t cap);
HV_NODISCARD int board_reset(struct board *b, char *why, size_t cap);
/* Run the known-answer vectors of everything resident again. */
HV_NODISCARD int board_test(struct board *b, char *why, size_t cap);

/* The board's black box is read anew; board_info() tells it soon after. */
void board_look(struct board *b);

/* Snapshot for status and boards verbs; strings and arrays are allocated, freed by
 * board_info_clear(). HV_E_NOMEM leaves nothing behind. */
HV_NODISCARD int board_info(const struct board *b, uint64_t now_ns, Hv__BoardInfo *info);
/* Add the black box, which is too long for a list of all boards. HV_E_NOMEM: clear it all. */
HV_NODISCARD int board_info_box(const struct board *b, Hv__BoardInfo *info);
void board_info_clear(Hv__BoardInfo *info);

#endif
