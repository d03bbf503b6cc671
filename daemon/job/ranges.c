#include "daemon/job/ranges.h"
#include <assert.h>
#include <string.h>

void ranges_init(struct ranges *s, uint32_t records)
{
	s->n = records > 0;
	s->r[0].start = 0;
	s->r[0].count = records;
}

uint32_t ranges_total(const struct ranges *s)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < s->n; i++)
		sum += s->r[i].count;
	return sum;
}

static void drop(struct ranges *s, uint32_t i)
{
	memmove(&s->r[i], &s->r[i + 1], (s->n - i - 1) * sizeof(s->r[0]));
	s->n--;
}

static bool may_cut(const struct ranges *s, uint32_t units)
{
	return units == 0 || s->n + units < RANGES_MAX;
}

bool ranges_can_take(const struct ranges *s, uint32_t units)
{
	return s->n > 0 && may_cut(s, units);
}

bool ranges_take(struct ranges *s, uint32_t want, uint32_t units, uint32_t *start, uint32_t *count)
{
	bool cut = may_cut(s, units);

	for (uint32_t i = 0; i < s->n && want > 0; i++) {
		if (s->r[i].count > want && !cut)
			continue;
		*start = s->r[i].start;
		*count = s->r[i].count < want ? s->r[i].count : want;
		s->r[i].start += *count;
		s->r[i].count -= *count;
		if (s->r[i].count == 0)
			drop(s, i);
		return true;
	}
	return false;
}

void ranges_return(struct ranges *s, uint32_t start, uint32_t count)
{
	uint32_t i = 0;

	while (i < s->n && s->r[i].start < start)
		i++;
	if (i > 0 && s->r[i - 1].start + s->r[i - 1].count == start) {
		s->r[i - 1].count += count;
		if (i < s->n && start + count == s->r[i].start) {
			s->r[i - 1].count += s->r[i].count;
			drop(s, i);
		}
		return;
	}
	if (i < s->n && start + count == s->r[i].start) {
		s->r[i].start = start;
		s->r[i].count += count;
		return;
	}
	assert(s->n < RANGES_MAX); /* kept by ranges_take() */
	memmove(&s->r[i + 1], &s->r[i], (s->n - i) * sizeof(s->r[0]));
	s->r[i].start = start;
	s->r[i].count = count;
	s->n++;
}
