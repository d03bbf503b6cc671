#include "tests/emu/m78k/symbols.h"
#include <elf.h>
#include <stdbool.h>
#include <string.h>

static bool get(const uint8_t *file, size_t bytes, size_t at, void *to, size_t n)
{
	if (at > bytes || n > bytes - at)
		return false;
	memcpy(to, file + at, n);
	return true;
}

static bool is_name(const uint8_t *file, size_t bytes, size_t at, const char *name)
{
	size_t n = strlen(name) + 1;

	return at <= bytes && n <= bytes - at && memcmp(file + at, name, n) == 0;
}

int elf_symbol(const uint8_t *file, size_t bytes, const char *name, uint32_t *addr)
{
	Elf32_Ehdr head;
	Elf32_Shdr table, text;
	Elf32_Sym s;

	if (!get(file, bytes, 0, &head, sizeof(head)) ||
	    memcmp(head.e_ident, ELFMAG "\1\1", SELFMAG + 2) != 0 ||
	    head.e_shentsize != sizeof(table))
		return HV_E_INVAL;
	for (size_t i = 0; i < head.e_shnum; i++) {
		if (!get(file, bytes, head.e_shoff + i * sizeof(table), &table, sizeof(table)))
			return HV_E_INVAL;
		if (table.sh_type != SHT_SYMTAB)
			continue;
		if (!get(file, bytes, head.e_shoff + table.sh_link * sizeof(text), &text,
			 sizeof(text)))
			return HV_E_INVAL;
		for (size_t at = 0; at + sizeof(s) <= table.sh_size; at += sizeof(s)) {
			if (!get(file, bytes, table.sh_offset + at, &s, sizeof(s)))
				return HV_E_INVAL;
			if (s.st_shndx == SHN_UNDEF || ELF32_ST_TYPE(s.st_info) > STT_FUNC ||
			    !is_name(file, bytes, (size_t)text.sh_offset + s.st_name, name))
				continue;
			*addr = s.st_value & ~UINT32_C(1);
			return HV_OK;
		}
	}
	return HV_E_NOENT;
}
