#ifndef DAEMON_LINK_VIRTUAL_H
#define DAEMON_LINK_VIRTUAL_H
#include "daemon/link/link.h"

/* Virtual boards: a Unix stream socket at which harvest-board processes plug in. Every
 * connection is one link. */
struct link_hub;
struct uv_loop_s;

struct link_hub_events {
	void *ctx;
	/* A board plugged in: bind the link or close it, before returning. */
	void (*on_link)(void *ctx, struct link *l, uint64_t now_us);
};

enum { LINK_VIRTUAL_MAX = 64, LINK_VIRTUAL_BPS = 1000000 };

/* Listen at path (mode 0660; a stale file is removed only if nobody listens there), or on the
 * inherited listening socket fd when it is >= 0: taken, also on failure. HV_E_BUSY,
 * HV_E_DENIED, HV_E_INVAL, HV_E_IO, HV_E_NOMEM with a sentence in why. */
HV_NODISCARD int link_hub_new(struct uv_loop_s *loop, const char *path, int fd,
			      const struct link_hub_events *ev, struct link_hub **hub, char *why,
			      size_t cap);
/* Close the listener and all links. done runs when the last handle closed; the hub is gone
 * then. */
void link_hub_close(struct link_hub *hub, void (*done)(void *ctx), void *ctx);

#endif
