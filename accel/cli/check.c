/* harvest-model check FILE...: packages by their own vectors; of known-answer tests everything
 * they can say. The content of a file tells which it is. */
#include "accel/cli/open.h"
#include "accel/kat/kat.h"
#include "util/json_out.h"
#include "util/own.h"

#include <stdio.h>
#include <string.h>

/* Hands back the worst of two exit codes: a bad file outranks a failed test. */
static int worse(int a, int b)
{
	return a > b ? a : b;
}

static void print_text(const char *path, const struct kat_result *r)
{
	const char *slash = strrchr(path, '/');

	printf("%-4s  %-26s", kat_result_ok(r) ? "ok" : "FAIL", slash != NULL ? slash + 1 : path);
	for (unsigned c = 0; c < KAT_CHECKS; c++)
		printf("  %s %llu%s", kat_check_name(c), (unsigned long long)r->compared[c],
		       r->ok[c] ? "" : " FAIL");
	putchar('\n');
	for (unsigned c = 0; c < KAT_CHECKS; c++)
		if (!r->ok[c])
			printf("      %s: %s\n", kat_check_name(c), r->what[c]);
}

static void print_json(struct hv_json *j, const char *path, const struct kat_result *r)
{
	hv_json_object(j, NULL);
	hv_json_str(j, "file", path);
	hv_json_bool(j, "ok", kat_result_ok(r));
	for (unsigned c = 0; c < KAT_CHECKS; c++) {
		hv_json_object(j, kat_check_name(c));
		hv_json_bool(j, "ok", r->ok[c]);
		hv_json_u64(j, "compared", r->compared[c]);
		if (!r->ok[c])
			hv_json_str(j, "what", r->what[c]);
		hv_json_end_object(j);
	}
	hv_json_end_object(j);
}

/* Reads and checks one file. *passed counts up when all is well. */
static int check_file(const struct cli *c, const char *path, struct hv_json *j, unsigned *passed)
{
	hv_autofree struct kat_result *r = malloc(sizeof *r);
	struct kat *k = NULL;
	char why[KAT_WHAT_CAP] = "";
	int err;

	if (r == NULL)
		return cli_fail(c, HV_E_NOMEM, "%s: out of memory", path);
	err = kat_read(path, &k, why, sizeof why);
	if (err < 0)
		return cli_fail(c, err, "%s: %s", path, why[0] != '\0' ? why : hv_err_text(err));
	err = kat_check_all(k, r);
	kat_free(k);
	if (err < 0)
		return cli_fail(c, err, "%s: %s", path, hv_err_text(err));
	if (j != NULL)
		print_json(j, path, r);
	else
		print_text(path, r);
	*passed += kat_result_ok(r);
	return kat_result_ok(r) ? CLI_DONE : CLI_FAILED;
}

/* A folder's own text among the files of `check DIR/...`: it is passed over, not failed. */
static bool is_text_beside(const struct cli *c, const char *path)
{
	const char *dot = strrchr(path, '.');

	return c->argc > 1 && dot != NULL && strcmp(dot, ".md") == 0;
}

int cli_check(const struct cli *c)
{
	bool json = cli_has(c, CLI_JSON);
	struct hv_json j = { 0 };
	unsigned passed = 0, skipped = 0, failed;
	int code = CLI_DONE;

	if (json) {
		j = hv_json_begin(stdout);
		hv_json_object(&j, NULL);
		hv_json_array(&j, "files");
	}
	for (int i = 0; i < c->argc; i++) {
		if (is_text_beside(c, c->argv[i])) {
			skipped++;
			continue;
		}
		code = worse(code, (cli_is_package(c->argv[i]) ? cli_check_package : check_file)(
					   c, c->argv[i], json ? &j : NULL, &passed));
	}
	failed = (unsigned)c->argc - passed - skipped;
	if (json) {
		hv_json_end_array(&j);
		hv_json_u64(&j, "passed", passed);
		hv_json_u64(&j, "failed", failed);
		hv_json_u64(&j, "skipped", skipped);
		hv_json_end_object(&j);
		hv_json_finish(&j);
	} else {
		printf("%u passed, %u failed", passed, failed);
		if (skipped > 0)
			printf(", %u skipped (.md)", skipped);
		putchar('\n');
	}
	return code;
}
