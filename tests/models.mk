# The packages that were searched for, as they lie in the source tree.
check_PROGRAMS += tests/unit/test_searched
TESTS += tests/unit/test_searched
tests_unit_test_searched_SOURCES = tests/unit/test_searched.c
tests_unit_test_searched_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS) \
	-DMODELS='"$(abs_top_srcdir)/models/approx"'
tests_unit_test_searched_LDADD = libhvnas.la $(CHECK_LIBS)
