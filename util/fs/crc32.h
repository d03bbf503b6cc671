#ifndef HV_CRC32_H
#define HV_CRC32_H
#include <stddef.h>
#include <stdint.h>

/* CRC-32 as in IEEE 802.3 and zlib: reflected polynomial 0xEDB88320, start and final xor ~0.
 * Chain by passing the previous result: hv_crc32(hv_crc32(0, a, n), b, m). */
uint32_t hv_crc32(uint32_t crc, const void *data, size_t len);

#endif
