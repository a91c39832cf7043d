/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The nearest vector by way of coarse codes (bank_coarse.h), for AVX-512 VNNI. For eight queries at a time: the best
 * code distance in every four vectors, all kept; the four with the best of all gives a distance close to the smallest;
 * then only those fours are measured whose best code distance may belong to a nearer vector.
 */
#include <immintrin.h>
#include <math.h>
#include <string.h>

#include "vision/bank.h"
#include "vision/bank_kernels.h"

#define QUERIES 8
#define LANES 16 /* fours in a tile */
/* Tiles whose results are kept at once, 32 KiB for all queries. */
#define CHUNK 64
#define FAR_LIMIT (1 << 28)
#define INLINE static inline __attribute__((always_inline))
/* Arrays of registers are registers only where loops over them are unrolled, at any level of optimisation. */
#define UNROLL _Pragma("GCC unroll 8")

_Static_assert(ASSAY__COARSE_DIM == 16 && ASSAY__COARSE_TILE == 4 * LANES && CHUNK % 4 == 0, "the loops count on it");

struct group {
	const struct assay__bank_coarse *coarse;
	int32_t norm[QUERIES];		/* of the query */
	int32_t code_norm[QUERIES]; /* of its code */
	int32_t code_bias[QUERIES]; /* what the bias of the bank's codes adds */
	__m128i key[QUERIES];		/* largest of -|q - b|^2 + |q|^2 so far, four candidates for it */
	_Alignas(64) uint8_t queries[QUERIES * ASSAY__BANK_MAX_DIM]; /* biased, row_bytes apart */
	_Alignas(64) int8_t codes[QUERIES][ASSAY__COARSE_DIM];
	/* One register more, or all queries would share the same few lines of the cache. */
	_Alignas(64) int32_t best[QUERIES][CHUNK + 1][LANES];
};

static void load_queries(struct group *g, const int8_t *const rows[QUERIES])
{
	const struct assay__bank_coarse *c = g->coarse;
	const __m512i bias = _mm512_set1_epi8((char)ASSAY__COARSE_BIAS);

	for (int i = 0; i < QUERIES; i++) {
		__m512i sum = _mm512_setzero_si512();
		for (int j = 0; j < c->dim; j += 64) {
			const int left = c->dim - j;
			const __m512i x = _mm512_maskz_loadu_epi8(left >= 64 ? ~0ull : (1ull << left) - 1, rows[i] + j);
			const __m512i low = _mm512_srai_epi16(_mm512_slli_epi16(x, 8), 8), high = _mm512_srai_epi16(x, 8);
			sum = _mm512_add_epi32(sum, _mm512_madd_epi16(low, low));
			sum = _mm512_add_epi32(sum, _mm512_madd_epi16(high, high));
			_mm512_store_si512(g->queries + (size_t)i * c->row_bytes + j, _mm512_xor_si512(x, bias));
		}
		g->norm[i] = _mm512_reduce_add_epi32(sum);
		g->key[i] = _mm_set1_epi32(INT32_MIN);
	}
}

static void make_codes(struct group *g)
{
	const struct assay__bank_coarse *c = g->coarse;
	const __m512i top = _mm512_set1_epi32(127), low = _mm512_set1_epi32(-127);
	__m512i sum[QUERIES];

	UNROLL
	for (int i = 0; i < QUERIES; i++)
		sum[i] = _mm512_load_si512(c->axes_start);
	for (size_t j = 0; j < (size_t)c->dim; j += 4) {
		const __m512i axes = _mm512_load_si512(c->axes + j * ASSAY__COARSE_DIM);
		UNROLL
		for (int i = 0; i < QUERIES; i++) {
			int32_t four;
			memcpy(&four, g->queries + (size_t)i * c->row_bytes + j, sizeof(four));
			sum[i] = _mm512_dpbusd_epi32(sum[i], _mm512_set1_epi32(four), axes);
		}
	}
	UNROLL
	for (int i = 0; i < QUERIES; i++) {
		const __m512 scaled = _mm512_mul_ps(_mm512_cvtepi32_ps(sum[i]), _mm512_set1_ps(c->scale));
		const __m512i code = _mm512_min_epi32(_mm512_max_epi32(_mm512_cvtps_epi32(scaled), low), top);
		g->code_norm[i] = _mm512_reduce_add_epi32(_mm512_mullo_epi32(code, code));
		g->code_bias[i] = ASSAY__COARSE_BIAS * _mm512_reduce_add_epi32(code);
		_mm_store_si128((void *)g->codes[i], _mm512_cvtepi32_epi8(code));
	}
}

/* For one tile and every query, the largest code product (less half the norm) of each four. The tile stays in sixteen
 * registers. */
static void sift_tile(struct group *g, int tile, int at)
{
	const uint8_t *codes = g->coarse->codes + (size_t)tile * ASSAY__COARSE_TILE * ASSAY__COARSE_DIM;
	const int32_t *start = g->coarse->codes_start + (size_t)tile * ASSAY__COARSE_TILE;
	__m512i w[4][4], from[4], a[4];

	UNROLL
	for (int m = 0; m < 4; m++) {
		from[m] = _mm512_load_si512(start + m * LANES);
		UNROLL
		for (int k = 0; k < 4; k++)
			w[m][k] = _mm512_load_si512(codes + (m * 4 + k) * 64);
	}
	for (int i = 0; i < QUERIES; i++) {
		UNROLL
		for (int m = 0; m < 4; m++)
			a[m] = from[m];
		UNROLL
		for (int k = 0; k < 4; k++) {
			int32_t four;
			memcpy(&four, g->codes[i] + k * 4, sizeof(four));
			UNROLL
			for (int m = 0; m < 4; m++)
				a[m] = _mm512_dpbusd_epi32(a[m], w[m][k], _mm512_set1_epi32(four));
		}
		_mm512_store_si512(g->best[i][at],
						   _mm512_max_epi32(_mm512_max_epi32(a[0], a[1]), _mm512_max_epi32(a[2], a[3])));
	}
}

INLINE int32_t largest_of(__m128i v)
{
	v = _mm_max_epi32(v, _mm_shuffle_epi32(v, 0x4e));
	v = _mm_max_epi32(v, _mm_shuffle_epi32(v, 0xb1));
	return _mm_cvtsi128_si32(v);
}

INLINE __m512i fold(__m512i a, __m512i b)
{
	return _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
}

/* 2 q.b - |b|^2 for the members of a four. */
INLINE __m128i measure(const struct assay__bank_coarse *c, const uint8_t *query, int four)
{
	const int8_t *rows = c->rows + (size_t)four * 4 * c->row_bytes;
	__m512i a[4] = {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512()};

	for (size_t j = 0; j < c->row_bytes; j += 64) {
		const __m512i q = _mm512_load_si512(query + j);
		UNROLL
		for (int m = 0; m < 4; m++)
			a[m] = _mm512_dpbusd_epi32(a[m], q, _mm512_load_si512(rows + (size_t)m * c->row_bytes + j));
	}
	const __m512i low = fold(a[0], a[2]), high = fold(a[1], a[3]), all = fold(low, high);
	const __m256i half = _mm256_add_epi32(_mm512_castsi512_si256(all), _mm512_extracti64x4_epi64(all, 1));
	const __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
	return _mm_add_epi32(_mm_add_epi32(sum, sum), _mm_load_si128((const void *)(c->rows_start + (size_t)four * 4)));
}

/* Which of a chunk's fours has the largest code product. */
static int best_four(const struct group *g, int i, int tiles)
{
	__m512i top = _mm512_load_si512(g->best[i][0]), where = _mm512_setzero_si512();
	_Alignas(64) int32_t tile[LANES];

	for (int t = 1; t < tiles; t++) {
		const __m512i x = _mm512_load_si512(g->best[i][t]);
		where = _mm512_mask_mov_epi32(where, _mm512_cmpgt_epi32_mask(x, top), _mm512_set1_epi32(t));
		top = _mm512_max_epi32(top, x);
	}
	const __m512i largest = _mm512_set1_epi32(_mm512_reduce_max_epi32(top));
	const int lane = __builtin_ctz(_mm512_cmpeq_epi32_mask(top, largest));
	_mm512_store_si512(tile, where);
	return tile[lane] * LANES + lane;
}

/* A code product below this means a vector farther away than the nearest so far. */
static int32_t bar_of(const struct group *g, int i)
{
	const int32_t d2 = g->norm[i] - largest_of(g->key[i]);
	const double far = g->coarse->reach * sqrt(d2) + ASSAY__COARSE_SLACK;
	const int32_t limit = far * far < FAR_LIMIT ? (int32_t)(far * far) + 1 : FAR_LIMIT;

	/* |code(q) - code(b)|^2 is code_norm - 2 product, or one less */
	return ((g->code_norm[i] - limit - 1) >> 1) + g->code_bias[i];
}

/* Measures the fours of a chunk that may hold the nearest; false if they are too many to be worth it. */
static bool search_chunk(struct group *g, int i, int first, int tiles)
{
	const struct assay__bank_coarse *c = g->coarse;
	const uint8_t *query = g->queries + (size_t)i * c->row_bytes;
	uint64_t reached[CHUNK / 4] = {0};
	int count = 0;

	__m128i key = _mm_max_epi32(g->key[i], measure(c, query, first * LANES + best_four(g, i, tiles)));
	g->key[i] = key;
	const __m512i bar = _mm512_set1_epi32(bar_of(g, i));
	for (int t = 0; t < tiles; t++) {
		const uint64_t lanes = _mm512_cmpge_epi32_mask(_mm512_load_si512(g->best[i][t]), bar);
		reached[t / 4] |= lanes << (t % 4 * LANES);
	}
	for (int w = 0; w * 4 < tiles; w++)
		count += __builtin_popcountll(reached[w]);
	if (count > tiles * LANES / 4)
		return false;
	for (int w = 0; w * 4 < tiles; w++)
		for (uint64_t bits = reached[w]; bits; bits &= bits - 1)
			key = _mm_max_epi32(key, measure(c, query, (first + w * 4) * LANES + __builtin_ctzll(bits)));
	g->key[i] = key;
	return true;
}

/* Bit i: query i is too far from everything. */
static unsigned search_group(struct group *g)
{
	unsigned hard = 0;

	for (int first = 0; first < g->coarse->tiles; first += CHUNK) {
		const int tiles = g->coarse->tiles - first < CHUNK ? g->coarse->tiles - first : CHUNK;
		for (int t = 0; t < tiles; t++)
			sift_tile(g, first + t, t);
		for (int i = 0; i < QUERIES; i++)
			if (!(hard >> i & 1) && !search_chunk(g, i, first, tiles))
				hard |= 1u << i;
	}
	return hard;
}

int assay__bank_sift_avx512vnni(const struct assay__bank_coarse *coarse, const int8_t *queries, int n, int32_t *d2,
								int64_t *hard)
{
	struct group g;
	int hard_count = 0;

	g.coarse = coarse;
	for (int from = 0; from < n; from += QUERIES) {
		const int8_t *rows[QUERIES];
		/* past the end, the last one again */
		for (int i = 0; i < QUERIES; i++)
			rows[i] = queries + (size_t)(from + i < n ? from + i : n - 1) * (size_t)coarse->dim;
		load_queries(&g, rows);
		make_codes(&g);
		const unsigned too_far = search_group(&g);
		for (int i = 0; i < QUERIES && from + i < n; i++) {
			if (too_far >> i & 1)
				hard[hard_count++] = from + i;
			else
				d2[from + i] = g.norm[i] - largest_of(g.key[i]);
		}
	}
	_mm256_zeroupper();
	return hard_count;
}
