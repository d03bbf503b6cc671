#ifndef NAS_JOURNAL_H
#define NAS_JOURNAL_H
#include "nas/plan.h"
#include "util/fs/sha256.h"

/* What a search has worked out, in a file, so that a search that was interrupted goes on where it
 * was. An evaluation depends on nothing but what its key is made of (the records, the encoding,
 * the settings, the seed), so that a result read here is the result it would have again, bit for
 * bit.
 *
 *   "HVJ1", identity[32], then entries: key[32], u32 length, u32 crc32 of key and payload, payload
 *
 * little endian; entries are appended whole, and a last one that is not whole is dropped. The
 * identity says of what task, by what version of the program. Calls from many threads are fine.
 * NULL for a journal: nothing is found, nothing is kept. */
struct nas_journal;

/* Opens or begins one; *damaged: entries from there on were not readable and are dropped.
 * HV_E_FORMAT: it is none, or of another task; HV_E_BUSY: in use; HV_E_IO, HV_E_NOMEM. A sentence
 * in why. */
HV_NODISCARD int nas_journal_open(const char *path, const struct nas_data *d,
				  struct nas_journal **j, bool *damaged, char *why, size_t cap);
void nas_journal_close(struct nas_journal *j); /* NULL is fine */
/* Why results could not be kept (an errno value); 0: all were. */
int nas_journal_error(const struct nas_journal *j);

/* Of what an evaluation depends on: begin, add, use. */
struct nas_key {
	struct hv_sha256 s;
};
struct nas_key nas_key_begin(const char *what);
void nas_key_u64(struct nas_key *k, uint64_t v);
void nas_key_f64(struct nas_key *k, double v);
void nas_key_plan(struct nas_key *k, const struct nas_plan *p);

/* The payload kept under the key, owned by the caller; NULL: none, or no memory. */
uint8_t *nas_journal_find(struct nas_journal *j, struct nas_key k, size_t *len);
void nas_journal_keep(struct nas_journal *j, struct nas_key k, const void *data, size_t len);

#endif
