# End-to-end tests: real processes, real sockets, in private directories.
EXTRA_DIST += tests/e2e/lib.sh
AM_TESTS_ENVIRONMENT = top_builddir='$(top_builddir)'; top_srcdir='$(top_srcdir)'; \
	export top_builddir top_srcdir;
