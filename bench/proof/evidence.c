#include "bench/proof/evidence.h"
#include "util/own.h"
#include <inttypes.h>
#include <string.h>

static int add(struct evidence *e, const struct evidence_line *l)
{
	if (e->n == e->room) {
		size_t room = e->room != 0 ? 2 * e->room : 1024;
		struct evidence_line *grown = realloc(e->line, room * sizeof(*grown));

		if (grown == NULL)
			return HV_E_NOMEM;
		e->line = grown;
		e->room = room;
	}
	e->line[e->n++] = *l;
	return HV_OK;
}

/* kind,start_ns,end_ns,requested_ns,output_hash */
static int take(struct evidence *e, const char *text)
{
	struct evidence_line l;
	char kind[16];
	int used = 0;

	if (sscanf(text, "%15[a-z],%" SCNu64 ",%" SCNu64 ",%" SCNu64 ",%16" SCNx64 "%n", kind,
		   &l.start, &l.end, &l.requested, &l.hash, &used) != 5 ||
	    text[used + (int)strspn(text + used, "\r\n")] != '\0' || l.end < l.start ||
	    l.start < l.requested)
		return HV_E_FORMAT;
	if (strcmp(kind, "primary") == 0)
		return e->n > 0 && l.start < e->line[e->n - 1].end ? HV_E_FORMAT : add(e, &l);
	if (strcmp(kind, "harvest") != 0)
		return HV_E_FORMAT;
	e->runs++;
	e->stopped += l.hash == 0;
	e->computing_ns += l.end - l.start;
	return HV_OK;
}

int evidence_read(FILE *f, const char *name, struct evidence *e, char *why, size_t cap)
{
	char text[160];
	uint64_t number = 0;

	*e = (struct evidence){ 0 };
	snprintf(why, cap, "out of memory");
	while (fgets(text, sizeof(text), f) != NULL) {
		int err = ++number == 1 && strncmp(text, "kind,", 5) == 0 ? HV_OK : take(e, text);

		if (err == HV_OK)
			continue;
		if (err == HV_E_FORMAT)
			snprintf(why, cap,
				 "%s: line %" PRIu64 " is no inference that follows the one above: "
				 "kind,start_ns,end_ns,requested_ns,output_hash",
				 name, number);
		evidence_free(e);
		return err;
	}
	return HV_OK;
}

void evidence_free(struct evidence *e)
{
	free(e->line);
	*e = (struct evidence){ 0 };
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Largest, and the one that 99.9 % do not exceed. */
static void worst(uint64_t *v, size_t n, uint64_t *max, uint64_t *p999)
{
	if (n == 0)
		return;
	qsort(v, n, sizeof(*v), by_size);
	*max = v[n - 1];
	*p999 = v[(n * 999 + 999) / 1000 - 1];
}

static uint64_t more(uint64_t with, uint64_t alone)
{
	return with > alone ? with - alone : 0;
}

int evidence_compare(const struct evidence *alone, const struct evidence *with,
		     struct comparison *c)
{
	size_t n = alone->n < with->n ? alone->n : with->n;
	hv_autofree uint64_t *wait = calloc(n + 1, sizeof(*wait));
	hv_autofree uint64_t *shift = calloc(n + 1, sizeof(*shift));
	double sum = 0;

	*c = (struct comparison){ .inferences = n, .missing = alone->n - n };
	if (wait == NULL || shift == NULL)
		return HV_E_NOMEM;
	for (size_t i = 0; i < n; i++) {
		const struct evidence_line *a = &alone->line[i], *w = &with->line[i];

		wait[i] = more(w->start - w->requested, a->start - a->requested);
		shift[i] =
			more(w->end - with->line[0].requested, a->end - alone->line[0].requested);
		if (w->hash != a->hash && c->differing++ == 0)
			c->first_differing = i;
		c->repeated += i > 0 && a->hash == a[-1].hash;
		c->waited += wait[i] > 0;
		sum += (double)wait[i];
	}
	c->wait_mean_ns = n > 0 ? sum / (double)n : 0;
	worst(wait, n, &c->wait_max_ns, &c->wait_p999_ns);
	worst(shift, n, &c->shift_max_ns, &c->shift_p999_ns);
	return HV_OK;
}
