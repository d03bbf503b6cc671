#ifndef CNN_IMPORT_READER_H
#define CNN_IMPORT_READER_H
#include "accel/import/import.h"
#include <yaml.h>

/* Inside accel/import: one description being read. */

enum import_key {
	KEY_NONE, /* no key of a layer */
	KEY_NAME,
	KEY_SEQUENCE,
	KEY_PROCESSORS,
	KEY_OUT_PROCESSORS,
	KEY_MAX_POOL,
	KEY_AVG_POOL,
	KEY_POOL_STRIDE,
	KEY_POOL_FIRST,
	KEY_QUANTIZATION,
	KEY_OUTPUT_SHIFT,
	KEY_OUTPUT_WIDTH,
	KEY_IN_CHANNELS,
	KEY_OUT_CHANNELS,
	KEY_IN_DIM,
	KEY_IN_OFFSET,
	KEY_OUT_OFFSET,
	KEY_WRITE_GAP,
	KEY_OP,
	KEY_ACTIVATE,
	KEY_ELTWISE,
	KEY_OPERANDS,
	KEY_KERNEL,
	KEY_PAD,
	KEY_STRIDE,
	KEY_DILATION,
	KEY_OUTPUT_PAD,
	KEY_FLATTEN,
	KEY_STREAMING,
	KEY_FORMAT,
	KEY_IN_SEQUENCES,
	KEY_NEXT,
	KEY_OUTPUT,
	KEY_GROUPS,
	KEY_BYPASS,
	KEY_CALCX4,
	KEY_POOL_DILATION,
	KEY_IN_CROP,
	KEY_CHANNEL_SKIP,
	KEY_IGNORED,
	IMPORT_KEYS,
};

/* Numbers of `op`: the operation, and for the element-wise words what they combine. */
enum { OP_ELTWISE = 16 };

struct import_value {
	int64_t a, b; /* b: the second of a pair, else a again */
	unsigned line; /* 0: not given */
};

struct import_layer {
	unsigned line;
	const char *name; /* borrowed from the document, or NULL */
	struct import_value v[IMPORT_KEYS];
	unsigned sources;
	int from[CNN_SOURCES_MAX];
};

struct reader {
	const char *file;
	yaml_document_t *doc;
	const struct import_arrays *arrays;
	const struct import_options *options;
	struct import *im;
	unsigned layers;
	int at; /* the layer being read, -1: none */
	struct import_layer layer[CNN_LAYERS_MAX];
	struct import_value output_map;
	char *why;
	size_t cap;
};

/* HV_E_FORMAT with "FILE:LINE: layer N: ..." in why. */
__attribute__((format(printf, 3, 4))) int import_refuse(struct reader *r, unsigned line,
							const char *fmt, ...);
/* Remember something ignored. */
__attribute__((format(printf, 3, 4))) void import_note(struct reader *r, unsigned line,
						       const char *fmt, ...);

static inline bool import_has(const struct import_layer *l, enum import_key k)
{
	return l->v[k].line != 0;
}

static inline unsigned import_line(const yaml_node_t *n)
{
	return (unsigned)n->start_mark.line + 1;
}

/* Text of a scalar; NULL when the node is none or has a NUL inside. */
const char *import_text(const yaml_node_t *n);

/* Values of keys: each checks its form and says what is wrong with it. */
int import_whole(struct reader *r, const char *key, const yaml_node_t *n, int64_t lo, int64_t hi,
		 int64_t *v);
int import_map(struct reader *r, const char *key, const yaml_node_t *n, int64_t *v);

/* keys.c: fill r->layer[] from the document. */
int import_document(struct reader *r);
/* layers.c: r->layer[] and the arrays into r->im->net. */
int import_layers(struct reader *r);
/* weights.c */
int import_input(struct reader *r, uint32_t chw[3], bool *given);
int import_weights(struct reader *r, struct cnn_layer *l);
/* place.c: r->im->place, when every layer says where it is. */
int import_place(struct reader *r);

#endif
