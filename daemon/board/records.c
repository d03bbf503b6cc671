#include "daemon/board/board_priv.h"
#include "tasks/catalog.h"
#include <string.h>

/* Records as a board sees them. A package with a host program has its own pixels and values on
 * the wire; they are made here, just before they are sent, and read back at once, so a batch
 * holds the task's records all its life. */

const uint8_t *board_records_in(struct board *b, const struct model *m, const uint8_t *in,
				uint32_t records)
{
	size_t from = tensor_bytes(&m->task->in), to = package_board_in_bytes(m->pkg);

	if (m->pkg->host == NULL)
		return in;
	for (uint32_t i = 0; i < records; i++)
		package_to_board(m->pkg, in + i * from, b->set->pixels + i * to);
	return b->set->pixels;
}

void board_records_out(struct board *b, const struct model *m, const uint8_t *in,
		       const uint8_t *got, uint32_t records, uint8_t *out)
{
	size_t in_bytes = tensor_bytes(&m->task->in), out_bytes = tensor_bytes(&m->task->out);
	size_t board_bytes = package_board_out_bytes(m->pkg);

	if (m->pkg->host == NULL) {
		memcpy(out, got, records * out_bytes);
		return;
	}
	for (uint32_t i = 0; i < records; i++)
		package_from_board(m->pkg, in + i * in_bytes, got + i * board_bytes, b->set->values,
				   out + i * out_bytes);
}
