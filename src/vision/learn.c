/* SPDX-License-Identifier: Apache-2.0 */
#include "vision/learn.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "vision/calibrate.h"

void assay_learn_report_free(struct assay_learn_report *report, const struct assay_allocator *allocator)
{
	for (int i = 0; report->parts && i < report->part_count; i++)
		assay__free(allocator, report->parts[i].name);
	assay__free(allocator, report->parts);
	*report = (struct assay_learn_report){0};
}

static int check_options(const struct assay_learn_options *o, struct assay_error *error)
{
	if (o->author && strnlen(o->author, ASSAY_LEARN_AUTHOR_BYTES + 1) > ASSAY_LEARN_AUTHOR_BYTES)
		return assay__fail(error, ASSAY_E_ARGUMENT, -1, "the author's name is longer than %d bytes",
						   ASSAY_LEARN_AUTHOR_BYTES);
	if (o->overkill != 0 && !(o->overkill > 0 && o->overkill <= ASSAY__OVERKILL_MOST))
		return assay__fail(error, ASSAY_E_ARGUMENT, -1, "the wanted overkill is %g; it must be above 0 and at most %g",
						   o->overkill, ASSAY__OVERKILL_MOST);
	if (o->catch_overkill != 0 && !(o->catch_overkill > 0 && o->catch_overkill <= ASSAY__OVERKILL_MOST))
		return assay__fail(error, ASSAY_E_ARGUMENT, -1,
						   "the overkill allowed to catch defects is %g; it must be above 0 and at most %g",
						   o->catch_overkill, ASSAY__OVERKILL_MOST);
	if (o->keep_bytes < 0 || o->keep_bytes > ASSAY__KEEP_BYTES_MOST)
		return assay__fail(error, ASSAY_E_ARGUMENT, -1, "room for %lld bytes of pictures; it must be at most %lld",
						   (long long)o->keep_bytes, (long long)ASSAY__KEEP_BYTES_MOST);
	return 0;
}

/* Opens the file and makes a second recipe of it to change; that one takes over what the file keeps. */
static int open_recipes(struct assay__learn *l, const struct assay_env *env, const char *path,
						struct assay_error *error)
{
	int rc = assay__recipe_open_whole(env, path, &l->old, error);
	if (rc == 0)
		rc = assay__recipe_to_bytes(l->old, &l->file, &l->file_size, error);
	if (rc == 0)
		rc = assay__recipe_from_bytes(env, path, l->file, l->file_size, &l->next, error);
	if (rc)
		return rc;
	l->next->keep = l->old->keep ? l->old->keep : assay__keep_new(l->allocator);
	l->old->keep = NULL;
	return l->next->keep ? 0 : assay__fail(error, ASSAY_E_NOMEM, -1, "no memory to learn");
}

bool assay__learn_taught(const struct assay_recipe *recipe, const uint8_t hash[ASSAY_HASH_BYTES])
{
	for (int i = 0; i < recipe->part_count; i++)
		if (memcmp(recipe->parts[i].hash, hash, ASSAY_HASH_BYTES) == 0)
			return true;
	return false;
}

static const struct assay__part *find(const struct assay__part *parts, int count, const uint8_t hash[ASSAY_HASH_BYTES])
{
	for (int i = 0; i < count; i++)
		if (memcmp(parts[i].hash, hash, ASSAY_HASH_BYTES) == 0)
			return &parts[i];
	return NULL;
}

/* A part is good or bad, not both; and a bank cannot forget. */
static int check_labels(struct assay__learn *l, struct assay_error *error)
{
	for (int i = 0; i < l->bad_count; i++) {
		const struct assay__part *part = &l->bad[i];
		const char *name = l->defects->name(l->defects->ctx, part->index);
		if (find(l->t.parts, l->t.count, part->hash))
			return assay__fail(error, ASSAY_E_ARGUMENT, -1, "%s is given as good and as a defect", name);
		if (assay__learn_taught(l->old, part->hash))
			return assay__fail(error, ASSAY_E_ARGUMENT, -1,
							   "%s is labelled a defect, but the recipe was taught it as good; go back to before that "
							   "with --revert, or teach without it",
							   name);
	}
	return 0;
}

/* The last word about a stored part counts: it may be given again under another label. */
static int relabel(struct assay__learn *l, const struct assay__part *parts, int count, bool defect)
{
	int changed = 0;
	for (int i = 0; i < count; i++) {
		struct assay__kept *kept = (struct assay__kept *)assay__keep_find(l->next->keep, parts[i].hash);
		if (kept && kept->defect != defect) {
			kept->defect = defect;
			changed++;
		}
	}
	return changed;
}

/* The index of a defect follows those of the good parts. */
struct shifted {
	const struct assay_teach_hooks *hooks;
	int by;
};

static void unreadable_defect(void *ctx, int index, const struct assay_error *error)
{
	const struct shifted *shifted = ctx;
	shifted->hooks->unreadable(shifted->hooks->ctx, shifted->by + index, error);
}

static int read_parts(struct assay__learn *l, struct assay_error *error)
{
	const struct assay__shape *shape = l->old->settings.scale ? NULL : &l->old->shape;
	const struct assay_teach_hooks *hooks = l->t.labour.hooks;
	struct shifted shifted = {hooks, l->goods ? l->goods->count : 0};
	struct assay_teach_hooks of_defects = {.ctx = &shifted};
	struct assay__labour labour = {l->t.labour.runner, &of_defects};
	struct assay_teach_report good = {0}, bad = {0};
	if (hooks && hooks->unreadable)
		of_defects.unreadable = unreadable_defect;
	int count = 0;
	int rc = assay__parts_read_more(l->goods, shape, &l->t.labour, l->allocator, &l->t.parts, &count, &good, error);
	l->t.count = count;
	if (rc == 0)
		rc = assay__parts_read_more(l->defects, shape, &labour, l->allocator, &l->bad, &l->bad_count, &bad, error);
	if (rc == 0)
		rc = check_labels(l, error);
	if (rc)
		return rc;
	/* those learnt from before go behind the others */
	int fresh = 0;
	for (int i = 0; i < count; i++)
		if (!assay__learn_taught(l->old, l->t.parts[i].hash)) {
			struct assay__part part = l->t.parts[i];
			memmove(&l->t.parts[fresh + 1], &l->t.parts[fresh], (size_t)(i - fresh) * sizeof(part));
			l->t.parts[fresh++] = part;
		}
	l->t.count = fresh;
	l->known = count - fresh;
	l->report.goods = fresh;
	l->report.relabelled = relabel(l, l->t.parts, count, false) + relabel(l, l->bad, l->bad_count, true);
	l->report.defects = l->bad_count;
	for (int i = 0; i < l->bad_count; i++)
		l->report.defects -= assay__keep_find(l->next->keep, l->bad[i].hash) != NULL;
	l->report.offered = good.parts_offered + bad.parts_offered;
	l->report.unreadable = good.parts_unreadable + bad.parts_unreadable;
	l->report.known = good.parts_repeated + bad.parts_repeated + l->known + (l->bad_count - l->report.defects);
	l->next->report.parts_offered += fresh;
	return 0;
}

static int by_score(const void *a, const void *b)
{
	const struct assay__taught *p = a, *q = b;
	if (p->score_q8 != q->score_q8)
		return p->score_q8 < q->score_q8 ? -1 : 1;
	return memcmp(p->hash, q->hash, ASSAY_HASH_BYTES);
}

/*
 * The old parts keep their scores: each was given by a bank that had not seen the part, and a bank that has grown could
 * only lower it, so that keeping them errs towards passing.
 */
static int join_scores(struct assay__learn *l, struct assay_error *error)
{
	struct assay_recipe *next = l->next;
	int count = next->part_count + l->t.count;
	struct assay__taught *parts = assay__calloc(l->allocator, (size_t)count, sizeof(*parts));
	if (!parts)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for the calibration of %d parts", count);
	memcpy(parts, next->parts, (size_t)next->part_count * sizeof(*parts));
	assay__free(l->allocator, next->parts);
	next->parts = parts;
	for (int i = 0; i < l->t.count; i++) {
		const struct assay__part *from = &l->t.parts[i];
		struct assay__taught *to = &parts[next->part_count];
		memcpy(to->hash, from->hash, ASSAY_HASH_BYTES);
		for (int s = 0; s < next->scales.count; s++) {
			uint32_t score = assay__unit_apply(&next->scales.at[s].unit, from->raw_q8[s]);
			to->score_q8 = score > to->score_q8 ? score : to->score_q8;
			if (!next->scales.at[s].placed.vectors)
				continue;
			score = assay__unit_apply(&next->scales.at[s].placed.unit, from->place_q8[s]);
			to->score_q8 = score > to->score_q8 ? score : to->score_q8;
		}
		to->name = assay__part_name(l->goods->name(l->goods->ctx, from->index), l->allocator);
		if (!to->name)
			return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for the names of %d parts", count);
		next->part_count++;
	}
	qsort(parts, (size_t)count, sizeof(*parts), by_score);
	return 0;
}

/* The threshold that good parts give, lower where that catches defects at an overkill that is allowed. */
static int catch_defects(struct assay__learn *l, struct assay_error *error)
{
	struct assay_recipe *next = l->next;
	uint32_t *scores = NULL, threshold = next->threshold_q8;
	int count = 0;
	if (!(l->options->catch_overkill > 0))
		return 0;
	int rc = assay__learn_defect_scores(l, &scores, &count, error);
	if (rc)
		return rc;
	uint32_t least = assay__conformal_threshold(next->calibration_q8, next->part_count, l->options->catch_overkill);
	for (int i = 0; i < count; i++)
		if (scores[i] > least && scores[i] <= threshold)
			threshold = scores[i] - 1;
	assay__free(l->allocator, scores);
	next->threshold_q8 = threshold;
	assay__calibration_report(next->calibration_q8, next->part_count, next->settings.overkill, threshold,
							  &next->report);
	return 0;
}

static int renew_golden(struct assay__learn *l, struct assay_error *error)
{
	for (int i = 0; i < ASSAY__GOLDEN_COUNT; i++) {
		struct assay__golden *golden = &l->next->golden[i];
		struct assay_image image;
		int rc = assay_image_decode(golden->png, golden->png_size, l->allocator, &image, error);
		if (rc)
			return rc;
		rc = assay__recipe_measure(l->t.spaces[0], &image, &golden->score_q8, golden->map_hash, error);
		assay_image_free(&image, l->allocator);
		if (rc)
			return rc;
	}
	return 0;
}

static void place_one(void *arg, int index, int worker)
{
	struct assay__teach *t = arg;
	struct assay__part *part = &t->parts[index];
	struct assay_image image;
	bool owned = false;
	if (assay__teach_take_up(t, part, worker, &image, &owned))
		return;
	assay__workspace_judge_place(t->spaces[worker], &image, part->place_q8);
	if (owned)
		assay_image_free(&image, t->allocator);
}

/*
 * The banks by place have grown by the new parts themselves, which therefore score low there; how far they are out of the
 * ordinary their cross-conformal scores by the banks tell.
 */
static int score_places(struct assay__learn *l, struct assay_error *error)
{
	if (!l->next->scales.registration || l->t.count == 0)
		return 0;
	int rc = assay__learn_places(l, error);
	if (rc == 0)
		rc = assay__labour_run(&l->t.labour, "position", l->t.count, place_one, &l->t, error);
	return rc ? rc : assay__teach_failure(&l->t, error);
}

int assay__learn_calibrate(struct assay__learn *l, struct assay_error *error)
{
	struct assay_recipe *next = l->next;
	int rc = score_places(l, error);
	if (rc == 0)
		rc = join_scores(l, error);
	if (rc)
		return rc;
	if (l->options->overkill > 0)
		next->settings.overkill = l->options->overkill;
	for (int s = 0; s < next->scales.count; s++) {
		assay__bank_close(next->scales.at[s].bank);
		next->scales.at[s].bank = NULL;
	}
	assay__free(l->allocator, next->calibration_q8);
	next->calibration_q8 = NULL;
	/* nothing new and no other wish: the threshold may have been lowered to catch defects, and stays */
	bool same = l->t.count == 0 && !(l->options->overkill > 0);
	if (!same) {
		uint32_t *scores = assay__calloc(l->allocator, (size_t)next->part_count, sizeof(*scores));
		if (!scores)
			return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for the calibration of %d parts", next->part_count);
		for (int i = 0; i < next->part_count; i++)
			scores[i] = next->parts[i].score_q8;
		next->threshold_q8 = assay__conformal_threshold(scores, next->part_count, next->settings.overkill);
		assay__free(l->allocator, scores);
	}
	if ((rc = assay__recipe_ready(next, error)) || (rc = catch_defects(l, error)) || (rc = renew_golden(l, error)))
		return rc;
	assay__recipe_content_hash(next, next->content_hash);
	return 0;
}

static int add_step(struct assay__learn *l, struct assay_error *error)
{
	struct assay_lineage_step step = {.kind = assay__step_kind_name(ASSAY__STEP_LEARN),
									  .time_s = l->options->time_s,
									  .author = l->options->author ? l->options->author : "",
									  .goods = l->report.goods,
									  .defects = l->report.defects};
	for (int s = 0; s < l->report.scale_count; s++)
		step.vectors += l->report.vectors[s];
	memcpy(step.parent, l->old->content_hash, ASSAY_HASH_BYTES);
	memcpy(step.content, l->next->content_hash, ASSAY_HASH_BYTES);
	int rc = assay__keep_step(l->next->keep, &step, l->file, l->file_size, l->allocator, error);
	if (rc)
		return rc;
	l->file = NULL;
	if (!assay__keep_check(l->next->keep, l->next->content_hash))
		return assay__fail(error, ASSAY_E_FORMAT, -1, "the lineage of the recipe does not hold");
	return 0;
}

/*
 * What labelled defects teach beside the threshold: a trainer goes here. It may read all labelled pictures, stored
 * (l->next->keep) and given (l->bad), and change l->next before its content hash is made.
 */
static int train(struct assay__learn *l, struct assay_error *error)
{
	(void)l;
	(void)error;
	return 0;
}

static int run(struct assay__learn *l, struct assay_error *error)
{
	int rc = read_parts(l, error), stored = l->next->keep->part_count;
	l->report.scale_count = l->next->scales.count;
	l->report.threshold_before_q8 = l->old->threshold_q8;
	if (rc == 0)
		rc = assay__teach_open_spaces(&l->t, error);
	if (rc == 0)
		rc = assay__learn_banks(l, error);
	if (rc == 0)
		rc = train(l, error);
	if (rc == 0)
		rc = assay__learn_calibrate(l, error);
	if (rc == 0)
		rc = assay__learn_compare(l, error);
	if (rc == 0)
		rc = assay__learn_keep(l, error);
	l->report.threshold_after_q8 = l->next->threshold_q8;
	if (rc)
		return rc;
	if (memcmp(l->old->content_hash, l->next->content_hash, ASSAY_HASH_BYTES) == 0 &&
		l->next->keep->part_count == stored && l->report.relabelled == 0) {
		assay_recipe_close(l->next);
		l->next = NULL;
		return 0;
	}
	return add_step(l, error);
}

static void clean_up(struct assay__learn *l)
{
	assay__parts_free(l->t.parts, l->t.count + l->known, l->allocator);
	assay__parts_free(l->bad, l->bad_count, l->allocator);
	assay__teach_close_spaces(&l->t);
	assay_recipe_close(l->old);
	assay__free(l->allocator, l->file);
}

int assay_learn(const struct assay_env *env, const char *path, const struct assay_parts *goods,
				const struct assay_parts *defects, const struct assay_learn_options *options,
				const struct assay_runner *runner, const struct assay_teach_hooks *hooks, struct assay_recipe **out,
				struct assay_learn_report *report, struct assay_error *error)
{
	static const struct assay_learn_options none;
	struct assay__learn l = {.options = options ? options : &none,
							 .allocator = env ? env->allocator : NULL,
							 .goods = goods,
							 .defects = defects};
	int rc = check_options(l.options, error);
	if (rc == 0)
		rc = open_recipes(&l, env, path, error);
	if (rc == 0 && l.next->labels.count) /* its line from heads to bank would not fit the bank that this makes */
		rc = assay__fail(error, ASSAY_E_UNSUPPORTED, -1,
						 "%s: was taught with labelled defects, which cannot be learnt on; teach it again with --ng",
						 path);
	if (rc == 0) {
		l.t = (struct assay__teach){.offered = goods,
									.allocator = l.allocator,
									.labour = {runner, hooks},
									.recipe = l.next,
									.workers = assay__labour_workers(&(struct assay__labour){runner, hooks})};
		l.t.brighten_q12 = (int)((1 + l.next->settings.light_tolerance) * ASSAY__LIGHT_ONE_Q12 + 0.5);
		rc = run(&l, error);
	}
	clean_up(&l);
	if (rc) {
		assay_recipe_close(l.next);
		assay_learn_report_free(&l.report, l.allocator);
		return rc;
	}
	*out = l.next;
	*report = l.report;
	return 0;
}
