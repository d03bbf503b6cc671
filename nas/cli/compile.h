#ifndef NAS_CLI_COMPILE_H
#define NAS_CLI_COMPILE_H
#include "nas/cli/cli.h"

/* FILE.c to the bytes of a shared object, returned owned: $CC or cc with $CFLAGS, in a directory
 * of its own that is gone when this returns, also on a signal. <harvest/task.h> is the one that
 * this program was built with. The compiler speaks for itself on stderr. An exit code. */
int nas_cli_compile(const struct nas_cli *c, const char *path, uint8_t **elf, size_t *len);

#endif
