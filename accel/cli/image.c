/* harvest-model image: a network as a firmware carries it. */
#include "accel/cli/open.h"
#include "accel/loadimg/build.h"
#include "util/own.h"
#include <errno.h>
#include <string.h>

static void say(const struct cli *c, const struct loadimg *img, size_t bytes)
{
	if (cli_has(c, CLI_JSON)) {
		struct hv_json j = hv_json_begin(stdout);

		hv_json_object(&j, NULL);
		hv_json_str(&j, "image", c->opt[CLI_OUT]);
		hv_json_str(&j, "name", img->name);
		hv_json_u64(&j, "bytes", bytes);
		hv_json_u64(&j, "layers", img->layers);
		hv_json_u64(&j, "quadrants", img->quadrants);
		hv_json_u64(&j, "registers", img->n_regs);
		hv_json_u64(&j, "cycles", img->cycles);
		hv_json_u64(&j, "in_words", img->in_pixels * loadimg_pixel_words(img));
		hv_json_u64(&j, "out_words", img->out_words);
		hv_json_object(&j, "left");
		hv_json_u64(&j, "kernel_first", img->left.kernel_first);
		hv_json_u64(&j, "kernel_words", img->left.kernel_words);
		hv_json_u64(&j, "bias_first", img->left.bias_first);
		hv_json_u64(&j, "bias_count", img->left.bias_count);
		hv_json_u64(&j, "data_first", img->left.data_first);
		hv_json_u64(&j, "data_words", img->left.data_words);
		hv_json_end_object(&j);
		hv_json_end_object(&j);
		hv_json_finish(&j);
		return;
	}
	printf("%s: %s, %u layers, %u registers, %zu input words, %u output words, %zu bytes; left "
	       "to guests: kernel words from %u, bias bytes from %u, data words from %u\n",
	       c->opt[CLI_OUT], img->name, img->layers, img->n_regs,
	       img->in_pixels * loadimg_pixel_words(img), img->out_words, bytes,
	       img->left.kernel_first, img->left.bias_first, img->left.data_first);
}

static int write_image(const struct cli *c, const struct package *p)
{
	hv_autofree uint8_t *bytes = NULL;
	struct loadimg img;
	char why[300] = "";
	size_t len = 0;
	int r;

	if (p->kind != PACKAGE_NETWORK)
		return cli_fail(c, HV_E_INVAL,
				"%s approximates task %s: only a network can be a board's own",
				c->argv[0], p->task);
	r = loadimg_build(p->name, &p->net, &bytes, &len, &img, why, sizeof(why));
	if (r < 0)
		return cli_fail(c, r, "%s: %s", c->argv[0], why);
	if (hv_file_write(c->opt[CLI_OUT], bytes, len) < 0)
		return cli_fail(c, HV_E_IO, "%s cannot be written: %s", c->opt[CLI_OUT],
				strerror(errno));
	say(c, &img, len);
	return CLI_DONE;
}

int cli_image(const struct cli *c)
{
	struct package *p = NULL;
	int r;

	if (!cli_has(c, CLI_OUT))
		return cli_fail(c, HV_E_INVAL, "-o FILE is missing: where the image goes");
	r = cli_open(c, c->argv[0], &p);
	if (r != CLI_DONE)
		return r;
	r = write_image(c, p);
	package_free(p);
	return r;
}
