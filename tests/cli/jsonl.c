/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads JSON lines on standard input, strictly by RFC 8259 and one object per line.
 *   jsonl keys         the keys of each object, in order, with spaces between
 *   jsonl get KEY      the value of that key in each object, as written; strings without their quotes
 * Exit status 1 if a line is not a JSON object (it says which), or lacks the key.
 */
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DEPTH 64

static const char *value(const char *at, int depth);

static const char *space(const char *at)
{
	while (*at == ' ' || *at == '\t' || *at == '\r' || *at == '\n')
		at++;
	return at;
}

static size_t utf8(const unsigned char *at)
{
	size_t more = *at < 0x80				  ? 0
				  : *at >= 0xc2 && *at < 0xe0 ? 1
				  : *at >= 0xe0 && *at < 0xf0 ? 2
				  : *at >= 0xf0 && *at < 0xf5 ? 3
											  : 9;

	for (size_t i = 1; more < 9 && i <= more; i++)
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	return more < 9 ? more + 1 : 0;
}

static const char *string(const char *at)
{
	if (*at++ != '"')
		return NULL;
	while (*at != '"') {
		size_t length;

		if ((unsigned char)*at < ' ')
			return NULL;
		if (*at == '\\') {
			at++;
			if (*at == 'u') {
				for (int i = 1; i <= 4; i++)
					if (!isxdigit((unsigned char)at[i]))
						return NULL;
				at += 5;
			} else if (*at && strchr("\"\\/bfnrt", *at)) {
				at++;
			} else {
				return NULL;
			}
			continue;
		}
		length = utf8((const unsigned char *)at);
		if (!length)
			return NULL;
		at += length;
	}
	return at + 1;
}

static const char *digits(const char *at)
{
	if (!isdigit((unsigned char)*at))
		return NULL;
	while (isdigit((unsigned char)*at))
		at++;
	return at;
}

static const char *number(const char *at)
{
	if (*at == '-')
		at++;
	at = *at == '0' ? at + 1 : digits(at);
	if (at && *at == '.')
		at = digits(at + 1);
	if (at && (*at == 'e' || *at == 'E')) {
		at++;
		if (*at == '+' || *at == '-')
			at++;
		at = digits(at);
	}
	return at;
}

static const char *array(const char *at, int depth)
{
	at = space(at + 1);
	if (*at == ']')
		return at + 1;
	while ((at = value(at, depth))) {
		at = space(at);
		if (*at == ']')
			return at + 1;
		if (*at++ != ',')
			return NULL;
		at = space(at);
	}
	return NULL;
}

/* Calls see (nullable) with each key and the value after it. */
static const char *object(const char *at, int depth,
						  void (*see)(const char *key, const char *key_end, const char *from, const char *to))
{
	at = space(at + 1);
	if (*at == '}')
		return at + 1;
	for (;;) {
		const char *key = at, *key_end = string(at), *from, *to;

		if (!key_end || *(from = space(key_end)) != ':')
			return NULL;
		from = space(from + 1);
		to = value(from, depth);
		if (!to)
			return NULL;
		if (see)
			see(key, key_end, from, to);
		at = space(to);
		if (*at == '}')
			return at + 1;
		if (*at++ != ',')
			return NULL;
		at = space(at);
	}
}

static const char *word(const char *at, const char *text)
{
	return strncmp(at, text, strlen(text)) ? NULL : at + strlen(text);
}

static const char *value(const char *at, int depth)
{
	if (depth > MAX_DEPTH)
		return NULL;
	switch (*at) {
	case '{':
		return object(at, depth + 1, NULL);
	case '[':
		return array(at, depth + 1);
	case '"':
		return string(at);
	case 't':
		return word(at, "true");
	case 'f':
		return word(at, "false");
	case 'n':
		return word(at, "null");
	default:
		return number(at);
	}
}

static const char *wanted;
static bool found;

static void print_key(const char *key, const char *key_end, const char *from, const char *to)
{
	(void)from;
	(void)to;
	printf("%s%.*s", found ? " " : "", (int)(key_end - key - 2), key + 1);
	found = true;
}

static void print_wanted(const char *key, const char *key_end, const char *from, const char *to)
{
	if ((size_t)(key_end - key - 2) != strlen(wanted) || strncmp(key + 1, wanted, strlen(wanted)))
		return;
	found = true;
	if (*from == '"') {
		from++;
		to--;
	}
	printf("%.*s", (int)(to - from), from);
}

int main(int argc, char **argv)
{
	char *line = NULL;
	size_t capacity = 0;
	ssize_t length;
	int bad = 0;

	if (argc < 2 || (!strcmp(argv[1], "get") && argc < 3)) {
		fputs("usage: jsonl keys | jsonl get KEY\n", stderr);
		return 64;
	}
	wanted = argc > 2 ? argv[2] : NULL;
	for (int number_of_line = 1; (length = getline(&line, &capacity, stdin)) > 0; number_of_line++) {
		const char *end = NULL;

		found = false;
		if ((size_t)length == strlen(line) && *line == '{')
			end = object(line, 0, wanted ? print_wanted : print_key);
		putchar('\n');
		if (!end || strcmp(end, "\n") || !found) {
			fprintf(stderr, "jsonl: line %d: %s", number_of_line, end && !found ? "no such key\n" : line);
			bad = 1;
		}
	}
	free(line);
	return bad;
}
