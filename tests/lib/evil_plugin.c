/* A plug-in that misbehaves as $HARVEST_TEST_PLUGIN says. */
#include "tasks/task.h"
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *kind = "";
static volatile int never;

static int is(const char *what)
{
	return strcmp(kind, what) == 0;
}

static void hang(void)
{
	signal(SIGTERM, SIG_IGN);
	while (!never)
		pause();
}

static void crash(void)
{
	signal(SIGSEGV, SIG_DFL);
	raise(SIGSEGV);
}

/* What a jailed process must not be able to. */
static int breaks_out(void)
{
	if (is("forks")) {
		pid_t child = fork();

		if (child == 0)
			_exit(0);
		return child > 0;
	}
	if (is("starts a program")) {
		char *words[] = { NULL, NULL };

		return posix_spawn(NULL, "/bin/true", NULL, NULL, words, words + 1) == 0;
	}
	if (is("reads a file"))
		return open("/", O_RDONLY) >= 0;
	if (is("opens a socket"))
		return socket(AF_UNIX, SOCK_STREAM, 0) >= 0;
	if (is("kills its owner"))
		return kill(getppid(), 0) == 0;
	if (is("makes code"))
		return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			    0) != MAP_FAILED;
	return 0;
}

static void reference(const void *in, double *out)
{
	static unsigned calls;
	float x;

	memcpy(&x, in, sizeof(x));
	out[0] = (double)x * (double)x;
	if (breaks_out())
		out[0] = -1;
	if (is("crash in reference") || (is("crash once in a while") && ++calls == 50))
		crash();
	if (is("hang in reference"))
		hang();
	if (is("exit in reference"))
		exit(7);
	if (is("nan answer") && x > 0.5f)
		out[0] = (double)NAN;
	if (is("constant answer"))
		out[0] = 42;
	if (is("random answer"))
		out[0] += ++calls;
	if (is("traps") && x == 3)
		crash();
	if (is("traps") && x == 4)
		hang();
	if (is("traps") && x == 5)
		out[0] = (double)INFINITY;
	if (is("prints"))
		printf("noise on stdout\n");
	if (is("closes the socket"))
		close(3);
	if (is("answers for itself"))
		send(3, "gibberish", 9, MSG_NOSIGNAL);
	if (is("cuts the memory"))
		out[0] += ftruncate(4, 0) == 0;
}

static void sample(uint64_t seed, uint64_t index, void *in)
{
	static uint64_t calls;
	uint64_t z = (seed * 0x9e3779b97f4a7c15u + index + 1) * 0xbf58476d1ce4e5b9u;
	float x = (float)((z ^ z >> 29) >> 40) * 0x1p-24f;

	if (is("crash in sample"))
		crash();
	if (is("hang in sample"))
		hang();
	if (is("nan sample") && index == 5)
		x = NAN;
	if (is("sample outside") && index == 7)
		x = 1.5f;
	if (is("constant sample"))
		x = 0.25f;
	if (is("random sample"))
		x = (float)++calls;
	if (is("sample by process"))
		x += (float)(getpid() % 1000);
	memcpy(in, &x, sizeof(x));
}

static double weight(const void *in, const double *exact)
{
	(void)in;
	return is("weight of two") ? 2 : exact[0] > 0.25;
}

static void matrix(double *m)
{
	m[0] = is("nan matrix") ? (double)NAN : 3;
}

static const struct harvest_range domain[] = { { 0, 1 } };
static const struct harvest_range endless[] = { { 0, (double)INFINITY } };
static const struct harvest_range many[2000];

static struct harvest_task task = {
	.size = sizeof(struct harvest_task),
	.abi = HARVEST_TASK_ABI,
	.name = "square",
	.about = "x squared",
	.version = 1,
	.in = { HARVEST_F32, 1, { 1 } },
	.out = { HARVEST_F32, 1, { 1 } },
	.metric = HARVEST_NRMSE_RANGE,
	.reference = reference,
	.sample = sample,
};

static void describe_domain(void)
{
	if (is("sample outside")) {
		task.domain = domain;
		task.domain_count = 1;
	}
	if (is("endless domain")) {
		task.domain = endless;
		task.domain_count = 1;
	}
	if (is("many ranges")) {
		task.domain = many;
		task.domain_count = task.in.shape[0] = 2000;
	}
}

static void describe_badly(void)
{
	if (is("no name"))
		task.name = NULL;
	if (is("long name"))
		task.name = "a_name_that_is_far_longer_than_thirty_one_characters";
	if (is("bad name"))
		task.name = "Bad\nName";
	if (is("other abi"))
		task.abi = 99;
	if (is("tiny"))
		task.size = 16;
	if (is("old header"))
		task.size = offsetof(struct harvest_task, parts);
	if (is("no dimensions"))
		task.in.ndim = 0;
	if (is("many dimensions"))
		task.in.ndim = 4000000000u;
	if (is("huge")) {
		task.in.ndim = 3;
		task.in.shape[0] = task.in.shape[1] = task.in.shape[2] = 60000;
	}
	if (is("bad type"))
		task.out.dtype = (enum harvest_dtype)77;
	if (is("bad metric"))
		task.metric = (enum harvest_metric)77;
	if (is("bad pointer"))
		task.about = (const char *)16;
	if (is("linear without matrix"))
		task.linear = HARVEST_LINEAR_REAL;
	if (is("linear") || is("nan matrix") || is("matrix of other shape")) {
		task.linear = HARVEST_LINEAR_REAL;
		task.rows = is("matrix of other shape") ? 2 : 1;
		task.cols = 1;
		task.matrix = matrix;
	}
	if (is("weighs") || is("weight of two"))
		task.weight = weight;
}

const struct harvest_task *harvest_task(void)
{
	kind = getenv("HARVEST_TEST_PLUGIN");
	kind = kind != NULL ? kind : "";
	if (is("crash at load"))
		crash();
	if (is("hang at load"))
		hang();
	if (is("writes a file at load") && open("plug-in-was-here", O_WRONLY | O_CREAT, 0600) >= 0)
		return NULL;
	if (is("null"))
		return NULL;
	describe_badly();
	describe_domain();
	return &task;
}
