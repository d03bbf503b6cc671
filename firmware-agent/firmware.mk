# The firmware images, built by a second compiler: `make firmware` in the build directory calls
# this with
#   SRC      top of the sources
#   OUT      directory for objects and images, made here
#   ARM_CC   the compiler, arm-none-eabi-gcc
#   MODEL    harvest-model of this build, which compiles the primary's network
# No C library is needed: what the compiler asks for is in firmware-agent/libc.
FLASH_MAX = 32768
RAM_MAX = 8192
STACK_MAX = 2048

ARM = -mcpu=cortex-m4 -mthumb -mfloat-abi=hard -mfpu=fpv4-sp-d16
WARN = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wundef -Wconversion \
	-Wvla -Wimplicit-fallthrough -Werror
FLAGS = -std=gnu11 $(ARM) -Os -g -ffreestanding -ffunction-sections -fdata-sections \
	-fstack-usage -fcallgraph-info=su -I$(SRC) -isystem $(SRC)/firmware-agent/libc -MMD -MP

sources = $(patsubst $(SRC)/%.c,%,$(wildcard $(SRC)/$(1)/*.c))
core = $(call sources,firmware-agent/core) $(call sources,util/fs) proto/frame proto/arq proto/arq_send \
	proto/linkmsg accel/steps/steps accel/slotimg/slotimg accel/slotimg/layer firmware-agent/libc/mem
api = agent_init agent_step agent_next_us agent_primary_begin agent_primary_end agent_primary_expect \
	agent_is_quiet agent_stand_down agent_resume agent_buffer_register agent_buffer_advance \
	agent_stats_get agent_note
mps2 = $(call sources,firmware-agent/hal/mps2)
max78000 = $(call sources,firmware-agent/hal/max78000)
template = $(call sources,firmware-agent/hal/template)
app = $(call sources,firmware-agent/app) accel/loadimg/loadimg
emulator = $(call sources,accel/emu) accel/cost/cycles

comma = ,
say = $(if $(filter-out 0,$(V)),,@echo "  $(1)   $@";)
objects = $(patsubst %,$(OUT)/%.o,$(1))
tool = $(patsubst %gcc,%$(1),$(ARM_CC))
mps2_objects = $(call objects,$(core) $(app) $(mps2) $(emulator))
max78000_objects = $(call objects,$(core) $(app) $(max78000))
# the template links with nothing; that it compiles is all it has to show
all_objects = $(sort $(mps2_objects) $(max78000_objects) $(call objects,$(template)))
link = $(ARM_CC) $(ARM) -nostdlib -Wl,--gc-sections -Wl,--fatal-warnings

all: $(OUT)/agent-mps2.elf $(OUT)/agent-max78000.bin $(OUT)/size.txt \
	$(call objects,$(template))

# The emulator prints uint32_t as unsigned, which is the same size here but another type.
$(call objects,$(emulator)): WARN = -Wall -Wno-format -Werror=implicit
$(call objects,$(emulator)): FLAGS += -O2
$(call objects,firmware-agent/libc/mem): FLAGS += -fno-tree-loop-distribute-patterns

$(OUT)/%.o: $(SRC)/%.c $(SRC)/firmware-agent/firmware.mk
	@mkdir -p $(@D)
	$(call say,ARM_CC)$(ARM_CC) $(FLAGS) $(WARN) -c $< -o $@

$(OUT)/agent-mps2.elf: $(mps2_objects) $(SRC)/firmware-agent/hal/mps2/mps2.ld
	$(call say,ARM_LD)$(link) -Wl,-Map=$(@:.elf=.map) -T $(SRC)/firmware-agent/hal/mps2/mps2.ld \
		-Wl,--wrap=agent_primary_begin -Wl,--wrap=agent_primary_end \
		$(mps2_objects) -lgcc -o $@

# For counting the cycles of every step (tests/emu); the second one is too slow on purpose.
steps = $(call objects,$(core) tests/emu/steps/target)
$(OUT)/agent-steps.elf: $(steps) $(SRC)/tests/emu/steps/target.ld
	$(call say,ARM_LD)$(link) -T $(SRC)/tests/emu/steps/target.ld -Wl,-e,target_begin \
		$(addprefix -Wl$(comma)-u$(comma),$(api)) $(steps) -lgcc -o $@
broken_steps = $(filter-out %/core/run.o,$(steps)) $(call objects,tests/emu/steps/broken_run)
$(OUT)/agent-steps-broken.elf: $(broken_steps) $(SRC)/tests/emu/steps/target.ld
	$(call say,ARM_LD)$(link) -T $(SRC)/tests/emu/steps/target.ld -Wl,-e,target_begin \
		$(addprefix -Wl$(comma)-u$(comma),$(api)) $(broken_steps) -lgcc -o $@

$(OUT)/agent-max78000.elf: $(max78000_objects) $(SRC)/firmware-agent/hal/max78000/max78000.ld
	$(call say,ARM_LD)$(link) -Wl,-Map=$(@:.elf=.map) \
		-T $(SRC)/firmware-agent/hal/max78000/max78000.ld $(max78000_objects) -lgcc -o $@

$(OUT)/%.bin: $(OUT)/%.elf
	$(call say,BIN)$(call tool,objcopy) -O binary $< $@

# The primary: the shape of a public keyword spotter with weights of a seed, as the board's
# flash carries it. What it leaves to guests stands in the same file.
PRIMARY = kws20_v3
PRIMARY_SEED = 20
$(OUT)/primary.hvm: $(SRC)/models/primary/$(PRIMARY).yaml $(MODEL)
	@mkdir -p $(@D)
	$(call say,MODEL)$(MODEL) build --yaml $< --seed $(PRIMARY_SEED) --name $(PRIMARY) -o $@ >/dev/null
$(OUT)/primary.img: $(OUT)/primary.hvm
	$(call say,IMAGE)$(MODEL) image $< -o $@ >$@.txt
$(call objects,firmware-agent/app/image): $(OUT)/primary.img
$(call objects,firmware-agent/app/image): FLAGS += -DPRIMARY_IMAGE='"$(OUT)/primary.img"'

# The agent alone, as a linker leaves it: what a primary's firmware grows by.
$(OUT)/agent-core.elf: $(call objects,$(core))
	$(call say,ARM_LD)$(ARM_CC) $(ARM) -nostdlib -Wl,--gc-sections -Wl,-e,agent_step \
		$(addprefix -Wl$(comma)-u$(comma),$(api)) $^ -lgcc -o $@

$(OUT)/size.txt: $(OUT)/agent-core.elf $(OUT)/agent-mps2.elf $(OUT)/agent-max78000.elf \
	$(SRC)/firmware-agent/size-report
	@$(SRC)/firmware-agent/size-report $(call tool,size) $(call tool,nm) $(OUT) \
		$(FLASH_MAX) $(RAM_MAX) $(STACK_MAX) "$(api)" \
		"$(patsubst %,$(OUT)/%.ci,$(core))" \
		"$(max78000_objects:.o=.ci)" >$@.new || { cat $@.new; rm -f $@.new; exit 1; }
	@mv $@.new $@

-include $(sort $(all_objects:.o=.d) $(steps:.o=.d) $(broken_steps:.o=.d))
.PHONY: all
.DELETE_ON_ERROR:
