/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernels alone, without a network around them: maps with rows longer than they need be, borders and padding full of
 * noise, ending where memory ends, so that a wrong read counts and one too far crashes.
 */
#include "same_bits.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vision/bank.h"
#include "vision/net/kernel.h"

#define GUARD 0xa5
#define SLACK_BYTES(pixel) (2 * ASSAY__TILE_PIXELS * (pixel) + 64) /* what plan.c leaves behind a map */

enum fill { RANDOM, ALL_MAX, ALL_MIN, EXTREMES, ZERO, FILLS };

/* A convolution and the maps around it. */
struct trial {
	int kernel, stride, cin, cout, width, height;
	bool residual;
	bool cancel; /* the two terms of the sum are large and of opposite sign, so that a fused operation shows */
	enum fill weights, input;
};

/* Bytes that end at a page nobody may touch. */
struct strip {
	uint8_t *base, *data;
	size_t mapped;
};

static struct strip strip_open(size_t size)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE), whole = (size + page - 1) / page * page;
	struct strip s = {.mapped = whole + page};

	s.base = mmap(NULL, s.mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (s.base == MAP_FAILED || mprotect(s.base + whole, page, PROT_NONE))
		give_up("no memory for a map of %zu bytes", size);
	s.data = s.base + whole - size;
	return s;
}

static void strip_close(struct strip *s)
{
	munmap(s->base, s->mapped);
}

static uint8_t byte_of(enum fill fill, uint64_t *seed)
{
	switch (fill) {
	case ALL_MAX:
		return 255;
	case ALL_MIN:
	case ZERO:
		return 0;
	case EXTREMES:
		return dice(seed) & 1 ? 255 : 0;
	default:
		return (uint8_t)dice(seed);
	}
}

static void fill_bytes(uint8_t *to, size_t count, enum fill fill, uint64_t *seed)
{
	for (size_t i = 0; i < count; i++)
		to[i] = byte_of(fill, seed);
}

/* A factor that spreads outputs, or makes ties of rounding likely, or is as large as net.h allows. */
static float factor(const struct trial *t, int64_t most, uint64_t *seed)
{
	const double window = t->kernel * t->kernel * t->cin;
	const double spread = t->weights == RANDOM ? 1e4 * sqrt(window) : 1.6e4 * window;
	const double sign = dice(seed) % 8 ? 1 : -1, jitter = 0.5 + dice_range(seed, 0, 1000) / 1000.0;

	switch (dice(seed) % 8) {
	case 0:
		return (float)(sign * 1e9 / (double)(most + 1));
	case 1:
	case 2:
		return (float)(sign * ldexp(1, -dice_range(seed, 1, 12)));
	default:
		return (float)(sign * 70 * jitter / spread);
	}
}

struct setup {
	struct assay__conv conv;
	int8_t *weights;
	int32_t bias[1024];
	float mult[1024];
};

static void make_conv(const struct trial *t, struct setup *s, uint64_t *seed)
{
	const int window = t->kernel * t->kernel * t->cin;
	s->weights = malloc((size_t)window * (size_t)t->cout);
	if (!s->weights)
		give_up("no memory for weights");
	memset(s->bias, 0, sizeof(s->bias));
	memset(s->mult, 0, sizeof(s->mult));
	for (int c = 0; c < t->cout; c++) {
		int64_t most = 0;
		int32_t sum = 0;
		for (int i = 0; i < window; i++) {
			int w = t->weights == ZERO ? 0 : (int)byte_of(t->weights, seed) - 128;
			s->weights[(size_t)c * (size_t)window + (size_t)i] = (int8_t)w;
			most += 255 * (w < 0 ? -w : w);
			sum += w;
		}
		/* around zero, or as far as s32 goes */
		s->bias[c] = dice(seed) % 16  ? -128 * sum + dice_range(seed, -1000, 1000)
					 : dice(seed) & 1 ? (int32_t)(INT32_MAX - most)
									  : (int32_t)(most - INT32_MAX);
		most += s->bias[c] < 0 ? -(int64_t)s->bias[c] : s->bias[c];
		s->mult[c] = factor(t, most, seed);
		if (fabs((double)s->mult[c]) * (double)most > 1e9)
			s->mult[c] = (float)(1e9 / (double)most);
	}
	const bool narrow = dice(seed) % 2;
	s->conv = (struct assay__conv){
		.kernel = t->kernel,
		.stride = t->stride,
		.cin = t->cin,
		.cout = t->cout,
		.lo = narrow ? dice_range(seed, 0, 60) : 0,
		.hi = narrow ? dice_range(seed, 180, 255) : 255,
		.zero_point = narrow ? dice_range(seed, 0, 255) : 0,
		.has_residual = t->residual,
		.residual_zero_point = dice_range(seed, 0, 255),
		.residual_mult = (float)dice_range(seed, -2000, 2000) / 1024,
		.bias = s->bias,
		.mult = s->mult,
	};
	if (!t->cancel)
		return;
	/* weights are zero: what is left of 2e6 is an output where the residual is 255 */
	const double most = 255 * (double)(s->conv.residual_mult = (float)(8000 + dice_range(seed, 0, 1000) / 999.0));
	s->conv.residual_zero_point = 0;
	for (int c = 0; c < t->cout; c++) {
		s->mult[c] = (float)(-1 - dice_range(seed, 1, 1000) / 1001.0);
		s->bias[c] = (int32_t)((dice_range(seed, 0, 250) - s->conv.zero_point - most) / (double)s->mult[c]);
	}
}

static void *aligned(size_t size)
{
	void *memory = aligned_alloc(64, (size + 64) / 64 * 64);

	if (!memory)
		give_up("no memory for %zu bytes", size);
	memset(memory, GUARD, (size + 64) / 64 * 64);
	return memory;
}

/* One run; dst_bytes of dst are GUARD where nothing is to be written. */
static void run_kernels(enum assay_isa isa, const struct setup *s, const struct assay__conv_io *io, size_t dst_bytes)
{
	const struct assay__kernels *kernels = assay__kernels_find(isa);
	struct assay__conv conv = s->conv;
	struct assay__conv_io mine = *io;

	conv.packed = aligned(kernels->packed_bytes(&conv));
	mine.scratch = aligned(kernels->scratch_bytes(&conv, io->width));
	kernels->pack(&conv, s->weights, conv.packed);
	memset(io->dst, GUARD, dst_bytes);
	kernels->run(&conv, &mine);
	free(conv.packed);
	free(mine.scratch);
}

static void try(const struct trial *t, enum assay_isa isa, uint64_t seed, struct blake2b *hash)
{
	const size_t src_pixel = (size_t)assay__pixel_bytes(t->cin), dst_pixel = (size_t)assay__pixel_bytes(t->cout);
	const size_t extra = (size_t)dice_range(&seed, 0, 3);
	const size_t src_row = ((size_t)(t->width * t->stride) + 2 + extra) * src_pixel;
	const size_t dst_row = ((size_t)t->width + extra) * dst_pixel;
	const size_t src_bytes = ((size_t)(t->height * t->stride) + 2) * src_row + SLACK_BYTES(src_pixel);
	const size_t dst_bytes = (size_t)t->height * dst_row + 64;
	const size_t residual_bytes = (size_t)t->height * dst_row + SLACK_BYTES(dst_pixel);
	struct strip src = strip_open(src_bytes), residual = strip_open(residual_bytes), dst = strip_open(dst_bytes);
	uint8_t *want = malloc(dst_bytes);
	struct setup s;

	fill_bytes(src.data, src_bytes, t->input, &seed);
	fill_bytes(residual.data, residual_bytes, t->input, &seed);
	make_conv(t, &s, &seed);
	struct assay__conv_io io = {
		.src = src.data + (t->kernel == 3 && t->stride == 1 ? 0 : src_row + src_pixel),
		.dst = dst.data,
		.residual = t->residual ? residual.data : NULL,
		.src_row_bytes = src_row,
		.dst_row_bytes = dst_row,
		.residual_row_bytes = dst_row,
		.width = t->width,
		.height = t->height,
	};
	run_kernels(ASSAY_ISA_SCALAR, &s, &io, dst_bytes);
	if (!want)
		give_up("no memory for a map");
	memcpy(want, dst.data, dst_bytes);
	blake2b_update(hash, want, dst_bytes);
	if (isa != ASSAY_ISA_SCALAR)
		run_kernels(isa, &s, &io, dst_bytes);
	for (size_t i = 0; i < dst_bytes; i++)
		if (want[i] != dst.data[i])
			give_up("%s: %dx%d stride %d, %d to %d channels%s, %d x %d: row %zu byte %zu is %d, scalar says %d",
					assay_isa_name(isa), t->kernel, t->kernel, t->stride, t->cin, t->cout,
					t->residual ? " and residual" : "", t->width, t->height, i / dst_row, i % dst_row, dst.data[i],
					want[i]);
	free(want);
	free(s.weights);
	strip_close(&src);
	strip_close(&residual);
	strip_close(&dst);
}

static const int counts[] = {1, 3, 4, 5, 8, 15, 16, 17, 24, 31, 32, 40, 47, 50, 64, 72, 96, 100};
#define COUNTS ((int)(sizeof(counts) / sizeof(counts[0])))

static void sweep_sums(enum assay_isa isa, struct blake2b *hash)
{
	for (int width = 1; width <= 20; width++) {
		const struct trial t = {.kernel = 1,
								.stride = 1,
								.cin = 4,
								.cout = counts[width % COUNTS],
								.width = width,
								.height = 3,
								.residual = true,
								.cancel = true,
								.weights = ZERO,
								.input = EXTREMES};
		try(&t, isa, (uint64_t)width, hash);
	}
}

void sweep_network(enum assay_isa isa, struct blake2b *hash)
{
	uint64_t seed = 0;

	for (int width = 1; width <= 130; width++)
		for (int shape = 0; shape < 6; shape++) {
			const int turn = width * 6 + shape;
			const struct trial t = {.kernel = shape < 2 ? 1 : 3,
									.stride = shape < 4 ? 1 : 2,
									.cin = counts[turn % (shape < 2 ? COUNTS : 9)],
									.cout = counts[turn * 5 % COUNTS],
									.width = width,
									.height = 1 + width % 2 * 2,
									.residual = shape % 2};
			try(&t, isa, ++seed, hash);
		}
	for (int i = 0; i < COUNTS; i++)
		for (int o = 0; o < COUNTS; o++)
			for (int shape = 0; shape < 3; shape++) {
				const struct trial t = {.kernel = shape ? 3 : 1,
										.stride = shape == 2 ? 2 : 1,
										.cin = counts[i],
										.cout = counts[o],
										.width = dice_range(&seed, 1, 9),
										.height = 1,
										.residual = dice(&seed) & 1};
				try(&t, isa, ++seed, hash);
			}
	for (int weights = 0; weights < FILLS; weights++)
		for (int input = 0; input < FILLS; input++)
			for (int shape = 0; shape < 3; shape++) {
				const struct trial t = {.kernel = shape ? 3 : 1,
										.stride = shape == 2 ? 2 : 1,
										.cin = 100,
										.cout = 88,
										.width = dice_range(&seed, 4, 9),
										.height = 1,
										.residual = dice(&seed) & 1,
										.weights = (enum fill)weights,
										.input = (enum fill)input};
				try(&t, isa, ++seed, hash);
			}
	sweep_sums(isa, hash);
}

/* span 256: any s8; smaller: few values, so ties; 0: only the extremes. */
static int8_t *points(int count, int dim, int span, uint64_t *seed)
{
	int8_t *v = malloc((size_t)count * (size_t)dim);

	if (!v)
		give_up("no memory for vectors");
	for (int i = 0; i < count * dim; i++)
		v[i] = (int8_t)(span ? dice_range(seed, -span / 2, (span - 1) / 2) : dice(seed) & 1 ? 127 : -128);
	return v;
}

static void nearest(const int8_t *bank_vectors, int count, int dim, const int8_t *queries, int n, enum assay_isa isa,
					int32_t *d2, int32_t *index)
{
	struct assay__bank *bank;
	struct assay_error error = {0};

	if (assay__bank_open(bank_vectors, count, dim, isa, NULL, &bank, &error))
		give_up("%s", error.message);
	assay__bank_nearest(bank, queries, n, d2, index);
	assay__bank_nearest(bank, queries, n, d2 + n, NULL);
	assay__bank_close(bank);
}

static void search(int count, int dim, int n, int span, enum assay_isa isa, struct blake2b *hash)
{
	uint64_t seed = (uint64_t)(count * 7919 + dim * 31 + n + span);
	int8_t *bank = points(count, dim, span, &seed), *queries = points(n, dim, span, &seed);
	int32_t *out = calloc((size_t)n * 6, sizeof(*out));

	if (!out)
		give_up("no memory for distances");
	memcpy(queries, bank + (size_t)(count - 1) * (size_t)dim, (size_t)dim);
	nearest(bank, count, dim, queries, n, ASSAY_ISA_SCALAR, out, out + 2 * n);
	nearest(bank, count, dim, queries, n, isa, out + 3 * n, out + 5 * n);
	if (out[0] != 0 || memcmp(out, out + 3 * n, (size_t)n * 3 * sizeof(*out)) != 0)
		give_up("%s: search of %d queries in %d vectors of %d values (span %d) differs from scalar",
				assay_isa_name(isa), n, count, dim, span);
	put_i32s(hash, out, (size_t)n * 3);
	free(bank);
	free(queries);
	free(out);
}

static void choice(int count, int dim, int want, int span, enum assay_isa isa, struct blake2b *hash)
{
	uint64_t seed = (uint64_t)(count * 131 + dim);
	int8_t *all = points(count, dim, span, &seed);
	int64_t taken[2][200];
	int got[2];

	for (int i = 0; i < 2; i++)
		if (assay__bank_choose(all, NULL, count, dim, want, i ? isa : ASSAY_ISA_SCALAR, NULL, NULL, NULL, taken[i],
							   &got[i], NULL))
			give_up("cannot choose %d of %d", want, count);
	if (got[0] != got[1] || memcmp(taken[0], taken[1], (size_t)got[0] * sizeof(taken[0][0])) != 0)
		give_up("%s: choice of %d among %d points of %d values differs from scalar", assay_isa_name(isa), want, count,
				dim);
	for (int i = 0; i < got[0]; i++)
		put_u64(hash, (uint64_t)taken[0][i]);
	free(all);
}

void sweep_bank(enum assay_isa isa, struct blake2b *hash)
{
	for (int dim = 1; dim <= 130; dim++)
		search(53, dim, 11, 256, isa, hash);
	for (int dim = 152; dim <= 1024; dim += 109)
		search(37, dim, 9, 256, isa, hash);
	for (int count = 1; count <= 130; count++)
		search(count, 13, 9, 256, isa, hash);
	for (int n = 1; n <= 140; n += 3)
		search(70, 24, n, 256, isa, hash);
	search(700, 152, 40, 256, isa, hash);
	for (int count = 1; count <= 130; count += 3) {
		search(count, 4, 20, 2, isa, hash);
		search(count, 9, 20, 3, isa, hash);
	}
	for (int dim = 1; dim <= 1024; dim = dim < 8 ? dim + 1 : dim * 2)
		search(49, dim, 17, 0, isa, hash);
	for (int count = 1; count <= 40; count++)
		choice(count, 5 + count, count, 256, isa, hash);
	choice(600, 40, 200, 256, isa, hash);
	choice(600, 6, 200, 5, isa, hash);
}
