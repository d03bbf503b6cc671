#ifndef HOSTPROG_ELEMENT_H
#define HOSTPROG_ELEMENT_H
#include "tasks/task.h"
#include <math.h>
#include <string.h>

/* Inside accel/hostprog: elements of records and answers, little-endian, at any address. */
static inline double element_load(enum harvest_dtype t, const uint8_t *record, size_t i)
{
	int16_t s16;
	uint16_t u16;
	int32_t s32;
	float f32;
	double f64;

	switch (t) {
	case HARVEST_S8: return (int8_t)record[i];
	case HARVEST_U8: return record[i];
	case HARVEST_S16: memcpy(&s16, record + 2 * i, 2); return s16;
	case HARVEST_U16: memcpy(&u16, record + 2 * i, 2); return u16;
	case HARVEST_S32: memcpy(&s32, record + 4 * i, 4); return s32;
	case HARVEST_F32: memcpy(&f32, record + 4 * i, 4); return (double)f32;
	case HARVEST_F64: memcpy(&f64, record + 8 * i, 8); return f64;
	}
	return 0;
}

static inline double element_fit(double v, double lo, double hi)
{
	if (isnan(v))
		return 0;
	v = round(v);
	return v < lo ? lo : v > hi ? hi : v;
}

static inline void element_store(enum harvest_dtype t, uint8_t *answer, size_t i, double v)
{
	int16_t s16;
	uint16_t u16;
	int32_t s32;
	float f32;

	switch (t) {
	case HARVEST_S8: answer[i] = (uint8_t)(int8_t)element_fit(v, -128, 127); return;
	case HARVEST_U8: answer[i] = (uint8_t)element_fit(v, 0, 255); return;
	case HARVEST_S16:
		s16 = (int16_t)element_fit(v, INT16_MIN, INT16_MAX);
		memcpy(answer + 2 * i, &s16, 2);
		return;
	case HARVEST_U16:
		u16 = (uint16_t)element_fit(v, 0, UINT16_MAX);
		memcpy(answer + 2 * i, &u16, 2);
		return;
	case HARVEST_S32:
		s32 = (int32_t)element_fit(v, INT32_MIN, INT32_MAX);
		memcpy(answer + 4 * i, &s32, 4);
		return;
	case HARVEST_F32:
		f32 = (float)v;
		memcpy(answer + 4 * i, &f32, 4);
		return;
	case HARVEST_F64: memcpy(answer + 8 * i, &v, 8); return;
	}
}

#endif
