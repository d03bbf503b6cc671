#ifndef TASKS_CATALOG_H
#define TASKS_CATALOG_H
#include "tasks/task.h"
#include "util/fs/err.h"
#include <stdbool.h>

/* The built-in tasks, in the order of tasks.def. All shared, immutable, valid for ever. */
size_t task_count(void);
const struct harvest_task *task_at(size_t i); /* i < task_count() */
const struct harvest_task *task_find(const char *name); /* NULL when unknown */

/* Tasks of plug-ins stand behind the built-in ones. One thread, while no other looks at the
 * catalogue. t, path (of the shared object) are borrowed. Their reference and sample are NULL:
 * ask the plug-in. HV_E_BUSY: the name is taken, or TASK_PLUGINS_MAX are there. */
enum { TASK_PLUGINS_MAX = 16 };
HV_NODISCARD int task_register(const struct harvest_task *t, const char *path);
void task_unregister(const struct harvest_task *t);
/* NULL: it is built in (or nobody knows it). */
const char *task_plugin_path(const struct harvest_task *t);

size_t dtype_bytes(enum harvest_dtype t); /* 0 for an unknown type */
const char *dtype_text(enum harvest_dtype t); /* "int16"; numpy's names */
enum harvest_dtype dtype_find(const char *text); /* 0 when unknown */
size_t tensor_elements(const struct harvest_tensor *t);
size_t tensor_bytes(const struct harvest_tensor *t); /* of one record */
/* "int16[256,2]" into to; returns to. */
char *tensor_text(const struct harvest_tensor *t, char *to, size_t cap);

/* Exact answer in the output type: reference, rounded half away from zero, saturated.
 * scratch holds tensor_elements(&task->out) doubles. */
void task_exact(const struct harvest_task *t, const void *in, void *out, double *scratch);

/* Elements of an output record as doubles, for metrics. */
void tensor_to_double(const struct harvest_tensor *t, const void *record, double *to);

/* And back: rounded half away from zero and saturated to the range of an integer type. */
void tensor_from_double(const struct harvest_tensor *t, const double *from, void *record);

/* Floating point records: is there a NaN or an infinity, and in which record? */
bool tensor_first_unfinite(const struct harvest_tensor *t, const void *records, size_t n,
			   size_t *record);

#endif
