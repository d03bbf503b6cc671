#include "daemon/models/models.h"
#include "util/own.h"
#include <stdio.h>

struct models {
	struct model **list;
	size_t count;
};

int models_new(const char *dirs, const char *state_dir, struct models **m)
{
	(void)dirs, (void)state_dir;
	*m = calloc(1, sizeof(**m));
	return *m ? HV_OK : HV_E_NOMEM;
}

void models_free(struct models *m)
{
	free(m);
}

size_t models_count(const struct models *m)
{
	return m->count;
}

struct model *models_at(const struct models *m, size_t i)
{
	return m->list[i];
}

struct model *models_find(const struct models *m, const char *name)
{
	(void)m, (void)name;
	return NULL;
}

size_t models_of_task(const struct models *m, const struct harvest_task *t, struct model **to,
		      size_t cap)
{
	(void)m, (void)t, (void)to, (void)cap;
	return 0;
}

void model_hold(struct model *m)
{
	m->holds++;
}

void model_drop(struct models *set, struct model *m)
{
	(void)set;
	m->holds--;
}

int models_install(struct models *m, const uint8_t *bytes, size_t len, struct model **out,
		   char *why, size_t cap)
{
	(void)m, (void)bytes, (void)len, (void)out;
	snprintf(why, cap, "no package can be installed yet");
	return HV_E_DENIED;
}

int models_remove(struct models *m, const char *name, char *why, size_t cap)
{
	(void)m;
	snprintf(why, cap, "no package is called %s", name);
	return HV_E_NOENT;
}

int models_verify(const struct models *m, const char *name, char *why, size_t cap)
{
	(void)m;
	snprintf(why, cap, "no package is called %s", name);
	return HV_E_NOENT;
}

bool model_in_domain(const struct model *m, const void *records, size_t n, char *why, size_t cap)
{
	(void)m, (void)records, (void)n;
	snprintf(why, cap, "domains are not known yet");
	return false;
}
