/* The socket of virtual boards on a real loop: files, modes, limits, ends, and that nothing is
 * left open. */
#include "daemon/link/virtual.h"
#include "daemon/log.h"
#include "tests/lib/temp_dir.h"
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

static uv_loop_t loop;
static char dir[64], path[80];
static struct link *got;
static unsigned ups, gones, messages, plugs;
static bool closed;

static void on_up(void *ctx, uint64_t now_us)
{
	(void)ctx;
	(void)now_us;
	ups++;
}

static void on_message(void *ctx, const uint8_t *bytes, size_t len, uint64_t now_us)
{
	(void)ctx;
	(void)now_us;
	ck_assert_uint_eq(len, 3);
	ck_assert_mem_eq(bytes, "abc", 3);
	messages++;
}

static void on_down(void *ctx, const char *why, uint64_t now_us)
{
	(void)ctx;
	(void)why;
	(void)now_us;
}

static void on_quiet(void *ctx, uint64_t now_us)
{
	(void)ctx;
	(void)now_us;
}

static void on_gone(void *ctx, const char *why, uint64_t now_us)
{
	(void)ctx;
	(void)now_us;
	ck_assert_uint_gt(strlen(why), 5);
	got = NULL;
	gones++;
}

static const struct link_events events = {
	on_up, on_message, on_down, on_quiet, on_quiet, on_gone
};

static void on_link(void *ctx, struct link *l, uint64_t now_us)
{
	(void)ctx;
	plugs++;
	got = l;
	link_bind(l, &events, NULL);
	link_connect(l, now_us);
}

static void on_closed(void *ctx)
{
	(void)ctx;
	closed = true;
}

static struct link_hub *hub_open(int fd)
{
	struct link_hub_events ev = { NULL, on_link };
	struct link_hub *hub = NULL;
	char why[300] = "";

	ck_assert_msg(link_hub_new(&loop, path, fd, &ev, &hub, why, sizeof(why)) == HV_OK, "%s",
		      why);
	return hub;
}

static int hub_fails(const char *at, const char *pattern)
{
	struct link_hub_events ev = { NULL, on_link };
	struct link_hub *hub = NULL;
	char why[300] = "";
	int err = link_hub_new(&loop, at, -1, &ev, &hub, why, sizeof(why));

	ck_assert_int_ne(err, HV_OK);
	ck_assert_msg(strstr(why, pattern) != NULL, "%s", why);
	return err;
}

static void hub_shut(struct link_hub *hub)
{
	link_hub_close(hub, on_closed, NULL);
	link_hub_close(hub, on_closed, NULL); /* idempotent */
	uv_run(&loop, UV_RUN_DEFAULT);
	ck_assert(closed);
}

static int dial(void)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

/* Turns of the loop, bounded. */
static void turns(const unsigned *counter, unsigned want)
{
	for (int i = 0; i < 2000 && *counter < want; i++)
		uv_run(&loop, UV_RUN_ONCE);
	ck_assert_uint_ge(*counter, want);
}

static void setup(void)
{
	ck_assert_int_eq(uv_loop_init(&loop), 0);
	temp_dir_make(dir, sizeof(dir));
	snprintf(path, sizeof(path), "%s/boards.sock", dir);
	got = NULL;
	ups = gones = messages = plugs = 0;
	closed = false;
}

static void teardown(void)
{
	uv_run(&loop, UV_RUN_DEFAULT);
	ck_assert_int_eq(uv_loop_close(&loop), 0); /* EBUSY: a handle is left */
	temp_dir_remove(dir);
}

START_TEST(socket_has_mode_0660_and_its_file_goes_with_the_hub)
{
	struct link_hub *hub = hub_open(-1);
	struct stat st;

	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0660);
	hub_shut(hub);
	ck_assert_int_eq(stat(path, &st), -1);
}
END_TEST

START_TEST(stale_socket_is_replaced_and_a_living_one_is_not)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct link_hub *hub;

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	close(fd);
	hub = hub_open(-1);
	ck_assert_int_eq(hub_fails(path, "already listens"), HV_E_BUSY);
	uv_run(&loop, UV_RUN_NOWAIT);
	fd = dial();
	turns(&plugs, 1); /* the probe of the second one left, and the first one serves */
	close(fd);
	hub_shut(hub);
}
END_TEST

START_TEST(what_is_no_socket_is_left_alone)
{
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	fclose(f);
	ck_assert_int_eq(hub_fails(path, "is no socket"), HV_E_INVAL);
	ck_assert_int_eq(access(path, F_OK), 0);
	unlink(path);
}
END_TEST

START_TEST(path_that_is_too_long_or_nowhere_is_refused_with_a_reason)
{
	char longer[300];

	memset(longer, 'x', sizeof(longer) - 1);
	longer[0] = '/';
	longer[sizeof(longer) - 1] = '\0';
	ck_assert_int_eq(hub_fails(longer, "too long"), HV_E_INVAL);
	ck_assert_int_eq(hub_fails("/nonexistent/dir/boards.sock", "cannot listen"), HV_E_NOENT);
}
END_TEST

START_TEST(inherited_socket_is_served)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), c;
	struct link_hub *hub;

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	ck_assert_int_eq(listen(fd, 4), 0);
	hub = hub_open(fd);
	c = dial();
	turns(&plugs, 1);
	close(c);
	turns(&gones, 1);
	hub_shut(hub);
	ck_assert_int_eq(access(path, F_OK), 0); /* it belongs to who made it */
	unlink(path);
}
END_TEST

/* The board's end, on the same thread: its own arq over the blocking socket. */
static void peer_turn(int fd, struct arq *a, uint64_t now_us)
{
	uint8_t bytes[4096];
	ssize_t n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	size_t m;

	if (n > 0)
		(void)arq_input(a, bytes, (size_t)n, now_us);
	for (m = arq_output(a, bytes, now_us); m > 0; m = arq_output(a, bytes, now_us))
		ck_assert_int_eq(send(fd, bytes, m, 0), (ssize_t)m);
}

START_TEST(messages_cross_both_ways_and_the_end_of_the_peer_is_told_once)
{
	static uint8_t tx[32768], rx[32768], msg[16384];
	struct link_hub *hub = hub_open(-1);
	int fd = dial(), echoed = 0;
	bool sent = false;
	struct arq a;

	arq_init(&a, ARQ_BOARD, tx, 32768, rx, 32768, 1000000);
	for (int i = 0; i < 4000 && (messages < 1 || echoed == 0); i++) {
		uv_run(&loop, UV_RUN_NOWAIT);
		if (got != NULL && ups > 0 && !sent)
			sent = link_send(got, "ab", 2, "c", 1, uv_hrtime() / 1000) == HV_OK;
		peer_turn(fd, &a, uv_hrtime() / 1000);
		if (echoed == 0)
			echoed = arq_recv(&a, msg, sizeof(msg));
		if (echoed > 0 && messages == 0 && arq_room(&a) > 0 && a.end == 0)
			ck_assert_int_eq(arq_send(&a, msg, (size_t)echoed, NULL, 0), HV_OK);
	}
	ck_assert_int_eq(echoed, 3);
	ck_assert_uint_eq(messages, 1);
	close(fd);
	turns(&gones, 1);
	ck_assert_uint_eq(gones, 1);
	ck_assert_ptr_null(got);
	hub_shut(hub);
}
END_TEST

START_TEST(a_peer_that_never_reads_does_not_grow_the_daemon)
{
	static uint8_t big[16000];
	struct link_hub *hub = hub_open(-1);
	static uint8_t tx[32768], rx[32768];
	struct arq a;
	int fd = dial(), r = HV_OK;
	size_t sent = 0;

	arq_init(&a, ARQ_BOARD, tx, 32768, rx, 32768, 1000000);
	for (int i = 0; i < 4000 && ups == 0; i++) {
		uv_run(&loop, UV_RUN_NOWAIT);
		peer_turn(fd, &a, uv_hrtime() / 1000);
	}
	ck_assert_uint_eq(ups, 1);
	while (r == HV_OK && sent < 100 * sizeof(big)) {
		r = link_send(got, big, sizeof(big), NULL, 0, uv_hrtime() / 1000);
		sent += r == HV_OK ? sizeof(big) : 0;
		uv_run(&loop, UV_RUN_NOWAIT);
	}
	ck_assert_int_eq(r, HV_E_BUSY);
	ck_assert_uint_le(sent, LINK_BUF_BYTES);
	close(fd);
	turns(&gones, 1);
	hub_shut(hub);
}
END_TEST

START_TEST(closing_the_hub_closes_links_without_an_event)
{
	struct link_hub *hub = hub_open(-1);
	int fd = dial();

	turns(&plugs, 1);
	link_close(got);
	link_close(got); /* idempotent */
	hub_shut(hub);
	ck_assert_uint_eq(gones, 0);
	close(fd);
}
END_TEST

START_TEST(boards_beyond_the_limit_are_turned_away_and_the_others_stay)
{
	struct link_hub *hub = hub_open(-1);
	int fd[LINK_VIRTUAL_MAX + 4];
	char byte;

	for (unsigned i = 0; i < LINK_VIRTUAL_MAX + 4; i++) {
		fd[i] = dial();
		for (int k = 0; k < 20; k++)
			uv_run(&loop, UV_RUN_NOWAIT);
	}
	ck_assert_uint_eq(plugs, LINK_VIRTUAL_MAX);
	ck_assert_int_eq(recv(fd[LINK_VIRTUAL_MAX + 3], &byte, 1, MSG_DONTWAIT), 0);
	ck_assert_int_ne(recv(fd[0], &byte, 1, MSG_DONTWAIT), 0);
	for (unsigned i = 0; i < LINK_VIRTUAL_MAX + 4; i++)
		close(fd[i]);
	hub_shut(hub);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("link_virtual");
	TCase *tc = tcase_create("socket");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, socket_has_mode_0660_and_its_file_goes_with_the_hub);
	tcase_add_test(tc, stale_socket_is_replaced_and_a_living_one_is_not);
	tcase_add_test(tc, what_is_no_socket_is_left_alone);
	tcase_add_test(tc, path_that_is_too_long_or_nowhere_is_refused_with_a_reason);
	tcase_add_test(tc, inherited_socket_is_served);
	tcase_add_test(tc, messages_cross_both_ways_and_the_end_of_the_peer_is_told_once);
	tcase_add_test(tc, a_peer_that_never_reads_does_not_grow_the_daemon);
	tcase_add_test(tc, closing_the_hub_closes_links_without_an_event);
	tcase_add_test(tc, boards_beyond_the_limit_are_turned_away_and_the_others_stay);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	signal(SIGPIPE, SIG_IGN); /* as the daemon does */
	log_set_level(getenv("HARVEST_TEST_LOG") != NULL ? LOG_LVL_DEBUG : LOG_LVL_ERROR);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
