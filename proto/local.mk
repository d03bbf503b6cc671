# proto: the bytes on both wires, and nothing that acts on them

# hvlink: daemon <-> board, freestanding, also compiled for the board
noinst_LTLIBRARIES += libhvlink.la
libhvlink_la_SOURCES = \
	proto/frame.c proto/frame.h proto/arq.c proto/arq.h proto/arq_send.c proto/arq_priv.h \
	proto/linkmsg.c proto/linkmsg.h proto/link.def
libhvlink_la_LIBADD = libhvfs.la

# What protoc-c writes is not ours to style, so it gets its own libraries without -Werror.
# Include it as "proto/harvest.pb-c.h": it lies in the build directory.
proto_generated = \
	proto/harvest.pb-c.c proto/harvest.pb-c.h \
	proto/model.pb-c.c proto/model.pb-c.h
BUILT_SOURCES += $(proto_generated)
CLEANFILES += $(proto_generated)
EXTRA_DIST += proto/harvest.proto proto/model.proto
proto/%.pb-c.c proto/%.pb-c.h: $(top_srcdir)/proto/%.proto
	$(AM_V_GEN)$(MKDIR_P) proto && \
	$(PROTOC_C) --proto_path=$(top_srcdir) --c_out=. $(top_srcdir)/proto/$*.proto
pb_cflags = $(HV_CFLAGS) -Wno-error -Wno-conversion -Wno-shadow

noinst_LTLIBRARIES += libhvharvestpb.la libhvmodelpb.la
nodist_libhvharvestpb_la_SOURCES = proto/harvest.pb-c.c proto/harvest.pb-c.h
libhvharvestpb_la_CFLAGS = $(pb_cflags)
libhvharvestpb_la_LIBADD = $(PROTOBUF_C_LIBS)

# hvmodelpb: the approximation package
nodist_libhvmodelpb_la_SOURCES = proto/model.pb-c.c proto/model.pb-c.h
libhvmodelpb_la_CFLAGS = $(pb_cflags)
libhvmodelpb_la_LIBADD = $(PROTOBUF_C_LIBS)

# hvproto: client <-> daemon
noinst_LTLIBRARIES += libhvproto.la
libhvproto_la_SOURCES = proto/ipc_frame.c proto/ipc_frame.h proto/pb.c proto/pb.h
libhvproto_la_LIBADD = libhvharvestpb.la libhvfs.la
