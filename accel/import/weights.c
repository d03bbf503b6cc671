#include "accel/import/npy.h"
#include "accel/import/reader.h"
#include "util/own.h"
#include "util/rng.h"

#include <math.h>
#include <string.h>

struct array {
	char name[16];
	uint8_t *bytes; /* owned */
	struct npy n;
	unsigned line; /* that wants it */
};

/* HV_E_NOENT: there is none, and nothing was said. */
static int array_load(struct reader *r, struct array *a)
{
	char detail[200] = "";
	size_t len = 0;
	int err = r->arrays->read(r->arrays->ctx, a->name, &a->bytes, &len);

	if (err == HV_E_NOENT)
		return err;
	if (err < 0) {
		(void)import_refuse(r, a->line, "array %s cannot be read: %s", a->name,
				    err == HV_E_FORMAT ? "no regular file, or too long"
						       : hv_err_text(err));
		return err;
	}
	if (npy_parse(a->bytes, len, &a->n, detail, sizeof(detail)) < 0)
		return import_refuse(r, a->line, "array %s: %s", a->name, detail);
	return HV_OK;
}

/* All items as signed bytes lo..hi, returned owned. */
static int array_values(struct reader *r, const struct array *a, int lo, int hi, int8_t **to)
{
	int8_t *v = malloc(a->n.items > 0 ? a->n.items : 1);

	if (v == NULL)
		return HV_E_NOMEM;
	for (size_t i = 0; i < a->n.items; i++) {
		double x = npy_value(&a->n, i);

		if (!(x >= lo && x <= hi) || x != floor(x)) {
			free(v);
			return import_refuse(r, a->line,
					     "array %s: item %zu is %g, must be a whole number "
					     "%d..%d",
					     a->name, i, x, lo, hi);
		}
		v[i] = (int8_t)x;
	}
	*to = v;
	return HV_OK;
}

static void shape_text(const struct npy *n, char *to, size_t cap)
{
	size_t used = 0;

	to[0] = '\0';
	for (unsigned i = 0; i < n->ndim && used < cap; i++)
		used += (size_t)snprintf(to + used, cap - used, "%s%zu", i > 0 ? "x" : "",
					 n->shape[i]);
}

/* Sizes behind the first are want[0..n-1]; ones at the end may be missing or more. */
static bool shape_fits(const struct npy *a, const size_t *want, unsigned n)
{
	if (a->ndim < 1)
		return false;
	for (unsigned i = 0; i < n || i + 1 < a->ndim; i++) {
		size_t is = i + 1 < a->ndim ? a->shape[i + 1] : 1;

		if (is != (i < n ? want[i] : 1))
			return false;
	}
	return true;
}

static int check_shape(struct reader *r, const struct array *a, const struct cnn_layer *l)
{
	size_t want[3] = { l->in_channels, cnn_layer_kernel_h(l), cnn_layer_kernel_w(l) };
	char is[80];

	shape_text(&a->n, is, sizeof(is));
	if (l->flatten)
		want[0] *= (size_t)l->height * l->width;
	if (!shape_fits(&a->n, want, 3))
		return import_refuse(r, a->line,
				     "array %s has shape %s, must be OUTx%zux%zux%zu (ones at the "
				     "end may be left out)",
				     a->name, is, want[0], want[1], want[2]);
	if (a->n.shape[0] < 1 || a->n.shape[0] > CNN_CHANNELS_MAX)
		return import_refuse(r, a->line, "array %s has %zu output channels, must be 1..%d",
				     a->name, a->n.shape[0], CNN_CHANNELS_MAX);
	return HV_OK;
}

static int take_bias(struct reader *r, struct cnn_layer *l)
{
	struct array a = { .line = r->layer[r->at].line };
	int8_t *values = NULL;
	int err;

	snprintf(a.name, sizeof(a.name), "b%d", r->at);
	err = array_load(r, &a);
	if (err == HV_OK && (a.n.items != l->out_channels || a.n.ndim < 1))
		err = import_refuse(r, a.line, "array %s has %zu values, must be %u, one a channel",
				    a.name, a.n.items, l->out_channels);
	if (err == HV_OK)
		err = array_values(r, &a, -128, 127, &values);
	free(a.bytes);
	l->bias = values;
	return err == HV_E_NOENT ? HV_OK : err;
}

/* Weights of a layer that has none: small enough that its answers do not all saturate. */
static int make_weights(struct reader *r, struct cnn_layer *l, int max)
{
	uint32_t amplitude = max >= 8 ? (uint32_t)max / 4 + 1 : (uint32_t)max + 1;
	struct hv_rng rng;
	int8_t *values;
	size_t n;

	l->out_channels = (uint16_t)r->layer[r->at].v[KEY_OUT_CHANNELS].a;
	n = cnn_layer_weights(l);
	if (l->out_channels > CNN_CHANNELS_MAX || n > IMPORT_ARRAY_MAX_BYTES)
		return import_refuse(r, r->layer[r->at].line,
				     "out_channels is %u: too many weights to make",
				     l->out_channels);
	values = malloc(n > 0 ? n : 1);
	if (values == NULL)
		return HV_E_NOMEM;
	hv_rng_seed(&rng, r->options->seed + (unsigned)r->at);
	for (size_t i = 0; i < n; i++)
		values[i] = (int8_t)((int)hv_rng_below(&rng, 2 * amplitude) - (int)amplitude);
	l->weights = values;
	return HV_OK;
}

int import_weights(struct reader *r, struct cnn_layer *l)
{
	struct array a = { .line = r->layer[r->at].line };
	int max = (1 << (l->weight_bits - 1)) - 1;
	int8_t *values = NULL;
	int err;

	snprintf(a.name, sizeof(a.name), "w%d", r->at);
	err = array_load(r, &a);
	if (err == HV_E_NOENT && r->options->seeded &&
	    import_has(&r->layer[r->at], KEY_OUT_CHANNELS))
		return make_weights(r, l, max);
	if (err == HV_E_NOENT)
		err = import_refuse(r, a.line, "array %s is missing: the weights of the layer",
				    a.name);
	if (err == HV_OK)
		err = check_shape(r, &a, l);
	if (err == HV_OK) {
		l->out_channels = (uint16_t)a.n.shape[0];
		err = array_values(r, &a, -max - 1, max, &values);
	}
	free(a.bytes);
	l->weights = values;
	return err == HV_OK ? take_bias(r, l) : err;
}

static int take_sample(struct reader *r, const struct array *a, uint32_t chw[3])
{
	char is[80];
	bool ok = a->n.ndim == 2 || a->n.ndim == 3;

	chw[2] = 1;
	for (unsigned i = 0; ok && i < a->n.ndim; i++) {
		ok = a->n.shape[i] >= 1 && a->n.shape[i] <= CNN_CHANNELS_MAX;
		chw[i] = (uint32_t)a->n.shape[i];
	}
	if (ok)
		return array_values(r, a, -128, 127, &r->im->sample);
	shape_text(&a->n, is, sizeof(is));
	return import_refuse(r, a->line,
			     "array input has shape %s, must be (channels, height) or (channels, "
			     "height, width), each 1..%d",
			     is, CNN_CHANNELS_MAX);
}

/* Input channels that the weights of layer 0 have. */
static int channels_of_weights(struct reader *r, const struct import_layer *l, uint32_t pixels,
			       int64_t *channels)
{
	struct array a = { .name = "w0", .line = l->line };
	int err = array_load(r, &a);

	if (err == HV_OK && a.n.ndim < 2)
		err = import_refuse(r, a.line, "array w0 has fewer than 2 dimensions");
	if (err == HV_OK)
		*channels = (int64_t)(a.n.shape[1] / pixels);
	if (err == HV_E_NOENT)
		err = import_refuse(r, l->line,
				    "in_channels is missing, and there is no array input or w0");
	free(a.bytes);
	return err;
}

/* Without a sample: from what the first layer says about itself. */
static int input_of_layer(struct reader *r, uint32_t chw[3])
{
	const struct import_layer *l = &r->layer[0];
	const struct import_value *dim = &l->v[KEY_IN_DIM];
	bool flat = l->v[KEY_FLATTEN].a != 0;
	int64_t channels = l->v[KEY_IN_CHANNELS].a, operands = 1;
	uint32_t pixels;
	int err = HV_OK;

	if (dim->line == 0)
		return import_refuse(r, l->line,
				     "in_dim is missing, and there is no array input: the size of "
				     "the network input is unknown");
	chw[1] = (uint32_t)dim->a;
	chw[2] = (uint32_t)dim->b;
	pixels = flat ? chw[1] * chw[2] : 1;
	if (import_has(l, KEY_IN_CHANNELS))
		channels /= pixels;
	else
		err = channels_of_weights(r, l, pixels, &channels);
	if (import_has(l, KEY_OPERANDS))
		operands = l->v[KEY_OPERANDS].a;
	else if (import_has(l, KEY_ELTWISE) || l->v[KEY_OP].a >= OP_ELTWISE)
		operands = 2;
	if (err == HV_OK && (channels < 1 || channels * operands > CNN_CHANNELS_MAX))
		return import_refuse(r, l->line, "network input has %lld channels, must be 1..%d",
				     (long long)(channels * operands), CNN_CHANNELS_MAX);
	chw[0] = (uint32_t)(channels * operands);
	return err;
}

int import_input(struct reader *r, uint32_t chw[3], bool *given)
{
	struct array a = { .name = "input", .line = r->layer[0].line };
	int err = array_load(r, &a);

	*given = err == HV_OK;
	if (err == HV_OK)
		err = take_sample(r, &a, chw);
	else if (err == HV_E_NOENT)
		err = input_of_layer(r, chw);
	free(a.bytes);
	return err;
}
