/* SPDX-License-Identifier: Apache-2.0 */
#include "station/record/fields.h"

#include <assert.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define COUNT(rows) ((int)(sizeof(rows) / sizeof((rows)[0])))
#define SIDES (ASSAY_IMAGE_MAX_SIDE_PX + 1)

#define AT(member) offsetof(struct assay__stored_part, member)
static const struct assay__column part_columns[] = {
	{"sequence", ASSAY__COLUMN_U64, AT(sequence), 0, 0},
	{"link", ASSAY__COLUMN_U64, AT(link), 0, 0},
	{"trigger_id", ASSAY__COLUMN_U64, AT(trigger_id), 0, 0},
	{"trigger_kind", ASSAY__COLUMN_INT, AT(trigger), ASSAY__TRIGGER_COUNT, 0},
	{"station", ASSAY__COLUMN_TEXT, AT(station), ASSAY__NAME_CHARS, 0},
	{"code", ASSAY__COLUMN_TEXT, AT(code), ASSAY__PART_CODE_CHARS, 0},
	{"code_generated", ASSAY__COLUMN_BOOL, AT(code_generated), 0, 0},
	{"operator", ASSAY__COLUMN_TEXT, AT(operator_name), ASSAY__NAME_CHARS, 0},
	{"recipe", ASSAY__COLUMN_TEXT, AT(recipe_name), ASSAY__NAME_CHARS, 0},
	{"trigger_us", ASSAY__COLUMN_I64, AT(trigger_us), 0, 0},
	{"picture_us", ASSAY__COLUMN_I64, AT(picture_us), 0, 0},
	{"verdict_us", ASSAY__COLUMN_I64, AT(verdict_us), 0, 0},
	{"wall_us", ASSAY__COLUMN_I64, AT(wall_us), 0, 0},
	{"deadline_us", ASSAY__COLUMN_I64, AT(deadline_us), 0, 0},
	{"verdict", ASSAY__COLUMN_INT, AT(verdict), 3, 0},
	{"fault", ASSAY__COLUMN_INT, AT(fault), ASSAY__FAULT_COUNT, 0},
	{"reason", ASSAY__COLUMN_TEXT, AT(reason), ASSAY__REASON_CHARS, 0},
	{"challenge", ASSAY__COLUMN_BOOL, AT(challenge), 0, 0},
	{"score_q8", ASSAY__COLUMN_U32, AT(score_q8), 0, 0},
	{"threshold_q8", ASSAY__COLUMN_U32, AT(threshold_q8), 0, 0},
	{"p_value", ASSAY__COLUMN_DOUBLE, AT(p_value), 0, 0},
	{"view_count", ASSAY__COLUMN_INT, AT(view_count), ASSAY__MAX_VIEWS + 1, 0},
	{"form", ASSAY__COLUMN_INT, AT(form), ASSAY__STORED_FORM + 1, 2},
	{"code_state", ASSAY__COLUMN_INT, AT(code_state), ASSAY__CODE_STATES, 2},
	{"code_symbology", ASSAY__COLUMN_INT, AT(code_symbology), ASSAY__SYMBOLOGIES, 2},
};
#undef AT

#define AT(member) offsetof(struct assay__stored_view, member)
static const struct assay__column view_columns[] = {
	{"camera", ASSAY__COLUMN_TEXT, AT(camera), ASSAY__NAME_CHARS, 0},
	{"camera_frame_id", ASSAY__COLUMN_U64, AT(camera_frame_id), 0, 0},
	{"width_px", ASSAY__COLUMN_INT, AT(width_px), SIDES, 0},
	{"height_px", ASSAY__COLUMN_INT, AT(height_px), SIDES, 0},
	{"channels", ASSAY__COLUMN_INT, AT(channels), 4, 0},
	{"depth_bits", ASSAY__COLUMN_INT, AT(depth_bits), 17, 0},
	{"image_hash", ASSAY__COLUMN_HASH, AT(image_hash), 0, 0},
	{"keep", ASSAY__COLUMN_INT, AT(keep), ASSAY__KEEP_COUNT, 0},
	{"fault", ASSAY__COLUMN_INT, AT(fault), ASSAY__FAULT_COUNT, 0},
	{"judged", ASSAY__COLUMN_BOOL, AT(judged), 0, 0},
	{"verdict", ASSAY__COLUMN_INT, AT(verdict), 3, 0},
	{"score_q8", ASSAY__COLUMN_U32, AT(score_q8), 0, 0},
	{"threshold_q8", ASSAY__COLUMN_U32, AT(threshold_q8), 0, 0},
	{"p_value", ASSAY__COLUMN_DOUBLE, AT(p_value), 0, 0},
	{"region_count", ASSAY__COLUMN_INT, AT(region_count), ASSAY_MAX_REGIONS + 1, 0},
	{"regions_total", ASSAY__COLUMN_INT, AT(regions_total), INT32_MAX, 0},
	{"grid_width", ASSAY__COLUMN_INT, AT(grid_width), SIDES, 0},
	{"grid_height", ASSAY__COLUMN_INT, AT(grid_height), SIDES, 0},
	{"map_hash", ASSAY__COLUMN_HASH, AT(map_hash), 0, 0},
	{"recipe_hash", ASSAY__COLUMN_HASH, AT(recipe_hash), 0, 0},
	{"network_hash", ASSAY__COLUMN_HASH, AT(network_hash), 0, 0},
	{"reason", ASSAY__COLUMN_TEXT, AT(reason), ASSAY__REASON_CHARS, 0},
	{"regions_counted", ASSAY__COLUMN_INT, AT(regions_counted), INT32_MAX, 2},
	{"mm_per_px", ASSAY__COLUMN_DOUBLE, AT(mm_per_px), 0, 2},
};
#undef AT

#define AT(member) offsetof(struct assay__stored_region, member)
static const struct assay__column region_columns[] = {
	{"x_px", ASSAY__COLUMN_INT, AT(box.x), SIDES, 0},
	{"y_px", ASSAY__COLUMN_INT, AT(box.y), SIDES, 0},
	{"width_px", ASSAY__COLUMN_INT, AT(box.width), SIDES, 0},
	{"height_px", ASSAY__COLUMN_INT, AT(box.height), SIDES, 0},
	{"area_px", ASSAY__COLUMN_INT, AT(area_px), INT32_MAX, 0},
	{"peak_x_px", ASSAY__COLUMN_INT, AT(peak_x_px), SIDES, 0},
	{"peak_y_px", ASSAY__COLUMN_INT, AT(peak_y_px), SIDES, 0},
	{"peak_q8", ASSAY__COLUMN_U32, AT(peak_q8), 0, 0},
	{"mean_q8", ASSAY__COLUMN_U32, AT(mean_q8), 0, 0},
	{"length_px", ASSAY__COLUMN_INT, AT(length_px), INT32_MAX, 2},
	{"zone", ASSAY__COLUMN_TEXT, AT(zone), ASSAY__REGION_NAME_CHARS, 2},
	{"kind", ASSAY__COLUMN_TEXT, AT(kind), ASSAY__REGION_NAME_CHARS, 2},
	{"counts", ASSAY__COLUMN_BOOL, AT(counts), 0, 2},
};
#undef AT

#define AT(member) offsetof(struct assay__stored_event, member)
static const struct assay__column event_columns[] = {
	{"link", ASSAY__COLUMN_U64, AT(link), 0, 0},
	{"kind", ASSAY__COLUMN_TEXT, AT(kind), ASSAY__EVENT_KIND_CHARS, 0},
	{"text", ASSAY__COLUMN_TEXT, AT(text), ASSAY__EVENT_TEXT_CHARS, 0},
	{"wall_us", ASSAY__COLUMN_I64, AT(wall_us), 0, 0},
	{"clock_us", ASSAY__COLUMN_I64, AT(clock_us), 0, 0},
	{"first", ASSAY__COLUMN_U64, AT(first), 0, 0},
	{"last", ASSAY__COLUMN_U64, AT(last), 0, 0},
	{"count", ASSAY__COLUMN_U64, AT(count), 0, 0},
};
#undef AT

const struct assay__table assay__table_parts = {"parts", 'P', part_columns, COUNT(part_columns)};
const struct assay__table assay__table_views = {"views", 0, view_columns, COUNT(view_columns)};
const struct assay__table assay__table_regions = {"regions", 0, region_columns, COUNT(region_columns)};
const struct assay__table assay__table_events = {"events", 'E', event_columns, COUNT(event_columns)};

static const char *const keeps[ASSAY__KEEP_COUNT] = {"no", "yes", "held", "refused"};
static const char *const states[ASSAY__IMAGE_STATES] = {"none", "pending", "kept", "pruned", "lost"};

const char *assay__keep_name(enum assay__keep keep)
{
	assert(keep >= 0 && keep < ASSAY__KEEP_COUNT);
	return keeps[keep];
}

const char *assay__image_state_name(enum assay__image_state state)
{
	assert(state >= 0 && state < ASSAY__IMAGE_STATES);
	return states[state];
}

bool assay__hash_is_zero(const uint8_t hash[ASSAY_HASH_BYTES])
{
	return sodium_is_zero(hash, ASSAY_HASH_BYTES);
}

/* What a column means in a database made before it was. */
static const char *absent(const struct assay__column *column)
{
	if (column->kind == ASSAY__COLUMN_TEXT)
		return "''";
	if (column->kind == ASSAY__COLUMN_DOUBLE)
		return "0.0";
	return strcmp(column->name, "form") == 0 ? "1" : "0";
}

void assay__columns_list(const struct assay__table *table, const char *prefix, int form, char out[ASSAY__SQL_CHARS])
{
	int used = 0;
	for (int i = 0; i < table->count; i++) {
		const struct assay__column *column = &table->columns[i];
		bool there = column->since <= form;
		used += snprintf(out + used, (size_t)(ASSAY__SQL_CHARS - used), "%s%s%s", i ? ", " : "", there ? prefix : "",
						 there ? column->name : absent(column));
	}
	assert(used < ASSAY__SQL_CHARS);
}

/* A whole number of any kind as the database and the chain have it. */
static int64_t number_of(const struct assay__column *column, const char *at)
{
	switch (column->kind) {
	case ASSAY__COLUMN_U64:
		return (int64_t) * (const uint64_t *)at;
	case ASSAY__COLUMN_I64:
		return *(const int64_t *)at;
	case ASSAY__COLUMN_U32:
		return *(const uint32_t *)at;
	case ASSAY__COLUMN_INT:
		return *(const int *)at;
	default:
		return *(const bool *)at;
	}
}

int assay__columns_bind(const struct assay__table *table, sqlite3_stmt *statement, int first, const void *row)
{
	int rc = SQLITE_OK;
	for (int i = 0; i < table->count && rc == SQLITE_OK; i++) {
		const struct assay__column *column = &table->columns[i];
		const char *at = (const char *)row + column->offset;
		if (column->kind == ASSAY__COLUMN_TEXT)
			rc = sqlite3_bind_text(statement, first + i, at, (int)strnlen(at, (size_t)column->most - 1), SQLITE_STATIC);
		else if (column->kind == ASSAY__COLUMN_DOUBLE)
			rc = sqlite3_bind_double(statement, first + i, *(const double *)at);
		else if (column->kind != ASSAY__COLUMN_HASH)
			rc = sqlite3_bind_int64(statement, first + i, number_of(column, at));
		else if (assay__hash_is_zero((const uint8_t *)at))
			rc = sqlite3_bind_null(statement, first + i);
		else
			rc = sqlite3_bind_blob(statement, first + i, at, ASSAY_HASH_BYTES, SQLITE_STATIC);
	}
	return rc;
}

static bool read_number(const struct assay__column *column, int64_t value, char *at)
{
	switch (column->kind) {
	case ASSAY__COLUMN_U64:
		*(uint64_t *)at = (uint64_t)value;
		return true;
	case ASSAY__COLUMN_I64:
		*(int64_t *)at = value;
		return true;
	case ASSAY__COLUMN_U32:
		*(uint32_t *)at = (uint32_t)value;
		return value >= 0 && value <= UINT32_MAX;
	case ASSAY__COLUMN_INT:
		if (value < 0 || value >= column->most)
			return false;
		*(int *)at = (int)value;
		return true;
	default:
		*(bool *)at = value == 1;
		return value == 0 || value == 1;
	}
}

static bool read_column(const struct assay__column *column, sqlite3_stmt *statement, int index, char *at)
{
	int type = sqlite3_column_type(statement, index);
	if (column->kind == ASSAY__COLUMN_TEXT) {
		const char *text = type == SQLITE_TEXT ? (const char *)sqlite3_column_text(statement, index) : NULL;
		int length = sqlite3_column_bytes(statement, index);
		if (!text || length >= column->most || memchr(text, 0, (size_t)length))
			return false;
		memcpy(at, text, (size_t)length);
		at[length] = '\0';
		return true;
	}
	if (column->kind == ASSAY__COLUMN_HASH) {
		memset(at, 0, ASSAY_HASH_BYTES);
		if (type == SQLITE_NULL)
			return true;
		if (type != SQLITE_BLOB || sqlite3_column_bytes(statement, index) != ASSAY_HASH_BYTES)
			return false;
		memcpy(at, sqlite3_column_blob(statement, index), ASSAY_HASH_BYTES);
		return true;
	}
	if (column->kind == ASSAY__COLUMN_DOUBLE) {
		*(double *)at = sqlite3_column_double(statement, index);
		return type == SQLITE_FLOAT;
	}
	return type == SQLITE_INTEGER && read_number(column, sqlite3_column_int64(statement, index), at);
}

const char *assay__columns_read(const struct assay__table *table, sqlite3_stmt *statement, int first, void *row)
{
	for (int i = 0; i < table->count; i++)
		if (!read_column(&table->columns[i], statement, first + i, (char *)row + table->columns[i].offset))
			return table->columns[i].name;
	return NULL;
}

const char *assay__columns_beyond(const struct assay__table *table, int form, const void *row)
{
	for (int i = 0; i < table->count; i++) {
		const struct assay__column *column = &table->columns[i];
		const char *at = (const char *)row + column->offset;
		bool empty;
		if (column->since <= form || strcmp(column->name, "form") == 0)
			continue;
		if (column->kind == ASSAY__COLUMN_TEXT)
			empty = !*at;
		else if (column->kind == ASSAY__COLUMN_DOUBLE)
			empty = *(const double *)at == 0;
		else if (column->kind == ASSAY__COLUMN_HASH)
			empty = assay__hash_is_zero((const uint8_t *)at);
		else
			empty = number_of(column, at) == 0;
		if (!empty)
			return column->name;
	}
	return NULL;
}

/* Canonical bytes on their way into a hash, in portions. */
struct sink {
	crypto_generichash_state state;
	uint8_t bytes[1024];
	size_t size;
};

static void put(struct sink *sink, const void *bytes, size_t size)
{
	if (sink->size + size > sizeof(sink->bytes)) {
		crypto_generichash_update(&sink->state, sink->bytes, sink->size);
		sink->size = 0;
	}
	memcpy(sink->bytes + sink->size, bytes, size);
	sink->size += size;
}

static void put_u64(struct sink *sink, uint64_t value)
{
	uint8_t bytes[8];
	for (int i = 0; i < 8; i++)
		bytes[i] = (uint8_t)(value >> 8 * i);
	put(sink, bytes, sizeof(bytes));
}

static void put_row(struct sink *sink, const struct assay__table *table, int form, const void *row)
{
	for (int i = 0; i < table->count; i++) {
		const struct assay__column *column = &table->columns[i];
		const char *at = (const char *)row + column->offset;
		if (column->since > form)
			continue;
		if (column->kind == ASSAY__COLUMN_TEXT) {
			size_t length = strnlen(at, (size_t)column->most - 1);
			put(sink, (const uint8_t[]){(uint8_t)length, (uint8_t)(length >> 8)}, 2);
			put(sink, at, length);
		} else if (column->kind == ASSAY__COLUMN_HASH) {
			put(sink, at, ASSAY_HASH_BYTES);
		} else if (column->kind == ASSAY__COLUMN_DOUBLE) {
			uint64_t bits;
			memcpy(&bits, at, sizeof(bits));
			put_u64(sink, bits);
		} else {
			put_u64(sink, (uint64_t)number_of(column, at));
		}
	}
}

static void begin(struct sink *sink, const uint8_t before[ASSAY_HASH_BYTES], char letter, int form)
{
	crypto_generichash_init(&sink->state, NULL, 0, ASSAY_HASH_BYTES);
	sink->size = 0;
	put(sink, before, ASSAY_HASH_BYTES);
	put(sink, (const char[]){letter, (char)form}, 2);
}

static void end(struct sink *sink, uint8_t hash[ASSAY_HASH_BYTES])
{
	crypto_generichash_update(&sink->state, sink->bytes, sink->size);
	crypto_generichash_final(&sink->state, hash, ASSAY_HASH_BYTES);
}

void assay__chain_part(const uint8_t before[ASSAY_HASH_BYTES], const struct assay__stored_part *part,
					   uint8_t hash[ASSAY_HASH_BYTES])
{
	struct sink sink;
	begin(&sink, before, assay__table_parts.letter, part->form);
	put_row(&sink, &assay__table_parts, part->form, part);
	for (int v = 0; v < part->view_count; v++) {
		put_row(&sink, &assay__table_views, part->form, &part->views[v]);
		for (int r = 0; r < part->views[v].region_count; r++)
			put_row(&sink, &assay__table_regions, part->form, &part->views[v].regions[r]);
	}
	end(&sink, hash);
}

void assay__chain_event(const uint8_t before[ASSAY_HASH_BYTES], const struct assay__stored_event *event,
						uint8_t hash[ASSAY_HASH_BYTES])
{
	struct sink sink;
	begin(&sink, before, assay__table_events.letter, 1);
	put_row(&sink, &assay__table_events, 1, event);
	end(&sink, hash);
}

void assay__map_hash(const uint32_t *map, size_t count, uint8_t hash[ASSAY_HASH_BYTES])
{
	crypto_generichash_state state;
	uint8_t bytes[1024];
	crypto_generichash_init(&state, NULL, 0, ASSAY_HASH_BYTES);
	for (size_t i = 0; i < count;) {
		size_t size = 0;
		for (; i < count && size < sizeof(bytes); i++, size += 4)
			for (int b = 0; b < 4; b++)
				bytes[size + (size_t)b] = (uint8_t)(map[i] >> 8 * b);
		crypto_generichash_update(&state, bytes, size);
	}
	crypto_generichash_final(&state, hash, ASSAY_HASH_BYTES);
}
