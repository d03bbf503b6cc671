#ifndef BENCH_PEER_H
#define BENCH_PEER_H
#include "accel/net/net.h"

/* The convolutions of a network by oneDNN: 8-bit, AVX2, one thread, every tensor where and how
 * the library wants it. Neither pooling nor linear layers nor the same rounding: a lower bound of
 * what it would take. */
struct bench_peer;

/* HV_E_NOENT: built without oneDNN; HV_E_INVAL: it has no such convolution here. *p is
 * returned owned. */
HV_NODISCARD int bench_peer_new(const struct cnn_net *net, struct bench_peer **p);
void bench_peer_run(struct bench_peer *p);
void bench_peer_free(struct bench_peer *p);
/* Holds the library to one thread, which it decides when it is loaded: starts the program anew
 * when needed. First in main(). */
void bench_peer_one_thread(char **argv);

#endif
