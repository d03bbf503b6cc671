#ifndef CNN_NPY_H
#define CNN_NPY_H
#include "util/fs/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* NumPy's array files, versions 1 to 3: the numeric little-endian ones in row-major order. */
enum { NPY_DIMS_MAX = 4, NPY_MAX_BYTES = 1 << 30 };

/* A checked view of a file's bytes; borrows them. */
struct npy {
	char kind; /* 'i', 'u', 'f' */
	unsigned item_bytes; /* 1, 2, 4, 8 */
	unsigned ndim; /* 0..NPY_DIMS_MAX */
	size_t shape[NPY_DIMS_MAX];
	size_t items;
	const uint8_t *data; /* items * item_bytes */
};

/* HV_E_FORMAT with one sentence in why. */
HV_NODISCARD int npy_parse(const uint8_t *bytes, size_t len, struct npy *n, char *why, size_t cap);
double npy_value(const struct npy *n, size_t i); /* i < items */

/* A whole file: n's data and shape behind a version 1 header. *bytes is returned owned.
 * HV_E_NOMEM. */
HV_NODISCARD int npy_encode(const struct npy *n, uint8_t **bytes, size_t *len);

#endif
