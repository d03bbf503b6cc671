#ifndef CNN_EMU_DOT_H
#define CNN_EMU_DOT_H
#include <stddef.h>
#include <stdint.h>

/* out[i] = sum over n of x[n] * w[i * step + n], for four i: what a host's multiply-add of
 * neighbouring 16-bit pairs is for. */
typedef void emu_dot4(const int16_t *x, const int16_t *w, size_t step, size_t n, int32_t out[4]);

/* The best one for this CPU. All give the same sums. */
emu_dot4 *emu_dot4_best(void);

#endif
