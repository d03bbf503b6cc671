#include "accel/slotimg/build.h"

#include "accel/cost/cost.h"
#include "util/fs/wr.h"
#include "util/own.h"

#include <stdio.h>
#include <string.h>

/* One slot image in the making. */
struct making {
	struct cnn_net net; /* with the most records */
	struct cnn_steps steps;
	struct cnn_place place;
	struct cnn_image image;
	struct slotimg head;
};

static int refuse(char *why, size_t cap, int err, const char *text)
{
	if (cap > 0)
		snprintf(why, cap, "%s", text);
	return err;
}

/* All layers get the rows of `records` records. */
static void set_records(struct cnn_net *net, unsigned positions, unsigned records)
{
	net->height = (uint16_t)(positions * records);
	net->width = 1;
	for (unsigned i = 0; i < net->layers; i++) {
		net->layer[i].height = net->height;
		net->layer[i].width = 1;
	}
}

static unsigned rows_of(const struct cnn_steps *s, unsigned set)
{
	return s->finish == CNN_OUT_RAW ? s->raw[set].rows : s->rows;
}

static int check_net(const struct cnn_net *net, const struct cnn_steps *s, char *why, size_t cap)
{
	unsigned outputs = 0;

	for (unsigned i = 0; i < net->layers; i++) {
		const struct cnn_layer *l = &net->layer[i];

		if (l->op != CNN_OP_LINEAR || l->flatten || cnn_layer_sources(l) != 1 ||
		    l->operands > 1 || l->pool != CNN_POOL_NONE || cnn_layer_stride(l) != 1)
			return refuse(why, cap, HV_E_INVAL,
				      "slot images hold plain linear layers only");
		if (!l->is_output)
			continue;
		if (l->out_bits != 32 || outputs == s->sets ||
		    l->out_channels != rows_of(s, outputs))
			return refuse(why, cap, HV_E_INVAL,
				      "outputs need 32 bits and as many rows as the steps say");
		outputs++;
	}
	if (outputs != s->sets || net->channels != s->channels || net->input_chw)
		return refuse(why, cap, HV_E_INVAL, "network and steps have different shapes");
	return HV_OK;
}

/* The most records that rows and data memory allow: the room shrinks with every one. */
static int fit(struct making *m, const struct cnn_room *room, char *why, size_t cap)
{
	unsigned positions = cnn_steps_positions(&m->steps);
	unsigned low = 0, high = CNN_ROWS_MAX / positions;
	int err = HV_E_BUSY;

	while (low < high) {
		unsigned middle = low + (high - low + 1) / 2;

		set_records(&m->net, positions, middle);
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
	set_records(&m->net, positions, low);
	m->head.records_max = (uint16_t)low;
	return cnn_place_fit(&m->net, room, &m->place, why, cap);
}

static void describe_sets(struct making *m)
{
	unsigned s = 0;

	for (unsigned i = 0; i < m->net.layers; i++) {
		const struct cnn_place_layer *p = &m->place.layer[i];
		const struct cnn_layer *l = &m->net.layer[i];
		unsigned n = (unsigned)__builtin_popcountll(p->out_processors);

		if (!l->is_output)
			continue;
		m->head.set[s++] = (struct slotimg_set){
			.out_word = p->out_offset / 4,
			.out_passes = (uint16_t)((l->out_channels + n - 1) / n),
			.slots = (uint16_t)n,
			.first_group = (uint16_t)(__builtin_ctzll(p->out_processors) / 4),
		};
	}
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

/* A linear network costs the same for every row. */
static void describe_cost(struct making *m)
{
	unsigned positions = cnn_steps_positions(&m->steps);
	uint32_t one, two;

	set_records(&m->net, positions, 1);
	one = cnn_cost_cycles(&m->net);
	set_records(&m->net, positions, 2);
	two = cnn_cost_cycles(&m->net);
	m->head.record_cycles = two - one;
	m->head.fixed_cycles = one - (two - one);
	set_records(&m->net, positions, m->head.records_max);
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
	if (m->image.n_regs > SLOTIMG_REGS_MAX || steps_len > UINT16_MAX)
		return refuse(why, cap, HV_E_BUSY, "more registers or steps than a slot holds");
	h->magic = SLOTIMG_MAGIC;
	h->version = SLOTIMG_VERSION;
	h->layers = (uint8_t)m->net.layers;
	h->quadrants = m->image.quadrants;
	h->positions = (uint8_t)cnn_steps_positions(&m->steps);
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
	describe_sets(m);
	describe_claims(m, room);
	describe_cost(m);
	return HV_OK;
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
	struct slotimg got;

	if (slotimg_header_parse(bytes, len, &got) < 0)
		return refuse(why, cap, HV_E_INVAL,
			      "the network's shape does not fit a slot image");
	for (size_t i = 0; i < m->image.n_regs; i++) {
		const struct cnn_reg_write *r = &m->image.regs[i];
		uint16_t id = (uint16_t)(r->quadrant << 10 | r->reg << 5 | r->layer);

		if (slotimg_reg_check(&got, id, r->value) < 0)
			return refuse(why, cap, HV_E_INVAL,
				      "a register of the network is outside what slots allow");
	}
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
	m->net = *net;
	err = check_net(net, &m->steps, why, cap);
	if (err == HV_OK)
		err = fit(m, room, why, cap);
	if (err == HV_OK)
		err = cnn_image_build(&m->net, &m->place, also_quadrants, &m->image, why, cap);
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
