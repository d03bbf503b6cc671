/* <harvest/task.h>: what a task is. Built-in tasks and plug-ins fill the same structure.
 *
 * Glossary
 *   task      a named function from one input record to one output record
 *   record    one contiguous, little-endian, packed tensor; a job carries n >= 1 of them
 *   q15       int16_t with 32768 = 1.0; integer outputs of q15 tasks count in the same unit,
 *             so one lsb of an int32_t output is 2^-15 too. Tasks with other units say so in
 *             docs/concepts/tasks.md; angles are binary: 32768 = pi
 *   exact     the function in double precision from the integer input, rounded half away
 *             from zero to the output type and saturated to its range
 *   domain    the inputs that the sampler draws; certificates hold on it
 */
#ifndef HARVEST_TASK_H
#define HARVEST_TASK_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HARVEST_TASK_ABI     1
#define HARVEST_MAX_DIMS     3
#define HARVEST_MAX_FEATURES 1024

/** Element types. Values are on the wire and in files: append only. */
enum harvest_dtype {
	HARVEST_S8 = 1,
	HARVEST_U8 = 2,
	HARVEST_S16 = 3,
	HARVEST_U16 = 4,
	HARVEST_S32 = 5,
	HARVEST_F32 = 6,
	HARVEST_F64 = 7,
};

/** Error metrics; see docs/quality.md for the formulas. Append only. */
enum harvest_metric {
	HARVEST_SNR_DB = 1, /**< 10 log10(sum ref^2 / sum (ref-got)^2); larger is better */
	HARVEST_NRMSE = 2, /**< rms error over the rms of the exact output */
	HARVEST_MAX_ABS = 3, /**< largest absolute error, in output units */
	HARVEST_MEAN_REL = 4, /**< mean of min(1, |ref-got| / |ref|) over records */
	HARVEST_MISS_RATE = 5, /**< share of records with a wrong decision */
	HARVEST_NRMSE_RANGE = 6, /**< rms error over the range (max - min) of the exact output */
	HARVEST_IMAGE_DIFF = 7, /**< rms error over 255 */
	HARVEST_WORST_PART = 8, /**< the larger of HARVEST_NRMSE_RANGE over the first elements of
				   the answer and tail_factor times HARVEST_MEAN_REL over the last
				   ones; built-in tasks only */
};

/** Shape and type of one record. Rows of the shape that are not used are 0. */
struct harvest_tensor {
	enum harvest_dtype dtype;
	uint32_t ndim;
	uint32_t shape[HARVEST_MAX_DIMS]; /**< row-major, outermost first */
};

/** How a linear task is written as a matrix; see harvest_task.matrix. */
enum harvest_linear {
	HARVEST_NOT_LINEAR = 0,
	HARVEST_LINEAR_REAL = 1, /**< out[r] = sum_c m[r][c] in[c] */
	HARVEST_LINEAR_DFT = 2, /**< complex DFT of n points, in and out interleaved re,im. The
				   matrix has n rows over n real inputs: row k = 0..n/2 holds
				   cos(2 pi k c / n), row n/2 + k, k = 1..n/2-1, holds
				   sin(2 pi k c / n); it is applied to re and im apart */
};

/** Closed interval that the sampler keeps one input element in. */
struct harvest_range {
	double lo, hi;
};

/** Work the host may do around a network: features of the record before it, the answer made
 *  of its values after it. A search may use it or leave it; what it costs counts. Linear maps,
 *  clipping and splitting into bytes need no encoding, a search finds those itself. */
struct harvest_encoding {
	const char *name; /**< [a-z0-9_]{1,31} */
	uint32_t features; /**< inputs of the network, at most HARVEST_MAX_FEATURES */
	uint32_t values; /**< outputs of the network, at most HARVEST_MAX_FEATURES */
	uint32_t pre_cycles; /**< of pre(), modelled as cpu_cycles is */
	uint32_t post_cycles; /**< of post() */
	/** in: one record; features: what the network gets, before quantization */
	void (*pre)(const void *in, double *features);
	/** What the network has to answer for the record, given the exact answer */
	void (*target)(const void *in, const double *exact, double *values);
	/** post(in, target(in, exact)) is exact, but for rounding in double */
	void (*post)(const void *in, const double *values, double *out);
};

/** One task. All functions are pure and may run on any thread at the same time. */
struct harvest_task {
	uint32_t size; /**< sizeof(struct harvest_task) of the filler */
	uint32_t abi; /**< HARVEST_TASK_ABI */
	const char *name; /**< [a-z0-9_]{1,31}, unique */
	const char *about;
	uint32_t version; /**< changes when the meaning changes */
	struct harvest_tensor in, out;
	enum harvest_metric metric;

	/** The definition: the function in double precision, before rounding to the output
	 *  type, but saturated to its range. in: one record; out: one double per element. */
	void (*reference)(const void *in, double *out);

	/** Draw record number `index` of the stream `seed` (1 train, 2 validation, 3 test)
	 *  from the domain. Same arguments, same record, on every machine. */
	void (*sample)(uint64_t seed, uint64_t index, void *in);

	enum harvest_linear linear;
	uint32_t rows, cols; /**< of the matrix; 0 when not linear */
	/** Fill m[rows * cols], row-major. NULL when not linear. */
	void (*matrix)(double *m);

	/* All that follows is optional: zero means "not said". A filler compiled against an
	 * older header has a smaller size; who takes tasks from plug-ins reads only what size
	 * covers (HARVEST_TASK_HAS) and takes the rest as zero. */

	/** The sampler has this many kinds of records; index % parts is the kind. Figures are
	 *  given by part too. 0 and 1: one kind. */
	uint32_t parts;

	/** Where samples lie, finite: one range for all elements (domain_count 1) or one for
	 *  each; a plug-in has at most 1024. */
	const struct harvest_range *domain;
	uint32_t domain_count;

	/** HARVEST_NRMSE_RANGE: max - min of the exact output over the 16384 first records of
	 *  the test stream, so that the figure of a short job has the same unit. 0: the range
	 *  over the records that are judged. */
	double range;

	/** HARVEST_MEAN_REL: what a record weighs in the mean, 0 (is left out) to 1. in: one
	 *  record; exact: its answer. NULL: every record weighs 1. */
	double (*weight)(const void *in, const double *exact);

	/** Marks in the metric: the least that counts as approximated, and the aim. */
	double pass, goal;

	/** Cycles of good exact code for one record on a Cortex-M4F at 100 MHz, flash without
	 *  wait states: modelled from counts of operations. How is in cpu_method. */
	uint32_t cpu_cycles;
	const char *cpu_method;

	const struct harvest_encoding *encodings;
	uint32_t encoding_count;

	/** HARVEST_WORST_PART: so many elements are the last ones, and their factor, by which one
	 *  mark is good for both. Certificates take the worst kind of records (parts) for them. */
	uint32_t tail;
	double tail_factor;
};

/** True when the filler of *t knew the field. */
#define HARVEST_TASK_HAS(t, field) \
	((t)->size >= offsetof(struct harvest_task, field) + sizeof((t)->field))

/** What a plug-in exports under the name "harvest_task". The answer is the same, and stays
 *  valid, for ever. */
#define HARVEST_PLUGIN_SYMBOL "harvest_task"
typedef const struct harvest_task *(*harvest_task_fn)(void);

/* The declaration of a plug-in's own, also where symbols are hidden by default. */
#if defined(__GNUC__)
__attribute__((visibility("default")))
#endif
const struct harvest_task *
harvest_task(void);

/** Limits of a record of a plug-in, bytes; of one tensor, in or out. */
#define HARVEST_RECORD_MAX_BYTES 65536

#ifdef __cplusplus
}
#endif
#endif
