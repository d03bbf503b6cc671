/* Rounding, shifts and saturation exactly as the hardware does them. Freestanding. */
#ifndef CNN_NUM_H
#define CNN_NUM_H
#include <stdbool.h>
#include <stdint.h>

static inline int32_t cnn_num_clamp8(int64_t v)
{
	if (v < -128)
		return -128;
	return v > 127 ? 127 : (int32_t)v;
}

/* clamp(floor(acc * 2^shift / 128 + 1/2), -128, 127); shift -15..15. Half rounds up. */
static inline int32_t cnn_num_requant(int32_t acc, int shift)
{
	int right = 7 - shift;

	if (right > 0)
		return cnn_num_clamp8(((int64_t)acc + ((int64_t)1 << (right - 1))) >> right);
	return cnn_num_clamp8((int64_t)acc * ((int64_t)1 << -right));
}

static inline int32_t cnn_num_relu(int32_t v)
{
	return v > 0 ? v : 0;
}

/* min(|v|, 127) */
static inline int32_t cnn_num_abs(int32_t v)
{
	int32_t a = v < 0 ? -v : v;

	return a > 127 ? 127 : a;
}

/* Mean of n values by their sum: truncated toward zero, or rounded half away from zero. */
static inline int32_t cnn_num_mean(int32_t sum, int32_t n, bool round)
{
	int32_t mag = sum < 0 ? -sum : sum;

	mag = round ? (2 * mag + n) / (2 * n) : mag / n;
	return sum < 0 ? -mag : mag;
}

#endif
