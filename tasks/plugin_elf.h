#ifndef TASKS_PLUGIN_ELF_H
#define TASKS_PLUGIN_ELF_H
#include "util/fs/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A plug-in as bytes: what its ELF headers say, before anybody loads it. */

/* A shared object, ET_DYN, whose headers and segments lie inside of it. Any machine.
 * HV_E_FORMAT with one sentence that begins with "it". */
HV_NODISCARD int plugin_elf_check(const uint8_t *elf, size_t len, char *why, size_t cap);
/* It is for the machine that this program is for. HV_E_VERSION says which two they are. Only of
 * what plugin_elf_check() took. */
HV_NODISCARD int plugin_elf_fits(const uint8_t *elf, char *why, size_t cap);
/* "x86-64"; of what plugin_elf_check() took. */
const char *plugin_elf_machine(const uint8_t *elf);
/* Forgets section headers, symbols for debuggers and all else that the loader never reads;
 * returns how many bytes remain. The same source gives the same bytes in any folder. */
size_t plugin_elf_trim(uint8_t *elf, size_t len);

#endif
