#include "tasks/builtin.h"
#include "tasks/loop_run.h"
#include "tasks/motor.h"
#include "util/own.h"
#include <stdbool.h>

/* The motor in steps of .1 ms, the law every ms: set-points of 100, 250, 40 and 150 rad/s for
 * half a second each, a load of .02 N m from 1.9 s on. The map is asked with its int16
 * interface, as the exact law is, and the integral stays here. */
enum {
	PLANT_HZ = 10000,
	PER_TICK = 10,
	STEP = PLANT_HZ / 2, /* samples of one set-point */
	STEPS = 4,
	SAMPLES = STEP * STEPS,
	LOAD_AT = PLANT_HZ * 19 / 10,
	WINDOW = PLANT_HZ / 5, /* at the end of a step */
};

static const double set_point[STEPS] = { 100, 250, 40, 150 };
static const double load_torque = 0.02, integral_gain = 1.2, integral_max = 12;

struct motor_state {
	double ampere, speed, integral, volt;
};

static int16_t whole(double v)
{
	v = round(v);
	return (int16_t)(v < INT16_MIN ? INT16_MIN : v > INT16_MAX ? INT16_MAX : v);
}

/* Not while the voltage is at its end and the error would push it further. */
static void integrate(struct motor_state *s, double e)
{
	bool stuck = fabs(s->volt) >= motor.volt_max - 1e-9 && e * s->volt > 0;

	if (!stuck)
		s->integral += integral_gain * e * PER_TICK / PLANT_HZ;
	s->integral = fmin(fmax(s->integral, -integral_max), integral_max);
}

static int control(struct motor_state *s, double want, loop_map_fn map, void *ctx)
{
	double e = want - s->speed;
	int16_t in[3] = { whole(e * SPEED_E_UNIT), whole(s->integral * SPEED_I_UNIT),
			  whole(want * SPEED_E_UNIT) };
	int16_t out = 0;
	int err = map(ctx, in, &out, 1);

	s->volt = fmin(fmax(out / (double)SPEED_U_UNIT, -motor.volt_max), motor.volt_max);
	integrate(s, e);
	return err;
}

/* Friction is made smooth below half a radian per second, so that standstill is stable. */
static void plant(struct motor_state *s, double torque)
{
	double friction = motor.viscous * s->speed + motor.coulomb * tanh(s->speed / 0.5);
	double di = (s->volt - motor.ohm * s->ampere - motor.ke * s->speed) / motor.henry;
	double dw = (motor.kt * s->ampere - friction - torque) / motor.inertia;

	s->ampere += di / PLANT_HZ;
	s->speed += dw / PLANT_HZ;
}

static int simulate(loop_map_fn map, void *ctx, double *speed)
{
	struct motor_state s = { 0 };

	for (int i = 0; i < SAMPLES; i++) {
		int err = i % PER_TICK == 0 ? control(&s, set_point[i / STEP], map, ctx) : HV_OK;

		if (err != HV_OK)
			return err;
		plant(&s, i >= LOAD_AT ? load_torque : 0);
		speed[i] = s.speed;
	}
	return HV_OK;
}

struct step_figures {
	double mean[STEPS]; /* error at the end of each step; the integral is slow: not yet 0 */
	double steady, ripple, overshoot, settle_s; /* of the worst step */
};

/* Settling: last time the speed was more than 2 % of the step away,
 * the load apart. */
static struct step_figures judge(const double *speed)
{
	struct step_figures f = { 0 };

	for (int k = 0; k < STEPS; k++) {
		double want = set_point[k], from = k > 0 ? set_point[k - 1] : 0;
		double size = want - from, sum = 0, sum2 = 0, beyond = 0, share;
		int end = k == STEPS - 1 ? LOAD_AT : (k + 1) * STEP, settled = k * STEP;

		share = 1.0 / (end - ((k + 1) * STEP - WINDOW));
		for (int i = k * STEP; i < end; i++) {
			double off = speed[i] - want;

			beyond = fmax(beyond, off / size);
			if (fabs(off) > 0.02 * fabs(size))
				settled = i + 1;
			if (i < (k + 1) * STEP - WINDOW)
				continue;
			sum += off * share;
			sum2 += off * off * share;
		}
		f.mean[k] = sum;
		f.steady = fmax(f.steady, fabs(sum));
		f.ripple = fmax(f.ripple, sqrt(fmax(sum2 - sum * sum, 0)));
		f.overshoot = fmax(f.overshoot, beyond);
		f.settle_s = fmax(f.settle_s, (settled - k * STEP) / (double)PLANT_HZ);
	}
	return f;
}

static double steady_change(const struct step_figures *exact, const struct step_figures *got)
{
	double worst = 0;

	for (int k = 0; k < STEPS; k++)
		worst = fmax(worst, fabs(got->mean[k] - exact->mean[k]));
	return worst;
}

static double rms_over_range(const double *exact, const double *got)
{
	double lo = exact[0], hi = exact[0], sum2 = 0;

	for (int i = 0; i < SAMPLES; i++) {
		lo = fmin(lo, exact[i]);
		hi = fmax(hi, exact[i]);
		sum2 += (got[i] - exact[i]) * (got[i] - exact[i]);
	}
	return sqrt(sum2 / SAMPLES) / (hi - lo);
}

/* clang-format off */
static void figures(struct loop_result *r, const struct step_figures *e,
		    const struct step_figures *g, double rms)
{
	const struct loop_figure all[] = {
		{ "loop_rms",        "of range", 0, rms, 0.01, 0.003 },
		{ "steady_change",   "rad/s",    0, steady_change(e, g), 0.5, 0.5 },
		{ "settling_change", "of exact", 0, fabs(g->settle_s / e->settle_s - 1), 0.02, 0.02 },
		{ "steady_error",    "rad/s",    e->steady, g->steady, 0, 0 },
		{ "ripple",          "rad/s",    e->ripple, g->ripple, 0, 0 },
		{ "overshoot",       "of step",  e->overshoot, g->overshoot, 0, 0 },
		{ "settling",        "s",        e->settle_s, g->settle_s, 0, 0 },
	};

	for (size_t i = 0; i < HV_ARRAY_SIZE(all); i++)
		loop_figure_add(r, all[i]);
}
/* clang-format on */

int loop_speed_run(const struct harvest_task *t, loop_map_fn map, void *ctx, uint64_t seed,
		   struct loop_result *r)
{
	hv_autofree double *exact = malloc(sizeof(*exact) * SAMPLES);
	hv_autofree double *got = malloc(sizeof(*got) * SAMPLES);
	struct step_figures e, g;
	int err;

	(void)seed; /* nothing in this loop is drawn */
	if (exact == NULL || got == NULL)
		return HV_E_NOMEM;
	err = simulate(loop_exact_map, (void *)t, exact);
	if (err == HV_OK)
		err = simulate(map, ctx, got);
	if (err != HV_OK)
		return err;
	e = judge(exact);
	g = judge(got);
	figures(r, &e, &g, rms_over_range(exact, got));
	return HV_OK;
}
