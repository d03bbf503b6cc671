#include "nas/cli/compile.h"
#include "util/own.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

extern char **environ;

static const char *const task_h[] = {
#include "nas/cli/task_h.inc"
};

enum { WORDS_MAX = 64, DIR_CAP = 512, FILE_CAP = DIR_CAP + 32 };

/* Where one source is compiled. */
struct workshop {
	char dir[DIR_CAP], include[FILE_CAP], header[FILE_CAP], object[FILE_CAP];
};

static int workshop_open(struct workshop *w)
{
	const char *tmp = getenv("TMPDIR");
	int n = snprintf(w->dir, sizeof(w->dir), "%s/harvest-nas.XXXXXX",
			 tmp != NULL && tmp[0] == '/' ? tmp : "/tmp");
	FILE *f;

	if (n >= (int)sizeof(w->dir) || mkdtemp(w->dir) == NULL) /* mode 0700 */
		return HV_E_IO;
	snprintf(w->include, sizeof(w->include), "%s/harvest", w->dir);
	snprintf(w->header, sizeof(w->header), "%s/harvest/task.h", w->dir);
	snprintf(w->object, sizeof(w->object), "%s/plugin.so", w->dir);
	if (mkdir(w->include, 0700) != 0)
		return HV_E_IO;
	f = fopen(w->header, "wxe");
	if (f == NULL)
		return HV_E_IO;
	for (size_t i = 0; i < HV_ARRAY_SIZE(task_h); i++)
		fprintf(f, "%s\n", task_h[i]);
	return fclose(f) == 0 ? HV_OK : HV_E_IO;
}

static void workshop_close(const struct workshop *w)
{
	unlink(w->object);
	unlink(w->header);
	rmdir(w->include);
	rmdir(w->dir);
}

/* ---- the command line: words, no shell ---- */

struct command {
	char *word[WORDS_MAX + 1];
	size_t n;
	char *own[3]; /* copies that words point into */
};

static void say(struct command *k, const char *word)
{
	if (k->n < WORDS_MAX)
		k->word[k->n++] = (char *)(uintptr_t)word;
}

/* As make does it: a variable may hold several words. */
static void say_words(struct command *k, unsigned which, const char *text)
{
	char *save = NULL;

	k->own[which] = strdup(text);
	if (k->own[which] == NULL)
		return;
	for (char *w = strtok_r(k->own[which], " \t\n", &save); w != NULL;
	     w = strtok_r(NULL, " \t\n", &save))
		say(k, w);
}

/* A name that no compiler takes for an option or a list of options. */
static const char *file_word(struct command *k, const char *path)
{
	if (path[0] == '/' || path[0] == '.')
		return path;
	if (asprintf(&k->own[2], "./%s", path) < 0)
		k->own[2] = NULL;
	return k->own[2];
}

static void command_make(struct command *k, const struct workshop *w, const char *path)
{
	const char *cc = getenv("CC"), *flags = getenv("CFLAGS");

	say_words(k, 0, cc != NULL && strspn(cc, " \t\n") < strlen(cc) ? cc : "cc");
	say(k, "-O2");
	say_words(k, 1, flags != NULL ? flags : "");
	say(k, "-shared");
	say(k, "-fPIC");
	say(k, "-I");
	say(k, w->dir);
	say(k, "-o");
	say(k, w->object);
	say(k, file_word(k, path));
	say(k, "-lm");
}

static void command_free(struct command *k)
{
	free(k->own[0]);
	free(k->own[1]);
	free(k->own[2]);
}

/* ---- the compiler ---- */

/* Waits for the compiler; a signal that ends us ends it first. Returns that signal, or 0. */
static int wait_compiler(pid_t pid, const sigset_t *watched, int *status)
{
	int ended_by = 0;

	while (waitpid(pid, status, WNOHANG) == 0) {
		siginfo_t info;
		int got = sigwaitinfo(watched, &info);

		if (got > 0 && got != SIGCHLD) {
			ended_by = got;
			kill(pid, SIGTERM);
		}
	}
	return ended_by;
}

/* Its messages go to stderr: stdout is for the result. */
static int start(struct command *k, const sigset_t *mask, pid_t *pid)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	int r;

	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, STDERR_FILENO, STDOUT_FILENO);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, mask);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	r = posix_spawnp(pid, k->word[0], &files, &attr, k->word, environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	return r;
}

/* Signals that are watched while there is a workshop, so that it is gone before they end us. */
struct watch {
	sigset_t signals, before;
	int got; /* the one that ends us, or 0 */
};

static void watch_begin(struct watch *w)
{
	static const int ends[] = { SIGINT, SIGTERM, SIGHUP };

	sigemptyset(&w->signals);
	sigaddset(&w->signals, SIGCHLD);
	for (size_t i = 0; i < HV_ARRAY_SIZE(ends); i++) {
		struct sigaction now;

		if (sigaction(ends[i], NULL, &now) != 0 || now.sa_handler != SIG_IGN)
			sigaddset(&w->signals, ends[i]);
	}
	pthread_sigmask(SIG_BLOCK, &w->signals, &w->before);
}

static void watch_end(const struct watch *w)
{
	pthread_sigmask(SIG_SETMASK, &w->before, NULL);
	if (w->got != 0)
		raise(w->got);
}

/* An errno value; *status as of the end. */
static int run(struct command *k, struct watch *w, int *status)
{
	pid_t pid;
	int r = start(k, &w->before, &pid);

	if (r == 0)
		w->got = wait_compiler(pid, &w->signals, status);
	return r;
}

static int compile_in(const struct nas_cli *c, const struct workshop *w, const char *path,
		      struct watch *signals)
{
	struct command k = { .n = 0 };
	char compiler[128];
	int status = 0, r;

	command_make(&k, w, path);
	snprintf(compiler, sizeof(compiler), "%s", k.word[0]);
	r = k.n < WORDS_MAX ? run(&k, signals, &status) : E2BIG;
	command_free(&k);
	if (r != 0)
		return nas_cli_fail(
			c, HV_E_IO,
			"%s needs a C compiler, and '%s' cannot be started: %s; install "
			"one, or name it in $CC",
			path, compiler, strerror(r));
	if (signals->got != 0)
		return EXIT_FAILED;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return nas_cli_fail(c, HV_E_FORMAT,
				    "%s does not compile: the messages of %s are above", path,
				    compiler);
	return EXIT_DONE;
}

int nas_cli_compile(const struct nas_cli *c, const char *path, uint8_t **elf, size_t *len)
{
	struct workshop w = { .dir = "" };
	struct watch signals = { .got = 0 };
	int code, r = HV_OK;

	if (access(path, R_OK) != 0)
		return nas_cli_fail(c, HV_E_FORMAT, "%s cannot be read: %s", path, strerror(errno));
	watch_begin(&signals);
	if (workshop_open(&w) != HV_OK)
		code = nas_cli_fail(c, HV_E_IO, "no directory to compile in: %s: %s", w.dir,
				    strerror(errno));
	else
		code = compile_in(c, &w, path, &signals);
	if (code == EXIT_DONE)
		r = hv_file_read(w.object, 64u << 20, elf, len);
	if (r != HV_OK)
		code = nas_cli_fail(c, r, "%s: the compiler left no shared object: %s", path,
				    hv_err_text(r));
	workshop_close(&w);
	watch_end(&signals);
	return code;
}
