#ifndef TASKS_PLUGIN_JAIL_H
#define TASKS_PLUGIN_JAIL_H

/* What the process of a plug-in may do. Not a promise against code that hunts for holes in the
 * kernel, but against mistakes and against code that was not meant to be there.
 *
 *   plugin_jail_limits()   no new rights, no core file, 1 GiB of memory, 32 descriptors
 *   plugin_jail_load()     from here on no process, socket, signal to others, no file but to
 *                          read: what the dynamic linker needs
 *   plugin_jail_compute()  from here on no file at all and no new code
 *
 * A forbidden call answers EPERM. Where the kernel or the machine has no seccomp filters, the
 * limits stand alone. Each narrows what the one before left, for all threads if the kernel lets
 * us and else for this one and those to come. */
void plugin_jail_limits(void);
void plugin_jail_load(void);
void plugin_jail_compute(void);

#endif
