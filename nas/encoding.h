#ifndef NAS_ENCODING_H
#define NAS_ENCODING_H
#include "nas/plan.h"

/* Encodings: which values the host computes of a record, and into how many saturating ramps each
 * is cut. */
enum nas_spacing {
	NAS_UNIFORM, /* pieces of equal length */
	NAS_TO_TOP, /* each piece half as long as the one before, towards the top */
	NAS_TO_BOTTOM,
	NAS_TO_ENDS, /* halving towards both */
	NAS_TO_MIDDLE, /* short in the middle */
	NAS_BY_RANK, /* as many records in each */
	NAS_BY_BEND, /* short where the answers bend and where many records lie */
	NAS_SPACINGS,
};

enum { NAS_CUTS_MAX = 24, NAS_KNOTS = 129, NAS_PIECES_MAX = 128 };

/* Where equal shares of something end, 0..1 of a range. */
struct nas_knots {
	float at[NAS_KNOTS];
};

struct nas_cut {
	uint16_t value; /* of the plan */
	uint8_t pieces;
	enum nas_spacing spacing;
	double lo, hi; /* range that is cut */
	struct nas_knots rank, bend;
};

struct nas_encoding {
	struct nas_plan plan; /* values alone are set */
	unsigned cuts;
	struct nas_cut cut[NAS_CUTS_MAX];
};

/* Fills plan.channels from the cuts. False: too many. */
bool nas_encoding_apply(struct nas_encoding *e);
/* Which cut a channel comes from: (channels). */
void nas_encoding_features(const struct nas_encoding *e, uint8_t *feature);
/* Least and most of a value over the records, and the knots of BY_RANK and BY_BEND. */
void nas_encoding_range(struct nas_encoding *e, unsigned cut, const struct nas_data *d);
/* Words for people into plan.text. */
void nas_encoding_describe(struct nas_encoding *e);

#endif
