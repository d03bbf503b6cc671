#include "nas/hinge.h"
#include "nas/jobs.h"
#include "nas/lsq.h"
#include "nas/model.h"
#include "nas/pack.h"
#include "nas/structure/structure.h"
#include "tasks/catalog.h"
#include "util/own.h"
#include "util/rng.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Images: every pixel of the answer depends on its 3x3 neighbourhood alone. The greedy engine
 * works on patches; its units become a 3x3 convolution, its output a 1x1 one.
 *
 * Pixels at an end of the range of the answer were cut off there by the task; they teach nothing
 * but that, so they count little among the squares.
 *
 * Is the answer the length of a vector of two filters' outputs? Its square is then a quadratic
 * form of rank two in the pixels; least squares finds the form, its eigenvectors are the filters,
 * and the length is the mean of |a cos t + b sin t| over directions t: units to begin with. */
enum {
	TAPS = 9,
	PATCHES = 8192,
	IMAGES = 48,
	JOBS_MAX = 12,
	UNITS_MAX = 16,
	PAIRS = TAPS * (TAPS + 1) / 2
};

struct local {
	struct structure *s;
	unsigned rows, cols; /* of the answer */
	float *x; /* (TAPS, n) */
	double *t, *w; /* (n) */
	size_t n;
	bool has_filters;
	double filter[2][TAPS]; /* answer = sqrt(sum of the squares of their outputs) */
	int shift[JOBS_MAX]; /* of the output layer */
	int8_t bias[JOBS_MAX];
	struct nas_model *model[JOBS_MAX];
	unsigned jobs;
};

static const uint8_t widths[] = { 2, 3, 4, 6, 8, 12, 16 };

static bool is_local(const struct harvest_task *t)
{
	return t->in.dtype == HARVEST_U8 && t->out.dtype == HARVEST_U8 && t->in.ndim == 2 &&
	       t->out.ndim == 2 && t->in.shape[0] == t->out.shape[0] + 2 &&
	       t->in.shape[1] == t->out.shape[1] + 2;
}

static int draw(struct local *l)
{
	const struct harvest_task *t = l->s->q->task;
	unsigned wide = l->cols + 2;
	hv_autofree uint8_t *image = malloc(tensor_bytes(&t->in));
	hv_autofree double *ref = malloc(sizeof(*ref) * tensor_elements(&t->out));
	struct hv_rng rng;

	hv_rng_seed(&rng, l->s->q->seed);
	if (image == NULL || ref == NULL)
		return HV_E_NOMEM;
	for (size_t i = 0; i < l->n; i++) {
		unsigned row = hv_rng_below(&rng, l->rows), col = hv_rng_below(&rng, l->cols);

		if (i % (PATCHES / IMAGES) == 0) {
			t->sample(1, i, image);
			t->reference(image, ref);
		}
		for (unsigned k = 0; k < TAPS; k++)
			l->x[k * l->n + i] =
				(float)image[(row + k / 3) * wide + col + k % 3] - 128.0f;
		l->t[i] = ref[row * l->cols + col];
		l->w[i] = l->t[i] > 0 && l->t[i] < 255 ? 1 : 0.02;
	}
	return HV_OK;
}

/* Eigenvalues on the diagonal of a (TAPS, TAPS), vectors in the columns of v: Jacobi. */
static void eigen(double a[TAPS][TAPS], double v[TAPS][TAPS])
{
	for (unsigned i = 0; i < TAPS; i++)
		for (unsigned k = 0; k < TAPS; k++)
			v[i][k] = i == k;
	for (unsigned turn = 0; turn < 30 * TAPS * TAPS; turn++) {
		unsigned p = turn % TAPS, q = turn / TAPS % TAPS;
		double theta, c, s;

		if (p >= q || a[p][q] == 0)
			continue;
		theta = 0.5 * atan2(2 * a[p][q], a[q][q] - a[p][p]);
		c = cos(theta);
		s = sin(theta);
		for (unsigned k = 0; k < TAPS; k++) {
			double x = a[k][p], y = a[k][q];

			a[k][p] = c * x - s * y;
			a[k][q] = s * x + c * y;
			x = v[k][p], y = v[k][q];
			v[k][p] = c * x - s * y;
			v[k][q] = s * x + c * y;
		}
		for (unsigned k = 0; k < TAPS; k++) {
			double x = a[p][k], y = a[q][k];

			a[p][k] = c * x - s * y;
			a[q][k] = s * x + c * y;
		}
	}
}

/* The two largest eigenvalues stand out, and are positive. */
static void take_filters(struct local *l, double a[TAPS][TAPS], double v[TAPS][TAPS])
{
	unsigned at[2] = { 0, 1 };
	double rest = 0;

	for (unsigned i = 1; i < TAPS; i++) {
		if (a[i][i] > a[at[0]][at[0]])
			at[1] = at[0], at[0] = i;
		else if (at[1] == at[0] || a[i][i] > a[at[1]][at[1]])
			at[1] = i;
	}
	for (unsigned i = 0; i < TAPS; i++)
		rest += i == at[0] || i == at[1] ? 0 : fabs(a[i][i]);
	l->has_filters = a[at[1]][at[1]] > 0 && rest < 0.05 * a[at[0]][at[0]];
	for (unsigned f = 0; f < 2 && l->has_filters; f++)
		for (unsigned k = 0; k < TAPS; k++)
			l->filter[f][k] = sqrt(a[at[f]][at[f]]) * v[k][at[f]];
}

static int find_filters(struct local *l)
{
	size_t n = l->n;
	hv_autofree float *cols = malloc(sizeof(*cols) * PAIRS * n);
	hv_autofree double *t = malloc(sizeof(*t) * n);
	hv_autofree double *w = malloc(sizeof(*w) * n);
	double coef[PAIRS + 1] = { 0 }, err, a[TAPS][TAPS], v[TAPS][TAPS];
	struct nas_gram g = { 0 };
	unsigned at = 0;
	int r;

	if (cols == NULL || t == NULL || w == NULL)
		return HV_E_NOMEM;
	for (unsigned i = 0; i < TAPS; i++)
		for (unsigned k = i; k < TAPS; k++, at++)
			for (size_t m = 0; m < n; m++)
				cols[at * n + m] = l->x[i * n + m] * l->x[k * n + m];
	for (size_t m = 0; m < n; m++) {
		t[m] = l->t[m] * l->t[m];
		w[m] = l->w[m] == 1 ? 1 / (l->t[m] * l->t[m] + 1) : 0;
	}
	r = nas_gram_make(cols, PAIRS, t, 1, w, n, &g);
	if (r == HV_OK)
		r = nas_gram_solve(&g, 0, 1e-10, coef, &err);
	nas_gram_clear(&g);
	at = 1;
	for (unsigned i = 0; i < TAPS; i++)
		for (unsigned k = i; k < TAPS; k++, at++)
			a[i][k] = a[k][i] = i == k ? coef[at] : coef[at] / 2;
	if (r == HV_OK) {
		eigen(a, v);
		take_filters(l, a, v);
	}
	for (size_t m = 0; r == HV_OK && l->has_filters && m < n; m++)
		l->w[m] = l->w[m] == 1; /* lengths are known to be right beyond the end */
	return r;
}

/* Units for `width` directions, as long as 127 in a weight or 255 in the answer allow. */
static void directions(const struct local *l, unsigned width, int8_t *w)
{
	double most = 0, scale;

	for (unsigned i = 0; i < width * TAPS; i++) {
		double t = M_PI * (i / TAPS) / width;

		most = fmax(most, fabs(l->filter[0][i % TAPS] * cos(t) +
				       l->filter[1][i % TAPS] * sin(t)));
	}
	scale = fmin(127 / most, 128 * 127.0 / 262);
	for (unsigned i = 0; i < width * TAPS; i++) {
		double t = M_PI * (i / TAPS) / width;

		w[i] = (int8_t)rint(scale * (l->filter[0][i % TAPS] * cos(t) +
					     l->filter[1][i % TAPS] * sin(t)));
	}
}

/* The output in eight bits, answer minus 128, since an image of 32-bit words has no room: rows in
 * units of 2^(shift - 7), the constant in the bias. */
static int round_output(struct local *l, struct nas_model *m, unsigned job)
{
	unsigned columns = 0, units = m->hidden[0].units;
	hv_autofree float *f = nas_model_features(m, l->x, l->n, &columns);
	uint8_t group[UNITS_MAX + 1] = { 0 };
	double coef[UNITS_MAX + 1], most = 0, err, constant, unit;
	int32_t q[UNITS_MAX + 1];
	struct nas_gram g;
	int r = f != NULL ? nas_gram_make(f, columns, l->t, 1, l->w, l->n, &g) : HV_E_NOMEM;

	if (r < 0)
		return r;
	r = nas_gram_solve(&g, 0, 1e-6, coef, &err);
	for (unsigned i = 1; i <= units; i++)
		most = fmax(most, fabs(coef[i]));
	l->shift[job] = (int)ceil(log2(fmax(most, 1e-9) / 127)) + 7;
	l->shift[job] = l->shift[job] < 0 ? 0 : l->shift[job] > 15 ? 15 : l->shift[job];
	unit = ldexp(1, l->shift[job] - 7);
	if (r == HV_OK)
		r = nas_gram_round(&g, 0, 1e-6, group, &unit, 127, NULL, q, &constant, &err);
	nas_gram_clear(&g);
	constant = rint((constant - 128) / ldexp(1, l->shift[job]));
	l->bias[job] = (int8_t)(constant < -128 ? -128 : constant > 127 ? 127 : constant);
	for (unsigned i = 0; r == HV_OK && i < units; i++)
		m->rows[0][i] = (int8_t)q[i + 1];
	return r;
}

/* Units of one width: greedy, then the output layer. */
static int fit(void *ctx, unsigned job)
{
	static const uint8_t feature[TAPS] = { 0, 1, 2, 3, 4, 5, 6, 7, 8 };
	struct local *l = ctx;
	struct nas_model *m = calloc(1, sizeof(*m));
	struct nas_units u = { 0 };
	int8_t start[16 * TAPS], zero[16] = { 0 };
	struct nas_hinge_problem p = { .n = l->n,
				       .channels = TAPS,
				       .targets = 1,
				       .x = l->x,
				       .t = l->t,
				       .weight = l->w,
				       .shift = -1,
				       .act = CNN_ACT_ABS,
				       .width = widths[job],
				       .pool = 1024,
				       .rounds = 40,
				       .sweeps = 4,
				       .seed = l->s->q->seed + job,
				       .feature = feature };
	int r = HV_E_NOMEM;

	if (l->has_filters) {
		directions(l, p.width, start);
		p.start_weights = start;
		p.start_bias = zero;
		p.starts = p.width;
		p.shift = 0;
	}
	l->model[job] = m;
	if (m == NULL)
		return r;
	m->plan = calloc(1, sizeof(*m->plan));
	if (m->plan == NULL)
		return r;
	m->plan->channels = TAPS;
	m->plan->targets = 1;
	r = nas_hinge_run(&p, NULL, NULL, &u);
	if (r < 0)
		return r;
	m->hiddens = 1;
	m->hidden[0] = (struct nas_hidden){ .units = u.n,
					    .from = TAPS,
					    .weights = u.weights,
					    .bias = u.bias,
					    .shift = p.shift,
					    .act = p.act };
	r = nas_model_solve(m, l->x, l->n, l->t, l->w, false);
	return r == HV_OK ? round_output(l, m, job) : r;
}

static int8_t *taken(int8_t **from)
{
	int8_t *p = *from;

	*from = NULL;
	return p;
}

static int add(struct local *l, unsigned job)
{
	struct nas_model *m = l->model[job];
	int8_t *bias = malloc(1);
	struct structure *s = l->s;
	struct package *p = calloc(1, sizeof(*p));
	struct nas_hidden *h = &m->hidden[0];
	struct cnn_layer *c;
	struct hostprog *host;
	char text[64];
	int r;

	if (p == NULL || bias == NULL) {
		free(p);
		free(bias);
		return HV_E_NOMEM;
	}
	*bias = l->bias[job];
	p->net.channels = 1;
	p->net.input_chw = true; /* four pixels a word, so that the layers have room beside it */
	p->net.height = (uint16_t)(l->rows + 2);
	p->net.width = (uint16_t)(l->cols + 2);
	c = structure_layer(p, CNN_OP_CONV2D, CNN_FROM_INPUT, 1, h->units, taken(&h->weights),
			    taken(&h->bias));
	c->kernel_h = c->kernel_w = 3;
	c->shift = (int8_t)h->shift;
	c->act = h->act;
	c = structure_layer(p, CNN_OP_CONV2D, 0, h->units, 1, taken(&m->rows[0]), bias);
	c->kernel_h = c->kernel_w = 1;
	c->shift = (int8_t)l->shift[job];
	c->is_output = true;
	r = nas_pack_steps(p);
	host = r == HV_OK ? nas_pack_host(p, s->q->task) : NULL;
	if (host == NULL)
		r = HV_E_NOMEM;
	if (r >= 0)
		r = structure_emit_map(host, l->rows + 2, l->cols + 2, 1, -128);
	if (r >= 0)
		r = structure_results(host, l->rows * l->cols, 1, 128);
	if (r < 0) {
		package_free(p);
		return r;
	}
	snprintf(text, sizeof(text), "3x3 neighbourhoods, %u units with abs%s", h->units,
		 l->has_filters ? ", directions" : "");
	return nas_front_add_package(s->f, s->q, p, "local", text, 24, s->why, s->cap);
}

int structure_local(struct structure *s)
{
	const struct harvest_task *t = s->q->task;
	struct local l = { .s = s, .n = PATCHES, .jobs = HV_ARRAY_SIZE(widths) };
	int r = HV_E_NOMEM;

	if (!is_local(t))
		return HV_E_NOENT;
	l.rows = t->out.shape[0];
	l.cols = t->out.shape[1];
	l.x = malloc(sizeof(*l.x) * TAPS * l.n);
	l.t = malloc(sizeof(*l.t) * l.n);
	l.w = malloc(sizeof(*l.w) * l.n);
	if (l.x != NULL && l.t != NULL && l.w != NULL)
		r = draw(&l);
	if (r == HV_OK)
		r = find_filters(&l);
	if (r == HV_OK)
		r = nas_jobs_run(fit, &l, l.jobs, s->q->threads);
	for (unsigned i = 0; i < l.jobs; i++) {
		if (r == HV_OK)
			r = add(&l, i);
		nas_model_free(l.model[i]);
	}
	free(l.x);
	free(l.t);
	free(l.w);
	return r;
}
