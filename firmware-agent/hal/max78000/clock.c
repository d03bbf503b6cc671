#include "firmware-agent/hal/max78000/parts.h"
#include "firmware-agent/hal/max78000/regs.h"

enum {
	ISO_MHZ = 60,
	IPO_MHZ = 100,
	WAIT_READS = 100000, /* some ten cycles each */
	ALL_QUADRANTS = 0xf,
};

uint32_t clock_core_mhz = ISO_MHZ;

bool clock_wait(volatile uint32_t *reg, uint32_t mask, uint32_t want)
{
	for (unsigned i = 0; i < WAIT_READS; i++)
		if ((*reg & mask) == want)
			return true;
	return false;
}

/* The guide: no other order of disable, invalidate, wait, enable. */
static void cache_begin(void)
{
	ICC_CTRL &= ~ICC_CTRL_ON;
	ICC_INVALIDATE = 1;
	if (!clock_wait(&ICC_CTRL, ICC_CTRL_RDY, ICC_CTRL_RDY))
		return; /* slow, and right */
	ICC_CTRL |= ICC_CTRL_ON;
	(void)clock_wait(&ICC_CTRL, ICC_CTRL_RDY, ICC_CTRL_RDY);
}

static bool use_ipo(void)
{
	/* Reserved and ready bits live in this register: change fields, write nothing afresh. */
	GCR_CLKCTRL |= CLKCTRL_IPO_EN;
	if (!clock_wait(&GCR_CLKCTRL, CLKCTRL_IPO_RDY, CLKCTRL_IPO_RDY))
		return false;
	GCR_CLKCTRL = (GCR_CLKCTRL & ~CLKCTRL_DIV);
	GCR_CLKCTRL = (GCR_CLKCTRL & ~CLKCTRL_SEL) | CLKCTRL_SEL_IPO;
	if (clock_wait(&GCR_CLKCTRL, CLKCTRL_RDY, CLKCTRL_RDY))
		return true;
	GCR_CLKCTRL = (GCR_CLKCTRL & ~CLKCTRL_SEL) | CLKCTRL_SEL_ISO;
	(void)clock_wait(&GCR_CLKCTRL, CLKCTRL_RDY, CLKCTRL_RDY);
	return false;
}

uint32_t clock_begin(void)
{
	cache_begin();
	clock_core_mhz = use_ipo() ? IPO_MHZ : ISO_MHZ;
	return clock_core_mhz;
}

/* Peripheral clock, half the core's, undivided: 50 MHz. */
void clock_cnn_begin(void)
{
	GCFR_CNN_RESET = ALL_QUADRANTS;
	GCFR_CNN_RAM = ALL_QUADRANTS;
	GCFR_CNN_POWER = ALL_QUADRANTS;
	GCFR_CNN_ISO = 0;
	GCFR_CNN_RESET = 0;
	GCR_PCLKDIV = (GCR_PCLKDIV & ~PCLKDIV_CNN) | PCLKDIV_CNN_1;
	GCR_PCLKDIS0 &= ~PCLKDIS0_CNN;
}
