#include "accel/slotimg/build.h"

#include "accel/cost/cost.h"
#include "util/fs/wr.h"
#include "util/own.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* One slot image in the making. */
struct making {
	const struct cnn_net *one; /* record */
	struct cnn_net net; /* with the most records */
	struct cnn_steps steps;
	struct cnn_place place;
	struct cnn_image image;
	struct slotimg head;
};

static int refuse(char *why, size_t cap, int err, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

static int refuse(char *why, size_t cap, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (cap > 0)
		vsnprintf(why, cap, fmt, ap);
	va_end(ap);
	return err;
}

/* Records lie on top of each other: all layers get their rows. */
static void set_records(struct making *m, unsigned records)
{
	unsigned more = m->one->height * (records - 1);

	m->net.height = (uint16_t)(m->one->height + more);
	for (unsigned i = 0; i < m->net.layers; i++)
		m->net.layer[i].height = (uint16_t)(m->one->layer[i].height + more);
}

static bool is_plain(const struct cnn_layer *l)
{
	return l->op == CNN_OP_LINEAR && !l->flatten && cnn_layer_sources(l) == 1 &&
	       l->operands <= 1 && l->pool == CNN_POOL_NONE && cnn_layer_stride(l) == 1 &&
	       (!l->is_output || l->out_bits == 32);
}

/* What version 1 holds: linear layers on a column of few pixels. */
static bool net_is_plain(const struct cnn_net *net, const struct cnn_steps *s)
{
	if (net->input_chw || net->fifo || net->width != 1 || cnn_steps_positions(s) > UINT8_MAX ||
	    net->height != cnn_steps_positions(s))
		return false;
	for (unsigned i = 0; i < net->layers; i++)
		if (!is_plain(&net->layer[i]) || net->layer[i].height != net->height ||
		    net->layer[i].width != 1)
			return false;
	return true;
}

/* Does row n of a record's output depend on its own rows from n on alone, so that records can
 * lie on top of each other? */
static bool layer_stacks(const struct cnn_layer *l)
{
	bool kernel = l->op == CNN_OP_LINEAR || l->op == CNN_OP_CONV1D ||
		      (l->op == CNN_OP_CONV2D && l->kernel_h == 1);

	return kernel && !l->flatten && l->pool == CNN_POOL_NONE && cnn_layer_stride(l) == 1 &&
	       l->pad_h == 0 && cnn_layer_dilation(l) == 1 && l->width == 1;
}

static unsigned records_most(const struct cnn_net *net)
{
	if (net->width != 1 || net->input_chw || net->height == 0)
		return 1;
	for (unsigned i = 0; i < net->layers; i++)
		if (!layer_stacks(&net->layer[i]))
			return 1;
	return CNN_ROWS_MAX > net->height ? (unsigned)(CNN_ROWS_MAX / net->height) : 1;
}

/* An output is what the steps say of its set. */
static bool set_agrees(const struct cnn_layer *l, const struct cnn_steps *s, unsigned set)
{
	uint32_t chw[3];

	if (set >= s->sets)
		return false;
	cnn_layer_out_shape(l, chw);
	if (s->finish != CNN_OUT_RAW)
		return chw[0] == s->rows && l->out_bits == 32;
	return chw[0] == s->raw[set].rows && chw[1] * chw[2] == s->raw[set].pixels &&
	       l->out_bits == s->raw[set].bits;
}

static int check_layers(const struct making *m, char *why, size_t cap)
{
	unsigned outputs = 0;

	for (unsigned i = 0; i < m->one->layers; i++) {
		const struct cnn_layer *l = &m->one->layer[i];

		if (l->operands > 1 && cnn_layer_source(l, 0) == CNN_FROM_INPUT)
			return refuse(why, cap, HV_E_INVAL,
				      "layer %u: the input of a slot image has no operands", i);
		if (l->is_output && !set_agrees(l, &m->steps, outputs++))
			return refuse(why, cap, HV_E_INVAL,
				      "output layer %u is not what the steps say", i);
	}
	if (outputs != m->steps.sets)
		return refuse(why, cap, HV_E_INVAL, "network and steps have different outputs");
	return HV_OK;
}

static int check_net(struct making *m, char *why, size_t cap)
{
	const struct cnn_net *net = m->one;
	const struct cnn_steps *s = &m->steps;

	m->head.version = net_is_plain(net, s) ? SLOTIMG_VERSION : SLOTIMG_GENERAL_VERSION;
	if (m->head.version != SLOTIMG_VERSION && s->finish != CNN_OUT_RAW)
		return refuse(why, cap, HV_E_INVAL,
			      "steps that compute need plain linear layers and outputs of 32 bits");
	if (net->fifo || (net->input_chw && net->channels != 1))
		return refuse(why, cap, HV_E_INVAL,
			      "slot images have no FIFO, and four pixels a word for one channel "
			      "alone");
	if (net->channels != s->channels ||
	    (s->finish == CNN_OUT_RAW && (net->height != s->height || net->width != s->width)))
		return refuse(why, cap, HV_E_INVAL, "network and steps have different inputs");
	return check_layers(m, why, cap);
}

/* The most records that rows and data memory allow: the room shrinks with every one. */
static int fit(struct making *m, const struct cnn_room *room, char *why, size_t cap)
{
	unsigned low = 0, high = records_most(m->one);
	int err = HV_E_BUSY;

	while (low < high) {
		unsigned middle = low + (high - low + 1) / 2;

		set_records(m, middle);
		err = cnn_place_fit(&m->net, room, &m->place, why, cap);
		if (err == HV_OK)
			low = middle;
		else if (err == HV_E_BUSY)
			high = middle - 1;
		else
			return err;
	}
	if (low == 0)
		return HV_E_BUSY;
	set_records(m, low);
	m->head.records_max = (uint16_t)low;
	return cnn_place_fit(&m->net, room, &m->place, why, cap);
}

static int describe_sets(struct making *m, char *why, size_t cap)
{
	unsigned s = 0;

	for (unsigned i = 0; i < m->net.layers; i++) {
		const struct cnn_place_layer *p = &m->place.layer[i];
		const struct cnn_layer *l = &m->net.layer[i];
		unsigned n = (unsigned)__builtin_popcountll(p->out_processors);
		unsigned first = (unsigned)__builtin_ctzll(p->out_processors);
		uint32_t chw[3];

		if (!l->is_output)
			continue;
		if (p->write_gap > 0 || first % 4 != 0 ||
		    (p->out_processors >> first) + 1 != (n < 64 ? UINT64_C(1) << n : 0))
			return refuse(why, cap, HV_E_INVAL,
				      "output layer %u does not lie in one piece", i);
		if (l->out_bits == 8)
			m->head.flags |= (uint8_t)(SLOTIMG_BYTES << s);
		cnn_layer_out_shape(l, chw);
		m->head.set[s++] = (struct slotimg_set){
			.out_word = p->out_offset / 4,
			.out_passes = (uint16_t)((chw[0] + n - 1) / n),
			.slots = (uint16_t)n,
			.first_group = (uint16_t)(first / 4),
		};
	}
	return HV_OK;
}

/* Layer of the network that reads its input. */
static const struct cnn_place_layer *reader(const struct making *m)
{
	unsigned i = 0;

	while (i + 1 < m->net.layers && m->net.layer[i].from != CNN_FROM_INPUT)
		i++;
	return &m->place.layer[i];
}

/* Extent of claimed kernel words and bias bytes. */
static void describe_claims(struct making *m, const struct cnn_room *room)
{
	unsigned first = CNN_KERNEL_WORDS, end = 0, bias_first = CNN_BIAS_BYTES, bias_end = 0;

	for (size_t i = 0; i < m->image.n_kernels; i++) {
		const struct cnn_kernel_run *r = &m->image.kernels[i];

		first = r->first_word < first ? r->first_word : first;
		end = r->first_word + r->words > (int)end ? r->first_word + r->words + 0u : end;
	}
	for (size_t i = 0; i < m->image.n_biases; i++) {
		const struct cnn_bias_run *r = &m->image.biases[i];

		bias_first = r->first < bias_first ? r->first : bias_first;
		bias_end =
			r->first + r->count > (int)bias_end ? r->first + r->count + 0u : bias_end;
	}
	m->head.kernel_first = (uint16_t)first;
	m->head.kernel_words = (uint16_t)(end - first);
	m->head.bias_first = (uint16_t)(bias_end > 0 ? bias_first : room->bias_first);
	m->head.bias_count = (uint16_t)(bias_end > 0 ? bias_end - bias_first : 0);
	m->head.data_first = room->data_first;
	m->head.data_words = room->data_words;
}

static uint32_t cycles(const struct making *m)
{
	uint32_t sum = CNN_STARTUP_CYCLES;

	for (unsigned i = 0; i < m->net.layers; i++)
		sum += cnn_cost_placed_cycles(&m->net.layer[i], &m->place.layer[i]);
	return sum;
}

/* Stacked rows cost the same for every record; what does not stack is run for one alone. Between
 * two records a kernel of many rows gives some that are nobody's, so one more record may cost
 * more than one alone; then the price of a run is above what it takes, by these rows. */
static void describe_cost(struct making *m)
{
	uint32_t one, two;

	set_records(m, 1);
	one = cycles(m);
	m->head.record_cycles = one;
	if (records_most(m->one) > 1) {
		set_records(m, 2);
		two = cycles(m);
		m->head.record_cycles = two - one;
	}
	m->head.fixed_cycles = one > m->head.record_cycles ? one - m->head.record_cycles : 0;
	set_records(m, m->head.records_max);
}

/* Registers to put back after a run beside a primary that leaves all of them 0: those that get
 * another value, and those that depend on the number of records. A primary that sets the same
 * registers can add some; that only the board can tell. */
static unsigned restored(const struct cnn_image *image)
{
	unsigned n = 0;

	for (size_t i = 0; i < image->n_regs; i++)
		n += image->regs[i].value != 0 || image->regs[i].reg == CNN_R_RCNT;
	return n;
}

/* What a slot and a run can hold of them. */
static int check_registers(const struct making *m, char *why, size_t cap)
{
	unsigned n = restored(&m->image);

	if (m->image.n_regs > SLOTIMG_REGS_MAX)
		return refuse(why, cap, HV_E_BUSY,
			      "%u layers in %d quadrants have %zu registers; a slot holds %d",
			      m->net.layers, __builtin_popcount(m->image.quadrants),
			      m->image.n_regs, SLOTIMG_REGS_MAX);
	if (n > SLOTIMG_RESTORE_MAX)
		return refuse(why, cap, HV_E_BUSY,
			      "its %u layers in %d quadrants set %u registers of %d that a board "
			      "restores in time",
			      m->net.layers, __builtin_popcount(m->image.quadrants), n,
			      SLOTIMG_RESTORE_MAX);
	return HV_OK;
}

static int describe(struct making *m, const struct cnn_room *room, size_t steps_len, char *why,
		    size_t cap)
{
	struct slotimg *h = &m->head;
	size_t n = (size_t)__builtin_popcountll(reader(m)->in_processors);
	size_t total = SLOTIMG_HEADER_BYTES + m->image.n_regs * SLOTIMG_REG_BYTES + steps_len;

	for (size_t i = 0; i < m->image.n_biases; i++)
		total += SLOTIMG_RUN_HEAD_BYTES + m->image.biases[i].count;
	for (size_t i = 0; i < m->image.n_kernels; i++)
		total += SLOTIMG_RUN_HEAD_BYTES +
			 (size_t)m->image.kernels[i].words * CNN_KERNEL_WORD_BYTES;
	if (m->image.n_kernels == 0)
		return refuse(why, cap, HV_E_INVAL, "slot images are for networks with weights");
	if (steps_len > UINT16_MAX || cnn_steps_in_bytes(&m->steps) > UINT16_MAX ||
	    cnn_steps_out_bytes(&m->steps) > UINT16_MAX)
		return refuse(why, cap, HV_E_BUSY, "records or steps exceed what a slot takes");
	h->magic = SLOTIMG_MAGIC;
	h->layers = (uint8_t)m->net.layers;
	h->quadrants = m->image.quadrants;
	h->positions = cnn_steps_positions(&m->steps);
	h->flags = (uint8_t)((m->net.input_chw ? SLOTIMG_CHW : 0) |
			     (m->net.avg_round ? SLOTIMG_ROUND : 0));
	h->sets = m->steps.sets;
	h->in_record_bytes = (uint16_t)cnn_steps_in_bytes(&m->steps);
	h->out_record_bytes = (uint16_t)cnn_steps_out_bytes(&m->steps);
	h->in_word = reader(m)->in_offset / 4;
	h->in_passes = (uint16_t)((m->net.channels + n - 1) / n);
	h->per_pass = (uint16_t)n;
	h->n_regs = (uint16_t)m->image.n_regs;
	h->steps_bytes = (uint16_t)steps_len;
	h->n_biases = (uint16_t)m->image.n_biases;
	h->n_kernels = (uint16_t)m->image.n_kernels;
	h->total_bytes = (uint32_t)total;
	describe_claims(m, room);
	describe_cost(m);
	return describe_sets(m, why, cap);
}

static void put_regs(const struct making *m, struct hv_wr *w)
{
	for (size_t i = 0; i < m->image.n_regs; i++) {
		const struct cnn_reg_write *r = &m->image.regs[i];

		hv_wr_u16(w, (uint16_t)(r->quadrant << 10 | r->reg << 5 | r->layer));
		hv_wr_u32(w, r->value);
	}
}

static void put_runs(const struct making *m, struct hv_wr *w)
{
	for (size_t i = 0; i < m->image.n_biases; i++) {
		const struct cnn_bias_run *r = &m->image.biases[i];

		hv_wr_u16(w, r->quadrant);
		hv_wr_u16(w, r->first);
		hv_wr_u16(w, r->count);
		hv_wr_bytes(w, r->bytes, r->count);
	}
	for (size_t i = 0; i < m->image.n_kernels; i++) {
		const struct cnn_kernel_run *r = &m->image.kernels[i];

		hv_wr_u16(w, r->processor);
		hv_wr_u16(w, r->first_word);
		hv_wr_u16(w, r->words);
		hv_wr_bytes(w, r->bytes, (size_t)r->words * CNN_KERNEL_WORD_BYTES);
	}
}

static int encode(const struct making *m, const void *steps, uint8_t **bytes, size_t *len)
{
	uint8_t *to = malloc(m->head.total_bytes);
	struct hv_wr w;

	if (to == NULL)
		return HV_E_NOMEM;
	slotimg_header_encode(&m->head, to);
	w = hv_wr_init(to, m->head.total_bytes);
	(void)hv_wr_room(&w, SLOTIMG_HEADER_BYTES);
	put_regs(m, &w);
	hv_wr_bytes(&w, steps, m->head.steps_bytes);
	put_runs(m, &w);
	*bytes = to;
	*len = m->head.total_bytes;
	return HV_OK;
}

/* The parser that the board uses must accept what is sent to it. */
static int self_check(const struct making *m, const uint8_t *bytes, size_t len, char *why,
		      size_t cap)
{
	const uint8_t *regs = bytes + SLOTIMG_HEADER_BYTES;
	struct slotimg got;

	if (slotimg_header_parse(bytes, len, &got) < 0 || slotimg_steps_bind(&got, &m->steps) < 0)
		return refuse(why, cap, HV_E_INVAL,
			      "the network's shape does not fit a slot image");
	for (unsigned i = 0; i < got.n_regs; i++)
		if ((regs[6 * i] | (unsigned)regs[6 * i + 1] << 8) != slotimg_reg_id(&got, i))
			return refuse(why, cap, HV_E_INVAL, "register %u is out of order", i);
	for (unsigned i = 0; i < got.layers; i++)
		if (slotimg_layer_check(&got, regs, i) < 0)
			return refuse(why, cap, HV_E_INVAL, "layer %u is outside what slots allow",
				      i);
	return HV_OK;
}

int slotimg_build(const struct cnn_net *net, const void *steps, size_t steps_len,
		  const struct cnn_room *room, uint8_t also_quadrants, uint8_t **bytes, size_t *len,
		  char *why, size_t cap)
{
	hv_autofree struct making *m = calloc(1, sizeof *m);
	hv_autofree uint8_t *made = NULL;
	size_t made_len = 0;
	int err;

	if (m == NULL)
		return HV_E_NOMEM;
	if (cnn_steps_parse(steps, steps_len, &m->steps) < 0)
		return refuse(why, cap, HV_E_INVAL, "the steps are malformed");
	m->one = net;
	m->net = *net;
	err = check_net(m, why, cap);
	if (err == HV_OK)
		err = fit(m, room, why, cap);
	if (m->head.version != SLOTIMG_VERSION)
		also_quadrants = 0;
	if (err == HV_OK)
		err = cnn_image_build(&m->net, &m->place, also_quadrants, &m->image, why, cap);
	if (err == HV_OK)
		err = check_registers(m, why, cap);
	if (err == HV_OK)
		err = describe(m, room, steps_len, why, cap);
	if (err == HV_OK)
		err = encode(m, steps, &made, &made_len);
	if (err == HV_OK)
		err = self_check(m, made, made_len, why, cap);
	cnn_image_free(&m->image);
	if (err < 0)
		return err;
	*bytes = hv_take(made);
	*len = made_len;
	return HV_OK;
}
