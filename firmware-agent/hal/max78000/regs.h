#ifndef HAL_MAX78000_REGS_H
#define HAL_MAX78000_REGS_H
#include <stdint.h>

/* The registers of the MAX78000 that this port touches, and no others; the accelerator's are in
 * accel/arch.h. Sources: chapters of the MAX78000 user guide (UG7456), named at each block, and
 * for the core the ARMv7-M architecture reference manual (DDI 0403), chapter B3. Bit names are
 * the guide's, shortened. */
#define REG(addr) (*(volatile uint32_t *)(uintptr_t)(addr))
#define BIT(n)    (UINT32_C(1) << (n))

/* clang-format off */

/* -- core: DDI 0403, B3.2 system control, B3.3 SysTick, B3.4 NVIC, B3.5 MPU; C1.8 trace ------- */
#define SYST_CSR    REG(0xe000e010) /* 0 on, 1 interrupt, 2 core clock */
#define SYST_RVR    REG(0xe000e014)
#define SYST_CVR    REG(0xe000e018)
#define NVIC_ISER   0xe000e100u /* + 4 * (irq / 32) */
#define NVIC_ICER   0xe000e180u
#define NVIC_ICPR   0xe000e280u
#define SCB_ICSR    REG(0xe000ed04)
#define SCB_VTOR    REG(0xe000ed08)
#define SCB_AIRCR   REG(0xe000ed0c)
#define SCB_CFSR    REG(0xe000ed28)
#define SCB_HFSR    REG(0xe000ed2c)
#define SCB_BFAR    REG(0xe000ed38)
#define SCB_CPACR   REG(0xe000ed88)
#define MPU_TYPE    REG(0xe000ed90)
#define MPU_CTRL    REG(0xe000ed94)
#define MPU_RNR     REG(0xe000ed98)
#define MPU_RBAR    REG(0xe000ed9c)
#define MPU_RASR    REG(0xe000eda0)
#define DEMCR       REG(0xe000edfc)
#define DWT_CTRL    REG(0xe0001000)
#define DWT_CYCCNT  REG(0xe0001004)

#define SYST_ON           (BIT(0) | BIT(1) | BIT(2))
#define SCB_ICSR_TICK     BIT(26) /* SysTick is pending */
#define SCB_AIRCR_RESET   0x05fa0004u
#define SCB_CPACR_FPU     (UINT32_C(0xf) << 20)
#define MPU_ON            (BIT(0) | BIT(2)) /* with the default map behind the regions */
#define MPU_NO_ACCESS_256 (BIT(28) | UINT32_C(7) << 1 | BIT(0)) /* never execute; 2^(7+1) bytes */
#define DEMCR_TRACE       BIT(24)

/* Interrupt numbers: "Interrupts and Exceptions" */
enum {
	IRQ_UART0 = 14,
	IRQ_DMA0 = 28,
	IRQ_CNN = 101,
	IRQS = 104,
};

/* -- "System, Power, Clocks, Reset": global control ------------------------------------------- */
#define GCR_RST0     REG(0x40000004)
#define GCR_CLKCTRL  REG(0x40000008)
#define GCR_PCLKDIV  REG(0x40000018)
#define GCR_PCLKDIS0 REG(0x40000024) /* 1: off */
#define GCR_PCLKDIS1 REG(0x40000048)

#define CLKCTRL_DIV     (UINT32_C(7) << 6)
#define CLKCTRL_SEL     (UINT32_C(7) << 9)
#define CLKCTRL_SEL_ISO (UINT32_C(0) << 9)
#define CLKCTRL_SEL_IPO (UINT32_C(4) << 9)
#define CLKCTRL_RDY     BIT(13)
#define CLKCTRL_ISO_EN  BIT(18)
#define CLKCTRL_IPO_EN  BIT(19)
#define CLKCTRL_IPO_RDY BIT(27)
#define PCLKDIV_CNN     (UINT32_C(0xf) << 14) /* divider 14-16, source 17: 0 peripheral clock */
#define PCLKDIV_CNN_1   (UINT32_C(4) << 14)
#define PCLKDIS0_GPIO0  BIT(0)
#define PCLKDIS0_DMA    BIT(5)
#define PCLKDIS0_UART0  BIT(9)
#define PCLKDIS0_CNN    BIT(25)
#define PCLKDIS1_TRNG   BIT(2)
#define PCLKDIS1_WDT0   BIT(27)
#define RST0_UART0      BIT(11)

/* global control functions: power of the accelerator, bits 0-3 one a quadrant */
#define GCFR_CNN_POWER REG(0x40005800)
#define GCFR_CNN_RAM   REG(0x40005804)
#define GCFR_CNN_ISO   REG(0x40005808)
#define GCFR_CNN_RESET REG(0x4000580c)

/* -- "Memory, Register Mapping": instruction cache controller --------------------------------- */
#define ICC_CTRL       REG(0x4002a100) /* 0 on, 16 ready */
#define ICC_INVALIDATE REG(0x4002a700)
#define ICC_CTRL_ON    BIT(0)
#define ICC_CTRL_RDY   BIT(16)

/* -- "Flash Controller" ----------------------------------------------------------------------- */
#define FLC_ACCESS REG(0x40029040)
#define INFO_BLOCK 0x10800000u /* words 0-4: unique serial number */

/* -- "General-Purpose I/O and Alternate Function Pins": port 0 -------------------------------- */
#define GPIO0_EN0_CLR REG(0x40008008)
#define GPIO0_INEN    REG(0x40008030)
#define GPIO0_EN1_CLR REG(0x40008070)
#define GPIO0_EN2_CLR REG(0x4000807c)

/* -- "Universal Asynchronous Receiver/Transmitter": UART0 ------------------------------------- */
#define UART_CTRL   REG(0x40042000)
#define UART_STATUS REG(0x40042004)
#define UART_INT_EN REG(0x40042008)
#define UART_INT_FL REG(0x4004200c) /* write 1 to clear */
#define UART_CLKDIV REG(0x40042010)
#define UART_OSR    REG(0x40042014)
#define UART_FIFO   REG(0x40042020)
#define UART_DMA    REG(0x40042030)
#define UART_FIFO_ADDR 0x40042020u

#define UART_CTRL_RX_1     1u /* receive threshold: one byte */
#define UART_CTRL_TX_FLUSH BIT(8)
#define UART_CTRL_RX_FLUSH BIT(9)
#define UART_CTRL_8_BITS   (UINT32_C(3) << 10)
#define UART_CTRL_BCLK_ON  BIT(15)
#define UART_CTRL_BCLK_RDY BIT(19)
#define UART_TX_BUSY       BIT(0)
#define UART_RX_EMPTY      BIT(4)
#define UART_TX_FULL       BIT(7)
#define UART_TX_LEVEL      (UINT32_C(0xf) << 12)
#define UART_INT_FRAMING   BIT(0)
#define UART_INT_OVERRUN   BIT(3)
#define UART_INT_RX        BIT(4) /* the level rose to the threshold */
#define UART_INT_TX_HALF   BIT(6) /* the transmit level fell to half */
#define UART_DMA_RX_1      (UINT32_C(1) << 5)
#define UART_DMA_RX_ON     BIT(9)

/* -- "Standard DMA": channel 0 ---------------------------------------------------------------- */
#define DMA_INTEN  REG(0x40028000)
#define DMA_CTRL   REG(0x40028100)
#define DMA_STATUS REG(0x40028104)
#define DMA_SRC    REG(0x40028108)
#define DMA_DST    REG(0x4002810c)
#define DMA_CNT    REG(0x40028110)
#define DMA_SRCRLD REG(0x40028114)
#define DMA_DSTRLD REG(0x40028118)
#define DMA_CNTRLD REG(0x4002811c)

#define DMA_CTRL_ON       BIT(0)
#define DMA_CTRL_RELOAD   BIT(1)
#define DMA_CTRL_UART0_RX (UINT32_C(4) << 4) /* request line; 0: memory to memory */
#define DMA_CTRL_SRC_INC  BIT(18)
#define DMA_CTRL_DST_INC  BIT(22)
#define DMA_CTRL_ZERO_INT BIT(31)
#define DMA_STATUS_ON     BIT(0)
#define DMA_CNTRLD_ON     BIT(31)

/* -- "Watchdog Timer": WDT0 ------------------------------------------------------------------- */
#define WDT_CTRL   REG(0x40003000)
#define WDT_RST    REG(0x40003004)
#define WDT_CLKSEL REG(0x40003008) /* 0 peripheral clock */
#define WDT_RESET_2POW26 (UINT32_C(5) << 4) /* 1.34 s at 50 MHz */
#define WDT_ON           BIT(8)
#define WDT_RESET_ON     BIT(11)
#define WDT_WAS_EARLY    BIT(30)
#define WDT_WAS_LATE     BIT(31)

/* -- "TRNG" ----------------------------------------------------------------------------------- */
#define TRNG_STATUS REG(0x4004d004)
#define TRNG_DATA   REG(0x4004d008)
#define TRNG_READY  BIT(0)

/* clang-format on */

static inline void irq_on(unsigned irq)
{
	REG(NVIC_ISER + 4 * (irq / 32)) = BIT(irq % 32);
}

static inline void irq_off(unsigned irq)
{
	REG(NVIC_ICER + 4 * (irq / 32)) = BIT(irq % 32);
}

static inline void irq_forget(unsigned irq)
{
	REG(NVIC_ICPR + 4 * (irq / 32)) = BIT(irq % 32);
}

/* Only inside the port, and never for longer than a few microseconds: the receive FIFO has
 * eight bytes. */
static inline void irqs_mask(void)
{
	__asm__ volatile("cpsid i" ::: "memory");
}

static inline void irqs_unmask(void)
{
	__asm__ volatile("cpsie i" ::: "memory");
}

#endif
