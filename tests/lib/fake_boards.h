#ifndef TESTS_LIB_FAKE_BOARDS_H
#define TESTS_LIB_FAKE_BOARDS_H
#include "daemon/board/board.h"
#include "util/rng.h"

/* In the place of daemon/board and daemon/models: boards without links, as good or as bad as a
 * test wants. Batches end when fake_boards_step() says so; answers are the definition's. */
enum { FAKE_BOARDS_MAX = 4, FAKE_BATCHES_MAX = 4, FAKE_MODELS_MAX = 8 };

struct fake_board_plan {
	bool ready;
	uint32_t batch_records;
	uint32_t room; /* batches at a time, at most FAKE_BATCHES_MAX */
	double us_per_record; /* what it offers */
	double energy_uj_per_record;
	uint32_t fail_percent; /* of batches */
	int fail_with; /* HV_E_* */
	bool stuck; /* takes batches and never ends them */
	bool mic; /* has samples under the name "mic"; the newest job begins at FAKE_MIC_FIRST */
};
enum { FAKE_MIC_FIRST = 5000 };

/* Element k of sample i of the buffer of any board: the low bits of both. */
int16_t fake_mic(uint64_t sample);

/* Set before boards_new(), and while it lives. */
extern struct fake_board_plan fake_plan[FAKE_BOARDS_MAX];
extern size_t fake_boards_n;

/* Models for models_new(): name, task, certified. */
void fake_model_add(const char *name, const char *task, double certified);
void fake_models_clear(void);
extern void (*fake_models_run)(void); /* on the thread of every change; NULL: nothing */
/* Records whose first byte is this are outside every domain; -1: none are. */
extern int fake_outside_byte;

/* End one batch of every board (or fail it). True when something ended. */
bool fake_boards_step(struct boards *bs, struct hv_rng *rng);
/* The board leaves: its batches come back, then on_lost. It is not ready any more. */
void fake_board_leave(struct boards *bs, size_t i);
void fake_board_return(struct boards *bs, size_t i);
size_t fake_boards_batches(const struct boards *bs);

#endif
