#include "nas/structure/structure.h"
#include "util/own.h"

struct cnn_layer *structure_layer(struct package *p, enum cnn_op op, int from, unsigned in,
				  unsigned out, int8_t *weights, int8_t *bias)
{
	struct cnn_layer *l = &p->net.layer[p->net.layers++];
	uint32_t chw[3] = { 0, p->net.height, p->net.width };

	if (from >= 0)
		cnn_layer_out_shape(&p->net.layer[from], chw);
	*l = (struct cnn_layer){ .op = op,
				 .from = from,
				 .in_channels = (uint16_t)in,
				 .height = (uint16_t)chw[1],
				 .width = (uint16_t)chw[2],
				 .out_channels = (uint16_t)out,
				 .weight_bits = 8,
				 .out_bits = 8,
				 .weights = weights,
				 .bias = bias };
	return l;
}

int structure_emit_map(struct hostprog *h, unsigned rows, unsigned cols, double gain, double offset)
{
	int r = hostprog_block_add(h, HOSTPROG_ENCODE, rows, cols);

	if (r == HV_OK)
		r = hostprog_add(
			h, (struct hostprog_ins){ .op = HP_IN, .step = { (int32_t)cols, 1 } });
	if (r >= 0)
		r = hostprog_add(h, (struct hostprog_ins){ .op = HP_EMIT,
							   .k = gain,
							   .offset = offset,
							   .step = { (int32_t)cols, 1 } });
	return r;
}

int structure_results(struct hostprog *h, unsigned n, double unit, double constant)
{
	const struct hostprog_ins ins[] = {
		{ .op = HP_WORD, .step = { 0, 1 } }, { .op = HP_CONST, .k = unit },
		{ .op = HP_MUL, .a = 0, .b = 1 },    { .op = HP_CONST, .k = constant },
		{ .op = HP_ADD, .a = 2, .b = 3 },    { .op = HP_RESULT, .a = 4, .step = { 0, 1 } },
	};
	int r = hostprog_block_add(h, HOSTPROG_DECODE, 1, n);

	for (size_t i = 0; r >= 0 && i < HV_ARRAY_SIZE(ins); i++)
		r = hostprog_add(h, ins[i]);
	return r;
}

int nas_search_structure(struct nas_request *q, struct nas_front *f, char *why, size_t cap)
{
	int (*const kinds[])(struct structure * s) = { structure_local, structure_block,
						       structure_median, structure_magnitude };
	struct structure s = { q, f, why, cap };

	for (size_t i = 0; i < HV_ARRAY_SIZE(kinds); i++) {
		int r = kinds[i](&s);

		if (r != HV_E_NOENT)
			return r;
	}
	return HV_E_NOENT;
}
