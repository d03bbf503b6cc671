# tasks: what a job is. libhvtasks has the definitions; libhvkernels the host-speed kernels,
# and with them FFTW: only harvestd, tests and benchmarks link it (see NOTICE).
noinst_LTLIBRARIES += libhvtasks.la libhvkernels.la
libhvtasks_la_SOURCES = \
	tasks/task.h tasks/loop.h tasks/catalog.h tasks/catalog.c tasks/tasks.def tasks/builtin.h \
	tasks/matrix.c tasks/metric.h tasks/metric.c \
	tasks/draw.h tasks/sample.c tasks/sample_image.c tasks/sample_point.c tasks/scene.c \
	tasks/fft_ref.c tasks/fir_ref.c tasks/dct_ref.c tasks/matvec_ref.c tasks/iir_ref.c \
	tasks/specmag_ref.c tasks/sobel_ref.c tasks/jpeg_ref.c tasks/feature_ref.c \
	tasks/arm_ref.c tasks/kmeans_ref.c tasks/blackscholes_ref.c tasks/jmeint_ref.c \
	tasks/control_ref.c tasks/motor.h \
	tasks/loop_run.h tasks/loop.c tasks/loop_iir.c tasks/loop_kmeans.c tasks/loop_speed.c \
	tasks/loop_heading.c tasks/loop_jpeg.c tasks/loop_records.c tasks/plugin_elf.h tasks/plugin_elf.c
libhvtasks_la_LIBADD = libhvutil.la -lpthread -lm

# Tasks from shared objects: libhvplugin for who uses them, harvest-plugin is the process that
# they live in.
noinst_LTLIBRARIES += libhvplugin.la
libhvplugin_la_SOURCES = \
	tasks/plugin.h tasks/plugin.c tasks/plugin_check.h tasks/plugin_check.c tasks/plugin_wire.h \
	tasks/plugin_inside.h tasks/plugin_worker.c tasks/plugin_examine.c
libhvplugin_la_CPPFLAGS = $(AM_CPPFLAGS) -DPKGLIBEXECDIR='"$(pkglibexecdir)"'
libhvplugin_la_LIBADD = libhvtasks.la libhvutil.la -lm
pkglibexec_PROGRAMS += harvest-plugin
harvest_plugin_SOURCES = tasks/plugin_host.c tasks/plugin_wire.h tasks/plugin_jail.h tasks/plugin_jail.c
harvest_plugin_LDADD = libhvtasks.la libhvutil.la -ldl -lpthread

# The conversions vectorise at any -O level: the loops are written in vectors.
libhvkernels_la_SOURCES = \
	tasks/kernel.h tasks/kernel.c tasks/fast.h tasks/fft_fast.c tasks/linear_fast.c \
	tasks/block_fast.c tasks/specmag_fast.c
libhvkernels_la_CPPFLAGS = $(AM_CPPFLAGS) $(FFTW_CFLAGS)
libhvkernels_la_LIBADD = libhvtasks.la $(FFTW_LIBS) -lm

# <harvest/task.h>: the plug-in header sits beside the client's <harvest/harvest.h>
pkginclude_HEADERS += tasks/task.h
EXTRA_DIST += docs/concepts/tasks.md

# Where plug-ins begin: see docs/tutorial-plugin.md
plugintemplatedir = $(pkgdatadir)/template
dist_plugintemplate_DATA = tasks/template/thermistor.c
