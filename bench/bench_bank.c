/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Times the bank on one core, on every instruction set this CPU has: search of one image's patches, and the choice of
 * a bank from the patches of many parts.
 *
 *	bench_bank [--json] [--runs N] [--dim N] [--bank N] [--queries N] [--points N]
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "vision/bank.h"

struct settings {
	bool json;
	int runs, dim, bank, queries, points;
};

static int64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int compare_i64(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

static uint32_t next(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*seed >> 33);
}

/* Points around 200 centers, spread by a sum of uniform steps: near to how patches of like parts lie. */
static int8_t *make_points(int64_t n, int dim, uint64_t seed)
{
	enum { CENTERS = 200 };
	int8_t *points = malloc((size_t)n * (size_t)dim);
	uint64_t centers = 1;
	int8_t *center = malloc((size_t)CENTERS * (size_t)dim);
	for (int i = 0; center && i < CENTERS * dim; i++)
		center[i] = (int8_t)((int)(next(&centers) % 41) + (int)(next(&centers) % 41) - 40);
	for (int64_t i = 0; points && center && i < n; i++) {
		const int8_t *from = center + (size_t)(next(&seed) % CENTERS) * (size_t)dim;
		const uint32_t spread = 5 + next(&seed) % 20;
		for (int k = 0; k < dim; k++)
			points[i * dim + k] =
				(int8_t)(from[k] + (int)(next(&seed) % spread) + (int)(next(&seed) % spread) - (int)spread);
	}
	free(center);
	return points;
}

static int bench_isa(const struct settings *s, enum assay_isa isa, const int8_t *points, const int8_t *queries)
{
	int err = 1, count = 0;
	int64_t *chosen = malloc((size_t)s->bank * sizeof *chosen), *times = malloc((size_t)s->runs * sizeof *times);
	int32_t *d2 = malloc((size_t)s->queries * sizeof *d2), *index = malloc((size_t)s->queries * sizeof *index);
	int8_t *vectors = malloc((size_t)s->bank * (size_t)s->dim);
	struct assay__bank *bank = NULL;
	struct assay_error error = {0};
	if (!chosen || !times || !d2 || !index || !vectors)
		goto out;

	int64_t start = now_ns();
	if (assay__bank_choose(points, NULL, s->points, s->dim, s->bank, isa, NULL, NULL, NULL, chosen, &count, &error))
		goto out;
	const double choose_ms = (double)(now_ns() - start) * 1e-6;
	for (int i = 0; i < count; i++)
		memcpy(vectors + (size_t)i * (size_t)s->dim, points + (size_t)chosen[i] * (size_t)s->dim, (size_t)s->dim);
	if (assay__bank_open(vectors, count, s->dim, isa, NULL, &bank, &error))
		goto out;
	for (int r = 0; r < s->runs; r++) {
		start = now_ns();
		assay__bank_nearest(bank, queries, s->queries, d2, index);
		times[r] = now_ns() - start;
	}
	qsort(times, (size_t)s->runs, sizeof *times, compare_i64);
	const double median_ms = (double)times[s->runs / 2] * 1e-6, min_ms = (double)times[0] * 1e-6;
	const double gmacs = (double)s->queries * count * s->dim / (double)times[0];
	if (s->json)
		printf("{\"bench\":\"bank\",\"isa\":\"%s\",\"dim\":%d,\"bank\":%d,\"queries\":%d,\"points\":%d,"
			   "\"search_ms_p50\":%.4f,\"search_ms_min\":%.4f,\"gmacs\":%.1f,\"choose_ms\":%.1f}\n",
			   assay_isa_name(isa), s->dim, count, s->queries, s->points, median_ms, min_ms, gmacs, choose_ms);
	else
		printf("%-12s search %8.3f ms p50 %8.3f ms min %7.1f GMAC/s   choose %9.1f ms\n", assay_isa_name(isa),
			   median_ms, min_ms, gmacs, choose_ms);
	err = 0;
out:
	if (err)
		fprintf(stderr, "bench_bank: %s\n", error.code ? error.message : "no memory");
	assay__bank_close(bank);
	free(chosen);
	free(times);
	free(d2);
	free(index);
	free(vectors);
	return err;
}

static int number(const char *text, int low, int high, int *out)
{
	char *end;
	long value = strtol(text, &end, 10);
	if (!*text || *end || value < low || value > high)
		return -1;
	*out = (int)value;
	return 0;
}

int main(int argc, char **argv)
{
	struct settings s = {.runs = 50, .dim = 152, .bank = 2000, .queries = 1024, .points = 61440};
	const struct {
		const char *name;
		int low, high;
		int *to;
	} options[] = {
		{"--runs", 1, 100000, &s.runs},		   {"--dim", 1, ASSAY__BANK_MAX_DIM, &s.dim}, {"--bank", 1, 16384, &s.bank},
		{"--queries", 1, 1 << 20, &s.queries}, {"--points", 1, 10000000, &s.points},
	};
	for (int i = 1; i < argc; i++) {
		bool known = !strcmp(argv[i], "--json");
		s.json |= known;
		for (size_t o = 0; !known && i + 1 < argc && o < sizeof options / sizeof *options; o++) {
			if (strcmp(argv[i], options[o].name))
				continue;
			if (number(argv[++i], options[o].low, options[o].high, options[o].to)) {
				fprintf(stderr, "bench_bank: %s takes a number from %d to %d\n", options[o].name, options[o].low,
						options[o].high);
				return 64;
			}
			known = true;
		}
		if (!known) {
			fprintf(stderr, "usage: bench_bank [--json] [--runs N] [--dim N] [--bank N] [--queries N] [--points N]\n");
			return 64;
		}
	}
	int8_t *points = make_points(s.points, s.dim, 2), *queries = make_points(s.queries, s.dim, 3);
	int err = !points || !queries;
	if (err)
		fprintf(stderr, "bench_bank: no memory\n");
	for (enum assay_isa isa = ASSAY_ISA_SCALAR; !err && isa <= assay_isa_best(); isa++)
		err = bench_isa(&s, isa, points, queries);
	free(points);
	free(queries);
	return err ? 2 : 0;
}
