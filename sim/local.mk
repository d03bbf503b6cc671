# sim: the virtual board

# everything of it but the process: also what the tests drive
noinst_LTLIBRARIES += libhvvboard.la
libhvvboard_la_SOURCES = \
	firmware-agent/hal/host/host.c firmware-agent/hal/host/host.h \
	sim/vboard.c sim/vboard.h sim/wire.c sim/wire.h sim/fault.c sim/fault.h sim/ring.c sim/ring.h \
	sim/primary_spec.c sim/primary_spec.h sim/primary_net.c sim/primary_net.h
libhvvboard_la_LIBADD = libhvagent.la libhvpackage.la libhvaccel.la libhvtasks.la libhvutil.la -lm

bin_PROGRAMS += harvest-board
harvest_board_SOURCES = sim/board_main.c sim/board_options.c sim/board_options.h \
	sim/board_socket.c sim/board_socket.h
harvest_board_LDADD = libhvvboard.la libhvproto.la libhvutil.la
dist_man_MANS += docs/man/harvest-board.1
