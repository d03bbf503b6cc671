#include "accel/import/reader.h"
#include "util/own.h"

#include <string.h>
#include <strings.h>

/* How the value of a key is written. */
enum form {
	FORM_TEXT,
	FORM_WHOLE, /* lo..hi */
	FORM_PAIR, /* a number for both directions, or [rows, columns] */
	FORM_DIM, /* rows, or [rows], or [rows, columns]; columns are 1 */
	FORM_MAP, /* processors */
	FORM_BOOL,
	FORM_WORD, /* one of words */
	FORM_KERNEL, /* 3x3 or 9 */
	FORM_SOURCES,
	FORM_NEXT,
	FORM_ONLY, /* must be lo: the device has nothing else */
	FORM_IGNORED,
};

struct word {
	const char *text;
	int value;
};

/* clang-format off */
static const struct word ops[] = {
	{ "conv1d", CNN_OP_CONV1D }, { "conv2d", CNN_OP_CONV2D },
	{ "convtranspose2d", CNN_OP_CONVT2D },
	{ "linear", CNN_OP_LINEAR }, { "fc", CNN_OP_LINEAR }, { "mlp", CNN_OP_LINEAR },
	{ "none", CNN_OP_PASS }, { "passthrough", CNN_OP_PASS },
	{ "add", OP_ELTWISE + CNN_ELT_ADD }, { "sub", OP_ELTWISE + CNN_ELT_SUB },
	{ "or", OP_ELTWISE + CNN_ELT_OR }, { "bitwiseor", OP_ELTWISE + CNN_ELT_OR },
	{ "bitwise_or", OP_ELTWISE + CNN_ELT_OR },
	{ "xor", OP_ELTWISE + CNN_ELT_XOR }, { "bitwisexor", OP_ELTWISE + CNN_ELT_XOR },
	{ "bitwise_xor", OP_ELTWISE + CNN_ELT_XOR },
	{ NULL, 0 },
};
static const struct word eltwises[] = {
	{ "add", CNN_ELT_ADD }, { "sub", CNN_ELT_SUB }, { "or", CNN_ELT_OR },
	{ "xor", CNN_ELT_XOR }, { NULL, 0 },
};
static const struct word activations[] = {
	{ "none", CNN_ACT_NONE }, { "relu", CNN_ACT_RELU }, { "abs", CNN_ACT_ABS }, { NULL, 0 },
};
static const struct word formats[] = {
	{ "hwc", 0 }, { "little", 0 }, { "chw", 1 }, { "big", 1 }, { NULL, 0 },
};
static const struct word booleans[] = {
	{ "true", 1 }, { "yes", 1 }, { "on", 1 }, { "1", 1 },
	{ "false", 0 }, { "no", 0 }, { "off", 0 }, { "0", 0 }, { NULL, 0 },
};

/* A limit of 4096 only keeps numbers small: what the device can do is judged afterwards. */
static const struct key {
	const char *text;
	enum import_key key;
	enum form form;
	int lo, hi;
	const struct word *words;
} keys[] = {
	{ "name",              KEY_NAME,          FORM_TEXT,    0, 0, NULL },
	{ "sequence",          KEY_SEQUENCE,      FORM_WHOLE,   0, CNN_LAYERS_MAX - 1, NULL },
	{ "processors",        KEY_PROCESSORS,    FORM_MAP,     0, 0, NULL },
	{ "output_processors", KEY_OUT_PROCESSORS, FORM_MAP,    0, 0, NULL },
	{ "max_pool",          KEY_MAX_POOL,      FORM_PAIR,    1, 255, NULL },
	{ "avg_pool",          KEY_AVG_POOL,      FORM_PAIR,    1, 255, NULL },
	{ "pool_stride",       KEY_POOL_STRIDE,   FORM_PAIR,    1, 255, NULL },
	{ "pool_first",        KEY_POOL_FIRST,    FORM_BOOL,    0, 0, NULL },
	{ "quantization",      KEY_QUANTIZATION,  FORM_WHOLE,   1, 8, NULL },
	{ "output_shift",      KEY_OUTPUT_SHIFT,  FORM_WHOLE, -22, 15, NULL },
	{ "output_width",      KEY_OUTPUT_WIDTH,  FORM_WHOLE,   8, 32, NULL },
	{ "in_channels",       KEY_IN_CHANNELS,   FORM_WHOLE,   1, 1 << 20, NULL },
	{ "out_channels",      KEY_OUT_CHANNELS,  FORM_WHOLE,   1, 4096, NULL },
	{ "in_dim",            KEY_IN_DIM,        FORM_DIM,     1, 4096, NULL },
	{ "in_offset",         KEY_IN_OFFSET,     FORM_WHOLE,   0, 0x7fff, NULL },
	{ "out_offset",        KEY_OUT_OFFSET,    FORM_WHOLE,   0, 0x7fff, NULL },
	{ "write_gap",         KEY_WRITE_GAP,     FORM_WHOLE,   0, 15, NULL },
	{ "op",                KEY_OP,            FORM_WORD,    0, 0, ops },
	{ "operation",         KEY_OP,            FORM_WORD,    0, 0, ops },
	{ "operator",          KEY_OP,            FORM_WORD,    0, 0, ops },
	{ "convolution",       KEY_OP,            FORM_WORD,    0, 0, ops },
	{ "activate",          KEY_ACTIVATE,      FORM_WORD,    0, 0, activations },
	{ "activation",        KEY_ACTIVATE,      FORM_WORD,    0, 0, activations },
	{ "eltwise",           KEY_ELTWISE,       FORM_WORD,    0, 0, eltwises },
	{ "operands",          KEY_OPERANDS,      FORM_WHOLE,   2, CNN_OPERANDS_MAX, NULL },
	{ "kernel_size",       KEY_KERNEL,        FORM_KERNEL,  1, 9, NULL },
	{ "pad",               KEY_PAD,           FORM_PAIR,    0, 255, NULL },
	{ "stride",            KEY_STRIDE,        FORM_PAIR,    1, 255, NULL },
	{ "dilation",          KEY_DILATION,      FORM_PAIR,    1, 4096, NULL },
	{ "output_pad",        KEY_OUTPUT_PAD,    FORM_PAIR,    0, 255, NULL },
	{ "flatten",           KEY_FLATTEN,       FORM_BOOL,    0, 0, NULL },
	{ "streaming",         KEY_STREAMING,     FORM_BOOL,    0, 0, NULL },
	{ "data_format",       KEY_FORMAT,        FORM_WORD,    0, 0, formats },
	{ "in_sequences",      KEY_IN_SEQUENCES,  FORM_SOURCES, 0, 0, NULL },
	{ "next_sequence",     KEY_NEXT,          FORM_NEXT,    0, 0, NULL },
	{ "output",            KEY_OUTPUT,        FORM_BOOL,    0, 0, NULL },
	{ "groups",            KEY_GROUPS,        FORM_ONLY,    1, 0, NULL },
	{ "conv_groups",       KEY_GROUPS,        FORM_ONLY,    1, 0, NULL },
	{ "bypass",            KEY_BYPASS,        FORM_ONLY,    0, 0, NULL },
	{ "calcx4",            KEY_CALCX4,        FORM_ONLY,    0, 0, NULL },
	{ "pool_dilation",     KEY_POOL_DILATION, FORM_ONLY,    1, 0, NULL },
	{ "in_crop",           KEY_IN_CROP,       FORM_ONLY,    0, 0, NULL },
	{ "in_channel_skip",   KEY_CHANNEL_SKIP,  FORM_ONLY,    0, 0, NULL },
	/* where and how fast, not what */
	{ "in_skip",           KEY_IGNORED,       FORM_IGNORED, 0, 0, NULL },
	{ "read_gap",          KEY_IGNORED,       FORM_IGNORED, 0, 0, NULL },
	{ "bias_group",        KEY_IGNORED,       FORM_IGNORED, 0, 0, NULL },
	{ "bias_quadrant",     KEY_IGNORED,       FORM_IGNORED, 0, 0, NULL },
	{ "tcalc",             KEY_IGNORED,       FORM_IGNORED, 0, 0, NULL },
	{ "readahead",         KEY_IGNORED,       FORM_IGNORED, 0, 0, NULL },
	{ "simulated_sequence", KEY_IGNORED,      FORM_IGNORED, 0, 0, NULL },
};
/* clang-format on */

static yaml_node_t *node(const struct reader *r, int index)
{
	return yaml_document_get_node(r->doc, index);
}

/* Text for messages. */
static const char *shown(const yaml_node_t *n)
{
	const char *text = import_text(n);

	return text != NULL ? text : n->type == YAML_SEQUENCE_NODE ? "[...]" : "{...}";
}

static int take_word(struct reader *r, const char *key, const struct word *words,
		     const yaml_node_t *n, int64_t *v)
{
	const char *text = import_text(n);
	char all[200] = "";
	size_t used = 0;

	for (const struct word *w = words; w->text != NULL; w++) {
		if (text != NULL && strcasecmp(w->text, text) == 0) {
			*v = w->value;
			return HV_OK;
		}
		used += (size_t)snprintf(all + used, sizeof(all) - used, "%s%s",
					 used > 0 ? ", " : "", w->text);
		if (used >= sizeof(all))
			break;
	}
	return import_refuse(r, import_line(n), "%s is '%.40s', must be one of %s", key, shown(n),
			     all);
}

/* Items of a list of at most `max`, or the node itself alone. Count, or an error. */
static int list_items(struct reader *r, const char *key, const yaml_node_t *n, unsigned max,
		      const yaml_node_t **items)
{
	long count;

	if (n->type != YAML_SEQUENCE_NODE) {
		items[0] = n;
		return 1;
	}
	count = n->data.sequence.items.top - n->data.sequence.items.start;
	if (count < 1 || count > (long)max)
		return import_refuse(r, import_line(n), "%s has %ld values, must be 1..%u", key,
				     count, max);
	for (long i = 0; i < count; i++)
		items[i] = node(r, n->data.sequence.items.start[i]);
	return (int)count;
}

static int take_pair(struct reader *r, const struct key *k, const yaml_node_t *n,
		     struct import_value *v)
{
	const yaml_node_t *items[2];
	int count = list_items(r, k->text, n, 2, items);
	int err = count < 0 ? count : import_whole(r, k->text, items[0], k->lo, k->hi, &v->a);

	if (err < 0)
		return err;
	v->b = k->form == FORM_DIM ? 1 : v->a;
	return count == 2 ? import_whole(r, k->text, items[1], k->lo, k->hi, &v->b) : HV_OK;
}

/* "3x3", or one number. */
static int take_kernel(struct reader *r, const struct key *k, const yaml_node_t *n,
		       struct import_value *v)
{
	const char *t = import_text(n);

	if (t != NULL && strlen(t) == 3 && (t[1] == 'x' || t[1] == 'X') && t[0] >= '1' &&
	    t[0] <= '9' && t[2] >= '1' && t[2] <= '9') {
		v->a = t[0] - '0';
		v->b = t[2] - '0';
		return HV_OK;
	}
	v->b = 0; /* one number: rows only */
	return import_whole(r, k->text, n, k->lo, k->hi, &v->a);
}

/* A layer's number or name, -1 or "input" for the network input. */
static int find_source(struct reader *r, const yaml_node_t *n, int *from)
{
	const char *text = import_text(n);
	int64_t v;
	int err;

	if (text != NULL && strcasecmp(text, "input") == 0) {
		*from = CNN_FROM_INPUT;
		return HV_OK;
	}
	for (int i = 0; text != NULL && i < r->at; i++)
		if (r->layer[i].name != NULL && strcasecmp(r->layer[i].name, text) == 0) {
			*from = i;
			return HV_OK;
		}
	if (text == NULL || (text[0] != '-' && (text[0] < '0' || text[0] > '9')))
		return import_refuse(r, import_line(n),
				     "in_sequences names '%.40s', which is no earlier layer",
				     shown(n));
	err = import_whole(r, "in_sequences", n, CNN_FROM_INPUT, r->at - 1, &v);
	if (err == HV_OK)
		*from = (int)v;
	return err;
}

static int take_sources(struct reader *r, const yaml_node_t *n, struct import_layer *l)
{
	const yaml_node_t *items[CNN_SOURCES_MAX];
	int count = list_items(r, "in_sequences", n, CNN_SOURCES_MAX, items);
	int err = count < 0 ? count : HV_OK;

	for (int i = 0; err == HV_OK && i < count; i++)
		err = find_source(r, items[i], &l->from[i]);
	if (err == HV_OK)
		l->sources = (unsigned)count;
	return err;
}

/* Every number of it must be `lo`; true and false count as 1 and 0. */
static int take_only(struct reader *r, const struct key *k, const yaml_node_t *n)
{
	const yaml_node_t *items[2];
	int count = list_items(r, k->text, n, 2, items);

	if (count < 0)
		return count;
	for (int i = 0; i < count; i++) {
		const char *t = import_text(items[i]);
		bool same = false;

		for (const struct word *w = booleans; t != NULL && w->text != NULL; w++)
			same = same || (strcasecmp(t, w->text) == 0 && w->value == k->lo);
		if (!same)
			return import_refuse(
				r, import_line(n),
				"%s is '%.40s', must be %d: the device has nothing else", k->text,
				shown(items[i]), k->lo);
	}
	return HV_OK;
}

/* Layers run in the order of the file; "stop" is for its last one, which import_document()
 * verifies: -1. */
static int take_next(struct reader *r, const yaml_node_t *n, struct import_value *v)
{
	const char *text = import_text(n);

	v->a = -1;
	if (text != NULL && strcasecmp(text, "stop") == 0)
		return HV_OK;
	return import_whole(r, "next_sequence", n, -1, r->at + 1, &v->a);
}

static int take_value(struct reader *r, const struct key *k, const yaml_node_t *n,
		      struct import_layer *l)
{
	struct import_value *v = &l->v[k->key];
	int err = HV_OK;

	switch (k->form) {
	case FORM_TEXT:
		l->name = import_text(n);
		if (l->name == NULL)
			err = import_refuse(r, import_line(n), "%s is no text", k->text);
		break;
	case FORM_WHOLE: err = import_whole(r, k->text, n, k->lo, k->hi, &v->a); break;
	case FORM_PAIR:
	case FORM_DIM: err = take_pair(r, k, n, v); break;
	case FORM_MAP: err = import_map(r, k->text, n, &v->a); break;
	case FORM_BOOL: err = take_word(r, k->text, booleans, n, &v->a); break;
	case FORM_WORD: err = take_word(r, k->text, k->words, n, &v->a); break;
	case FORM_KERNEL: err = take_kernel(r, k, n, v); break;
	case FORM_SOURCES: err = take_sources(r, n, l); break;
	case FORM_NEXT: err = take_next(r, n, v); break;
	case FORM_ONLY: err = take_only(r, k, n); break;
	case FORM_IGNORED: import_note(r, import_line(n), "%s is ignored", k->text); break;
	}
	v->line = import_line(n);
	return err;
}

static int take_pair_of_layer(struct reader *r, const yaml_node_pair_t *pair,
			      struct import_layer *l)
{
	const yaml_node_t *key = node(r, pair->key), *value = node(r, pair->value);
	const char *text = import_text(key);

	for (size_t i = 0; text != NULL && i < HV_ARRAY_SIZE(keys); i++) {
		if (strcmp(keys[i].text, text) != 0)
			continue;
		if (keys[i].key != KEY_IGNORED && l->v[keys[i].key].line != 0)
			return import_refuse(r, import_line(key),
					     "%s is given twice, first in line %u", text,
					     l->v[keys[i].key].line);
		return take_value(r, &keys[i], value, l);
	}
	return import_refuse(r, import_line(key),
			     "unknown key '%.40s', which may change what the layer does",
			     shown(key));
}

static int take_layer(struct reader *r, const yaml_node_t *n)
{
	struct import_layer *l = &r->layer[r->at];
	int err = HV_OK;

	l->line = import_line(n);
	if (n->type != YAML_MAPPING_NODE)
		return import_refuse(r, l->line, "is no mapping of keys to values");
	for (const yaml_node_pair_t *p = n->data.mapping.pairs.start;
	     err == HV_OK && p < n->data.mapping.pairs.top; p++)
		err = take_pair_of_layer(r, p, l);
	if (err == HV_OK && import_has(l, KEY_SEQUENCE) && l->v[KEY_SEQUENCE].a != r->at)
		return import_refuse(r, l->v[KEY_SEQUENCE].line,
				     "sequence is %d, must be %d: layers come in order",
				     (int)l->v[KEY_SEQUENCE].a, r->at);
	return err;
}

static int take_layers(struct reader *r, const yaml_node_t *n)
{
	long count;
	int err = HV_OK;

	if (n->type != YAML_SEQUENCE_NODE)
		return import_refuse(r, import_line(n), "layers is no list");
	count = n->data.sequence.items.top - n->data.sequence.items.start;
	if (count < 1 || count > CNN_LAYERS_MAX)
		return import_refuse(r, import_line(n), "layers has %ld entries, must be 1..%d",
				     count, CNN_LAYERS_MAX);
	r->layers = (unsigned)count;
	for (r->at = 0; err == HV_OK && r->at < count; r->at++) {
		const struct import_value *next = &r->layer[r->at].v[KEY_NEXT];

		err = take_layer(r, node(r, n->data.sequence.items.start[r->at]));
		if (err == HV_OK && next->line != 0 &&
		    next->a != (r->at + 1 < count ? r->at + 1 : -1))
			err = import_refuse(r, next->line,
					    "next_sequence is %d, but the device runs layers in "
					    "order and stops after the last",
					    (int)next->a);
	}
	r->at = -1;
	return err;
}

static void take_text(const yaml_node_t *n, char *to, size_t cap)
{
	const char *text = import_text(n);

	if (text != NULL)
		snprintf(to, cap, "%s", text);
}

static int take_top(struct reader *r, const yaml_node_t *key, const yaml_node_t *value,
		    unsigned *seen)
{
	static const char *const names[] = { "layers", "arch",    "dataset", "output_map",
					     "bias",   "weights", NULL };
	const char *text = import_text(key);
	unsigned k = 0;

	while (names[k] != NULL && (text == NULL || strcmp(names[k], text) != 0))
		k++;
	if (names[k] == NULL)
		return import_refuse(r, import_line(key),
				     "unknown key '%.40s', which may change what the network does",
				     shown(key));
	if ((*seen >> k & 1) != 0)
		return import_refuse(r, import_line(key), "%s is given twice", text);
	*seen |= 1u << k;
	switch (k) {
	case 0: return take_layers(r, value);
	case 1: take_text(value, r->im->arch, sizeof(r->im->arch)); return HV_OK;
	case 2: take_text(value, r->im->dataset, sizeof(r->im->dataset)); return HV_OK;
	case 3:
		r->output_map.line = import_line(value);
		return import_map(r, text, value, &r->output_map.a);
	default:
		import_note(r, import_line(key), "%s is ignored: arrays come from .npy files",
			    text);
		return HV_OK;
	}
}

int import_document(struct reader *r)
{
	const yaml_node_t *root = yaml_document_get_root_node(r->doc);
	unsigned seen = 0;
	int err = HV_OK;

	if (root->type != YAML_MAPPING_NODE)
		return import_refuse(r, import_line(root),
				     "the description is no mapping of keys to values");
	for (const yaml_node_pair_t *p = root->data.mapping.pairs.start;
	     err == HV_OK && p < root->data.mapping.pairs.top; p++)
		err = take_top(r, node(r, p->key), node(r, p->value), &seen);
	if (err == HV_OK && (seen & 7) != 7)
		err = import_refuse(r, import_line(root), "%s is missing",
				    (seen & 1) == 0   ? "layers"
				    : (seen & 2) == 0 ? "arch"
						      : "dataset");
	return err;
}
