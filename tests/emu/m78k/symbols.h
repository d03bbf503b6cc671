#ifndef EMU_SYMBOLS_H
#define EMU_SYMBOLS_H
#include "util/fs/err.h"
#include <stddef.h>
#include <stdint.h>

/* The address of a function or variable in the symbol table of a 32-bit little-endian ELF file,
 * without the Thumb bit. HV_E_NOENT: no such symbol; HV_E_INVAL: no such file format. */
HV_NODISCARD int elf_symbol(const uint8_t *file, size_t bytes, const char *name, uint32_t *addr);

#endif
