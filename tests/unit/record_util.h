/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the record share: a state folder, parts without a pipeline, and the audit. */
#ifndef ASSAY_TESTS_UNIT_RECORD_UTIL_H
#define ASSAY_TESTS_UNIT_RECORD_UTIL_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <ftw.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "station/record/database.h"
#include "station/record/record.h"
#include "station/record/verify.h"

struct room_test {
	char dir[64];
	struct assay__record_settings settings;
	struct assay__record *record;
	atomic_ullong acknowledged, last_acknowledged;
	atomic_int events;
	char last_event[64];
};

static inline int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
	(void)status, (void)kind, (void)walk;
	return remove(path);
}

static inline void remove_tree(const char *path)
{
	nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void room_test_begin(struct room_test *test)
{
	memset(test, 0, sizeof(*test));
	strcpy(test->dir, "/tmp/assay_record_XXXXXX");
	assert_non_null(mkdtemp(test->dir));
	assay__option_defaults(assay__record_options, assay__record_option_count, &test->settings);
	test->settings.disk_reserve_mb = 0;
	test->settings.keep_every = 0;
	test->settings.keep_stop_s = 0;
}

static inline void on_recorded(void *ctx, uint64_t sequence, const uint8_t hash[ASSAY_HASH_BYTES])
{
	struct room_test *test = ctx;
	(void)hash;
	atomic_fetch_add(&test->acknowledged, 1);
	atomic_store(&test->last_acknowledged, sequence);
}

static inline void on_event(void *ctx, const char *kind, const char *text)
{
	struct room_test *test = ctx;
	(void)text;
	snprintf(test->last_event, sizeof(test->last_event), "%s", kind);
	atomic_fetch_add(&test->events, 1);
}

static inline int room_try_open(struct room_test *test, const struct assay_allocator *allocator,
								struct assay_error *error)
{
	struct assay__record_hooks hooks = {.ctx = test, .recorded = on_recorded, .event = on_event};
	return assay__record_open(test->dir, "press 4", &test->settings, &hooks, allocator, &test->record, error);
}

static inline void room_open(struct room_test *test)
{
	struct assay_error error = {0};
	if (room_try_open(test, NULL, &error))
		fail_msg("%s", error.message);
}

static inline void room_close(struct room_test *test)
{
	struct assay_error error = {0};
	if (assay__record_close(test->record, 60000, &error))
		fail_msg("%s", error.message);
	test->record = NULL;
}

static inline void room_test_end(struct room_test *test)
{
	if (test->record)
		room_close(test);
	remove_tree(test->dir);
}

static inline int64_t wall_now_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* A part with a judged view; FAIL has a region. `image` and `map` (4 x 3) are borrowed; both nullable. */
static inline struct assay__part make_station_part(uint64_t sequence, enum assay_verdict verdict,
												   const struct assay_image *image, const uint32_t *map)
{
	struct assay__part part = {.sequence = sequence, .trigger_id = sequence * 3, .trigger = ASSAY__TRIGGER_MODBUS};
	snprintf(part.code, sizeof(part.code), "LOT7-%06llu", (unsigned long long)sequence);
	strcpy(part.operator_name, "li");
	strcpy(part.recipe_name, "housing");
	part.trigger_us = assay__clock_us();
	part.picture_us = part.trigger_us + 2000;
	part.verdict_us = part.trigger_us + 9000;
	part.deadline_us = part.trigger_us + 50000;
	part.wall_us = wall_now_us();
	part.verdict = verdict;
	part.view_count = 1;
	struct assay__part_view *view = &part.views[0];
	strcpy(view->camera, "top");
	view->camera_frame_id = sequence + 1000;
	if (image)
		view->image = *image;
	if (verdict == ASSAY_FAULT) {
		part.fault = view->fault = ASSAY__FAULT_NO_IMAGE;
		strcpy(part.reason, "no picture came");
		return part;
	}
	view->result.verdict = verdict;
	view->result.threshold_q8 = 2560;
	view->result.score_q8 = verdict == ASSAY_FAIL ? 4000 + (uint32_t)(sequence % 100) : 1000;
	view->result.p_value = verdict == ASSAY_FAIL ? 1.0 / 33 : 0.4;
	view->result.map_q8 = map;
	view->result.grid_width = map ? 4 : 0;
	view->result.grid_height = map ? 3 : 0;
	if (verdict == ASSAY_FAIL) {
		strcpy(part.reason, "1 place");
		view->result.region_count = view->result.regions_total = 1;
		view->result.regions[0] = (struct assay_region){
			.box = {3, 4, 16, 8}, .area_px = 100, .peak_x_px = 9, .peak_y_px = 8, .peak_q8 = 4000, .mean_q8 = 3000};
	}
	return part;
}

static inline struct assay_image make_picture(int width, int height, uint32_t seed)
{
	struct assay_image image;
	assert_int_equal(assay_image_create(width, height, 1, 8, NULL, &image, NULL), 0);
	for (size_t i = 0; i < image.stride_bytes * (size_t)height; i++)
		image.pixels[i] = (uint8_t)((seed = seed * 1664525 + 1013904223) >> 24);
	return image;
}

static const uint32_t some_map[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};

/* Puts `count` parts with a picture each: every fifth FAIL, every eleventh FAULT. Returns the last number. */
static inline uint64_t room_put_some(struct room_test *test, int count)
{
	uint64_t sequence = 0;
	for (int i = 0; i < count; i++) {
		sequence = assay__record_next(test->record);
		struct assay_image image = make_picture(24, 16, (uint32_t)sequence);
		enum assay_verdict verdict = sequence % 11 == 0 ? ASSAY_FAULT : sequence % 5 == 0 ? ASSAY_FAIL : ASSAY_PASS;
		struct assay__part part =
			make_station_part(sequence, verdict, verdict == ASSAY_FAULT ? NULL : &image, some_map);
		int rc;
		while ((rc = assay__record_put(test->record, &part)) == ASSAY_E_FULL)
			fail_msg("the queue is too short for this test");
		assert_int_equal(rc, 0);
		assay_image_free(&image, NULL);
		if (i % 50 == 49)
			assert_true(assay__record_flush(test->record, 10000));
	}
	assert_true(assay__record_flush(test->record, 10000));
	return sequence;
}

struct audit_notes {
	int count;
	struct assay__finding first, list[32];
	char all[4096];
};

static inline void note_finding(void *ctx, const struct assay__finding *finding)
{
	struct audit_notes *notes = ctx;
	size_t used = strlen(notes->all);
	if (notes->count < 32)
		notes->list[notes->count] = *finding;
	notes->count++;
	snprintf(notes->all + used, sizeof(notes->all) - used, "[%s] %s\n", finding->kind, finding->text);
}

static inline struct assay__verify_report audit(const char *dir, struct audit_notes *notes)
{
	struct assay__verify_report report = {0};
	struct assay_error error = {0};
	memset(notes, 0, sizeof(*notes));
	struct assay__verify_options options = {.finding = note_finding, .ctx = notes};
	if (assay__verify(dir, &options, &report, &error))
		fail_msg("%s", error.message);
	return report;
}

static inline struct assay__verify_report audit_clean(const char *dir)
{
	struct audit_notes notes;
	struct assay__verify_report report = audit(dir, &notes);
	if (notes.count)
		fail_msg("%d findings: %s", notes.count, notes.all);
	return report;
}

/* One number out of the database. */
static inline int64_t ask(const char *dir, const char *sql)
{
	sqlite3 *db;
	sqlite3_stmt *statement;
	struct assay_error error;
	if (assay__database_open_read(dir, &db, &error))
		fail_msg("%s", error.message);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	int64_t value = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	sqlite3_close(db);
	return value;
}

#endif
