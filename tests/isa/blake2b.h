/* SPDX-License-Identifier: Apache-2.0 */
/* BLAKE2b (RFC 7693) without a key, for test programs that must do without libsodium. */
#ifndef ASSAY_TESTS_ISA_BLAKE2B_H
#define ASSAY_TESTS_ISA_BLAKE2B_H

#include <stddef.h>
#include <stdint.h>

#define BLAKE2B_BLOCK_BYTES 128

struct blake2b {
	uint64_t h[8], bytes; /**< bytes hashed, the block in the making not counted */
	uint8_t block[BLAKE2B_BLOCK_BYTES];
	size_t filled, out_bytes;
};

/** out_bytes 1..64 */
void blake2b_init(struct blake2b *state, size_t out_bytes);
void blake2b_update(struct blake2b *state, const void *data, size_t size_bytes);
void blake2b_final(struct blake2b *state, uint8_t *out);

#endif
