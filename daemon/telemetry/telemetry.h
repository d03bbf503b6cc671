#ifndef DAEMON_TELEMETRY_H
#define DAEMON_TELEMETRY_H
#include "daemon/dispatch/dispatch.h"
#include "daemon/job/job.h"
#include "proto/harvest.pb-c.h"
#include "util/arena.h"

/* Snapshots of the daemon as messages. Texts and arrays are made in the arena and live until it
 * is reset; false: the arena is full. */

/* Room for one result; its arrays point into itself. */
struct telemetry_result {
	Hv__Result msg;
	Hv__Times times;
	Hv__Part part[JOB_PARTS_MAX], *parts[JOB_PARTS_MAX];
	char id[JOB_ID_CAP];
};

/* A job that has ended, delivered_ns set. */
void telemetry_result(const struct store *s, const struct job *j, struct telemetry_result *r);
bool telemetry_dry_run(const struct store *s, const struct dispatch_decision *dec,
		       const struct harvest_task *t, struct telemetry_result *r,
		       struct hv_arena *a);
bool telemetry_explanation(struct dispatch *d, const struct store *s, const struct job *j,
			   Hv__Explanation *msg, struct hv_arena *a);
/* Newest first, as many as max_bytes of message hold. */
bool telemetry_jobs(const struct store *s, uint32_t limit, size_t max_bytes, uint64_t now_ns,
		    Hv__JobList *msg, struct hv_arena *a);
bool telemetry_tasks(const struct models *m, Hv__TaskList *msg, struct hv_arena *a);
/* name NULL: all. Returns true with no models when the name is unknown. */
bool telemetry_models(const struct models *m, struct boards *bs, const struct model *only,
		      Hv__ModelList *msg, struct hv_arena *a);
/* Names of the models that the audit has suspended. False: no room. */
bool telemetry_suspended(const struct models *m, Hv__Status *msg, struct hv_arena *a);
void telemetry_counts(const struct store *s, Hv__JobCounts *msg);

#endif
