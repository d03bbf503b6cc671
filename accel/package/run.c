#include "accel/package/package.h"
#include "accel/ref/fast.h"
#include "accel/ref/ref.h"
#include "util/fs/wr.h"
#include "util/own.h"
#include <string.h>

/* Words of one record: [set][position][row]. */
struct words {
	const struct cnn_steps *steps;
	int32_t *at;
};

static int32_t word_at(void *ctx, unsigned set, unsigned position, unsigned row)
{
	const struct words *w = ctx;
	const struct cnn_steps *s = w->steps;

	return w->at[((size_t)set * cnn_steps_positions(s) + position) * s->rows + row];
}

static void finish(const struct cnn_steps *s, struct words *w, uint8_t *record)
{
	for (unsigned i = 0; i < cnn_steps_items(s); i++)
		cnn_steps_out(s, i, word_at, w, record);
}

/* Every layer is linear on the input, pixel by pixel: what levels 1 to 4 are. */
static bool is_matrix(const struct cnn_net *net)
{
	for (unsigned i = 0; i < net->layers; i++) {
		const struct cnn_layer *l = &net->layer[i];

		if (l->op != CNN_OP_LINEAR || l->from != CNN_FROM_INPUT || l->flatten ||
		    l->more_sources > 0 || l->operands > 1 || l->pool != CNN_POOL_NONE ||
		    cnn_layer_stride(l) > 1 || !l->is_output || l->out_bits != 32)
			return false;
	}
	return true;
}

/* General networks: the reference, record by record. */
static int run_reference(const struct package *p, const uint8_t *in, uint8_t *out, size_t records)
{
	const struct cnn_steps *s = &p->steps;
	unsigned positions = cnn_steps_positions(s);
	size_t per_set = (size_t)positions * s->rows;
	hv_autofree int8_t *input = malloc((size_t)positions * s->channels);
	hv_autofree int32_t *at = malloc(sizeof(*at) * s->sets * per_set);
	struct words w = { s, at };

	if (input == NULL || at == NULL)
		return HV_E_NOMEM;
	for (size_t n = 0; n < records; n++) {
		struct cnn_tensors t;
		unsigned set = 0;
		int r;

		for (unsigned i = 0; i < positions * s->channels; i++)
			input[i] = cnn_steps_in(s, in, i % positions, i / positions);
		r = cnn_ref_run(&p->net, input, &t);
		if (r < 0)
			return r;
		for (unsigned l = 0; l < p->net.layers; l++) {
			if (!p->net.layer[l].is_output)
				continue;
			for (size_t i = 0; i < per_set; i++)
				at[per_set * set + i] =
					t.out[l][i % s->rows * positions + i / s->rows];
			set++;
		}
		cnn_tensors_free(&t);
		finish(s, &w, out);
		in += cnn_steps_in_bytes(s);
		out += cnn_steps_out_bytes(s);
	}
	return HV_OK;
}

/* sum a[i] * b[i]: exact, |sum| <= 1024 * 2^14. 16-bit operands are what compilers turn into
 * multiply-add instructions on every x86-64 and Arm64. */
__attribute__((optimize("O3"))) static int32_t dot(const int16_t *restrict a,
						   const int16_t *restrict b, unsigned n)
{
	int32_t sum = 0;

	for (unsigned i = 0; i < n; i++)
		sum += (int32_t)a[i] * b[i];
	return sum;
}

/* All weight rows of all sets, then the pixels of one record, as int16, `channels` a row. */
static void widen(const int8_t *from, size_t n, int16_t *to)
{
	for (size_t i = 0; i < n; i++)
		to[i] = from[i];
}

static void matrix_record(const struct package *p, const int16_t *weights, const int16_t *pixels,
			  struct words *w)
{
	const struct cnn_steps *s = &p->steps;
	unsigned positions = cnn_steps_positions(s), channels = s->channels;

	for (unsigned set = 0; set < s->sets; set++) {
		const int8_t *bias = p->net.layer[set].bias;

		for (unsigned r = 0; r < s->rows; r++) {
			const int16_t *row = weights + ((size_t)set * s->rows + r) * channels;

			for (unsigned q = 0; q < positions; q++)
				w->at[((size_t)set * positions + q) * s->rows + r] =
					dot(row, pixels + (size_t)q * channels, channels) +
					(bias != NULL ? 128 * bias[r] : 0);
		}
	}
}

static int run_matrix(const struct package *p, const uint8_t *in, uint8_t *out, size_t records)
{
	const struct cnn_steps *s = &p->steps;
	unsigned positions = cnn_steps_positions(s), channels = s->channels;
	size_t per_set = (size_t)s->rows * channels;
	hv_autofree int16_t *weights = malloc(sizeof(*weights) * s->sets * per_set);
	hv_autofree int16_t *pixels = malloc(sizeof(*pixels) * positions * channels);
	hv_autofree int32_t *at = malloc(sizeof(*at) * s->sets * positions * s->rows);
	struct words w = { s, at };

	if (weights == NULL || pixels == NULL || at == NULL)
		return HV_E_NOMEM;
	for (unsigned set = 0; set < s->sets; set++)
		widen(p->net.layer[set].weights, per_set, weights + set * per_set);
	for (size_t n = 0; n < records; n++) {
		for (unsigned q = 0; q < positions; q++)
			for (unsigned c = 0; c < channels; c++)
				pixels[(size_t)q * channels + c] = cnn_steps_in(s, in, q, c);
		matrix_record(p, weights, pixels, &w);
		finish(s, &w, out);
		in += cnn_steps_in_bytes(s);
		out += cnn_steps_out_bytes(s);
	}
	return HV_OK;
}

/* A network alone: tensors in, tensors out. */
static int run_network(const struct package *p, const uint8_t *in, uint8_t *out, size_t records)
{
	struct hv_wr w = hv_wr_init(out, records * package_out_bytes(p));

	for (size_t n = 0; n < records; n++) {
		struct cnn_tensors t;
		int r = cnn_ref_run(&p->net, (const int8_t *)in, &t);

		if (r < 0)
			return r;
		for (unsigned l = 0; l < p->net.layers; l++) {
			uint32_t chw[3];
			size_t items;

			if (!p->net.layer[l].is_output)
				continue;
			cnn_layer_out_shape(&p->net.layer[l], chw);
			items = (size_t)chw[0] * chw[1] * chw[2];
			for (size_t i = 0; i < items; i++)
				hv_wr_u32(&w, (uint32_t)t.out[l][i]);
		}
		cnn_tensors_free(&t);
		in += package_in_bytes(p);
	}
	return HV_OK;
}

size_t package_board_in_bytes(const struct package *p)
{
	return p->kind == PACKAGE_NETWORK ? package_in_bytes(p) : cnn_steps_in_bytes(&p->steps);
}

size_t package_board_out_bytes(const struct package *p)
{
	return p->kind == PACKAGE_NETWORK ? package_out_bytes(p) : cnn_steps_out_bytes(&p->steps);
}

void package_to_board(const struct package *p, const void *in, void *board_in)
{
	if (p->host != NULL)
		hostprog_run_encode(p->host, in, board_in);
	else
		memcpy(board_in, in, package_in_bytes(p));
}

static void words_of(const struct cnn_steps *s, const uint8_t *at, int32_t *words)
{
	for (unsigned i = 0; i < s->sets; i++)
		for (uint32_t n = s->raw[i].rows * s->raw[i].pixels; n > 0; n--) {
			if (s->raw[i].bits == 8)
				*words++ = (int8_t)*at++;
			else
				memcpy(words++, at, 4), at += 4;
		}
}

void package_from_board(const struct package *p, const void *in, const void *board_out,
			int32_t *words, void *out)
{
	if (p->host == NULL) {
		memcpy(out, board_out, package_out_bytes(p));
		return;
	}
	words_of(&p->steps, board_out, words);
	hostprog_run_decode(p->host, in, words, out);
}

/* Any value of the type will do: pictures. */
static bool box_is_type(const struct package *p)
{
	return p->n_domain == 1 && p->host->in_dtype == HARVEST_U8 && p->domain[0] <= 0 &&
	       p->domain[1] >= UINT8_MAX;
}

bool package_in_box(const struct package *p, const void *in)
{
	size_t step = p->n_domain > 1 ? 2 : 0;

	if (p->host != NULL && box_is_type(p))
		return true;
	for (uint32_t i = 0; p->host != NULL && i < p->host->in_elements; i++) {
		double v = hostprog_element(p->host, in, i);

		if (!(v >= p->domain[step * i] && v <= p->domain[step * i + 1]))
			return false;
	}
	return true;
}

size_t package_outside(const struct package *p, const void *in, size_t n, bool *in_box)
{
	size_t bytes = package_in_bytes(p), first = n;

	if (p->host == NULL)
		return n;
	for (size_t i = 0; i < n && first == n; i++)
		if (!package_in_box(p, (const uint8_t *)in + i * bytes))
			first = i;
	*in_box = false;
	if (p->support == NULL)
		return first;
	n = support_outside(p->support, in, first);
	*in_box = n < first;
	return n;
}

bool package_in_domain(const struct package *p, const void *in)
{
	bool in_box;

	return package_outside(p, in, 1, &in_box) == 1;
}

/* (channels, pixels) from (pixels, channels), or back. */
static void turn(const int8_t *from, uint32_t rows, uint32_t cols, int8_t *to)
{
	for (uint32_t r = 0; r < rows; r++)
		for (uint32_t c = 0; c < cols; c++)
			to[(size_t)c * rows + r] = from[(size_t)r * cols + c];
}

static void turn_words(const struct cnn_steps *s, const int32_t *from, int32_t *to)
{
	for (unsigned i = 0; i < s->sets; i++) {
		uint32_t rows = s->raw[i].rows, pixels = s->raw[i].pixels;

		for (uint32_t r = 0; r < rows; r++)
			for (uint32_t q = 0; q < pixels; q++)
				to[(size_t)q * rows + r] = from[(size_t)r * pixels + q];
		from += (size_t)rows * pixels;
		to += (size_t)rows * pixels;
	}
}

/* Host program, fast reference, host program. */
static int run_hosted(const struct package *p, const uint8_t *in, uint8_t *out, size_t records)
{
	size_t bytes = cnn_steps_in_bytes(&p->steps), words = cnn_steps_words(&p->steps);
	hv_autofree int8_t *pixels = malloc(2 * bytes);
	hv_autofree int32_t *values = malloc(2 * words * sizeof(*values));
	struct cnn_fast *f = NULL;
	int r;

	if (pixels == NULL || values == NULL)
		return HV_E_NOMEM;
	r = cnn_fast_new(&p->net, NULL, &f);
	if (r < 0)
		return r;
	for (size_t n = 0; n < records; n++) {
		hostprog_run_encode(p->host, in, pixels);
		turn(pixels, cnn_steps_positions(&p->steps), p->steps.channels, pixels + bytes);
		cnn_fast_run(f, pixels + bytes, 1, values);
		turn_words(&p->steps, values, values + words);
		hostprog_run_decode(p->host, in, values + words, out);
		in += package_in_bytes(p);
		out += package_out_bytes(p);
	}
	cnn_fast_free(f);
	return HV_OK;
}

int package_run(const struct package *p, const void *in, void *out, size_t records)
{
	if (p->host != NULL)
		return run_hosted(p, in, out, records);
	if (p->kind == PACKAGE_NETWORK)
		return run_network(p, in, out, records);
	return is_matrix(&p->net) ? run_matrix(p, in, out, records)
				  : run_reference(p, in, out, records);
}
