#include "client/ctl/in/samples.h"
#include "client/lib/request.h"
#include "proto/ipc_frame.h"
#include "util/fs/rd.h"
#include "util/fs/wr.h"
#include "util/own.h"
#include <math.h>
#include <string.h>

/* "HJB1", u32 header length, JobHeader of harvest.proto, then the records. */
enum { JOB_PREFIX = 8, JOB_FORMAT = 1 };
static const char job_magic[4] = { 'H', 'J', 'B', '1' };

bool job_file_is(const uint8_t *file, size_t len)
{
	return len >= sizeof(job_magic) && memcmp(file, job_magic, sizeof(job_magic)) == 0;
}

static int bad(struct reason *why, const char *what)
{
	reason_set(why, "the job file %s: make it anew with 'harvestctl pack'", what);
	return HV_E_FORMAT;
}

static int check_shape(const Hv__JobHeader *h, struct job_file *j, struct reason *why)
{
	j->in = (struct harvest_tensor){ .dtype = (enum harvest_dtype)h->in_dtype };
	if (dtype_bytes(j->in.dtype) == 0)
		return bad(why, "names an unknown sample type");
	if (h->n_in_shape < 1 || h->n_in_shape > HARVEST_MAX_DIMS)
		return bad(why, "has records of a shape nothing takes");
	j->in.ndim = (uint32_t)h->n_in_shape;
	for (uint32_t i = 0; i < j->in.ndim; i++) {
		if (h->in_shape[i] == 0 || h->in_shape[i] > 1 << 20)
			return bad(why, "has records of a shape nothing takes");
		j->in.shape[i] = h->in_shape[i];
	}
	return HV_OK;
}

static int check_header(const Hv__JobHeader *h, struct job_file *j, struct reason *why)
{
	if (h->format != JOB_FORMAT) {
		reason_set(why,
			   "the job file is of format %u, this program reads %d: use a newer "
			   "harvestctl",
			   h->format, JOB_FORMAT);
		return HV_E_FORMAT;
	}
	if (h->task[0] == '\0' || strlen(h->task) >= sizeof(j->task))
		return bad(why, "names no task");
	if (h->records == 0)
		return bad(why, "holds no records");
	if (h->has_budget && (!isfinite(h->max_error) || h->max_error < 0))
		return bad(why, "has an error budget that is no number");
	strcpy(j->task, h->task);
	j->records = h->records;
	j->has_budget = h->has_budget;
	j->max_error = h->max_error;
	j->has_deadline = h->has_deadline;
	j->deadline_us = h->deadline_us;
	return check_shape(h, j, why);
}

static int take_records(struct job_file *j, const struct hv_rd *r, struct reason *why)
{
	uint64_t want = dtype_bytes(j->in.dtype);
	size_t left = hv_rd_left(r);
	bool fits = !__builtin_mul_overflow(want, j->records, &want);

	for (uint32_t i = 0; fits && i < j->in.ndim; i++)
		fits = !__builtin_mul_overflow(want, j->in.shape[i], &want);
	if (!fits || want != left) {
		reason_set(why,
			   "the job file is %s: its header promises %u records, %llu bytes, "
			   "and %zu bytes follow",
			   fits && want < left ? "too long" : "truncated", j->records,
			   fits ? (unsigned long long)want : ULLONG_MAX, left);
		return HV_E_FORMAT;
	}
	j->samples = (struct samples){
		.kind = "job file", .dtype = j->in.dtype, .ndim = j->in.ndim + 1, .bytes = left
	};
	j->samples.shape[0] = j->records;
	for (uint32_t i = 0; i < j->in.ndim; i++)
		j->samples.shape[i + 1] = j->in.shape[i];
	j->samples.data = malloc(left);
	if (j->samples.data == NULL) {
		reason_set(why, "out of memory for %zu bytes of records", left);
		return HV_E_NOMEM;
	}
	memcpy(j->samples.data, r->p, left);
	return HV_OK;
}

int job_file_parse(const uint8_t *file, size_t len, struct job_file *j, struct reason *why)
{
	struct hv_rd r = hv_rd_init(file, len);
	struct bounded_unpack u;
	const Hv__JobHeader *h;
	const uint8_t *bytes;
	uint32_t header_len;
	int err;

	*j = (struct job_file){ .records = 0 };
	hv_rd_bytes(&r, sizeof(job_magic));
	header_len = hv_rd_u32(&r);
	if (!r.ok || !job_file_is(file, len))
		return bad(why, "is truncated before its header");
	bytes = header_len <= IPC_MSG_MAX ? hv_rd_bytes(&r, header_len) : NULL;
	if (bytes == NULL)
		return bad(why, "is truncated inside its header");
	h = bounded_unpack(&u, &hv__job_header__descriptor, bytes, header_len);
	err = h != NULL ? check_header(h, j, why) : bad(why, "has a damaged header");
	bounded_unpack_free(&u);
	return err == HV_OK ? take_records(j, &r, why) : err;
}

int job_file_build(const struct job_file *j, const char *source, uint8_t **file, size_t *len)
{
	Hv__JobHeader h = HV__JOB_HEADER__INIT;
	uint32_t shape[HARVEST_MAX_DIMS];
	hv_autofree char *task = strdup(j->task), *from = strdup(source);
	size_t n;
	struct hv_wr w;
	uint8_t *to;

	if (task == NULL || from == NULL)
		return HV_E_NOMEM;
	memcpy(shape, j->in.shape, sizeof(shape));
	h.format = JOB_FORMAT;
	h.task = task;
	h.records = j->records;
	h.in_dtype = j->in.dtype;
	h.n_in_shape = j->in.ndim;
	h.in_shape = shape;
	h.has_budget = j->has_budget;
	h.max_error = j->max_error;
	h.has_deadline = j->has_deadline;
	h.deadline_us = j->deadline_us;
	h.source = from;
	n = hv__job_header__get_packed_size(&h);
	if (n > IPC_MSG_MAX)
		return HV_E_INVAL;
	to = malloc(JOB_PREFIX + n + j->samples.bytes);
	if (to == NULL)
		return HV_E_NOMEM;
	w = hv_wr_init(to, JOB_PREFIX + n + j->samples.bytes);
	hv_wr_bytes(&w, job_magic, sizeof(job_magic));
	hv_wr_u32(&w, (uint32_t)n);
	hv__job_header__pack(&h, to + JOB_PREFIX);
	memcpy(to + JOB_PREFIX + n, j->samples.data, j->samples.bytes);
	*file = to;
	*len = JOB_PREFIX + n + j->samples.bytes;
	return HV_OK;
}
