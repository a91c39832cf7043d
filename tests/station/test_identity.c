/* SPDX-License-Identifier: Apache-2.0 */
/* Codes on parts: made by libdmtx, qrencode and zint, read through a whole station. */
#include "station_util.h"

#include <math.h>

#include "fake_station.h"
#include "station/identity/identity.h"
#include "station/identity/print.h"
#include "station/record/export.h"
#include "station/record/query.h"

#define WIDTH 320
#define HEIGHT 240
#define HEAD "station: {name: cell, state_dir: state, deadline_ms: 20000, workers: 2}\n"
#define QUICK "recipes:\n  - {name: wide, file: wide.assay}\n"

static void save_recipe_of(const char *name, int width, int height)
{
	struct assay_teach_options options = {.working_px = 64, .bank_size = 40, .overkill = 0.1};
	struct assay__virtual_options line_options = {.seed = 1, .width_px = width, .height_px = height};
	struct assay__virtual_wish wish = {ASSAY__VIRTUAL_GOOD, 1};
	struct assay__virtual_line *line;
	static struct shelf shelf;
	struct assay_recipe *recipe;
	char path[128];
	size_t size;
	uint8_t *network = small_network(3, &size);
	struct assay_env env = {.network = network, .network_size_bytes = size};

	assert_int_equal(assay__virtual_open(&line_options, NULL, &line, NULL), 0);
	for (int i = 0; i < 6; i++) {
		struct assay_image image;

		assert_int_equal(assay_image_create(width, height, 1, 8, NULL, &image, NULL), 0);
		assert_int_equal(assay__virtual_render(line, (uint64_t)i, &wish, &image, NULL, NULL, NULL), 0);
		shelf_put(&shelf, image);
	}
	recipe = must_teach(&env, &options, &shelf, NULL);
	snprintf(path, sizeof(path), "%s/%s.assay", room, name);
	assert_int_equal(assay_recipe_save(recipe, path, NULL), 0);
	assay_recipe_close(recipe);
	assay__virtual_close(line);
	shelf_clear(&shelf);
	free(network);
}

static int open_all(void **state)
{
	if (open_room(state))
		return -1;
	save_recipe_of("wide", WIDTH, HEIGHT);
	save_recipe_of("large", 2 * WIDTH, 2 * HEIGHT);
	return 0;
}

/* A label laid on a grey picture, turned about its middle and blurred by so many passes of a 3 x 3 binomial. */
static struct assay_image lay(const struct assay_image *label, double degrees, int blur)
{
	struct assay_image out;
	double c = cos(degrees * M_PI / 180), s = sin(degrees * M_PI / 180);
	uint8_t copy[WIDTH * HEIGHT];

	assert_int_equal(assay_image_create(WIDTH, HEIGHT, 1, 8, NULL, &out, NULL), 0);
	for (int y = 0; y < HEIGHT; y++)
		for (int x = 0; x < WIDTH; x++) {
			double dx = x - WIDTH / 2 + 0.5, dy = y - HEIGHT / 2 + 0.5;
			int u = (int)floor(c * dx + s * dy + label->width_px / 2.0);
			int v = (int)floor(-s * dx + c * dy + label->height_px / 2.0);
			bool in = u >= 0 && v >= 0 && u < label->width_px && v < label->height_px;

			/* contrast of a print on metal, not of a screen */
			out.pixels[y * (int)out.stride_bytes + x] =
				in ? (uint8_t)(30 + 180 *
										label->pixels[(size_t)v * label->stride_bytes + (size_t)(u * label->channels)] /
										255)
				   : 150;
		}
	for (int pass = 0; pass < blur; pass++) {
		for (int y = 0; y < HEIGHT; y++)
			memcpy(copy + y * WIDTH, out.pixels + (size_t)y * out.stride_bytes, WIDTH);
		for (int y = 1; y < HEIGHT - 1; y++)
			for (int x = 1; x < WIDTH - 1; x++) {
				int sum = 0;

				for (int k = 0; k < 9; k++)
					sum += copy[(y + k / 3 - 1) * WIDTH + x + k % 3 - 1] * (2 - (k / 3 != 1)) * (2 - (k % 3 != 1));
				out.pixels[(size_t)y * out.stride_bytes + (size_t)x] = (uint8_t)(sum / 16);
			}
	}
	return out;
}

/* What a program drew, or for DataMatrix libdmtx, as a picture. */
static struct assay_image label(const char *kind, const char *text)
{
	char command[700], path[160], out[64];
	struct assay_image image;
	struct assay_error error;

	snprintf(path, sizeof(path), "%s/label.png", room);
	if (!strcmp(kind, "datamatrix")) {
		assert_int_equal(assay_image_create(180, 180, 1, 8, NULL, &image, NULL), 0);
		memset(image.pixels, 225, image.stride_bytes * 180);
		if (assay__code_print(&image, text, &error))
			fail_msg("%s", error.message);
		return image;
	}
	if (!strcmp(kind, "qr"))
		snprintf(command, sizeof(command), "qrencode -t PNG32 -s 4 -m 4 -o %s '%s'", path, text);
	else
		snprintf(command, sizeof(command), "zint -b 20 --height 50 --whitesp=12 --vwhitesp=6 --scale 1 -o %s -d '%s'",
				 path, text);
	assert_int_equal(run_command(command, out, sizeof(out)), 0);
	if (assay_image_load(path, NULL, &image, &error))
		fail_msg("%s", error.message);
	return image;
}

static struct assay__code_found read_one(const struct assay_image *image, const char *pattern, int timeout_ms)
{
	struct assay__code_settings settings = {
		.datamatrix = true, .qr = true, .code128 = true, .timeout_ms = timeout_ms, .pattern = pattern};
	struct assay__code_reader *reader;
	struct assay__code_found found;

	assert_int_equal(assay__code_reader_open(&reader, NULL), 0);
	assay__code_read(reader, &settings, image, INT64_MAX, &found);
	assay__code_reader_close(reader);
	return found;
}

static void expect(const char *kind, const char *text, double degrees, int blur)
{
	struct assay_image drawn = label(kind, text), image = lay(&drawn, degrees, blur);
	struct assay__code_found found = read_one(&image, "", 10000);
	char clean[ASSAY__PART_CODE_CHARS];

	assert_true(assay__code_text(text, strlen(text), clean));
	if (found.state != ASSAY__CODE_READ)
		fail_msg("%s '%s' at %g degrees, blur %d: %s", kind, text, degrees, blur, found.why);
	assert_string_equal(found.text, clean);
	assert_string_equal(assay__symbology_name(found.symbology), kind);
	assay_image_free(&image, NULL);
	assay_image_free(&drawn, NULL);
}

static void need_programs(void)
{
#if !defined(ASSAY_HAVE_DMTX) || !defined(ASSAY_HAVE_ZBAR)
	print_message("libdmtx or zbar was not there at build time\n");
	skip();
#endif
	if (!have_program("qrencode") || !have_program("zint")) {
		print_message("qrencode and zint are not installed\n");
		skip();
	}
}

static void test_turned_and_blurred(void **state)
{
	static const double turns[] = {0, 7, 90, 133, 180, 270};

	(void)state;
	need_programs();
	for (int i = 0; i < 6; i++)
		for (int blur = 0; blur < 2; blur++) {
			expect("datamatrix", "LOT7-004711", turns[i], 2 * blur);
			expect("qr", "LOT7-004711", turns[i], 2 * blur);
			/* a row of bars is read along or across the rows of the picture, give or take what their height allows */
			if (turns[i] != 133)
				expect("code128", "L7-4711", turns[i], turns[i] == 7 ? 0 : blur);
		}
}

/* What a stranger printed reaches pages, tables and shells: it stays text. */
static void test_hostile(void **state)
{
	char text[ASSAY__PART_CODE_CHARS];
	struct assay__code_found found;
	struct assay_image drawn, image;

	(void)state;
	assert_true(assay__code_text("a\x1d"
								 "b\\c\xff",
								 6, text));
	assert_string_equal(text, "a\\x1db\\x5cc\\xff");
	assert_true(assay__code_text("\xe9\xbd\xbf\xc2\x85", 5, text));
	assert_string_equal(text, "\xe9\xbd\xbf\\xc2\\x85");
	assert_false(assay__code_text("", 0, text));
	char much[200];
	memset(much, 'x', sizeof(much));
	assert_true(assay__code_text(much, ASSAY__PART_CODE_CHARS - 1, text));
	assert_false(assay__code_text(much, ASSAY__PART_CODE_CHARS, text));
	memset(much, 1, sizeof(much));
	assert_false(assay__code_text(much, 32, text));
	need_programs();
	expect("qr", "<script>alert(1)</script>", 0, 0);
	expect("datamatrix", "=cmd|calc!A1", 0, 0);
	/* longer than a part's code can be: not cut, but not taken */
	much[150] = '\0';
	memset(much, 'L', 150);
	drawn = label("qr", much);
	image = lay(&drawn, 0, 0);
	found = read_one(&image, "", 10000);
	assert_int_equal(found.state, ASSAY__CODE_UNEXPECTED);
	assert_string_equal(found.text, "");
	assay_image_free(&image, NULL);
	assay_image_free(&drawn, NULL);
}

static void test_patterns(void **state)
{
	static const struct {
		const char *pattern, *text;
		bool fits;
	} cases[] = {
		{"", "anything", true},
		{"*", "", true},
		{"LOT#-*", "LOT7-004711", true},
		{"LOT#-*", "LOTX-1", false},
		{"LOT#", "LOT77", false},
		{"*##", "ab12", true},
		{"*##", "ab1x", false},
		{"?b",
		 "\xe9\xbd\xbf"
		 "b",
		 true},
		{"a*b*c", "aXbYbZc", true},
		{"a*b*c", "aXbYbZ", false},
		{"a", "", false},
		{"#", "#", false},
		{"*a*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(assay__code_matches(cases[i].pattern, cases[i].text), cases[i].fits);
}

static void test_templates(void **state)
{
	struct assay__identity_day day = {.date = 20261124, .first = 40}, back;
	struct assay_error error;
	char code[ASSAY__PART_CODE_CHARS], folder[64], path[128];
	FILE *file;

	(void)state;
	assert_int_equal(assay__identity_check("{station}-{date}-{count:5}/{recipe}", "cell", 4, &error), 0);
	assay__identity_make("{station}-{date}-{count:5}/{recipe}#{sequence}", "cell", "wide", 52, &day, code);
	assert_string_equal(code, "cell-20261124-00012/wide#52");
	assert_int_equal(assay__identity_check("{nothing}", "cell", 4, &error), ASSAY_E_ARGUMENT);
	assert_non_null(strstr(error.message, "{nothing}"));
	assert_int_equal(assay__identity_check("{count:0}", "cell", 4, &error), ASSAY_E_ARGUMENT);
	assert_int_equal(assay__identity_check("{count:99}", "cell", 4, &error), ASSAY_E_ARGUMENT);
	assert_int_equal(assay__identity_check("{date", "cell", 4, &error), ASSAY_E_ARGUMENT);
	assert_int_equal(assay__identity_check("}", "cell", 4, &error), ASSAY_E_ARGUMENT);
	assert_int_equal(assay__identity_check("", "cell", 4, &error), ASSAY_E_ARGUMENT);
	assert_int_equal(assay__identity_check("{recipe}{recipe}{sequence}", "cell", 60, &error), ASSAY_E_ARGUMENT);
	/* a day goes forward only, and is on disk before it counts */
	make_folder(folder);
	day = (struct assay__identity_day){0};
	assert_true(assay__identity_turn(folder, 1764000000000000, 9, &day));
	assert_false(assay__identity_turn(folder, 1764000000000000 - 86400000000, 20, &day));
	assert_false(assay__identity_turn(folder, 1764000001000000, 20, &day));
	assay__identity_load(folder, &back);
	assert_int_equal(back.date, day.date);
	assert_int_equal(back.first, 9);
	assert_true(assay__identity_turn(folder, 1764000000000000 + 2 * 86400000000, 31, &day));
	assay__identity_load(folder, &back);
	assert_int_equal(back.first, 31);
	snprintf(path, sizeof(path), "%s/identity", folder);
	file = fopen(path, "w");
	fputs("2026", file);
	fclose(file);
	assay__identity_load(folder, &back);
	assert_int_equal(back.date, 0);
	remove_folder(folder);
}

static void put_picture(const char *folder, const char *name, const struct assay_image *image)
{
	char path[200];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	assert_int_equal(assay_image_save_png(path, image, NULL), 0);
}

static void trigger(struct bench *bench, const char *code, uint64_t *sequence)
{
	assert_int_equal(assay__station_trigger(bench->station, ASSAY__TRIGGER_MODBUS, 0, code, sequence), 0);
	assert_true(assay__station_wait_recorded(bench->station, *sequence, 20000));
}

/* Pictures of a folder through a whole station: read codes name parts; what cannot be read is an event and stops nothing. */
static void test_through_the_station(void **state)
{
	static const char script[] = "<script>alert(1)</script>", formula[] = "=cmd|' /C calc'!A0";
	struct assay__station_stats stats;
	struct assay__reader *reader;
	struct assay__part_filter filter = {.code = script};
	struct assay__part_line lines[8];
	struct assay__stored_part *part = calloc(1, sizeof(*part));
	struct assay__event events[64];
	struct assay_image drawn, image;
	uint64_t cursor = 0, exported, sequence, seen, lost;
	char folder[100], dir[100], *table = NULL;
	size_t table_size = 0;
	int count, told = 0;
	FILE *stream;

	(void)state;
	need_programs();
	snprintf(folder, sizeof(folder), "%s/pictures", room);
	assert_int_equal(mkdir(folder, 0700), 0);
	drawn = label("qr", script);
	image = lay(&drawn, 12, 0);
	put_picture(folder, "1.png", &image);
	assay_image_free(&image, NULL);
	assay_image_free(&drawn, NULL);
	drawn = label("datamatrix", formula);
	image = lay(&drawn, 180, 1);
	put_picture(folder, "2.png", &image);
	put_picture(folder, "3.png", &image);
	assay_image_free(&image, NULL);
	memset(drawn.pixels, 90, drawn.stride_bytes * (size_t)drawn.height_px);
	image = lay(&drawn, 0, 0);
	put_picture(folder, "4.png", &image);
	put_picture(folder, "5.png", &image);
	assay_image_free(&image, NULL);
	assay_image_free(&drawn, NULL);
	struct bench bench =
		bench_open(HEAD QUICK "cameras:\n  - {name: top, type: folder, path: pictures}\n"
							  "codes:\n  - {datamatrix: yes, qr: yes, code128: yes, timeout_ms: 10000}\n",
				   NULL);
	seen = assay__station_event_next(bench.station);
	trigger(&bench, NULL, &sequence);
	trigger(&bench, NULL, &sequence);
	trigger(&bench, "PLC-3", &sequence); /* the asker's word counts, that another one is there is told */
	trigger(&bench, NULL, &sequence);
	trigger(&bench, "PLC-5", &sequence);
	usleep(300000);
	while ((count = assay__station_events(bench.station, &seen, events, 64, &lost, 0)) > 0)
		for (int i = 0; i < count; i++)
			told += !strcmp(events[i].kind, "code");
	assert_true(told >= 1);
	stats = bench_close(&bench);
	assert_int_equal(stats.since_start.triggers, 5);
	assert_int_equal(stats.since_start.fault, 0);
	assert_int_equal(stats.by_code[ASSAY__CODE_READ], 2);
	assert_int_equal(stats.by_code[ASSAY__CODE_DIFFERS], 1);
	assert_int_equal(stats.by_code[ASSAY__CODE_UNREADABLE], 2);

	snprintf(dir, sizeof(dir), "%s/state", room);
	assert_int_equal(assay__reader_open(dir, &reader, NULL), 0);
	assert_int_equal(assay__query_page(reader, &filter, &cursor, lines, 8, &count, NULL), 0);
	assert_int_equal(count, 1);
	assert_int_equal(lines[0].sequence, 1);
	static const struct {
		const char *code;
		enum assay__code_state state;
		enum assay__symbology symbology;
	} expected[] = {{script, ASSAY__CODE_READ, ASSAY__SYMBOLOGY_QR},
					{formula, ASSAY__CODE_READ, ASSAY__SYMBOLOGY_DATAMATRIX},
					{"PLC-3", ASSAY__CODE_DIFFERS, ASSAY__SYMBOLOGY_DATAMATRIX},
					{"4.png", ASSAY__CODE_UNREADABLE, ASSAY__SYMBOLOGY_NONE},
					{"PLC-5", ASSAY__CODE_UNREADABLE, ASSAY__SYMBOLOGY_NONE}};
	for (uint64_t i = 0; i < 5; i++) {
		assert_int_equal(assay__query_part(reader, i + 1, part, NULL), 0);
		assert_string_equal(part->code, expected[i].code);
		assert_int_equal(part->code_state, expected[i].state);
		assert_int_equal(part->code_symbology, expected[i].symbology);
		assert_false(part->code_generated);
	}
	stream = open_memstream(&table, &table_size);
	filter = (struct assay__part_filter){0};
	assert_int_equal(assay__export_csv(reader, &filter, stream, &exported, NULL), 0);
	fclose(stream);
	/* as text even to a table calculation */
	assert_non_null(strstr(table, ",\"'=cmd|' /C calc'!A0\","));
	assert_non_null(strstr(table, ",\"<script>alert(1)</script>\","));
	assert_non_null(strstr(table, ",differs,datamatrix,"));
	free(table);
	free(part);
	assay__reader_close(reader);
}

/* The virtual line prints; a pattern it does not keep makes the code unexpected, and the name is made. */
static void test_virtual(void **state)
{
	struct assay__station_stats stats;
	uint64_t sequence;

	(void)state;
	need_programs();
	for (int run = 0; run < 2; run++) {
		struct bench bench = bench_open(
			run ? HEAD QUICK "identity: {template: \"{recipe}/{date}/{count:3}\"}\n"
							 "cameras:\n  - {name: top, type: virtual, print_code: yes}\n"
							 "codes:\n  - {camera: top, datamatrix: yes, timeout_ms: 10000, pattern: \"LOT#*\"}\n"
				: HEAD QUICK "cameras:\n  - {name: top, type: virtual, print_code: yes}\n"
							 "codes:\n  - {camera: top, datamatrix: yes, timeout_ms: 10000, area: \"0,120,160,120\"}\n",
			&audit_ops);

		for (int i = 0; i < 3; i++) {
			char code[64];

			trigger(&bench, NULL, &sequence);
			snprintf(code, sizeof(code), "VL1-%d", i);
			if (!run)
				assert_string_equal(audit.last_part.code, code);
			else
				assert_true(audit.last_part.code_generated && !strncmp(audit.last_part.code, "wide/20", 7) &&
							atoi(strrchr(audit.last_part.code, '/') + 1) == i + 1);
			assert_int_equal(audit.last_part.code_state, run ? ASSAY__CODE_UNEXPECTED : ASSAY__CODE_READ);
		}
		stats = bench_close(&bench);
		assert_audit(&stats);
		assert_int_equal(stats.since_start.fault, 0);
	}
}

/* Reading that lasts beyond the deadline costs the code, never the verdict. */
static void test_deadline(void **state)
{
	struct assay__station_stats stats;
	struct bench bench;
	uint64_t sequence;

	(void)state;
	need_programs();
	/* A picture without a code, of which all of it is looked at, takes longer than this. */
	bench = bench_open("station: {name: cell, state_dir: state, deadline_ms: 1500, workers: 2}\n"
					   "recipes:\n  - {name: large, file: large.assay}\n"
					   "cameras:\n  - {name: top, type: virtual, prerender: 2, defects: 0%}\n"
					   "codes:\n  - {datamatrix: yes, timeout_ms: 10000}\n",
					   &audit_ops);
	for (int i = 0; i < 2; i++)
		trigger(&bench, NULL, &sequence);
	stats = bench_close(&bench);
	assert_audit(&stats);
	assert_int_equal(stats.since_start.fault, 0);
	assert_int_equal(stats.late_dropped, 0);
	assert_int_equal(stats.by_code[ASSAY__CODE_UNREADABLE], 2);
	assert_int_equal(audit.last_part.code_state, ASSAY__CODE_UNREADABLE);
	assert_true(audit.last_part.views[0].result.threshold_q8 > 0);
}

static void test_config_errors(void **state)
{
	static const char *const wrong[][2] = {
		{"codes:\n  - {camera: top}\n", "nothing to look for"},
		{"codes:\n  - {camera: side, qr: yes}\n", "is not the name of a camera"},
		{"codes:\n  - {qr: yes}\n  - {camera: top, qr: yes}\n", "is here twice"},
		{"codes:\n  - {qr: yes, timeout_ms: 0}\n", "timeout_ms"},
		{"identity: {template: \"{x}\"}\n", "template"},
	};

	(void)state;
	need_programs();
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct assay__config *config;
		struct assay_error error;
		char yaml[600];

		snprintf(yaml, sizeof(yaml), "%s%s", HEAD QUICK "cameras:\n  - {name: top, type: virtual}\n", wrong[i][0]);
		assert_int_equal(assay__config_parse("s.yaml", yaml, strlen(yaml), NULL, &config, &error), ASSAY_E_ARGUMENT);
		if (!strstr(error.message, wrong[i][1]))
			fail_msg("%s", error.message);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_patterns),	  cmocka_unit_test(test_templates),
		cmocka_unit_test(test_config_errors), cmocka_unit_test(test_turned_and_blurred),
		cmocka_unit_test(test_hostile),		  cmocka_unit_test(test_through_the_station),
		cmocka_unit_test(test_virtual),		  cmocka_unit_test(test_deadline),
	};

	return cmocka_run_group_tests(tests, open_all, close_room);
}
