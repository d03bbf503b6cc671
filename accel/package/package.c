#include "accel/package/package.h"
#include "accel/package/check.h"
#include "tasks/plugin_elf.h"
#include "util/fs/sha256.h"
#include "util/own.h"
#include <string.h>

void package_free(struct package *p)
{
	if (p == NULL)
		return;
	for (unsigned i = 0; i < p->net.layers; i++) {
		free((void *)(uintptr_t)p->net.layer[i].weights);
		free((void *)(uintptr_t)p->net.layer[i].bias);
	}
	for (unsigned i = 0; i < p->n_kats; i++) {
		free(p->kat[i].in);
		free(p->kat[i].out);
	}
	free(p->steps_blob);
	hostprog_free(p->host);
	free(p->domain);
	support_free(p->support);
	free(p->plugin);
	free(p);
}

int package_read(const char *path, struct package **p, char *why, size_t cap)
{
	hv_autofree uint8_t *bytes = NULL;
	size_t len;
	int r;

	r = hv_file_read(path, PACKAGE_NETWORK_MAX_BYTES, &bytes, &len);
	if (r == HV_E_FORMAT)
		return package_refuse(r, why, cap,
				      "%s is no regular file, or longer than the %d bytes a "
				      "package may have",
				      path, PACKAGE_NETWORK_MAX_BYTES);
	if (r < 0)
		return package_refuse(r, why, cap, "%s cannot be read: %s", path, hv_err_text(r));
	r = package_decode(bytes, len, p, why, cap);
	return r;
}

int package_set_plugin(struct package *p, const uint8_t *elf, size_t len, char *why, size_t cap)
{
	struct hv_sha256 sha;
	char reason[200];
	uint8_t *copy;
	int r;

	r = plugin_elf_check(elf, len, reason, sizeof(reason));
	if (r < 0)
		return package_refuse(r, why, cap, "plug-in: %s", reason);
	copy = malloc(len);
	if (copy == NULL)
		return package_refuse(HV_E_NOMEM, why, cap, "out of memory");
	memcpy(copy, elf, len);
	len = plugin_elf_trim(copy, len);
	if (len > PACKAGE_PLUGIN_MAX_BYTES) {
		free(copy);
		return package_refuse(HV_E_FORMAT, why, cap,
				      "plug-in has %zu bytes, at most %d are allowed", len,
				      PACKAGE_PLUGIN_MAX_BYTES);
	}
	free(p->plugin);
	p->plugin = copy;
	p->plugin_len = len;
	hv_sha256_init(&sha);
	hv_sha256_add(&sha, copy, p->plugin_len);
	hv_sha256_end(&sha, p->plugin_hash);
	return HV_OK;
}

size_t package_in_bytes(const struct package *p)
{
	if (p->host != NULL)
		return hostprog_in_bytes(p->host);
	if (p->kind == PACKAGE_APPROXIMATION)
		return cnn_steps_in_bytes(&p->steps);
	return (size_t)p->net.channels * p->net.height * p->net.width;
}

size_t package_out_bytes(const struct package *p)
{
	size_t items = 0;

	if (p->host != NULL)
		return hostprog_out_bytes(p->host);
	if (p->kind == PACKAGE_APPROXIMATION)
		return cnn_steps_out_bytes(&p->steps);
	for (unsigned i = 0; i < p->net.layers; i++) {
		uint32_t chw[3];

		cnn_layer_out_shape(&p->net.layer[i], chw);
		if (p->net.layer[i].is_output)
			items += (size_t)chw[0] * chw[1] * chw[2];
	}
	return sizeof(int32_t) * items;
}

int package_self_test(const struct package *p, char *why, size_t cap)
{
	size_t bytes = package_out_bytes(p);
	hv_autofree uint8_t *out = malloc(bytes);
	int r;

	if (out == NULL)
		return package_refuse(HV_E_NOMEM, why, cap, "out of memory");
	for (unsigned i = 0; i < p->n_kats; i++) {
		r = package_run(p, p->kat[i].in, out, 1);
		if (r < 0)
			return package_refuse(r, why, cap, "known-answer vector %u: %s", i,
					      hv_err_text(r));
		for (size_t b = 0; b < bytes; b++)
			if (out[b] != p->kat[i].out[b])
				return package_refuse(
					HV_E_WRONG, why, cap,
					"known-answer vector %u differs at byte %zu of "
					"its result",
					i, b);
	}
	return HV_OK;
}
