/* SPDX-License-Identifier: Apache-2.0 */
#include "vision/parts.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

#define KEEP_BYTES (48 << 20) /* decoded pictures held between the two readings */
#define ODD_NAMED 3
#define NAME_MOST_BYTES 255

int assay__labour_workers(const struct assay__labour *labour)
{
	return labour->runner && labour->runner->workers > 0 ? labour->runner->workers : 1;
}

int assay__labour_report(const struct assay__labour *labour, const char *stage, int done, int total,
						 struct assay_error *error)
{
	const struct assay_teach_hooks *hooks = labour->hooks;
	if (hooks && hooks->progress.report && hooks->progress.report(hooks->progress.ctx, stage, done, total))
		return assay__fail(error, ASSAY_E_CANCELLED, -1, "cancelled at %s", stage);
	return 0;
}

struct bite {
	void (*task)(void *arg, int index, int worker);
	void *arg;
	int first;
};

static void run_bite(void *arg, int index, int worker)
{
	const struct bite *bite = arg;
	bite->task(bite->arg, bite->first + index, worker);
}

int assay__labour_run(const struct assay__labour *labour, const char *stage, int count,
					  void (*task)(void *arg, int index, int worker), void *arg, struct assay_error *error)
{
	int size = 8 * assay__labour_workers(labour);
	struct bite bite = {task, arg, 0};
	for (bite.first = 0; bite.first < count; bite.first += size) {
		int rc = assay__labour_report(labour, stage, bite.first, count, error);
		if (rc)
			return rc;
		int n = count - bite.first < size ? count - bite.first : size;
		if (labour->runner)
			labour->runner->run(labour->runner->ctx, n, run_bite, &bite);
		else
			for (int i = 0; i < n; i++)
				run_bite(&bite, i, 0);
	}
	return assay__labour_report(labour, stage, count, count, error);
}

struct reading {
	const struct assay_parts *offered;
	const struct assay_allocator *allocator;
	struct assay__part *parts;
	atomic_size_t kept_bytes;
};

static void read_one(void *arg, int index, int worker)
{
	struct reading *reading = arg;
	struct assay__part *part = &reading->parts[index];
	struct assay_image image;
	(void)worker;
	part->index = index;
	part->error = (struct assay_error){ASSAY_OK, -1, ""};
	int rc = reading->offered->load(reading->offered->ctx, index, reading->allocator, &image, &part->error);
	if (rc) {
		part->error.code = rc;
		return;
	}
	if (!assay__image_sane(&image)) {
		assay__fail(&part->error, ASSAY_E_FORMAT, -1, "the loader gave a picture with impossible sides or depth");
		assay_image_free(&image, reading->allocator);
		return;
	}
	part->shape = assay__shape_of(&image);
	assay_image_hash(&image, part->hash);
	size_t bytes = image.stride_bytes * (size_t)image.height_px;
	if (bytes <= KEEP_BYTES && atomic_fetch_add(&reading->kept_bytes, bytes) <= KEEP_BYTES - bytes)
		part->image = image;
	else
		assay_image_free(&image, reading->allocator);
}

int assay__part_picture(const struct assay_parts *offered, const struct assay__part *part,
						const struct assay_allocator *allocator, struct assay_image *image, bool *owned,
						struct assay_error *error)
{
	if (part->image.pixels) {
		*image = part->image;
		*owned = false;
		return 0;
	}
	struct assay_image again;
	int rc = offered->load(offered->ctx, part->index, allocator, &again, error);
	if (rc)
		return rc;
	uint8_t hash[ASSAY_HASH_BYTES];
	assay_image_hash(&again, hash);
	if (memcmp(hash, part->hash, sizeof(hash)) != 0) {
		assay_image_free(&again, allocator);
		return assay__fail(error, ASSAY_E_FORMAT, -1, "%s: the picture changed while it was being taught",
						   offered->name(offered->ctx, part->index));
	}
	*image = again;
	*owned = true;
	return 0;
}

void assay__parts_free(struct assay__part *parts, int count, const struct assay_allocator *allocator)
{
	for (int i = 0; parts && i < count; i++)
		assay_image_free(&parts[i].image, allocator);
	assay__free(allocator, parts);
}

static int by_shape(const void *a, const void *b)
{
	const struct assay__shape *p = &((const struct assay__part *)a)->shape,
							  *q = &((const struct assay__part *)b)->shape;
	int d[4] = {p->width_px - q->width_px, p->height_px - q->height_px, p->channels - q->channels,
				p->depth_bits - q->depth_bits};
	for (int i = 0; i < 4; i++)
		if (d[i])
			return d[i];
	return 0;
}

static int by_index(const void *a, const void *b)
{
	return ((const struct assay__part *)a)->index - ((const struct assay__part *)b)->index;
}

static int by_hash(const void *a, const void *b)
{
	const struct assay__part *p = a, *q = b;
	int order = memcmp(p->hash, q->hash, sizeof(p->hash));
	return order ? order : p->index - q->index;
}

/* The shape that most parts have, how many have it, and how many shapes there are; sorts the parts by shape. */
static struct assay__shape usual_shape(struct assay__part *parts, int count, int *usual, int *kinds)
{
	qsort(parts, (size_t)count, sizeof(*parts), by_shape);
	struct assay__shape best = parts[0].shape;
	*usual = *kinds = 0;
	for (int i = 0, run = 0; i < count; i++) {
		run = i > 0 && assay__shape_equal(&parts[i].shape, &parts[i - 1].shape) ? run + 1 : 1;
		*kinds += run == 1;
		if (run > *usual) {
			*usual = run;
			best = parts[i].shape;
		}
	}
	return best;
}

static int check_shapes(const struct assay_parts *offered, struct assay__part *parts, int count,
						struct assay_error *error)
{
	int usual, kinds, named = 0;
	struct assay__shape shape = usual_shape(parts, count, &usual, &kinds);
	if (usual == count)
		return 0;
	char list[240] = "", text[64];
	qsort(parts, (size_t)count, sizeof(*parts), by_index);
	for (int i = 0; i < count && named < ODD_NAMED; i++) {
		if (assay__shape_equal(&parts[i].shape, &shape))
			continue;
		const char *name = offered->name(offered->ctx, parts[i].index), *slash = strrchr(name, '/');
		size_t at = strlen(list);
		snprintf(list + at, sizeof(list) - at, "%s%.40s is %s", named++ ? ", " : "", slash ? slash + 1 : name,
				 assay__shape_text(&parts[i].shape, text));
	}
	if (2 * usual <= count && kinds > 2)
		return assay__fail(error, ASSAY_E_MISMATCH, -1,
						   "the %d pictures have %d different sizes or kinds (%s, ...); --scale accepts mixed sizes",
						   count, kinds, list);
	int more = count - usual - named;
	char rest[32] = "";
	if (more > 0)
		snprintf(rest, sizeof(rest), " and %d more differ", more);
	return assay__fail(error, ASSAY_E_MISMATCH, -1, "%s%s, the other %d are %s; --scale accepts mixed sizes", list,
					   rest, usual, assay__shape_text(&shape, text));
}

/* Moves the readable to the front. */
static int keep_readable(struct assay__part *parts, int offered)
{
	int kept = 0;
	for (int i = 0; i < offered; i++)
		if (parts[i].error.code == ASSAY_OK)
			parts[kept++] = parts[i];
	return kept;
}

static int keep_different(struct assay__part *parts, int count, const struct assay_allocator *allocator)
{
	int kept = 0;
	qsort(parts, (size_t)count, sizeof(*parts), by_hash);
	for (int i = 0; i < count; i++) {
		if (kept > 0 && memcmp(parts[i].hash, parts[kept - 1].hash, ASSAY_HASH_BYTES) == 0)
			assay_image_free(&parts[i].image, allocator);
		else
			parts[kept++] = parts[i];
	}
	return kept;
}

/* Names what cannot be read, keeps and counts the rest. */
static int tell_unreadable(const struct assay_parts *offered, const struct assay_teach_hooks *hooks,
						   struct assay__part *parts, int *count, struct assay_teach_report *report,
						   struct assay_error *error)
{
	for (int i = 0; i < offered->count; i++) {
		if (parts[i].error.code == ASSAY_E_NOMEM)
			return assay__fail(error, ASSAY_E_NOMEM, -1, "%s", parts[i].error.message);
		if (parts[i].error.code != ASSAY_OK && hooks && hooks->unreadable)
			hooks->unreadable(hooks->ctx, i, &parts[i].error);
	}
	*count = keep_readable(parts, offered->count);
	report->parts_offered = offered->count;
	report->parts_unreadable = offered->count - *count;
	return 0;
}

static int sift(const struct assay_parts *offered, bool scale, const struct assay_teach_hooks *hooks,
				const struct assay_allocator *allocator, struct assay__part *parts, int *count,
				struct assay_teach_report *report, struct assay_error *error)
{
	int rc = tell_unreadable(offered, hooks, parts, count, report, error);
	if (rc)
		return rc;
	if (*count == 0)
		return assay__fail(error, ASSAY_E_ARGUMENT, -1, "none of the %d pictures could be read", offered->count);
	if (!scale && (rc = check_shapes(offered, parts, *count, error)))
		return rc;
	int readable = *count;
	*count = keep_different(parts, readable, allocator);
	report->parts_repeated = readable - *count;
	report->parts_used = *count;
	if (*count >= 2)
		return 0;
	const char *name = offered->name(offered->ctx, parts[0].index);
	if (readable > 1)
		return assay__fail(error, ASSAY_E_ARGUMENT, -1,
						   "one image repeated %d times (%s); it says nothing about how good parts differ, so give "
						   "pictures of different parts",
						   readable, name);
	return assay__fail(error, ASSAY_E_ARGUMENT, -1,
					   "only one picture of a good part (%s); a threshold needs at least two, and 20 to 50 work well",
					   name);
}

/* Every part, in the order offered; the caller's also on failure. */
static int read_all(const struct assay_parts *offered, const struct assay__labour *labour,
					const struct assay_allocator *allocator, struct assay__part **parts, struct assay_error *error)
{
	*parts = assay__calloc(allocator, (size_t)offered->count, sizeof(**parts));
	if (!*parts)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for a list of %d pictures", offered->count);
	struct reading reading = {.offered = offered, .allocator = allocator, .parts = *parts};
	return assay__labour_run(labour, "reading", offered->count, read_one, &reading, error);
}

int assay__parts_read(const struct assay_parts *offered, bool scale, const struct assay__labour *labour,
					  const struct assay_allocator *allocator, struct assay__part **out,
					  struct assay_teach_report *report, struct assay_error *error)
{
	if (offered->count < 1)
		return assay__fail(error, ASSAY_E_ARGUMENT, -1,
						   "0 images of good parts; a threshold needs at least two, and 20 to 50 work well");
	struct assay__part *parts = NULL;
	int count = offered->count;
	int rc = read_all(offered, labour, allocator, &parts, error);
	if (rc == 0)
		rc = sift(offered, scale, labour->hooks, allocator, parts, &count, report, error);
	if (rc) {
		assay__parts_free(parts, count, allocator);
		return rc;
	}
	*out = parts;
	return 0;
}

/* All must be of this shape; nothing is left out silently. */
static int fit(const struct assay_parts *offered, const struct assay__shape *shape, const struct assay__part *parts,
			   int count, struct assay_error *error)
{
	char expected[64], got[64];
	for (int i = 0; i < count; i++)
		if (!assay__shape_equal(&parts[i].shape, shape))
			return assay__fail(error, ASSAY_E_MISMATCH, -1, "%s is %s; the recipe is of parts of %s",
							   offered->name(offered->ctx, parts[i].index), assay__shape_text(&parts[i].shape, got),
							   assay__shape_text(shape, expected));
	return 0;
}

int assay__parts_read_more(const struct assay_parts *offered, const struct assay__shape *shape,
						   const struct assay__labour *labour, const struct assay_allocator *allocator,
						   struct assay__part **out, int *count, struct assay_teach_report *report,
						   struct assay_error *error)
{
	*report = (struct assay_teach_report){0};
	*count = 0;
	*out = NULL;
	if (!offered || offered->count < 1)
		return 0;
	struct assay__part *parts = NULL;
	int n = offered->count;
	int rc = read_all(offered, labour, allocator, &parts, error);
	if (rc == 0)
		rc = tell_unreadable(offered, labour->hooks, parts, &n, report, error);
	if (rc == 0 && shape)
		rc = fit(offered, shape, parts, n, error);
	if (rc) {
		assay__parts_free(parts, n, allocator);
		return rc;
	}
	*count = keep_different(parts, n, allocator);
	report->parts_repeated = n - *count;
	report->parts_used = *count;
	*out = parts;
	return 0;
}

char *assay__part_name(const char *path, const struct assay_allocator *allocator)
{
	const char *slash = strrchr(path, '/');
	const char *base = slash ? slash + 1 : path;
	size_t length = strnlen(base, NAME_MOST_BYTES);
	char *copy = assay__alloc(allocator, length + 1);
	if (copy) {
		memcpy(copy, base, length);
		copy[length] = '\0';
	}
	return copy;
}

int assay__part_keep(struct assay__recipe_keep *keep, const struct assay_parts *offered, const struct assay__part *part,
					 bool defect, int64_t *room_bytes, int *left_out, const struct assay_allocator *allocator,
					 struct assay_error *error)
{
	struct assay_image image;
	bool owned = false;
	uint8_t *png = NULL;
	size_t size = 0;
	for (int i = 0; i < keep->part_count; i++)
		if (memcmp(keep->parts[i].hash, part->hash, ASSAY_HASH_BYTES) == 0)
			return 0;
	int rc = assay__part_picture(offered, part, allocator, &image, &owned, error);
	if (rc == 0)
		rc = assay_image_encode_png(&image, allocator, &png, &size, error);
	if (owned)
		assay_image_free(&image, allocator);
	if (rc)
		return rc;
	if ((int64_t)size > *room_bytes || keep->part_count >= ASSAY__KEEP_PARTS_MOST) {
		assay__free(allocator, png);
		++*left_out;
		return 0;
	}
	char *name = assay__part_name(offered->name(offered->ctx, part->index), allocator);
	struct assay__kept *kept = name ? assay__keep_add(keep, allocator) : NULL;
	if (!kept) {
		assay__free(allocator, name);
		assay__free(allocator, png);
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory to store a picture");
	}
	memcpy(kept->hash, part->hash, ASSAY_HASH_BYTES);
	kept->defect = defect;
	kept->name = name;
	kept->png = png;
	kept->png_size = size;
	*room_bytes -= (int64_t)size;
	return 0;
}
