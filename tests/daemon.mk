# tests of daemon
if HAVE_CHECK
daemon_tests = tests/unit/test_sched tests/unit/test_queue tests/unit/test_job \
	tests/unit/test_daemon_requests tests/unit/test_daemon_clients \
	tests/unit/test_daemon_jobs tests/unit/test_daemon_views \
	tests/unit/test_listen tests/unit/test_log \
	tests/prop/test_sched tests/prop/test_job tests/prop/test_daemon
check_PROGRAMS += $(daemon_tests)
TESTS += $(daemon_tests)
endif

tests_unit_test_sched_SOURCES = tests/unit/test_sched.c
tests_unit_test_sched_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_sched_LDADD = libhvsched.la $(CHECK_LIBS) -lm
tests_prop_test_sched_SOURCES = tests/prop/test_sched.c
tests_prop_test_sched_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_prop_test_sched_LDADD = libhvsched.la $(CHECK_LIBS) -lm
tests_unit_test_queue_SOURCES = tests/unit/test_queue.c
tests_unit_test_queue_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_queue_LDADD = libhvsched.la $(CHECK_LIBS)

# a daemon in the test's process, over fake boards
daemon_world = tests/lib/daemon_world.c tests/lib/daemon_world.h \
	tests/lib/fake_boards.c tests/lib/fake_boards.h
daemon_libs = libhvipc.la libhvlog.la libhvkernels.la libhvpackage.la libhvaccel.la $(UV_LIBS)

tests_unit_test_job_SOURCES = tests/unit/test_job.c
tests_unit_test_job_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_job_LDADD = libhvjobs.la $(CHECK_LIBS)
tests_prop_test_job_SOURCES = tests/prop/test_job.c
tests_prop_test_job_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_prop_test_job_LDADD = libhvjobs.la $(CHECK_LIBS)
tests_unit_test_log_SOURCES = tests/unit/test_log.c
tests_unit_test_log_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_log_LDADD = libhvlog.la $(CHECK_LIBS)
tests_unit_test_listen_SOURCES = tests/unit/test_listen.c
tests_unit_test_listen_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_listen_LDADD = libhvipc.la $(CHECK_LIBS)
daemon_story = tests/lib/daemon_story.c tests/lib/daemon_story.h $(daemon_world)
tests_unit_test_daemon_requests_SOURCES = tests/unit/test_daemon_requests.c $(daemon_story)
tests_unit_test_daemon_requests_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_daemon_requests_LDADD = $(daemon_libs) $(CHECK_LIBS) -lm
tests_unit_test_daemon_clients_SOURCES = tests/unit/test_daemon_clients.c $(daemon_story)
tests_unit_test_daemon_clients_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_daemon_clients_LDADD = $(daemon_libs) $(CHECK_LIBS) -lm
tests_unit_test_daemon_jobs_SOURCES = tests/unit/test_daemon_jobs.c $(daemon_story)
tests_unit_test_daemon_jobs_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_daemon_jobs_LDADD = $(daemon_libs) $(CHECK_LIBS) -lm
tests_unit_test_daemon_views_SOURCES = tests/unit/test_daemon_views.c $(daemon_story)
tests_unit_test_daemon_views_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_daemon_views_LDADD = $(daemon_libs) $(CHECK_LIBS) -lm
tests_prop_test_daemon_SOURCES = tests/prop/test_daemon.c $(daemon_world)
tests_prop_test_daemon_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_prop_test_daemon_LDADD = $(daemon_libs) $(CHECK_LIBS) -lm

if HAVE_CHECK
check_PROGRAMS += tests/fuzz/fuzz_request
TESTS += tests/fuzz/fuzz_request
endif
EXTRA_DIST += tests/fuzz/corpus/request
CLEANFILES += fuzz_request.crash
tests_fuzz_fuzz_request_SOURCES = tests/fuzz/fuzz_request.c $(daemon_world)
tests_fuzz_fuzz_request_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_fuzz_fuzz_request_LDADD = libhvfuzz.la $(daemon_libs) $(CHECK_LIBS) -lm

dist_check_SCRIPTS += tests/e2e/15-daemon.sh
TESTS += tests/e2e/15-daemon.sh
