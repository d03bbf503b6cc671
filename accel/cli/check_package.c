#include "accel/cli/open.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool cli_is_package(const char *path)
{
	char start[3];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	bool is = fd >= 0 && read(fd, start, sizeof(start)) == (ssize_t)sizeof(start) &&
		  memcmp(start, "HVM", sizeof(start)) == 0;

	if (fd >= 0)
		close(fd);
	return is;
}

int cli_check_package(const struct cli *c, const char *path, struct hv_json *j, unsigned *passed)
{
	struct package *p = NULL;
	char why[300] = "";
	int r = cli_open(c, path, &p);

	if (r != CLI_DONE)
		return r;
	r = package_self_test(p, why, sizeof(why));
	if (r < 0)
		(void)cli_fail(c, r, "%s: %s", path, why);
	if (j != NULL) {
		hv_json_object(j, NULL);
		hv_json_str(j, "file", path);
		hv_json_bool(j, "ok", r == HV_OK);
		hv_json_str(j, "package", p->name);
		hv_json_u64(j, "known_answers", p->n_kats);
		if (r < 0)
			hv_json_str(j, "what", why);
		hv_json_end_object(j);
	} else {
		printf("%-4s  %-26s  known answers %u%s%s\n", r == HV_OK ? "ok" : "FAIL", p->name,
		       p->n_kats, r < 0 ? ": " : "", why);
	}
	*passed += r == HV_OK;
	package_free(p);
	return cli_exit_code(r);
}
