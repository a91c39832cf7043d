/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"

#define REDRAW_US 100000
/* Before this much time no guess is better than a wrong one. */
#define GUESS_AFTER_US 500000
#define DEFAULT_COLUMNS 80

static struct assay__progress *current;

static void write_terminal(const char *text)
{
	size_t left = strlen(text);
	while (left > 0) {
		ssize_t written = write(STDERR_FILENO, text, left);
		if (written <= 0)
			return;
		text += written;
		left -= (size_t)written;
	}
}

static int terminal_columns(void)
{
	struct winsize size;
	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		return size.ws_col;
	return DEFAULT_COLUMNS;
}

/* ", 2 min 5 s left", or nothing if that is not known yet. */
static void time_left(const struct assay__progress *progress, int64_t now_us, int done, int total, char *out,
					  size_t size)
{
	int64_t elapsed_us = now_us - progress->stage_start_us;
	int steps = done - progress->stage_start_done;
	out[0] = '\0';
	if (steps <= 0 || total <= done || elapsed_us < GUESS_AFTER_US)
		return;
	double left_s = (double)elapsed_us / 1e6 / steps * (total - done);
	if (left_s >= 360000)
		return;
	int s = (int)left_s + 1;
	if (s < 60)
		snprintf(out, size, ", %d s left", s);
	else if (s < 3600)
		snprintf(out, size, ", %d min %d s left", s / 60, s % 60);
	else
		snprintf(out, size, ", %d h %d min left", s / 3600, s % 3600 / 60);
}

static void draw(struct assay__progress *progress, int64_t now_us, int done, int total)
{
	char left[48], counts[48] = "", line[200], text[sizeof(line) + 16];
	time_left(progress, now_us, done, total, left, sizeof(left));
	if (total > 0)
		snprintf(counts, sizeof(counts), " %d/%d", done, total);
	snprintf(line, sizeof(line), "assay: %s%s%s", progress->stage, counts, left);
	/* The last column stays free: some terminals go to the next line as soon as it is written. */
	int columns = terminal_columns() - 1;
	snprintf(text, sizeof(text), "\r%.*s\033[K", columns > 0 ? columns : 0, line);
	write_terminal(text);
	progress->drawn = true;
	progress->last_draw_us = now_us;
}

static int report(void *ctx, const char *stage, int done, int total)
{
	struct assay__progress *progress = ctx;
	if (!progress->shown)
		return 0;
	int64_t now_us = assay__clock_us();
	if (strncmp(progress->stage, stage, sizeof(progress->stage) - 1) != 0 || done < progress->last_done) {
		snprintf(progress->stage, sizeof(progress->stage), "%s", stage);
		progress->stage_start_us = now_us;
		progress->stage_start_done = done;
	}
	progress->last_done = done;
	if (now_us - progress->last_draw_us >= REDRAW_US)
		draw(progress, now_us, done, total);
	return 0;
}

void assay__progress_open(struct assay__progress *progress)
{
	const char *term = getenv("TERM");
	*progress = (struct assay__progress){
		.progress = {.report = report, .ctx = progress},
		.shown = isatty(STDERR_FILENO) && term && *term && strcmp(term, "dumb") != 0,
		/* Work done within a blink shows nothing. */
		.last_draw_us = assay__clock_us(),
	};
	current = progress;
}

void assay__progress_close(struct assay__progress *progress)
{
	if (current == progress) {
		assay__progress_hide();
		current = NULL;
	}
	progress->shown = false;
}

void assay__progress_hide(void)
{
	if (!current || !current->drawn)
		return;
	write_terminal("\r\033[K");
	current->drawn = false;
}
