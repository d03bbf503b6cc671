#include "nas/journal.h"
#include "tasks/catalog.h"
#include "util/fs/crc32.h"
#include "util/own.h"
#include "config.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	MAGIC = 4,
	KEY = HV_SHA256_BYTES,
	HEAD = MAGIC + KEY,
	ENTRY = KEY + 8, /* before the payload */
	PAYLOAD_MAX = 1 << 24,
	FILE_MAX = 1 << 30,
	SLOTS_LEAST = 1024,
};

struct entry {
	const uint8_t *key;
	uint8_t *payload;
	size_t len;
};

struct nas_journal {
	int fd, err;
	pthread_mutex_t lock;
	uint8_t *old; /* the file as it was opened */
	struct entry *slot; /* by key, open addressing; read only after opening */
	size_t slots;
};

/* ---- keys ---- */

struct nas_key nas_key_begin(const char *what)
{
	struct nas_key k;

	hv_sha256_init(&k.s);
	hv_sha256_add(&k.s, what, strlen(what) + 1);
	return k;
}

void nas_key_u64(struct nas_key *k, uint64_t v)
{
	uint8_t b[8];

	for (unsigned i = 0; i < 8; i++)
		b[i] = (uint8_t)(v >> 8 * i);
	hv_sha256_add(&k->s, b, sizeof(b));
}

void nas_key_f64(struct nas_key *k, double v)
{
	uint64_t bits;

	memcpy(&bits, &v, sizeof(bits));
	nas_key_u64(k, bits);
}

static void key_ins(struct nas_key *k, const struct hostprog_ins *s)
{
	nas_key_u64(k, (uint64_t)s->op | (uint64_t)s->a << 16 | (uint64_t)s->b << 32 |
			       (uint64_t)s->c << 48);
	nas_key_u64(k, s->index);
	nas_key_f64(k, s->k);
}

void nas_key_plan(struct nas_key *k, const struct nas_plan *p)
{
	nas_key_u64(k, p->values);
	for (unsigned i = 0; i < p->values; i++)
		key_ins(k, &p->value[i]);
	nas_key_u64(k, p->channels);
	for (unsigned i = 0; i < p->channels; i++) {
		nas_key_u64(k, p->channel[i].value);
		nas_key_f64(k, p->channel[i].gain);
		nas_key_f64(k, p->channel[i].offset);
	}
	nas_key_u64(k, p->targets);
	nas_key_u64(k, p->curve.kind);
	nas_key_u64(k, p->posts);
	for (unsigned i = 0; i < p->posts; i++)
		key_ins(k, &p->post[i]);
}

static void key_end(struct nas_key *k, uint8_t key[KEY])
{
	hv_sha256_end(&k->s, key);
}

/* The task by its words and by what it answers. */
static void identify(const struct nas_data *d, uint8_t identity[KEY])
{
	const struct harvest_task *t = d->task;
	struct nas_key k = nas_key_begin("harvest-nas " PACKAGE_VERSION);

	hv_sha256_add(&k.s, t->name, strlen(t->name) + 1);
	nas_key_u64(&k, t->version);
	nas_key_u64(&k, t->metric);
	nas_key_f64(&k, HARVEST_TASK_HAS(t, range) ? t->range : 0);
	hv_sha256_add(&k.s, d->records, d->n * tensor_bytes(&t->in));
	hv_sha256_add(&k.s, d->ref, d->n * d->outs * sizeof(*d->ref));
	hv_sha256_add(&k.s, d->weight, d->n * sizeof(*d->weight));
	key_end(&k, identity);
}

/* ---- reading ---- */

static uint32_t get_u32(const uint8_t *b)
{
	return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static void put_u32(uint8_t *b, uint32_t v)
{
	for (unsigned i = 0; i < 4; i++)
		b[i] = (uint8_t)(v >> 8 * i);
}

static uint32_t entry_crc(const uint8_t *entry, const uint8_t *payload, size_t len)
{
	return hv_crc32(hv_crc32(0, entry, KEY + 4), payload, len);
}

/* Length of the whole entries; *n of them. *damaged: one that is whole is not what was written. */
static size_t whole_entries(const uint8_t *b, size_t len, size_t *n, bool *damaged)
{
	size_t at = HEAD;

	for (*n = 0; len - at >= ENTRY; (*n)++) {
		size_t payload = get_u32(b + at + KEY);

		if (payload > PAYLOAD_MAX) {
			*damaged = true;
			break;
		}
		if (len - at - ENTRY < payload)
			break;
		if (get_u32(b + at + KEY + 4) != entry_crc(b + at, b + at + ENTRY, payload)) {
			*damaged = true;
			break;
		}
		at += ENTRY + payload;
	}
	return at;
}

static struct entry *slot_of(const struct nas_journal *j, const uint8_t *key)
{
	size_t at = get_u32(key) & (j->slots - 1);

	while (j->slot[at].key != NULL && memcmp(j->slot[at].key, key, KEY) != 0)
		at = (at + 1) & (j->slots - 1);
	return &j->slot[at];
}

static int index_entries(struct nas_journal *j, size_t len, size_t n)
{
	for (j->slots = SLOTS_LEAST; j->slots < 2 * n;)
		j->slots *= 2;
	j->slot = calloc(j->slots, sizeof(*j->slot));
	if (j->slot == NULL)
		return HV_E_NOMEM;
	for (size_t at = HEAD; at < len;) {
		size_t payload = get_u32(j->old + at + KEY);

		*slot_of(j, j->old + at) = (struct entry){ .key = j->old + at,
							   .payload = j->old + at + ENTRY,
							   .len = payload };
		at += ENTRY + payload;
	}
	return HV_OK;
}

static int begin(struct nas_journal *j, const uint8_t identity[KEY])
{
	uint8_t head[HEAD] = "HVJ1";

	memcpy(head + MAGIC, identity, KEY);
	if (ftruncate(j->fd, 0) != 0 || pwrite(j->fd, head, HEAD, 0) != HEAD)
		return HV_E_IO;
	return index_entries(j, HEAD, 0);
}

static int load(struct nas_journal *j, const char *path, const uint8_t identity[KEY], bool *damaged,
		char *why, size_t cap)
{
	size_t len = 0, n, good;
	struct stat st;

	if (fstat(j->fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size > FILE_MAX) {
		snprintf(why, cap,
			 "%s is no file of at most %d bytes, as a journal is: name another", path,
			 FILE_MAX);
		return HV_E_FORMAT;
	}
	j->old = malloc((size_t)st.st_size + 1);
	if (j->old == NULL)
		return HV_E_NOMEM;
	while (len < (size_t)st.st_size) {
		ssize_t got = pread(j->fd, j->old + len, (size_t)st.st_size - len, (off_t)len);

		if (got <= 0)
			return HV_E_IO;
		len += (size_t)got;
	}
	if (len < HEAD && memcmp(j->old, "HVJ1", len < MAGIC ? len : MAGIC) == 0)
		return begin(j, identity); /* new, or not even begun */
	if (len < HEAD || memcmp(j->old, "HVJ1", MAGIC) != 0) {
		snprintf(why, cap, "%s is no journal of a search: name another file", path);
		return HV_E_FORMAT;
	}
	if (memcmp(j->old + MAGIC, identity, KEY) != 0) {
		snprintf(why, cap,
			 "%s is the journal of another task, or of another version of it or of "
			 "this program: name another file",
			 path);
		return HV_E_FORMAT;
	}
	good = whole_entries(j->old, len, &n, damaged);
	if (good < len && ftruncate(j->fd, (off_t)good) != 0)
		return HV_E_IO;
	return index_entries(j, good, n);
}

int nas_journal_open(const char *path, const struct nas_data *d, struct nas_journal **to,
		     bool *damaged, char *why, size_t cap)
{
	struct nas_journal *j = calloc(1, sizeof(*j));
	uint8_t identity[KEY];
	int r = HV_E_NOMEM;

	*damaged = false;
	if (j == NULL) {
		snprintf(why, cap, "out of memory");
		return r;
	}
	pthread_mutex_init(&j->lock, NULL);
	identify(d, identity);
	why[0] = '\0';
	j->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_APPEND | O_NONBLOCK, 0666);
	if (j->fd < 0) {
		r = HV_E_IO;
	} else if (flock(j->fd, LOCK_EX | LOCK_NB) != 0) {
		snprintf(why, cap, "%s is in use by another search", path);
		r = HV_E_BUSY;
	} else {
		r = load(j, path, identity, damaged, why, cap);
	}
	if (r < 0 && why[0] == '\0')
		snprintf(why, cap, "%s cannot be used as a journal: %s", path,
			 r == HV_E_NOMEM ? "out of memory" : strerror(errno));
	if (r < 0)
		nas_journal_close(j);
	else
		*to = j;
	return r;
}

void nas_journal_close(struct nas_journal *j)
{
	if (j == NULL)
		return;
	if (j->fd >= 0)
		close(j->fd);
	pthread_mutex_destroy(&j->lock);
	free(j->old);
	free(j->slot);
	free(j);
}

int nas_journal_error(const struct nas_journal *j)
{
	return j != NULL ? j->err : 0;
}

/* ---- use ---- */

uint8_t *nas_journal_find(struct nas_journal *j, struct nas_key k, size_t *len)
{
	uint8_t key[KEY], *copy;
	const struct entry *e;

	if (j == NULL)
		return NULL;
	key_end(&k, key);
	e = slot_of(j, key);
	if (e->key == NULL)
		return NULL;
	copy = malloc(e->len + 1);
	if (copy == NULL)
		return NULL;
	memcpy(copy, e->payload, e->len);
	*len = e->len;
	return copy;
}

void nas_journal_keep(struct nas_journal *j, struct nas_key k, const void *data, size_t len)
{
	uint8_t *entry;
	off_t end;

	if (j == NULL || len > PAYLOAD_MAX)
		return;
	entry = malloc(ENTRY + len);
	if (entry == NULL)
		return;
	key_end(&k, entry);
	put_u32(entry + KEY, (uint32_t)len);
	memcpy(entry + ENTRY, data, len);
	put_u32(entry + KEY + 4, entry_crc(entry, entry + ENTRY, len));
	pthread_mutex_lock(&j->lock);
	end = lseek(j->fd, 0, SEEK_END);
	errno = ENOSPC; /* what a write that is cut short means */
	if (j->err == 0 && write(j->fd, entry, ENTRY + len) != (ssize_t)(ENTRY + len)) {
		j->err = errno;
		if (end >= 0)
			(void)!ftruncate(j->fd, end);
	}
	pthread_mutex_unlock(&j->lock);
	free(entry);
}
