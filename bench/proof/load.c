#include "bench/proof/load.h"
#include "accel/slotimg/build.h"
#include "util/own.h"
#include <string.h>

#define MS UINT64_C(1000000)

enum { CHUNK = 480, LAST_SLOT = VBOARD_MODEL_SLOTS - 1 };

static const struct {
	const char *task;
	unsigned level;
} plan[LOAD_MODELS] = {
	{ "dct32", 4 }, { "fir32", 4 }, { "dct32", 3 }, { "fft64", 4 }, { "matvec64", 4 },
};

const char *load_text(enum load_kind k)
{
	static const char *const text[LOAD_KINDS] = { "none", "ring", "jobs", "loads", "babble" };

	return text[k];
}

/* -- beginning --------------------------------------------------------------------------- */

/* Models side by side: each takes what it needs of the room that is left. */
static void build_images(struct load *l)
{
	const struct link_hello *h = &l->p.hello;
	struct cnn_room room = { h->kernel_first, h->kernel_words, h->bias_first,
				 h->bias_count,   h->data_first,   h->data_words };
	char why[200];

	for (unsigned i = 0; i < LOAD_MODELS; i++) {
		struct load_model *m = &l->model[i];
		struct slotimg *head = &m->head;

		m->pkg = peer_package(plan[i].task, plan[i].level);
		if (slotimg_build(&m->pkg->net, m->pkg->steps_blob, m->pkg->steps_len, &room,
				  h->primary_quadrants, &m->image, &m->len, why,
				  sizeof(why)) != HV_OK ||
		    slotimg_header_parse(m->image, m->len, head) != HV_OK) {
			fprintf(stderr, "non-interference: %s level %u beside the primary: %s\n",
				plan[i].task, plan[i].level, why);
			abort();
		}
		if (i >= LAST_SLOT)
			continue;
		room.kernel_words = (uint16_t)(room.kernel_first + room.kernel_words -
					       head->kernel_first - head->kernel_words);
		room.kernel_first = (uint16_t)(head->kernel_first + head->kernel_words);
		if (head->bias_count > 0) {
			room.bias_count = (uint16_t)(room.bias_first + room.bias_count -
						     head->bias_first - head->bias_count);
			room.bias_first = (uint16_t)(head->bias_first + head->bias_count);
		}
	}
}

void load_begin(struct load *l, struct vboard *b, enum load_kind kind, uint64_t seed)
{
	memset(l, 0, sizeof(*l));
	l->b = b;
	l->kind = kind;
	l->job = 1;
	l->conn = 9;
	hv_rng_seed(&l->rng, seed);
	if (kind == LOAD_NONE)
		return;
	peer_init(&l->p, b);
	if (!peer_connect(&l->p, l->conn)) {
		fprintf(stderr, "non-interference: the board does not answer\n");
		abort();
	}
	if (kind == LOAD_RING)
		ring_open(&l->ring, b);
	build_images(l);
}

void load_clear(struct load *l)
{
	for (unsigned i = 0; i < LOAD_MODELS; i++)
		free(l->model[i].image);
	peer_clear(&l->p);
}

/* -- models ------------------------------------------------------------------------------ */

static struct load_model *model_of(struct load *l, unsigned slot)
{
	return &l->model[slot == LAST_SLOT ? LAST_SLOT + l->fourth : slot];
}

static bool resident(const struct load *l, unsigned slot)
{
	return l->p.slot[slot].state == LINK_SLOT_RESIDENT;
}

static bool room(const struct load *l, size_t n)
{
	return arq_room(&l->p.arq) >= n + 64;
}

/* Ask for the first slot that should hold a model and does not. */
static bool loader_ask(struct load *l)
{
	union link_msg m = { .model_begin = { .id_ = LINK_MODEL_BEGIN } };
	unsigned slots = l->kind <= LOAD_JOBS ? LAST_SLOT : LAST_SLOT + 1;
	struct load_model *model;

	for (l->slot = 0; l->slot < slots && resident(l, l->slot);)
		l->slot++;
	if (l->slot == slots || !room(l, 64))
		return false;
	model = model_of(l, l->slot);
	m.model_begin.slot = (uint8_t)l->slot;
	m.model_begin.bytes = (uint32_t)model->len;
	peer_hash(model->image, model->len, m.model_begin.hash.b);
	l->answers = l->p.slot_states[l->slot];
	l->since_ns = vboard_now_ns(l->b);
	l->at = 0;
	if (!peer_send(&l->p, &m, NULL, 0))
		return false;
	l->loader = LOADER_ASKED;
	return true;
}

static bool loader_send(struct load *l)
{
	const struct load_model *model = model_of(l, l->slot);
	union link_msg m = { .model_chunk = { .id_ = LINK_MODEL_CHUNK,
					      .slot = (uint8_t)l->slot,
					      .offset = (uint32_t)l->at } };
	size_t n = model->len - l->at < CHUNK ? model->len - l->at : CHUNK;

	if (!room(l, n))
		return false;
	if (n > 0) {
		if (!peer_send(&l->p, &m, model->image + l->at, n))
			return false;
		l->at += n;
		return true;
	}
	m.model_commit =
		(struct link_model_commit){ .id_ = LINK_MODEL_COMMIT, .slot = (uint8_t)l->slot };
	l->answers = l->p.slot_states[l->slot];
	if (!peer_send(&l->p, &m, NULL, 0))
		return false;
	l->loader = LOADER_COMMITTED;
	return true;
}

/* One step of the load under way; true when something was done. An answer that never comes is
 * possible only where a hostile daemon takes part. */
static bool loader_step(struct load *l)
{
	const struct link_model_state *s;
	bool answered;

	if (l->loader == LOADER_IDLE)
		return loader_ask(l);
	s = &l->p.slot[l->slot];
	answered = l->p.slot_states[l->slot] != l->answers;
	if (vboard_now_ns(l->b) > l->since_ns + 2000 * MS) {
		l->refusals++;
		l->loader = LOADER_IDLE;
		return true;
	}
	if (answered && s->state == LINK_SLOT_LOADING && l->loader == LOADER_ASKED) {
		l->answers = l->p.slot_states[l->slot];
		l->loader = LOADER_SENDING;
		return true;
	}
	if (answered) {
		l->loads += s->state == LINK_SLOT_RESIDENT;
		l->refusals += s->state != LINK_SLOT_RESIDENT;
		l->loader = LOADER_IDLE;
		return true;
	}
	return l->loader == LOADER_SENDING && loader_send(l);
}

/* The model in the last slot goes, with jobs of it in the queue, and another comes. */
static void churn(struct load *l)
{
	union link_msg m = { .model_evict = { .id_ = LINK_MODEL_EVICT, .slot = LAST_SLOT } };

	if (l->loader != LOADER_IDLE || !resident(l, LAST_SLOT) ||
	    vboard_now_ns(l->b) < l->churn_ns || !peer_send(&l->p, &m, NULL, 0))
		return;
	l->p.slot[LAST_SLOT].state = LINK_SLOT_EMPTY;
	l->evictions++;
	l->fourth ^= 1;
	l->churn_ns = vboard_now_ns(l->b) + 20 * MS + hv_rng_below(&l->rng, 60) * MS;
}

/* -- jobs -------------------------------------------------------------------------------- */

static unsigned open_jobs(const struct load *l)
{
	unsigned n = 0;

	for (unsigned i = 0; i < PEER_JOBS; i++)
		n += l->p.job[i].open;
	return n;
}

/* As many records as fit: saturation is wanted. Beside loads also fewer: runs of all lengths. */
static uint16_t some_records(struct load *l, const struct load_model *m)
{
	uint32_t in = m->head.in_record_bytes, out = m->head.out_record_bytes;
	uint32_t most = l->p.hello.job_bytes / (in > out ? in : out);

	return (uint16_t)(l->kind <= LOAD_JOBS ? most : 1 + hv_rng_below(&l->rng, most));
}

static bool send_job(struct load *l, unsigned slot, const struct load_model *m)
{
	uint16_t records = some_records(l, m);

	if (l->kind == LOAD_RING)
		return ring_job(&l->ring, &l->p, l->job, (uint8_t)slot, m->pkg, records, 32);
	return peer_job(&l->p, l->job, (uint8_t)slot, m->pkg, records, &l->rng);
}

static bool job_step(struct load *l)
{
	unsigned slot = l->turn++ % VBOARD_MODEL_SLOTS;
	const struct load_model *m = model_of(l, slot);

	if (!resident(l, slot) || open_jobs(l) == PEER_JOBS)
		return false;
	if (!send_job(l, slot, m))
		return false;
	if (l->first_job_ns == 0)
		l->first_job_ns = vboard_now_ns(l->b);
	l->job++;
	l->sent++;
	return true;
}

/* -- the hostile daemon ------------------------------------------------------------------ */

static void garbage(struct load *l)
{
	uint8_t bytes[400];
	size_t n = 1 + hv_rng_below(&l->rng, sizeof(bytes));

	for (size_t i = 0; i < n; i++)
		bytes[i] = (uint8_t)hv_rng_below(&l->rng, 256);
	l->garbage_bytes += vboard_feed(l->b, bytes, n);
}

/* A message of a kind that goes to the board, its fields random; jobs get ids of their own. */
static void hostile_message(struct load *l)
{
	uint8_t m[700];
	bool is_job;
	size_t n = 1 + hv_rng_below(&l->rng, sizeof(m) - 1);

	for (size_t i = 0; i < n; i++)
		m[i] = (uint8_t)hv_rng_below(&l->rng, 256);
	m[0] = (uint8_t)(1 + hv_rng_below(&l->rng, LINK_JOB_BUFFER));
	if (m[0] == LINK_RESET) /* takes jobs without a word, as it should: see new_life() */
		m[0] = LINK_JOB;
	if (m[0] == LINK_BAUD_REQ) /* the far end of this line has one rate */
		m[0] = LINK_JOB_BUFFER;
	is_job = m[0] == LINK_JOB || m[0] == LINK_JOB_BUFFER;
	if (is_job && n > 4)
		m[4] |= 0x80;
	if (hv_rng_below(&l->rng, 2) == 0 && n > 5)
		m[is_job ? 5 : 1] = (uint8_t)hv_rng_below(&l->rng, 5);
	if (room(l, n) && arq_send(&l->p.arq, m, n, NULL, 0) == HV_OK)
		l->hostile_messages++;
}

/* A resident model is loaded once more with a byte changed: the board must find out. */
static void changed_image(struct load *l)
{
	if (l->loader == LOADER_SENDING) {
		struct load_model *m = model_of(l, l->slot);
		size_t at = hv_rng_below(&l->rng, (uint32_t)m->len);
		uint8_t was = m->image[at];

		m->image[at] ^= (uint8_t)(1u << hv_rng_below(&l->rng, 8));
		(void)loader_send(l);
		m->image[at] = was;
		l->hostile_messages++;
	}
}

/* A reset, then another life of the link: jobs and models are gone, and loaded again. */
static void new_life(struct load *l)
{
	union link_msg m = { .reset = { .id_ = LINK_RESET } };

	(void)peer_send(&l->p, &m, NULL, 0);
	for (unsigned i = 0; i < PEER_JOBS; i++) {
		l->dropped += l->p.job[i].open;
		free(l->p.job[i].want);
		l->p.job[i] = (struct peer_job){ 0 };
	}
	for (unsigned i = 0; i < PEER_SLOTS; i++)
		l->p.slot[i].state = LINK_SLOT_EMPTY;
	l->loader = LOADER_IDLE;
	l->lives++;
	(void)peer_connect(&l->p, ++l->conn);
}

static void babble(struct load *l)
{
	if (vboard_now_ns(l->b) < l->babble_ns)
		return;
	l->babble_ns = vboard_now_ns(l->b) + hv_rng_below(&l->rng, 6000) * 1000u;
	switch (hv_rng_below(&l->rng, 8)) {
	case 0:
	case 1:
	case 2: garbage(l); break;
	case 3: changed_image(l); break;
	case 4:
		if (hv_rng_below(&l->rng, 100) == 0)
			new_life(l);
		break;
	default: hostile_message(l); break;
	}
	if (l->p.arq.state == ARQ_DOWN)
		new_life(l);
}

/* -- time -------------------------------------------------------------------------------- */

void load_until(struct load *l, uint64_t end_ns)
{
	if (l->kind == LOAD_NONE) {
		vboard_run(l->b, end_ns);
		return;
	}
	while (vboard_now_ns(l->b) < end_ns) {
		bool did = loader_step(l);

		if (l->kind == LOAD_RING)
			ring_follow(&l->ring, l->b);
		for (unsigned i = 0; i < VBOARD_MODEL_SLOTS; i++)
			did = job_step(l) || did;
		if (l->kind > LOAD_JOBS)
			churn(l);
		if (l->kind == LOAD_BABBLE)
			babble(l);
		peer_run(&l->p, did ? 20000 : 200000);
	}
}

unsigned load_end(struct load *l)
{
	uint64_t limit;

	if (l->kind == LOAD_NONE)
		return 0;
	limit = vboard_now_ns(l->b) + 2000 * MS;
	while (open_jobs(l) > 0 && vboard_now_ns(l->b) < limit)
		peer_run(&l->p, MS);
	return open_jobs(l);
}
