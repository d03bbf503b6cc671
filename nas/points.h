#ifndef NAS_POINTS_H
#define NAS_POINTS_H
#include "nas/encoding.h"
#include "nas/search.h"

/* Search for tasks of a few numbers, in three files:
 *   tries.c   one greedy run with one setting, and many of them at a time
 *   choose.c  the encoding, by short runs
 *   points.c  the settings of the engine and a ladder of widths; then training */
enum {
	TRAIN = 8192,
	TRAIN_MORE = 131072,
	TRAIN_MOST = 1 << 20, /* when there are ten minutes */
	VALID = 8192,
	QUICK = 2048,
	INS_MAX = 24,
	TRIES_MAX = 768,
	WIDTH_QUICK = 8,
};

struct setting {
	struct nas_encoding e;
	bool direct; /* the output reads the input channels, too */
	bool residual; /* weights of the output in two words */
	int shift; /* of the hidden layer */
	enum cnn_act act;
	unsigned width; /* units at most */
	unsigned n; /* training records */
	unsigned pool, rounds, sweeps; /* effort: see struct nas_hinge_problem */
	uint64_t seed;
	double error; /* out */
	struct nas_model *model; /* out, owned; NULL when not wanted */
	bool keep;
	bool rough; /* fewer records and units: only to be compared with others of the same task */
};

struct points {
	struct nas_request *q;
	struct nas_front *f;
	struct nas_data train, valid;
	double record_s; /* seconds that a record and its answer took */
	uint16_t base[INS_MAX]; /* values that are cut first: the inputs, or what a hint makes */
	unsigned bases;
	bool enough; /* the encoding that was chosen meets the aim with few units */
	bool hinted; /* the task named its encoding */
	struct setting *try; /* (TRIES_MAX) */
	unsigned tries;
	char *why;
	size_t cap;
};

/* A short run with an encoding. */
struct setting nas_points_quick(const struct points *g, const struct nas_encoding *e);
/* Within the host's cycles, with `parts` words a target. */
bool nas_points_affordable(const struct points *g, const struct nas_encoding *e, unsigned parts);
/* Adds a short run of e to what is to be tried, if it can be afforded and there is room. */
void nas_points_collect(struct points *g, struct nas_encoding *e);
/* Runs what has been collected; *best is the number of the best. Of very many, only those that
 * look best after a rough run get a full one; the first always does. HV_E_*, with a sentence in
 * g->why. */
HV_NODISCARD int nas_points_try(struct points *g, unsigned *best);

/* The encoding, from what *best has: its values and what becomes of answers. */
HV_NODISCARD int nas_points_choose(struct points *g, struct nas_encoding *best);

#endif
