#ifndef CNN_PACKAGE_H
#define CNN_PACKAGE_H
#include "accel/hostprog/hostprog.h"
#include "accel/net/net.h"
#include "accel/package/support.h"
#include "accel/steps/steps.h"
#include "tasks/task.h"
#include <stdio.h>

/* An approximation or network package (*.hvm): "HVM1", u32 length, 32 bytes SHA-256 of what
 * follows, then a Package message of proto/model.proto. */
enum {
	PACKAGE_MAX_BYTES = 1 << 20, /* of an approximation, without its plug-in */
	PACKAGE_NETWORK_MAX_BYTES = 8 << 20, /* of a network: weights take a byte each */
	PACKAGE_KATS_MAX = 16,
	PACKAGE_PLUGIN_MAX_BYTES = 1 << 20,
	PACKAGE_HEAD_BYTES = 40,
};

enum package_kind {
	PACKAGE_APPROXIMATION = 0, /* of a task, with steps and a certificate */
	PACKAGE_NETWORK = 1, /* a network alone, of any layers: no task, level, steps and
				      certificate; a record is the int8 input tensor (C, H, W),
				      its answer the int32 (C, H, W) tensors of all output
				      layers one behind the other, little-endian */
};

struct package_cert {
	enum harvest_metric metric;
	double certified; /* on the declared domain */
	double median, worst; /* of the per-record metric over the samples */
	uint64_t samples;
	double confidence; /* 0.999 */
	char method[64]; /* "statistical", "closed-form" */
	double max_abs; /* closed form: no element of any record in the domain is
					further from the definition, output units */
	int32_t in_min, in_max; /* domain: range of every input element; 0, 0 with a host
				   program, whose package has its own */
	double range; /* nrmse_range: of the exact answers, by which the error was divided; 0: that
			 of the task */
	double in_min_rms; /* domain: rms over a job's records, input units; 0: none */
};

struct package_kat {
	uint8_t *in, *out; /* one record each, owned by the package */
};

struct package {
	enum package_kind kind;
	char name[32]; /* "fft256-l3" */
	char task[32];
	uint32_t task_version;
	uint8_t level; /* 1..4; 0 with a host program */
	uint8_t hash[32]; /* of the file's message: the identity */
	struct cnn_net net; /* one record: height = positions, width = 1;
					weights owned by the package */
	uint8_t *steps_blob; /* owned */
	size_t steps_len;
	struct cnn_steps steps; /* view of it */
	struct hostprog *host; /* owned; NULL: the steps turn records into pixels, and back. Else
				  it does, before and after the board, level is 0, the
				  network is of any layers and steps are of version 2 */
	double *domain; /* owned; with host: (n_domain) pairs least, most of an input element;
			   one pair for all, or one for each */
	uint32_t n_domain;
	struct support *support; /* owned; with host: where in the domain's box records are; NULL:
				    anywhere */
	uint8_t *plugin; /* owned; the exact function as a shared object, of any machine, or NULL;
			    only of a task that is not built in. Machine code of whoever made the
			    package: never run it without being told to */
	size_t plugin_len;
	uint8_t plugin_hash[32]; /* SHA-256 of it */
	struct package_cert cert;
	unsigned n_kats;
	struct package_kat kat[PACKAGE_KATS_MAX];
	uint32_t record_cycles, fixed_cycles;
	double record_energy_uj; /* modelled */
	char recipe[128], tool_version[32];
	uint64_t seed;
};

/* HV_E_FORMAT / HV_E_VERSION with one sentence naming field and offset or limit in why.
 * *p is returned owned. Everything in it has been checked: net by cnn_net_check(), steps by
 * cnn_steps_parse(), sizes against each other and, when the task is built in, against it. */
HV_NODISCARD int package_decode(const uint8_t *bytes, size_t len, struct package **p, char *why,
				size_t cap);
HV_NODISCARD int package_read(const char *path, struct package **p, char *why, size_t cap);
/* Version, records and metric are those of the task. HV_E_VERSION, HV_E_FORMAT. */
HV_NODISCARD int package_check_task(const struct package *p, const struct harvest_task *t,
				    char *why, size_t cap);
/* Give it a plug-in, which is copied and trimmed (tasks/plugin_elf.h). HV_E_FORMAT, HV_E_NOMEM. */
HV_NODISCARD int package_set_plugin(struct package *p, const uint8_t *elf, size_t len, char *why,
				    size_t cap);
/* Bytes of a package file, returned owned; also sets p->hash. */
HV_NODISCARD int package_encode(struct package *p, uint8_t **bytes, size_t *len);
/* Bytes of one record and of its answer. */
size_t package_in_bytes(const struct package *p);
size_t package_out_bytes(const struct package *p);
void package_free(struct package *p);

/* Bytes of one record and of its answer as a board sees them: those of the task, but with a
 * host program the network's pixels and output values. */
size_t package_board_in_bytes(const struct package *p);
size_t package_board_out_bytes(const struct package *p);

/* What a host does around a board: record to board record, board answer to answer. The same
 * bytes where there is no host program. words: scratch of cnn_steps_words() values. */
void package_to_board(const struct package *p, const void *in, void *board_in);
void package_from_board(const struct package *p, const void *in, const void *board_out,
			int32_t *words, void *out);

/* The domain of a package with a host program: every element lies in its range, and the record
 * within the support. Of n packed records the first that does not, else n; *in_box tells which
 * of the two it misses. Without a host program: n. */
size_t package_outside(const struct package *p, const void *in, size_t n, bool *in_box);
bool package_in_domain(const struct package *p, const void *in);
/* The ranges alone. */
bool package_in_box(const struct package *p, const void *in);

/* What the accelerator and agent would answer: reference inference between the steps.
 * in, out: `records` records. HV_E_NOMEM. */
HV_NODISCARD int package_run(const struct package *p, const void *in, void *out, size_t records);

/* Run all known-answer vectors through package_run(). HV_E_WRONG names the first in why. */
HV_NODISCARD int package_self_test(const struct package *p, char *why, size_t cap);

#endif
