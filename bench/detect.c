/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The product's detector over features from anywhere, to compare networks under it: build/bench/detect SCALE.bin...
 *
 * Each file holds one working size of one data set, in the same order of pictures, little endian: s32 magic 'FEAT', dim,
 * good parts to teach from, good parts and defects to judge; then per picture s32 width and height of its grid and
 * height x width x dim s8. train/detect.py writes them. Folds go round robin. Prints image AUROC per size and joined.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vision/judge.h"
#include "vision/metrics.h"
#include "vision/scale.h"

#define MAGIC 0x54414546
#define FOLDS 10
#define BANK 2000

struct picture {
	int32_t width, height;
	int64_t first; /* of its cells */
};

struct set {
	int32_t dim, taught, good, bad;
	struct picture *pictures;
	int64_t cells;
	int8_t *vectors;
};

static _Noreturn void stop(const char *path, const char *why)
{
	fprintf(stderr, "%s: %s\n", path, why);
	exit(66);
}

static void *get(const char *path, size_t bytes)
{
	void *p = malloc(bytes ? bytes : 1);
	if (!p)
		stop(path, "no memory");
	return p;
}

static struct set load(const char *path)
{
	struct set s = {0};
	int32_t head[5];
	FILE *file = fopen(path, "rb");
	if (!file || fread(head, 4, 5, file) != 5 || head[0] != MAGIC || head[1] < 1 || head[1] > ASSAY__BANK_MAX_DIM ||
		head[2] < FOLDS || head[3] < 1 || head[4] < 1)
		stop(path, "not a file of features");
	s = (struct set){.dim = head[1], .taught = head[2], .good = head[3], .bad = head[4]};
	int n = s.taught + s.good + s.bad;
	s.pictures = get(path, sizeof(*s.pictures) * (size_t)n);
	size_t room = 0;
	for (int i = 0; i < n; i++) {
		struct picture *p = &s.pictures[i];
		if (fread(p, 4, 2, file) != 2 || p->width < 1 || p->height < 1 || p->width > 4096 || p->height > 4096)
			stop(path, "truncated, or a grid beyond 4096 cells");
		p->first = s.cells;
		s.cells += (int64_t)p->width * p->height;
		size_t need = (size_t)s.cells * (size_t)s.dim, from = (size_t)p->first * (size_t)s.dim;
		if (need > room && !(s.vectors = realloc(s.vectors, room = 2 * need)))
			stop(path, "no memory");
		if (fread(s.vectors + from, 1, need - from, file) != need - from)
			stop(path, "truncated");
	}
	fclose(file);
	return s;
}

/* The bank of the parts taught, without those of one fold (-1: with all). */
static struct assay__bank *bank_of(const struct set *s, int fold, const char *path)
{
	int64_t cells = s->pictures[s->taught].first;
	uint8_t *skip = get(path, (size_t)cells);
	for (int i = 0; i < s->taught; i++)
		memset(skip + s->pictures[i].first, fold >= 0 && i % FOLDS == fold,
			   (size_t)s->pictures[i].width * (size_t)s->pictures[i].height);
	int64_t *chosen = get(path, sizeof(*chosen) * BANK);
	int8_t *vectors = get(path, (size_t)BANK * (size_t)s->dim);
	struct assay__bank *bank = NULL;
	struct assay_error error = {0};
	int count = 0;
	if (assay__bank_choose(s->vectors, skip, cells, s->dim, BANK, ASSAY_ISA_BEST, NULL, NULL, NULL, chosen, &count,
						   &error))
		stop(path, error.message);
	for (int i = 0; i < count; i++)
		memcpy(vectors + (size_t)i * (size_t)s->dim, s->vectors + chosen[i] * s->dim, (size_t)s->dim);
	if (assay__bank_open(vectors, count, s->dim, ASSAY_ISA_BEST, NULL, &bank, &error))
		stop(path, error.message);
	free(skip);
	free(chosen);
	free(vectors);
	return bank;
}

static uint32_t score(const struct set *s, int i, const struct assay__bank *bank, const char *path)
{
	const struct picture *p = &s->pictures[i];
	int cells = p->width * p->height;
	int32_t *d2 = get(path, sizeof(*d2) * (size_t)cells);
	uint32_t *map = get(path, sizeof(*map) * (size_t)cells);
	struct assay__judge *judge = NULL;
	struct assay_error error = {0};
	if (assay__judge_open(p->width, p->height, NULL, NULL, &judge, &error))
		stop(path, error.message);
	assay__bank_nearest(bank, s->vectors + p->first * s->dim, cells, d2, NULL);
	uint32_t worst = assay__judge_map(judge, d2, map);
	assay__judge_close(judge);
	free(d2);
	free(map);
	return worst;
}

static double auroc(const uint32_t *scores, int good, int bad, const char *path)
{
	uint32_t *copy = get(path, sizeof(*copy) * (size_t)(good + bad));
	memcpy(copy, scores, sizeof(*copy) * (size_t)(good + bad));
	double area = assay__auroc(copy, (size_t)good, copy + good, (size_t)bad);
	free(copy);
	return area;
}

int main(int argc, char **argv)
{
	uint32_t *joined = NULL;
	int good = 0, bad = 0;
	if (argc < 2) {
		fprintf(stderr, "usage: detect SCALE.bin...\n");
		return 64;
	}
	for (int a = 1; a < argc; a++) {
		const char *path = argv[a];
		struct set s = load(path);
		if (joined && (good != s.good || bad != s.bad))
			stop(path, "holds other pictures than the file before");
		good = s.good, bad = s.bad;
		int judged = good + bad;
		if (!joined)
			memset(joined = get(path, sizeof(*joined) * (size_t)judged), 0, sizeof(*joined) * (size_t)judged);
		uint32_t *held = get(path, sizeof(*held) * (size_t)s.taught), *own = get(path, sizeof(*own) * (size_t)judged);
		for (int fold = -1; fold < FOLDS; fold++) {
			struct assay__bank *bank = bank_of(&s, fold, path);
			for (int i = fold; fold >= 0 && i < s.taught; i += FOLDS)
				held[i] = score(&s, i, bank, path);
			for (int i = 0; fold < 0 && i < judged; i++)
				own[i] = score(&s, s.taught + i, bank, path);
			assay__bank_close(bank);
		}
		struct assay__unit unit = assay__unit_of(held, s.taught);
		for (int i = 0; i < judged; i++) {
			uint32_t z = assay__unit_apply(&unit, own[i]);
			joined[i] = z > joined[i] ? z : joined[i];
		}
		printf("size %d: %.4f  ", a, auroc(own, good, bad, path));
		free(held);
		free(own);
		free(s.pictures);
		free(s.vectors);
	}
	printf("joined: %.4f\n", auroc(joined, good, bad, argv[argc - 1]));
	free(joined);
	return 0;
}
