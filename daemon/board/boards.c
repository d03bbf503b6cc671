#include "daemon/board/board.h"
#include "util/own.h"
#include <string.h>

struct boards {
	size_t count;
};

struct board {
	char id[16];
};

int boards_new(struct uv_loop_s *loop, const char *socket_path, int listen_fd,
	       struct models *models, const struct board_events *ev, struct boards **bs, char *why,
	       size_t cap)
{
	(void)loop, (void)socket_path, (void)listen_fd, (void)models, (void)ev;
	(void)why, (void)cap;
	*bs = calloc(1, sizeof(**bs));
	return *bs ? HV_OK : HV_E_NOMEM;
}

void boards_close(struct boards *bs, void (*done)(void *ctx), void *ctx)
{
	(void)bs;
	done(ctx);
}

void boards_free(struct boards *bs)
{
	free(bs);
}

size_t boards_count(const struct boards *bs)
{
	return bs->count;
}

struct board *boards_at(const struct boards *bs, size_t i)
{
	(void)bs, (void)i;
	return NULL;
}

struct board *boards_find(const struct boards *bs, const char *id)
{
	(void)bs, (void)id;
	return NULL;
}

const char *board_id(const struct board *b)
{
	return b->id;
}

const char *board_state(const struct board *b)
{
	(void)b;
	return "absent";
}

void board_offer(const struct board *b, const struct model *m, uint64_t now_ns,
		 struct board_offer *o)
{
	(void)b, (void)m, (void)now_ns;
	memset(o, 0, sizeof(*o));
	o->why_not = "absent";
}

bool board_can_take(struct board *b, struct model *m)
{
	(void)b, (void)m;
	return false;
}

bool board_has_model(const struct board *b, const struct model *m)
{
	(void)b, (void)m;
	return false;
}

int board_run(struct board *b, struct board_batch *batch, uint64_t now_ns)
{
	(void)b, (void)batch, (void)now_ns;
	return HV_E_BUSY;
}

static int refuse(char *why, size_t cap)
{
	snprintf(why, cap, "the board is absent: plug it in");
	return HV_E_GONE;
}

int board_drain(struct board *b, char *why, size_t cap)
{
	(void)b;
	return refuse(why, cap);
}

int board_resume(struct board *b, char *why, size_t cap)
{
	(void)b;
	return refuse(why, cap);
}

int board_reset(struct board *b, char *why, size_t cap)
{
	(void)b;
	return refuse(why, cap);
}

int board_test(struct board *b, char *why, size_t cap)
{
	(void)b;
	return refuse(why, cap);
}

int board_info(const struct board *b, uint64_t now_ns, Hv__BoardInfo *info)
{
	(void)b, (void)now_ns;
	hv__board_info__init(info);
	return HV_OK;
}

void board_info_clear(Hv__BoardInfo *info)
{
	hv__board_info__init(info);
}
