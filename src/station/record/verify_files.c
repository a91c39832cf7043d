/* SPDX-License-Identifier: Apache-2.0 */
/* The files of a record against what the chain says of them. */
#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "station/record/place.h"
#include "station/record/verify_audit.h"

/* A row of the list of pictures, beside what the view in the chain says. */
struct row {
	uint64_t sequence;
	int view;
	int64_t bytes, state;
	uint8_t hash[ASSAY_HASH_BYTES], chained[ASSAY_HASH_BYTES];
	int64_t keep;
};

#define SAY(text, ...)                                                                                                 \
	assay__audit_say(audit, "image", 0, row->sequence, row->view, "part %" PRIu64 ", view %d: " text, row->sequence,   \
					 row->view __VA_OPT__(, ) __VA_ARGS__)

static int check_file(struct assay__audit *audit, const struct row *row, const char *name, struct assay_error *error)
{
	char path[ASSAY__RECORD_PATH_CHARS];
	struct stat status;
	struct assay_image image = {0};
	uint8_t hash[ASSAY_HASH_BYTES];
	int rc = assay__record_path(audit->dir, name, path, error);
	if (rc)
		return rc;
	if (stat(path, &status)) {
		SAY("its picture %s is gone: %s", name, strerror(errno));
		return 0;
	}
	if (status.st_size != row->bytes)
		SAY("its picture %s has %lld bytes, %" PRId64 " were written", name, (long long)status.st_size, row->bytes);
	if (audit->options->skip_images)
		return 0;
	audit->report.images_read++;
	rc = assay_image_load(path, NULL, &image, error);
	if (rc == ASSAY_E_NOMEM)
		return rc;
	if (rc) {
		SAY("its picture is damaged: %.200s", error ? error->message : "");
		return 0;
	}
	assay_image_hash(&image, hash);
	if (memcmp(hash, row->hash, sizeof(hash)) != 0)
		SAY("its picture %s is not the one recorded: the hash of its pixels differs", name);
	assay_image_free(&image, NULL);
	return 0;
}

static bool read_row(struct assay__audit *audit, struct row *row, char name[ASSAY__PLACE_PATH_CHARS])
{
	sqlite3_stmt *statement = audit->images;
	row->sequence = (uint64_t)sqlite3_column_int64(statement, 0);
	row->view = sqlite3_column_int(statement, 1);
	row->bytes = sqlite3_column_int64(statement, 4);
	row->state = sqlite3_column_int64(statement, 5);
	row->keep = sqlite3_column_int64(statement, 7);
	assay__place_image(row->sequence, row->view, name);
	const char *path = (const char *)sqlite3_column_text(statement, 3);
	if (sqlite3_column_type(statement, 7) == SQLITE_NULL) {
		SAY("stands in the list of pictures, but not in the chain");
		return false;
	}
	if (!assay__column_hash(statement, 2, row->hash) || !assay__column_hash(statement, 6, row->chained) ||
		memcmp(row->hash, row->chained, ASSAY_HASH_BYTES) != 0)
		SAY("the hash in the list of pictures is not the one in the chain");
	memcpy(row->hash, row->chained, ASSAY_HASH_BYTES);
	if (!path || strcmp(path, name) != 0)
		SAY("the list of pictures names another file than %s", name);
	if (row->keep != ASSAY__KEEP_YES && row->keep != ASSAY__KEEP_HELD)
		SAY("stands in the list of pictures, though the record says it is not kept");
	return true;
}

static int check_row(struct assay__audit *audit, const struct row *row, const char *name, struct assay_error *error)
{
	switch (row->state) {
	case ASSAY__IMAGE_KEPT:
		audit->report.images_kept++;
		audit->image_bytes += (uint64_t)row->bytes;
		return check_file(audit, row, name, error);
	case ASSAY__IMAGE_PENDING:
		audit->report.images_pending++;
		break;
	case ASSAY__IMAGE_PRUNED:
		audit->report.images_pruned++;
		if (!assay__ranges_have(&audit->pruned, row->sequence))
			SAY("is marked as pruned, but the chain knows of no such pruning");
		break;
	case ASSAY__IMAGE_LOST:
		audit->report.images_lost++;
		if (!assay__ranges_have(&audit->lost, row->sequence))
			SAY("is marked as lost, but the chain knows of no such loss");
		break;
	default:
		SAY("has the unknown state %" PRId64, row->state);
	}
	if (row->bytes != 0)
		SAY("has no file, but %" PRId64 " bytes in the list of pictures", row->bytes);
	return 0;
}

int assay__audit_images(struct assay__audit *audit, struct assay_error *error)
{
	const struct assay_progress *progress = &audit->options->progress;
	struct assay_error local;
	int rc = 0, done = 0;
	while (rc == 0 && assay__audit_step(audit, audit->images, "images") == SQLITE_ROW) {
		char name[ASSAY__PLACE_PATH_CHARS];
		struct row row;
		if (read_row(audit, &row, name))
			rc = check_row(audit, &row, name, error ? error : &local);
		if (++done % 16 == 0 && progress->report && progress->report(progress->ctx, "pictures", done, 0))
			rc = assay__fail(error, ASSAY_E_CANCELLED, -1, "cancelled");
	}
	return rc;
}

int assay__audit_recipes(struct assay__audit *audit, struct assay_error *error)
{
	for (int i = 0; i < audit->recipe_count; i++) {
		char hex[2 * ASSAY_HASH_BYTES + 1], name[sizeof(hex) + 32], path[ASSAY__RECORD_PATH_CHARS];
		struct assay_recipe *recipe = NULL;
		struct assay_recipe_info info;
		struct assay_error why;
		sodium_bin2hex(hex, sizeof(hex), audit->recipes[i], ASSAY_HASH_BYTES);
		snprintf(name, sizeof(name), "recipes/%s.assay", hex);
		int rc = assay__record_path(audit->dir, name, path, error);
		if (rc)
			return rc;
		audit->report.recipes++;
		rc = assay_recipe_open(NULL, path, &recipe, &why);
		if (rc == ASSAY_E_NOMEM)
			return assay__fail(error, rc, -1, "%s", why.message);
		if (rc) {
			assay__audit_say(audit, "recipe", 0, 0, -1, "%.300s", why.message);
			continue;
		}
		assay_recipe_get_info(recipe, &info);
		if (memcmp(info.content_hash, audit->recipes[i], ASSAY_HASH_BYTES) != 0)
			assay__audit_say(audit, "recipe", 0, 0, -1, "%s is another recipe than its name says", name);
		assay_recipe_close(recipe);
	}
	return 0;
}
