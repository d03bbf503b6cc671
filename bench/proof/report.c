#include "bench/proof/report.h"
#include "util/json_out.h"
#include <inttypes.h>

static struct {
	bool json;
	struct hv_json out;
	unsigned trials, failed;
	double modelled_s, wall_s;
} report;

static void head(const char *weights)
{
	if (weights != NULL)
		printf("Primary: KWS20 v3 (%s), another input each time. Times are modelled: "
		       "accelerator 50 MHz,\nbus %u ns a write and %u ns a read (the vendor "
		       "generator's budgets, not measured on a board).\n\n",
		       weights, CNN_BUS_WRITE_NS, CNN_BUS_READ_NS);
	printf("%-9s %-7s %9s %7s  %24s  %9s  %8s %9s %9s %6s  %s\n", "trace", "load", "inferences",
	       "differ", "added wait, us", "end later", "aborted", "jobs", "records", "idle", "");
	printf("%-9s %-7s %9s %7s  %8s %7s %7s  %9s  %8s %9s %9s %6s\n", "", "", "", "", "worst",
	       "p99.9", "mean", "worst, us", "", "done", "", "used");
}

void report_begin(bool json, const char *weights)
{
	report.json = json;
	report.trials = report.failed = 0;
	report.modelled_s = report.wall_s = 0;
	if (!json) {
		head(weights);
		return;
	}
	report.out = hv_json_begin(stdout);
	hv_json_object(&report.out, NULL);
	hv_json_str(&report.out, "weights", weights);
	hv_json_u64(&report.out, "bus_write_ns", CNN_BUS_WRITE_NS);
	hv_json_u64(&report.out, "bus_read_ns", CNN_BUS_READ_NS);
	hv_json_array(&report.out, "trials");
}

static void json_trial(const struct trial *r)
{
	const struct comparison *c = &r->c;
	const struct {
		const char *key;
		uint64_t v;
	} numbers[] = {
		{ "inferences", c->inferences },
		{ "missing", c->missing },
		{ "differing", c->differing },
		{ "waited", c->waited },
		{ "wait_max_ns", c->wait_max_ns },
		{ "wait_p999_ns", c->wait_p999_ns },
		{ "end_later_max_ns", c->shift_max_ns },
		{ "end_later_p999_ns", c->shift_p999_ns },
		{ "wait_bound_us", r->bound_us },
		{ "intrusions", r->intrusions },
		{ "harvested_inferences", r->runs },
		{ "stopped_inferences", r->stopped },
		{ "aborted_runs", r->aborted },
		{ "jobs_sent", r->jobs },
		{ "jobs_done", r->good },
		{ "jobs_wrong", r->wrong },
		{ "jobs_refused", r->failed },
		{ "jobs_answered_twice", r->strays },
		{ "jobs_never_answered", r->lost },
		{ "jobs_dropped_with_their_link_life", r->dropped },
		{ "records", r->records },
		{ "loads", r->loads },
		{ "evictions", r->evictions },
		{ "loads_refused", r->refusals },
		{ "garbage_bytes", r->garbage_bytes },
		{ "hostile_messages", r->hostile_messages },
		{ "link_lives", r->lives },
	};

	hv_json_object(&report.out, NULL);
	hv_json_str(&report.out, "trace", r->trace->name);
	hv_json_str(&report.out, "load", load_text(r->load));
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		hv_json_u64(&report.out, numbers[i].key, numbers[i].v);
	hv_json_f64(&report.out, "wait_mean_ns", c->wait_mean_ns);
	hv_json_f64(&report.out, "idle_used", r->share);
	hv_json_f64(&report.out, "idle_computing", r->computing);
	hv_json_f64(&report.out, "modelled_s", r->modelled_s);
	hv_json_f64(&report.out, "wall_s", r->wall_s);
	hv_json_bool(&report.out, "passed", r->why[0] == '\0');
	hv_json_str(&report.out, "why", r->why);
	hv_json_end_object(&report.out);
}

void report_trial(const struct trial *r)
{
	const struct comparison *c = &r->c;

	report.trials++;
	report.failed += r->why[0] != '\0';
	report.modelled_s += r->modelled_s;
	report.wall_s += r->wall_s;
	if (report.json) {
		json_trial(r);
		return;
	}
	printf("%-9s %-7s %9" PRIu64 " %7" PRIu64 "  %8.2f %7.2f %7.3f  %9.2f  %8" PRIu64
	       " %9" PRIu64 " %9" PRIu64 " %5.1f%%  %s%s\n",
	       r->trace->name, load_text(r->load), c->inferences, c->differing,
	       (double)c->wait_max_ns / 1e3, (double)c->wait_p999_ns / 1e3, c->wait_mean_ns / 1e3,
	       (double)c->shift_max_ns / 1e3, r->aborted, r->good, r->records, 100 * r->share,
	       r->why[0] != '\0' ? "FAILED: " : "passed", r->why);
	fflush(stdout);
}

void report_end(void)
{
	if (report.json) {
		hv_json_end_array(&report.out);
		hv_json_u64(&report.out, "failed", report.failed);
		hv_json_end_object(&report.out);
		hv_json_finish(&report.out);
		return;
	}
	printf("\n%u trials, %u failed; %.0f s modelled in %.1f s\n", report.trials, report.failed,
	       report.modelled_s, report.wall_s);
}
