#ifndef HV_ERR_H
#define HV_ERR_H

/* One list owns the codes: enum, short name and text can never drift apart.
 * Values are part of both wires and of the ABI: append only, never renumber. */
/* clang-format off */
#define HV_ERR_MAP(XX)                                                \
	XX(-1,  INVAL,   "invalid argument")                          \
	XX(-2,  NOMEM,   "out of memory")                             \
	XX(-3,  TIMEOUT, "deadline passed")                           \
	XX(-4,  BUSY,    "no capacity within the limits")             \
	XX(-5,  LINK,    "board link failed")                         \
	XX(-6,  FRAME,   "malformed frame from peer")                 \
	XX(-7,  VERSION, "no common protocol version")                \
	XX(-8,  DENIED,  "policy or permission refuses this request") \
	XX(-9,  BUDGET,  "no place satisfies the error budget or the deadline") \
	XX(-10, GONE,    "board, client or daemon went away")         \
	XX(-11, NOENT,   "no such file, task, job, board or model")   \
	XX(-12, IO,      "input/output error")                        \
	XX(-13, FORMAT,  "bad input file")                            \
	XX(-14, CANCEL,  "cancelled")                                 \
	XX(-15, WRONG,   "wrong answer")                              \
	XX(-16, STALE,   "the samples are not, or no longer, in the board's buffer")
/* clang-format on */

enum hv_err {
	HV_OK = 0,
#define XX(num, name, text) HV_E_##name = (num),
	HV_ERR_MAP(XX)
#undef XX
};

#define HV_NODISCARD __attribute__((warn_unused_result))

/* Both never return NULL. Freestanding. */
const char *hv_err_name(int err); /* "TIMEOUT" */
const char *hv_err_text(int err); /* "deadline passed" */

#endif
