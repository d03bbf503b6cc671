/* harvest-model build from a network that exists: the vendor's YAML with weights, or a
 * known-answer test. */
#include "accel/import/import.h"
#include "accel/cli/open.h"
#include "accel/cost/cost.h"
#include "accel/kat/kat.h"
#include "util/own.h"
#include <stdio.h>
#include <string.h>

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

int cli_build_yaml(const struct cli *c, struct package **p)
{
	struct import_options o = { .avg_round = cli_has(c, CLI_AVG_ROUND),
				    .fifo = cli_has(c, CLI_FIFO),
				    .seeded = cli_has(c, CLI_SEED) };
	struct import *im = NULL;
	char why[400] = "", recipe[128];
	int r;

	if (!cli_number(c, CLI_SEED, 0, UINT64_MAX, 0, &o.seed))
		return CLI_USAGE;
	r = import_yaml_files(c->opt[CLI_YAML], c->opt[CLI_WEIGHTS], &o, &im, why, sizeof(why));
	if (r < 0)
		return cli_fail(c, r, "%s", why);
	for (unsigned i = 0; i < im->notes; i++)
		fprintf(stderr, "harvest-model: build: %s: %s\n", c->opt[CLI_YAML], im->note[i]);
	snprintf(recipe, sizeof(recipe), "yaml %.40s, arch %.30s, dataset %.30s",
		 base_name(c->opt[CLI_YAML]), im->arch, im->dataset);
	r = import_package(c->opt[CLI_NAME], recipe, &im->net, im->sample, p, why, sizeof(why));
	import_free(im);
	return r < 0 ? cli_fail(c, r, "%s: %s", c->opt[CLI_YAML], why) : CLI_DONE;
}

/* The file's own answers are the first vector's: the reference must agree with them. */
static int same_answers(const struct cli *c, const struct kat *k, const struct package *p)
{
	const uint8_t *at = p->kat[0].out;

	for (unsigned i = 0; i < k->net.layers; i++) {
		uint32_t chw[3];
		size_t n;

		if (!k->net.layer[i].is_output)
			continue;
		cnn_layer_out_shape(&k->net.layer[i], chw);
		n = (size_t)chw[0] * chw[1] * chw[2];
		if (memcmp(at, k->out[i], sizeof(int32_t) * n) != 0)
			return cli_fail(c, HV_E_WRONG,
					"%s: layer %u: the reference gives other values than the "
					"file has",
					c->opt[CLI_KAT], i);
		at += sizeof(int32_t) * n;
	}
	return CLI_DONE;
}

int cli_build_kat(const struct cli *c, struct package **p)
{
	struct kat *k = NULL;
	char why[300] = "", recipe[128];
	int r = kat_read(c->opt[CLI_KAT], &k, why, sizeof(why));

	if (r < 0)
		return cli_fail(c, r, "%s: %s", c->opt[CLI_KAT],
				why[0] != '\0' ? why : hv_err_text(r));
	snprintf(recipe, sizeof(recipe), "known-answer test %.60s", base_name(c->opt[CLI_KAT]));
	r = import_package(cli_has(c, CLI_NAME) ? c->opt[CLI_NAME] : k->name, recipe, &k->net,
			   k->input, p, why, sizeof(why));
	r = r < 0 ? cli_fail(c, r, "%s: %s", c->opt[CLI_KAT], why) : same_answers(c, k, *p);
	kat_free(k);
	return r;
}
