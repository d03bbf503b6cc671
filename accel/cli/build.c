#include "accel/build/build.h"
#include "accel/import/npy.h"
#include "accel/cli/open.h"
#include "tasks/catalog.h"
#include "tasks/metric.h"
#include "util/json_out.h"
#include "util/own.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { SAMPLES = 4096, SAMPLES_MIN = 128, SAMPLES_MAX = 1 << 20, LEVEL = 2 };
enum { MATRIX_MAX_BYTES = 16 << 20 };

static void say(const struct cli *c, const struct package *p, size_t bytes)
{
	const struct package_cert *k = &p->cert;
	char hex[65];

	cli_hex(p->hash, hex);
	if (cli_has(c, CLI_JSON)) {
		struct hv_json j = hv_json_begin(stdout);

		hv_json_object(&j, NULL);
		hv_json_str(&j, "package", c->opt[CLI_OUT]);
		hv_json_str(&j, "name", p->name);
		hv_json_str(&j, "task", p->task);
		hv_json_u64(&j, "level", p->level);
		hv_json_str(&j, "hash", hex);
		hv_json_u64(&j, "file_bytes", bytes);
		hv_json_str(&j, "metric", hv_metric_text(k->metric));
		hv_json_f64(&j, "certified", k->certified);
		hv_json_f64(&j, "max_abs", k->max_abs);
		hv_json_u64(&j, "samples", k->samples);
		hv_json_end_object(&j);
		hv_json_finish(&j);
		return;
	}
	printf("%s: %s of %s, certified %.2f%s from %llu samples, worst error %g units, %zu "
	       "bytes\n",
	       c->opt[CLI_OUT], p->name, p->task, k->certified, cli_unit(k->metric),
	       (unsigned long long)k->samples, k->max_abs, bytes);
}

static void say_network(const struct cli *c, const struct package *p, size_t bytes)
{
	char hex[65];

	cli_hex(p->hash, hex);
	if (cli_has(c, CLI_JSON)) {
		struct hv_json j = hv_json_begin(stdout);

		hv_json_object(&j, NULL);
		hv_json_str(&j, "package", c->opt[CLI_OUT]);
		hv_json_str(&j, "name", p->name);
		hv_json_str(&j, "kind", "network");
		hv_json_u64(&j, "layers", p->net.layers);
		hv_json_str(&j, "hash", hex);
		hv_json_u64(&j, "file_bytes", bytes);
		hv_json_u64(&j, "record_cycles", p->record_cycles);
		hv_json_u64(&j, "known_answers", p->n_kats);
		hv_json_end_object(&j);
		hv_json_finish(&j);
		return;
	}
	printf("%s: network %s of %u layers, %u cycles a run (modelled), %u known answers, %zu "
	       "bytes\n",
	       c->opt[CLI_OUT], p->name, p->net.layers, p->record_cycles, p->n_kats, bytes);
}

static int from_matrix(const struct cli *c, unsigned level, uint64_t samples, struct package **p)
{
	const char *path = c->opt[CLI_MATRIX];
	hv_autofree uint8_t *bytes = NULL;
	hv_autofree double *m = NULL;
	struct npy a;
	size_t len;
	char why[300];
	int r = hv_file_read(path, MATRIX_MAX_BYTES, &bytes, &len);

	if (r < 0)
		return cli_fail(c, r, "%s cannot be read: %s", path, hv_err_text(r));
	r = npy_parse(bytes, len, &a, why, sizeof(why));
	if (r < 0)
		return cli_fail(c, r, "%s: %s", path, why);
	if (a.ndim != 2 || a.shape[0] < 1 || a.shape[0] > CNN_CHANNELS_MAX || a.shape[1] < 1 ||
	    a.shape[1] > CNN_CHANNELS_MAX)
		return cli_fail(c, HV_E_FORMAT,
				"%s: a matrix has two dimensions of 1 to %d, this array has %u of "
				"%zu and %zu",
				path, CNN_CHANNELS_MAX, a.ndim, a.ndim > 0 ? a.shape[0] : 0,
				a.ndim > 1 ? a.shape[1] : 0);
	m = malloc(a.items * sizeof(*m));
	if (m == NULL)
		return cli_fail(c, HV_E_NOMEM, "out of memory");
	for (size_t i = 0; i < a.items; i++) {
		m[i] = npy_value(&a, i);
		if (!isfinite(m[i]))
			return cli_fail(c, HV_E_FORMAT,
					"%s: element (%zu, %zu) is no finite number", path,
					i / a.shape[1], i % a.shape[1]);
	}
	r = cnn_build_matrix(c->opt[CLI_NAME], m, (unsigned)a.shape[0], (unsigned)a.shape[1], level,
			     samples, p, why, sizeof(why));
	return r < 0 ? cli_fail(c, r, "%s: %s", path, why) : CLI_DONE;
}

static int from_task(const struct cli *c, unsigned level, uint64_t samples, struct package **p)
{
	const struct harvest_task *task = task_find(c->opt[CLI_TASK]);
	char why[300];
	int r;

	if (task == NULL)
		return cli_fail(c, HV_E_INVAL, "there is no built-in task '%s'", c->opt[CLI_TASK]);
	r = cnn_build_linear(task, level, samples, p, why, sizeof(why));
	return r < 0 ? cli_fail(c, r, "%s", why) : CLI_DONE;
}

/* What to build from, and that the options fit it. An exit code. */
static int check_options(const struct cli *c)
{
	int from = cli_has(c, CLI_MATRIX) + cli_has(c, CLI_TASK) + cli_has(c, CLI_YAML) +
		   cli_has(c, CLI_KAT);

	if (from != 1)
		return cli_fail(c, HV_E_INVAL,
				"give one of --matrix FILE.npy, --task NAME, --yaml FILE and "
				"--kat FILE: what to build from");
	if (cli_has(c, CLI_YAML) != (cli_has(c, CLI_WEIGHTS) || cli_has(c, CLI_SEED)))
		return cli_fail(c, HV_E_INVAL,
				"--yaml FILE goes with --weights DIR, which has its arrays, or "
				"with --seed N, which makes them");
	if (cli_has(c, CLI_TASK) && cli_has(c, CLI_NAME))
		return cli_fail(c, HV_E_INVAL,
				"--name NAME does not go with --task: a task's "
				"package has its own name");
	if ((cli_has(c, CLI_MATRIX) || cli_has(c, CLI_YAML)) && !cli_has(c, CLI_NAME))
		return cli_fail(c, HV_E_INVAL,
				"--name NAME is missing: what the package is called");
	if ((cli_has(c, CLI_YAML) || cli_has(c, CLI_KAT)) &&
	    (cli_has(c, CLI_LEVEL) || cli_has(c, CLI_SAMPLES)))
		return cli_fail(c, HV_E_INVAL,
				"--level and --samples are for approximations, not for a network");
	if (!cli_has(c, CLI_YAML) &&
	    (cli_has(c, CLI_AVG_ROUND) || cli_has(c, CLI_FIFO) || cli_has(c, CLI_SEED)))
		return cli_fail(c, HV_E_INVAL,
				"--avg-pool-rounding, --fifo and --seed go with --yaml");
	if (!cli_has(c, CLI_OUT))
		return cli_fail(c, HV_E_INVAL, "-o FILE.hvm is missing: where the package goes");
	return CLI_DONE;
}

int cli_build(const struct cli *c)
{
	struct package *p = NULL;
	hv_autofree uint8_t *bytes = NULL;
	uint64_t level, samples;
	size_t len;
	int r = check_options(c);

	if (r != CLI_DONE)
		return r;
	if (!cli_number(c, CLI_LEVEL, 1, 4, LEVEL, &level) ||
	    !cli_number(c, CLI_SAMPLES, SAMPLES_MIN, SAMPLES_MAX, SAMPLES, &samples))
		return CLI_USAGE;
	r = cli_has(c, CLI_YAML)   ? cli_build_yaml(c, &p)
	    : cli_has(c, CLI_KAT)  ? cli_build_kat(c, &p)
	    : cli_has(c, CLI_TASK) ? from_task(c, (unsigned)level, samples, &p)
				   : from_matrix(c, (unsigned)level, samples, &p);
	if (r != CLI_DONE) {
		package_free(p);
		return r;
	}
	r = package_encode(p, &bytes, &len);
	if (r < 0)
		return cli_fail(c, r, "%s cannot be made: %s", c->opt[CLI_OUT], hv_err_text(r));
	if (hv_file_write(c->opt[CLI_OUT], bytes, len) < 0)
		r = cli_fail(c, HV_E_IO, "%s cannot be written: %s", c->opt[CLI_OUT],
			     strerror(errno));
	else
		(p->kind == PACKAGE_NETWORK ? say_network : say)(c, p, len);
	package_free(p);
	return r;
}
