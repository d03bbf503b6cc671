# tests of proto
if HAVE_CHECK
check_PROGRAMS += tests/prop/test_arq
TESTS += tests/prop/test_arq
endif

tests_prop_test_arq_SOURCES = tests/prop/test_arq.c tests/lib/arq_world.c tests/lib/arq_world.h
tests_prop_test_arq_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_prop_test_arq_LDADD = libhvlink.la libhvutil.la $(CHECK_LIBS)
