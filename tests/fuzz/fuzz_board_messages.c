/* Messages of a board that may say anything at any time, to a daemon that has work for it.
 * Input: a sequence of u8 op, u8 length, bytes.
 *   op < 192    the bytes are a message (its id is the first of them)
 *   op 192..    201 a plausible hello, 202 a batch, 203 time passes, 204 the answers that move
 *               a load on, 205 a result for the newest job, 206 unplug and plug, 207 operator
 * Promise: every batch comes back exactly once (raw_board aborts otherwise), no matter what. */
#include "accel/build/build.h"
#include "daemon/log.h"
#include "tasks/catalog.h"
#include "tests/lib/raw_board.h"
#include <stdlib.h>
#include <string.h>

enum { BATCHES = 64, OP_SPECIAL = 192 };

static struct raw_set s;
static struct raw_board r;
static struct board_batch batch[BATCHES];
static bool out[BATCHES];
static unsigned batches;
static uint8_t in[256], got[BATCHES][256];

static void add_model(void)
{
	static uint8_t *bytes;
	static size_t len;
	struct package *p = NULL;
	struct model *m = NULL;
	char why[200];

	if (bytes == NULL) {
		if (cnn_build_linear(task_find("dct32"), 2, 128, &p, why, sizeof(why)) != HV_OK ||
		    package_encode(p, &bytes, &len) != HV_OK)
			abort();
		package_free(p);
	}
	if (package_decode(bytes, len, &p, why, sizeof(why)) != HV_OK ||
	    model_new(p, "fuzz", &m, why, sizeof(why)) != HV_OK ||
	    models_add(&s.models, m, why, sizeof(why)) != HV_OK)
		abort();
}

static struct board *board(void)
{
	return boards_count(s.bs) > 0 ? boards_at(s.bs, 0) : NULL;
}

static void run_batch(void)
{
	struct board *b = board();
	struct board_batch *x = &batch[batches];

	if (b == NULL || batches == BATCHES || !board_can_take(b, models_at(&s.models, 0)))
		return;
	*x = (struct board_batch){ .model = models_at(&s.models, 0),
				   .in = in,
				   .out = got[batches],
				   .records = 1,
				   .cookie = &out[batches] };
	out[batches] = true;
	batches++;
	if (board_run(b, x, raw_now_us * 1000) == HV_OK)
		s.accepted++;
}

/* What an honest board would say next about slot 0. */
static void move_load_on(uint8_t what)
{
	struct board *b = board();
	union link_msg m = {
		.model_state = { .id_ = LINK_MODEL_STATE, .state = what % 4, .slot = what >> 7 }
	};

	if (b == NULL)
		return;
	memcpy(m.model_state.hash.b, b->slot[0].hash, sizeof(m.model_state.hash.b));
	raw_send(&r, &m, NULL, 0);
}

static void answer_job(uint8_t what)
{
	struct model *model = models_at(&s.models, 0);
	union link_msg m = { .result = { .id_ = LINK_RESULT, .records = 1, .end_us = 5 } };
	uint8_t tail[PACKAGE_KATS_MAX * 128];
	size_t n = tensor_bytes(&model->task->out);
	unsigned i = r.job_count - 1;

	if (r.job_count == 0)
		return;
	m.result.job = r.jobs[i % 64];
	m.result.records = r.job_records[i % 64];
	memset(tail, 0, sizeof(tail));
	for (unsigned k = 0; k < model->pkg->n_kats && (what & 1) == 0; k++)
		memcpy(tail + k * n, model->pkg->kat[k].out, n);
	n *= m.result.records;
	raw_send(&r, &m, tail, n < sizeof(tail) ? n : sizeof(tail));
}

static void operate(uint8_t what)
{
	struct board *b = board();
	char why[200];
	int ret = 0;

	if (b == NULL)
		return;
	switch (what % 4) {
	case 0: ret = board_drain(b, why, sizeof(why)); break;
	case 1: ret = board_resume(b, why, sizeof(why)); break;
	case 2: ret = board_reset(b, why, sizeof(why)); break;
	case 3: ret = board_test(b, why, sizeof(why)); break;
	}
	if (ret != HV_OK && why[0] == '\0')
		abort();
}

static void special(uint8_t op, uint8_t arg)
{
	union link_msg hello = raw_hello(arg % 2 ? "one" : "two");
	Hv__BoardInfo info;

	switch (op) {
	case 201: raw_send(&r, &hello, NULL, 0); break;
	case 202: run_batch(); break;
	case 203: raw_pass(&r, (uint64_t)arg * arg * 100); break;
	case 204: move_load_on(arg); break;
	case 205: answer_job(arg); break;
	case 206:
		raw_pull(&r);
		raw_plug(&s, &r);
		break;
	case 207: operate(arg); break;
	default:
		if (board() != NULL && board_info(board(), raw_now_us * 1000, &info) == HV_OK)
			board_info_clear(&info);
		break;
	}
	raw_pump(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	log_set_level(LOG_LVL_ERROR);
	raw_open(&s);
	add_model();
	batches = 0;
	raw_plug(&s, &r);
	raw_pump(&r);
	for (unsigned step = 0; size >= 2 && step < 200; step++) {
		uint8_t op = data[0], n = data[1];

		data += 2;
		size -= 2;
		if (op >= OP_SPECIAL) {
			special(op, n);
			continue;
		}
		if (n > size)
			n = (uint8_t)size;
		raw_message(&r, data, n);
		data += n;
		size -= n;
	}
	raw_close(&s);
	r.wire = NULL;
	return 0;
}
