check_PROGRAMS += tests/unit/test_super
TESTS += tests/unit/test_super
tests_unit_test_super_SOURCES = tests/unit/test_super.c
tests_unit_test_super_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_unit_test_super_LDADD = libhvsuper.la libhvaccel.la libhvutil.la $(CHECK_LIBS)
