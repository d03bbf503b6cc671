#include "daemon/job/store.h"
#include "util/own.h"
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { HASH_SIZE = 16384 };

int store_init(struct store *s, const struct limits *l, uint32_t epoch)
{
	*s = (struct store){ .limits = *l, .epoch = epoch, .next_number = 1 };
	snprintf(s->id_end, sizeof(s->id_end), ".%" PRIx32, epoch);
	/* A job that ended while a unit works on it is in neither count for a moment. */
	s->pool_n = l->jobs + l->jobs_remembered;
	s->pool = calloc(s->pool_n, sizeof(struct job));
	s->hash = calloc(HASH_SIZE, sizeof(struct job *));
	if (s->pool == NULL || s->hash == NULL) {
		free(s->pool);
		free(s->hash);
		return HV_E_NOMEM;
	}
	return HV_OK;
}

static void list_append(struct job **first, struct job **last, struct job *j)
{
	j->in_list.prev = *last;
	j->in_list.next = NULL;
	if (*last != NULL)
		(*last)->in_list.next = j;
	else
		*first = j;
	*last = j;
}

static void list_remove(struct job **first, struct job **last, struct job *j)
{
	if (j->in_list.prev != NULL)
		j->in_list.prev->in_list.next = j->in_list.next;
	else
		*first = j->in_list.next;
	if (j->in_list.next != NULL)
		j->in_list.next->in_list.prev = j->in_list.prev;
	else
		*last = j->in_list.prev;
}

static void unhash(struct store *s, struct job *j)
{
	struct job **at = &s->hash[j->number % HASH_SIZE];

	while (*at != j)
		at = &(*at)->hash_next;
	*at = j->hash_next;
}

static bool is_remembered(const struct job *j)
{
	return job_state_is_final(j->state) && j->account == NULL;
}

void job_drop_result(struct store *s, struct job *j, const char *why)
{
	if (j->out == NULL || !is_remembered(j))
		return;
	s->detached_bytes -= j->out->bytes;
	buf_unref(j->out);
	j->out = NULL;
	job_why(j, "%s", why);
}

static void forget(struct store *s, struct job *j)
{
	job_drop_result(s, j, "");
	list_remove(&s->ended_first, &s->ended_last, j);
	s->remembered--;
	unhash(s, j);
	j->number = 0;
	j->in_list.next = s->free_first;
	s->free_first = j;
}

struct job *store_slot_take(struct store *s)
{
	struct job *j;

	if (s->free_first == NULL && s->pool_used == s->pool_n)
		forget(s, s->ended_first);
	if (s->free_first != NULL) {
		j = s->free_first;
		s->free_first = j->in_list.next;
	} else {
		j = &s->pool[s->pool_used++];
	}
	j->number = s->next_number++;
	j->hash_next = s->hash[j->number % HASH_SIZE];
	s->hash[j->number % HASH_SIZE] = j;
	list_append(&s->live_first, &s->live_last, j);
	s->live++;
	return j;
}

static void keep_result(struct store *s, struct job *j)
{
	s->detached_bytes += j->out->bytes;
	for (struct job *old = s->ended_first;
	     old != NULL && s->detached_bytes > s->limits.detached_bytes; old = old->in_list.next)
		job_drop_result(s, old,
				"its result was dropped: kept results are bounded and newer ones "
				"came; wait sooner");
}

void store_remember(struct store *s, struct job *j)
{
	struct account *a = j->account;

	if (a == NULL)
		return;
	list_remove(&s->live_first, &s->live_last, j);
	s->live--;
	while (s->remembered >= s->limits.jobs_remembered && s->ended_first != NULL)
		forget(s, s->ended_first);
	list_append(&s->ended_first, &s->ended_last, j);
	s->remembered++;
	memcpy(j->client, a->label, sizeof(j->client));
	j->uid = a->uid;
	j->account = NULL;
	account_unref(a);
	if (j->out != NULL)
		keep_result(s, j);
}

void store_free(struct store *s)
{
	assert(s->live == 0);
	while (s->ended_first != NULL)
		forget(s, s->ended_first);
	store_shelves_free(s);
	names_free(&s->names);
	free(s->pool);
	free(s->hash);
	*s = (struct store){ 0 };
}

/* Made for every result: no printf, and what never changes is kept. */
char *job_id_text(const struct store *s, const struct job *j, char to[JOB_ID_CAP])
{
	char back[20], *at = to;
	size_t n = 0;

	for (uint64_t v = j->number; v > 0 || n == 0; v /= 10)
		back[n++] = (char)('0' + v % 10);
	*at++ = 'j';
	while (n > 0)
		*at++ = back[--n];
	memcpy(at, s->id_end, sizeof(s->id_end));
	return to;
}

static bool parse_id(const char *id, uint64_t *number, uint64_t *epoch)
{
	char *end;

	if (id[0] != 'j' || id[1] < '1' || id[1] > '9')
		return false;
	*number = strtoull(id + 1, &end, 10);
	if (*end != '.' || end[1] == '\0' || strspn(end + 1, "0123456789abcdef") != strlen(end + 1))
		return false;
	*epoch = strtoull(end + 1, NULL, 16);
	return true;
}

struct job *job_find(struct store *s, const char *id, char *why, size_t cap)
{
	uint64_t number, epoch;

	if (!parse_id(id, &number, &epoch)) {
		snprintf(why, cap, "'%.40s' is no job id: they look like j12.3f9a", id);
		return NULL;
	}
	if (epoch != s->epoch) {
		snprintf(why, cap, "job %.40s is of an earlier life of the daemon", id);
		return NULL;
	}
	for (struct job *j = s->hash[number % HASH_SIZE]; j != NULL; j = j->hash_next)
		if (j->number == number)
			return j;
	snprintf(why, cap, "job %.40s is %s", id,
		 number < s->next_number ? "forgotten: only the last jobs are remembered"
					 : "unknown");
	return NULL;
}

struct job *job_newest(const struct store *s)
{
	return s->live_last != NULL ? s->live_last : s->ended_last;
}

struct job *job_older(const struct store *s, const struct job *j)
{
	if (j->in_list.prev != NULL)
		return j->in_list.prev;
	return is_remembered(j) ? NULL : s->ended_last;
}
