#include "nas/structure/structure.h"

int structure_magnitude(struct structure *s)
{
	(void)s;
	return HV_E_NOENT;
}
