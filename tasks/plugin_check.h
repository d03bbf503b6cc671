#ifndef TASKS_PLUGIN_CHECK_H
#define TASKS_PLUGIN_CHECK_H
#include "tasks/plugin_wire.h"
#include "util/fs/err.h"

/* Inside of tasks/: what a plug-in says, before anybody believes it. */

/* Names, shapes, types and limits; texts are cut and cleaned in place. HV_E_FORMAT. */
HV_NODISCARD int plugin_description_check(struct plugin_description *d, char *why, size_t cap);
/* Ends it, and leaves printable ASCII only. */
void plugin_text_clean(char *text, size_t cap);

#endif
