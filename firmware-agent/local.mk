# firmware-agent: the portable core (freestanding) and the host HAL
noinst_LTLIBRARIES += libhvagent.la
libhvagent_la_SOURCES = \
	firmware-agent/core/agent.c firmware-agent/include/agent.h firmware-agent/core/hal.h \
	firmware-agent/core/state.h firmware-agent/core/guard.c firmware-agent/core/guard.h \
	firmware-agent/core/slots.c firmware-agent/core/slot_check.c firmware-agent/core/load.c \
	firmware-agent/core/jobs.c firmware-agent/core/run.c firmware-agent/core/primary.c firmware-agent/core/quiet.c \
	firmware-agent/core/link.c firmware-agent/core/talk.c firmware-agent/core/telemetry.c \
	firmware-agent/core/buffers.c firmware-agent/core/baud.c firmware-agent/core/clock.c \
	firmware-agent/core/blackbox.c firmware-agent/core/stand.c
libhvagent_la_CFLAGS = $(AM_CFLAGS) -ffreestanding
libhvagent_la_LIBADD = libhvlink.la libhvsteps.la

# Images for boards, by another compiler and never part of `all`: sizes are printed, and too
# large an agent is an error.
EXTRA_DIST += firmware-agent/firmware.mk firmware-agent/size-report firmware-agent/libc \
	firmware-agent/hal/mps2 firmware-agent/hal/max78000 firmware-agent/hal/template firmware-agent/app \
	models/primary
if WITH_FIRMWARE
all-local: firmware
endif
firmware: harvest-model$(EXEEXT)
	@if test -z '$(ARM_CC)'; then \
		echo 'firmware: no arm-none-eabi-gcc: install gcc-arm-none-eabi and run configure again' >&2; \
		exit 1; \
	fi
	@$(MAKE) -f $(top_srcdir)/firmware-agent/firmware.mk SRC='$(top_srcdir)' OUT=firmware \
		ARM_CC='$(ARM_CC)' MODEL=./harvest-model$(EXEEXT)
	@cat firmware/size.txt
clean-local:
	rm -rf firmware
.PHONY: firmware
