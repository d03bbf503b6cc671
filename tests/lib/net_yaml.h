#ifndef TESTS_NET_YAML_H
#define TESTS_NET_YAML_H
#include "accel/image/image.h"
#include "accel/net/net.h"

/* Writes a network as its makers would hand it over: DIR/net.yaml, DIR/wN.npy, DIR/bN.npy,
 * DIR/input.npy. place: processors and offsets are written too; or NULL. Aborts the test when
 * it cannot. */
void net_yaml_write(const char *dir, const struct cnn_net *net, const struct cnn_place *place,
		    const int8_t *input);

#endif
