# does what was measured contradict a certificate: doubt is pure, as sched is
noinst_LTLIBRARIES += libhvdoubt.la
libhvdoubt_la_SOURCES = daemon/quality/doubt.c daemon/quality/doubt.h daemon/quality/measured.c
libhvdoubt_la_LIBADD = libhvlog.la libhvtasks.la -lm

# board, link, models, quality: what knows the boards
noinst_LTLIBRARIES += libhvboards.la
libhvboards_la_SOURCES = \
	daemon/board/boards.c daemon/board/board.h daemon/board/board_priv.h \
	daemon/board/board_fsm.c daemon/board/board_fsm.h \
	daemon/board/tracker.c daemon/board/tracker.h \
	daemon/board/rooms.c daemon/board/rooms.h \
	daemon/board/rate.c daemon/board/rate.h daemon/board/details.c \
	daemon/board/boardclock.c daemon/board/boardclock.h \
	daemon/board/life.c daemon/board/hello.c daemon/board/residency.c daemon/board/work.c \
	daemon/board/records.c daemon/board/aside.c daemon/board/threads.c \
	daemon/board/price.c daemon/board/verbs.c daemon/board/info.c daemon/board/info_details.c \
	daemon/link/link.c daemon/link/link.h \
	daemon/link/virtual.c daemon/link/virtual.h \
	daemon/quality/audit.c daemon/quality/audit.h \
	daemon/models/models.c daemon/models/models.h daemon/models/models_priv.h \
	daemon/models/store.c daemon/models/domain.c daemon/models/tasks.c
# the domain check reads every record that may go to a board
libhvboards_la_LIBADD = libhvdoubt.la libhvplugins.la
libhvboards_la_CFLAGS = $(AM_CFLAGS) $(VECTOR_CFLAGS)
# not listed here: log (libhvlog), packages (accel), tasks; the program names each once
