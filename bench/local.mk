# bench: one program per claim; floors and peers are measured in the same run. Not part of
# `make all`: scripts/bench builds (make bench-programs) and runs them.
EXTRA_PROGRAMS = bench/kernels bench/ipc bench/accel bench/sched bench/nas
CLEANFILES += $(EXTRA_PROGRAMS)
dist_noinst_SCRIPTS += scripts/bench bench/nas_peer.py

bench_kernels_SOURCES = bench/kernels.c bench/stats.c bench/stats.h
bench_kernels_CPPFLAGS = $(AM_CPPFLAGS) $(FFTW_CFLAGS)
bench_kernels_LDADD = libhvkernels.la libhvtasks.la $(FFTW_LIBS) -lm

bench_ipc_SOURCES = bench/ipc.c bench/floor.c bench/floor.h bench/daemon.c bench/daemon.h \
	bench/place.c bench/place.h bench/stats.c bench/stats.h
bench_ipc_LDADD = $(hvclient_libs) libhvkernels.la libhvtasks.la $(PROTOBUF_C_LIBS) \
	$(FFTW_LIBS) -lm

bench_sched_SOURCES = bench/sched.c bench/stats.c bench/stats.h
bench_sched_LDADD = libhvsched.la libhvutil.la -lm

bench_accel_SOURCES = bench/accel.c bench/peak.c bench/peak.h bench/peer.c bench/peer.h \
	bench/stats.c bench/stats.h
bench_accel_LDADD = libhvaccel.la libhvutil.la $(DNNL_LIBS)

bench_nas_SOURCES = bench/nas.c bench/stats.c bench/stats.h
bench_nas_LDADD = libhvsuper.la libhvutil.la -lm

# also run by make check, for the README's tables
check_PROGRAMS += bench/suite
bench_suite_SOURCES = bench/suite.c bench/suite.h bench/suite_markdown.c
bench_suite_LDADD = libhvsuite.la libhvnas.la

# Also run by make check, in short. The linker puts sabotage between the agent's own objects,
# which stay the product's.
check_PROGRAMS += bench/non-interference
bench_non_interference_SOURCES = bench/non-interference.c \
	bench/proof/trial.c bench/proof/trial.h bench/proof/load.c bench/proof/load.h \
	bench/proof/ring.c bench/proof/ring.h \
	bench/proof/evidence.c bench/proof/evidence.h bench/proof/report.c bench/proof/report.h \
	bench/proof/kws20.c bench/proof/kws20.h bench/proof/camera.c bench/proof/camera.h \
	bench/proof/sabotage.c bench/proof/sabotage.h tests/lib/board_peer.c tests/lib/board_peer.h
bench_non_interference_CPPFLAGS = $(AM_CPPFLAGS) -DSRCDIR='"$(abs_top_srcdir)"'
bench_non_interference_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=guard_records \
	-Wl,--wrap=ag_run_abort -Wl,--wrap=ag_quiet_plan
bench_non_interference_LDADD = libhvvboard.la libhvpackage.la libhvaccel.la libhvtasks.la \
	libhvutil.la
EXTRA_DIST += bench/data/camera.csv

bench-programs: $(EXTRA_PROGRAMS) bench/suite bench/non-interference
.PHONY: bench-programs
