/* Runs a fuzz target without a fuzzer: every file of its corpus, then mutations of them with
 * a fixed seed, so that `make check` with any compiler looks at hostile input every time.
 *
 *   fuzz_x                     corpus $HARVEST_FUZZ_CORPUS/x, else tests/fuzz/corpus/x
 *   fuzz_x DIR|FILE...         these instead; with files only, nothing is mutated (to reproduce)
 *   HARVEST_FUZZ_ROUNDS=n      exactly n mutations; else as many as fit into about a second
 *   HARVEST_FUZZ_SEED=n        another stream of mutations
 *
 * The input that kills a target is left in fuzz_x.crash. A target is
 *   int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
 * it aborts when a promise is broken. With libFuzzer, leave this file out:
 *   clang -g -O1 -fsanitize=fuzzer,address,undefined -D_GNU_SOURCE -I. -Ibuild \
 *     tests/fuzz/fuzz_frame_rx.c proto/frame.c util/fs/cobs.c util/fs/crc32.c \
 *     -o fuzz_frame_rx && ./fuzz_frame_rx tests/fuzz/corpus/frame_rx */
#include "util/own.h"
#include "util/rng.h"
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* Present under the sanitizers only, which end without a signal. */
void __sanitizer_set_death_callback(void (*f)(void)) __attribute__((weak));

enum { INPUT_MAX = 65536, CORPUS_MAX = 512, RUN_US = 900000, ROUNDS_MAX = 2000000 };

static struct input {
	uint8_t *data;
	size_t n;
} corpus[CORPUS_MAX];
static size_t corpus_n;
static const uint8_t *now_data;
static size_t now_n;
static uint64_t passed;
static char crash_path[128];

/* Only what a signal handler may do. */
static void on_death(void)
{
	int fd = open(crash_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	ssize_t ignored;

	if (now_data == NULL || fd < 0)
		return;
	ignored = write(fd, now_data, now_n);
	ignored = write(STDERR_FILENO, "input left in ", 14);
	ignored = write(STDERR_FILENO, crash_path, strlen(crash_path));
	ignored = write(STDERR_FILENO, "\n", 1);
	(void)ignored;
	close(fd);
}

static void on_signal(int sig)
{
	on_death();
	signal(sig, SIG_DFL);
	raise(sig);
}

/* A copy of exactly its size, so that a sanitizer sees a read beyond it. */
static void run(const uint8_t *data, size_t n)
{
	uint8_t *exact = malloc(n > 0 ? n : 1);

	if (exact == NULL)
		abort();
	if (n > 0)
		memcpy(exact, data, n);
	now_data = exact;
	now_n = n;
	LLVMFuzzerTestOneInput(exact, n);
	now_data = NULL;
	free(exact);
	passed++;
}

static int file_add(const char *path)
{
	struct input *in = &corpus[corpus_n];
	int err;

	if (corpus_n == CORPUS_MAX)
		return HV_E_BUSY;
	err = hv_file_read(path, INPUT_MAX, &in->data, &in->n);
	if (err != HV_OK)
		fprintf(stderr, "fuzz: %s: %s\n", path, hv_err_text(err));
	else
		corpus_n++;
	return err;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* In the order of names: the mutations must not depend on the file system. */
static int dir_add(const char *path)
{
	char *names[CORPUS_MAX];
	size_t n = 0;
	int err = HV_OK;
	DIR *d = opendir(path);

	if (d == NULL) {
		fprintf(stderr, "fuzz: cannot open corpus %s\n", path);
		return HV_E_NOENT;
	}
	for (struct dirent *e = readdir(d); e != NULL && n < CORPUS_MAX; e = readdir(d))
		if (e->d_name[0] != '.' && asprintf(&names[n], "%s/%s", path, e->d_name) > 0)
			n++;
	closedir(d);
	qsort(names, n, sizeof(names[0]), by_name);
	for (size_t i = 0; i < n; i++) {
		if (err == HV_OK)
			err = file_add(names[i]);
		free(names[i]);
	}
	return err;
}

/* -- mutations --------------------------------------------------------------------------- */

struct work {
	struct hv_rng rng;
	uint8_t data[INPUT_MAX];
	size_t n;
};

static size_t below(struct work *w, size_t n)
{
	return n > 0 ? hv_rng_below(&w->rng, (uint32_t)n) : 0;
}

static void flip_bit(struct work *w)
{
	if (w->n > 0)
		w->data[below(w, w->n)] ^= (uint8_t)(1u << below(w, 8));
}

static void set_byte(struct work *w)
{
	static const uint8_t odd[] = { 0, 1, 2, 0x7f, 0x80, 0xfe, 0xff };
	uint8_t any = (uint8_t)hv_rng_u64(&w->rng);

	if (w->n > 0)
		w->data[below(w, w->n)] = below(w, 2) ? any : odd[below(w, sizeof(odd))];
}

/* A little-endian number that lengths and counts dislike. */
static void set_number(struct work *w)
{
	static const uint32_t odd[] = { 0,        1,         0x7f,       0x80,       0xff,
					0x100,    0x7fff,    0x8000,     0xffff,     0x10000,
					0xffffff, 0x1000000, 0x7fffffff, 0x80000000, 0xffffffff };
	uint32_t v = odd[below(w, HV_ARRAY_SIZE(odd))];
	size_t bytes = below(w, 2) ? 2 : 4, at;

	if (w->n < bytes)
		return;
	at = below(w, w->n - bytes + 1);
	for (size_t i = 0; i < bytes; i++)
		w->data[at + i] = (uint8_t)(v >> 8 * i);
}

static void cut(struct work *w)
{
	size_t at = below(w, w->n + 1), n = below(w, below(w, 2) ? 8 : w->n - at + 1);

	n = n < w->n - at ? n : w->n - at;
	memmove(w->data + at, w->data + at + n, w->n - at - n);
	w->n -= n;
}

static void truncate_end(struct work *w)
{
	w->n = below(w, w->n + 1);
}

static void put(struct work *w, const uint8_t *from, size_t n)
{
	size_t at = below(w, w->n + 1);

	n = n < INPUT_MAX - w->n ? n : INPUT_MAX - w->n;
	memmove(w->data + at + n, w->data + at, w->n - at);
	memmove(w->data + at, from, n);
	w->n += n;
}

static void insert_random(struct work *w)
{
	uint8_t some[16];
	size_t n = 1 + below(w, sizeof(some));
	bool same = below(w, 2);

	for (size_t i = 0; i < n; i++)
		some[i] = same && i > 0 ? some[0] : (uint8_t)hv_rng_u64(&w->rng);
	put(w, some, n);
}

static void repeat_piece(struct work *w)
{
	uint8_t piece[256];
	size_t at = below(w, w->n), n = 1 + below(w, sizeof(piece));

	n = n < w->n - at ? n : w->n - at;
	memcpy(piece, w->data + at, n);
	for (size_t times = 1 + below(w, 4); times > 0; times--)
		put(w, piece, n);
}

static void join(struct work *w)
{
	const struct input *other = &corpus[below(w, corpus_n)];
	size_t at = below(w, other->n);

	put(w, other->data + at, below(w, other->n - at + 1));
}

static void mutate(struct work *w)
{
	static void (*const how[])(struct work *) = {
		flip_bit,     set_byte,      set_number,   cut,
		truncate_end, insert_random, repeat_piece, join,
	};
	const struct input *in = &corpus[below(w, corpus_n)];

	w->n = in->n;
	if (in->n > 0)
		memcpy(w->data, in->data, in->n);
	for (size_t times = 1 + below(w, 5); times > 0; times--)
		how[below(w, HV_ARRAY_SIZE(how))](w);
}

static uint64_t number_of(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text != NULL && text[0] != '\0' ? strtoull(text, NULL, 10) : otherwise;
}

static void mutations_run(void)
{
	static struct work w;
	uint64_t rounds = number_of("HARVEST_FUZZ_ROUNDS", 0);
	uint64_t most = rounds > 0 ? rounds : ROUNDS_MAX;
	clock_t end = clock() + (clock_t)RUN_US * CLOCKS_PER_SEC / 1000000;

	hv_rng_seed(&w.rng, number_of("HARVEST_FUZZ_SEED", 1));
	for (uint64_t i = 0; i < most && (rounds > 0 || clock() < end); i++) {
		mutate(&w);
		run(w.data, w.n);
	}
}

static const char *target_name(const char *argv0)
{
	const char *slash = strrchr(argv0, '/'), *name = slash ? slash + 1 : argv0;

	if (strncmp(name, "lt-", 3) == 0)
		name += 3;
	return strncmp(name, "fuzz_", 5) == 0 ? name + 5 : name;
}

/* *mutating: false when only files were named. */
static int corpus_load(int argc, char **argv, bool *mutating)
{
	const char *base = getenv("HARVEST_FUZZ_CORPUS"), *srcdir = getenv("srcdir");
	char path[512];
	int err = HV_OK;

	*mutating = argc < 2;
	for (int i = 1; i < argc && err == HV_OK; i++) {
		struct stat st;
		bool is_dir = stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode);

		*mutating |= is_dir;
		err = is_dir ? dir_add(argv[i]) : file_add(argv[i]);
	}
	if (argc >= 2)
		return err;
	if (base != NULL)
		snprintf(path, sizeof(path), "%s/%s", base, target_name(argv[0]));
	else
		snprintf(path, sizeof(path), "%s/tests/fuzz/corpus/%s",
			 srcdir != NULL ? srcdir : ABS_SRCDIR, target_name(argv[0]));
	return dir_add(path);
}

int main(int argc, char **argv)
{
	static const int deadly[] = { SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGTRAP, SIGALRM };
	bool mutating;
	int err;

	snprintf(crash_path, sizeof(crash_path), "fuzz_%s.crash", target_name(argv[0]));
	err = corpus_load(argc, argv, &mutating);
	if (err == HV_OK && corpus_n == 0) {
		fprintf(stderr, "fuzz: the corpus of %s is empty\n", target_name(argv[0]));
		err = HV_E_NOENT;
	}
	for (size_t i = 0; i < HV_ARRAY_SIZE(deadly); i++)
		signal(deadly[i], on_signal);
	if (__sanitizer_set_death_callback)
		__sanitizer_set_death_callback(on_death);
	alarm((unsigned)number_of("HARVEST_FUZZ_ALARM_S",
				  600)); /* an endless loop is a crash too */
	for (size_t i = 0; i < corpus_n && err == HV_OK; i++)
		run(corpus[i].data, corpus[i].n);
	if (err == HV_OK && mutating)
		mutations_run();
	for (size_t i = 0; i < corpus_n; i++)
		free(corpus[i].data);
	printf("%" PRIu64 " passed, %d failed\n", passed, err != HV_OK);
	return err == HV_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
