#ifndef NAS_LINEAR_FORM_H
#define NAS_LINEAR_FORM_H
#include "accel/package/package.h"
#include "nas/linear/map.h"

/* How a linear map lies on the accelerator, when a host program makes and reads the bytes.
 *
 * Pixel p holds in_step elements of the record in its channels, and output pixel i makes
 * out_step results from `kernel` input pixels on, with the same weights everywhere: a
 * convolution whose phases are folded into channels. A dense map is the case of one pixel.
 *
 *   pixel p, channel q  <-  element first + in_step * p + q, 0 outside of the record
 *                           (dense: element[q])
 *   result out_step * i + j  <-  row j of pixel i
 *                           (dense: factor[r] * row[r]; without a row: the offset alone)
 *
 * Inputs of two bytes lie one below the other: first the pixels of the high bytes, then those of
 * the low bytes. What a kernel makes across the border is not read. */
enum { NAS_NO_ROW = 0xffff };

struct nas_form {
	unsigned in_step, out_step, kernel;
	unsigned pixels; /* of the input, one part */
	int first;
	const uint16_t *element; /* (in_step), or NULL */
	const uint16_t *row; /* (outs), or NULL */
	const double *factor; /* (outs), with row */
	const double *w; /* (out_step, in_step, kernel) what an input counts, real */
};

/* Precision of a form. */
struct nas_rung {
	uint8_t level; /* 0..4 */
	uint8_t parts; /* bytes of an input */
	uint8_t sets, second_bits;
	uint8_t out_bits;
	int32_t scale, limit;
	const char *text;
};
/* Number i of the rungs for inputs of that type, from the coarsest on; NULL: no more. */
const struct nas_rung *nas_rung_at(enum harvest_dtype type, unsigned i);

static inline unsigned nas_form_out_pixels(const struct nas_form *f)
{
	return f->pixels - f->kernel + 1;
}

/* Network, steps and host program; the rest of the package is the caller's. HV_E_NOMEM;
 * HV_E_BUSY: more than a host program or a network takes. */
HV_NODISCARD int nas_form_package(const struct nas_form *f, const struct nas_rung *g,
				  const struct nas_map *map, const struct harvest_task *task,
				  struct package **p);

/* An input byte: clamp(floor(k * x + offset + 1/2)), and of two the high one:
 * floor(k * x + offset). */
struct nas_code {
	double k, offset;
};
/* For values of lo..hi of that type. */
struct nas_code nas_code_of(enum harvest_dtype type, unsigned parts, double lo, double hi);
/* For element c: one byte is spent on where its values lie, two on where they may. */
struct nas_code nas_code_for(const struct nas_map *map, enum harvest_dtype type, unsigned parts,
			     unsigned c);

#endif
