#ifndef DAEMON_IPC_SERVER_H
#define DAEMON_IPC_SERVER_H
#include "daemon/board/board.h"
#include "daemon/dispatch/dispatch.h"
#include "daemon/job/job.h"
#include "daemon/models/models.h"

/* Clients: their connections, rights and limits; decodes requests and encodes replies. Owns no
 * job semantics. One loop thread.
 *
 * A connection
 *   reads into one buffer, handles every request that one read brought, and answers all of
 *   them with one write; large samples go straight into the job's buffer and from there out
 *   is not read from while too many of its replies are unread, and is dropped when it reads
 *   nothing for limits.stall_ns
 *   loses its jobs when it ends, unless they are detached */
struct server;
struct uv_loop_s;

struct server_parts {
	struct uv_loop_s *loop;
	struct dispatch *dispatch;
	struct store *store;
	struct timers *timers;
	struct models *models;
	struct boards *boards;
	struct limits limits;
	enum sched_policy policy;
	const char *program; /* "harvestd 0.1.0"; static */
	uint64_t started_ns;
	uint32_t cpu_workers;
	const uint64_t *loop_lag_max_ns; /* the loop's, read for status */
};

HV_NODISCARD int server_new(const struct server_parts *parts, struct server **s);
/* Accept clients on a listening socket, taken. HV_E_IO. */
HV_NODISCARD int server_listen(struct server *s, int fd);
/* One more connection, for tests: fd is taken. HV_E_BUSY, HV_E_NOMEM, HV_E_IO. */
HV_NODISCARD int server_adopt(struct server *s, int fd);
void server_stop_accepting(struct server *s);
/* Close what is left; done runs when all handles are closed. Replies that are queued get one
 * more try. */
void server_close(struct server *s, void (*done)(void *ctx), void *ctx);
void server_free(struct server *s); /* NULL is fine */
uint32_t server_clients(const struct server *s);

/* Up-calls for dispatch. */
void server_on_job_ended(void *server, struct job *j);
void server_on_job_progress(void *server, struct job *j);

#endif
