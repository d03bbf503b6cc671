/* The accelerator that the board does not have: its emulator as Arm code, behind the same
 * accesses, with its modelled time. Time stands still while the emulator works. What is seen of
 * the accelerator's use goes to UART 1, in the form of harvest-board --log. */
#include "accel/arch.h"
#include "accel/emu/emu.h"
#include "firmware-agent/app/port.h"
#include "firmware-agent/hal/mps2/mps2.h"
#include "firmware-agent/include/agent.h"

#define FNV_BASIS UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME UINT64_C(0x100000001b3)

/* A harvested inference takes so many times its cycles: a debugger may say how many. */
extern volatile uint32_t mps2_slow;
volatile uint32_t mps2_slow = 1;

static struct {
	struct cnn_emu *emu;
	bool running;
	uint64_t done_ns; /* when the inference in progress ends */
	/* evidence */
	bool primary, run_open;
	uint64_t begin_ns, requested_ns, hash;
	uint64_t run_begin_ns, run_end_ns, run_hash;
} cnn;

/* -- evidence ------------------------------------------------------------------------------ */

static void log_text(const char *s)
{
	while (*s != 0)
		mps2_log_byte(*s++);
}

static void log_number(uint64_t v)
{
	char digit[20];
	unsigned n = 0;

	do {
		digit[n++] = (char)('0' + v % 10);
		v /= 10;
	} while (v != 0);
	while (n > 0)
		mps2_log_byte(digit[--n]);
	mps2_log_byte(',');
}

static void log_line(const char *kind, uint64_t begin, uint64_t end, uint64_t requested,
		     uint64_t hash)
{
	mps2_time_stop();
	log_text(kind);
	log_number(begin);
	log_number(end);
	log_number(requested);
	for (int i = 60; i >= 0; i -= 4)
		mps2_log_byte("0123456789abcdef"[hash >> i & 15]);
	mps2_log_byte('\n');
	mps2_time_go();
}

static void close_run(void)
{
	if (cnn.run_open)
		log_line("harvest,", cnn.run_begin_ns, cnn.run_end_ns, cnn.run_begin_ns,
			 cnn.run_hash);
	cnn.run_open = false;
}

/* The linker puts these around every call of the bracket (--wrap): the application and the
 * agent are as they are on any board. */
void __real_agent_primary_begin(struct agent *a, uint64_t requested_us);
void __wrap_agent_primary_begin(struct agent *a, uint64_t requested_us);
void __real_agent_primary_end(struct agent *a);
void __wrap_agent_primary_end(struct agent *a);

void __wrap_agent_primary_begin(struct agent *a, uint64_t requested_us)
{
	__real_agent_primary_begin(a, requested_us);
	cnn.begin_ns = mps2_now_ns();
	cnn.requested_ns = requested_us * 1000;
	cnn.hash = FNV_BASIS;
	cnn.primary = true;
	close_run();
}

void __wrap_agent_primary_end(struct agent *a)
{
	uint64_t end = mps2_now_ns();

	__real_agent_primary_end(a);
	cnn.primary = false;
	log_line("primary,", cnn.begin_ns, end, cnn.requested_ns, cnn.hash);
}

/* -- bus ----------------------------------------------------------------------------------- */

static void settle(void)
{
	if (!cnn.running || mps2_now_ns() < cnn.done_ns)
		return;
	mps2_time_stop();
	cnn_emu_finish(cnn.emu);
	mps2_time_go();
	cnn.running = false;
	if (!cnn.primary) {
		cnn.run_end_ns = cnn.done_ns;
		cnn.run_open = true;
	}
}

static void started(void)
{
	uint64_t ns = (uint64_t)cnn_emu_cycles(cnn.emu) * CNN_CYCLE_NS;
	uint64_t now = mps2_now_ns();

	cnn.done_ns = now + (cnn.primary ? ns : ns * mps2_slow);
	if (cnn.primary)
		return;
	close_run();
	cnn.run_begin_ns = now;
	cnn.run_hash = FNV_BASIS;
}

void mps2_cnn_write32(void *ctx, uint32_t addr, uint32_t value)
{
	bool is;

	(void)ctx;
	settle();
	cnn_emu_write32(cnn.emu, addr, value);
	is = cnn_emu_running(cnn.emu);
	if (is && !cnn.running)
		started();
	else if (!is && cnn.running && !cnn.primary)
		log_line("harvest,", cnn.run_begin_ns, mps2_now_ns(), cnn.run_begin_ns, 0);
	cnn.running = is;
}

void mps2_cnn_write8(void *ctx, uint32_t addr, uint8_t value)
{
	(void)ctx;
	settle();
	cnn_emu_write8(cnn.emu, addr, value);
}

uint32_t mps2_cnn_read32(void *ctx, uint32_t addr)
{
	uint32_t v;

	(void)ctx;
	settle();
	v = cnn_emu_read32(cnn.emu, addr);
	if (addr >= CNN_DATA && (addr - CNN_DATA) % CNN_QUADRANT_STRIDE < 0x20000) {
		uint64_t *hash = cnn.primary ? &cnn.hash : &cnn.run_hash;

		*hash = (*hash ^ v) * FNV_PRIME;
	}
	return v;
}

/* The emulated accelerator has no interrupt: its done bit is looked at. */
void port_await_done(void)
{
}

uint64_t port_done_us(void)
{
	return 0;
}

bool mps2_cnn_begin(void)
{
	log_text("kind,start_ns,end_ns,requested_ns,output_hash\n");
	return cnn_emu_new(&cnn.emu) == HV_OK;
}
