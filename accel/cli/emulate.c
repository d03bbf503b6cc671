/* harvest-model emulate KAT: the register writes of a file on the emulator, nothing else. */
#include "accel/cli/cli.h"
#include "accel/kat/kat.h"

#include <stdio.h>

static void dump(const struct kat *k, const struct cnn_emu *e)
{
	for (size_t i = 0; i < k->n_expects; i++) {
		const struct kat_expect *x = &k->expects[i];

		for (uint32_t w = 0; x->layer < 0 && w < x->count; w++)
			printf("%08x %08x\n", (unsigned)(x->addr + 4 * w),
			       (unsigned)cnn_emu_peek32(e, x->addr + 4 * w));
	}
}

static int emulate(const struct cli *c, const struct kat *k, struct cnn_emu *e)
{
	char why[KAT_WHAT_CAP];
	uint64_t compared = 0;

	if (!kat_replay(k, e, 0, why, sizeof why))
		return cli_fail(c, HV_E_WRONG, "%s: %s", c->argv[0], why);
	if (cnn_emu_misuse(e) > 0)
		fprintf(stderr, "harvest-model: emulate: %s: misuse: %s\n", c->argv[0],
			cnn_emu_misuse_text(e));
	if (cli_has(c, CLI_DUMP)) {
		dump(k, e);
		return CLI_DONE;
	}
	if (!kat_expect_match(k, e, &compared, why, sizeof why))
		return cli_fail(c, HV_E_WRONG, "%s: %s", c->argv[0], why);
	printf("%s: all %llu expected words are there\n", k->name, (unsigned long long)compared);
	return CLI_DONE;
}

int cli_emulate(const struct cli *c)
{
	struct kat *k = NULL;
	struct cnn_emu *e = NULL;
	char why[KAT_WHAT_CAP] = "";
	int err = kat_read(c->argv[0], &k, why, sizeof why), code;

	if (err < 0)
		return cli_fail(c, err, "%s: %s", c->argv[0],
				why[0] != '\0' ? why : hv_err_text(err));
	if (cnn_emu_new(&e) < 0)
		code = cli_fail(c, HV_E_NOMEM, "%s: out of memory", c->argv[0]);
	else
		code = emulate(c, k, e);
	cnn_emu_free(e);
	kat_free(k);
	return code;
}
