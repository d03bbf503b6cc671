/* A small firmware that exercises the machine: commands of one letter over UART0, answers in
 * text. Nothing of the agent; tests/unit/test_m78k.c knows what every command must answer. */
#include <stdbool.h>
#include <stdint.h>

#define REG(a) (*(volatile uint32_t *)(uintptr_t)(a))

#define RST0     REG(0x40000004)
#define CLKCTRL  REG(0x40000008)
#define PCLKDIV  REG(0x40000018)
#define PCLKDIS0 REG(0x40000024)
#define WDT_CTRL REG(0x40003000)
#define WDT_RST  REG(0x40003004)
#define GCFR(n)  REG(0x40005800 + 4 * (n))
#define UART(o)  REG(0x40042000 + (o))
#define SYST(o)  REG(0xe000e010 + (o))
#define CYCCNT   REG(0xe0001004)
#define CNN(o)   REG(0x50000000 + (o))

enum { RING = 256, UART_IRQ = 14, CNN_IRQ = 101, SOFT_IRQ = 60 };

extern uint32_t bss[], bss_end[];
static volatile uint8_t ring[RING];
static volatile uint32_t head, tail, ticks, done, soft_at_tick, nested, in_tick;
__attribute__((section(".noinit"))) static uint32_t boots;

/* -- the bracket, as an agent has it: found by name ---------------------------------------- */

__attribute__((noinline)) void agent_primary_begin(void *a, uint64_t requested_us);
__attribute__((noinline)) void agent_primary_end(void *a);

void agent_primary_begin(void *a, uint64_t requested_us)
{
	uint32_t until = CYCCNT + 5000;

	(void)a, (void)requested_us;
	while ((int32_t)(until - CYCCNT) > 0)
		;
}

void agent_primary_end(void *a)
{
	(void)a;
	__asm__ volatile("" ::: "memory");
}

/* -- interrupts ---------------------------------------------------------------------------- */

static void tick(void)
{
	in_tick = 1;
	ticks++;
	if (soft_at_tick != 0) {
		soft_at_tick = 0;
		REG(0xe000e200 + 4 * (SOFT_IRQ / 32)) = 1u << SOFT_IRQ % 32;
		__asm__ volatile("dsb\n\tisb\n\tnop" ::: "memory");
	}
	in_tick = 0;
}

static void soft(void)
{
	nested = 1 + in_tick;
}

static void uart(void)
{
	UART(0x0c) = 1 << 4 | 1 << 3;
	while ((UART(0x04) & 1 << 4) == 0) {
		ring[head % RING] = (uint8_t)UART(0x20);
		head++;
	}
}

static void cnn(void)
{
	CNN(0x100000) &= ~(1u << 12 | 1u);
	done++;
}

static void fault(void)
{
	RST0 = UINT32_C(1) << 31;
	for (;;)
		;
}

/* -- helpers ------------------------------------------------------------------------------- */

static void put(char c)
{
	while ((UART(0x04) & 1 << 7) != 0)
		;
	UART(0x20) = (uint8_t)c;
}

static void text(const char *s)
{
	while (*s != 0)
		put(*s++);
}

static void number(const char *name, uint32_t v)
{
	text(name);
	put(' ');
	for (int i = 28; i >= 0; i -= 4)
		put("0123456789abcdef"[v >> i & 15]);
	put('\n');
}

static uint8_t take(void)
{
	uint8_t b;

	__asm__ volatile("cpsid i" ::: "memory");
	while (head == tail) {
		__asm__ volatile("wfi\n\tcpsie i\n\tisb\n\tcpsid i" ::: "memory");
		WDT_RST = 0xa5;
		WDT_RST = 0x5a;
	}
	b = ring[tail % RING];
	tail++;
	__asm__ volatile("cpsie i" ::: "memory");
	return b;
}

static void spin(uint32_t cycles)
{
	uint32_t from = CYCCNT;

	while (CYCCNT - from < cycles)
		;
}

/* -- commands ------------------------------------------------------------------------------ */

static void echo(void)
{
	for (unsigned n = take(); n > 0; n--)
		put((char)take());
}

/* Ticks that a mask lets through in 5 ms, then after it was lifted. */
static void mask(bool basepri)
{
	uint32_t before, during, after;

	if (basepri)
		__asm__ volatile("msr basepri, %0" ::"r"(0x60) : "memory");
	else
		__asm__ volatile("cpsid i" ::: "memory");
	before = ticks;
	spin(500000);
	during = ticks - before;
	__asm__ volatile("msr basepri, %0\n\tcpsie i\n\tisb" ::"r"(0) : "memory");
	after = ticks - before;
	number("during", during);
	number("after", after);
}

static void power(void)
{
	GCFR(3) = 15;
	GCFR(1) = 15;
	GCFR(0) = 15;
	GCFR(2) = 0;
	GCFR(3) = 0;
	PCLKDIV = (PCLKDIV & ~(7u << 14 | 1u << 17)) | 4u << 14;
	PCLKDIS0 &= ~(1u << 25);
}

/* One inference of a layer that passes one channel of 64 by 64 through: its data is unchanged. */
static void infer(void)
{
	uint32_t before = done, from;

	CNN(0x100000) = 8;
	CNN(0x100004) = 0x40e;
	CNN(0x100008) = 0;
	for (unsigned q = 1; q < 4; q++) {
		CNN(0x100000 + 0x400000 * q) = 0;
		CNN(0x100008 + 0x400000 * q) = 0;
	}
	CNN(0x100010) = 63;
	CNN(0x100090) = 63;
	CNN(0x100010 + 0x80 * 14) = 0x00010001;
	CNN(0x400000) = 0x12345678;
	from = CYCCNT;
	CNN(0x100000) = 8 | 1 << 11;
	CNN(0x100000) = 9;
	__asm__ volatile("cpsid i" ::: "memory");
	while (done == before)
		__asm__ volatile("wfi\n\tcpsie i\n\tisb\n\tcpsid i" ::: "memory");
	__asm__ volatile("cpsie i" ::: "memory");
	number("awake", CYCCNT - from);
	number("done", done);
}

static void bracket(void)
{
	uint32_t sum = 0;

	agent_primary_begin(0, 0);
	CNN(0x100000) = 8; /* memories need the clock */
	for (unsigned i = 0; i < 4; i++)
		CNN(0x400000 + 4 * i) = i + 1;
	for (unsigned i = 0; i < 4; i++)
		sum += CNN(0x400000 + 4 * i);
	agent_primary_end(0);
	number("sum", sum);
}

static void serial_number(void)
{
	static const uint32_t key[3] = { 0x3a7f5ca3, 0xa1e34f20, 0x9608b2c1 };

	for (unsigned i = 0; i < 3; i++)
		REG(0x40029040) = key[i];
	number("unit", REG(0x10800000));
	REG(0x40029040) = 0;
}

static void floats(void)
{
	volatile float x = 1.0f;

	for (unsigned i = 0; i < 100000; i++)
		x = x * 1.0001f;
	number("float", (uint32_t)(x * 16));
}

static void command(uint8_t c)
{
	switch (c) {
	case 'v':
		number("boots", boots);
		number("wdt", WDT_CTRL >> 31);
		break;
	case 'e': echo(); break;
	case 't': number("ticks", ticks); break;
	case 'm': mask(false); break;
	case 'b': mask(true); break;
	case 'q':
		soft_at_tick = 1;
		spin(200000);
		number("nested", nested);
		break;
	case 'd':
		__asm__ volatile("cpsid i" ::: "memory");
		spin(take() * 10000u);
		__asm__ volatile("cpsie i" ::: "memory");
		break;
	case 's':
		__asm__ volatile("cpsid i" ::: "memory");
		spin(100000);
		__asm__ volatile("cpsie i" ::: "memory");
		text("slept\n");
		break;
	case 'p':
		power();
		text("on\n");
		break;
	case 'i': infer(); break;
	case 'k': bracket(); break;
	case 'n': number("dead", CNN(0x400000)); break;
	case 'u': number("unit", REG(0x40010000)); break;
	case 'f': floats(); break;
	case 'w':
		for (;;)
			__asm__ volatile("" ::: "memory");
	case '#': serial_number(); break;
	default: text("?\n"); break;
	}
}

static void start(void)
{
	CLKCTRL |= 1 << 19;
	while ((CLKCTRL & 1 << 27) == 0)
		;
	CLKCTRL = (CLKCTRL & ~(7u << 9)) | 4u << 9;
	while ((CLKCTRL & 1 << 13) == 0)
		;
	PCLKDIS0 &= ~(1u | 1u << 9);
	REG(0x40008030) |= 3; /* input enable, then alternate function 1 */
	REG(0x4000807c) = 3;
	REG(0x40008070) = 3;
	REG(0x40008008) = 3;
	UART(0x10) = 50; /* 1 Mbaud */
	UART(0x14) = 5;
	UART(0x00) = 1 | 3 << 10 | 1 << 15;
	while ((UART(0x00) & 1 << 19) == 0)
		;
	UART(0x08) = 1 << 4;
	REG(0xe000edfc) |= 1 << 24;
	REG(0xe0001000) |= 1;
	REG(0xe000e400 + SOFT_IRQ) = 0;
	*(volatile uint8_t *)(uintptr_t)(0xe000e400 + SOFT_IRQ) = 0x20;
	*(volatile uint8_t *)(uintptr_t)0xe000ed23 = 0x80; /* SysTick */
	REG(0xe000e100 + 4 * (UART_IRQ / 32)) = 1u << UART_IRQ % 32;
	REG(0xe000e100 + 4 * (SOFT_IRQ / 32)) = 1u << SOFT_IRQ % 32;
	REG(0xe000e100 + 4 * (CNN_IRQ / 32)) = 1u << CNN_IRQ % 32;
	SYST(4) = 99999;
	SYST(8) = 0;
	SYST(0) = 7;
	WDT_CTRL = (WDT_CTRL & UINT32_C(1) << 31) | 6 << 4 | 1 << 11 | 1 << 8;
}

void reset(void);
void reset(void)
{
	REG(0xe000ed08) = 0x10000000;
	REG(0xe000ed88) |= 0xf << 20;
	__asm__ volatile("dsb\n\tisb" ::: "memory");
	for (uint32_t *p = bss; p < bss_end; p++)
		*p = 0;
	boots++;
	start();
	for (;;)
		command(take());
}

/* clang-format off */
__attribute__((section(".vectors"), used)) static void *const table[120] = {
	[0] = (void *)0x20010000,
	[1] = reset,
	[2 ... 14] = fault,
	[15] = tick,
	[16 + UART_IRQ] = uart,
	[16 + SOFT_IRQ] = soft,
	[16 + CNN_IRQ] = cnn,
};
/* clang-format on */
