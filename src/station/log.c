/* SPDX-License-Identifier: Apache-2.0 */
#include "station/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

#define EVENT_MOST 64
#define PER_SECOND 20

struct budget {
	char event[32];
	int64_t since_us;
	int lines, left_out;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct budget budgets[EVENT_MOST];
static int budget_count;
static enum assay__log_level most_level = ASSAY__LOG_INFO;
static bool with_priority;

void assay__log_open(enum assay__log_level most)
{
	pthread_mutex_lock(&mutex);
	most_level = most;
	with_priority = getenv("JOURNAL_STREAM") != NULL;
	pthread_mutex_unlock(&mutex);
}

/* Whether one more line of this event may go out now; *left_out: lines kept back before it. */
static bool allow(const char *event, int *left_out)
{
	int64_t now_us = assay__clock_us();
	struct budget *budget = NULL;

	*left_out = 0;
	for (int i = 0; i < budget_count && !budget; i++)
		if (!strncmp(budgets[i].event, event, sizeof(budgets[i].event) - 1))
			budget = &budgets[i];
	if (!budget) {
		if (budget_count == EVENT_MOST)
			return true;
		budget = &budgets[budget_count++];
		snprintf(budget->event, sizeof(budget->event), "%s", event);
		budget->since_us = now_us;
	}
	if (now_us - budget->since_us >= 1000000) {
		budget->since_us = now_us;
		budget->lines = 0;
	}
	if (budget->lines >= PER_SECOND) {
		budget->left_out++;
		return false;
	}
	budget->lines++;
	*left_out = budget->left_out;
	budget->left_out = 0;
	return true;
}

void assay__log(enum assay__log_level level, const char *event, const char *format, ...)
{
	char line[1024];
	va_list args;
	int used = 0, left_out;

	pthread_mutex_lock(&mutex);
	if (level > most_level || !allow(event, &left_out)) {
		pthread_mutex_unlock(&mutex);
		return;
	}
	if (with_priority)
		used = snprintf(line, sizeof(line), "<%d>", (int)level);
	used += snprintf(line + used, sizeof(line) - (size_t)used, "event=%s ", event);
	if (left_out)
		used += snprintf(line + used, sizeof(line) - (size_t)used, "left_out=%d ", left_out);
	va_start(args, format);
	int more = vsnprintf(line + used, sizeof(line) - 1 - (size_t)used, format, args);
	va_end(args);
	size_t length = more < 0 ? (size_t)used : (size_t)used + (size_t)more;
	if (length > sizeof(line) - 2)
		length = sizeof(line) - 2;
	line[length++] = '\n';
	/* One write, so that lines of several processes do not mix; a log that cannot be written stops nothing. */
	if (write(STDERR_FILENO, line, length) < 0)
		budgets[0].left_out++;
	pthread_mutex_unlock(&mutex);
}

const char *assay__log_quote(const char *value, char *out, size_t size)
{
	size_t used = 0;

	out[used++] = '"';
	for (; *value && used + 3 < size; value++) {
		unsigned char c = (unsigned char)*value;

		if (c == '"' || c == '\\')
			out[used++] = '\\';
		out[used++] = c < 0x20 || c == 0x7F ? '?' : (char)c;
	}
	out[used++] = '"';
	out[used] = '\0';
	return out;
}
