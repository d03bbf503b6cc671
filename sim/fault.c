#include "sim/fault.h"
#include "util/own.h"
#include <stdio.h>
#include <string.h>

void fault_plan_init(struct fault_plan *f)
{
	*f = (struct fault_plan){ .stall_ns = UINT64_MAX,
				  .unplug_ns = UINT64_MAX,
				  .reset_ns = UINT64_MAX,
				  .slow = 1,
				  .garble_above_bps = UINT32_MAX };
}

enum kind { PROBABILITY, AT_MS, FACTOR };

int fault_plan_add(struct fault_plan *f, const char *text, char *why, size_t cap)
{
	/* clang-format off */
	const struct {
		const char *name;
		char separator;
		enum kind kind;
		void *to;
		double max;
	} faults[] = {
		{ "drop",         ':', PROBABILITY, &f->drop,         1 },
		{ "flip",         ':', PROBABILITY, &f->flip,         1 },
		{ "wrong-answer", ':', PROBABILITY, &f->wrong_answer, 1 },
		{ "stall",        '@', AT_MS,       &f->stall_ns,     1e12 },
		{ "unplug",       '@', AT_MS,       &f->unplug_ns,    1e12 },
		{ "reset",        '@', AT_MS,       &f->reset_ns,     1e12 },
		{ "slow",         ':', FACTOR,      &f->slow,         1000 },
		{ "garble-above", ':', FACTOR,      &f->garble_above_bps, 100000000 },
	};
	/* clang-format on */
	size_t n = strcspn(text, ":@");

	for (size_t i = 0; i < HV_ARRAY_SIZE(faults); i++) {
		char *end = NULL;
		double v;

		if (strlen(faults[i].name) != n || strncmp(text, faults[i].name, n) != 0 ||
		    text[n] != faults[i].separator)
			continue;
		v = strtod(text + n + 1, &end);
		if (end == text + n + 1 || *end != '\0' || !(v >= 0 && v <= faults[i].max) ||
		    (faults[i].kind == FACTOR && v < 1)) {
			snprintf(why, cap, "fault \"%s\": the number is outside %d..%g", text,
				 faults[i].kind == FACTOR, faults[i].max);
			return HV_E_INVAL;
		}
		switch (faults[i].kind) {
		case PROBABILITY: *(double *)faults[i].to = v; break;
		case AT_MS: *(uint64_t *)faults[i].to = (uint64_t)(v * 1e6); break;
		case FACTOR: *(uint32_t *)faults[i].to = (uint32_t)v; break;
		}
		return HV_OK;
	}
	snprintf(why, cap,
		 "fault \"%s\" is unknown: use drop:P, flip:P, stall@MS, unplug@MS, reset@MS, "
		 "wrong-answer:P, slow:F or garble-above:BPS",
		 text);
	return HV_E_INVAL;
}
