# tests of proto
proto_tests = tests/unit/test_frame tests/unit/test_linkmsg tests/unit/test_ipc_frame \
	tests/unit/test_compat tests/unit/test_arq_life tests/prop/test_arq tests/prop/test_pb
if HAVE_CHECK
check_PROGRAMS += $(proto_tests)
TESTS += $(proto_tests)
endif
EXTRA_DIST += proto/compat/link-1.hex proto/compat/frame-1.hex proto/compat/ipc-1.hex

tests_unit_test_frame_SOURCES = tests/unit/test_frame.c
tests_unit_test_frame_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_unit_test_frame_LDADD = libhvlink.la libhvutil.la $(CHECK_LIBS)
tests_unit_test_linkmsg_SOURCES = tests/unit/test_linkmsg.c
tests_unit_test_linkmsg_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_unit_test_linkmsg_LDADD = libhvlink.la libhvutil.la $(CHECK_LIBS)
tests_unit_test_ipc_frame_SOURCES = tests/unit/test_ipc_frame.c tests/lib/ipc_types.h
tests_unit_test_ipc_frame_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_unit_test_ipc_frame_LDADD = libhvproto.la libhvutil.la $(CHECK_LIBS)
tests_prop_test_pb_SOURCES = tests/prop/test_pb.c
tests_prop_test_pb_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_prop_test_pb_LDADD = libhvproto.la libhvutil.la $(CHECK_LIBS)
tests_unit_test_compat_SOURCES = tests/unit/test_compat.c tests/lib/ipc_types.h
tests_unit_test_compat_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS) -DSRCDIR='"$(abs_top_srcdir)"'
tests_unit_test_compat_LDADD = libhvproto.la libhvlink.la libhvutil.la $(CHECK_LIBS)
tests_unit_test_arq_life_SOURCES = tests/unit/test_arq_life.c tests/lib/arq_world.c \
	tests/lib/arq_world.h
tests_unit_test_arq_life_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_unit_test_arq_life_LDADD = libhvlink.la libhvutil.la $(CHECK_LIBS)
tests_prop_test_arq_SOURCES = tests/prop/test_arq.c tests/lib/arq_world.c tests/lib/arq_world.h
tests_prop_test_arq_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_prop_test_arq_LDADD = libhvlink.la libhvutil.la $(CHECK_LIBS)

# The shared driver of all fuzz targets; link it first.
check_LTLIBRARIES += libhvfuzz.la
libhvfuzz_la_SOURCES = tests/fuzz/driver.c
libhvfuzz_la_CPPFLAGS = $(AM_CPPFLAGS) -DABS_SRCDIR='"$(abs_top_srcdir)"'
libhvfuzz_la_LIBADD = libhvutil.la

proto_fuzz = tests/fuzz/fuzz_frame_rx tests/fuzz/fuzz_linkmsg tests/fuzz/fuzz_arq_input \
	tests/fuzz/fuzz_ipc
check_PROGRAMS += $(proto_fuzz)
TESTS += $(proto_fuzz)
EXTRA_DIST += tests/fuzz/corpus/frame_rx tests/fuzz/corpus/linkmsg tests/fuzz/corpus/arq_input \
	tests/fuzz/corpus/ipc
CLEANFILES += fuzz_frame_rx.crash fuzz_linkmsg.crash fuzz_arq_input.crash fuzz_ipc.crash
tests_fuzz_fuzz_frame_rx_SOURCES = tests/fuzz/fuzz_frame_rx.c
tests_fuzz_fuzz_frame_rx_LDADD = libhvfuzz.la libhvlink.la
tests_fuzz_fuzz_linkmsg_SOURCES = tests/fuzz/fuzz_linkmsg.c
tests_fuzz_fuzz_linkmsg_LDADD = libhvfuzz.la libhvlink.la
tests_fuzz_fuzz_arq_input_SOURCES = tests/fuzz/fuzz_arq_input.c
tests_fuzz_fuzz_arq_input_LDADD = libhvfuzz.la libhvlink.la
tests_fuzz_fuzz_ipc_SOURCES = tests/fuzz/fuzz_ipc.c tests/lib/ipc_types.h
tests_fuzz_fuzz_ipc_LDADD = libhvfuzz.la libhvproto.la

# Checks of the tree itself.
tree_checks = build-aux/check-includes build-aux/check-headers build-aux/check-style
dist_check_SCRIPTS += $(tree_checks)
TESTS += $(tree_checks)
EXTRA_DIST += build-aux/layers
