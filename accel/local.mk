# accel: what is built here

# steps and slot images: freestanding, also compiled for the board
noinst_LTLIBRARIES += libhvsteps.la
libhvsteps_la_SOURCES = accel/arch.h accel/steps/steps.c accel/steps/steps.h \
	accel/slotimg/slotimg.c accel/slotimg/slotimg.h accel/slotimg/layer.c \
	accel/loadimg/loadimg.c accel/loadimg/loadimg.h
libhvsteps_la_LIBADD = libhvfs.la

# host programs, and where records lie: exactly defined arithmetic, so no fused multiply-add
noinst_LTLIBRARIES += libhvhostprog.la
libhvhostprog_la_SOURCES = accel/hostprog/hostprog.h accel/hostprog/element.h \
	accel/hostprog/hostprog.c accel/hostprog/run.c accel/hostprog/cycles.c \
	accel/package/support.h accel/package/support.c
libhvhostprog_la_CFLAGS = $(AM_CFLAGS) -ffp-contract=off
libhvhostprog_la_LIBADD = libhvtasks.la -lm

# packages: read, run, build from matrices, certify
noinst_LTLIBRARIES += libhvpackage.la
libhvpackage_la_SOURCES = \
	accel/package/package.c accel/package/package.h accel/package/check.c \
	accel/package/check.h accel/package/decode.c accel/package/encode.c \
	accel/package/run.c accel/package/support_blob.c \
	accel/build/build.c accel/build/build.h accel/build/quantise.c accel/build/quantise.h \
	accel/bound/bound.h accel/bound/source.h accel/bound/max_abs.c accel/bound/tone.c \
	accel/bound/statistical.c accel/bound/cache.c
libhvpackage_la_LIBADD = libhvhostprog.la libhvsteps.la libhvtasks.la libhvmodelpb.la -lm

# networks from outside
noinst_LTLIBRARIES += libhvimport.la
libhvimport_la_SOURCES = \
	accel/import/import.h accel/import/reader.h accel/import/npy.c accel/import/npy.h \
	accel/import/yaml.c accel/import/keys.c accel/import/layers.c accel/import/weights.c \
	accel/import/place.c accel/import/files.c accel/import/package.c
libhvimport_la_CFLAGS = $(AM_CFLAGS) $(YAML_CFLAGS)
libhvimport_la_LIBADD = libhvpackage.la libhvaccel.la libhvutil.la $(YAML_LIBS) -lm

bin_PROGRAMS += harvest-model
harvest_model_SOURCES = \
	accel/cli/main.c accel/cli/cli.h accel/cli/open.c accel/cli/open.h \
	accel/cli/build.c accel/cli/import.c accel/cli/run.c accel/cli/cost.c accel/cli/place.c \
	accel/cli/tenant.c accel/cli/tenant.h accel/cli/image.c \
	accel/cli/bound.c accel/cli/dump.c \
	accel/cli/check.c accel/cli/check_package.c accel/cli/emulate.c
harvest_model_LDADD = libhvimport.la libhvpackage.la libhvaccel.la libhvtasks.la libhvutil.la

# the network library: description, reference, compiler, emulator, cost
noinst_LTLIBRARIES += libhvaccel.la
libhvaccel_la_SOURCES = \
	accel/num.h accel/net/net.h accel/net/check.c accel/net/shape.c \
	accel/ref/ref.h accel/ref/ref.c \
	accel/ref/fast.h accel/ref/fast_kernel.h accel/ref/fast.c accel/ref/fast_plain.c \
	accel/ref/fast_x86.c accel/ref/fast_neon.c \
	accel/image/image.h accel/image/geometry.h accel/image/geometry.c \
	accel/image/build.c accel/image/pack.c accel/image/place.c accel/image/sequence.c accel/image/stream.c \
	accel/image/footprint.h accel/image/footprint.c accel/image/certify.h accel/image/certify.c \
	accel/image/delta.h accel/image/delta.c \
	accel/emu/emu.h accel/emu/state.h accel/emu/layer.h accel/emu/emu.c \
	accel/emu/kernel.c accel/emu/decode.c accel/emu/run.c accel/emu/dot.h accel/emu/dot.c \
	accel/emu/written.c \
	accel/cost/cost.h accel/cost/cost.c accel/cost/cycles.h accel/cost/cycles.c \
	accel/cost/calibration.h accel/cost/calibration.c \
	accel/slotimg/build.h accel/slotimg/build.c \
	accel/loadimg/build.h accel/loadimg/build.c \
	accel/kat/kat.h accel/kat/parser.h accel/kat/fields.c accel/kat/records.c \
	accel/kat/parse.c accel/kat/check.c
# the sums of products are worth vectors even in an -O2 build
libhvaccel_la_CFLAGS = $(AM_CFLAGS) $(VECTOR_CFLAGS) $(ZLIB_CFLAGS)
libhvaccel_la_LIBADD = libhvsteps.la libhvutil.la $(ZLIB_LIBS)
VECTOR_CFLAGS = -ftree-vectorize -fvect-cost-model=dynamic
