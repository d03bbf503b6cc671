/* The shortest way to a result: one record of a task, on standard output.
 *   sync [TASK [BYTES-OF-A-RECORD]]      usually fft64, whose record has 256 bytes */
#include <harvest/harvest.h>
#include <stdio.h>
#include <stdlib.h>

enum { RECORD_MAX_BYTES = 65536, TIMEOUT_MS = 5000 };

static unsigned char in[RECORD_MAX_BYTES], out[4 * RECORD_MAX_BYTES];

int main(int argc, char **argv)
{
	const char *task = argc > 1 ? argv[1] : "fft64";
	size_t in_bytes = argc > 2 ? strtoul(argv[2], NULL, 10) : 256, out_bytes = 0;
	harvest_client *c;
	int err;

	if (in_bytes == 0 || in_bytes > sizeof(in)) {
		fprintf(stderr, "sync: a record has 1 to %zu bytes\n", sizeof(in));
		return 2;
	}
	in[0] = 100; /* an impulse: the spectrum is flat */
	err = harvest_client_open(NULL, TIMEOUT_MS, &c);
	if (err == HARVEST_OK)
		err = harvest_run(c, task, in, in_bytes, NULL, out, sizeof(out), &out_bytes);
	if (err == HARVEST_OK)
		printf("%s: %zu bytes in, %zu bytes out, the first is %d\n", task, in_bytes,
		       out_bytes, out[0]);
	else
		fprintf(stderr, "sync: %s\n", harvest_client_reason(c));
	harvest_client_close(c);
	return err == HARVEST_OK ? 0 : 1;
}
