#ifndef TESTS_LIB_DAEMON_STORY_H
#define TESTS_LIB_DAEMON_STORY_H
#include "proto/harvest.pb-c.h"
#include "tests/lib/daemon_world.h"
#include <check.h>

/* What the tests of the daemon behind its socket have in common: each is a client's story, in a
 * world of its own that it starts and stops. */
extern struct world w;

/* With the fixture that puts limits, models and boards back to what they are by default. */
TCase *story_tcase(const char *name);
/* A suite of this one; returns the exit status of the program. */
int story_run(const char *suite, TCase *tc);

/* One more ready board for the world that is started next. */
void add_board(uint32_t batch, double us_per_record);

/* The next reply is a result; done_with() both. */
Hv__Result *read_result(struct peer *p, struct reply *r);
void done_with(Hv__Result *m, struct reply *r);
/* The next reply is an error with this code and a sentence that contains the words. */
void expect_error(struct peer *p, int code, const char *words);
uint64_t times_sum(const Hv__Times *t); /* of the phases, without total */
/* A small job of another client is answered. */
void still_serves(void);

#endif
