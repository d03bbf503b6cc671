# tasks: what a job is. libhvtasks has the definitions; libhvkernels the host-speed kernels,
# and with them FFTW: only harvestd, tests and benchmarks link it (see NOTICE).
noinst_LTLIBRARIES += libhvtasks.la libhvkernels.la
libhvtasks_la_SOURCES = \
	tasks/task.h tasks/plugin.h tasks/loop.h tasks/catalog.h tasks/catalog.c tasks/tasks.def tasks/builtin.h \
	tasks/matrix.c tasks/sample.c tasks/metric.h tasks/metric.c \
	tasks/fft_ref.c tasks/fir_ref.c tasks/dct_ref.c tasks/matvec_ref.c
libhvtasks_la_LIBADD = libhvutil.la -lpthread -lm

# The conversions vectorise at any -O level: the loops are written in vectors.
libhvkernels_la_SOURCES = \
	tasks/kernel.h tasks/kernel.c tasks/fast.h tasks/fft_fast.c tasks/linear_fast.c
libhvkernels_la_CPPFLAGS = $(AM_CPPFLAGS) $(FFTW_CFLAGS)
libhvkernels_la_LIBADD = libhvtasks.la $(FFTW_LIBS) -lm

# <harvest/task.h>: the plug-in header sits beside the client's <harvest/harvest.h>
pkginclude_HEADERS += tasks/task.h
EXTRA_DIST += docs/concepts/tasks.md
