#ifndef DAEMON_JOB_NAMES_H
#define DAEMON_JOB_NAMES_H
#include <stdint.h>

/* Names of boards and models that jobs remember after these have gone, each kept once. Bounded:
 * when full, new names read "(other)". */
enum { NAMES_MAX = 1024, NAME_CAP = 32 };

struct names {
	uint32_t n;
	char (*text)[NAME_CAP];
};

/* 0 is the empty name. Longer names are cut. */
uint16_t names_intern(struct names *s, const char *text);
const char *names_text(const struct names *s, uint16_t name);
void names_free(struct names *s);

#endif
