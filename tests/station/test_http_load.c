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

/* One after the other over one connection; each is answered with a verdict. */
static void post_parts(int port, int count)
{
	static const char body[] = "{\"wait\":\"verdict\"}";
	char request[256], text[4096];
	int fd = http_connect(port), length;

	length = snprintf(request, sizeof(request),
					  "POST /api/v1/trigger HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\n"
					  "Content-Length: %zu\r\n\r\n%s",
					  port, sizeof(body) - 1, body);
	for (int i = 0; i < count; i++) {
		size_t used = 0;

		assert_true(http_send(fd, request, (size_t)length));
		do {
			ssize_t got = recv(fd, text + used, sizeof(text) - 1 - used, 0);

			assert_true(got > 0);
			used += (size_t)got;
			text[used] = '\0';
		} while (!strstr(text, "}\n"));
		assert_non_null(strstr(text, "\"verdict\":"));
	}
	close(fd);
}

/* Reads a stream until event `last` has come; returns how many bytes. */
static size_t read_events(int fd, char *text, size_t most, uint64_t last)
{
	int64_t give_up_us = assay__clock_us() + 60000000;
	char wanted[32];
	size_t used = 0;

	snprintf(wanted, sizeof(wanted), "\nid: %llu\n", (unsigned long long)last);
	do {
		/* beats come for ever: only the clock ends waiting for what does not come */
		ssize_t got = used < most - 1 && assay__clock_us() < give_up_us ? recv(fd, text + used, most - 1 - used, 0) : 0;

		if (got <= 0)
			fail_msg("event %llu has not come: %s", (unsigned long long)last,
					 text + used - (used > 1500 ? 1500 : used));
		used += (size_t)got;
		text[used] = '\0';
		/* a piece may end in the middle of the line */
	} while (!strstr(text + used - (used > 16384 ? 16384 : used), wanted));
	return used;
}

/* Checks that numbers grow by one but for what was told as lost, up to `last`. Returns the sum of what was told. */
static uint64_t check_events(const char *text, uint64_t last)
{
	unsigned long long number, from, lost, expected = 0, sum = 0;

	for (const char *at = text; (at = strchr(at, '\n')); at++) {
		if (!strncmp(at, "\nevent: lost\n", 13)) {
			assert_int_equal(sscanf(at + 13, "data: {\"lost\":%llu,\"from\":%llu}", &lost, &from), 2);
			assert_true(lost > 0);
			if (expected)
				assert_int_equal(from, expected);
			expected = from + lost;
			sum += lost;
		} else if (!strncmp(at, "\nid: ", 5)) {
			assert_int_equal(sscanf(at + 5, "%llu", &number), 1);
			if (expected && number != expected)
				fail_msg("event %llu came where %llu was due", number, expected);
			expected = number + 1;
		}
	}
	assert_true(expected > last);
	return sum;
}

/* Ten that open a stream and do not read it while 2000 parts pass: nobody waits for them, and they learn what they lost. */
static void test_slow_readers(void **state)
{
	enum { READERS = 10, MOST = 8 << 20 };
	struct site site = site_open("record: {images: none}\n", "  timeout_s: 300\n");
	char request[128], *text = malloc(MOST);
	int fds[READERS];
	uint64_t last, first;

	(void)state;
	assert_non_null(text);
	/* 1.0: the stream comes without the lines of chunked coding */
	snprintf(request, sizeof(request), "GET /api/v1/events?from=1 HTTP/1.0\r\nHost: 127.0.0.1:%d\r\n\r\n", site.port);
	for (int i = 0; i < READERS; i++) {
		/* smaller by far than what 2000 parts tell, less what the station's ring keeps */
		fds[i] = http_connect_window(site.port, 32768);
		assert_true(http_send(fds[i], request, strlen(request)));
		/* the stream is open, and its first event has come: what is lost from now on is lost by not reading */
		text[read_events(fds[i], text, MOST, 1)] = '\0';
	}
	first = assay__station_event_next(site.bench.station);
	post_parts(site.port, 2000);
	/* the answer to the last part may come before its event */
	for (int wait = 0; wait < 10000 && assay__station_event_next(site.bench.station) < first + 2000; wait++)
		usleep(1000);
	last = assay__station_event_next(site.bench.station) - 1;
	assert_true(last >= first + 1999);
	for (int i = 0; i < READERS; i++) {
		size_t used = read_events(fds[i], text, MOST, last);
		uint64_t lost;

		close(fds[i]);
		text[used] = '\0';
		lost = check_events(text, last);
		assert_true(lost > 0 && lost < last);
	}
	free(text);
	assert_int_equal(site_close(&site).since_start.triggers, 2000);
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
