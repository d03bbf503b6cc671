# tests of daemon/{board,link,models,quality}
if HAVE_CHECK
boards_tests = tests/unit/test_board_fsm tests/unit/test_tracker
check_PROGRAMS += $(boards_tests)
TESTS += $(boards_tests)
endif

tests_unit_test_board_fsm_SOURCES = tests/unit/test_board_fsm.c
tests_unit_test_board_fsm_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_board_fsm_LDADD = libhvboards.la $(CHECK_LIBS)
tests_unit_test_tracker_SOURCES = tests/unit/test_tracker.c
tests_unit_test_tracker_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_tracker_LDADD = libhvboards.la libhvutil.la $(CHECK_LIBS) -lm
