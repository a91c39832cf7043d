/* SPDX-License-Identifier: Apache-2.0 */
#include "station/identity/identity.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/text.h"

#define PATH_CHARS 4096
#define DIGITS_MOST 18

const struct assay__option assay__identity_options[] = {
	{.name = "template",
	 .type = ASSAY__OPTION_TEXT,
	 .fallback = "{station}-{sequence:9}",
	 .help =
		 "code of a part that brings none: {station}, {recipe}, {sequence}, {date} (20261124, local time), {count} "
		 "(triggers of this day); {sequence:9} has at least 9 digits. Without {sequence}, or {date} and {count}, two "
		 "parts may have one code",
	 .offset = offsetof(struct assay__identity_settings, template)},
};
const int assay__identity_option_count = (int)(sizeof(assay__identity_options) / sizeof(assay__identity_options[0]));

enum token { TOKEN_TEXT, TOKEN_STATION, TOKEN_RECIPE, TOKEN_SEQUENCE, TOKEN_DATE, TOKEN_COUNT, TOKEN_BAD };

/* The next piece of a template, which moves on behind it. */
static enum token next_token(const char **at, const char **text, size_t *length, int *digits)
{
	static const char *const names[] = {"", "station", "recipe", "sequence", "date", "count"};
	const char *from = *at, *end;

	*digits = 0;
	*text = from;
	if (*from != '{') {
		*length = strcspn(from, "{}");
		*at = from + *length;
		return *length ? TOKEN_TEXT : TOKEN_BAD;
	}
	end = strchr(from, '}');
	*length = end ? (size_t)(end - from) + 1 : strlen(from);
	if (!end)
		return TOKEN_BAD;
	*at = end + 1;
	for (int i = TOKEN_STATION; i <= TOKEN_COUNT; i++) {
		size_t size = strlen(names[i]);
		const char *rest = from + 1 + size;

		if (strncmp(from + 1, names[i], size) != 0)
			continue;
		if (rest == end)
			return (enum token)i;
		if (*rest != ':' || (i != TOKEN_SEQUENCE && i != TOKEN_COUNT))
			continue;
		for (rest++; rest < end && *rest >= '0' && *rest <= '9' && *digits <= DIGITS_MOST; rest++)
			*digits = *digits * 10 + (*rest - '0');
		if (rest == end && *digits >= 1 && *digits <= DIGITS_MOST)
			return (enum token)i;
	}
	return TOKEN_BAD;
}

int assay__identity_check(const char *template, const char *station, size_t recipe_chars, struct assay_error *error)
{
	size_t most = 0;
	char quoted[ASSAY__QUOTE_CHARS];

	if (!*template)
		return assay__fail(error, ASSAY_E_ARGUMENT, -1, "template: expected something like {station}-{sequence:9}");
	for (const char *at = template; *at;) {
		const char *text;
		size_t length;
		int digits;
		enum token token = next_token(&at, &text, &length, &digits);
		char piece[64];

		if (token == TOKEN_BAD) {
			snprintf(piece, sizeof(piece), "%.*s", (int)(length ? length : 1), text);
			return assay__fail(error, ASSAY_E_ARGUMENT, -1,
							   "template: found %s, expected {station}, {recipe}, {sequence}, {date}, {count}, or "
							   "{sequence:N}, {count:N} with N from 1 to %d",
							   assay__text_quote(piece, quoted), DIGITS_MOST);
		}
		for (size_t i = 0; token == TOKEN_TEXT && i < length; i++)
			if ((unsigned char)text[i] < 0x20 || assay__text_utf8(text + i, length - i) == 0)
				return assay__fail(error, ASSAY_E_ARGUMENT, -1, "template: expected UTF-8 without control characters");
			else
				i += assay__text_utf8(text + i, length - i) - 1;
		most += token == TOKEN_TEXT		 ? length
				: token == TOKEN_STATION ? strlen(station)
				: token == TOKEN_RECIPE	 ? recipe_chars
				: token == TOKEN_DATE	 ? 8
										 : 20;
	}
	if (most >= ASSAY__PART_CODE_CHARS)
		return assay__fail(error, ASSAY_E_ARGUMENT, -1, "template: codes may have %zu bytes, at most %d are possible",
						   most, ASSAY__PART_CODE_CHARS - 1);
	return 0;
}

void assay__identity_make(const char *template, const char *station, const char *recipe, uint64_t sequence,
						  const struct assay__identity_day *day, char out[ASSAY__PART_CODE_CHARS])
{
	size_t used = 0;

	out[0] = '\0';
	for (const char *at = template; *at && used < ASSAY__PART_CODE_CHARS - 1;) {
		const char *text;
		size_t length, room = ASSAY__PART_CODE_CHARS - used;
		int digits, put = 0;

		switch (next_token(&at, &text, &length, &digits)) {
		case TOKEN_STATION:
			put = snprintf(out + used, room, "%s", station);
			break;
		case TOKEN_RECIPE:
			put = snprintf(out + used, room, "%s", recipe);
			break;
		case TOKEN_SEQUENCE:
			put = snprintf(out + used, room, "%0*llu", digits, (unsigned long long)sequence);
			break;
		case TOKEN_DATE:
			put = snprintf(out + used, room, "%08d", day->date);
			break;
		case TOKEN_COUNT:
			put = snprintf(out + used, room, "%0*llu", digits, (unsigned long long)(sequence - day->first));
			break;
		case TOKEN_TEXT:
			put = snprintf(out + used, room, "%.*s", (int)length, text);
			break;
		case TOKEN_BAD:
			return;
		}
		used += (size_t)put < room ? (size_t)put : room - 1;
	}
}

static bool path_of(const char *state_dir, const char *name, char out[PATH_CHARS])
{
	return snprintf(out, PATH_CHARS, "%s/%s", state_dir, name) < PATH_CHARS;
}

void assay__identity_load(const char *state_dir, struct assay__identity_day *day)
{
	char path[PATH_CHARS], text[64];
	unsigned long long first;
	int date, end = 0;
	ssize_t size = -1;
	int fd = state_dir && path_of(state_dir, "identity", path) ? open(path, O_RDONLY | O_CLOEXEC) : -1;

	*day = (struct assay__identity_day){0};
	if (fd < 0)
		return;
	size = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (size <= 0)
		return;
	text[size] = '\0';
	if (sscanf(text, "%8d %20llu\n%n", &date, &first, &end) == 2 && end == size && date >= 19700101 && date <= 99991231)
		*day = (struct assay__identity_day){date, first};
}

/* Through a file beside it, so that there is always a whole one. */
static bool keep(const char *state_dir, const struct assay__identity_day *day)
{
	char path[PATH_CHARS], fresh[PATH_CHARS], text[64];
	int length = snprintf(text, sizeof(text), "%08d %llu\n", day->date, (unsigned long long)day->first);
	bool good;
	int fd, folder;

	if (!path_of(state_dir, "identity", path) || !path_of(state_dir, "identity.new", fresh))
		return false;
	fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	if (fd < 0)
		return false;
	good = write(fd, text, (size_t)length) == length && fsync(fd) == 0;
	good = close(fd) == 0 && good && rename(fresh, path) == 0;
	folder = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder >= 0) {
		good = fsync(folder) == 0 && good;
		close(folder);
	}
	return good;
}

bool assay__identity_turn(const char *state_dir, int64_t wall_us, uint64_t sequence, struct assay__identity_day *day)
{
	struct assay__identity_day next = {.first = sequence};
	time_t now = (time_t)(wall_us / 1000000);
	struct tm local;

	if (!localtime_r(&now, &local))
		return false;
	next.date = (local.tm_year + 1900) * 10000 + (local.tm_mon + 1) * 100 + local.tm_mday;
	if (next.date <= day->date || next.date > 99991231 || (state_dir && !keep(state_dir, &next)))
		return false;
	*day = next;
	return true;
}
