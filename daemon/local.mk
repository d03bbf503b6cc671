# daemon: harvestd
# the log is apart so that the board side and the tests can link it alone
noinst_LTLIBRARIES += libhvlog.la
libhvlog_la_SOURCES = daemon/log.c daemon/log.h
