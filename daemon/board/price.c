#include "accel/cost/cost.h"
#include "accel/slotimg/build.h"
#include "daemon/board/board_priv.h"
#include "tasks/catalog.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	JOB_HEAD_BYTES = 1 + 4 + 1 + 2 + 8,
	RESULT_HEAD_BYTES = 1 + 4 + 2 + 2 + 8 + 8 + 4 + 2,
	MESSAGE_LENGTH_BYTES = 2,
	BITS_PER_BYTE = 10, /* start, eight, stop */
	WAIT_MAX_US = 2000000,
};

/* Bytes on the wire for n bytes of stream: header, check and stuffing of full frames. */
static double wire_bytes(double n)
{
	double full = FRAME_MAX_PAYLOAD + FRAME_HDR + FRAME_CRC + 6;

	return n * full / FRAME_MAX_PAYLOAD;
}

static double wire_us(const struct board *b, double bytes)
{
	return wire_bytes(bytes) * BITS_PER_BYTE * 1e6 / b->hello.link_bps;
}

static uint32_t min_u32(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* The host's share of a batch is bounded, too; one record always may be. */
static uint32_t host_max(const struct model *m)
{
	const struct hostprog *h = m->pkg->host;
	uint64_t in = tensor_bytes(&m->task->in), out = tensor_bytes(&m->task->out);
	uint64_t encode = hostprog_steps(h, HOSTPROG_ENCODE);
	uint64_t decode = hostprog_steps(h, HOSTPROG_DECODE);
	uint64_t by_steps = BOARD_BATCH_STEPS / ((encode > decode ? encode : decode) + 1);
	uint64_t by_bytes = BOARD_BATCH_BYTES / ((in > out ? in : out) + 1);
	uint64_t n = by_steps < by_bytes ? by_steps : by_bytes;

	return n > 0 ? (uint32_t)n : 1;
}

static uint32_t batch_max(const struct link_hello *hello, const struct model *m,
			  const struct slotimg *img)
{
	uint32_t in = img->in_record_bytes, out = img->out_record_bytes;
	uint32_t n = img->records_max;

	if (in == 0 || out == 0)
		return 0;
	n = min_u32(n, hello->job_bytes / (in > out ? in : out));
	n = min_u32(n, (ARQ_MSG_MAX - JOB_HEAD_BYTES) / in);
	if (m != NULL && m->pkg->host != NULL)
		n = min_u32(n, host_max(m));
	return min_u32(n, (ARQ_MSG_MAX - RESULT_HEAD_BYTES) / out);
}

uint32_t board_batch_max(const struct board *b, const struct model *m, const struct slotimg *img)
{
	return batch_max(&b->hello, m, img);
}

/* Bus accesses of the steps: one write for four input channels of a pixel and pass, one read
 * for every output word. */
static double bus_us(const struct board *b, const struct model *m, const struct slotimg *img)
{
	const struct cnn_steps *s = &m->pkg->steps;
	uint32_t positions = cnn_steps_positions(s);
	double writes = 0, reads = cnn_steps_words(s);

	for (uint32_t done = 0; img->per_pass > 0 && done < s->channels; done += img->per_pass)
		writes += (min_u32(img->per_pass, s->channels - done) + 3) / 4;
	writes *= (img->flags & SLOTIMG_CHW) != 0 ? (positions + 3) / 4 : positions;
	return (writes * b->hello.bus_write_ns + reads * b->hello.bus_read_ns) / 1000;
}

/* A run rewrites the guest's registers and afterwards restores them. */
double board_compute_us(const struct board *b, const struct model *m, const struct slotimg *img,
			uint32_t records)
{
	double cycles = img->fixed_cycles + (double)img->record_cycles * records;

	return cycles * 1e6 / b->hello.cnn_hz + records * bus_us(b, m, img) +
	       2.0 * img->n_regs * b->hello.bus_write_ns / 1000;
}

double board_link_us(const struct board *b, const struct slotimg *img, const char **side)
{
	double in = img->in_record_bytes, out = img->out_record_bytes;
	uint32_t n = board_batch_max(b, NULL, img);

	if (n > 0) {
		in += (double)(JOB_HEAD_BYTES + MESSAGE_LENGTH_BYTES) / n;
		out += (double)(RESULT_HEAD_BYTES + MESSAGE_LENGTH_BYTES) / n;
	}
	if (side != NULL)
		*side = in >= out ? "to board" : "from board";
	return wire_us(b, in >= out ? in : out);
}

/* Kernels are written packed, four bytes an access; biases byte by byte. */
double board_load_us(const struct board *b, const struct slotimg *img)
{
	double writes = img->total_bytes / 4.0 + (double)img->bias_count * CNN_QUADRANTS;
	double chunks = ceil((double)img->total_bytes / BOARD_CHUNK_BYTES);

	return wire_us(b, img->total_bytes + 8 * chunks) + writes * b->hello.bus_write_ns / 1000 +
	       (double)b->clock_rtt_us;
}

/* tracker_wait_us() reads the whole history; offers ask for the same few lengths again and
 * again between two reports. */
static uint64_t first_window_us(const struct board *b, uint64_t run_us)
{
	struct board_wait *memo = &b->fits->wait[run_us % BOARD_WAITS];

	if (memo->run_us != run_us || memo->version != b->tracker.version) {
		memo->run_us = run_us;
		memo->version = b->tracker.version;
		memo->wait_us = tracker_wait_us(&b->tracker, run_us);
	}
	return memo->wait_us;
}

/* What the primary takes away while a job runs, and the first window's wait. */
static double wait_us(const struct board *b, double run_us, double one_record_us)
{
	double share = tracker_primary_share(&b->tracker, board_clock_us(b, b->heard_us));
	uint64_t first = first_window_us(b, (uint64_t)one_record_us);

	if (first > WAIT_MAX_US) /* whatever a board claims: a timeout has to come */
		first = WAIT_MAX_US;
	if (share > 0.98)
		share = 0.98;
	return (double)first + run_us * share / (1 - share);
}

uint64_t board_job_us(const struct board *b, const struct model *m, const struct slotimg *img,
		      uint32_t records)
{
	double run = board_compute_us(b, m, img, records);
	double in = (double)records * img->in_record_bytes + JOB_HEAD_BYTES;
	double out = (double)records * img->out_record_bytes + RESULT_HEAD_BYTES;

	return (uint64_t)(wire_us(b, in) + wire_us(b, out) + run +
			  wait_us(b, run, board_compute_us(b, m, img, 1)) +
			  (double)b->clock_rtt_us);
}

static void unfit(struct board_fit *f, const char *why)
{
	snprintf(f->why, sizeof(f->why), "the model does not fit beside the primary: %.110s", why);
}

void board_fit_make(struct board_fit *f, const struct link_hello *hello)
{
	const struct package *p = f->model->pkg;
	char why[sizeof(f->why)] = "";
	const struct cnn_room room = {
		.kernel_first = hello->kernel_first,
		.kernel_words = hello->kernel_words,
		.bias_first = hello->bias_first,
		.bias_count = hello->bias_count,
		.data_first = hello->data_first,
		.data_words = hello->data_words,
	};
	uint8_t *bytes = NULL;
	size_t len;
	int r = slotimg_build(&p->net, p->steps_blob, p->steps_len, &room, hello->primary_quadrants,
			      &bytes, &len, why, sizeof(why));

	if (r == HV_OK)
		r = slotimg_header_parse(bytes, len, &f->img);
	free(bytes);
	if (r != HV_OK) {
		unfit(f, why[0] != '\0' ? why : hv_err_text(r));
		return;
	}
	if (f->img.in_record_bytes != package_board_in_bytes(p) ||
	    f->img.out_record_bytes != package_board_out_bytes(p))
		unfit(f, "its records are not those of the task");
	else if ((size_t)SLOTIMG_HEADER_BYTES + f->img.n_regs * SLOTIMG_REG_BYTES +
			 f->img.steps_bytes >
		 hello->slot_bytes)
		unfit(f, "its registers and steps exceed the slot memory");
	else if (batch_max(hello, f->model, &f->img) == 0)
		unfit(f, "a record exceeds the job memory");
	else
		f->fits = true;
}

struct board_fit *board_fit_find(const struct board *b, const struct model *m)
{
	struct board_fits *t = b->fits;

	for (size_t i = 0; i < t->count; i++)
		if (t->list[i].model == m &&
		    memcmp(t->list[i].hash, m->pkg->hash, sizeof(m->pkg->hash)) == 0)
			return &t->list[i];
	return NULL;
}

bool board_fit_add(const struct board *b, const struct board_fit *f)
{
	struct board_fits *t = b->fits;

	if (t->count == t->cap) {
		size_t cap = t->cap ? 2 * t->cap : 16;
		struct board_fit *list = realloc(t->list, cap * sizeof(*list));

		if (list == NULL)
			return false;
		t->list = list;
		t->cap = cap;
	}
	t->list[t->count++] = *f;
	return true;
}

/* Nearly all were worked out aside before the board took its first job. */
struct board_fit *board_fit(const struct board *b, const struct model *m)
{
	struct board_fit *known = board_fit_find(b, m);
	struct board_fit f = { .model = m };

	if (known != NULL)
		return known;
	memcpy(f.hash, m->pkg->hash, sizeof(f.hash));
	board_fit_make(&f, &b->hello);
	return board_fit_add(b, &f) ? &b->fits->list[b->fits->count - 1] : NULL;
}

void board_fits_forget(struct board_fits *t, const struct model *m)
{
	size_t kept = 0;

	for (size_t i = 0; i < t->count; i++)
		if (t->list[i].model != m)
			t->list[kept++] = t->list[i];
	t->count = kept;
}

void board_fits_clear(struct board_fits *t)
{
	free(t->list);
	memset(t, 0, sizeof(*t));
	for (unsigned i = 0; i < BOARD_WAITS; i++)
		t->wait[i].run_us = UINT64_MAX; /* nothing known */
}

static const char *const state_why[BOARD_STATE_COUNT] = {
	[BOARD_ABSENT] = "the board is not plugged in",
	[BOARD_GREETING] = "the board has not said hello yet",
	[BOARD_PROVING] = "the board is being proved by known-answer vectors",
	[BOARD_DRAINING] = "the board is drained by the operator",
	[BOARD_RECOVERING] = "the board is recovering from a fault",
	[BOARD_QUARANTINE] = "the board is set aside after faults",
};

static const char *why_not(const struct board *b, const struct model *m,
			   const struct board_fit *fit)
{
	if (b->fsm.state != BOARD_READY)
		return state_why[b->fsm.state];
	if (b->details.stood_down)
		return "the board's firmware keeps the accelerator for itself";
	if (m->suspended)
		return "the model is suspended by the audit";
	if (m->removed)
		return "the model was removed";
	if (fit == NULL)
		return "out of memory";
	if (fit->refused)
		return fit->why;
	if (!fit->fits)
		return fit->why;
	if (b->window_us != UINT64_MAX &&
	    first_window_us(b, (uint64_t)board_compute_us(b, m, &fit->img, 1)) == UINT64_MAX)
		return "the primary leaves no window long enough for one record";
	return NULL;
}

/* What is left of a load in progress; 0 when there is none. */
static double rest_of_load_us(const struct board *b, const struct board_slot *s)
{
	if (s->state < SLOT_BEGUN || s->state >= SLOT_SERVING || s->image_len == 0)
		return 0;
	return board_load_us(b, &s->img) * (1 - (double)s->sent / (double)s->image_len);
}

/* Work that is there already, and the rest of a load in progress. */
static uint64_t queue_us(const struct board *b, const struct model *m, uint64_t now_us)
{
	uint64_t sum = 0, oldest = UINT64_MAX;
	double load = 0;

	for (unsigned i = 0; i < BOARD_JOBS_MAX; i++) {
		if (b->work[i].id == 0)
			continue;
		sum += b->work[i].expected_us;
		if (b->work[i].begun_us < oldest)
			oldest = b->work[i].begun_us;
	}
	if (sum > 0 && now_us > oldest)
		sum = sum > now_us - oldest ? sum - (now_us - oldest) : 0;
	for (unsigned i = 0; i < board_slots(b); i++)
		if (b->slot[i].model != m)
			load += rest_of_load_us(b, &b->slot[i]);
	return sum + (uint64_t)load;
}

/* Loading, and proving by one vector after the other. */
static uint64_t load_price_us(const struct board *b, const struct model *m,
			      const struct slotimg *img)
{
	uint32_t most = board_batch_max(b, m, img);
	uint32_t n = min_u32(m->pkg->n_kats, most);
	double load = board_load_us(b, img);

	if (board_has_model(b, m))
		return 0;
	for (unsigned i = 0; i < board_slots(b); i++)
		if (b->slot[i].model == m && b->slot[i].state >= SLOT_BEGUN)
			load = rest_of_load_us(b, &b->slot[i]);
	return (uint64_t)load + (n > 0 ? board_job_us(b, m, img, n) : 0);
}

void board_offer(const struct board *b, const struct model *m, uint64_t now_ns,
		 struct board_offer *o)
{
	const struct board_fit *fit = NULL;
	double one, run;

	memset(o, 0, sizeof(*o));
	if (b->fsm.state == BOARD_READY)
		fit = board_fit(b, m);
	o->why_not = why_not(b, m, fit);
	o->why_passes = fit != NULL && o->why_not == fit->why;
	o->idle_share = 1 - tracker_primary_share(&b->tracker, board_clock_us(b, now_ns / 1000));
	if (fit == NULL || !fit->fits)
		return;
	o->eligible = o->why_not == NULL;
	o->batch_records = board_batch_max(b, m, &fit->img);
	one = board_compute_us(b, m, &fit->img, 1);
	run = board_compute_us(b, m, &fit->img, o->batch_records);
	o->queue_us = queue_us(b, m, now_ns / 1000);
	o->load_us = load_price_us(b, m, &fit->img);
	o->wait_us = (uint64_t)wait_us(b, run, one);
	o->link_us_per_record = board_link_us(b, &fit->img, &o->link_side);
	o->compute_us_per_record = run / o->batch_records;
	o->energy_uj_per_record = m->pkg->record_energy_uj;
}

/* Why this ring cannot be the input; false: it can. */
static bool ring_problem(const struct board *b, const struct model *m,
			 const struct board_input *from, char *why, size_t cap)
{
	const struct board_ring *r = board_ring_find(b, from->buffer);
	const struct harvest_tensor *in = &m->task->in;
	size_t sample, bytes = tensor_bytes(in);
	uint64_t span;

	if (r == NULL) {
		snprintf(why, cap, "board %s has no buffer \"%s\"", b->id, from->buffer);
		return true;
	}
	if (m->pkg->host != NULL) {
		snprintf(why, cap, "the host prepares the input of this model: samples are needed");
		return true;
	}
	sample = dtype_bytes(in->dtype) * r->channels;
	if (r->dtype != in->dtype) {
		snprintf(why, cap, "buffer \"%s\" has %s, not %s", from->buffer,
			 dtype_text((enum harvest_dtype)r->dtype), dtype_text(in->dtype));
		return true;
	}
	span = (uint64_t)(from->span - 1) * board_ring_hop(r, from, m) + bytes / sample;
	if (bytes % sample != 0)
		snprintf(why, cap, "buffer \"%s\": %u channels do not divide a record",
			 from->buffer, (unsigned)r->channels);
	else if (span > r->samples - r->write_ahead)
		snprintf(why, cap, "buffer \"%s\" keeps %u samples, fewer than the job reads",
			 from->buffer, (unsigned)(r->samples - r->write_ahead));
	else
		return false;
	return true;
}

void board_offer_buffer(const struct board *b, const struct model *m,
			const struct board_input *from, uint64_t now_ns, struct board_offer *o,
			char *why, size_t cap)
{
	const struct board_fit *fit;

	board_offer(b, m, now_ns, o);
	if (b->fsm.state == BOARD_READY && ring_problem(b, m, from, why, cap)) {
		o->eligible = false;
		o->why_not = why;
		o->no_buffer = board_ring_find(b, from->buffer) == NULL;
	}
	fit = b->fsm.state == BOARD_READY ? board_fit(b, m) : NULL;
	if (fit == NULL || !fit->fits || o->batch_records == 0)
		return;
	o->link_us_per_record =
		wire_us(b, fit->img.out_record_bytes +
				   (double)(RESULT_HEAD_BYTES + 16 + MESSAGE_LENGTH_BYTES) /
					   o->batch_records);
	o->link_side = "from board";
}
