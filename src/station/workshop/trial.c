/* SPDX-License-Identifier: Apache-2.0 */
/* What a candidate would have said of the parts on record. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "station/record/place.h"
#include "station/workshop/room.h"

#define PAGE 100

int assay__trial_words(struct assay__workshop *workshop, struct assay__word **out, int *count,
					   struct assay_error *error)
{
	struct assay__reviews *reviews;
	int rc = assay__reviews_open(workshop->state_dir, &reviews, error);

	if (rc)
		return rc;
	rc = assay__reviews_words(reviews, out, count, error);
	assay__reviews_close(reviews);
	return rc;
}

/* One trial: the candidate, and the recipe in its place for parts that an older one judged. */
struct trial {
	struct assay__workshop *workshop;
	struct assay__workshop_state *state;
	struct assay__reader *reader;
	struct assay_recipe *recipes[2]; /* before, after */
	struct assay_worker *workers[2];
	uint8_t before_hash[ASSAY_HASH_BYTES];
	struct assay__word *words;
	int word_count;
	struct assay__stored_part part;
	struct assay_result result;
};

static int by_sequence(const void *key, const void *item)
{
	uint64_t a = *(const uint64_t *)key, b = ((const struct assay__word *)item)->sequence;

	return (a > b) - (a < b);
}

static int label_of(const struct trial *trial, uint64_t sequence)
{
	const struct assay__word *word = trial->word_count ? bsearch(&sequence, trial->words, (size_t)trial->word_count,
																 sizeof(*trial->words), by_sequence)
													   : NULL;

	return word ? (int)word->judgement : -1;
}

/* Flips that contradict people come first, and when the list is full the rest is only counted. */
static void note_flip(struct trial *trial, const struct assay__flip *flip)
{
	struct assay__workshop *workshop = trial->workshop;
	bool wrong = (flip->label == ASSAY__JUDGED_GOOD && flip->after == ASSAY_FAIL) ||
				 (flip->label == ASSAY__JUDGED_BAD && flip->after == ASSAY_PASS);

	pthread_mutex_lock(&workshop->lock);
	if (workshop->flip_count < ASSAY__FLIPS_MOST)
		workshop->flips[workshop->flip_count++] = *flip;
	if (wrong) {
		int last = workshop->flip_count - 1;

		memmove(&workshop->flips[1], &workshop->flips[0], (size_t)last * sizeof(*flip));
		workshop->flips[0] = *flip;
	}
	pthread_mutex_unlock(&workshop->lock);
}

static void count_part(struct trial *trial, const struct assay__flip *flip)
{
	struct assay__workshop_state *state = trial->state;

	state->tried++;
	if (flip->label == ASSAY__JUDGED_GOOD) {
		state->labelled_good++;
		state->overkill_before += flip->before == ASSAY_FAIL;
		state->overkill_after += flip->after == ASSAY_FAIL;
	} else if (flip->label == ASSAY__JUDGED_BAD) {
		state->labelled_bad++;
		state->escapes_before += flip->before == ASSAY_PASS;
		state->escapes_after += flip->after == ASSAY_PASS;
	}
	if (flip->before == flip->after)
		return;
	state->to_pass += flip->after == ASSAY_PASS;
	state->to_fail += flip->after == ASSAY_FAIL;
	note_flip(trial, flip);
}

static int judge(struct trial *trial, int which, const struct assay_image *image, enum assay_verdict *verdict,
				 uint32_t *score_q8, struct assay_error *error)
{
	int rc = assay_inspect(trial->workers[which], image, &trial->result, error);

	*verdict = trial->result.verdict;
	*score_q8 = trial->result.score_q8;
	return rc;
}

/* Of parts with several cameras the first is judged: the recipe file is that camera's. */
static int try_part(struct trial *trial, uint64_t sequence, struct assay_error *error)
{
	const struct assay__stored_view *view = &trial->part.views[0];
	struct assay__flip flip = {.sequence = sequence, .label = label_of(trial, sequence)};
	char place[ASSAY__PLACE_PATH_CHARS], path[ASSAY__WORKSHOP_PATH_CHARS];
	struct assay_image image;
	int rc = assay__query_part(trial->reader, sequence, &trial->part, error);

	if (rc)
		return rc;
	if (trial->part.view_count < 1 || view->image_state != ASSAY__IMAGE_KEPT || !view->judged)
		return 0;
	assay__place_image(sequence, 0, place);
	snprintf(path, sizeof(path), "%s/%s", trial->workshop->state_dir, place);
	if (assay_image_load(path, NULL, &image, NULL)) {
		trial->state->untried++;
		return 0;
	}
	flip.before = view->verdict;
	flip.before_q8 = view->score_q8;
	if (memcmp(view->recipe_hash, trial->before_hash, ASSAY_HASH_BYTES) != 0)
		rc = judge(trial, 0, &image, &flip.before, &flip.before_q8, error);
	if (!rc)
		rc = judge(trial, 1, &image, &flip.after, &flip.after_q8, error);
	flip.threshold_q8 = trial->result.threshold_q8;
	assay_image_free(&image, NULL);
	if (!rc && (flip.before == ASSAY_FAULT || flip.after == ASSAY_FAULT))
		trial->state->untried++;
	else if (!rc)
		count_part(trial, &flip);
	return rc;
}

static int try_all(struct trial *trial, struct assay_error *error)
{
	struct assay__part_filter filter = {
		.recipe = trial->state->job.recipe, .verdicts = 1u << ASSAY_PASS | 1u << ASSAY_FAIL, .newest_first = true};
	struct assay__part_line *lines = malloc(PAGE * sizeof(*lines));
	uint64_t cursor = 0;
	int seen = 0, count, rc = lines ? 0 : assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory");

	do {
		count = 0;
		if (!rc)
			rc = assay__query_page(trial->reader, &filter, &cursor, lines, PAGE, &count, error);
		for (int i = 0; !rc && i < count && trial->state->tried < ASSAY__TRIED_MOST; i++) {
			rc = try_part(trial, lines[i].sequence, error);
			if (!rc && assay__workshop_tell(trial->workshop, "trying it on stored parts", trial->state->tried,
											ASSAY__TRIED_MOST))
				rc = assay__fail(error, ASSAY_E_CANCELLED, -1, "cancelled");
		}
		seen += count;
		/* pictures far back are pruned: a long way without one that is kept ends the search */
	} while (!rc && cursor && trial->state->tried < ASSAY__TRIED_MOST && seen < 10 * ASSAY__TRIED_MOST);
	free(lines);
	return rc;
}

static int open_both(struct trial *trial, struct assay_error *error)
{
	const char *paths[2] = {trial->workshop->file, trial->workshop->candidate};
	struct assay_recipe_info info;
	int rc = 0;

	for (int i = 0; !rc && i < 2; i++) {
		if (i == 0 && access(paths[0], F_OK))
			continue; /* still to be taught */
		rc = assay_recipe_open(&(struct assay_env){0}, paths[i], &trial->recipes[i], error);
		if (!rc)
			rc = assay_worker_open(trial->recipes[i], &trial->workers[i], error);
	}
	if (rc)
		return rc;
	if (trial->recipes[0]) {
		assay_recipe_get_info(trial->recipes[0], &info);
		memcpy(trial->before_hash, info.content_hash, ASSAY_HASH_BYTES);
		trial->state->threshold_before_q8 = info.report.threshold_q8;
	}
	assay_recipe_get_info(trial->recipes[1], &info);
	trial->state->threshold_after_q8 = info.report.threshold_q8;
	memcpy(trial->state->content_before, trial->before_hash, ASSAY_HASH_BYTES);
	memcpy(trial->state->content_after, info.content_hash, ASSAY_HASH_BYTES);
	return 0;
}

int assay__trial_run(struct assay__workshop *workshop, struct assay__workshop_state *state, struct assay_error *error)
{
	struct trial *trial = calloc(1, sizeof(*trial));
	int rc;

	if (!trial)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory");
	trial->workshop = workshop;
	trial->state = state;
	rc = assay__trial_words(workshop, &trial->words, &trial->word_count, error);
	if (!rc)
		rc = assay__reader_open(workshop->state_dir, &trial->reader, error);
	if (!rc)
		rc = open_both(trial, error);
	if (!rc && trial->recipes[0])
		rc = try_all(trial, error);
	for (int i = 0; i < 2; i++) {
		assay_worker_close(trial->workers[i]);
		assay_recipe_close(trial->recipes[i]);
	}
	assay__reader_close(trial->reader);
	free(trial->words);
	free(trial);
	return rc;
}
