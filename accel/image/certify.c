#include "accel/image/certify.h"

#include <stdarg.h>
#include <stdio.h>

static int refuse(char *why, size_t cap, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int refuse(char *why, size_t cap, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (cap > 0)
		vsnprintf(why, cap, fmt, ap);
	va_end(ap);
	return HV_E_BUSY;
}

/* One kind of memory as rows of bits, to be walked alike. */
struct memory {
	const char *cell, *owner; /* "kernel word", "processor" */
	unsigned rows, words; /* 32-bit words of a row */
	size_t offset; /* inside struct cnn_cells */
};

static const struct memory memories[3] = {
	{ "kernel word", "processor", CNN_PROCESSORS, CNN_KERNEL_WORDS / 32,
	  offsetof(struct cnn_cells, kernel) },
	{ "bias byte", "quadrant", CNN_QUADRANTS, CNN_BIAS_BYTES / 32,
	  offsetof(struct cnn_cells, bias) },
	{ "data word", "data memory", CNN_INSTANCES, CNN_DATA_WORDS / 32,
	  offsetof(struct cnn_cells, data) },
};

enum { KERNELS, BIASES, DATA };

static uint32_t bits_at(const struct cnn_cells *c, const struct memory *m, size_t i)
{
	return ((const uint32_t *)(const void *)((const char *)c + m->offset))[i];
}

static uint32_t count(const struct cnn_cells *a, const struct cnn_cells *b, const struct memory *m)
{
	uint32_t n = 0;

	for (size_t i = 0; i < (size_t)m->rows * m->words; i++)
		n += (uint32_t)__builtin_popcount(bits_at(a, m, i) | bits_at(b, m, i));
	return n;
}

/* First cell of a or b that is also one of c or d. */
static bool meet(const struct cnn_cells *a, const struct cnn_cells *b, const struct cnn_cells *c,
		 const struct cnn_cells *d, const struct memory *m, unsigned *row, unsigned *cell)
{
	for (size_t i = 0; i < (size_t)m->rows * m->words; i++) {
		uint32_t both = (bits_at(a, m, i) | bits_at(b, m, i)) &
				(bits_at(c, m, i) | bits_at(d, m, i));

		if (both == 0)
			continue;
		*row = (unsigned)(i / m->words);
		*cell = (unsigned)(i % m->words) * 32 + (unsigned)__builtin_ctz(both);
		return true;
	}
	return false;
}

static int check_memory(const struct cnn_party *guest, const struct cnn_party *resident,
			unsigned which, char *why, size_t cap)
{
	const struct memory *m = &memories[which];
	const struct cnn_footprint *g = guest->footprint, *r = resident->footprint;
	unsigned row, cell;

	if (!meet(&g->loaded, &g->written, &r->loaded, &r->read, m, &row, &cell) &&
	    !meet(&g->loaded, &g->written, &r->written, &r->written, m, &row, &cell))
		return HV_OK;
	return refuse(why, cap, "%s and %s both need %s %u of %s %u", guest->name, resident->name,
		      m->cell, cell, m->owner, row);
}

/* Kernels and biases that a run reads must be the guest's own. */
static int check_own(const struct cnn_party *guest, unsigned which, char *why, size_t cap)
{
	const struct memory *m = &memories[which];
	const struct cnn_footprint *g = guest->footprint;

	for (size_t i = 0; i < (size_t)m->rows * m->words; i++) {
		uint32_t foreign = bits_at(&g->read, m, i) & ~bits_at(&g->loaded, m, i);

		if (foreign != 0)
			return refuse(why, cap, "%s reads %s %u of %s %u, which it never loads",
				      guest->name, m->cell,
				      (unsigned)(i % m->words) * 32 +
					      (unsigned)__builtin_ctz(foreign),
				      m->owner, (unsigned)(i / m->words));
	}
	return HV_OK;
}

/* What the resident left in the registers of the guest's layers must be gone. */
static int check_registers(const struct cnn_party *guest, const struct cnn_party *resident,
			   struct cnn_certificate *cert, char *why, size_t cap)
{
	const struct cnn_footprint *g = guest->footprint, *r = resident->footprint;
	uint32_t layers = UINT32_MAX >> (CNN_LAYERS_MAX - 1 - g->last_layer[0]);

	if ((r->started & ~g->started) != 0)
		return refuse(why, cap, "%s runs without quadrant %u, which %s leaves configured",
			      guest->name,
			      (unsigned)__builtin_ctz((unsigned)(r->started & ~g->started)),
			      resident->name);
	for (unsigned q = 0; q < CNN_QUADRANTS; q++)
		for (unsigned n = 0; n < CNN_LAYER_REGS; n++) {
			uint32_t set = r->reg_set[q][n] & layers;

			if (n == CNN_R_IFRM) /* one a quadrant, for a FIFO's reader only */
				continue;
			if ((set & ~g->reg_set[q][n]) != 0)
				return refuse(
					why, cap,
					"%s leaves register %u of layer %u in quadrant %u as %s "
					"set it",
					guest->name, n,
					(unsigned)__builtin_ctz(set & ~g->reg_set[q][n]), q,
					resident->name);
			cert->registers += (uint32_t)__builtin_popcount(set);
		}
	return HV_OK;
}

static int check_resident(const struct cnn_party *guest, const struct cnn_party *resident,
			  struct cnn_certificate *cert, char *why, size_t cap)
{
	const struct cnn_footprint *r = resident->footprint;
	int err = check_memory(guest, resident, KERNELS, why, cap);

	if (err == HV_OK)
		err = check_memory(guest, resident, BIASES, why, cap);
	if (err == HV_OK && resident->keep_data)
		err = check_memory(guest, resident, DATA, why, cap);
	if (err == HV_OK)
		err = check_registers(guest, resident, cert, why, cap);
	cert->resident_kernel_words += count(&r->loaded, &r->read, &memories[KERNELS]);
	cert->resident_bias_bytes += count(&r->loaded, &r->read, &memories[BIASES]);
	if (resident->keep_data)
		cert->resident_data_words += count(&r->written, &r->read, &memories[DATA]);
	return err;
}

int cnn_certify(const struct cnn_party *guest, const struct cnn_party *residents,
		size_t n_residents, struct cnn_certificate *cert, char *why, size_t cap)
{
	const struct cnn_footprint *g = guest->footprint;
	int err;

	*cert = (struct cnn_certificate){
		.kernel_words = count(&g->loaded, &g->read, &memories[KERNELS]),
		.bias_bytes = count(&g->loaded, &g->read, &memories[BIASES]),
		.data_words = count(&g->written, &g->read, &memories[DATA]),
	};
	err = check_own(guest, KERNELS, why, cap);
	if (err == HV_OK)
		err = check_own(guest, BIASES, why, cap);
	for (size_t i = 0; err == HV_OK && i < n_residents; i++)
		err = check_resident(guest, &residents[i], cert, why, cap);
	return err;
}
