#ifndef TASKS_CATALOG_H
#define TASKS_CATALOG_H
#include "tasks/task.h"
#include "util/fs/err.h"
#include <stdbool.h>

/* The built-in tasks, in the order of tasks.def; all shared, immutable, valid for ever. Behind
 * them the places of plug-ins: one is never used for another task, so that an index means the
 * same task as long as anybody has it. Any thread may look. */
size_t task_count(void);
/* i < task_count(). NULL: the plug-in is closed (which happens at the end, or in tests). */
const struct harvest_task *task_at(size_t i);
/* False: it is no longer found by its name; whoever has its index may still work with it. */
bool task_is_served(size_t i);
/* By name, of what is served: NULL, SIZE_MAX when unknown. */
const struct harvest_task *task_find(const char *name);
size_t task_index(const char *name);
bool task_is_builtin(const char *name);

/* Tasks of plug-ins. One thread at a time, while others look. t, path (of the shared object, or
 * what it is called) are borrowed. Their reference and sample are NULL: ask the plug-in. One
 * that was retired is served again in its place. HV_E_BUSY: the name is taken; HV_E_NOMEM:
 * there have been TASK_PLUGINS_MAX different ones. */
enum { TASK_PLUGINS_MAX = 224 };
HV_NODISCARD int task_register(const struct harvest_task *t, const char *path);
/* Not to be found from now on; t stays borrowed. */
void task_retire(const struct harvest_task *t);
/* Forget it: nobody has its index or looks at it any more. */
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
