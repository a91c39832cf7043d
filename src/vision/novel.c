/* SPDX-License-Identifier: Apache-2.0 */
#include "vision/novel.h"

#include "base/err.h"

static int32_t distance2(const int8_t *a, const int8_t *b, int dim)
{
	int32_t sum = 0;
	for (int i = 0; i < dim; i++) {
		int32_t d = a[i] - b[i];
		sum += d * d;
	}
	return sum;
}

int32_t assay__novel_reach(const int8_t *vectors, int count, int dim)
{
	int32_t least = INT32_MAX;
	for (int i = 1; i < count; i++)
		for (int j = 0; j < i; j++) {
			int32_t d2 = distance2(vectors + (size_t)i * (size_t)dim, vectors + (size_t)j * (size_t)dim, dim);
			least = d2 < least ? d2 : least;
		}
	return count < 2 ? 0 : least;
}

struct far {
	int64_t index;
	int32_t d2;
};

int assay__novel_choose(const int8_t *points, const int32_t *d2, const uint8_t *skip, int64_t n, int dim,
						int32_t reach_d2, int most, const struct assay_allocator *allocator, int64_t *chosen,
						int *count)
{
	int64_t left = 0;
	*count = 0;
	for (int64_t i = 0; i < n; i++)
		left += d2[i] > reach_d2 && !(skip && skip[i]);
	if (left == 0)
		return 0;
	struct far *far = assay__calloc(allocator, (size_t)left, sizeof(*far));
	if (!far)
		return ASSAY_E_NOMEM;
	left = 0;
	for (int64_t i = 0; i < n; i++)
		if (d2[i] > reach_d2 && !(skip && skip[i]))
			far[left++] = (struct far){i, d2[i]};
	while (left > 0 && *count < most) {
		int64_t best = 0, stay = 0;
		for (int64_t i = 1; i < left; i++)
			if (far[i].d2 > far[best].d2)
				best = i;
		const int8_t *center = points + (size_t)far[best].index * (size_t)dim;
		chosen[(*count)++] = far[best].index;
		for (int64_t i = 0; i < left; i++) {
			int32_t now = distance2(points + (size_t)far[i].index * (size_t)dim, center, dim);
			far[i].d2 = now < far[i].d2 ? now : far[i].d2;
			if (far[i].d2 > reach_d2)
				far[stay++] = far[i];
		}
		left = stay;
	}
	assay__free(allocator, far);
	return 0;
}
