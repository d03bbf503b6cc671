# tests of tasks
if HAVE_CHECK
tasks_tests = tests/unit/test_tasks tests/unit/test_metric tests/unit/test_kernels \
	tests/unit/test_tasks_blocks tests/unit/test_tasks_points
check_PROGRAMS += $(tasks_tests)
TESTS += $(tasks_tests)
endif

tests_unit_test_tasks_SOURCES = tests/unit/test_tasks.c
tests_unit_test_tasks_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_unit_test_tasks_LDADD = libhvtasks.la $(CHECK_LIBS) -lm
tests_unit_test_metric_SOURCES = tests/unit/test_metric.c
tests_unit_test_metric_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_unit_test_metric_LDADD = libhvtasks.la $(CHECK_LIBS) -lm
tests_unit_test_kernels_SOURCES = tests/unit/test_kernels.c
tests_unit_test_kernels_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_unit_test_kernels_LDADD = libhvkernels.la libhvtasks.la $(CHECK_LIBS) -lm

# the unit files
dist_check_SCRIPTS += tests/unit/systemd_units.sh
TESTS += tests/unit/systemd_units.sh
tests_unit_test_tasks_blocks_SOURCES = tests/unit/test_tasks_blocks.c
tests_unit_test_tasks_blocks_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_unit_test_tasks_blocks_LDADD = libhvtasks.la $(CHECK_LIBS) -lm
tests_unit_test_tasks_points_SOURCES = tests/unit/test_tasks_points.c
tests_unit_test_tasks_points_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_unit_test_tasks_points_LDADD = libhvtasks.la $(CHECK_LIBS) -lm
