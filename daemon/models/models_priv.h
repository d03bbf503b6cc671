#ifndef DAEMON_MODELS_PRIV_H
#define DAEMON_MODELS_PRIV_H
#include "daemon/models/models.h"

/* The catalogue proper, for the files of this folder. */
enum { MODELS_MAX = 256 };

struct models {
	struct model *list[MODELS_MAX];
	size_t count;
	char *state_dir; /* owned, or NULL */
	void (*leaves)(void *ctx, struct model *m); /* or NULL */
	void *leaves_ctx;
};

/* Make a model of a decoded package: finds its task. pkg is taken on success. */
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
