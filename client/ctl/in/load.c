#include "client/ctl/in/samples.h"
#include "util/own.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void samples_free(struct samples *s)
{
	free(s->data);
	s->data = NULL;
	s->bytes = 0;
}

uint64_t samples_count(const struct samples *s)
{
	return s->bytes / dtype_bytes(s->dtype);
}

bool tensor_parse(const char *text, struct harvest_tensor *t)
{
	char name[16];
	size_t n = strcspn(text, "[");
	const char *p = text + n;

	*t = (struct harvest_tensor){ .ndim = 0 };
	if (n >= sizeof(name) || *p != '[')
		return false;
	memcpy(name, text, n);
	name[n] = '\0';
	t->dtype = dtype_find(name);
	for (p++; t->dtype != 0 && t->ndim < HARVEST_MAX_DIMS; p++) {
		char *end;
		unsigned long v = strtoul(p, &end, 10);

		if (end == p || *p == '-' || *p == '+' || v == 0 || v > 1 << 20)
			return false;
		t->shape[t->ndim++] = (uint32_t)v;
		p = end;
		if (*p == ']')
			return p[1] == '\0';
		if (*p != ',')
			return false;
	}
	return false;
}

int raw_parse(const uint8_t *file, size_t len, enum harvest_dtype dtype, struct samples *s,
	      struct reason *why)
{
	*s = (struct samples){ .kind = "raw file", .dtype = dtype, .ndim = 1 };
	if (len % dtype_bytes(dtype) != 0) {
		reason_set(why,
			   "the raw file has %zu bytes, which is no whole number of %s samples",
			   len, dtype_text(dtype));
		return HV_E_FORMAT;
	}
	s->data = malloc(len);
	if (s->data == NULL) {
		reason_set(why, "out of memory for %zu bytes of samples", len);
		return HV_E_NOMEM;
	}
	memcpy(s->data, file, len);
	s->bytes = len;
	s->shape[0] = len / dtype_bytes(dtype);
	return HV_OK;
}

static bool starts(const uint8_t *file, size_t len, const char *magic)
{
	return len >= strlen(magic) && memcmp(file, magic, strlen(magic)) == 0;
}

static bool has_suffix(const char *path, const char *suffix)
{
	size_t n = strlen(path), m = strlen(suffix);

	return n >= m && strcasecmp(path + n - m, suffix) == 0;
}

static bool has_sound_magic(const uint8_t *file, size_t len)
{
	static const char *const magic[] = { "RIFF", "RIFX", "RF64", "fLaC", "OggS", "FORM" };

	for (size_t i = 0; i < HV_ARRAY_SIZE(magic); i++)
		if (starts(file, len, magic[i]))
			return true;
	return false;
}

static bool has_sound_name(const char *path)
{
	static const char *const suffix[] = { ".wav", ".flac", ".ogg", ".aiff", ".aif", ".au" };

	for (size_t i = 0; i < HV_ARRAY_SIZE(suffix); i++)
		if (has_suffix(path, suffix[i]))
			return true;
	return false;
}

static int parse_any(const char *path, const uint8_t *file, size_t len, enum harvest_dtype dtype,
		     struct job_file *job, struct reason *why)
{
	if (job_file_is(file, len))
		return job_file_parse(file, len, job, why);
	if (starts(file, len, "\x93NUMPY") || has_suffix(path, ".npy"))
		return npy_parse(file, len, &job->samples, why);
	if (has_suffix(path, ".csv") || has_suffix(path, ".txt"))
		return csv_parse(file, len, &job->samples, why);
	if (has_sound_magic(file, len) || (dtype == 0 && has_sound_name(path)))
		return wav_parse(file, len, &job->samples, why);
	if (dtype != 0)
		return raw_parse(file, len, dtype, &job->samples, why);
	reason_set(why, "it is no job file, .npy, .wav or .csv: say what its raw samples are with "
			"--dtype");
	return HV_E_FORMAT;
}

static int read_failed(int err, struct reason *why)
{
	switch (err) {
	case HV_E_NOENT: reason_set(why, "there is no such file"); break;
	case HV_E_DENIED: reason_set(why, "no permission to read it"); break;
	case HV_E_NOMEM: reason_set(why, "out of memory"); return err;
	case HV_E_FORMAT:
		reason_set(why, "it is no regular file or pipe, or longer than %d MiB: cut it",
			   SAMPLES_FILE_MAX_BYTES >> 20);
		break;
	default: reason_set(why, "it cannot be read: %s", hv_err_text(err));
	}
	return HV_E_FORMAT;
}

int samples_load(const char *path, enum harvest_dtype dtype, struct job_file *job, bool *is_job,
		 struct reason *why)
{
	hv_autofree uint8_t *file = NULL;
	struct reason detail;
	size_t len = 0;
	int err = hv_file_read(path, SAMPLES_FILE_MAX_BYTES, &file, &len);

	*job = (struct job_file){ .records = 0 };
	if (err != HV_OK) {
		err = read_failed(err, &detail);
	} else if (len == 0) {
		reason_set(&detail, "it is empty");
		err = HV_E_FORMAT;
	} else {
		err = parse_any(path, file, len, dtype, job, &detail);
	}
	if (err == HV_OK && dtype != 0 && job->samples.dtype != dtype) {
		reason_set(&detail, "its samples are %s, --dtype says %s: leave --dtype away",
			   dtype_text(job->samples.dtype), dtype_text(dtype));
		samples_free(&job->samples);
		err = HV_E_FORMAT;
	}
	if (err != HV_OK) {
		reason_set(why, "%s: %s", strcmp(path, "-") == 0 ? "standard input" : path,
			   detail.text);
		return err;
	}
	*is_job = job_file_is(file, len);
	return HV_OK;
}
