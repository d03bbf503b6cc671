#include "tests/lib/fake_boards.h"
#include "tasks/catalog.h"
#include "util/clock.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fake_board_plan fake_plan[FAKE_BOARDS_MAX];
size_t fake_boards_n;
int fake_outside_byte = -1;

struct board {
	struct boards *all;
	size_t at;
	char id[16];
	uint32_t n;
	struct board_batch *batch[FAKE_BATCHES_MAX];
	uint64_t records;
};

struct boards {
	struct board_events ev;
	struct board board[FAKE_BOARDS_MAX];
};

struct models {
	void (*leaves)(void *ctx, struct model *m);
	void *leaves_ctx;
	size_t n;
	struct model model[FAKE_MODELS_MAX];
};

static struct package packages[FAKE_MODELS_MAX];
static size_t n_packages;

void fake_model_add(const char *name, const char *task, double certified)
{
	struct package *p = &packages[n_packages++];

	memset(p, 0, sizeof(*p));
	snprintf(p->name, sizeof(p->name), "%s", name);
	snprintf(p->task, sizeof(p->task), "%s", task);
	p->level = 2;
	p->cert.metric = HARVEST_SNR_DB;
	p->cert.certified = certified;
}

void fake_models_clear(void)
{
	n_packages = 0;
}

int models_new(const char *dirs, const char *state_dir, struct plugins *plugins, struct models **m)
{
	(void)plugins;
	(void)dirs;
	(void)state_dir;
	*m = calloc(1, sizeof(**m));
	if (*m == NULL)
		return HV_E_NOMEM;
	for (size_t i = 0; i < n_packages; i++) {
		struct model *at = &(*m)->model[(*m)->n++];

		at->pkg = &packages[i];
		at->task = task_find(packages[i].task);
	}
	return HV_OK;
}

void models_free(struct models *m)
{
	for (size_t i = 0; m != NULL && i < m->n; i++)
		assert(m->model[i].holds == 0); /* the contract of models.h */
	free(m);
}

size_t models_count(const struct models *m)
{
	return m->n;
}

struct model *models_at(const struct models *m, size_t i)
{
	return (struct model *)&m->model[i];
}

struct model *models_find(const struct models *m, const char *name)
{
	for (size_t i = 0; i < m->n; i++)
		if (strcmp(m->model[i].pkg->name, name) == 0)
			return models_at(m, i);
	return NULL;
}

size_t models_of_task(const struct models *m, const struct harvest_task *t, struct model **to,
		      size_t cap)
{
	size_t n = 0;

	for (size_t i = 0; i < m->n && n < cap; i++)
		if (m->model[i].task == t && !m->model[i].removed)
			to[n++] = models_at(m, i);
	return n;
}

void model_hold(struct model *m)
{
	m->holds++;
}

void model_drop(struct models *set, struct model *m)
{
	(void)set;
	assert(m->holds > 0);
	m->holds--;
}

void models_on_leave(struct models *m, void (*leaves)(void *ctx, struct model *m), void *ctx)
{
	m->leaves = leaves;
	m->leaves_ctx = ctx;
}

void boards_place_models(struct boards *bs)
{
	(void)bs;
}

void boards_forget_model(struct boards *bs, const struct model *m)
{
	(void)bs;
	(void)m;
}

void (*fake_models_run)(void);

void models_begin(struct models *m, struct models_change *ch)
{
	(void)m;
	if (ch->verb != MODELS_INSTALL)
		model_hold(ch->model);
	ch->err = HV_E_CANCEL;
}

/* The content "replace" takes the first model out of the catalogue, as a package of the same
 * name would. */
void models_run(const struct models *m, struct models_change *ch)
{
	bool replace =
		ch->verb == MODELS_INSTALL && ch->len == 7 && memcmp(ch->bytes, "replace", 7) == 0;

	if (fake_models_run != NULL)
		fake_models_run();
	ch->err = ch->verb == MODELS_VERIFY || (replace && m->n > 0) ? HV_OK : HV_E_FORMAT;
	snprintf(ch->why, sizeof(ch->why), "no package: %zu bytes", ch->len);
	if (ch->verb == MODELS_REMOVE) {
		ch->err = HV_E_DENIED;
		snprintf(ch->why, sizeof(ch->why), "%s stays", ch->model->pkg->name);
	}
}

int models_finish(struct models *m, struct models_change *ch)
{
	if (ch->verb != MODELS_INSTALL)
		model_drop(m, ch->model);
	if (ch->verb == MODELS_INSTALL && ch->err == HV_OK) {
		ch->model = &m->model[0];
		m->model[0].removed = true;
		m->leaves(m->leaves_ctx, &m->model[0]);
	}
	return ch->err;
}

bool model_in_domain(const struct model *m, const void *records, size_t n, char *why, size_t cap)
{
	size_t bytes = tensor_bytes(&m->task->in);
	const uint8_t *at = records;

	for (size_t i = 0; i < n; i++) {
		if (at[i * bytes] == fake_outside_byte) {
			snprintf(why, cap, "record %zu", i);
			return false;
		}
	}
	return true;
}

int boards_new(struct uv_loop_s *loop, const char *socket_path, int listen_fd,
	       struct models *models, const struct board_events *ev, struct boards **to, char *why,
	       size_t cap)
{
	struct boards *bs = calloc(1, sizeof(*bs));

	(void)loop;
	(void)socket_path;
	(void)listen_fd;
	(void)models;
	(void)why;
	(void)cap;
	if (bs == NULL)
		return HV_E_NOMEM;
	bs->ev = *ev;
	for (size_t i = 0; i < FAKE_BOARDS_MAX; i++) {
		bs->board[i].all = bs;
		bs->board[i].at = i;
		snprintf(bs->board[i].id, sizeof(bs->board[i].id), "fake%zu", i);
	}
	*to = bs;
	return HV_OK;
}

int16_t fake_mic(uint64_t sample)
{
	return (int16_t)(sample * 2654435761u >> 7);
}

/* One channel of int16; a hop of 0 is back to back. */
static void run_mic(struct board_batch *batch, double *scratch)
{
	const struct harvest_task *t = batch->model->task;
	size_t n = tensor_bytes(&t->in) / sizeof(int16_t), ob = tensor_bytes(&t->out);
	uint64_t hop = batch->from->hop != 0 ? batch->from->hop : n;
	int16_t in[1024];

	batch->first = batch->from->newest ? FAKE_MIC_FIRST : batch->from->first;
	assert(n <= 1024 && (!batch->from->newest || batch->from->start == 0));
	for (uint32_t r = 0; r < batch->records; r++) {
		uint64_t at = batch->first + (batch->from->start + r) * hop;

		for (size_t k = 0; k < n; k++)
			in[k] = fake_mic(at + k);
		task_exact(t, in, batch->out + r * ob, scratch);
	}
}

static void give_back(struct board *b, uint32_t i, int err)
{
	struct board_batch *batch = b->batch[i];

	b->batch[i] = b->batch[--b->n];
	if (err == HV_OK) {
		const struct harvest_task *t = batch->model->task;
		size_t ib = tensor_bytes(&t->in), ob = tensor_bytes(&t->out);
		double scratch[1024];

		if (batch->from != NULL)
			run_mic(batch, scratch);
		for (uint32_t r = 0; r < batch->records && batch->from == NULL; r++)
			task_exact(t, batch->in + r * ib, batch->out + r * ob, scratch);
		b->records += batch->records;
	}
	batch->done_ns = hv_now_ns();
	batch->compute_us = 1;
	b->all->ev.on_batch(b->all->ev.ctx, b, batch, err);
}

bool fake_boards_step(struct boards *bs, struct hv_rng *rng)
{
	bool any = false;

	for (size_t i = 0; i < fake_boards_n; i++) {
		struct board *b = &bs->board[i];
		bool fails = hv_rng_below(rng, 100) < fake_plan[i].fail_percent;

		if (b->n == 0 || fake_plan[i].stuck)
			continue;
		give_back(b, hv_rng_below(rng, b->n), fails ? fake_plan[i].fail_with : HV_OK);
		any = true;
	}
	return any;
}

void fake_board_leave(struct boards *bs, size_t i)
{
	struct board *b = &bs->board[i];

	fake_plan[i].ready = false;
	while (b->n > 0)
		give_back(b, 0, HV_E_GONE);
	bs->ev.on_lost(bs->ev.ctx, b);
}

void fake_board_return(struct boards *bs, size_t i)
{
	fake_plan[i].ready = true;
	bs->ev.on_room(bs->ev.ctx, &bs->board[i]);
}

size_t fake_boards_batches(const struct boards *bs)
{
	size_t n = 0;

	for (size_t i = 0; i < FAKE_BOARDS_MAX; i++)
		n += bs->board[i].n;
	return n;
}

void boards_close(struct boards *bs, void (*done)(void *ctx), void *ctx)
{
	for (size_t i = 0; i < FAKE_BOARDS_MAX; i++)
		while (bs->board[i].n > 0)
			give_back(&bs->board[i], 0, HV_E_CANCEL);
	done(ctx);
}

void boards_free(struct boards *bs)
{
	free(bs);
}

size_t boards_count(const struct boards *bs)
{
	(void)bs;
	return fake_boards_n;
}

struct board *boards_at(const struct boards *bs, size_t i)
{
	return (struct board *)&bs->board[i];
}

struct board *boards_find(const struct boards *bs, const char *id)
{
	for (size_t i = 0; i < fake_boards_n; i++)
		if (strcmp(bs->board[i].id, id) == 0)
			return boards_at(bs, i);
	return NULL;
}

const char *board_id(const struct board *b)
{
	return b->id;
}

const char *board_state(const struct board *b)
{
	return fake_plan[b->at].ready ? "ready" : "absent";
}

void board_offer(const struct board *b, const struct model *m, uint64_t now_ns,
		 struct board_offer *o)
{
	const struct fake_board_plan *p = &fake_plan[b->at];

	(void)m;
	(void)now_ns;
	*o = (struct board_offer){ .eligible = p->ready,
				   .why_not = p->ready ? NULL : "the board is absent",
				   .batch_records = p->batch_records,
				   .link_us_per_record = p->us_per_record,
				   .energy_uj_per_record = p->energy_uj_per_record,
				   .idle_share = 1 };
}

void board_offer_buffer(const struct board *b, const struct model *m,
			const struct board_input *from, uint64_t now_ns, struct board_offer *o,
			char *why, size_t cap)
{
	board_offer(b, m, now_ns, o);
	if (fake_plan[b->at].mic && strcmp(from->buffer, "mic") == 0)
		return;
	snprintf(why, cap, "board %s has no buffer \"%s\"", b->id, from->buffer);
	o->eligible = false;
	o->why_not = why;
}

bool board_can_take(struct board *b, struct model *m)
{
	const struct fake_board_plan *p = &fake_plan[b->at];

	(void)m;
	return p->ready && b->n < p->room && b->n < FAKE_BATCHES_MAX;
}

bool board_has_model(const struct board *b, const struct model *m)
{
	(void)m;
	return fake_plan[b->at].ready;
}

int board_run(struct board *b, struct board_batch *batch, uint64_t now_ns)
{
	if (!board_can_take(b, batch->model))
		return HV_E_BUSY;
	assert(batch->records > 0 && batch->records <= fake_plan[b->at].batch_records);
	batch->sent_ns = now_ns;
	b->batch[b->n++] = batch;
	return HV_OK;
}

static int refuse(char *why, size_t cap)
{
	snprintf(why, cap, "a fake board cannot do that");
	return HV_E_DENIED;
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
	(void)now_ns;
	hv__board_info__init(info);
	info->id = (char *)b->id;
	info->state = (char *)board_state(b);
	info->harvest_records = b->records;
	return HV_OK;
}

int board_info_box(const struct board *b, Hv__BoardInfo *info)
{
	(void)b;
	(void)info;
	return HV_OK;
}

void board_look(struct board *b)
{
	(void)b;
}

void board_info_clear(Hv__BoardInfo *info)
{
	(void)info;
}
