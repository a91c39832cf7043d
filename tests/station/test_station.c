/* SPDX-License-Identifier: Apache-2.0 */
#include "station_util.h"

#define HEAD "station: {name: cell, state_dir: state, deadline_ms: 10000, workers: 2}\n"
#define QUICK "recipes:\n  - {name: quick, file: quick.assay}\n"
#define CAMERA "cameras:\n  - {name: top, type: virtual, prerender: 20, defects: 50%}\n"

static int trigger(struct bench *bench, uint64_t id)
{
	return assay__station_trigger(bench->station, ASSAY__TRIGGER_SOFTWARE, id, NULL, NULL);
}

/* Triggers one by one, each after the verdict of the one before. */
static void test_one_by_one(void **state)
{
	struct bench bench = bench_open(HEAD QUICK CAMERA, &audit_ops);
	uint64_t cursor = assay__station_event_next(bench.station), lost, seen = 0, sequence;
	struct assay__event events[64];
	struct assay__station_stats stats;

	(void)state;
	for (uint64_t i = 1; i <= 100; i++) {
		assert_int_equal(
			assay__station_trigger(bench.station, ASSAY__TRIGGER_MODBUS, 1000 + i, i == 7 ? "seven" : NULL, &sequence),
			0);
		assert_int_equal(sequence, i);
		assert_true(assay__station_wait_recorded(bench.station, sequence, 20000));
	}
	for (int count; (count = assay__station_events(bench.station, &cursor, events, 64, &lost, 0));)
		for (int i = 0; i < count; i++) {
			if (strcmp(events[i].kind, "verdict"))
				continue;
			assert_int_equal(events[i].sequence, ++seen);
			assert_int_equal(events[i].trigger_id, 1000 + seen);
			assert_string_equal(events[i].code, seen == 7 ? "seven" : events[i].code);
			assert_int_not_equal(events[i].verdict, ASSAY_FAULT);
			assert_true(events[i].latency_us > 0);
		}
	assert_int_equal(seen, 100);
	stats = bench_close(&bench);
	assert_audit(&stats);
	assert_int_equal(stats.since_start.triggers, 100);
	assert_int_equal(stats.since_start.fault, 0);
	assert_int_equal(stats.by_trigger[ASSAY__TRIGGER_MODBUS], 100);
}

struct crowd {
	struct bench *bench;
	atomic_uint_fast64_t asked, refused;
	atomic_bool end;
	int pause_us;
};

static void *crowd_main(void *arg)
{
	struct crowd *crowd = arg;

	while (!atomic_load(&crowd->end)) {
		int rc = trigger(crowd->bench, 0);

		atomic_fetch_add(&crowd->asked, 1);
		atomic_fetch_add(&crowd->refused, rc == ASSAY_E_FULL);
		if (crowd->pause_us)
			usleep((useconds_t)crowd->pause_us);
	}
	return NULL;
}

/* Four askers that never wait: what is too much is FAULT, and nothing is lost. */
static void test_overload(void **state)
{
	struct bench bench =
		bench_open("station: {deadline_ms: 10000, workers: 1, hall: 2, slips: 16}\n" QUICK CAMERA, &audit_ops);
	struct crowd crowd = {.bench = &bench};
	struct assay__station_stats stats;
	pthread_t threads[4];

	(void)state;
	audit.slow_us = 50;
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, crowd_main, &crowd), 0);
	usleep(700000);
	atomic_store(&crowd.end, true);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	stats = bench_close(&bench);
	assert_audit(&stats);
	assert_int_equal(stats.since_start.triggers, atomic_load(&crowd.asked));
	assert_int_equal(stats.since_start.fault, atomic_load(&crowd.refused));
	assert_true(stats.since_start.fault > 0 && stats.since_start.pass + stats.since_start.fail > 0);
	assert_int_equal(stats.since_start.fault,
					 stats.by_fault[ASSAY__FAULT_OVERRUN] + stats.by_fault[ASSAY__FAULT_NOT_READY]);
	assert_int_equal(stats.since_start.missed, stats.by_fault[ASSAY__FAULT_NOT_READY]);
	assert_int_equal(stats.unrecorded, 0);
}

/* A camera that runs free, faster than the worker: every picture is a trigger. */
static void test_free_running(void **state)
{
	struct bench bench = bench_open("station: {deadline_ms: 10000, workers: 1, hall: 1, frames: 5}\n" QUICK
									"cameras:\n  - {name: top, type: virtual, prerender: 5, rate_hz: 0}\n"
									"triggers:\n  - {type: free}\n",
									&audit_ops);
	struct assay__station_stats stats;

	(void)state;
	usleep(300000);
	assert_int_equal(trigger(&bench, 1), ASSAY_E_FULL);
	stats = bench_close(&bench);
	assert_audit(&stats);
	assert_true(stats.by_trigger[ASSAY__TRIGGER_FREE] > 10 && stats.by_fault[ASSAY__FAULT_OVERRUN] > 0);
	assert_true(stats.since_start.pass > 0);
}

static void test_timer(void **state)
{
	struct bench bench = bench_open(HEAD QUICK CAMERA "triggers:\n  - {type: timer, rate_hz: 100}\n", &audit_ops);
	struct assay__station_stats stats;

	(void)state;
	wait_answered(bench.station, 20);
	stats = bench_close(&bench);
	assert_audit(&stats);
	assert_true(stats.by_trigger[ASSAY__TRIGGER_TIMER] >= 20);
}

/* No picture: answered at the deadline, not before and not much after. */
static void test_no_image(void **state)
{
	struct bench bench = bench_open("station: {deadline_ms: 50}\n" QUICK
									"cameras:\n  - {name: top, type: virtual, prerender: 1, silent_after: 1}\n",
									&audit_ops);
	struct assay__station_stats stats;

	(void)state;
	assert_int_equal(trigger(&bench, 1), 0);
	wait_answered(bench.station, 1);
	assert_int_equal(trigger(&bench, 2), 0);
	wait_answered(bench.station, 2);
	stats = bench_close(&bench);
	assert_audit(&stats);
	assert_int_equal(stats.by_fault[ASSAY__FAULT_NO_IMAGE], 1);
	assert_int_equal(audit.last_part.fault, ASSAY__FAULT_NO_IMAGE);
	assert_true(audit.last_part.verdict_us >= audit.last_part.deadline_us);
	assert_null(audit.last_part.views[0].image.pixels);
	assert_non_null(strstr(audit.last_part.reason, "top"));
}

/* An inspection that takes longer than the deadline: FAULT late, and what it found later is dropped but counted. */
static void test_late(void **state)
{
	struct bench bench = bench_open("station: {deadline_ms: 1, workers: 1}\n"
									"recipes:\n  - {name: slow, file: slow.assay}\n" CAMERA,
									&audit_ops);
	struct assay__station_stats stats;

	(void)state;
	for (uint64_t i = 1; i <= 5; i++) {
		trigger(&bench, i);
		wait_answered(bench.station, i);
		usleep(100000);
	}
	stats = bench_close(&bench);
	assert_audit(&stats);
	assert_true(stats.by_fault[ASSAY__FAULT_LATE] > 0);
	assert_int_equal(stats.late_dropped, stats.by_fault[ASSAY__FAULT_LATE] + stats.by_fault[ASSAY__FAULT_NO_IMAGE]);
	assert_int_equal(stats.in_flight, 0);
}

static void write_file(const char *name, const void *bytes, size_t size)
{
	char path[200];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", room, name);
	file = fopen(path, "wb");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, size, file), size);
	fclose(file);
}

static void write_picture(const char *name, const struct assay_image *image)
{
	struct assay_error error;
	char path[200];

	snprintf(path, sizeof(path), "%s/%s", room, name);
	if (assay_image_save_png(path, image, &error))
		fail_msg("%s", error.message);
}

static void make_folder(const char *name)
{
	char path[200];

	snprintf(path, sizeof(path), "%s/%s", room, name);
	assert_int_equal(mkdir(path, 0755), 0);
}

/* A good file, a damaged one, one of another size; then no more. */
static void test_folder(void **state)
{
	struct assay_image good = line_picture(3, ASSAY__VIRTUAL_GOOD), small;
	uint8_t map_room[1 << 16], pixels[SIDE_PX * SIDE_PX];
	static struct assay__latest latest;
	struct assay__station_stats stats;
	struct bench bench;

	(void)state;
	make_folder("mixed");
	write_picture("mixed/a.png", &good);
	write_file("mixed/b.png", "\x89PNG\r\n\x1a\nno more", 15);
	assert_int_equal(assay_image_create(20, 20, 1, 8, NULL, &small, NULL), 0);
	write_picture("mixed/c.png", &small);
	write_file("mixed/readme.txt", "no picture", 10);
	bench = bench_open(HEAD QUICK "cameras:\n  - {name: top, type: folder, path: mixed}\n", &audit_ops);
	assert_int_equal(trigger(&bench, 1), 0);
	wait_answered(bench.station, 1);
	assert_string_equal(audit.last_part.code, "a.png");
	latest = (struct assay__latest){.pixels = pixels,
									.pixel_capacity_bytes = sizeof(pixels),
									.map = (uint32_t *)(void *)map_room,
									.map_capacity = sizeof(map_room) / 4};
	for (int i = 0; i < 200 && !assay__station_generation(bench.station, 0); i++)
		usleep(10000);
	assert_int_equal(assay__station_latest(bench.station, 0, &latest), 1);
	assert_int_equal(assay__station_latest(bench.station, 0, &latest), 0);
	assert_memory_equal(pixels, good.pixels, sizeof(pixels));
	assert_non_null(latest.view.result.map_q8);
	assert_int_equal(latest.part.sequence, 1);
	assert_int_equal(assay__station_latest(bench.station, 1, &latest), ASSAY_E_ARGUMENT);
	assert_int_equal(trigger(&bench, 2), 0);
	wait_answered(bench.station, 2);
	assert_true(assay__station_wait_recorded(bench.station, 2, 5000));
	assert_int_equal(audit.last_part.fault, ASSAY__FAULT_BROKEN);
	assert_non_null(strstr(audit.last_part.reason, "b.png"));
	assert_int_equal(trigger(&bench, 3), 0);
	assert_true(assay__station_wait_recorded(bench.station, 3, 5000));
	assert_int_equal(audit.last_part.fault, ASSAY__FAULT_BROKEN);
	assert_non_null(strstr(audit.last_part.reason, "20x20"));
	trigger(&bench, 4);
	assert_true(assay__station_wait_recorded(bench.station, 4, 5000));
	assert_int_equal(audit.last_part.fault, ASSAY__FAULT_CAMERA);
	stats = bench_close(&bench);
	assert_audit(&stats);
	assay_image_free(&good, NULL);
	assay_image_free(&small, NULL);
}

/* Files that arrive are triggers, once they are whole. */
static void test_watch(void **state)
{
	struct assay_image good = line_picture(3, ASSAY__VIRTUAL_GOOD);
	struct assay__station_stats stats;
	struct bench bench;

	(void)state;
	make_folder("inbox");
	write_picture("inbox/old.png", &good);
	bench = bench_open(HEAD QUICK "cameras:\n  - {name: top, type: folder, path: inbox, watch: yes}\n"
								  "triggers:\n  - {type: free}\n",
					   &audit_ops);
	write_picture("inbox/1.png", &good);
	write_file("inbox/2.txt", "no picture", 10);
	write_picture("inbox/3.png", &good);
	wait_answered(bench.station, 2);
	stats = bench_close(&bench);
	assert_audit(&stats);
	assert_int_equal(stats.since_start.triggers, 2);
	assert_string_equal(audit.last_part.code, "3.png");
	assay_image_free(&good, NULL);
}

/* Two cameras make one part; the worse view decides. */
static void test_two_cameras(void **state)
{
	struct assay_image good = line_picture(0, ASSAY__VIRTUAL_GOOD), bad = line_picture(0, ASSAY__VIRTUAL_GOOD);
	struct assay__station_stats stats;
	struct bench bench;

	(void)state;
	spoil(&bad, 40, 40, 40);
	make_folder("left");
	make_folder("right");
	write_picture("left/1.png", &good);
	write_picture("right/1.png", &bad);
	bench = bench_open(HEAD "recipes:\n  - {name: quick, file: quick.assay}\n"
							"  - {name: quick, file: other.assay, camera: right}\n"
							"cameras:\n  - {name: left, type: folder, path: left, loop: yes}\n"
							"  - {name: right, type: folder, path: right, loop: yes}\n",
					   &audit_ops);
	for (uint64_t i = 1; i <= 10; i++) {
		assert_int_equal(trigger(&bench, i), 0);
		wait_answered(bench.station, i);
	}
	stats = bench_close(&bench);
	assert_audit(&stats);
	assert_int_equal(stats.since_start.fail, 10);
	assert_int_equal(audit.last_part.view_count, 2);
	assert_int_equal(audit.last_part.views[0].result.verdict, ASSAY_PASS);
	assert_int_equal(audit.last_part.views[1].result.verdict, ASSAY_FAIL);
	assert_int_equal(assay__part_worst(&audit.last_part), 1);
	assert_memory_not_equal(audit.last_part.views[0].recipe_hash, audit.last_part.views[1].recipe_hash, 32);
	assert_non_null(strstr(audit.last_part.reason, "right"));
	assay_image_free(&good, NULL);
	assay_image_free(&bad, NULL);
}

/* Selecting and reloading while parts flow: none lost, every part has the recipe of its trigger. */
static void test_swap(void **state)
{
	struct bench bench = bench_open(HEAD "recipes:\n  - {name: quick, file: quick.assay}\n"
										 "  - {name: other, file: other.assay}\n" CAMERA,
									&audit_ops);
	struct crowd crowd = {.bench = &bench, .pause_us = 500};
	struct assay__station_recipe recipes[4];
	struct assay__station_stats stats;
	struct assay_error error;
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, crowd_main, &crowd), 0);
	for (int i = 0; i < 12; i++) {
		usleep(20000);
		if (i % 4 == 3)
			assert_int_equal(assay__station_reload(bench.station, &error), 0);
		else if (i % 2)
			assert_int_equal(assay__station_select(bench.station, "other", 0, NULL), 0);
		else
			assert_int_equal(assay__station_select(bench.station, NULL, 1, NULL), 0);
	}
	assert_int_equal(assay__station_select(bench.station, "none", 0, &error), ASSAY_E_ARGUMENT);
	assert_int_equal(assay__station_select(bench.station, NULL, 3, &error), ASSAY_E_ARGUMENT);
	atomic_store(&crowd.end, true);
	pthread_join(thread, NULL);
	assert_int_equal(assay__station_recipes(bench.station, recipes, 4), 2);
	assert_string_equal(recipes[1].name, "other");
	assert_true(recipes[0].selected != recipes[1].selected);
	stats = bench_close(&bench);
	assert_audit(&stats);
	assert_int_equal(stats.since_start.triggers, atomic_load(&crowd.asked));
	assert_true(audit.by_recipe[0] > 0 && audit.by_recipe[1] > 0);
	assert_int_equal(audit.by_recipe[0] + audit.by_recipe[1], audit.parts);
	assert_int_equal(stats.by_fault[ASSAY__FAULT_INTERNAL] + stats.by_fault[ASSAY__FAULT_LATE], 0);
}

/* A reload that cannot be: all stays. */
static void test_bad_reload(void **state)
{
	struct bench bench;
	struct assay_error error;
	char from[128], to[128];

	(void)state;
	snprintf(from, sizeof(from), "%s/other.assay", room);
	snprintf(to, sizeof(to), "%s/moved.assay", room);
	bench = bench_open(HEAD "recipes:\n  - {name: other, file: other.assay}\n" CAMERA, &audit_ops);
	assert_int_equal(rename(from, to), 0);
	assert_int_equal(assay__station_reload(bench.station, &error), ASSAY_E_IO);
	assert_int_equal(trigger(&bench, 1), 0);
	wait_answered(bench.station, 1);
	assert_int_equal(rename(to, from), 0);
	assert_int_equal(bench_close(&bench).since_start.fault, 0);
}

/* Triggers during and after the drain are answered too. */
static void test_drain(void **state)
{
	struct bench bench = bench_open(HEAD QUICK CAMERA, &audit_ops);
	struct crowd crowd = {.bench = &bench, .pause_us = 100};
	struct assay__station_health health;
	struct assay__station_stats stats;
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, crowd_main, &crowd), 0);
	usleep(50000);
	assay__station_drain(bench.station);
	usleep(50000);
	assay__station_health(bench.station, &health);
	assert_true(health.stopping && !health.ready);
	atomic_store(&crowd.end, true);
	pthread_join(thread, NULL);
	usleep(100000);
	stats = bench_close(&bench);
	assert_audit(&stats);
	assert_true(stats.by_fault[ASSAY__FAULT_STOPPING] > 0);
	assert_int_equal(stats.since_start.triggers, atomic_load(&crowd.asked));
}

/* A record that fails: FAULT record, no trigger hangs, and it goes on when the record does. */
static void test_record_fails(void **state)
{
	struct bench bench = bench_open("station: {deadline_ms: 10000, slips: 8}\n" QUICK CAMERA, &audit_ops);
	struct assay__station_stats stats;

	(void)state;
	trigger(&bench, 1);
	wait_answered(bench.station, 1);
	assert_true(assay__station_wait_recorded(bench.station, 1, 5000));
	atomic_store(&audit.failing, true);
	for (uint64_t i = 2; i <= 50; i++)
		assert_int_equal(trigger(&bench, i), ASSAY_E_FULL);
	wait_answered(bench.station, 50);
	assert_false(assay__station_wait_recorded(bench.station, 50, 300));
	atomic_store(&audit.failing, false);
	assert_int_equal(trigger(&bench, 51), 0);
	wait_answered(bench.station, 51);
	assert_true(assay__station_wait_recorded(bench.station, 51, 5000));
	stats = bench_close(&bench);
	assert_audit(&stats);
	assert_int_equal(stats.by_fault[ASSAY__FAULT_RECORD], 49);
	assert_true(stats.unrecorded > 0);
}

/* With the real record numbers and counts go on where they were. */
static void test_restart(void **state)
{
	struct assay__station_stats stats;
	uint64_t sequence;

	(void)state;
	for (uint64_t run = 0; run < 3; run++) {
		struct bench bench = bench_open(HEAD QUICK CAMERA, NULL);

		for (uint64_t i = 1; i <= 5; i++) {
			assert_int_equal(assay__station_trigger(bench.station, ASSAY__TRIGGER_HTTP, 0, NULL, &sequence), 0);
			assert_int_equal(sequence, run * 5 + i);
			assert_true(assay__station_wait_recorded(bench.station, sequence, 20000));
		}
		stats = bench_close(&bench);
		assert_int_equal(stats.since_start.recorded, 5);
		assert_int_equal(stats.total.triggers, run * 5 + 5);
		assert_int_equal(stats.total.recorded, run * 5 + 5);
	}
}

/* A slow reader loses the oldest and knows how many. */
static void test_events(void **state)
{
	struct assay__events *events;
	struct assay__event event = {.kind = "x"}, out[8];
	uint64_t cursor = 1, lost;

	(void)state;
	assert_int_equal(assay__events_open(4, NULL, &events, NULL), 0);
	assert_int_equal(assay__events_read(events, &cursor, out, 8, &lost, 0), 0);
	for (int i = 0; i < 10; i++)
		assay__events_add(events, &event);
	assert_int_equal(assay__events_read(events, &cursor, out, 3, &lost, -1), 3);
	assert_int_equal(lost, 6);
	assert_int_equal(out[0].number, 7);
	assert_int_equal(assay__events_read(events, &cursor, out, 8, &lost, 0), 1);
	assert_int_equal(lost, 0);
	assert_int_equal(out[0].number, 10);
	assert_int_equal(assay__events_read(events, &cursor, out, 8, &lost, 10), 0);
	assay__events_wake(events);
	assert_int_equal(assay__events_read(events, &cursor, out, 8, &lost, -1), 0);
	assay__events_close(events);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_by_one),	 cmocka_unit_test(test_overload),	cmocka_unit_test(test_free_running),
		cmocka_unit_test(test_timer),		 cmocka_unit_test(test_no_image),	cmocka_unit_test(test_late),
		cmocka_unit_test(test_folder),		 cmocka_unit_test(test_watch),		cmocka_unit_test(test_two_cameras),
		cmocka_unit_test(test_swap),		 cmocka_unit_test(test_bad_reload), cmocka_unit_test(test_drain),
		cmocka_unit_test(test_record_fails), cmocka_unit_test(test_restart),	cmocka_unit_test(test_events),
	};

	return cmocka_run_group_tests(tests, open_room, close_room);
}
