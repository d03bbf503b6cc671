/* As where <harvest/task.h> is installed. */
#include "tasks/task.h"
