#ifndef CLIENT_CTL_PROGRESS_H
#define CLIENT_CTL_PROGRESS_H
#include <stdint.h>

/* One line on a terminal's stderr, rewritten in place; silent elsewhere. */
int progress_wanted(void);
void progress_show(void *unused, const char *id, uint32_t done, uint32_t records);
void progress_clear(void);

#endif
