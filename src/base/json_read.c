/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_read.h"

#include <string.h>

#include "base/err.h"
#include "base/text.h"

#define NUMBER_MOST_CHARS 64
#define OBJECT_MOST_MEMBERS 1000 /* looking for a key twice takes the square of it */

struct assay__json_tree {
	const struct assay_allocator *allocator;
	struct assay__json_value values[];
};

struct reader {
	const char *text, *at, *end;
	struct assay__json_value *next_value;
	char *next_char; /* decoded strings are never longer than their text */
	int depth;
	struct assay_error *error;
};

static int fail(struct reader *reader, const char *expected)
{
	long long offset = (long long)(reader->at - reader->text);

	if (reader->at == reader->end)
		return assay__fail(reader->error, ASSAY_E_FORMAT, offset, "JSON ends at byte %lld, expected %s", offset,
						   expected);
	return assay__fail(reader->error, ASSAY_E_FORMAT, offset, "JSON byte %lld: found 0x%02x, expected %s", offset,
					   (unsigned)(unsigned char)*reader->at, expected);
}

static void skip_blanks(struct reader *reader)
{
	while (reader->at < reader->end && memchr(" \t\r\n", *reader->at, 4))
		reader->at++;
}

static bool next_is(const struct reader *reader, char c)
{
	return reader->at < reader->end && *reader->at == c;
}

static bool take(struct reader *reader, char c)
{
	if (!next_is(reader, c))
		return false;
	reader->at++;
	return true;
}

static bool read_hex4(struct reader *reader, unsigned *out)
{
	unsigned value = 0;

	for (int i = 0; i < 4; i++, reader->at++) {
		char c = reader->at < reader->end ? *reader->at : 0;

		if (c >= '0' && c <= '9')
			value = value * 16 + (unsigned)(c - '0');
		else if ((c | 32) >= 'a' && (c | 32) <= 'f')
			value = value * 16 + (unsigned)((c | 32) - 'a') + 10;
		else
			return false;
	}
	*out = value;
	return true;
}

static void put_utf8(struct reader *reader, unsigned code)
{
	char *out = reader->next_char;

	if (code < 0x80) {
		*out++ = (char)code;
	} else if (code < 0x800) {
		*out++ = (char)(0xC0 | code >> 6);
		*out++ = (char)(0x80 | (code & 63));
	} else if (code < 0x10000) {
		*out++ = (char)(0xE0 | code >> 12);
		*out++ = (char)(0x80 | (code >> 6 & 63));
		*out++ = (char)(0x80 | (code & 63));
	} else {
		*out++ = (char)(0xF0 | code >> 18);
		*out++ = (char)(0x80 | (code >> 12 & 63));
		*out++ = (char)(0x80 | (code >> 6 & 63));
		*out++ = (char)(0x80 | (code & 63));
	}
	reader->next_char = out;
}

/* What follows "\u", of a surrogate pair both halves. */
static int read_unicode(struct reader *reader)
{
	unsigned high, low;

	if (!read_hex4(reader, &high))
		return fail(reader, "four hexadecimal digits");
	if (high == 0)
		return fail(reader, "no NUL in a string");
	if (high >= 0xD800 && high < 0xDC00) {
		if (!take(reader, '\\') || !take(reader, 'u') || !read_hex4(reader, &low) || low < 0xDC00 || low > 0xDFFF)
			return fail(reader, "the second half of a surrogate pair");
		high = 0x10000 + ((high - 0xD800) << 10 | (low - 0xDC00));
	} else if (high >= 0xDC00 && high < 0xE000) {
		return fail(reader, "the first half of a surrogate pair");
	}
	put_utf8(reader, high);
	return 0;
}

static int read_escape(struct reader *reader)
{
	static const char names[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
	const char *named;

	if (take(reader, 'u'))
		return read_unicode(reader);
	named = reader->at < reader->end ? memchr(names, *reader->at, sizeof(names) - 1) : NULL;
	if (!named)
		return fail(reader, "one of \"\\/bfnrtu after a backslash");
	reader->at++;
	*reader->next_char++ = meant[named - names];
	return 0;
}

static int read_string(struct reader *reader, const char **string, size_t *length)
{
	char *start = reader->next_char;

	if (!take(reader, '"'))
		return fail(reader, "a string");
	while (!take(reader, '"')) {
		size_t bytes = assay__text_utf8(reader->at, (size_t)(reader->end - reader->at));
		int rc;

		if (bytes == 0 || (unsigned char)*reader->at < 0x20)
			return fail(reader, "UTF-8 text or the end of the string");
		if (take(reader, '\\')) {
			rc = read_escape(reader);
			if (rc)
				return rc;
			continue;
		}
		memcpy(reader->next_char, reader->at, bytes);
		reader->next_char += bytes;
		reader->at += bytes;
	}
	*length = (size_t)(reader->next_char - start);
	*reader->next_char++ = '\0';
	*string = start;
	return 0;
}

static bool skip_digits(struct reader *reader)
{
	const char *start = reader->at;

	while (reader->at < reader->end && *reader->at >= '0' && *reader->at <= '9')
		reader->at++;
	return reader->at > start;
}

static int read_number(struct reader *reader, struct assay__json_value *value)
{
	const char *start = reader->at;
	char text[NUMBER_MOST_CHARS + 1];
	bool plain = true;
	size_t length;

	take(reader, '-');
	if (!take(reader, '0') && !skip_digits(reader))
		return fail(reader, "a value");
	if (take(reader, '.')) {
		plain = false;
		if (!skip_digits(reader))
			return fail(reader, "digits after the point");
	}
	if (next_is(reader, 'e') || next_is(reader, 'E')) {
		plain = false;
		reader->at++;
		if (!take(reader, '+'))
			take(reader, '-');
		if (!skip_digits(reader))
			return fail(reader, "digits of an exponent");
	}
	length = (size_t)(reader->at - start);
	if (length > NUMBER_MOST_CHARS) {
		reader->at = start;
		return fail(reader, "a number of at most 64 characters");
	}
	memcpy(text, start, length);
	text[length] = '\0';
	value->type = ASSAY__JSON_NUMBER;
	value->is_integer = plain && assay__text_to_int64(text, &value->integer);
	if (!assay__text_to_double(text, &value->number)) {
		reader->at = start;
		return fail(reader, "a number that fits a double");
	}
	return 0;
}

static bool take_word(struct reader *reader, const char *word)
{
	size_t length = strlen(word);

	if ((size_t)(reader->end - reader->at) < length || memcmp(reader->at, word, length))
		return false;
	reader->at += length;
	return true;
}

static int read_value(struct reader *reader, const struct assay__json_value **out);

static int read_key(struct reader *reader, const struct assay__json_value *object, const char **key)
{
	size_t length;
	const char *start = reader->at;
	int rc = read_string(reader, key, &length);

	if (rc)
		return rc;
	for (const struct assay__json_value *item = object->first; item; item = item->next)
		if (!strcmp(item->key, *key)) {
			reader->at = start;
			return fail(reader, "a key that this object has not had yet");
		}
	skip_blanks(reader);
	if (!take(reader, ':'))
		return fail(reader, "a colon");
	skip_blanks(reader);
	return 0;
}

static int read_items(struct reader *reader, struct assay__json_value *container)
{
	bool object = container->type == ASSAY__JSON_OBJECT;
	const struct assay__json_value **tail = &container->first;
	char closing = object ? '}' : ']';
	int rc;

	if (++reader->depth > ASSAY__JSON_MAX_DEPTH)
		return assay__fail(reader->error, ASSAY_E_LIMIT, (int64_t)(reader->at - reader->text),
						   "JSON is more than %d deep", ASSAY__JSON_MAX_DEPTH);
	skip_blanks(reader);
	while (!take(reader, closing)) {
		const char *key = NULL;
		struct assay__json_value *item;

		if (container->length > 0) {
			if (!take(reader, ','))
				return fail(reader, object ? "a comma or }" : "a comma or ]");
			skip_blanks(reader);
		}
		if (object && container->length == OBJECT_MOST_MEMBERS)
			return assay__fail(reader->error, ASSAY_E_LIMIT, (int64_t)(reader->at - reader->text),
							   "a JSON object has more than %d members", OBJECT_MOST_MEMBERS);
		rc = object ? read_key(reader, container, &key) : 0;
		item = reader->next_value;
		if (!rc)
			rc = read_value(reader, tail);
		if (rc)
			return rc;
		item->key = key;
		tail = &item->next;
		container->length++;
		skip_blanks(reader);
	}
	reader->depth--;
	return 0;
}

static int read_value(struct reader *reader, const struct assay__json_value **out)
{
	struct assay__json_value *value = reader->next_value++;
	int rc = 0;

	*value = (struct assay__json_value){.position = (size_t)(reader->at - reader->text)};
	if (take(reader, '{')) {
		value->type = ASSAY__JSON_OBJECT;
		rc = read_items(reader, value);
	} else if (take(reader, '[')) {
		value->type = ASSAY__JSON_ARRAY;
		rc = read_items(reader, value);
	} else if (next_is(reader, '"')) {
		value->type = ASSAY__JSON_STRING;
		rc = read_string(reader, &value->string, &value->length);
	} else if (take_word(reader, "true")) {
		value->type = ASSAY__JSON_BOOL;
		value->boolean = true;
	} else if (take_word(reader, "false")) {
		value->type = ASSAY__JSON_BOOL;
	} else if (!take_word(reader, "null")) {
		rc = read_number(reader, value);
	}
	if (!rc)
		*out = value;
	return rc;
}

int assay__json_parse(const char *text, size_t size, const struct assay_allocator *allocator,
					  struct assay__json_tree **out, struct assay_error *error)
{
	struct assay__json_tree *tree;
	const struct assay__json_value *root;
	struct reader reader = {.text = text, .at = text, .end = text + size, .error = error};
	size_t values = 2, bytes;
	int rc;

	/* Every value but the first of a container is behind a comma, and that one is behind the container's bracket. */
	for (size_t i = 0; i < size; i++)
		values += text[i] == ',' || text[i] == '[' || text[i] == '{';
	if (__builtin_mul_overflow(values, sizeof(tree->values[0]), &bytes) ||
		__builtin_add_overflow(bytes, sizeof(*tree) + 1, &bytes) || __builtin_add_overflow(bytes, size, &bytes) ||
		!(tree = assay__alloc(allocator, bytes)))
		return assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory for %zu bytes of JSON", size);
	tree->allocator = allocator;
	reader.next_value = tree->values;
	reader.next_char = (char *)(tree->values + values);
	skip_blanks(&reader);
	rc = read_value(&reader, &root);
	if (!rc) {
		skip_blanks(&reader);
		if (reader.at != reader.end)
			rc = fail(&reader, "nothing more");
	}
	if (rc) {
		assay__json_free(tree);
		return rc;
	}
	*out = tree;
	return 0;
}

void assay__json_free(struct assay__json_tree *tree)
{
	if (tree)
		assay__free(tree->allocator, tree);
}

const struct assay__json_value *assay__json_root(const struct assay__json_tree *tree)
{
	return &tree->values[0];
}

const struct assay__json_value *assay__json_member(const struct assay__json_value *object, const char *key)
{
	if (!object || object->type != ASSAY__JSON_OBJECT)
		return NULL;
	for (const struct assay__json_value *item = object->first; item; item = item->next)
		if (!strcmp(item->key, key))
			return item;
	return NULL;
}
