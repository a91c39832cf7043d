/* SPDX-License-Identifier: Apache-2.0 */
/* What is new in new good parts: vectors for the banks, and what the parts score without them. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "vision/calibrate.h"
#include "vision/learn.h"
#include "vision/novel.h"

/* One scale in the making. */
struct growth {
	struct assay__learn *l;
	int32_t *d2; /* of every new vector to the old bank */
	int32_t reach_d2;
	int folds;
};

static void measure_one(void *arg, int index, int worker)
{
	struct growth *g = arg;
	struct assay__teach *t = &g->l->t;
	const struct assay__part *part = &t->parts[index];
	(void)worker;
	assay__bank_nearest(t->recipe->scales.at[t->scale].bank, assay__teach_vectors(t, part), part->candidates,
						g->d2 + part->first_patch, NULL);
}

static void score_one(void *arg, int index, int worker)
{
	struct growth *g = arg;
	struct assay__teach *t = &g->l->t;
	struct assay__part *part = &t->parts[t->fold + index * g->folds];
	part->error.code = assay__workspace_shape(t->spaces[worker], &part->shape, &part->error);
	if (part->error.code == ASSAY_OK)
		part->raw_q8[t->scale] =
			assay__workspace_score(t->spaces[worker], t->scale, t->bank, assay__teach_vectors(t, part));
}

/* The old bank with what the new parts add to it, those in t->skip left out; *vectors is the caller's. */
static int grow(struct growth *g, int8_t **vectors, int *count, struct assay_error *error)
{
	struct assay__teach *t = &g->l->t;
	const struct assay__scale *scale = &t->recipe->scales.at[t->scale];
	size_t dim = (size_t)t->recipe->dim;
	int most = ASSAY__BANK_MOST - scale->bank_count, added = 0;
	int64_t *chosen = assay__calloc(t->allocator, (size_t)most + 1, sizeof(*chosen));
	int8_t *bank = NULL;
	int rc = chosen ? assay__novel_choose(t->vectors, g->d2, t->skip, t->patches, t->recipe->dim, g->reach_d2, most,
										  t->allocator, chosen, &added)
					: ASSAY_E_NOMEM;
	if (rc == 0)
		bank = assay__alloc(t->allocator, (size_t)(scale->bank_count + added) * dim);
	if (bank) {
		memcpy(bank, scale->vectors, (size_t)scale->bank_count * dim);
		for (int i = 0; i < added; i++)
			memcpy(bank + (size_t)(scale->bank_count + i) * dim, t->vectors + (size_t)chosen[i] * dim, dim);
	}
	assay__free(t->allocator, chosen);
	if (!bank)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for a bank that grows");
	*vectors = bank;
	*count = scale->bank_count + added;
	return 0;
}

/* Each new part's score by a bank that has seen the old parts and the other folds of the new ones. */
static int score_fold(struct growth *g, struct assay_error *error)
{
	struct assay__teach *t = &g->l->t;
	int8_t *vectors = NULL;
	int n = 0;
	for (int i = 0; i < t->count; i++)
		memset(t->skip + t->parts[i].first_patch, assay__fold_of(i, g->folds) == t->fold,
			   (size_t)t->parts[i].candidates);
	int rc = grow(g, &vectors, &n, error);
	if (rc == 0)
		rc = assay__bank_open(vectors, n, t->recipe->dim, t->recipe->isa, t->allocator, &t->bank, error);
	if (rc == 0)
		rc = assay__labour_run(&t->labour, "scoring", (t->count - t->fold + g->folds - 1) / g->folds, score_one, g,
							   error);
	if (rc == 0)
		rc = assay__teach_failure(t, error);
	assay__bank_close(t->bank);
	t->bank = NULL;
	assay__free(t->allocator, vectors);
	return rc;
}

static int grow_scale(struct growth *g, struct assay_error *error)
{
	struct assay__teach *t = &g->l->t;
	struct assay__scale *scale = &t->recipe->scales.at[t->scale];
	int8_t *vectors = NULL;
	int n = 0;
	g->d2 = assay__calloc(t->allocator, (size_t)t->patches, sizeof(*g->d2));
	if (!g->d2)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for the distances of %d parts", t->count);
	g->reach_d2 = assay__novel_reach(scale->vectors, scale->bank_count, t->recipe->dim);
	int rc = assay__labour_run(&t->labour, "novelty", t->count, measure_one, g, error);
	for (t->fold = 0; rc == 0 && t->fold < g->folds; t->fold++)
		rc = score_fold(g, error);
	memset(t->skip, 0, (size_t)t->patches);
	if (rc == 0)
		rc = grow(g, &vectors, &n, error);
	assay__free(t->allocator, g->d2);
	if (rc)
		return rc;
	g->l->report.vectors[t->scale] = n - scale->bank_count;
	assay__bank_close(scale->bank);
	assay__free(t->allocator, scale->vectors);
	scale->bank = NULL;
	scale->vectors = vectors;
	scale->bank_count = n;
	if (t->recipe->settings.bank_size < n)
		t->recipe->settings.bank_size = n;
	return 0;
}

int assay__learn_banks(struct assay__learn *l, struct assay_error *error)
{
	struct assay__teach *t = &l->t;
	struct assay_recipe *next = l->next;
	int rc = 0, bank_size = next->settings.bank_size;
	struct growth g = {.l = l, .folds = next->settings.folds < t->count ? next->settings.folds : t->count};
	if (t->count == 0)
		return 0;
	if (next->settings.exposure)
		rc = assay__teach_measure(t, error);
	for (int s = 0; rc == 0 && s < next->scales.count; s++) {
		next->settings.bank_size = bank_size;
		rc = assay__teach_extract(t, s, error);
		if (rc == 0)
			rc = grow_scale(&g, error);
		assay__teach_clear(t);
		bank_size = next->settings.bank_size;
	}
	return rc;
}
