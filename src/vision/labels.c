/* SPDX-License-Identifier: Apache-2.0 */
#include "vision/labels.h"

#include <assert.h>
#include <string.h>

#include "base/err.h"

#define BLOCK 64		/* cells whose logits are on the stack at once */
#define HEADER_BYTES 20 /* scales and folds as u16, then the join */

void assay__labels_close(struct assay__labels *labels)
{
	if (!labels)
		return;
	for (int s = 0; s < ASSAY__SCALES_MOST; s++)
		for (int f = 0; f < ASSAY__LABEL_FOLDS; f++)
			assay__head_close(labels->heads[s][f]);
	assay__free(labels->allocator, labels);
}

uint32_t assay__logit_rank(int32_t logit_q12)
{
	return (uint32_t)logit_q12 ^ 0x80000000u;
}

int32_t assay__logit_unrank(uint32_t rank)
{
	return (int32_t)(rank ^ 0x80000000u);
}

static int64_t floor_div(int64_t sum, int64_t count)
{
	return sum >= 0 ? sum / count : -((-sum + count - 1) / count);
}

int32_t assay__labels_mean(const int32_t *logits_q12, int count)
{
	int64_t sum = 0;
	assert(count >= 1);
	for (int i = 0; i < count; i++)
		sum += logits_q12[i];
	return (int32_t)floor_div(sum, count);
}

/* The highest values met so far, highest first. */
struct highest {
	int32_t values[ASSAY__HEAD_TOP];
	int count;
};

static void meet(struct highest *h, int32_t value)
{
	int at = h->count;
	while (at > 0 && value > h->values[at - 1])
		at--;
	if (at == ASSAY__HEAD_TOP)
		return;
	if (h->count < ASSAY__HEAD_TOP)
		h->count++;
	for (int k = h->count - 1; k > at; k--)
		h->values[k] = h->values[k - 1];
	h->values[at] = value;
}

int32_t assay__labels_run(const struct assay__labels *labels, int scale, const int8_t *vectors, int cells,
						  int32_t *logits_q12)
{
	int32_t of_head[ASSAY__LABEL_FOLDS], block[BLOCK];
	assert(cells >= 1 && scale < labels->scales);
	memset(logits_q12, 0, (size_t)cells * sizeof(*logits_q12));
	for (int f = 0; f < labels->folds; f++) {
		struct highest highest = {.count = 0};
		for (int first = 0; first < cells; first += BLOCK) {
			int n = cells - first < BLOCK ? cells - first : BLOCK;
			assay__head_run(labels->heads[scale][f], vectors + (size_t)first * (size_t)labels->dim, n, block);
			for (int i = 0; i < n; i++) {
				meet(&highest, block[i]);
				logits_q12[first + i] += block[i] / labels->folds; /* divided first: the sum stays within s32 */
			}
		}
		of_head[f] = assay__labels_mean(highest.values, highest.count);
	}
	return assay__labels_mean(of_head, labels->folds);
}

size_t assay__labels_bytes(int dim, int scales, int folds)
{
	return HEADER_BYTES + (size_t)(scales * folds) * assay__head_bytes(dim);
}

void assay__labels_encode(const struct assay__labels *labels, uint8_t *bytes)
{
	const struct assay__join *j = &labels->join;
	const uint32_t numbers[HEADER_BYTES / 4] = {(uint32_t)(labels->scales | labels->folds << 16),
												(uint32_t)j->head_low_q12, (uint32_t)j->head_high_q12, j->bank_low_q8,
												j->bank_high_q8};
	size_t each = assay__head_bytes(labels->dim);
	for (int i = 0; i < HEADER_BYTES; i++)
		bytes[i] = (uint8_t)(numbers[i / 4] >> (8 * (i % 4)));
	bytes += HEADER_BYTES;
	for (int s = 0; s < labels->scales; s++)
		for (int f = 0; f < labels->folds; f++, bytes += each)
			assay__head_encode(labels->heads[s][f], bytes);
}

int assay__labels_decode(const uint8_t *bytes, size_t size, int dim, int scales, enum assay_isa isa,
						 const struct assay_allocator *allocator, struct assay__labels **out, struct assay_error *error)
{
	uint32_t numbers[HEADER_BYTES / 4] = {0};
	for (size_t i = 0; i < HEADER_BYTES && i < size; i++)
		numbers[i / 4] |= (uint32_t)bytes[i] << (8 * (i % 4));
	struct assay__join join = {(int32_t)numbers[1], (int32_t)numbers[2], numbers[3], numbers[4]};
	int folds = (int)(numbers[0] >> 16), rc = 0;
	if (size < HEADER_BYTES || (numbers[0] & 0xffff) != (uint32_t)scales || folds < 1 || folds > ASSAY__LABEL_FOLDS ||
		size != assay__labels_bytes(dim, scales, folds) || !assay__join_sane(&join))
		return assay__fail(error, ASSAY_E_FORMAT, -1, "what the labels taught is damaged: %zu bytes, %d heads", size,
						   folds * scales);
	struct assay__labels *labels = assay__calloc(allocator, 1, sizeof(*labels));
	if (!labels)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for what the labels taught");
	labels->allocator = allocator;
	labels->dim = dim;
	labels->scales = scales;
	labels->folds = folds;
	labels->join = join;
	size_t each = assay__head_bytes(dim);
	bytes += HEADER_BYTES;
	for (int s = 0; rc == 0 && s < scales; s++)
		for (int f = 0; rc == 0 && f < folds; f++, bytes += each)
			rc = assay__head_decode(bytes, each, dim, isa, allocator, &labels->heads[s][f], error);
	if (rc) {
		assay__labels_close(labels);
		return rc;
	}
	*out = labels;
	return 0;
}

size_t assay__labels_group(const char *path, const char **start)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	const char *end = strstr(name, "__");
	*start = name;
	return end ? (size_t)(end - name) : 0;
}
