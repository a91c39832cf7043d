/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever is changed in a record afterwards is found, and the finding names the place. */
#include "record_util.h"

static struct room_test test;

static void execute(const char *sql)
{
	sqlite3 *db;
	char path[128], *why = NULL;
	snprintf(path, sizeof(path), "%s/record.db", test.dir);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	if (sqlite3_exec(db, sql, NULL, NULL, &why))
		fail_msg("%s: %s", sql, why);
	sqlite3_close(db);
}

static int begin(void **state)
{
	(void)state;
	room_test_begin(&test);
	test.settings.sign_every = 40;
	room_open(&test);
	room_put_some(&test, 100);
	assay__record_event(test.record, "login", "li");
	room_close(&test);
	audit_clean(test.dir);
	return 0;
}

static int end(void **state)
{
	(void)state;
	room_test_end(&test);
	return 0;
}

/* After this change the audit has a finding of this kind that names the part (0: none) and has the words. */
static void finds(const char *sql, const char *kind, uint64_t sequence, const char *words)
{
	struct audit_notes notes;
	execute(sql);
	audit(test.dir, &notes);
	for (int i = 0; i < notes.count && i < 32; i++)
		if (strcmp(notes.list[i].kind, kind) == 0 && notes.list[i].sequence == sequence &&
			strstr(notes.list[i].text, words))
			return;
	fail_msg("after %s: %d findings: %s", sql, notes.count, notes.all);
}

static void a_changed_part(void **state)
{
	(void)state;
	finds("UPDATE parts SET verdict = 0 WHERE sequence = 5", "record", 5, "part 5 (link");
	finds("UPDATE parts SET operator = 'wu' WHERE sequence = 9", "record", 9, "part 9");
	finds("UPDATE views SET score_q8 = score_q8 - 1 WHERE sequence = 20", "record", 20, "part 20");
	finds("UPDATE regions SET area_px = 1 WHERE sequence = 30", "record", 30, "part 30");
	finds("DELETE FROM regions WHERE sequence = 35", "record", 35, "table regions");
	finds("UPDATE parts SET fault = 99 WHERE sequence = 40", "record", 40, "column fault");
}

/* What regions and parts got later is under the hash too, and so is which form a part is of. */
static void what_came_later(void **state)
{
	(void)state;
	finds("UPDATE regions SET length_px = 7 WHERE sequence = 35", "record", 35, "its hash differs");
	finds("UPDATE regions SET zone = 'x' WHERE sequence = 35", "record", 35, "its hash differs");
	finds("UPDATE views SET mm_per_px = 0.5 WHERE sequence = 35", "record", 35, "its hash differs");
	finds("UPDATE parts SET code_state = 1 WHERE sequence = 35", "record", 35, "its hash differs");
	finds("UPDATE parts SET form = 1 WHERE sequence = 45", "record", 45, "its hash differs");
	finds("UPDATE parts SET form = 0 WHERE sequence = 45", "record", 45, "column form");
	finds("UPDATE parts SET form = 1 WHERE sequence = 45; UPDATE regions SET zone = 'x' WHERE sequence = 45", "record",
		  45, "column zone");
	finds("UPDATE parts SET challenge = 1 WHERE sequence = 55", "record", 55, "its hash differs");
}

static void the_middle_of_the_chain(void **state)
{
	(void)state;
	finds("UPDATE parts SET prev_hash = CAST(x'00' || substr(prev_hash, 2) AS BLOB) WHERE sequence = 50", "chain", 50,
		  "does not follow");
}

static void a_missing_part(void **state)
{
	(void)state;
	finds("DELETE FROM parts WHERE sequence = 60", "count", 60, "neither a record nor a gap");
	finds("DELETE FROM parts WHERE sequence = 61", "chain", 0, "missing");
}

static void a_forged_part_with_a_right_hash(void **state)
{
	static struct assay__stored_part part;
	struct assay__link_hashes hashes;
	struct assay__part_reader reader;
	uint8_t hash[ASSAY_HASH_BYTES];
	char sql[300], hex[2 * ASSAY_HASH_BYTES + 1];
	sqlite3 *db;
	(void)state;
	assert_int_equal(assay__database_open_read(test.dir, &db, NULL), 0);
	assert_int_equal(assay__part_reader_open(db, &reader, NULL), 0);
	assert_int_equal(assay__part_reader_get(&reader, 70, &part, &hashes, NULL), 0);
	assay__part_reader_close(&reader);
	sqlite3_close(db);
	strcpy(part.operator_name, "nobody");
	assay__chain_part(hashes.before, &part, hash);
	for (int i = 0; i < ASSAY_HASH_BYTES; i++)
		snprintf(hex + 2 * i, 3, "%02x", hash[i]);
	snprintf(sql, sizeof(sql), "UPDATE parts SET operator = 'nobody', hash = x'%s' WHERE sequence = 70", hex);
	finds(sql, "chain", 71, "does not follow");
}

static void the_whole_chain_made_anew(void **state)
{
	struct audit_notes notes;
	char path[128];
	(void)state;
	/* signed by a key of the forger's */
	snprintf(path, sizeof(path), "%s/record.db", test.dir);
	const uint8_t other[ASSAY__PUBLIC_KEY_BYTES] = {1};
	struct assay__verify_options options = {.finding = note_finding, .ctx = &notes, .public_key = other};
	struct assay__verify_report report;
	memset(&notes, 0, sizeof(notes));
	assert_int_equal(assay__verify(test.dir, &options, &report, NULL), 0);
	assert_true(notes.count > 0);
	assert_string_equal(notes.list[0].kind, "signature");
	finds("UPDATE signatures SET signature = zeroblob(64) WHERE link = (SELECT max(link) FROM signatures)", "signature",
		  0, "the signature is wrong");
	finds("UPDATE signatures SET hash = zeroblob(32) WHERE link = (SELECT min(link) FROM signatures)", "signature", 0,
		  "link");
}

static void the_end_cut_off(void **state)
{
	(void)state;
	execute("DELETE FROM events WHERE kind = 'closed'; DELETE FROM parts WHERE sequence > 90");
	finds("SELECT 1", "count", 0, "the station counted triggers 100");
	finds("SELECT 1", "signature", 0, "not the one that was signed");
}

static void a_changed_event(void **state)
{
	(void)state;
	finds("UPDATE events SET text = 'wu' WHERE kind = 'login'", "record", 0, "event login");
}

static void a_picture(void **state)
{
	char path[128];
	struct assay_image image = make_picture(24, 16, 10);
	(void)state;
	image.pixels[77] ^= 1;
	snprintf(path, sizeof(path), "%s/images/0000000/0000000010-0.png", test.dir);
	assert_int_equal(assay_image_save_png(path, &image, NULL), 0);
	finds("SELECT 1", "image", 10, "the hash of its pixels differs");
	snprintf(path, sizeof(path), "%s/images/0000000/0000000005-0.png", test.dir);
	FILE *file = fopen(path, "r+b");
	assert_non_null(file);
	fseek(file, 60, SEEK_SET);
	int byte = fgetc(file);
	fseek(file, 60, SEEK_SET);
	fputc(byte ^ 4, file);
	fclose(file);
	finds("SELECT 1", "image", 5, "damaged");
	snprintf(path, sizeof(path), "%s/images/0000000/0000000015-0.png", test.dir);
	unlink(path);
	finds("SELECT 1", "image", 15, "is gone");
	finds("UPDATE images SET state = 3, bytes = 0 WHERE sequence = 20", "image", 20, "knows of no such pruning");
	finds("DELETE FROM images WHERE sequence = 25", "image", 25, "lacks it");
	finds("UPDATE images SET hash = zeroblob(32) WHERE sequence = 30", "image", 30, "not the one in the chain");
	assay_image_free(&image, NULL);
}

/* Everything that the audit vouches for, as text; NULL if it cannot be read. */
static char *dump(void)
{
	static const char *const tables[] = {
		"SELECT * FROM parts ORDER BY sequence",
		"SELECT * FROM views ORDER BY sequence, view",
		"SELECT * FROM regions ORDER BY sequence, view, rank",
		"SELECT * FROM images ORDER BY sequence, view",
		"SELECT * FROM events ORDER BY link",
		"SELECT * FROM signatures ORDER BY link",
		"SELECT * FROM counters WHERE name NOT IN ('next', 'clean', 'accounted', 'missed') ORDER BY name"};
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	sqlite3 *db = NULL;
	bool good = assay__database_open_read(test.dir, &db, NULL) == 0;
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]) && good; i++) {
		sqlite3_stmt *statement = NULL;
		int code = sqlite3_prepare_v2(db, tables[i], -1, &statement, NULL);
		while (code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW) {
			for (int c = 0; c < sqlite3_column_count(statement); c++) {
				fprintf(out, "%d:", sqlite3_column_type(statement, c));
				const uint8_t *bytes = sqlite3_column_blob(statement, c);
				for (int b = 0; b < sqlite3_column_bytes(statement, c); b++)
					fprintf(out, "%02x", bytes[b]);
				putc(' ', out);
			}
			putc('\n', out);
			code = SQLITE_OK;
		}
		good = code == SQLITE_DONE;
		sqlite3_finalize(statement);
	}
	sqlite3_close(db);
	fclose(out);
	if (good)
		return text;
	free(text);
	return NULL;
}

static void any_flipped_byte(void **state)
{
	char path[128];
	char *before = dump();
	uint32_t seed = 20261124;
	int changed = 0, found = 0;
	(void)state;
	assert_non_null(before);
	snprintf(path, sizeof(path), "%s/record.db", test.dir);
	FILE *file = fopen(path, "r+b");
	assert_non_null(file);
	setvbuf(file, NULL, _IONBF, 0);
	fseek(file, 0, SEEK_END);
	long size = ftell(file);
	for (int i = 0; i < 300; i++) {
		seed = seed * 1664525 + 1013904223;
		long at = (long)((uint64_t)seed * (uint64_t)size >> 32);
		int bit = 1 << (i % 8);
		fseek(file, at, SEEK_SET);
		int byte = fgetc(file);
		fseek(file, at, SEEK_SET);
		fputc(byte ^ bit, file);
		char *after = dump();
		bool differs = !after || strcmp(before, after) != 0;
		struct audit_notes notes = {0};
		struct assay__verify_report report = {0};
		struct assay__verify_options options = {.finding = note_finding, .ctx = &notes};
		int rc = assay__verify(test.dir, &options, &report, NULL);
		changed += differs;
		found += rc != 0 || report.findings > 0;
		if (differs && rc == 0 && report.findings == 0)
			fail_msg("byte %ld, bit %d: changed and not found", at, bit);
		free(after);
		fseek(file, at, SEEK_SET);
		fputc(byte, file);
	}
	fclose(file);
	free(before);
	assert_true(changed > 30);
	assert_true(found >= changed);
	audit_clean(test.dir);
}

static void a_recipe(void **state)
{
	char path[192];
	(void)state;
	finds("UPDATE views SET recipe_hash = x'00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff'"
		  " WHERE sequence = 1",
		  "recipe", 0, "0011223344");
	snprintf(path, sizeof(path), "%s/recipes/00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff.assay",
			 test.dir);
	FILE *file = fopen(path, "w");
	fputs("no recipe", file);
	fclose(file);
	finds("SELECT 1", "recipe", 0, "0011223344");
}

static void what_is_no_record(void **state)
{
	struct assay__verify_report report;
	struct assay_error error;
	struct assay__verify_options options = {0};
	char path[128];
	(void)state;
	assert_int_equal(assay__verify("/nowhere", &options, &report, &error), ASSAY_E_IO);
	snprintf(path, sizeof(path), "%s/record.db", test.dir);
	FILE *file = fopen(path, "r+b");
	fputs("something else altogether", file);
	fclose(file);
	assert_int_equal(assay__verify(test.dir, &options, &report, &error), ASSAY_E_FORMAT);
}

int main(void)
{
#define TAMPER(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TAMPER(a_changed_part),
		TAMPER(the_middle_of_the_chain),
		TAMPER(what_came_later),
		TAMPER(a_missing_part),
		TAMPER(a_forged_part_with_a_right_hash),
		TAMPER(the_whole_chain_made_anew),
		TAMPER(the_end_cut_off),
		TAMPER(a_changed_event),
		TAMPER(a_picture),
		TAMPER(any_flipped_byte),
		TAMPER(a_recipe),
		TAMPER(what_is_no_record),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
