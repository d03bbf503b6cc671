#ifndef CLIENT_LIB_REASON_H
#define CLIENT_LIB_REASON_H

/* One sentence for people: the thing, the cause, what to do next. Longer ones are cut. */
struct reason {
	char text[512];
};

void reason_set(struct reason *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
