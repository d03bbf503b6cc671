check_PROGRAMS += tests/unit/test_super
TESTS += tests/unit/test_super
tests_unit_test_super_SOURCES = tests/unit/test_super.c
tests_unit_test_super_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_unit_test_super_LDADD = libhvsuper.la libhvaccel.la libhvutil.la $(CHECK_LIBS)

# host programs, the search, harvest-nas
nas_tests = tests/unit/test_hostprog tests/unit/test_wide tests/unit/test_linear tests/prop/test_nas
if HAVE_CHECK
check_PROGRAMS += $(nas_tests)
TESTS += $(nas_tests)
endif
tests_unit_test_hostprog_SOURCES = tests/unit/test_hostprog.c
tests_unit_test_hostprog_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_unit_test_hostprog_LDADD = libhvhostprog.la libhvtasks.la libhvutil.la $(CHECK_LIBS) -lm
tests_unit_test_wide_SOURCES = tests/unit/test_wide.c
tests_unit_test_wide_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_unit_test_wide_LDADD = libhvnas.la $(CHECK_LIBS) -lm
tests_unit_test_linear_SOURCES = tests/unit/test_linear.c
tests_unit_test_linear_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_unit_test_linear_LDADD = libhvnas.la $(CHECK_LIBS) -lm
tests_prop_test_nas_SOURCES = tests/prop/test_nas.c
tests_prop_test_nas_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_prop_test_nas_LDADD = libhvnas.la $(CHECK_LIBS) -lm

check_PROGRAMS += tests/fuzz/fuzz_hostprog
TESTS += tests/fuzz/fuzz_hostprog
EXTRA_DIST += tests/fuzz/corpus/hostprog
CLEANFILES += fuzz_hostprog.crash
tests_fuzz_fuzz_hostprog_SOURCES = tests/fuzz/fuzz_hostprog.c
tests_fuzz_fuzz_hostprog_LDADD = libhvfuzz.la libhvhostprog.la libhvtasks.la libhvutil.la -lm

dist_check_SCRIPTS += tests/unit/harvest_nas.sh tests/unit/harvest_nas_list.sh
TESTS += tests/unit/harvest_nas.sh tests/unit/harvest_nas_list.sh

# plug-ins that are linear and do not say so
if HAVE_CHECK
check_LTLIBRARIES += libfilter40.la libcalibrate.la
libfilter40_la_SOURCES = tests/lib/linear_plugin.c
libfilter40_la_CPPFLAGS = $(libthermistor_la_CPPFLAGS)
libfilter40_la_LDFLAGS = $(plugin_ldflags)
libfilter40_la_LIBADD = -lm
libcalibrate_la_SOURCES = tests/lib/linear_plugin.c
libcalibrate_la_CPPFLAGS = $(libthermistor_la_CPPFLAGS) -DCALIBRATION
libcalibrate_la_LDFLAGS = $(plugin_ldflags)
libcalibrate_la_LIBADD = -lm
endif
