#include "accel/slotimg/build.h"
#include "daemon/board/board_priv.h"
#include "daemon/log.h"
#include "tasks/catalog.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct board_slot *board_slot_of(struct board *b, const struct model *m)
{
	for (unsigned i = 0; i < board_slots(b); i++)
		if (b->slot[i].model == m)
			return &b->slot[i];
	return NULL;
}

static void slot_clear(struct board *b, struct board_slot *s)
{
	if (s->model != NULL)
		model_drop(b->set->models, s->model);
	free(s->image);
	memset(s, 0, sizeof(*s));
}

void board_slots_forget(struct board *b)
{
	for (unsigned i = 0; i < BOARD_SLOTS_MAX; i++)
		slot_clear(b, &b->slot[i]);
}

bool board_loading(const struct board *b)
{
	for (unsigned i = 0; i < board_slots(b); i++)
		if (b->slot[i].state >= SLOT_BEGUN && b->slot[i].state <= SLOT_COMMITTED)
			return true;
	return b->aside != NULL && b->aside->what == ASIDE_BUILD && b->aside->life == b->life;
}

static void evict(struct board *b, struct board_slot *s, uint64_t now_us)
{
	union link_msg m = { .model_evict = { .id_ = LINK_MODEL_EVICT,
					      .slot = (uint8_t)(s - b->slot) } };

	b->evictions += s->model != NULL;
	if (s->model != NULL)
		log_event(LOG_LVL_INFO, "MODEL_EVICTED", "board %s: %s makes room", b->id,
			  s->model->pkg->name);
	(void)board_send(b, &m, NULL, 0, now_us); /* checked: there was room for the load */
	slot_clear(b, s);
}

/* From when on an idle slot may be evicted: once it has paid for its load, or was left alone
 * for a while. Without this, jobs of two models that do not fit together would evict each
 * other before either got to work. */
static uint64_t evictable_us(const struct board_slot *s)
{
	uint64_t idle = s->used_us + BOARD_IDLE_US;

	if (s->model->removed)
		return 0;
	return s->keep_until_us < idle ? s->keep_until_us : idle;
}

/* The evictable slot that was not used for longest; models that left the catalogue first.
 * When one is only too young, the board tells of room at that time. */
static struct board_slot *victim(struct board *b, uint64_t now_us)
{
	struct board_slot *v = NULL;

	for (unsigned i = 0; i < board_slots(b); i++) {
		struct board_slot *s = &b->slot[i];
		uint64_t from;

		if (s->state != SLOT_SERVING || s->works > 0)
			continue;
		from = evictable_us(s);
		if (now_us < from) {
			if (b->room_at_us == 0 || from < b->room_at_us)
				b->room_at_us = from;
			continue;
		}
		if (v == NULL || (s->model->removed && !v->model->removed) ||
		    (s->model->removed == v->model->removed && s->used_us < v->used_us))
			v = s;
	}
	return v;
}

static struct cnn_room whole_room(const struct link_hello *h)
{
	return (struct cnn_room){
		.kernel_first = h->kernel_first,
		.kernel_words = h->kernel_words,
		.bias_first = h->bias_first,
		.bias_count = h->bias_count,
		.data_first = h->data_first,
		.data_words = h->data_words,
	};
}

static unsigned claims_of(const struct board *b, struct rooms_claim *claim)
{
	unsigned n = 0;

	for (unsigned i = 0; i < board_slots(b); i++)
		if (b->slot[i].model != NULL)
			claim[n++] = (struct rooms_claim){ b->slot[i].img.kernel_first,
							   b->slot[i].img.kernel_words,
							   b->slot[i].img.bias_first,
							   b->slot[i].img.bias_count };
	return n;
}

void board_image_build(struct board_build *t, const struct model *m, const struct link_hello *hello)
{
	struct cnn_room all = whole_room(hello), gap;
	char why[128];

	t->code = HV_E_BUSY;
	for (unsigned nth = 0; t->code == HV_E_BUSY; nth++) {
		if (!rooms_find(&all, t->claim, t->claims, t->kernel_words, t->bias_count, nth,
				&gap))
			return;
		t->code = slotimg_build(&m->pkg->net, m->pkg->steps_blob, m->pkg->steps_len, &gap,
					hello->primary_quadrants, &t->image, &t->len, why,
					sizeof(why));
	}
	if (t->code == HV_OK) {
		struct hv_sha256 sha;

		hv_sha256_init(&sha);
		hv_sha256_add(&sha, t->image, t->len);
		hv_sha256_end(&sha, t->hash);
	}
}

/* The slot to load into: the one that has this very content, else an empty one. Anything else
 * that is not ours could overlap and goes first. */
static struct board_slot *slot_for(struct board *b, const uint8_t hash[HV_SHA256_BYTES],
				   uint64_t now_us)
{
	struct board_slot *empty = NULL;

	for (unsigned i = 0; i < board_slots(b); i++)
		if (b->slot[i].state == SLOT_FOREIGN &&
		    memcmp(b->slot[i].hash, hash, HV_SHA256_BYTES) == 0)
			return &b->slot[i];
	for (unsigned i = 0; i < board_slots(b); i++) {
		if (b->slot[i].state == SLOT_FOREIGN)
			evict(b, &b->slot[i], now_us);
		if (b->slot[i].state == SLOT_EMPTY && empty == NULL)
			empty = &b->slot[i];
	}
	return empty;
}

static bool begin(struct board *b, struct board_slot *s, uint64_t now_us)
{
	union link_msg m = { .model_begin = { .id_ = LINK_MODEL_BEGIN,
					      .slot = (uint8_t)(s - b->slot),
					      .bytes = (uint32_t)s->image_len } };

	memcpy(m.model_begin.hash.b, s->hash, sizeof(s->hash));
	return board_send(b, &m, NULL, 0, now_us);
}

static unsigned slots_used(const struct board *b)
{
	unsigned used = 0;

	for (unsigned i = 0; i < board_slots(b); i++)
		used += b->slot[i].model != NULL;
	return used;
}

/* Evict one; false: nothing idle is left to evict. */
static bool make_room(struct board *b, uint64_t now_us)
{
	struct board_slot *v = victim(b, now_us);

	if (v == NULL) {
		board_rearm(b); /* one may only be too young */
		return false;
	}
	evict(b, v, now_us);
	return true;
}

/* Send what was built; the image is taken. */
static bool begin_load(struct board *b, struct model *m, struct board_build *t, uint64_t now_us)
{
	struct board_slot *s = slot_for(b, t->hash, now_us);
	uint8_t *image = t->image;

	t->image = NULL;
	if (s != NULL)
		slot_clear(b, s);
	if (s == NULL || slotimg_header_parse(image, t->len, &s->img) != HV_OK) {
		free(image);
		return false;
	}
	model_hold(m);
	s->model = m;
	s->image = image;
	s->image_len = t->len;
	memcpy(s->hash, t->hash, sizeof(s->hash));
	s->state = SLOT_BEGUN;
	s->used_us = now_us;
	board_patience_set(b, &s->patience, (uint64_t)board_load_us(b, &s->img), now_us);
	if (!begin(b, s, now_us)) {
		slot_clear(b, s);
		return false;
	}
	log_event(LOG_LVL_INFO, "MODEL_LOADING",
		  "board %s: loading %s, %zu bytes, kernel words "
		  "%u to %u",
		  b->id, m->pkg->name, s->image_len, (unsigned)s->img.kernel_first,
		  (unsigned)s->img.kernel_first + s->img.kernel_words - 1);
	board_rearm(b);
	return true;
}

/* Build an image for the room there is, aside where that is possible. */
static bool build(struct board *b, struct model *m, const struct board_fit *fit, uint64_t now_us)
{
	struct board_build t = { .kernel_words = fit->img.kernel_words,
				 .bias_count = fit->img.bias_count };

	while (slots_used(b) == board_slots(b))
		if (!make_room(b, now_us))
			return false;
	for (;;) {
		t.claims = claims_of(b, t.claim);
		if (board_aside_builds(b, m, &t))
			return true;
		board_image_build(&t, m, &b->hello);
		if (t.code != HV_E_BUSY)
			return t.code == HV_OK && begin_load(b, m, &t, now_us);
		if (!make_room(b, now_us))
			return false;
	}
}

bool board_load(struct board *b, struct model *m, uint64_t now_us)
{
	const struct board_fit *fit = board_fit(b, m);

	if (fit == NULL || !fit->fits || fit->refused || board_loading(b) ||
	    link_room(b->link) < 1024 || (b->aside != NULL && b->set->aside != NULL))
		return false;
	return build(b, m, fit, now_us);
}

void board_built(struct board *b, struct model *m, struct board_build *t, uint64_t now_us)
{
	const struct board_fit *fit = board_fit_find(b, m);
	bool goes_on = fit != NULL && !m->removed && link_room(b->link) >= 1024;

	if (goes_on && t->code == HV_OK)
		goes_on = begin_load(b, m, t, now_us);
	else if (goes_on)
		goes_on = t->code == HV_E_BUSY && make_room(b, now_us) && build(b, m, fit, now_us);
	if (goes_on)
		return;
	if (b->fsm.state == BOARD_PROVING)
		snprintf(b->reason, sizeof(b->reason), "%s could not be loaded", m->pkg->name);
	board_proved_if_done(b, now_us);
}

static void send_chunks(struct board *b, struct board_slot *s, uint64_t now_us)
{
	union link_msg m = { .model_chunk = { .id_ = LINK_MODEL_CHUNK,
					      .slot = (uint8_t)(s - b->slot) } };
	union link_msg commit = { .model_commit = { .id_ = LINK_MODEL_COMMIT,
						    .slot = (uint8_t)(s - b->slot) } };

	while (s->sent < s->image_len) {
		size_t n = s->image_len - s->sent;

		if (n > BOARD_CHUNK_BYTES)
			n = BOARD_CHUNK_BYTES;
		m.model_chunk.offset = (uint32_t)s->sent;
		if (link_backlog(b->link) > BOARD_CHUNK_BACKLOG ||
		    !board_send(b, &m, s->image + s->sent, n, now_us)) {
			link_want_room(b->link);
			return;
		}
		s->sent += n;
	}
	if (!board_send(b, &commit, NULL, 0, now_us)) {
		link_want_room(b->link);
		return;
	}
	s->state = SLOT_COMMITTED;
	free(s->image);
	s->image = NULL;
}

/* Put the next unsent vectors of a slot on their way. */
static void send_kats(struct board *b, struct board_slot *s, uint64_t now_us)
{
	const struct package *p = s->model->pkg;
	size_t in_bytes = tensor_bytes(&s->model->task->in);
	unsigned n = p->n_kats - s->kats_sent;
	uint32_t most = board_batch_max(b, s->model, &s->img);
	struct board_work *w;
	uint8_t *in;

	if (n > most)
		n = most;
	if (n == 0)
		return;
	in = malloc(n * in_bytes);
	if (in == NULL)
		return; /* the silence of this load ends it */
	w = board_work_add(b, (unsigned)(s - b->slot), (uint16_t)n, now_us);
	if (w == NULL) {
		free(in);
		return;
	}
	for (unsigned i = 0; i < n; i++)
		memcpy(in + i * in_bytes, p->kat[s->kats_sent + i].in, in_bytes);
	w->kat_in = in;
	w->kat_first = s->kats_sent;
	s->kats_sent += n;
}

void board_load_pump(struct board *b, uint64_t now_us)
{
	for (unsigned i = 0; i < board_slots(b); i++) {
		struct board_slot *s = &b->slot[i];

		if (s->state == SLOT_SENDING)
			send_chunks(b, s, now_us);
		if (s->state == SLOT_PROVING && s->kats_sent < s->model->pkg->n_kats)
			send_kats(b, s, now_us);
	}
	board_work_pump(b, now_us);
}

/* Until all vectors that are due, and the work that is there, are through. */
static uint64_t proofs_us(const struct board *b)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < BOARD_JOBS_MAX; i++)
		sum += b->work[i].id != 0 ? b->work[i].expected_us : 0;
	for (unsigned i = 0; i < board_slots(b); i++) {
		const struct board_slot *s = &b->slot[i];

		if (s->state == SLOT_PROVING)
			sum += board_job_us(b, s->model, &s->img, 1) * s->model->pkg->n_kats;
	}
	return sum;
}

static void resident(struct board *b, struct board_slot *s, uint64_t now_us)
{
	free(s->image);
	s->image = NULL;
	s->state = SLOT_PROVING;
	s->kats_passed = s->kats_sent = 0;
	/* The vectors have deadlines of their own; this one is for getting them sent. */
	board_patience_set(b, &s->patience, proofs_us(b), now_us);
	board_load_pump(b, now_us);
}

/* keep: the board has not only no room at the moment. */
static void note_refusal(struct board *b, const struct model *m, bool keep, const char *why)
{
	struct board_fit *fit = board_fit(b, m);

	log_event(LOG_LVL_WARNING, "MODEL_REFUSED", "board %s refuses %s: %s", b->id, m->pkg->name,
		  why);
	if (b->fsm.state == BOARD_PROVING)
		snprintf(b->reason, sizeof(b->reason), "the board refuses %s: %s", m->pkg->name,
			 why);
	if (fit == NULL || !keep)
		return;
	fit->refused = true;
	snprintf(fit->why, sizeof(fit->why), "the board refuses the model: %s", why);
}

/* The board said no to a load. */
static void refused(struct board *b, struct board_slot *s, int code, uint64_t now_us)
{
	note_refusal(b, s->model, !(b->details.stood_down && code == HV_E_BUSY), hv_err_text(code));
	slot_clear(b, s);
	board_proved_if_done(b, now_us);
	board_tell_room(b); /* who waited for this model has to look elsewhere */
}

void board_model_state(struct board *b, const struct link_model_state *m, uint64_t now_us)
{
	int code = (int16_t)m->code;
	struct board_slot *s;

	if (m->slot >= board_slots(b)) {
		b->surprises++;
		return;
	}
	s = &b->slot[m->slot];
	if (s->state == SLOT_EMPTY || s->state == SLOT_FOREIGN) {
		/* A report after hello; only of what it keeps from before. */
		s->state = m->state == LINK_SLOT_EMPTY ? SLOT_EMPTY : SLOT_FOREIGN;
		memcpy(s->hash, m->hash.b, sizeof(s->hash));
		return;
	}
	if (m->state == LINK_SLOT_EMPTY && b->details.stood_down && s->state >= SLOT_PROVING) {
		/* The firmware used the memory for itself. Nobody may ask the slot for its model
		 * once it is clear, so what was to run there goes first. */
		board_works_of_slot_return(b, m->slot, HV_E_BUSY, now_us);
		slot_clear(b, s);
		board_proved_if_done(b, now_us);
		return;
	}
	if (code != 0 && s->state < SLOT_PROVING) {
		refused(b, s, code < 0 ? code : HV_E_LINK, now_us);
		return;
	}
	if (m->state == LINK_SLOT_LOADING && s->state == SLOT_BEGUN) {
		s->state = SLOT_SENDING;
		send_chunks(b, s, now_us);
	} else if (m->state == LINK_SLOT_RESIDENT && s->state < SLOT_PROVING) {
		if (s->state == SLOT_SENDING || memcmp(m->hash.b, s->hash, sizeof(s->hash)) != 0)
			board_fault(b, "it reports other content in a slot than it was sent",
				    HV_E_WRONG, now_us);
		else
			resident(b, s, now_us);
	} else if (m->state == LINK_SLOT_EMPTY && s->state != SLOT_BEGUN) {
		board_fault(b, "it lost a model that it had", HV_E_TIMEOUT, now_us);
	} else {
		b->surprises++; /* an evict of the slot's last content is answered late */
	}
}

void board_slot_leave(struct board *b, unsigned slot, uint64_t now_us)
{
	struct board_slot *s = &b->slot[slot];
	uint8_t hash[HV_SHA256_BYTES];

	board_works_of_slot_return(b, slot, HV_E_BUSY, now_us);
	memcpy(hash, s->hash, sizeof(hash));
	slot_clear(b, s);
	s->state = SLOT_FOREIGN;
	memcpy(s->hash, hash, sizeof(hash));
	board_proved_if_done(b, now_us);
}

void board_slot_refuse(struct board *b, unsigned slot, const char *why, uint64_t now_us)
{
	note_refusal(b, b->slot[slot].model, true, why);
	board_slot_leave(b, slot, now_us);
	board_tell_room(b); /* as above */
}

static size_t weights_of(const struct model *m)
{
	size_t n = 0;

	for (unsigned i = 0; i < m->pkg->net.layers; i++)
		n += cnn_layer_weights(&m->pkg->net.layer[i]);
	return n;
}

/* The next package by size after the ith one at `least` bytes; ties go by position. */
static struct model *next_smallest(const struct models *set, size_t *least, size_t *i)
{
	struct model *best = NULL;
	size_t best_n = 0, best_i = 0;

	for (size_t k = 0; k < models_count(set); k++) {
		size_t n = weights_of(models_at(set, k));

		if (n < *least || (n == *least && k < *i) || (best != NULL && n >= best_n))
			continue;
		best = models_at(set, k);
		best_n = n;
		best_i = k;
	}
	*least = best_n;
	*i = best_i + 1;
	return best;
}

/* The smallest package that fits: compiling stops at the first that does. */
static struct model *smallest(struct board *b)
{
	size_t least = 0, i = 0;
	struct model *m;

	for (m = next_smallest(b->set->models, &least, &i); m != NULL;
	     m = next_smallest(b->set->models, &least, &i)) {
		const struct board_fit *fit = m->suspended ? NULL : board_fit(b, m);

		if (fit != NULL && fit->fits && !fit->refused)
			return m;
	}
	return NULL;
}

void board_prove_again(struct board *b, uint64_t now_us)
{
	b->proving_begun = true;
	for (unsigned i = 0; i < board_slots(b); i++) {
		struct board_slot *s = &b->slot[i];

		if (s->state != SLOT_SERVING)
			continue;
		resident(b, s, now_us);
	}
	board_proved_if_done(b, now_us);
}

/* Something has to be proved before a board serves: what it has, else the smallest package. */
void board_prove_begin(struct board *b, uint64_t now_us)
{
	struct model *m;

	for (unsigned i = 0; i < board_slots(b); i++)
		if (b->slot[i].state == SLOT_PROVING) {
			board_load_pump(b, now_us);
			return;
		}
	m = smallest(b);
	b->reason[0] = '\0';
	if (m == NULL)
		snprintf(b->reason, sizeof(b->reason),
			 models_count(b->set->models) == 0
				 ? "no package is installed, so it can do nothing: harvestctl "
				   "models install FILE"
				 : "no installed package fits beside its primary, so it can do "
				   "nothing");
	else if (!board_load(b, m, now_us))
		snprintf(b->reason, sizeof(b->reason), "%s could not be loaded", m->pkg->name);
	board_proved_if_done(b, now_us);
}
