#ifndef APP_PORT_H
#define APP_PORT_H
#include "firmware-agent/core/hal.h"

/* What an application with an agent asks of a chip beside struct ag_hal. One set of these
 * functions is in each folder of hal/ that an application is linked with. Main loop only;
 * nothing here waits but port_begin() and port_sleep(). */
struct port_facts {
	const char *serial, *device; /* at most 15 characters; the same every boot */
	uint8_t reset_cause; /* enum agent_reset */
	/* Where the fault was that ended the last life, and what the core said of it; 0: none. */
	uint32_t fault_pc, fault_status;
	uint32_t link_bps; /* of the serial line as it begins */
	const uint32_t *rates; /* faster ones that it can make */
	uint8_t n_rates;
	uint32_t cpu_hz, cnn_hz; /* of the processor: the wait bound follows from it */
	uint16_t bus_write_ns, bus_read_ns; /* one access of the accelerator */
};

/* Clocks, serial line, time, accelerator on and empty, watchdog on. False: it cannot work. */
bool port_begin(void);
const struct port_facts *port_facts(void); /* after port_begin() */

/* What went wrong on the serial line since boot; counters wrap. */
struct port_line {
	uint32_t framing, overrun; /* as the receiver told */
	uint32_t full; /* the driver's ring was full */
};
struct port_line port_line(void);

struct ag_hal port_hal(void); /* time begins at port_begin() */

/* The main loop lives: within a second, again and again, or the chip begins anew. */
void port_feed(void);

/* Until an interrupt, about until_us at the latest; may return at any time before, and does at
 * once when bytes of the line wait. */
void port_sleep(uint64_t until_us);

/* An inference was started: its end ends a port_sleep(), and its time is kept. */
void port_await_done(void);
/* When it ended; 0: not yet, or this chip does not tell: look into the accelerator. */
uint64_t port_done_us(void);

int main(void);

#endif
