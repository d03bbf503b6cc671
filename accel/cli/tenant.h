#ifndef CNN_CLI_TENANT_H
#define CNN_CLI_TENANT_H
#include "accel/cli/open.h"
#include "accel/image/certify.h"
#include "accel/slotimg/slotimg.h"

/* A package at its place in the accelerator. */
struct tenant {
	char name[32];
	bool has_slot;
	struct slotimg slot; /* of an approximation, when has_slot */
	unsigned layers;
	struct cnn_footprint footprint;
};

/* Room and quadrants as the tenants so far leave them. */
struct tenancy {
	struct cnn_room room;
	uint8_t quadrants;
	bool keep_data; /* data words stay apart, too */
};

/* Plan the package of a file into what is left, and take that away from what is left. The
 * footprint comes from the bus writes of the result. An exit code; says what is wrong. */
int tenant_move_in(const struct cli *c, const char *path, struct tenancy *left, struct tenant *t);

#endif
