#ifndef DAEMON_MODELS_PRIV_H
#define DAEMON_MODELS_PRIV_H
#include "daemon/cpu/plugins.h"
#include "daemon/models/models.h"

/* The catalogue proper, for the files of this folder. */
enum { MODELS_MAX = 256 };

struct models {
	struct model *list[MODELS_MAX];
	size_t count;
	char *state_dir; /* owned, or NULL */
	struct plugins *plugins; /* or NULL */
	void (*leaves)(void *ctx, struct model *m); /* or NULL */
	void *leaves_ctx;
};

/* tasks.c: where a package's task comes from. */
struct model_source {
	const struct harvest_task *task;
	struct plugins_trial *trial; /* task is its; NULL: task is known already */
};
/* Find the task of a package, or try the one it brings. Any thread; changes nothing. The errors
 * of MODELS_INSTALL. */
HV_NODISCARD int model_source_find(const struct models *set, const struct package *pkg,
				   struct model_source *from, char *why, size_t cap);
/* Serve the task of m, which is about to be added; trial is taken in any case. */
HV_NODISCARD int model_task_serve(struct models *set, struct model *m, struct plugins_trial *trial,
				  char *why, size_t cap);
/* The task of a package that left: it leaves too when it was the last. */
void model_task_left(struct models *set, const struct harvest_task *t);

/* Make a model of a decoded package; its task is the one of that name, or NULL until the caller
 * sets it. pkg is taken on success. HV_E_NOMEM. */
HV_NODISCARD int model_new(struct package *pkg, const char *origin, struct model **m, char *why,
			   size_t cap);
void model_free(struct model *m);

/* Put it into the catalogue: a model of the same content stays and HV_E_BUSY comes back (the
 * caller keeps m), one of the same name is replaced. HV_E_NOMEM: the catalogue is full. */
HV_NODISCARD int models_add(struct models *set, struct model *m, char *why, size_t cap);
/* Take it out; memory follows with the last hold. */
void models_take_out(struct models *set, struct model *m);

/* Read every package of a directory, in the order of names. */
void models_scan(struct models *set, const char *dir);

#endif
