#ifndef SIM_BOARD_SOCKET_H
#define SIM_BOARD_SOCKET_H
#include "sim/vboard.h"

/* The cable of a virtual board: a Unix stream socket to the daemon. Nothing blocks. */
struct board_socket {
	const char *path; /* borrowed */
	int fd; /* -1: not connected */
	bool was_connected, told;
	bool turned_away; /* the daemon ended the last connection soon after its begin */
	uint64_t since_ns; /* wall: not connected since */
	uint64_t up_ns; /* wall: connected since */
	uint64_t try_at_ns, pause_ns;
	uint8_t out[4096];
	size_t out_at, out_n;
	uint64_t heard_wall_ns, heard_model_ns; /* when bytes last came */
};

enum { BOARD_SOCKET_PATIENCE_S = 5 };

void board_socket_init(struct board_socket *s, const char *path, uint64_t wall_ns);
/* Connect when it is time, move bytes both ways. HV_E_GONE: there was never a daemon within
 * the patience. HV_E_DENIED: its socket is not for us. */
HV_NODISCARD int board_socket_run(struct board_socket *s, struct vboard *b, uint64_t wall_ns);
/* Events to wait for, and until when. */
short board_socket_events(const struct board_socket *s, const struct vboard *b);
void board_socket_close(struct board_socket *s);
#endif
