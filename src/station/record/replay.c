/* SPDX-License-Identifier: Apache-2.0 */
#include "station/record/replay.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "station/record/database.h"
#include "station/record/place.h"

#define RECIPES_OPEN 8

/* A recipe in use; the least recently used one makes room. */
struct open_recipe {
	uint8_t hash[ASSAY_HASH_BYTES];
	struct assay_recipe *recipe;
	struct assay_worker *worker;
	uint64_t used;
};

struct assay__replay {
	char dir[ASSAY__RECORD_PATH_CHARS];
	struct assay_env env;
	struct open_recipe recipes[RECIPES_OPEN];
	uint64_t clock;
	struct assay_result result;
};

int assay__replay_open(const char *state_dir, const struct assay_env *env, struct assay__replay **out,
					   struct assay_error *error)
{
	char probe[ASSAY__RECORD_PATH_CHARS];
	int rc = assay__record_path(state_dir, "recipes", probe, error);
	if (rc)
		return rc;
	struct assay__replay *replay = calloc(1, sizeof(*replay));
	if (!replay)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for a replay");
	snprintf(replay->dir, sizeof(replay->dir), "%s", state_dir);
	if (env)
		replay->env = (struct assay_env){.allocator = env->allocator, .isa = env->isa};
	*out = replay;
	return 0;
}

static void close_recipe(struct open_recipe *open)
{
	assay_worker_close(open->worker);
	assay_recipe_close(open->recipe);
	*open = (struct open_recipe){0};
}

void assay__replay_close(struct assay__replay *replay)
{
	for (int i = 0; replay && i < RECIPES_OPEN; i++)
		if (replay->recipes[i].recipe)
			close_recipe(&replay->recipes[i]);
	free(replay);
}

static int find_recipe(struct assay__replay *replay, const uint8_t hash[ASSAY_HASH_BYTES], struct open_recipe **out,
					   struct assay_error *error)
{
	char hex[2 * ASSAY_HASH_BYTES + 1], name[sizeof(hex) + 32], path[ASSAY__RECORD_PATH_CHARS];
	struct open_recipe *oldest = &replay->recipes[0];
	struct assay_recipe_info info;
	for (int i = 0; i < RECIPES_OPEN; i++) {
		struct open_recipe *open = &replay->recipes[i];
		if (open->recipe && memcmp(open->hash, hash, ASSAY_HASH_BYTES) == 0) {
			open->used = ++replay->clock;
			*out = open;
			return 0;
		}
		oldest = open->used < oldest->used ? open : oldest;
	}
	sodium_bin2hex(hex, sizeof(hex), hash, ASSAY_HASH_BYTES);
	snprintf(name, sizeof(name), "recipes/%s.assay", hex);
	struct open_recipe fresh = {.used = ++replay->clock};
	int rc = assay__record_path(replay->dir, name, path, error);
	if (rc == 0)
		rc = assay_recipe_open(&replay->env, path, &fresh.recipe, error);
	if (rc == 0) {
		assay_recipe_get_info(fresh.recipe, &info);
		memcpy(fresh.hash, info.content_hash, ASSAY_HASH_BYTES);
		if (memcmp(fresh.hash, hash, ASSAY_HASH_BYTES) != 0)
			rc = assay__fail(error, ASSAY_E_MISMATCH, -1, "%s is another recipe than its name says", name);
	}
	if (rc == 0)
		rc = assay_worker_open(fresh.recipe, &fresh.worker, error);
	if (rc) {
		close_recipe(&fresh);
		return rc;
	}
	if (oldest->recipe)
		close_recipe(oldest);
	*oldest = fresh;
	*out = oldest;
	return 0;
}

static int load_picture(struct assay__replay *replay, uint64_t sequence, int index,
						const struct assay__stored_view *view, struct assay_image *image, struct assay_error *error)
{
	char name[ASSAY__PLACE_PATH_CHARS], path[ASSAY__RECORD_PATH_CHARS];
	uint8_t hash[ASSAY_HASH_BYTES];
	assay__place_image(sequence, index, name);
	int rc = assay__record_path(replay->dir, name, path, error);
	if (rc == 0)
		rc = assay_image_load(path, replay->env.allocator, image, error);
	if (rc)
		return rc;
	assay_image_hash(image, hash);
	if (memcmp(hash, view->image_hash, sizeof(hash)) == 0)
		return 0;
	assay_image_free(image, replay->env.allocator);
	return assay__fail(error, ASSAY_E_MISMATCH, -1, "%s is not the picture recorded", name);
}

static bool same_regions(const struct assay__stored_view *view, int form, const struct assay_result *result)
{
	if (view->region_count != result->region_count || view->regions_total != result->regions_total)
		return false;
	if (form >= 2 && (view->regions_counted != result->regions_counted || view->mm_per_px != result->mm_per_px))
		return false;
	for (int i = 0; i < view->region_count; i++) {
		const struct assay__stored_region *a = &view->regions[i];
		const struct assay_region *b = &result->regions[i];
		if (memcmp(&a->box, &b->box, sizeof(a->box)) != 0 || a->area_px != b->area_px || a->peak_x_px != b->peak_x_px ||
			a->peak_y_px != b->peak_y_px || a->peak_q8 != b->peak_q8 || a->mean_q8 != b->mean_q8)
			return false;
		/* Zones were not recorded by parts of before. */
		if (form >= 2 && (a->length_px != b->length_px || a->counts != b->counts ||
						  strncmp(a->zone, b->zone ? b->zone : "", sizeof(a->zone) - 1) != 0))
			return false;
	}
	return true;
}

/* What differs first, in words; empty if nothing does. */
static void compare(const struct assay__stored_view *view, int form, const struct assay_result *result, char *text,
					size_t size)
{
	uint8_t map_hash[ASSAY_HASH_BYTES] = {0};
	if (result->map_q8)
		assay__map_hash(result->map_q8, (size_t)result->grid_width * (size_t)result->grid_height, map_hash);
	text[0] = '\0';
	if (view->verdict != result->verdict)
		snprintf(text, size, "verdict %s, recorded %s", assay_verdict_name(result->verdict),
				 assay_verdict_name(view->verdict));
	else if (result->verdict == ASSAY_FAULT)
		return; /* the same refusal; there are no numbers to it */
	else if (view->score_q8 != result->score_q8)
		snprintf(text, size, "score %.4f, recorded %.4f", result->score_q8 / 256.0, view->score_q8 / 256.0);
	else if (view->threshold_q8 != result->threshold_q8)
		snprintf(text, size, "threshold %.4f, recorded %.4f", result->threshold_q8 / 256.0, view->threshold_q8 / 256.0);
	else if (memcmp(&view->p_value, &result->p_value, sizeof(view->p_value)) != 0)
		snprintf(text, size, "p-value %.17g, recorded %.17g", result->p_value, view->p_value);
	else if (!same_regions(view, form, result))
		snprintf(text, size, "the regions differ");
	else if (memcmp(map_hash, view->map_hash, sizeof(map_hash)) != 0)
		snprintf(text, size, "the score map differs");
}

static int replay_view(struct assay__replay *replay, const struct assay__stored_part *part, int index, char *text,
					   size_t size, struct assay_error *error)
{
	const struct assay__stored_view *view = &part->views[index];
	struct open_recipe *open = NULL;
	struct assay_image image;
	struct assay_error why;
	int rc = find_recipe(replay, view->recipe_hash, &open, &why);
	if (rc == 0)
		rc = load_picture(replay, part->sequence, index, view, &image, &why);
	if (rc == 0) {
		rc = assay_inspect(open->worker, &image, &replay->result, &why);
		if (rc == 0)
			compare(view, part->form, &replay->result, text, size);
		assay_image_free(&image, replay->env.allocator);
	}
	if (rc == ASSAY_E_NOMEM)
		return assay__fail(error, rc, -1, "%s", why.message);
	if (rc)
		snprintf(text, size, "%s", why.message);
	return 0;
}

/* Why a view is not replayed; NULL if it is. */
static const char *why_not(const struct assay__stored_view *view)
{
	if (!view->judged || assay__hash_is_zero(view->recipe_hash))
		return "it was not judged";
	if (view->image_state == ASSAY__IMAGE_KEPT)
		return NULL;
	return view->image_state == ASSAY__IMAGE_PRUNED	   ? "its picture was pruned"
		   : view->image_state == ASSAY__IMAGE_LOST	   ? "its picture could not be written"
		   : view->image_state == ASSAY__IMAGE_PENDING ? "its picture is still being written"
													   : "its picture was not kept";
}

int assay__replay_part(struct assay__replay *replay, const struct assay__stored_part *part, struct assay__replayed *out,
					   struct assay_error *error)
{
	struct assay__replayed done = {.outcome = ASSAY__REPLAY_SKIPPED, .text = "no view was judged"};
	for (int i = 0; i < part->view_count; i++) {
		char text[400] = "";
		const char *skipped = why_not(&part->views[i]);
		if (skipped) {
			if (done.views == 0)
				snprintf(done.text, sizeof(done.text), "view %d: %s", i, skipped);
			continue;
		}
		int rc = replay_view(replay, part, i, text, sizeof(text), error);
		if (rc)
			return rc;
		done.views++;
		if (text[0] && done.outcome != ASSAY__REPLAY_DIFFERENT) {
			done.outcome = ASSAY__REPLAY_DIFFERENT;
			snprintf(done.text, sizeof(done.text), "view %d: %.380s", i, text);
		} else if (done.outcome == ASSAY__REPLAY_SKIPPED) {
			done.outcome = ASSAY__REPLAY_IDENTICAL;
			done.text[0] = '\0';
		}
	}
	*out = done;
	return 0;
}
