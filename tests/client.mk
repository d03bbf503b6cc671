# tests of client
client_tests = tests/unit/test_client
if HAVE_CHECK
check_PROGRAMS += $(client_tests)
TESTS += $(client_tests)
endif

tests_unit_test_client_SOURCES = tests/unit/test_client.c \
	tests/lib/fake_daemon.c tests/lib/fake_daemon.h
tests_unit_test_client_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_unit_test_client_LDADD = $(hvclient_libs) $(CHECK_LIBS)
