#ifndef CLIENT_CTL_VERBS_BOARD_OUT_H
#define CLIENT_CTL_VERBS_BOARD_OUT_H
#include "proto/harvest.pb-c.h"
#include "util/json_out.h"

/* Boards as 'boards' and 'status' print them. */
void board_json(struct hv_json *j, const Hv__BoardInfo *b);
void boards_table(Hv__BoardInfo *const *boards, size_t n);

#endif
