#ifndef TASKS_MOTOR_H
#define TASKS_MOTOR_H

/* Inside of tasks/: the brushed 24 V motor of the task speed. SI units: ohm, henry, V s/rad
 * (= N m/A), kg m^2, N m s/rad, N m. */
static const struct motor {
	double ohm, henry, ke, kt, inertia, viscous, coulomb, volt_max;
} motor = {
	.ohm = 1.1,
	.henry = 0.9e-3,
	.ke = 0.045,
	.kt = 0.045,
	.inertia = 2.6e-5,
	.viscous = 1.5e-5,
	.coulomb = 0.012,
	.volt_max = 24,
};

#endif
