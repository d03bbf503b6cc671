/* One message of the board link. What decodes encodes to the same bytes. */
#include "proto/linkmsg.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t back[512];
	union link_msg m;
	size_t n;

	if (link_msg_decode(data, size, &m) != HV_OK)
		return 0;
	n = link_msg_encode(&m, back, sizeof(back));
	if (n == 0 || n > size || memcmp(back, data, n) != 0 ||
	    strcmp(link_msg_text(m.any.id_), "?") == 0)
		abort();
	return 0;
}
