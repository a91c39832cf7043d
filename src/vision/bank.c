/* SPDX-License-Identifier: Apache-2.0 */
#include "vision/bank.h"

#include <assert.h>
#include <string.h>

#include "base/err.h"
#include "vision/bank_kernels.h"
#include "vision/net/kernel.h"

struct assay__bank {
	struct assay__bank_packed packed;
	struct assay__bank_coarse coarse; /* no tiles: not used */
	int count;
	const struct assay_allocator *allocator;
};

const struct assay__bank_kernels *assay__bank_kernels_get(enum assay_isa isa)
{
	const struct assay__kernels *here = assay__kernels_find(isa);

	switch (here ? here->isa : ASSAY_ISA_SCALAR) {
#if defined(__x86_64__)
	case ASSAY_ISA_AVX512VNNI:
		return &assay__bank_kernels_avx512vnni;
	case ASSAY_ISA_AVXVNNI:
		return &assay__bank_kernels_avxvnni;
	case ASSAY_ISA_AVX2:
		return &assay__bank_kernels_avx2;
#elif defined(__aarch64__)
	case ASSAY_ISA_NEONDOT:
		return &assay__bank_kernels_neondot;
	case ASSAY_ISA_NEON:
		return &assay__bank_kernels_neon;
#endif
	default:
		return &assay__bank_kernels_scalar;
	}
}

int assay__bank_packed_open(struct assay__bank_packed *packed, const struct assay__bank_kernels *kernels, int count,
							int dim, const struct assay_allocator *allocator, struct assay_error *error)
{
	assert(count >= 1 && count <= INT32_MAX - 64 && dim >= 1 && dim <= ASSAY__BANK_MAX_DIM);
	struct assay__bank_packed p = {.kernels = kernels, .dim = dim, .dim_padded = (dim + 3) / 4 * 4};
	p.capacity = (count + kernels->lanes - 1) / kernels->lanes * kernels->lanes;
	size_t bytes = (size_t)p.capacity * (size_t)(p.dim_padded * kernels->element_bytes);
	p.data = assay__alloc_aligned(allocator, bytes);
	p.start = assay__alloc_aligned(allocator, (size_t)p.capacity * sizeof(int32_t));
	p.odd = assay__alloc_aligned(allocator, (size_t)p.capacity * sizeof(int32_t));
	if (!p.data || !p.start || !p.odd) {
		assay__bank_packed_close(&p, allocator);
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for a bank of %d vectors of %d values", count, dim);
	}
	memset(p.data, 0, bytes);
	for (int v = 0; v < p.capacity; v++) {
		p.start[v] = ASSAY__BANK_EMPTY;
		p.odd[v] = 0;
	}
	*packed = p;
	return 0;
}

void assay__bank_packed_close(struct assay__bank_packed *packed, const struct assay_allocator *allocator)
{
	assay__free_aligned(allocator, packed->data);
	assay__free_aligned(allocator, packed->start);
	assay__free_aligned(allocator, packed->odd);
	*packed = (struct assay__bank_packed){0};
}

void assay__bank_packed_put(struct assay__bank_packed *packed, int at, const int8_t *vector)
{
	const struct assay__bank_kernels *k = packed->kernels;
	const int dim = packed->dim, group = k->group;
	const size_t step = (size_t)(k->lanes * group * k->element_bytes);
	uint8_t *to = packed->data + (size_t)(at / k->lanes) * k->lanes * packed->dim_padded * k->element_bytes +
				  (size_t)(at % k->lanes) * group * k->element_bytes;
	assert(at >= 0 && at < packed->capacity);

	int32_t norm = 0, sum = 0;
	for (int i = 0; i < dim; i++) {
		norm += vector[i] * vector[i];
		sum += vector[i];
	}
	for (int i = 0; i < dim; i += group, to += step) {
		int part = dim - i < group ? dim - i : group;
		int16_t wide[4] = {0};
		int8_t narrow[4] = {0};
		for (int j = 0; j < part; j++) {
			narrow[j] = vector[i + j];
			wide[j] = vector[i + j];
		}
		if (k->element_bytes == 1)
			memcpy(to, narrow, (size_t)group);
		else
			memcpy(to, wide, (size_t)group * 2);
	}
	packed->start[at] = -((norm + 1) >> 1) - k->bias * sum;
	packed->odd[at] = norm & 1;
}

void assay__bank_search(const struct assay__bank_packed *packed, int first, int end, const int8_t *points,
						const int64_t *pick, int n, int32_t *d2, int32_t *index)
{
	const struct assay__bank_kernels *k = packed->kernels;
	_Alignas(64) uint8_t panel[ASSAY__BANK_PANEL_BYTES];
	_Alignas(64) int32_t norm[ASSAY__BANK_PANEL_QUERIES];
	_Alignas(64) int32_t best[ASSAY__BANK_PANEL_QUERIES], where[ASSAY__BANK_PANEL_QUERIES] = {0};
	const size_t row_bytes = (size_t)(packed->dim_padded * k->element_bytes);
	int fit = (int)(sizeof panel / row_bytes) / k->rows * k->rows;
	if (fit > ASSAY__BANK_PANEL_QUERIES)
		fit = ASSAY__BANK_PANEL_QUERIES;

	for (int from = 0; from < n; from += fit) {
		const int part = n - from < fit ? n - from : fit;
		for (int i = 0; i < part; i += k->rows) {
			const int8_t *rows[16];
			const int some = part - i < k->rows ? part - i : k->rows;
			for (int j = 0; j < some; j++) {
				int64_t row = pick ? pick[from + i + j] : from + i + j;
				rows[j] = points + (size_t)row * (size_t)packed->dim;
			}
			k->prepare(rows, some, packed->dim, panel + (size_t)i * row_bytes, norm + i);
		}
		const int padded = (part + k->rows - 1) / k->rows * k->rows;
		memcpy(best, d2 + from, (size_t)part * sizeof *best);
		for (int i = part; i < padded; i++)
			best[i] = 0;
		if (index)
			memcpy(where, index + from, (size_t)part * sizeof *where);
		k->nearest(packed, first, end, panel, norm, padded, best, index ? where : NULL);
		memcpy(d2 + from, best, (size_t)part * sizeof *best);
		if (index)
			memcpy(index + from, where, (size_t)part * sizeof *where);
	}
}

int assay__bank_open(const int8_t *vectors, int count, int dim, enum assay_isa isa,
					 const struct assay_allocator *allocator, struct assay__bank **out, struct assay_error *error)
{
	if (count < 1 || count > INT32_MAX - 64)
		return assay__fail(error, ASSAY_E_ARGUMENT, -1, "a bank of %d vectors; 1 to %d are possible", count,
						   INT32_MAX - 64);
	if (dim < 1 || dim > ASSAY__BANK_MAX_DIM)
		return assay__fail(error, ASSAY_E_ARGUMENT, -1, "vectors of %d values; 1 to %d are possible", dim,
						   ASSAY__BANK_MAX_DIM);
	struct assay__bank *bank = assay__alloc(allocator, sizeof *bank);
	if (!bank)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for a bank");
	*bank = (struct assay__bank){.count = count, .allocator = allocator};
	const struct assay__bank_kernels *kernels = assay__bank_kernels_get(isa);
	int err = assay__bank_packed_open(&bank->packed, kernels, count, dim, allocator, error);
	if (!err && kernels->sift && count >= ASSAY__COARSE_LEAST && count <= ASSAY__COARSE_MOST &&
		dim >= 2 * ASSAY__COARSE_DIM)
		err = assay__bank_coarse_open(&bank->coarse, vectors, count, dim, allocator, error);
	if (err) {
		assay__bank_close(bank);
		return err;
	}
	for (int v = 0; v < count; v++)
		assay__bank_packed_put(&bank->packed, v, vectors + (size_t)v * (size_t)dim);
	*out = bank;
	return 0;
}

void assay__bank_close(struct assay__bank *bank)
{
	if (!bank)
		return;
	assay__bank_packed_close(&bank->packed, bank->allocator);
	assay__bank_coarse_close(&bank->coarse, bank->allocator);
	assay__free(bank->allocator, bank);
}

/* By way of codes; the queries that are far from everything, plainly. */
static void sift(const struct assay__bank *bank, int blocks, const int8_t *queries, int n, int32_t *d2)
{
	int64_t hard[ASSAY__BANK_PANEL_QUERIES];
	int32_t plain[ASSAY__BANK_PANEL_QUERIES];

	for (int from = 0; from < n; from += ASSAY__BANK_PANEL_QUERIES) {
		const int part = n - from < ASSAY__BANK_PANEL_QUERIES ? n - from : ASSAY__BANK_PANEL_QUERIES;
		const int8_t *some = queries + (size_t)from * (size_t)bank->packed.dim;
		const int count = bank->packed.kernels->sift(&bank->coarse, some, part, d2 + from, hard);
		for (int i = 0; i < count; i++)
			plain[i] = ASSAY__BANK_FAR;
		assay__bank_search(&bank->packed, 0, blocks, some, hard, count, plain, NULL);
		for (int i = 0; i < count; i++)
			d2[from + hard[i]] = plain[i];
	}
}

void assay__bank_nearest(const struct assay__bank *bank, const int8_t *queries, int n, int32_t *d2, int32_t *index)
{
	const int blocks = bank->packed.capacity / bank->packed.kernels->lanes;

	if (bank->coarse.tiles && !index) {
		sift(bank, blocks, queries, n, d2);
		return;
	}
	for (int i = 0; i < n; i++) {
		d2[i] = ASSAY__BANK_FAR;
		if (index)
			index[i] = 0;
	}
	assay__bank_search(&bank->packed, 0, blocks, queries, NULL, n, d2, index);
}
