# client: libharvest, harvestctl, examples

# hvclient: everything, for harvestctl and the tests; libharvest.so exports the public part
noinst_LTLIBRARIES += libhvclient.la
libhvclient_la_SOURCES = \
	client/lib/client.c client/lib/client.h client/lib/reason.h \
	client/lib/conn.c client/lib/conn.h client/lib/dial.c client/lib/dial.h \
	client/lib/calls.c client/lib/calls.h \
	client/lib/job.c client/lib/submit.c \
	client/lib/result.c client/lib/result.h \
	client/lib/request.c client/lib/request.h
# A shared library takes convenience libraries whole, so nothing may come twice: users of
# libhvclient.la add libhvproto.la and libhvutil.la themselves.
hvclient_libs = libhvclient.la libhvproto.la libhvutil.la

pkginclude_HEADERS += client/include/harvest/harvest.h
pkgconfig_DATA += client/libharvest.pc
lib_LTLIBRARIES += libharvest.la
libharvest_la_SOURCES = util/own.c util/own.h
libharvest_la_LIBADD = libhvclient.la libhvproto.la
libharvest_la_LDFLAGS = $(AM_LDFLAGS) -version-info 0:0:0 -no-undefined \
	-Wl,--version-script=$(top_srcdir)/client/lib/libharvest.map
EXTRA_libharvest_la_DEPENDENCIES = client/lib/libharvest.map
EXTRA_DIST += client/lib/libharvest.map
