/* The agent's run with slices of unload that are too long: the check of the check. */
#include "firmware-agent/core/state.h"
#define AG_SLICE_WORDS 160
#include "firmware-agent/core/run.c"
