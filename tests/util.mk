# tests of util
if HAVE_CHECK
util_tests = tests/unit/test_fs tests/unit/test_util
check_PROGRAMS += $(util_tests)
TESTS += $(util_tests)
endif

tests_unit_test_fs_SOURCES = tests/unit/test_fs.c
tests_unit_test_fs_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_unit_test_fs_LDADD = libhvutil.la $(CHECK_LIBS)
tests_unit_test_util_SOURCES = tests/unit/test_util.c
tests_unit_test_util_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_unit_test_util_LDADD = libhvutil.la $(CHECK_LIBS) -lm
