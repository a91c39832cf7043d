/* SPDX-License-Identifier: Apache-2.0 */
#include "station/output/flat_json.h"

#include <string.h>

#include "base/err.h"
#include "base/text.h"

struct reader {
	const char *at, *end;
};

static void skip_blanks(struct reader *reader)
{
	while (reader->at < reader->end && memchr(" \t\r\n", *reader->at, 4))
		reader->at++;
}

static bool take(struct reader *reader, char c)
{
	skip_blanks(reader);
	if (reader->at == reader->end || *reader->at != c)
		return false;
	reader->at++;
	return true;
}

static bool put(char *out, size_t size, size_t *used, const char *bytes, size_t count)
{
	if (*used + count >= size)
		return false;
	memcpy(out + *used, bytes, count);
	*used += count;
	return true;
}

/* \uXXXX as UTF-8; surrogates are refused, nobody needs them in a part's code. */
static bool read_unicode(struct reader *reader, char *out, size_t size, size_t *used)
{
	unsigned value = 0;
	if (reader->end - reader->at < 4)
		return false;
	for (int i = 0; i < 4; i++) {
		char c = *reader->at++;
		if (!memchr("0123456789abcdefABCDEF", c, 22))
			return false;
		value = value * 16 + (unsigned)(c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
	}
	if (value == 0 || (value >= 0xD800 && value < 0xE000))
		return false;
	char bytes[3];
	if (value < 0x80)
		return put(out, size, used, (char[]){(char)value}, 1);
	if (value < 0x800) {
		bytes[0] = (char)(0xC0 | value >> 6);
		bytes[1] = (char)(0x80 | (value & 63));
		return put(out, size, used, bytes, 2);
	}
	bytes[0] = (char)(0xE0 | value >> 12);
	bytes[1] = (char)(0x80 | (value >> 6 & 63));
	bytes[2] = (char)(0x80 | (value & 63));
	return put(out, size, used, bytes, 3);
}

static bool read_string(struct reader *reader, char *out, size_t size)
{
	size_t used = 0;
	if (!take(reader, '"'))
		return false;
	while (reader->at < reader->end && *reader->at != '"') {
		size_t length = assay__text_utf8(reader->at, (size_t)(reader->end - reader->at));
		if (length == 0 || (unsigned char)*reader->at < 0x20)
			return false;
		if (*reader->at != '\\') {
			if (!put(out, size, &used, reader->at, length))
				return false;
			reader->at += length;
			continue;
		}
		if (++reader->at == reader->end)
			return false;
		char c = *reader->at++;
		const char *named = memchr("\"\\/bfnrt", c, 8);
		if (c == 'u' ? !read_unicode(reader, out, size, &used)
					 : !named || !put(out, size, &used, &"\"\\/\b\f\n\r\t"[named - "\"\\/bfnrt"], 1))
			return false;
	}
	out[used] = '\0';
	return take(reader, '"');
}

static bool read_plain(struct reader *reader, char *out, size_t size)
{
	size_t used = 0;
	skip_blanks(reader);
	while (reader->at < reader->end && !memchr(",} \t\r\n{[\"", *reader->at, 9)) {
		if (used + 1 == size)
			return false;
		out[used++] = *reader->at++;
	}
	out[used] = '\0';
	return used > 0;
}

static bool to_number(const char *text, uint64_t *out)
{
	int64_t value;
	if (!assay__text_to_int64(text, &value) || value < 0)
		return false;
	*out = (uint64_t)value;
	return true;
}

static int read_pair(struct reader *reader, struct assay__ask *out, struct assay_error *error)
{
	char key[32], value[ASSAY__PART_CODE_CHARS], quoted[ASSAY__QUOTE_CHARS];
	if (!read_string(reader, key, sizeof(key)) || !take(reader, ':'))
		return assay__fail(error, ASSAY_E_FORMAT, -1, "expected a key of at most %zu characters and a colon",
						   sizeof(key) - 1);
	skip_blanks(reader);
	bool is_text = reader->at < reader->end && *reader->at == '"';
	if (is_text ? !read_string(reader, value, sizeof(value)) : !read_plain(reader, value, sizeof(value)))
		return assay__fail(error, ASSAY_E_FORMAT, -1, "%s: expected text of at most %zu bytes, or a number",
						   assay__text_quote(key, quoted), sizeof(value) - 1);
	if (strcmp(key, "code") == 0)
		memcpy(out->code, value, strlen(value) + 1);
	else if (strcmp(key, "trigger_id") == 0 && !to_number(value, &out->trigger_id))
		return assay__fail(error, ASSAY_E_FORMAT, -1, "trigger_id: found %s, expected a whole number, 0 or more",
						   assay__text_quote(value, quoted));
	return ASSAY_OK;
}

int assay__ask_read(const char *bytes, size_t size_bytes, struct assay__ask *out, struct assay_error *error)
{
	struct reader reader = {bytes, bytes + size_bytes};
	struct assay__ask ask = {0};
	int err = ASSAY_OK;
	skip_blanks(&reader);
	if (reader.at == reader.end) {
		*out = ask;
		return ASSAY_OK;
	}
	if (*reader.at != '{') {
		char text[24];
		if (!read_plain(&reader, text, sizeof(text)) || !to_number(text, &ask.trigger_id))
			return assay__fail(error, ASSAY_E_FORMAT, -1, "expected nothing, a trigger number, or a JSON object");
	} else {
		reader.at++;
		if (!take(&reader, '}')) {
			do
				err = read_pair(&reader, &ask, error);
			while (!err && take(&reader, ','));
			if (!err && !take(&reader, '}'))
				err = assay__fail(error, ASSAY_E_FORMAT, -1, "expected a comma or a closing brace");
		}
	}
	skip_blanks(&reader);
	if (!err && reader.at != reader.end)
		err = assay__fail(error, ASSAY_E_FORMAT, -1, "found more after the end of the value");
	if (!err)
		*out = ask;
	return err;
}
