#include "daemon/ipc/listen.h"
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static char dir[64], path[96], why[256];

static void setup(void)
{
	snprintf(dir, sizeof(dir), "/tmp/harvest-listen.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/sub/h.sock", dir);
}

static void teardown(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	ck_assert_int_eq(system(command), 0);
}

static int try_connect(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), r;

	memcpy(at.sun_path, path, strlen(path) + 1);
	r = connect(fd, (struct sockaddr *)&at, sizeof(at));
	close(fd);
	return r;
}

START_TEST(the_directory_is_made_and_the_socket_is_not_for_everybody)
{
	struct listen l;
	struct stat st;

	ck_assert_msg(listen_open(path, &l, why, sizeof(why)) == HV_OK, "%s", why);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0660);
	ck_assert_int_eq(listen(l.fd, 1), 0);
	ck_assert_int_eq(try_connect(), 0);
	close(l.fd);
	listen_close(&l);
	listen_close(&l);
	ck_assert_int_ne(stat(path, &st), 0);
}
END_TEST

START_TEST(a_second_daemon_is_refused_and_the_first_goes_on)
{
	struct listen first, second;

	ck_assert_int_eq(listen_open(path, &first, why, sizeof(why)), HV_OK);
	ck_assert_int_eq(listen(first.fd, 1), 0);
	ck_assert_int_eq(listen_open(path, &second, why, sizeof(why)), HV_E_BUSY);
	ck_assert_msg(strstr(why, "another harvestd") != NULL, "%s", why);
	ck_assert_int_eq(try_connect(), 0);
	close(first.fd);
	listen_close(&first);
	ck_assert_int_eq(listen_open(path, &second, why, sizeof(why)), HV_OK);
	close(second.fd);
	listen_close(&second);
}
END_TEST

START_TEST(a_stale_socket_is_replaced)
{
	struct listen dead, l;

	ck_assert_int_eq(listen_open(path, &dead, why, sizeof(why)), HV_OK);
	close(dead.fd);
	close(dead.lock_fd); /* as if it had been killed: the file stays */
	ck_assert_msg(listen_open(path, &l, why, sizeof(why)) == HV_OK, "%s", why);
	ck_assert_int_eq(listen(l.fd, 1), 0);
	ck_assert_int_eq(try_connect(), 0);
	close(l.fd);
	listen_close(&l);
}
END_TEST

START_TEST(somebody_elses_socket_is_left_alone)
{
	struct listen foreign, l;

	ck_assert_int_eq(listen_open(path, &foreign, why, sizeof(why)), HV_OK);
	ck_assert_int_eq(listen(foreign.fd, 1), 0);
	close(foreign.lock_fd); /* it never took our lock */
	ck_assert_int_eq(listen_open(path, &l, why, sizeof(why)), HV_E_BUSY);
	ck_assert_msg(strstr(why, "another program") != NULL, "%s", why);
	ck_assert_int_eq(try_connect(), 0);
	close(foreign.fd);
}
END_TEST

START_TEST(a_file_in_the_way_is_not_removed)
{
	struct listen l;
	struct stat st;
	FILE *f;

	snprintf(path, sizeof(path), "%s/file", dir);
	f = fopen(path, "w");
	fclose(f);
	ck_assert_int_eq(listen_open(path, &l, why, sizeof(why)), HV_E_BUSY);
	ck_assert_msg(strstr(why, "no socket") != NULL, "%s", why);
	ck_assert_int_eq(stat(path, &st), 0);
}
END_TEST

START_TEST(a_path_that_does_not_fit_is_refused)
{
	struct listen l;
	char name[200];

	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	ck_assert_int_eq(listen_open(name, &l, why, sizeof(why)), HV_E_INVAL);
	ck_assert_msg(strstr(why, "1 to 107 bytes") != NULL, "%s", why);
	ck_assert_int_eq(listen_open("", &l, why, sizeof(why)), HV_E_INVAL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("listen");
	TCase *tc = tcase_create("socket");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, the_directory_is_made_and_the_socket_is_not_for_everybody);
	tcase_add_test(tc, a_second_daemon_is_refused_and_the_first_goes_on);
	tcase_add_test(tc, a_stale_socket_is_replaced);
	tcase_add_test(tc, somebody_elses_socket_is_left_alone);
	tcase_add_test(tc, a_file_in_the_way_is_not_removed);
	tcase_add_test(tc, a_path_that_does_not_fit_is_refused);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
