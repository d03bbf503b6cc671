#include "daemon/board/board_priv.h"
#include "daemon/log.h"
#include "tasks/catalog.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

unsigned board_works(const struct board *b)
{
	unsigned n = 0;

	for (unsigned i = 0; i < BOARD_JOBS_MAX; i++)
		n += b->work[i].id != 0;
	return n;
}

/* Slots whose vectors wait for a place. */
static unsigned proofs_due(const struct board *b)
{
	unsigned n = 0;

	for (unsigned i = 0; i < board_slots(b); i++)
		n += b->slot[i].state == SLOT_PROVING &&
		     b->slot[i].kats_sent < b->slot[i].model->pkg->n_kats;
	return n;
}

uint64_t board_work_deadline(const struct board *b)
{
	uint64_t at = UINT64_MAX;

	for (unsigned i = 0; i < BOARD_JOBS_MAX; i++)
		if (b->work[i].id != 0 && b->work[i].patience.deadline_us != 0 &&
		    b->work[i].patience.deadline_us < at)
			at = b->work[i].patience.deadline_us;
	return at;
}

const char *board_work_overdue(struct board *b, uint64_t now_us)
{
	const char *how = NULL;

	for (unsigned i = 0; i < BOARD_JOBS_MAX && how == NULL; i++)
		if (b->work[i].id != 0)
			how = board_patience_ended(b, &b->work[i].patience, now_us);
	return how;
}

struct board_work *board_work_add(struct board *b, unsigned slot, uint16_t records, uint64_t now_us)
{
	struct board_slot *s = &b->slot[slot];
	struct board_work *w = NULL;
	uint64_t ahead_us = 0;

	for (unsigned i = 0; i < board_jobs(b); i++) {
		if (b->work[i].id == 0)
			w = w != NULL ? w : &b->work[i];
		else
			ahead_us += b->work[i].expected_us;
	}
	if (w == NULL)
		return NULL;
	memset(w, 0, sizeof(*w));
	if (++b->job_seq == 0)
		b->job_seq = 1;
	w->id = (uint32_t)b->life << 16 | b->job_seq;
	w->order = ++b->work_order;
	w->slot = (uint8_t)slot;
	w->records = records;
	w->begun_us = now_us;
	w->expected_us = board_job_us(b, s->model, &s->img, records);
	if (board_loading(b)) /* chunks on their way come first */
		ahead_us += 2 * BOARD_CHUNK_BACKLOG * UINT64_C(10000000) / b->hello.link_bps;
	board_patience_set(b, &w->patience, ahead_us + w->expected_us, now_us);
	s->works++;
	s->used_us = now_us;
	return w;
}

static struct board_work *oldest_unsent(struct board *b)
{
	struct board_work *w = NULL;

	for (unsigned i = 0; i < BOARD_JOBS_MAX; i++)
		if (b->work[i].id != 0 && !b->work[i].sent &&
		    (w == NULL || (int32_t)(b->work[i].order - w->order) < 0))
			w = &b->work[i];
	return w;
}

static bool send_work(struct board *b, const struct board_work *w, uint64_t now_us)
{
	const struct board_input *from = w->batch != NULL ? w->batch->from : NULL;
	size_t in_bytes = (size_t)w->records * b->slot[w->slot].img.in_record_bytes;
	uint32_t hop;
	union link_msg m = {
		.job = { .id_ = LINK_JOB, .job = w->id, .slot = w->slot, .records = w->records }
	};

	if (from == NULL && w->wire != NULL)
		return board_send(b, &m, w->wire, in_bytes, now_us);
	if (from == NULL)
		return board_send(b, &m,
				  board_records_in(b, b->slot[w->slot].model,
						   w->batch != NULL ? w->batch->in : w->kat_in,
						   w->records),
				  in_bytes, now_us);
	hop = board_ring_hop(&b->details.ring[w->ring], from, w->batch->model);
	m.job_buffer = (struct link_job_buffer){
		.id_ = LINK_JOB_BUFFER,
		.job = w->id,
		.slot = w->slot,
		.records = w->records,
		.buffer = w->ring,
		.from = from->newest ? LINK_FROM_NEWEST : LINK_FROM_ABSOLUTE,
		.first = from->first + (uint64_t)from->start * hop,
		.hop = hop,
		.span = from->newest ? from->span : 0,
	};
	return board_send(b, &m, NULL, 0, now_us);
}

/* In order, as far as the link has room. */
void board_work_pump(struct board *b, uint64_t now_us)
{
	for (;;) {
		struct board_work *w = oldest_unsent(b);

		if (w == NULL || !board_aside_encoded(b, w))
			return;
		if (!send_work(b, w, now_us)) {
			link_want_room(b->link);
			return;
		}
		w->sent = true;
		free(w->wire);
		w->wire = NULL;
		if (w->batch != NULL)
			w->batch->sent_ns = now_us * 1000;
	}
}

bool board_can_take(struct board *b, struct model *m)
{
	uint64_t now_us = b->set->now_us();
	struct board_slot *s;

	if (!board_state_takes_jobs(b->fsm.state) || m->suspended || m->removed ||
	    b->details.stood_down)
		return false;
	s = board_slot_of(b, m);
	if (s == NULL) {
		(void)board_load(b, m, now_us); /* refusal is told by the offer */
		return false;
	}
	return s->state == SLOT_SERVING && board_works(b) + proofs_due(b) < board_jobs(b);
}

bool board_has_model(const struct board *b, const struct model *m)
{
	for (unsigned i = 0; i < board_slots(b); i++)
		if (b->slot[i].model == m && b->slot[i].state == SLOT_SERVING)
			return true;
	return false;
}

int board_run(struct board *b, struct board_batch *batch, uint64_t now_ns)
{
	const struct board_ring *ring = NULL;
	struct board_slot *s;
	struct board_work *w;

	if (!board_state_takes_jobs(b->fsm.state) || b->details.stood_down)
		return HV_E_BUSY;
	if (batch->from != NULL) {
		ring = board_ring_find(b, batch->from->buffer);
		if (ring == NULL)
			return HV_E_NOENT;
	}
	s = board_slot_of(b, batch->model);
	if (s == NULL || s->state != SLOT_SERVING ||
	    board_works(b) + proofs_due(b) >= board_jobs(b))
		return HV_E_BUSY;
	if (batch->records == 0 || batch->records > board_batch_max(b, batch->model, &s->img))
		return HV_E_INVAL;
	w = board_work_add(b, (unsigned)(s - b->slot), (uint16_t)batch->records, now_ns / 1000);
	if (w == NULL)
		return HV_E_BUSY;
	model_hold(batch->model);
	batch->sent_ns = now_ns;
	batch->done_ns = 0;
	batch->compute_us = 0;
	batch->aborted = 0;
	w->batch = batch;
	w->ring = ring != NULL ? ring->number : 0;
	board_work_pump(b, now_ns / 1000);
	board_rearm(b);
	return HV_OK;
}

/* The place becomes free before anybody hears of the end. */
static struct board_batch *work_end(struct board *b, struct board_work *w)
{
	struct board_batch *batch = w->batch;

	if (b->slot[w->slot].works > 0)
		b->slot[w->slot].works--;
	free(w->kat_in);
	free(w->wire);
	free(w->got);
	memset(w, 0, sizeof(*w));
	return batch;
}

static void give_back(struct board *b, struct board_batch *batch, int code, uint64_t now_us)
{
	struct models *models = b->set->models;
	struct model *m = batch->model;

	batch->done_ns = now_us * 1000;
	b->set->ev.on_batch(b->set->ev.ctx, b, batch, code);
	model_drop(models, m);
}

/* slot: of this one, or of all with BOARD_SLOTS_MAX. */
static void works_return(struct board *b, unsigned slot, int code, uint64_t now_us)
{
	struct board_batch *batch[BOARD_JOBS_MAX];
	int codes[BOARD_JOBS_MAX];
	unsigned n = 0;

	/* All places first: who hears of one end may look at the board. */
	for (unsigned i = 0; i < BOARD_JOBS_MAX; i++) {
		if (b->work[i].id == 0 || (slot != BOARD_SLOTS_MAX && b->work[i].slot != slot))
			continue;
		codes[n] = b->work[i].code != HV_OK ? b->work[i].code : code;
		batch[n] = work_end(b, &b->work[i]);
		n += batch[n] != NULL;
	}
	for (unsigned i = 0; i < n; i++)
		give_back(b, batch[i], codes[i], now_us);
}

void board_works_return(struct board *b, int code, uint64_t now_us)
{
	works_return(b, BOARD_SLOTS_MAX, code, now_us);
}

void board_works_of_slot_return(struct board *b, unsigned slot, int code, uint64_t now_us)
{
	works_return(b, slot, code, now_us);
}

/* The first of a work's vectors whose answer is not right, or their number. A package's vectors
 * are records and answers of its task. */
static unsigned kats_right(const struct package *p, const struct board_work *w, const uint8_t *out)
{
	size_t bytes = package_out_bytes(p);
	unsigned i = 0;

	while (i < w->records && memcmp(out + i * bytes, p->kat[w->kat_first + i].out, bytes) == 0)
		i++;
	return i;
}

/* Bit for bit, or the board cannot be trusted. */
static void kats_end(struct board *b, struct board_work *w, unsigned right, uint64_t now_us)
{
	struct board_slot *s = &b->slot[w->slot];
	const struct package *p = s->model->pkg;
	unsigned first = w->kat_first, n = w->records;
	char why[BOARD_REASON_MAX];

	(void)work_end(b, w);
	if (right < n) {
		snprintf(why, sizeof(why), "known-answer vector %u of %s came back wrong",
			 first + right + 1, p->name);
		board_quarantine(b, why, HV_E_WRONG, now_us);
		return;
	}
	s->kats_passed += n;
	if (s->kats_passed < p->n_kats) {
		board_load_pump(b, now_us);
		return;
	}
	s->state = SLOT_SERVING;
	if (board_state_takes_jobs(b->fsm.state))
		b->reason[0] = '\0'; /* why it could do nothing */
	s->patience.deadline_us = 0;
	log_event(LOG_LVL_INFO, "MODEL_RESIDENT",
		  "board %s: %s is resident and its %u known-answer vectors are right", b->id,
		  p->name, p->n_kats);
	s->used_us = now_us;
	s->keep_until_us = now_us + 2 * (uint64_t)board_load_us(b, &s->img);
	board_proved_if_done(b, now_us); /* else board_work_goes_on() tells of the room */
}

/* verdict: of the audit. HV_E_WRONG: with a sentence; HV_E_NOMEM: there is no audit. */
static void batch_end(struct board *b, struct board_work *w, int verdict, const char *why,
		      uint64_t now_us)
{
	struct board_batch *batch = w->batch;

	if (verdict != HV_E_WRONG) {
		/* right, and yet nobody should have them */
		int code = batch->from == NULL && batch->model->suspended ? HV_E_DENIED : HV_OK;

		(void)work_end(b, w);
		b->records += code == HV_OK ? batch->records : 0;
		give_back(b, batch, code, now_us);
		return;
	}
	/* It goes back with all others once the board is set aside, not straight to it again. */
	w->code = HV_E_WRONG;
	if (++b->wrongs >= BOARD_WRONG_MAX)
		board_quarantine(b, why, HV_E_TIMEOUT, now_us);
	else
		board_fault(b, why, HV_E_TIMEOUT, now_us);
}

static void read_kats_here(struct board *b, struct board_work *w, const uint8_t *got,
			   uint64_t now_us)
{
	const struct model *m = b->slot[w->slot].model;
	size_t bytes = package_board_out_bytes(m->pkg);
	unsigned right = 0;

	if (m->pkg->host == NULL) {
		kats_end(b, w, kats_right(m->pkg, w, got), now_us);
		return;
	}
	for (; right < w->records; right++) {
		const struct package_kat *k = &m->pkg->kat[w->kat_first + right];

		board_records_out(b, m, k->in, got + right * bytes, 1, b->set->answer);
		if (memcmp(b->set->answer, k->out, package_out_bytes(m->pkg)) != 0)
			break;
	}
	kats_end(b, w, right, now_us);
}

void board_work_read_here(struct board *b, struct board_work *w, const uint8_t *got,
			  uint64_t now_us)
{
	struct board_batch *batch = w->batch;
	char why[BOARD_REASON_MAX];
	/* samples that stayed there cannot be audited here */
	bool audits = batch != NULL && batch->from == NULL && !board_aside_judges(b);
	int verdict = HV_OK;

	if (batch == NULL) {
		read_kats_here(b, w, got, now_us);
		return;
	}
	board_records_out(b, batch->model, batch->in, got, batch->records, batch->out);
	if (audits && audit_affords(&b->set->purse, now_us)) {
		verdict = audit_batch(&b->audit, batch->model, batch->in, batch->out,
				      batch->records, why, sizeof(why));
		audit_spent(&b->set->purse, b->set->now_us() - now_us);
	}
	batch_end(b, w, verdict, why, now_us);
}

static struct board_work *find_work(struct board *b, uint32_t id)
{
	for (unsigned i = 0; i < BOARD_JOBS_MAX; i++)
		if (id != 0 && b->work[i].id == id)
			return &b->work[i];
	return NULL;
}

void board_work_place(struct board *b, uint32_t id, uint64_t first)
{
	struct board_work *w = find_work(b, id);

	const struct board_input *from = w != NULL && w->batch != NULL ? w->batch->from : NULL;

	if (from != NULL)
		w->batch->first =
			first - (uint64_t)from->start * board_ring_hop(&b->details.ring[w->ring],
								       from, w->batch->model);
}

/* aborted: how often the primary took the accelerator meanwhile. */
static void failed_result(struct board *b, struct board_work *w, int code, uint16_t aborted,
			  uint64_t now_us)
{
	char why[BOARD_REASON_MAX];

	if (w->batch == NULL && code == HV_E_BUSY && b->details.stood_down) {
		unsigned slot = w->slot;

		(void)work_end(b, w);
		board_slot_leave(b, slot, now_us);
		return;
	}
	if (w->batch != NULL && code == HV_E_NOENT) {
		w->code = code;
		board_fault(b, "it lost a model that it had", HV_E_TIMEOUT, now_us);
		return;
	}
	if (w->batch != NULL) {
		give_back(b, work_end(b, w), code, now_us);
		return;
	}
	if (code == HV_E_BUSY && aborted == 0) { /* never begun: nothing is wrong with the board */
		unsigned slot = w->slot;

		(void)work_end(b, w);
		board_slot_refuse(b, slot,
				  "it differs from the primary in more registers than a board "
				  "restores in time",
				  now_us);
		return;
	}
	snprintf(why, sizeof(why), "its known-answer job failed: %s", hv_err_text(code));
	board_fault(b, why, HV_E_TIMEOUT, now_us);
}

/* Of what waits here, and what is on its way when `all`; a work whose records are made or whose
 * answer is read has no deadline. */
static void patience_anew(struct board *b, bool all, uint64_t now_us)
{
	uint64_t all_us = 0;

	for (unsigned i = 0; i < BOARD_JOBS_MAX; i++)
		all_us += b->work[i].id != 0 ? b->work[i].expected_us : 0;
	for (unsigned i = 0; i < BOARD_JOBS_MAX; i++) {
		struct board_work *w = &b->work[i];

		if (w->id != 0 && (all ? w->patience.deadline_us != 0 : !w->sent))
			board_patience_set(b, &w->patience, all_us, now_us);
	}
}

void board_works_patience(struct board *b, uint64_t now_us)
{
	for (unsigned i = 0; i < BOARD_JOBS_MAX; i++) {
		struct board_work *w = &b->work[i];
		const struct board_slot *s = &b->slot[w->slot];

		if (w->id != 0)
			w->expected_us = board_job_us(b, s->model, &s->img, w->records);
	}
	patience_anew(b, true, now_us);
	for (unsigned i = 0; i < board_slots(b); i++) {
		struct board_slot *s = &b->slot[i];

		if (s->patience.deadline_us != 0)
			board_patience_set(b, &s->patience, (uint64_t)board_load_us(b, &s->img),
					   now_us);
	}
}

void board_work_encoded(struct board *b, struct board_aside *a, uint64_t now_us)
{
	struct board_work *w = find_work(b, a->work);

	if (w == NULL || w->sent)
		return;
	w->wire = a->wire;
	a->wire = NULL;
	patience_anew(b, false, now_us); /* only now the board's time begins, of all behind, too */
}

void board_work_read(struct board *b, const struct board_aside *a, uint64_t now_us)
{
	struct board_work *w = find_work(b, a->work);

	if (w == NULL)
		return;
	w->reading = false;
	if (w->batch == NULL) {
		kats_end(b, w, kats_right(a->model->pkg, w, a->out), now_us);
		return;
	}
	memcpy(w->batch->out, a->out, w->records * package_out_bytes(a->model->pkg));
	batch_end(b, w, a->verdict, a->why, now_us);
}

void board_work_goes_on(struct board *b, uint64_t now_us)
{
	if (!board_state_has_jobs(b->fsm.state))
		return;
	board_load_pump(b, now_us);
	board_tell_room(b);
}

void board_result(struct board *b, const struct link_result *r, uint64_t now_us)
{
	struct board_work *w = find_work(b, r->job);
	int code = (int16_t)r->code;

	if (w == NULL || !w->sent || w->got != NULL || w->reading) {
		b->late++;
		return;
	}
	if (code != 0) {
		failed_result(b, w, code < 0 ? code : HV_E_LINK, r->aborted, now_us);
		board_work_goes_on(b, now_us);
		return;
	}
	if (r->records != w->records ||
	    r->tail.len != (size_t)w->records * b->slot[w->slot].img.out_record_bytes) {
		board_fault(b, "a result has a wrong length", HV_E_TIMEOUT, now_us);
		return;
	}
	if (w->batch != NULL) {
		w->batch->compute_us = r->end_us > r->start_us ? r->end_us - r->start_us : 0;
		w->batch->aborted = r->aborted;
		b->aborted += r->aborted;
	}
	if (board_aside_takes(b, w, r->tail.bytes))
		board_aside_next(b, now_us);
	else
		board_work_read_here(b, w, r->tail.bytes, now_us);
	board_work_goes_on(b, now_us);
}
