#include "sim/ring.h"
#include "util/own.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { WRITE_AHEAD = 64, RATE_MAX_HZ = 10000000 };

/* -- the recording ----------------------------------------------------------------------- */

struct recording {
	const uint8_t *bytes; /* samples inside the file */
	size_t n;
	unsigned channels;
	double rate_hz; /* 0: the file does not say */
};

static uint32_t le(const uint8_t *p, unsigned n)
{
	uint32_t v = 0;

	while (n-- > 0)
		v = v << 8 | p[n];
	return v;
}

static const char *read_wav(const uint8_t *file, size_t n, struct recording *r)
{
	size_t at = 12;
	bool format = false;

	if (n < 12 || memcmp(file, "RIFF", 4) != 0 || memcmp(file + 8, "WAVE", 4) != 0)
		return "is not a WAV file";
	while (n - at >= 8) {
		size_t len = le(file + at + 4, 4);
		const uint8_t *body = file + at + 8;

		if (len > n - at - 8)
			len = n - at - 8; /* a recorder that was stopped leaves such files */
		if (memcmp(file + at, "fmt ", 4) == 0 && len >= 16) {
			if (le(body, 2) != 1 || le(body + 14, 2) != 16)
				return "is not 16 bit PCM";
			r->channels = le(body + 2, 2);
			r->rate_hz = le(body + 4, 4);
			format = true;
		} else if (memcmp(file + at, "data", 4) == 0 && format) {
			r->bytes = body;
			r->n = len;
			return NULL;
		}
		at += 8 + len + (len & 1);
		if (at > n)
			break;
	}
	return "has no samples";
}

static const char *read_npy(const uint8_t *file, size_t n, struct recording *r)
{
	char header[1024];
	unsigned long rows = 0, columns = 1;
	const char *shape;
	size_t len;

	if (n < 10 || memcmp(file, "\x93NUMPY\x01", 7) != 0)
		return "is not an .npy file of version 1";
	len = le(file + 8, 2);
	if (len >= sizeof(header) || len > n - 10)
		return "has a header that does not fit";
	memcpy(header, file + 10, len);
	header[len] = '\0';
	shape = strstr(header, "'shape': (");
	if (strstr(header, "'<i2'") == NULL || strstr(header, "False") == NULL || shape == NULL)
		return "is not an array of int16 in C order";
	if (sscanf(shape, "'shape': (%lu, %lu)", &rows, &columns) < 1 || columns > 16)
		return "has a shape other than (samples,) or (samples, channels)";
	r->channels = columns > 0 ? (unsigned)columns : 1;
	r->bytes = file + 10 + len;
	r->n = n - 10 - len;
	return NULL;
}

static bool ends(const char *text, const char *with)
{
	size_t n = strlen(text), m = strlen(with);

	return n >= m && strcmp(text + n - m, with) == 0;
}

static int read_file(const char *path, uint8_t **bytes, size_t *n, char *why, size_t cap)
{
	FILE *f = fopen(path, "re");
	struct stat st;

	if (f == NULL || fstat(fileno(f), &st) < 0 || !S_ISREG(st.st_mode) ||
	    st.st_size > SIM_RING_FILE_MAX) {
		snprintf(why, cap, "cannot read %s: %s", path,
			 f == NULL ? strerror(errno) : "not a file of at most 64 MiB");
		if (f != NULL)
			fclose(f);
		return HV_E_IO;
	}
	*n = (size_t)st.st_size;
	*bytes = malloc(*n + 1);
	if (*bytes != NULL)
		*n = fread(*bytes, 1, *n, f);
	fclose(f);
	if (*bytes != NULL)
		return HV_OK;
	snprintf(why, cap, "out of memory");
	return HV_E_NOMEM;
}

static int load(struct sim_ring *r, const char *path, char *why, size_t cap)
{
	hv_autofree uint8_t *file = NULL;
	struct recording rec = { .channels = r->channels != 0 ? r->channels : 1 };
	const char *problem = NULL;
	size_t n;
	int err = read_file(path, &file, &n, why, cap);

	if (err != HV_OK)
		return err;
	rec.bytes = file;
	rec.n = n;
	if (ends(path, ".wav"))
		problem = read_wav(file, n, &rec);
	else if (ends(path, ".npy"))
		problem = read_npy(file, n, &rec);
	if (problem == NULL && (rec.channels < 1 || rec.channels > 16))
		problem = "has more than 16 channels";
	if (problem == NULL && r->channels != 0 && r->channels != rec.channels)
		problem = "has another number of channels than the option says";
	if (problem == NULL && rec.n / (2 * rec.channels) == 0)
		problem = "has no samples";
	if (problem != NULL) {
		snprintf(why, cap, "%s %s", path, problem);
		return HV_E_FORMAT;
	}
	r->channels = (uint8_t)rec.channels;
	r->recorded = rec.n / (2 * rec.channels);
	if (r->rate_hz <= 0)
		r->rate_hz = rec.rate_hz > 0 ? rec.rate_hz : 16000;
	r->recording = malloc(r->recorded * rec.channels * 2);
	r->memory = calloc(r->samples, rec.channels * sizeof(*r->memory));
	if (r->recording == NULL || r->memory == NULL) {
		snprintf(why, cap, "out of memory");
		return HV_E_NOMEM;
	}
	for (size_t i = 0; i < r->recorded * rec.channels; i++)
		r->recording[i] = (int16_t)le(rec.bytes + 2 * i, 2);
	return HV_OK;
}

/* -- the option -------------------------------------------------------------------------- */

static int bad(const char *text, char *why, size_t cap)
{
	snprintf(why, cap,
		 "--buffer \"%s\": NAME=FILE[,rate_hz=X][,samples=N][,channels=N] is wanted, NAME "
		 "of at most 15 of a-z 0-9 - _ . and 128 to 16777216 samples",
		 text);
	return HV_E_INVAL;
}

/* One word after the file; false: it means nothing. */
static bool set_word(struct sim_ring *r, const char *word)
{
	double rate;
	unsigned long v;
	char end;

	if (sscanf(word, "rate_hz=%lf%c", &rate, &end) == 1 && rate > 0 && rate <= RATE_MAX_HZ)
		r->rate_hz = rate;
	else if (sscanf(word, "samples=%lu%c", &v, &end) == 1 && v >= 128 && v <= 1 << 24)
		r->samples = (uint32_t)v;
	else if (sscanf(word, "channels=%lu%c", &v, &end) == 1 && v >= 1 && v <= 16)
		r->channels = (uint8_t)v;
	else
		return false;
	return true;
}

int sim_ring_parse(const char *text, struct sim_ring *r, char *why, size_t cap)
{
	size_t name = strcspn(text, "="), path;
	hv_autofree char *words = strdup(text);
	char *save = NULL;
	int err;

	*r = (struct sim_ring){ .samples = SIM_RING_SAMPLES,
				.write_ahead = WRITE_AHEAD,
				.number = -1 };
	if (words == NULL || name < 1 || name > AG_NAME_MAX || text[name] != '=')
		return bad(text, why, cap);
	memcpy(r->name, text, name);
	path = strcspn(words + name + 1, ",");
	if (path == 0)
		return bad(text, why, cap);
	if (words[name + 1 + path] != '\0') {
		words[name + 1 + path] = '\0';
		for (char *w = strtok_r(words + name + path + 2, ",", &save); w != NULL;
		     w = strtok_r(NULL, ",", &save))
			if (!set_word(r, w))
				return bad(text, why, cap);
	}
	err = load(r, words + name + 1, why, cap);
	if (err != HV_OK)
		sim_ring_clear(r);
	return err;
}

void sim_ring_clear(struct sim_ring *r)
{
	free(r->recording);
	free(r->memory);
	r->recording = r->memory = NULL;
}

/* -- in modelled time -------------------------------------------------------------------- */

int sim_ring_register(struct sim_ring *r, struct agent *a)
{
	struct agent_buffer b = {
		.name = r->name,
		.dtype = AGENT_S16,
		.channels = r->channels,
		.samples = r->samples,
		.write_ahead = r->write_ahead,
		.rate_millihz = (uint32_t)(r->rate_hz * 1000 > UINT32_MAX ? 0 : r->rate_hz * 1000),
		.memory = r->memory
	};

	r->written = 0;
	r->number = agent_buffer_register(a, &b);
	return r->number < 0 ? r->number : HV_OK;
}

void sim_ring_advance(struct sim_ring *r, struct agent *a, uint64_t up_ns)
{
	uint64_t now = (uint64_t)((double)up_ns * r->rate_hz / 1e9), from = r->written;

	if (now <= from)
		return;
	if (now - from > r->samples) /* what would be overwritten again need not be written */
		from = now - r->samples;
	for (; from < now; from++)
		memcpy(r->memory + (from % r->samples) * r->channels,
		       r->recording + (from % r->recorded) * r->channels, 2u * r->channels);
	agent_buffer_advance(a, r->number, (uint32_t)(now - r->written));
	r->written = now;
}
