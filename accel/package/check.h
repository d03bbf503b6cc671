#ifndef PACKAGE_CHECK_H
#define PACKAGE_CHECK_H
#include "accel/package/package.h"
#include <stdarg.h>

/* Inside accel/package. Puts the sentence into why and returns err. */
__attribute__((format(printf, 4, 5))) int package_refuse(int err, char *why, size_t cap,
							 const char *fmt, ...);

/* The parts agree with each other, with the device's limits and, when the task is built in,
 * with the task. Everything a decoder or a builder has filled; vectors too. HV_E_FORMAT or
 * HV_E_VERSION with one sentence in why. */
HV_NODISCARD int package_check(const struct package *p, char *why, size_t cap);

/* The network of a package: limits of the device, and sizes that somebody can compute. */
HV_NODISCARD int package_check_net(const struct package *p, char *why, size_t cap);

/* Longest file of a kind. */
static inline size_t package_max_bytes(enum package_kind kind)
{
	return kind == PACKAGE_NETWORK ? PACKAGE_NETWORK_MAX_BYTES : PACKAGE_MAX_BYTES;
}

/* "[a-z0-9_-]{1,31}"; a task has no '-'. */
bool package_name_ok(const char *name, bool is_task);

#endif
