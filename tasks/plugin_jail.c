#include "tasks/plugin_jail.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MEMORY_BYTES = 1 << 30, FILES = 32 };

/* A manager's filter may refuse setrlimit() with EPERM; its own limits hold then. */
void plugin_jail_limits(void)
{
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
	setrlimit(RLIMIT_NOFILE, &(struct rlimit){ FILES, FILES });
	prctl(PR_SET_DUMPABLE, 0);
#if !defined(__SANITIZE_ADDRESS__) /* its shadow is larger than any limit */
	setrlimit(RLIMIT_AS, &(struct rlimit){ MEMORY_BYTES, MEMORY_BYTES });
#endif
}

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__i386__)
#define ARCH AUDIT_ARCH_I386
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#elif defined(__arm__)
#define ARCH AUDIT_ARCH_ARM
#elif defined(__riscv) && __riscv_xlen == 64
#define ARCH AUDIT_ARCH_RISCV64
#endif

#if defined(ARCH)

/* clang-format off */
/* What a computation does, and what the C library does for it unasked. */
static const int computes[] = {
	SYS_read, SYS_write, SYS_readv, SYS_writev, SYS_close, SYS_fstat, SYS_lseek,
	SYS_munmap, SYS_mremap, SYS_madvise, SYS_brk, SYS_futex, SYS_membarrier,
	SYS_sched_yield, SYS_sched_getaffinity, SYS_getcpu, SYS_getrandom,
	SYS_clock_gettime, SYS_clock_getres, SYS_clock_nanosleep, SYS_nanosleep, SYS_gettimeofday,
	SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_sigaltstack,
	SYS_restart_syscall, SYS_set_robust_list, SYS_rseq, SYS_set_tid_address,
	SYS_getpid, SYS_gettid, SYS_getuid, SYS_geteuid, SYS_getgid, SYS_getegid,
	SYS_getrusage, SYS_uname, SYS_sysinfo, SYS_exit, SYS_exit_group, SYS_ppoll,
	SYS_sendto, SYS_recvfrom, /* on the socket that there is */
#if defined(SYS_poll)
	SYS_poll,
#endif
#if defined(SYS_pause)
	SYS_pause,
#endif
#if defined(SYS_time)
	SYS_time,
#endif
#if defined(SYS_send)
	SYS_send, SYS_recv,
#endif
#if defined(SYS__llseek)
	SYS__llseek,
#endif
#if defined(SYS_fstat64)
	SYS_fstat64,
#endif
#if defined(SYS_sigreturn)
	SYS_sigreturn,
#endif
#if defined(SYS_futex_time64)
	SYS_futex_time64, SYS_clock_gettime64, SYS_clock_nanosleep_time64, SYS_ppoll_time64,
#endif
};
/* And the dynamic linker. */
static const int loads[] = {
	SYS_pread64, SYS_readlinkat, SYS_faccessat, SYS_getcwd, SYS_prctl,
#if defined(SYS_newfstatat)
	SYS_newfstatat,
#endif
#if defined(SYS_fstatat64)
	SYS_fstatat64,
#endif
#if defined(SYS_statx)
	SYS_statx,
#endif
#if defined(SYS_readlink)
	SYS_readlink, SYS_access, SYS_stat, SYS_lstat,
#endif
#if defined(SYS_seccomp)
	SYS_seccomp,
#endif
#if defined(SYS_arch_prctl)
	SYS_arch_prctl,
#endif
};
#if defined(SYS_mmap2)
enum { CALL_MMAP = SYS_mmap2 };
#else
enum { CALL_MMAP = SYS_mmap };
#endif
/* clang-format on */

enum { CODE_MAX = 320 };

struct program {
	struct sock_filter code[CODE_MAX];
	unsigned short n;
};

static void add(struct program *p, unsigned op, uint32_t k, unsigned yes, unsigned no)
{
	if (p->n < CODE_MAX)
		p->code[p->n++] =
			(struct sock_filter){ (uint16_t)op, (uint8_t)yes, (uint8_t)no, k };
}

static void end(struct program *p, uint32_t verdict)
{
	add(p, BPF_RET | BPF_K, verdict, 0, 0);
}

static void load(struct program *p, size_t offset)
{
	add(p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static void allow(struct program *p, int call)
{
	add(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call, 0, 1);
	end(p, SECCOMP_RET_ALLOW);
}

static size_t low_half(unsigned arg)
{
	size_t at = offsetof(struct seccomp_data, args) + arg * sizeof(uint64_t);

	return __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? at + sizeof(uint32_t) : at;
}

/* Allowed when the bits of `mask` in an argument are `is`; else err. */
static void allow_if(struct program *p, int call, unsigned arg, uint32_t mask, uint32_t is, int err)
{
	add(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call, 0, 5);
	load(p, low_half(arg));
	add(p, BPF_ALU | BPF_AND | BPF_K, mask, 0, 0);
	add(p, BPF_JMP | BPF_JEQ | BPF_K, is, 0, 1);
	end(p, SECCOMP_RET_ALLOW);
	end(p, SECCOMP_RET_ERRNO | (uint32_t)err);
}

static void begin(struct program *p)
{
	p->n = 0;
	load(p, offsetof(struct seccomp_data, arch));
	add(p, BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0);
	end(p, SECCOMP_RET_KILL_PROCESS);
	load(p, offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < sizeof(computes) / sizeof(computes[0]); i++)
		allow(p, computes[i]);
	/* Threads, but no processes; clone3() hides its flags, so libraries are sent to clone(). */
	allow_if(p, SYS_clone, 0, CLONE_THREAD, CLONE_THREAD, EPERM);
	add(p, BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1);
	end(p, SECCOMP_RET_ERRNO | ENOSYS);
	/* abort() and raise() */
	allow_if(p, SYS_tgkill, 0, UINT32_MAX, (uint32_t)getpid(), EPERM);
}

static void put(struct program *p)
{
	struct sock_fprog f = { .filter = p->code };

	end(p, SECCOMP_RET_ERRNO | EPERM);
	f.len = p->n;
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &f) != 0)
		prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &f);
}

void plugin_jail_load(void)
{
	static struct program p;
	const uint32_t changes = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC;

	begin(&p);
	for (size_t i = 0; i < sizeof(loads) / sizeof(loads[0]); i++)
		allow(&p, loads[i]);
	allow(&p, CALL_MMAP);
	allow(&p, SYS_mprotect);
	allow_if(&p, SYS_openat, 2, changes, 0, EACCES);
#if defined(SYS_open)
	allow_if(&p, SYS_open, 1, changes, 0, EACCES);
#endif
	put(&p);
}

void plugin_jail_compute(void)
{
	static struct program p;

	begin(&p);
	allow_if(&p, CALL_MMAP, 2, PROT_EXEC, 0, EPERM);
	allow_if(&p, SYS_mprotect, 2, PROT_EXEC, 0, EPERM);
	put(&p);
}

#else

void plugin_jail_load(void)
{
}

void plugin_jail_compute(void)
{
}

#endif
