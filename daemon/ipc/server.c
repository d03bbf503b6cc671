#include "daemon/ipc/conn.h"
#include "util/own.h"
#include <assert.h>

static void *arena_alloc(void *arena, size_t n)
{
	return hv_arena_alloc(arena, n);
}

static void arena_free(void *arena, void *p)
{
	(void)arena;
	(void)p;
}

/* Replies of one turn of the loop go out together. */
static void on_flush(uv_prepare_t *h)
{
	struct server *s = h->data;

	while (s->dirty != NULL) {
		struct conn *c = s->dirty;

		s->dirty = c->next_dirty;
		c->dirty = false;
		conn_flush(c);
	}
}

int server_new(const struct server_parts *parts, struct server **to)
{
	struct server *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return HV_E_NOMEM;
	s->with = *parts;
	s->uid = geteuid();
	s->arena = (struct hv_arena){ .base = malloc(ARENA_BYTES), .cap = ARENA_BYTES };
	s->allocator = (ProtobufCAllocator){ arena_alloc, arena_free, &s->arena };
	if (s->arena.base == NULL || uv_pipe_init(parts->loop, &s->listener, 0) < 0) {
		free(s->arena.base);
		free(s);
		return HV_E_NOMEM;
	}
	s->listener.data = s;
	uv_prepare_init(parts->loop, &s->flush);
	s->flush.data = s;
	uv_prepare_start(&s->flush, on_flush);
	uv_unref((uv_handle_t *)&s->flush);
	s->open_handles = 2;
	*to = s;
	return HV_OK;
}

uint32_t server_clients(const struct server *s)
{
	return s->n_conns;
}

static void on_handle_closed(uv_handle_t *h)
{
	struct server *s = h->data;

	if (--s->open_handles == 0 && s->closing)
		s->done(s->done_ctx);
}

void server_stop_accepting(struct server *s)
{
	if (!uv_is_closing((uv_handle_t *)&s->listener))
		uv_close((uv_handle_t *)&s->listener, on_handle_closed);
	s->listening = false;
}

void server_close(struct server *s, void (*done)(void *ctx), void *ctx)
{
	struct conn *next;

	s->closing = true;
	s->done = done;
	s->done_ctx = ctx;
	on_flush(&s->flush);
	for (struct conn *c = s->conns; c != NULL; c = next) {
		next = c->next;
		conn_close(c);
	}
	model_requests_close(s);
	uv_close((uv_handle_t *)&s->flush, on_handle_closed);
	server_stop_accepting(s);
}

void server_free(struct server *s)
{
	if (s == NULL)
		return;
	assert(s->open_handles == 0);
	server_free_spare(s);
	free(s->arena.base);
	free(s);
}
