/* SPDX-License-Identifier: Apache-2.0 */
/* The station's signing key, and what it signs. */
#ifndef ASSAY_SRC_STATION_RECORD_KEY_H
#define ASSAY_SRC_STATION_RECORD_KEY_H

#include <stdbool.h>

#include "assay/image.h"

#define ASSAY__PUBLIC_KEY_BYTES 32
#define ASSAY__SIGNATURE_BYTES 64
#define ASSAY__SECRET_KEY_BYTES 64

struct assay__key {
	uint8_t secret[ASSAY__SECRET_KEY_BYTES], public_key[ASSAY__PUBLIC_KEY_BYTES];
};

/**
 * Reads record.key, or makes it (mode 0600) and record.pub beside it when neither is there; *made says which.
 * Errors: IO, FORMAT if they are damaged or do not belong together, or if one is missing.
 */
int assay__key_open(const char *dir, struct assay__key *key, bool *made, struct assay_error *error);

/** Reads a public key from a file of 64 hexadecimal digits. Errors: IO, FORMAT. */
int assay__key_read_public(const char *path, uint8_t public_key[ASSAY__PUBLIC_KEY_BYTES], struct assay_error *error);

/** Signs (Ed25519) "assay chain 1", link and wall_us as 8 bytes little endian, and the hash of that link. */
void assay__key_sign(const struct assay__key *key, uint64_t link, int64_t wall_us, const uint8_t hash[ASSAY_HASH_BYTES],
					 uint8_t signature[ASSAY__SIGNATURE_BYTES]);
bool assay__key_verify(const uint8_t public_key[ASSAY__PUBLIC_KEY_BYTES], uint64_t link, int64_t wall_us,
					   const uint8_t hash[ASSAY_HASH_BYTES], const uint8_t signature[ASSAY__SIGNATURE_BYTES]);

#endif
