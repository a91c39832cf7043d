/* SPDX-License-Identifier: Apache-2.0 */
/* All parts whose picture is at hand, judged by the recipe before and after; and pictures taken into store. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "vision/inspect.h"
#include "vision/learn.h"

struct showing {
	struct assay__learn *l;
	int count;
	struct assay__shown *list;
	struct assay_worker **before, **after; /* one for each worker */
	struct assay_learn_part *parts;		   /* NULL: only scores are wanted */
	uint32_t *scores;
	struct assay_error *errors;
};

static int by_hash(const void *a, const void *b)
{
	return memcmp(((const struct assay__shown *)a)->hash, ((const struct assay__shown *)b)->hash, ASSAY_HASH_BYTES);
}

static void put_part(struct showing *s, const struct assay__part *part, const struct assay_parts *offered, bool defect,
					 bool fresh)
{
	if (!assay__keep_find(s->l->next->keep, part->hash))
		s->list[s->count++] = (struct assay__shown){.name = offered->name(offered->ctx, part->index),
													.hash = part->hash,
													.defect = defect,
													.fresh = fresh,
													.part = part,
													.offered = offered};
}

/* Every picture at hand once: stored, given now, or golden. */
static int list_pictures(struct showing *s, struct assay_error *error)
{
	struct assay__learn *l = s->l;
	const struct assay__recipe_keep *keep = l->next->keep;
	size_t most = (size_t)(keep->part_count + l->t.count + l->known + l->bad_count + ASSAY__GOLDEN_COUNT);
	s->list = assay__calloc(l->allocator, most, sizeof(*s->list));
	if (!s->list)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for a list of %zu parts", most);
	for (int i = 0; i < keep->part_count; i++)
		s->list[s->count++] = (struct assay__shown){.name = keep->parts[i].name,
													.hash = keep->parts[i].hash,
													.defect = keep->parts[i].defect,
													.kept = &keep->parts[i]};
	for (int i = 0; i < l->t.count + l->known; i++)
		put_part(s, &l->t.parts[i], l->goods, false, i < l->t.count);
	for (int i = 0; i < l->bad_count; i++)
		put_part(s, &l->bad[i], l->defects, true, true);
	qsort(s->list, (size_t)s->count, sizeof(*s->list), by_hash);
	int listed = s->count;
	for (int i = 0; i < ASSAY__GOLDEN_COUNT; i++) {
		const struct assay__golden *golden = &l->old->golden[i];
		struct assay__shown shown = {.hash = golden->hash, .golden = golden, .name = "golden picture"};
		bool twice = i > 0 && memcmp(golden->hash, golden[-1].hash, ASSAY_HASH_BYTES) == 0;
		if (twice || bsearch(&shown, s->list, (size_t)listed, sizeof(shown), by_hash))
			continue;
		for (int k = 0; k < l->old->part_count; k++)
			if (memcmp(l->old->parts[k].hash, golden->hash, ASSAY_HASH_BYTES) == 0)
				shown.name = l->old->parts[k].name;
		s->list[s->count++] = shown;
	}
	qsort(s->list, (size_t)s->count, sizeof(*s->list), by_hash);
	return 0;
}

static int load(const struct assay__learn *l, const struct assay__shown *shown, struct assay_image *image, bool *owned,
				struct assay_error *error)
{
	if (shown->part)
		return assay__part_picture(shown->offered, shown->part, l->allocator, image, owned, error);
	const uint8_t *png = shown->kept ? shown->kept->png : shown->golden->png;
	int rc = assay_image_decode(png, shown->kept ? shown->kept->png_size : shown->golden->png_size, l->allocator, image,
								error);
	uint8_t hash[ASSAY_HASH_BYTES];
	*owned = rc == 0;
	if (rc == 0)
		assay_image_hash(image, hash);
	if (rc == 0 && memcmp(hash, shown->hash, sizeof(hash)) == 0)
		return 0;
	if (rc == 0)
		assay_image_free(image, l->allocator);
	*owned = false;
	return rc == ASSAY_E_NOMEM
			   ? rc
			   : assay__fail(error, ASSAY_E_FORMAT, -1, "the stored picture of %s is damaged", shown->name);
}

static int judge(struct assay_worker **worker, const struct assay_recipe *recipe, const struct assay_image *image,
				 struct assay_result *result, struct assay_error *error)
{
	int rc = *worker ? 0 : assay_worker_open(recipe, worker, error);
	return rc ? rc : assay_inspect(*worker, image, result, error);
}

static void judge_one(void *arg, int index, int worker)
{
	struct showing *s = arg;
	const struct assay__shown *shown = &s->list[index];
	struct assay_result before, after;
	struct assay_image image;
	struct assay_error *error = &s->errors[index];
	bool owned = false;
	if (!s->parts && !shown->defect)
		return;
	int rc = load(s->l, shown, &image, &owned, error);
	if (rc == 0)
		rc = judge(&s->after[worker], s->l->next, &image, &after, error);
	if (rc == 0 && s->parts)
		rc = judge(&s->before[worker], s->l->old, &image, &before, error);
	if (owned)
		assay_image_free(&image, s->l->allocator);
	error->code = rc;
	if (rc)
		return;
	s->scores[index] = after.score_q8;
	if (!s->parts)
		return;
	struct assay_learn_part *part = &s->parts[index];
	part->before = before.verdict;
	part->before_q8 = before.score_q8;
	part->after = after.verdict;
	part->after_q8 = after.score_q8;
}

static int show(struct showing *s, struct assay_error *error)
{
	struct assay__learn *l = s->l;
	int rc = assay__labour_run(&l->t.labour, s->parts ? "comparing" : "defects", s->count, judge_one, s, error);
	for (int i = 0; rc == 0 && i < s->count; i++)
		if (s->errors[i].code)
			rc = assay__fail(error, s->errors[i].code, -1, "%s", s->errors[i].message);
	return rc;
}

static int open_showing(struct showing *s, struct assay_error *error)
{
	struct assay__learn *l = s->l;
	int rc = list_pictures(s, error);
	if (rc)
		return rc;
	s->before = assay__calloc(l->allocator, (size_t)l->t.workers, sizeof(*s->before));
	s->after = assay__calloc(l->allocator, (size_t)l->t.workers, sizeof(*s->after));
	s->scores = assay__calloc(l->allocator, (size_t)s->count + 1, sizeof(*s->scores));
	s->errors = assay__calloc(l->allocator, (size_t)s->count + 1, sizeof(*s->errors));
	if (!s->before || !s->after || !s->scores || !s->errors)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory to compare %d parts", s->count);
	return 0;
}

static void close_showing(struct showing *s)
{
	const struct assay_allocator *allocator = s->l->allocator;
	for (int i = 0; i < s->l->t.workers; i++) {
		assay_worker_close(s->before ? s->before[i] : NULL);
		assay_worker_close(s->after ? s->after[i] : NULL);
	}
	assay__free(allocator, s->before);
	assay__free(allocator, s->after);
	assay__free(allocator, s->scores);
	assay__free(allocator, s->errors);
	assay__free(allocator, s->list);
}

int assay__learn_defect_scores(struct assay__learn *l, uint32_t **scores, int *count, struct assay_error *error)
{
	struct showing s = {.l = l};
	int n = 0, rc = open_showing(&s, error);
	if (rc == 0)
		rc = show(&s, error);
	if (rc == 0) {
		for (int i = 0; i < s.count; i++)
			if (s.list[i].defect)
				s.scores[n++] = s.scores[i];
		*scores = s.scores;
		*count = n;
		s.scores = NULL;
	}
	close_showing(&s);
	return rc;
}

int assay__learn_compare(struct assay__learn *l, struct assay_error *error)
{
	struct showing s = {.l = l};
	int rc = open_showing(&s, error), goods = 0;
	if (rc == 0) {
		l->report.parts = s.parts = assay__calloc(l->allocator, (size_t)s.count + 1, sizeof(*s.parts));
		l->report.part_count = s.parts ? s.count : 0;
		if (!s.parts)
			rc = assay__fail(error, ASSAY_E_NOMEM, -1, "no memory to compare %d parts", s.count);
	}
	for (int i = 0; rc == 0 && i < s.count; i++) {
		struct assay_learn_part *part = &s.parts[i];
		memcpy(part->hash, s.list[i].hash, ASSAY_HASH_BYTES);
		part->defect = s.list[i].defect;
		part->fresh = s.list[i].fresh;
		part->name = assay__part_name(s.list[i].name, l->allocator);
		goods += assay__learn_taught(l->next, part->hash);
		if (!part->name)
			rc = assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for the names of %d parts", s.count);
	}
	if (rc == 0)
		rc = show(&s, error);
	l->report.not_compared = l->next->part_count - goods;
	close_showing(&s);
	return rc;
}

/* Defects first, for they are few; then new good parts, then good parts learnt from before; each by hash. */
int assay__learn_keep(struct assay__learn *l, struct assay_error *error)
{
	int goods, defects, left_out = 0, rc = 0;
	int64_t most = l->options->keep_bytes ? l->options->keep_bytes : ASSAY_LEARN_KEEP_BYTES;
	int64_t room = most - assay__keep_bytes(l->next->keep, &goods, &defects);
	for (int i = 0; rc == 0 && i < l->bad_count; i++)
		rc = assay__part_keep(l->next->keep, l->defects, &l->bad[i], true, &room, &left_out, l->allocator, error);
	for (int i = 0; rc == 0 && i < l->t.count + l->known; i++)
		rc = assay__part_keep(l->next->keep, l->goods, &l->t.parts[i], false, &room, &left_out, l->allocator, error);
	assay__keep_sort(l->next->keep);
	l->report.not_kept = left_out;
	return rc;
}
