# tests of agent and of the virtual board
agent_peer = tests/lib/board_peer.c tests/lib/board_peer.h
agent_ldadd = libhvvboard.la libhvpackage.la libhvaccel.la libhvtasks.la libhvutil.la

if HAVE_CHECK
agent_tests = tests/unit/test_guard tests/unit/test_agent tests/unit/test_agent_details tests/unit/test_virtual_board \
	tests/prop/test_non_interference tests/unit/test_firmware_mem
check_PROGRAMS += $(agent_tests)
TESTS += $(agent_tests)
endif

tests_unit_test_guard_SOURCES = tests/unit/test_guard.c
tests_unit_test_guard_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_unit_test_guard_LDADD = libhvagent.la $(CHECK_LIBS)
tests_unit_test_firmware_mem_SOURCES = tests/unit/test_firmware_mem.c
tests_unit_test_firmware_mem_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_unit_test_firmware_mem_LDADD = $(CHECK_LIBS)
tests_unit_test_agent_SOURCES = tests/unit/test_agent.c $(agent_peer)
tests_unit_test_agent_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_unit_test_agent_LDADD = $(agent_ldadd) $(CHECK_LIBS)
tests_unit_test_agent_details_SOURCES = tests/unit/test_agent_details.c $(agent_peer)
tests_unit_test_agent_details_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_unit_test_agent_details_LDADD = libhvboards.la libhvharvestpb.la $(agent_ldadd) \
	$(CHECK_LIBS) -lm
tests_unit_test_virtual_board_SOURCES = tests/unit/test_virtual_board.c $(agent_peer) \
	sim/board_socket.c sim/board_socket.h
tests_unit_test_virtual_board_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS) \
	-DDATA='"$(abs_top_srcdir)/tests/data/import"'
tests_unit_test_virtual_board_LDADD = libhvimport.la $(agent_ldadd) $(CHECK_LIBS)
tests_prop_test_non_interference_SOURCES = tests/prop/test_non_interference.c $(agent_peer)
tests_prop_test_non_interference_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_prop_test_non_interference_LDADD = $(agent_ldadd) $(CHECK_LIBS)

check_PROGRAMS += tests/fuzz/fuzz_agent_uart
TESTS += tests/fuzz/fuzz_agent_uart
EXTRA_DIST += tests/fuzz/corpus/agent_uart
CLEANFILES += fuzz_agent_uart.crash
tests_fuzz_fuzz_agent_uart_SOURCES = tests/fuzz/fuzz_agent_uart.c $(agent_peer)
tests_fuzz_fuzz_agent_uart_LDADD = libhvfuzz.la $(agent_ldadd)

dist_check_SCRIPTS += tests/e2e/20-virtual-board.sh
TESTS += tests/e2e/20-virtual-board.sh

dist_check_SCRIPTS += tests/prop/non_interference.sh
TESTS += tests/prop/non_interference.sh
