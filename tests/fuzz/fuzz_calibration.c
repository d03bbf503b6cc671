/* Calibration texts. What is accepted keeps to the limits; what is refused names its line and
 * leaves the constants alone. */
#include "accel/cost/calibration.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int ok)
{
	if (!ok)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cnn_calibration c, before;
	char why[200] = "";

	cnn_calibration_default(&c);
	before = c;
	if (cnn_calibration_parse((const char *)data, size, &c, why, sizeof why) < 0) {
		require(strncmp(why, "line ", 5) == 0);
		require(memcmp(c.value, before.value, sizeof c.value) == 0);
		return 0;
	}
	for (unsigned k = 0; k < CNN_CAL_KEYS; k++) {
		require(c.value[k] >= 0 && c.value[k] <= 1e9);
		require(c.measured[k] || c.value[k] == before.value[k]);
	}
	require(c.value[CNN_CAL_cnn_hz] > 0 && c.value[CNN_CAL_link_bps] > 0);
	return 0;
}
