#include "config.h"
#include "daemon/app.h"
#include "daemon/cpu/cpu.h"
#include "daemon/log.h"
#include "proto/ipc_frame.h"
#include "util/json_out.h"
#include "util/own.h"
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, PATH_CAP = 512 };

struct paths {
	char socket[PATH_CAP], boards[PATH_CAP], state[PATH_CAP];
	char models[2 * PATH_CAP], plugins[PATH_CAP];
};

struct settings {
	struct app_options app;
	struct paths paths;
	enum log_level level;
	bool json, version, help;
};

static int set_path(char *to, size_t cap, const char *arg)
{
	int n = snprintf(to, cap, "%s", arg);

	return arg[0] != '\0' && n > 0 && (size_t)n < cap ? HV_OK : HV_E_INVAL;
}

static int set_socket(struct settings *s, const char *arg)
{
	return set_path(s->paths.socket, sizeof(s->paths.socket), arg);
}

static int set_boards(struct settings *s, const char *arg)
{
	return set_path(s->paths.boards, sizeof(s->paths.boards), arg);
}

static int set_models(struct settings *s, const char *arg)
{
	return set_path(s->paths.models, sizeof(s->paths.models), arg);
}

static int set_state(struct settings *s, const char *arg)
{
	return set_path(s->paths.state, sizeof(s->paths.state), arg);
}

static int set_plugins(struct settings *s, const char *arg)
{
	return set_path(s->paths.plugins, sizeof(s->paths.plugins), arg);
}

static int set_no_package_code(struct settings *s, const char *arg)
{
	(void)arg;
	s->app.no_package_code = true;
	return HV_OK;
}

static int set_workers(struct settings *s, const char *arg)
{
	char *end;
	unsigned long n = strtoul(arg, &end, 10);

	if (arg[0] < '1' || arg[0] > '9' || *end != '\0' || n > CPU_WORKERS_MAX)
		return HV_E_INVAL;
	s->app.workers = (uint32_t)n;
	return HV_OK;
}

static int set_policy(struct settings *s, const char *arg)
{
	return sched_policy_find(arg, &s->app.policy) ? HV_OK : HV_E_INVAL;
}

static int set_level(struct settings *s, const char *arg)
{
	static const char *const names[] = { "error", "warning", "notice", "info", "debug" };

	for (size_t i = 0; i < HV_ARRAY_SIZE(names); i++) {
		if (strcmp(names[i], arg) == 0) {
			s->level = (enum log_level)i;
			return HV_OK;
		}
	}
	return HV_E_INVAL;
}

static int set_json(struct settings *s, const char *arg)
{
	(void)arg;
	s->json = true;
	return HV_OK;
}

static int set_version(struct settings *s, const char *arg)
{
	(void)arg;
	s->version = true;
	return HV_OK;
}

static int set_help(struct settings *s, const char *arg)
{
	(void)arg;
	s->help = true;
	return HV_OK;
}

/* clang-format off */
/* Help, parser and harvestd(8) follow this table. */
static const struct {
	const char *name, *arg, *help;
	int (*set)(struct settings *s, const char *arg);
} options[] = {
	{ "socket",        "PATH",  "listen for clients here [$HARVEST_SOCKET or the usual place]", set_socket },
	{ "boards-socket", "PATH",  "listen for virtual boards here [boards.sock beside the socket]", set_boards },
	{ "models",        "DIRS",  "packages, colon-separated [" PKGDATADIR "/models]", set_models },
	{ "state",         "DIR",   "where installed packages are kept [/var/lib/harvest or $XDG_STATE_HOME/harvest]", set_state },
	{ "plugins",       "DIR",   "task plug-ins, every .so in it [" PKGLIBDIR "/plugins]", set_plugins },
	{ "no-package-code", NULL,  "refuse packages that bring the function of a task as machine code", set_no_package_code },
	{ "workers",       "N",     "threads for kernels, 1 to 8 [number of cores]", set_workers },
	{ "policy",        "NAME",  "latency, energy or offload, for jobs that name none [latency]", set_policy },
	{ "log-level",     "LEVEL", "error, warning, notice, info or debug [notice]", set_level },
	{ "json",          NULL,    "print --version as JSON", set_json },
	{ "version",       NULL,    "print the version and exit", set_version },
	{ "help",          NULL,    "print this help and exit", set_help },
};
/* clang-format on */

static void print_help(void)
{
	printf("Usage: harvestd [OPTION]...\n"
	       "Runs tasks for clients on idle accelerators of boards and on the CPU.\n\n");
	for (size_t i = 0; i < HV_ARRAY_SIZE(options); i++) {
		char left[40];

		snprintf(left, sizeof(left), "--%s %s", options[i].name,
			 options[i].arg != NULL ? options[i].arg : "");
		printf("  %-22s  %s\n", left, options[i].help);
	}
	printf("\nSee harvestd(8).\n");
}

static void print_version(bool json)
{
	struct hv_json j;

	if (!json) {
		printf("harvestd %s\n", PACKAGE_VERSION);
		return;
	}
	j = hv_json_begin(stdout);
	hv_json_object(&j, NULL);
	hv_json_str(&j, "program", "harvestd");
	hv_json_str(&j, "version", PACKAGE_VERSION);
	hv_json_u64(&j, "ipc_version_min", IPC_VERSION_MIN);
	hv_json_u64(&j, "ipc_version_max", IPC_VERSION_MAX);
	hv_json_end_object(&j);
	hv_json_finish(&j);
}

static int parse(struct settings *s, int argc, char **argv)
{
	struct option longs[HV_ARRAY_SIZE(options) + 1] = { 0 };
	int at = 0;

	for (size_t i = 0; i < HV_ARRAY_SIZE(options); i++)
		longs[i] =
			(struct option){ options[i].name,
					 options[i].arg != NULL ? required_argument : no_argument,
					 NULL, 1 };
	for (;;) {
		int c = getopt_long(argc, argv, "", longs, &at);

		if (c == -1)
			break;
		if (c != 1) {
			fprintf(stderr, "harvestd: see harvestd --help\n");
			return HV_E_INVAL;
		}
		if (options[at].set(s, optarg) != HV_OK) {
			fprintf(stderr, "harvestd: --%s cannot be '%s': it is %s\n",
				options[at].name, optarg, options[at].help);
			return HV_E_INVAL;
		}
	}
	if (optind == argc)
		return HV_OK;
	fprintf(stderr, "harvestd: unexpected argument '%s': see harvestd --help\n", argv[optind]);
	return HV_E_INVAL;
}

static int default_state(char *to, size_t cap)
{
	const char *dir = getenv("STATE_DIRECTORY"), *xdg = getenv("XDG_STATE_HOME");
	const char *home = getenv("HOME");
	int n;

	if (dir != NULL && dir[0] != '\0')
		n = snprintf(to, cap, "%s", dir);
	else if (geteuid() == 0)
		n = snprintf(to, cap, "/var/lib/harvest");
	else if (xdg != NULL && xdg[0] != '\0')
		n = snprintf(to, cap, "%s/harvest", xdg);
	else
		n = snprintf(to, cap, "%s/.local/state/harvest", home != NULL ? home : "/tmp");
	return n > 0 && (size_t)n < cap ? HV_OK : HV_E_INVAL;
}

static int default_boards(const char *socket, char *to, size_t cap)
{
	const char *slash = strrchr(socket, '/');
	int n = slash != NULL ? snprintf(to, cap, "%.*s/boards.sock", (int)(slash - socket), socket)
			      : snprintf(to, cap, "boards.sock");

	return n > 0 && (size_t)n < cap ? HV_OK : HV_E_INVAL;
}

/* What was not given. Never a default path that does not fit. */
static int fill_in(struct settings *s)
{
	struct paths *p = &s->paths;
	int err = HV_OK;

	if (p->socket[0] == '\0')
		err = ipc_socket_path(p->socket, sizeof(p->socket));
	if (err == HV_OK && p->boards[0] == '\0')
		err = default_boards(p->socket, p->boards, sizeof(p->boards));
	if (err == HV_OK && p->state[0] == '\0')
		err = default_state(p->state, sizeof(p->state));
	if (err == HV_OK && p->models[0] == '\0')
		err = set_path(p->models, sizeof(p->models), PKGDATADIR "/models");
	if (err == HV_OK && p->plugins[0] == '\0')
		err = set_path(p->plugins, sizeof(p->plugins), PKGLIBDIR "/plugins");
	s->app.socket_path = p->socket;
	s->app.boards_path = p->boards;
	s->app.models_dirs = p->models;
	s->app.state_dir = p->state;
	s->app.plugins_dir = p->plugins;
	return err;
}

/* Sockets handed over by the service manager, by name. */
static int take_activated(struct app_options *o)
{
	char **names = NULL;
	int n = sd_listen_fds_with_names(1, &names);

	for (int i = 0; i < n; i++) {
		if (strcmp(names[i], "harvest") == 0)
			o->client_fd = SD_LISTEN_FDS_START + i;
		else if (strcmp(names[i], "boards") == 0)
			o->boards_fd = SD_LISTEN_FDS_START + i;
		else
			log_event(LOG_LVL_WARNING, "SOCKET_UNKNOWN",
				  "the service manager passed a socket named '%s': ignored",
				  names[i]);
		free(names[i]);
	}
	free(names);
	return n < 0 ? HV_E_IO : HV_OK;
}

static void tell_manager(const char *text)
{
	sd_notify(0, text);
}

static int run(const struct settings *s)
{
	struct app *app = NULL;
	char why[512];
	int err = app_new(&s->app, &app, why, sizeof(why));

	if (err != HV_OK) {
		fprintf(stderr, "harvestd: %s\n", why);
		return EXIT_FAILED;
	}
	err = app_run(app);
	app_free(app);
	return err == HV_OK ? EXIT_DONE : EXIT_FAILED;
}

int main(int argc, char **argv)
{
	struct settings s = { .level = LOG_LVL_NOTICE,
			      .app = { .client_fd = -1,
				       .boards_fd = -1,
				       .limits = LIMITS_DEFAULT,
				       .program = "harvestd " PACKAGE_VERSION,
				       .notify = tell_manager } };

	hv_std_streams_hold();
	if (parse(&s, argc, argv) != HV_OK)
		return EXIT_USAGE;
	if (s.help || s.version) {
		if (s.help)
			print_help();
		else
			print_version(s.json);
		return EXIT_DONE;
	}
	log_set_level(s.level);
	signal(SIGPIPE, SIG_IGN);
	if (fill_in(&s) != HV_OK) {
		fprintf(stderr,
			"harvestd: a default path is too long: give --socket and --state\n");
		return EXIT_USAGE;
	}
	if (take_activated(&s.app) != HV_OK)
		fprintf(stderr, "harvestd: cannot read the sockets of the service manager\n");
	if (sd_watchdog_enabled(1, &s.app.watchdog_us) <= 0)
		s.app.watchdog_us = 0;
	return run(&s);
}
