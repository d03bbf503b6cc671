# accel: what is built here

# steps and slot images: freestanding, also compiled for the board
noinst_LTLIBRARIES += libhvsteps.la
libhvsteps_la_SOURCES = accel/arch.h accel/steps/steps.c accel/steps/steps.h \
	accel/slotimg/slotimg.c accel/slotimg/slotimg.h
libhvsteps_la_LIBADD = libhvfs.la

bin_PROGRAMS += harvest-model
harvest_model_SOURCES = accel/cli/main.c accel/cli/cli.h
harvest_model_LDADD = libhvsteps.la libhvutil.la
