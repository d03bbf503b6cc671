#include "tasks/builtin.h"
#include <stdbool.h>
#include <string.h>

/* Do two closed triangles in space have a point in common?
 *
 *   in   int16 (2, 3, 3)   triangle, vertex, coordinate
 *   out  double (1)        1 yes, 0 no
 *
 * Two triangles that are not in one plane meet where an edge of one meets the other. All
 * decisions are signs of determinants of whole numbers: differences below 2^17, products of
 * three below 2^51, so sums of six fit int64 and the answer is exact, touching included. */
struct point {
	int64_t v[3];
};

static struct point minus(const struct point *a, const struct point *b)
{
	return (struct point){ { a->v[0] - b->v[0], a->v[1] - b->v[1], a->v[2] - b->v[2] } };
}

/* Six times the signed volume of a b c d. */
static int64_t volume(const struct point *a, const struct point *b, const struct point *c,
		      const struct point *d)
{
	struct point p = minus(b, a), q = minus(c, a), r = minus(d, a);

	return p.v[0] * (q.v[1] * r.v[2] - q.v[2] * r.v[1]) +
	       p.v[1] * (q.v[2] * r.v[0] - q.v[0] * r.v[2]) +
	       p.v[2] * (q.v[0] * r.v[1] - q.v[1] * r.v[0]);
}

static int sign(int64_t v)
{
	return (v > 0) - (v < 0);
}

/* Edge p q and triangle t; volumes of p and q over t are known and not both zero. */
static bool edge_meets(const struct point *p, const struct point *q, const struct point t[3],
		       int64_t over_p, int64_t over_q)
{
	int s0, s1, s2;

	if (sign(over_p) * sign(over_q) > 0)
		return false;
	s0 = sign(volume(p, q, &t[0], &t[1]));
	s1 = sign(volume(p, q, &t[1], &t[2]));
	s2 = sign(volume(p, q, &t[2], &t[0]));
	return (s0 >= 0 && s1 >= 0 && s2 >= 0) || (s0 <= 0 && s1 <= 0 && s2 <= 0);
}

/* Any edge of a meets b. over: volumes of a's vertices over b. An edge in b's plane is left to
 * the edges of b, which meet it in a. */
static bool edges_meet(const struct point a[3], const struct point b[3], const int64_t over[3])
{
	for (int i = 0; i < 3; i++) {
		int j = (i + 1) % 3;

		if ((over[i] != 0 || over[j] != 0) && edge_meets(&a[i], &a[j], b, over[i], over[j]))
			return true;
	}
	return false;
}

/* ---- one plane, or triangles without area: seen along all three axes ---- */

static int turn(const struct point *a, const struct point *b, const struct point *c, int axis)
{
	int x = (axis + 1) % 3, y = (axis + 2) % 3;

	return sign((b->v[x] - a->v[x]) * (c->v[y] - a->v[y]) -
		    (b->v[y] - a->v[y]) * (c->v[x] - a->v[x]));
}

/* p, seen on the line of a b, lies between them */
static bool between(const struct point *p, const struct point *a, const struct point *b, int axis)
{
	for (int i = 1; i < 3; i++) {
		int k = (axis + i) % 3;

		if ((p->v[k] < a->v[k] && p->v[k] < b->v[k]) ||
		    (p->v[k] > a->v[k] && p->v[k] > b->v[k]))
			return false;
	}
	return true;
}

static bool segments_cross(const struct point *a, const struct point *b, const struct point *c,
			   const struct point *d, int axis)
{
	int c_side = turn(a, b, c, axis), d_side = turn(a, b, d, axis);
	int a_side = turn(c, d, a, axis), b_side = turn(c, d, b, axis);

	if (c_side * d_side < 0 && a_side * b_side < 0)
		return true;
	return (c_side == 0 && between(c, a, b, axis)) || (d_side == 0 && between(d, a, b, axis)) ||
	       (a_side == 0 && between(a, c, d, axis)) || (b_side == 0 && between(b, c, d, axis));
}

/* In one plane two segments meet when they cross from wherever one looks. */
static bool segments_meet(const struct point *a, const struct point *b, const struct point *c,
			  const struct point *d)
{
	if (volume(a, b, c, d) != 0)
		return false;
	for (int axis = 0; axis < 3; axis++)
		if (!segments_cross(a, b, c, d, axis))
			return false;
	return true;
}

/* p lies in t; of a triangle without area the edges are all there is. */
static bool holds(const struct point t[3], const struct point *p)
{
	bool has_area = false;

	if (volume(&t[0], &t[1], &t[2], p) != 0)
		return false;
	for (int axis = 0; axis < 3; axis++) {
		int s0 = turn(&t[0], &t[1], p, axis), s1 = turn(&t[1], &t[2], p, axis);
		int s2 = turn(&t[2], &t[0], p, axis);

		has_area |= turn(&t[0], &t[1], &t[2], axis) != 0;
		if (!((s0 >= 0 && s1 >= 0 && s2 >= 0) || (s0 <= 0 && s1 <= 0 && s2 <= 0)))
			return false;
	}
	return has_area;
}

static bool meet_in_plane(const struct point a[3], const struct point b[3])
{
	for (int i = 0; i < 9; i++)
		if (segments_meet(&a[i / 3], &a[(i / 3 + 1) % 3], &b[i % 3], &b[(i % 3 + 1) % 3]))
			return true;
	return holds(a, &b[0]) || holds(b, &a[0]);
}

/* Volumes of t's vertices over the triangle base; returns -1, 0, 1: all on that side, or not. */
static int side(const struct point base[3], const struct point t[3], int64_t over[3])
{
	for (int i = 0; i < 3; i++)
		over[i] = volume(&base[0], &base[1], &base[2], &t[i]);
	if (sign(over[0]) == sign(over[1]) && sign(over[1]) == sign(over[2]))
		return sign(over[0]);
	return 0;
}

static bool all_zero(const int64_t over[3])
{
	return over[0] == 0 && over[1] == 0 && over[2] == 0;
}

static bool meet(const struct point a[3], const struct point b[3])
{
	int64_t a_over_b[3], b_over_a[3];

	if (side(b, a, a_over_b) != 0 || side(a, b, b_over_a) != 0)
		return false;
	if (all_zero(a_over_b) && all_zero(b_over_a))
		return meet_in_plane(a, b);
	return edges_meet(a, b, a_over_b) || edges_meet(b, a, b_over_a);
}

void jmeint_reference(const void *in, double *out)
{
	struct point t[2][3];
	int16_t x[18];

	memcpy(x, in, sizeof(x));
	for (int i = 0; i < 18; i++)
		t[i / 9][i / 3 % 3].v[i % 3] = x[i];
	out[0] = meet(t[0], t[1]);
}

void jmeint_balanced_reference(const void *in, double *out)
{
	jmeint_reference(in, out);
}
