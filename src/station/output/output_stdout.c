/* SPDX-License-Identifier: Apache-2.0 */
/* Verdicts on standard output, a line each: JSON for programs, or text for people. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <poll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "station/output/output_common.h"

#define LINE_BYTES 512

struct settings {
	int format, queue;
	bool durable;
};

static const char *const formats[] = {"json", "text", NULL};

static const struct assay__option options[] = {
	{.name = "format",
	 .type = ASSAY__OPTION_WORD,
	 .fallback = "json",
	 .words = formats,
	 .help = "one JSON object a line, or one line of text",
	 .offset = offsetof(struct settings, format)},
	{.name = "durable",
	 .type = ASSAY__OPTION_FLAG,
	 .fallback = "no",
	 .help = "print a verdict only once its record is on disk",
	 .offset = offsetof(struct settings, durable)},
	{.name = "queue",
	 .type = ASSAY__OPTION_INT,
	 .fallback = "1024",
	 .min = 1,
	 .max = 65536,
	 .help = "verdicts that wait for a slow reader; more are lost, and counted",
	 .offset = offsetof(struct settings, queue)},
};

struct assay__output {
	struct assay__door door;
	const struct settings *settings;
	struct assay__json json;
};

/* All of it, or false: nobody reads any more, or the time to drain is over. */
static bool write_all(struct assay__output *output, const char *text, size_t length)
{
	while (length) {
		struct pollfd polled = {.fd = STDOUT_FILENO, .events = POLLOUT};
		int64_t until_us = assay__door_drain_until_us(&output->door);
		ssize_t sent;

		if (until_us >= 0 && assay__clock_us() > until_us)
			return false;
		if (poll(&polled, 1, 200) <= 0)
			continue;
		/* What poll promises room for: a pipe takes this much without waiting. */
		sent = write(STDOUT_FILENO, text, length < LINE_BYTES ? length : LINE_BYTES);
		if (sent < 0 && errno != EINTR && errno != EAGAIN)
			return false;
		if (sent > 0) {
			text += sent;
			length -= (size_t)sent;
		}
	}
	return true;
}

static void print_text(const struct assay__verdict *verdict, char line[LINE_BYTES])
{
	int used =
		snprintf(line, LINE_BYTES, "%6llu  %-5s %8.2f of %-8.2f %7.1f ms  %.100s",
				 (unsigned long long)verdict->sequence, assay_verdict_name(verdict->verdict), verdict->score_q8 / 256.0,
				 verdict->threshold_q8 / 256.0, (double)verdict->latency_us / 1e3, verdict->code);

	snprintf(line + used, LINE_BYTES - (size_t)used, "%s%.200s\n", *verdict->reason ? "  " : "", verdict->reason);
}

static bool print(struct assay__output *output, const struct assay__verdict *verdict)
{
	char line[LINE_BYTES];
	const char *text = line;
	size_t length;

	if (output->settings->format) {
		print_text(verdict, line);
		length = strlen(line);
	} else {
		assay__json_clear(&output->json);
		assay__verdict_json(verdict, output->door.port->station, &output->json);
		if (assay__json_text(&output->json, &text, &length, NULL))
			return false;
	}
	return write_all(output, text, length);
}

static void *stdout_main(void *arg)
{
	struct assay__output *output = arg;
	struct assay__verdict verdict;

	while (assay__door_peek(&output->door, -1, &verdict)) {
		if (print(output, &verdict)) {
			assay__door_count_sent(&output->door, 1);
			assay__door_state(&output->door, true, "prints %s", formats[output->settings->format]);
		} else {
			assay__door_count_lost(&output->door, 1, "standard output cannot be written");
			assay__door_state(&output->door, false, "cannot write: %s", strerror(errno));
		}
		assay__door_take(&output->door);
	}
	return NULL;
}

static int stdout_open(const char *name, const void *settings, const struct assay__station_port *port,
					   struct assay__output **out, struct assay_error *error)
{
	struct assay__output *output = assay__calloc(port->allocator, 1, sizeof(*output));
	int rc;

	if (!output)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory");
	output->settings = settings;
	rc = assay__door_open(&output->door, name, port, output->settings->queue, output->settings->durable ? 5000 : 0,
						  error);
	if (rc) {
		assay__free(port->allocator, output);
		return rc;
	}
	assay__json_open(&output->json, port->allocator);
	assay__door_state(&output->door, true, "prints %s", formats[output->settings->format]);
	rc = assay__door_start(&output->door, stdout_main, output, error);
	if (rc) {
		assay__door_close(&output->door);
		assay__free(port->allocator, output);
		return rc;
	}
	*out = output;
	return 0;
}

static void stdout_post(struct assay__output *output, const struct assay__part *part)
{
	assay__door_post(&output->door, part);
}

static void stdout_recorded(struct assay__output *output, uint64_t sequence,
							const uint8_t record_hash[ASSAY_HASH_BYTES])
{
	assay__door_recorded(&output->door, sequence, record_hash);
}

static void stdout_health(struct assay__output *output, struct assay__output_health *out)
{
	assay__door_health(&output->door, out);
}

static void stdout_close(struct assay__output *output, int drain_ms)
{
	const struct assay_allocator *allocator = output->door.allocator;

	assay__door_stop(&output->door, drain_ms);
	assay__door_close(&output->door);
	assay__json_close(&output->json);
	assay__free(allocator, output);
}

const struct assay__output_ops assay__output_stdout = {
	.type = "stdout",
	.help =
		"A line for each verdict on standard output. Verdicts are lost, and counted, where nobody reads fast enough.",
	.options = options,
	.option_count = (int)(sizeof(options) / sizeof(options[0])),
	.settings_size = sizeof(struct settings),
	.open = stdout_open,
	.post = stdout_post,
	.recorded = stdout_recorded,
	.health = stdout_health,
	.close = stdout_close,
};
