#ifndef FW_STDIO_H
#define FW_STDIO_H
#include <stdarg.h>
#include <stddef.h>

/* For the emulator's sentence about misuse. Conversions are not carried out: the text is the
 * format, cut to fit. Returns its length. */
int vsnprintf(char *to, size_t cap, const char *format, va_list args);

#endif
