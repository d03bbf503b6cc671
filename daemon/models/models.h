#ifndef DAEMON_MODELS_H
#define DAEMON_MODELS_H
#include "accel/package/package.h"
#include "daemon/quality/doubt.h"
#include <stdbool.h>

/* The installed approximation packages, by content hash. Owns them and hands out borrowed
 * pointers. A package that is removed while somebody holds it leaves the catalogue at once and
 * memory with the last model_drop(). One thread, but for models_run(). */
struct models;
struct plugins; /* daemon/cpu/plugins.h */
struct plugins_trial;

struct model {
	struct package *pkg;
	const struct harvest_task *task;
	char hash_hex[65];
	char origin[256]; /* the file it came from */
	struct doubt doubt; /* what the audit has measured of it, on all boards; begun with the
			       first record */
	bool suspended; /* by the audit: not to be used */
	bool removed; /* no longer in the catalogue */
	unsigned holds;
};

/* Load every *.hvm of the colon-separated directories, of the directories directly in them and
 * of state_dir (missing ones are fine). A bad file is logged with its reason and skipped; the
 * same content twice counts once.
 * state_dir: where packages are installed; it is made when needed; NULL: nothing can be
 * installed.
 * plugins: where the tasks go that packages bring, borrowed; NULL: they bring none. */
HV_NODISCARD int models_new(const char *dirs, const char *state_dir, struct plugins *plugins,
			    struct models **m);
/* Nobody may hold a model any more. */
void models_free(struct models *m);

size_t models_count(const struct models *m);
struct model *models_at(const struct models *m, size_t i);
struct model *models_find(const struct models *m, const char *name);
/* Packages of a task, cheapest first (fewest cycles a record). Returns how many, at most cap. */
size_t models_of_task(const struct models *m, const struct harvest_task *t, struct model **to,
		      size_t cap);

/* Who is told of every model that leaves the catalogue, removed or replaced, while it is still
 * in memory and no longer found. One listener; NULL: nobody. */
void models_on_leave(struct models *m, void (*leaves)(void *ctx, struct model *m), void *ctx);

/* Keep a model in memory also when it is removed, e.g. while a batch runs. */
void model_hold(struct model *m);
void model_drop(struct models *set, struct model *m);

/* The audit starts anew, and the model may be used. */
void model_lift(struct model *m);

enum models_verb {
	/* Check, prove by its own vectors, store in the state directory and add. A package of the
	 * same name is replaced; the same content again is fine. The task that a package brings
	 * is served from then on, until the last package of it leaves. HV_E_FORMAT, HV_E_VERSION,
	 * HV_E_WRONG, HV_E_DENIED, HV_E_IO, HV_E_NOMEM; of what it brings, HV_E_GONE,
	 * HV_E_TIMEOUT. */
	MODELS_INSTALL,
	/* Forget it, and delete its file when it lies in the state directory; a file of a system
	 * directory stays and comes back at the next start. HV_E_IO. */
	MODELS_REMOVE,
	/* Run the known-answer vectors through the reference again, and with `lift` end a
	 * suspension when they are right. HV_E_WRONG. */
	MODELS_VERIFY,
};

/* A change of the catalogue, or a proof, in three steps: begin and finish on the thread of the
 * catalogue, and between them run, on any thread, which does what takes long: the disk, the
 * vectors. From begin to finish the catalogue may be read, and no other change may begin. */
struct models_change {
	enum models_verb verb;
	struct model *model; /* REMOVE, VERIFY: which, of the catalogue; INSTALL: what it became */
	const uint8_t *bytes; /* INSTALL: the package, borrowed until run is over */
	size_t len;
	bool lift; /* VERIFY: may end a suspension */
	bool known; /* INSTALL: the content was there before */
	struct plugins_trial *trial; /* INSTALL: the task it brings, between run and finish */
	int err; /* HV_E_CANCEL: run has not been */
	char why[512]; /* one sentence when err is not HV_OK */
};
void models_begin(struct models *m, struct models_change *ch);
void models_run(const struct models *m, struct models_change *ch);
/* Returns err. Also for a change that has not run: nothing is changed then. */
HV_NODISCARD int models_finish(struct models *m, struct models_change *ch);

/* The records are inside the model's certified domain: the range holds for every element, the
 * least rms for all n together, because the certified SNR is that of a whole job (signal and
 * error summed over its records, as in the certificate). Else why names the limit.
 * records: n packed input records of the task. */
bool model_in_domain(const struct model *m, const void *records, size_t n, char *why, size_t cap);

#endif
