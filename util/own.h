#ifndef HV_OWN_H
#define HV_OWN_H
#include "util/fs/err.h"
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

static inline void hv_freep(void *pp)
{
	free(*(void **)pp);
}

static inline void hv_closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

#define hv_autofree  __attribute__((cleanup(hv_freep)))
#define hv_autoclose __attribute__((cleanup(hv_closep)))

/* Hand an automatic variable to the caller: returns the value, disarms the cleanup. */
#define hv_take(p)                          \
	__extension__({                     \
		__typeof__(p) t_ = (p);     \
		(p) = NULL;                 \
		t_;                         \
	})
#define hv_take_fd(fd)                      \
	__extension__({                     \
		int t_ = (fd);              \
		(fd) = -1;                  \
		t_;                         \
	})

#define HV_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Nearest HV_E_* for an errno value (positive). */
int hv_err_errno(int sys);

/* Whole file or pipe into memory, at most max_bytes. *data is returned owned; free() it.
 * HV_E_NOENT, HV_E_DENIED, HV_E_IO, HV_E_NOMEM; HV_E_FORMAT when it is longer than
 * max_bytes or no regular file and no pipe. "-" reads standard input. */
HV_NODISCARD int hv_file_read(const char *path, size_t max_bytes, uint8_t **data, size_t *len);

/* Write a whole file by way of a temporary neighbour and rename: readers see the old file
 * or the new one, never a part. Devices and pipes are written to in place. Negative: HV_E_*,
 * and errno says more. */
HV_NODISCARD int hv_file_write(const char *path, const void *data, size_t len);

/* First thing in a program: standard streams that were closed are opened so that using them
 * fails. Else the next file or socket gets their number, and is written to in their place. */
void hv_std_streams_hold(void);

#endif
