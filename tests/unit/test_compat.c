/* The wires of released versions, byte for byte (proto/compat). The files hold messages whose
 * fields follow from the message and the field's place; decoding must give those values and
 * encoding the same bytes. After a new message: run with --print and append its line. A client
 * message may gain fields; all else stays as it is within a version. */
#include "proto/frame.h"
#include "proto/linkmsg.h"
#include "tests/lib/ipc_types.h"
#include "util/own.h"
#include <check.h>
#include <stdio.h>
#include <string.h>

enum { BYTES_MAX = 4096, LINE_BYTES = 2 * BYTES_MAX + 80 };

static const uint8_t tail_bytes[] = { 0xca, 0xfe, 0x00, 0x01 };

/* -- board link ------------------------------------------------------------------------- */

/* Byte b of field k of message id: no two fields or byte orders look alike. */
static uint8_t pattern(unsigned id, unsigned k, unsigned b)
{
	return (uint8_t)(16 * id + 7 * k + 31 * b + 1);
}

static uint64_t pattern_le(unsigned id, unsigned k, unsigned bytes)
{
	uint64_t v = 0;

	for (unsigned b = 0; b < bytes; b++)
		v |= (uint64_t)pattern(id, k, b) << 8 * b;
	return v;
}

static void fill_text(unsigned id, unsigned k, void *to, unsigned bytes)
{
	for (unsigned b = 0; b < bytes; b++)
		((uint8_t *)to)[b] = pattern(id, k, b);
}

#define fill_u8(v)  *(v) = (uint8_t)pattern_le(id, k, 1)
#define fill_u16(v) *(v) = (uint16_t)pattern_le(id, k, 2)
#define fill_u32(v) *(v) = (uint32_t)pattern_le(id, k, 4)
#define fill_u64(v) *(v) = pattern_le(id, k, 8)
#define fill_h32(v) fill_text(id, k, (v)->b, 32)
#define fill_s16(v) fill_text(id, k, (v)->b, 16)

#define F(type, field)          \
	fill_##type(&m->field); \
	k++;
#define TAIL m->tail = (struct link_tail){ tail_bytes, sizeof(tail_bytes) };
#define M(num, NAME, text, about)                      \
	static void fill_##text(struct link_##text *m) \
	{                                              \
		unsigned id = num, k = 0;              \
		m->id_ = num;                          \
		(void)id;                              \
		(void)k;                               \
		LINK_FIELDS_##text(F, TAIL)            \
	}
LINK_MSG_MAP(M)
#undef M
#undef TAIL
#undef F

/* A whole message with its fields by pattern; 0 when the name is unknown. */
static size_t link_make(const char *name, uint8_t *to)
{
	union link_msg m;
	size_t n = 0;

	memset(&m, 0, sizeof(m));
#define F(type, field)
#define NO_TAIL
#define TAIL                                            \
	memcpy(to + n, tail_bytes, sizeof(tail_bytes)); \
	n += sizeof(tail_bytes);
#define M(num, NAME, text, about)                       \
	if (strcmp(name, #text) == 0) {                 \
		fill_##text(&m.text);                   \
		n = link_msg_encode(&m, to, BYTES_MAX); \
		LINK_FIELDS_##text(F, TAIL)             \
	}
	LINK_MSG_MAP(M)
#undef M
#undef TAIL
#undef NO_TAIL
#undef F
	return n;
}

static const char *const frame_names[] = { "frame_data", "frame_syn", "frame_synack", "frame_rst",
					   "frame_nak" };

static size_t frame_make(const char *name, uint8_t *to)
{
	for (unsigned k = 0; k < HV_ARRAY_SIZE(frame_names); k++) {
		struct frame f = { .ver = FRAME_VER, .kind = (uint8_t)k };

		if (strcmp(name, frame_names[k]) != 0)
			continue;
		f.conn = (uint16_t)pattern_le(k, 1, 2);
		f.seq = (uint16_t)pattern_le(k, 2, 2);
		f.ack = (uint16_t)pattern_le(k, 3, 2);
		f.window = (uint16_t)pattern_le(k, 4, 2);
		f.len = k == FRAME_DATA ? sizeof(tail_bytes) : 0;
		f.payload = tail_bytes;
		return frame_encode(&f, to);
	}
	return 0;
}

/* -- client and daemon ------------------------------------------------------------------- */

static const char *text_of(unsigned id)
{
	static char text[64][8];

	snprintf(text[id % 64], sizeof(text[0]), "s%u", id % 64);
	return text[id % 64];
}

static void message_fill(ProtobufCMessage *m);

static void value_fill(const ProtobufCFieldDescriptor *f, void *to)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_SINT32: *(int32_t *)to = -(int32_t)(1000 + f->id); break;
	case PROTOBUF_C_TYPE_UINT32: *(uint32_t *)to = 1000 + f->id; break;
	case PROTOBUF_C_TYPE_SINT64: *(int64_t *)to = -((int64_t)f->id << 40); break;
	case PROTOBUF_C_TYPE_UINT64: *(uint64_t *)to = (uint64_t)f->id << 40; break;
	case PROTOBUF_C_TYPE_DOUBLE: *(double *)to = f->id + 0.5; break;
	case PROTOBUF_C_TYPE_BOOL: *(protobuf_c_boolean *)to = 1; break;
	case PROTOBUF_C_TYPE_ENUM: *(int *)to = 2; break;
	case PROTOBUF_C_TYPE_STRING: *(const char **)to = text_of(f->id); break;
	case PROTOBUF_C_TYPE_MESSAGE: {
		const ProtobufCMessageDescriptor *d = f->descriptor;
		ProtobufCMessage *sub = calloc(1, d->sizeof_message);

		protobuf_c_message_init(d, sub);
		message_fill(sub);
		*(ProtobufCMessage **)to = sub;
		break;
	}
	default: fprintf(stderr, "field %s has a type this test does not know\n", f->name); abort();
	}
}

static size_t value_bytes(const ProtobufCFieldDescriptor *f)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_DOUBLE: return 8;
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_MESSAGE: return sizeof(void *);
	default: return 4;
	}
}

static void message_fill(ProtobufCMessage *m)
{
	for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
		uint8_t *at = (uint8_t *)m + f->offset;
		size_t n = value_bytes(f);
		uint8_t *two;

		if (f->label != PROTOBUF_C_LABEL_REPEATED) {
			value_fill(f, at);
			continue;
		}
		two = calloc(2, n);
		value_fill(f, two);
		value_fill(f, two + n);
		*(uint8_t **)at = two;
		*(size_t *)((uint8_t *)m + f->quantifier_offset) = 2;
	}
}

/* Frees what message_fill() made; its strings are not on the heap. */
static void message_free(ProtobufCMessage *m)
{
	for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
		void **at = (void **)(void *)((uint8_t *)m + f->offset);
		bool many = f->label == PROTOBUF_C_LABEL_REPEATED;

		if (f->type == PROTOBUF_C_TYPE_MESSAGE && many)
			for (int k = 0; k < 2; k++)
				message_free(((ProtobufCMessage **)*at)[k]);
		else if (f->type == PROTOBUF_C_TYPE_MESSAGE)
			message_free(*at);
		if (many)
			free(*at);
	}
	free(m);
}

static void fields_check(const ProtobufCMessage *m);

static void value_check(const ProtobufCFieldDescriptor *f, const void *at)
{
	uint64_t want = 0;

	if (f->type == PROTOBUF_C_TYPE_MESSAGE) {
		fields_check(*(ProtobufCMessage *const *)at);
	} else if (f->type == PROTOBUF_C_TYPE_STRING) {
		ck_assert_str_eq(*(const char *const *)at, text_of(f->id));
	} else {
		value_fill(f, &want);
		ck_assert_msg(memcmp(at, &want, value_bytes(f)) == 0,
			      "field %s reads otherwise now", f->name);
	}
}

/* Absent in the golden bytes: the field was added later. */
static bool is_absent(const ProtobufCFieldDescriptor *f, const void *at)
{
	static const uint8_t zero[8];

	if (f->type == PROTOBUF_C_TYPE_STRING)
		return (*(const char *const *)at)[0] == '\0';
	return memcmp(at, zero, value_bytes(f)) == 0;
}

/* Every field that is there has the value that belongs to its number and type. */
static void fields_check(const ProtobufCMessage *m)
{
	ck_assert_uint_eq(m->n_unknown_fields, 0);
	for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
		const uint8_t *at = (const uint8_t *)m + f->offset;
		size_t n;

		if (f->label != PROTOBUF_C_LABEL_REPEATED) {
			if (!is_absent(f, at))
				value_check(f, at);
			continue;
		}
		n = *(const size_t *)(const void *)((const uint8_t *)m + f->quantifier_offset);
		for (size_t k = 0; k < n; k++)
			value_check(f,
				    *(const uint8_t *const *)(const void *)at + k * value_bytes(f));
	}
}

static const struct ipc_type *ipc_type_find(const char *name)
{
	for (int i = 0; i < IPC_TYPES; i++)
		if (strcmp(ipc_types[i].name, name) == 0)
			return &ipc_types[i];
	return NULL;
}

/* Header and message, with a payload that is announced but not there. */
static size_t ipc_make(const char *name, uint8_t *to)
{
	const struct ipc_type *t = ipc_type_find(name);
	struct ipc_frame f = { .payload_len = 0x010203, .tag = 0x11223344 };
	ProtobufCMessage *m;

	if (t == NULL)
		return 0;
	m = calloc(1, t->type->sizeof_message);
	protobuf_c_message_init(t->type, m);
	message_fill(m);
	if (protobuf_c_message_get_packed_size(m) > BYTES_MAX - IPC_HDR)
		abort();
	f.kind = t->id;
	f.msg_len = (uint32_t)protobuf_c_message_pack(m, to + IPC_HDR);
	ipc_frame_encode(&f, to);
	message_free(m);
	return IPC_HDR + f.msg_len;
}

/* -- the files --------------------------------------------------------------------------- */

/* "name hex" into bytes; 0 for a comment or an empty line. */
static size_t line_parse(const char *line, char name[64], uint8_t *to)
{
	const char *p = line;
	size_t n = 0;
	int used = 0;
	unsigned byte;

	if (line[0] == '#' || sscanf(line, "%63s%n", name, &used) != 1)
		return 0;
	for (p = line + used; sscanf(p, " %2x%n", &byte, &used) == 1 && n < BYTES_MAX; p += used)
		to[n++] = (uint8_t)byte;
	return n;
}

static void file_check(const char *file, size_t (*make)(const char *name, uint8_t *to),
		       void (*decode)(const char *name, const uint8_t *b, size_t n), int lines)
{
	static char line[LINE_BYTES];
	uint8_t want[BYTES_MAX], made[BYTES_MAX];
	char path[512], name[64];
	FILE *f;

	snprintf(path, sizeof(path), "%s/proto/compat/%s", SRCDIR, file);
	f = fopen(path, "r");
	ck_assert_msg(f != NULL, "cannot open %s", path);
	while (fgets(line, sizeof(line), f) != NULL) {
		size_t n = line_parse(line, name, want);

		if (n == 0)
			continue;
		if (make != NULL)
			ck_assert_msg(make(name, made) == n && memcmp(made, want, n) == 0,
				      "%s: %s is encoded otherwise now", file, name);
		decode(name, want, n);
		lines--;
	}
	fclose(f);
	ck_assert_msg(lines == 0, "%s: %d messages are missing (or surplus)", file, lines);
}

static void link_check(const char *name, const uint8_t *b, size_t n)
{
	uint8_t back[BYTES_MAX];
	union link_msg m;

	ck_assert_msg(link_msg_decode(b, n, &m) == HV_OK, "%s", name);
	ck_assert_str_eq(link_msg_text(m.any.id_), name);
	n = link_msg_encode(&m, back, sizeof(back));
	ck_assert_mem_eq(back, b, n);
}

static void frame_check(const char *name, const uint8_t *b, size_t n)
{
	static struct frame_rx rx;
	uint8_t back[FRAME_MAX_WIRE];
	struct frame f;

	for (size_t i = 0; i + 1 < n; i++)
		ck_assert_int_eq(frame_rx_byte(&rx, b[i], &f), 0);
	ck_assert_int_eq(frame_rx_byte(&rx, b[n - 1], &f), 1);
	ck_assert_str_eq(frame_names[f.kind], name);
	ck_assert_uint_eq(frame_encode(&f, back), n);
	ck_assert_mem_eq(back, b, n);
}

static void ipc_check(const char *name, const uint8_t *b, size_t n)
{
	const struct ipc_type *t = ipc_type_find(name);
	uint8_t back[BYTES_MAX];
	struct ipc_frame f;
	ProtobufCMessage *m;

	ck_assert_int_eq(ipc_frame_decode(b, &f), HV_OK);
	ck_assert(f.kind == t->id && f.tag == 0x11223344 && f.payload_len == 0x010203);
	ck_assert_uint_eq(f.msg_len, n - IPC_HDR);
	m = protobuf_c_message_unpack(t->type, NULL, f.msg_len, b + IPC_HDR);
	ck_assert_ptr_nonnull(m);
	fields_check(m);
	ck_assert_uint_eq(protobuf_c_message_pack(m, back), f.msg_len);
	ck_assert_mem_eq(back, b + IPC_HDR, f.msg_len);
	protobuf_c_message_free_unpacked(m, NULL);
}

#define ONE(...) +1
START_TEST(link_messages_of_version_1_are_unchanged)
{
	file_check("link-1.hex", link_make, link_check, 0 LINK_MSG_MAP(ONE));
}
END_TEST

START_TEST(link_frames_of_version_1_are_unchanged)
{
	file_check("frame-1.hex", frame_make, frame_check, (int)HV_ARRAY_SIZE(frame_names));
}
END_TEST

START_TEST(client_messages_of_version_1_are_unchanged)
{
	/* Not made again: a message may have gained fields that the old bytes lack. */
	file_check("ipc-1.hex", NULL, ipc_check, 0 IPC_KIND_MAP(ONE));
}
END_TEST

static void line_print(const char *name, size_t (*make)(const char *name, uint8_t *to))
{
	uint8_t b[BYTES_MAX];
	size_t n = make(name, b);

	printf("%s ", name);
	for (size_t i = 0; i < n; i++)
		printf("%02x", b[i]);
	printf("\n");
}

static int print_all(void)
{
#define M(num, NAME, text, about) line_print(#text, link_make);
	LINK_MSG_MAP(M)
#undef M
	for (size_t i = 0; i < HV_ARRAY_SIZE(frame_names); i++)
		line_print(frame_names[i], frame_make);
	for (int i = 0; i < IPC_TYPES; i++)
		line_print(ipc_types[i].name, ipc_make);
	return EXIT_SUCCESS;
}

static Suite *compat_suite(void)
{
	Suite *s = suite_create("proto/compat");
	TCase *tc = tcase_create("golden bytes");

	tcase_add_test(tc, link_messages_of_version_1_are_unchanged);
	tcase_add_test(tc, link_frames_of_version_1_are_unchanged);
	tcase_add_test(tc, client_messages_of_version_1_are_unchanged);
	suite_add_tcase(s, tc);
	return s;
}

int main(int argc, char **argv)
{
	SRunner *sr;
	int failed;

	if (argc > 1 && strcmp(argv[1], "--print") == 0)
		return print_all();
	sr = srunner_create(compat_suite());
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
