#ifndef CNN_CLI_OPEN_H
#define CNN_CLI_OPEN_H
#include "accel/cli/cli.h"
#include "accel/package/package.h"
#include "util/json_out.h"

/* Read a package; *p is returned owned. Says what is wrong with it. An exit code. */
int cli_open(const struct cli *c, const char *path, struct package **p);

/* Parts of `build`: the package of a network, *p returned owned, also when the exit code says
 * that something is wrong with it. */
int cli_build_yaml(const struct cli *c, struct package **p);
int cli_build_kat(const struct cli *c, struct package **p);

bool cli_ends_with(const char *path, const char *suffix);
void cli_hex(const uint8_t hash[32], char to[65]);
const char *cli_unit(enum harvest_metric metric); /* " dB" or "" */

/* The file begins as packages do. */
bool cli_is_package(const char *path);
/* One file of `check`: decode and run its vectors; a line, or an entry of j when that is not
 * NULL; *passed counts up when all is well. An exit code. */
int cli_check_package(const struct cli *c, const char *path, struct hv_json *j, unsigned *passed);

#endif
