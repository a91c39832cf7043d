/* SPDX-License-Identifier: Apache-2.0 */
/* Verdicts as JSON by HTTP POST, one request at a time so that their order is kept, spooled while the receiver is away. */
#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/text.h"
#include "station/output/spool_door.h"

#define BODY_BYTES (4 * ASSAY__SPOOL_MESSAGE_BYTES)

struct settings {
	const char *url, *token_file, *ca_file;
	int timeout_ms, batch, queue, record_wait_ms, spool_mb, spool_sync;
};

struct assay__output {
	struct assay__door door;
	struct settings settings;
	struct assay__spool *spool;
	struct assay__json json;
	CURLM *multi;
	CURL *easy;
	struct curl_slist *headers;
	bool busy;
	uint64_t last_number; /* of the request under way */
	int count, damaged;	  /* messages in it, and damaged ones passed over */
	int64_t retry_us;
	struct assay__backoff backoff;
	uint64_t spool_lost;
	size_t body_bytes;
	char body[BODY_BYTES];
	uint8_t buffer[ASSAY__SPOOL_MESSAGE_BYTES];
};

static int encode(void *ctx, const struct assay__verdict *verdict, uint8_t *out, size_t size_bytes, size_t *used_bytes)
{
	struct assay__output *output = ctx;
	const char *text;
	size_t length;
	assay__json_clear(&output->json);
	assay__verdict_json(verdict, output->door.port->station, &output->json);
	int err = assay__json_text(&output->json, &text, &length, NULL);
	if (err)
		return err;
	if (length - 1 > size_bytes)
		return ASSAY_E_LIMIT;
	memcpy(out, text, length - 1);
	*used_bytes = length - 1;
	return ASSAY_OK;
}

/* The answer's body is of no interest. */
static size_t discard(char *bytes, size_t size, size_t count, void *ctx)
{
	(void)bytes, (void)ctx;
	return size * count;
}

/* Everything up to number is done with. */
static void pass(struct assay__output *output, uint64_t number)
{
	if (output->damaged > 0)
		assay__door_count_lost(&output->door, (uint64_t)output->damaged, "a message is damaged on disk");
	assay__spool_done(output->spool, number);
}

/* One object, or an array of up to `batch` of them. Returns how many messages, without damaged ones. */
static int fill_body(struct assay__output *output, uint64_t *last_number)
{
	bool array = output->settings.batch > 1;
	int count = 0, written = 0;
	uint64_t number = assay__spool_first(output->spool), next = assay__spool_next(output->spool);
	output->body_bytes = 0;
	output->damaged = 0;
	if (array)
		output->body[output->body_bytes++] = '[';
	for (; number < next && count < output->settings.batch; number++, count++) {
		size_t used;
		if (assay__spool_read(output->spool, number, output->buffer, sizeof(output->buffer), &used)) {
			output->damaged++;
			continue;
		}
		if (output->body_bytes + used + 2 > sizeof(output->body))
			break;
		if (written++ > 0)
			output->body[output->body_bytes++] = ',';
		memcpy(output->body + output->body_bytes, output->buffer, used);
		output->body_bytes += used;
	}
	if (array)
		output->body[output->body_bytes++] = ']';
	*last_number = number - 1;
	if (written == 0)
		pass(output, *last_number);
	return written;
}

static void start(struct assay__output *output)
{
	if (output->busy || assay__spool_first(output->spool) == assay__spool_next(output->spool) ||
		assay__clock_us() < output->retry_us)
		return;
	output->count = fill_body(output, &output->last_number);
	if (output->count == 0)
		return;
	curl_easy_setopt(output->easy, CURLOPT_POSTFIELDS, output->body);
	curl_easy_setopt(output->easy, CURLOPT_POSTFIELDSIZE, (long)output->body_bytes);
	output->busy = curl_multi_add_handle(output->multi, output->easy) == CURLM_OK;
	if (!output->busy)
		output->retry_us = assay__clock_us() + 1000000;
}

static void fail(struct assay__output *output, const char *why)
{
	output->retry_us = assay__clock_us() + (int64_t)assay__backoff_next_ms(&output->backoff) * 1000;
	assay__door_state(&output->door, false, "not delivered: %.70s", why);
}

/* Answers that another attempt cannot change. */
static bool is_final(long status)
{
	return status == 400 || status == 413 || status == 415 || status == 422;
}

static void finish(struct assay__output *output, CURLcode code)
{
	long status = 0;
	char why[64];
	curl_easy_getinfo(output->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_multi_remove_handle(output->multi, output->easy);
	output->busy = false;
	if (code != CURLE_OK) {
		fail(output, curl_easy_strerror(code));
		return;
	}
	snprintf(why, sizeof(why), "the receiver answered %ld", status);
	if (status < 200 || (status >= 300 && !is_final(status))) {
		fail(output, why);
		return;
	}
	assay__backoff_reset(&output->backoff);
	pass(output, output->last_number);
	if (is_final(status)) {
		assay__door_count_lost(&output->door, (uint64_t)output->count, why);
		assay__door_state(&output->door, false, "%s and will not take it", why);
	} else {
		assay__door_count_sent(&output->door, (uint64_t)output->count);
		assay__door_state(&output->door, true, "delivering");
	}
}

/* Lets curl work, then waits, unless the request is over and the next may follow. */
static void work(struct assay__output *output, int wait_ms)
{
	struct curl_waitfd woken = {.fd = output->door.wake_fd, .events = CURL_WAIT_POLLIN};
	int left, running;
	if (output->busy) {
		curl_multi_perform(output->multi, &running);
		for (CURLMsg *message; (message = curl_multi_info_read(output->multi, &left));)
			if (message->msg == CURLMSG_DONE)
				finish(output, message->data.result);
		if (!output->busy)
			return;
	}
	curl_multi_poll(output->multi, &woken, 1, wait_ms < 0 ? 60000 : wait_ms, NULL);
	assay__door_woken(&output->door);
}

static void *run(void *arg)
{
	struct assay__output *output = arg;
	for (;;) {
		assay__spool_door_fill(&output->door, output->spool, encode, output, output->buffer, sizeof(output->buffer));
		uint64_t lost = assay__spool_lost(output->spool);
		if (lost > output->spool_lost)
			assay__door_count_lost(&output->door, lost - output->spool_lost,
								   "the spool is full and gave up its oldest messages");
		output->spool_lost = lost;
		int64_t until_us = assay__door_drain_until_us(&output->door);
		bool empty = assay__spool_first(output->spool) == assay__spool_next(output->spool);
		if (until_us >= 0 && (assay__clock_us() >= until_us || (empty && assay__door_wait_ms(&output->door) < 0)))
			break;
		start(output);
		int wait_ms = assay__wait_min(assay__door_wait_ms(&output->door), assay__spool_sync(output->spool));
		if (wait_ms == 0)
			wait_ms = 5;
		if (!output->busy && !empty)
			wait_ms = assay__wait_min(wait_ms, assay__wait_until(output->retry_us));
		work(output, assay__wait_min(wait_ms, assay__wait_until(until_us)));
	}
	return NULL;
}

static int set_headers(struct assay__output *output, struct assay_error *error)
{
	char token[512], line[600];
	int length = snprintf(line, sizeof(line), "Content-Type: application/json");
	for (int i = 0; i < 2 && length > 0; i++) {
		struct curl_slist *grown = curl_slist_append(output->headers, line);
		if (!grown)
			return assay__fail(error, ASSAY_E_NOMEM, -1, "output %s: out of memory", output->door.name);
		output->headers = grown;
		length = 0;
		if (i == 0 && output->settings.token_file[0]) {
			int err = assay__door_secret(output->settings.token_file, token, sizeof(token), error);
			if (err)
				return err;
			length = snprintf(line, sizeof(line), "Authorization: Bearer %s", token);
			explicit_bzero(token, sizeof(token));
		}
	}
	explicit_bzero(line, sizeof(line));
	return ASSAY_OK;
}

static int set_up_curl(struct assay__output *output, struct assay_error *error)
{
	const struct settings *s = &output->settings;
	char quoted[ASSAY__QUOTE_CHARS];
	if (strncmp(s->url, "http://", 7) != 0 && strncmp(s->url, "https://", 8) != 0)
		return assay__fail(error, ASSAY_E_ARGUMENT, -1,
						   "output %s: url: found %s, expected http:// or https:// and an address", output->door.name,
						   assay__text_quote(s->url, quoted));
	output->multi = curl_multi_init();
	output->easy = curl_easy_init();
	if (!output->multi || !output->easy)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "output %s: out of memory", output->door.name);
	int err = set_headers(output, error);
	if (err)
		return err;
	curl_easy_setopt(output->easy, CURLOPT_URL, s->url);
	curl_easy_setopt(output->easy, CURLOPT_HTTPHEADER, output->headers);
	curl_easy_setopt(output->easy, CURLOPT_POST, 1L);
	curl_easy_setopt(output->easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(output->easy, CURLOPT_WRITEFUNCTION, discard);
	curl_easy_setopt(output->easy, CURLOPT_TIMEOUT_MS, (long)s->timeout_ms);
	curl_easy_setopt(output->easy, CURLOPT_USERAGENT, "assay/" ASSAY_VERSION);
	if (s->ca_file[0])
		curl_easy_setopt(output->easy, CURLOPT_CAINFO, s->ca_file);
	return ASSAY_OK;
}

static void free_output(struct assay__output *output)
{
	const struct assay_allocator *allocator = output->door.allocator;
	if (output->busy)
		curl_multi_remove_handle(output->multi, output->easy);
	curl_easy_cleanup(output->easy);
	curl_multi_cleanup(output->multi);
	curl_slist_free_all(output->headers);
	assay__spool_close(output->spool);
	assay__json_close(&output->json);
	assay__door_close(&output->door);
	assay__free(allocator, output);
	curl_global_cleanup();
}

static int open_webhook(const char *name, const void *settings, const struct assay__station_port *port,
						struct assay__output **out, struct assay_error *error)
{
	const struct settings *s = settings;
	struct assay__output *output = assay__calloc(port->allocator, 1, sizeof(*output));
	if (!output)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "output %s: out of memory", name);
	output->settings = *s;
	output->backoff = (struct assay__backoff){.first_ms = 250, .last_ms = 30000};
	int err = assay__door_open(&output->door, name, port, s->queue, s->record_wait_ms, error);
	if (err) {
		assay__free(port->allocator, output);
		return err;
	}
	assay__json_open(&output->json, port->allocator);
	curl_global_init(CURL_GLOBAL_DEFAULT);
	err = set_up_curl(output, error);
	if (!err)
		err = assay__spool_door_open(port, name, s->spool_mb, s->spool_sync, &output->spool, error);
	if (!err)
		err = assay__door_start(&output->door, run, output, error);
	if (err) {
		free_output(output);
		return err;
	}
	*out = output;
	return ASSAY_OK;
}

static void post(struct assay__output *output, const struct assay__part *part)
{
	assay__door_post(&output->door, part);
}

static void recorded(struct assay__output *output, uint64_t sequence, const uint8_t record_hash[ASSAY_HASH_BYTES])
{
	assay__door_recorded(&output->door, sequence, record_hash);
}

static void health(struct assay__output *output, struct assay__output_health *out)
{
	assay__door_health(&output->door, out);
}

static void close_webhook(struct assay__output *output, int drain_ms)
{
	assay__door_stop(&output->door, drain_ms);
	free_output(output);
}

#define ROW(option, kind, field, ...)                                                                                  \
	{                                                                                                                  \
		.name = option, .type = ASSAY__OPTION_##kind, .offset = offsetof(struct settings, field), __VA_ARGS__          \
	}

static const struct assay__option rows[] = {
	ROW("url", TEXT, url, .required = true, .fallback = "", .help = "where to POST to, http:// or https://"),
	ROW("token_file", TEXT, token_file, .fallback = "",
		.help = "file whose first line is sent as Authorization: Bearer"),
	ROW("ca_file", TEXT, ca_file, .fallback = "", .help = "certificates that are trusted; empty: the system's"),
	ROW("timeout_ms", INT, timeout_ms, .fallback = "10000", .min = 100, .max = 600000, .unit = "ms",
		.help = "a request is given up and repeated after this time"),
	ROW("batch", INT, batch, .fallback = "1", .min = 1, .max = 100,
		.help = "verdicts in one request at most; above 1 the body is an array"),
	ROW("queue", INT, queue, .fallback = "1024", .min = 16, .max = 65536,
		.help = "verdicts held in memory on their way to the spool"),
	ROW("record_wait_ms", INT, record_wait_ms, .fallback = "5000", .min = 0, .max = 60000, .unit = "ms",
		.help = "a verdict goes out once its record is on disk, or after this time, marked as not recorded; 0 does not "
				"wait"),
	ROW("spool_mb", INT, spool_mb, .fallback = "256", .min = 1, .max = 65536, .unit = "MB",
		.help = "disk for messages while the receiver is away; when full the oldest are given up"),
	ROW("spool_sync", WORD, spool_sync, .fallback = "second", .words = assay__spool_sync_words,
		.help =
			"when the spool is forced to disk: what power loss may cost; a killed process loses nothing either way"),
};

const struct assay__output_ops assay__output_webhook = {
	.type = "webhook",
	.help = "verdicts as JSON by HTTP POST, repeated until they are taken",
	.options = rows,
	.option_count = sizeof(rows) / sizeof(rows[0]),
	.settings_size = sizeof(struct settings),
	.open = open_webhook,
	.post = post,
	.recorded = recorded,
	.health = health,
	.close = close_webhook,
};
