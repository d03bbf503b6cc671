/* The comparison of slow and fast twin without a test runner, for machines that are emulated. */
#include "accel/ref/fast.h"
#include "tests/lib/fast_twins.h"

#include <stdio.h>

int main(void)
{
	unsigned n = rounds(1000, 20000), passed = 0, failed = 0;
	struct hv_rng r;
	char why[100];

	hv_rng_seed(&r, 7);
	printf("instruction sets:");
	for (unsigned i = 0; cnn_fast_isa(i) != NULL; i++)
		printf(" %s", cnn_fast_isa(i));
	putchar('\n');
	for (unsigned i = 0; i < n; i++) {
		struct random_net net;
		bool same;

		random_net_make(&r, i % 2 == 0 ? NETS_ANY : NETS_LINEAR, &net);
		same = fast_twins_agree(&net, why, sizeof why);
		if (same) {
			random_net_to_extremes(&r, &net);
			same = fast_twins_agree(&net, why, sizeof why);
		}
		if (!same)
			printf("network %u: %s\n", i, why);
		passed += same;
		failed += !same;
		random_net_free(&net);
	}
	printf("%u passed, %u failed\n", passed, failed);
	return failed > 0;
}
