/* SPDX-License-Identifier: Apache-2.0 */
#include "station/record/query.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "base/text.h"
#include "station/record/database.h"

#define PAGE 128
#define RARE 2000 /* codes */

struct assay__reader {
	sqlite3 *db;
	struct assay__part_reader parts;
	struct assay__stored_part part;
};

int assay__reader_open(const char *state_dir, struct assay__reader **out, struct assay_error *error)
{
	struct assay__reader *reader = calloc(1, sizeof(*reader));
	if (!reader)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for a reader");
	int rc = assay__database_open_read(state_dir, &reader->db, error);
	if (rc == 0)
		rc = assay__part_reader_open(reader->db, &reader->parts, error);
	if (rc) {
		sqlite3_close(reader->db);
		free(reader);
		return rc;
	}
	*out = reader;
	return 0;
}

void assay__reader_close(struct assay__reader *reader)
{
	if (!reader)
		return;
	assay__part_reader_close(&reader->parts);
	sqlite3_close(reader->db);
	free(reader);
}

/* The condition as text with numbered parameters; only what restricts is in it, so that indices can serve. */
static void write_where(const struct assay__part_filter *filter, bool rare, uint64_t cursor, char *sql, size_t size)
{
	const struct {
		bool wanted;
		const char *text;
	} terms[] = {
		{filter->first || (cursor && !filter->newest_first), " AND sequence >= ?1"},
		{filter->last || (cursor && filter->newest_first), " AND sequence <= ?2"},
		{filter->from_us != 0, " AND wall_us >= ?3"},
		{filter->to_us != 0, " AND wall_us < ?4"},
		{filter->verdicts != 0, " AND (1 << verdict) & ?5"},
		{filter->verdicts && !(filter->verdicts & 1), " AND verdict <> 0"},
		{filter->code != NULL, " AND code = ?6"},
		{filter->code_begin && rare, " AND code >= ?11 AND code < ?11 || char(1114111)"},
		/* the plus keeps the index out: all it found would have to be sorted */
		{filter->code_begin && !rare, " AND +code >= ?11 AND +code < ?11 || char(1114111)"},
		{filter->recipe != NULL, " AND recipe = ?7"},
		{filter->score_least_q8 != 0, " AND score_q8 >= ?8"},
		{filter->score_most_q8 != 0, " AND score_q8 <= ?9"},
		{filter->challenge, " AND challenge"},
	};
	size_t used = strlen(sql);
	for (size_t i = 0; i < sizeof(terms) / sizeof(terms[0]); i++)
		if (terms[i].wanted)
			used += (size_t)snprintf(sql + used, size - used, "%s", terms[i].text);
	snprintf(sql + used, size - used, " ORDER BY sequence%s LIMIT ?10", filter->newest_first ? " DESC" : "");
}

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static void bind_where(sqlite3_stmt *statement, const struct assay__part_filter *filter, uint64_t cursor, int most)
{
	uint64_t last = filter->last ? filter->last : INT64_MAX;
	/* binding a number that the text does not use is refused, which is no error here */
	sqlite3_bind_int64(statement, 1, (int64_t)(filter->newest_first ? filter->first : larger(filter->first, cursor)));
	sqlite3_bind_int64(statement, 2, (int64_t)(filter->newest_first && cursor && cursor < last ? cursor : last));
	sqlite3_bind_int64(statement, 3, filter->from_us);
	sqlite3_bind_int64(statement, 4, filter->to_us);
	sqlite3_bind_int64(statement, 5, filter->verdicts);
	sqlite3_bind_text(statement, 6, filter->code, -1, SQLITE_STATIC);
	sqlite3_bind_text(statement, 7, filter->recipe, -1, SQLITE_STATIC);
	sqlite3_bind_int64(statement, 8, filter->score_least_q8);
	sqlite3_bind_int64(statement, 9, filter->score_most_q8);
	sqlite3_bind_int(statement, 10, most);
	sqlite3_bind_text(statement, 11, filter->code_begin, -1, SQLITE_STATIC);
}

static void read_text(sqlite3_stmt *statement, int column, char *to, size_t size)
{
	const char *text = (const char *)sqlite3_column_text(statement, column);
	snprintf(to, size, "%s", text ? text : "");
}

void assay__part_line_read(sqlite3_stmt *statement, struct assay__part_line *line)
{
	int verdict = sqlite3_column_int(statement, 3), fault = sqlite3_column_int(statement, 4);
	line->sequence = (uint64_t)sqlite3_column_int64(statement, 0);
	line->wall_us = sqlite3_column_int64(statement, 1);
	line->latency_us = sqlite3_column_int64(statement, 2);
	line->verdict = verdict >= 0 && verdict <= ASSAY_FAULT ? (enum assay_verdict)verdict : ASSAY_FAULT;
	line->fault = fault >= 0 && fault < ASSAY__FAULT_COUNT ? (enum assay__fault)fault : ASSAY__FAULT_INTERNAL;
	line->score_q8 = (uint32_t)sqlite3_column_int64(statement, 5);
	line->threshold_q8 = (uint32_t)sqlite3_column_int64(statement, 6);
	line->p_value = sqlite3_column_double(statement, 7);
	line->view_count = sqlite3_column_int(statement, 8);
	line->challenge = sqlite3_column_int(statement, 9) != 0;
	read_text(statement, 10, line->code, sizeof(line->code));
	read_text(statement, 11, line->recipe_name, sizeof(line->recipe_name));
	read_text(statement, 12, line->reason, sizeof(line->reason));
}

/* Whether so few codes begin so that sorting them is quicker than going through all parts in order. */
static int is_rare(struct assay__reader *reader, const char *code_begin, bool *rare, struct assay_error *error)
{
	sqlite3_stmt *statement = NULL;
	int rc = assay__database_prepare(reader->db,
									 "SELECT count(*) FROM (SELECT 1 FROM parts WHERE code >= ?1"
									 " AND code < ?1 || char(1114111) LIMIT ?2)",
									 &statement, error);
	if (rc)
		return rc;
	sqlite3_bind_text(statement, 1, code_begin, -1, SQLITE_STATIC);
	sqlite3_bind_int(statement, 2, RARE);
	int code = sqlite3_step(statement);
	if (code == SQLITE_ROW)
		*rare = sqlite3_column_int(statement, 0) < RARE;
	else
		rc = assay__database_fail(reader->db, code, "record.db", error);
	sqlite3_finalize(statement);
	return rc;
}

int assay__query_page(struct assay__reader *reader, const struct assay__part_filter *filter, uint64_t *cursor,
					  struct assay__part_line *lines, int most, int *count, struct assay_error *error)
{
	char sql[1024] = "SELECT " ASSAY__PART_LINE_COLUMNS " FROM parts p WHERE 1";
	sqlite3_stmt *statement = NULL;
	int found = 0, code;
	bool rare = true;
	int rc = filter->code_begin ? is_rare(reader, filter->code_begin, &rare, error) : 0;
	if (rc)
		return rc;
	write_where(filter, rare, *cursor, sql, sizeof(sql));
	rc = assay__database_prepare(reader->db, sql, &statement, error);
	if (rc)
		return rc;
	bind_where(statement, filter, *cursor, most);
	while ((code = sqlite3_step(statement)) == SQLITE_ROW && found < most)
		assay__part_line_read(statement, &lines[found++]);
	if (code != SQLITE_DONE && code != SQLITE_ROW)
		rc = assay__database_fail(reader->db, code, "record.db", error);
	sqlite3_finalize(statement);
	if (rc)
		return rc;
	*count = found;
	*cursor = found < most || found == 0 ? 0 : lines[found - 1].sequence + (filter->newest_first ? -(uint64_t)1 : 1);
	return 0;
}

int assay__query_part(struct assay__reader *reader, uint64_t sequence, struct assay__stored_part *part,
					  struct assay_error *error)
{
	return assay__part_reader_get(&reader->parts, sequence, part, NULL, error);
}

static bool read_blob(sqlite3_stmt *statement, int column, void *to, int size)
{
	if (sqlite3_column_bytes(statement, column) != size)
		return false;
	memcpy(to, sqlite3_column_blob(statement, column), (size_t)size);
	return true;
}

int assay__query_seal(struct assay__reader *reader, uint64_t sequence, struct assay__part_seal *seal,
					  struct assay_error *error)
{
	struct assay__part_seal found = {0};
	sqlite3_stmt *statement = NULL;
	int code,
		rc = assay__database_prepare(reader->db,
									 "SELECT p.link, p.prev_hash, p.hash, s.link, s.wall_us, s.public_key, s.signature"
									 " FROM parts p LEFT JOIN signatures s ON s.link ="
									 " (SELECT min(link) FROM signatures WHERE link >= p.link) WHERE p.sequence = ?",
									 &statement, error);
	if (rc)
		return rc;
	sqlite3_bind_int64(statement, 1, (int64_t)sequence);
	code = sqlite3_step(statement);
	if (code == SQLITE_ROW) {
		found.link = (uint64_t)sqlite3_column_int64(statement, 0);
		found.signed_link = (uint64_t)sqlite3_column_int64(statement, 3);
		found.signed_us = sqlite3_column_int64(statement, 4);
		if (!assay__column_hash(statement, 1, found.before) || !assay__column_hash(statement, 2, found.hash) ||
			(found.signed_link && (!read_blob(statement, 5, found.public_key, (int)sizeof(found.public_key)) ||
								   !read_blob(statement, 6, found.signature, (int)sizeof(found.signature)))))
			rc = assay__fail(error, ASSAY_E_FORMAT, -1, "part %llu: a hash or signature is of the wrong length",
							 (unsigned long long)sequence);
	} else if (code == SQLITE_DONE) {
		rc = assay__fail(error, ASSAY_E_ARGUMENT, -1, "there is no part %llu in the record",
						 (unsigned long long)sequence);
	} else {
		rc = assay__database_fail(reader->db, code, "record.db", error);
	}
	sqlite3_finalize(statement);
	if (rc == 0)
		*seal = found;
	return rc;
}

int assay__query_each(struct assay__reader *reader, const struct assay__part_filter *filter,
					  int (*each)(void *ctx, const struct assay__stored_part *part, struct assay_error *error),
					  void *ctx, struct assay_error *error)
{
	struct assay__part_line *lines = malloc(PAGE * sizeof(*lines));
	uint64_t cursor = 0;
	int rc = lines ? 0 : assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for a page");
	/* page by page: no long reading that would keep the writer's journal from being folded in */
	while (rc == 0) {
		int count = 0;
		rc = assay__query_page(reader, filter, &cursor, lines, PAGE, &count, error);
		for (int i = 0; rc == 0 && i < count; i++) {
			rc = assay__query_part(reader, lines[i].sequence, &reader->part, error);
			if (rc == 0)
				rc = each(ctx, &reader->part, error);
		}
		if (cursor == 0)
			break;
	}
	free(lines);
	return rc;
}

int assay__query_counts(struct assay__reader *reader, int64_t from_us, int64_t step_us,
						struct assay__part_counts *counts, int count, struct assay_error *error)
{
	sqlite3_stmt *statement = NULL;
	int64_t end_us;
	int code;
	if (step_us <= 0 || count < 0 || __builtin_mul_overflow(step_us, (int64_t)count, &end_us) ||
		__builtin_add_overflow(end_us, from_us, &end_us))
		return assay__fail(error, ASSAY_E_ARGUMENT, -1, "intervals must be longer than nothing and end some day");
	int rc = assay__database_prepare(reader->db,
									 "SELECT (wall_us - ?1) / ?3, verdict, count(*), max(latency_us) FROM parts"
									 " WHERE wall_us >= ?1 AND wall_us < ?2 AND NOT challenge GROUP BY 1, 2",
									 &statement, error);
	if (rc)
		return rc;
	memset(counts, 0, sizeof(*counts) * (size_t)count);
	sqlite3_bind_int64(statement, 1, from_us);
	sqlite3_bind_int64(statement, 2, end_us);
	sqlite3_bind_int64(statement, 3, step_us);
	while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
		int64_t at = sqlite3_column_int64(statement, 0), latency = sqlite3_column_int64(statement, 3);
		if (at < 0 || at >= count)
			continue;
		struct assay__part_counts *counted = &counts[at];
		int verdict = sqlite3_column_int(statement, 1);
		*(verdict == ASSAY_PASS	  ? &counted->pass
		  : verdict == ASSAY_FAIL ? &counted->fail
								  : &counted->fault) = (uint64_t)sqlite3_column_int64(statement, 2);
		counted->latency_most_us = latency > counted->latency_most_us ? latency : counted->latency_most_us;
	}
	if (code != SQLITE_DONE)
		rc = assay__database_fail(reader->db, code, "record.db", error);
	sqlite3_finalize(statement);
	return rc;
}

int assay__query_events(struct assay__reader *reader, const char *kind, uint64_t *cursor,
						struct assay__stored_event *events, int most, int *count, struct assay_error *error)
{
	char columns[ASSAY__SQL_CHARS], sql[ASSAY__SQL_CHARS + 128];
	sqlite3_stmt *statement = NULL;
	int found = 0, code;
	const char *bad = NULL;
	assay__columns_list(&assay__table_events, "", ASSAY__STORED_FORM, columns);
	snprintf(sql, sizeof(sql), "SELECT %s FROM events WHERE link < ?1%s ORDER BY link DESC LIMIT ?2", columns,
			 kind ? " AND kind = ?3" : "");
	int rc = assay__database_prepare(reader->db, sql, &statement, error);
	if (rc)
		return rc;
	sqlite3_bind_int64(statement, 1, *cursor ? (int64_t)*cursor : INT64_MAX);
	sqlite3_bind_int(statement, 2, most);
	sqlite3_bind_text(statement, 3, kind, -1, SQLITE_STATIC);
	while ((code = sqlite3_step(statement)) == SQLITE_ROW && found < most && !bad)
		bad = assay__columns_read(&assay__table_events, statement, 0, &events[found++]);
	if (bad)
		rc = assay__fail(error, ASSAY_E_FORMAT, -1, "table events, column %s holds what cannot be there", bad);
	else if (code != SQLITE_DONE && code != SQLITE_ROW)
		rc = assay__database_fail(reader->db, code, "record.db", error);
	sqlite3_finalize(statement);
	if (rc)
		return rc;
	*count = found;
	*cursor = found < most || found == 0 ? 0 : events[found - 1].link;
	return 0;
}

int assay__query_range(const char *text, struct assay__part_filter *filter, struct assay_error *error)
{
	char buffer[64], quoted[ASSAY__QUOTE_CHARS];
	int64_t first = 0, last = 0;
	if (strcmp(text, "all") == 0) {
		filter->first = filter->last = 0;
		return 0;
	}
	bool good = strlen(text) < sizeof(buffer) && strspn(text, "0123456789-") == strlen(text);
	if (good) {
		strcpy(buffer, text);
		char *dash = strchr(buffer, '-'), *end = dash ? dash + 1 : buffer;
		if (dash)
			*dash = '\0';
		good = (*buffer || *end) && (!*buffer || (assay__text_to_int64(buffer, &first) && first > 0)) &&
			   (!*end || (assay__text_to_int64(end, &last) && last > 0)) && !(first && last && last < first);
	}
	if (!good)
		return assay__fail(error, ASSAY_E_ARGUMENT, -1,
						   "%s is no range of parts: 17, 10-20, 10-, -20 or all is expected",
						   assay__text_quote(text, quoted));
	filter->first = (uint64_t)first;
	filter->last = (uint64_t)(strchr(text, '-') ? last : first);
	return 0;
}

int assay__query_time(const char *text, int64_t *wall_us, struct assay_error *error)
{
	static const char *const forms[] = {"%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"};
	char quoted[ASSAY__QUOTE_CHARS];
	for (int i = 0; i < 3; i++) {
		struct tm parts = {0};
		const char *rest = strptime(text, forms[i], &parts);
		if (rest && (*rest == '\0' || strcmp(rest, "Z") == 0)) {
			*wall_us = (int64_t)timegm(&parts) * 1000000;
			return 0;
		}
	}
	return assay__fail(error, ASSAY_E_ARGUMENT, -1,
					   "%s is no time: 2026-11-24 or 2026-11-24T10:30:05 (UTC) is expected",
					   assay__text_quote(text, quoted));
}

void assay__query_time_text(int64_t wall_us, char out[ASSAY__TIME_CHARS])
{
	int64_t micros = (wall_us % 1000000 + 1000000) % 1000000;
	time_t seconds = (time_t)((wall_us - micros) / 1000000);
	struct tm parts;
	char text[24] = "";
	if (gmtime_r(&seconds, &parts))
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &parts);
	snprintf(out, ASSAY__TIME_CHARS, "%s.%06dZ", text, (int)micros);
}
