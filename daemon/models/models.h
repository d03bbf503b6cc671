#ifndef DAEMON_MODELS_H
#define DAEMON_MODELS_H
#include "accel/package/package.h"
#include <stdbool.h>

/* The installed approximation packages, by content hash. Owns them; hands out borrowed
 * pointers that stay valid until models_remove() of that package returned. */
struct models;

struct model {
	struct package *pkg;
	const struct harvest_task *task;
	char hash_hex[65];
	char origin[256];
	bool suspended;              /* by the audit */
};

/* Load every *.hvm of the colon-separated directories (missing ones are fine). A bad file is
 * logged with its reason and skipped. */
HV_NODISCARD int models_new(const char *dirs, struct models **m);
void models_free(struct models *m);

size_t models_count(const struct models *m);
struct model *models_at(const struct models *m, size_t i);
struct model *models_find(const struct models *m, const char *name);
/* Packages of a task, cheapest first (fewest cycles a record). Returns how many, at most cap. */
size_t models_of_task(const struct models *m, const struct harvest_task *t,
		      struct model **to, size_t cap);

/* Check, store in the first writable directory and add. why gets one sentence on failure. */
HV_NODISCARD int models_install(struct models *m, const uint8_t *bytes, size_t len,
				struct model **out, char *why, size_t cap);
HV_NODISCARD int models_remove(struct models *m, const char *name, char *why, size_t cap);

/* Every record of the batch is inside the model's certified domain. */
bool model_in_domain(const struct model *m, const void *records, size_t n, char *why, size_t cap);

#endif
