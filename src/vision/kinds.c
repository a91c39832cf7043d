/* SPDX-License-Identifier: Apache-2.0 */
#include "vision/kinds.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "base/err.h"
#include "vision/bank.h"

#define MEAN_MOST (127 * ASSAY__KIND_SCALE)
#define UNREACHED (-1) /* of a kind without examples */

struct kind {
	char name[ASSAY__KIND_NAME_BYTES];
	int64_t reach; /* squared distance of the farthest example */
};

struct assay__kinds {
	const struct assay_allocator *allocator;
	int dim, count;
	struct kind *kinds;
	int16_t *means; /* count rows of dim */
};

/* Division that rounds half up, also below zero. */
static int64_t rounded(int64_t sum, int64_t count)
{
	int64_t up = 2 * sum + count, by = 2 * count;
	return up >= 0 ? up / by : -((-up + by - 1) / by);
}

void assay__kinds_mean(const int8_t *vectors, const int32_t *cells, int count, int dim, int16_t *mean)
{
	assert(count >= 1);
	for (int i = 0; i < dim; i++) {
		int64_t sum = 0;
		for (int k = 0; k < count; k++)
			sum += vectors[(size_t)cells[k] * (size_t)dim + (size_t)i];
		mean[i] = (int16_t)rounded(sum * ASSAY__KIND_SCALE, count);
	}
}

/* Which of the inspected cells this one is, or -1. */
static int32_t find_cell(const int32_t *cells, int live, int32_t at)
{
	int lo = 0, hi = live;
	if (!cells)
		return at;
	while (lo < hi) {
		int mid = lo + (hi - lo) / 2;
		if (cells[mid] < at)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < live && cells[lo] == at ? lo : -1;
}

bool assay__kinds_around(const int8_t *vectors, const int32_t *cells, int live, int width, int height, int at, int dim,
						 int16_t *mean)
{
	int32_t near[9];
	int n = 0, x0 = at % width, y0 = at / width;
	for (int y = y0 - 1; y <= y0 + 1; y++)
		for (int x = x0 - 1; x <= x0 + 1; x++) {
			int32_t found = x < 0 || y < 0 || x >= width || y >= height ? -1 : find_cell(cells, live, y * width + x);
			if (found >= 0)
				near[n++] = found;
		}
	if (n > 0)
		assay__kinds_mean(vectors, near, n, dim, mean);
	return n > 0;
}

static int64_t distance(const int16_t *a, const int16_t *b, int dim)
{
	int64_t sum = 0;
	for (int i = 0; i < dim; i++) {
		int32_t d = a[i] - b[i];
		sum += (int64_t)d * d;
	}
	return sum;
}

static const int16_t *mean_of(const struct assay__kinds *kinds, int kind)
{
	return kinds->means + (size_t)kind * (size_t)kinds->dim;
}

static int open_kinds(int count, int dim, const struct assay_allocator *allocator, struct assay__kinds **out,
					  struct assay_error *error)
{
	struct assay__kinds *kinds = assay__calloc(allocator, 1, sizeof(*kinds));
	if (kinds) {
		*kinds = (struct assay__kinds){.allocator = allocator, .dim = dim, .count = count};
		kinds->kinds = assay__calloc(allocator, (size_t)count, sizeof(*kinds->kinds));
		kinds->means = assay__calloc(allocator, (size_t)count, (size_t)dim * sizeof(*kinds->means));
	}
	if (!kinds || !kinds->kinds || !kinds->means) {
		assay__kinds_close(kinds);
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for %d kinds of defects", count);
	}
	*out = kinds;
	return 0;
}

void assay__kinds_close(struct assay__kinds *kinds)
{
	if (!kinds)
		return;
	assay__free(kinds->allocator, kinds->kinds);
	assay__free(kinds->allocator, kinds->means);
	assay__free(kinds->allocator, kinds);
}

static int check(const char *const *names, int kind_count, const struct assay__kind_example *examples, int count,
				 int dim, struct assay_error *error)
{
	if (kind_count < 1 || kind_count > ASSAY__KINDS_MOST || dim < 1 || dim > ASSAY__BANK_MAX_DIM)
		return assay__fail(error, ASSAY_E_ARGUMENT, -1, "%d kinds of defects in %d dimensions; it must be 1 to %d",
						   kind_count, dim, ASSAY__KINDS_MOST);
	for (int k = 0; k < kind_count; k++) {
		if (!names[k][0] || strlen(names[k]) >= ASSAY__KIND_NAME_BYTES)
			return assay__fail(error, ASSAY_E_ARGUMENT, -1,
							   "the kind of defect \"%.70s\" needs a name of 1 to %d bytes", names[k],
							   ASSAY__KIND_NAME_BYTES - 1);
		for (int m = 0; m < k; m++)
			if (strcmp(names[k], names[m]) == 0)
				return assay__fail(error, ASSAY_E_ARGUMENT, -1, "the kind of defect \"%s\" is named twice", names[k]);
	}
	for (int i = 0; i < count; i++)
		if (examples[i].kind < 0 || examples[i].kind >= kind_count)
			return assay__fail(error, ASSAY_E_ARGUMENT, -1, "example %d is of kind %d; there are %d", i,
							   examples[i].kind, kind_count);
	return 0;
}

/* The mean of one kind, and how many examples it has. */
static int average(struct assay__kinds *kinds, int kind, const struct assay__kind_example *examples, int count)
{
	int16_t *mean = kinds->means + (size_t)kind * (size_t)kinds->dim;
	int n = 0;
	for (int i = 0; i < count; i++)
		n += examples[i].kind == kind;
	for (int d = 0; n > 0 && d < kinds->dim; d++) {
		int64_t sum = 0;
		for (int i = 0; i < count; i++)
			if (examples[i].kind == kind)
				sum += examples[i].mean[d];
		mean[d] = (int16_t)rounded(sum, n);
	}
	return n;
}

/* What a kind known from one example gets: the median reach of those that are known from more. */
static int64_t usual_reach(const struct assay__kinds *kinds, const int *examples_of)
{
	int64_t sorted[ASSAY__KINDS_MOST];
	int n = 0;
	for (int k = 0; k < kinds->count; k++) {
		if (examples_of[k] < 2)
			continue;
		int at = n++;
		for (; at > 0 && sorted[at - 1] > kinds->kinds[k].reach; at--)
			sorted[at] = sorted[at - 1];
		sorted[at] = kinds->kinds[k].reach;
	}
	return n ? sorted[(n - 1) / 2] : 0;
}

int assay__kinds_learn(const char *const *names, int kind_count, const struct assay__kind_example *examples, int count,
					   int dim, const struct assay_allocator *allocator, struct assay__kinds **out,
					   struct assay_error *error)
{
	struct assay__kinds *kinds = NULL;
	int examples_of[ASSAY__KINDS_MOST];
	int rc = check(names, kind_count, examples, count, dim, error);
	if (rc == 0)
		rc = open_kinds(kind_count, dim, allocator, &kinds, error);
	if (rc)
		return rc;
	for (int k = 0; k < kind_count; k++) {
		memcpy(kinds->kinds[k].name, names[k], strlen(names[k]) + 1);
		examples_of[k] = average(kinds, k, examples, count);
		kinds->kinds[k].reach = examples_of[k] ? 0 : UNREACHED;
	}
	for (int i = 0; i < count; i++) {
		struct kind *kind = &kinds->kinds[examples[i].kind];
		int64_t d = distance(examples[i].mean, mean_of(kinds, examples[i].kind), dim);
		kind->reach = d > kind->reach ? d : kind->reach;
	}
	int64_t usual = usual_reach(kinds, examples_of);
	for (int k = 0; k < kind_count; k++)
		if (examples_of[k] == 1)
			kinds->kinds[k].reach = usual;
	*out = kinds;
	return 0;
}

int assay__kinds_of(const struct assay__kinds *kinds, const int16_t *mean)
{
	int nearest = ASSAY__KIND_UNKNOWN;
	int64_t least = INT64_MAX;
	for (int k = 0; k < kinds->count; k++) {
		if (kinds->kinds[k].reach == UNREACHED)
			continue;
		int64_t d = distance(mean, mean_of(kinds, k), kinds->dim);
		if (d < least) {
			least = d;
			nearest = k;
		}
	}
	return nearest >= 0 && least <= kinds->kinds[nearest].reach ? nearest : ASSAY__KIND_UNKNOWN;
}

int assay__kinds_count(const struct assay__kinds *kinds)
{
	return kinds->count;
}

const char *assay__kinds_name(const struct assay__kinds *kinds, int kind)
{
	return kind >= 0 && kind < kinds->count ? kinds->kinds[kind].name : "unknown";
}

#define HEADER_BYTES 4 /* dim, count */

static size_t bytes_of(int count, int dim)
{
	return HEADER_BYTES + (size_t)count * (ASSAY__KIND_NAME_BYTES + 8 + (size_t)dim * 2);
}

size_t assay__kinds_bytes(const struct assay__kinds *kinds)
{
	return bytes_of(kinds->count, kinds->dim);
}

static uint8_t *put(uint8_t *at, uint64_t value, int bytes)
{
	for (int i = 0; i < bytes; i++)
		*at++ = (uint8_t)(value >> (8 * i));
	return at;
}

static uint64_t get(const uint8_t **at, int bytes)
{
	uint64_t value = 0;
	for (int i = 0; i < bytes; i++)
		value |= (uint64_t) * (*at)++ << (8 * i);
	return value;
}

void assay__kinds_encode(const struct assay__kinds *kinds, uint8_t *bytes)
{
	uint8_t *at = put(bytes, (uint64_t)kinds->dim, 2);
	at = put(at, (uint64_t)kinds->count, 2);
	for (int k = 0; k < kinds->count; k++) {
		memcpy(at, kinds->kinds[k].name, ASSAY__KIND_NAME_BYTES);
		at = put(at + ASSAY__KIND_NAME_BYTES, (uint64_t)kinds->kinds[k].reach, 8);
		for (int d = 0; d < kinds->dim; d++)
			at = put(at, (uint16_t)mean_of(kinds, k)[d], 2);
	}
}

/* False if what was read cannot have been written by encode. */
static bool read_kinds(struct assay__kinds *kinds, const uint8_t *at)
{
	bool sane = true;
	for (int k = 0; k < kinds->count; k++) {
		memcpy(kinds->kinds[k].name, at, ASSAY__KIND_NAME_BYTES);
		at += ASSAY__KIND_NAME_BYTES;
		size_t length = strnlen(kinds->kinds[k].name, ASSAY__KIND_NAME_BYTES);
		sane &= length > 0 && length < ASSAY__KIND_NAME_BYTES;
		kinds->kinds[k].reach = (int64_t)get(&at, 8);
		sane &= kinds->kinds[k].reach >= UNREACHED;
		for (int d = 0; d < kinds->dim; d++) {
			int16_t value = (int16_t)get(&at, 2);
			sane &= value >= -MEAN_MOST && value <= MEAN_MOST;
			kinds->means[(size_t)k * (size_t)kinds->dim + (size_t)d] = value;
		}
	}
	return sane;
}

int assay__kinds_decode(const uint8_t *bytes, size_t size, int dim, const struct assay_allocator *allocator,
						struct assay__kinds **out, struct assay_error *error)
{
	const uint8_t *at = bytes;
	int stored_dim = size < HEADER_BYTES ? 0 : (int)get(&at, 2);
	int count = size < HEADER_BYTES ? 0 : (int)get(&at, 2);
	if (dim < 1 || dim > ASSAY__BANK_MAX_DIM || stored_dim != dim || count < 1 || count > ASSAY__KINDS_MOST ||
		size != bytes_of(count, dim))
		return assay__fail(error, ASSAY_E_FORMAT, -1,
						   "the kinds of defects are damaged: %d kinds in %d dimensions, %zu bytes", count, stored_dim,
						   size);
	struct assay__kinds *kinds = NULL;
	int rc = open_kinds(count, dim, allocator, &kinds, error);
	if (rc)
		return rc;
	if (!read_kinds(kinds, at)) {
		assay__kinds_close(kinds);
		return assay__fail(error, ASSAY_E_FORMAT, -1, "a number or name of the kinds of defects is out of range");
	}
	*out = kinds;
	return 0;
}
