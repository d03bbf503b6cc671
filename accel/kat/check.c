#include "accel/cost/cost.h"
#include "accel/kat/kat.h"
#include "accel/ref/ref.h"
#include "util/own.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { POLLS_MAX = 16 }; /* nothing changes between polls of this model */

const char *kat_check_name(enum kat_check c)
{
	static const char *const names[KAT_CHECKS] = { "reference", "emulator", "placed", "free",
						       "latency" };

	return (unsigned)c < KAT_CHECKS ? names[c] : "?";
}

bool kat_result_ok(const struct kat_result *r)
{
	for (unsigned c = 0; c < KAT_CHECKS; c++)
		if (!r->ok[c])
			return false;
	return true;
}

__attribute__((format(printf, 3, 4))) static bool differ(char *why, size_t cap, const char *fmt,
							 ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (cap > 0)
		vsnprintf(why, cap, fmt, ap);
	va_end(ap);
	return false;
}

/* ---- replay ---- */

static bool replay_poll(const struct kat_op *op, struct cnn_emu *e, char *why, size_t cap)
{
	for (unsigned i = 0; i < POLLS_MAX; i++)
		if ((cnn_emu_read32(e, op->addr) & op->count) == op->value)
			return true;
	return differ(why, cap, "poll of %08x never gives %08x under mask %08x", (unsigned)op->addr,
		      (unsigned)op->value, (unsigned)op->count);
}

static bool replay_op(const struct kat *k, const struct kat_op *op, struct cnn_emu *e, char *why,
		      size_t cap)
{
	switch (op->kind) {
	case 'W': cnn_emu_write32(e, op->addr, op->value); return true;
	case 'B': cnn_emu_write8(e, op->addr, (uint8_t)op->value); return true;
	case 'M':
		for (uint32_t i = 0; i < op->count; i++)
			cnn_emu_write32(e, op->addr + 4 * i, k->words[op->value + i]);
		return true;
	default: return replay_poll(op, e, why, cap);
	}
}

/* What the interrupt handler does in every quadrant. */
static void acknowledge(struct cnn_emu *e)
{
	for (unsigned q = 0; q < CNN_QUADRANTS; q++) {
		uint32_t addr = CNN_CTRL + q * CNN_QUADRANT_STRIDE, ctrl = cnn_emu_read32(e, addr);

		if ((ctrl & CNN_CTRL_IRQ) != 0)
			cnn_emu_write32(e, addr,
					ctrl & ~(CNN_CTRL_IRQ | CNN_CTRL_CNN_EN | CNN_CTRL_STREAM));
	}
}

bool kat_replay(const struct kat *k, struct cnn_emu *e, unsigned skip, char *why, size_t cap)
{
	for (size_t i = 0; i < k->n_ops; i++)
		if ((skip >> k->ops[i].phase & 1) == 0 && !replay_op(k, &k->ops[i], e, why, cap))
			return false;
	if (!cnn_emu_running(e))
		return differ(why, cap, "the start phase does not start the machine");
	cnn_emu_finish(e);
	/* One-shot: every further start runs the next layer. */
	for (unsigned l = 1; k->oneshot && l < k->net.layers; l++) {
		uint32_t ctrl = cnn_emu_read32(e, CNN_CTRL) & ~(CNN_CTRL_IRQ | CNN_CTRL_CNN_EN);

		cnn_emu_write32(e, CNN_CTRL, ctrl);
		cnn_emu_write32(e, CNN_CTRL, ctrl | CNN_CTRL_CNN_EN);
		cnn_emu_finish(e);
	}
	acknowledge(e);
	return true;
}

static bool match_words(const struct kat *k, const struct kat_expect *x, const struct cnn_emu *e,
			uint64_t *compared, char *why, size_t cap)
{
	for (uint32_t i = 0; i < x->count; i++) {
		uint32_t addr = x->addr + 4 * i, want = k->words[x->first + i] & x->mask;
		uint32_t got = cnn_emu_peek32(e, addr) & x->mask;

		++*compared;
		if (got != want)
			return differ(why, cap, "word %08x is %08x instead of %08x under mask %08x",
				      (unsigned)addr, (unsigned)got, (unsigned)want,
				      (unsigned)x->mask);
	}
	return true;
}

bool kat_expect_match(const struct kat *k, const struct cnn_emu *e, uint64_t *compared, char *why,
		      size_t cap)
{
	for (size_t i = 0; i < k->n_expects; i++)
		if (k->expects[i].layer < 0 &&
		    !match_words(k, &k->expects[i], e, compared, why, cap))
			return false;
	return true;
}

/* Traced words are valid at the moment their layer has finished. */
struct trace {
	const struct kat *k;
	const struct cnn_emu *e;
	uint64_t compared;
	bool ok;
	char what[KAT_WHAT_CAP - 16];
	unsigned layer;
};

static void trace_layer(void *ctx, unsigned layer)
{
	struct trace *t = ctx;

	for (size_t i = 0; t->ok && i < t->k->n_expects; i++)
		if (t->k->expects[i].layer == (int)layer &&
		    !match_words(t->k, &t->k->expects[i], t->e, &t->compared, t->what,
				 sizeof t->what)) {
			t->ok = false;
			t->layer = layer;
		}
}

static bool check_emulator(const struct kat *k, struct cnn_emu *e, uint64_t *compared, char *why)
{
	struct trace t = { .k = k, .e = e, .ok = true };
	bool ok;

	cnn_emu_on_layer(e, trace_layer, &t);
	ok = kat_replay(k, e, 0, why, KAT_WHAT_CAP);
	cnn_emu_on_layer(e, NULL, NULL);
	*compared += t.compared;
	if (ok && !t.ok)
		return differ(why, KAT_WHAT_CAP, "layer %u: %s", t.layer, t.what);
	if (ok && cnn_emu_misuse(e) > 0)
		return differ(why, KAT_WHAT_CAP, "misuse: %.150s", cnn_emu_misuse_text(e));
	return ok && kat_expect_match(k, e, compared, why, KAT_WHAT_CAP);
}

/* ---- reference ---- */

static bool check_reference(const struct kat *k, const struct cnn_tensors *t, uint64_t *compared,
			    char *why)
{
	for (unsigned i = 0; i < k->net.layers; i++) {
		uint32_t chw[3];
		size_t n;

		cnn_layer_out_shape(&k->net.layer[i], chw);
		n = (size_t)chw[0] * chw[1] * chw[2];
		for (size_t v = 0; v < n; v++) {
			++*compared;
			if (t->out[i][v] != k->out[i][v])
				return differ(why, KAT_WHAT_CAP,
					      "layer %u, value %zu is %d instead of %d", i, v,
					      (int)t->out[i][v], (int)k->out[i][v]);
		}
	}
	return true;
}

/* ---- compiler ---- */

static void bus_write32(void *ctx, uint32_t addr, uint32_t value)
{
	cnn_emu_write32(ctx, addr, value);
}

static void bus_write8(void *ctx, uint32_t addr, uint8_t value)
{
	cnn_emu_write8(ctx, addr, value);
}

static uint32_t bus_read32(void *ctx, uint32_t addr)
{
	return cnn_emu_read32(ctx, addr);
}

static struct cnn_bus emu_bus(struct cnn_emu *e)
{
	return (struct cnn_bus){
		.ctx = e, .write32 = bus_write32, .write8 = bus_write8, .read32 = bus_read32
	};
}

/* Words from..to of two machines. */
static bool same_range(const struct cnn_emu *a, const struct cnn_emu *b, const char *what,
		       uint32_t from, uint32_t words, uint64_t *compared, char *why)
{
	for (uint32_t i = 0; i < words; i++) {
		uint32_t addr = from + 4 * i;
		uint32_t ours = cnn_emu_peek32(a, addr), want = cnn_emu_peek32(b, addr);

		++*compared;
		if (ours != want)
			return differ(why, KAT_WHAT_CAP, "%s: word %08x is %08x instead of %08x",
				      what, (unsigned)addr, (unsigned)ours, (unsigned)want);
	}
	return true;
}

static bool same_registers(const struct cnn_emu *a, const struct cnn_emu *b, unsigned q,
			   uint64_t *compared, char *why)
{
	for (unsigned reg = 0; reg < CNN_LAYER_REGS; reg++)
		for (unsigned layer = 0; layer < CNN_LAYERS_MAX; layer++) {
			uint32_t addr = cnn_reg_addr(q, reg, layer);
			uint32_t ours = cnn_emu_peek32(a, addr), want = cnn_emu_peek32(b, addr);

			++*compared;
			if (ours != want)
				return differ(why, KAT_WHAT_CAP,
					      "layer %u, quadrant %u: register %u is %08x instead "
					      "of %08x",
					      layer, q, reg, (unsigned)ours, (unsigned)want);
		}
	return true;
}

/* How kernels were loaded, and stopping after every layer, are the file's choice. */
static bool same_control(const struct cnn_emu *a, const struct cnn_emu *b, unsigned q,
			 uint64_t *compared, char *why)
{
	uint32_t addr = CNN_CTRL + q * CNN_QUADRANT_STRIDE;
	uint32_t mask = ~(CNN_CTRL_MEXPRESS | CNN_CTRL_ONESHOT);
	uint32_t ours = cnn_emu_peek32(a, addr) & mask;
	uint32_t want = cnn_emu_peek32(b, addr) & mask;

	++*compared;
	return ours == want ||
	       differ(why, KAT_WHAT_CAP, "control of quadrant %u is %08x instead of %08x", q,
		      (unsigned)ours, (unsigned)want);
}

static bool same_machine(const struct cnn_emu *a, const struct cnn_emu *b, uint64_t *compared,
			 char *why)
{
	bool same = true;

	for (unsigned q = 0; same && q < CNN_QUADRANTS; q++)
		same = same_control(a, b, q, compared, why) &&
		       same_range(a, b, "control", CNN_SRAM + q * CNN_QUADRANT_STRIDE, 2, compared,
				  why) &&
		       same_registers(a, b, q, compared, why) &&
		       same_range(a, b, "bias", cnn_bias_addr(q, 0), CNN_BIAS_BYTES, compared, why);
	for (unsigned p = 0; same && p < CNN_PROCESSORS; p++)
		same = same_range(a, b, "kernels", cnn_kernel_addr(p), 4 * CNN_KERNEL_WORDS,
				  compared, why);
	for (unsigned i = 0; same && i < CNN_INSTANCES; i++)
		same = same_range(a, b, "data", cnn_data_addr(i, 0), CNN_DATA_WORDS, compared, why);
	return same;
}

/* Everything of our image on the bus, up to the start. */
static void bring_up(const struct kat *k, const struct cnn_place *place,
		     const struct cnn_image *image, struct cnn_emu *e)
{
	struct cnn_bus bus = emu_bus(e);

	cnn_image_init(image, &bus);
	cnn_image_load(image, &bus);
	cnn_image_configure(image, &bus);
	if (!k->net.fifo)
		cnn_input_write(&k->net, place, k->input, &bus);
	cnn_image_start(image, &bus);
	if (k->net.fifo)
		cnn_input_write(&k->net, place, k->input, &bus);
}

static bool check_placed(const struct kat *k, struct cnn_emu *ours, struct cnn_emu *theirs,
			 uint64_t *compared, char *why)
{
	struct cnn_image image = { 0 };
	bool ok = true;

	if (cnn_image_build(&k->net, &k->place, 0, &image, why, KAT_WHAT_CAP) < 0)
		return false;
	bring_up(k, &k->place, &image, ours);
	for (size_t i = 0; ok && i < k->n_ops; i++)
		ok = replay_op(k, &k->ops[i], theirs, why, KAT_WHAT_CAP);
	if (ok)
		ok = same_machine(ours, theirs, compared, why);
	cnn_image_free(&image);
	return ok;
}

static bool same_outputs(const struct kat *k, const struct cnn_place *place, struct cnn_emu *e,
			 uint64_t *compared, char *why)
{
	struct cnn_bus bus = emu_bus(e);

	for (unsigned i = 0; i < k->net.layers; i++) {
		hv_autofree int32_t *got = NULL;
		uint32_t chw[3];
		size_t n;

		if (!k->net.layer[i].is_output)
			continue;
		cnn_layer_out_shape(&k->net.layer[i], chw);
		n = (size_t)chw[0] * chw[1] * chw[2];
		got = malloc(n * sizeof *got);
		if (got == NULL)
			return differ(why, KAT_WHAT_CAP, "out of memory");
		cnn_output_read(&k->net, place, i, got, &bus);
		*compared += n;
		for (size_t v = 0; v < n; v++)
			if (got[v] != k->out[i][v])
				return differ(why, KAT_WHAT_CAP,
					      "layer %u, value %zu is %d instead of %d", i, v,
					      (int)got[v], (int)k->out[i][v]);
	}
	return true;
}

/* Registers that a network before this one left behind must not matter. */
static void leave_registers(struct cnn_emu *e)
{
	for (unsigned q = 0; q < CNN_QUADRANTS; q++)
		for (unsigned reg = 0; reg < CNN_LAYER_REGS; reg++)
			for (unsigned layer = 0; layer < CNN_LAYERS_MAX; layer++)
				cnn_emu_write32(e, cnn_reg_addr(q, reg, layer), 0x00010001);
}

static bool check_free(const struct kat *k, struct cnn_emu *e, uint64_t *compared, char *why)
{
	static const struct cnn_room all = { .kernel_words = CNN_KERNEL_WORDS,
					     .bias_count = CNN_BIAS_BYTES,
					     .data_words = CNN_DATA_WORDS };
	struct cnn_image image = { 0 };
	struct cnn_place place;
	bool ok;

	if (cnn_place_fit(&k->net, &all, &place, why, KAT_WHAT_CAP) < 0 ||
	    cnn_image_build(&k->net, &place, 0xf, &image, why, KAT_WHAT_CAP) < 0)
		return false;
	leave_registers(e);
	bring_up(k, &place, &image, e);
	cnn_emu_finish(e);
	ok = same_outputs(k, &place, e, compared, why);
	if (ok && cnn_emu_misuse(e) > 0)
		ok = differ(why, KAT_WHAT_CAP, "misuse: %.150s", cnn_emu_misuse_text(e));
	cnn_image_free(&image);
	return ok;
}

/* ---- latency ---- */

static bool check_latency(const struct kat *k, uint64_t *compared, char *why)
{
	uint64_t total = CNN_STARTUP_CYCLES;

	if (!k->has_latency)
		return true;
	for (unsigned i = 0; i < k->net.layers; i++) {
		const struct cnn_place_layer *p = &k->place.layer[i];
		const struct cnn_layer *l = &k->net.layer[i];
		uint64_t cycles = cnn_cost_placed_cycles(l, p);

		total += cycles;
		*compared += 2;
		if (cycles != k->cycles[i])
			return differ(why, KAT_WHAT_CAP, "layer %u takes %llu cycles instead of %u",
				      i, (unsigned long long)cycles, (unsigned)k->cycles[i]);
		if (cnn_cost_layer_macs(l) != k->macs[i])
			return differ(why, KAT_WHAT_CAP, "layer %u: %llu products instead of %llu",
				      i, (unsigned long long)cnn_cost_layer_macs(l),
				      (unsigned long long)k->macs[i]);
	}
	++*compared;
	if (total != k->total_cycles)
		return differ(why, KAT_WHAT_CAP, "%llu cycles in all instead of %u",
			      (unsigned long long)total, (unsigned)k->total_cycles);
	return true;
}

int kat_check_all(const struct kat *k, struct kat_result *r)
{
	struct cnn_emu *e[4] = { NULL };
	struct cnn_tensors t;
	int err = cnn_ref_run(&k->net, k->input, &t);

	*r = (struct kat_result){ 0 };
	for (unsigned i = 0; err == HV_OK && i < HV_ARRAY_SIZE(e); i++)
		err = cnn_emu_new(&e[i]);
	if (err == HV_OK) {
		r->ok[KAT_REFERENCE] =
			check_reference(k, &t, &r->compared[KAT_REFERENCE], r->what[KAT_REFERENCE]);
		r->ok[KAT_EMULATOR] =
			check_emulator(k, e[0], &r->compared[KAT_EMULATOR], r->what[KAT_EMULATOR]);
		r->ok[KAT_PLACED] =
			check_placed(k, e[1], e[2], &r->compared[KAT_PLACED], r->what[KAT_PLACED]);
		r->ok[KAT_FREE] = check_free(k, e[3], &r->compared[KAT_FREE], r->what[KAT_FREE]);
		r->ok[KAT_LATENCY] =
			check_latency(k, &r->compared[KAT_LATENCY], r->what[KAT_LATENCY]);
	}
	for (unsigned i = 0; i < HV_ARRAY_SIZE(e); i++)
		cnn_emu_free(e[i]);
	cnn_tensors_free(&t);
	return err;
}
