#include "accel/ref/ref.h"

#include "accel/num.h"
#include "util/own.h"

#include <string.h>

/* Values of one operand or of all of them combined: pixel by pixel, channels together, so that
 * the innermost loops run over neighbours. 16-bit holders of 8-bit values. */
struct plane {
	uint32_t channels, height, width;
	int16_t *v; /* (height, width, channels), owned */
};

static int plane_new(struct plane *p, uint32_t channels, uint32_t height, uint32_t width)
{
	*p = (struct plane){ .channels = channels, .height = height, .width = width };
	p->v = calloc((size_t)channels * height * width, sizeof *p->v);
	return p->v == NULL ? HV_E_NOMEM : HV_OK;
}

static void plane_free(struct plane *p)
{
	free(p->v);
	p->v = NULL;
}

static int16_t *plane_at(const struct plane *p, uint32_t y, uint32_t x)
{
	return p->v + ((size_t)y * p->width + x) * p->channels;
}

/* ---- gathering ---- */

/* Channel `ch` of the concatenated sources as a map of `pixels` values. */
static void copy_channel(const struct cnn_net *net, const struct cnn_layer *l, const int8_t *input,
			 const struct cnn_tensors *t, uint32_t ch, int16_t *to, size_t step)
{
	size_t pixels = (size_t)l->height * l->width;

	for (unsigned s = 0; s < cnn_layer_sources(l); s++) {
		int from = cnn_layer_source(l, s);
		uint32_t chw[3] = { net->channels, net->height, net->width };

		if (from != CNN_FROM_INPUT)
			cnn_layer_out_shape(&net->layer[from], chw);
		if (ch >= chw[0]) {
			ch -= chw[0];
			continue;
		}
		for (size_t n = 0; n < pixels; n++)
			to[n * step] = from == CNN_FROM_INPUT
					       ? input[ch * pixels + n]
					       : (int16_t)t->out[from][ch * pixels + n];
		return;
	}
}

static void gather_operand(const struct cnn_net *net, const struct cnn_layer *l,
			   const int8_t *input, const struct cnn_tensors *t, unsigned operand,
			   struct plane *p)
{
	for (uint32_t c = 0; c < l->in_channels; c++)
		copy_channel(net, l, input, t, operand * l->in_channels + c, p->v + c,
			     l->in_channels);
}

/* ---- pooling and element-wise ---- */

static int16_t pool_window(const struct plane *p, const struct cnn_layer *l, uint32_t y0,
			   uint32_t x0, uint32_t c, bool round)
{
	int32_t ph = l->pool_h > 1 ? l->pool_h : 1, pw = l->pool_w > 1 ? l->pool_w : 1;
	int32_t sum = 0, max = INT16_MIN;

	for (int32_t y = 0; y < ph; y++)
		for (int32_t x = 0; x < pw; x++) {
			int32_t v = plane_at(p, y0 + (uint32_t)y, x0 + (uint32_t)x)[c];

			sum += v;
			max = v > max ? v : max;
		}
	return (int16_t)(l->pool == CNN_POOL_MAX ? max : cnn_num_mean(sum, ph * pw, round));
}

static int pool_plane(const struct cnn_net *net, const struct cnn_layer *l, struct plane *p)
{
	uint32_t hw[2], stride = cnn_layer_stride(l);
	bool round = net->avg_round && l->op != CNN_OP_CONV1D;
	struct plane out;

	if (l->pool == CNN_POOL_NONE && stride == 1)
		return HV_OK;
	cnn_layer_pooled(l, hw);
	if (plane_new(&out, p->channels, hw[0], hw[1]) < 0)
		return HV_E_NOMEM;
	for (uint32_t y = 0; y < hw[0]; y++)
		for (uint32_t x = 0; x < hw[1]; x++)
			for (uint32_t c = 0; c < p->channels; c++)
				plane_at(&out, y, x)[c] =
					l->pool == CNN_POOL_NONE
						? plane_at(p, y * stride, x * stride)[c]
						: pool_window(p, l, y * stride, x * stride, c,
							      round);
	plane_free(p);
	*p = out;
	return HV_OK;
}

static int16_t combine_one(enum cnn_eltwise how, int32_t a, int32_t b)
{
	switch (how) {
	case CNN_ELT_SUB: return (int16_t)(a - b);
	case CNN_ELT_ADD: return (int16_t)(a + b);
	case CNN_ELT_OR: return (int16_t)(a | b);
	case CNN_ELT_XOR: return (int16_t)(a ^ b);
	}
	return 0;
}

static void combine_plane(enum cnn_eltwise how, struct plane *all, const struct plane *next)
{
	size_t n = (size_t)all->height * all->width * all->channels;

	for (size_t i = 0; i < n; i++)
		all->v[i] = combine_one(how, all->v[i], next->v[i]);
}

static void clamp_plane(struct plane *p)
{
	size_t n = (size_t)p->height * p->width * p->channels;

	for (size_t i = 0; i < n; i++)
		p->v[i] = (int16_t)cnn_num_clamp8(p->v[i]);
}

/* The operands of a layer, gathered, pooled and combined. */
static int prepare(const struct cnn_net *net, const struct cnn_layer *l, const int8_t *input,
		   const struct cnn_tensors *t, struct plane *all)
{
	int err = plane_new(all, l->in_channels, l->height, l->width);

	if (err < 0)
		return err;
	gather_operand(net, l, input, t, 0, all);
	if (!l->combine_first)
		err = pool_plane(net, l, all);
	for (unsigned k = 1; err == HV_OK && k < cnn_layer_operands(l); k++) {
		struct plane next;

		err = plane_new(&next, l->in_channels, l->height, l->width);
		if (err == HV_OK)
			gather_operand(net, l, input, t, k, &next);
		if (err == HV_OK && !l->combine_first)
			err = pool_plane(net, l, &next);
		if (err == HV_OK)
			combine_plane(l->eltwise, all, &next);
		plane_free(&next);
	}
	if (cnn_layer_operands(l) > 1)
		clamp_plane(all);
	if (err == HV_OK && l->combine_first)
		err = pool_plane(net, l, all);
	return err;
}

/* ---- convolution ---- */

/* A zero after every pixel and row: a transposed convolution is then a plain one. */
static int spread_plane(struct plane *p)
{
	struct plane out;

	if (plane_new(&out, p->channels, 2 * p->height, 2 * p->width) < 0)
		return HV_E_NOMEM;
	for (uint32_t y = 0; y < p->height; y++)
		for (uint32_t x = 0; x < p->width; x++)
			memcpy(plane_at(&out, 2 * y, 2 * x), plane_at(p, y, x),
			       p->channels * sizeof *p->v);
	plane_free(p);
	*p = out;
	return HV_OK;
}

/* All pixels become channels of one pixel, in C,H,W order. */
static int flatten_plane(struct plane *p)
{
	uint32_t pixels = p->height * p->width;
	struct plane out;

	if (plane_new(&out, p->channels * pixels, 1, 1) < 0)
		return HV_E_NOMEM;
	for (uint32_t n = 0; n < pixels; n++)
		for (uint32_t c = 0; c < p->channels; c++)
			out.v[c * pixels + n] = p->v[n * p->channels + c];
	plane_free(p);
	*p = out;
	return HV_OK;
}

static int32_t dot(const int16_t *a, const int16_t *b, size_t n)
{
	int32_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += a[i] * b[i];
	return sum;
}

static int32_t finish(const struct cnn_layer *l, int32_t acc)
{
	if (l->out_bits == 32)
		return acc;
	acc = cnn_num_requant(acc, l->shift);
	if (l->act == CNN_ACT_RELU)
		return cnn_num_relu(acc);
	return l->act == CNN_ACT_ABS ? cnn_num_abs(acc) : acc;
}

/* Geometry of a convolution over `in`; w is one output's (kh, kw, channels). */
struct window {
	const struct plane *in;
	uint32_t kh, kw, pad_h, pad_w, dilation;
};

static int32_t window_sum(const struct window *k, const int16_t *w, uint32_t y, uint32_t x)
{
	const struct plane *in = k->in;
	int32_t sum = 0;

	for (uint32_t r = 0; r < k->kh; r++)
		for (uint32_t c = 0; c < k->kw; c++) {
			uint32_t iy = y + r * k->dilation - k->pad_h, ix = x + c - k->pad_w;

			if (iy < in->height && ix < in->width) /* zeros around, also below 0 */
				sum += dot(plane_at(in, iy, ix),
					   w + (size_t)(r * k->kw + c) * in->channels,
					   in->channels);
		}
	return sum;
}

static void convolve(const struct cnn_layer *l, const struct window *k, int16_t *w, int32_t *out)
{
	uint32_t chw[3], channels = k->in->channels, taps = k->kh * k->kw;

	cnn_layer_out_shape(l, chw);
	for (uint32_t o = 0; o < chw[0]; o++) {
		const int8_t *from = l->weights + (size_t)o * channels * taps;

		for (uint32_t c = 0; c < channels; c++)
			for (uint32_t tap = 0; tap < taps; tap++)
				w[tap * channels + c] = from[c * taps + tap];
		for (uint32_t y = 0; y < chw[1]; y++)
			for (uint32_t x = 0; x < chw[2]; x++)
				*out++ = finish(l, window_sum(k, w, y, x) +
							   (l->bias ? 128 * l->bias[o] : 0));
	}
}

static int run_convolution(const struct cnn_layer *l, struct plane *in, int32_t *out)
{
	struct window k = { .in = in,
			    .kh = cnn_layer_kernel_h(l),
			    .kw = cnn_layer_kernel_w(l),
			    .pad_h = l->pad_h,
			    .pad_w = l->pad_w,
			    .dilation = cnn_layer_dilation(l) };
	hv_autofree int16_t *w = NULL;
	int err = HV_OK;

	if (l->op == CNN_OP_CONVT2D) {
		k.pad_h = 2u - l->pad_h;
		k.pad_w = 2u - l->pad_w;
		err = spread_plane(in);
	} else if (l->flatten) {
		err = flatten_plane(in);
	}
	if (err < 0)
		return err;
	w = malloc((size_t)in->channels * k.kh * k.kw * sizeof *w);
	if (w == NULL)
		return HV_E_NOMEM;
	convolve(l, &k, w, out);
	return HV_OK;
}

static void copy_plane(const struct plane *p, int32_t *out)
{
	size_t pixels = (size_t)p->height * p->width;

	for (uint32_t c = 0; c < p->channels; c++)
		for (size_t n = 0; n < pixels; n++)
			*out++ = p->v[n * p->channels + c];
}

static int run_layer(const struct cnn_net *net, unsigned i, const int8_t *input,
		     struct cnn_tensors *t)
{
	const struct cnn_layer *l = &net->layer[i];
	struct plane in = { 0 };
	uint32_t chw[3];
	int err;

	cnn_layer_out_shape(l, chw);
	t->out[i] = malloc((size_t)chw[0] * chw[1] * chw[2] * sizeof *t->out[i]);
	if (t->out[i] == NULL)
		return HV_E_NOMEM;
	err = prepare(net, l, input, t, &in);
	if (err == HV_OK && l->op == CNN_OP_PASS)
		copy_plane(&in, t->out[i]);
	else if (err == HV_OK)
		err = run_convolution(l, &in, t->out[i]);
	plane_free(&in);
	return err;
}

int cnn_ref_run(const struct cnn_net *net, const int8_t *input, struct cnn_tensors *t)
{
	int err = HV_OK;

	memset(t, 0, sizeof *t);
	for (unsigned i = 0; err == HV_OK && i < net->layers; i++)
		err = run_layer(net, i, input, t);
	if (err < 0)
		cnn_tensors_free(t);
	return err;
}

void cnn_tensors_free(struct cnn_tensors *t)
{
	for (unsigned i = 0; i < CNN_LAYERS_MAX; i++) {
		free(t->out[i]);
		t->out[i] = NULL;
	}
}
