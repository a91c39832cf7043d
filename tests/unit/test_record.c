/* SPDX-License-Identifier: Apache-2.0 */
#include "record_util.h"

#include <pthread.h>

#include "failing.h"

static void everything_is_recorded_and_chained(void **state)
{
	struct room_test test;
	(void)state;
	room_test_begin(&test);
	room_open(&test);
	assert_int_equal(room_put_some(&test, 120), 120);
	assert_int_equal(atomic_load(&test.acknowledged), 120);
	struct assay__record_totals totals;
	assay__record_get_totals(test.record, &totals);
	assert_int_equal(totals.triggers, 120);
	assert_int_equal(totals.pass + totals.fail + totals.fault, 120);
	assert_int_equal(totals.fault, 10);
	assay__record_event(test.record, "login", "li");
	room_close(&test);
	struct assay__verify_report report = audit_clean(test.dir);
	assert_int_equal(report.parts, 120);
	assert_int_equal(report.triggers, 120);
	assert_int_equal(report.events, 3); /* opened, login, closed */
	assert_int_equal(report.links, 123);
	assert_int_equal(report.signed_link, 123);
	assert_int_equal(report.images_kept, totals.fail);
	assert_int_equal(report.images_read, totals.fail);
	room_open(&test);
	assert_int_equal(assay__record_next(test.record), 121);
	room_close(&test);
	/* a number that was taken and never put is not lost silently */
	report = audit_clean(test.dir);
	assert_int_equal(report.lost, 1);
	assert_int_equal(report.triggers, 121);
	room_test_end(&test);
}

static void reads_back_as_it_was_put(void **state)
{
	struct room_test test;
	struct assay_image image = make_picture(40, 30, 7);
	(void)state;
	room_test_begin(&test);
	room_open(&test);
	struct assay__part part = make_station_part(assay__record_next(test.record), ASSAY_FAIL, &image, some_map);
	part.view_count = 2;
	part.views[1] = part.views[0];
	part.views[1].image.pixels = NULL;
	part.views[1].fault = ASSAY__FAULT_CAMERA;
	part.views[1].result = (struct assay_result){0};
	part.trigger_id = UINT64_MAX;
	strcpy(part.code, "\xe9\xbd\xbf\xe8\xbd\xae \xf0\x9f\x94\xa9 'quoted\"");
	memset(part.views[0].recipe_hash, 9, ASSAY_HASH_BYTES);
	part.views[0].result.regions_counted = 1;
	part.views[0].result.mm_per_px = 0.125;
	part.views[0].result.regions[0].length_px = 57;
	part.views[0].result.regions[0].zone = "sealing face";
	part.views[0].result.regions[0].counts = true;
	part.code_state = ASSAY__CODE_READ;
	part.code_symbology = ASSAY__SYMBOLOGY_QR;
	assert_int_equal(assay__record_put(test.record, &part), 0);
	assert_true(assay__record_flush(test.record, 5000));
	sqlite3 *db;
	struct assay__part_reader reader;
	static struct assay__stored_part back;
	assert_int_equal(assay__database_open_read(test.dir, &db, NULL), 0);
	assert_int_equal(assay__part_reader_open(db, &reader, NULL), 0);
	assert_int_equal(assay__part_reader_get(&reader, 1, &back, NULL, NULL), 0);
	struct assay_error error;
	assert_int_equal(assay__part_reader_get(&reader, 2, &back, NULL, &error), ASSAY_E_ARGUMENT);
	assert_int_equal(assay__part_reader_get(&reader, 1, &back, NULL, NULL), 0);
	assay__part_reader_close(&reader);
	sqlite3_close(db);
	assert_string_equal(back.code, part.code);
	assert_string_equal(back.station, "press 4");
	assert_true(back.trigger_id == UINT64_MAX);
	assert_int_equal(back.wall_us, part.wall_us);
	assert_int_equal(back.score_q8, part.views[0].result.score_q8);
	assert_int_equal(back.view_count, 2);
	assert_true(back.views[0].judged);
	assert_false(back.views[1].judged);
	assert_int_equal(back.views[1].fault, ASSAY__FAULT_CAMERA);
	assert_int_equal(back.views[0].keep, ASSAY__KEEP_YES);
	assert_int_equal(back.views[1].keep, ASSAY__KEEP_NO);
	const struct assay__stored_region *region = &back.views[0].regions[0];
	const struct assay_region *given = &part.views[0].result.regions[0];
	assert_memory_equal(&region->box, &given->box, sizeof(given->box));
	assert_int_equal(region->area_px, given->area_px);
	assert_int_equal(region->length_px, 57);
	assert_int_equal(region->peak_x_px, given->peak_x_px);
	assert_int_equal(region->peak_y_px, given->peak_y_px);
	assert_int_equal(region->peak_q8, given->peak_q8);
	assert_int_equal(region->mean_q8, given->mean_q8);
	assert_string_equal(region->zone, "sealing face");
	assert_true(region->counts);
	assert_int_equal(back.views[0].regions_counted, 1);
	assert_true(back.views[0].mm_per_px == 0.125);
	assert_int_equal(back.form, ASSAY__STORED_FORM);
	assert_int_equal(back.code_state, ASSAY__CODE_READ);
	assert_int_equal(back.code_symbology, ASSAY__SYMBOLOGY_QR);
	assert_true(back.views[0].p_value == 1.0 / 33);
	uint8_t hash[ASSAY_HASH_BYTES];
	assay_image_hash(&image, hash);
	assert_memory_equal(hash, back.views[0].image_hash, ASSAY_HASH_BYTES);
	assay_image_free(&image, NULL);
	/* the recipe named above was never kept: the audit says so */
	room_close(&test);
	struct audit_notes notes;
	audit(test.dir, &notes);
	assert_int_equal(notes.count, 1);
	assert_string_equal(notes.list[0].kind, "recipe");
	room_test_end(&test);
}

/* As a station wrote it before zones and lengths were recorded. */
static struct assay__stored_part old_part(void)
{
	static struct assay__stored_part part;

	part = (struct assay__stored_part){.link = 12,
									   .sequence = 9,
									   .trigger_id = 77,
									   .trigger = ASSAY__TRIGGER_MQTT,
									   .station = "press 4",
									   .code = "LOT7-9",
									   .operator_name = "li",
									   .recipe_name = "housing",
									   .trigger_us = 1000,
									   .verdict_us = 9000,
									   .wall_us = 1764000000000000,
									   .deadline_us = 51000,
									   .verdict = ASSAY_FAIL,
									   .reason = "1 place",
									   .score_q8 = 4000,
									   .threshold_q8 = 2560,
									   .p_value = 0.25,
									   .view_count = 1};
	part.views[0] = (struct assay__stored_view){.camera = "top",
												.judged = true,
												.verdict = ASSAY_FAIL,
												.score_q8 = 4000,
												.threshold_q8 = 2560,
												.p_value = 0.25,
												.region_count = 1,
												.regions_total = 1};
	part.views[0].regions[0].box = (struct assay_rect_px){3, 4, 16, 8};
	part.views[0].regions[0].area_px = 100;
	part.views[0].regions[0].peak_x_px = 9;
	part.views[0].regions[0].peak_y_px = 8;
	part.views[0].regions[0].peak_q8 = 4000;
	part.views[0].regions[0].mean_q8 = 3000;
	return part;
}

/* The chain of a record that an older station began stays whole. */
static void an_older_form(void **state)
{
	static const char expected[] = "eec2f1fdeb8471c8fcab26a13cf6a052fb9edf44df95abccca00f67d6c0dd250";
	struct assay__stored_part part = old_part();
	const uint8_t before[ASSAY_HASH_BYTES] = {7};
	uint8_t hash[ASSAY_HASH_BYTES], newer[ASSAY_HASH_BYTES];
	char hex[2 * ASSAY_HASH_BYTES + 1] = "";

	(void)state;
	part.form = 1;
	assay__chain_part(before, &part, hash);
	for (int i = 0; i < ASSAY_HASH_BYTES; i++)
		snprintf(hex + 2 * i, 3, "%02x", hash[i]);
	assert_string_equal(hex, expected);
	part.form = 2;
	assay__chain_part(before, &part, newer);
	assert_memory_not_equal(hash, newer, sizeof(hash));
	/* what the older form does not vouch for must not be there */
	assert_null(assay__columns_beyond(&assay__table_regions, 1, &part.views[0].regions[0]));
	strcpy(part.views[0].regions[0].zone, "x");
	assert_string_equal(assay__columns_beyond(&assay__table_regions, 1, &part.views[0].regions[0]), "zone");
	assert_null(assay__columns_beyond(&assay__table_regions, 2, &part.views[0].regions[0]));
}

/* Read only, a database of before is not changed, and its parts have what it lacks as nothing. */
static void reads_an_older_version(void **state)
{
	struct room_test test;
	struct assay__part_reader reader;
	static struct assay__stored_part back;
	struct assay_error error = {0};
	sqlite3 *db;

	(void)state;
	room_test_begin(&test);
	assert_int_equal(assay__database_open_write(test.dir, 2, &db, &error), 0);
	assert_int_equal(
		sqlite3_exec(
			db,
			"INSERT INTO parts VALUES(1, 1, 0, 0, 's', 'c', 0, '', 'r', 0, 0, 5, 9, 9, 1, 0, '', 0, 1, 2, 0.5, 1,"
			" NULL, zeroblob(32));"
			"INSERT INTO views VALUES(1, 0, 'top', 0, 8, 8, 1, 8, NULL, 0, 0, 1, 1, 1, 2, 0.5, 1, 1, 4, 3, NULL,"
			" NULL, NULL, '');"
			"INSERT INTO regions VALUES(1, 0, 0, 1, 2, 3, 4, 12, 2, 3, 40, 30)",
			NULL, NULL, NULL),
		SQLITE_OK);
	sqlite3_close(db);
	assert_int_equal(assay__database_open_read(test.dir, &db, &error), 0);
	assert_int_equal(assay__part_reader_open(db, &reader, &error), 0);
	assert_int_equal(assay__part_reader_get(&reader, 1, &back, NULL, &error), 0);
	assert_int_equal(back.form, 1);
	assert_int_equal(back.views[0].regions[0].peak_q8, 40);
	assert_string_equal(back.views[0].regions[0].zone, "");
	assay__part_reader_close(&reader);
	sqlite3_close(db);
	assert_int_equal(ask(test.dir, "PRAGMA user_version"), 2);
	room_test_end(&test);
}

static void *put_many(void *arg)
{
	struct room_test *test = arg;
	for (int i = 0; i < 300; i++) {
		struct assay__part part = make_station_part(assay__record_next(test->record), ASSAY_PASS, NULL, some_map);
		while (assay__record_put(test->record, &part) == ASSAY_E_FULL)
			abort();
	}
	return NULL;
}

static void many_threads_put(void **state)
{
	struct room_test test;
	pthread_t threads[4];
	(void)state;
	room_test_begin(&test);
	test.settings.queue = 2000;
	test.settings.sign_every = 100;
	room_open(&test);
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, put_many, &test);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_true(assay__record_flush(test.record, 10000));
	struct assay__record_health health;
	assay__record_get_health(test.record, &health);
	assert_int_equal(health.recorded, 1200);
	assert_true(health.commits < 1200); /* several to a transaction */
	room_close(&test);
	struct assay__verify_report report = audit_clean(test.dir);
	assert_int_equal(report.parts, 1200);
	assert_true(report.signatures >= 2);
	room_test_end(&test);
}

static void clock_set_back(void **state)
{
	struct room_test test;
	(void)state;
	room_test_begin(&test);
	room_open(&test);
	for (int i = 0; i < 6; i++) {
		struct assay__part part = make_station_part(assay__record_next(test.record), ASSAY_PASS, NULL, some_map);
		if (i >= 3)
			part.wall_us -= 3600 * (int64_t)1000000;
		assert_int_equal(assay__record_put(test.record, &part), 0);
	}
	assert_true(assay__record_flush(test.record, 5000));
	room_close(&test);
	audit_clean(test.dir);
	assert_int_equal(ask(test.dir, "SELECT count(*) FROM events WHERE kind = 'clock_set'"), 1);
	assert_int_equal(ask(test.dir, "SELECT first FROM events WHERE kind = 'clock_set'"), 4);
	assert_int_equal(ask(test.dir, "SELECT count(*) FROM parts a JOIN parts b ON b.sequence = a.sequence + 1"
								   " WHERE b.link <= a.link"),
					 0);
	/* set back while the station was down */
	room_open(&test);
	struct assay__part part = make_station_part(assay__record_next(test.record), ASSAY_PASS, NULL, some_map);
	part.wall_us -= 7200 * (int64_t)1000000;
	assert_int_equal(assay__record_put(test.record, &part), 0);
	room_close(&test);
	audit_clean(test.dir);
	assert_int_equal(ask(test.dir, "SELECT count(*) FROM events WHERE kind = 'clock_set'"), 2);
	room_test_end(&test);
}

static void a_full_queue_leaves_a_gap(void **state)
{
	struct room_test test;
	int full = 0;
	(void)state;
	room_test_begin(&test);
	test.settings.queue = 2;
	room_open(&test);
	for (int i = 0; i < 400; i++) {
		struct assay__part part = make_station_part(assay__record_next(test.record), ASSAY_PASS, NULL, some_map);
		int rc = assay__record_put(test.record, &part);
		assert_true(rc == 0 || rc == ASSAY_E_FULL);
		full += rc == ASSAY_E_FULL;
	}
	room_close(&test);
	assert_true(full > 0);
	struct assay__verify_report report = audit_clean(test.dir);
	assert_int_equal(report.triggers, 400);
	assert_int_equal(report.lost, full);
	assert_int_equal(report.parts, 400 - full);
	room_test_end(&test);
}

static void only_one_holds_it(void **state)
{
	struct room_test test;
	struct assay_error error = {0};
	(void)state;
	room_test_begin(&test);
	room_open(&test);
	struct assay__record *first = test.record;
	assert_int_equal(room_try_open(&test, NULL, &error), ASSAY_E_IO);
	assert_non_null(strstr(error.message, "another process"));
	assert_ptr_equal(test.record, first);
	room_test_end(&test);
	assert_int_equal(room_try_open(&test, NULL, &error), ASSAY_E_IO);
	assert_non_null(strstr(error.message, "is not a folder"));
}

static void keys(void **state)
{
	struct room_test test;
	struct assay_error error = {0};
	struct stat status;
	char secret[128], open_part[128];
	(void)state;
	room_test_begin(&test);
	room_open(&test);
	room_put_some(&test, 3);
	room_close(&test);
	snprintf(secret, sizeof(secret), "%s/record.key", test.dir);
	snprintf(open_part, sizeof(open_part), "%s/record.pub", test.dir);
	assert_int_equal(stat(secret, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	assert_int_equal(rename(secret, "/tmp/assay_key_aside"), 0);
	assert_int_equal(room_try_open(&test, NULL, &error), ASSAY_E_FORMAT);
	assert_non_null(strstr(error.message, "is missing"));
	/* with a new key the old signatures are another's */
	assert_int_equal(unlink(open_part), 0);
	room_open(&test);
	room_close(&test);
	struct audit_notes notes;
	audit(test.dir, &notes);
	assert_true(notes.count > 0);
	assert_string_equal(notes.list[0].kind, "signature");
	unlink("/tmp/assay_key_aside");
	room_test_end(&test);
}

static void migrates(void **state)
{
	struct room_test test;
	struct assay_error error = {0};
	sqlite3 *db;
	(void)state;
	room_test_begin(&test);
	for (int version = 1; version < ASSAY__RECORD_VERSION; version++) {
		assert_int_equal(assay__database_open_write(test.dir, version, &db, &error), 0);
		sqlite3_close(db);
		assert_int_equal(ask(test.dir, "PRAGMA user_version"), version);
	}
	room_open(&test);
	room_put_some(&test, 5);
	room_close(&test);
	assert_int_equal(ask(test.dir, "PRAGMA user_version"), ASSAY__RECORD_VERSION);
	assert_int_equal(ask(test.dir, "SELECT count(*) FROM sqlite_schema WHERE name = 'parts_quality'"), 1);
	audit_clean(test.dir);
	/* a newer one is left alone */
	assert_int_equal(assay__database_open_write(test.dir, ASSAY__RECORD_VERSION, &db, &error), 0);
	sqlite3_exec(db, "PRAGMA user_version = 99", NULL, NULL, NULL);
	sqlite3_close(db);
	assert_int_equal(room_try_open(&test, NULL, &error), ASSAY_E_UNSUPPORTED);
	assert_non_null(strstr(error.message, "newer"));
	assert_int_equal(assay__database_open_read(test.dir, &db, &error), ASSAY_E_UNSUPPORTED);
	room_test_end(&test);
}

static void failing_allocations(void **state)
{
	struct room_test test;
	(void)state;
	room_test_begin(&test);
	test.settings.images = ASSAY__IMAGES_ALL;
	for (int at = 1;; at++) {
		struct failing failing;
		struct assay_error error = {0};
		struct assay_image image = make_picture(16, 16, 3);
		failing_open(&failing, at);
		test.record = NULL;
		int rc = room_try_open(&test, &failing.allocator, &error);
		if (rc == 0) {
			struct assay__part part = make_station_part(assay__record_next(test.record), ASSAY_PASS, &image, some_map);
			assert_int_equal(assay__record_put(test.record, &part), 0);
			room_close(&test);
		} else {
			assert_int_equal(rc, ASSAY_E_NOMEM);
			assert_null(test.record);
		}
		assay_image_free(&image, NULL);
		assert_int_equal(atomic_load(&failing.alive), 0);
		if (atomic_load(&failing.requests) < at)
			break;
	}
	struct assay__verify_report report = audit_clean(test.dir);
	assert_true(report.images_lost > 0 || report.parts > 1);
	room_test_end(&test);
}

static void steady_state_allocates_nothing(void **state)
{
	struct room_test test;
	struct failing failing;
	struct assay_image image = make_picture(64, 48, 3);
	(void)state;
	room_test_begin(&test);
	test.settings.keep_stop_s = 1;
	test.settings.stop_memory_mb = 1;
	failing_open(&failing, 0);
	assert_int_equal(room_try_open(&test, &failing.allocator, NULL), 0);
	int before = 0;
	for (int i = 0; i < 1200; i++) {
		if (i == 700)
			before = atomic_load(&failing.requests);
		struct assay__part part = make_station_part(assay__record_next(test.record), ASSAY_PASS, &image, some_map);
		assert_int_equal(assay__record_put(test.record, &part), 0);
		if (i % 20 == 19)
			assert_true(assay__record_flush(test.record, 5000));
	}
	assert_int_equal(atomic_load(&failing.requests), before);
	room_close(&test);
	assert_int_equal(atomic_load(&failing.alive), 0);
	assay_image_free(&image, NULL);
	room_test_end(&test);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_is_recorded_and_chained),
		cmocka_unit_test(reads_back_as_it_was_put),
		cmocka_unit_test(many_threads_put),
		cmocka_unit_test(clock_set_back),
		cmocka_unit_test(a_full_queue_leaves_a_gap),
		cmocka_unit_test(only_one_holds_it),
		cmocka_unit_test(keys),
		cmocka_unit_test(migrates),
		cmocka_unit_test(an_older_form),
		cmocka_unit_test(reads_an_older_version),
		cmocka_unit_test(failing_allocations),
		cmocka_unit_test(steady_state_allocates_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
