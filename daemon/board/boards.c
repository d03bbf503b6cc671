#include "daemon/board/board_priv.h"
#include "daemon/link/virtual.h"
#include "daemon/log.h"
#include "util/clock.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t monotonic_us(void)
{
	return hv_now_ns() / 1000;
}

int boards_new(struct uv_loop_s *loop, const char *socket_path, int listen_fd,
	       struct models *models, const struct board_events *ev, struct boards **out, char *why,
	       size_t cap)
{
	struct boards *bs = calloc(1, sizeof(*bs));
	int r = HV_OK;

	if (bs == NULL) {
		snprintf(why, cap, "out of memory");
		return HV_E_NOMEM;
	}
	bs->models = models;
	bs->ev = *ev;
	bs->now_us = monotonic_us;
	bs->loop = loop;
	bs->aside = loop != NULL ? board_threads_give : NULL;
	if (socket_path != NULL || listen_fd >= 0) {
		struct link_hub_events hub_ev = { .ctx = bs, .on_link = boards_plug };

		r = link_hub_new(loop, socket_path, listen_fd, &hub_ev, &bs->hub, why, cap);
	}
	if (r != HV_OK) {
		free(bs);
		return r;
	}
	*out = bs;
	return HV_OK;
}

static struct board *board_new(struct boards *bs)
{
	struct board *b = calloc(1, sizeof(*b));

	if (b == NULL)
		return NULL;
	b->fits = calloc(1, sizeof(*b->fits));
	if (b->fits == NULL) {
		free(b);
		return NULL;
	}
	board_fits_clear(b->fits);
	b->set = bs;
	b->fsm.state = BOARD_ABSENT;
	b->window_us = UINT64_MAX;
	tracker_init(&b->tracker);
	audit_init(&b->audit, bs->next_number + 1);
	return b;
}

static void board_free(struct board *b)
{
	board_slots_forget(b);
	board_fits_clear(b->fits);
	free(b->fits);
	audit_clear(&b->audit);
	free(b);
}

void boards_plug(void *ctx, struct link *l, uint64_t now_us)
{
	struct boards *bs = ctx;
	struct board *b = NULL;
	size_t i = 0;

	while (i < BOARDS_MAX && bs->strangers[i] != NULL)
		i++;
	if (i < BOARDS_MAX && !bs->closing)
		b = board_new(bs);
	if (b == NULL) {
		log_event(LOG_LVL_WARNING, "BOARD_LIMIT",
			  "a board that plugged in is turned away: the daemon has no room for it");
		link_close(l);
		return;
	}
	bs->strangers[i] = b;
	b->link = l;
	link_bind(l, &board_link_events, b);
	board_begin(b, now_us);
}

static void take_from_strangers(struct board *b)
{
	for (size_t i = 0; i < BOARDS_MAX; i++)
		if (b->set->strangers[i] == b)
			b->set->strangers[i] = NULL;
}

void boards_forget_stranger(struct board *b)
{
	take_from_strangers(b);
	if (b->link != NULL)
		link_close(b->link);
	board_free(b);
}

static struct board *find_serial(const struct boards *bs, const char *serial)
{
	for (size_t i = 0; i < bs->count; i++)
		if (strcmp(bs->list[i]->serial, serial) == 0)
			return bs->list[i];
	return NULL;
}

/* The board was here before: its object takes over the link. */
static struct board *return_of(struct board *old, struct board *b)
{
	old->link = b->link;
	b->link = NULL;
	old->life++;
	old->wrongs = 0;
	memset(old->fault_us, 0, sizeof(old->fault_us));
	old->hello_tries = b->hello_tries;
	old->heard_us = b->heard_us;
	old->fsm.since_us = b->fsm.since_us;
	link_bind(old->link, &board_link_events, old);
	rate_init(&old->details.rate); /* replugged: what failed may carry now */
	board_event(old, BOARD_EV_ATTACHED, b->heard_us);
	boards_forget_stranger(b);
	return old;
}

/* A place in the list. Pointers stay valid for ever, so places of boards that left are not
 * given away. */
static bool settle(struct board *b)
{
	struct boards *bs = b->set;

	if (bs->count == BOARDS_MAX)
		return false;
	b->number = bs->next_number++;
	snprintf(b->id, sizeof(b->id), "virt%u", b->number);
	b->known = true;
	take_from_strangers(b);
	bs->list[bs->count++] = b;
	return true;
}

struct board *boards_identify(struct board *b, const char *serial)
{
	struct board *old = find_serial(b->set, serial);

	if (old == b)
		return b;
	if (old != NULL && old->link == NULL)
		return return_of(old, b);
	if (old != NULL) {
		log_event(LOG_LVL_WARNING, "BOARD_SERIAL",
			  "a second board with serial %s is refused: %s has it; give every board "
			  "its own",
			  serial, old->id);
		boards_forget_stranger(b);
		return NULL;
	}
	if (b->known)
		return b; /* changed its serial while plugged in: keeps its place */
	snprintf(b->serial, sizeof(b->serial), "%s", serial);
	if (settle(b))
		return b;
	log_event(LOG_LVL_WARNING, "BOARD_LIMIT",
		  "the board with serial %s is refused: the daemon knows %d boards already, which "
		  "is the limit; restart it to forget those that left",
		  serial, BOARDS_MAX);
	boards_forget_stranger(b);
	return NULL;
}

void boards_closed_if_done(struct boards *bs)
{
	void (*done)(void *ctx) = bs->done;

	if (bs->hub != NULL || bs->asides > 0 || done == NULL)
		return;
	bs->done = NULL;
	done(bs->done_ctx);
}

static void hub_closed(void *ctx)
{
	struct boards *bs = ctx;

	bs->hub = NULL;
	boards_closed_if_done(bs);
}

void boards_close(struct boards *bs, void (*done)(void *ctx), void *ctx)
{
	uint64_t now_us = bs->now_us();

	if (bs->closing)
		return;
	bs->closing = true;
	bs->done = done;
	bs->done_ctx = ctx;
	for (size_t i = 0; i < BOARDS_MAX; i++)
		if (bs->strangers[i] != NULL)
			boards_forget_stranger(bs->strangers[i]);
	for (size_t i = 0; i < bs->count; i++) {
		struct board *b = bs->list[i];

		if (b->link == NULL)
			continue;
		link_close(b->link);
		b->link = NULL;
		board_event(b, BOARD_EV_DETACHED, now_us);
		board_works_return(b, HV_E_CANCEL, now_us);
		board_slots_forget(b);
	}
	if (bs->hub != NULL)
		link_hub_close(bs->hub, hub_closed, bs);
	else
		boards_closed_if_done(bs);
}

void boards_free(struct boards *bs)
{
	if (bs == NULL)
		return;
	assert(bs->hub == NULL && bs->asides == 0); /* boards_close() first */
	for (size_t i = 0; i < bs->count; i++)
		board_free(bs->list[i]);
	free(bs);
}

size_t boards_count(const struct boards *bs)
{
	return bs->count;
}

struct board *boards_at(const struct boards *bs, size_t i)
{
	assert(i < bs->count);
	return bs->list[i];
}

struct board *boards_find(const struct boards *bs, const char *id)
{
	for (size_t i = 0; i < bs->count; i++)
		if (strcmp(bs->list[i]->id, id) == 0)
			return bs->list[i];
	for (size_t i = 0; i < bs->count; i++)
		if (strcmp(bs->list[i]->serial, id) == 0)
			return bs->list[i];
	return NULL;
}

void boards_place_models(struct boards *bs)
{
	for (size_t i = 0; i < bs->count && !bs->closing; i++)
		if (board_state_has_jobs(bs->list[i]->fsm.state))
			board_place(bs->list[i], bs->now_us());
}

void boards_forget_model(struct boards *bs, const struct model *m)
{
	for (size_t i = 0; i < bs->count; i++)
		board_fits_forget(bs->list[i]->fits, m);
}

const char *board_id(const struct board *b)
{
	return b->id;
}

const char *board_state(const struct board *b)
{
	return board_state_text(b->fsm.state);
}
