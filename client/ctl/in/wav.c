#include "client/ctl/in/samples.h"
#include "util/own.h"
#include <sndfile.h>
#include <string.h>

/* Recordings, read by libsndfile out of memory. 8- and 16-bit PCM stays exact as int16;
 * anything else comes as doubles of full scale 1. The header's frame count is not believed:
 * reading stops at the end of the data or at the cap. */
enum { WAV_CHUNK_FRAMES = 4096, WAV_CHANNELS_MAX = 64 };

struct memory {
	const uint8_t *data;
	sf_count_t len, at;
};

static sf_count_t mem_len(void *arg)
{
	return ((struct memory *)arg)->len;
}

static sf_count_t mem_seek(sf_count_t offset, int whence, void *arg)
{
	struct memory *m = arg;
	sf_count_t base = whence == SEEK_CUR ? m->at : whence == SEEK_END ? m->len : 0;

	if (offset < -base || offset > m->len - base)
		return -1;
	m->at = base + offset;
	return m->at;
}

static sf_count_t mem_read(void *to, sf_count_t n, void *arg)
{
	struct memory *m = arg;

	if (n < 0)
		return 0;
	if (n > m->len - m->at)
		n = m->len - m->at;
	memcpy(to, m->data + m->at, (size_t)n);
	m->at += n;
	return n;
}

static sf_count_t mem_tell(void *arg)
{
	return ((struct memory *)arg)->at;
}

static bool is_exact_int16(const SF_INFO *info)
{
	int sub = info->format & SF_FORMAT_SUBMASK;

	return sub == SF_FORMAT_PCM_16 || sub == SF_FORMAT_PCM_S8 || sub == SF_FORMAT_PCM_U8;
}

static sf_count_t read_frames(SNDFILE *f, bool int16, uint8_t *to)
{
	return int16 ? sf_readf_short(f, (short *)(void *)to, WAV_CHUNK_FRAMES)
		     : sf_readf_double(f, (double *)(void *)to, WAV_CHUNK_FRAMES);
}

static int read_all(SNDFILE *f, const SF_INFO *info, struct samples *s, struct reason *why)
{
	bool int16 = is_exact_int16(info);
	size_t frame = (size_t)info->channels * (int16 ? 2 : 8), chunk = frame * WAV_CHUNK_FRAMES;
	size_t cap = 0;

	for (;;) {
		sf_count_t n;

		if (s->bytes + chunk > cap) {
			uint8_t *bigger = realloc(s->data, cap = 2 * cap + chunk);

			if (bigger == NULL) {
				reason_set(why, "out of memory for the recording");
				return HV_E_NOMEM;
			}
			s->data = bigger;
		}
		n = read_frames(f, int16, s->data + s->bytes);
		if (n <= 0)
			break;
		s->bytes += (size_t)n * frame;
		if (s->bytes > SAMPLES_FILE_MAX_BYTES) {
			reason_set(why, "the recording has more than %d MiB of samples: cut it",
				   SAMPLES_FILE_MAX_BYTES >> 20);
			return HV_E_FORMAT;
		}
	}
	s->dtype = int16 ? HARVEST_S16 : HARVEST_F64;
	s->ndim = info->channels > 1 ? 2 : 1;
	s->shape[0] = s->bytes / frame;
	s->shape[1] = info->channels > 1 ? (uint64_t)info->channels : 0;
	return HV_OK;
}

int wav_parse(const uint8_t *file, size_t len, struct samples *s, struct reason *why)
{
	static SF_VIRTUAL_IO io = { mem_len, mem_seek, mem_read, NULL, mem_tell };
	struct memory m = { file, (sf_count_t)len, 0 };
	SF_INFO info = { 0 };
	SNDFILE *f = sf_open_virtual(&io, SFM_READ, &info, &m);
	int err;

	*s = (struct samples){ .kind = "recording" };
	if (f == NULL) {
		reason_set(why, "the recording cannot be read: %s", sf_strerror(NULL));
		return HV_E_FORMAT;
	}
	if (info.channels < 1 || info.channels > WAV_CHANNELS_MAX) {
		reason_set(why, "the recording has %d channels, 1 to %d are read", info.channels,
			   WAV_CHANNELS_MAX);
		err = HV_E_FORMAT;
	} else {
		err = read_all(f, &info, s, why);
	}
	sf_close(f);
	if (err == HV_OK && s->bytes == 0) {
		reason_set(why, "the recording holds no samples");
		err = HV_E_FORMAT;
	}
	if (err != HV_OK)
		samples_free(s);
	return err;
}
