#ifndef TESTS_SLOT_RUN_H
#define TESTS_SLOT_RUN_H
#include "accel/emu/emu.h"
#include <stddef.h>
#include <stdint.h>

/* What an agent does with a slot image, written from the image's description alone: load it
 * into the emulator, lay out records, start, read the words, finish the results.
 * records <= its records_max. Returns what went wrong, NULL when nothing did. */
const char *slot_run_load(struct cnn_emu *e, const uint8_t *image, size_t len);
const char *slot_run_records(struct cnn_emu *e, const uint8_t *image, size_t len,
			     const uint8_t *in, uint8_t *out, unsigned records);

#endif
