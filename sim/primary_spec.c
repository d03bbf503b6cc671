#include "sim/primary_spec.h"
#include "util/own.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { US_MAX = 2000 * 1000000 }; /* 33 minutes */

/* clang-format off */
static const struct {
	const char *name;
	enum primary_kind kind;
	bool has_file;
	const char *keys; /* allowed */
} kinds[] = {
	{ "none",     PRIMARY_NONE,     false, "" },
	{ "periodic", PRIMARY_PERIODIC, false, "period_us busy_us jitter_us told " },
	{ "bursty",   PRIMARY_BURSTY,   false, "period_us busy_us burst pause_us " },
	{ "poisson",  PRIMARY_POISSON,  false, "rate_hz busy_us " },
	{ "trace",    PRIMARY_TRACE,    true,  "" },
	{ "model",    PRIMARY_MODEL,    true,  "period_us busy_us jitter_us " },
};
/* clang-format on */

const char *primary_kind_text(enum primary_kind k)
{
	for (size_t i = 0; i < HV_ARRAY_SIZE(kinds); i++)
		if (kinds[i].kind == k)
			return kinds[i].name;
	return "?";
}

static bool key_allowed(const char *keys, const char *key)
{
	char with_space[24];

	snprintf(with_space, sizeof(with_space), "%s ", key);
	return strstr(keys, with_space) != NULL;
}

static int set_us(uint32_t *to, double v, const char *key, char *why, size_t cap)
{
	if (!(v >= 0 && v <= US_MAX)) {
		snprintf(why, cap, "%s is outside 0..%d: give whole microseconds", key, US_MAX);
		return HV_E_INVAL;
	}
	*to = (uint32_t)v;
	return HV_OK;
}

static int set_key(struct primary_spec *s, const char *keys, char *pair, char *why, size_t cap)
{
	char *eq = strchr(pair, '='), *end = NULL;
	double v;

	if (eq == NULL) {
		snprintf(why, cap, "\"%s\" is no KEY=NUMBER", pair);
		return HV_E_INVAL;
	}
	*eq = '\0';
	v = strtod(eq + 1, &end);
	if (end == eq + 1 || *end != '\0' || !key_allowed(keys, pair)) {
		snprintf(why, cap, "\"%s=%s\" is not understood; known here: %s", pair, eq + 1,
			 keys[0] != '\0' ? keys : "nothing");
		return HV_E_INVAL;
	}
	if (strcmp(pair, "period_us") == 0)
		return set_us(&s->period_us, v, pair, why, cap);
	if (strcmp(pair, "busy_us") == 0)
		return set_us(&s->busy_us, v, pair, why, cap);
	if (strcmp(pair, "jitter_us") == 0)
		return set_us(&s->jitter_us, v, pair, why, cap);
	if (strcmp(pair, "pause_us") == 0)
		return set_us(&s->pause_us, v, pair, why, cap);
	if (strcmp(pair, "burst") == 0)
		return set_us(&s->burst, v, pair, why, cap);
	if (strcmp(pair, "told") == 0) {
		s->told = v != 0;
		return HV_OK;
	}
	if (!(v > 0 && v <= 1e5)) {
		snprintf(why, cap, "rate_hz=%s is outside 0..100000", eq + 1);
		return HV_E_INVAL;
	}
	s->rate_hz = v;
	return HV_OK;
}

static int check(const struct primary_spec *s, char *why, size_t cap)
{
	bool bursty = s->kind == PRIMARY_BURSTY;
	bool periodic = s->kind == PRIMARY_PERIODIC || s->kind == PRIMARY_MODEL || bursty;

	if (periodic && s->period_us == 0)
		snprintf(why, cap, "period_us is missing, for example period_us=33333");
	else if ((s->kind == PRIMARY_PERIODIC || s->kind == PRIMARY_POISSON || bursty) &&
		 s->busy_us == 0)
		snprintf(why, cap, "busy_us is missing, for example busy_us=18480");
	else if (periodic && s->busy_us > s->period_us)
		snprintf(why, cap, "busy_us=%u is longer than period_us=%u", s->busy_us,
			 s->period_us);
	else if (periodic && s->jitter_us >= s->period_us)
		snprintf(why, cap, "jitter_us=%u is not shorter than period_us=%u", s->jitter_us,
			 s->period_us);
	else if (bursty && (s->burst == 0 || s->pause_us == 0))
		snprintf(why, cap,
			 "burst or pause_us is missing, for example burst=8,pause_us=600000");
	else if (s->kind == PRIMARY_POISSON && !(s->rate_hz > 0))
		snprintf(why, cap, "rate_hz is missing, for example rate_hz=10");
	else
		return HV_OK;
	return HV_E_INVAL;
}

/* One line of a trace; 0: a use, 1: nothing to see. */
static int trace_line(const char *line, size_t number, struct primary_use *u, char *why, size_t cap)
{
	unsigned long long start;
	long busy;
	int used = 0;

	if (line[0] == '\0' || line[0] == '#' || (number == 1 && strchr(line, '_') != NULL))
		return 1;
	if (line[0] < '0' || line[0] > '9' ||
	    sscanf(line, "%llu,%ld%n", &start, &busy, &used) != 2 || line[used] != '\0' ||
	    busy <= 0 || busy > US_MAX || start > UINT64_MAX / 4000) {
		snprintf(why, cap, "line %zu is not start_us,busy_us", number);
		return HV_E_FORMAT;
	}
	*u = (struct primary_use){ start, (uint32_t)busy };
	return 0;
}

static int trace_add(struct primary_spec *s, struct primary_use u, size_t number, char *why,
		     size_t cap)
{
	struct primary_use *grown;

	if (s->n_uses > 0 && u.start_us < s->use[s->n_uses - 1].start_us) {
		snprintf(why, cap, "line %zu starts before the line above it: sort the trace",
			 number);
		return HV_E_FORMAT;
	}
	if ((s->n_uses & (s->n_uses - 1)) == 0) {
		size_t room = s->n_uses > 0 ? 2 * s->n_uses : 1;

		grown = realloc(s->use, room * sizeof(*grown));
		if (grown == NULL)
			return HV_E_NOMEM;
		s->use = grown;
	}
	s->use[s->n_uses++] = u;
	return HV_OK;
}

static int trace_read(struct primary_spec *s, char *why, size_t cap)
{
	hv_autofree uint8_t *data = NULL;
	hv_autofree char *text = NULL;
	size_t len = 0, number = 0;
	char *rest, *line;
	int err = hv_file_read(s->file, PRIMARY_TRACE_MAX_BYTES, &data, &len);

	if (err != HV_OK) {
		snprintf(why, cap, "%s", hv_err_text(err));
		return err;
	}
	text = malloc(len + 1);
	if (text == NULL)
		return HV_E_NOMEM;
	memcpy(text, data, len);
	text[len] = '\0';
	rest = text;
	for (line = strsep(&rest, "\n"); line != NULL; line = strsep(&rest, "\n")) {
		struct primary_use u;
		size_t n = strlen(line);
		int r;

		if (n > 0 && line[n - 1] == '\r')
			line[n - 1] = '\0';
		r = trace_line(line, ++number, &u, why, cap);
		if (r == 0)
			r = trace_add(s, u, number, why, cap);
		if (r < 0)
			return r;
	}
	if (s->n_uses == 0) {
		snprintf(why, cap, "it has no line start_us,busy_us");
		return HV_E_FORMAT;
	}
	return HV_OK;
}

static int parse_options(struct primary_spec *s, size_t kind, char *rest, char *why, size_t cap)
{
	char *item;
	int err = HV_OK;

	if (kinds[kind].has_file) {
		item = strsep(&rest, ",");
		if (item == NULL || *item == '\0') {
			snprintf(why, cap, "the file name is missing: %s:FILE", kinds[kind].name);
			return HV_E_INVAL;
		}
		s->file = strdup(item);
		if (s->file == NULL)
			return HV_E_NOMEM;
	}
	if (s->kind == PRIMARY_MODEL)
		s->period_us = 33333;
	for (item = strsep(&rest, ","); item != NULL && err == HV_OK; item = strsep(&rest, ","))
		err = set_key(s, kinds[kind].keys, item, why, cap);
	return err != HV_OK ? err : check(s, why, cap);
}

int primary_spec_parse(const char *text, struct primary_spec *s, char *why, size_t cap)
{
	hv_autofree char *copy = strdup(text);
	char *rest = copy, *name, detail[160] = "out of memory";
	size_t kind = 0;
	int err;

	*s = (struct primary_spec){ 0 };
	if (copy == NULL)
		return HV_E_NOMEM;
	name = strsep(&rest, ":");
	while (kind < HV_ARRAY_SIZE(kinds) && strcmp(kinds[kind].name, name) != 0)
		kind++;
	if (kind == HV_ARRAY_SIZE(kinds)) {
		snprintf(why, cap,
			 "primary \"%s\" is unknown: use none, periodic:, poisson:, trace:FILE or "
			 "model:FILE",
			 text);
		return HV_E_INVAL;
	}
	s->kind = kinds[kind].kind;
	err = parse_options(s, kind, rest, detail, sizeof(detail));
	if (err == HV_OK && s->kind == PRIMARY_TRACE)
		err = trace_read(s, detail, sizeof(detail));
	if (err != HV_OK) {
		snprintf(why, cap, "primary \"%s\": %s", text, detail);
		primary_spec_clear(s);
	}
	return err;
}

void primary_spec_clear(struct primary_spec *s)
{
	free(s->file);
	free(s->use);
	*s = (struct primary_spec){ 0 };
}

void primary_arrivals_init(struct primary_arrivals *a, const struct primary_spec *s, uint64_t seed)
{
	*a = (struct primary_arrivals){ .spec = s };
	hv_rng_seed(&a->rng, seed);
}

bool primary_arrivals_next(struct primary_arrivals *a, uint64_t *at_ns, uint32_t *busy_us)
{
	const struct primary_spec *s = a->spec;
	uint64_t i = a->index++;

	*busy_us = s->busy_us;
	switch (s->kind) {
	case PRIMARY_NONE: return false;
	case PRIMARY_PERIODIC:
	case PRIMARY_MODEL:
		*at_ns = (i + 1) * (uint64_t)s->period_us * 1000;
		if (s->jitter_us > 0)
			*at_ns += (uint64_t)hv_rng_below(&a->rng, s->jitter_us) * 1000;
		return true;
	case PRIMARY_BURSTY:
		if (i == 0 || hv_rng_below(&a->rng, s->burst) == 0)
			a->at_us += -log(1 - hv_rng_uniform(&a->rng, 0, 1)) * s->pause_us;
		a->at_us += s->period_us;
		*at_ns = (uint64_t)(a->at_us * 1000);
		return true;
	case PRIMARY_POISSON:
		a->at_us += -log(1 - hv_rng_uniform(&a->rng, 0, 1)) * 1e6 / s->rate_hz;
		*at_ns = (uint64_t)(a->at_us * 1000);
		return true;
	case PRIMARY_TRACE:
		if (i >= s->n_uses)
			return false;
		*at_ns = s->use[i].start_us * 1000;
		*busy_us = s->use[i].busy_us;
		return true;
	}
	return false;
}

bool primary_arrivals_told(const struct primary_arrivals *a, uint64_t *earliest_us,
			   uint64_t *latest_us)
{
	if (!a->spec->told)
		return false;
	*earliest_us = a->index * a->spec->period_us;
	*latest_us = *earliest_us + a->spec->jitter_us;
	return true;
}
