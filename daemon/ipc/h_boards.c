#include "daemon/ipc/conn.h"
#include <stdio.h>

static void reply_boards(struct conn *c, uint32_t tag, const struct board *only)
{
	const struct server_parts *with = &c->server->with;
	size_t n = with->boards != NULL ? boards_count(with->boards) : 0;
	Hv__BoardList reply = HV__BOARD_LIST__INIT;
	Hv__BoardInfo *all;

	n = n < DISPATCH_BOARDS_MAX ? n : DISPATCH_BOARDS_MAX;
	all = hv_arena_zero(&c->server->arena, n, sizeof(*all));
	reply.boards = hv_arena_zero(&c->server->arena, n, sizeof(*reply.boards));
	for (size_t i = 0; all != NULL && reply.boards != NULL && i < n; i++) {
		const struct board *b = boards_at(with->boards, i);

		if (only != NULL && b != only)
			continue;
		if (board_info(b, dispatch_now_ns(with->dispatch), &all[reply.n_boards]) != HV_OK)
			break;
		if (only != NULL && board_info_box(b, &all[reply.n_boards]) != HV_OK) {
			board_info_clear(&all[reply.n_boards]);
			break;
		}
		reply.boards[reply.n_boards] = &all[reply.n_boards];
		reply.n_boards++;
	}
	conn_send(c, IPC_BOARDS_REPLY, tag, &reply.base, NULL);
	for (size_t i = 0; i < reply.n_boards; i++)
		board_info_clear(&all[i]);
}

/* clang-format off */
static const struct {
	const char *verb, *what;
	int (*run)(struct board *b, char *why, size_t cap); /* NULL: only show */
} verbs[] = {
	{ "show",   NULL,                NULL },
	{ "drain",  "draining a board",  board_drain },
	{ "resume", "resuming a board",  board_resume },
	{ "reset",  "resetting a board", board_reset },
	{ "test",   "testing a board",   board_test },
};
/* clang-format on */

void h_boards(struct conn *c, const struct ipc_frame *f, const void *msg)
{
	const Hv__BoardsRequest *m = msg;
	struct boards *bs = c->server->with.boards;
	struct board *b;
	char why[WHY_CAP] = "";
	size_t i = 0;
	int err = HV_OK;

	if (strcmp(m->verb, "list") == 0) {
		reply_boards(c, f->tag, NULL);
		return;
	}
	while (i < sizeof(verbs) / sizeof(verbs[0]) && strcmp(verbs[i].verb, m->verb) != 0)
		i++;
	if (i == sizeof(verbs) / sizeof(verbs[0])) {
		conn_error(
			c, f->tag, HV_E_INVAL,
			"boards cannot '%.20s': list, show, drain, resume, reset and test can be "
			"asked for",
			m->verb);
		return;
	}
	b = bs != NULL ? boards_find(bs, m->id) : NULL;
	if (b == NULL) {
		conn_error(c, f->tag, HV_E_NOENT,
			   "there is no board '%.40s': see harvestctl boards", m->id);
		return;
	}
	if (verbs[i].run != NULL && !conn_is_operator(c, f->tag, verbs[i].what))
		return;
	if (verbs[i].run != NULL)
		err = verbs[i].run(b, why, sizeof(why));
	if (err != HV_OK)
		conn_error(c, f->tag, err, "%s", why);
	else
		reply_boards(c, f->tag, b);
	if (verbs[i].run == NULL)
		board_look(b);
	dispatch_pump(c->server->with.dispatch);
}
