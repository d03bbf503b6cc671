# tests of accel

# steps, build, bound, package, cli
if HAVE_CHECK
check_PROGRAMS += tests/unit/test_steps
TESTS += tests/unit/test_steps
tests_unit_test_steps_SOURCES = tests/unit/test_steps.c
tests_unit_test_steps_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_steps_LDADD = libhvsteps.la libhvutil.la $(CHECK_LIBS)
endif
