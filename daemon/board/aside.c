#include "accel/cost/cost.h"
#include "daemon/board/board_priv.h"
#include "tasks/catalog.h"
#include <stdlib.h>
#include <string.h>

/* What takes too long for the loop's thread: placing packages, and the host programs of
 * searched packages around a batch. A board has one such piece of work on its way at a time; it
 * owns copies of all it needs, so a board may fail, leave or be closed meanwhile: what comes
 * back then fits no work any more and is dropped. */

static void aside_free(struct board_aside *a)
{
	struct models *models = a->b->set->models;

	for (size_t i = 0; i < a->fits; i++)
		model_drop(models, (struct model *)a->fit[i].model);
	if (a->model != NULL)
		model_drop(models, a->model);
	free(a->fit);
	free(a->build.image);
	free(a->wire);
	free(a);
}

/* False: it could not be given away, and is gone. */
static bool give(struct board *b, struct board_aside *a)
{
	struct boards *bs = b->set;

	b->aside = a;
	bs->asides++;
	if (bs->aside != NULL && bs->aside(bs, a))
		return true;
	b->aside = NULL;
	bs->asides--;
	aside_free(a);
	return false;
}

/* -- placing ------------------------------------------------------------------------------- */

static void start_placing(struct board *b)
{
	size_t n = models_count(b->set->models);
	struct board_aside *a = calloc(1, sizeof(*a));

	b->place_due = false;
	if (a == NULL)
		return; /* each is placed when it is first asked for */
	*a = (struct board_aside){
		.what = ASIDE_PLACE, .b = b, .life = b->life, .hello = b->hello
	};
	a->fit = calloc(n + 1, sizeof(*a->fit));
	for (size_t i = 0; a->fit != NULL && i < n; i++) {
		struct model *m = models_at(b->set->models, i);
		struct board_fit *f = &a->fit[a->fits];

		if (board_fit_find(b, m) != NULL)
			continue;
		f->model = m;
		memcpy(f->hash, m->pkg->hash, sizeof(f->hash));
		model_hold(m);
		a->fits++;
	}
	if (a->fits == 0)
		aside_free(a);
	else
		(void)give(b, a); /* as above */
}

bool board_aside_busy(const struct board *b)
{
	return b->place_due || b->aside != NULL;
}

bool board_aside_judges(const struct board *b)
{
	return b->aside != NULL && b->aside->judges;
}

/* What fitted a board that said something else about itself is of no use. */
static void placed(struct board *b, struct board_aside *a)
{
	if (a->life != b->life)
		return;
	for (size_t i = 0; i < a->fits; i++) {
		const struct model *m = a->fit[i].model;

		if (!m->removed && board_fit_find(b, m) == NULL)
			(void)board_fit_add(b, &a->fit[i]);
	}
}

bool board_aside_builds(struct board *b, struct model *m, const struct board_build *t)
{
	struct board_aside *a =
		b->set->aside != NULL && b->aside == NULL ? calloc(1, sizeof(*a)) : NULL;

	if (a == NULL)
		return false;
	*a = (struct board_aside){ .what = ASIDE_BUILD,
				   .b = b,
				   .life = b->life,
				   .hello = b->hello,
				   .build = *t,
				   .model = m };
	model_hold(m);
	return give(b, a);
}

static void built(struct board *b, struct board_aside *a, uint64_t now_us)
{
	if (a->life == b->life && board_state_has_jobs(b->fsm.state))
		board_built(b, a->model, &a->build, now_us);
}

/* -- host programs ------------------------------------------------------------------------- */

static size_t aligned(size_t n)
{
	return (n + 63) / 64 * 64;
}

static struct board_aside *about_work(struct board *b, enum aside_what what,
				      const struct board_work *w)
{
	struct model *m = b->slot[w->slot].model;
	size_t in_bytes = w->records * tensor_bytes(&m->task->in);
	size_t out_bytes = w->records * tensor_bytes(&m->task->out);
	size_t head = aligned(sizeof(struct board_aside));
	size_t words = aligned(cnn_steps_words(&m->pkg->steps) * sizeof(int32_t));
	struct board_aside *a = calloc(1, head + words + aligned(in_bytes) + out_bytes);

	if (a == NULL)
		return NULL;
	a->what = what;
	a->b = b;
	a->work = w->id;
	a->records = w->records;
	a->words = (int32_t *)(void *)((uint8_t *)a + head);
	a->in = (uint8_t *)a + head + words;
	a->out = a->in + aligned(in_bytes);
	memcpy(a->in, w->batch != NULL ? w->batch->in : w->kat_in, in_bytes);
	a->model = m;
	model_hold(m);
	return a;
}

static uint64_t steps_of(const struct model *m, enum hostprog_part part)
{
	return m->pkg->host != NULL ? hostprog_steps(m->pkg->host, part) : 0;
}

bool board_aside_encoded(struct board *b, struct board_work *w)
{
	const struct model *m = b->slot[w->slot].model;
	struct board_aside *a;

	if (w->wire != NULL || w->records * steps_of(m, HOSTPROG_ENCODE) <= BOARD_ASIDE_STEPS ||
	    b->set->aside == NULL)
		return true;
	w->patience.deadline_us = 0; /* not the board's time */
	if (b->aside != NULL)
		return false;
	a = about_work(b, ASIDE_ENCODE, w);
	if (a == NULL)
		return true; /* slow is better than not at all */
	a->wire = malloc(w->records * package_board_in_bytes(m->pkg));
	if (a->wire != NULL)
		return !give(b, a);
	aside_free(a);
	return true;
}

/* Of a batch one record is audited: by its network where there is no other bound. */
static bool reads_quickly(const struct model *m, const struct board_work *w)
{
	enum { MACS_A_STEP = 4 };
	uint64_t decode = steps_of(m, HOSTPROG_DECODE), steps = w->records * decode;

	if (m->pkg->host != NULL && w->batch != NULL)
		steps += steps_of(m, HOSTPROG_ENCODE) + decode +
			 cnn_cost_macs(&m->pkg->net) / MACS_A_STEP;
	return steps <= BOARD_ASIDE_STEPS;
}

bool board_aside_takes(struct board *b, struct board_work *w, const uint8_t *got)
{
	const struct model *m = b->slot[w->slot].model;
	size_t bytes = w->records * package_board_out_bytes(m->pkg);

	if (b->set->aside == NULL || (w->batch != NULL && w->batch->from != NULL) ||
	    (!board_aside_judges(b) && reads_quickly(m, w)))
		return false;
	w->got = malloc(bytes);
	if (w->got == NULL)
		return false;
	memcpy(w->got, got, bytes);
	w->patience.deadline_us = 0; /* not the board's time */
	return true;
}

static struct board_work *oldest_unread(struct board *b)
{
	struct board_work *w = NULL;

	for (unsigned i = 0; i < BOARD_JOBS_MAX; i++)
		if (b->work[i].id != 0 && b->work[i].got != NULL &&
		    (w == NULL || (int32_t)(b->work[i].order - w->order) < 0))
			w = &b->work[i];
	return w;
}

static void read_answer(struct board *b, struct board_work *w, uint64_t now_us)
{
	bool quick = reads_quickly(b->slot[w->slot].model, w);
	struct board_aside *a = quick ? NULL : about_work(b, ASIDE_DECODE, w);
	uint8_t *got = w->got;

	w->got = NULL;
	if (a == NULL) {
		board_work_read_here(b, w, got, now_us); /* w may be gone */
		free(got);
		return;
	}
	w->reading = true;
	a->wire = got;
	a->judges = w->batch != NULL && audit_affords(&b->set->purse, now_us);
	a->audit = b->audit;
	a->now_us = b->set->now_us;
	if (!give(b, a))
		board_fault(b, "its answer could not be read: no threads", HV_E_TIMEOUT, now_us);
}

/* -- running ------------------------------------------------------------------------------- */

void board_aside_next(struct board *b, uint64_t now_us)
{
	while (b->aside == NULL && !b->set->closing) {
		struct board_work *w = oldest_unread(b);

		if (b->place_due)
			start_placing(b);
		else if (w != NULL)
			read_answer(b, w, now_us);
		else
			return;
	}
}

void board_place(struct board *b, uint64_t now_us)
{
	if (b->set->aside == NULL)
		return; /* each is placed when it is first asked for */
	b->place_due = true;
	board_aside_next(b, now_us);
}

static void judge(struct board_aside *a)
{
	uint64_t begin_us = a->now_us();

	a->verdict =
		audit_judge(&a->audit, a->model, a->in, a->out, a->records, a->why, sizeof(a->why));
	a->audit_us = a->now_us() - begin_us;
}

void board_aside_run(struct board_aside *a)
{
	const struct package *p = a->model != NULL ? a->model->pkg : NULL;

	switch (a->what) {
	case ASIDE_PLACE:
		for (size_t i = 0; i < a->fits; i++)
			board_fit_make(&a->fit[i], &a->hello);
		break;
	case ASIDE_BUILD: board_image_build(&a->build, a->model, &a->hello); break;
	case ASIDE_ENCODE:
		for (size_t i = 0; i < a->records; i++)
			package_to_board(p, a->in + i * package_in_bytes(p),
					 a->wire + i * package_board_in_bytes(p));
		break;
	case ASIDE_DECODE:
		for (size_t i = 0; i < a->records; i++)
			package_from_board(p, a->in + i * package_in_bytes(p),
					   a->wire + i * package_board_out_bytes(p), a->words,
					   a->out + i * package_out_bytes(p));
		if (a->judges)
			judge(a);
		break;
	}
}

void board_aside_done(struct board_aside *a)
{
	struct board *b = a->b;
	struct boards *bs = b->set;
	uint64_t now_us = bs->now_us();

	b->aside = NULL;
	bs->asides--;
	if (a->judges) {
		b->audit = a->audit; /* nobody else wrote there meanwhile */
		audit_spent(&bs->purse, a->audit_us);
		if (a->verdict == HV_OK)
			audit_tell(&b->audit, a->model);
	}
	if (bs->closing) {
		aside_free(a);
		boards_closed_if_done(bs);
		return;
	}
	switch (a->what) {
	case ASIDE_PLACE: placed(b, a); break;
	case ASIDE_BUILD: built(b, a, now_us); break;
	case ASIDE_ENCODE: board_work_encoded(b, a, now_us); break;
	case ASIDE_DECODE: board_work_read(b, a, now_us); break;
	}
	aside_free(a);
	board_aside_next(b, now_us);
	board_prove_if_may(b, now_us);
	board_work_goes_on(b, now_us);
	board_rearm(b);
}
