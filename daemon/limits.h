#ifndef DAEMON_LIMITS_H
#define DAEMON_LIMITS_H
#include <stddef.h>
#include <stdint.h>

/* Every bound of the daemon in one place; beyond each, HV_E_BUSY with the name of the limit.
 * Tests make them small. */
struct limits {
	uint32_t clients; /* connections */
	uint32_t jobs; /* not yet ended */
	uint32_t jobs_per_client;
	uint32_t jobs_remembered; /* ended, for jobs, explain and wait */
	size_t payload_bytes; /* samples in memory, in and out */
	size_t payload_bytes_per_client;
	size_t detached_bytes; /* results kept for wait, oldest dropped */
	size_t out_high_bytes; /* a client with more unread replies is not read from */
	uint32_t waits_per_client;
	uint64_t stall_ns; /* a client that reads nothing for so long is dropped */
	uint64_t hello_ns; /* time to greet */
	uint64_t shutdown_ns; /* time to end running work */
};

#define LIMITS_DEFAULT                                                                             \
	{                                                                                          \
		.clients = 256, .jobs = 8192, .jobs_per_client = 1024, .jobs_remembered = 1024,    \
		.payload_bytes = (size_t)256 << 20, .payload_bytes_per_client = (size_t)160 << 20, \
		.detached_bytes = (size_t)64 << 20, .out_high_bytes = (size_t)4 << 20,             \
		.waits_per_client = 64, .stall_ns = UINT64_C(30000000000),                         \
		.hello_ns = UINT64_C(10000000000), .shutdown_ns = UINT64_C(5000000000),            \
	}

#endif
