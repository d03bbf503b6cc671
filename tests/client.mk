# tests of client
client_tests = tests/unit/test_client tests/unit/test_client_faults tests/unit/test_result tests/unit/test_samples \
	tests/unit/test_ctl_table
if HAVE_CHECK
check_PROGRAMS += $(client_tests)
TESTS += $(client_tests)
endif

tests_unit_test_client_SOURCES = tests/unit/test_client.c \
	tests/lib/fake_daemon.c tests/lib/fake_daemon.h
tests_unit_test_client_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_unit_test_client_LDADD = $(hvclient_libs) $(CHECK_LIBS)
tests_unit_test_client_faults_SOURCES = tests/unit/test_client_faults.c \
	tests/lib/fake_daemon.c tests/lib/fake_daemon.h
tests_unit_test_client_faults_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_unit_test_client_faults_LDADD = $(hvclient_libs) $(CHECK_LIBS)
tests_unit_test_result_SOURCES = tests/unit/test_result.c
tests_unit_test_result_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_unit_test_result_LDADD = $(hvclient_libs) $(CHECK_LIBS)
tests_unit_test_samples_SOURCES = tests/unit/test_samples.c
tests_unit_test_samples_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_unit_test_samples_LDADD = $(hvctl_libs) $(CHECK_LIBS)
tests_unit_test_ctl_table_SOURCES = tests/unit/test_ctl_table.c
tests_unit_test_ctl_table_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS) -DSRCDIR='"$(abs_top_srcdir)"'
tests_unit_test_ctl_table_LDADD = $(hvctl_libs) $(CHECK_LIBS)

# Scripts: of libharvest's public side here, of the command line in tests/e2e
client_scripts = tests/abi/libharvest.sh tests/e2e/10-cli-bad-input.sh tests/e2e/11-cli-jobs.sh \
	tests/e2e/12-cli-boards.sh
dist_check_SCRIPTS += $(client_scripts)
TESTS += $(client_scripts)
check_PROGRAMS += tests/lib/rude
tests_lib_rude_SOURCES = tests/lib/rude.c
tests_lib_rude_LDADD = libhvproto.la libhvutil.la

client_fuzz = tests/fuzz/fuzz_result tests/fuzz/fuzz_npy tests/fuzz/fuzz_csv tests/fuzz/fuzz_jobfile
check_PROGRAMS += $(client_fuzz)
TESTS += $(client_fuzz)
EXTRA_DIST += tests/fuzz/corpus/result tests/fuzz/corpus/npy tests/fuzz/corpus/csv \
	tests/fuzz/corpus/jobfile
CLEANFILES += fuzz_result.crash fuzz_npy.crash fuzz_csv.crash fuzz_jobfile.crash
tests_fuzz_fuzz_result_SOURCES = tests/fuzz/fuzz_result.c
tests_fuzz_fuzz_result_LDADD = libhvfuzz.la $(hvclient_libs)
tests_fuzz_fuzz_npy_SOURCES = tests/fuzz/fuzz_npy.c
tests_fuzz_fuzz_npy_LDADD = libhvfuzz.la $(hvctl_libs)
tests_fuzz_fuzz_csv_SOURCES = tests/fuzz/fuzz_csv.c
tests_fuzz_fuzz_csv_LDADD = libhvfuzz.la $(hvctl_libs)
tests_fuzz_fuzz_jobfile_SOURCES = tests/fuzz/fuzz_jobfile.c
tests_fuzz_fuzz_jobfile_LDADD = libhvfuzz.la $(hvctl_libs)
