/* SPDX-License-Identifier: Apache-2.0 */
#include "base/option.h"

#include <assert.h>
#include <limits.h>
#include <math.h>
#include <string.h>

#include "base/err.h"
#include "base/text.h"

#define NUMBER_INPUT_CHARS 64

/* A parsed value, before it goes into the caller's struct. */
union value {
	bool flag;
	int number;
	double real;
	const char *text;
	int rect[4];
};

static bool in_range(const struct assay__option *row, double value)
{
	return (row->min == 0 && row->max == 0) || (value >= row->min && value <= row->max);
}

static bool read_flag(const char *text, bool *out)
{
	static const char *const words[] = {"false", "true", "no", "yes", "off", "on"};
	for (int i = 0; i < 6; i++) {
		if (strcmp(text, words[i]) == 0) {
			*out = i % 2;
			return true;
		}
	}
	return false;
}

static bool read_int(const char *text, int *out)
{
	int64_t value;
	if (!assay__text_to_int64(text, &value) || value < INT_MIN || value > INT_MAX)
		return false;
	*out = (int)value;
	return true;
}

/* Copies text without `suffix` (if it ends in it) into a short buffer; false if it is too long for a number. */
static bool cut_suffix(const char *text, const char *suffix, char out[NUMBER_INPUT_CHARS], bool *had_suffix)
{
	size_t length = strnlen(text, NUMBER_INPUT_CHARS), suffix_length = strlen(suffix);
	if (length == NUMBER_INPUT_CHARS)
		return false;
	*had_suffix = length >= suffix_length && strcmp(text + length - suffix_length, suffix) == 0;
	if (*had_suffix)
		length -= suffix_length;
	memcpy(out, text, length);
	out[length] = '\0';
	return true;
}

static bool read_pixels(const char *text, int *out)
{
	char number[NUMBER_INPUT_CHARS];
	bool had_suffix;
	return cut_suffix(text, "px", number, &had_suffix) && read_int(number, out);
}

static bool read_percent(const char *text, double *out)
{
	char number[NUMBER_INPUT_CHARS + 3];
	bool had_suffix;
	if (!cut_suffix(text, "%", number, &had_suffix))
		return false;
	if (!had_suffix)
		return assay__text_to_double(number, out);
	/* "0.7%" is to be the very double that "0.007" is, which 0.7 / 100 need not be. */
	if (!strpbrk(number, "eE"))
		return assay__text_to_double(strcat(number, "e-2"), out);
	if (!assay__text_to_double(number, out))
		return false;
	*out /= 100;
	return true;
}

static bool read_rect(const char *text, int out[4])
{
	for (int i = 0; i < 4; i++) {
		const char *end = strchrnul(text, ',');
		char number[NUMBER_INPUT_CHARS];
		size_t length = (size_t)(end - text);
		if (length >= sizeof(number) || (*end == ',') != (i < 3))
			return false;
		memcpy(number, text, length);
		number[length] = '\0';
		if (!read_int(number, &out[i]) || out[i] < (i < 2 ? 0 : 1))
			return false;
		text = end + 1;
	}
	return out[0] <= INT_MAX - out[2] && out[1] <= INT_MAX - out[3];
}

static bool read_word(const struct assay__option *row, const char *text, int *out)
{
	for (int i = 0; row->words[i]; i++) {
		if (strcmp(text, row->words[i]) == 0) {
			*out = i;
			return true;
		}
	}
	return false;
}

static bool read_value(const struct assay__option *row, const char *text, union value *value)
{
	switch (row->type) {
	case ASSAY__OPTION_FLAG:
		return read_flag(text, &value->flag);
	case ASSAY__OPTION_INT:
		return read_int(text, &value->number) && in_range(row, value->number);
	case ASSAY__OPTION_PIXELS:
		return read_pixels(text, &value->number) && in_range(row, value->number);
	case ASSAY__OPTION_DOUBLE:
		return assay__text_to_double(text, &value->real) && in_range(row, value->real);
	case ASSAY__OPTION_PERCENT:
		return read_percent(text, &value->real) && in_range(row, value->real);
	case ASSAY__OPTION_TEXT:
		value->text = text;
		return true;
	case ASSAY__OPTION_PATH:
		value->text = text;
		return *text != '\0';
	case ASSAY__OPTION_WORD:
		return read_word(row, text, &value->number);
	case ASSAY__OPTION_RECT:
		return read_rect(text, value->rect);
	}
	return false;
}

static void store(const struct assay__option *row, const union value *value, void *settings)
{
	void *field = (char *)settings + row->offset;
	switch (row->type) {
	case ASSAY__OPTION_FLAG:
		memcpy(field, &value->flag, sizeof(value->flag));
		break;
	case ASSAY__OPTION_INT:
	case ASSAY__OPTION_PIXELS:
	case ASSAY__OPTION_WORD:
		memcpy(field, &value->number, sizeof(value->number));
		break;
	case ASSAY__OPTION_DOUBLE:
	case ASSAY__OPTION_PERCENT:
		memcpy(field, &value->real, sizeof(value->real));
		break;
	case ASSAY__OPTION_TEXT:
	case ASSAY__OPTION_PATH:
		memcpy(field, &value->text, sizeof(value->text));
		break;
	case ASSAY__OPTION_RECT:
		memcpy(field, value->rect, sizeof(value->rect));
		break;
	}
}

/* Fails for a value that does not do; `label` is the option as the user wrote it. */
static int fail_value(const struct assay__option *row, const char *label, const char *text, struct assay_error *error)
{
	char expected[ASSAY__OPTION_TEXT_CHARS], quoted[ASSAY__QUOTE_CHARS];
	struct assay__nearest nearest = {.given = text};
	if (row->type == ASSAY__OPTION_WORD)
		for (int i = 0; row->words[i]; i++)
			assay__nearest_try(&nearest, row->words[i]);
	assay__option_expected(row, expected);
	return assay__fail(error, ASSAY_E_ARGUMENT, -1, "%s: found %s, expected %s%s%s%s", label,
					   assay__text_quote(text, quoted), expected, nearest.best ? "; did you mean " : "",
					   nearest.best ? nearest.best : "", nearest.best ? "?" : "");
}

void assay__option_defaults(const struct assay__option *rows, int count, void *settings)
{
	for (int i = 0; i < count; i++) {
		union value value;
		memset(&value, 0, sizeof(value));
		bool fine = !rows[i].fallback || read_value(&rows[i], rows[i].fallback, &value);
		assert(fine);
		(void)fine;
		store(&rows[i], &value, settings);
	}
}

static const struct assay__option *find_name(const struct assay__option *rows, int count, const char *name,
											 size_t length)
{
	for (int i = 0; i < count; i++)
		if (strlen(rows[i].name) == length && memcmp(rows[i].name, name, length) == 0)
			return &rows[i];
	return NULL;
}

static const struct assay__option *find_letter(const struct assay__option *rows, int count, char letter)
{
	for (int i = 0; i < count; i++)
		if (rows[i].letter == letter)
			return &rows[i];
	return NULL;
}

int assay__option_set(const struct assay__option *rows, int count, const char *prefix, const char *name,
					  const char *text, void *settings, struct assay_error *error)
{
	char label[200], quoted[ASSAY__QUOTE_CHARS];
	const struct assay__option *row = find_name(rows, count, name, strlen(name));
	const char *colon = prefix ? ": " : "";
	prefix = prefix ? prefix : "";
	if (!row) {
		struct assay__nearest nearest = {.given = name};
		for (int i = 0; i < count; i++)
			assay__nearest_try(&nearest, rows[i].name);
		return assay__fail(error, ASSAY_E_ARGUMENT, -1, "%s%sunknown setting %s%s%s%s", prefix, colon,
						   assay__text_quote(name, quoted), nearest.best ? "; did you mean " : "",
						   nearest.best ? nearest.best : "", nearest.best ? "?" : "");
	}
	union value value;
	if (!read_value(row, text, &value)) {
		snprintf(label, sizeof(label), "%s%s%s", prefix, colon, row->name);
		return fail_value(row, label, text, error);
	}
	store(row, &value, settings);
	return ASSAY_OK;
}

/* A walk over a command line. It is made twice: to check, with settings NULL, and then to store. */
struct walk {
	const struct assay__option *rows;
	int count;
	int argc;
	char **argv;
	int at; /* the next argument */
	void *settings;
	uint64_t given; /* bit i: row i was */
	struct assay_error *error;
};

static int take(struct walk *walk, const struct assay__option *row, const char *label, const char *text)
{
	union value value;
	if (!read_value(row, text, &value))
		return fail_value(row, label, text, walk->error);
	if (walk->settings)
		store(row, &value, walk->settings);
	walk->given |= (uint64_t)1 << (row - walk->rows);
	return ASSAY_OK;
}

/* Takes the next argument as the value of `row`; one that looks like an option is more likely a value forgotten. */
static int take_next(struct walk *walk, const struct assay__option *row, const char *label)
{
	char expected[ASSAY__OPTION_TEXT_CHARS], quoted[ASSAY__QUOTE_CHARS];
	const char *next = walk->at < walk->argc ? walk->argv[walk->at] : NULL;
	assay__option_expected(row, expected);
	if (!next)
		return assay__fail(walk->error, ASSAY_E_ARGUMENT, -1, "%s needs a value: %s", label, expected);
	if (strncmp(next, "--", 2) == 0 ||
		(next[0] == '-' && next[1] && !next[2] && find_letter(walk->rows, walk->count, next[1])))
		return assay__fail(walk->error, ASSAY_E_ARGUMENT, -1,
						   "%s needs a value, found %s; if that is the value, write --%s=%.40s", label,
						   assay__text_quote(next, quoted), row->name, next);
	walk->at++;
	return take(walk, row, label, next);
}

static int fail_unknown(struct walk *walk, const char *name, size_t length)
{
	char given[ASSAY__QUOTE_CHARS], quoted[ASSAY__QUOTE_CHARS];
	snprintf(given, sizeof(given), "%.*s", (int)(length < sizeof(given) ? length : sizeof(given) - 1), name);
	struct assay__nearest nearest = {.given = given};
	for (int i = 0; i < walk->count; i++)
		assay__nearest_try(&nearest, walk->rows[i].name);
	char dashed[ASSAY__QUOTE_CHARS + 2];
	snprintf(dashed, sizeof(dashed), "--%s", given);
	assay__text_quote(dashed, quoted);
	if (nearest.best)
		return assay__fail(walk->error, ASSAY_E_ARGUMENT, -1, "unknown option %s; did you mean --%s?", quoted,
						   nearest.best);
	return assay__fail(walk->error, ASSAY_E_ARGUMENT, -1, "unknown option %s", quoted);
}

static int walk_long(struct walk *walk, const char *name)
{
	const char *equals = strchr(name, '=');
	size_t length = equals ? (size_t)(equals - name) : strlen(name);
	const struct assay__option *row = find_name(walk->rows, walk->count, name, length);
	char label[ASSAY__QUOTE_CHARS];
	if (!row && length > 3 && strncmp(name, "no-", 3) == 0) {
		row = find_name(walk->rows, walk->count, name + 3, length - 3);
		if (row && row->type == ASSAY__OPTION_FLAG) {
			if (equals)
				return assay__fail(walk->error, ASSAY_E_ARGUMENT, -1, "--no-%s takes no value", row->name);
			return take(walk, row, row->name, "false");
		}
		row = NULL;
	}
	if (!row)
		return fail_unknown(walk, name, length);
	snprintf(label, sizeof(label), "--%s", row->name);
	if (equals)
		return take(walk, row, label, equals + 1);
	if (row->type == ASSAY__OPTION_FLAG)
		return take(walk, row, label, "true");
	return take_next(walk, row, label);
}

/* "-o VALUE", "-oVALUE", or flags together: "-ab". */
static int walk_short(struct walk *walk, const char *letters)
{
	for (; *letters; letters++) {
		const struct assay__option *row = find_letter(walk->rows, walk->count, *letters);
		char label[4] = {'-', *letters}, quoted[ASSAY__QUOTE_CHARS];
		if (!row)
			return assay__fail(walk->error, ASSAY_E_ARGUMENT, -1,
							   "unknown option %s; a file name that starts with '-' goes after \"--\"",
							   assay__text_quote(label, quoted));
		if (row->type != ASSAY__OPTION_FLAG)
			return letters[1] ? take(walk, row, label, letters + 1) : take_next(walk, row, label);
		int err = take(walk, row, label, "true");
		if (err)
			return err;
	}
	return ASSAY_OK;
}

/* Moves the positional arguments to the front only on the storing walk. */
static int walk_all(struct walk *walk, int *positional_count)
{
	int positionals = 0;
	bool ended = false;
	for (walk->at = 1; walk->at < walk->argc;) {
		char *argument = walk->argv[walk->at++];
		int err = ASSAY_OK;
		if (ended || argument[0] != '-' || !argument[1]) {
			positionals++;
			if (walk->settings)
				walk->argv[positionals] = argument;
		} else if (strcmp(argument, "--") == 0) {
			ended = true;
		} else if (argument[1] == '-') {
			err = walk_long(walk, argument + 2);
		} else {
			err = walk_short(walk, argument + 1);
		}
		if (err)
			return err;
	}
	*positional_count = positionals;
	return ASSAY_OK;
}

int assay__option_parse(const struct assay__option *rows, int count, int argc, char **argv, void *settings,
						int *positional_count, struct assay_error *error)
{
	assert(count <= ASSAY__OPTION_MAX_ROWS && settings);
	struct walk walk = {.rows = rows, .count = count, .argc = argc, .argv = argv, .error = error};
	int positionals;
	int err = walk_all(&walk, &positionals);
	if (err)
		return err;
	for (int i = 0; i < count; i++) {
		if (!rows[i].required || (walk.given >> i & 1))
			continue;
		char expected[ASSAY__OPTION_TEXT_CHARS];
		assay__option_expected(&rows[i], expected);
		return assay__fail(error, ASSAY_E_ARGUMENT, -1, "--%s is missing; it takes %s", rows[i].name, expected);
	}
	walk.settings = settings;
	return walk_all(&walk, positional_count);
}
