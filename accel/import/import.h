#ifndef CNN_IMPORT_H
#define CNN_IMPORT_H
#include "accel/image/image.h"
#include "accel/net/net.h"
#include "accel/package/package.h"

/* Networks from outside: the vendor generator's YAML description with quantised weights in
 * .npy files, and known-answer tests, turned into a checked description and into packages.
 *
 * Arrays of layer N (counted from 0, pass-through layers included): "wN", the weights, shaped
 * (out, in, rows, columns); without the trailing sizes where they are 1; (out, in * height *
 * width) for a flattened layer, C,H,W order; transposed convolutions in correlation order.
 * "bN", optional: the bias (out), counted in units of 128. "input", optional: one sample, shaped
 * (C, H, W) or (C, H); it also gives the size of the network input. */

enum {
	IMPORT_YAML_MAX_BYTES = 1 << 20,
	IMPORT_ARRAY_MAX_BYTES = 32 << 20,
	IMPORT_NOTES_MAX = 64,
	IMPORT_NOTE_CAP = 120,
};

/* Where arrays come from. */
struct import_arrays {
	void *ctx;
	/* The bytes of the .npy file `name`, returned owned. HV_E_NOENT: there is none. */
	int (*read)(void *ctx, const char *name, uint8_t **bytes, size_t *len);
};

/* What the vendor's tool takes on its command line, not in the description. */
struct import_options {
	bool avg_round; /* average pooling rounds */
	bool fifo; /* the input comes through the FIFO; streaming layers imply it */
	bool seeded; /* a layer that names out_channels and has no array gets weights from seed */
	uint64_t seed;
};

struct import {
	struct cnn_net net; /* checked; weights and biases owned by the import */
	int8_t *sample; /* owned; (C, H, W), or NULL */
	struct cnn_place place; /* where the description puts it, kernels and biases added */
	bool has_place; /* every layer names its processors, and it can be so */
	char arch[64], dataset[64];
	unsigned notes; /* things that were ignored, one sentence each */
	char note[IMPORT_NOTES_MAX][IMPORT_NOTE_CAP];
};

/* Read a description. file: its name, for messages. On HV_E_FORMAT one sentence "FILE:LINE:
 * layer N: field is value, limit" is in why. *im is returned owned. HV_E_NOMEM, and what
 * arrays->read() returns. */
HV_NODISCARD int import_yaml(const char *file, const uint8_t *text, size_t len,
			     const struct import_arrays *arrays, const struct import_options *o,
			     struct import **im, char *why, size_t cap);
/* The same from files: DIR/wN.npy, DIR/bN.npy, DIR/input.npy. dir NULL: there are none. */
HV_NODISCARD int import_yaml_files(const char *file, const char *dir,
				   const struct import_options *o, struct import **im, char *why,
				   size_t cap);
void import_free(struct import *im);

/* A package of a network alone. Copies what it needs. sample: an input that becomes the first
 * known-answer vector, or NULL; answers come from the reference. *p is returned owned.
 * HV_E_FORMAT, HV_E_INVAL with why; HV_E_NOMEM. */
HV_NODISCARD int import_package(const char *name, const char *recipe, const struct cnn_net *net,
				const int8_t *sample, struct package **p, char *why, size_t cap);

#endif
