#ifndef CNN_CERTIFY_H
#define CNN_CERTIFY_H
#include "accel/image/footprint.h"

/* Non-overlap certificate: a guest may run beside networks that stay loaded. Judged from what
 * the bus writes of each of them occupy (footprint.h), never from a planner's word. */
struct cnn_party {
	const char *name;
	const struct cnn_footprint *footprint; /* borrowed, closed */
	bool keep_data; /* resident: its data words must survive a run of the guest, too */
};

/* What was compared; a certificate that compared nothing is worth nothing. */
struct cnn_certificate {
	uint32_t kernel_words, bias_bytes, data_words; /* of the guest, all in all */
	uint32_t resident_kernel_words, resident_bias_bytes, resident_data_words;
	uint32_t registers; /* of residents, that the guest writes over */
};

/* HV_OK; or HV_E_BUSY with why naming both parties, the memory and the first common cell:
 * - a kernel word or bias byte that the guest loads is loaded or read by a resident;
 * - a data word that the guest loads or writes is one a resident with keep_data uses;
 * - the guest reads a kernel word or bias byte that it did not load;
 * - a register that a resident set, in a layer and quadrant where the guest runs, is not
 *   written by the guest; or a resident's quadrant is not taken over at all. */
HV_NODISCARD int cnn_certify(const struct cnn_party *guest, const struct cnn_party *residents,
			     size_t n_residents, struct cnn_certificate *cert, char *why,
			     size_t cap);

#endif
