# tests of tasks
if HAVE_CHECK
tasks_tests = tests/unit/test_tasks tests/unit/test_metric tests/unit/test_kernels \
	tests/unit/test_tasks_blocks tests/unit/test_tasks_points tests/unit/test_loop
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
tests_unit_test_loop_SOURCES = tests/unit/test_loop.c
tests_unit_test_loop_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_unit_test_loop_LDADD = libhvtasks.la $(CHECK_LIBS) -lm
tests_unit_test_tasks_points_SOURCES = tests/unit/test_tasks_points.c
tests_unit_test_tasks_points_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_unit_test_tasks_points_LDADD = libhvtasks.la $(CHECK_LIBS) -lm

# The template and a plug-in that misbehaves, as shared objects.
if HAVE_CHECK
check_LTLIBRARIES += libevilplugin.la libthermistor.la
plugin_ldflags = $(AM_LDFLAGS) -module -shared -avoid-version -rpath /nowhere
libevilplugin_la_SOURCES = tests/lib/evil_plugin.c
libevilplugin_la_LDFLAGS = $(plugin_ldflags)
libevilplugin_la_LIBADD = -lm
libthermistor_la_SOURCES = tasks/template/thermistor.c tests/lib/include/harvest/task.h
libthermistor_la_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/lib/include
libthermistor_la_LDFLAGS = $(plugin_ldflags)
libthermistor_la_LIBADD = -lm
check_PROGRAMS += tests/unit/test_plugin
TESTS += tests/unit/test_plugin
tests_unit_test_plugin_SOURCES = tests/unit/test_plugin.c
tests_unit_test_plugin_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS) -DSRCDIR='"$(abs_top_srcdir)"' \
	-DPLUGIN_DIR='"$(abs_top_builddir)/.libs"' -DHOST='"$(abs_top_builddir)/harvest-plugin"'
tests_unit_test_plugin_LDADD = libhvplugin.la libhvtasks.la libhvutil.la $(CHECK_LIBS) -lm
EXTRA_tests_unit_test_plugin_DEPENDENCIES = libevilplugin.la libthermistor.la harvest-plugin
endif
