#include "daemon/models/models_priv.h"
#include "tasks/catalog.h"
#include "util/own.h"
#include <assert.h>
#include <stdio.h>
#include <string.h>

static void hex(const uint8_t *bytes, size_t n, char *to)
{
	static const char digit[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		to[2 * i] = digit[bytes[i] >> 4];
		to[2 * i + 1] = digit[bytes[i] & 15];
	}
	to[2 * n] = '\0';
}

int model_new(struct package *pkg, const char *origin, struct model **out, char *why, size_t cap)
{
	struct model *m;

	m = calloc(1, sizeof(*m));
	if (m == NULL) {
		snprintf(why, cap, "out of memory");
		return HV_E_NOMEM;
	}
	m->pkg = pkg;
	m->task = task_find(pkg->task);
	hex(pkg->hash, sizeof(pkg->hash), m->hash_hex);
	snprintf(m->origin, sizeof(m->origin), "%s", origin);
	*out = m;
	return HV_OK;
}

void model_free(struct model *m)
{
	if (m == NULL)
		return;
	package_free(m->pkg);
	free(m);
}

void models_on_leave(struct models *set, void (*leaves)(void *ctx, struct model *m), void *ctx)
{
	set->leaves = leaves;
	set->leaves_ctx = ctx;
}

/* It is no longer in the list. */
static void retire(struct models *set, struct model *m)
{
	m->removed = true;
	m->holds++; /* who is told may drop the last one */
	if (set->leaves != NULL)
		set->leaves(set->leaves_ctx, m);
	model_task_left(set, m->task);
	model_drop(set, m);
}

void models_take_out(struct models *set, struct model *m)
{
	for (size_t i = 0; i < set->count; i++) {
		if (set->list[i] != m)
			continue;
		set->count--;
		memmove(&set->list[i], &set->list[i + 1], (set->count - i) * sizeof(set->list[0]));
		break;
	}
	retire(set, m);
}

int models_add(struct models *set, struct model *m, char *why, size_t cap)
{
	struct model *old = models_find(set, m->pkg->name);

	for (size_t i = 0; i < set->count; i++) {
		if (strcmp(set->list[i]->hash_hex, m->hash_hex) == 0) {
			snprintf(why, cap, "%s has the same content", set->list[i]->origin);
			return HV_E_BUSY;
		}
	}
	if (old == NULL && set->count == MODELS_MAX) {
		snprintf(why, cap, "the daemon already has %d packages, which is its limit",
			 MODELS_MAX);
		return HV_E_NOMEM;
	}
	if (old == NULL) {
		set->list[set->count++] = m;
		return HV_OK;
	}
	for (size_t i = 0; i < set->count; i++)
		if (set->list[i] == old)
			set->list[i] = m;
	retire(set, old); /* what it did can go on with the new one */
	return HV_OK;
}

static void scan_list(struct models *set, const char *dirs)
{
	hv_autofree char *copy = strdup(dirs);
	char *save = NULL;

	if (copy == NULL)
		return;
	for (char *d = strtok_r(copy, ":", &save); d != NULL; d = strtok_r(NULL, ":", &save))
		models_scan(set, d);
}

int models_new(const char *dirs, const char *state_dir, struct plugins *plugins,
	       struct models **out)
{
	struct models *set = calloc(1, sizeof(*set));

	if (set == NULL)
		return HV_E_NOMEM;
	set->plugins = plugins;
	if (state_dir != NULL) {
		set->state_dir = strdup(state_dir);
		if (set->state_dir == NULL) {
			free(set);
			return HV_E_NOMEM;
		}
	}
	/* What an administrator installed comes last, so it replaces the system's. */
	if (dirs != NULL)
		scan_list(set, dirs);
	if (state_dir != NULL)
		models_scan(set, state_dir);
	*out = set;
	return HV_OK;
}

void models_free(struct models *set)
{
	if (set == NULL)
		return;
	for (size_t i = 0; i < set->count; i++) {
		assert(set->list[i]->holds == 0);
		model_free(set->list[i]);
	}
	free(set->state_dir);
	free(set);
}

size_t models_count(const struct models *set)
{
	return set->count;
}

struct model *models_at(const struct models *set, size_t i)
{
	assert(i < set->count);
	return set->list[i];
}

struct model *models_find(const struct models *set, const char *name)
{
	for (size_t i = 0; i < set->count; i++)
		if (strcmp(set->list[i]->pkg->name, name) == 0)
			return set->list[i];
	return NULL;
}

static bool cheaper(const struct model *a, const struct model *b)
{
	if (a->pkg->record_cycles != b->pkg->record_cycles)
		return a->pkg->record_cycles < b->pkg->record_cycles;
	return strcmp(a->pkg->name, b->pkg->name) < 0;
}

size_t models_of_task(const struct models *set, const struct harvest_task *t, struct model **to,
		      size_t cap)
{
	size_t n = 0;

	for (size_t i = 0; i < set->count; i++) {
		struct model *m = set->list[i];
		size_t at = n;

		if (m->task != t || (n == cap && (cap == 0 || !cheaper(m, to[n - 1]))))
			continue;
		if (n == cap)
			at = n - 1;
		else
			n++;
		for (; at > 0 && cheaper(m, to[at - 1]); at--)
			to[at] = to[at - 1];
		to[at] = m;
	}
	return n;
}

void model_lift(struct model *m)
{
	m->suspended = false;
	m->doubt = (struct doubt){ .certified = m->pkg->cert.certified };
}

void model_hold(struct model *m)
{
	m->holds++;
}

void model_drop(struct models *set, struct model *m)
{
	(void)set;
	assert(m->holds > 0);
	if (--m->holds == 0 && m->removed)
		model_free(m);
}
