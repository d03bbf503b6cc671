/* Writes a number into the memory of an emulated board, through the debugger's socket of QEMU
 * (-gdb unix:SOCKET,server=on,wait=off).
 *   gdb_poke SOCKET ELF SYMBOL VALUE BYTES */
#include "tests/emu/m78k/symbols.h"
#include "util/own.h"
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { FILE_MAX_BYTES = 16 << 20, PATIENCE_MS = 10000, TRIES = 50 };

static int dial(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = -1;

	if (strlen(path) >= sizeof(a.sun_path))
		return -1;
	memcpy(a.sun_path, path, strlen(path) + 1);
	for (int i = 0; i < TRIES; i++) {
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
			return fd;
		close(fd);
		(void)poll(NULL, 0, 100);
	}
	return -1;
}

/* Sends a packet and waits for its answer. True: OK. */
static bool ask(int fd, const char *packet)
{
	char line[128], in[512];
	unsigned char sum = 0;
	size_t got = 0;
	int n;

	for (const char *c = packet; *c != 0; c++)
		sum = (unsigned char)(sum + (unsigned char)*c);
	n = snprintf(line, sizeof(line), "$%s#%02x", packet, sum);
	if (write(fd, line, (size_t)n) != n)
		return false;
	while (got < sizeof(in) - 1) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		ssize_t r;

		if (poll(&p, 1, PATIENCE_MS) <= 0)
			return false;
		r = read(fd, in + got, sizeof(in) - 1 - got);
		if (r <= 0)
			return false;
		got += (size_t)r;
		in[got] = 0;
		if (strstr(in, "$OK#9a") != NULL)
			return write(fd, "+", 1) == 1;
		if (strstr(in, "$E") != NULL)
			return false;
	}
	return false;
}

int main(int argc, char **argv)
{
	hv_autofree uint8_t *elf = NULL;
	hv_autoclose int fd = -1;
	char packet[64];
	size_t n = 0;
	uint32_t addr, value, bytes;
	int at;

	if (argc != 6) {
		fprintf(stderr, "usage: gdb_poke SOCKET ELF SYMBOL VALUE BYTES\n");
		return 2;
	}
	value = (uint32_t)strtoul(argv[4], NULL, 0);
	bytes = (uint32_t)strtoul(argv[5], NULL, 0);
	if (bytes < 1 || bytes > 4 || hv_file_read(argv[2], FILE_MAX_BYTES, &elf, &n) != HV_OK ||
	    elf_symbol(elf, n, argv[3], &addr) != HV_OK) {
		fprintf(stderr, "gdb_poke: no symbol %s in %s\n", argv[3], argv[2]);
		return 1;
	}
	fd = dial(argv[1]);
	at = snprintf(packet, sizeof(packet), "M%x,%x:", (unsigned)addr, (unsigned)bytes);
	for (uint32_t i = 0; i < bytes; i++)
		at += snprintf(packet + at, sizeof(packet) - (size_t)at, "%02x",
			       value >> 8 * i & 0xff);
	/* the machine stops when a debugger comes, and goes on when it leaves */
	if (fd < 0 || !ask(fd, packet) || !ask(fd, "D")) {
		fprintf(stderr, "gdb_poke: %s: no debugger answers there\n", argv[1]);
		return 1;
	}
	return 0;
}
