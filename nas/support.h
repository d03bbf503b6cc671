#ifndef NAS_SUPPORT_H
#define NAS_SUPPORT_H
#include "accel/package/package.h"
#include "tasks/metric.h"

/* The domain of a package with a host program, into the package: ranges of the elements, those
 * that the task tells or those of its records; and the support, where its records lie within
 * them (accel/package/support.h). The support is drawn from records of the training stream,
 * and grown until next to no record of the validation stream, as many again, is outside, and
 * then a cell more; with larger cells until none is, and none at all when 8 cells a side do not
 * do. Records of up
 * to 24 elements: every element, every pair of elements, and the level of all; a pair or a
 * level that refuses no more than one in a thousand records put together of the elements of
 * different ones is left out, because the elements explain it. Longer ones: the hull of
 * spread and mean, and of spread and steps. There is no support either when records drawn evenly
 * from the ranges are answered (almost) as certified, or not better with one. Of a package
 * whose certificate is there. HV_E_NOMEM. */
HV_NODISCARD int nas_domain(struct package *p, const struct harvest_task *task);

enum { NAS_PROBE_SEED = 4 };

/* What a domain lets in beside the records of the sampler. */
struct nas_probe {
	uint64_t records; /* drawn from the ranges alone */
	uint64_t inside; /* of these, within the support */
	double box, support; /* the metric over all, and over those within */
	double box_worst, inside_worst; /* of a record; NaN: none */
};
/* Records that such a look is worth. */
uint64_t nas_probes(const struct harvest_task *t);
/* HV_E_NOMEM. */
HV_NODISCARD int nas_probe(struct package *p, const struct harvest_task *t, uint64_t seed,
			   uint64_t records, struct nas_probe *to);
/* Of the first records of a stream: how many the domain refuses. */
uint64_t nas_refused(const struct package *p, const struct harvest_task *t, uint64_t seed,
		     uint64_t records);

#endif
