# tests of daemon/{board,link,models,quality}
if HAVE_CHECK
boards_tests = tests/unit/test_board_fsm tests/unit/test_tracker \
	tests/unit/test_boardclock tests/unit/test_rate \
	tests/unit/test_boards_hostile tests/unit/test_link_virtual tests/prop/test_doubt tests/unit/test_models \
	tests/prop/test_boards
check_PROGRAMS += $(boards_tests)
TESTS += $(boards_tests)
endif

boards_libs = libhvboards.la libhvlog.la libhvpackage.la libhvaccel.la libhvtasks.la \
	libhvharvestpb.la libhvlink.la libhvutil.la $(UV_LIBS)

tests_unit_test_board_fsm_SOURCES = tests/unit/test_board_fsm.c
tests_unit_test_board_fsm_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_board_fsm_LDADD = libhvboards.la $(CHECK_LIBS)
tests_unit_test_boardclock_SOURCES = tests/unit/test_boardclock.c
tests_unit_test_boardclock_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_boardclock_LDADD = libhvboards.la libhvutil.la $(CHECK_LIBS) -lm
tests_unit_test_rate_SOURCES = tests/unit/test_rate.c
tests_unit_test_rate_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_rate_LDADD = libhvboards.la $(CHECK_LIBS)
tests_unit_test_tracker_SOURCES = tests/unit/test_tracker.c
tests_unit_test_tracker_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_tracker_LDADD = libhvboards.la libhvutil.la $(CHECK_LIBS) -lm
tests_prop_test_boards_SOURCES = tests/prop/test_boards.c \
	tests/lib/board_world.c tests/lib/board_world.h
tests_prop_test_boards_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) \
	-DAPPROX_DIR='"$(abs_top_srcdir)/models/approx"'
tests_prop_test_boards_LDADD = libhvagent.la $(boards_libs) $(CHECK_LIBS) -lm
tests_unit_test_boards_hostile_SOURCES = tests/unit/test_boards_hostile.c \
	tests/lib/raw_board.c tests/lib/raw_board.h
tests_unit_test_boards_hostile_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_boards_hostile_LDADD = $(boards_libs) $(CHECK_LIBS) -lm
tests_unit_test_link_virtual_SOURCES = tests/unit/test_link_virtual.c tests/lib/temp_dir.h
tests_unit_test_link_virtual_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(UV_CFLAGS)
tests_unit_test_link_virtual_LDADD = $(boards_libs) $(CHECK_LIBS) -lm
tests_prop_test_doubt_SOURCES = tests/prop/test_doubt.c
tests_prop_test_doubt_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS) \
	-DMODELS='"$(abs_top_srcdir)/models/approx"'
tests_prop_test_doubt_LDADD = $(boards_libs) $(CHECK_LIBS) -lm
tests_unit_test_models_SOURCES = tests/unit/test_models.c tests/lib/temp_dir.h
tests_unit_test_models_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_models_LDADD = libhvimport.la $(boards_libs) $(CHECK_LIBS) -lm

check_PROGRAMS += tests/fuzz/fuzz_board_messages
TESTS += tests/fuzz/fuzz_board_messages
EXTRA_DIST += tests/fuzz/corpus/board_messages
CLEANFILES += fuzz_board_messages.crash
tests_fuzz_fuzz_board_messages_SOURCES = tests/fuzz/fuzz_board_messages.c \
	tests/lib/raw_board.c tests/lib/raw_board.h
tests_fuzz_fuzz_board_messages_LDADD = libhvfuzz.la $(boards_libs) -lm
