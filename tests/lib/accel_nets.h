#ifndef TEST_ACCEL_NETS_H
#define TEST_ACCEL_NETS_H
#include "accel/emu/emu.h"
#include "accel/image/image.h"
#include "accel/net/net.h"
#include "util/rng.h"

/* A random legal network with its own weights and an input. */
struct random_net {
	struct cnn_net net;
	int8_t *weights[CNN_LAYERS_MAX], *bias[CNN_LAYERS_MAX], *input; /* owned */
};

enum random_kind {
	NETS_LINEAR, /* linear layers only: chains, fans, flattening, all widths */
	NETS_ANY, /* every kind of layer */
};

/* Always gives a network that passes cnn_net_check(). Free with random_net_free(). */
void random_net_make(struct hv_rng *r, enum random_kind kind, struct random_net *n);
/* Weights, biases and an input for layers that are there already. */
void random_net_fill(struct hv_rng *r, struct random_net *n);
void random_net_free(struct random_net *n);

/* A room that leaves out random parts of every memory. */
struct cnn_room random_room(struct hv_rng *r);
extern const struct cnn_room whole_device;

/* The emulator as a bus. */
struct cnn_bus bus_of_emu(struct cnn_emu *e);

/* LONG under HARVEST_LONG=1, else SHORT. */
unsigned rounds(unsigned short_n, unsigned long_n);

#endif
