#include "bench/place.h"
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

int place_allowed(cpu_set_t *set)
{
	return sched_getaffinity(0, sizeof(*set), set) == 0 ? HV_OK : HV_E_IO;
}

int place_first(const cpu_set_t *set, cpu_set_t *one)
{
	int cpu = 0;

	while (cpu + 1 < CPU_SETSIZE && !CPU_ISSET((size_t)cpu, set))
		cpu++;
	CPU_ZERO(one);
	CPU_SET((size_t)cpu, one);
	return cpu;
}

int place_process(pid_t pid, const cpu_set_t *set)
{
	char path[40];
	DIR *threads;
	int err = HV_OK;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	threads = opendir(path);
	if (threads == NULL)
		return HV_E_IO;
	for (struct dirent *e = readdir(threads); e != NULL; e = readdir(threads)) {
		pid_t thread = (pid_t)strtol(e->d_name, NULL, 10); /* 0: "." and ".." */

		if (thread > 0 && sched_setaffinity(thread, sizeof(*set), set) < 0 &&
		    errno != ESRCH)
			err = HV_E_IO;
	}
	closedir(threads);
	return err;
}
