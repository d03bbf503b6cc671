#ifndef SIM_PRIMARY_NET_H
#define SIM_PRIMARY_NET_H
#include "accel/emu/emu.h"
#include "accel/image/image.h"

/* The network that the primary of a virtual board runs: a package's, or one made from the
 * seed that fills 376 kernel words of all 64 processors, as a keyword spotter does. Loaded
 * and configured once; afterwards only inputs and starts, so a guest that leaves a register
 * changed breaks its answers. */
struct primary_net;

/* file NULL: made from the seed. HV_E_*: why gets one sentence. */
HV_NODISCARD int primary_net_new(const char *file, uint64_t seed, struct primary_net **net,
				 char *why, size_t cap);
/* A network of the caller, who keeps it and its weights for the life of *net; inputs come from
 * the seed. HV_E_*: why gets one sentence. */
HV_NODISCARD int primary_net_borrow(const struct cnn_net *net, const char *name, uint64_t seed,
				    struct primary_net **p, char *why, size_t cap);
void primary_net_free(struct primary_net *net);

/* What it leaves to guests, and the quadrants it uses. */
void primary_net_room(const struct primary_net *net, struct cnn_room *room, uint8_t *quadrants);
const char *primary_net_name(const struct primary_net *net);
/* Input writes, inference and output reads of one activation, microseconds. */
uint32_t primary_net_busy_us(const struct primary_net *net);

void primary_net_boot(const struct primary_net *net, struct cnn_emu *emu);
/* Input of inference number n, and go. */
void primary_net_start(const struct primary_net *net, struct cnn_emu *emu, uint64_t n);
/* Let it end, acknowledge, read: the hash of all outputs. */
uint64_t primary_net_finish(const struct primary_net *net, struct cnn_emu *emu);
#endif
