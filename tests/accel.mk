# tests of accel

# net, ref, image, emu, cost, kat, slotimg
accel_net_tests = tests/unit/test_loadimg tests/prop/test_accel tests/prop/test_residents tests/prop/test_emu_hostile tests/prop/test_slotimg tests/prop/test_slotimg_any tests/unit/test_accel_num \
	tests/unit/test_accel_kat tests/unit/test_accel_emu tests/unit/test_accel_net \
	tests/unit/test_calibration
if HAVE_CHECK
check_PROGRAMS += $(accel_net_tests)
TESTS += $(accel_net_tests)
endif
tests_prop_test_accel_SOURCES = tests/prop/test_accel.c tests/lib/accel_nets.c \
	tests/lib/accel_nets.h tests/lib/fast_twins.c tests/lib/fast_twins.h
tests_prop_test_accel_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_prop_test_accel_LDADD = libhvaccel.la libhvutil.la $(CHECK_LIBS)
tests_unit_test_loadimg_SOURCES = tests/unit/test_loadimg.c tests/lib/accel_nets.c \
	tests/lib/accel_nets.h
tests_unit_test_loadimg_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS) -DSRCDIR='"$(abs_top_srcdir)"'
tests_unit_test_loadimg_LDADD = libhvimport.la libhvpackage.la libhvaccel.la libhvutil.la $(CHECK_LIBS)
tests_unit_test_calibration_SOURCES = tests/unit/test_calibration.c
tests_unit_test_calibration_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_unit_test_calibration_LDADD = libhvaccel.la libhvutil.la $(CHECK_LIBS)
tests_prop_test_emu_hostile_SOURCES = tests/prop/test_emu_hostile.c tests/lib/accel_nets.c \
	tests/lib/accel_nets.h
tests_prop_test_emu_hostile_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_prop_test_emu_hostile_LDADD = libhvaccel.la libhvutil.la $(CHECK_LIBS)
tests_prop_test_residents_SOURCES = tests/prop/test_residents.c tests/lib/accel_nets.c \
	tests/lib/accel_nets.h
tests_prop_test_residents_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_prop_test_residents_LDADD = libhvaccel.la libhvutil.la $(CHECK_LIBS)
tests_unit_test_accel_num_SOURCES = tests/unit/test_accel_num.c
tests_unit_test_accel_num_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_unit_test_accel_num_LDADD = $(CHECK_LIBS) -lm
tests_unit_test_accel_kat_SOURCES = tests/unit/test_accel_kat.c
tests_unit_test_accel_kat_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS) -DSRCDIR='"$(abs_top_srcdir)"'
tests_unit_test_accel_kat_LDADD = libhvaccel.la libhvutil.la $(CHECK_LIBS)
tests_unit_test_accel_emu_SOURCES = tests/unit/test_accel_emu.c
tests_unit_test_accel_emu_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_unit_test_accel_emu_LDADD = libhvaccel.la libhvutil.la $(CHECK_LIBS)
tests_unit_test_accel_net_SOURCES = tests/unit/test_accel_net.c
tests_unit_test_accel_net_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_unit_test_accel_net_LDADD = libhvaccel.la libhvutil.la $(CHECK_LIBS)
tests_prop_test_slotimg_SOURCES = tests/prop/test_slotimg.c tests/lib/accel_nets.c \
	tests/lib/accel_nets.h
tests_prop_test_slotimg_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_prop_test_slotimg_LDADD = libhvaccel.la libhvutil.la $(CHECK_LIBS)

tests_prop_test_slotimg_any_SOURCES = tests/prop/test_slotimg_any.c tests/lib/accel_nets.c \
	tests/lib/accel_nets.h tests/lib/slot_run.c tests/lib/slot_run.h
tests_prop_test_slotimg_any_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_prop_test_slotimg_any_LDADD = libhvaccel.la libhvutil.la $(CHECK_LIBS)

accel_fuzz = tests/fuzz/fuzz_kat tests/fuzz/fuzz_slotimg tests/fuzz/fuzz_calibration
check_PROGRAMS += $(accel_fuzz)
TESTS += $(accel_fuzz)
EXTRA_DIST += tests/fuzz/corpus/kat tests/fuzz/corpus/slotimg tests/fuzz/corpus/calibration
CLEANFILES += fuzz_kat.crash fuzz_slotimg.crash fuzz_calibration.crash
tests_fuzz_fuzz_kat_SOURCES = tests/fuzz/fuzz_kat.c
tests_fuzz_fuzz_kat_LDADD = libhvfuzz.la libhvaccel.la libhvutil.la
tests_fuzz_fuzz_calibration_SOURCES = tests/fuzz/fuzz_calibration.c
tests_fuzz_fuzz_calibration_LDADD = libhvfuzz.la libhvaccel.la libhvutil.la
tests_fuzz_fuzz_slotimg_SOURCES = tests/fuzz/fuzz_slotimg.c
tests_fuzz_fuzz_slotimg_LDADD = libhvfuzz.la libhvsteps.la libhvutil.la

# steps, build, bound, package, cli
package_tests = tests/unit/test_steps tests/unit/test_support tests/unit/test_package tests/unit/test_build \
	tests/prop/test_bound tests/prop/test_package_emulator tests/prop/test_hosted
package_libs = libhvpackage.la libhvaccel.la libhvtasks.la libhvutil.la
if HAVE_CHECK
check_PROGRAMS += $(package_tests)
TESTS += $(package_tests)
endif
tests_unit_test_steps_SOURCES = tests/unit/test_steps.c
tests_unit_test_steps_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_unit_test_steps_LDADD = libhvsteps.la libhvutil.la $(CHECK_LIBS)
tests_prop_test_package_emulator_SOURCES = tests/prop/test_package_emulator.c \
	tests/lib/slot_run.c tests/lib/slot_run.h
tests_prop_test_package_emulator_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_prop_test_package_emulator_LDADD = $(package_libs) $(CHECK_LIBS)
tests_unit_test_support_SOURCES = tests/unit/test_support.c
tests_unit_test_support_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_unit_test_support_LDADD = $(package_libs) $(CHECK_LIBS)
tests_unit_test_package_SOURCES = tests/unit/test_package.c tests/lib/package_make.c \
	tests/lib/package_make.h
tests_unit_test_package_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_unit_test_package_LDADD = $(package_libs) $(CHECK_LIBS)
tests_unit_test_build_SOURCES = tests/unit/test_build.c tests/lib/package_make.c \
	tests/lib/package_make.h
tests_unit_test_build_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_unit_test_build_LDADD = $(package_libs) $(CHECK_LIBS)
tests_prop_test_bound_SOURCES = tests/prop/test_bound.c
tests_prop_test_bound_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_prop_test_bound_LDADD = $(package_libs) $(CHECK_LIBS) -lm

package_fuzz = tests/fuzz/fuzz_package tests/fuzz/fuzz_support tests/fuzz/fuzz_model_npy
check_PROGRAMS += $(package_fuzz)
TESTS += $(package_fuzz)
EXTRA_DIST += tests/fuzz/corpus/package tests/fuzz/corpus/support tests/fuzz/corpus/model_npy
CLEANFILES += fuzz_package.crash fuzz_support.crash fuzz_model_npy.crash
tests_fuzz_fuzz_package_SOURCES = tests/fuzz/fuzz_package.c
tests_fuzz_fuzz_package_LDADD = libhvfuzz.la $(package_libs)
tests_fuzz_fuzz_support_SOURCES = tests/fuzz/fuzz_support.c
tests_fuzz_fuzz_support_LDADD = libhvfuzz.la $(package_libs)
tests_fuzz_fuzz_model_npy_SOURCES = tests/fuzz/fuzz_model_npy.c accel/import/npy.c accel/import/npy.h
tests_fuzz_fuzz_model_npy_LDADD = libhvfuzz.la libhvutil.la

dist_check_SCRIPTS += tests/unit/harvest_model.sh
EXTRA_DIST += tests/unit/tool.sh
TESTS += tests/unit/harvest_model.sh

check_PROGRAMS += tests/fuzz/fuzz_steps
TESTS += tests/fuzz/fuzz_steps
EXTRA_DIST += tests/fuzz/corpus/steps
CLEANFILES += fuzz_steps.crash
tests_fuzz_fuzz_steps_SOURCES = tests/fuzz/fuzz_steps.c
tests_fuzz_fuzz_steps_LDADD = libhvfuzz.la libhvsteps.la

# networks from outside
import_libs = libhvimport.la $(package_libs)
import_tests = tests/prop/test_import tests/unit/test_import
if HAVE_CHECK
check_PROGRAMS += $(import_tests)
TESTS += $(import_tests)
endif
tests_prop_test_import_SOURCES = tests/prop/test_import.c tests/lib/accel_nets.c \
	tests/lib/accel_nets.h tests/lib/net_yaml.c tests/lib/net_yaml.h tests/lib/temp_dir.h
tests_prop_test_import_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS) -DSRCDIR='"$(abs_top_srcdir)"'
tests_prop_test_import_LDADD = libhvvboard.la $(import_libs) $(CHECK_LIBS)
tests_unit_test_import_SOURCES = tests/unit/test_import.c
tests_unit_test_import_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS) \
	-DDATA='"$(abs_top_srcdir)/tests/data/import"'
tests_unit_test_import_LDADD = $(import_libs) $(CHECK_LIBS)
EXTRA_DIST += tests/data/import

check_PROGRAMS += tests/fuzz/fuzz_import_yaml
TESTS += tests/fuzz/fuzz_import_yaml
EXTRA_DIST += tests/fuzz/corpus/import_yaml
CLEANFILES += fuzz_import_yaml.crash
tests_fuzz_fuzz_import_yaml_SOURCES = tests/fuzz/fuzz_import_yaml.c
tests_fuzz_fuzz_import_yaml_LDADD = libhvfuzz.la $(import_libs)

# built by scripts/check-arm64 alone
EXTRA_DIST += tests/prop/fast_twins.c
tests_prop_test_hosted_SOURCES = tests/prop/test_hosted.c tests/lib/slot_run.c tests/lib/slot_run.h
tests_prop_test_hosted_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_prop_test_hosted_LDADD = $(package_libs) $(CHECK_LIBS) -lm
