#ifndef SIM_BOARD_OPTIONS_H
#define SIM_BOARD_OPTIONS_H
#include "sim/vboard.h"

/* Command line of harvest-board. */
struct board_options {
	char connect[108]; /* sun_path */
	const char *log;
	bool fast, json;
	bool baud_given; /* else the mode of time decides */
	struct primary_spec primary; /* owned */
	struct sim_ring rings[AG_BUFFERS_MAX]; /* owned */
	struct vboard_options board;
};

/* 0: go on; else the exit code + 1 (so that 1 is a clean end after --help). */
int board_options_parse(int argc, char **argv, struct board_options *o);
void board_options_clear(struct board_options *o);
#endif
