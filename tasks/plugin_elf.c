#include "tasks/plugin_elf.h"
#include <elf.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static int refuse(int err, char *why, size_t cap, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

static int refuse(int err, char *why, size_t cap, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, cap, format, args);
	va_end(args);
	return err;
}

/* The two classes and byte orders under one face. */
struct view {
	const uint8_t *bytes;
	size_t len;
	bool wide, big;
};

static uint64_t number(const struct view *v, size_t at, unsigned bytes)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < bytes; i++)
		n |= (uint64_t)v->bytes[at + i] << 8 * (v->big ? bytes - 1 - i : i);
	return n;
}

#define FIELD(v, at, type, field)                                    \
	((v)->wide ? number(v, (at) + offsetof(Elf64_##type, field), \
			    sizeof(((Elf64_##type *)NULL)->field))   \
		   : number(v, (at) + offsetof(Elf32_##type, field), \
			    sizeof(((Elf32_##type *)NULL)->field)))

static struct view view(const uint8_t *elf, size_t len)
{
	return (struct view){ elf, len, elf[EI_CLASS] == ELFCLASS64, elf[EI_DATA] == ELFDATA2MSB };
}

static size_t head_bytes(const struct view *v)
{
	return v->wide ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr);
}

static size_t row_bytes(const struct view *v)
{
	return v->wide ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
}

static int check_segments(const struct view *v, char *why, size_t cap)
{
	uint64_t at = FIELD(v, 0, Ehdr, e_phoff), n = FIELD(v, 0, Ehdr, e_phnum);
	bool loads = false, dynamic = false;

	if (FIELD(v, 0, Ehdr, e_phentsize) != row_bytes(v) || n < 1 || n > 64 || at > v->len ||
	    n * row_bytes(v) > v->len - at)
		return refuse(HV_E_FORMAT, why, cap,
			      "it is cut short or damaged: its %llu program headers do not "
			      "lie in its %zu bytes",
			      (unsigned long long)n, v->len);
	for (uint64_t i = 0; i < n; i++) {
		size_t row = (size_t)at + (size_t)i * row_bytes(v);
		uint64_t type = FIELD(v, row, Phdr, p_type);
		uint64_t offset = FIELD(v, row, Phdr, p_offset);
		uint64_t size = FIELD(v, row, Phdr, p_filesz);

		loads |= type == PT_LOAD;
		dynamic |= type == PT_DYNAMIC;
		if (offset > v->len || size > v->len - offset)
			return refuse(HV_E_FORMAT, why, cap,
				      "it is cut short: segment %llu ends at byte %llu of %zu",
				      (unsigned long long)i, (unsigned long long)(offset + size),
				      v->len);
	}
	if (loads && dynamic)
		return HV_OK;
	return refuse(HV_E_FORMAT, why, cap, "it has nothing to load: link it with -shared");
}

int plugin_elf_check(const uint8_t *elf, size_t len, char *why, size_t cap)
{
	struct view v;

	if (len < EI_NIDENT || memcmp(elf, ELFMAG, SELFMAG) != 0)
		return refuse(HV_E_FORMAT, why, cap,
			      "it is no shared object: it does not begin as an ELF file does");
	if (elf[EI_CLASS] < ELFCLASS32 || elf[EI_CLASS] > ELFCLASS64 ||
	    elf[EI_DATA] < ELFDATA2LSB || elf[EI_DATA] > ELFDATA2MSB ||
	    elf[EI_VERSION] != EV_CURRENT)
		return refuse(HV_E_FORMAT, why, cap,
			      "it is an ELF file of unknown class, byte order or version");
	v = view(elf, len);
	if (len < head_bytes(&v))
		return refuse(HV_E_FORMAT, why, cap,
			      "it is cut short: %zu bytes do not hold an ELF header", len);
	if (FIELD(&v, 0, Ehdr, e_type) != ET_DYN)
		return refuse(HV_E_FORMAT, why, cap,
			      "it is an ELF file, but no shared object: link it with -shared");
	return check_segments(&v, why, cap);
}

/* clang-format off */
static const struct machine {
	uint16_t number;
	uint8_t class, order;
	const char *text;
} machines[] = {
	{ EM_X86_64,  ELFCLASS64, ELFDATA2LSB, "x86-64" },
	{ EM_X86_64,  ELFCLASS32, ELFDATA2LSB, "x32" },
	{ EM_386,     ELFCLASS32, ELFDATA2LSB, "i386" },
	{ EM_AARCH64, ELFCLASS64, ELFDATA2LSB, "aarch64" },
	{ EM_ARM,     ELFCLASS32, ELFDATA2LSB, "arm" },
	{ EM_RISCV,   ELFCLASS64, ELFDATA2LSB, "riscv64" },
	{ EM_RISCV,   ELFCLASS32, ELFDATA2LSB, "riscv32" },
	{ EM_PPC64,   ELFCLASS64, ELFDATA2LSB, "ppc64le" },
	{ EM_LOONGARCH, ELFCLASS64, ELFDATA2LSB, "loongarch64" },
	{ EM_MIPS,    ELFCLASS64, ELFDATA2LSB, "mips64" },
	{ EM_MIPS,    ELFCLASS32, ELFDATA2LSB, "mips" },
};
/* clang-format on */

static const char *machine_text(const uint8_t *elf)
{
	struct view v = view(elf, sizeof(Elf32_Ehdr));
	uint64_t kind = FIELD(&v, 0, Ehdr, e_machine);

	for (size_t i = 0; i < sizeof(machines) / sizeof(machines[0]); i++)
		if (machines[i].number == kind && machines[i].class == elf[EI_CLASS] &&
		    machines[i].order == elf[EI_DATA])
			return machines[i].text;
	return "an unknown machine";
}

const char *plugin_elf_machine(const uint8_t *elf)
{
	return machine_text(elf);
}

#if defined(__x86_64__) && defined(__ILP32__)
#define HERE "x32"
#elif defined(__x86_64__)
#define HERE "x86-64"
#elif defined(__i386__)
#define HERE "i386"
#elif defined(__aarch64__)
#define HERE "aarch64"
#elif defined(__arm__)
#define HERE "arm"
#elif defined(__riscv) && __riscv_xlen == 64
#define HERE "riscv64"
#elif defined(__powerpc64__)
#define HERE "ppc64le"
#elif defined(__loongarch64)
#define HERE "loongarch64"
#endif

int plugin_elf_fits(const uint8_t *elf, char *why, size_t cap)
{
#if defined(HERE)
	const char *text = machine_text(elf);

	if (strcmp(text, HERE) != 0)
		return refuse(HV_E_VERSION, why, cap,
			      "it is compiled for %s, this machine is " HERE
			      ": search again here with the function's source (harvest-nas "
			      "search --task FILE.c)",
			      text);
#else
	(void)elf, (void)why, (void)cap; /* the loader knows */
#endif
	return HV_OK;
}

/* Puts zeros over a field of the ELF header. */
#define CLEAR(elf, wide, field)                                  \
	((wide) ? memset((elf) + offsetof(Elf64_Ehdr, field), 0, \
			 sizeof(((Elf64_Ehdr *)NULL)->field))    \
		: memset((elf) + offsetof(Elf32_Ehdr, field), 0, \
			 sizeof(((Elf32_Ehdr *)NULL)->field)))

size_t plugin_elf_trim(uint8_t *elf, size_t len)
{
	struct view v = view(elf, len);
	uint64_t at = FIELD(&v, 0, Ehdr, e_phoff), n = FIELD(&v, 0, Ehdr, e_phnum);
	uint64_t end = at + n * row_bytes(&v);

	for (uint64_t i = 0; i < n; i++) {
		size_t row = (size_t)at + (size_t)i * row_bytes(&v);
		uint64_t last = FIELD(&v, row, Phdr, p_offset) + FIELD(&v, row, Phdr, p_filesz);

		end = last > end ? last : end;
	}
	CLEAR(elf, v.wide, e_shoff);
	CLEAR(elf, v.wide, e_shnum);
	CLEAR(elf, v.wide, e_shstrndx);
	return end < len ? (size_t)end : len;
}
