#include "accel/image/delta.h"

#include <stdlib.h>

/* A register file as one configuration leaves it; 0 where nothing was written. */
struct file {
	uint32_t value[CNN_QUADRANTS][CNN_LAYER_REGS][CNN_LAYERS_MAX];
	bool set[CNN_QUADRANTS][CNN_LAYER_REGS][CNN_LAYERS_MAX];
};

static struct file *file_of(const struct cnn_image *image)
{
	struct file *f = calloc(1, sizeof *f);

	for (size_t i = 0; f != NULL && i < image->n_regs; i++) {
		const struct cnn_reg_write *r = &image->regs[i];

		f->value[r->quadrant][r->reg][r->layer] = r->value;
		f->set[r->quadrant][r->reg][r->layer] = true;
	}
	return f;
}

static bool matters(const struct cnn_image *primary, unsigned q, unsigned reg, unsigned layer)
{
	return layer < primary->layers && ((primary->quadrants >> q & 1) != 0 || reg == CNN_R_EN);
}

static void collect(const struct cnn_image *primary, const struct file *p, const struct file *g,
		    struct cnn_delta *d)
{
	for (unsigned q = 0; q < CNN_QUADRANTS; q++)
		for (unsigned reg = 0; reg < CNN_LAYER_REGS; reg++)
			for (unsigned l = 0; l < CNN_LAYERS_MAX; l++)
				if (g->set[q][reg][l] &&
				    g->value[q][reg][l] != p->value[q][reg][l] &&
				    matters(primary, q, reg, l))
					d->regs[d->n_regs++] = (struct cnn_reg_write){
						.quadrant = (uint8_t)q,
						.reg = (uint8_t)reg,
						.layer = (uint8_t)l,
						.value = p->value[q][reg][l],
					};
}

int cnn_delta_build(const struct cnn_image *primary, const struct cnn_image *guest,
		    struct cnn_delta *delta)
{
	struct cnn_delta made = { .quadrants = primary->quadrants };
	struct file *p = file_of(primary), *g = file_of(guest);
	int err = HV_E_NOMEM;

	made.regs = calloc(guest->n_regs + 1, sizeof *made.regs);
	if (p != NULL && g != NULL && made.regs != NULL) {
		collect(primary, p, g, &made);
		*delta = made;
		made.regs = NULL;
		err = HV_OK;
	}
	free(made.regs);
	free(p);
	free(g);
	return err;
}

void cnn_delta_free(struct cnn_delta *delta)
{
	free(delta->regs);
	*delta = (struct cnn_delta){ 0 };
}

void cnn_delta_apply(const struct cnn_delta *delta, const struct cnn_image *primary,
		     const struct cnn_bus *bus)
{
	cnn_image_init(primary, bus);
	for (size_t i = 0; i < delta->n_regs; i++) {
		const struct cnn_reg_write *r = &delta->regs[i];

		bus->write32(bus->ctx, cnn_reg_addr(r->quadrant, r->reg, r->layer), r->value);
	}
	cnn_image_fifo(primary, bus);
}
