/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/err.h"
#include "vision/recipe_file.h"

/* The content hash after a step; 0: as taught. */
static const uint8_t *content_after(const struct assay__recipe_keep *keep, int number)
{
	return number ? keep->steps[number - 1].content : keep->steps[0].parent;
}

static int find_state(const struct assay_recipe *now, const char *path, int number, const struct assay__state **state,
					  struct assay_error *error)
{
	int steps = now->keep ? now->keep->step_count : 0;
	if (steps == 0)
		return assay__fail(error, ASSAY_E_ARGUMENT, -1, "%s is as it was taught; there is nothing to go back to", path);
	if (number < 0 || number > steps)
		return assay__fail(error, ASSAY_E_ARGUMENT, -1, "%s has no step %d; its lineage has steps 0 to %d", path,
						   number, steps);
	const uint8_t *content = content_after(now->keep, number);
	if (memcmp(content, now->content_hash, ASSAY_HASH_BYTES) == 0)
		return assay__fail(error, ASSAY_E_ARGUMENT, -1, "%s is as it was after step %d; nothing to go back to", path,
						   number);
	*state = assay__keep_state(now->keep, content);
	if (!*state)
		return assay__fail(
			error, ASSAY_E_ARGUMENT, -1,
			"%s no longer keeps what it was after step %d; it keeps what was taught and the last %d states", path,
			number, ASSAY__KEEP_STATES);
	return 0;
}

static int add_step(struct assay_recipe *then, const struct assay_recipe *now, const struct assay_learn_options *o,
					uint8_t *file, size_t file_size, struct assay_error *error)
{
	struct assay_lineage_step step = {.kind = assay__step_kind_name(ASSAY__STEP_REVERT),
									  .time_s = o ? o->time_s : 0,
									  .author = o && o->author ? o->author : "",
									  .goods = then->part_count - now->part_count};
	for (int s = 0; s < then->scales.count; s++)
		step.vectors += then->scales.at[s].bank_count;
	for (int s = 0; s < now->scales.count; s++)
		step.vectors -= now->scales.at[s].bank_count;
	memcpy(step.parent, now->content_hash, ASSAY_HASH_BYTES);
	memcpy(step.content, then->content_hash, ASSAY_HASH_BYTES);
	int rc = assay__keep_step(then->keep, &step, file, file_size, then->allocator, error);
	if (rc == 0 && !assay__keep_check(then->keep, then->content_hash))
		rc = assay__fail(error, ASSAY_E_FORMAT, -1, "the lineage of the recipe does not hold");
	return rc;
}

int assay_revert(const struct assay_env *env, const char *path, int number, const struct assay_learn_options *options,
				 struct assay_recipe **out, struct assay_error *error)
{
	struct assay_recipe *now = NULL, *then = NULL;
	const struct assay__state *state = NULL;
	uint8_t *file = NULL, wanted[ASSAY_HASH_BYTES];
	size_t file_size = 0;
	if (options && options->author && strnlen(options->author, ASSAY_LEARN_AUTHOR_BYTES + 1) > ASSAY_LEARN_AUTHOR_BYTES)
		return assay__fail(error, ASSAY_E_ARGUMENT, -1, "the author's name is longer than %d bytes",
						   ASSAY_LEARN_AUTHOR_BYTES);
	int rc = assay__recipe_open_whole(env, path, &now, error);
	if (rc == 0)
		rc = find_state(now, path, number, &state, error);
	if (rc == 0) {
		memcpy(wanted, state->content, sizeof(wanted));
		rc = assay__recipe_from_bytes(env, path, state->file, state->file_size, &then, error);
	}
	if (rc == 0 && memcmp(then->content_hash, wanted, sizeof(wanted)) != 0)
		rc = assay__fail(error, ASSAY_E_FORMAT, -1, "%s: damaged recipe: what it was after step %d is another recipe",
						 path, number);
	if (rc == 0)
		rc = assay__recipe_to_bytes(now, &file, &file_size, error);
	if (rc == 0) {
		then->keep = now->keep;
		now->keep = NULL;
		rc = add_step(then, now, options, file, file_size, error);
		if (rc == 0)
			file = NULL;
	}
	if (now)
		assay__free(now->allocator, file);
	assay_recipe_close(now);
	if (rc) {
		assay_recipe_close(then);
		return rc;
	}
	*out = then;
	return 0;
}
