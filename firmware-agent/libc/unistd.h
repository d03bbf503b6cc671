#ifndef FW_UNISTD_H
#define FW_UNISTD_H

/* Named by util/own.h, never called on a board. */
int close(int fd);

#endif
