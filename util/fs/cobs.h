#ifndef HV_COBS_H
#define HV_COBS_H
#include <stddef.h>
#include <stdint.h>

/* Consistent overhead byte stuffing (Cheshire and Baker, 1999): no zero byte in the output,
 * so that 0x00 delimits frames; at most one byte more per 254. */
#define HV_COBS_MAX(n) ((n) + (n) / 254 + 1)

/* Encode n bytes into out, which holds HV_COBS_MAX(n). Returns the length; writes no
 * delimiter. */
size_t hv_cobs_encode(uint8_t *out, const uint8_t *in, size_t n);

/* Decode n bytes (without delimiter) in place or into out, which holds n bytes.
 * Returns the length, or 0 when the input is no COBS text (COBS text never decodes to
 * nothing useful, so 0 is free to mean an error). out may equal in. */
size_t hv_cobs_decode(uint8_t *out, const uint8_t *in, size_t n);

#endif
