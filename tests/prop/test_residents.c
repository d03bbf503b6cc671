/* Networks that stay loaded together: the certificate judges by bus writes alone, the way back
 * to the primary is short and exact. */
#include "accel/image/certify.h"
#include "accel/image/delta.h"
#include "accel/image/geometry.h"
#include "accel/ref/ref.h"
#include "tests/lib/accel_nets.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PARTIES_MAX = 4, WHY_CAP = 240 };

/* One network with everything that belongs to it. */
struct party {
	struct random_net n;
	struct cnn_place place;
	struct cnn_image image;
	struct cnn_footprint *footprint;
	struct cnn_tensors want;
};

static struct cnn_emu *emu;

static void setup(void)
{
	ck_assert_int_eq(cnn_emu_new(&emu), HV_OK);
}

static void teardown(void)
{
	cnn_emu_free(emu);
}

/* ---- making them ---- */

static bool party_place(struct party *p, const struct cnn_room *room, uint8_t quadrants)
{
	char why[WHY_CAP];

	if (cnn_place_fit(&p->n.net, room, &p->place, why, sizeof why) != HV_OK)
		return false;
	ck_assert_msg(cnn_image_build(&p->n.net, &p->place, quadrants, &p->image, why,
				      sizeof why) == HV_OK,
		      "%s", why);
	ck_assert_msg(cnn_footprint_image(p->footprint, &p->image, why, sizeof why) == HV_OK, "%s",
		      why);
	return true;
}

static bool party_make(struct hv_rng *r, struct party *p, const struct cnn_room *room,
		       uint8_t quadrants)
{
	memset(p, 0, sizeof *p);
	random_net_make(r, NETS_ANY, &p->n);
	p->footprint = malloc(sizeof *p->footprint);
	if (party_place(p, room, quadrants)) {
		ck_assert_int_eq(cnn_ref_run(&p->n.net, p->n.input, &p->want), HV_OK);
		return true;
	}
	random_net_free(&p->n);
	free(p->footprint);
	return false;
}

static void party_free(struct party *p)
{
	cnn_tensors_free(&p->want);
	cnn_image_free(&p->image);
	random_net_free(&p->n);
	free(p->footprint);
}

/* What is left behind a party: kernels and biases beyond its last ones. */
static void shrink(struct cnn_room *room, const struct party *p, bool keep_data)
{
	unsigned kernels = room->kernel_first, biases = room->bias_first, data = room->data_first;

	for (size_t i = 0; i < p->image.n_kernels; i++) {
		unsigned end = p->image.kernels[i].first_word + p->image.kernels[i].words + 0u;

		kernels = end > kernels ? (end + 3) / 4 * 4 : kernels;
	}
	for (size_t i = 0; i < p->image.n_biases; i++) {
		unsigned end = p->image.biases[i].first + p->image.biases[i].count + 0u;

		biases = end > biases ? end : biases;
	}
	for (unsigned i = 0; keep_data && i < CNN_INSTANCES; i++)
		for (unsigned w = data; w < CNN_DATA_WORDS; w++)
			if (cnn_cell(p->footprint->read.data[i], w) ||
			    cnn_cell(p->footprint->written.data[i], w))
				data = w + 1;
	*room = (struct cnn_room){
		.kernel_first = (uint16_t)kernels,
		.kernel_words =
			(uint16_t)(kernels < CNN_KERNEL_WORDS ? CNN_KERNEL_WORDS - kernels : 0),
		.bias_first = (uint16_t)biases,
		.bias_count = (uint16_t)(CNN_BIAS_BYTES - biases),
		.data_first = (uint16_t)data,
		.data_words = (uint16_t)(CNN_DATA_WORDS - data),
	};
}

struct group {
	struct party p[PARTIES_MAX];
	unsigned n;
	bool keep_data;
};

static void group_make(struct hv_rng *r, struct group *g)
{
	struct cnn_room room = whole_device;
	uint8_t quadrants = 0;

	*g = (struct group){ .keep_data = hv_rng_below(r, 2) == 0 };
	for (unsigned tries = 0; tries < 12 && g->n < PARTIES_MAX; tries++) {
		struct party *p = &g->p[g->n];

		if (room.kernel_words == 0 || room.data_words == 0 ||
		    !party_make(r, p, &room, quadrants))
			continue;
		quadrants |= p->image.quadrants;
		shrink(&room, p, g->keep_data);
		g->n++;
	}
}

static void group_free(struct group *g)
{
	for (unsigned i = 0; i < g->n; i++)
		party_free(&g->p[i]);
}

/* The last party is the guest, all before it are residents. */
static int certify(const struct group *g, struct cnn_certificate *cert, char *why)
{
	struct cnn_party party[PARTIES_MAX];
	static const char *const names[PARTIES_MAX] = { "first", "second", "third", "fourth" };

	for (unsigned i = 0; i < g->n; i++)
		party[i] = (struct cnn_party){ names[i], g->p[i].footprint, g->keep_data };
	return cnn_certify(&party[g->n - 1], party, g->n - 1, cert, why, WHY_CAP);
}

/* ---- running them ---- */

/* What the interrupt handler does in every quadrant of the network. */
static void acknowledge(const struct party *p)
{
	for (unsigned q = 0; q < CNN_QUADRANTS; q++) {
		uint32_t addr = CNN_CTRL + q * CNN_QUADRANT_STRIDE;

		if ((p->image.quadrants >> q & 1) != 0)
			cnn_emu_write32(
				emu, addr,
				cnn_emu_read32(emu, addr) &
					~(CNN_CTRL_IRQ | CNN_CTRL_CNN_EN | CNN_CTRL_STREAM));
	}
}

static void input_and_run(const struct party *p)
{
	struct cnn_bus bus = bus_of_emu(emu);

	if (!p->n.net.fifo)
		cnn_input_write(&p->n.net, &p->place, p->n.input, &bus);
	cnn_image_start(&p->image, &bus);
	if (p->n.net.fifo)
		cnn_input_write(&p->n.net, &p->place, p->n.input, &bus);
	cnn_emu_finish(emu);
	acknowledge(p);
}

static void configure_and_run(const struct party *p)
{
	struct cnn_bus bus = bus_of_emu(emu);

	cnn_image_init(&p->image, &bus);
	cnn_image_configure(&p->image, &bus);
	input_and_run(p);
}

static void load(const struct party *p)
{
	struct cnn_bus bus = bus_of_emu(emu);

	cnn_image_init(&p->image, &bus);
	cnn_image_load(&p->image, &bus);
}

static uint64_t check_outputs(const struct party *p, unsigned round)
{
	struct cnn_bus bus = bus_of_emu(emu);
	uint64_t values = 0;

	for (unsigned i = 0; i < p->n.net.layers; i++) {
		uint32_t chw[3];
		int32_t *got;
		size_t n;

		if (!p->n.net.layer[i].is_output)
			continue;
		cnn_layer_out_shape(&p->n.net.layer[i], chw);
		n = (size_t)chw[0] * chw[1] * chw[2];
		got = malloc(n * sizeof *got);
		cnn_output_read(&p->n.net, &p->place, i, got, &bus);
		if (memcmp(got, p->want.out[i], n * sizeof *got) != 0)
			ck_abort_msg("round %u: layer %u differs from the reference", round, i);
		free(got);
		values += n;
	}
	ck_assert_msg(cnn_emu_misuse(emu) == 0, "round %u: %s", round, cnn_emu_misuse_text(emu));
	return values;
}

/* ---- the certificate ---- */

START_TEST(what_the_planner_puts_together_is_certified_and_runs_in_any_order)
{
	unsigned n_rounds = rounds(60, 3000), parties = 0;
	uint64_t kernels = 0, values = 0;
	struct hv_rng r;

	hv_rng_seed(&r, 11);
	for (unsigned round = 0; round < n_rounds; round++) {
		struct cnn_certificate cert;
		char why[WHY_CAP] = "";
		struct group g;

		group_make(&r, &g);
		ck_assert_msg(certify(&g, &cert, why) == HV_OK, "round %u: %s", round, why);
		cnn_emu_reset(emu);
		for (unsigned i = 0; i < g.n; i++)
			load(&g.p[i]);
		for (unsigned run = 0; run < 2 * g.n; run++) {
			const struct party *p = &g.p[hv_rng_below(&r, g.n)];

			configure_and_run(p);
			values += check_outputs(p, round);
		}
		kernels += cert.kernel_words + cert.resident_kernel_words;
		parties += g.n;
		group_free(&g);
	}
	ck_assert_uint_ge(parties, 2 * n_rounds);
	ck_assert_uint_gt(kernels, 0);
	printf("counted: %u groups of resident networks, %u networks, certified and run; %llu "
	       "values\n",
	       n_rounds, parties, (unsigned long long)values);
}
END_TEST

/* A party whose footprint is made again after something was done to its image. */
static void look_again(struct party *p)
{
	char why[WHY_CAP];

	ck_assert_msg(cnn_footprint_image(p->footprint, &p->image, why, sizeof why) == HV_OK, "%s",
		      why);
}

/* Put the guest's first layer with weights where the first party has its. */
static bool break_kernels(struct hv_rng *r, struct group *g)
{
	struct party *guest = &g->p[g->n - 1], *first = &g->p[0];
	const struct cnn_kernel_run *to;
	struct cnn_kernel_run *run;

	if (guest->image.n_kernels == 0 || first->image.n_kernels == 0)
		return false;
	run = &guest->image.kernels[hv_rng_below(r, (uint32_t)guest->image.n_kernels)];
	to = &first->image.kernels[hv_rng_below(r, (uint32_t)first->image.n_kernels)];
	run->processor = to->processor;
	run->first_word = (uint16_t)(to->first_word + hv_rng_below(r, to->words));
	if (run->first_word + run->words > CNN_KERNEL_WORDS)
		return false;
	return true;
}

static bool break_biases(struct hv_rng *r, struct group *g)
{
	struct party *guest = &g->p[g->n - 1], *first = &g->p[0];
	const struct cnn_bias_run *to;
	struct cnn_bias_run *run;

	if (guest->image.n_biases == 0 || first->image.n_biases == 0)
		return false;
	run = &guest->image.biases[hv_rng_below(r, (uint32_t)guest->image.n_biases)];
	to = &first->image.biases[hv_rng_below(r, (uint32_t)first->image.n_biases)];
	run->quadrant = to->quadrant;
	run->first = (uint16_t)(to->first + hv_rng_below(r, to->count));
	return run->first + run->count <= CNN_BIAS_BYTES;
}

/* Only the register moves: the kernels lie where nobody else is. */
static bool break_counter(struct hv_rng *r, struct group *g)
{
	struct cnn_image *image = &g->p[g->n - 1].image;

	(void)r;
	for (size_t i = 0; i < image->n_kernels; i++)
		if (image->kernels[i].first_word == 0)
			return false;
	for (size_t i = 0; i < image->n_regs; i++) {
		struct cnn_reg_write *w = &image->regs[i];

		if (w->reg != CNN_R_MCNT || w->quadrant != 0 || w->value >> 16 == 0)
			continue;
		/* From kernel 0 on, which the guest never loads. */
		w->value = (w->value & 0xffff) - (w->value >> 16);
		return true;
	}
	return false;
}

/* One register that the first party set is left as it is. A needed one would also be wrong in
 * itself: only those that are 0 anyway can be forgotten unnoticed. */
static bool break_registers(struct hv_rng *r, struct group *g)
{
	struct cnn_image *image = &g->p[g->n - 1].image, *first = &g->p[0].image;
	struct cnn_reg_write *w = &image->regs[hv_rng_below(r, (uint32_t)image->n_regs)];

	if (w->layer >= first->layers || (first->quadrants >> w->quadrant & 1) == 0 ||
	    w->value != 0)
		return false;
	*w = image->regs[--image->n_regs];
	return true;
}

static bool break_quadrants(struct hv_rng *r, struct group *g)
{
	struct party *guest = &g->p[g->n - 1];

	(void)r;
	if (cnn_place_quadrants(&guest->n.net, &guest->place) != 1 || g->p[0].image.quadrants == 1)
		return false;
	guest->image.quadrants = 1;
	return true;
}

/* All outputs go to the first words that the first party reads. */
static bool break_data(struct hv_rng *r, struct group *g)
{
	const struct cnn_place_layer *first = &g->p[0].place.layer[0];
	struct cnn_image *image = &g->p[g->n - 1].image;

	(void)r;
	for (size_t i = 0; g->keep_data && i < image->n_regs; i++)
		if (image->regs[i].reg == CNN_R_WPTR_BASE)
			image->regs[i].value = first->in_offset / 4u |
					       cnn_first_bit(first->in_processors) / 4 << 13;
	return g->keep_data;
}

static const struct {
	const char *name, *says;
	bool (*apply)(struct hv_rng *r, struct group *g);
} breaks[] = {
	{ "kernels", "kernel word", break_kernels },
	{ "biases", "bias byte", break_biases },
	{ "counter", "", break_counter },
	{ "registers", "leaves register", break_registers },
	{ "quadrants", "runs without quadrant", break_quadrants },
	{ "data", "both need data word", break_data },
};

/* How often a break was possible; every time it was, the certificate refused. */
static unsigned try_break(struct hv_rng *r, unsigned b, unsigned round)
{
	struct cnn_certificate cert;
	char why[WHY_CAP] = "";
	struct group g;
	bool broken;

	group_make(r, &g);
	broken = g.n > 1 && breaks[b].apply(r, &g);
	if (broken) {
		look_again(&g.p[g.n - 1]);
		ck_assert_msg(certify(&g, &cert, why) == HV_E_BUSY,
			      "round %u: broken %s were certified", round, breaks[b].name);
		ck_assert_msg(strstr(why, breaks[b].says) != NULL, "round %u, %s: '%s'", round,
			      breaks[b].name, why);
	}
	group_free(&g);
	return broken;
}

START_TEST(a_broken_placement_is_refused_by_name)
{
	unsigned n_rounds = rounds(60, 3000), n[6] = { 0 };
	struct hv_rng r;

	hv_rng_seed(&r, 12);
	for (unsigned round = 0; round < n_rounds; round++)
		for (unsigned b = 0; b < sizeof breaks / sizeof breaks[0]; b++)
			n[b] += try_break(&r, b, round);
	for (unsigned b = 0; b < sizeof breaks / sizeof breaks[0]; b++) {
		printf("counted: %u placements with broken %s refused\n", n[b], breaks[b].name);
		ck_assert_uint_gt(n[b], 0);
	}
}
END_TEST

/* ---- the footprint against the emulator ---- */

static uint32_t *all_data(void)
{
	uint32_t *words = malloc(sizeof *words * CNN_INSTANCES * CNN_DATA_WORDS);

	for (unsigned i = 0; i < CNN_INSTANCES; i++)
		for (uint32_t w = 0; w < CNN_DATA_WORDS; w++)
			words[i * CNN_DATA_WORDS + w] = cnn_emu_peek32(emu, cnn_data_addr(i, w));
	return words;
}

static void noise_outside(struct hv_rng *r, const struct cnn_footprint *f)
{
	for (unsigned q = 0; q < CNN_QUADRANTS; q++)
		cnn_emu_write32(emu, CNN_CTRL + q * CNN_QUADRANT_STRIDE, CNN_CTRL_CLK_EN);
	for (unsigned p = 0; p < CNN_PROCESSORS; p++)
		for (uint32_t w = 0; w < CNN_KERNEL_WORDS; w++)
			for (uint32_t part = 0; part < 4 && !cnn_cell(f->read.kernel[p], w); part++)
				cnn_emu_write32(emu, cnn_kernel_addr(p) + 16 * w + 4 * part,
						(uint32_t)hv_rng_u64(r));
	for (unsigned q = 0; q < CNN_QUADRANTS; q++)
		for (unsigned b = 0; b < CNN_BIAS_BYTES; b++)
			if (!cnn_cell(f->loaded.bias[q], b))
				cnn_emu_write32(emu, cnn_bias_addr(q, b), (uint32_t)hv_rng_u64(r));
	for (unsigned i = 0; i < CNN_INSTANCES; i++)
		for (uint32_t w = 0; w < CNN_DATA_WORDS; w++)
			cnn_emu_write32(emu, cnn_data_addr(i, w), (uint32_t)hv_rng_u64(r));
}

/* Noise wherever the footprint says nothing is read; and only what it says is written changes. */
START_TEST(a_run_keeps_to_its_footprint)
{
	unsigned n_rounds = rounds(40, 2000), done = 0;
	struct hv_rng r;

	hv_rng_seed(&r, 13);
	for (unsigned round = 0; round < n_rounds; round++) {
		uint32_t *before, *after;
		struct party p;

		if (!party_make(&r, &p, &whole_device, 0xf))
			continue;
		cnn_emu_reset(emu);
		load(&p);
		noise_outside(&r, p.footprint);
		before = all_data();
		configure_and_run(&p);
		after = all_data();
		check_outputs(&p, round);
		for (uint32_t i = 0; i < CNN_INSTANCES * CNN_DATA_WORDS; i++) {
			const uint32_t *read = p.footprint->read.data[i / CNN_DATA_WORDS];
			const uint32_t *written = p.footprint->written.data[i / CNN_DATA_WORDS];

			if (before[i] != after[i] && !cnn_cell(written, i % CNN_DATA_WORDS) &&
			    !cnn_cell(read, i % CNN_DATA_WORDS))
				ck_abort_msg("round %u: data memory %u, word %u changed", round,
					     i / CNN_DATA_WORDS, i % CNN_DATA_WORDS);
		}
		free(before);
		free(after);
		party_free(&p);
		done++;
	}
	ck_assert_uint_gt(done, n_rounds / 2);
	printf("counted: %u networks kept to their footprint\n", done);
}
END_TEST

/* ---- the way back ---- */

static bool sorted(const struct cnn_delta *d)
{
	for (size_t i = 1; i < d->n_regs; i++) {
		const struct cnn_reg_write *a = &d->regs[i - 1], *b = &d->regs[i];
		unsigned at = a->quadrant << 10 | a->reg << 5 | a->layer;

		if (at >= (unsigned)(b->quadrant << 10 | b->reg << 5 | b->layer))
			return false;
	}
	return true;
}

/* Every entry changes a register, and what it does not touch is as the primary had it. */
static void check_delta(const struct cnn_delta *d, const struct cnn_image *primary, unsigned round)
{
	struct cnn_bus bus = bus_of_emu(emu);

	ck_assert(sorted(d));
	for (size_t i = 0; i < d->n_regs; i++) {
		const struct cnn_reg_write *w = &d->regs[i];

		ck_assert_msg(cnn_emu_peek32(emu, cnn_reg_addr(w->quadrant, w->reg, w->layer)) !=
				      w->value,
			      "round %u: entry %zu changes nothing", round, i);
	}
	cnn_delta_apply(d, primary, &bus);
	for (size_t i = 0; i < primary->n_regs; i++) {
		const struct cnn_reg_write *w = &primary->regs[i];

		if (cnn_emu_peek32(emu, cnn_reg_addr(w->quadrant, w->reg, w->layer)) != w->value)
			ck_abort_msg(
				"round %u: register %u of layer %u in quadrant %u not restored",
				round, w->reg, w->layer, w->quadrant);
	}
}

START_TEST(the_delta_alone_brings_the_primary_back)
{
	unsigned n_rounds = rounds(60, 3000), pairs = 0;
	uint64_t written = 0, full = 0;
	struct hv_rng r;

	hv_rng_seed(&r, 14);
	for (unsigned round = 0; round < n_rounds; round++) {
		struct cnn_delta d;
		struct group g;

		group_make(&r, &g);
		cnn_emu_reset(emu);
		for (unsigned i = 0; i < g.n; i++)
			load(&g.p[i]);
		if (g.n > 0)
			configure_and_run(&g.p[0]);
		for (unsigned i = 1; i < g.n; i++) {
			configure_and_run(&g.p[i]);
			check_outputs(&g.p[i], round);
			ck_assert_int_eq(cnn_delta_build(&g.p[0].image, &g.p[i].image, &d), HV_OK);
			check_delta(&d, &g.p[0].image, round);
			input_and_run(&g.p[0]);
			check_outputs(&g.p[0], round);
			written += d.n_regs;
			full += g.p[0].image.n_regs;
			pairs++;
			cnn_delta_free(&d);
		}
		group_free(&g);
	}
	ck_assert_uint_ge(pairs, n_rounds / 2);
	ck_assert_uint_lt(written, full);
	printf("counted: %u pairs of primary and guest, %llu registers restored instead of %llu\n",
	       pairs, (unsigned long long)written, (unsigned long long)full);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("resident networks");
	TCase *t = tcase_create("random");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 3600);
	tcase_add_test(t, what_the_planner_puts_together_is_certified_and_runs_in_any_order);
	tcase_add_test(t, a_broken_placement_is_refused_by_name);
	tcase_add_test(t, a_run_keeps_to_its_footprint);
	tcase_add_test(t, the_delta_alone_brings_the_primary_back);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed > 0;
}
