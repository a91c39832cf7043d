/* SPDX-License-Identifier: Apache-2.0 */
/* The part of teaching that learns from labelled defects, once the good parts have given all they have. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "vision/labels.h"
#include "vision/teach.h"

#define FEATURES_MOST_BYTES ((int64_t)6 << 30)

struct defect {
	int index; /* as offered */
	uint8_t hash[ASSAY_HASH_BYTES];
	struct assay__shape shape;
	const char *kind; /* NULL: not told */
	int8_t *vectors[ASSAY__SCALES_MOST];
	uint8_t *marks[ASSAY__SCALES_MOST]; /* NULL: not known where it is */
	int cells[ASSAY__SCALES_MOST];
	uint32_t bank_q8;
	int16_t *mean; /* of the vectors around its worst cell; NULL: none */
	struct assay_error error;
	bool unreadable;
};

struct lesson {
	struct assay__teach *t;
	struct defect *defects; /* after drop_repeated by hash, then kind */
	int count, offered;
	struct assay__example *examples;
	char **groups; /* of examples */
	uint32_t *joined_q8;
};

static const char *name_of(const struct lesson *l, const struct defect *d)
{
	return l->t->defects->parts.name(l->t->defects->parts.ctx, d->index);
}

static int no_memory(struct assay_error *error)
{
	return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory to learn from labelled defects");
}

/* Cells of the grid that a mask touches; of the inspected ones, in order. False if it touches none. */
static bool mark_cells(const struct assay__scale_space *at, const uint8_t *mask, int width, uint8_t *marks)
{
	const struct assay__geometry *g = &at->geometry;
	const int32_t *cells = assay__judge_cells(at->judge);
	bool any = false;
	for (int i = 0; i < at->live; i++) {
		int cell = cells ? cells[i] : i, cx = cell % g->grid_width, cy = cell / g->grid_width;
		int x0 = g->area.x + (int)((int64_t)cx * g->area.width / g->grid_width),
			x1 = g->area.x + (int)(((int64_t)(cx + 1) * g->area.width + g->grid_width - 1) / g->grid_width);
		int y0 = g->area.y + (int)((int64_t)cy * g->area.height / g->grid_height),
			y1 = g->area.y + (int)(((int64_t)(cy + 1) * g->area.height + g->grid_height - 1) / g->grid_height);
		for (int y = y0; y < y1 && !marks[i]; y++)
			for (int x = x0; x < x1 && !marks[i]; x++)
				marks[i] = mask[(size_t)y * (size_t)width + (size_t)x] != 0;
		any |= marks[i];
	}
	return any;
}

/* Where the defect is, at every scale; nothing if nobody says, or if it lies outside of what is inspected. */
static int take_marks(const struct lesson *l, struct defect *d, const struct assay__workspace *space)
{
	const struct assay_defects *offered = l->t->defects;
	const struct assay_allocator *allocator = l->t->allocator;
	uint8_t *mask = NULL;
	bool seen = true;
	int rc = offered->mark ? offered->mark(offered->parts.ctx, d->index, d->shape.width_px, d->shape.height_px,
										   allocator, &mask, &d->error)
						   : 0;
	for (int s = 0; rc == 0 && mask && seen && s < space->count; s++) {
		d->marks[s] = assay__calloc(allocator, (size_t)d->cells[s], 1);
		if (!d->marks[s])
			rc = no_memory(&d->error);
		else
			seen = mark_cells(&space->at[s], mask, d->shape.width_px, d->marks[s]);
	}
	for (int s = 0; !seen && s < space->count; s++) {
		assay__free(allocator, d->marks[s]);
		d->marks[s] = NULL;
	}
	assay__free(allocator, mask);
	return rc;
}

static int take_picture(struct lesson *l, struct defect *d, struct assay__workspace *space,
						const struct assay_image *image)
{
	const struct assay_recipe *recipe = l->t->recipe;
	char text[64], usual[64];
	d->shape = assay__shape_of(image);
	assay_image_hash(image, d->hash);
	if (!recipe->settings.scale && !assay__shape_equal(&d->shape, &recipe->shape))
		return assay__fail(&d->error, ASSAY_E_MISMATCH, -1, "%s is %s, the good parts are %s", name_of(l, d),
						   assay__shape_text(&d->shape, text), assay__shape_text(&recipe->shape, usual));
	int rc = assay__workspace_shape(space, &d->shape, &d->error);
	if (rc) {
		assay__fail_prefix(&d->error, "%s", name_of(l, d));
		return rc;
	}
	for (int s = 0; s < space->count; s++) {
		d->cells[s] = space->at[s].live;
		d->vectors[s] = assay__alloc_aligned(l->t->allocator, (size_t)d->cells[s] * (size_t)recipe->dim);
		if (!d->vectors[s])
			return no_memory(&d->error);
		assay__workspace_extract(space, s, image, ASSAY__LIGHT_ONE_Q12, d->vectors[s]);
	}
	d->bank_q8 = assay__workspace_weigh(space, (const int8_t *const *)d->vectors);
	return take_marks(l, d, space);
}

static void take_one(void *arg, int index, int worker)
{
	struct lesson *l = arg;
	struct defect *d = &l->defects[index];
	const struct assay_parts *parts = &l->t->defects->parts;
	struct assay_image image;
	d->error.code = parts->load(parts->ctx, d->index, l->t->allocator, &image, &d->error);
	d->unreadable = d->error.code != ASSAY_OK && d->error.code != ASSAY_E_NOMEM;
	if (d->error.code)
		return;
	d->error.code = take_picture(l, d, l->t->spaces[worker], &image);
	assay_image_free(&image, l->t->allocator);
}

static void drop(const struct lesson *l, struct defect *d)
{
	for (int s = 0; s < ASSAY__SCALES_MOST; s++) {
		assay__free_aligned(l->t->allocator, d->vectors[s]);
		assay__free(l->t->allocator, d->marks[s]);
	}
	assay__free(l->t->allocator, d->mean);
}

static int by_hash_and_kind(const void *a, const void *b)
{
	const struct defect *p = a, *q = b;
	int order = memcmp(p->hash, q->hash, sizeof(p->hash));
	return order ? order : strcmp(p->kind ? p->kind : "", q->kind ? q->kind : "");
}

static int by_hash(const void *a, const void *b)
{
	return memcmp(a, ((const struct assay__part *)b)->hash, ASSAY_HASH_BYTES);
}

/* Sorts out what was read: failures, unreadable ones, repetitions, and pictures that are said to be good too. */
static int sort_out(struct lesson *l, struct assay_error *error)
{
	const struct assay_defects *offered = l->t->defects;
	struct assay_label_report *report = &l->t->recipe->report.labels;
	int kept = 0;
	for (int i = 0; i < l->offered; i++) {
		struct defect *d = &l->defects[i];
		if (d->unreadable && offered->unreadable)
			offered->unreadable(offered->parts.ctx, d->index, &d->error);
		else if (d->error.code && !d->unreadable)
			return assay__fail(error, d->error.code, d->error.position, "%s", d->error.message);
		report->unreadable += d->unreadable;
	}
	for (int i = 0; i < l->offered; i++)
		if (!l->defects[i].unreadable)
			l->defects[kept++] = l->defects[i];
	l->count = kept;
	if (kept == 0)
		return assay__fail(error, ASSAY_E_ARGUMENT, -1, "none of the %d pictures of defects could be read", l->offered);
	qsort(l->defects, (size_t)kept, sizeof(*l->defects), by_hash_and_kind);
	for (int i = 0; i < l->count; i++) {
		const struct assay__part *twin =
			bsearch(l->defects[i].hash, l->t->parts, (size_t)l->t->count, sizeof(*l->t->parts), by_hash);
		if (twin)
			return assay__fail(error, ASSAY_E_ARGUMENT, -1,
							   "%s is among the defects and, the same picture, among the good parts as %s; it must be "
							   "one or the other",
							   name_of(l, &l->defects[i]), l->t->offered->name(l->t->offered->ctx, twin->index));
	}
	kept = 0;
	for (int i = 0; i < l->count; i++) {
		struct defect *d = &l->defects[i];
		if (kept > 0 && memcmp(d->hash, l->defects[kept - 1].hash, sizeof(d->hash)) == 0) {
			report->repeated++;
			drop(l, d);
		} else {
			l->defects[kept++] = *d;
		}
	}
	l->count = report->taught = kept;
	return 0;
}

static int take_all(struct lesson *l, struct assay_error *error)
{
	struct assay__teach *t = l->t;
	struct assay_recipe *recipe = t->recipe;
	int64_t bytes = 0;
	for (int s = 0; s < recipe->scales.count; s++) {
		int64_t patches = t->parts[t->count - 1].kept_at[s] + t->parts[t->count - 1].kept_cells[s];
		bytes += (patches + (int64_t)l->offered * t->spaces[0]->at[s].live) * recipe->dim;
	}
	if (bytes > FEATURES_MOST_BYTES)
		return assay__fail(
			error, ASSAY_E_LIMIT, -1,
			"the features of %d good parts and %d defects need %.1f GiB, more than %d; give fewer pictures "
			"or a smaller working size",
			t->count, l->offered, (double)bytes / (1 << 30), (int)(FEATURES_MOST_BYTES >> 30));
	for (int s = 0; s < recipe->scales.count; s++) {
		struct assay__scale *scale = &recipe->scales.at[s];
		int rc = assay__bank_open(scale->vectors, scale->bank_count, recipe->dim, recipe->isa, recipe->allocator,
								  &scale->bank, error);
		if (rc)
			return rc;
	}
	l->defects = assay__calloc(t->allocator, (size_t)l->offered, sizeof(*l->defects));
	if (!l->defects)
		return no_memory(error);
	for (int i = 0; i < l->offered; i++) {
		l->defects[i].index = i;
		l->defects[i].kind = t->defects->kind ? t->defects->kind(t->defects->parts.ctx, i) : NULL;
	}
	int rc = assay__labour_run(&t->labour, "defects", l->offered, take_one, l, error);
	return rc ? rc : sort_out(l, error);
}

/* The part a picture shows, as a string of its own in *out; NULL if its name does not say. */
static int group_of(const struct lesson *l, const char *path, char **out)
{
	const char *start;
	size_t length = assay__labels_group(path, &start);
	if (length == 0)
		return 0;
	*out = assay__calloc(l->t->allocator, length + 1, 1);
	if (!*out)
		return ASSAY_E_NOMEM;
	memcpy(*out, start, length);
	return 0;
}

static int make_examples(struct lesson *l, struct assay_error *error)
{
	const struct assay__teach *t = l->t;
	int scales = t->recipe->scales.count, n = t->count + l->count, rc = 0;
	l->examples = assay__calloc(t->allocator, (size_t)n, sizeof(*l->examples));
	l->groups = assay__calloc(t->allocator, (size_t)n, sizeof(*l->groups));
	l->joined_q8 = assay__calloc(t->allocator, (size_t)n, sizeof(*l->joined_q8));
	if (!l->examples || !l->groups || !l->joined_q8)
		return no_memory(error);
	for (int i = 0; rc == 0 && i < n; i++) {
		struct assay__example *e = &l->examples[i];
		const struct assay__part *part = i < t->count ? &t->parts[i] : NULL;
		const struct defect *d = part ? NULL : &l->defects[i - t->count];
		rc = group_of(l, part ? t->offered->name(t->offered->ctx, part->index) : name_of(l, d), &l->groups[i]);
		e->group = l->groups[i];
		e->hash = part ? part->hash : d->hash;
		e->bank_q8 = part ? part->score_q8 : d->bank_q8;
		e->defect = !part;
		for (int s = 0; s < scales; s++) {
			e->vectors[s] = part ? t->kept[s] + (size_t)part->kept_at[s] * (size_t)t->recipe->dim : d->vectors[s];
			e->cells[s] = part ? part->kept_cells[s] : d->cells[s];
			e->marks[s] = part ? NULL : d->marks[s];
		}
	}
	return rc ? no_memory(error) : 0;
}

static int learn(struct lesson *l, struct assay_error *error)
{
	struct assay__teach *t = l->t;
	struct assay_recipe *recipe = t->recipe;
	struct assay__labels_plan plan = {.dim = recipe->dim,
									  .scales = recipe->scales.count,
									  .overkill = recipe->settings.overkill,
									  .isa = recipe->isa,
									  .labour = &t->labour,
									  .allocator = t->allocator};
	struct assay__labels_report came;
	int rc = make_examples(l, error);
	if (rc == 0)
		rc = assay__labels_learn(l->examples, t->count + l->count, &plan, l->joined_q8, &recipe->scales.labels, &came,
								 error);
	if (rc)
		return rc;
	struct assay_label_report *report = &recipe->report.labels;
	report->folds = came.folds;
	report->used = came.used;
	report->bank_escapes = came.join.bank_escapes;
	report->joined_escapes = came.used ? came.join.joined_escapes : came.join.bank_escapes;
	report->bank_threshold_q8 = came.join.bank_q8;
	if (!came.used)
		return 0;
	recipe->threshold_q8 = came.join.joined_q8;
	for (int i = 0; i < t->count; i++)
		t->parts[i].score_q8 = l->joined_q8[i];
	return 0;
}

/* The vectors around the worst cell, of those marked if any are. */
static void meet_one(void *arg, int index, int worker)
{
	struct lesson *l = arg;
	struct defect *d = &l->defects[index];
	struct assay__workspace *space = l->t->spaces[worker];
	const struct assay__scale_space *finest = assay__workspace_finest(space);
	const struct assay__geometry *g = &finest->geometry;
	int worst = -1, last = space->count - 1;
	d->error.code = assay__workspace_shape(space, &d->shape, &d->error);
	if (d->error.code)
		return;
	assay__workspace_weigh(space, (const int8_t *const *)d->vectors);
	const int32_t *cells = assay__judge_cells(finest->judge);
	for (int i = 0; i < finest->live; i++) {
		int at = cells ? cells[i] : i;
		if (d->marks[last] && !d->marks[last][i])
			continue;
		worst = worst < 0 || space->map[at] > space->map[worst] ? at : worst;
	}
	d->mean = assay__calloc(l->t->allocator, (size_t)space->dim, sizeof(*d->mean));
	if (!d->mean)
		d->error.code = no_memory(&d->error);
	else
		assay__kinds_around(d->vectors[last], cells, finest->live, g->grid_width, g->grid_height, worst, space->dim,
							d->mean);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The different names of kinds, sorted, at names[0..*count). */
static void list_kinds(const struct lesson *l, const char **names, int *count)
{
	int n = 0;
	for (int i = 0; i < l->count; i++)
		if (l->defects[i].kind && l->defects[i].kind[0])
			names[n++] = l->defects[i].kind;
	qsort(names, (size_t)n, sizeof(*names), by_name);
	*count = 0;
	for (int i = 0; i < n; i++)
		if (*count == 0 || strcmp(names[i], names[*count - 1]) != 0)
			names[(*count)++] = names[i];
}

static int learn_kinds(struct lesson *l, const char **names, struct assay__kind_example *examples,
					   struct assay_error *error)
{
	struct assay__teach *t = l->t;
	struct assay__label_block *block = &t->recipe->labels;
	int count = 0, n = 0;
	list_kinds(l, names, &count);
	if (count == 0)
		return 0;
	int rc = assay__labour_run(&t->labour, "kinds", l->count, meet_one, l, error);
	for (int i = 0; rc == 0 && i < l->count; i++)
		if (l->defects[i].error.code)
			rc = assay__fail(error, l->defects[i].error.code, -1, "%s", l->defects[i].error.message);
	for (int i = 0; rc == 0 && i < l->count; i++) {
		const struct defect *d = &l->defects[i];
		if (!d->kind || !d->kind[0])
			continue;
		const char **found = bsearch(&d->kind, names, (size_t)count, sizeof(*names), by_name);
		examples[n++] = (struct assay__kind_example){d->mean, (int)(found - names)};
	}
	if (rc == 0)
		rc = assay__kinds_learn(names, count, examples, n, t->recipe->dim, t->allocator, &block->named, error);
	t->recipe->report.labels.kinds = count;
	return rc;
}

/* What the recipe keeps of it all. */
static int keep(struct lesson *l, struct assay_error *error)
{
	struct assay__teach *t = l->t;
	struct assay__label_block *block = &t->recipe->labels;
	const struct assay__labels *labels = t->recipe->scales.labels;
	block->defects = assay__calloc(t->allocator, (size_t)l->count, sizeof(*block->defects));
	if (!block->defects)
		return no_memory(error);
	block->count = l->count;
	for (int i = 0; i < l->count; i++) {
		struct assay__defect *d = &block->defects[i];
		const char *kind = l->defects[i].kind;
		size_t length = kind ? strlen(kind) : 0;
		memcpy(d->hash, l->defects[i].hash, sizeof(d->hash));
		memcpy(d->kind, kind ? kind : "", length); /* its length was checked with the kinds */
		d->name = assay__part_name(name_of(l, &l->defects[i]), t->allocator);
		if (!d->name)
			return no_memory(error);
	}
	block->heads_size = labels ? assay__labels_bytes(labels->dim, labels->scales, labels->folds) : 0;
	block->kinds_size = block->named ? assay__kinds_bytes(block->named) : 0;
	if (block->heads_size && !(block->heads = assay__alloc(t->allocator, block->heads_size)))
		return no_memory(error);
	if (block->kinds_size && !(block->kinds = assay__alloc(t->allocator, block->kinds_size)))
		return no_memory(error);
	if (block->heads)
		assay__labels_encode(labels, block->heads);
	if (block->kinds)
		assay__kinds_encode(block->named, block->kinds);
	return 0;
}

static void clear_away(struct lesson *l)
{
	const struct assay_allocator *allocator = l->t->allocator;
	for (int i = 0; l->groups && i < l->t->count + l->count; i++)
		assay__free(allocator, l->groups[i]);
	assay__free(allocator, l->groups);
	assay__free(allocator, l->examples);
	assay__free(allocator, l->joined_q8);
	for (int i = 0; l->defects && i < l->count; i++)
		drop(l, &l->defects[i]);
	assay__free(allocator, l->defects);
}

int assay__teach_labels(struct assay__teach *t, struct assay_error *error)
{
	struct lesson l = {.t = t, .offered = t->defects->parts.count, .count = t->defects->parts.count};
	t->recipe->report.labels.offered = l.offered;
	if (l.offered < 1)
		return assay__fail(error, ASSAY_E_ARGUMENT, -1, "there is no picture of a defect to learn from");
	int rc = take_all(&l, error);
	if (rc == 0)
		rc = learn(&l, error);
	const char **names = rc ? NULL : assay__calloc(t->allocator, (size_t)l.count, sizeof(*names));
	struct assay__kind_example *examples = rc ? NULL : assay__calloc(t->allocator, (size_t)l.count, sizeof(*examples));
	if (rc == 0 && (!names || !examples))
		rc = no_memory(error);
	if (rc == 0)
		rc = learn_kinds(&l, names, examples, error);
	if (rc == 0)
		rc = keep(&l, error);
	assay__free(t->allocator, names);
	assay__free(t->allocator, examples);
	clear_away(&l);
	return rc;
}
