/* SPDX-License-Identifier: Apache-2.0 */
/* The test programs' BLAKE2b gives what libsodium gives. */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "blake2b.h"

int main(void)
{
	static const size_t lengths[] = {16, 20, 32, 64};
	unsigned char data[700], want[64], got[64];

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (unsigned char)(i * i * 31 + i * 7 + 3);
	for (size_t size = 0; size <= sizeof(data); size++)
		for (size_t l = 0; l < sizeof(lengths) / sizeof(lengths[0]); l++) {
			struct blake2b state;
			const size_t piece = 1 + size % 131;
			crypto_generichash(want, lengths[l], data, size, NULL, 0);
			blake2b_init(&state, lengths[l]);
			for (size_t at = 0; at < size; at += piece)
				blake2b_update(&state, data + at, size - at < piece ? size - at : piece);
			blake2b_final(&state, got);
			if (memcmp(want, got, lengths[l]) != 0) {
				fprintf(stderr, "%zu bytes in pieces of %zu to %zu: not libsodium's hash\n", size, piece, lengths[l]);
				return 1;
			}
		}
	return 0;
}
