#include "tasks/builtin.h"

/* G = min(255, sqrt(gx^2 + gy^2)), gx, gy: correlation with
 *
 *        -1 0 1         -1 -2 -1
 *   gx = -2 0 2    gy =  0  0  0
 *        -1 0 1          1  2  1
 *
 *   in  uint8 (66, 66)   the tile with a border of one
 *   G   double (64, 64)
 */
void sobel_reference(const void *in, double *out)
{
	const uint8_t *p = in;

	for (size_t y = 0; y < TILE; y++) {
		for (size_t x = 0; x < TILE; x++) {
			const uint8_t *a = p + y * TILE_IN + x, *b = a + TILE_IN, *c = b + TILE_IN;
			int gx = a[2] - a[0] + 2 * (b[2] - b[0]) + c[2] - c[0];
			int gy = c[0] - a[0] + 2 * (c[1] - a[1]) + c[2] - a[2];

			out[y * TILE + x] = fmin(sqrt((double)(gx * gx + gy * gy)), 255);
		}
	}
}
