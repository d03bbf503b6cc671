/* The suite's packages, verified on fresh records and priced: one row a package, and what that
 * means for each task. Usage: suite RECORDS PACKAGE...
 *
 * Time of the exact code and of host work: cycles on a Cortex-M4F at 100 MHz; of the
 * accelerator: cycles of a record in a batch at 50 MHz; of the transfer: bus accesses between
 * that processor and the accelerator's memory. All modelled; errors are measured. */
#include "accel/arch.h"
#include "nas/certify.h"
#include "tasks/catalog.h"
#include "tasks/metric.h"
#include "util/own.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FRESH_STREAM = 1009, TASKS_MAX = 64, CPU_CYCLE_NS = 10, RECIPE_MAX_BYTES = 4096 };

/* Steps of a linear package, which the firmware runs: loads, splits, sums and stores. */
enum { STEP_IN_CYCLES = 3, STEP_WORD_CYCLES = 4, STEP_OUT_CYCLES = 6 };

struct row {
	const struct harvest_task *task;
	const char *mark;
	uint64_t before, after, words_in, words_out;
	double bare, moved; /* speed-up without and with the transfer */
	struct nas_verdict v;
};

/* The best with-transfer speed-up of a task at each mark; 0: none. */
static struct {
	double pass, goal;
} best[TASKS_MAX];

static double mark_of(double given, bool db, double least, double least_db)
{
	return given != 0 ? given : db ? least_db : least;
}

/* Tasks that are judged by a loop have no marks of their own: as harvest-nas takes them. */
static const char *mark_text(const struct harvest_task *t, double certified)
{
	bool db = hv_metric_larger_is_better(t->metric);

	if (hv_metric_meets(t->metric, certified, mark_of(t->goal, db, 0.003, 50)))
		return "goal";
	return hv_metric_meets(t->metric, certified, mark_of(t->pass, db, 0.01, 40)) ? "pass"
										     : "none";
}

static size_t weight_bytes(const struct package *p)
{
	size_t n = 0;

	for (unsigned i = 0; i < p->net.layers; i++) {
		const struct cnn_layer *l = &p->net.layer[i];

		n += cnn_layer_weights(l) * l->weight_bits / 8 +
		     (l->bias != NULL ? l->out_channels : 0);
	}
	return n;
}

static void price(const struct package *p, struct row *r)
{
	const struct harvest_task *t = r->task;
	double exact = (double)t->cpu_cycles * CPU_CYCLE_NS, host, move;

	r->words_out = cnn_steps_words(&p->steps);
	if (p->host != NULL) {
		r->before = hostprog_cycles(p->host, HOSTPROG_ENCODE);
		r->after = hostprog_cycles(p->host, HOSTPROG_DECODE);
		r->words_in = (uint64_t)p->host->pixels * ((p->host->channels + 3) / 4);
		r->words_out = p->host->words;
	} else {
		r->before = (uint64_t)STEP_IN_CYCLES * tensor_elements(&t->in);
		r->after = (uint64_t)STEP_WORD_CYCLES * r->words_out +
			   (uint64_t)STEP_OUT_CYCLES * tensor_elements(&t->out);
		r->words_in =
			(uint64_t)cnn_steps_positions(&p->steps) * ((p->net.channels + 3u) / 4);
	}
	host = (double)(r->before + r->after) * CPU_CYCLE_NS +
	       (double)p->record_cycles * CNN_CYCLE_NS;
	move = (double)r->words_in * CNN_BUS_WRITE_NS + (double)r->words_out * CNN_BUS_READ_NS;
	r->bare = exact / host;
	r->moved = exact / (host + move);
}

/* What follows "KEY=" in the recipe beside a package, or "-": linear ones have none. */
static void recipe(const char *path, const char *key, char *to, size_t cap)
{
	hv_autofree uint8_t *bytes = NULL;
	char name[512], text[RECIPE_MAX_BYTES + 1], line[64];
	const char *at;
	size_t len = 0;

	snprintf(to, cap, "-");
	snprintf(name, sizeof(name), "%.*srecipe", (int)(strlen(path) - strlen("hvm")), path);
	if (hv_file_read(name, RECIPE_MAX_BYTES, &bytes, &len) != HV_OK)
		return;
	snprintf(text, sizeof(text), "%.*s", (int)len, (const char *)bytes);
	snprintf(line, sizeof(line), "\n%s=", key);
	at = strstr(text, line);
	if (at != NULL)
		snprintf(to, cap, "%.*s", (int)strcspn(at + strlen(line), "\n"), at + strlen(line));
}

static size_t index_of(const struct harvest_task *t)
{
	size_t i = 0;

	while (task_at(i) != t)
		i++;
	return i;
}

static void keep(const struct row *r)
{
	size_t i = index_of(r->task);

	if (strcmp(r->mark, "none") == 0 || i >= TASKS_MAX)
		return;
	best[i].pass = fmax(best[i].pass, r->moved);
	if (strcmp(r->mark, "goal") == 0)
		best[i].goal = fmax(best[i].goal, r->moved);
}

static void print_row(const char *path, const struct package *p, const struct row *r)
{
	char engine[32], seconds[32], kib[32];

	recipe(path, "engine", engine, sizeof(engine));
	recipe(path, "search_s", seconds, sizeof(seconds));
	recipe(path, "peak_kib", kib, sizeof(kib));
	printf("%-18s %-11.11s %-11s %9.4g %9.4g %9.3g %-4s %6u %5llu %5llu %6u %5llu %6zu %6.2f "
	       "%6.2f %6.1f %5.0f\n",
	       p->name, p->host != NULL ? engine : "matrix", hv_metric_text(r->task->metric),
	       p->cert.certified, r->v.whole, r->v.p99, r->mark, p->record_cycles,
	       (unsigned long long)r->before, (unsigned long long)r->after, r->task->cpu_cycles,
	       (unsigned long long)(r->words_in + r->words_out), weight_bytes(p), r->bare, r->moved,
	       atof(seconds), atof(kib) / 1024);
}

/* False: it does not hold; it was said. */
static bool judge(const char *path, uint64_t records)
{
	struct package *p = NULL;
	struct package_cert stated;
	struct row r = { 0 };
	char why[400] = "";
	double doubt;
	bool holds = false;

	if (package_read(path, &p, why, sizeof(why)) == HV_OK)
		r.task = task_find(p->task);
	if (r.task == NULL) {
		printf("%s: %s\n", path, why[0] != '\0' ? why : "of no built-in task");
		package_free(p);
		return false;
	}
	stated = p->cert;
	if (package_self_test(p, why, sizeof(why)) == HV_OK &&
	    nas_certify(p, r.task, FRESH_STREAM, records, &r.v, why, sizeof(why)) == HV_OK) {
		doubt = fabs(r.v.whole - p->cert.certified);
		doubt = hv_metric_larger_is_better(r.task->metric) ? -doubt : doubt;
		holds = hv_metric_meets(r.task->metric, r.v.whole - doubt, stated.certified);
		snprintf(why, sizeof(why), "%g of %llu fresh records contradict the certificate",
			 r.v.whole, (unsigned long long)records);
	}
	p->cert = stated;
	r.mark = mark_text(r.task, stated.certified);
	price(p, &r);
	print_row(path, p, &r);
	if (holds)
		keep(&r);
	else
		printf("%s: FAILED: %s\n", path, why);
	package_free(p);
	return holds;
}

static void conclude(void)
{
	double log_pass = 0, log_goal = 0, log_all = 0;
	unsigned pass = 0, goal = 0, n = 0;

	puts("\ntask               at pass  at goal   (speed-up with the transfer, best package)");
	for (size_t i = 0; i < task_count() && i < TASKS_MAX; i++, n++) {
		const char *verdict = best[i].pass == 0 ? "stays on the CPU: no package at pass"
				      : best[i].pass < 1
					      ? "stays on the CPU: the accelerator is slower"
					      : "";

		printf("%-18s %7.2f  %7.2f   %s\n", task_at(i)->name, best[i].pass, best[i].goal,
		       verdict);
		pass += best[i].pass > 0;
		goal += best[i].goal > 0;
		log_pass += best[i].pass > 0 ? log(best[i].pass) : 0;
		log_goal += best[i].goal > 0 ? log(best[i].goal) : 0;
		log_all += best[i].pass > 1 ? log(best[i].pass) : 0;
	}
	printf("pass reached by %u of %u, goal by %u; geometric mean of the speed-up with the "
	       "transfer: %.2f at pass, %.2f at goal; %.2f over all when what loses stays on the "
	       "CPU (modelled)\n",
	       pass, n, goal, pass > 0 ? exp(log_pass / pass) : 0,
	       goal > 0 ? exp(log_goal / goal) : 0, n > 0 ? exp(log_all / n) : 0);
}

int main(int argc, char **argv)
{
	uint64_t records = argc > 2 ? strtoull(argv[1], NULL, 10) : 0;
	bool all = true;

	if (records < NAS_SAMPLES_MIN) {
		fprintf(stderr, "usage: suite RECORDS PACKAGE... (at least %d)\n", NAS_SAMPLES_MIN);
		return 2;
	}
	printf("%llu fresh records a package; errors measured, cycles and times modelled\n",
	       (unsigned long long)records);
	printf("%-18s %-11s %-11s %9s %9s %9s %-4s %6s %5s %5s %6s %5s %6s %6s %6s %6s %5s\n",
	       "package", "engine", "metric", "certified", "measured", "p99", "mark", "cycles",
	       "pre", "post", "exact", "words", "weight", "bare", "moved", "search", "MiB");
	for (int i = 2; i < argc; i++)
		all = judge(argv[i], records) && all;
	conclude();
	return all ? 0 : 1;
}
