/* SPDX-License-Identifier: Apache-2.0 */
/* When challenge parts are due, and what of it outlives a restart. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/text.h"
#include "station/challenge.h"

#define BACK_US 2000000
#define PATH_CHARS 4096
#define BOOT_CHARS 37

#define AT(member) offsetof(struct assay__challenge_settings, member)
static const char *const modes[] = {"pictures", "parts", "both", NULL};

const struct assay__option assay__challenge_options[] = {
	{.name = "mode",
	 .type = ASSAY__OPTION_WORD,
	 .fallback = "pictures",
	 .words = modes,
	 .help =
		 "pictures: stored ones are shown to the recipe; parts: real ones are put through; both: one after the other",
	 .offset = AT(mode)},
	{.name = "folder",
	 .type = ASSAY__OPTION_PATH,
	 .fallback = "challenge",
	 .help =
		 "holds a folder for each recipe, called by its name: with one camera its pictures, with several a folder for "
		 "each part in which the pictures are called by camera",
	 .offset = AT(folder)},
	{.name = "parts",
	 .type = ASSAY__OPTION_INT,
	 .fallback = "3",
	 .min = 1,
	 .max = 1000,
	 .help = "real parts that must be put through and be FAIL",
	 .offset = AT(parts)},
	{.name = "within_s",
	 .type = ASSAY__OPTION_INT,
	 .fallback = "600",
	 .min = 1,
	 .max = 86400,
	 .unit = "s",
	 .help = "time for them, from their announcement on",
	 .offset = AT(within_s)},
	{.name = "shifts",
	 .type = ASSAY__OPTION_TEXT,
	 .fallback = "",
	 .help = "times of the day (local time) at which they are due, such as 06:00,14:00,22:00",
	 .offset = AT(shifts)},
	{.name = "on_start",
	 .type = ASSAY__OPTION_FLAG,
	 .fallback = "yes",
	 .help =
		 "due when the station starts; no: a restart of the program keeps what was caught, a restart of the machine "
		 "does not",
	 .offset = AT(on_start)},
	{.name = "on_recipe",
	 .type = ASSAY__OPTION_FLAG,
	 .fallback = "yes",
	 .help = "due whenever another recipe is selected or read",
	 .offset = AT(on_recipe)},
	{.name = "max_age_min",
	 .type = ASSAY__OPTION_INT,
	 .fallback = "0",
	 .min = 0,
	 .max = 525600,
	 .unit = "min",
	 .help = "due when the last ones are so long ago; 0: never by age",
	 .offset = AT(max_age_min)},
};
const int assay__challenge_option_count = (int)(sizeof(assay__challenge_options) / sizeof(assay__challenge_options[0]));
#undef AT

int assay__challenge_shifts_read(const char *text, struct assay__challenge_shifts *out, struct assay_error *error)
{
	struct assay__challenge_shifts read = {0};
	const char *at = text ? text : "";
	char quoted[ASSAY__QUOTE_CHARS];

	while (*at) {
		int hour = -1, minute = -1, used = 0;

		if (sscanf(at, "%2d:%2d%n", &hour, &minute, &used) != 2 || hour < 0 || hour > 23 || minute < 0 || minute > 59 ||
			(at[used] && at[used] != ','))
			return assay__fail(error, ASSAY_E_ARGUMENT, -1,
							   "shifts: found %s, expected times such as 06:00,14:00,22:00",
							   assay__text_quote(at, quoted));
		if (read.count == ASSAY__CHALLENGE_SHIFTS)
			return assay__fail(error, ASSAY_E_ARGUMENT, -1, "shifts: more than %d times", ASSAY__CHALLENGE_SHIFTS);
		read.minutes[read.count++] = hour * 60 + minute;
		at += used + (at[used] == ',');
	}
	*out = read;
	return 0;
}

int64_t assay__challenge_shifts_next(const struct assay__challenge_shifts *shifts, int64_t wall_us)
{
	time_t now = (time_t)(wall_us / 1000000);
	int64_t next = INT64_MAX;
	struct tm today;

	if (!localtime_r(&now, &today))
		return next;
	for (int day = 0; day < 2; day++)
		for (int i = 0; i < shifts->count; i++) {
			struct tm moment = {.tm_year = today.tm_year,
								.tm_mon = today.tm_mon,
								.tm_mday = today.tm_mday + day,
								.tm_hour = shifts->minutes[i] / 60,
								.tm_min = shifts->minutes[i] % 60,
								.tm_isdst = -1};
			int64_t at_us = (int64_t)mktime(&moment) * 1000000;

			if (at_us > wall_us && at_us < next)
				next = at_us;
		}
	return next;
}

const char *assay__challenge_demand(const struct assay__challenge_settings *settings,
									const struct assay__challenge_shifts *shifts,
									const struct assay__challenge_pass *pass, int64_t wall_us, int64_t clock_us,
									char text[96])
{
	int64_t age_us = (int64_t)settings->max_age_min * 60 * 1000000, next_us;
	/* Both clocks count: the wall clock can be set, the other stands still while the machine sleeps. */
	int64_t by_wall_us = wall_us - pass->wall_us, by_clock_us = clock_us - pass->clock_us;

	if (!pass->clock_us)
		return settings->on_start || settings->on_recipe || age_us || shifts->count
				   ? (snprintf(text, 96, "they have not been caught since the start"), text)
				   : NULL;
	if (by_wall_us < by_clock_us - BACK_US)
		return snprintf(text, 96, "the clock was set back by %" PRId64 " s", (by_clock_us - by_wall_us) / 1000000),
			   text;
	if (age_us && (by_wall_us >= age_us || by_clock_us >= age_us))
		return snprintf(text, 96, "the last ones were %d minutes ago", settings->max_age_min), text;
	next_us = assay__challenge_shifts_next(shifts, pass->wall_us);
	if (next_us != INT64_MAX && (wall_us >= next_us || by_clock_us >= next_us - pass->wall_us))
		return snprintf(text, 96, "a shift began"), text;
	return NULL;
}

static bool read_boot(char boot[BOOT_CHARS])
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t size = fd < 0 ? -1 : read(fd, boot, BOOT_CHARS - 1);

	if (fd >= 0)
		close(fd);
	if (size != BOOT_CHARS - 1)
		return false;
	boot[size] = '\0';
	return true;
}

void assay__challenge_load(const char *state_dir, struct assay__challenge_pass *pass)
{
	char path[PATH_CHARS], text[256], boot[BOOT_CHARS], found[BOOT_CHARS], hex[2 * ASSAY_HASH_BYTES + 1];
	struct assay__challenge_pass read_pass = {0};
	size_t bytes;
	ssize_t size;
	int fd, end = 0;

	*pass = read_pass;
	if (!state_dir || !read_boot(boot) || snprintf(path, sizeof(path), "%s/challenge", state_dir) >= (int)sizeof(path))
		return;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	size = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		close(fd);
	if (size <= 0)
		return;
	text[size] = '\0';
	if (sscanf(text, "1 %36s %" SCNd64 " %" SCNd64 " %64s\n%n", found, &read_pass.wall_us, &read_pass.clock_us, hex,
			   &end) == 4 &&
		end == size && strcmp(found, boot) == 0 && read_pass.wall_us > 0 && read_pass.clock_us > 0 &&
		sodium_hex2bin(read_pass.recipe, sizeof(read_pass.recipe), hex, strlen(hex), NULL, &bytes, NULL) == 0 &&
		bytes == sizeof(read_pass.recipe))
		*pass = read_pass;
}

int assay__challenge_keep(const char *state_dir, const struct assay__challenge_pass *pass, struct assay_error *error)
{
	char path[PATH_CHARS], fresh[PATH_CHARS], text[256], boot[BOOT_CHARS], hex[2 * ASSAY_HASH_BYTES + 1];
	int length, fd, folder;
	bool good;

	if (!state_dir)
		return 0;
	if (!read_boot(boot))
		return assay__fail(error, ASSAY_E_IO, -1, "the machine does not tell its boot");
	sodium_bin2hex(hex, sizeof(hex), pass->recipe, sizeof(pass->recipe));
	length =
		snprintf(text, sizeof(text), "1 %s %" PRId64 " %" PRId64 " %s\n", boot, pass->wall_us, pass->clock_us, hex);
	if (snprintf(path, sizeof(path), "%s/challenge", state_dir) >= (int)sizeof(path) ||
		snprintf(fresh, sizeof(fresh), "%s/challenge.new", state_dir) >= (int)sizeof(fresh))
		return assay__fail(error, ASSAY_E_ARGUMENT, -1, "state_dir is too long a path");
	fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	good = fd >= 0 && write(fd, text, (size_t)length) == length && fsync(fd) == 0;
	if (fd >= 0)
		good = close(fd) == 0 && good;
	good = good && rename(fresh, path) == 0;
	folder = good ? open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	good = folder >= 0 && fsync(folder) == 0;
	if (!good)
		assay__fail(error, ASSAY_E_IO, -1, "%s: cannot write it: %s", path, strerror(errno));
	if (folder >= 0)
		close(folder);
	return good ? 0 : ASSAY_E_IO;
}
