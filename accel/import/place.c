#include "accel/image/geometry.h"
#include "accel/import/reader.h"

/* Processors of one pass as many as the layer reads. */
static int check_map(struct reader *r, enum import_key k, const char *field, uint64_t map,
		     uint32_t channels)
{
	const struct import_layer *in = &r->layer[r->at];
	unsigned bits = cnn_count_bits(map), want = cnn_per_pass(channels);

	if (bits == want)
		return HV_OK;
	if (!import_has(in, k)) { /* only guessed from the next layer */
		import_note(r, in->line, "placement is not used: %s is missing", field);
		return HV_E_BUSY;
	}
	return import_refuse(r, in->v[k].line, "%s has %u processors, must be %u for %u channels",
			     field, bits, want, (unsigned)channels);
}

static uint64_t out_map(const struct reader *r, unsigned i, uint32_t channels)
{
	const struct import_layer *in = &r->layer[i];
	unsigned n = cnn_per_pass(channels);

	if (import_has(in, KEY_OUT_PROCESSORS))
		return (uint64_t)in->v[KEY_OUT_PROCESSORS].a;
	if (i + 1 < r->layers)
		return (uint64_t)r->layer[i + 1].v[KEY_PROCESSORS].a;
	if (r->output_map.line != 0)
		return (uint64_t)r->output_map.a;
	return n >= 64 ? ~UINT64_C(0) : (UINT64_C(1) << n) - 1;
}

static int place_layer(struct reader *r, unsigned i)
{
	const struct import_layer *in = &r->layer[i];
	const struct cnn_layer *l = &r->im->net.layer[i];
	struct cnn_place_layer *at = &r->im->place.layer[i];
	int64_t before = i > 0 ? r->layer[i - 1].v[KEY_OUT_OFFSET].a : 0;
	uint32_t chw[3];
	int err;

	cnn_layer_out_shape(l, chw);
	at->in_processors = (uint64_t)in->v[KEY_PROCESSORS].a;
	at->out_processors = out_map(r, i, chw[0]);
	at->in_offset = (uint16_t)(import_has(in, KEY_IN_OFFSET) ? in->v[KEY_IN_OFFSET].a : before);
	at->out_offset = (uint16_t)in->v[KEY_OUT_OFFSET].a;
	at->write_gap = (uint8_t)in->v[KEY_WRITE_GAP].a;
	at->bias_quadrant = -1;
	err = check_map(r, KEY_PROCESSORS, "processors", at->in_processors, l->in_channels);
	return err == HV_OK ? check_map(r, KEY_OUT_PROCESSORS, "output_processors",
					at->out_processors, chw[0])
			    : err;
}

int import_place(struct reader *r)
{
	char why[160] = "";
	int err = HV_OK;

	for (unsigned i = 0; i < r->layers; i++)
		if (!import_has(&r->layer[i], KEY_PROCESSORS))
			return HV_OK;
	for (r->at = 0; err == HV_OK && r->at < (int)r->layers; r->at++)
		err = place_layer(r, (unsigned)r->at);
	r->at = -1;
	if (err < 0)
		return err == HV_E_BUSY ? HV_OK : err;
	err = cnn_place_kernels(&r->im->net, &r->im->place, why, sizeof(why));
	r->im->has_place = err == HV_OK;
	if (err != HV_OK)
		import_note(r, 1, "its own placement is not used: %.40s", why);
	return HV_OK;
}
