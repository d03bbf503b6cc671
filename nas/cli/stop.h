#ifndef NAS_STOP_H
#define NAS_STOP_H
#include <stdbool.h>

/* Ctrl-C, SIGTERM and SIGHUP: one sentence, exit code 128 + signal, and nothing half done. The
 * worker of a plug-in ends with this process. */

/* From now on. verb and resume (may be NULL: the file a search can go on from) are kept. */
void nas_stop_prepare(const char *verb, const char *resume);

/* Between the two a file is written: a signal waits until it is whole; a second one
 * does not. done: all that was wanted is written, and a signal that waited is forgotten. */
void nas_stop_hold(void);
void nas_stop_release(bool done);

/* Would a file at path be written? Tries with a neighbour that is gone afterwards. -1 with errno:
 * no. Devices are not tried. */
int nas_stop_can_write(const char *path);

#endif
