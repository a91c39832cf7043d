/* SPDX-License-Identifier: Apache-2.0 */
/* Which pictures are kept, for how long, and what happens when the disk is slow or full. */
#include "record_util.h"

#include <sched.h>
#include <sys/mount.h>

#include "station/record/query.h"

static struct room_test test;

static enum assay__keep put_one(enum assay_verdict verdict, uint32_t score_q8, double p_value, enum assay__fault fault)
{
	struct assay_image image = make_picture(32, 32, (uint32_t)rand());
	uint64_t sequence = assay__record_next(test.record);
	struct assay__part part = make_station_part(sequence, verdict, &image, some_map);
	static struct assay__stored_part back;
	struct assay__reader *reader;
	if (score_q8)
		part.views[0].result.score_q8 = score_q8;
	if (p_value > 0)
		part.views[0].result.p_value = p_value;
	if (verdict == ASSAY_FAULT)
		part.fault = fault;
	assert_int_equal(assay__record_put(test.record, &part), 0);
	assert_true(assay__record_flush(test.record, 10000));
	assay_image_free(&image, NULL);
	assert_int_equal(assay__reader_open(test.dir, &reader, NULL), 0);
	assert_int_equal(assay__query_part(reader, sequence, &back, NULL), 0);
	assay__reader_close(reader);
	return back.views[0].keep;
}

static void by_policy(void **state)
{
	(void)state;
	room_test_begin(&test);
	test.settings.keep_every = 3;
	test.settings.keep_near = 0.1;
	test.settings.keep_p = 0.02;
	room_open(&test);
	assert_int_equal(put_one(ASSAY_PASS, 1000, 0.5, 0), ASSAY__KEEP_NO);
	assert_int_equal(put_one(ASSAY_PASS, 1000, 0.5, 0), ASSAY__KEEP_NO);
	assert_int_equal(put_one(ASSAY_PASS, 1000, 0.5, 0), ASSAY__KEEP_YES); /* the third */
	assert_int_equal(put_one(ASSAY_FAIL, 3000, 0.5, 0), ASSAY__KEEP_YES);
	assert_int_equal(put_one(ASSAY_PASS, 2303, 0.5, 0), ASSAY__KEEP_NO);
	assert_int_equal(put_one(ASSAY_PASS, 2304, 0.5, 0), ASSAY__KEEP_YES); /* 10 % below 2560 */
	assert_int_equal(put_one(ASSAY_PASS, 1000, 0.02, 0), ASSAY__KEEP_YES);
	assert_int_equal(put_one(ASSAY_FAULT, 0, 0, ASSAY__FAULT_LATE), ASSAY__KEEP_YES);
	room_close(&test);
	test.settings.images = ASSAY__IMAGES_NONE;
	room_open(&test);
	assert_int_equal(put_one(ASSAY_FAIL, 3000, 0.5, 0), ASSAY__KEEP_NO);
	room_close(&test);
	test.settings.images = ASSAY__IMAGES_ALL;
	room_open(&test);
	assert_int_equal(put_one(ASSAY_PASS, 1000, 0.5, 0), ASSAY__KEEP_YES);
	room_close(&test);
	assert_int_equal(audit_clean(test.dir).images_kept, 6);
	room_test_end(&test);
}

static void around_a_stop(void **state)
{
	(void)state;
	room_test_begin(&test);
	test.settings.keep_stop_s = 30;
	room_open(&test);
	for (int i = 0; i < 5; i++)
		assert_int_equal(put_one(ASSAY_PASS, 1000, 0.5, 0), ASSAY__KEEP_HELD);
	assert_int_equal(put_one(ASSAY_FAULT, 0, 0, ASSAY__FAULT_NOT_READY), ASSAY__KEEP_YES); /* no stop */
	assert_int_equal(put_one(ASSAY_PASS, 1000, 0.5, 0), ASSAY__KEEP_HELD);
	assert_int_equal(put_one(ASSAY_FAULT, 0, 0, ASSAY__FAULT_CAMERA), ASSAY__KEEP_YES);
	for (int i = 0; i < 3; i++)
		assert_int_equal(put_one(ASSAY_PASS, 1000, 0.5, 0), ASSAY__KEEP_YES);
	room_close(&test);
	assert_int_equal(audit_clean(test.dir).images_kept, 11);
	/* held pictures that no stop claims are forgotten */
	room_open(&test);
	assert_int_equal(put_one(ASSAY_PASS, 1000, 0.5, 0), ASSAY__KEEP_HELD);
	room_close(&test);
	assert_int_equal(audit_clean(test.dir).images_kept, 11);
	room_test_end(&test);
}

static void the_oldest_go_first(void **state)
{
	(void)state;
	room_test_begin(&test);
	test.settings.images = ASSAY__IMAGES_ALL;
	test.settings.image_quota_mb = 1;
	room_open(&test);
	for (int i = 0; i < 40; i++) { /* 40 pictures of 64 KiB that do not compress */
		struct assay_image image = make_picture(256, 256, (uint32_t)i + 1);
		struct assay__part part = make_station_part(assay__record_next(test.record), ASSAY_PASS, &image, some_map);
		assert_int_equal(assay__record_put(test.record, &part), 0);
		assert_true(assay__record_flush(test.record, 10000));
		assay_image_free(&image, NULL);
	}
	room_close(&test);
	struct assay__verify_report report = audit_clean(test.dir);
	assert_int_equal(report.parts, 40);
	assert_int_equal(report.images_kept + report.images_pruned, 40);
	assert_true(report.images_kept >= 10 && report.images_kept <= 16);
	assert_true(ask(test.dir, "SELECT sum(bytes) FROM images WHERE state = 2") <= 1 << 20);
	assert_true(ask(test.dir, "SELECT max(sequence) FROM images WHERE state = 3") <
				ask(test.dir, "SELECT min(sequence) FROM images WHERE state = 2"));
	char path[128];
	snprintf(path, sizeof(path), "%s/images/0000000/0000000001-0.png", test.dir);
	assert_int_equal(access(path, F_OK), -1);
	/* a file that outlived a crash in between goes at the next start */
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fclose(file);
	sqlite3 *db;
	assert_int_equal(assay__database_open_write(test.dir, ASSAY__RECORD_VERSION, &db, NULL), 0);
	int64_t last = ask(test.dir, "SELECT first FROM events WHERE kind = 'images_pruned' ORDER BY link DESC LIMIT 1");
	sqlite3_close(db);
	char left[128];
	snprintf(left, sizeof(left), "%s/images/0000000/%010lld-0.png", test.dir, (long long)last);
	file = fopen(left, "w");
	assert_non_null(file);
	fclose(file);
	room_open(&test);
	assert_int_equal(access(left, F_OK), -1);
	room_close(&test);
	room_test_end(&test);
}

static void a_slow_disk_delays_nothing(void **state)
{
	(void)state;
	room_test_begin(&test);
	test.settings.images = ASSAY__IMAGES_ALL;
	test.settings.image_memory_mb = 1;
	room_open(&test);
	struct assay_image image = make_picture(600, 500, 5); /* three fit */
	for (int i = 0; i < 60; i++) {
		struct assay__part part = make_station_part(assay__record_next(test.record), ASSAY_PASS, &image, some_map);
		assert_int_equal(assay__record_put(test.record, &part), 0);
	}
	assert_true(assay__record_flush(test.record, 10000));
	struct assay__record_health health;
	assay__record_get_health(test.record, &health);
	assert_true(health.images_refused > 0);
	assay_image_free(&image, NULL);
	room_close(&test);
	struct assay__verify_report report = audit_clean(test.dir);
	assert_int_equal(report.parts, 60);
	assert_int_equal(ask(test.dir, "SELECT count(*) FROM views WHERE keep = 3"), health.images_refused);
	assert_int_equal(report.images_kept, 60 - health.images_refused);
	assert_int_equal(ask(test.dir, "SELECT count(*) FROM events WHERE kind = 'images_not_kept'"), 1);
	assert_int_equal(ask(test.dir, "SELECT count FROM events WHERE kind = 'images_kept_again'"), health.images_refused);
	room_test_end(&test);
}

/* A small disk that goes with this process, whatever happens to it. */
static bool mount_small(const char *size)
{
	static bool apart;
	if (!apart && (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL)))
		return false;
	apart = true;
	return mount("none", test.dir, "tmpfs", 0, size) == 0;
}

static void fill(const char *path)
{
	FILE *file = fopen(path, "w");
	static char block[4096];
	assert_non_null(file);
	setvbuf(file, NULL, _IONBF, 0);
	memset(block, 'x', sizeof(block));
	while (fwrite(block, 1, sizeof(block), file) == sizeof(block))
		;
	fclose(file);
}

static bool wait_until(bool (*reached)(void), int timeout_ms)
{
	for (int i = 0; i < timeout_ms && !reached(); i++)
		usleep(1000);
	return reached();
}

static bool is_failing(void)
{
	return !assay__record_ok(test.record);
}

static bool is_well(void)
{
	return assay__record_ok(test.record);
}

static void a_disk_of_20_mb_fills_up(void **state)
{
	(void)state;
	room_test_begin(&test);
	if (!mount_small("size=20m")) {
		rmdir(test.dir);
		print_message("no right to mount a small disk: this test needs root\n");
		skip();
	}
	test.settings.images = ASSAY__IMAGES_ALL;
	test.settings.disk_reserve_mb = 8;
	room_open(&test);
	struct assay_image image = make_picture(640, 480, 5);
	int put = 0;
	for (int i = 0; i < 60; i++, put++) { /* 18 MB of pictures */
		struct assay__part part = make_station_part(assay__record_next(test.record), ASSAY_PASS, &image, some_map);
		assert_int_equal(assay__record_put(test.record, &part), 0);
		assert_true(assay__record_flush(test.record, 10000));
		usleep(4000);
	}
	/* the pictures stopped, the records did not */
	struct assay__record_health health;
	assay__record_get_health(test.record, &health);
	assert_true(health.ok);
	assert_false(health.images_ok);
	assert_non_null(strstr(health.state, "nearly full"));
	assert_true(health.images_refused > 0);
	assert_int_equal(health.recorded, 60);
	/* somebody else fills the rest: now the record says that it cannot go on */
	char filler[128];
	snprintf(filler, sizeof(filler), "%s/filler", test.dir);
	fill(filler);
	int events = atomic_load(&test.events);
	for (int i = 0; i < 200 && !is_failing(); i++) {
		struct assay__part part = make_station_part(assay__record_next(test.record), ASSAY_PASS, NULL, some_map);
		put += assay__record_put(test.record, &part) == 0;
		usleep(1000);
	}
	assert_true(wait_until(is_failing, 5000));
	assert_true(atomic_load(&test.events) > events);
	unsigned long long acknowledged = atomic_load(&test.acknowledged);
	struct assay__part part = make_station_part(assay__record_next(test.record), ASSAY_FAULT, NULL, NULL);
	part.fault = ASSAY__FAULT_RECORD;
	put += assay__record_put(test.record, &part) == 0;
	usleep(300000);
	assert_int_equal(atomic_load(&test.acknowledged), acknowledged); /* nothing is acknowledged meanwhile */
	/* space is back: everything put so far is recorded */
	assert_int_equal(unlink(filler), 0);
	assert_true(assay__record_flush(test.record, 10000));
	assert_true(wait_until(is_well, 1000));
	room_close(&test);
	assay_image_free(&image, NULL);
	struct assay__verify_report report = audit_clean(test.dir);
	assert_int_equal(report.parts, put);
	assert_int_equal(report.triggers, report.parts + report.lost);
	assert_int_equal(atomic_load(&test.acknowledged), put);
	assert_true(ask(test.dir, "SELECT count(*) FROM events WHERE kind = 'images_not_kept'") >= 1);
	assert_int_equal(ask(test.dir, "SELECT count(*) FROM events WHERE kind = 'record_failing'"), 1);
	umount(test.dir);
	rmdir(test.dir);
}

static void closing_on_a_full_disk_gives_up_in_time(void **state)
{
	(void)state;
	room_test_begin(&test);
	if (!mount_small("size=4m")) {
		rmdir(test.dir);
		skip();
	}
	test.settings.queue = 64;
	room_open(&test);
	room_put_some(&test, 10);
	char filler[128];
	struct assay_error error;
	snprintf(filler, sizeof(filler), "%s/filler", test.dir);
	fill(filler);
	int full = 0;
	for (int i = 0; i < 3000 && full < 5; i++) {
		struct assay__part part = make_station_part(assay__record_next(test.record), ASSAY_FAIL, NULL, some_map);
		full += assay__record_put(test.record, &part) == ASSAY_E_FULL;
		usleep(200);
	}
	assert_int_equal(full, 5);
	assert_int_equal(assay__record_close(test.record, 300, &error), ASSAY_E_IO);
	assert_int_equal(unlink(filler), 0);
	unsigned long long acknowledged = atomic_load(&test.acknowledged);
	room_open(&test);
	room_close(&test);
	struct assay__verify_report report = audit_clean(test.dir);
	assert_true(report.parts >= acknowledged);
	assert_int_equal(report.triggers, report.parts + report.lost);
	assert_true(report.lost >= 5);
	umount(test.dir);
	rmdir(test.dir);
}

static void pages_and_counts(void **state)
{
	static struct assay__part_line lines[7];
	struct assay__reader *reader;
	uint64_t cursor = 0, seen = 0, last = 0;
	int count;
	(void)state;
	room_test_begin(&test);
	room_open(&test);
	int64_t start_us = wall_now_us();
	room_put_some(&test, 50);
	assert_int_equal(assay__reader_open(test.dir, &reader, NULL), 0);
	struct assay__part_filter filter = {.verdicts = 1u << ASSAY_FAIL, .newest_first = true};
	do {
		assert_int_equal(assay__query_page(reader, &filter, &cursor, lines, 3, &count, NULL), 0);
		for (int i = 0; i < count; i++, seen++) {
			assert_int_equal(lines[i].verdict, ASSAY_FAIL);
			assert_int_equal(lines[i].sequence % 5, 0);
			assert_true(last == 0 || lines[i].sequence < last);
			last = lines[i].sequence;
		}
	} while (cursor);
	assert_int_equal(seen, 10);
	filter = (struct assay__part_filter){.code = "LOT7-000017"};
	assert_int_equal(assay__query_page(reader, &filter, &cursor, lines, 7, &count, NULL), 0);
	assert_int_equal(count, 1);
	assert_int_equal(lines[0].sequence, 17);
	assert_int_equal(lines[0].latency_us, 9000);
	assert_string_equal(lines[0].recipe_name, "housing");
	filter = (struct assay__part_filter){.first = 10, .last = 20, .score_least_q8 = 3000};
	assert_int_equal(assay__query_page(reader, &filter, &cursor, lines, 7, &count, NULL), 0);
	assert_int_equal(count, 3);
	filter = (struct assay__part_filter){.from_us = start_us + 3600 * (int64_t)1000000};
	assert_int_equal(assay__query_page(reader, &filter, &cursor, lines, 7, &count, NULL), 0);
	assert_int_equal(count, 0);
	struct assay__part_counts counts[2];
	assert_int_equal(assay__query_counts(reader, start_us - 1000000, 3600 * (int64_t)1000000, counts, 2, NULL), 0);
	assert_int_equal(counts[0].pass, 36);
	assert_int_equal(counts[0].fail, 10);
	assert_int_equal(counts[0].fault, 4);
	assert_int_equal(counts[1].pass, 0);
	assert_int_equal(assay__query_counts(reader, 0, INT64_MAX, counts, 2, NULL), ASSAY_E_ARGUMENT);
	struct assay__stored_event events[4];
	cursor = 0;
	assert_int_equal(assay__query_events(reader, NULL, &cursor, events, 4, &count, NULL), 0);
	assert_int_equal(count, 1);
	assert_string_equal(events[0].kind, "opened");
	assay__reader_close(reader);
	room_test_end(&test);
}

static void ranges_and_times(void **state)
{
	static const char *const bad[] = {"", "-", "0", "x", "5-3", "1-2-3", "--", "1 ", "99999999999999999999"};
	struct assay__part_filter filter;
	int64_t time_us;
	char text[ASSAY__TIME_CHARS];
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(assay__query_range(bad[i], &filter, NULL), ASSAY_E_ARGUMENT);
	assert_int_equal(assay__query_range("17", &filter, NULL), 0);
	assert_true(filter.first == 17 && filter.last == 17);
	assert_int_equal(assay__query_range("10-", &filter, NULL), 0);
	assert_true(filter.first == 10 && filter.last == 0);
	assert_int_equal(assay__query_range("-20", &filter, NULL), 0);
	assert_true(filter.first == 0 && filter.last == 20);
	assert_int_equal(assay__query_time("2026-11-24T10:30:05Z", &time_us, NULL), 0);
	assay__query_time_text(time_us + 42, text);
	assert_string_equal(text, "2026-11-24T10:30:05.000042Z");
	assert_int_equal(assay__query_time("2026-11-24", &time_us, NULL), 0);
	assert_int_equal(time_us % 86400000000, 0);
	assert_int_equal(assay__query_time("yesterday", &time_us, NULL), ASSAY_E_ARGUMENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_policy),
		cmocka_unit_test(around_a_stop),
		cmocka_unit_test(the_oldest_go_first),
		cmocka_unit_test(a_slow_disk_delays_nothing),
		cmocka_unit_test(a_disk_of_20_mb_fills_up),
		cmocka_unit_test(closing_on_a_full_disk_gives_up_in_time),
		cmocka_unit_test(pages_and_counts),
		cmocka_unit_test(ranges_and_times),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
