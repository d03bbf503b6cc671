#ifndef NAS_DATA_H
#define NAS_DATA_H
#include "tasks/task.h"
#include "util/fs/err.h"
#include <stddef.h>

/* Records of one stream of a task, and their exact answers, by columns: the values of one
 * element of all records lie together. */
struct nas_data {
	const struct harvest_task *task;
	size_t n; /* records */
	size_t ins, outs; /* elements */
	uint8_t *records; /* (n) records as they are, owned */
	double *in; /* (ins, n), owned */
	double *ref; /* (outs, n), owned */
	double *weight; /* (n): of a record in mean_rel, owned */
};

/* Draws records first .. first + n - 1 of stream `seed`. HV_E_NOMEM; HV_E_INVAL with a sentence
 * in why: the task gives an answer that is no finite number, or constant answers. d is owned by
 * the caller on success: nas_data_clear(). */
HV_NODISCARD int nas_data_draw(const struct harvest_task *task, uint64_t seed, uint64_t first,
			       size_t n, struct nas_data *d, char *why, size_t cap);
void nas_data_clear(struct nas_data *d);

#endif
