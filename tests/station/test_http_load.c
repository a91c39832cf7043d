/* SPDX-License-Identifier: Apache-2.0 */
/* Slow and many clients, and what they cost the others; metrics by a parser of its own. */
#include "http_util.h"

/* A client that sends a byte a second is closed after timeout_s, and meanwhile others are answered. */
static void test_slow_loris(void **state)
{
	static const char request[] =
		"GET /api/v1/health HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
	struct site site = site_open("", "  timeout_s: 3\n");
	int fds[20], alive = 20;
	int64_t start_us = assay__clock_us();

	(void)state;
	for (int i = 0; i < 20; i++)
		fds[i] = http_connect(site.port);
	for (int tick = 0; tick < 12 && alive; tick++) {
		for (int i = 0; i < 20; i++)
			if (fds[i] >= 0 &&
				(!http_send(fds[i], request + tick, 1) || (tick && recv(fds[i], (char[1]){0}, 1, MSG_DONTWAIT) == 0))) {
				close(fds[i]);
				fds[i] = -1;
				alive--;
			}
		assert_int_equal(http_status(site.port, "GET", "/api/v1/status", NULL, NULL), 200);
		usleep(1000000);
	}
	assert_int_equal(alive, 0);
	assert_true(assay__clock_us() - start_us > 2000000);
	site_close(&site);
}

/* Ten that open a stream and never read it, while 2000 parts pass; then they learn what they lost. */
static int64_t post_parts(int port, int count, int64_t *worst_us)
{
	static const char body[] = "{\"wait\":\"verdict\"}";
	char request[256], text[4096];
	int64_t sum_us = 0;
	int fd = http_connect(port), length;

	length = snprintf(request, sizeof(request),
					  "POST /api/v1/trigger HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\n"
					  "Content-Length: %zu\r\n\r\n%s",
					  port, sizeof(body) - 1, body);
	*worst_us = 0;
	for (int i = 0; i < count; i++) {
		int64_t start_us = assay__clock_us(), took_us;
		size_t used = 0;

		assert_true(http_send(fd, request, (size_t)length));
		do {
			ssize_t got = recv(fd, text + used, sizeof(text) - 1 - used, 0);

			assert_true(got > 0);
			used += (size_t)got;
			text[used] = '\0';
		} while (!strstr(text, "}\n"));
		assert_non_null(strstr(text, "\"verdict\":"));
		took_us = assay__clock_us() - start_us;
		sum_us += took_us;
		*worst_us = took_us > *worst_us ? took_us : *worst_us;
	}
	close(fd);
	return sum_us / count;
}

/* Takes the lines of chunked coding out of a whole answer, in place. */
static void join_chunks(char *text, size_t size)
{
	char *from = strstr(text, "\r\n\r\n") + 4, *out = text, *end;
	size_t length;

	while ((length = strtoul(from, &end, 16)) > 0 && end[0] == '\r') {
		size_t left = size - (size_t)(end + 2 - text);

		length = length < left ? length : left;
		memmove(out, end + 2, length);
		out += length;
		if (length == left)
			break;
		from = end + 2 + length + 2;
	}
	*out = '\0';
}

static void test_slow_readers(void **state)
{
	struct site site = site_open("record: {images: none}\n", "  timeout_s: 60\n");
	char request[128], *text = malloc(8 << 20);
	int64_t alone_us, alone_worst_us, beside_us, beside_worst_us;
	int fds[10], small = 4096, told = 0;

	(void)state;
	alone_us = post_parts(site.port, 500, &alone_worst_us);
	snprintf(request, sizeof(request), "GET /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n", site.port);
	for (int i = 0; i < 10; i++) {
		fds[i] = http_connect(site.port);
		setsockopt(fds[i], SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
		assert_true(http_send(fds[i], request, strlen(request)));
	}
	beside_us = post_parts(site.port, 2000, &beside_worst_us);
	print_message("a POST took %lld us alone (worst %lld), %lld us beside ten that do not read (worst %lld)\n",
				  (long long)alone_us, (long long)alone_worst_us, (long long)beside_us, (long long)beside_worst_us);
	/* Now one after the other reads to the end, and none is a gap that nobody told of. */
	for (int i = 0; i < 10; i++) {
		unsigned long long number, expected = 0, lost;
		size_t used = 0;
		const char *at;

		/* a window of 4 KiB would take a second a reader */
		setsockopt(fds[i], SOL_SOCKET, SO_RCVBUF, &(int){1 << 20}, sizeof(int));
		while (used < (8 << 20) - 1) {
			ssize_t got = recv(fds[i], text + used, (8 << 20) - 1 - used, 0);

			assert_true(got > 0);
			used += (size_t)got;
			text[used] = '\0';
			if (strstr(text + used - (used > 20 ? 20 : used), ": beat\n"))
				fail_msg("event %llu has not come: %s",
						 (unsigned long long)assay__station_event_next(site.bench.station) - 1,
						 text + used - (used > 1500 ? 1500 : used));
			/* the newest event is there: event_next - 1 */
			snprintf(request, sizeof(request), "id: %llu\n",
					 (unsigned long long)assay__station_event_next(site.bench.station) - 1);
			if (used > 4000 && strstr(text + used - 4000, request))
				break;
		}
		close(fds[i]);
		join_chunks(text, used);
		for (at = text; (at = strchr(at, '\n')); at++) {
			if (!strncmp(at, "\nevent: lost", 12) && sscanf(at + 12, " data: {\"lost\":%llu", &lost) == 1) {
				told++;
				expected += expected ? lost : 0;
			} else if (!strncmp(at, "\nid: ", 5) && sscanf(at + 5, "%llu", &number) == 1) {
				if (expected && number != expected)
					fail_msg("event %llu came where %llu was due", number, expected);
				expected = number + 1;
			}
		}
		assert_int_equal(expected, assay__station_event_next(site.bench.station));
	}
	print_message("%d times a reader was told what it lost\n", told);
	free(text);
	assert_int_equal(site_close(&site).since_start.triggers, 2500);
}

/* One line of the text format; false: not of it. */
static bool metric_line(const char *line, char name[128])
{
	const char *at = line;
	size_t length;
	char *end;

	length = strspn(at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_:0123456789");
	if (!length || length > 120 || (*at >= '0' && *at <= '9'))
		return false;
	snprintf(name, 128, "%.*s", (int)length, at);
	at += length;
	if (*at == '{') {
		do {
			at++;
			length = strspn(at, "abcdefghijklmnopqrstuvwxyz_");
			if (!length || at[length] != '=' || at[length + 1] != '"')
				return false;
			for (at += length + 2; *at && *at != '"'; at++)
				if (*at == '\\' && !strchr("\\\"n", *++at))
					return false;
			if (*at++ != '"')
				return false;
		} while (*at == ',');
		if (*at++ != '}')
			return false;
	}
	if (*at++ != ' ')
		return false;
	strtod(at, &end);
	return end > at && !*end;
}

static void test_metrics(void **state)
{
	struct site site = site_open("outputs:\n  - {type: stdout, name: 'od\"d\\name'}\n", "");
	char family[128] = "", name[128], type[32] = "", *rest = NULL, *text;
	double last_bucket = -1;
	struct answer answer;
	int samples = 0;

	(void)state;
	for (int i = 0; i < 5; i++)
		assert_int_equal(http_status(site.port, "POST", "/api/v1/trigger", NULL, "{}"), 200);
	answer = http_ask(site.port, "GET", "/metrics", NULL, NULL);
	assert_int_equal(answer.status, 200);
	assert_int_equal(answer.body[answer.size - 1], '\n');
	if (!system("command -v promtool >/dev/null 2>&1")) {
		FILE *pipe = popen("promtool check metrics", "w");

		fwrite(answer.body, 1, answer.size, pipe);
		assert_int_equal(pclose(pipe), 0);
	} else {
		print_message("promtool is not installed: its check is skipped\n");
	}
	text = strdup(answer.body);
	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		if (sscanf(line, "# TYPE %127s %31s", family, type) == 2) {
			last_bucket = -1;
			continue;
		}
		if (!strncmp(line, "# HELP ", 7))
			continue;
		if (!metric_line(line, name))
			fail_msg("not a metric: %s", line);
		/* each sample stands under its own TYPE, counters end in _total, buckets grow */
		if (strncmp(name, family, strlen(family)) || (strcmp(name, family) && strcmp(type, "histogram")))
			fail_msg("%s stands under %s", name, family);
		if (!strcmp(type, "counter"))
			assert_string_equal(name + strlen(name) - 6, "_total");
		if (strstr(name, "_bucket")) {
			double value = atof(strrchr(line, ' '));

			assert_true(value >= last_bucket);
			last_bucket = value;
		}
		if (!strcmp(name, "assay_latency_seconds_count"))
			assert_true(atof(strrchr(line, ' ')) == last_bucket && last_bucket == 5);
		samples++;
	}
	assert_true(samples > 60);
	free(text);
	answer_free(&answer);
	site_close(&site);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slow_loris),
		cmocka_unit_test(test_slow_readers),
		cmocka_unit_test(test_metrics),
	};

	return cmocka_run_group_tests(tests, open_room, close_room);
}
