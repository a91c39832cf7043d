/* SPDX-License-Identifier: Apache-2.0 */
/* Challenge parts: what demands them, what releases the station, what a kill and a clock set back change (nothing). */
#include "station_util.h"

#include <time.h>

#include "fake_station.h"
#include "station/record/query.h"
#include "station/record/verify.h"

#define HEAD "station: {name: cell, state_dir: %s, deadline_ms: 20000, workers: 2}\n"
#define RECIPES "recipes:\n  - {name: quick, file: quick.assay}\n  - {name: other, file: other.assay}\n"
#define CAMERA "cameras:\n  - {name: top, type: virtual, prerender: 20, defects: 0%%}\n"

static char yaml[2000];

/* Each test its own record, and its own folder of challenge pictures where it wants one. */
static const char *configure(const char *state, const char *camera, const char *challenge)
{
	int used = snprintf(yaml, sizeof(yaml), HEAD RECIPES, state);

	used += snprintf(yaml + used, sizeof(yaml) - (size_t)used, "%s", camera ? camera : "");
	if (!camera)
		used += snprintf(yaml + used, sizeof(yaml) - (size_t)used, CAMERA);
	snprintf(yaml + used, sizeof(yaml) - (size_t)used, "challenge: {%s}\n", challenge);
	return yaml;
}

static void put_picture(const char *folder, const char *name, bool bad)
{
	struct assay_image image = line_picture(3, ASSAY__VIRTUAL_GOOD);
	char path[300];

	snprintf(path, sizeof(path), "mkdir -p %s/%s", room, folder);
	assert_int_equal(system(path), 0);
	/* as bad as can be: half of it is another picture */
	for (int y = 0; bad && y < SIDE_PX / 2; y++)
		for (int x = 0; x < SIDE_PX; x++)
			image.pixels[(size_t)y * image.stride_bytes + (size_t)x] = (x / 4 + y / 4) % 2 ? 255 : 0;
	snprintf(path, sizeof(path), "%s/%s/%s", room, folder, name);
	assert_int_equal(assay_image_save_png(path, &image, NULL), 0);
	assay_image_free(&image, NULL);
}

static struct assay__challenge_status status_of(struct bench *bench)
{
	struct assay__challenge_status status;

	assay__station_challenge(bench->station, &status);
	return status;
}

static bool is_due(struct bench *bench)
{
	return status_of(bench).due;
}

static bool is_idle(struct bench *bench)
{
	return !status_of(bench).running;
}

static enum assay__fault ask_part(struct bench *bench, enum assay_verdict *verdict)
{
	uint64_t cursor = assay__station_event_next(bench->station), sequence;
	struct assay__event events[32];

	assay__station_trigger(bench->station, ASSAY__TRIGGER_MODBUS, 0, NULL, &sequence);
	for (;;) {
		int count = assay__station_events(bench->station, &cursor, events, 32, NULL, 20000);

		if (!count)
			fail_msg("no verdict came");
		for (int i = 0; i < count; i++)
			if (events[i].sequence == sequence && !strcmp(events[i].kind, "verdict")) {
				if (verdict)
					*verdict = events[i].verdict;
				return events[i].fault;
			}
	}
}

static void begin(struct bench *bench)
{
	struct assay_error error;

	if (assay__station_challenge_ask(bench->station, ASSAY__CHALLENGE_BEGIN, "test", &error))
		fail_msg("%s", error.message);
}

static void test_rule(void **state)
{
	struct assay__challenge_settings settings = {.max_age_min = 60};
	struct assay__challenge_pass pass = {.wall_us = 1764000000000000, .clock_us = 500000000};
	struct assay__challenge_shifts shifts = {0};
	struct assay_error error;
	char text[96];
	const int64_t s = 1000000;

	(void)state;
	setenv("TZ", "UTC0", 1);
	tzset();
#define DEMAND(wall, clock)                                                                                            \
	assay__challenge_demand(&settings, &shifts, &pass, pass.wall_us + (wall)*s, pass.clock_us + (clock)*s, text)
	assert_null(DEMAND(0, 0));
	assert_null(DEMAND(3599, 3599));
	assert_non_null(strstr(DEMAND(3600, 3600), "60 minutes ago"));
	/* either clock says so: the other may have been set, or have slept */
	assert_non_null(DEMAND(3600, 10));
	assert_non_null(strstr(DEMAND(-3600, 100), "set back by 3700 s"));
	assert_non_null(DEMAND(97, 100));
	assert_null(DEMAND(99, 100));
	settings.max_age_min = 0;
	/* 1764000000 is 16:00 UTC */
	assert_int_equal(assay__challenge_shifts_read("06:00,14:00,22:00", &shifts, &error), 0);
	assert_int_equal(assay__challenge_shifts_next(&shifts, pass.wall_us), pass.wall_us + 6 * 3600 * s);
	assert_int_equal(assay__challenge_shifts_next(&shifts, pass.wall_us + 6 * 3600 * s), pass.wall_us + 14 * 3600 * s);
	assert_null(DEMAND(6 * 3600 - 1, 6 * 3600 - 1));
	assert_non_null(strstr(DEMAND(6 * 3600, 6 * 3600), "shift"));
	/* a clock held back by a little each time does not postpone a shift */
	assert_non_null(strstr(DEMAND(6 * 3600 - 1, 6 * 3600), "shift"));
	/* one set forward brings it sooner */
	assert_non_null(strstr(DEMAND(6 * 3600, 5), "shift"));
	pass.clock_us = 0;
	assert_non_null(DEMAND(0, 0));
	shifts.count = 0;
	assert_null(DEMAND(0, 0));
	static const char *const wrong[] = {"6", "24:00", "06:60", "06:00;14:00", "06:00, 14:00x", "-1:00"};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(assay__challenge_shifts_read(wrong[i], &shifts, &error), ASSAY_E_ARGUMENT);
	unsetenv("TZ");
	tzset();
}

/* Pictures are shown by themselves; until all are caught every part is FAULT. */
static void test_pictures(void **state)
{
	struct assay__station_stats stats;
	enum assay_verdict verdict;
	struct bench bench;

	(void)state;
	put_picture("set1/quick", "a.png", true);
	put_picture("set1/quick", "b.png", true);
	bench = bench_open(configure("s1", NULL, "folder: set1, on_start: yes"), &audit_ops);
	assert_true(WAIT_FOR(!is_due(&bench)));
	assert_int_equal(status_of(&bench).caught, 2);
	assert_true(status_of(&bench).results[0].caught);
	assert_string_equal(status_of(&bench).results[1].code, "challenge:b.png");
	assert_int_equal(ask_part(&bench, &verdict), ASSAY__FAULT_NONE);
	/* the other recipe has no pictures: nobody has shown that it sees anything */
	assert_int_equal(assay__station_select(bench.station, "other", 0, NULL), 0);
	assert_int_equal(ask_part(&bench, &verdict), ASSAY__FAULT_CHALLENGE);
	assert_true(WAIT_FOR(status_of(&bench).failed_runs == 1));
	assert_true(is_due(&bench));
	put_picture("set1/other", "a.png", true);
	begin(&bench);
	assert_true(WAIT_FOR(!is_due(&bench)));
	assert_int_equal(ask_part(&bench, &verdict), ASSAY__FAULT_NONE);
	/* the same files read again are the same recipe */
	assert_int_equal(assay__station_reload(bench.station, NULL), 0);
	assert_false(is_due(&bench));
	/* back to the first: proven again */
	assert_int_equal(assay__station_select(bench.station, "quick", 0, NULL), 0);
	assert_true(is_due(&bench) || status_of(&bench).runs == 4);
	assert_true(WAIT_FOR(!is_due(&bench)));
	stats = bench_close(&bench);
	assert_audit(&stats);
	assert_int_equal(stats.since_start.challenge, 5);
	assert_int_equal(stats.since_start.triggers, 3);
	assert_int_equal(stats.since_start.fault, 1);
	assert_int_equal(stats.by_trigger[ASSAY__TRIGGER_CHALLENGE], 5);
}

/* One that is judged good keeps the station at FAULT, and does not itself leave as PASS. */
static void test_missed(void **state)
{
	struct assay__station_stats stats;
	struct bench bench;
	char path[200];

	(void)state;
	put_picture("set2/quick", "a.png", true);
	put_picture("set2/quick", "b.png", false);
	put_picture("set2/quick", "c.png", true);
	bench = bench_open(configure("s2", NULL, "folder: set2"), &audit_ops);
	assert_true(WAIT_FOR(status_of(&bench).failed_runs == 1));
	assert_int_equal(status_of(&bench).answered, 3);
	assert_int_equal(status_of(&bench).caught, 2);
	assert_int_equal(status_of(&bench).results[1].verdict, ASSAY_FAULT);
	assert_false(status_of(&bench).results[1].caught);
	for (int i = 0; i < 3; i++)
		assert_int_equal(ask_part(&bench, NULL), ASSAY__FAULT_CHALLENGE);
	begin(&bench);
	assert_true(WAIT_FOR(status_of(&bench).failed_runs == 2));
	assert_true(is_due(&bench));
	/* a picture that cannot be read is not caught either */
	snprintf(path, sizeof(path), "%s/set2/quick/b.png", room);
	FILE *file = fopen(path, "w");
	fputs("no picture", file);
	fclose(file);
	begin(&bench);
	assert_true(WAIT_FOR(status_of(&bench).failed_runs == 3));
	assert_true(is_due(&bench));
	put_picture("set2/quick", "b.png", true);
	begin(&bench);
	assert_true(WAIT_FOR(!is_due(&bench)));
	assert_int_equal(ask_part(&bench, NULL), ASSAY__FAULT_NONE);
	stats = bench_close(&bench);
	assert_audit(&stats);
	assert_int_equal(stats.by_fault[ASSAY__FAULT_CHALLENGE], 3);
}

/* Of several cameras each part is a folder, complete or not caught. */
static void test_cameras(void **state)
{
	struct assay__station_stats stats;
	struct bench bench;

	(void)state;
	put_picture("set7/quick/p1", "top.png", true);
	put_picture("set7/quick/p1", "side.png", false);
	put_picture("set7/quick/p2", "top.png", false);
	put_picture("set7/quick", "loose.png", true);
	bench = bench_open(configure("s7",
								 "cameras:\n  - {name: top, type: virtual, prerender: 4}\n"
								 "  - {name: side, type: virtual, prerender: 4}\n",
								 "folder: set7"),
					   &audit_ops);
	assert_true(WAIT_FOR(status_of(&bench).failed_runs == 1));
	assert_int_equal(status_of(&bench).demanded, 2);
	assert_int_equal(status_of(&bench).caught, 1);
	assert_true(is_due(&bench));
	put_picture("set7/quick/p2", "side.png", true);
	begin(&bench);
	assert_true(WAIT_FOR(!is_due(&bench)));
	stats = bench_close(&bench);
	assert_audit(&stats);
	assert_int_equal(stats.since_start.challenge, 3);
}

/* Real parts, announced: so many must be FAIL, one after the other. */
static void test_parts(void **state)
{
	struct assay__station_stats stats;
	enum assay_verdict verdict;
	struct assay_error error;
	struct bench bench;

	(void)state;
	/* bad, good | bad, bad | then what is made */
	put_picture("line", "1.png", true);
	put_picture("line", "2.png", false);
	put_picture("line", "3.png", true);
	put_picture("line", "4.png", true);
	put_picture("line", "5.png", false);
	bench = bench_open(configure("s3", "cameras:\n  - {name: top, type: folder, path: line}\n",
								 "mode: parts, parts: 2, shifts: \"06:00\", max_age_min: 600"),
					   &audit_ops);
	assert_true(is_due(&bench));
	assert_int_equal(ask_part(&bench, NULL), ASSAY__FAULT_CHALLENGE);
	assert_int_equal(assay__station_challenge_ask(bench.station, ASSAY__CHALLENGE_CANCEL, "test", &error),
					 ASSAY_E_ARGUMENT);
	begin(&bench);
	assert_int_equal(assay__station_challenge_ask(bench.station, ASSAY__CHALLENGE_BEGIN, "test", &error),
					 ASSAY_E_ARGUMENT);
	assert_int_equal(ask_part(&bench, &verdict), ASSAY__FAULT_NONE);
	assert_int_equal(verdict, ASSAY_FAIL);
	assert_int_equal(ask_part(&bench, &verdict), ASSAY__FAULT_CHALLENGE);
	assert_int_equal(verdict, ASSAY_FAULT);
	assert_true(WAIT_FOR(is_idle(&bench)));
	assert_true(is_due(&bench));
	assert_int_equal(ask_part(&bench, NULL), ASSAY__FAULT_CHALLENGE);
	begin(&bench);
	assert_int_equal(assay__station_challenge_ask(bench.station, ASSAY__CHALLENGE_CANCEL, "test", &error), 0);
	assert_true(is_due(&bench));
	begin(&bench);
	assert_int_equal(ask_part(&bench, NULL), ASSAY__FAULT_NONE);
	assert_true(is_due(&bench));
	assert_int_equal(ask_part(&bench, NULL), ASSAY__FAULT_NONE);
	assert_true(WAIT_FOR(!is_due(&bench)));
	assert_int_equal(ask_part(&bench, NULL), ASSAY__FAULT_NONE);
	stats = bench_close(&bench);
	assert_audit(&stats);
	assert_int_equal(stats.since_start.challenge, 4);
	assert_int_equal(stats.since_start.triggers, 3);
	assert_int_equal(stats.since_start.pass + stats.since_start.fail, 1);
}

/* First the pictures, then real parts; the same when nobody had to. */
static void test_both(void **state)
{
	struct assay__station_stats stats;
	struct bench bench;

	(void)state;
	put_picture("set8/quick", "a.png", true);
	put_picture("line8", "1.png", true);
	bench = bench_open(configure("s8", "cameras:\n  - {name: top, type: folder, path: line8, loop: yes}\n",
								 "mode: both, parts: 1, folder: set8"),
					   &audit_ops);
	assert_true(WAIT_FOR(status_of(&bench).pictures_caught && is_idle(&bench)));
	assert_true(is_due(&bench));
	begin(&bench);
	assert_int_equal(ask_part(&bench, NULL), ASSAY__FAULT_NONE);
	assert_true(WAIT_FOR(!is_due(&bench)));
	begin(&bench);
	assert_true(WAIT_FOR(status_of(&bench).runs == 3 && is_idle(&bench)));
	assert_false(is_due(&bench));
	begin(&bench);
	assert_int_equal(ask_part(&bench, NULL), ASSAY__FAULT_NONE);
	assert_true(WAIT_FOR(is_idle(&bench)));
	assert_int_equal(status_of(&bench).runs, 4);
	assert_false(is_due(&bench));
	stats = bench_close(&bench);
	assert_audit(&stats);
	assert_int_equal(stats.since_start.challenge, 4);
	assert_int_equal(stats.since_start.triggers, 0);
}

/* At the moment of a shift, in a time zone made so that it is near. */
static void test_shift(void **state)
{
	time_t now = time(NULL);
	char zone[64];
	struct bench bench;
	int ahead;

	(void)state;
	/* local time becomes 12:00:56 or so: the next minute begins in four seconds */
	ahead = (int)((12 * 3600 + 56 - now % 86400 + 86400) % 86400);
	snprintf(zone, sizeof(zone), "TST-%02d:%02d:%02d", ahead / 3600, ahead / 60 % 60, ahead % 60);
	setenv("TZ", zone, 1);
	tzset();
	put_picture("set4/quick", "a.png", true);
	bench = bench_open(configure("s4", NULL, "folder: set4, shifts: \"12:01\""), &audit_ops);
	assert_true(WAIT_FOR(!is_due(&bench)));
	assert_int_equal(status_of(&bench).runs, 1);
	/* none of the recipe's pictures is bad any more: what the new shift asks for cannot be met */
	put_picture("set4/quick", "a.png", false);
	assert_true(WAIT_FOR(is_due(&bench)));
	assert_int_equal(ask_part(&bench, NULL), ASSAY__FAULT_CHALLENGE);
	assert_true(WAIT_FOR(status_of(&bench).failed_runs == 1));
	put_picture("set4/quick", "a.png", true);
	begin(&bench);
	assert_true(WAIT_FOR(!is_due(&bench)));
	bench_close(&bench);
	unsetenv("TZ");
	tzset();
}

/* A station of its own process until it says so much of itself, then kill -9. */
static void run_and_kill(const char *text, bool until_released)
{
	int ends[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ends), 0);
	pid = fork();
	if (pid == 0) {
		struct bench bench;
		struct assay_error error;
		char path[128];

		snprintf(path, sizeof(path), "%s/station.yaml", room);
		if (assay__config_parse(path, text, strlen(text), NULL, &bench.config, &error) ||
			assay__station_open(bench.config, NULL, NULL, &bench.station, &error))
			_exit(1);
		while (until_released ? is_due(&bench) : status_of(&bench).answered < 1)
			usleep(1000);
		if (write(ends[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ends[1]);
	assert_int_equal(read(ends[0], &byte, 1), 1);
	close(ends[0]);
	stop_program(pid, SIGKILL);
}

static void assert_record_whole(const char *state_dir, uint64_t challenge_least)
{
	struct assay__verify_options options = {0};
	struct assay__verify_report report;
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", room, state_dir);
	assert_int_equal(assay__verify(path, &options, &report, NULL), 0);
	assert_int_equal(report.findings, 0);
	assert_true(report.challenge >= challenge_least);
	assert_int_equal(report.pass + report.fail + report.fault + report.challenge, report.parts);
}

/* kill -9 before and after: what was caught and recorded counts, half a run does not. */
static void test_kill(void **state)
{
	char path[200], text[2000];
	struct bench bench;
	FILE *file;

	(void)state;
	put_picture("set5/quick", "a.png", true);
	put_picture("set5/quick", "b.png", false);
	snprintf(text, sizeof(text), "%s", configure("s5", NULL, "folder: set5, on_start: no, max_age_min: 600"));
	run_and_kill(text, false);
	bench = bench_open(text, NULL);
	assert_true(is_due(&bench));
	assert_int_equal(ask_part(&bench, NULL), ASSAY__FAULT_CHALLENGE);
	assert_true(WAIT_FOR(status_of(&bench).failed_runs == 1));
	bench_close(&bench);
	assert_record_whole("s5", 2);
	put_picture("set5/quick", "b.png", true);
	run_and_kill(text, true);
	bench = bench_open(text, NULL);
	assert_false(is_due(&bench));
	assert_int_equal(ask_part(&bench, NULL), ASSAY__FAULT_NONE);
	bench_close(&bench);
	assert_record_whole("s5", 4);
	/* with on_start a restart demands them, whatever was */
	put_picture("set5/quick", "b.png", false);
	bench = bench_open(configure("s5", NULL, "folder: set5, max_age_min: 600"), NULL);
	assert_true(is_due(&bench));
	bench_close(&bench);
	/* another boot, a clock set back meanwhile, another recipe, a torn file: due */
	static const char *const edits[] = {"another boot", "a clock set back", "another recipe", "a torn file"};
	char boot[64] = "", hex[80] = "";
	long long wall, clock;
	snprintf(path, sizeof(path), "%s/s5/challenge", room);
	file = fopen(path, "r");
	assert_int_equal(fscanf(file, "1 %36s %lld %lld %64s", boot, &wall, &clock, hex), 4);
	fclose(file);
	for (int i = 0; i < 4; i++) {
		file = fopen(path, "w");
		if (i == 0)
			fprintf(file, "1 00000000-0000-0000-0000-000000000000 %lld %lld %s\n", wall, clock, hex);
		else if (i == 1)
			fprintf(file, "1 %s %lld %lld %s\n", boot, wall + 3600000000LL, clock, hex);
		else if (i == 2)
			fprintf(file, "1 %s %lld %lld %064d\n", boot, wall, clock, 0);
		else
			fprintf(file, "1 %s %lld", boot, wall);
		fclose(file);
		bench = bench_open(text, NULL);
		if (!is_due(&bench))
			fail_msg("%s", edits[i]);
		bench_close(&bench);
	}
	file = fopen(path, "w");
	fprintf(file, "1 %s %lld %lld %s\n", boot, wall, clock, hex);
	fclose(file);
	bench = bench_open(text, NULL);
	assert_false(is_due(&bench));
	bench_close(&bench);
}

/* In the record they are marked, and no count of production has them. */
static void test_record(void **state)
{
	struct assay__reader *reader;
	struct assay__part_filter filter = {.challenge = true};
	struct assay__part_line lines[8];
	struct assay__part_counts counts;
	uint64_t cursor = 0, told = 0, seen = 1, lost;
	struct assay__event events[64];
	struct assay__station_stats stats;
	struct bench bench;
	char path[128];
	int count;

	(void)state;
	put_picture("set6/quick", "a.png", true);
	bench = bench_open(configure("s6", NULL, "folder: set6"), NULL);
	assert_true(WAIT_FOR(!is_due(&bench)));
	for (int i = 0; i < 3; i++)
		assert_int_equal(ask_part(&bench, NULL), ASSAY__FAULT_NONE);
	while ((count = assay__station_events(bench.station, &seen, events, 64, &lost, 0)) > 0)
		for (int i = 0; i < count; i++)
			told += !strcmp(events[i].kind, "challenge");
	assert_true(told >= 2);
	stats = bench_close(&bench);
	assert_int_equal(stats.total.challenge, 1);
	snprintf(path, sizeof(path), "%s/s6", room);
	assert_int_equal(assay__reader_open(path, &reader, NULL), 0);
	assert_int_equal(assay__query_page(reader, &filter, &cursor, lines, 8, &count, NULL), 0);
	assert_int_equal(count, 1);
	assert_string_equal(lines[0].code, "challenge:a.png");
	assert_int_equal(lines[0].verdict, ASSAY_FAIL);
	assert_int_equal(assay__query_counts(reader, 0, INT64_MAX / 2, &counts, 1, NULL), 0);
	assert_int_equal(counts.pass + counts.fail + counts.fault, 3);
	assay__reader_close(reader);
	assert_record_whole("s6", 1);
	/* and are counted on after a restart */
	bench = bench_open(configure("s6", NULL, "folder: set6"), NULL);
	assert_true(WAIT_FOR(!is_due(&bench)));
	stats = bench_close(&bench);
	assert_int_equal(stats.total.challenge, 2);
	assert_int_equal(stats.total.triggers, 3);
	assert_record_whole("s6", 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rule),	cmocka_unit_test(test_pictures), cmocka_unit_test(test_missed),
		cmocka_unit_test(test_cameras), cmocka_unit_test(test_parts),	 cmocka_unit_test(test_both),
		cmocka_unit_test(test_shift),	cmocka_unit_test(test_kill),	 cmocka_unit_test(test_record),
	};

	return cmocka_run_group_tests(tests, open_room, close_room);
}
