#include "client/ctl/result_out.h"
#include "client/ctl/table.h"
#include "tasks/catalog.h"
#include "tasks/metric.h"
#include "util/own.h"
#include <string.h>

static void json_parts(struct hv_json *j, const struct result *r)
{
	hv_json_array(j, "parts");
	for (size_t i = 0; i < r->n_parts; i++) {
		const harvest_part *p = &r->parts[i];
		bool board = strcmp(p->where, "board") == 0;

		hv_json_object(j, NULL);
		hv_json_str(j, "where", p->where);
		if (board) {
			hv_json_str(j, "board", p->board);
			hv_json_str(j, "model", p->model);
		}
		hv_json_u64(j, "records", p->records);
		if (board || p->records_retried > 0)
			hv_json_u64(j, "records_retried", p->records_retried);
		hv_json_end_object(j);
	}
	hv_json_end_array(j);
}

static void json_error(struct hv_json *j, const struct result *r, const struct verified *v)
{
	hv_json_object(j, "error");
	hv_json_str(j, "metric", r->metric);
	if (r->has_certified)
		hv_json_f64(j, "certified", r->certified);
	else
		hv_json_null(j, "certified");
	if (r->has_budget)
		hv_json_f64(j, "budget", r->budget);
	else
		hv_json_null(j, "budget");
	if (v->done)
		hv_json_f64(j, "measured", v->value);
	hv_json_end_object(j);
}

void result_print_json(const struct result *r, const struct verified *v)
{
	struct hv_json j = hv_json_begin(stdout);

	hv_json_object(&j, NULL);
	hv_json_str(&j, "job", r->job);
	hv_json_str(&j, "task", r->task);
	hv_json_u64(&j, "records", r->records);
	hv_json_bool(&j, "ok", r->ok);
	hv_json_str(&j, "state", r->state);
	if (!r->ok && r->code < 0)
		hv_json_str(&j, "code", hv_err_name(r->code));
	if (r->has_first_sample)
		hv_json_u64(&j, "first_sample", r->first_sample);
	json_parts(&j, r);
	json_error(&j, r, v);
	hv_json_object(&j, "time_us");
	hv_json_u64(&j, "admit", r->admit_us);
	hv_json_u64(&j, "queue", r->queue_us);
	hv_json_u64(&j, "transfer", r->transfer_us);
	hv_json_u64(&j, "compute", r->compute_us);
	hv_json_u64(&j, "deliver", r->deliver_us);
	hv_json_u64(&j, "total", r->total_us);
	hv_json_end_object(&j);
	hv_json_object(&j, "energy_uj");
	hv_json_f64(&j, "board_modelled", r->board_energy_uj);
	hv_json_f64(&j, "cpu_modelled", r->cpu_energy_uj);
	hv_json_end_object(&j);
	hv_json_str(&j, "why", r->why);
	hv_json_end_object(&j);
	hv_json_finish(&j);
}

static void text_parts(FILE *to, const struct result *r)
{
	for (size_t i = 0; i < r->n_parts; i++) {
		const harvest_part *p = &r->parts[i];

		fprintf(to, "%s%u on ", i ? ", " : " ", p->records);
		if (strcmp(p->where, "board") == 0)
			fprintf(to, "%s (%s)", p->board, p->model);
		else
			fprintf(to, "the CPU");
		if (p->records_retried > 0)
			fprintf(to, ", %u retried", p->records_retried);
	}
}

static void text_error(FILE *to, const struct result *r, const struct verified *v)
{
	char text[64];

	fprintf(to, "; certified %s",
		error_text(r->metric, !r->has_certified, r->certified, text, sizeof(text)));
	if (r->has_budget)
		fprintf(to, " (budget %s)",
			error_text(r->metric, r->budget == 0, r->budget, text, sizeof(text)));
	if (v->done)
		fprintf(to, ", measured %s",
			error_text(r->metric, 0, v->value, text, sizeof(text)));
}

static const char *uj_text(double uj, char *to, size_t cap)
{
	if (uj < 999.5)
		snprintf(to, cap, "%.3g uJ", uj);
	else if (uj < 999.5e3)
		snprintf(to, cap, "%.3g mJ", uj / 1e3);
	else
		snprintf(to, cap, "%.3g J", uj / 1e6);
	return to;
}

void result_print_text(FILE *to, const struct result *r, const struct verified *v, bool dry_run)
{
	char t[6][32], e[2][32];

	if (dry_run) {
		fprintf(to, "%s: %u records would run:", r->task, r->records);
		text_parts(to, r);
		text_error(to, r, v);
		fprintf(to, "\nwhy: %s\n", r->why);
		return;
	}
	fprintf(to, "%s: %u records in %s:", r->task, r->records,
		us_text(r->total_us, t[0], sizeof(t[0])));
	text_parts(to, r);
	text_error(to, r, v);
	fprintf(to, "; modelled energy %s board, %s CPU\n",
		uj_text(r->board_energy_uj, e[0], sizeof(e[0])),
		uj_text(r->cpu_energy_uj, e[1], sizeof(e[1])));
	fprintf(to, "  time: admit %s, queue %s, transfer %s, compute %s, deliver %s; job %s\n",
		us_text(r->admit_us, t[1], sizeof(t[1])), us_text(r->queue_us, t[2], sizeof(t[2])),
		us_text(r->transfer_us, t[3], sizeof(t[3])),
		us_text(r->compute_us, t[4], sizeof(t[4])),
		us_text(r->deliver_us, t[5], sizeof(t[5])), r->job);
}

int result_verify(const char *task, const void *in, size_t in_bytes, const void *out,
		  size_t out_bytes, struct verified *v)
{
	const struct harvest_task *t = task_find(task);
	size_t n = t != NULL ? tensor_elements(&t->out) : 0, records;
	hv_autofree double *ref = NULL, *got = NULL;
	struct hv_metric m;

	if (t == NULL)
		return HV_E_NOENT;
	records = in_bytes / tensor_bytes(&t->in);
	if (records * tensor_bytes(&t->in) != in_bytes ||
	    records * tensor_bytes(&t->out) != out_bytes)
		return HV_E_FORMAT;
	ref = calloc(n, sizeof(*ref));
	got = calloc(n, sizeof(*got));
	if (ref == NULL || got == NULL)
		return HV_E_NOMEM;
	m = hv_metric_begin_of(t);
	for (size_t i = 0; i < records; i++) {
		const uint8_t *record = (const uint8_t *)in + i * tensor_bytes(&t->in);

		t->reference(record, ref);
		tensor_to_double(&t->out, (const uint8_t *)out + i * tensor_bytes(&t->out), got);
		hv_metric_add_of(&m, t, record, ref, got);
	}
	*v = (struct verified){ .done = true, .value = hv_metric_value(&m) };
	return HV_OK;
}
