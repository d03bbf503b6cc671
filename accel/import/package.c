#include "accel/cost/cost.h"
#include "accel/import/import.h"
#include "accel/package/check.h"
#include "config.h"
#include "util/rng.h"

#include <stdlib.h>
#include <string.h>

enum { VECTORS = 2, SEED = 1 }; /* made ones, beside the sample */

static int copy(const int8_t *from, size_t n, const int8_t **to)
{
	int8_t *c = malloc(n > 0 ? n : 1);

	if (c == NULL)
		return HV_E_NOMEM;
	memcpy(c, from, n);
	*to = c;
	return HV_OK;
}

/* p has the network with memory of its own, also when it fails half way. */
static int copy_net(const struct cnn_net *net, struct package *p)
{
	int err = HV_OK;

	p->net = *net;
	for (unsigned i = 0; i < CNN_LAYERS_MAX; i++)
		p->net.layer[i].weights = p->net.layer[i].bias = NULL;
	for (unsigned i = 0; err == HV_OK && i < net->layers; i++) {
		const struct cnn_layer *l = &net->layer[i];

		if (l->op == CNN_OP_PASS)
			continue;
		err = copy(l->weights, cnn_layer_weights(l), &p->net.layer[i].weights);
		if (err == HV_OK && l->bias != NULL)
			err = copy(l->bias, l->out_channels, &p->net.layer[i].bias);
	}
	return err;
}

/* One vector more; sample NULL: a made input. */
static int add_vector(struct package *p, const int8_t *sample, struct hv_rng *rng)
{
	struct package_kat *k = &p->kat[p->n_kats++];
	size_t n = package_in_bytes(p);

	k->in = malloc(n);
	k->out = malloc(package_out_bytes(p));
	if (k->in == NULL || k->out == NULL)
		return HV_E_NOMEM;
	for (size_t i = 0; i < n; i++)
		k->in[i] = sample != NULL ? (uint8_t)sample[i] : (uint8_t)hv_rng_below(rng, 256);
	return package_run(p, k->in, k->out, 1);
}

static int fill(struct package *p, const struct cnn_net *net, const int8_t *sample, char *why,
		size_t cap)
{
	struct hv_rng rng;
	int err = copy_net(net, p);

	if (err == HV_OK)
		err = package_check_net(p, why, cap);
	if (err < 0)
		return err;
	p->seed = SEED;
	hv_rng_seed(&rng, p->seed);
	p->record_cycles = cnn_cost_cycles(&p->net);
	p->record_energy_uj = cnn_cost_energy_uj(cnn_cost_macs(&p->net));
	if (sample != NULL)
		err = add_vector(p, sample, &rng);
	for (unsigned i = 0; err == HV_OK && i < VECTORS; i++)
		err = add_vector(p, NULL, &rng);
	return err == HV_OK ? package_check(p, why, cap) : err;
}

int import_package(const char *name, const char *recipe, const struct cnn_net *net,
		   const int8_t *sample, struct package **p, char *why, size_t cap)
{
	struct package *t;
	int err;

	if (!package_name_ok(name, false))
		return package_refuse(HV_E_INVAL, why, cap,
				      "name '%.40s' is not 1 to 31 of a-z, 0-9, _ and -", name);
	(void)package_refuse(HV_E_NOMEM, why, cap, "out of memory");
	t = calloc(1, sizeof(*t));
	if (t == NULL)
		return HV_E_NOMEM;
	t->kind = PACKAGE_NETWORK;
	snprintf(t->name, sizeof(t->name), "%s", name);
	snprintf(t->recipe, sizeof(t->recipe), "%s", recipe);
	snprintf(t->tool_version, sizeof(t->tool_version), "%s", PACKAGE_VERSION);
	err = fill(t, net, sample, why, cap);
	if (err < 0) {
		package_free(t);
		return err;
	}
	*p = t;
	return HV_OK;
}
