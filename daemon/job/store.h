#ifndef DAEMON_JOB_STORE_H
#define DAEMON_JOB_STORE_H
#include "daemon/job/job.h"

/* Inside of daemon/job: slots and lists behind job.h. */

/* A slot with a fresh number, on the list of live jobs; forgets the oldest ended job when the
 * pool is used up. The caller checked job_admissible(). */
struct job *store_slot_take(struct store *s);
/* From the live list to the remembered ones. Keeps the result of a detached job within its
 * limit. Idempotent. */
void store_remember(struct store *s, struct job *j);
void store_shelves_free(struct store *s);

#endif
