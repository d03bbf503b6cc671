/* Numbers of the MAX78000 CNN accelerator, defined once and nowhere else. Freestanding.
 * Sources: MAX78000 user guide UG7456 (CNN chapter) and the vendor's network generator. */
#ifndef CNN_ARCH_H
#define CNN_ARCH_H
#include <stdint.h>

enum {
	CNN_QUADRANTS = 4,
	CNN_PROCESSORS = 64,
	CNN_PER_QUADRANT = 16,
	CNN_INSTANCES = 16,          /* data memories, one per group of four processors */
	CNN_LAYERS_MAX = 32,
	CNN_STREAM_LAYERS = 8,       /* the first ones */
	CNN_FIFOS = 4,               /* FIFO n feeds quadrant n */
	CNN_CHANNELS_MAX = 1024,
	CNN_ROWS_MAX = 1023,
	CNN_KERNEL_WORDS = 768,      /* 72-bit words per processor */
	CNN_KERNEL_WORD_BYTES = 9,
	CNN_BIAS_BYTES = 512,        /* per quadrant */
	CNN_TRAM_WORDS = 3072,
	CNN_DATA_WORDS = 8192,       /* 32-bit words per instance */
	CNN_LAYER_REGS = 21,         /* register numbers 0..20; 19 is not per layer */
	CNN_CLOCK_HZ = 50000000,
	CNN_CYCLE_NS = 20,
	CNN_STARTUP_CYCLES = 1,
	CNN_BUS_WRITE_NS = 280,      /* the vendor generator's budget per 32-bit write */
	CNN_BUS_READ_NS = 230,       /* and per read; priors until a board is measured */
};

#define CNN_BASE            UINT32_C(0x50000000)
#define CNN_QUADRANT_STRIDE UINT32_C(0x400000)
#define CNN_FIFO_CTRL       UINT32_C(0x50000000)
#define CNN_FIFO_STATUS     UINT32_C(0x50000004)
#define CNN_FIFO_DATA       UINT32_C(0x50000008) /* + 4 * FIFO */
#define CNN_AON             UINT32_C(0x50001000)
#define CNN_CTRL            UINT32_C(0x50100000)
#define CNN_SRAM            UINT32_C(0x50100004)
#define CNN_LCNT_MAX        UINT32_C(0x50100008)
#define CNN_TEST            UINT32_C(0x5010000c)
#define CNN_IFRM            UINT32_C(0x50100990)
#define CNN_LREG            UINT32_C(0x50100010)
#define CNN_BIAS            UINT32_C(0x50108000)
#define CNN_TRAM            UINT32_C(0x50110000)
#define CNN_KERNEL          UINT32_C(0x50180000)
#define CNN_DATA            UINT32_C(0x50400000)

/* Layer registers by number; address CNN_LREG + q * stride + 0x80 * n + 4 * layer. */
enum cnn_reg {
	CNN_R_RCNT, CNN_R_CCNT, CNN_R_ONED, CNN_R_PRCNT, CNN_R_PCCNT, CNN_R_STRIDE,
	CNN_R_WPTR_BASE, CNN_R_WPTR_TOFF, CNN_R_WPTR_MOFF, CNN_R_WPTR_CHOFF, CNN_R_RPTR_BASE,
	CNN_R_LCTL, CNN_R_MCNT, CNN_R_TPTR, CNN_R_EN, CNN_R_POST, CNN_R_STRM0, CNN_R_STRM1,
	CNN_R_FBUF, CNN_R_IFRM, CNN_R_LCTL2,
};

static inline uint32_t cnn_reg_addr(unsigned quadrant, unsigned reg, unsigned layer)
{
	return CNN_LREG + quadrant * CNN_QUADRANT_STRIDE + 0x80u * reg + 4u * layer;
}

static inline uint32_t cnn_data_addr(unsigned instance, uint32_t word)
{
	return CNN_DATA + (instance / 4) * CNN_QUADRANT_STRIDE + (instance % 4) * 0x8000u +
	       4u * word;
}

static inline uint32_t cnn_kernel_addr(unsigned processor)
{
	return CNN_KERNEL + (processor / 16) * CNN_QUADRANT_STRIDE + (processor % 16) * 0x4000u;
}

static inline uint32_t cnn_bias_addr(unsigned quadrant, unsigned i)
{
	return CNN_BIAS + quadrant * CNN_QUADRANT_STRIDE + 4u * i;
}

#define CNN_CTRL_CNN_EN  (UINT32_C(1) << 0)
#define CNN_CTRL_CLK_EN  (UINT32_C(1) << 3)
#define CNN_CTRL_ONESHOT (UINT32_C(1) << 8)
#define CNN_CTRL_SYNC    (UINT32_C(1) << 11)
#define CNN_CTRL_IRQ     (UINT32_C(1) << 12)
#define CNN_CTRL_POOLRND (UINT32_C(1) << 13)
#define CNN_CTRL_STREAM  (UINT32_C(1) << 14)
#define CNN_CTRL_FIFO    (UINT32_C(1) << 15)
#define CNN_CTRL_LILBUF  (UINT32_C(1) << 19)
#define CNN_CTRL_MEXPRESS (UINT32_C(1) << 20)
#define CNN_SRAM_DEFAULT UINT32_C(0x40e)

#endif
