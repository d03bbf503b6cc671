#include "tasks/builtin.h"
#include "tasks/draw.h"
#include "tasks/loop_run.h"
#include "util/own.h"
#include <stdlib.h>

/* 64 runs of a planar platform, 60 s at 50 Hz. Angles in rad. The filter has two states,
 * heading and bias of the gyro; the magnetometer's angle corrects the first, the turn rate by
 * odometry the second. The map gives the angle in the first octant; folding stays here. */
enum { RUNS = 64, HZ = 50, STEPS = 60 * HZ, JUDGED_FROM = 10 * HZ };

static const double dt = 1.0 / HZ;
static const double turn_max = 1.5, turn_step = 0.03; /* rad/s, and per step */
static const double gyro_noise = 0.01, bias_start = 0.02, bias_walk = 2e-4;
static const double field_noise = 0.03, disturbance = 10 * M_PI / 180;
static const double odometry_noise = 0.05, odometry_scale = 0.02;

/* What the sensors said, and the truth. */
struct platform {
	int16_t field[STEPS][2]; /* x, y in the task's unit */
	float gyro[STEPS], odometry[STEPS];
	double heading[STEPS];
};

static int16_t field_unit(double v)
{
	return (int16_t)lround(fmin(fmax(v * FIELD_UNIT, INT16_MIN), INT16_MAX));
}

/* One reading of the field in twenty is off by 10 degrees, to either side. */
static void drive(struct platform *p, uint64_t seed, uint64_t run)
{
	struct hv_rng r = draw_record_rng(seed, UINT64_C(1) << 40 | run);
	double heading = hv_rng_uniform(&r, -M_PI, M_PI), rate = 0, bias = bias_start;
	double strength = hv_rng_uniform(&r, 0.85, 1.15);
	double scale = 1 + hv_rng_normal(&r, 0, odometry_scale);

	for (int i = 0; i < STEPS; i++) {
		double off;

		rate += hv_rng_normal(&r, 0, turn_step);
		rate = fmin(fmax(rate, -turn_max), turn_max);
		bias += hv_rng_normal(&r, 0, bias_walk);
		heading += rate * dt;
		off = hv_rng_uniform(&r, 0, 1) >= 0.05 ? 0 : disturbance;
		off = hv_rng_below(&r, 2) ? off : -off;
		p->heading[i] = heading;
		p->gyro[i] = (float)(rate + bias + hv_rng_normal(&r, 0, gyro_noise));
		p->odometry[i] = (float)(rate * scale + hv_rng_normal(&r, 0, odometry_noise));
		p->field[i][0] = field_unit(strength * cos(heading + off) +
					    hv_rng_normal(&r, 0, field_noise));
		p->field[i][1] = field_unit(strength * sin(heading + off) +
					    hv_rng_normal(&r, 0, field_noise));
	}
}

/* To 0 <= y <= x, and back. */
static void fold(const int16_t *field, int16_t *to)
{
	int x = field[0] < 0 ? -field[0] : field[0], y = field[1] < 0 ? -field[1] : field[1];

	x = x > INT16_MAX ? INT16_MAX : x;
	y = y > INT16_MAX ? INT16_MAX : y;
	to[0] = (int16_t)(x > y ? x : y);
	to[1] = (int16_t)(x > y ? y : x);
}

static double unfold(const int16_t *field, int16_t answer)
{
	double a = answer / ANGLE_UNIT;

	if (abs(field[1]) > abs(field[0]))
		a = M_PI / 2 - a;
	if (field[0] < 0)
		a = M_PI - a;
	return field[1] < 0 ? -a : a;
}

struct kalman {
	double heading, bias, p[2][2];
};

static double wrapped(double a)
{
	return a - 2 * M_PI * round(a / (2 * M_PI));
}

static void predict(struct kalman *k, double gyro)
{
	k->heading += (gyro - k->bias) * dt;
	k->p[0][0] += dt * (dt * k->p[1][1] - 2 * k->p[0][1]) + gyro_noise * gyro_noise * dt * dt;
	k->p[0][1] -= dt * k->p[1][1];
	k->p[1][1] += bias_walk * bias_walk;
}

/* One measurement of state `which` that was `surprise` away, with variance r. */
static void correct(struct kalman *k, int which, double surprise, double r)
{
	double p0 = which == 0 ? k->p[0][0] : k->p[0][1];
	double p1 = which == 0 ? k->p[0][1] : k->p[1][1];
	double s = (which == 0 ? p0 : p1) + r;

	k->heading += p0 / s * surprise;
	k->bias += p1 / s * surprise;
	k->p[0][0] -= p0 * p0 / s;
	k->p[0][1] -= p0 * p1 / s;
	k->p[1][1] -= p1 * p1 / s;
}

static void filter_step(struct kalman *k, const struct platform *p, int i, double angle)
{
	double gyro = (double)p->gyro[i], odometry = (double)p->odometry[i];
	double field_var = field_noise * field_noise + 0.05 * disturbance * disturbance;
	double rate_var = odometry_noise * odometry_noise + gyro_noise * gyro_noise +
			  odometry_scale * odometry * odometry_scale * odometry;

	if (i == 0)
		k->heading = angle;
	predict(k, gyro);
	correct(k, 0, wrapped(angle - k->heading), field_var);
	correct(k, 1, gyro - odometry - k->bias, rate_var);
}

/* All runs side by side, so that the map is asked for 64 at a time. */
static int filter_all(const struct platform *p, loop_map_fn map, void *ctx, double (*to)[STEPS])
{
	struct kalman k[RUNS];
	int16_t in[RUNS][2], out[RUNS];

	for (size_t n = 0; n < RUNS; n++)
		k[n] = (struct kalman){ .p = { { 0.01, 0 }, { 0, 0.01 } } };
	for (int i = 0; i < STEPS; i++) {
		int err;

		for (size_t n = 0; n < RUNS; n++)
			fold(p[n].field[i], in[n]);
		err = map(ctx, in, out, RUNS);
		if (err != HV_OK)
			return err;
		for (size_t n = 0; n < RUNS; n++) {
			filter_step(&k[n], &p[n], i, unfold(p[n].field[i], out[n]));
			to[n][i] = k[n].heading;
		}
	}
	return HV_OK;
}

struct heading_runs {
	struct platform platform[RUNS];
	double exact[RUNS][STEPS], got[RUNS][STEPS];
};

static void figures(const struct heading_runs *h, struct loop_result *r)
{
	const double degree = 180 / M_PI, count = (double)RUNS * (STEPS - JUDGED_FROM);
	double exact2 = 0, got2 = 0, apart2 = 0;

	for (size_t n = 0; n < RUNS; n++) {
		for (int i = JUDGED_FROM; i < STEPS; i++) {
			double e = wrapped(h->exact[n][i] - h->platform[n].heading[i]);
			double g = wrapped(h->got[n][i] - h->platform[n].heading[i]);
			double d = wrapped(h->got[n][i] - h->exact[n][i]);

			exact2 += e * e;
			got2 += g * g;
			apart2 += d * d;
		}
	}
	loop_figure_add(r, (struct loop_figure){
				   .name = "rmse_increase",
				   .unit = "of exact",
				   .value = sqrt(got2 / exact2) - 1,
				   .pass = 0.10,
				   .goal = 0.01,
			   });
	loop_figure_add(r, (struct loop_figure){
				   .name = "rmse",
				   .unit = "deg",
				   .exact = sqrt(exact2 / count) * degree,
				   .value = sqrt(got2 / count) * degree,
			   });
	loop_figure_add(r, (struct loop_figure){
				   .name = "rms_difference",
				   .unit = "deg",
				   .value = sqrt(apart2 / count) * degree,
			   });
}

int loop_heading_run(const struct harvest_task *t, loop_map_fn map, void *ctx, uint64_t seed,
		     struct loop_result *r)
{
	hv_autofree struct heading_runs *h = malloc(sizeof(*h));
	int err;

	if (h == NULL)
		return HV_E_NOMEM;
	for (size_t n = 0; n < RUNS; n++)
		drive(&h->platform[n], seed, n);
	err = filter_all(h->platform, loop_exact_map, (void *)t, h->exact);
	if (err == HV_OK)
		err = filter_all(h->platform, map, ctx, h->got);
	if (err == HV_OK)
		figures(h, r);
	return err;
}
