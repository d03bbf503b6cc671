#include "tasks/builtin.h"
#include "tasks/motor.h"
#include <string.h>

/* Control law of a DC motor, its static part:
 *
 *   u = clip(kp(e) e + I + Ke w + R / Kt (B w + Tc tanh(w / 5)), +-24 V)
 *   kp(e) = .05 + .10 / (1 + (e / 40)^2)
 *
 *   in   int16 (3)    e: speed error, 1/64 rad/s; I: integral, 2^-11 V; w: set-point, 1/64 rad/s
 *   out  double (1)   u, 2^-10 V
 */
void speed_reference(const void *in, double *out)
{
	int16_t x[3];
	double e, i, w, kp, u;

	memcpy(x, in, sizeof(x));
	e = x[0] / (double)SPEED_E_UNIT;
	i = x[1] / (double)SPEED_I_UNIT;
	w = x[2] / (double)SPEED_E_UNIT;
	kp = 0.05 + 0.10 / (1 + e / 40 * (e / 40));
	u = kp * e + i + motor.ke * w +
	    motor.ohm / motor.kt * (motor.viscous * w + motor.coulomb * tanh(w / 5));
	out[0] = fmin(fmax(u, -motor.volt_max), motor.volt_max) * SPEED_U_UNIT;
}

/* Heading from a magnetometer, a = atan2(y, x).
 *
 *   in   int16 (2)    x, y: 16384 is the nominal field
 *   out  double (1)   binary angle, 32768 = pi; the domain is the first octant, 0 <= y <= x
 */
void heading_reference(const void *in, double *out)
{
	int16_t m[2];

	memcpy(m, in, sizeof(m));
	out[0] = fmin(atan2(m[1], m[0]) * ANGLE_UNIT, INT16_MAX);
}
