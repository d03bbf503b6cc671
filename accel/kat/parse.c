/* Tensors, bus operations and expectations; the walk over a file's records. */
#include "accel/kat/parser.h"
#include "util/own.h"

#include <stdio.h>
#include <string.h>
#include <zlib.h>

enum { PHASE_EXPECT = KAT_PHASES, PHASE_TRACE };

/* ---- growing lists ---- */

/* One more element; what a file can ask for is bounded by its length. */
static bool grow(void **list, size_t n, size_t *cap, size_t size)
{
	size_t want = *cap > 0 ? 2 * *cap : 64;
	void *more;

	if (n < *cap)
		return true;
	more = realloc(*list, want * size);
	if (more == NULL)
		return false;
	*list = more;
	*cap = want;
	return true;
}

static int add_word(struct kat_parser *p, uint32_t value)
{
	struct kat *k = p->k;

	if (!grow((void **)&k->words, k->n_words, &p->words_cap, sizeof *k->words))
		return HV_E_NOMEM;
	k->words[k->n_words++] = value;
	return HV_OK;
}

/* `count` words on the lines that follow. */
static int read_words(struct kat_parser *p, uint32_t count)
{
	uint64_t value;
	uint32_t got = 0;
	int err = HV_OK;

	while (err == HV_OK && got < count) {
		if (!kat_line(p))
			return kat_bad(p, "the file ends after %u of %u words", (unsigned)got,
				       (unsigned)count);
		while (p->at < p->line_end && err == HV_OK) {
			if (got++ == count)
				return kat_bad(p, "more than %u words", (unsigned)count);
			err = kat_hex(p, "word", UINT32_MAX, &value);
			if (err == HV_OK)
				err = add_word(p, (uint32_t)value);
		}
	}
	return err;
}

/* ---- tensors ---- */

/* Where the tensor of this name goes, its element count and type. */
struct tensor {
	const int8_t **bytes; /* s8 */
	int32_t **values; /* or any type, held wide */
	size_t count;
	bool wide;
};

/* NAME is input, wN, bN or outN. */
static int find_tensor(struct kat_parser *p, const char *name, size_t len, struct tensor *t)
{
	struct kat *k = p->k;
	struct cnn_layer *l;
	size_t digits = kat_word_is(name, len, "input") ? 0 : len > 3 && name[0] == 'o' ? 3 : 1;
	unsigned i = 0;
	uint32_t chw[3];

	*t = (struct tensor){ 0 };
	if (digits == 0) {
		t->bytes = &k->input;
		t->count = (size_t)k->net.channels * k->net.height * k->net.width;
		return HV_OK;
	}
	if (len <= digits || len > digits + 2)
		return kat_bad(p, "tensor '%.*s' is unknown", (int)(len > 24 ? 24 : len), name);
	for (size_t d = digits; d < len; d++) {
		if (name[d] < '0' || name[d] > '9')
			return kat_bad(p, "tensor '%.*s' is unknown", (int)len, name);
		i = 10 * i + (unsigned)(name[d] - '0');
	}
	if (i >= p->layers || (p->seen_layers >> i & 1) == 0)
		return kat_bad(p, "tensor '%.*s' is of no layer that was described", (int)len,
			       name);
	l = &k->net.layer[i];
	cnn_layer_out_shape(l, chw);
	if (digits == 3 && memcmp(name, "out", 3) == 0) {
		t->values = &k->out[i];
		t->count = (size_t)chw[0] * chw[1] * chw[2];
		t->wide = l->out_bits == 32;
	} else if (name[0] == 'w') {
		t->bytes = &l->weights;
		t->count = cnn_layer_weights(l);
	} else if (name[0] == 'b' && p->has_bias[i]) {
		t->bytes = &l->bias;
		t->count = l->out_channels;
	} else {
		return kat_bad(p, "tensor '%.*s' is unknown", (int)len, name);
	}
	return HV_OK;
}

static int check_tensor_head(struct kat_parser *p, const struct tensor *t)
{
	const char *word;
	size_t len;
	int64_t dims, size, product = 1;

	if (!kat_word(p, &word, &len) || !kat_word_is(word, len, t->wide ? "s32" : "s8"))
		return kat_bad(p, "type of the tensor must be %s", t->wide ? "s32" : "s8");
	if (kat_decimal(p, "number of dimensions", 1, 4, &dims) < 0)
		return HV_E_FORMAT;
	for (int64_t d = 0; d < dims; d++) {
		if (kat_decimal(p, "dimension", 1, 1 << 20, &size) < 0)
			return HV_E_FORMAT;
		product *= size;
		if (product > KAT_BYTES_MAX)
			return kat_bad(p, "the tensor is too large");
	}
	if ((uint64_t)product != t->count)
		return kat_bad(p, "the tensor has %lld elements, the layer's needs %zu",
			       (long long)product, t->count);
	return HV_OK;
}

static int read_values(struct kat_parser *p, const struct tensor *t, int8_t *bytes, int32_t *values)
{
	int64_t min = t->wide ? INT32_MIN : INT8_MIN, max = t->wide ? INT32_MAX : INT8_MAX, v;
	size_t got = 0;

	while (kat_line(p)) {
		if (kat_word_is(p->line, (size_t)(p->line_end - p->line), "end"))
			return got == t->count ? HV_OK
					       : kat_bad(p,
							 "the tensor ends after %zu of %zu "
							 "values",
							 got, t->count);
		while (p->at < p->line_end) {
			if (got == t->count)
				return kat_bad(p, "the tensor has more than %zu values", got);
			if (kat_decimal(p, "value", min, max, &v) < 0)
				return HV_E_FORMAT;
			if (bytes != NULL)
				bytes[got++] = (int8_t)v;
			else
				values[got++] = (int32_t)v;
		}
	}
	return kat_bad(p, "the file ends inside a tensor");
}

int kat_parse_tensor(struct kat_parser *p)
{
	hv_autofree int8_t *bytes = NULL;
	hv_autofree int32_t *values = NULL;
	const char *word = NULL;
	struct tensor t;
	size_t len = 0;
	int err;

	if (!p->has_input_shape || !kat_word(p, &word, &len))
		return kat_bad(p, "a tensor needs a name, and net and input records before it");
	err = find_tensor(p, word, len, &t);
	if (err == HV_OK)
		err = check_tensor_head(p, &t);
	if (err < 0)
		return err;
	if (t.bytes != NULL ? *t.bytes != NULL : *t.values != NULL)
		return kat_bad(p, "second tensor of this name");
	/* Every value takes two characters: a count the file cannot hold is not allocated. */
	if (t.count > (size_t)(p->end - p->next))
		return kat_bad(p, "the file ends inside a tensor");
	if (t.bytes != NULL)
		bytes = malloc(t.count + 1);
	else
		values = malloc((t.count + 1) * sizeof *values);
	if (bytes == NULL && values == NULL)
		return HV_E_NOMEM;
	err = read_values(p, &t, bytes, values);
	if (err == HV_OK && t.bytes != NULL)
		*t.bytes = hv_take(bytes);
	else if (err == HV_OK)
		*t.values = hv_take(values);
	return err;
}

/* ---- bus operations and expectations ---- */

int kat_parse_op(struct kat_parser *p, char kind)
{
	struct kat *k = p->k;
	struct kat_op op = { .kind = kind };
	uint64_t addr = 0, a = 0, b = 0;
	int64_t n = 0;
	int err;

	if (p->phase < 0 || p->phase >= KAT_PHASES)
		return kat_bad(p, "a bus operation outside of a phase");
	err = kat_hex(p, "address", UINT32_MAX, &addr);
	if (err == HV_OK && kind == 'P')
		err = kat_hex(p, "mask", UINT32_MAX, &b);
	if (err == HV_OK && kind == 'M')
		err = kat_decimal(p, "count", 1, KAT_BYTES_MAX, &n);
	else if (err == HV_OK)
		err = kat_hex(p, "value", kind == 'B' ? UINT8_MAX : UINT32_MAX, &a);
	if (err < 0)
		return err;
	op.phase = (uint8_t)p->phase;
	op.addr = (uint32_t)addr;
	op.value = kind == 'M' ? (uint32_t)k->n_words : (uint32_t)a;
	op.count = kind == 'M' ? (uint32_t)n : (uint32_t)b;
	if (!grow((void **)&k->ops, k->n_ops, &p->ops_cap, sizeof *k->ops))
		return HV_E_NOMEM;
	k->ops[k->n_ops++] = op;
	return kind == 'M' ? read_words(p, op.count) : HV_OK;
}

int kat_parse_expect(struct kat_parser *p, char kind)
{
	struct kat *k = p->k;
	struct kat_expect x = { .layer = -1 };
	uint64_t addr = 0, mask = 0;
	int64_t layer = -1, n = 0;
	int err = HV_OK;

	if (p->phase != (kind == 'X' ? PHASE_EXPECT : PHASE_TRACE))
		return kat_bad(p, "%c outside of its phase", kind);
	if (kind == 'T')
		err = kat_decimal(p, "layer", 0, (int64_t)p->layers - 1, &layer);
	if (err == HV_OK)
		err = kat_hex(p, "address", UINT32_MAX, &addr);
	if (err == HV_OK)
		err = kat_hex(p, "mask", UINT32_MAX, &mask);
	if (err == HV_OK)
		err = kat_decimal(p, "count", 1, KAT_BYTES_MAX, &n);
	if (err < 0)
		return err;
	x.layer = (int)layer;
	x.addr = (uint32_t)addr;
	x.mask = (uint32_t)mask;
	x.first = (uint32_t)k->n_words;
	x.count = (uint32_t)n;
	if (!grow((void **)&k->expects, k->n_expects, &p->expects_cap, sizeof *k->expects))
		return HV_E_NOMEM;
	k->expects[k->n_expects++] = x;
	return read_words(p, x.count);
}

static int parse_phase(struct kat_parser *p)
{
	static const char *const names[] = { "init",  "weights", "bias",   "configure",
					     "input", "start",   "expect", "trace" };
	const char *word;
	size_t len;

	if (!p->has_net)
		return kat_bad(p, "a phase before the net record");
	if (!kat_word(p, &word, &len))
		return kat_bad(p, "phase without a name");
	for (int i = 0; i < (int)HV_ARRAY_SIZE(names); i++)
		if (kat_word_is(word, len, names[i])) {
			p->phase = i;
			return HV_OK;
		}
	return kat_bad(p, "phase '%.*s' is unknown", (int)(len > 24 ? 24 : len), word);
}

/* ---- the file ---- */

static int parse_name(struct kat_parser *p)
{
	const char *word;
	size_t len;

	if (!kat_word(p, &word, &len) || len >= KAT_NAME_CAP)
		return kat_bad(p, "name is missing or longer than %d characters", KAT_NAME_CAP - 1);
	memcpy(p->k->name, word, len);
	p->k->name[len] = '\0';
	return HV_OK;
}

static int parse_device(struct kat_parser *p)
{
	const char *word;
	size_t len;

	if (!kat_word(p, &word, &len) || !kat_word_is(word, len, "MAX78000"))
		return kat_bad(p, "device must be MAX78000");
	return HV_OK;
}

static int parse_record(struct kat_parser *p)
{
	static const struct {
		const char *name;
		int (*parse)(struct kat_parser *p);
	} records[] = {
		{ "name", parse_name },         { "device", parse_device },
		{ "net", kat_parse_net },       { "input", kat_parse_input },
		{ "layer", kat_parse_layer },   { "hw", kat_parse_place },
		{ "tensor", kat_parse_tensor }, { "latency", kat_parse_latency },
		{ "phase", parse_phase },
	};
	const char *word;
	size_t len;

	if (!kat_word(p, &word, &len))
		return kat_bad(p, "empty line");
	if (len == 1 && strchr("WBMP", word[0]) != NULL)
		return kat_parse_op(p, word[0]);
	if (len == 1 && strchr("XT", word[0]) != NULL)
		return kat_parse_expect(p, word[0]);
	if (kat_word_is(word, len, "done"))
		p->done = true;
	for (size_t i = 0; i < HV_ARRAY_SIZE(records); i++)
		if (kat_word_is(word, len, records[i].name))
			return records[i].parse(p);
	return HV_OK; /* a record of a later version */
}

/* Everything that must have come by the end. */
static int check_complete(struct kat_parser *p)
{
	struct kat *k = p->k;
	uint32_t all;
	char text[KAT_WHAT_CAP];

	if (!p->done)
		return kat_bad(p, "the file is truncated: its last record must be done");
	if (!p->has_net || !p->has_input_shape)
		return kat_bad(p, "the net or the input record is missing");
	all = p->layers == 32 ? UINT32_MAX : (UINT32_C(1) << p->layers) - 1;
	if (p->seen_layers != all || p->seen_places != all)
		return kat_bad(p, "a layer or hw record is missing");
	if (k->has_latency && p->seen_latency != all)
		return kat_bad(p, "a latency record is missing");
	if (k->input == NULL)
		return kat_bad(p, "tensor input is missing");
	for (unsigned i = 0; i < p->layers; i++) {
		const struct cnn_layer *l = &k->net.layer[i];

		if (k->out[i] == NULL || (l->op != CNN_OP_PASS && l->weights == NULL) ||
		    (p->has_bias[i] && l->bias == NULL))
			return kat_bad(p, "tensor w%u, b%u or out%u is missing", i, i, i);
	}
	if (cnn_net_check(&k->net, text, sizeof text) < 0)
		return kat_bad(p, "%s", text);
	return HV_OK;
}

int kat_parse(const char *text, size_t len, struct kat **k, char *why, size_t cap)
{
	struct kat_parser p = {
		.next = text, .end = text + len, .phase = -1, .why = why, .cap = cap
	};
	int err = HV_OK;

	if (cap > 0)
		why[0] = '\0';
	if (!kat_line(&p) || !kat_word_is(p.line, (size_t)(p.line_end - p.line), "kat 1"))
		return kat_bad(&p, "this is no known-answer test: the first line must be 'kat 1'");
	p.k = calloc(1, sizeof *p.k);
	if (p.k == NULL)
		return HV_E_NOMEM;
	while (err == HV_OK && !p.done && kat_line(&p))
		err = parse_record(&p);
	if (err == HV_OK)
		err = check_complete(&p);
	if (err < 0) {
		kat_free(p.k);
		return err;
	}
	*k = p.k;
	return HV_OK;
}

void kat_free(struct kat *k)
{
	if (k == NULL)
		return;
	for (unsigned i = 0; i < CNN_LAYERS_MAX; i++) {
		free((void *)(uintptr_t)k->net.layer[i].weights);
		free((void *)(uintptr_t)k->net.layer[i].bias);
		free(k->out[i]);
	}
	free((void *)(uintptr_t)k->input);
	free(k->ops);
	free(k->words);
	free(k->expects);
	free(k);
}

static int read_text(gzFile f, char **text, size_t *len, char *why, size_t cap)
{
	hv_autofree char *buf = NULL;
	size_t n = 0, size = 0;
	int got = 1;

	while (got > 0) {
		if (n == size) {
			char *more;

			size = size > 0 ? 2 * size : 1 << 16;
			more = realloc(buf, size);
			if (more == NULL)
				return HV_E_NOMEM;
			buf = more;
		}
		got = gzread(f, buf + n, (unsigned)(size - n));
		n += got > 0 ? (size_t)got : 0;
		if (n > KAT_BYTES_MAX) {
			snprintf(why, cap, "longer than %d bytes", KAT_BYTES_MAX);
			return HV_E_FORMAT;
		}
	}
	if (got < 0) {
		snprintf(why, cap, "cannot be read or unpacked");
		return HV_E_FORMAT;
	}
	*text = hv_take(buf);
	*len = n;
	return HV_OK;
}

int kat_read(const char *path, struct kat **k, char *why, size_t cap)
{
	hv_autofree char *text = NULL;
	size_t len = 0;
	gzFile f = gzopen(path, "rbe");
	int err;

	if (f == NULL) {
		snprintf(why, cap, "cannot be opened");
		return HV_E_NOENT;
	}
	err = read_text(f, &text, &len, why, cap);
	gzclose_r(f);
	return err < 0 ? err : kat_parse(text, len, k, why, cap);
}
