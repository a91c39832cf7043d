/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/text.h"

#define FIRST_CAPACITY_BYTES 512

void assay__json_open(struct assay__json *json, const struct assay_allocator *allocator)
{
	*json = (struct assay__json){.allocator = allocator};
}

void assay__json_close(struct assay__json *json)
{
	assay__free(json->allocator, json->text);
	*json = (struct assay__json){.allocator = json->allocator};
}

void assay__json_clear(struct assay__json *json)
{
	*json = (struct assay__json){.allocator = json->allocator, .text = json->text, .capacity = json->capacity};
}

/* Room for `more` bytes and a NUL, or false. The allocator has no realloc. */
static bool make_room(struct assay__json *json, size_t more)
{
	size_t wanted;
	if (json->failed)
		return false;
	if (__builtin_add_overflow(json->length, more, &wanted) || __builtin_add_overflow(wanted, 1, &wanted) ||
		wanted > PTRDIFF_MAX) {
		json->failed = true;
		return false;
	}
	if (wanted <= json->capacity)
		return true;
	size_t capacity = json->capacity ? json->capacity : FIRST_CAPACITY_BYTES;
	while (capacity < wanted)
		capacity *= 2;
	char *text = assay__alloc(json->allocator, capacity);
	if (!text) {
		json->failed = true;
		return false;
	}
	if (json->length > 0)
		memcpy(text, json->text, json->length);
	assay__free(json->allocator, json->text);
	json->text = text;
	json->capacity = capacity;
	return true;
}

static void append(struct assay__json *json, const char *bytes, size_t count)
{
	if (!make_room(json, count))
		return;
	memcpy(json->text + json->length, bytes, count);
	json->length += count;
}

static bool in_array(const struct assay__json *json)
{
	return json->depth > 0 && (json->arrays >> (json->depth - 1) & 1);
}

/* Writes the comma before the next item of a container, if it needs one. */
static void separate(struct assay__json *json)
{
	uint32_t bit = (uint32_t)1 << (json->depth - 1);
	if (json->has_items & bit)
		append(json, ",", 1);
	json->has_items |= bit;
}

static void before_value(struct assay__json *json)
{
	assert(json->depth == 0 || in_array(json) || json->after_key);
	if (in_array(json))
		separate(json);
	json->after_key = false;
}

static void after_value(struct assay__json *json)
{
	if (json->depth == 0)
		append(json, "\n", 1);
}

static void put_value(struct assay__json *json, const char *text)
{
	before_value(json);
	append(json, text, strlen(text));
	after_value(json);
}

static void open_container(struct assay__json *json, bool array)
{
	before_value(json);
	assert(json->depth < ASSAY__JSON_MAX_DEPTH);
	uint32_t bit = (uint32_t)1 << json->depth++;
	json->arrays = array ? json->arrays | bit : json->arrays & ~bit;
	json->has_items &= ~bit;
	append(json, array ? "[" : "{", 1);
}

static void close_container(struct assay__json *json, bool array)
{
	assert(json->depth > 0 && in_array(json) == array && !json->after_key);
	json->depth--;
	append(json, array ? "]" : "}", 1);
	after_value(json);
}

void assay__json_object(struct assay__json *json)
{
	open_container(json, false);
}

void assay__json_object_end(struct assay__json *json)
{
	close_container(json, false);
}

void assay__json_array(struct assay__json *json)
{
	open_container(json, true);
}

void assay__json_array_end(struct assay__json *json)
{
	close_container(json, true);
}

/* The bytes in quotes, what JSON forbids escaped. Plain stretches are copied whole. */
static void put_string(struct assay__json *json, const char *value, size_t length)
{
	append(json, "\"", 1);
	size_t plain = 0;
	for (size_t i = 0; i < length;) {
		unsigned char c = (unsigned char)value[i];
		size_t char_bytes = assay__text_utf8(value + i, length - i);
		if (char_bytes > 0 && c >= 0x20 && c != '"' && c != '\\') {
			i += char_bytes;
			continue;
		}
		append(json, value + plain, i - plain);
		plain = ++i;
		char escape[8];
		if (char_bytes == 0)
			append(json, "\xEF\xBF\xBD", 3);
		else if (c == '"' || c == '\\')
			append(json, (char[]){'\\', (char)c}, 2);
		else if (c == '\n')
			append(json, "\\n", 2);
		else if (c == '\t')
			append(json, "\\t", 2);
		else if (c == '\r')
			append(json, "\\r", 2);
		else
			append(json, escape, (size_t)snprintf(escape, sizeof(escape), "\\u%04x", c));
	}
	append(json, value + plain, length - plain);
	append(json, "\"", 1);
}

void assay__json_key(struct assay__json *json, const char *key)
{
	assert(json->depth > 0 && !in_array(json) && !json->after_key);
	separate(json);
	put_string(json, key, strlen(key));
	append(json, ":", 1);
	json->after_key = true;
}

void assay__json_string_n(struct assay__json *json, const char *value, size_t length)
{
	before_value(json);
	put_string(json, value, length);
	after_value(json);
}

void assay__json_string(struct assay__json *json, const char *value)
{
	if (value)
		assay__json_string_n(json, value, strlen(value));
	else
		assay__json_null(json);
}

void assay__json_hex(struct assay__json *json, const uint8_t *bytes, size_t count)
{
	before_value(json);
	append(json, "\"", 1);
	for (size_t i = 0; i < count; i++)
		append(json, (char[]){"0123456789abcdef"[bytes[i] >> 4], "0123456789abcdef"[bytes[i] & 15]}, 2);
	append(json, "\"", 1);
	after_value(json);
}

void assay__json_int(struct assay__json *json, int64_t value)
{
	char text[24];
	snprintf(text, sizeof(text), "%" PRId64, value);
	put_value(json, text);
}

void assay__json_uint(struct assay__json *json, uint64_t value)
{
	char text[24];
	snprintf(text, sizeof(text), "%" PRIu64, value);
	put_value(json, text);
}

void assay__json_double(struct assay__json *json, double value)
{
	char text[ASSAY__NUMBER_CHARS] = "null";
	if (isfinite(value))
		assay__text_from_double(value, 17, text);
	put_value(json, text);
}

void assay__json_bool(struct assay__json *json, bool value)
{
	put_value(json, value ? "true" : "false");
}

void assay__json_null(struct assay__json *json)
{
	put_value(json, "null");
}

int assay__json_text(struct assay__json *json, const char **text, size_t *length, struct assay_error *error)
{
	assert(json->depth == 0 && !json->after_key);
	if (!make_room(json, 0))
		return assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory for JSON text");
	json->text[json->length] = '\0';
	*text = json->text;
	if (length)
		*length = json->length;
	return ASSAY_OK;
}
