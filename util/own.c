#include "util/own.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

int hv_err_errno(int sys)
{
	switch (sys) {
	case 0: return HV_OK;
	case EINVAL: return HV_E_INVAL;
	case ENOMEM: return HV_E_NOMEM;
	case ETIMEDOUT: return HV_E_TIMEOUT;
	case EBUSY:
	case EMFILE:
	case ENFILE:
	case EAGAIN: return HV_E_BUSY;
	case EACCES:
	case EPERM: return HV_E_DENIED;
	case ENOENT:
	case ENOTDIR:
	case ENODEV: return HV_E_NOENT;
	case EPIPE:
	case ECONNRESET:
	case ECONNREFUSED: return HV_E_GONE;
	default: return HV_E_IO;
	}
}

static int read_grow(int fd, size_t max_bytes, uint8_t **data, size_t *len)
{
	hv_autofree uint8_t *buf = NULL;
	size_t cap = 0, n = 0;

	for (;;) {
		ssize_t r;

		if (n == cap) {
			uint8_t *bigger;

			cap = cap ? cap * 2 : 65536;
			bigger = realloc(buf, cap);
			if (bigger == NULL)
				return HV_E_NOMEM;
			buf = bigger;
		}
		r = read(fd, buf + n, cap - n);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return hv_err_errno(errno);
		if (r == 0)
			break;
		n += (size_t)r;
		if (n > max_bytes)
			return HV_E_FORMAT;
	}
	*data = hv_take(buf);
	*len = n;
	return HV_OK;
}

int hv_file_read(const char *path, size_t max_bytes, uint8_t **data, size_t *len)
{
	hv_autoclose int fd = -1;
	struct stat st;

	if (strcmp(path, "-") == 0)
		return read_grow(STDIN_FILENO, max_bytes, data, len);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0)
		return hv_err_errno(errno);
	if (!S_ISREG(st.st_mode) && !S_ISFIFO(st.st_mode))
		return HV_E_FORMAT;
	if (S_ISREG(st.st_mode) && (uint64_t)st.st_size > max_bytes)
		return HV_E_FORMAT;
	if (S_ISFIFO(st.st_mode) && fcntl(fd, F_SETFL, 0) < 0)
		return hv_err_errno(errno);
	return read_grow(fd, max_bytes, data, len);
}

static int write_all(int fd, const uint8_t *p, size_t n)
{
	while (n > 0) {
		ssize_t r = write(fd, p, n);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return hv_err_errno(errno);
		p += r;
		n -= (size_t)r;
	}
	return fsync(fd) < 0 && errno != EINVAL && errno != EROFS ? hv_err_errno(errno) : HV_OK;
}

/* A new file beside path, named after us; *tmp is returned owned. Negative: HV_E_*. */
static int neighbour_open(const char *path, char **tmp)
{
	for (int i = 0; i < 100; i++) {
		int fd, err;

		if (asprintf(tmp, "%s.%ld-%d", path, (long)getpid(), i) < 0) {
			*tmp = NULL;
			return HV_E_NOMEM;
		}
		fd = open(*tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
		if (fd >= 0)
			return fd;
		err = errno;
		free(*tmp);
		*tmp = NULL;
		if (err != EEXIST)
			return hv_err_errno(err);
	}
	return HV_E_BUSY;
}

/* Devices and pipes are written to, never replaced: /dev/null must stay /dev/null. */
static int special_write(const char *path, const void *data, size_t len)
{
	hv_autoclose int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd < 0 ? hv_err_errno(errno) : write_all(fd, data, len);
}

int hv_file_write(const char *path, const void *data, size_t len)
{
	hv_autofree char *tmp = NULL;
	struct stat st;
	int fd, err;

	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
		return special_write(path, data, len);
	fd = neighbour_open(path, &tmp);
	if (fd < 0)
		return fd;
	err = write_all(fd, data, len);
	if (close(fd) < 0 && err == HV_OK)
		err = hv_err_errno(errno);
	if (err == HV_OK && rename(tmp, path) < 0)
		err = hv_err_errno(errno);
	if (err != HV_OK) {
		int cause = errno;

		unlink(tmp);
		errno = cause;
	}
	return err;
}

void hv_std_streams_hold(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
			(void)!open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}
