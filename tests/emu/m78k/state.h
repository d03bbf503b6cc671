#ifndef EMU_STATE_H
#define EMU_STATE_H
#include "accel/emu/emu.h"
#include "tests/emu/m78k/machine.h"

/* What the files of the machine know of each other. Times in picoseconds of modelled time, or in
 * cycles of the core; UINT64_MAX: never. */
enum {
	FLASH_BYTES = 512 << 10,
	SRAM_BYTES = 128 << 10,
	IRQS = 104,
	EXCEPTIONS = 16 + IRQS,
	NEST_MAX = 16,
	UART_FIFO = 8,
	LINE_BYTES = 4096,
	OUT_BYTES = 1 << 16,
	UNKNOWN_MAX = 64,
	MPU_REGIONS = 8,
	DMA_CHANNELS = 4,
};

#define FLASH_BASE UINT32_C(0x10000000)
#define SRAM_BASE  UINT32_C(0x20000000)
#define INFO_BASE  UINT32_C(0x10800000)
#define NEVER      UINT64_MAX

enum exception {
	EXC_NONE = 0,
	EXC_HARD = 3,
	EXC_SVC = 11,
	EXC_PENDSV = 14,
	EXC_SYSTICK = 15,
	EXC_IRQ0 = 16,
};

enum irq { IRQ_WDT0 = 1, IRQ_UART0 = 14, IRQ_DMA0 = 28, IRQ_CNN = 101 };

/* Interrupts, SysTick, system control block, cycle counter. */
struct core_regs {
	uint32_t vtor, aircr, scr, ccr, shcsr, cfsr, hfsr, cpacr, fpccr, demcr, dwt_ctrl, bfar;
	uint32_t mpu_ctrl, mpu_rnr, mpu_rbar[MPU_REGIONS], mpu_rasr[MPU_REGIONS];
	uint8_t priority[EXCEPTIONS];
	bool pending[EXCEPTIONS], enabled[EXCEPTIONS], line[IRQS];
	unsigned n_pending; /* and enabled */
	uint8_t stack[NEST_MAX]; /* exceptions in progress */
	uint64_t fpu[NEST_MAX][8]; /* what automatic preservation would have saved */
	uint8_t depth;
	uint32_t syst_csr, syst_rvr;
	uint64_t syst_zero_cycles; /* when its counter next reaches 0; NEVER: off */
	uint32_t syst_left; /* counter while off */
	uint64_t dwt_zero_cycles, slept_cycles;
};

struct chip_regs {
	uint32_t rst1, clkctrl, pm, pclkdiv, pclkdis0, pclkdis1, memctrl;
	uint64_t ipo_ready_ps, ibro_ready_ps;
	uint32_t icc_ctrl;
	uint32_t gpio[3][64];
	uint32_t flc_unlock; /* how much of the key came */
	uint32_t flc[32];
	uint32_t wdt_ctrl, wdt_clksel, wdt_feed;
	uint64_t wdt_base_ps; /* last feed */
	uint32_t trng_ctrl;
};

struct uart_regs {
	uint32_t ctrl, int_en, int_fl, clkdiv, osr, dma, txpeek, pnr;
	uint8_t rx[UART_FIFO], tx[UART_FIFO];
	uint32_t rx_n, tx_n;
	bool shifting; /* a byte is on its way out */
	uint8_t shift;
	uint64_t shift_done_ps;
	/* towards the board */
	uint8_t line[LINE_BYTES];
	uint32_t line_head, line_n;
	uint64_t line_next_ps;
	/* from the board */
	uint8_t out[OUT_BYTES];
	uint32_t out_head, out_n;
};

struct dma_channel {
	uint32_t ctrl, status, src, dst, cnt, srcrld, dstrld, cntrld;
};

struct dma_regs {
	uint32_t inten;
	struct dma_channel channel[DMA_CHANNELS];
};

struct accel_state {
	struct cnn_emu *emu;
	uint64_t done_ps;
	/* evidence */
	bool primary, run_open, waiting;
	uint64_t requested_ns, begin_ns, inference_hash;
	uint64_t run_start_ns, run_end_ns, run_hash;
	uint32_t return_pc; /* of the bracket's call in progress */
	uint64_t agent_epoch_ns; /* when the image's own clock began, as far as can be seen */
};

struct unknown {
	uint32_t addr;
	uint64_t reads, writes;
};

struct machine {
	struct uc_struct *uc; /* the interpreter, as unicorn.h has it */
	struct machine_options o;
	struct machine_counters n;
	char why[160];
	bool broken, locked, sleeping;
	/* time */
	uint64_t cycles, base_cycles, base_ps;
	uint32_t ps_per_cycle, hz;
	uint64_t slice_end; /* cycles; 0: end it at the next block */
	/* why the interpreter came back */
	bool stopped, exc_return, want_reset, in_uc;
	int pend_fault; /* an exception number, 0: none */
	uint32_t fault_addr;
	bool fault_addr_valid;
	uint32_t pc;
	uint32_t rng;
	bool late_reset; /* the watchdog's flag */
	bool hang;
	uint16_t cost[FLASH_BYTES / 2], count[FLASH_BYTES / 2]; /* of the block that begins there */
	uint8_t image[FLASH_BYTES];
	struct core_regs core;
	struct chip_regs chip;
	struct uart_regs uart;
	struct dma_regs dma;
	struct accel_state accel;
	struct unknown unknown[UNKNOWN_MAX];
	unsigned n_unknown;
};

static inline uint64_t now_ps(const struct machine *m)
{
	return m->base_ps + (m->cycles - m->base_cycles) * m->ps_per_cycle;
}

/* Something changed that the slice in progress did not know of. */
static inline void slice_cut(struct machine *m)
{
	m->slice_end = 0;
}

void machine_unknown(struct machine *m, uint32_t addr, bool write);
void machine_violation(struct machine *m, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void machine_clock(struct machine *m, uint32_t hz);
uint32_t machine_random(struct machine *m);
void machine_charge_ns(struct machine *m, uint32_t ns);

/* cost.c: cycles and instructions of bytes [at, at + n) of Thumb code. */
void cost_block(const uint8_t *code, uint32_t n, uint16_t *cycles, uint16_t *instructions);

/* core.c */
void core_reset(struct machine *m);
uint32_t core_read(struct machine *m, uint32_t addr);
void core_write(struct machine *m, uint32_t addr, uint32_t value, unsigned size);
void core_pend(struct machine *m, unsigned exception);
void core_line(struct machine *m, unsigned irq, bool level);
void core_taken(struct machine *m, unsigned exception); /* it is about to be entered */
/* The exception to enter now, or EXC_NONE; masked: as if PRIMASK were clear (what wakes WFI). */
unsigned core_deliverable(struct machine *m, bool masked);
bool core_forbids(const struct machine *m, uint32_t addr); /* a region without access */
void core_events(struct machine *m);
uint64_t core_next_cycles(const struct machine *m);

/* exception.c */
void exception_enter(struct machine *m, unsigned exception);
void exception_return(struct machine *m);
uint32_t reg_get(struct machine *m, int reg);
void reg_set(struct machine *m, int reg, uint32_t value);

/* chip.c */
void chip_reset(struct machine *m);
uint32_t chip_read(struct machine *m, uint32_t addr);
void chip_write(struct machine *m, uint32_t addr, uint32_t value);
uint32_t info_read(struct machine *m, uint32_t addr);
void chip_events(struct machine *m);
uint64_t chip_next_ps(const struct machine *m);
uint32_t chip_pclk_hz(const struct machine *m);
bool chip_uart_wired(const struct machine *m); /* pins and clock of UART0 */

/* uart.c */
void uart_reset(struct machine *m);
uint32_t uart_read(struct machine *m, uint32_t offset);
void uart_write(struct machine *m, uint32_t offset, uint32_t value);
void uart_events(struct machine *m);
uint64_t uart_next_ps(const struct machine *m);

/* dma.c */
uint32_t dma_read(struct machine *m, uint32_t offset);
void dma_write(struct machine *m, uint32_t offset, uint32_t value);
bool dma_uart_byte(struct machine *m, uint8_t byte); /* true: it was taken */

/* accel.c */
void accel_reset(struct machine *m);
uint32_t accel_read(struct machine *m, uint32_t addr, unsigned size);
void accel_write(struct machine *m, uint32_t addr, uint32_t value, unsigned size);
void accel_system_write(struct machine *m, uint32_t addr, uint32_t value);
void accel_events(struct machine *m);
void accel_at(struct machine *m, uint32_t pc); /* the block that begins here is about to run */
void accel_close_run(struct machine *m);

#endif
