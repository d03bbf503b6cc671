#ifndef CLIENT_CTL_TABLE_H
#define CLIENT_CTL_TABLE_H
#include <stddef.h>
#include <stdint.h>

/* Aligned columns for people. Cells are added row by row, printed once. */
enum { TABLE_COLS_MAX = 16 };
struct table {
	size_t cols, n, cap;
	char **cell; /* owned */
};

/* heads: cols names; one that starts with '>' is aligned to the right (numbers). */
struct table table_begin(const char *const *heads, size_t cols);
void table_add(struct table *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Microseconds as "1.234 ms", an error certificate in its metric's way. */
void table_add_us(struct table *t, uint64_t us);
/* Print to stdout and free. */
void table_end(struct table *t);

/* "850 us", "12.3 ms", "4.56 s" into to; returns to. */
char *us_text(uint64_t us, char *to, size_t cap);
/* "73.1 dB", "0.0012 nrmse"; exact: "exact". Returns to. */
char *error_text(const char *metric, int exact, double value, char *to, size_t cap);

#endif
