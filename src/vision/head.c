/* SPDX-License-Identifier: Apache-2.0 */
#include "vision/head.h"

#include <assert.h>
#include <string.h>

#include "base/err.h"
#include "vision/bank.h"
#include "vision/bank_kernels.h"

#define HEADER_BYTES 4 /* dim, shift1, shift2 */

static size_t weights(int dim)
{
	return (size_t)((dim + 1) / 2) * 2 * ASSAY__HEAD_HIDDEN;
}

size_t assay__head_at(int i, int j)
{
	return (size_t)(i / 2 * ASSAY__HEAD_HIDDEN + j) * 2 + (size_t)(i % 2);
}

int assay__head_open(int dim, enum assay_isa isa, const struct assay_allocator *allocator, struct assay__head **out,
					 struct assay_error *error)
{
	if (dim < 1 || dim > ASSAY__BANK_MAX_DIM)
		return assay__fail(error, ASSAY_E_ARGUMENT, -1, "a head of %d dimensions; it must be 1 to %d", dim,
						   ASSAY__BANK_MAX_DIM);
	struct assay__head *head = assay__calloc(allocator, 1, sizeof(*head));
	if (!head)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for the head");
	*head = (struct assay__head){.allocator = allocator, .dim = dim, .isa = assay__bank_kernels_get(isa)->isa};
	head->w1 = assay__alloc_aligned(allocator, weights(dim) * sizeof(*head->w1));
	if (!head->w1) {
		assay__free(allocator, head);
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for the head");
	}
	memset(head->w1, 0, weights(dim) * sizeof(*head->w1));
	*out = head;
	return 0;
}

void assay__head_close(struct assay__head *head)
{
	if (!head)
		return;
	assay__free_aligned(head->allocator, head->w1);
	assay__free(head->allocator, head);
}

size_t assay__head_bytes(int dim)
{
	return HEADER_BYTES + (size_t)dim * ASSAY__HEAD_HIDDEN * 2 + ASSAY__HEAD_HIDDEN * 6 + 4;
}

static uint8_t *put(uint8_t *at, uint32_t value, int bytes)
{
	for (int i = 0; i < bytes; i++)
		*at++ = (uint8_t)(value >> (8 * i));
	return at;
}

static int32_t get(const uint8_t **at, int bytes)
{
	uint32_t value = 0;
	for (int i = 0; i < bytes; i++)
		value |= (uint32_t) * (*at)++ << (8 * i);
	return bytes == 1 ? (int8_t)value : bytes == 2 ? (int16_t)value : (int32_t)value;
}

void assay__head_encode(const struct assay__head *head, uint8_t *bytes)
{
	uint8_t *at = put(bytes, (uint32_t)head->dim, 2);
	at = put(at, (uint32_t)head->shift1, 1);
	at = put(at, (uint32_t)head->shift2, 1);
	for (int i = 0; i < head->dim; i++)
		for (int j = 0; j < ASSAY__HEAD_HIDDEN; j++)
			at = put(at, (uint16_t)head->w1[assay__head_at(i, j)], 2);
	for (int j = 0; j < ASSAY__HEAD_HIDDEN; j++)
		at = put(at, (uint32_t)head->bias1[j], 4);
	for (int j = 0; j < ASSAY__HEAD_HIDDEN; j++)
		at = put(at, (uint16_t)head->w2[j], 2);
	put(at, (uint32_t)head->bias2, 4);
}

static bool within(int32_t value, int32_t most)
{
	return value >= -most && value <= most;
}

/* False if a number could overflow a sum. */
static bool read_numbers(struct assay__head *head, const uint8_t *at)
{
	bool sane = get(&at, 2) == head->dim;
	head->shift1 = get(&at, 1);
	head->shift2 = get(&at, 1);
	sane &=
		head->shift1 >= 0 && head->shift1 <= ASSAY__HEAD_SHIFT1_MOST && within(head->shift2, ASSAY__HEAD_SHIFT2_MOST);
	for (int i = 0; i < head->dim; i++)
		for (int j = 0; j < ASSAY__HEAD_HIDDEN; j++) {
			int32_t w = get(&at, 2);
			sane &= within(w, ASSAY__HEAD_WEIGHT_MOST);
			head->w1[assay__head_at(i, j)] = (int16_t)w;
		}
	for (int j = 0; j < ASSAY__HEAD_HIDDEN; j++) {
		head->bias1[j] = get(&at, 4);
		sane &= within(head->bias1[j], ASSAY__HEAD_BIAS_MOST);
	}
	for (int j = 0; j < ASSAY__HEAD_HIDDEN; j++) {
		head->w2[j] = (int16_t)get(&at, 2);
		sane &= within(head->w2[j], ASSAY__HEAD_WEIGHT_MOST);
	}
	head->bias2 = get(&at, 4);
	return sane && within(head->bias2, ASSAY__HEAD_BIAS_MOST);
}

int assay__head_decode(const uint8_t *bytes, size_t size, int dim, enum assay_isa isa,
					   const struct assay_allocator *allocator, struct assay__head **out, struct assay_error *error)
{
	struct assay__head *head = NULL;
	if (dim < 1 || dim > ASSAY__BANK_MAX_DIM || size != assay__head_bytes(dim))
		return assay__fail(error, ASSAY_E_FORMAT, -1, "the head has %zu bytes; %d dimensions need %zu", size, dim,
						   dim < 1 ? 0 : assay__head_bytes(dim));
	int rc = assay__head_open(dim, isa, allocator, &head, error);
	if (rc)
		return rc;
	if (!read_numbers(head, bytes)) {
		assay__head_close(head);
		return assay__fail(error, ASSAY_E_FORMAT, -1, "a number of the head is out of range");
	}
	*out = head;
	return 0;
}

void assay__head_sums_scalar(const struct assay__head *head, const int8_t *vector, int32_t sums[ASSAY__HEAD_HIDDEN])
{
	memcpy(sums, head->bias1, sizeof(head->bias1));
	for (int i = 0; i < head->dim; i += 2) {
		int32_t a = vector[i], b = i + 1 < head->dim ? vector[i + 1] : 0;
		const int16_t *w = head->w1 + (size_t)i * ASSAY__HEAD_HIDDEN;
		for (int j = 0; j < ASSAY__HEAD_HIDDEN; j++)
			sums[j] += a * w[2 * j] + b * w[2 * j + 1];
	}
}

static int32_t finish(const struct assay__head *head, const int32_t sums[ASSAY__HEAD_HIDDEN])
{
	int32_t sum = head->bias2;
	for (int j = 0; j < ASSAY__HEAD_HIDDEN; j++) {
		int32_t unit = sums[j] >> head->shift1;
		unit = unit < 0 ? 0 : unit > ASSAY__HEAD_UNIT_MOST ? ASSAY__HEAD_UNIT_MOST : unit;
		sum += unit * head->w2[j];
	}
	int64_t logit = head->shift2 >= 0 ? sum >> head->shift2 : (int64_t)sum * (1 << -head->shift2);
	const int64_t most = ASSAY__HEAD_LOGIT_MOST;
	return (int32_t)(logit > most ? most : logit < -most ? -most : logit);
}

void assay__head_run(const struct assay__head *head, const int8_t *vectors, int cells, int32_t *logits_q12)
{
	void (*sums)(const struct assay__head *, const int8_t *, int32_t *) = assay__head_sums_scalar;
#if defined(__x86_64__)
	if (head->isa != ASSAY_ISA_SCALAR) /* every other one on this machine includes AVX2 */
		sums = assay__head_sums_avx2;
#endif
	for (int i = 0; i < cells; i++) {
		int32_t unit[ASSAY__HEAD_HIDDEN];
		sums(head, vectors + (size_t)i * (size_t)head->dim, unit);
		logits_q12[i] = finish(head, unit);
	}
}

int assay__head_top(const int32_t *logits_q12, int cells, int top[ASSAY__HEAD_TOP])
{
	int count = 0;
	for (int i = 0; i < cells; i++) {
		int at = count;
		while (at > 0 && logits_q12[i] > logits_q12[top[at - 1]])
			at--;
		if (at == ASSAY__HEAD_TOP)
			continue;
		if (count < ASSAY__HEAD_TOP)
			count++;
		for (int k = count - 1; k > at; k--)
			top[k] = top[k - 1];
		top[at] = i;
	}
	return count;
}

int32_t assay__head_mean(const int32_t *logits_q12, int cells)
{
	int top[ASSAY__HEAD_TOP];
	int count = assay__head_top(logits_q12, cells, top);
	int64_t sum = 0;
	assert(count > 0);
	for (int i = 0; i < count; i++)
		sum += logits_q12[top[i]];
	return (int32_t)(sum >= 0 ? sum / count : -((-sum + count - 1) / count));
}
