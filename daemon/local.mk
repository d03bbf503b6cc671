# daemon: harvestd
# the log is apart so that the board side and the tests can link it alone
noinst_LTLIBRARIES += libhvlog.la
libhvlog_la_SOURCES = daemon/log.c daemon/log.h

# sched: pure; linked by the daemon, by the simulator and by tests. Keep it free of uv, usb, time
# and log
noinst_LTLIBRARIES += libhvsched.la
libhvsched_la_SOURCES = \
	daemon/sched/sched.h daemon/sched/route.c daemon/sched/explain.c \
	daemon/sched/queue.c daemon/sched/queue.h
libhvsched_la_LIBADD = libhvtasks.la -lm

# tasks of plug-ins, for cores and models
noinst_LTLIBRARIES += libhvplugins.la
libhvplugins_la_SOURCES = daemon/cpu/plugins.c daemon/cpu/plugins.h
libhvplugins_la_LIBADD = libhvplugin.la libhvlog.la

# jobs, cores and what joins them with the boards
noinst_LTLIBRARIES += libhvjobs.la
libhvjobs_la_SOURCES = \
	daemon/limits.h \
	daemon/job/job.c daemon/job/job.h daemon/job/store.c daemon/job/store.h \
	daemon/job/buf.c daemon/job/ranges.c daemon/job/ranges.h \
	daemon/job/timers.c daemon/job/timers.h daemon/job/names.c daemon/job/names.h \
	daemon/cpu/cpu.c daemon/cpu/cpu.h daemon/cpu/spsc.h \
	daemon/dispatch/dispatch.c daemon/dispatch/dispatch.h daemon/dispatch/inside.h \
	daemon/dispatch/facts.c daemon/dispatch/quota.c daemon/dispatch/cores.c \
	daemon/dispatch/boards.c daemon/dispatch/audit.c
libhvjobs_la_CFLAGS = $(HV_CFLAGS) $(UV_CFLAGS) -pthread
libhvjobs_la_LIBADD = libhvsched.la libhvdoubt.la libhvplugins.la libhvlog.la libhvtasks.la libhvutil.la $(UV_LIBS)

# clients
noinst_LTLIBRARIES += libhvipc.la
libhvipc_la_SOURCES = \
	daemon/ipc/server.c daemon/ipc/server.h daemon/ipc/conn.c daemon/ipc/conn.h \
	daemon/ipc/out.c daemon/ipc/listen.c daemon/ipc/listen.h daemon/ipc/handlers.c \
	daemon/ipc/h_submit.c daemon/ipc/h_wait.c daemon/ipc/h_views.c daemon/ipc/h_models.c \
	daemon/ipc/h_boards.c \
	daemon/telemetry/telemetry.c daemon/telemetry/telemetry.h
libhvipc_la_CFLAGS = $(HV_CFLAGS) $(UV_CFLAGS)
libhvipc_la_LIBADD = libhvjobs.la libhvproto.la

# the program, but for main(), so that tests can run a whole daemon in a process
noinst_LTLIBRARIES += libhvapp.la
libhvapp_la_SOURCES = daemon/app.c daemon/app.h
libhvapp_la_CFLAGS = $(HV_CFLAGS) $(UV_CFLAGS)
libhvapp_la_LIBADD = libhvipc.la

sbin_PROGRAMS += harvestd
harvestd_SOURCES = daemon/main.c
harvestd_CFLAGS = $(HV_CFLAGS) $(SYSTEMD_CFLAGS)
harvestd_LDADD = libhvapp.la libhvboards.la libhvlog.la libhvpackage.la libhvaccel.la \
	libhvkernels.la libhvlink.la $(SYSTEMD_LIBS)
