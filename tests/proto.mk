# tests of proto
proto_tests = tests/unit/test_frame tests/unit/test_linkmsg tests/unit/test_ipc_frame \
	tests/unit/test_compat tests/unit/test_arq_life tests/prop/test_arq
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
