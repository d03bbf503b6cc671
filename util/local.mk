# fs: freestanding half, also compiled for the board
noinst_LTLIBRARIES += libhvfs.la libhvutil.la
libhvfs_la_SOURCES = \
	util/fs/err.c util/fs/err.h util/fs/rd.h util/fs/wr.h \
	util/fs/crc32.c util/fs/crc32.h util/fs/cobs.c util/fs/cobs.h \
	util/fs/sha256.c util/fs/sha256.h

libhvutil_la_SOURCES = \
	util/own.c util/own.h util/rng.c util/rng.h util/clock.h util/arena.h \
	util/json_out.c util/json_out.h util/blob_f64.h
libhvutil_la_LIBADD = libhvfs.la -lm
