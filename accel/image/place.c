/* Finds room for a network beside residents. First fit everywhere: processors from 0, kernel
 * words in layer order with the fullest layers first, data regions by lifetime. */
#include "accel/image/geometry.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { KERNEL_ALIGN = 4 };

/* A tensor in data memory: output of a layer, or the network input (index `layers`). Tensors
 * that one layer reads together share a region, each from its own processors (concatenated) or
 * its own words (operands). */
struct tensor {
	uint32_t words, lead; /* from its first pixel; before it */
	unsigned first_use, last_use;
	unsigned gap, sub_word; /* operands interleave: words between pixels, place among them */
	unsigned first_processor;
	int region; /* tensors of one region have the same number; -1: its own */
	uint32_t word; /* placed */
};

struct plan {
	const struct cnn_net *net;
	const struct cnn_room *room;
	struct cnn_place *place;
	struct tensor t[CNN_LAYERS_MAX + 1];
	char *why;
	size_t cap;
	bool both_ends; /* every other tensor from the end of the room on */
};

static int refuse(const struct plan *p, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int refuse(const struct plan *p, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (p->cap > 0)
		vsnprintf(p->why, p->cap, fmt, ap);
	va_end(ap);
	return err;
}

static struct tensor *source_tensor(struct plan *p, const struct cnn_layer *l, unsigned s)
{
	int from = cnn_layer_source(l, s);

	return &p->t[from == CNN_FROM_INPUT ? p->net->layers : (unsigned)from];
}

/* ---- how tensors lie together ---- */

static int join_operands(struct plan *p, const struct cnn_layer *l, unsigned i)
{
	for (unsigned s = 0; s < cnn_layer_sources(l); s++) {
		struct tensor *t = source_tensor(p, l, s);

		if (t->region >= 0 || cnn_layer_source(l, s) == CNN_FROM_INPUT)
			return refuse(p, HV_E_INVAL,
				      "layer %u: operand %u is also read another way, or is the "
				      "network input",
				      i, s);
		t->region = (int)i;
		t->gap = l->operands - 1u;
		t->sub_word = s;
	}
	return HV_OK;
}

/* A source of one pass inside one pass of the whole: it writes its words with gaps between. */
static int join_channels(struct plan *p, const struct cnn_layer *l, unsigned i)
{
	uint32_t per_pass = cnn_per_pass(l->in_channels), at = 0;

	for (unsigned s = 0; s < cnn_layer_sources(l); s++) {
		struct tensor *t = source_tensor(p, l, s);
		uint32_t chw[3];

		if (t->region >= 0 || cnn_layer_source(l, s) == CNN_FROM_INPUT)
			return refuse(p, HV_E_INVAL,
				      "layer %u: source %u is also read another way, or is the "
				      "network input",
				      i, s);
		cnn_layer_out_shape(&p->net->layer[cnn_layer_source(l, s)], chw);
		if (at % 4 != 0)
			return refuse(p, HV_E_INVAL,
				      "layer %u: source %u starts at channel %u; all concatenated "
				      "sources but the last need a multiple of 4 channels",
				      i, s, (unsigned)at);
		if (at / per_pass != (at + chw[0] - 1) / per_pass)
			return refuse(p, HV_E_INVAL,
				      "layer %u: source %u straddles two passes of %u channels", i,
				      s, (unsigned)per_pass);
		t->region = (int)i;
		t->first_processor = at % per_pass;
		t->sub_word = at / per_pass;
		t->gap = cnn_passes(l->in_channels) - 1;
		at += chw[0];
	}
	return HV_OK;
}

/* Passes of one output lie where operands are looked for, when both have the same channels. */
static bool passes_are_operands(const struct plan *p, const struct cnn_layer *l)
{
	uint32_t chw[3];

	cnn_layer_out_shape(&p->net->layer[l->from], chw);
	return cnn_passes(chw[0]) == l->operands && cnn_per_pass(chw[0]) == l->in_channels;
}

static int join_sources(struct plan *p, unsigned i)
{
	const struct cnn_layer *l = &p->net->layer[i];

	if (cnn_layer_sources(l) == 1) {
		const struct tensor *t = source_tensor(p, l, 0);

		if (l->operands > 1 && cnn_layer_source(l, 0) != CNN_FROM_INPUT &&
		    !passes_are_operands(p, l))
			return refuse(p, HV_E_INVAL,
				      "layer %u: its %u operands are one layer's output, whose "
				      "passes have other channels; give each a layer of its own",
				      i, l->operands);
		return t->region < 0 ? HV_OK
				     : refuse(p, HV_E_INVAL,
					      "layer %u: its source is joined with others for "
					      "layer %d",
					      i, t->region);
	}
	if (l->operands == cnn_layer_sources(l))
		return join_operands(p, l, i);
	if (l->operands > 1)
		return refuse(p, HV_E_INVAL, "layer %u: %u operands from %u sources", i,
			      l->operands, cnn_layer_sources(l));
	return join_channels(p, l, i);
}

/* ---- sizes and lifetimes ---- */

static void measure_input(struct plan *p)
{
	const struct cnn_net *net = p->net;
	uint32_t pixels = (uint32_t)net->height * net->width;
	struct tensor *t = &p->t[net->layers];

	t->words = pixels * cnn_passes(net->channels);
	for (unsigned i = 0; i < net->layers; i++) {
		const struct cnn_layer *l = &net->layer[i];
		unsigned s = 0;

		while (s < cnn_layer_sources(l) && cnn_layer_source(l, s) != CNN_FROM_INPUT)
			s++;
		if (s < cnn_layer_sources(l)) {
			t->words = pixels * cnn_passes(l->in_channels) * cnn_layer_operands(l);
			t->last_use = i;
		}
	}
	if (net->input_chw)
		t->words = (pixels + 3) / 4;
	if (net->fifo)
		t->words = cnn_stream_ring(net, 0);
}

static void measure_outputs(struct plan *p)
{
	for (unsigned i = 0; i < p->net->layers; i++) {
		const struct cnn_layer *l = &p->net->layer[i];
		struct tensor *t = &p->t[i];
		struct cnn_geometry g;

		cnn_geometry_of(l, cnn_geometry_out_map(l, 0), &g);
		t->words = cnn_geometry_out_words(l, &g, t->gap);
		t->lead = cnn_geometry_lead_words(l, &g, t->gap);
		if (i + 1 < p->net->layers && p->net->layer[i + 1].streams)
			t->words = cnn_stream_ring(p->net, i + 1);
		t->first_use = i;
		t->last_use = l->is_output ? CNN_LAYERS_MAX : t->last_use > i ? t->last_use : i;
		for (unsigned s = 0; s < cnn_layer_sources(l); s++) {
			struct tensor *from = source_tensor(p, l, s);

			if (from->last_use < i)
				from->last_use = i;
		}
	}
}

/* ---- data regions ---- */

static bool alive_together(const struct tensor *a, const struct tensor *b)
{
	return a->first_use <= b->last_use && b->first_use <= a->last_use;
}

static bool same_region(const struct tensor *a, const struct tensor *b)
{
	return a == b || (a->region >= 0 && a->region == b->region);
}

/* Is a placed tensor in the way of [first, end)? It has [*before, *past). */
static bool blocked(const struct plan *p, const struct tensor *t, uint32_t first, uint32_t end,
		    unsigned placed, uint32_t *before, uint32_t *past)
{
	for (unsigned i = 0; i <= placed; i++) {
		const struct tensor *o = &p->t[i == 0 ? p->net->layers : i - 1];
		uint32_t o_first = o->word - o->lead, o_end = o->word + o->words;

		if (o == t || o->words == 0 || same_region(o, t) || !alive_together(o, t))
			continue;
		if (first < o_end && o_first < end) {
			*before = o_first;
			*past = o_end;
			return true;
		}
	}
	return false;
}

/* A region lives from its first member's making to its last member's use. */
static void widen_lifetime(const struct plan *p, struct tensor *t)
{
	for (unsigned i = 0; i <= p->net->layers; i++) {
		const struct tensor *o = &p->t[i];

		if (!same_region(o, t))
			continue;
		t->first_use = o->first_use < t->first_use ? o->first_use : t->first_use;
		t->last_use = o->last_use > t->last_use ? o->last_use : t->last_use;
		t->words = o->words + o->gap > t->words ? o->words + o->gap : t->words;
		t->lead = o->lead > t->lead ? o->lead : t->lead;
	}
}

static int place_tensor(struct plan *p, unsigned index, unsigned placed)
{
	struct tensor *t = &p->t[index];
	uint32_t first = p->room->data_first, before = 0, past = 0, words = t->lead + t->words;
	uint32_t room_end = (uint32_t)p->room->data_first + p->room->data_words;

	for (unsigned i = 0; i < index && t->region >= 0; i++)
		if (p->t[i].region == t->region) {
			t->word = p->t[i].word - p->t[i].sub_word + t->sub_word;
			return HV_OK;
		}
	if (p->both_ends && index % 2 == 0 && index < p->net->layers && words <= room_end)
		for (first = room_end - words;
		     blocked(p, t, first, first + words, placed, &before, &past) &&
		     before >= words;)
			first = before - words;
	while (blocked(p, t, first, first + words, placed, &before, &past))
		first = past;
	if (first < p->room->data_first || first + words > room_end)
		return refuse(p, HV_E_BUSY,
			      "%s %u needs %u data words an instance at once with what is live "
			      "then; the room has %u",
			      index == p->net->layers ? "input of" : "layer",
			      index == p->net->layers ? 0 : index, (unsigned)words,
			      p->room->data_words);
	t->word = first + t->lead + t->sub_word;
	return HV_OK;
}

static int place_tensors(struct plan *p)
{
	int err = place_tensor(p, p->net->layers, 0);

	for (unsigned i = 0; err == HV_OK && i < p->net->layers; i++)
		err = place_tensor(p, i, i);
	return err;
}

/* Rings and the first whole output behind them are in use until the last layer streams. */
static void streaming_lives(struct plan *p)
{
	unsigned n = 0;

	while (n < p->net->layers && p->net->layer[n].streams)
		n++;
	for (unsigned i = 0; n > 0 && i < n; i++) {
		p->t[i].first_use = 0;
		if (p->t[i].last_use < n)
			p->t[i].last_use = n;
	}
	if (n > 0 && p->t[p->net->layers].last_use < n)
		p->t[p->net->layers].last_use = n;
}

static int place_data(struct plan *p)
{
	int err;

	streaming_lives(p);
	for (unsigned i = 0; i <= p->net->layers; i++)
		if (p->t[i].region >= 0)
			widen_lifetime(p, &p->t[i]);
	err = place_tensors(p);
	if (err != HV_E_BUSY)
		return err;
	/* a chain's tensors in turn at both ends: each over what has been read by then */
	p->both_ends = true;
	return place_tensors(p);
}

/* ---- processors ---- */

static uint64_t run_of(unsigned first, unsigned n)
{
	uint64_t bits = n >= 64 ? ~UINT64_C(0) : (UINT64_C(1) << n) - 1;

	return bits << first;
}

/* Byte-sequential: a channel per data memory. FIFO: the first processors of every quadrant. */
static uint64_t input_map(const struct cnn_net *net, unsigned channels)
{
	uint64_t map = 0;

	if (!net->input_chw && !net->fifo)
		return run_of(0, channels);
	for (unsigned c = 0; c < channels; c++)
		if (net->fifo && !net->input_chw)
			map |= UINT64_C(1) << (c / 4 * CNN_PER_QUADRANT + c % 4);
		else
			map |= UINT64_C(1) << (c * (net->fifo ? CNN_PER_QUADRANT : 4));
	return map;
}

/* Every quadrant of a pass-through layer fills groups of four of its own. When a quadrant ends
 * inside a group, the next one cannot go on there and keeps its results at home. */
static uint64_t pass_map(const struct cnn_layer *l, uint64_t in, unsigned first)
{
	uint64_t map = 0;
	unsigned before = 0;
	bool apart = false;

	for (unsigned q = 0; q < CNN_QUADRANTS; q++) {
		unsigned n = cnn_count_bits(in >> (q * CNN_PER_QUADRANT) & 0xffff);

		apart = apart || (n > 0 && before % 4 != 0);
		map |= run_of(q * CNN_PER_QUADRANT, n);
		before += n;
	}
	return apart ? map : cnn_geometry_out_map(l, first);
}

static int place_maps(struct plan *p)
{
	for (unsigned i = 0; i < p->net->layers; i++) {
		const struct cnn_layer *l = &p->net->layer[i];
		struct cnn_place_layer *at = &p->place->layer[i];
		unsigned first = p->t[i].first_processor;
		int from = cnn_layer_source(l, 0);

		if (from == CNN_FROM_INPUT)
			at->in_processors = input_map(p->net, cnn_per_pass(l->in_channels));
		else if (cnn_layer_sources(l) == 1)
			at->in_processors = p->place->layer[from].out_processors;
		else
			at->in_processors = run_of(0, cnn_per_pass(l->in_channels));
		at->out_processors = l->op == CNN_OP_PASS ? pass_map(l, at->in_processors, first)
							  : cnn_geometry_out_map(l, first);
		if (p->t[i].region >= 0 && at->out_processors != cnn_geometry_out_map(l, first))
			return refuse(p, HV_E_INVAL,
				      "layer %u: its results stay apart by quadrants and cannot be "
				      "joined with others",
				      i);
		at->in_offset = (uint16_t)(4 * source_tensor(p, l, 0)->word);
		at->out_offset = (uint16_t)(4 * p->t[i].word);
		at->write_gap = (uint8_t)p->t[i].gap;
	}
	return HV_OK;
}

/* ---- kernels and biases ---- */

/* used[w]: processors whose kernel word w is taken. */
static bool words_free(const uint64_t *used, uint64_t map, uint32_t first, uint32_t words)
{
	for (uint32_t w = first; w < first + words; w++)
		if ((used[w] & map) != 0)
			return false;
	return true;
}

static int place_one_kernel(struct plan *p, unsigned i, uint64_t *used)
{
	const struct cnn_layer *l = &p->net->layer[i];
	struct cnn_place_layer *at = &p->place->layer[i];
	uint32_t first = (p->room->kernel_first + KERNEL_ALIGN - 1u) / KERNEL_ALIGN * KERNEL_ALIGN;
	uint32_t end = (uint32_t)p->room->kernel_first + p->room->kernel_words;
	struct cnn_geometry g;

	cnn_geometry_of(l, at->out_processors, &g);
	at->kernel_word = (uint16_t)first;
	if (g.pass_through)
		return HV_OK;
	while (first + g.kernel_words <= end &&
	       !words_free(used, at->in_processors, first, g.kernel_words))
		first += KERNEL_ALIGN;
	if (first + g.kernel_words > end)
		return refuse(p, HV_E_BUSY,
			      "layer %u needs %u kernel words on %u processors; the room has %u, "
			      "and earlier layers took theirs",
			      i, (unsigned)g.kernel_words, cnn_count_bits(at->in_processors),
			      p->room->kernel_words);
	for (uint32_t w = first; w < first + g.kernel_words; w++)
		used[w] |= at->in_processors;
	at->kernel_word = (uint16_t)first;
	return HV_OK;
}

/* Layers on all processors have the fewest choices and go first. */
static int place_all_kernels(struct plan *p)
{
	uint64_t used[CNN_KERNEL_WORDS] = { 0 };
	int err = HV_OK;

	for (int full = 1; full >= 0; full--)
		for (unsigned i = 0; err == HV_OK && i < p->net->layers; i++)
			if ((p->place->layer[i].in_processors == ~UINT64_C(0)) == (full == 1))
				err = place_one_kernel(p, i, used);
	return err;
}

/* Flattened layers first: the vendor's tools place them so. */
static int place_biases(struct plan *p)
{
	unsigned next[CNN_QUADRANTS];
	uint8_t quadrants = cnn_place_quadrants(p->net, p->place);

	for (unsigned q = 0; q < CNN_QUADRANTS; q++)
		next[q] = p->room->bias_first;
	for (int flat = 1; flat >= 0; flat--)
		for (unsigned i = 0; i < p->net->layers; i++) {
			const struct cnn_layer *l = &p->net->layer[i];
			struct cnn_place_layer *at = &p->place->layer[i];
			unsigned q = 0;

			if (l->flatten != (flat == 1))
				continue;
			at->bias_quadrant = -1;
			if (l->bias == NULL)
				continue;
			while (q < CNN_QUADRANTS &&
			       ((quadrants >> q & 1) == 0 ||
				next[q] + l->out_channels >
					(unsigned)p->room->bias_first + p->room->bias_count))
				q++;
			if (q == CNN_QUADRANTS)
				return refuse(
					p, HV_E_BUSY,
					"layer %u needs %u bias bytes; the room has %u in each "
					"quadrant, and other layers took theirs",
					i, l->out_channels, p->room->bias_count);
			at->bias_quadrant = (int8_t)q;
			at->bias_first = (uint16_t)next[q];
			next[q] += l->out_channels;
		}
	return HV_OK;
}

static int check_own_room(const struct plan *p)
{
	const struct cnn_room *r = p->room;

	if (r->kernel_first + r->kernel_words > CNN_KERNEL_WORDS ||
	    r->bias_first + r->bias_count > CNN_BIAS_BYTES ||
	    r->data_first + r->data_words > CNN_DATA_WORDS)
		return refuse(p, HV_E_INVAL, "the room is larger than the device's memories");
	return HV_OK;
}

int cnn_place_fit(const struct cnn_net *net, const struct cnn_room *room, struct cnn_place *place,
		  char *why, size_t cap)
{
	struct plan p = { .net = net, .room = room, .place = place, .why = why, .cap = cap };
	int err;

	memset(place, 0, sizeof *place);
	if (cap > 0)
		why[0] = '\0';
	for (unsigned i = 0; i <= net->layers; i++)
		p.t[i].region = -1;
	err = check_own_room(&p);
	for (unsigned i = 0; err == HV_OK && i < net->layers; i++)
		err = join_sources(&p, i);
	if (err < 0)
		return err;
	measure_input(&p);
	measure_outputs(&p);
	err = place_data(&p);
	if (err == HV_OK)
		err = place_maps(&p);
	if (err == HV_OK)
		err = place_all_kernels(&p);
	return err == HV_OK ? place_biases(&p) : err;
}

int cnn_place_kernels(const struct cnn_net *net, struct cnn_place *place, char *why, size_t cap)
{
	static const struct cnn_room all = { .kernel_words = CNN_KERNEL_WORDS,
					     .bias_count = CNN_BIAS_BYTES,
					     .data_words = CNN_DATA_WORDS };
	struct plan p = { .net = net, .room = &all, .place = place, .why = why, .cap = cap };
	int err = place_all_kernels(&p);

	return err == HV_OK ? place_biases(&p) : err;
}
