/* SPDX-License-Identifier: Apache-2.0 */
/* What to look at next, and how far people agree. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "station/record/database.h"
#include "station/review/room.h"

/* of the last parts, those with a picture that ?1 has not judged */
#define CANDIDATES                                                                                                     \
	"FROM record.parts p WHERE p.sequence > (SELECT ifnull(max(sequence), 0) - ?3 FROM record.parts) AND p.verdict "   \
	"<> 2"                                                                                                             \
	" AND NOT p.challenge AND EXISTS (SELECT 1 FROM record.images i WHERE i.sequence = p.sequence AND i.state = 2)"    \
	" AND NOT EXISTS (SELECT 1 FROM standing s WHERE s.sequence = p.sequence AND s.reviewer = ?1)"
#define WITH_STANDING "WITH standing AS MATERIALIZED (SELECT * FROM reviews WHERE id IN (" ASSAY__STANDING ")) "

const char *assay__worth_name(enum assay__worth worth)
{
	static const char *const names[ASSAY__WORTHS] = {"disputed", "near", "unlike"};
	return (unsigned)worth < ASSAY__WORTHS ? names[worth] : "near";
}

/* One lane of the queue into `list`, at most `most`. */
static int read_lane(struct assay__reviews *reviews, enum assay__worth worth, const char *reviewer,
					 struct assay__queued *list, int most, int *count, struct assay_error *error)
{
	static const char *const orders[ASSAY__WORTHS] = {
		[ASSAY__WORTH_DISPUTED] =
			" AND (SELECT count(DISTINCT s.judgement) FROM standing s WHERE s.sequence = p.sequence) > 1"
			" ORDER BY p.sequence DESC",
		[ASSAY__WORTH_NEAR] = " AND p.threshold_q8 > 0"
							  " ORDER BY abs(p.score_q8 - p.threshold_q8) * 1.0 / p.threshold_q8, p.sequence DESC",
		[ASSAY__WORTH_UNLIKE] = " AND p.score_q8 > p.threshold_q8 AND p.score_q8 > (SELECT ifnull(max(q.score_q8), 0)"
								" FROM standing s JOIN record.parts q ON q.sequence = s.sequence)"
								" ORDER BY p.score_q8 DESC, p.sequence DESC",
	};
	char sql[1600];
	sqlite3_stmt *rows = NULL;
	int found = 0, code;
	snprintf(sql, sizeof(sql), WITH_STANDING "SELECT " ASSAY__PART_LINE_COLUMNS " " CANDIDATES "%s LIMIT ?2",
			 orders[worth]);
	int rc = assay__database_prepare(reviews->db, sql, &rows, error);
	if (rc)
		return rc;
	sqlite3_bind_text(rows, 1, reviewer, -1, SQLITE_STATIC);
	sqlite3_bind_int(rows, 2, most);
	sqlite3_bind_int(rows, 3, ASSAY__QUEUE_WINDOW);
	while ((code = sqlite3_step(rows)) == SQLITE_ROW && found < most) {
		struct assay__queued *queued = &list[found++];
		assay__part_line_read(rows, &queued->part);
		queued->worth = worth;
		queued->nearness = queued->part.threshold_q8 ? fabs((double)queued->part.score_q8 - queued->part.threshold_q8) /
														   queued->part.threshold_q8
													 : INFINITY;
	}
	if (code != SQLITE_DONE && code != SQLITE_ROW)
		rc = assay__reviews_fail(reviews, code, error);
	sqlite3_finalize(rows);
	*count = found;
	return rc;
}

static bool is_in(const struct assay__queued *list, int count, uint64_t sequence)
{
	for (int i = 0; i < count; i++)
		if (list[i].part.sequence == sequence)
			return true;
	return false;
}

#define LANE_MOST 200

int assay__reviews_queue(struct assay__reviews *reviews, const char *reviewer, struct assay__queued *list, int most,
						 int *count, struct assay_error *error)
{
	struct assay__queued *lanes = calloc(2 * LANE_MOST, sizeof(*lanes));
	int near_count = 0, unlike_count = 0, at[2] = {0, 0}, found = 0;
	most = most < LANE_MOST ? most : LANE_MOST;
	int rc = lanes ? read_lane(reviews, ASSAY__WORTH_DISPUTED, reviewer, list, most, &found, error)
				   : assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for a queue");
	if (rc == 0)
		rc = read_lane(reviews, ASSAY__WORTH_NEAR, reviewer, lanes, most, &near_count, error);
	if (rc == 0)
		rc = read_lane(reviews, ASSAY__WORTH_UNLIKE, reviewer, lanes + LANE_MOST, most, &unlike_count, error);
	for (int turn = 0; rc == 0 && found < most && (at[0] < near_count || at[1] < unlike_count); turn++) {
		int lane = turn % 3 == 2;
		if (at[lane] == (lane ? unlike_count : near_count))
			lane = !lane;
		const struct assay__queued *next = &lanes[lane * LANE_MOST + at[lane]++];
		if (!is_in(list, found, next->part.sequence))
			list[found++] = *next;
	}
	free(lanes);
	if (rc == 0)
		*count = found;
	return rc;
}

int assay__reviews_counts(struct assay__reviews *reviews, struct assay__review_counts *counts,
						  struct assay_error *error)
{
	sqlite3_stmt *row = NULL;
	struct assay__review_counts found = {0};
	uint64_t *const to[] = {&found.parts,	 &found.good,	 &found.bad,	 &found.unsure,
							&found.overkill, &found.escapes, &found.disputed};
	int rc = assay__database_prepare(
		reviews->db,
		WITH_STANDING
		", word AS (SELECT sequence, judgement FROM standing WHERE id IN (SELECT max(id) FROM standing GROUP BY "
		"sequence))"
		" SELECT count(*), count(*) FILTER (WHERE w.judgement = 0), count(*) FILTER (WHERE w.judgement = 1),"
		" count(*) FILTER (WHERE w.judgement = 2), count(*) FILTER (WHERE w.judgement = 0 AND p.verdict = 1),"
		" count(*) FILTER (WHERE w.judgement = 1 AND p.verdict = 0),"
		" (SELECT count(*) FROM (SELECT 1 FROM standing GROUP BY sequence HAVING count(DISTINCT judgement) > 1))"
		" FROM word w LEFT JOIN record.parts p USING(sequence)",
		&row, error);
	if (rc)
		return rc;
	int code = sqlite3_step(row);
	for (size_t i = 0; code == SQLITE_ROW && i < sizeof(to) / sizeof(to[0]); i++)
		*to[i] = (uint64_t)sqlite3_column_int64(row, (int)i);
	sqlite3_finalize(row);
	if (code != SQLITE_ROW)
		return assay__reviews_fail(reviews, code, error);
	*counts = found;
	return 0;
}

int assay__reviews_words(struct assay__reviews *reviews, struct assay__word **out, int *count,
						 struct assay_error *error)
{
	struct assay__word *list = NULL;
	sqlite3_stmt *rows = NULL;
	int found = 0, room = 0, code = SQLITE_DONE;
	int rc =
		assay__database_prepare(reviews->db,
								WITH_STANDING "SELECT sequence, judgement FROM standing WHERE id IN"
											  " (SELECT max(id) FROM standing GROUP BY sequence) ORDER BY sequence",
								&rows, error);
	while (rc == 0 && (code = sqlite3_step(rows)) == SQLITE_ROW) {
		if (found == room) {
			struct assay__word *more = realloc(list, (size_t)(room = room ? 2 * room : 256) * sizeof(*more));
			if (!more) {
				rc = assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for the reviews");
				break;
			}
			list = more;
		}
		list[found++] = (struct assay__word){(uint64_t)sqlite3_column_int64(rows, 0),
											 (enum assay__judgement)sqlite3_column_int(rows, 1)};
	}
	if (rc == 0 && code != SQLITE_DONE)
		rc = assay__reviews_fail(reviews, code, error);
	sqlite3_finalize(rows);
	if (rc) {
		free(list);
		return rc;
	}
	*out = list;
	*count = found;
	return 0;
}

double assay__kappa(const struct assay__agreement *t)
{
	double n = (double)(t->both_good + t->both_bad + t->only_first_bad + t->only_second_bad);
	if (n == 0)
		return NAN;
	double observed = (double)(t->both_good + t->both_bad) / n;
	double first_bad = (double)(t->both_bad + t->only_first_bad) / n;
	double second_bad = (double)(t->both_bad + t->only_second_bad) / n;
	double chance = first_bad * second_bad + (1 - first_bad) * (1 - second_bad);
	return chance >= 1 ? NAN : (observed - chance) / (1 - chance);
}

int assay__reviews_agreement(struct assay__reviews *reviews, struct assay__agreement *list, int most, int *count,
							 struct assay_error *error)
{
	sqlite3_stmt *rows = NULL;
	int found = 0, code;
	int rc = assay__database_prepare(
		reviews->db,
		WITH_STANDING "SELECT a.reviewer, b.reviewer, sum(a.judgement = 0 AND b.judgement = 0), sum(a.judgement = 1 "
					  "AND b.judgement = 1),"
					  " sum(a.judgement = 1 AND b.judgement = 0), sum(a.judgement = 0 AND b.judgement = 1)"
					  " FROM standing a JOIN standing b ON a.sequence = b.sequence AND a.reviewer < b.reviewer"
					  " WHERE a.judgement <> 2 AND b.judgement <> 2 GROUP BY 1, 2 ORDER BY count(*) DESC, 1, 2 LIMIT ?",
		&rows, error);
	if (rc)
		return rc;
	sqlite3_bind_int(rows, 1, most);
	while ((code = sqlite3_step(rows)) == SQLITE_ROW && found < most) {
		struct assay__agreement *pair = &list[found++];
		snprintf(pair->first, sizeof(pair->first), "%s", (const char *)sqlite3_column_text(rows, 0));
		snprintf(pair->second, sizeof(pair->second), "%s", (const char *)sqlite3_column_text(rows, 1));
		pair->both_good = (uint64_t)sqlite3_column_int64(rows, 2);
		pair->both_bad = (uint64_t)sqlite3_column_int64(rows, 3);
		pair->only_first_bad = (uint64_t)sqlite3_column_int64(rows, 4);
		pair->only_second_bad = (uint64_t)sqlite3_column_int64(rows, 5);
		pair->kappa = assay__kappa(pair);
	}
	if (code != SQLITE_DONE && code != SQLITE_ROW)
		rc = assay__reviews_fail(reviews, code, error);
	sqlite3_finalize(rows);
	if (rc == 0)
		*count = found;
	return rc;
}
