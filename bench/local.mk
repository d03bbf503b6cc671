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

bench-programs: $(EXTRA_PROGRAMS)
.PHONY: bench-programs
