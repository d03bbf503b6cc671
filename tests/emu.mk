# Boards in emulation: the agent's images on models of their chips. What cannot be built or run
# here is skipped, and says what is missing.
emu_machine = tests/emu/m78k/machine.c tests/emu/m78k/machine.h tests/emu/m78k/state.h \
	tests/emu/m78k/core.c tests/emu/m78k/exception.c tests/emu/m78k/chip.c \
	tests/emu/m78k/uart.c tests/emu/m78k/dma.c tests/emu/m78k/accel.c tests/emu/m78k/cost.c \
	tests/emu/m78k/symbols.c tests/emu/m78k/symbols.h
EXTRA_DIST += tests/emu/m78k/tiny.c tests/emu/m78k/tiny.ld tests/emu/steps/target.c \
	tests/emu/steps/target.ld tests/emu/steps/broken_run.c

if HAVE_UNICORN
check_LTLIBRARIES += libhvm78k.la
libhvm78k_la_SOURCES = $(emu_machine)
libhvm78k_la_CPPFLAGS = $(AM_CPPFLAGS) $(UNICORN_CFLAGS)
libhvm78k_la_LIBADD = libhvaccel.la libhvutil.la $(UNICORN_LIBS)
check_PROGRAMS += tests/emu/unicorn_board
tests_emu_unicorn_board_SOURCES = tests/emu/unicorn_board.c
tests_emu_unicorn_board_LDADD = libhvm78k.la libhvutil.la

if HAVE_CHECK
if HAVE_ARM_CC
check_PROGRAMS += tests/emu/test_machine
TESTS += tests/emu/test_machine
check_PROGRAMS += tests/emu/test_step_cost
TESTS += tests/emu/test_step_cost
check_DATA = tests/emu/tiny.bin firmware/agent-steps.elf firmware/agent-steps-broken.elf
tests_emu_test_step_cost_SOURCES = tests/emu/test_step_cost.c tests/emu/steps/counter.c \
	tests/emu/steps/counter.h tests/emu/steps/target.h $(agent_peer)
tests_emu_test_step_cost_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS) $(UNICORN_CFLAGS) \
	-DSTEPS_ELF='"$(abs_top_builddir)/firmware/agent-steps.elf"' \
	-DBROKEN_ELF='"$(abs_top_builddir)/firmware/agent-steps-broken.elf"'
tests_emu_test_step_cost_LDADD = libhvm78k.la $(agent_ldadd) $(UNICORN_LIBS) $(CHECK_LIBS)
CLEANFILES += tests/emu/tiny.bin tests/emu/tiny.elf
tests_emu_test_machine_SOURCES = tests/emu/test_machine.c
tests_emu_test_machine_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS) \
	-DTINY_BIN='"$(abs_top_builddir)/tests/emu/tiny.bin"' \
	-DTINY_ELF='"$(abs_top_builddir)/tests/emu/tiny.elf"'
tests_emu_test_machine_LDADD = libhvm78k.la libhvutil.la $(CHECK_LIBS)
endif
endif
else
EXTRA_DIST += $(emu_machine) tests/emu/unicorn_board.c tests/emu/test_machine.c \
	tests/emu/test_step_cost.c tests/emu/steps/counter.c tests/emu/steps/counter.h \
	tests/emu/steps/target.h
endif

# The agent's Arm code for counting its steps.
firmware/agent-steps.elf: FORCE
	@$(MAKE) -f $(top_srcdir)/firmware-agent/firmware.mk SRC='$(top_srcdir)' OUT=firmware \
		ARM_CC='$(ARM_CC)' firmware/agent-steps.elf firmware/agent-steps-broken.elf
firmware/agent-steps-broken.elf: firmware/agent-steps.elf
FORCE:

tests/emu/tiny.bin: tests/emu/m78k/tiny.c tests/emu/m78k/tiny.ld
	$(AM_V_GEN)$(MKDIR_P) tests/emu && $(ARM_CC) -std=gnu11 -mcpu=cortex-m4 -mthumb \
		-mfloat-abi=hard -mfpu=fpv4-sp-d16 -O1 -g -Wall -Wextra -ffreestanding -nostdlib \
		-T $(top_srcdir)/tests/emu/m78k/tiny.ld $(top_srcdir)/tests/emu/m78k/tiny.c \
		-o tests/emu/tiny.elf && \
	$$(echo '$(ARM_CC)' | sed 's/gcc$$/objcopy/') -O binary tests/emu/tiny.elf $@

check_PROGRAMS += tests/lib/line_noise tests/emu/gdb_poke
tests_emu_gdb_poke_SOURCES = tests/emu/gdb_poke.c tests/emu/m78k/symbols.c tests/emu/m78k/symbols.h
tests_emu_gdb_poke_LDADD = libhvutil.la
tests_lib_line_noise_SOURCES = tests/lib/line_noise.c
tests_lib_line_noise_LDADD = libhvutil.la

# One story each, the same on all rungs: tests/emu/run-scenario says how to read them.
scenarios = tests/emu/scenarios/attach.scn tests/emu/scenarios/abort.scn \
	tests/emu/scenarios/noise.scn tests/emu/scenarios/babble.scn \
	tests/emu/scenarios/cut.scn tests/emu/scenarios/watchdog.scn
TEST_EXTENSIONS = .scn
SCN_LOG_COMPILER = $(srcdir)/tests/emu/run-scenario
TESTS += $(scenarios)
EXTRA_DIST += $(scenarios)
dist_check_SCRIPTS += tests/emu/run-scenario
