#ifndef CNN_CALIBRATION_H
#define CNN_CALIBRATION_H
#include "util/fs/err.h"
#include <stdbool.h>
#include <stddef.h>

/* Constants of the cost model that silicon decides. Defaults are documents' words; a board's
 * measurements replace them, one by one, from a text of lines `key = value`; '#' begins a
 * comment. Key, member, default, least, most, source of the default: */
/* clang-format off */
#define CNN_CALIBRATION(X) \
	X(bus_write_ns, 280, 1, 1e6, "the vendor generator's budget per 32-bit write") \
	X(bus_read_ns, 230, 1, 1e6, "the vendor generator's budget per 32-bit read") \
	X(cnn_hz, 50e6, 1e3, 50e6, "user guide: 50 MHz is the most on this device") \
	X(run_overhead_us, 11, 0, 1e6, "start, interrupt and timer: published measurements of " \
	  "three networks lie 6 to 11 us above their cycles") \
	X(pj_per_mac, 11, 0, 1e6, "0.09 mJ published for a face network of 8.2 million products; " \
	  "holds all the chip spent, so an upper bound") \
	X(static_mw, 0, 0, 1e5, "no number is published; the bound above contains it") \
	X(write_pj, 0, 0, 1e9, "no number is published; per 32-bit bus write") \
	X(link_bps, 1e6, 1200, 1e9, "line rate the board's agent starts with") \
	X(link_bits_per_byte, 10, 8, 12, "a start and a stop bit beside eight")
/* clang-format on */

enum cnn_calibration_key {
#define X(name, value, least, most, source) CNN_CAL_##name,
	CNN_CALIBRATION(X)
#undef X
		CNN_CAL_KEYS
};

enum { CNN_CALIBRATION_BYTES_MAX = 65536 };

struct cnn_calibration {
	double value[CNN_CAL_KEYS];
	bool measured[CNN_CAL_KEYS]; /* came from a calibration; else the default */
};

void cnn_calibration_default(struct cnn_calibration *c);
const char *cnn_calibration_name(enum cnn_calibration_key k);
const char *cnn_calibration_source(enum cnn_calibration_key k);

/* Text over defaults. HV_E_FORMAT with a sentence in why that begins with the line's number and
 * names key and limit; *c is then as it was. */
HV_NODISCARD int cnn_calibration_parse(const char *text, size_t len, struct cnn_calibration *c,
				       char *why, size_t cap);
/* HV_E_NOENT, HV_E_IO, HV_E_FORMAT, HV_E_NOMEM; why does not name the file. */
HV_NODISCARD int cnn_calibration_read(const char *path, struct cnn_calibration *c, char *why,
				      size_t cap);

#endif
