#ifndef PROTO_ARQ_PRIV_H
#define PROTO_ARQ_PRIV_H
#include "proto/arq.h"

/* What the two halves of arq know of each other: arq.c takes bytes and messages in, arq_send.c
 * puts frames out. */
enum {
	WINDOW_MAX = 32768,
	BACKOFF_MAX = 4, /* the timeout grows to 2^4 times itself */
	SPARE_SEG = 2 * ARQ_SEG_MIN, /* segments no longer than this tell of a very bad line */
	GROW_SEG = 128, /* smaller segments grow as slowly as these: too small costs little */
	FRAME_COST = 16, /* bytes of wire a frame adds to its payload */
	ACK_WIRE = 20, /* bytes of a frame without payload, some noise included */
	SYN_BACKOFF_MAX = 3,
	RTT_MAX_US = 2000000,
	LINE_BPS_MIN = 1200, /* keeps every time below 2^32 us */
};

/* Stream positions are modulo 2^16; every distance used here is at most 32768. */
static inline uint16_t arq_dist(uint16_t from, uint16_t to)
{
	return (uint16_t)(to - from);
}

static inline uint16_t arq_add(uint16_t at, unsigned n)
{
	return (uint16_t)(at + n);
}

static inline uint16_t arq_least(uint32_t a, uint32_t b)
{
	return (uint16_t)(a < b ? a : b);
}

/* Time of n bytes on the line, 8N1. */
static inline uint64_t arq_line_us(const struct arq *a, uint32_t n)
{
	return (uint64_t)n * a->byte_q16 >> 16;
}

/* A segment and its frame around it. */
static inline uint32_t arq_wire_bytes(uint32_t payload, uint32_t seg)
{
	return payload + (payload / seg + 1) * ACK_WIRE;
}

/* arq_send.c: what a frame of this life says of our stream. */
void arq_take_ack(struct arq *a, const struct frame *f, uint64_t now_us);
/* The peer's frames are longer than the running timer knew. */
void arq_timer_stretch(struct arq *a);

#endif
