/* SPDX-License-Identifier: Apache-2.0 */
#include "vision/bank_coarse.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/err.h"
#include "vision/bank.h"

#define AXES ASSAY__COARSE_DIM
#define SAMPLES 512 /* enough to see the directions */
#define ROUNDS 6
#define TOP 127
#define SPREAD 42.0 /* wanted deviation of a code's values: three of it fit */
/* `start` of a slot without a vector: never reached, and no sum overflows. */
#define EMPTY_CODE (-(1 << 29))
#define EMPTY_ROW (-(1 << 30))

/* What making the codes needs; arrays have dim rows. */
struct fit {
	const int8_t *vectors;
	int count, dim;
	double *mean, (*axes)[AXES], (*next)[AXES];
	int8_t (*rounded)[AXES]; /* A, transposed */
	int32_t origin[AXES];	 /* A mean */
};

static const int8_t *sample(const struct fit *f, int index, int samples)
{
	return f->vectors + (size_t)((int64_t)index * f->count / samples) * (size_t)f->dim;
}

/* Gram-Schmidt from next to axes; an axis in which nothing is left becomes zero. */
static void make_orthonormal(struct fit *f)
{
	for (int k = 0; k < AXES; k++) {
		double before = 0, after = 0;
		for (int i = 0; i < f->dim; i++)
			before += f->next[i][k] * f->next[i][k];
		for (int l = 0; l < k; l++) {
			double dot = 0;
			for (int i = 0; i < f->dim; i++)
				dot += f->next[i][k] * f->axes[i][l];
			for (int i = 0; i < f->dim; i++)
				f->next[i][k] -= dot * f->axes[i][l];
		}
		for (int i = 0; i < f->dim; i++)
			after += f->next[i][k] * f->next[i][k];
		const double factor = after > 1e-12 * before ? 1 / sqrt(after) : 0;
		for (int i = 0; i < f->dim; i++)
			f->axes[i][k] = f->next[i][k] * factor;
	}
}

/* The principal axes of the bank, by block power iteration on the samples. */
static void find_axes(struct fit *f)
{
	const int samples = f->count < SAMPLES ? f->count : SAMPLES;
	uint64_t seed = 1;

	memset(f->mean, 0, (size_t)f->dim * sizeof(*f->mean));
	for (int s = 0; s < samples; s++)
		for (int i = 0; i < f->dim; i++)
			f->mean[i] += sample(f, s, samples)[i];
	for (int i = 0; i < f->dim; i++) {
		f->mean[i] /= samples;
		for (int k = 0; k < AXES; k++) {
			seed = seed * 6364136223846793005u + 1442695040888963407u;
			f->next[i][k] = (double)(seed >> 33) - (double)(1u << 30);
		}
	}
	for (int round = 0; round < ROUNDS; round++) {
		make_orthonormal(f);
		memset(f->next, 0, (size_t)f->dim * sizeof(*f->next));
		for (int s = 0; s < samples; s++) {
			const int8_t *x = sample(f, s, samples);
			double along[AXES] = {0};
			for (int i = 0; i < f->dim; i++)
				for (int k = 0; k < AXES; k++)
					along[k] += (x[i] - f->mean[i]) * f->axes[i][k];
			for (int i = 0; i < f->dim; i++)
				for (int k = 0; k < AXES; k++)
					f->next[i][k] += (x[i] - f->mean[i]) * along[k];
		}
	}
	make_orthonormal(f);
}

/* Turns the axes among themselves by a Hadamard matrix, so that each holds as much of the spread as any other and eight
 * bits hold them all; then to s8. */
static void round_axes(struct fit *f)
{
	double largest = 0;

	for (int i = 0; i < f->dim; i++)
		for (int k = 0; k < AXES; k++) {
			double sum = 0;
			for (int l = 0; l < AXES; l++)
				sum += __builtin_parity((unsigned)(k & l)) ? -f->axes[i][l] : f->axes[i][l];
			f->next[i][k] = sum;
			largest = fabs(sum) > largest ? fabs(sum) : largest;
		}
	for (int k = 0; k < AXES; k++) {
		double middle = 0;
		for (int i = 0; i < f->dim; i++) {
			f->rounded[i][k] = (int8_t)(largest > 0 ? lrint(f->next[i][k] * TOP / largest) : 0);
			middle += f->rounded[i][k] * f->mean[i];
		}
		f->origin[k] = (int32_t)lrint(middle);
	}
}

/* At least |A| (Gershgorin on A A'). */
static double norm_bound(const struct fit *f)
{
	int64_t largest = 0;

	for (int k = 0; k < AXES; k++) {
		int64_t sum = 0;
		for (int l = 0; l < AXES; l++) {
			int64_t dot = 0;
			for (int i = 0; i < f->dim; i++)
				dot += f->rounded[i][k] * f->rounded[i][l];
			sum += dot < 0 ? -dot : dot;
		}
		largest = sum > largest ? sum : largest;
	}
	return sqrt((double)largest);
}

/* A x - A mean of the bank's vector. */
static void project(const struct fit *f, int vector, int32_t at[AXES])
{
	const int8_t *x = f->vectors + (size_t)vector * (size_t)f->dim;

	for (int k = 0; k < AXES; k++)
		at[k] = -f->origin[k];
	for (int i = 0; i < f->dim; i++)
		for (int k = 0; k < AXES; k++)
			at[k] += f->rounded[i][k] * x[i];
}

static void put_axes(struct assay__bank_coarse *c, const struct fit *f)
{
	double spread = 0;
	int32_t at[AXES];

	for (int k = 0; k < AXES; k++) {
		int32_t sum = 0;
		for (int i = 0; i < f->dim; i++) {
			sum += f->rounded[i][k];
			c->axes[((size_t)i / 4 * AXES + (size_t)k) * 4 + (size_t)i % 4] = f->rounded[i][k];
		}
		c->axes_start[k] = -f->origin[k] - ASSAY__COARSE_BIAS * sum;
	}
	for (int v = 0; v < f->count; v++) {
		project(f, v, at);
		for (int k = 0; k < AXES; k++)
			spread += (double)at[k] * at[k];
	}
	spread = sqrt(spread / f->count / AXES);
	/* At most 1, so that scaled values convert to s32 whatever they are: |A x - A mean| < 2^26. */
	c->scale = spread > SPREAD ? (float)(SPREAD / spread) : 1;
	c->reach = (double)c->scale * norm_bound(f);
}

static void put_vector(struct assay__bank_coarse *c, const struct fit *f, int slot)
{
	const int8_t *x = f->vectors + (size_t)slot * (size_t)f->dim;
	const int tile = slot / ASSAY__COARSE_TILE, four = slot % ASSAY__COARSE_TILE / 4, member = slot % 4;
	uint8_t *codes = c->codes + (size_t)(tile * 4 + member) * 16 * AXES;
	int32_t at[AXES], norm = 0, sum = 0;

	project(f, slot, at);
	for (int k = 0; k < AXES; k++) {
		long code = lrintf((float)at[k] * c->scale);
		code = code > TOP ? TOP : code < -TOP ? -TOP : code;
		codes[k / 4 * 64 + four * 4 + k % 4] = (uint8_t)(code + ASSAY__COARSE_BIAS);
		norm += (int32_t)(code * code);
	}
	c->codes_start[tile * ASSAY__COARSE_TILE + member * 16 + four] = -((norm + 1) >> 1);
	norm = 0;
	for (int i = 0; i < f->dim; i++) {
		norm += x[i] * x[i];
		sum += x[i];
	}
	memcpy(c->rows + (size_t)slot * c->row_bytes, x, (size_t)f->dim);
	c->rows_start[slot] = -norm - 2 * ASSAY__COARSE_BIAS * sum;
}

static int open_arrays(struct assay__bank_coarse *c, int count, const struct assay_allocator *allocator)
{
	c->tiles = (count + ASSAY__COARSE_TILE - 1) / ASSAY__COARSE_TILE;
	c->row_bytes = ((size_t)c->dim + 63) / 64 * 64;
	const size_t slots = (size_t)c->tiles * ASSAY__COARSE_TILE;
	c->axes = assay__alloc_aligned(allocator, c->row_bytes * AXES);
	c->axes_start = assay__alloc_aligned(allocator, AXES * sizeof(int32_t));
	c->codes = assay__alloc_aligned(allocator, slots * AXES);
	c->codes_start = assay__alloc_aligned(allocator, slots * sizeof(int32_t));
	c->rows = assay__alloc_aligned(allocator, slots * c->row_bytes);
	c->rows_start = assay__alloc_aligned(allocator, slots * sizeof(int32_t));
	if (!c->axes || !c->axes_start || !c->codes || !c->codes_start || !c->rows || !c->rows_start)
		return ASSAY_E_NOMEM;
	memset(c->axes, 0, c->row_bytes * AXES);
	memset(c->codes, ASSAY__COARSE_BIAS, slots * AXES);
	memset(c->rows, 0, slots * c->row_bytes);
	for (size_t s = 0; s < slots; s++) {
		c->codes_start[s] = EMPTY_CODE;
		c->rows_start[s] = EMPTY_ROW;
	}
	return 0;
}

int assay__bank_coarse_open(struct assay__bank_coarse *coarse, const int8_t *vectors, int count, int dim,
							const struct assay_allocator *allocator, struct assay_error *error)
{
	assert(count >= 1 && count <= ASSAY__COARSE_MOST && dim >= 1 && dim <= ASSAY__BANK_MAX_DIM);
	struct assay__bank_coarse c = {.dim = dim};
	struct fit f = {.vectors = vectors, .count = count, .dim = dim};
	const size_t rows = (size_t)dim;
	double *memory = assay__calloc(allocator, rows * (1 + 2 * AXES), sizeof(*memory));
	f.rounded = assay__calloc(allocator, rows, sizeof(*f.rounded));
	int err = memory && f.rounded ? open_arrays(&c, count, allocator) : ASSAY_E_NOMEM;
	if (!err) {
		f.mean = memory;
		f.axes = (void *)(memory + rows);
		f.next = (void *)(memory + rows * (1 + AXES));
		find_axes(&f);
		round_axes(&f);
		put_axes(&c, &f);
		for (int v = 0; v < count; v++)
			put_vector(&c, &f, v);
	}
	assay__free(allocator, memory);
	assay__free(allocator, f.rounded);
	if (err) {
		assay__bank_coarse_close(&c, allocator);
		return assay__fail(error, err, -1, "no memory for a bank of %d vectors of %d values", count, dim);
	}
	*coarse = c;
	return 0;
}

void assay__bank_coarse_close(struct assay__bank_coarse *coarse, const struct assay_allocator *allocator)
{
	assay__free_aligned(allocator, coarse->axes);
	assay__free_aligned(allocator, coarse->axes_start);
	assay__free_aligned(allocator, coarse->codes);
	assay__free_aligned(allocator, coarse->codes_start);
	assay__free_aligned(allocator, coarse->rows);
	assay__free_aligned(allocator, coarse->rows_start);
	*coarse = (struct assay__bank_coarse){0};
}
