/* SPDX-License-Identifier: Apache-2.0 */
/* The bank kernels in plain C: what the others are tested against. */
#include <string.h>

#include "vision/bank_kernels.h"

#define ROWS 4

static void prepare(const int8_t *const *queries, int count, int dim, void *panel, int32_t *norm)
{
	const int padded = (dim + 3) / 4 * 4;
	int8_t *to = panel;
	memset(panel, 0, (size_t)(padded * ROWS));
	for (int i = 0; i < ROWS; i++, to += padded) {
		norm[i] = 0;
		for (int j = 0; i < count && j < dim; j++) {
			to[j] = queries[i][j];
			norm[i] += to[j] * to[j];
		}
	}
}

static int32_t dot(const int8_t *a, const int8_t *b, int n)
{
	int32_t sum = 0;
	for (int i = 0; i < n; i++)
		sum += a[i] * b[i];
	return sum;
}

static void nearest(const struct assay__bank_packed *packed, int first, int end, const void *panel, const int32_t *norm,
					int n, int32_t *d2, int32_t *index)
{
	const int dim = packed->dim_padded;
	const int8_t *vectors = (const int8_t *)packed->data;
	for (int v = first; v < end; v++) {
		const int8_t *query = panel;
		for (int i = 0; i < n; i++, query += dim) {
			int32_t key = 2 * (packed->start[v] + dot(query, vectors + (size_t)v * dim, dim)) + packed->odd[v];
			if (norm[i] - key >= d2[i])
				continue;
			d2[i] = norm[i] - key;
			if (index)
				index[i] = v;
		}
	}
}

static int32_t relax(const struct assay__bank_packed *packed, int end, const void *panel, int32_t norm, int32_t *d2)
{
	const int dim = packed->dim_padded;
	const int8_t *vectors = (const int8_t *)packed->data;
	int32_t largest = 0;
	for (int v = 0; v < end; v++) {
		int32_t key = 2 * (packed->start[v] + dot(panel, vectors + (size_t)v * dim, dim)) + packed->odd[v];
		if (norm - key < d2[v])
			d2[v] = norm - key;
		if (d2[v] > largest)
			largest = d2[v];
	}
	return largest;
}

const struct assay__bank_kernels assay__bank_kernels_scalar = {
	.isa = ASSAY_ISA_SCALAR,
	.lanes = 1,
	.group = 1,
	.element_bytes = 1,
	.bias = 0,
	.rows = ROWS,
	.prepare = prepare,
	.nearest = nearest,
	.relax = relax,
};
