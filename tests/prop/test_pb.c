/* The fast paths of proto/pb.h against protobuf-c itself, over random messages of every kind
 * that travels between client and daemon, and over damaged ones. */
#include "proto/harvest.pb-c.h"
#include "proto/ipc_frame.h"
#include "proto/pb.h"
#include "util/own.h"
#include "util/rng.h"
#include <check.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { POOL_BYTES = 1 << 18, MESSAGE_BYTES = 1 << 16, GUARD_BYTES = 512, ROUNDS = 200 };

/* clang-format off */
static const ProtobufCMessageDescriptor *const kinds[] = {
	&hv__empty__descriptor, &hv__hello__descriptor, &hv__error__descriptor,
	&hv__submit__descriptor, &hv__job_ref__descriptor, &hv__accepted__descriptor,
	&hv__result__descriptor, &hv__progress__descriptor, &hv__cancel_reply__descriptor,
	&hv__jobs_query__descriptor, &hv__job_list__descriptor, &hv__explanation__descriptor,
	&hv__task_list__descriptor, &hv__models_request__descriptor,
	&hv__model_list__descriptor, &hv__boards_request__descriptor,
	&hv__board_list__descriptor, &hv__status__descriptor, &hv__job_header__descriptor,
};
/* clang-format on */

/* Bump memory of one message; everything is dropped at once. */
static uint8_t pool[POOL_BYTES];
static size_t pool_used, pool_cap = POOL_BYTES;

static void *pool_take(void *arg, size_t n)
{
	void *p = pool + pool_used;

	(void)arg;
	n = (n + 15) / 16 * 16;
	if (n > pool_cap - pool_used)
		return NULL;
	pool_used += n;
	return p;
}

static void pool_keep(void *arg, void *p)
{
	(void)arg;
	(void)p;
}

static ProtobufCAllocator allocator = { pool_take, pool_keep, NULL };

/* Check notes every assertion in a file; thousands of rounds only note what fails. */
#define EXPECT(cond, ...)                          \
	do {                                       \
		if (!(cond))                       \
			ck_abort_msg(__VA_ARGS__); \
	} while (0)

static ProtobufCMessage *random_message(struct hv_rng *r, const ProtobufCMessageDescriptor *d);

static uint64_t random_number(struct hv_rng *r)
{
	return hv_rng_u64(r) >> hv_rng_below(r, 64);
}

static char *random_text(struct hv_rng *r)
{
	size_t n = hv_rng_below(r, 8) == 0 ? hv_rng_below(r, 300) : hv_rng_below(r, 12);
	char *s = pool_take(NULL, n + 1);

	for (size_t i = 0; i < n; i++)
		s[i] = (char)(1 + hv_rng_below(r, 255));
	s[n] = '\0';
	return s;
}

static void fill(struct hv_rng *r, const ProtobufCFieldDescriptor *f, void *to)
{
	uint64_t n = random_number(r);
	double v = hv_rng_normal(r, 0, 1e3);

	switch (f->type) {
	case PROTOBUF_C_TYPE_STRING: *(char **)to = random_text(r); break;
	case PROTOBUF_C_TYPE_MESSAGE:
		*(ProtobufCMessage **)to = random_message(r, f->descriptor);
		break;
	case PROTOBUF_C_TYPE_BOOL: *(protobuf_c_boolean *)to = (int)(n & 1); break;
	case PROTOBUF_C_TYPE_DOUBLE: memcpy(to, &v, sizeof(v)); break;
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_SINT64: memcpy(to, &n, sizeof(n)); break;
	default: memcpy(to, &n, sizeof(uint32_t)); break;
	}
}

static void fill_repeated(struct hv_rng *r, const ProtobufCFieldDescriptor *f, ProtobufCMessage *m)
{
	size_t n = hv_rng_below(r, 4);
	void **all = pool_take(NULL, (n + 1) * sizeof(*all));

	for (size_t i = 0; i < n; i++)
		fill(r, f,
		     f->type == PROTOBUF_C_TYPE_UINT32 ? (void *)((uint32_t *)all + i)
						       : (void *)&all[i]);
	*(size_t *)(void *)((char *)m + f->quantifier_offset) = n;
	*(void ***)(void *)((char *)m + f->offset) = all;
}

static ProtobufCMessage *random_message(struct hv_rng *r, const ProtobufCMessageDescriptor *d)
{
	ProtobufCMessage *m = pool_take(NULL, d->sizeof_message);

	protobuf_c_message_init(d, m);
	for (unsigned i = 0; i < d->n_fields; i++) {
		if (hv_rng_below(r, 3) == 0)
			continue;
		if (d->fields[i].label == PROTOBUF_C_LABEL_REPEATED)
			fill_repeated(r, &d->fields[i], m);
		else
			fill(r, &d->fields[i], (char *)m + d->fields[i].offset);
	}
	return m;
}

START_TEST(packed_bytes_are_those_of_protobuf_c)
{
	static uint8_t fast[MESSAGE_BYTES], slow[MESSAGE_BYTES];
	uint8_t *end = fast + sizeof(fast);
	struct hv_rng r;

	hv_rng_seed(&r, (uint64_t)_i + 1);
	for (int round = 0; round < ROUNDS; round++) {
		const ProtobufCMessage *m;
		uint8_t *begin;
		size_t n;

		pool_used = 0;
		m = random_message(&r, kinds[_i]);
		n = protobuf_c_message_pack(m, slow);
		begin = pb_pack(m, fast, end);
		EXPECT(begin != NULL, "%s, round %d: refused", kinds[_i]->name, round);
		EXPECT((size_t)(end - begin) == n && memcmp(begin, slow, n) == 0,
		       "%s, round %d: other bytes", kinds[_i]->name, round);
	}
}
END_TEST

START_TEST(a_buffer_too_small_is_never_overrun)
{
	static uint8_t guarded[MESSAGE_BYTES];
	struct hv_rng r;

	hv_rng_seed(&r, (uint64_t)_i + 1);
	for (int round = 0; round < ROUNDS; round++) {
		const ProtobufCMessage *m;
		size_t n, cap, untouched = 0;
		uint8_t *begin, *buf;

		pool_used = 0;
		m = random_message(&r, kinds[_i]);
		n = protobuf_c_message_get_packed_size(m);
		cap = hv_rng_below(&r, (uint32_t)n + 40);
		buf = guarded + MESSAGE_BYTES - cap;
		memset(buf - GUARD_BYTES, 0xa5, GUARD_BYTES);
		begin = pb_pack(m, buf, guarded + MESSAGE_BYTES);
		EXPECT(begin == NULL || (begin >= buf && cap >= n), "%s: %zu in %zu",
		       kinds[_i]->name, n, cap);
		while (untouched < GUARD_BYTES && buf[-1 - (ptrdiff_t)untouched] == 0xa5)
			untouched++;
		EXPECT(untouched == GUARD_BYTES, "%s: overrun", kinds[_i]->name);
	}
}
END_TEST

/* Take a message apart both ways and pack what came: the same acceptance, the same bytes. */
static void compare_unpack(const ProtobufCMessageDescriptor *d, const uint8_t *data, size_t n,
			   const char *what)
{
	static uint8_t again[MESSAGE_BYTES], reference[MESSAGE_BYTES];
	ProtobufCMessage *slow = protobuf_c_message_unpack(d, NULL, n, data), *fast;
	size_t n_again, n_reference;

	pool_used = 0;
	fast = pb_unpack(d, &allocator, data, n);
	/* Stricter in one point: numbers of more than 64 bits are malformed. */
	EXPECT(fast == NULL || slow != NULL, "%s, %s: accepted alone", d->name, what);
	if (fast != NULL) {
		/* Unknown fields are kept by one and dropped by the other; their memory stays
		 * known for the release. */
		unsigned unknown = slow->n_unknown_fields;

		slow->n_unknown_fields = fast->n_unknown_fields = 0;
		n_reference = protobuf_c_message_pack(slow, reference);
		slow->n_unknown_fields = unknown;
		n_again = protobuf_c_message_pack(fast, again);
		EXPECT(n_again == n_reference && memcmp(again, reference, n_again) == 0,
		       "%s, %s: another message", d->name, what);
	}
	if (slow != NULL)
		protobuf_c_message_free_unpacked(slow, NULL);
}

START_TEST(unpacked_messages_are_those_of_protobuf_c)
{
	static uint8_t data[MESSAGE_BYTES];
	struct hv_rng r;

	hv_rng_seed(&r, (uint64_t)_i + 1);
	for (int round = 0; round < ROUNDS; round++) {
		size_t n;

		pool_used = 0;
		n = protobuf_c_message_pack(random_message(&r, kinds[_i]), data);
		pool_used = 0;
		EXPECT(pb_unpack(kinds[_i], &allocator, data, n) != NULL, "%s, round %d",
		       kinds[_i]->name, round);
		compare_unpack(kinds[_i], data, n, "whole");
	}
}
END_TEST

START_TEST(damaged_messages_are_no_more_accepted_than_by_protobuf_c)
{
	static uint8_t data[MESSAGE_BYTES];
	struct hv_rng r;

	hv_rng_seed(&r, (uint64_t)_i + 1);
	for (int round = 0; round < 4 * ROUNDS; round++) {
		size_t n;

		pool_used = 0;
		n = protobuf_c_message_pack(random_message(&r, kinds[_i]), data);
		for (uint32_t k = hv_rng_below(&r, 4); k > 0 && n > 0; k--)
			data[hv_rng_below(&r, (uint32_t)n)] = (uint8_t)hv_rng_u64(&r);
		if (n > 0 && hv_rng_below(&r, 2) == 0)
			n = hv_rng_below(&r, (uint32_t)n + 1);
		compare_unpack(kinds[_i], data, n, "damaged");
	}
}
END_TEST

START_TEST(an_empty_allocator_is_a_failure_not_a_crash)
{
	Hv__Submit m = HV__SUBMIT__INIT;
	uint8_t data[64];
	size_t n;

	m.task = "fft64";
	m.board = "virt0";
	n = protobuf_c_message_pack(&m.base, data);
	for (pool_cap = 0; pool_cap < sizeof(Hv__Submit) + 32; pool_cap += 8) {
		pool_used = 0;
		ck_assert(pb_unpack(&hv__submit__descriptor, &allocator, data, n) == NULL ||
			  pool_cap >= sizeof(Hv__Submit) + 12);
	}
	pool_cap = POOL_BYTES;
}
END_TEST

START_TEST(numbers_of_more_than_64_bits_are_malformed)
{
	/* field 2 (records): ten bytes, the last with a bit above the 64th */
	static const uint8_t data[] = { 0x10, 0xff, 0xff, 0xff, 0xff, 0xff,
					0xff, 0xff, 0xff, 0xff, 0x02 };

	pool_used = 0;
	ck_assert_ptr_null(pb_unpack(&hv__submit__descriptor, &allocator, data, sizeof(data)));
	ck_assert_ptr_null(pb_unpack(&hv__submit__descriptor, &allocator, data, 5));
}
END_TEST

static Suite *pb_suite(void)
{
	Suite *s = suite_create("pb");
	TCase *tc = tcase_create("pb");
	int n = (int)HV_ARRAY_SIZE(kinds);

	tcase_set_timeout(tc, 30);
	tcase_add_loop_test(tc, packed_bytes_are_those_of_protobuf_c, 0, n);
	tcase_add_loop_test(tc, a_buffer_too_small_is_never_overrun, 0, n);
	tcase_add_loop_test(tc, unpacked_messages_are_those_of_protobuf_c, 0, n);
	tcase_add_loop_test(tc, damaged_messages_are_no_more_accepted_than_by_protobuf_c, 0, n);
	tcase_add_test(tc, an_empty_allocator_is_a_failure_not_a_crash);
	tcase_add_test(tc, numbers_of_more_than_64_bits_are_malformed);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	SRunner *sr = srunner_create(pb_suite());
	int failed;

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
