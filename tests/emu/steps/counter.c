#include "tests/emu/steps/counter.h"
#include "tests/emu/m78k/state.h"
#include "tests/emu/m78k/symbols.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	FLASH = 0x10000000,
	RAM = 0x20000000,
	NOWHERE = 0x0f000000, /* where calls return to */
	SPLIT = 2, /* cycles */
	ELF_MAX = 8 << 20,
	WINDOW = 0x1400000, /* the data of the last quadrant are behind 16 MiB */
};

static bool fail(struct counter *c, const char *what, uc_err err)
{
	if (c->error[0] == '\0')
		snprintf(c->error, sizeof(c->error), "%s: %s", what,
			 err != UC_ERR_OK ? uc_strerror(err) : "no");
	return false;
}

/* -- counting ------------------------------------------------------------------------------ */

static void on_block(uc_engine *uc, uint64_t addr, uint32_t bytes, void *user)
{
	struct counter *c = user;
	uint32_t at = (uint32_t)addr - FLASH;
	uint16_t n;

	(void)uc;
	if (addr < FLASH || at + bytes > COUNTER_FLASH)
		return;
	if (c->block_cost[at / 2] == 0)
		cost_block(c->flash + at, bytes, &c->block_cost[at / 2], &n);
	c->cost.cycles += c->block_cost[at / 2];
}

/* A word that lies across two takes two transactions. */
static void on_access(uc_engine *uc, uc_mem_type type, uint64_t addr, int size, int64_t value,
		      void *user)
{
	struct counter *c = user;

	(void)uc;
	(void)type;
	(void)value;
	if ((addr & (uint64_t)(size - 1)) != 0)
		c->cost.cycles += SPLIT;
}

static uint64_t on_read(uc_engine *uc, uint64_t offset, unsigned size, void *user)
{
	struct counter *c = user;
	uint32_t addr = CNN_BASE + (uint32_t)offset;

	(void)uc;
	(void)size;
	c->cost.reads++;
	return c->dry ? cnn_emu_peek32(c->emu, addr) : cnn_emu_read32(c->emu, addr);
}

static void on_write(uc_engine *uc, uint64_t offset, unsigned size, uint64_t value, void *user)
{
	struct counter *c = user;
	uint32_t addr = CNN_BASE + (uint32_t)offset;

	(void)uc;
	c->cost.writes++;
	if (c->dry)
		return;
	if (size == 1)
		cnn_emu_write8(c->emu, addr, (uint8_t)value);
	else
		cnn_emu_write32(c->emu, addr, (uint32_t)value);
}

uint64_t counter_ns(const struct counter_cost *k, uint32_t cpu_hz)
{
	return k->cycles * UINT64_C(1000000000) / cpu_hz + (uint64_t)k->writes * CNN_BUS_WRITE_NS +
	       (uint64_t)k->reads * CNN_BUS_READ_NS;
}

/* -- calls --------------------------------------------------------------------------------- */

uint32_t counter_call(struct counter *c, uint32_t addr, uint32_t a0, uint32_t a2, uint32_t a3)
{
	uint32_t sp = RAM + COUNTER_RAM, lr = NOWHERE | 1, r0 = 0, pc = 0;
	uc_err err;

	c->cost = (struct counter_cost){ 0 };
	uc_reg_write(c->uc, UC_ARM_REG_R0, &a0);
	uc_reg_write(c->uc, UC_ARM_REG_R2, &a2);
	uc_reg_write(c->uc, UC_ARM_REG_R3, &a3);
	uc_reg_write(c->uc, UC_ARM_REG_SP, &sp);
	uc_reg_write(c->uc, UC_ARM_REG_LR, &lr);
	err = uc_emu_start(c->uc, addr | 1, NOWHERE, 0, 0);
	uc_reg_read(c->uc, UC_ARM_REG_PC, &pc);
	if (err != UC_ERR_OK || (pc & ~1u) != NOWHERE) {
		char what[96];

		uint32_t r1 = 0;

		uc_reg_read(c->uc, UC_ARM_REG_R1, &r1);
		snprintf(what, sizeof(what), "call of %08x ended at %08x, r1 %08x", addr, pc, r1);
		(void)fail(c, what, err);
		return 0;
	}
	uc_reg_read(c->uc, UC_ARM_REG_R0, &r0);
	return r0;
}

struct counter_cost counter_try(struct counter *c, uint32_t addr, uint32_t a0, uint32_t a2,
				uint32_t a3)
{
	struct counter_cost k;

	memcpy(c->saved, c->ram, COUNTER_RAM);
	c->dry = true;
	(void)counter_call(c, addr, a0, a2, a3);
	c->dry = false;
	k = c->cost;
	memcpy(c->ram, c->saved, COUNTER_RAM);
	return k;
}

struct target_port *counter_port(struct counter *c)
{
	return (struct target_port *)(void *)(c->ram + (c->port - RAM));
}

uint32_t counter_u8(const struct counter *c, uint32_t offset)
{
	return c->ram[c->agent - RAM + offset];
}

uint32_t counter_u16(const struct counter *c, uint32_t offset)
{
	return counter_u8(c, offset) | counter_u8(c, offset + 1) << 8;
}

/* -- begin --------------------------------------------------------------------------------- */

static uint32_t u32(const uint8_t *b)
{
	return b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

/* Segments of an ELF file that was linked for FLASH and RAM; RAM is zero. */
static bool load(struct counter *c, const uint8_t *file, size_t bytes)
{
	uint32_t at, n;

	if (bytes < 52 || memcmp(file, "\177ELF\1\1", 6) != 0)
		return fail(c, "not an ELF file of 32 bits", UC_ERR_OK);
	at = u32(file + 28);
	n = file[44] | (uint32_t)file[45] << 8;
	for (uint32_t i = 0; i < n; i++, at += 32) {
		uint32_t from, to, len;

		if (at + 32 > bytes)
			return fail(c, "program headers end too early", UC_ERR_OK);
		from = u32(file + at + 4);
		to = u32(file + at + 12);
		len = u32(file + at + 16);
		if (u32(file + at) != 1 || len == 0)
			continue;
		if (to < FLASH || len > COUNTER_FLASH || to - FLASH > COUNTER_FLASH - len ||
		    from > bytes || len > bytes - from)
			return fail(c, "a segment is outside flash", UC_ERR_OK);
		memcpy(c->flash + (to - FLASH), file + from, len);
	}
	return true;
}

static bool find(struct counter *c, const uint8_t *file, size_t bytes)
{
	const struct {
		const char *name;
		uint32_t *addr;
	} want[] = { { "agent_step", &c->step },       { "agent_primary_begin", &c->begin },
		     { "agent_primary_end", &c->end }, { "agent_primary_expect", &c->expect },
		     { "agent", &c->agent },           { "port", &c->port } };

	for (size_t i = 0; i < sizeof(want) / sizeof(*want); i++)
		if (elf_symbol(file, bytes, want[i].name, want[i].addr) != HV_OK)
			return fail(c, want[i].name, UC_ERR_OK);
	return true;
}

static bool machine(struct counter *c)
{
	uc_hook hook;
	uc_err err = uc_open(UC_ARCH_ARM, UC_MODE_THUMB | UC_MODE_MCLASS, &c->uc);

	if (err != UC_ERR_OK)
		return fail(c, "unicorn", err);
	(void)uc_ctl_set_cpu_model(c->uc, UC_CPU_ARM_CORTEX_M4);
	c->saved = malloc(COUNTER_RAM);
	if (c->saved == NULL || cnn_emu_new(&c->emu) != HV_OK)
		return fail(c, "out of memory", UC_ERR_OK);
	err = uc_mem_map_ptr(c->uc, FLASH, COUNTER_FLASH, UC_PROT_READ | UC_PROT_EXEC, c->flash);
	if (err == UC_ERR_OK)
		err = uc_mem_map_ptr(c->uc, RAM, COUNTER_RAM, UC_PROT_READ | UC_PROT_WRITE, c->ram);
	if (err == UC_ERR_OK)
		err = uc_mem_map(c->uc, NOWHERE, 4096, UC_PROT_READ | UC_PROT_EXEC);
	if (err == UC_ERR_OK)
		err = uc_mmio_map(c->uc, CNN_BASE, WINDOW, on_read, c, on_write, c);
	if (err == UC_ERR_OK)
		err = uc_hook_add(c->uc, &hook, UC_HOOK_BLOCK, (void *)on_block, c, 1, 0);
	if (err == UC_ERR_OK)
		err = uc_hook_add(c->uc, &hook, UC_HOOK_MEM_READ | UC_HOOK_MEM_WRITE,
				  (void *)on_access, c, RAM, RAM + COUNTER_RAM - 1);
	return err == UC_ERR_OK || fail(c, "the machine's memory", err);
}

static uint8_t *read_file(const char *path, size_t *bytes)
{
	FILE *f = fopen(path, "rb");
	uint8_t *file = malloc(ELF_MAX);

	*bytes = f != NULL && file != NULL ? fread(file, 1, ELF_MAX, f) : 0;
	if (f != NULL)
		fclose(f);
	return file;
}

bool counter_open(struct counter *c, const char *elf)
{
	uint32_t begin;
	size_t bytes;
	uint8_t *file;
	bool ok;

	memset(c, 0, sizeof(*c));
	file = read_file(elf, &bytes);
	ok = bytes > 0 ? load(c, file, bytes) && find(c, file, bytes)
		       : fail(c, "no such ELF file", UC_ERR_OK);
	if (ok && elf_symbol(file, bytes, "target_begin", &begin) != HV_OK)
		ok = fail(c, "target_begin", UC_ERR_OK);
	free(file);
	if (!ok || !machine(c))
		return false;
	if (counter_call(c, begin, 0, 0, 0) != 0)
		return fail(c, "target_begin() refused its configuration", UC_ERR_OK);
	return c->error[0] == '\0';
}

void counter_close(struct counter *c)
{
	if (c->uc != NULL)
		uc_close(c->uc);
	cnn_emu_free(c->emu);
	free(c->saved);
	c->uc = NULL;
	c->emu = NULL;
	c->saved = NULL;
}
