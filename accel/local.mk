# accel: what is built here

# steps and slot images: freestanding, also compiled for the board
noinst_LTLIBRARIES += libhvsteps.la
libhvsteps_la_SOURCES = accel/arch.h accel/steps/steps.c accel/steps/steps.h \
	accel/slotimg/slotimg.c accel/slotimg/slotimg.h
libhvsteps_la_LIBADD = libhvfs.la
