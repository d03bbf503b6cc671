#include "nas/report.h"
#include "accel/arch.h"
#include "accel/cost/cost.h"
#include "tasks/catalog.h"
#include "tasks/metric.h"
#include "util/own.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { WIDTH = 560, HEIGHT = 260, LEFT = 70, RIGHT = 20, TOP = 16, BOTTOM = 44 };

static const char style[] =
	"<style>body{font:15px/1.5 system-ui,sans-serif;margin:2em auto;max-width:62em;padding:0 "
	"1em;color:#222}h1{font-size:1.5em}h2{font-size:1.15em;margin-top:2em}table{border-"
	"collapse:collapse}td,th{padding:.2em .8em;border-bottom:1px solid #ddd;text-align:right}"
	"td:first-child,th:first-child{text-align:left}svg{background:#fafafa;border:1px solid "
	"#ddd}svg text{font:11px system-ui,sans-serif;fill:#444}.ok{color:#176f2c}.no{color:"
	"#a11}</style>";

static void escaped(FILE *f, const char *text)
{
	for (; *text != '\0'; text++)
		if (*text == '<')
			fputs("&lt;", f);
		else if (*text == '&')
			fputs("&amp;", f);
		else
			fputc(*text, f);
}

/* One axis, linear or logarithmic. */
struct axis {
	double lo, hi;
	bool log;
};

static double place(const struct axis *a, double v)
{
	double lo = a->log ? log10(a->lo) : a->lo, hi = a->log ? log10(a->hi) : a->hi;
	double at = a->log ? log10(fmax(v, a->lo)) : v;

	return hi > lo ? (at - lo) / (hi - lo) : 0.5;
}

static double px(const struct axis *a, double v)
{
	return LEFT + (WIDTH - LEFT - RIGHT) * place(a, v);
}

static double py(const struct axis *a, double v)
{
	return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * place(a, v);
}

static void axis_fit(struct axis *a, double v, bool first)
{
	if (!isfinite(v) || (a->log && v <= 0))
		return;
	a->lo = first || v < a->lo ? v : a->lo;
	a->hi = first || v > a->hi ? v : a->hi;
}

static void frame(FILE *f, const struct axis *x, const struct axis *y, const char *x_text,
		  const char *y_text)
{
	fprintf(f, "<svg width=\"%d\" height=\"%d\" role=\"img\">", WIDTH, HEIGHT);
	fprintf(f, "<path d=\"M%d %dV%dH%d\" fill=\"none\" stroke=\"#888\"/>", LEFT, TOP,
		HEIGHT - BOTTOM, WIDTH - RIGHT);
	for (int i = 0; i <= 4; i++) {
		double s = i / 4.0;
		double vx = x->log ? x->lo * pow(x->hi / x->lo, s) : x->lo + s * (x->hi - x->lo);
		double vy = y->log ? y->lo * pow(y->hi / y->lo, s) : y->lo + s * (y->hi - y->lo);

		fprintf(f, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%.3g</text>",
			px(x, vx), HEIGHT - BOTTOM + 15, vx);
		fprintf(f, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.3g</text>", LEFT - 5,
			py(y, vy) + 4, vy);
	}
	fprintf(f, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">%s</text>", WIDTH / 2,
		HEIGHT - 8, x_text);
	fprintf(f, "<text x=\"12\" y=\"%d\">%s</text>", TOP - 4, y_text);
}

static void pareto_plot(FILE *f, const struct nas_report *r)
{
	const struct nas_front *p = r->front;
	bool db = hv_metric_larger_is_better(r->request->task->metric);
	struct axis x = { 1, 1, true }, y = { 1, 1, !db };

	for (unsigned i = 0; i < p->n; i++) {
		axis_fit(&x, p->of[i].cycles, i == 0);
		axis_fit(&y, p->of[i].error, i == 0);
	}
	fputs("<h2>What no other network beats in everything</h2>", f);
	frame(f, &x, &y, "accelerator cycles for one record",
	      hv_metric_text(r->request->task->metric));
	for (unsigned i = 0; i < p->n; i++)
		fprintf(f,
			"<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%d\" fill=\"%s\"><title>%.5g, %u "
			"cycles, %zu bytes</title></circle>",
			px(&x, p->of[i].cycles), py(&y, p->of[i].error),
			&p->of[i] == r->chosen ? 6 : 4, &p->of[i] == r->chosen ? "#c33" : "#36c",
			p->of[i].error, p->of[i].cycles, p->of[i].weight_bytes);
	fputs("</svg>", f);
}

static void trace_plot(FILE *f, const struct nas_report *r)
{
	const struct nas_front *p = r->front;
	bool db = hv_metric_larger_is_better(r->request->task->metric);
	struct axis x = { 0, fmax(p->seconds, 1e-3), false }, y = { 1, 1, !db };

	for (unsigned i = 0; i < p->traces; i++)
		axis_fit(&y, p->trace[i].error, i == 0);
	fputs("<h2>The search</h2>", f);
	frame(f, &x, &y, "seconds", "best error so far");
	fputs("<path fill=\"none\" stroke=\"#36c\" d=\"", f);
	for (unsigned i = 0; i < p->traces; i++)
		fprintf(f, i == 0 ? "M%.1f %.1f" : "H%.1fV%.1f", px(&x, p->trace[i].at_s),
			py(&y, p->trace[i].error));
	fprintf(f, "H%d\"/></svg>", WIDTH - RIGHT);
}

static void histogram(FILE *f, const struct nas_report *r)
{
	const struct nas_verdict *v = r->verdict;
	struct axis x = { v->bin_least, v->bin_most, false }, y = { 0, 1, false };

	if (!(v->bin_most > v->bin_least))
		return;
	for (int i = 0; i < NAS_BINS; i++)
		axis_fit(&y, v->bin[i], false);
	fputs("<h2>Error of single records of the test stream</h2>", f);
	frame(f, &x, &y, "figure of one record", "records");
	for (int i = 0; i < NAS_BINS; i++) {
		double a = px(&x, x.lo + i * (x.hi - x.lo) / NAS_BINS);
		double b = px(&x, x.lo + (i + 1) * (x.hi - x.lo) / NAS_BINS);

		fprintf(f,
			"<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" "
			"fill=\"#69c\"/>",
			a, py(&y, v->bin[i]), fmax(b - a - 1, 1),
			HEIGHT - BOTTOM - py(&y, v->bin[i]));
	}
	fputs("</svg>", f);
}

static void worst_table(FILE *f, const struct nas_report *r)
{
	const struct harvest_task *t = r->request->task;
	size_t n = tensor_elements(&t->in), shown = n < 8 ? n : 8;
	hv_autofree uint8_t *record = malloc(tensor_bytes(&t->in));
	hv_autofree double *v = malloc(sizeof(*v) * n);

	if (record == NULL || v == NULL || r->verdict->worsts == 0)
		return;
	fputs("<h2>Worst records</h2><table><tr><th>record of the test stream</th><th>figure</th>"
	      "<th>input</th></tr>",
	      f);
	for (unsigned i = 0; i < r->verdict->worsts; i++) {
		t->sample(NAS_TEST_STREAM, r->verdict->worst_index[i], record);
		tensor_to_double(&t->in, record, v);
		fprintf(f, "<tr><td>%llu</td><td>%.4g</td><td>",
			(unsigned long long)r->verdict->worst_index[i], r->verdict->worst[i]);
		for (size_t e = 0; e < shown; e++)
			fprintf(f, "%s%.6g", e > 0 ? ", " : "", v[e]);
		fprintf(f, "%s</td></tr>", shown < n ? ", &hellip;" : "");
	}
	fputs("</table>", f);
}

/* Boxes as high as the logarithm of their channels. */
static void layer_picture(FILE *f, const struct package *p)
{
	static const char *const acts[] = { "", " ReLU", " abs" };
	int x = 20;

	fputs("<h2>Layers</h2>", f);
	fprintf(f, "<svg width=\"%u\" height=\"170\" role=\"img\">",
		(p->net.layers + 1) * 130 + 40);
	for (unsigned i = 0; i <= p->net.layers; i++, x += 130) {
		const struct cnn_layer *l = &p->net.layer[i > 0 ? i - 1 : 0];
		unsigned n = i == 0 ? p->net.channels : l->out_channels;
		double h = 14 + 14 * log2(n + 1.0);

		fprintf(f,
			"<rect x=\"%d\" y=\"%.0f\" width=\"70\" height=\"%.0f\" rx=\"4\" "
			"fill=\"%s\" stroke=\"#557\"/>",
			x, 70 - h / 2, h,
			i == 0         ? "#dde8c8"
			: l->is_output ? "#f3d9c0"
				       : "#cfe0f5");
		fprintf(f, "<text x=\"%d\" y=\"74\" text-anchor=\"middle\">%u</text>", x + 35, n);
		if (i == 0)
			fprintf(f,
				"<text x=\"%d\" y=\"160\" text-anchor=\"middle\">input "
				"%ux%u</text>",
				x + 35, p->net.height, p->net.width);
		else
			fprintf(f,
				"<text x=\"%d\" y=\"148\" text-anchor=\"middle\">%u: from %s%d%s"
				"</text><text x=\"%d\" y=\"162\" text-anchor=\"middle\">%ux%u, "
				"%u-bit "
				"out</text>",
				x + 35, i - 1, l->from < 0 ? "input " : "", l->from, acts[l->act],
				x + 35, l->kernel_h > 1 ? l->kernel_h : 1,
				l->kernel_w > 1 ? l->kernel_w : 1, l->out_bits);
	}
	fputs("</svg>", f);
}

static void cost_table(FILE *f, const struct nas_report *r)
{
	const struct package *p = r->chosen->package;
	const struct nas_request *q = r->request;

	fputs("<h2>Cost of one record</h2><table><tr><th>part</th><th>cycles</th><th>time</th>"
	      "<th>weights</th></tr>",
	      f);
	for (unsigned i = 0; i < p->net.layers; i++) {
		const struct cnn_layer *l = &p->net.layer[i];
		uint32_t cycles = cnn_cost_layer_cycles(l);

		fprintf(f, "<tr><td>layer %u</td><td>%u</td><td>%.2f us</td><td>%zu B</td></tr>", i,
			cycles, cycles * (CNN_CYCLE_NS * 1e-3), cnn_layer_weights(l));
	}
	if (p->host != NULL)
		fprintf(f,
			"<tr><td>host, before</td><td>%llu</td><td>%.2f us</td><td></td></tr>"
			"<tr><td>host, after</td><td>%llu</td><td>%.2f us</td><td></td></tr>",
			(unsigned long long)hostprog_cycles(p->host, HOSTPROG_ENCODE),
			(double)hostprog_cycles(p->host, HOSTPROG_ENCODE) / 100,
			(unsigned long long)hostprog_cycles(p->host, HOSTPROG_DECODE),
			(double)hostprog_cycles(p->host, HOSTPROG_DECODE) / 100);
	if (HARVEST_TASK_HAS(q->task, cpu_cycles) && q->task->cpu_cycles > 0) {
		fprintf(f, "<tr><td>exact code: ");
		escaped(f, q->task->cpu_method != NULL ? q->task->cpu_method : "");
		fprintf(f, "</td><td>%u</td><td>%.2f us</td><td></td></tr>", q->task->cpu_cycles,
			q->task->cpu_cycles / 100.0);
	}
	fprintf(f,
		"</table><p>Accelerator at 50 MHz, host a Cortex-M4F at 100 MHz, both modelled. "
		"Values that go in: %u bytes, that come out: %u. The host may take %llu cycles, a "
		"third of the exact code.</p>",
		cnn_steps_in_bytes(&p->steps), r->chosen->words,
		(unsigned long long)q->max_host_cycles);
}

static void page(FILE *f, const struct nas_report *r)
{
	const struct harvest_task *t = r->request->task;
	const struct package_cert *k = &r->chosen->package->cert;

	fputs("<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>", f);
	escaped(f, t->name);
	fputs("</title>", f);
	fputs(style, f);
	fputs("<h1>Search for ", f);
	escaped(f, t->name);
	fputs("</h1><p>", f);
	escaped(f, t->about != NULL ? t->about : "");
	fprintf(f,
		"</p><p class=\"%s\">%s %.5g certified at 99.9 %% from %llu fresh records; asked "
		"for %.5g; mark: %s.</p>",
		r->meets ? "ok" : "no", hv_metric_text(t->metric), k->certified,
		(unsigned long long)k->samples, r->request->max_error, r->mark);
	fprintf(f, "<p>Median %.4g, 99 %% of records %.4g, worst %.4g. Engine: %s; encoding: ",
		k->median, r->verdict->p99, k->worst, r->chosen->engine);
	escaped(f, r->chosen->encoding);
	fprintf(f,
		". %u networks in %.1f s, seed %llu. Linear fit through the same interface: "
		"%.4g.</p>",
		r->front->tried, r->front->seconds, (unsigned long long)r->request->seed,
		r->front->base_error);
	pareto_plot(f, r);
	trace_plot(f, r);
	histogram(f, r);
	worst_table(f, r);
	layer_picture(f, r->chosen->package);
	cost_table(f, r);
	fputs("</html>\n", f);
}

int nas_report_write(const struct nas_report *r, const char *path)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	int err;

	if (f == NULL)
		return HV_E_NOMEM;
	page(f, r);
	err = fclose(f) == 0 ? hv_file_write(path, text, len) : HV_E_NOMEM;
	free(text);
	return err;
}
