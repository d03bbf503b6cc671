#ifndef CNN_KAT_H
#define CNN_KAT_H
#include "accel/emu/emu.h"
#include "accel/image/image.h"
#include "accel/net/net.h"

/* Known-answer test files, text format version 1: one network as layers and tensors, as bus
 * writes, and as the memory words it must leave behind. */
enum {
	KAT_BYTES_MAX = 64 << 20, /* of the text, unpacked */
	KAT_NAME_CAP = 64,
};

enum kat_phase {
	KAT_INIT,
	KAT_WEIGHTS,
	KAT_BIAS,
	KAT_CONFIGURE,
	KAT_INPUT,
	KAT_START,
	KAT_PHASES,
};

struct kat_op {
	char kind; /* 'W' 'B' 'M' 'P' as in the file */
	uint8_t phase;
	uint32_t addr;
	uint32_t value; /* W, B: written; M: index of the first word; P: awaited */
	uint32_t count; /* M: words; P: mask */
};

struct kat_expect {
	int layer; /* trace; -1: after the run */
	uint32_t addr, mask, first, count; /* words[first .. first + count - 1] */
};

struct kat {
	char name[KAT_NAME_CAP];
	bool oneshot;
	struct cnn_net net; /* weights and biases owned by the kat */
	struct cnn_place place; /* chosen by the generator */
	const int8_t *input; /* owned, like all that follow */
	int32_t *out[CNN_LAYERS_MAX];
	uint32_t cycles[CNN_LAYERS_MAX], total_cycles, startup_cycles;
	uint64_t macs[CNN_LAYERS_MAX];
	bool estimate[CNN_LAYERS_MAX]; /* a rough number, of a streaming layer */
	bool has_latency;
	struct kat_op *ops;
	size_t n_ops;
	uint32_t *words;
	size_t n_words;
	struct kat_expect *expects;
	size_t n_expects;
};

/* Parse a text. On HV_E_FORMAT why has line number, record and field. *k is returned owned and
 * complete: its network has passed cnn_net_check(), all tensors are there. */
HV_NODISCARD int kat_parse(const char *text, size_t len, struct kat **k, char *why, size_t cap);

/* Read a file, gzip-compressed or not. HV_E_NOENT, HV_E_IO, HV_E_FORMAT with why. */
HV_NODISCARD int kat_read(const char *path, struct kat **k, char *why, size_t cap);
void kat_free(struct kat *k);

/* ---- comparisons: each counts what it compared ---- */

enum kat_check {
	KAT_REFERENCE, /* every layer's tensor */
	KAT_EMULATOR, /* expected and traced words of the replay */
	KAT_PLACED, /* memories and registers of our compiler at the given place */
	KAT_FREE, /* outputs of our compiler at its own place, on the emulator */
	KAT_LATENCY, /* every line of the cycle model */
	KAT_CHECKS,
};

enum { KAT_WHAT_CAP = 200 };

struct kat_result {
	uint64_t compared[KAT_CHECKS];
	bool ok[KAT_CHECKS];
	char what[KAT_CHECKS][KAT_WHAT_CAP]; /* first difference; "" when ok */
};

/* All of them. HV_E_NOMEM; differences are no error. */
HV_NODISCARD int kat_check_all(const struct kat *k, struct kat_result *r);
bool kat_result_ok(const struct kat_result *r);
const char *kat_check_name(enum kat_check c);

/* Write the phases of `k` to a machine in order, without those of `skip` (a bit per phase),
 * and let it run to its end. False with why when a poll never ends or nothing was started. */
bool kat_replay(const struct kat *k, struct cnn_emu *e, unsigned skip, char *why, size_t cap);

/* Compare the words expected after a run. Counts words; false with why at a difference. */
bool kat_expect_match(const struct kat *k, const struct cnn_emu *e, uint64_t *compared, char *why,
		      size_t cap);

#endif
