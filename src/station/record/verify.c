/* SPDX-License-Identifier: Apache-2.0 */
#include "station/record/verify.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "station/record/verify_audit.h"

void assay__audit_say(struct assay__audit *audit, const char *kind, uint64_t link, uint64_t sequence, int view,
					  const char *format, ...)
{
	struct assay__finding finding = {.kind = kind, .link = link, .sequence = sequence, .view = view};
	va_list args;
	va_start(args, format);
	vsnprintf(finding.text, sizeof(finding.text), format, args);
	va_end(args);
	audit->report.findings++;
	if (audit->options->finding)
		audit->options->finding(audit->options->ctx, &finding);
}

int assay__audit_step(struct assay__audit *audit, sqlite3_stmt *statement, const char *table)
{
	int code = sqlite3_step(statement);
	if (code == SQLITE_ROW || code == SQLITE_DONE)
		return code;
	assay__audit_say(audit, "database", audit->report.links, 0, -1, "table %s cannot be read after this link: %s",
					 table, sqlite3_errmsg(audit->db));
	return SQLITE_DONE;
}

static bool add_range(struct assay__ranges *ranges, uint64_t first, uint64_t last)
{
	if (ranges->count == ranges->capacity) {
		int capacity = ranges->capacity ? 2 * ranges->capacity : 64;
		void *list = realloc(ranges->list, (size_t)capacity * sizeof(*ranges->list));
		if (!list)
			return false;
		ranges->list = list;
		ranges->capacity = capacity;
	}
	ranges->list[ranges->count++] = (struct assay__range){first, last};
	return true;
}

static int compare_ranges(const void *a, const void *b)
{
	const struct assay__range *x = a, *y = b;
	return x->first < y->first ? -1 : x->first > y->first;
}

/* Ascending, and none within or upon another. */
static void sort_ranges(struct assay__ranges *ranges)
{
	int kept = 0;
	if (ranges->count == 0)
		return;
	qsort(ranges->list, (size_t)ranges->count, sizeof(*ranges->list), compare_ranges);
	for (int i = 1; i < ranges->count; i++) {
		if (ranges->list[i].first > ranges->list[kept].last)
			ranges->list[++kept] = ranges->list[i];
		else if (ranges->list[i].last > ranges->list[kept].last)
			ranges->list[kept].last = ranges->list[i].last;
	}
	ranges->count = kept + 1;
}

bool assay__ranges_have(const struct assay__ranges *ranges, uint64_t sequence)
{
	int low = 0, high = ranges->count;
	while (low < high) {
		int middle = low + (high - low) / 2;
		if (ranges->list[middle].last < sequence)
			low = middle + 1;
		else
			high = middle;
	}
	return low < ranges->count && ranges->list[low].first <= sequence;
}

static void check_pages(struct assay__audit *audit)
{
	sqlite3_stmt *statement = NULL;
	if (sqlite3_prepare_v2(audit->db, "PRAGMA integrity_check(20)", -1, &statement, NULL)) {
		assay__audit_say(audit, "database", 0, 0, -1, "record.db: %s", sqlite3_errmsg(audit->db));
		return;
	}
	int code;
	while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
		const char *text = (const char *)sqlite3_column_text(statement, 0);
		if (!text || strcmp(text, "ok") != 0)
			assay__audit_say(audit, "database", 0, 0, -1, "record.db: %s", text ? text : "damaged");
	}
	if (code != SQLITE_DONE)
		assay__audit_say(audit, "database", 0, 0, -1, "record.db: %s", sqlite3_errmsg(audit->db));
	sqlite3_finalize(statement);
}

/* The next part or event of the walk. */
struct cursor {
	sqlite3_stmt *statement;
	bool live;
	uint64_t link;
};

static void advance(struct assay__audit *audit, struct cursor *cursor, int link_column, const char *table)
{
	cursor->live = assay__audit_step(audit, cursor->statement, table) == SQLITE_ROW;
	if (cursor->live)
		cursor->link = (uint64_t)sqlite3_column_int64(cursor->statement, link_column);
}

static void note_recipe(struct assay__audit *audit, const struct assay__stored_view *view)
{
	if (assay__hash_is_zero(view->recipe_hash))
		return;
	for (int i = 0; i < audit->recipe_count; i++)
		if (memcmp(audit->recipes[i], view->recipe_hash, ASSAY_HASH_BYTES) == 0)
			return;
	if (audit->recipe_count < ASSAY__AUDIT_RECIPES)
		memcpy(audit->recipes[audit->recipe_count++], view->recipe_hash, ASSAY_HASH_BYTES);
}

static void count_part(struct assay__audit *audit, const struct assay__stored_part *part)
{
	struct assay__verify_report *report = &audit->report;
	report->parts++;
	report->challenge += part->challenge;
	report->pass += !part->challenge && part->verdict == ASSAY_PASS;
	report->fail += !part->challenge && part->verdict == ASSAY_FAIL;
	report->fault += !part->challenge && part->verdict == ASSAY_FAULT;
	if ((part->fault != ASSAY__FAULT_NONE) && part->verdict != ASSAY_FAULT)
		assay__audit_say(audit, "record", part->link, part->sequence, -1, "part %" PRIu64 ": %s, but verdict %s",
						 part->sequence, assay__fault_name(part->fault), assay_verdict_name(part->verdict));
	for (int i = 0; i < part->view_count; i++) {
		const struct assay__stored_view *view = &part->views[i];
		note_recipe(audit, view);
		if (view->keep == ASSAY__KEEP_YES && view->image_state == ASSAY__IMAGE_NONE)
			assay__audit_say(audit, "image", part->link, part->sequence, i,
							 "part %" PRIu64
							 ", view %d: the record says its picture is kept, the list of pictures lacks it",
							 part->sequence, i);
	}
}

/* Reads one link; true with its hashes if it is whole. */
static bool take_part(struct assay__audit *audit, struct cursor *cursor, struct assay__link_hashes *hashes)
{
	struct assay__stored_part *part = &audit->part;
	struct assay_error error;
	uint8_t hash[ASSAY_HASH_BYTES];
	if (assay__part_reader_fill(&audit->reader, cursor->statement, part, hashes, &error)) {
		assay__audit_say(audit, "record", cursor->link, (uint64_t)sqlite3_column_int64(cursor->statement, 0), -1, "%s",
						 error.message);
		return false;
	}
	assay__chain_part(hashes->before, part, hash);
	count_part(audit, part);
	if (memcmp(hash, hashes->hash, sizeof(hash)) == 0)
		return true;
	assay__audit_say(audit, "record", cursor->link, part->sequence, -1,
					 "part %" PRIu64 " (link %" PRIu64 ") is not what was recorded: its hash differs", part->sequence,
					 cursor->link);
	return true;
}

static bool take_event(struct assay__audit *audit, struct cursor *cursor, struct assay__link_hashes *hashes,
					   bool *memory)
{
	struct assay__stored_event event;
	uint8_t hash[ASSAY_HASH_BYTES];
	const char *bad = assay__columns_read(&assay__table_events, cursor->statement, 0, &event);
	int at = assay__table_events.count;
	if (!bad && !assay__column_hash(cursor->statement, at, hashes->before))
		bad = "prev_hash";
	if (!bad && !assay__column_hash(cursor->statement, at + 1, hashes->hash))
		bad = "hash";
	if (bad) {
		assay__audit_say(audit, "record", cursor->link, 0, -1,
						 "event of link %" PRIu64 ": column %s holds what cannot be there", cursor->link, bad);
		return false;
	}
	assay__chain_event(hashes->before, &event, hash);
	if (memcmp(hash, hashes->hash, sizeof(hash)) != 0)
		assay__audit_say(audit, "record", cursor->link, 0, -1,
						 "event %.31s (link %" PRIu64 ") is not what was recorded: its hash differs", event.kind,
						 cursor->link);
	audit->report.events++;
	struct assay__ranges *ranges = strcmp(event.kind, ASSAY__EVENT_GAP) == 0	  ? &audit->gaps
								   : strcmp(event.kind, ASSAY__EVENT_PRUNED) == 0 ? &audit->pruned
								   : strcmp(event.kind, ASSAY__EVENT_LOST) == 0	  ? &audit->lost
																				  : NULL;
	if (ranges && !add_range(ranges, event.first, event.last))
		*memory = false;
	if (strcmp(event.kind, ASSAY__EVENT_CLOSED) == 0 && event.last > audit->closed_at)
		audit->closed_at = event.last;
	return true;
}

static void check_signature(struct assay__audit *audit, struct cursor *cursor, const uint8_t *hash)
{
	uint8_t signed_hash[ASSAY_HASH_BYTES];
	const void *key = sqlite3_column_blob(cursor->statement, 3), *signature = sqlite3_column_blob(cursor->statement, 4);
	bool whole = assay__column_hash(cursor->statement, 1, signed_hash) &&
				 sqlite3_column_bytes(cursor->statement, 3) == ASSAY__PUBLIC_KEY_BYTES &&
				 sqlite3_column_bytes(cursor->statement, 4) == ASSAY__SIGNATURE_BYTES;
	if (!whole || memcmp(key, audit->public_key, ASSAY__PUBLIC_KEY_BYTES) != 0)
		assay__audit_say(audit, "signature", cursor->link, 0, -1, "link %" PRIu64 ": %s", cursor->link,
						 whole ? "signed by another key" : "the signature is damaged");
	else if (!assay__key_verify(audit->public_key, cursor->link, sqlite3_column_int64(cursor->statement, 2),
								signed_hash, signature))
		assay__audit_say(audit, "signature", cursor->link, 0, -1, "link %" PRIu64 ": the signature is wrong",
						 cursor->link);
	else if (!hash || memcmp(hash, signed_hash, ASSAY_HASH_BYTES) != 0)
		assay__audit_say(audit, "signature", cursor->link, 0, -1,
						 "link %" PRIu64 ": the chain is not the one that was signed here", cursor->link);
	else
		audit->report.signed_link = cursor->link;
	audit->report.signatures++;
}

static bool tick(struct assay__audit *audit, uint64_t done, uint64_t total)
{
	const struct assay_progress *progress = &audit->options->progress;
	return progress->report && progress->report(progress->ctx, "auditing", (int)(done < INT32_MAX ? done : INT32_MAX),
												(int)(total < INT32_MAX ? total : INT32_MAX)) != 0;
}

/* For the progress only; what cannot be read is told by the walk. */
static uint64_t count_links(struct assay__audit *audit)
{
	sqlite3_stmt *statement = NULL;
	uint64_t count = 0;
	if (sqlite3_prepare_v2(audit->db, "SELECT max(link) FROM parts", -1, &statement, NULL) == SQLITE_OK &&
		sqlite3_step(statement) == SQLITE_ROW)
		count = (uint64_t)sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return count;
}

/* Parts and events in the order of the chain, every link against its content and the one before. */
static int walk(struct assay__audit *audit, struct assay_error *error)
{
	struct cursor parts = {.statement = audit->reader.by_link}, events = {.statement = audit->events},
				  signatures = {.statement = audit->signatures};
	uint8_t before[ASSAY_HASH_BYTES] = {0};
	uint64_t expect = 1;
	bool known = true, memory = true;
	audit->link_count = count_links(audit);
	advance(audit, &parts, 1, "parts");
	advance(audit, &events, 0, "events");
	advance(audit, &signatures, 0, "signatures");
	while ((parts.live || events.live) && memory) {
		bool is_part = parts.live && (!events.live || parts.link <= events.link);
		struct cursor *cursor = is_part ? &parts : &events;
		struct assay__link_hashes hashes;
		uint64_t link = cursor->link;
		if (link > expect)
			assay__audit_say(audit, "chain", expect, 0, -1, "links %" PRIu64 " to %" PRIu64 " are missing", expect,
							 link - 1);
		else if (link < expect)
			assay__audit_say(audit, "chain", link, 0, -1, "link %" PRIu64 " is there twice", link);
		bool whole = is_part ? take_part(audit, cursor, &hashes) : take_event(audit, cursor, &hashes, &memory);
		if (whole && known && link == expect && memcmp(hashes.before, before, sizeof(before)) != 0)
			assay__audit_say(audit, "chain", link, is_part ? audit->part.sequence : 0, -1,
							 "link %" PRIu64 " does not follow the one before: the chain is broken here", link);
		known = whole;
		if (whole)
			memcpy(before, hashes.hash, sizeof(before));
		for (; signatures.live && signatures.link <= link; advance(audit, &signatures, 0, "signatures"))
			check_signature(audit, &signatures, whole && signatures.link == link ? hashes.hash : NULL);
		expect = link + 1;
		audit->report.links = link;
		if (is_part)
			advance(audit, &parts, 1, "parts");
		else
			advance(audit, &events, 0, "events");
		if (link % 256 == 0 && tick(audit, link, audit->link_count))
			return assay__fail(error, ASSAY_E_CANCELLED, -1, "cancelled");
	}
	for (; signatures.live; advance(audit, &signatures, 0, "signatures"))
		check_signature(audit, &signatures, NULL);
	memcpy(audit->report.last_hash, before, sizeof(before));
	return memory ? 0 : assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for the audit");
}

/* Every number from 1 on has a record or stands in a gap, and not both. */
static void check_sequence(struct assay__audit *audit)
{
	struct assay__ranges *gaps = &audit->gaps;
	uint64_t expect = 1;
	int gap = 0;
	sort_ranges(gaps);
	for (;;) {
		bool live = assay__audit_step(audit, audit->sequences, "parts") == SQLITE_ROW;
		uint64_t found = live ? (uint64_t)sqlite3_column_int64(audit->sequences, 0) : UINT64_MAX;
		for (; gap < gaps->count && gaps->list[gap].first < found; gap++) {
			if (gaps->list[gap].first > expect)
				assay__audit_say(audit, "count", 0, expect, -1,
								 "parts %" PRIu64 " to %" PRIu64 " have neither a record nor a gap", expect,
								 gaps->list[gap].first - 1);
			if (gaps->list[gap].last >= expect) {
				audit->report.lost += gaps->list[gap].last + 1 - gaps->list[gap].first;
				expect = gaps->list[gap].last + 1;
			}
		}
		if (!live)
			break;
		if (found > expect)
			assay__audit_say(audit, "count", 0, expect, -1,
							 "parts %" PRIu64 " to %" PRIu64 " have neither a record nor a gap", expect, found - 1);
		else if (found < expect)
			assay__audit_say(audit, "count", 0, found, -1, "part %" PRIu64 " has a record and stands in a gap", found);
		if (found >= expect)
			expect = found + 1;
	}
	audit->report.triggers = expect - 1;
	if (audit->closed_at > audit->report.triggers)
		assay__audit_say(audit, "count", 0, expect, -1,
						 "the station closed after %" PRIu64 " triggers, the record ends at %" PRIu64, audit->closed_at,
						 audit->report.triggers);
}

/* What the station counted against what is there. */
static void check_counters(struct assay__audit *audit)
{
	const struct assay__verify_report *report = &audit->report;
	const struct {
		const char *name;
		uint64_t counted;
	} rows[] = {
		{"triggers", report->parts - report->challenge + report->lost},
		{"pass", report->pass},
		{"fail", report->fail},
		{"fault", report->fault},
		{"lost", report->lost},
		{"challenge", report->challenge},
		{"image_bytes", audit->image_bytes},
	};
	unsigned seen = 0;
	while (assay__audit_step(audit, audit->counters, "counters") == SQLITE_ROW) {
		const char *name = (const char *)sqlite3_column_text(audit->counters, 0);
		uint64_t value = (uint64_t)sqlite3_column_int64(audit->counters, 1);
		for (size_t i = 0; name && i < sizeof(rows) / sizeof(rows[0]); i++) {
			if (strcmp(name, rows[i].name) != 0)
				continue;
			seen |= 1u << i;
			if (value != rows[i].counted)
				assay__audit_say(audit, "count", 0, 0, -1,
								 "the station counted %s %" PRIu64 ", the record has %" PRIu64, name, value,
								 rows[i].counted);
		}
	}
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		/* records of before did not count what they did not have */
		if (!(seen & 1u << i) && report->links && (rows[i].counted || strcmp(rows[i].name, "challenge") != 0))
			assay__audit_say(audit, "count", 0, 0, -1, "the counter %s is missing", rows[i].name);
}

static int prepare(struct assay__audit *audit, struct assay_error *error)
{
	char columns[ASSAY__SQL_CHARS], sql[ASSAY__SQL_CHARS + 128];
	int rc = assay__part_reader_open(audit->db, &audit->reader, error);
	assay__columns_list(&assay__table_events, "", ASSAY__STORED_FORM, columns);
	snprintf(sql, sizeof(sql), "SELECT %s, prev_hash, hash FROM events ORDER BY link", columns);
	if (rc == 0)
		rc = assay__database_prepare(audit->db, sql, &audit->events, error);
	if (rc == 0)
		rc = assay__database_prepare(audit->db,
									 "SELECT link, hash, wall_us, public_key, signature FROM signatures ORDER BY link",
									 &audit->signatures, error);
	if (rc == 0)
		rc = assay__database_prepare(audit->db, "SELECT sequence FROM parts ORDER BY sequence", &audit->sequences,
									 error);
	if (rc == 0)
		rc = assay__database_prepare(audit->db, "SELECT name, value FROM counters", &audit->counters, error);
	if (rc == 0)
		rc = assay__database_prepare(
			audit->db,
			"SELECT i.sequence, i.view, i.hash, i.path, i.bytes, i.state, v.image_hash, v.keep FROM images i"
			" LEFT JOIN views v USING(sequence, view) ORDER BY i.sequence, i.view",
			&audit->images, error);
	return rc;
}

static int audit_all(struct assay__audit *audit, struct assay_error *error)
{
	/* one moment of the database, though the station may go on */
	int code = sqlite3_exec(audit->db, "BEGIN", NULL, NULL, NULL);
	if (code)
		return assay__database_fail(audit->db, code, "record.db", error);
	if (!audit->options->skip_database)
		check_pages(audit);
	int rc = prepare(audit, error);
	if (rc == 0)
		rc = walk(audit, error);
	sort_ranges(&audit->pruned);
	sort_ranges(&audit->lost);
	if (rc == 0)
		check_sequence(audit);
	if (rc == 0)
		rc = assay__audit_images(audit, error);
	if (rc == 0)
		check_counters(audit);
	if (rc == 0)
		rc = assay__audit_recipes(audit, error);
	return rc;
}

int assay__verify(const char *state_dir, const struct assay__verify_options *options,
				  struct assay__verify_report *report, struct assay_error *error)
{
	char path[ASSAY__RECORD_PATH_CHARS];
	if (sodium_init() < 0)
		return assay__fail(error, ASSAY_E_IO, -1, "libsodium cannot start");
	struct assay__audit *audit = calloc(1, sizeof(*audit));
	if (!audit)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for the audit");
	audit->dir = state_dir;
	audit->options = options;
	int rc = assay__record_path(state_dir, "record.pub", path, error);
	if (rc == 0 && options->public_key)
		memcpy(audit->public_key, options->public_key, sizeof(audit->public_key));
	else if (rc == 0)
		rc = assay__key_read_public(path, audit->public_key, error);
	if (rc == 0)
		rc = assay__database_open_read(state_dir, &audit->db, error);
	if (rc == 0)
		rc = audit_all(audit, error);
	if (rc == 0)
		*report = audit->report;
	assay__part_reader_close(&audit->reader);
	for (sqlite3_stmt *statement; audit->db && (statement = sqlite3_next_stmt(audit->db, NULL));)
		sqlite3_finalize(statement);
	sqlite3_close(audit->db);
	free(audit->gaps.list);
	free(audit->pruned.list);
	free(audit->lost.list);
	free(audit);
	return rc;
}
