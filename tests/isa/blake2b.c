/* SPDX-License-Identifier: Apache-2.0 */
#include "blake2b.h"

#include <string.h>

static const uint64_t iv[8] = {0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
							   0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179};

/* Rounds 10 and 11 repeat 0 and 1. */
static const uint8_t sigma[10][16] = {
	{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
	{11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4}, {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
	{9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13}, {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
	{12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11}, {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
	{6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5}, {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0}};

static uint64_t rotate_right(uint64_t x, int n)
{
	return x >> n | x << (64 - n);
}

static void mix(uint64_t *a, uint64_t *b, uint64_t *c, uint64_t *d, uint64_t x, uint64_t y)
{
	*a += *b + x;
	*d = rotate_right(*d ^ *a, 32);
	*c += *d;
	*b = rotate_right(*b ^ *c, 24);
	*a += *b + y;
	*d = rotate_right(*d ^ *a, 16);
	*c += *d;
	*b = rotate_right(*b ^ *c, 63);
}

static void compress(struct blake2b *s, int last)
{
	uint64_t v[16], m[16];

	for (int i = 0; i < 16; i++) {
		m[i] = 0;
		for (int k = 7; k >= 0; k--)
			m[i] = m[i] << 8 | s->block[8 * i + k];
		v[i] = i < 8 ? s->h[i] : iv[i - 8];
	}
	s->bytes += s->filled;
	v[12] ^= s->bytes;
	if (last)
		v[14] = ~v[14];
	for (int round = 0; round < 12; round++)
		for (int i = 0; i < 8; i++) {
			const uint8_t *pick = &sigma[round % 10][2 * i];
			const int turn = i / 4; /* first the columns, then the diagonals */
			mix(&v[i % 4], &v[4 + (i + turn) % 4], &v[8 + (i + 2 * turn) % 4], &v[12 + (i + 3 * turn) % 4], m[pick[0]],
				m[pick[1]]);
		}
	for (int i = 0; i < 8; i++)
		s->h[i] ^= v[i] ^ v[i + 8];
	s->filled = 0;
}

void blake2b_init(struct blake2b *s, size_t out_bytes)
{
	*s = (struct blake2b){.out_bytes = out_bytes};
	memcpy(s->h, iv, sizeof(iv));
	s->h[0] ^= 0x01010000 ^ out_bytes;
}

void blake2b_update(struct blake2b *s, const void *data, size_t size_bytes)
{
	const uint8_t *from = data;

	while (size_bytes) {
		if (s->filled == sizeof(s->block))
			compress(s, 0); /* only now is it known that it was not the last */
		size_t part = sizeof(s->block) - s->filled;
		if (part > size_bytes)
			part = size_bytes;
		memcpy(s->block + s->filled, from, part);
		s->filled += part;
		from += part;
		size_bytes -= part;
	}
}

void blake2b_final(struct blake2b *s, uint8_t *out)
{
	memset(s->block + s->filled, 0, sizeof(s->block) - s->filled);
	compress(s, 1);
	for (size_t i = 0; i < s->out_bytes; i++)
		out[i] = (uint8_t)(s->h[i / 8] >> (8 * (i % 8)));
}
