# client: libharvest, harvestctl, examples

# hvclient: everything, for harvestctl and the tests; libharvest.so exports the public part
noinst_LTLIBRARIES += libhvclient.la
libhvclient_la_SOURCES = \
	client/lib/client.c client/lib/client.h client/lib/reason.h \
	client/lib/conn.c client/lib/conn.h client/lib/dial.c client/lib/dial.h \
	client/lib/calls.c client/lib/calls.h \
	client/lib/job.c client/lib/submit.c \
	client/lib/result.c client/lib/result.h \
	client/lib/request.c client/lib/request.h
# A shared library takes convenience libraries whole, so nothing may come twice: users of
# libhvclient.la add libhvproto.la and libhvutil.la themselves.
hvclient_libs = libhvclient.la libhvproto.la libhvutil.la

pkginclude_HEADERS += client/include/harvest/harvest.h
pkgconfig_DATA += client/libharvest.pc
lib_LTLIBRARIES += libharvest.la
libharvest_la_SOURCES = util/own.c util/own.h
libharvest_la_LIBADD = libhvclient.la libhvproto.la
libharvest_la_LDFLAGS = $(AM_LDFLAGS) -version-info 0:0:0 -no-undefined \
	-Wl,--version-script=$(top_srcdir)/client/lib/libharvest.map
EXTRA_libharvest_la_DEPENDENCIES = client/lib/libharvest.map
EXTRA_DIST += client/lib/libharvest.map

# harvestctl: hvctl is all of it but main(), for the tests
noinst_LTLIBRARIES += libhvctl.la
libhvctl_la_SOURCES = \
	client/ctl/ctl.c client/ctl/ctl.h client/ctl/options.c client/ctl/options.h \
	client/ctl/words.c client/ctl/words.h client/ctl/table.c client/ctl/table.h \
	client/ctl/progress.c client/ctl/progress.h \
	client/ctl/out.c client/ctl/out.h \
	client/ctl/result_out.c client/ctl/result_out.h \
	client/ctl/taskinfo.c client/ctl/taskinfo.h \
	client/ctl/in/samples.h client/ctl/in/load.c client/ctl/in/convert.c \
	client/ctl/in/npy.c client/ctl/in/csv.c client/ctl/in/wav.c client/ctl/in/jobfile.c \
	client/ctl/verbs.c \
	client/ctl/verbs/submit.c client/ctl/verbs/pack.c client/ctl/verbs/jobs.c \
	client/ctl/verbs/explain.c client/ctl/verbs/tasks.c client/ctl/verbs/models.c \
	client/ctl/verbs/boards.c client/ctl/verbs/board_out.h client/ctl/verbs/status.c \
	client/ctl/verbs/actions.c client/ctl/verbs/actions.h
libhvctl_la_CPPFLAGS = $(AM_CPPFLAGS) $(SNDFILE_CFLAGS)
hvctl_libs = libhvctl.la $(hvclient_libs) libhvtasks.la $(SNDFILE_LIBS)

bin_PROGRAMS += harvestctl
harvestctl_SOURCES = client/ctl/main.c
harvestctl_LDADD = $(hvctl_libs)

# Examples: built by make check, run by its end-to-end tests against the shared library
check_PROGRAMS += client/examples/sync client/examples/poll
client_examples_sync_SOURCES = client/examples/sync.c
client_examples_sync_LDADD = libharvest.la
client_examples_poll_SOURCES = client/examples/poll.c
client_examples_poll_LDADD = libharvest.la

bashcompletiondir = $(datadir)/bash-completion/completions
dist_bashcompletion_DATA = client/completion/harvestctl
