# nas: what is built here

# the supernet
noinst_LTLIBRARIES += libhvsuper.la
libhvsuper_la_SOURCES = nas/super/super.h nas/super/net.h nas/super/super.c nas/super/net.c \
	nas/super/pick.c nas/super/cost.c
libhvsuper_la_CPPFLAGS = $(AM_CPPFLAGS) $(OPENBLAS_CFLAGS)
libhvsuper_la_CFLAGS = $(AM_CFLAGS) $(VECTOR_CFLAGS) -ffp-contract=off
libhvsuper_la_LIBADD = libhvutil.la $(OPENBLAS_LIBS) -lm
