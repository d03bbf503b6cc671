#ifndef CNN_COST_H
#define CNN_COST_H
#include "accel/net/net.h"

/* What a network takes, from the vendor's cycle formula (max78000 reference, section 11),
 * exact for non-streaming layers, a guess for streaming ones. */
uint32_t cnn_cost_layer_cycles(const struct cnn_layer *l);
uint32_t cnn_cost_cycles(const struct cnn_net *net); /* start-up included */

/* The same at a place: padded layers with several input passes that combine before they pool
 * depend on the kernel word, output maps that do not start at a multiple of 4 have unused slots,
 * pass-through layers take time by the fullest quadrant. The functions above assume kernel word
 * 0 and maps from processor 0 on. */
struct cnn_place_layer;
uint32_t cnn_cost_placed_cycles(const struct cnn_layer *l, const struct cnn_place_layer *place);

/* Multiply-accumulates of one layer and of one run. */
uint64_t cnn_cost_layer_macs(const struct cnn_layer *l);
uint64_t cnn_cost_macs(const struct cnn_net *net);

/* Modelled energy of one run, microjoules: macs * 11 pJ (upper bound from the published
 * 0.09 mJ per 8.2 MMAC face network; see docs/concepts/accelerator.md). */
double cnn_cost_energy_uj(uint64_t macs);

#endif
