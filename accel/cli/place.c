#include "accel/cli/open.h"
#include "accel/slotimg/build.h"
#include "util/own.h"
#include <stdio.h>

static void widen(unsigned first, unsigned n, unsigned *lo, unsigned *hi)
{
	*lo = first < *lo ? first : *lo;
	*hi = first + n > *hi ? first + n : *hi;
}

/* A network alone goes to the accelerator as it is, one run at a time, without a slot image. */
static int place_network(const struct package *p, const struct cnn_room *room, uint8_t quadrants,
			 struct slotimg *at, char *why, size_t cap)
{
	unsigned kernel[2] = { CNN_KERNEL_WORDS, room->kernel_first };
	unsigned bias[2] = { CNN_BIAS_BYTES, room->bias_first };
	hv_autofree struct cnn_place *place = calloc(1, sizeof(*place));
	struct cnn_image image = { 0 };
	int r = place != NULL ? cnn_place_fit(&p->net, room, place, why, cap) : HV_E_NOMEM;

	if (r == HV_OK)
		r = cnn_image_build(&p->net, place, quadrants, &image, why, cap);
	if (r < 0)
		return r;
	for (size_t i = 0; i < image.n_kernels; i++)
		widen(image.kernels[i].first_word, image.kernels[i].words, &kernel[0], &kernel[1]);
	for (size_t i = 0; i < image.n_biases; i++)
		widen(image.biases[i].first, image.biases[i].count, &bias[0], &bias[1]);
	*at = (struct slotimg){ .layers = (uint8_t)p->net.layers, .quadrants = image.quadrants };
	at->records_max = 1;
	if (image.n_kernels > 0) {
		at->kernel_first = (uint16_t)kernel[0];
		at->kernel_words = (uint16_t)(kernel[1] - kernel[0]);
	} else {
		at->kernel_first = room->kernel_first;
	}
	if (image.n_biases > 0) {
		at->bias_first = (uint16_t)bias[0];
		at->bias_count = (uint16_t)(bias[1] - bias[0]);
	}
	cnn_image_free(&image);
	return HV_OK;
}

/* Where one package lies, and what it leaves. */
static int place_one(const struct cli *c, const char *path, struct cnn_room *room,
		     uint8_t *quadrants, struct slotimg *at, char name[32])
{
	hv_autofree uint8_t *image = NULL;
	struct package *p = NULL;
	char why[300] = "";
	size_t len = 0;
	int r = cli_open(c, path, &p);

	if (r != CLI_DONE)
		return r;
	snprintf(name, 32, "%s", p->name);
	if (p->kind == PACKAGE_NETWORK) {
		r = place_network(p, room, *quadrants, at, why, sizeof(why));
	} else {
		r = slotimg_build(&p->net, p->steps_blob, p->steps_len, room, *quadrants, &image,
				  &len, why, sizeof(why));
		if (r == HV_OK)
			r = slotimg_header_parse(image, len, at);
	}
	package_free(p);
	if (r < 0)
		return cli_fail(c, r, "%s: %s", path, why[0] != '\0' ? why : hv_err_text(r));
	/* Kernels and bias stay; data memory is free again after every run. */
	room->kernel_first = (uint16_t)((at->kernel_first + at->kernel_words + 3) / 4 * 4);
	room->kernel_words = (uint16_t)(room->kernel_first < CNN_KERNEL_WORDS
						? CNN_KERNEL_WORDS - room->kernel_first
						: 0);
	if (at->bias_count > 0) {
		room->bias_first = (uint16_t)(at->bias_first + at->bias_count);
		room->bias_count = (uint16_t)(CNN_BIAS_BYTES - room->bias_first);
	}
	*quadrants |= at->quadrants;
	return CLI_DONE;
}

static void print_json(struct hv_json *j, const char *name, const struct slotimg *at)
{
	hv_json_object(j, NULL);
	hv_json_str(j, "name", name);
	hv_json_u64(j, "layers", at->layers);
	hv_json_u64(j, "quadrants", at->quadrants);
	hv_json_u64(j, "kernel_first_word", at->kernel_first);
	hv_json_u64(j, "kernel_words", at->kernel_words);
	hv_json_u64(j, "bias_first_byte", at->bias_first);
	hv_json_u64(j, "bias_bytes", at->bias_count);
	hv_json_u64(j, "records_max", at->records_max);
	hv_json_u64(j, "image_bytes", at->total_bytes);
	hv_json_end_object(j);
}

static void print_text(const char *name, const struct slotimg *at)
{
	printf("%-16s kernel words %u to %u of every processor, %u bias bytes, %u layers, ", name,
	       at->kernel_first, at->kernel_first + at->kernel_words - (at->kernel_words > 0),
	       at->bias_count, at->layers);
	if (at->total_bytes == 0)
		printf("a network alone\n");
	else
		printf("up to %u records a run, image of %u bytes\n", at->records_max,
		       at->total_bytes);
}

int cli_place(const struct cli *c)
{
	struct cnn_room room = { .kernel_words = CNN_KERNEL_WORDS,
				 .bias_count = CNN_BIAS_BYTES,
				 .data_words = CNN_DATA_WORDS };
	struct slotimg at[2] = { 0 };
	char name[2][32];
	uint8_t quadrants = 0;
	unsigned n = 0;
	int r = CLI_DONE;

	if (cli_has(c, CLI_BESIDE)) {
		r = place_one(c, c->opt[CLI_BESIDE], &room, &quadrants, &at[n], name[n]);
		n++;
	}
	if (r == CLI_DONE)
		r = place_one(c, c->argv[0], &room, &quadrants, &at[n], name[n]);
	if (r != CLI_DONE)
		return r;
	n++;
	if (cli_has(c, CLI_JSON)) {
		struct hv_json j = hv_json_begin(stdout);

		hv_json_object(&j, NULL);
		hv_json_array(&j, "packages");
		for (unsigned i = 0; i < n; i++)
			print_json(&j, name[i], &at[i]);
		hv_json_end_array(&j);
		hv_json_u64(&j, "kernel_words_left", room.kernel_words);
		hv_json_end_object(&j);
		hv_json_finish(&j);
		return CLI_DONE;
	}
	for (unsigned i = 0; i < n; i++)
		print_text(name[i], &at[i]);
	printf("%-16s %u kernel words of every processor\n", "left", room.kernel_words);
	return CLI_DONE;
}
