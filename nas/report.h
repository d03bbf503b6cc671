#ifndef NAS_REPORT_H
#define NAS_REPORT_H
#include "nas/certify.h"
#include "nas/search.h"

/* A page about one search: one file, no references to others, drawings as SVG. */
struct nas_report {
	const struct nas_request *request;
	const struct nas_front *front;
	const struct nas_found *chosen;
	const struct nas_verdict *verdict;
	const char *mark;
	bool meets;
};

/* By way of a temporary neighbour and rename. HV_E_*; errno says more. */
HV_NODISCARD int nas_report_write(const struct nas_report *r, const char *path);

#endif
