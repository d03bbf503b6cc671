# The packages that were searched for, as they lie in the source tree.
check_PROGRAMS += tests/unit/test_searched tests/prop/test_domain
TESTS += tests/unit/test_searched tests/prop/test_domain
tests_prop_test_domain_SOURCES = tests/prop/test_domain.c
tests_prop_test_domain_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS) \
	-DMODELS='"$(abs_top_srcdir)/models/approx"'
tests_prop_test_domain_LDADD = libhvnas.la $(CHECK_LIBS) -lm
tests_unit_test_searched_SOURCES = tests/unit/test_searched.c
tests_unit_test_searched_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS) \
	-DMODELS='"$(abs_top_srcdir)/models/approx"'
tests_unit_test_searched_LDADD = libhvnas.la $(CHECK_LIBS)
