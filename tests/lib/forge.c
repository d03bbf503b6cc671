/* forge IN.hvm OUT.hvm TIMES: the same package with a certificate so many times too good, and the
 * hash that goes with it: what no check of a file can find. */
#include "accel/package/package.h"
#include "tasks/metric.h"
#include "util/own.h"
#include <math.h>

int main(int argc, char **argv)
{
	hv_autofree uint8_t *bytes = NULL;
	struct package *p = NULL;
	char why[300] = "";
	double times = argc == 4 ? strtod(argv[3], NULL) : 0;
	size_t len = 0;
	int r;

	if (!(times > 0)) {
		fprintf(stderr, "usage: forge IN.hvm OUT.hvm TIMES\n");
		return 2;
	}
	r = package_read(argv[1], &p, why, sizeof(why));
	if (r == HV_OK && hv_metric_larger_is_better(p->cert.metric))
		p->cert.certified += 20 * log10(times);
	else if (r == HV_OK)
		p->cert.certified /= times;
	if (r == HV_OK)
		r = package_encode(p, &bytes, &len);
	if (r == HV_OK)
		r = hv_file_write(argv[2], bytes, len);
	package_free(p);
	if (r != HV_OK)
		fprintf(stderr, "forge: %s: %s\n", argv[1], why[0] ? why : hv_err_text(r));
	return r != HV_OK;
}
