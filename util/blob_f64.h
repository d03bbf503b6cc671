#ifndef BLOB_F64_H
#define BLOB_F64_H
#include "util/fs/rd.h"
#include "util/fs/wr.h"
#include <string.h>

/* Doubles in blobs, little endian; beside util/fs, which has no floating point. */
static inline double hv_rd_f64(struct hv_rd *r)
{
	uint64_t bits = hv_rd_u64(r);
	double v;

	memcpy(&v, &bits, sizeof(v));
	return v;
}

static inline void hv_wr_f64(struct hv_wr *w, double v)
{
	uint64_t bits;

	memcpy(&bits, &v, sizeof(bits));
	hv_wr_u64(w, bits);
}

#endif
