# tests of daemon
if HAVE_CHECK
daemon_tests = tests/unit/test_daemon
check_PROGRAMS += $(daemon_tests)
TESTS += $(daemon_tests)
endif

# a daemon in the test's process, over fake boards
daemon_world = tests/lib/daemon_world.c tests/lib/daemon_world.h \
	tests/lib/fake_boards.c tests/lib/fake_boards.h
daemon_libs = libhvipc.la libhvlog.la libhvkernels.la libhvaccel.la $(UV_LIBS)

tests_unit_test_daemon_SOURCES = tests/unit/test_daemon.c $(daemon_world)
tests_unit_test_daemon_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_daemon_LDADD = $(daemon_libs) $(CHECK_LIBS)
