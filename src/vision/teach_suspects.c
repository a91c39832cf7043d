/* SPDX-License-Identifier: Apache-2.0 */
/* The search for bad parts among the good, before teaching: one scale, two halves of the parts that judge each other. */
#include <string.h>

#include "base/err.h"
#include "vision/calibrate.h"
#include "vision/suspects.h"
#include "vision/teach.h"

#define HALVES 2
#define SEARCH_MOST_PX 480 /* short side of the search: sharper than the usual scales, where the picture is */

/* What the search changes and gives back. */
struct before {
	struct assay__scales scales;
	struct assay_teach_report report;
	int brighten_q12;
};

static int search_px(const struct assay_recipe *recipe)
{
	const struct assay_rect_px *roi = &recipe->settings.view.roi;
	int width = roi->width ? roi->width : recipe->shape.width_px;
	int height = roi->width ? roi->height : recipe->shape.height_px;
	int side = width < height ? width : height;
	if (recipe->settings.working_px)
		return recipe->settings.working_px;
	if (side > SEARCH_MOST_PX)
		return SEARCH_MOST_PX;
	return side > ASSAY__WORKING_USUAL_PX ? side : ASSAY__WORKING_USUAL_PX;
}

static void score_one(void *arg, int index, int worker)
{
	struct assay__teach *t = arg;
	struct assay__part *part = &t->parts[t->fold + index * HALVES];
	part->error.code = assay__workspace_shape(t->spaces[worker], &part->shape, &part->error);
	if (part->error.code == ASSAY_OK)
		part->raw_q8[0] = assay__workspace_score(t->spaces[worker], 0, t->bank, assay__teach_vectors(t, part));
}

/* Scores the parts of one half by the bank of the other, without the marked ones. */
static int score_half(struct assay__teach *t, const bool *marked, struct assay_error *error)
{
	int8_t *vectors = NULL;
	int n = 0;
	for (int i = 0; i < t->count; i++)
		memset(t->skip + t->parts[i].first_patch, marked[i] || assay__fold_of(i, HALVES) == t->fold,
			   (size_t)t->parts[i].candidates);
	int rc = assay__teach_choose(t, t->skip, &vectors, &n, error);
	if (rc == 0)
		rc = assay__bank_open(vectors, n, t->recipe->dim, t->recipe->isa, t->allocator, &t->bank, error);
	if (rc == 0)
		rc = assay__labour_run(&t->labour, t->stage, (t->count - t->fold + HALVES - 1) / HALVES, score_one, t, error);
	if (rc == 0)
		rc = assay__teach_failure(t, error);
	assay__bank_close(t->bank);
	t->bank = NULL;
	assay__free(t->allocator, vectors);
	return rc;
}

static int score_all(struct assay__teach *t, const bool *marked, uint32_t *scores, struct assay_error *error)
{
	int rc = 0;
	for (t->fold = 0; rc == 0 && t->fold < HALVES; t->fold++)
		rc = score_half(t, marked, error);
	for (int i = 0; i < t->count; i++)
		scores[i] = t->parts[i].raw_q8[0];
	return rc;
}

/* Writes down who is accused, and how far each is from the others. */
static void write_down(struct assay__teach *t, const bool *marked, uint32_t *scores)
{
	int others = 0;
	for (int i = 0; i < t->count; i++)
		if (!marked[i])
			scores[others++] = t->parts[i].raw_q8[0];
	struct assay__unit unit = assay__unit_of(scores, others);
	for (int i = 0; i < t->count; i++) {
		t->parts[i].suspect = marked[i];
		t->parts[i].suspicion_q8 = assay__unit_apply(&unit, t->parts[i].raw_q8[0]);
	}
}

static int search(struct assay__teach *t, bool *marked, uint32_t *scores, struct assay_error *error)
{
	int found = 0, rc = assay__teach_open_spaces(t, error);
	t->stage = "looking for bad parts";
	if (rc == 0 && t->recipe->settings.exposure)
		rc = assay__teach_light(t, error);
	if (rc == 0)
		rc = assay__teach_extract(t, 0, error);
	if (rc == 0)
		rc = score_all(t, marked, scores, error);
	if (rc == 0 && (found = assay__suspects_question(scores, t->count, t->allocator, marked)) > 0) {
		rc = score_all(t, marked, scores, error);
		if (rc == 0)
			found = assay__suspects_accuse(scores, t->count, t->allocator, marked);
	}
	if (rc == 0 && found < 0)
		rc = assay__fail(error, ASSAY_E_NOMEM, -1, "no memory to look for bad parts");
	if (rc == 0 && found > 0)
		write_down(t, marked, scores);
	assay__teach_clear(t);
	assay__teach_close_spaces(t);
	return rc;
}

int assay__teach_suspects(struct assay__teach *t, struct assay_error *error)
{
	struct assay_recipe *recipe = t->recipe;
	struct before before = {recipe->scales, recipe->report, t->brighten_q12};
	if (t->count < ASSAY__SUSPECTS_LEAST_PARTS)
		return 0;
	bool *marked = assay__calloc(t->allocator, (size_t)t->count, sizeof(*marked));
	uint32_t *scores = assay__calloc(t->allocator, (size_t)t->count, sizeof(*scores));
	int rc = ASSAY_E_NOMEM;
	if (marked && scores) {
		recipe->scales = (struct assay__scales){.count = 1, .at[0].working_px = search_px(recipe)};
		t->brighten_q12 = ASSAY__LIGHT_ONE_Q12;
		rc = search(t, marked, scores, error);
	} else {
		assay__fail(error, rc, -1, "no memory to look for bad parts among %d", t->count);
	}
	recipe->scales = before.scales;
	recipe->report = before.report;
	t->brighten_q12 = before.brighten_q12;
	assay__free(t->allocator, marked);
	assay__free(t->allocator, scores);
	return rc;
}
