/* Many jobs in flight from one thread with poll(): the shape of an event-driven program.
 *   poll [JOBS [IN-FLIGHT]]      usually 1000 jobs, 32 at a time */
#include <harvest/harvest.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { POINTS = 64, TIMEOUT_MS = 10000 };

struct stream {
	harvest_client *client;
	unsigned long to_submit, to_end, failed, on_boards;
	int16_t iq[2 * POINTS];
};

static int submit(struct stream *s);

static void on_done(harvest_job *job, int code, void *arg)
{
	struct stream *s = arg;
	harvest_result r;

	memset(&r, 0, sizeof(r));
	r.size = sizeof(r);
	s->to_end--;
	if (code != HARVEST_OK || harvest_job_result(job, &r) != HARVEST_OK)
		s->failed++;
	else if (r.n_parts > 0 && strcmp(r.parts[0].where, "board") == 0)
		s->on_boards++;
	submit(s);
}

/* One more job, as long as there are any. */
static int submit(struct stream *s)
{
	int err;

	if (s->to_submit == 0)
		return HARVEST_OK;
	s->to_submit--;
	s->iq[0] = (int16_t)s->to_submit;
	err = harvest_submit(s->client, "fft64", s->iq, sizeof(s->iq), NULL, on_done, s, NULL);
	if (err != HARVEST_OK) {
		s->to_end--;
		s->failed++;
	}
	return err;
}

static int run(struct stream *s)
{
	while (s->to_end > 0) {
		struct pollfd p = { .fd = harvest_fd(s->client), .events = POLLIN };

		if (harvest_wants_write(s->client))
			p.events |= POLLOUT;
		if (poll(&p, 1, TIMEOUT_MS) <= 0)
			return HARVEST_E_TIMEOUT;
		if (harvest_dispatch(s->client) < 0)
			return HARVEST_E_GONE;
	}
	return HARVEST_OK;
}

int main(int argc, char **argv)
{
	unsigned long jobs = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000;
	unsigned long in_flight = argc > 2 ? strtoul(argv[2], NULL, 10) : 32;
	struct stream s = { .to_submit = jobs, .to_end = jobs };
	int err = harvest_client_open(NULL, TIMEOUT_MS, &s.client);

	for (unsigned long i = 0; err == HARVEST_OK && i < in_flight; i++)
		err = submit(&s);
	if (err == HARVEST_OK)
		err = run(&s);
	if (err == HARVEST_OK)
		printf("%lu jobs, %lu in flight: %lu failed, %lu ran on boards\n", jobs, in_flight,
		       s.failed, s.on_boards);
	else
		fprintf(stderr, "poll: %s\n", harvest_client_reason(s.client));
	harvest_client_close(s.client);
	return err == HARVEST_OK && s.failed == 0 ? 0 : 1;
}
