/* Random legal networks: reference == emulator(compiler), wherever they are placed; what lies
 * outside their room stays; damaged bus traffic never breaks the emulator. */
#include "accel/cost/cost.h"
#include "accel/ref/ref.h"
#include "tests/lib/accel_nets.h"
#include "tests/lib/fast_twins.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct cnn_emu *emu;

static void setup(void)
{
	ck_assert_int_eq(cnn_emu_new(&emu), HV_OK);
}

static void teardown(void)
{
	cnn_emu_free(emu);
}

/* What the network looks like, for the person who has to find out. */
static void describe(const struct cnn_net *net, const struct cnn_place *place)
{
	printf("input %ux%ux%u%s\n", net->channels, net->height, net->width,
	       net->fifo        ? " fifo"
	       : net->input_chw ? " chw"
				: "");
	for (unsigned i = 0; i < net->layers; i++) {
		const struct cnn_layer *l = &net->layer[i];
		const struct cnn_place_layer *p = &place->layer[i];

		printf("layer %u: op %d from %d +%u in %ux%ux%u flatten %d out %u bits %u shift %d "
		       "act %d wbits %u bias %d operands %u elt %d cf %d pool %d %ux%u/%u kernel "
		       "%ux%u pad %ux%u dilation %u\n",
		       i, (int)l->op, l->from, l->more_sources, l->in_channels, l->height, l->width,
		       l->flatten, l->out_channels, l->out_bits, l->shift, (int)l->act,
		       l->weight_bits, l->bias != NULL, l->operands, (int)l->eltwise,
		       l->combine_first, (int)l->pool, l->pool_h, l->pool_w, l->pool_stride,
		       l->kernel_h, l->kernel_w, l->pad_h, l->pad_w, l->dilation);
		printf("   in %016llx %x out %016llx %x kernel %u bias q%d %u gap %u\n",
		       (unsigned long long)p->in_processors, p->in_offset,
		       (unsigned long long)p->out_processors, p->out_offset, p->kernel_word,
		       p->bias_quadrant, p->bias_first, p->write_gap);
	}
	fflush(stdout);
}

static void compare_outputs(const struct random_net *n, const struct cnn_place *place,
			    const struct cnn_bus *bus, unsigned round)
{
	struct cnn_tensors t;

	ck_assert_int_eq(cnn_ref_run(&n->net, n->input, &t), HV_OK);
	for (unsigned i = 0; i < n->net.layers; i++) {
		uint32_t chw[3];
		int32_t *got;

		if (!n->net.layer[i].is_output)
			continue;
		cnn_layer_out_shape(&n->net.layer[i], chw);
		got = malloc((size_t)chw[0] * chw[1] * chw[2] * sizeof *got);
		cnn_output_read(&n->net, place, i, got, bus);
		for (size_t v = 0; v < (size_t)chw[0] * chw[1] * chw[2]; v++) {
			if (got[v] == t.out[i][v])
				continue;
			describe(&n->net, place);
			ck_abort_msg("round %u, layer %u, value %zu: emulator %d, reference %d",
				     round, i, v, (int)got[v], (int)t.out[i][v]);
		}
		free(got);
	}
	cnn_tensors_free(&t);
}

static void compare_fast(const struct random_net *n, unsigned round)
{
	struct cnn_place none = { 0 };
	char why[100];

	if (fast_twins_agree(n, why, sizeof why))
		return;
	describe(&n->net, &none);
	ck_abort_msg("round %u: %s", round, why);
}

static void bring_up(const struct random_net *n, const struct cnn_place *place,
		     const struct cnn_image *image, const struct cnn_bus *bus)
{
	cnn_image_init(image, bus);
	cnn_image_load(image, bus);
	cnn_image_configure(image, bus);
	if (!n->net.fifo)
		cnn_input_write(&n->net, place, n->input, bus);
	cnn_image_start(image, bus);
	if (n->net.fifo)
		cnn_input_write(&n->net, place, n->input, bus);
}

/* The cycle model by description and by registers. They differ for a flattened layer with one
 * output, whose registers do not say how many rows it had. */
static void compare_cycles(const struct cnn_net *net, const struct cnn_place *place, unsigned round)
{
	uint64_t cycles = CNN_STARTUP_CYCLES;

	for (unsigned i = 0; i < net->layers; i++) {
		const struct cnn_layer *l = &net->layer[i];

		if (l->flatten && l->out_channels == 1)
			return;
		cycles += cnn_cost_placed_cycles(l, &place->layer[i]);
	}
	if (cycles != cnn_emu_cycles(emu)) {
		describe(net, place);
		ck_abort_msg("round %u: %u cycles by registers, %u by description", round,
			     (unsigned)cnn_emu_cycles(emu), (unsigned)cycles);
	}
}

/* One network in one room; false when it does not fit. */
static bool try_network(const struct random_net *n, const struct cnn_room *room, unsigned round)
{
	struct cnn_bus bus = bus_of_emu(emu);
	struct cnn_image image;
	struct cnn_place place;
	uint64_t misuse = cnn_emu_misuse(emu);
	char why[200];
	int err = cnn_place_fit(&n->net, room, &place, why, sizeof why);

	/* Some legal networks have no layout: the planner says so. */
	if (err == HV_E_BUSY || (err == HV_E_INVAL && strstr(why, "straddles") != NULL))
		return false;
	ck_assert_msg(err == HV_OK, "round %u: %s", round, why);
	err = cnn_image_build(&n->net, &place, 0xf, &image, why, sizeof why);
	ck_assert_msg(err == HV_OK, "round %u: %s", round, why);
	bring_up(n, &place, &image, &bus);
	ck_assert(cnn_emu_running(emu));
	compare_cycles(&n->net, &place, round);
	cnn_emu_finish(emu);
	ck_assert_msg(cnn_emu_misuse(emu) == misuse, "round %u: %s", round,
		      cnn_emu_misuse_text(emu));
	compare_outputs(n, &place, &bus, round);
	cnn_image_free(&image);
	return true;
}

/* Every network runs over what the one before it left, without a reset. */
static void compare_networks(enum random_kind kind, uint64_t seed, unsigned n_rounds)
{
	struct hv_rng r;
	unsigned fitted = 0, streaming = 0;

	hv_rng_seed(&r, seed);
	for (unsigned round = 0; round < n_rounds; round++) {
		struct random_net n;
		struct cnn_room room;
		bool fits = false;

		random_net_make(&r, kind, &n);
		for (unsigned i = 0; i < 3 && !fits; i++) {
			room = random_room(&r);
			fits = try_network(&n, &room, round);
		}
		if (!fits)
			fits = try_network(&n, &whole_device, round);
		fitted += fits;
		compare_fast(&n, round);
		streaming += fits && n.net.layer[0].streams;
		random_net_free(&n);
	}
	printf("counted: %u of %u random networks fitted, slow == fast == emulator, %u streaming\n",
	       fitted, n_rounds, streaming);
	ck_assert_uint_ge(fitted, n_rounds * 9 / 10);
}

START_TEST(linear_networks_agree_with_the_reference)
{
	compare_networks(NETS_LINEAR, 1, rounds(1500, 20000));
}
END_TEST

START_TEST(networks_of_all_kinds_agree_with_the_reference)
{
	compare_networks(NETS_ANY, 2, rounds(1500, 20000));
}
END_TEST

/* No sum on the way may saturate or wrap, whatever instruction makes it. */
START_TEST(twins_agree_on_extreme_values)
{
	struct hv_rng r;

	hv_rng_seed(&r, 3);
	for (unsigned round = 0; round < rounds(500, 10000); round++) {
		struct random_net n;

		random_net_make(&r, round % 2 == 0 ? NETS_ANY : NETS_LINEAR, &n);
		random_net_to_extremes(&r, &n);
		compare_fast(&n, round);
		random_net_free(&n);
	}
}
END_TEST

/* ---- streaming ---- */

START_TEST(a_frame_larger_than_the_data_memories_streams_through)
{
	struct random_net n = { 0 };
	struct hv_rng r;

	hv_rng_seed(&r, 5);
	n.net = (struct cnn_net){
		.layers = 3, .channels = 3, .height = 120, .width = 120, .fifo = true
	};
	for (unsigned i = 0; i < 3; i++)
		n.net.layer[i] = (struct cnn_layer){ .op = CNN_OP_CONV2D,
						     .from = (int)i - 1,
						     .in_channels = i == 0 ? 3 : 8,
						     .height = i < 2 ? 120 : 60,
						     .width = i < 2 ? 120 : 60,
						     .out_channels = 8,
						     .weight_bits = 8,
						     .out_bits = 8,
						     .shift = -2,
						     .kernel_h = 3,
						     .kernel_w = 3,
						     .pad_h = 1,
						     .pad_w = 1,
						     .streams = i < 2,
						     .is_output = i == 2 };
	for (unsigned i = 1; i < 3; i++) {
		struct cnn_layer *l = &n.net.layer[i];

		l->pool = CNN_POOL_MAX;
		l->pool_h = l->pool_w = l->pool_stride = 2;
	}
	random_net_fill(&r, &n);
	ck_assert(try_network(&n, &whole_device, 0));
	random_net_free(&n);
}
END_TEST

/* ---- outside of the room ---- */

/* Pattern of the resident's memories; the same for every call. */
static uint32_t pattern(uint32_t addr)
{
	return (addr * 2654435761u) ^ addr >> 7;
}

static void fill_memories(void)
{
	struct cnn_bus bus = bus_of_emu(emu);

	for (unsigned q = 0; q < CNN_QUADRANTS; q++)
		bus.write32(emu, CNN_CTRL + q * CNN_QUADRANT_STRIDE, CNN_CTRL_CLK_EN);
	for (unsigned p = 0; p < CNN_PROCESSORS; p++)
		for (uint32_t w = 0; w < 4 * CNN_KERNEL_WORDS; w++)
			bus.write32(emu, cnn_kernel_addr(p) + 4 * w,
				    pattern(cnn_kernel_addr(p) + 4 * w));
	for (unsigned q = 0; q < CNN_QUADRANTS; q++)
		for (unsigned b = 0; b < CNN_BIAS_BYTES; b++)
			bus.write32(emu, cnn_bias_addr(q, b), pattern(cnn_bias_addr(q, b)) & 0xff);
	for (unsigned i = 0; i < CNN_INSTANCES; i++)
		for (uint32_t w = 0; w < CNN_DATA_WORDS; w++)
			bus.write32(emu, cnn_data_addr(i, w), pattern(cnn_data_addr(i, w)));
}

static uint32_t kernel_view(uint32_t addr)
{
	uint32_t part = addr / 4 % 4, v = pattern(addr);

	if (part == 0)
		return v & 0xff;
	return part == 3 ? 0 : v;
}

/* An assertion per word would be a message per word to the test runner. */
static void must_be(uint32_t addr, uint32_t want)
{
	uint32_t got = cnn_emu_peek32(emu, addr);

	if (got != want)
		ck_abort_msg("word %08x outside of the room is %08x instead of %08x",
			     (unsigned)addr, (unsigned)got, (unsigned)want);
}

static bool outside(uint32_t at, uint32_t first, uint32_t count)
{
	return at < first || at >= first + count;
}

static void check_outside(const struct cnn_room *room)
{
	for (unsigned p = 0; p < CNN_PROCESSORS; p++)
		for (uint32_t w = 0; w < 4 * CNN_KERNEL_WORDS; w++)
			if (outside(w / 4, room->kernel_first, room->kernel_words))
				must_be(cnn_kernel_addr(p) + 4 * w,
					kernel_view(cnn_kernel_addr(p) + 4 * w));
	for (unsigned q = 0; q < CNN_QUADRANTS; q++)
		for (unsigned b = 0; b < CNN_BIAS_BYTES; b++)
			if (outside(b, room->bias_first, room->bias_count))
				must_be(cnn_bias_addr(q, b), pattern(cnn_bias_addr(q, b)) & 0xff);
	for (unsigned i = 0; i < CNN_INSTANCES; i++)
		for (uint32_t w = 0; w < CNN_DATA_WORDS; w++)
			if (outside(w, room->data_first, room->data_words))
				must_be(cnn_data_addr(i, w), pattern(cnn_data_addr(i, w)));
}

START_TEST(a_guest_touches_nothing_outside_its_room)
{
	unsigned n_rounds = rounds(40, 1000), fitted = 0;
	struct hv_rng r;

	hv_rng_seed(&r, 3);
	for (unsigned round = 0; round < n_rounds; round++) {
		struct cnn_room room = random_room(&r);
		struct random_net n;

		random_net_make(&r, NETS_ANY, &n);
		fill_memories();
		if (try_network(&n, &room, round)) {
			check_outside(&room);
			fitted++;
		}
		random_net_free(&n);
	}
	ck_assert_uint_ge(fitted, n_rounds / 4);
	printf("counted: %u networks touched nothing outside of their room\n", fitted);
}
END_TEST

/* ---- damaged traffic ---- */

struct write {
	uint32_t addr, value;
	bool byte;
};

struct recording {
	struct write *w;
	size_t n, cap;
};

static void record(struct recording *rec, uint32_t addr, uint32_t value, bool byte)
{
	if (rec->n == rec->cap) {
		rec->cap = rec->cap > 0 ? 2 * rec->cap : 1024;
		rec->w = realloc(rec->w, rec->cap * sizeof *rec->w);
	}
	rec->w[rec->n++] = (struct write){ addr, value, byte };
}

static void record32(void *ctx, uint32_t addr, uint32_t value)
{
	record(ctx, addr, value, false);
}

static void record8(void *ctx, uint32_t addr, uint8_t value)
{
	record(ctx, addr, value, true);
}

static uint32_t never_full(void *ctx, uint32_t addr)
{
	(void)ctx;
	(void)addr;
	return 0;
}

static bool record_network(struct hv_rng *r, struct recording *rec)
{
	struct cnn_bus bus = {
		.ctx = rec, .write32 = record32, .write8 = record8, .read32 = never_full
	};
	struct random_net n;
	struct cnn_place place;
	struct cnn_image image;
	char why[200];
	bool ok;

	rec->n = 0;
	random_net_make(r, NETS_ANY, &n);
	ok = cnn_place_fit(&n.net, &whole_device, &place, why, sizeof why) == HV_OK;
	if (ok) {
		ck_assert_int_eq(cnn_image_build(&n.net, &place, 0, &image, why, sizeof why),
				 HV_OK);
		bring_up(&n, &place, &image, &bus);
		cnn_image_free(&image);
	}
	random_net_free(&n);
	return ok;
}

static void damage(struct hv_rng *r, struct write *w)
{
	switch (hv_rng_below(r, 6)) {
	case 0: w->addr ^= 1u << hv_rng_below(r, 32); break;
	case 1: w->value ^= 1u << hv_rng_below(r, 32); break;
	case 2: w->value = (uint32_t)hv_rng_u64(r); break;
	case 3: w->addr = CNN_CTRL + hv_rng_below(r, 0xb00) / 4 * 4; break;
	case 4:
		w->addr = cnn_reg_addr(hv_rng_below(r, 4), hv_rng_below(r, 21), hv_rng_below(r, 4));
		break;
	default: w->byte = !w->byte; break;
	}
}

static void play_damaged(struct hv_rng *r, const struct recording *rec)
{
	unsigned share = 1 + hv_rng_below(r, 200);

	for (size_t i = 0; i < rec->n; i++) {
		/* Registers and control at the end are a small part of all: aim at them. */
		bool aim = rec->w[i].addr < CNN_BIAS;
		struct write w = rec->w[i];

		if (hv_rng_below(r, aim ? share : 20 * share) == 0)
			damage(r, &w);
		if (hv_rng_below(r, 2000) == 0)
			cnn_emu_finish(emu);
		if (w.byte)
			cnn_emu_write8(emu, w.addr, (uint8_t)w.value);
		else
			cnn_emu_write32(emu, w.addr, w.value);
		if (hv_rng_below(r, 500) == 0)
			(void)cnn_emu_read32(emu, w.addr);
	}
	(void)cnn_emu_cycles(emu);
	cnn_emu_finish(emu);
	ck_assert(!cnn_emu_running(emu));
}

START_TEST(damaged_bus_traffic_never_breaks_the_emulator)
{
	unsigned n_rounds = rounds(300, 30000);
	struct recording rec = { 0 };
	struct hv_rng r;

	hv_rng_seed(&r, 4);
	for (unsigned round = 0; round < n_rounds; round++) {
		if (round % 10 == 0)
			while (!record_network(&r, &rec))
				;
		play_damaged(&r, &rec);
		if (round % 16 == 0)
			cnn_emu_reset(emu);
	}
	ck_assert_uint_gt(cnn_emu_misuse(emu), 0);
	printf("counted: %u loads with damaged bus traffic, none crashed or hung\n", n_rounds);
	free(rec.w);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("accel properties");
	TCase *t = tcase_create("random");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 3600);
	tcase_add_test(t, linear_networks_agree_with_the_reference);
	tcase_add_test(t, networks_of_all_kinds_agree_with_the_reference);
	tcase_add_test(t, twins_agree_on_extreme_values);
	tcase_add_test(t, a_frame_larger_than_the_data_memories_streams_through);
	tcase_add_test(t, a_guest_touches_nothing_outside_its_room);
	tcase_add_test(t, damaged_bus_traffic_never_breaks_the_emulator);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed > 0;
}
