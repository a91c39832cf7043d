/* SPDX-License-Identifier: Apache-2.0 */
#include "station/http/target.h"

#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "base/text.h"

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 32;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decodes raw[0..length) to *at, NUL-terminated, and moves *at behind it. Never longer than raw. */
static int decode(const char *raw, size_t length, bool query, char **at, struct assay_error *error)
{
	char *start = *at, *out = start;

	for (size_t i = 0; i < length; i++) {
		if (raw[i] == '%') {
			int high = length - i > 2 ? hex_digit(raw[i + 1]) : -1, low = high < 0 ? -1 : hex_digit(raw[i + 2]);

			if (low < 0)
				return assay__fail(error, ASSAY_E_FORMAT, -1, "the address has a %% without two hexadecimal digits");
			*out++ = (char)(high * 16 + low);
			i += 2;
		} else {
			*out++ = query && raw[i] == '+' ? ' ' : raw[i];
		}
	}
	for (const char *c = start; c < out;) {
		size_t bytes = assay__text_utf8(c, (size_t)(out - c));

		if (!bytes || (unsigned char)*c < 0x20 || *c == 0x7F)
			return assay__fail(error, ASSAY_E_FORMAT, -1, "the address has control characters or is not UTF-8");
		c += bytes;
	}
	*out++ = '\0';
	*at = out;
	return 0;
}

static int add_segment(struct assay__target *target, const char *raw, size_t length, char **at,
					   struct assay_error *error)
{
	const char *segment = *at;
	int rc;

	if (target->segment_count == ASSAY__TARGET_MAX_SEGMENTS)
		return assay__fail(error, ASSAY_E_LIMIT, -1, "the path has more than %d parts", ASSAY__TARGET_MAX_SEGMENTS);
	rc = decode(raw, length, false, at, error);
	if (rc)
		return rc;
	if (!*segment || !strcmp(segment, ".") || !strcmp(segment, "..") || strpbrk(segment, "/\\"))
		return assay__fail(error, ASSAY_E_FORMAT, -1, "the path has an empty part, a dot part or a hidden slash");
	target->segments[target->segment_count++] = segment;
	return 0;
}

static int add_query(struct assay__target *target, const char *raw, size_t length, char **at, struct assay_error *error)
{
	const char *equals = memchr(raw, '=', length);
	size_t name_length = equals ? (size_t)(equals - raw) : length;
	struct assay__target_pair pair = {.name = *at};
	int rc;

	if (!length)
		return 0;
	if (target->query_count == ASSAY__TARGET_MAX_QUERY)
		return assay__fail(error, ASSAY_E_LIMIT, -1, "the query has more than %d parameters", ASSAY__TARGET_MAX_QUERY);
	rc = decode(raw, name_length, true, at, error);
	if (rc)
		return rc;
	pair.value = *at;
	rc = equals ? decode(equals + 1, length - name_length - 1, true, at, error) : decode("", 0, true, at, error);
	if (rc)
		return rc;
	target->query[target->query_count++] = pair;
	return 0;
}

int assay__target_parse(const char *raw, struct assay__target *out, struct assay_error *error)
{
	/* one NUL more for each part than its separator gives */
	char *at = out->text;
	size_t length = strlen(raw);
	const char *end = raw + length, *path_end;
	int rc = 0;

	out->segment_count = out->query_count = 0;
	if (length > ASSAY__TARGET_MAX_BYTES - ASSAY__TARGET_MAX_QUERY - 1)
		return assay__fail(error, ASSAY_E_LIMIT, -1, "the address is longer than %d bytes",
						   ASSAY__TARGET_MAX_BYTES - ASSAY__TARGET_MAX_QUERY - 1);
	if (raw[0] != '/' || strchr(raw, '#'))
		return assay__fail(error, ASSAY_E_FORMAT, -1, "the address must be a path that starts with /");
	path_end = strchr(raw, '?');
	if (!path_end)
		path_end = end;
	if (path_end - raw > 1)
		for (const char *from = raw + 1; !rc;) {
			const char *slash = memchr(from, '/', (size_t)(path_end - from));

			rc = add_segment(out, from, (size_t)((slash ? slash : path_end) - from), &at, error);
			if (!slash)
				break;
			from = slash + 1;
		}
	for (const char *from = path_end + 1; !rc && from < end;) {
		const char *and = memchr(from, '&', (size_t)(end - from));

		rc = add_query(out, from, (size_t)((and? and : end) - from), &at, error);
		if (!and)
			break;
		from = and+1;
	}
	return rc;
}

const char *assay__target_query(const struct assay__target *target, const char *name)
{
	for (int i = 0; i < target->query_count; i++)
		if (!strcmp(target->query[i].name, name))
			return target->query[i].value;
	return NULL;
}

bool assay__target_fits(const struct assay__target *target, const char *path_template, const char **arguments, int most)
{
	int index = 0, found = 0;
	const char *at = path_template + 1;

	for (; *at; index++) {
		size_t length = strcspn(at, "/");

		if (index == target->segment_count)
			return false;
		if (at[0] == '{') {
			if (found < most)
				arguments[found++] = target->segments[index];
		} else if (strlen(target->segments[index]) != length || memcmp(target->segments[index], at, length)) {
			return false;
		}
		at += length;
		at += *at == '/';
	}
	return index == target->segment_count;
}

static bool is_word(char c)
{
	return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
}

bool assay__cookie_find(const char *header, const char *name, char *out, size_t size)
{
	size_t name_length = strlen(name);

	for (const char *at = header; at && *at;) {
		size_t length = strcspn(at, ";");

		if (length > name_length && !memcmp(at, name, name_length) && at[name_length] == '=') {
			const char *value = at + name_length + 1;
			size_t value_length = length - name_length - 1;

			while (value_length && (value[value_length - 1] == ' ' || value[value_length - 1] == '\t'))
				value_length--;
			if (!value_length || value_length >= size)
				return false;
			for (size_t i = 0; i < value_length; i++)
				if (!is_word(value[i]))
					return false;
			memcpy(out, value, value_length);
			out[value_length] = '\0';
			return true;
		}
		at += length;
		at += *at == ';';
		while (*at == ' ' || *at == '\t')
			at++;
	}
	return false;
}

bool assay__bearer_find(const char *header, char *out, size_t size)
{
	size_t length;

	if (!header || strncasecmp(header, "Bearer ", 7))
		return false;
	header += 7;
	header += strspn(header, " ");
	for (length = 0; header[length]; length++)
		if (!is_word(header[length]) && !strchr("-._~+/=", header[length]))
			return false;
	if (!length || length >= size)
		return false;
	memcpy(out, header, length + 1);
	return true;
}

bool assay__origin_is(const char *origin, const char *host)
{
	const char *colon = origin ? strstr(origin, "://") : NULL;

	return colon && host && *host && !strcasecmp(colon + 3, host);
}

bool assay__host_is_loopback(const char *host)
{
	size_t length;

	if (!host)
		return false;
	if (host[0] == '[')
		return !strncmp(host, "[::1]", 5) && (!host[5] || host[5] == ':');
	length = strcspn(host, ":");
	if (length == 9 && !strncasecmp(host, "localhost", 9))
		return true;
	return length > 4 && !strncmp(host, "127.", 4) && strspn(host, "0123456789.") == length;
}
