#include "nas/search.h"

int nas_search_structure(struct nas_request *q, struct nas_front *f, char *why, size_t cap)
{
	(void)q, (void)f, (void)why, (void)cap;
	return HV_E_NOENT;
}
