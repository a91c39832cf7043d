/* SPDX-License-Identifier: Apache-2.0 */
/* Vitals of a running station: learned, told, kept over a restart, renewed. The rules themselves: unit/test_vital.c. */
#include "station_util.h"

#define LINE                                                                                                           \
	"station: {name: cell, state_dir: vitals-state, deadline_ms: 20000, workers: 1, hall: 64}\n"                       \
	"recipes:\n  - {name: quick, file: quick.assay}\n"                                                                 \
	"triggers:\n  - type: free\n"                                                                                      \
	"vitals: {parts: 40, cpu: 100%}\n"
#define CAMERA "cameras:\n  - {name: top, type: virtual, defects: 0%, rate_hz: 0"

/* Reads events until one of this kind, at most a minute; its text. */
static void await(struct bench *bench, uint64_t *cursor, const char *kind, char text[ASSAY__EVENT_TEXT_MAX])
{
	struct assay__event events[16];
	int64_t until_us = assay__clock_us() + 120000000;
	uint64_t lost;

	while (assay__clock_us() < until_us) {
		int count = assay__station_events(bench->station, cursor, events, 16, &lost, 100);

		for (int i = 0; i < count; i++)
			if (!strcmp(events[i].kind, kind)) {
				snprintf(text, ASSAY__EVENT_TEXT_MAX, "%s", events[i].text);
				return;
			}
	}
	fail_msg("no event %s within two minutes", kind);
}

static void test_moved(void **state)
{
	char text[ASSAY__EVENT_TEXT_MAX];
	struct assay__vitals_state vitals;
	struct bench bench = bench_open(LINE CAMERA ", upset_from: 150, shift_x: 7}\n", &audit_ops);
	uint64_t cursor = 0;

	(void)state;
	await(&bench, &cursor, "vitals", text);
	assert_non_null(strstr(text, "reference measured from 40 good parts"));
	await(&bench, &cursor, "vitals_warning", text);
	assert_non_null(strstr(text, "camera top: the camera moved: parts lie "));
	assay__station_vitals(bench.station, 0, &vitals);
	assert_true(vitals.watching && vitals.learned && vitals.cause == ASSAY__VITAL_MOVED);
	bench_close(&bench);

	/* The reference outlives the station: what moved is still moved. */
	bench = bench_open(LINE CAMERA ", first: 500, shift_x: 7}\n", &audit_ops);
	cursor = 0;
	await(&bench, &cursor, "vitals_warning", text);
	assert_non_null(strstr(text, "the camera moved"));
	bench_close(&bench);
}

static void test_back(void **state)
{
	struct assay__vitals_state vitals;
	char text[ASSAY__EVENT_TEXT_MAX];
	struct bench bench = bench_open(LINE CAMERA ", dim: 20%}\n", &audit_ops);
	uint64_t cursor = 0;

	(void)state;
	/* The reference of the test before is in normal light. */
	await(&bench, &cursor, "vitals_warning", text);
	assert_non_null(strstr(text, "the lamp ages: mean brightness"));
	bench_close(&bench);
	/* A damaged reference is told of and measured anew. */
	snprintf(text, sizeof(text), "for f in %s/vitals-state/vitals/*; do head -c 300 $f >$f.cut; mv $f.cut $f; done",
			 room);
	assert_int_equal(system(text), 0);
	bench = bench_open(LINE CAMERA "}\n", &audit_ops);
	cursor = 0;
	await(&bench, &cursor, "vitals", text);
	assert_non_null(strstr(text, "damaged"));
	await(&bench, &cursor, "vitals", text);
	assert_non_null(strstr(text, "reference measured from 40 good parts"));
	/* And people may say that how it is now is how it is to be. */
	assay__station_vitals_renew(bench.station, 0);
	await(&bench, &cursor, "vitals", text);
	assert_non_null(strstr(text, "anew"));
	await(&bench, &cursor, "vitals", text);
	assert_non_null(strstr(text, "reference measured from 40 good parts"));
	assay__station_vitals(bench.station, 0, &vitals);
	assert_true(vitals.learned && vitals.cause == ASSAY__VITAL_FINE);
	bench_close(&bench);
}

static void test_off(void **state)
{
	struct assay__vitals_state vitals;
	struct bench bench =
		bench_open("station: {deadline_ms: 10000, keep_record: no}\nrecipes:\n  - {name: quick, file: quick.assay}\n"
				   "triggers:\n  - type: free\nvitals: {watch: no}\n" CAMERA "}\n",
				   &audit_ops);

	(void)state;
	wait_answered(bench.station, 20);
	assay__station_vitals(bench.station, 0, &vitals);
	assert_false(vitals.watching);
	assay__station_vitals_renew(bench.station, 0);
	bench_close(&bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_moved),
		cmocka_unit_test(test_back),
		cmocka_unit_test(test_off),
	};

	return cmocka_run_group_tests(tests, open_room, close_room);
}
