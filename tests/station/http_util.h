/* SPDX-License-Identifier: Apache-2.0 */
/* A station with its window open, and a client that can also misbehave. */
#ifndef ASSAY_TESTS_HTTP_UTIL_H
#define ASSAY_TESTS_HTTP_UTIL_H

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <sys/socket.h>

#include "base/json_read.h"
#include "station/http/http.h"
#include "station/http/parts_record.h"
#include "station_util.h"

#define SITE                                                                                                           \
	"station: {name: cell, state_dir: state, deadline_ms: 10000, workers: 1, hall: 64}\n"                              \
	"recipes:\n  - {name: quick, file: quick.assay}\n  - {name: other, file: other.assay}\n"                           \
	"cameras:\n  - {name: top, type: virtual, prerender: 20, defects: 50%}\n"

struct site {
	struct bench bench;
	struct assay__parts_record *parts;
	struct assay__http *http;
	int port;
};

/* `http` are the lines of the section, each with two blanks before it. */
static inline struct site site_open(const char *rest, const char *http)
{
	struct site site = {0};
	struct assay_error error;
	struct assay__http_need need;
	char yaml[4096];

	/* each site its own record; the users stay */
	snprintf(yaml, sizeof(yaml),
			 "cd %s/state 2>/dev/null && rm -rf record.* reviews.* images recipes sequence workshop", room);
	(void)!system(yaml);
	snprintf(yaml, sizeof(yaml), "%s%shttp:\n  port: 0\n%s", SITE, rest, http);
	site.bench = bench_open(yaml, NULL);
	need = (struct assay__http_need){.settings = site.bench.config->http,
									 .station_name = site.bench.config->station.name,
									 .state_dir = site.bench.config->station.state_dir,
									 .station = site.bench.station};
	assert_int_equal(assay__parts_record_open(need.state_dir, &site.parts, &error), 0);
	need.parts = assay__parts_record_port(site.parts);
	if (assay__http_open(&need, &site.http, &error))
		fail_msg("%s", error.message);
	site.port = assay__http_port(site.http);
	return site;
}

static inline struct assay__station_stats site_close(struct site *site)
{
	assay__http_close(site->http);
	assay__parts_record_close(site->parts);
	return bench_close(&site->bench);
}

/*
 * window_bytes: what the kernel may take ahead of the reader; 0: as much as it likes. Set before connecting, with segments of an
 * Ethernet: loopback's own of 64 KiB do not fit into a small window, and the sender then waits for its persist timer.
 */
static inline int http_connect_window(int port, int window_bytes)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	struct timeval patience = {.tv_sec = 60};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_true(fd >= 0);
	if (window_bytes) {
		assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &(int){1460}, sizeof(int)), 0);
		assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &window_bytes, sizeof(window_bytes)), 0);
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

static inline int http_connect(int port)
{
	return http_connect_window(port, 0);
}

/* False if the other side has closed meanwhile. */
static inline bool http_send(int fd, const void *bytes, size_t size)
{
	for (const char *at = bytes; size;) {
		ssize_t sent = send(fd, at, size, MSG_NOSIGNAL);

		if (sent <= 0)
			return false;
		at += sent;
		size -= (size_t)sent;
	}
	return true;
}

struct answer {
	int status; /* 0: none came */
	char head[4096];
	char *body;
	size_t size;
};

static inline void answer_free(struct answer *answer)
{
	free(answer->body);
	*answer = (struct answer){0};
}

/* Reads until the other side closes. */
static inline struct answer http_read(int fd)
{
	struct answer answer = {0};
	size_t used = 0, room_bytes = 65536;
	char *text = malloc(room_bytes + 1), *end;
	ssize_t got;

	while ((got = recv(fd, text + used, room_bytes - used, 0)) > 0) {
		used += (size_t)got;
		if (used == room_bytes)
			text = realloc(text, (room_bytes *= 2) + 1);
		assert_non_null(text);
	}
	close(fd);
	text[used] = '\0';
	end = strstr(text, "\r\n\r\n");
	if (end && sscanf(text, "HTTP/1.1 %d", &answer.status) == 1) {
		snprintf(answer.head, sizeof(answer.head), "%.*s\r\n", (int)(end - text), text);
		answer.size = used - (size_t)(end + 4 - text);
		answer.body = malloc(answer.size + 1);
		memcpy(answer.body, end + 4, answer.size + 1);
	}
	free(text);
	return answer;
}

/* `headers` are whole lines with \r\n, or NULL; a body comes as JSON unless they name a Content-Type. */
static inline struct answer http_ask_n(int port, const char *method, const char *path, const char *headers,
									   const void *body, size_t size)
{
	char head[8192];
	int fd = http_connect(port), length;

	length = snprintf(head, sizeof(head), "%s %s HTTP/1.1\r\nHost: %s127.0.0.1:%d\r\nConnection: close\r\n%s", method,
					  path, "", port, headers ? headers : "");
	if (body && !(headers && strstr(headers, "Content-Type")))
		length += snprintf(head + length, sizeof(head) - (size_t)length, "Content-Type: application/json\r\n");
	if (body || strcmp(method, "GET"))
		length += snprintf(head + length, sizeof(head) - (size_t)length, "Content-Length: %zu\r\n", size);
	length += snprintf(head + length, sizeof(head) - (size_t)length, "\r\n");
	if (http_send(fd, head, (size_t)length) && size)
		http_send(fd, body, size);
	return http_read(fd);
}

static inline struct answer http_ask(int port, const char *method, const char *path, const char *headers,
									 const char *body)
{
	return http_ask_n(port, method, path, headers, body, body ? strlen(body) : 0);
}

static inline int http_status(int port, const char *method, const char *path, const char *headers, const char *body)
{
	struct answer answer = http_ask(port, method, path, headers, body);
	int status = answer.status;

	answer_free(&answer);
	return status;
}

static inline struct assay__json_tree *answer_json(const struct answer *answer)
{
	struct assay__json_tree *tree;
	struct assay_error error;

	if (assay__json_parse(answer->body, answer->size, NULL, &tree, &error))
		fail_msg("%s: %s", error.message, answer->body);
	return tree;
}

/* A member of an answer as text, "" if it is none. */
static inline const char *answer_text(const struct answer *answer, const char *key, char *out, size_t size)
{
	struct assay__json_tree *tree = answer_json(answer);
	const struct assay__json_value *value = assay__json_member(assay__json_root(tree), key);

	snprintf(out, size, "%s", value && value->string ? value->string : "");
	assay__json_free(tree);
	return out;
}

#endif
