#include "accel/slotimg/slotimg.h"

#include "util/fs/rd.h"
#include "util/fs/wr.h"

#include <stdbool.h>

enum {
	STEPS_BYTES_MIN = 12,
	KERNEL_BYTES_ALL = CNN_PROCESSORS * CNN_KERNEL_WORDS * CNN_KERNEL_WORD_BYTES,
	BIAS_BYTES_ALL = CNN_QUADRANTS * CNN_BIAS_BYTES,
	PIXELS_MAX = 4 * CNN_DATA_WORDS, /* of a channel in one memory */
	FLAGS_ALL = (SLOTIMG_BYTES << CNN_STEPS_SETS_MAX) - 1,
};

void slotimg_header_encode(const struct slotimg *img, uint8_t to[SLOTIMG_HEADER_BYTES])
{
	struct hv_wr w = hv_wr_init(to, SLOTIMG_HEADER_BYTES);

	hv_wr_u32(&w, img->magic);
	hv_wr_u16(&w, img->version);
	hv_wr_u8(&w, img->layers);
	hv_wr_u8(&w, img->quadrants);
	hv_wr_u8(&w, img->version == SLOTIMG_VERSION ? (uint8_t)img->positions : img->flags);
	hv_wr_u8(&w, img->sets);
	hv_wr_u16(&w, img->records_max);
	hv_wr_u16(&w, img->in_record_bytes);
	hv_wr_u16(&w, img->out_record_bytes);
	hv_wr_u16(&w, img->in_word);
	hv_wr_u16(&w, img->in_passes);
	hv_wr_u16(&w, img->per_pass);
	hv_wr_u16(&w, img->kernel_first);
	hv_wr_u16(&w, img->kernel_words);
	hv_wr_u16(&w, img->bias_first);
	hv_wr_u16(&w, img->bias_count);
	hv_wr_u16(&w, img->data_first);
	hv_wr_u16(&w, img->data_words);
	for (unsigned s = 0; s < CNN_STEPS_SETS_MAX; s++) {
		hv_wr_u16(&w, img->set[s].out_word);
		hv_wr_u16(&w, img->set[s].out_passes);
		hv_wr_u16(&w, img->set[s].slots);
		hv_wr_u16(&w, img->set[s].first_group);
	}
	hv_wr_u32(&w, img->fixed_cycles);
	hv_wr_u32(&w, img->record_cycles);
	hv_wr_u16(&w, img->n_regs);
	hv_wr_u16(&w, img->steps_bytes);
	hv_wr_u16(&w, img->n_biases);
	hv_wr_u16(&w, img->n_kernels);
	hv_wr_u32(&w, img->total_bytes);
}

static void header_read(struct hv_rd *r, struct slotimg *img)
{
	img->magic = hv_rd_u32(r);
	img->version = hv_rd_u16(r);
	img->layers = hv_rd_u8(r);
	img->quadrants = hv_rd_u8(r);
	img->flags = hv_rd_u8(r);
	img->sets = hv_rd_u8(r);
	img->records_max = hv_rd_u16(r);
	img->in_record_bytes = hv_rd_u16(r);
	img->out_record_bytes = hv_rd_u16(r);
	img->in_word = hv_rd_u16(r);
	img->in_passes = hv_rd_u16(r);
	img->per_pass = hv_rd_u16(r);
	img->kernel_first = hv_rd_u16(r);
	img->kernel_words = hv_rd_u16(r);
	img->bias_first = hv_rd_u16(r);
	img->bias_count = hv_rd_u16(r);
	img->data_first = hv_rd_u16(r);
	img->data_words = hv_rd_u16(r);
	for (unsigned s = 0; s < CNN_STEPS_SETS_MAX; s++) {
		img->set[s].out_word = hv_rd_u16(r);
		img->set[s].out_passes = hv_rd_u16(r);
		img->set[s].slots = hv_rd_u16(r);
		img->set[s].first_group = hv_rd_u16(r);
	}
	img->fixed_cycles = hv_rd_u32(r);
	img->record_cycles = hv_rd_u32(r);
	img->n_regs = hv_rd_u16(r);
	img->steps_bytes = hv_rd_u16(r);
	img->n_biases = hv_rd_u16(r);
	img->n_kernels = hv_rd_u16(r);
	img->total_bytes = hv_rd_u32(r);
	img->positions = img->height = img->width = 0;
	if (img->version != SLOTIMG_VERSION)
		return;
	img->positions = img->height = img->flags;
	img->width = 1;
	img->flags = 0;
}

/* `words` from `first` lie inside the claimed data words. */
static bool in_data(const struct slotimg *img, uint32_t first, uint32_t words)
{
	return first >= img->data_first && words <= img->data_words &&
	       first - img->data_first <= (uint32_t)img->data_words - words;
}

static bool claims_fit(const struct slotimg *img)
{
	return (uint32_t)img->kernel_first + img->kernel_words <= CNN_KERNEL_WORDS &&
	       (uint32_t)img->bias_first + img->bias_count <= CNN_BIAS_BYTES &&
	       (uint32_t)img->data_first + img->data_words <= CNN_DATA_WORDS &&
	       img->kernel_words > 0 && img->data_words > 0;
}

static bool shape_ok(const struct slotimg *img)
{
	return img->layers >= 1 && img->layers <= CNN_LAYERS_MAX && (img->quadrants & 1) != 0 &&
	       img->quadrants < 1u << CNN_QUADRANTS && img->sets >= 1 &&
	       img->sets <= CNN_STEPS_SETS_MAX && img->sets <= img->layers &&
	       img->records_max >= 1 && img->records_max <= CNN_ROWS_MAX &&
	       img->in_record_bytes >= 1 && img->out_record_bytes >= 1 &&
	       (img->flags & ~FLAGS_ALL) == 0;
}

/* Pixels of all records; one record may be an image, several are rows. */
static bool records_ok(const struct slotimg *img)
{
	if (img->positions < 1 || img->positions > PIXELS_MAX)
		return false;
	return img->records_max == 1 ||
	       (img->width == 1 && img->positions * img->records_max <= CNN_ROWS_MAX);
}

static bool input_ok(const struct slotimg *img)
{
	uint32_t words = img->positions * img->records_max * img->in_passes;

	if (img->in_passes < 1 || img->in_passes > CNN_CHANNELS_MAX / CNN_PROCESSORS ||
	    img->per_pass < 1 || img->per_pass > CNN_PROCESSORS)
		return false;
	if ((img->flags & SLOTIMG_CHW) != 0) {
		if (img->in_passes != 1 || img->per_pass != 1 || img->records_max != 1)
			return false;
		words = (words + 3) / 4;
	}
	return in_data(img, img->in_word, words);
}

/* Set i with this many pixels of a record. */
static bool set_ok(const struct slotimg *img, unsigned i, uint32_t pixels)
{
	const struct slotimg_set *set = &img->set[i];
	uint32_t wide = (img->flags >> i & SLOTIMG_BYTES) != 0 ? 1 : 4;

	return set->out_passes >= 1 && set->out_passes <= CNN_CHANNELS_MAX / CNN_PROCESSORS &&
	       set->slots >= 1 && set->slots <= CNN_PROCESSORS &&
	       set->first_group < CNN_INSTANCES &&
	       4u * set->first_group + set->slots <= CNN_PROCESSORS && pixels <= PIXELS_MAX &&
	       in_data(img, set->out_word,
		       wide * set->out_passes *
			       (img->positions * (img->records_max - 1u) + pixels));
}

static bool counts_ok(const struct slotimg *img)
{
	uint32_t least = SLOTIMG_HEADER_BYTES + (uint32_t)img->n_regs * SLOTIMG_REG_BYTES +
			 img->steps_bytes + (uint32_t)img->n_biases * SLOTIMG_RUN_HEAD_BYTES +
			 (uint32_t)img->n_kernels * SLOTIMG_RUN_HEAD_BYTES;

	return img->n_regs >= 1 && img->n_regs <= SLOTIMG_REGS_MAX &&
	       img->steps_bytes >= STEPS_BYTES_MIN &&
	       img->n_biases <= CNN_QUADRANTS * CNN_LAYERS_MAX && img->n_kernels >= 1 &&
	       img->n_kernels <= CNN_PROCESSORS * CNN_LAYERS_MAX && img->total_bytes > least &&
	       img->total_bytes - least <= KERNEL_BYTES_ALL + BIAS_BYTES_ALL;
}

/* Input and outputs are inside the claimed data words. */
static bool places_ok(const struct slotimg *img, const struct cnn_steps *s)
{
	if (!records_ok(img) || !input_ok(img))
		return false;
	for (unsigned i = 0; i < img->sets; i++)
		if (!set_ok(img, i, s != NULL ? s->raw[i].pixels : img->positions))
			return false;
	return true;
}

int slotimg_header_parse(const void *bytes, size_t len, struct slotimg *img)
{
	struct hv_rd r = hv_rd_init(bytes, len);
	struct slotimg got;

	header_read(&r, &got);
	if (!r.ok || got.magic != SLOTIMG_MAGIC)
		return HV_E_FORMAT;
	if (got.version != SLOTIMG_VERSION && got.version != SLOTIMG_GENERAL_VERSION)
		return HV_E_VERSION;
	if (!shape_ok(&got) || !claims_fit(&got) || !counts_ok(&got))
		return HV_E_FORMAT;
	if (got.version == SLOTIMG_VERSION && !places_ok(&got, NULL))
		return HV_E_FORMAT;
	*img = got;
	return HV_OK;
}

static unsigned count_quadrants(const struct slotimg *img)
{
	unsigned n = 0;

	for (unsigned q = 0; q < CNN_QUADRANTS; q++)
		n += img->quadrants >> q & 1;
	return n;
}

unsigned slotimg_layer_entry(const struct slotimg *img, unsigned layer)
{
	unsigned all = layer < CNN_STREAM_LAYERS ? layer : CNN_STREAM_LAYERS;

	return count_quadrants(img) *
	       (SLOTIMG_STREAM_REGS * all + SLOTIMG_LATE_REGS * (layer - all));
}

uint16_t slotimg_reg_id(const struct slotimg *img, unsigned i)
{
	unsigned early = slotimg_layer_entry(img, CNN_STREAM_LAYERS), q = 0, layer = 0, n, reg;
	unsigned regs = SLOTIMG_STREAM_REGS;

	if (i >= early) {
		i -= early;
		layer = CNN_STREAM_LAYERS;
		regs = SLOTIMG_LATE_REGS;
	}
	n = i / regs;
	reg = i % regs;
	layer += n / count_quadrants(img);
	for (n = n % count_quadrants(img); (img->quadrants >> q & 1) == 0 || n > 0; q++)
		n -= img->quadrants >> q & 1;
	if (regs == SLOTIMG_LATE_REGS && reg >= CNN_R_STRM0)
		reg += 2; /* later layers have neither of these */
	reg += reg >= CNN_R_IFRM; /* one a quadrant, not a layer's */
	return (uint16_t)(q << 10 | reg << 5 | layer);
}

/* A set's rows are what the run leaves in memory. */
static bool rows_ok(const struct slotimg *img, const struct cnn_steps *s, unsigned i)
{
	uint32_t rows = s->rows;

	if (s->finish == CNN_OUT_RAW) {
		rows = s->raw[i].rows;
		if ((s->raw[i].bits == 8) != ((img->flags >> i & SLOTIMG_BYTES) != 0))
			return false;
		if (s->raw[i].pixels > img->positions && img->records_max > 1)
			return false;
	}
	return rows <= (uint32_t)img->set[i].out_passes * img->set[i].slots;
}

int slotimg_steps_bind(struct slotimg *img, const struct cnn_steps *s)
{
	bool raw = s->finish == CNN_OUT_RAW;

	if (img->version != SLOTIMG_VERSION) {
		img->height = s->height;
		img->width = s->width;
		img->positions = cnn_steps_positions(s);
		if (!raw || s->sets < img->sets || !places_ok(img, s))
			return HV_E_FORMAT;
	}
	if (img->n_regs != slotimg_layer_entry(img, img->layers) ||
	    cnn_steps_positions(s) != img->positions || s->sets != img->sets ||
	    cnn_steps_in_bytes(s) != img->in_record_bytes ||
	    cnn_steps_out_bytes(s) != img->out_record_bytes ||
	    s->channels > (uint32_t)img->in_passes * img->per_pass)
		return HV_E_FORMAT;
	for (unsigned i = 0; i < img->sets; i++)
		if (!rows_ok(img, s, i) ||
		    (raw && img->version == SLOTIMG_VERSION && s->raw[i].pixels != img->positions))
			return HV_E_FORMAT;
	return HV_OK;
}

uint32_t slotimg_in_addr(const struct slotimg *img, uint32_t pixel, unsigned pass, unsigned group)
{
	if ((img->flags & SLOTIMG_CHW) != 0)
		return cnn_data_addr(0, img->in_word + pixel / 4);
	return cnn_data_addr(group, img->in_word + pixel * img->in_passes + pass);
}

uint32_t slotimg_out_addr(const struct slotimg *img, unsigned set, uint32_t pixel, unsigned row)
{
	const struct slotimg_set *s = &img->set[set];
	unsigned pass = row / s->slots, pos = row % s->slots;
	uint32_t word = pixel * s->out_passes + pass;

	if ((img->flags >> set & SLOTIMG_BYTES) == 0)
		word = 4 * word + pos % 4;
	return cnn_data_addr(s->first_group + pos / 4, s->out_word + word);
}
