#include "client/ctl/ctl.h"
#include "client/ctl/in/samples.h"
#include "client/ctl/words.h"
#include "util/json_out.h"
#include "util/own.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

static const enum option_id options[] = { OPT_TASK, OPT_IN, OPT_OUT, OPT_HOP, OPT_DTYPE, OPT_NONE };

enum { STRETCH_MIN = 16 }; /* shorter records are points, not stretches of a signal */

/* How a recording becomes records. */
struct cut {
	const struct harvest_task *task;
	bool is_complex; /* records are [length, 2] */
	uint64_t frames, channels;
	uint32_t length, hop; /* frames of a record; from one record's start to the next's */
	uint32_t records;
	uint64_t padded; /* frames of zeros at the end of the last record */
};

static int find_task(struct ctl *c, const struct harvest_task **task)
{
	const char *names[64], *near;
	size_t n = 0;

	*task = task_find(c->args.task);
	if (*task != NULL)
		return HV_OK;
	for (; n < task_count() && n < HV_ARRAY_SIZE(names); n++)
		names[n] = task_at(n)->name;
	near = word_nearest(names, n, c->args.task);
	return ctl_fail(c, HV_E_INVAL, "unknown task '%.64s'%s%s%s: see 'harvestctl tasks'",
			c->args.task, near ? ", the nearest is '" : "", near ? near : "",
			near ? "'" : "");
}

/* Tasks whose records are stretches of a signal; those of the others are given whole. */
static bool takes_a_stretch(const struct harvest_tensor *in)
{
	bool is_complex = in->ndim == 2 && in->shape[1] == 2;

	return in->dtype == HARVEST_S16 && (in->ndim == 1 || is_complex) &&
	       in->shape[0] >= STRETCH_MIN;
}

/* The file holds whole records: [n, elements], [n, shape...] or, if nothing else makes sense,
 * a flat list of them. */
static bool holds_records(const struct samples *s, const struct harvest_tensor *in)
{
	uint64_t per = 1;

	for (uint32_t i = 1; i < s->ndim; i++)
		per *= s->shape[i];
	return (s->ndim > 1 && per == tensor_elements(in)) || !takes_a_stretch(in);
}

/* Blocks with history (more samples in than out) overlap so that the outputs join. */
static uint32_t usual_hop(const struct harvest_task *t)
{
	if (t->in.ndim == 1 && t->out.ndim == 1 && t->out.shape[0] < t->in.shape[0])
		return t->out.shape[0];
	return t->in.shape[0];
}

static int plan(struct ctl *c, const struct samples *s, struct cut *k)
{
	const struct harvest_tensor *in = &k->task->in;
	uint64_t n;

	k->is_complex = in->ndim == 2 && in->shape[1] == 2;
	k->frames = s->shape[0];
	k->channels = s->ndim == 2 ? s->shape[1] : 1;
	if (s->ndim > 2)
		return ctl_fail(c, HV_E_FORMAT,
				"%s: a recording has the shape [frames] or "
				"[frames, channels]",
				c->args.in);
	k->length = in->shape[0];
	k->hop = c->args.has_hop ? c->args.hop : usual_hop(k->task);
	if (k->frames < k->length)
		return ctl_fail(c, HV_E_FORMAT,
				"%s is too short: it has %llu samples, a record of "
				"'%s' takes %u",
				c->args.in, (unsigned long long)k->frames, k->task->name,
				k->length);
	n = 1 + (k->frames - k->length + k->hop - 1) / k->hop;
	if (n * tensor_bytes(in) > SAMPLES_MAX_BYTES)
		return ctl_fail(c, HV_E_FORMAT,
				"%s makes %llu records, more than the %d MiB of one "
				"job: cut it, or take a larger --hop",
				c->args.in, (unsigned long long)n, SAMPLES_MAX_BYTES >> 20);
	k->records = (uint32_t)n;
	k->padded = (n - 1) * k->hop + k->length - k->frames;
	if (k->hop > k->length && k->padded >= k->length) {
		k->records--; /* the last would be all padding */
		k->padded = 0;
	}
	return HV_OK;
}

/* Record values per frame of the recording: one, or re and im (0 for a mono recording). */
static void cut_records(const struct cut *k, const int16_t *x, int16_t *to)
{
	size_t per = k->is_complex ? 2 : 1;

	for (uint32_t r = 0; r < k->records; r++) {
		for (uint64_t i = 0; i < k->length; i++, to += per) {
			uint64_t frame = (uint64_t)r * k->hop + i;

			if (frame >= k->frames)
				continue;
			to[0] = x[frame * k->channels];
			if (k->is_complex && k->channels >= 2)
				to[1] = x[frame * k->channels + 1];
		}
	}
}

/* j's task and samples into the output file */
static int write_job(struct ctl *c, struct job_file *job)
{
	hv_autofree uint8_t *file = NULL;
	size_t len;
	int err = job_file_build(job, c->args.in, &file, &len);

	if (err != HV_OK)
		return err;
	if (strcmp(c->args.out, "-") == 0)
		return fwrite(file, 1, len, stdout) == len ? HV_OK : HV_E_IO;
	err = hv_file_write(c->args.out, file, len);
	return err == HV_OK
		       ? HV_OK
		       : ctl_fail(c, HV_E_IO, "cannot write %s: %s", c->args.out, strerror(errno));
}

static int build(struct ctl *c, const struct samples *s, const struct cut *k)
{
	struct job_file job = { .records = k->records, .in = k->task->in };
	int err;

	strcpy(job.task, k->task->name);
	job.samples.bytes = k->records * tensor_bytes(&k->task->in);
	job.samples.data = calloc(1, job.samples.bytes);
	if (job.samples.data == NULL)
		return HV_E_NOMEM;
	cut_records(k, (const int16_t *)(const void *)s->data, (int16_t *)(void *)job.samples.data);
	err = write_job(c, &job);
	samples_free(&job.samples);
	return err;
}

static void say(const struct ctl *c, const struct cut *k)
{
	struct hv_json j = hv_json_begin(stdout);
	FILE *to = strcmp(c->args.out, "-") == 0 ? stderr : stdout;

	if (!c->args.json) {
		fprintf(to, "%s: %u records for %s from %llu samples, hop %u%s", c->args.out,
			k->records, k->task->name, (unsigned long long)k->frames, k->hop,
			k->padded ? "" : "\n");
		if (k->padded > 0)
			fprintf(to, ", the last one padded with %llu zeros\n",
				(unsigned long long)k->padded);
		return;
	}
	hv_json_object(&j, NULL);
	hv_json_str(&j, "file", c->args.out);
	hv_json_str(&j, "task", k->task->name);
	hv_json_u64(&j, "records", k->records);
	hv_json_u64(&j, "samples", k->frames);
	hv_json_u64(&j, "hop", k->hop);
	hv_json_u64(&j, "padded", k->padded);
	hv_json_end_object(&j);
	hv_json_finish(&j);
}

static int pack(struct ctl *c, const struct harvest_task *task, struct samples *s)
{
	struct cut k = { .task = task };
	struct reason why;
	bool converted;
	int err = plan(c, s, &k);

	if (err != HV_OK)
		return err;
	err = samples_convert(s, HARVEST_S16, &converted, &why);
	if (err != HV_OK)
		return ctl_fail(c, err, "%s: %s", c->args.in, why.text);
	if (converted)
		ctl_note("%s: samples rounded to int16", c->args.in);
	if (k.channels > (k.is_complex ? 2u : 1u))
		ctl_note("%s has %llu channels, the first %s used", c->args.in,
			 (unsigned long long)k.channels, k.is_complex ? "two are" : "is");
	err = build(c, s, &k);
	if (err == HV_OK)
		say(c, &k);
	return err;
}

/* Records as they are, converted to the task's type. */
static int pack_records(struct ctl *c, const struct harvest_task *task, struct samples *s)
{
	struct cut k = { .task = task, .hop = 1 };
	struct job_file job = { .in = task->in };
	uint64_t values = samples_count(s);
	struct reason why;
	bool converted;
	int err = HV_OK;

	if (c->args.has_hop)
		return ctl_fail(c, HV_E_INVAL,
				"%s holds whole records of '%s': --hop is for recordings",
				c->args.in, task->name);
	err = samples_to_records(s, &task->in, &job.records, &converted, &why);
	if (err != HV_OK)
		return ctl_fail(c, err, "%s: %s", c->args.in, why.text);
	if (converted)
		ctl_note("%s: samples rounded to %s", c->args.in, dtype_text(task->in.dtype));
	strcpy(job.task, task->name);
	job.samples = *s; /* borrowed: freed by the caller */
	err = write_job(c, &job);
	k.records = job.records;
	k.frames = values;
	if (err == HV_OK)
		say(c, &k);
	return err;
}

static int run(struct ctl *c)
{
	const struct args *a = &c->args;
	const struct harvest_task *task;
	struct job_file file = { .records = 0 };
	bool is_job = false;
	int err;

	if (a->task == NULL || a->in == NULL || a->out == NULL)
		return ctl_fail(c, HV_E_INVAL,
				"pack needs --task, --in and -o: see 'harvestctl pack "
				"--help'");
	if (a->json && strcmp(a->out, "-") == 0)
		return ctl_fail(c, HV_E_INVAL,
				"--json and -o - both want stdout: write the job to "
				"a file");
	err = find_task(c, &task);
	if (err != HV_OK)
		return err;
	err = samples_load(a->in, (enum harvest_dtype)a->dtype, &file, &is_job, &c->why);
	if (err == HV_OK && is_job)
		err = ctl_fail(c, HV_E_FORMAT, "%s is a job file already: submit it", a->in);
	if (err == HV_OK)
		err = holds_records(&file.samples, &task->in) ? pack_records(c, task, &file.samples)
							      : pack(c, task, &file.samples);
	samples_free(&file.samples);
	return err;
}

const struct verb verb_pack = {
	.name = "pack",
	.words = "",
	.about = "cut a recording into the records of a job file",
	.more = "Record i starts at sample i*HOP (usual HOP: the record's length; for tasks with "
		"history, their\noutput's, 64 for fir32). The last record is padded with zeros. "
		"Complex tasks take stereo as\nre, im and mono as re, 0; real ones the first "
		"channel. A file of shape [n, record...], and any file for tasks on points and "
		"pictures, holds\nwhole records. No daemon is needed.\n",
	.min_words = 0,
	.max_words = 0,
	.options = options,
	.run = run,
};
