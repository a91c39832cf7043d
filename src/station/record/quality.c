/* SPDX-License-Identifier: Apache-2.0 */
#include "station/record/quality.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "station/record/database.h"

/* Finer than what is told, so that bins can be chosen once the threshold is known. */
#define FINE_BINS 8192
#define FINE_Q8 8

struct assay__quality_reader {
	sqlite3 *db;
	sqlite3_stmt *parts, *parts_of_recipe, *places, *places_of_recipe;
	uint64_t fine_pass[FINE_BINS], fine_fail[FINE_BINS];
};

/* All columns are of the index parts_quality: the table itself is not read. */
#define PARTS                                                                                                          \
	"SELECT wall_us, verdict, fault, challenge, score_q8, threshold_q8 FROM parts INDEXED BY parts_quality"            \
	" WHERE wall_us >= ?1 AND wall_us < ?2"
#define PLACES                                                                                                         \
	"SELECT v.camera, r.peak_x_px * ?3 / v.width_px, r.peak_y_px * ?4 / v.height_px, count(*)"                         \
	" FROM parts p INDEXED BY parts_quality JOIN regions r ON r.sequence = p.sequence AND r.rank = 0"                  \
	" JOIN views v ON v.sequence = r.sequence AND v.view = r.view"                                                     \
	" WHERE p.wall_us >= ?1 AND p.wall_us < ?2 AND p.verdict = 1 AND NOT p.challenge AND v.verdict = 1"                \
	" AND v.width_px > 0 AND v.height_px > 0"

int assay__quality_open(const char *state_dir, struct assay__quality_reader **out, struct assay_error *error)
{
	struct assay__quality_reader *reader = calloc(1, sizeof(*reader));
	int rc;

	if (!reader)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory");
	rc = assay__database_open_read(state_dir, &reader->db, error);
	if (!rc)
		rc = assay__database_prepare(reader->db, PARTS, &reader->parts, error);
	if (!rc)
		rc = assay__database_prepare(reader->db, PARTS " AND recipe = ?5", &reader->parts_of_recipe, error);
	if (!rc)
		rc = assay__database_prepare(reader->db, PLACES " GROUP BY 1, 2, 3", &reader->places, error);
	if (!rc)
		rc = assay__database_prepare(reader->db, PLACES " AND p.recipe = ?5 GROUP BY 1, 2, 3",
									 &reader->places_of_recipe, error);
	if (rc)
		assay__quality_close(reader);
	else
		*out = reader;
	return rc;
}

void assay__quality_close(struct assay__quality_reader *reader)
{
	if (!reader)
		return;
	sqlite3_finalize(reader->parts);
	sqlite3_finalize(reader->parts_of_recipe);
	sqlite3_finalize(reader->places);
	sqlite3_finalize(reader->places_of_recipe);
	sqlite3_close(reader->db);
	free(reader);
}

static void count_verdict(struct assay__quality_counts *counts, int verdict)
{
	if (verdict == ASSAY_PASS)
		counts->pass++;
	else if (verdict == ASSAY_FAIL)
		counts->fail++;
	else
		counts->fault++;
}

static void count_score(struct assay__quality_reader *reader, struct assay__quality *out, int verdict,
						uint32_t score_q8, uint32_t threshold_q8)
{
	uint32_t bin = score_q8 / FINE_Q8 < FINE_BINS ? score_q8 / FINE_Q8 : FINE_BINS - 1;

	(verdict == ASSAY_PASS ? reader->fine_pass : reader->fine_fail)[bin]++;
	if (!threshold_q8)
		return;
	out->threshold_q8 = threshold_q8; /* rows come by time: the last one stays */
	if (!out->threshold_least_q8 || threshold_q8 < out->threshold_least_q8)
		out->threshold_least_q8 = threshold_q8;
	if (threshold_q8 > out->threshold_most_q8)
		out->threshold_most_q8 = threshold_q8;
}

static void count_row(struct assay__quality_reader *reader, sqlite3_stmt *row, const struct assay__quality_ask *ask,
					  struct assay__quality *out)
{
	int64_t wall_us = sqlite3_column_int64(row, 0);
	int verdict = sqlite3_column_int(row, 1), fault = sqlite3_column_int(row, 2);

	if (sqlite3_column_int(row, 3)) {
		out->challenge++;
		out->challenge_caught += verdict == ASSAY_FAIL;
		return;
	}
	count_verdict(&out->total, verdict);
	if (ask->steps) {
		int64_t length_us = (ask->to_us - ask->from_us + ask->steps - 1) / ask->steps;

		count_verdict(&out->steps[(wall_us - ask->from_us) / length_us], verdict);
	}
	if (verdict == ASSAY_PASS || verdict == ASSAY_FAIL)
		count_score(reader, out, verdict, (uint32_t)sqlite3_column_int64(row, 4),
					(uint32_t)sqlite3_column_int64(row, 5));
	else
		out->by_fault[fault > 0 && fault < ASSAY__FAULT_COUNT ? fault : ASSAY__FAULT_INTERNAL]++;
}

/* Bins so wide that two and a half times the threshold is seen; their edges are edges of the fine ones. */
static void fold_bins(const struct assay__quality_reader *reader, struct assay__quality *out)
{
	uint32_t wide = 1, seen_q8 = out->threshold_most_q8 * 5 / 2;

	while ((uint64_t)wide * FINE_Q8 * ASSAY__QUALITY_BINS < seen_q8 && wide < FINE_BINS / ASSAY__QUALITY_BINS)
		wide++;
	out->bin_q8 = wide * FINE_Q8;
	for (uint32_t i = 0; i < FINE_BINS; i++) {
		uint32_t bin = i / wide < ASSAY__QUALITY_BINS ? i / wide : ASSAY__QUALITY_BINS - 1;

		out->bins_pass[bin] += reader->fine_pass[i];
		out->bins_fail[bin] += reader->fine_fail[i];
	}
}

static void count_place(sqlite3_stmt *row, struct assay__quality *out)
{
	const char *camera = (const char *)sqlite3_column_text(row, 0);
	int64_t x = sqlite3_column_int64(row, 1), y = sqlite3_column_int64(row, 2);
	int i = 0;

	if (!camera || x < 0 || y < 0 || x >= ASSAY__QUALITY_GRID_WIDTH || y >= ASSAY__QUALITY_GRID_HEIGHT)
		return;
	while (i < out->place_count && strcmp(out->places[i].camera, camera))
		i++;
	if (i == ASSAY__MAX_VIEWS)
		return;
	if (i == out->place_count)
		snprintf(out->places[out->place_count++].camera, ASSAY__NAME_CHARS, "%s", camera);
	out->places[i].cells[y][x] += (uint32_t)sqlite3_column_int64(row, 3);
}

static void bind(sqlite3_stmt *statement, const struct assay__quality_ask *ask)
{
	/* binding a number that the text does not use is refused, which is no error here */
	sqlite3_bind_int64(statement, 1, ask->from_us);
	sqlite3_bind_int64(statement, 2, ask->to_us);
	sqlite3_bind_int(statement, 3, ASSAY__QUALITY_GRID_WIDTH);
	sqlite3_bind_int(statement, 4, ASSAY__QUALITY_GRID_HEIGHT);
	sqlite3_bind_text(statement, 5, ask->recipe, -1, SQLITE_STATIC);
}

int assay__quality_sum(struct assay__quality_reader *reader, const struct assay__quality_ask *ask,
					   struct assay__quality *out, struct assay_error *error)
{
	sqlite3_stmt *parts = ask->recipe ? reader->parts_of_recipe : reader->parts;
	sqlite3_stmt *places = ask->recipe ? reader->places_of_recipe : reader->places;
	int code, rc = 0;

	if (ask->from_us < 0 || ask->to_us <= ask->from_us || ask->steps < 0 || ask->steps > ASSAY__QUALITY_STEPS_MOST)
		return assay__fail(error, ASSAY_E_ARGUMENT, -1,
						   "the time must end after it begins, in at most %d steps: found %lld to %lld us in %d",
						   ASSAY__QUALITY_STEPS_MOST, (long long)ask->from_us, (long long)ask->to_us, ask->steps);
	memset(out, 0, sizeof(*out));
	memset(reader->fine_pass, 0, sizeof(reader->fine_pass));
	memset(reader->fine_fail, 0, sizeof(reader->fine_fail));
	bind(parts, ask);
	while ((code = sqlite3_step(parts)) == SQLITE_ROW)
		count_row(reader, parts, ask, out);
	if (code != SQLITE_DONE)
		rc = assay__database_fail(reader->db, code, "record.db", error);
	sqlite3_reset(parts);
	bind(places, ask);
	while (!rc && (code = sqlite3_step(places)) == SQLITE_ROW)
		count_place(places, out);
	if (!rc && code != SQLITE_DONE)
		rc = assay__database_fail(reader->db, code, "record.db: regions", error);
	sqlite3_reset(places);
	if (!rc)
		fold_bins(reader, out);
	return rc;
}
