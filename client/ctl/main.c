#include "config.h"
#include "client/ctl/ctl.h"
#include "client/ctl/words.h"
#include "util/own.h"
#include <stdio.h>
#include <string.h>

static void print_options(FILE *to, const enum option_id *own)
{
	for (; own != NULL && *own != OPT_NONE; own++) {
		const struct option *o = option_get(*own);
		char head[64];

		snprintf(head, sizeof(head), "%s%c%s --%s%s%s", o->letter ? "-" : " ",
			 o->letter ? o->letter : ' ', o->letter ? "," : " ", o->name,
			 o->value ? " " : "", o->value ? o->value : "");
		fprintf(to, "  %-24s %s\n", head, o->help);
	}
}

static void print_global_options(FILE *to)
{
	static const enum option_id all[] = { OPT_SOCKET, OPT_TIMEOUT, OPT_JSON,
					      OPT_HELP,   OPT_VERSION, OPT_NONE };

	print_options(to, all);
}

static void help_all(void)
{
	printf("usage: harvestctl [OPTION]... VERB [ARGUMENT]...\n\n"
	       "Ask harvestd to run tasks on idle accelerators and the CPU.\n\nVerbs:\n");
	for (size_t i = 0; i < ctl_n_verbs; i++)
		printf("  %-8s %-32s %s\n", ctl_verbs[i]->name, ctl_verbs[i]->words,
		       ctl_verbs[i]->about);
	printf("\nOptions:\n");
	print_global_options(stdout);
	printf("\n'harvestctl VERB --help' lists the options of a verb; see also harvestctl(1).\n");
}

static void help_verb(const struct verb *v)
{
	printf("usage: harvestctl %s%s%s [OPTION]...\n\n%s\n%s\n", v->name, v->words[0] ? " " : "",
	       v->words, v->about, v->more ? v->more : "");
	if (v->actions != NULL)
		printf("Actions:\n");
	for (const struct action *a = v->actions; a != NULL && a->name != NULL; a++)
		printf("  %-8s %-15s %s\n", a->name, a->word ? a->word : "", a->help);
	if (v->actions != NULL)
		putchar('\n');
	printf("Options:\n");
	print_options(stdout, v->options);
	print_global_options(stdout);
}

static const struct verb *verb_find(const char *name)
{
	for (size_t i = 0; i < ctl_n_verbs; i++)
		if (strcmp(ctl_verbs[i]->name, name) == 0)
			return ctl_verbs[i];
	return NULL;
}

static int unknown_verb(struct ctl *c, const char *name)
{
	const char *names[32], *near;
	size_t n = 0;

	for (; n < ctl_n_verbs && n < HV_ARRAY_SIZE(names); n++)
		names[n] = ctl_verbs[n]->name;
	near = word_nearest(names, n, name);
	return ctl_fail(c, HV_E_INVAL, "unknown verb '%s'%s%s%s: see 'harvestctl --help'", name,
			near ? ", did you mean '" : "", near ? near : "", near ? "'" : "");
}

static void say_version(const struct ctl *c)
{
	puts(c->args.json ? "{\"program\":\"harvestctl\",\"version\":\"" PACKAGE_VERSION "\"}"
			  : "harvestctl " PACKAGE_VERSION);
}

static int run_verb(struct ctl *c, const struct verb *v, int argc, char **argv)
{
	int used, err = options_parse(&c->args, v->options, v->name, argc, argv, &used, &c->why);

	if (err != HV_OK)
		return err;
	if (c->args.help) {
		help_verb(v);
		return HV_OK;
	}
	if (c->args.version) {
		say_version(c);
		return HV_OK;
	}
	if (c->args.n_words < v->min_words || c->args.n_words > v->max_words)
		return ctl_fail(c, HV_E_INVAL,
				"%s: wrong number of arguments, it is 'harvestctl "
				"%s%s%s'",
				v->name, v->name, v->words[0] ? " " : "", v->words);
	return v->run(c);
}

static int run(struct ctl *c, int argc, char **argv)
{
	const struct verb *v;
	int used, err = options_parse(&c->args, NULL, NULL, argc, argv, &used, &c->why);

	if (err != HV_OK)
		return err;
	if (c->args.version) {
		say_version(c);
		return HV_OK;
	}
	if (used == argc && c->args.help) {
		help_all();
		return HV_OK;
	}
	if (used == argc)
		return ctl_fail(c, HV_E_INVAL, "a verb is missing: see 'harvestctl --help'");
	v = verb_find(argv[used]);
	if (v == NULL)
		return unknown_verb(c, argv[used]);
	return run_verb(c, v, argc - used - 1, argv + used + 1);
}

int main(int argc, char **argv)
{
	struct ctl c = { .args = { .priority = -1, .route = -1, .policy = -1 } };
	int err;

	hv_std_streams_hold();
	err = run(&c, argc - 1, argv + 1);
	if (err == HV_OK && (fflush(stdout) != 0 || ferror(stdout)))
		err = ctl_fail(&c, HV_E_IO, "cannot write to stdout");
	if (err != HV_OK)
		fprintf(stderr, "harvestctl: %s\n", c.why.text[0] ? c.why.text : hv_err_text(err));
	harvest_client_close(c.client);
	return ctl_exit_code(err, c.connected);
}
