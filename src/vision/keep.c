/* SPDX-License-Identifier: Apache-2.0 */
#include "vision/keep.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

struct assay__recipe_keep *assay__keep_new(const struct assay_allocator *allocator)
{
	struct assay__recipe_keep *keep = assay__calloc(allocator, 1, sizeof(*keep));
	if (keep)
		keep->whole = true;
	return keep;
}

void assay__keep_free(struct assay__recipe_keep *keep, const struct assay_allocator *allocator)
{
	if (!keep)
		return;
	for (int i = 0; keep->steps && i < keep->step_count; i++)
		assay__free(allocator, (char *)keep->steps[i].author);
	for (int i = 0; keep->parts && i < keep->part_count; i++) {
		assay__free(allocator, keep->parts[i].name);
		assay__free(allocator, keep->parts[i].png);
	}
	for (int i = 0; keep->states && i < keep->state_count; i++)
		assay__free(allocator, keep->states[i].file);
	assay__free(allocator, keep->steps);
	assay__free(allocator, keep->parts);
	assay__free(allocator, keep->states);
	assay__free(allocator, keep);
}

const char *assay__step_kind_name(enum assay__step_kind kind)
{
	static const char *const names[ASSAY__STEP_KINDS] = {"learn", "revert"};
	return names[kind];
}

int64_t assay__keep_bytes(const struct assay__recipe_keep *keep, int *goods, int *defects)
{
	int64_t bytes = 0;
	*goods = *defects = 0;
	for (int i = 0; keep && i < keep->part_count; i++) {
		bytes += (int64_t)keep->parts[i].png_size;
		*goods += !keep->parts[i].defect;
		*defects += keep->parts[i].defect;
	}
	return bytes;
}

static int by_hash(const void *a, const void *b)
{
	return memcmp(((const struct assay__kept *)a)->hash, ((const struct assay__kept *)b)->hash, ASSAY_HASH_BYTES);
}

const struct assay__kept *assay__keep_find(const struct assay__recipe_keep *keep, const uint8_t hash[ASSAY_HASH_BYTES])
{
	struct assay__kept key;
	if (!keep || keep->part_count == 0)
		return NULL;
	memcpy(key.hash, hash, ASSAY_HASH_BYTES);
	return bsearch(&key, keep->parts, (size_t)keep->part_count, sizeof(key), by_hash);
}

/* A list that is one longer, the new end zeroed; NULL without memory, the old list standing. */
static void *longer(const void *list, int count, size_t size, const struct assay_allocator *allocator)
{
	char *to = assay__calloc(allocator, (size_t)count + 1, size);
	if (to && count)
		memcpy(to, list, (size_t)count * size);
	return to;
}

struct assay__kept *assay__keep_add(struct assay__recipe_keep *keep, const struct assay_allocator *allocator)
{
	struct assay__kept *parts = longer(keep->parts, keep->part_count, sizeof(*parts), allocator);
	if (!parts)
		return NULL;
	assay__free(allocator, keep->parts);
	keep->parts = parts;
	return &parts[keep->part_count++];
}

void assay__keep_sort(struct assay__recipe_keep *keep)
{
	if (keep->part_count)
		qsort(keep->parts, (size_t)keep->part_count, sizeof(*keep->parts), by_hash);
}

static void put_bytes(crypto_generichash_state *state, const void *bytes, size_t size)
{
	uint8_t length[8];
	for (int i = 0; i < 8; i++)
		length[i] = (uint8_t)((uint64_t)size >> (8 * i));
	crypto_generichash_update(state, length, sizeof(length));
	if (size)
		crypto_generichash_update(state, bytes, size);
}

static void put_int(crypto_generichash_state *state, int64_t value)
{
	uint8_t bytes[8];
	for (int i = 0; i < 8; i++)
		bytes[i] = (uint8_t)((uint64_t)value >> (8 * i));
	crypto_generichash_update(state, bytes, sizeof(bytes));
}

void assay__step_hash(const struct assay_lineage_step *step, const struct assay_lineage_step *before,
					  uint8_t hash[ASSAY_HASH_BYTES])
{
	crypto_generichash_state state;
	crypto_generichash_init(&state, NULL, 0, ASSAY_HASH_BYTES);
	put_bytes(&state, "assay lineage 1", 15);
	put_bytes(&state, before ? before->hash : NULL, before ? ASSAY_HASH_BYTES : 0);
	put_int(&state, step->number);
	put_bytes(&state, step->kind, strlen(step->kind));
	put_bytes(&state, step->parent, ASSAY_HASH_BYTES);
	put_bytes(&state, step->content, ASSAY_HASH_BYTES);
	put_int(&state, step->time_s);
	put_bytes(&state, step->author, strlen(step->author));
	put_int(&state, step->goods);
	put_int(&state, step->defects);
	put_int(&state, step->vectors);
	crypto_generichash_final(&state, hash, ASSAY_HASH_BYTES);
}

const struct assay__state *assay__keep_state(const struct assay__recipe_keep *keep,
											 const uint8_t content[ASSAY_HASH_BYTES])
{
	for (int i = 0; keep && i < keep->state_count; i++)
		if (memcmp(keep->states[i].content, content, ASSAY_HASH_BYTES) == 0)
			return &keep->states[i];
	return NULL;
}

/* The one as taught, number 0, stays; of the others the oldest goes. */
static void drop_oldest(struct assay__recipe_keep *keep, const struct assay_allocator *allocator)
{
	int at = keep->states[0].number == 0;
	assay__free(allocator, keep->states[at].file);
	keep->state_count--;
	memmove(&keep->states[at], &keep->states[at + 1], (size_t)(keep->state_count - at) * sizeof(*keep->states));
}

int assay__keep_step(struct assay__recipe_keep *keep, const struct assay_lineage_step *step, uint8_t *file,
					 size_t file_size, const struct assay_allocator *allocator, struct assay_error *error)
{
	if (keep->step_count >= ASSAY__KEEP_STEPS_MOST)
		return assay__fail(error, ASSAY_E_LIMIT, -1, "a lineage of %d steps can become no longer; teach a new recipe",
						   keep->step_count);
	bool known = assay__keep_state(keep, step->parent) != NULL;
	struct assay_lineage_step *steps = longer(keep->steps, keep->step_count, sizeof(*steps), allocator);
	struct assay__state *states = longer(keep->states, keep->state_count, sizeof(*states), allocator);
	size_t length = strlen(step->author) + 1;
	char *author = assay__alloc(allocator, length);
	if (!steps || !states || !author) {
		assay__free(allocator, steps);
		assay__free(allocator, states);
		assay__free(allocator, author);
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for the lineage");
	}
	memcpy(author, step->author, length);
	assay__free(allocator, keep->steps);
	assay__free(allocator, keep->states);
	keep->steps = steps;
	keep->states = states;
	struct assay_lineage_step *now = &steps[keep->step_count];
	*now = *step;
	now->number = keep->step_count + 1;
	now->author = author;
	assay__step_hash(now, keep->step_count ? now - 1 : NULL, now->hash);
	if (known) {
		assay__free(allocator, file);
	} else {
		struct assay__state *state = &states[keep->state_count++];
		state->number = keep->step_count;
		memcpy(state->content, step->parent, ASSAY_HASH_BYTES);
		state->file = file;
		state->file_size = file_size;
	}
	keep->step_count++;
	while (keep->state_count > ASSAY__KEEP_STATES + 1)
		drop_oldest(keep, allocator);
	return 0;
}

bool assay__keep_check(struct assay__recipe_keep *keep, const uint8_t content[ASSAY_HASH_BYTES])
{
	for (int i = 0; i < keep->step_count; i++) {
		struct assay_lineage_step *step = &keep->steps[i], *before = i ? step - 1 : NULL;
		uint8_t hash[ASSAY_HASH_BYTES];
		assay__step_hash(step, before, hash);
		if (memcmp(hash, step->hash, sizeof(hash)) != 0)
			return false;
		if (before && memcmp(before->content, step->parent, ASSAY_HASH_BYTES) != 0)
			return false;
		step->kept = assay__keep_state(keep, step->content) || memcmp(step->content, content, ASSAY_HASH_BYTES) == 0;
	}
	return keep->step_count == 0 || memcmp(keep->steps[keep->step_count - 1].content, content, ASSAY_HASH_BYTES) == 0;
}
