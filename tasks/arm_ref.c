#include "tasks/builtin.h"
#include <string.h>

/* A planar arm of two links of .5 each: hand (x, y) and joint angles (t1, t2).
 *
 *   x = .5 cos t1 + .5 cos(t1 + t2)     y = .5 sin t1 + .5 sin(t1 + t2)
 *
 *   t  int16 (2)    binary angle, 32768 = pi
 *   x, y  int16 (2) q15: 32768 = 1
 */
static double within_s16(double v)
{
	return v < INT16_MIN ? INT16_MIN : v > INT16_MAX ? INT16_MAX : v;
}

void forwardk2j_reference(const void *in, double *out)
{
	int16_t t[2];
	double t1, t12;

	memcpy(t, in, sizeof(t));
	t1 = t[0] / ANGLE_UNIT;
	t12 = (t[0] + t[1]) / ANGLE_UNIT;
	out[0] = within_s16(16384 * (cos(t1) + cos(t12)));
	out[1] = within_s16(16384 * (sin(t1) + sin(t12)));
}

/* The solution with 0 <= t2 <= pi:
 *
 *   cos t2 = (x^2 + y^2 - .5) / .5 = 2 (x^2 + y^2) - 1
 *   t1 = atan2(y, x) - atan2(.5 sin t2, .5 + .5 cos t2) = atan2(y, x) - t2 / 2
 *
 * x^2 + y^2 above 1 is out of reach and counts as 1: the stretched arm. */
void inversek2j_reference(const void *in, double *out)
{
	double x, y, t2;
	int16_t xy[2];

	memcpy(xy, in, sizeof(xy));
	x = xy[0] / 32768.0;
	y = xy[1] / 32768.0;
	t2 = acos(fmin(2 * (x * x + y * y) - 1, 1));
	out[0] = within_s16((atan2(y, x) - t2 / 2) * ANGLE_UNIT);
	out[1] = within_s16(t2 * ANGLE_UNIT);
}
