#ifndef TASKS_PLUGIN_WIRE_H
#define TASKS_PLUGIN_WIRE_H
#include "tasks/task.h"
#include <stdbool.h>

/* Inside of tasks/: what an owner and its worker agree on. Both are of one build and one
 * machine; the owner still trusts nothing that comes back, since the worker runs foreign code.
 *
 *   fd 3   SOCK_SEQPACKET: one plugin_request, one plugin_reply, in turn
 *   fd 4   shared memory of plugin_request.shared_bytes
 *   fd 5   the plug-in itself, when it is no file: sealed memory
 */
enum {
	PLUGIN_SOCKET_FD = 3,
	PLUGIN_SHARED_FD = 4,
	PLUGIN_CODE_FD = 5,
	PLUGIN_SHARED_MIN = 1 << 20,
};
#define PLUGIN_CODE_PATH "/proc/self/fd/5"

enum plugin_op {
	PLUGIN_OP_DESCRIBE = 1, /* shared memory: struct plugin_description */
	PLUGIN_OP_SAMPLE = 2, /* n records from `first` of stream `seed`, see the layout */
	PLUGIN_OP_REFERENCE = 3, /* of the n records there */
	PLUGIN_OP_MATRIX = 4, /* n rows from row `first`, at the start */
};

struct plugin_request {
	uint32_t op, n, serial, shared_bytes;
	uint64_t seed, first;
};

enum { PLUGIN_REPLY_WHY = 256 };

struct plugin_reply {
	uint32_t serial;
	int32_t err; /* enum hv_err */
	char why[PLUGIN_REPLY_WHY];
};

enum { PLUGIN_DOMAIN_MAX = 1024, PLUGIN_ABOUT_CAP = 200 };

/* struct harvest_task without its pointers. */
struct plugin_description {
	char name[32], about[PLUGIN_ABOUT_CAP], cpu_method[PLUGIN_ABOUT_CAP];
	uint32_t version, metric, linear, rows, cols, parts, cpu_cycles, domain_count, has_weight;
	uint32_t has_matrix;
	struct harvest_tensor in, out;
	double range, pass, goal;
	struct harvest_range domain[PLUGIN_DOMAIN_MAX];
};

/* Shared memory of n records: records, then doubles, rounded answers, weights; at its very end
 * the number of the record that is being worked on, to be named when the worker is lost. */
struct plugin_layout {
	size_t in, ref, exact, weight, total;
};

static inline struct plugin_layout plugin_layout(size_t in_bytes, size_t out_bytes,
						 size_t out_elements, size_t n)
{
	struct plugin_layout at = { 0 };

	at.ref = (n * in_bytes + 63) / 64 * 64;
	at.exact = at.ref + n * out_elements * sizeof(double);
	at.weight = (at.exact + n * out_bytes + 63) / 64 * 64;
	at.total = at.weight + n * sizeof(double);
	return at;
}

static inline uint64_t *plugin_progress(uint8_t *shared, size_t bytes)
{
	return (uint64_t *)(void *)(shared + bytes - 64);
}

#endif
