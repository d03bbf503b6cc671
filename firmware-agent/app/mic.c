#include "firmware-agent/app/mic.h"

uint32_t mic_ring[MIC_FRAMES * MIC_FRAME / 4];
static uint32_t frames; /* since it began */

/* Two tones that go up and down, and noise. */
static int8_t sample(uint32_t s)
{
	uint32_t noise = s * UINT32_C(2654435761);
	int low = (int)(s % 100), high = (int)(s % (12 + s / 4096 % 20));

	noise ^= noise >> 15;
	noise *= UINT32_C(0x2c1b3c6d);
	low = low < 50 ? low : 100 - low;
	return (int8_t)(low - 25 + 3 * high - 40 + (int)(noise >> 27) - 16);
}

static void hear_frame(void)
{
	uint32_t *to = mic_ring + frames % MIC_FRAMES * (MIC_FRAME / 4);
	uint32_t s = frames * MIC_FRAME;

	for (unsigned i = 0; i < MIC_FRAME / 4; i++, s += 4)
		to[i] = (uint8_t)sample(s) | (uint32_t)(uint8_t)sample(s + 1) << 8 |
			(uint32_t)(uint8_t)sample(s + 2) << 16 |
			(uint32_t)(uint8_t)sample(s + 3) << 24;
	frames++;
}

uint32_t mic_listen(uint64_t time_us)
{
	uint64_t complete = time_us * MIC_HZ / 1000000 / MIC_FRAME;
	uint32_t before = frames;

	while (frames < complete && frames - before < MIC_LISTEN_MAX / MIC_FRAME)
		hear_frame();
	return (frames - before) * MIC_FRAME;
}

unsigned mic_oldest(void)
{
	return frames % MIC_FRAMES;
}
