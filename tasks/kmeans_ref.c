#include "tasks/builtin.h"

/* d = sqrt((r - r')^2 + (g - g')^2 + (b - b')^2) * 64
 *
 *   in  uint8 (6)    r g b of a pixel, r' g' b' of a centre
 *   d   double (1)   1/64 grey level: 0..28267
 */
void kmeans_reference(const void *in, double *out)
{
	const uint8_t *x = in;
	int r = x[0] - x[3], g = x[1] - x[4], b = x[2] - x[5];

	out[0] = sqrt((double)(r * r + g * g + b * b)) * KMEANS_UNIT;
}
