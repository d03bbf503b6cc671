# board, link, models, quality: what knows the boards
noinst_LTLIBRARIES += libhvboards.la
libhvboards_la_SOURCES = \
	daemon/board/boards.c daemon/board/board.h \
	daemon/models/models.c daemon/models/models.h
