#ifndef TASKS_DRAW_H
#define TASKS_DRAW_H
#include "util/rng.h"
#include <stddef.h>

/* Inside of tasks/: what samplers share. Levels are rms, 0 dBFS = 1.0 = 32768. */

/* Generator of one record. Neighbouring seeds and indices share nothing. */
struct hv_rng draw_record_rng(uint64_t seed, uint64_t index);

/* Nearest q15, clipped as a converter would. */
int16_t draw_q15(double v);

/* One run of a real signal: white noise at -12 dBFS, three tones, speech-like at -15 dBFS,
 * white noise at -40 dBFS. kind is taken modulo their number. */
enum { DRAW_SIGNALS = 4 };
void draw_signal(struct hv_rng *r, uint64_t kind, int16_t *x, size_t n);

/* AR(2) noise with poles .95 exp(+-.3 i), rms 1, from a start that has settled. */
void draw_ar2(struct hv_rng *r, double *x, size_t n);

/* Test pictures, made from a seed: 1/f noise (power falls with the square of the frequency),
 * 20 random filled polygons and disks of random grey, then a Gaussian blur of sigma
 * U(0, 1.5). The three channels of one picture share shapes and blur, not greys and noise. */
enum { SCENE_SIDE = 128, SCENE_SHAPES = 20 };
void scene_draw(uint64_t seed, uint64_t number, unsigned channel,
		uint8_t px[SCENE_SIDE][SCENE_SIDE]);
/* Channel 0, kept until the thread asks for another one. */
const uint8_t (*scene_grey(uint64_t seed, uint64_t number))[SCENE_SIDE];

#endif
