# End-to-end tests: real processes, real sockets, in private directories.
EXTRA_DIST += tests/e2e/lib.sh
e2e_tests = tests/e2e/30-precision.sh tests/e2e/35-suite.sh tests/e2e/40-unplug.sh tests/e2e/45-boards.sh \
	tests/e2e/50-faults.sh tests/e2e/16-tasks.sh tests/e2e/55-plugins.sh tests/e2e/57-plugin-package.sh tests/e2e/58-linear-plugins.sh tests/e2e/59-suspension.sh tests/e2e/60-non-interference.sh
e2e_tests += tests/e2e/47-details.sh
# skipped unless `make firmware` was run and the emulator is installed
e2e_tests += tests/emu/mps2.sh tests/emu/max78000fthr.sh tests/emu/non_interference.sh
dist_check_SCRIPTS += $(e2e_tests)
TESTS += $(e2e_tests)
AM_TESTS_ENVIRONMENT = top_builddir='$(top_builddir)'; top_srcdir='$(top_srcdir)'; \
	export top_builddir top_srcdir;

check_PROGRAMS += tests/lib/records tests/lib/forge
tests_lib_forge_SOURCES = tests/lib/forge.c
tests_lib_forge_LDADD = libhvpackage.la libhvaccel.la libhvtasks.la libhvutil.la
tests_lib_records_SOURCES = tests/lib/records.c
tests_lib_records_LDADD = libhvtasks.la libhvutil.la
check_PROGRAMS += tests/lib/repack
tests_lib_repack_SOURCES = tests/lib/repack.c
tests_lib_repack_LDADD = libhvpackage.la libhvaccel.la libhvtasks.la libhvutil.la -lm
