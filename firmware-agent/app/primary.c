#include "firmware-agent/app/primary.h"
#include "firmware-agent/app/mic.h"
#include "firmware-agent/app/port.h"
#include "util/fs/crc32.h"

enum {
	RATE_HZ = 30,
	OUT_WORDS_MAX = 64,
	SPIN_US = 40, /* so shortly before an activation nothing else begins */
};

/* kws20 as `harvest-model image` compiled it; the build links the file in. */
extern const uint8_t primary_image_begin[], primary_image_end[];

static struct {
	struct ag_hal hal;
	struct cnn_bus bus;
	struct loadimg net;
	bool loaded, running;
	int buffer; /* of the microphone, as the agent counts; negative: not shared */
	uint64_t begin_us; /* of activation 0 */
	uint64_t activation; /* the next, or the one that runs */
	uint64_t started_us;
	struct primary_counters n;
} self;

/* A rate that is no whole number of microseconds must not drift. */
static uint64_t due_us(uint64_t activation)
{
	return self.begin_us + activation * 1000000 / RATE_HZ;
}

static bool accelerator_answers(void)
{
	self.bus.write32(self.bus.ctx, CNN_LCNT_MAX, 5);
	return (self.bus.read32(self.bus.ctx, CNN_LCNT_MAX) & 0x1f) == 5;
}

bool primary_begin(const struct ag_hal *hal)
{
	size_t len = (size_t)(primary_image_end - primary_image_begin);

	self.hal = *hal;
	self.bus = (struct cnn_bus){ hal->ctx, hal->cnn_write32, hal->cnn_write8, hal->cnn_read32 };
	if (!accelerator_answers() || loadimg_open(primary_image_begin, len, &self.net) < 0)
		return false;
	if (self.net.out_words > OUT_WORDS_MAX || self.net.in_pixels != MIC_FRAMES ||
	    loadimg_pixel_words(&self.net) != MIC_FRAME / 4)
		return false;
	loadimg_load(&self.net, &self.bus);
	self.loaded = true;
	self.begin_us = hal->now_us(hal->ctx);
	self.activation = 1;
	return true;
}

void primary_share(struct agent *a)
{
	const struct agent_buffer mic = { .name = "mic",
					  .dtype = AGENT_S8,
					  .channels = 1,
					  .samples = MIC_FRAMES * MIC_FRAME,
					  .write_ahead = MIC_LISTEN_MAX,
					  .rate_millihz = MIC_HZ * 1000,
					  .memory = mic_ring };

	self.buffer = agent_buffer_register(a, &mic);
}

const struct loadimg *primary_image(void)
{
	return self.loaded ? &self.net : NULL;
}

/* The whole window, oldest frame first. */
static void write_input(void)
{
	unsigned oldest = mic_oldest();

	loadimg_input(&self.net, 0, MIC_FRAMES - oldest, mic_ring + oldest * (MIC_FRAME / 4),
		      &self.bus);
	loadimg_input(&self.net, MIC_FRAMES - oldest, oldest, mic_ring, &self.bus);
}

/* What the next activation will see: time on the processor that the accelerator does not need. */
static void hear(struct agent *a)
{
	uint32_t samples = mic_listen((self.activation + 1) * 1000000 / RATE_HZ);

	agent_buffer_advance(a, self.buffer, samples);
}

static void activate(struct agent *a)
{
	agent_primary_begin(a, due_us(self.activation));
	write_input();
	port_await_done();
	self.started_us = self.hal.now_us(self.hal.ctx);
	loadimg_start(&self.net, &self.bus);
	self.running = true;
	hear(a);
}

static void take_answer(void)
{
	uint32_t answer[OUT_WORDS_MAX], bytes = 4u * self.net.out_words;
	uint64_t done_us = port_done_us();
	int32_t best = INT32_MIN;

	loadimg_finish(&self.net, answer, &self.bus);
	self.n.last_hash = hv_crc32(0, answer, bytes);
	self.n.all_hash = hv_crc32(self.n.all_hash, answer, bytes);
	for (uint32_t i = 0; i < self.net.out_words; i++)
		if ((int32_t)answer[i] > best) {
			best = (int32_t)answer[i];
			self.n.keyword = i;
		}
	self.n.run_us = done_us > self.started_us ? (uint32_t)(done_us - self.started_us) : 0;
	self.n.inferences++;
}

/* Release the accelerator, and say when the next activation comes. */
static void deactivate(struct agent *a)
{
	uint64_t now;

	take_answer();
	agent_primary_end(a);
	self.running = false;
	self.activation++;
	for (now = self.hal.now_us(self.hal.ctx); due_us(self.activation) < now; self.activation++)
		self.n.missed++;
	agent_primary_expect(a, due_us(self.activation), due_us(self.activation));
}

bool primary_step(struct agent *a)
{
	uint64_t due;

	if (self.running) {
		if (!loadimg_is_done(&self.bus))
			return false;
		deactivate(a);
		return true;
	}
	due = due_us(self.activation);
	if (self.hal.now_us(self.hal.ctx) + SPIN_US < due)
		return false;
	while (self.hal.now_us(self.hal.ctx) < due)
		;
	activate(a);
	return true;
}

uint64_t primary_next_us(void)
{
	return self.running ? UINT64_MAX : due_us(self.activation);
}

const struct primary_counters *primary_counted(void)
{
	return &self.n;
}
