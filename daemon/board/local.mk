# board, link, models, quality: what knows the boards
noinst_LTLIBRARIES += libhvboards.la
libhvboards_la_SOURCES = \
	daemon/board/boards.c daemon/board/board.h \
	daemon/models/models.c daemon/models/models.h daemon/models/models_priv.h \
	daemon/models/store.c daemon/models/domain.c
# not listed here: log (libhvlog), packages (accel), tasks; the program names each once
