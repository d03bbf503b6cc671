#include "client/lib/result.h"
#include "proto/harvest.pb-c.h"
#include "util/own.h"
#include "util/rng.h"
#include <check.h>
#include <string.h>

static const char *type_text(ProtobufCType t)
{
	switch (t) {
	case PROTOBUF_C_TYPE_STRING: return "string";
	case PROTOBUF_C_TYPE_UINT32: return "uint32";
	case PROTOBUF_C_TYPE_UINT64: return "uint64";
	case PROTOBUF_C_TYPE_SINT32: return "sint32";
	case PROTOBUF_C_TYPE_BOOL: return "bool";
	case PROTOBUF_C_TYPE_DOUBLE: return "double";
	case PROTOBUF_C_TYPE_MESSAGE: return "message";
	default: return "another type";
	}
}

static void table_agrees(enum result_table t, const ProtobufCMessageDescriptor *d)
{
	for (uint32_t i = 0; i < 64; i++) {
		const ProtobufCFieldDescriptor *f = protobuf_c_message_descriptor_get_field(d, i);
		const char *kind = result_field_kind(t, i);

		if (f == NULL)
			ck_assert_msg(kind == NULL, "%s: field %u does not exist", d->name, i);
		else
			ck_assert_msg(kind != NULL && strcmp(kind, type_text(f->type)) == 0,
				      "%s.%s is %s, the table says %s", d->name, f->name,
				      type_text(f->type), kind ? kind : "nothing");
	}
}

START_TEST(the_decoders_tables_are_those_of_the_protocol)
{
	table_agrees(RESULT_TABLE_RESULT, &hv__result__descriptor);
	table_agrees(RESULT_TABLE_PART, &hv__part__descriptor);
	table_agrees(RESULT_TABLE_TIMES, &hv__times__descriptor);
}
END_TEST

enum { PARTS = 9, TEXT = 24 };

static char *word(struct hv_rng *rng, char *to)
{
	uint32_t n = hv_rng_below(rng, TEXT);

	for (uint32_t i = 0; i < n; i++)
		to[i] = (char)('a' + hv_rng_below(rng, 26));
	to[n] = '\0';
	return to;
}

/* Fills m with numbers and words; storage for them. */
struct filled {
	Hv__Result m;
	Hv__Times times;
	Hv__Part part[PARTS], *parts[PARTS];
	char text[5 + 3 * PARTS][TEXT];
};

static void fill(struct filled *f, struct hv_rng *rng)
{
	size_t t = 0;

	hv__result__init(&f->m);
	hv__times__init(&f->times);
	f->m.job = word(rng, f->text[t++]);
	f->m.task = word(rng, f->text[t++]);
	f->m.metric = word(rng, f->text[t++]);
	f->m.why = word(rng, f->text[t++]);
	f->m.state = word(rng, f->text[t++]);
	f->m.records = (uint32_t)hv_rng_u64(rng);
	f->m.ok = (int)hv_rng_below(rng, 2);
	f->m.code = (int32_t)hv_rng_u64(rng);
	f->m.has_certified = (int)hv_rng_below(rng, 2);
	f->m.certified = hv_rng_normal(rng, 0, 100);
	f->m.has_budget = (int)hv_rng_below(rng, 2);
	f->m.budget = hv_rng_normal(rng, 0, 100);
	f->m.board_energy_uj = hv_rng_uniform(rng, 0, 1e9);
	f->m.cpu_energy_uj = hv_rng_uniform(rng, 0, 1e9);
	f->times.admit = hv_rng_u64(rng);
	f->times.queue = hv_rng_below(rng, 100);
	f->times.total = hv_rng_u64(rng) >> 20;
	f->times.deliver = hv_rng_below(rng, 2);
	f->m.time_us = &f->times;
	f->m.n_parts = hv_rng_below(rng, PARTS + 1);
	f->m.parts = f->parts;
	for (size_t i = 0; i < f->m.n_parts; i++) {
		hv__part__init(&f->part[i]);
		f->parts[i] = &f->part[i];
		f->part[i].where = word(rng, f->text[t++]);
		f->part[i].board = word(rng, f->text[t++]);
		f->part[i].model = word(rng, f->text[t++]);
		f->part[i].records = (uint32_t)hv_rng_u64(rng);
		f->part[i].records_retried = hv_rng_below(rng, 3);
		f->part[i].certified = hv_rng_normal(rng, 50, 10);
	}
}

static void compare(const struct result *r, const Hv__Result *m)
{
	ck_assert_str_eq(r->job, m->job);
	ck_assert_str_eq(r->task, m->task);
	ck_assert_str_eq(r->metric, m->metric);
	ck_assert_str_eq(r->why, m->why);
	ck_assert_str_eq(r->state, m->state);
	ck_assert_uint_eq(r->records, m->records);
	ck_assert_int_eq(r->ok, m->ok);
	ck_assert_int_eq(r->code, m->code);
	ck_assert_int_eq(r->has_certified, m->has_certified);
	ck_assert(r->certified == m->certified && r->budget == m->budget);
	ck_assert_int_eq(r->has_budget, m->has_budget);
	ck_assert(r->board_energy_uj == m->board_energy_uj);
	ck_assert(r->cpu_energy_uj == m->cpu_energy_uj);
	ck_assert_uint_eq(r->admit_us, m->time_us->admit);
	ck_assert_uint_eq(r->queue_us, m->time_us->queue);
	ck_assert_uint_eq(r->deliver_us, m->time_us->deliver);
	ck_assert_uint_eq(r->total_us, m->time_us->total);
	ck_assert_uint_eq(r->n_parts, m->n_parts);
	for (size_t i = 0; i < m->n_parts; i++) {
		ck_assert_str_eq(r->parts[i].where, m->parts[i]->where);
		ck_assert_str_eq(r->parts[i].board, m->parts[i]->board);
		ck_assert_str_eq(r->parts[i].model, m->parts[i]->model);
		ck_assert_uint_eq(r->parts[i].records, m->parts[i]->records);
		ck_assert_uint_eq(r->parts[i].records_retried, m->parts[i]->records_retried);
		ck_assert(r->parts_certified[i] == m->parts[i]->certified);
	}
}

START_TEST(any_result_reads_as_it_was_written)
{
	struct hv_rng rng;
	struct filled f;
	struct result r;
	uint8_t msg[4096];

	hv_rng_seed(&rng, (uint64_t)_i);
	for (int round = 0; round < 500; round++) {
		size_t n;

		fill(&f, &rng);
		n = hv__result__pack(&f.m, msg);
		result_init(&r);
		ck_assert_int_eq(result_decode(&r, msg, n), HV_OK);
		compare(&r, &f.m);
		result_free(&r);
	}
}
END_TEST

START_TEST(a_result_cut_anywhere_is_refused_or_shorter)
{
	struct hv_rng rng;
	struct filled f;
	uint8_t msg[4096];
	size_t n;

	hv_rng_seed(&rng, 5);
	fill(&f, &rng);
	n = hv__result__pack(&f.m, msg);
	for (size_t cut = 0; cut < n; cut++) {
		hv_autofree uint8_t *own = malloc(cut + 1);
		struct result r;

		memcpy(own, msg, cut);
		result_init(&r);
		if (result_decode(&r, own, cut) == HV_OK)
			ck_assert_uint_le(r.n_parts, f.m.n_parts);
		result_free(&r);
	}
}
END_TEST

START_TEST(too_many_parts_are_refused)
{
	enum { N = RESULT_PARTS_MAX + 1 };
	hv_autofree uint8_t *msg = calloc(N, 2);
	struct result r;

	for (size_t i = 0; i < N; i++)
		msg[2 * i] = 6 << 3 | 2; /* an empty part */
	result_init(&r);
	ck_assert_int_eq(result_decode(&r, msg, 2 * (N - 1)), HV_OK);
	ck_assert_uint_eq(r.n_parts, RESULT_PARTS_MAX);
	ck_assert_str_eq(r.parts[RESULT_PARTS_MAX - 1].where, "");
	result_free(&r);
	ck_assert_int_eq(result_decode(&r, msg, 2 * N), HV_E_FRAME);
	result_free(&r);
}
END_TEST

static Suite *result_suite(void)
{
	Suite *s = suite_create("result");
	TCase *tc = tcase_create("decoder");

	tcase_add_test(tc, the_decoders_tables_are_those_of_the_protocol);
	tcase_add_loop_test(tc, any_result_reads_as_it_was_written, 0, 8);
	tcase_add_test(tc, a_result_cut_anywhere_is_refused_or_shorter);
	tcase_add_test(tc, too_many_parts_are_refused);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	SRunner *sr = srunner_create(result_suite());
	int failed;

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
