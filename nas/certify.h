#ifndef NAS_CERTIFY_H
#define NAS_CERTIFY_H
#include "accel/package/package.h"
#include "nas/support.h"

/* What fresh records say about a package.
 *
 * Records are drawn from the test stream and judged in batches, at least
 * NAS_BATCHES of them where there are as many records, of at most NAS_BATCH_RECORDS; v is the
 * metric of the whole, m and s mean and standard deviation of a batch's figure. The certified
 * value is one-sided at `confidence`:
 *   mean_rel, miss_rate   m + t s / sqrt(batches)                 (a mean of means)
 *   nrmse_range, image_diff, nrmse   the same for the squares of the figures, then the root;
 *                         nrmse_range and nrmse over the range or rms of all records
 *   snr_db                ratio of error to reference energy: r + t s / sqrt(batches) / mean
 *                         reference energy, with s of (error - r * reference), in dB
 *   max_abs               the largest seen: no bound beyond the samples
 * t is the normal quantile widened for few batches (Cornish-Fisher of Student's t). Never less
 * than the figure of the whole sample. With no miss at all in n records: 1 - (1 - confidence)^
 * (1/n). */
enum {
	NAS_TEST_STREAM = 3,
	NAS_BATCH_RECORDS = 64,
	NAS_BATCHES = 256,
	NAS_SAMPLES = 16384,
	NAS_SAMPLES_IMAGE = 1024, /* of records of more than a thousand elements */
	NAS_SAMPLES_MIN = 2 * NAS_BATCH_RECORDS,
	NAS_WORST = 8,
	NAS_BINS = 40,
};

struct nas_verdict {
	double whole; /* the metric over all records */
	double p99; /* of the per-record figure; for SNR the 1st percentile */
	double worst[NAS_WORST]; /* figures, worst first */
	uint64_t worst_index[NAS_WORST]; /* of the test stream */
	unsigned worsts;
	double bin_most; /* histogram of the per-record figure from 0 to this */
	double bin_least;
	uint32_t bin[NAS_BINS];
	double balanced_miss; /* miss_rate: mean of the rates of both answers; NaN: none */
	double base_rate; /* share of the more frequent answer; NaN: none */
};

/* Runs `samples` records of stream `seed` through the package, fills p->cert but for in_min,
 * in_max and in_min_rms, and *v. HV_E_NOMEM; HV_E_INVAL with a sentence in why. */
HV_NODISCARD int nas_certify(struct package *p, const struct harvest_task *task, uint64_t seed,
			     uint64_t samples, struct nas_verdict *v, char *why, size_t cap);
/* Records that a certificate rests on unless somebody says otherwise. */
uint64_t nas_samples(const struct harvest_task *task);
/* Known answers: records of the validation stream, and corners of the domain. HV_E_NOMEM. */
HV_NODISCARD int nas_vectors(struct package *p, const struct harvest_task *task);

#endif
