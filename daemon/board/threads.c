#include "daemon/board/board_priv.h"
#include <stdlib.h>
#include <uv.h>

struct errand {
	uv_work_t work;
	struct board_aside *aside;
};

static void on_thread(uv_work_t *w)
{
	board_aside_run(((struct errand *)w->data)->aside);
}

static void on_loop(uv_work_t *w, int status)
{
	struct errand *e = w->data;
	struct board_aside *a = e->aside;

	(void)status; /* nobody cancels it */
	free(e);
	board_aside_done(a);
}

bool board_threads_give(struct boards *bs, struct board_aside *a)
{
	struct errand *e = calloc(1, sizeof(*e));

	if (e == NULL)
		return false;
	e->work.data = e;
	e->aside = a;
	if (uv_queue_work(bs->loop, &e->work, on_thread, on_loop) == 0)
		return true;
	free(e);
	return false;
}
