/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "fake_station.h"
#include "unit/failing.h"

/* A receiver: answers every request with the status set, keeps the bodies of those answered 200. */
struct receiver {
	int listen_fd, port;
	atomic_int status, requests;
	atomic_bool stop, silent;
	pthread_t thread;
	pthread_mutex_t lock;
	char bodies[1 << 20];
	size_t used;
	char head[2000];
};

static void serve(struct receiver *receiver, int fd)
{
	static char bytes[1 << 18];
	size_t used = 0;
	struct timeval limit = {.tv_sec = 1};
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	while (!atomic_load(&receiver->stop)) {
		ssize_t got = recv(fd, bytes + used, sizeof(bytes) - 1 - used, 0);
		if (got <= 0)
			return;
		used += (size_t)got;
		bytes[used] = '\0';
		char *body = strstr(bytes, "\r\n\r\n"), *length = strcasestr(bytes, "Content-Length:");
		if (!body || !length || used < (size_t)(body + 4 - bytes) + (size_t)atoi(length + 15))
			continue;
		atomic_fetch_add(&receiver->requests, 1);
		while (atomic_load(&receiver->silent) && !atomic_load(&receiver->stop))
			usleep(10000);
		int status = atomic_load(&receiver->status);
		if (status == 200) {
			pthread_mutex_lock(&receiver->lock);
			receiver->used += (size_t)snprintf(receiver->bodies + receiver->used,
											   sizeof(receiver->bodies) - receiver->used, "%s\n", body + 4);
			snprintf(receiver->head, sizeof(receiver->head), "%.*s", (int)(body - bytes), bytes);
			pthread_mutex_unlock(&receiver->lock);
		}
		char answer[100];
		int size = snprintf(answer, sizeof(answer), "HTTP/1.1 %d X\r\nContent-Length: 2\r\n\r\nok", status);
		if (send(fd, answer, (size_t)size, MSG_NOSIGNAL) < 0)
			return;
		used = 0;
	}
}

static void *receive(void *arg)
{
	struct receiver *receiver = arg;
	for (;;) {
		int fd = accept(receiver->listen_fd, NULL, NULL);
		if (fd < 0)
			return NULL;
		serve(receiver, fd);
		close(fd);
	}
}

static void receiver_start(struct receiver *receiver)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_port = htons((uint16_t)receiver->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int on = 1;
	receiver->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(receiver->listen_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	assert_int_equal(bind(receiver->listen_fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(receiver->listen_fd, 8), 0);
	atomic_store(&receiver->stop, false);
	assert_int_equal(pthread_create(&receiver->thread, NULL, receive, receiver), 0);
}

static void receiver_stop(struct receiver *receiver)
{
	atomic_store(&receiver->stop, true);
	shutdown(receiver->listen_fd, SHUT_RDWR);
	pthread_join(receiver->thread, NULL);
	close(receiver->listen_fd);
}

static struct receiver receiver = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool received(int sequence)
{
	char wanted[40];
	snprintf(wanted, sizeof(wanted), "\"sequence\":%d,", sequence);
	pthread_mutex_lock(&receiver.lock);
	bool found = strstr(receiver.bodies, wanted) != NULL;
	pthread_mutex_unlock(&receiver.lock);
	return found;
}

static void expect_all(int from, int last)
{
	const char *before = receiver.bodies;
	for (int i = from; i <= last; i++) {
		char wanted[40];
		snprintf(wanted, sizeof(wanted), "\"sequence\":%d,", i);
		const char *found = strstr(receiver.bodies, wanted);
		if (!found || found < before)
			fail_msg("message %d is missing or out of order", i);
		before = found;
	}
}

static void post_range(struct fake *fake, int from, int last)
{
	for (int i = from; i <= last; i++) {
		struct assay__part part = fake_part((uint64_t)i, ASSAY_PASS);
		fake_post(fake, &part);
		usleep(1000);
	}
}

static void outages_lose_nothing(void **state)
{
	(void)state;
	char folder[64], url[64], token[96];
	make_folder(folder);
	snprintf(token, sizeof(token), "%s/token", folder);
	FILE *file = fopen(token, "w");
	assert_non_null(file);
	fputs("s3cret\n", file);
	fclose(file);
	receiver.port = free_port();
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/verdicts", receiver.port);
	const char *settings[] = {"url", url, "record_wait_ms", "0", "token_file", token, "timeout_ms", "400", NULL};
	struct fake fake = {0};
	assert_int_equal(fake_open(&fake, &assay__output_webhook, settings, folder, NULL), 0);
	/* Nobody listens yet. */
	post_range(&fake, 1, 20);
	assert_true(WAIT_FOR(!fake_health(&fake).up && strstr(fake_health(&fake).state, "not delivered")));
	atomic_store(&receiver.status, 503);
	receiver_start(&receiver);
	assert_true(WAIT_FOR(atomic_load(&receiver.requests) >= 1));
	post_range(&fake, 21, 40);
	atomic_store(&receiver.status, 200);
	assert_true(WAIT_FOR(received(40)));
	assert_non_null(strcasestr(receiver.head, "authorization: bearer s3cret"));
	/* One that takes the request and never answers delays nobody but this output. */
	atomic_store(&receiver.silent, true);
	int64_t before_us = assay__clock_us();
	post_range(&fake, 41, 60);
	assert_true(assay__clock_us() - before_us < 2000000);
	usleep(600000);
	atomic_store(&receiver.silent, false);
	assert_true(WAIT_FOR(received(60)));
	receiver_stop(&receiver);
	post_range(&fake, 61, 80);
	fake_close(&fake, 100);
	struct fake again = {0};
	const char *batched[] = {"url", url, "record_wait_ms", "0", "batch", "7", NULL};
	receiver_start(&receiver);
	assert_int_equal(fake_open(&again, &assay__output_webhook, batched, folder, NULL), 0);
	assert_true(WAIT_FOR(received(80)));
	expect_all(1, 80);
	assert_non_null(strstr(receiver.bodies, "\n[{\"schema\":1"));
	/* An answer that another attempt cannot change does not block the rest. */
	atomic_store(&receiver.status, 422);
	post_range(&again, 81, 81);
	assert_true(WAIT_FOR(fake_health(&again).lost == 1));
	atomic_store(&receiver.status, 200);
	post_range(&again, 82, 82);
	assert_true(WAIT_FOR(received(82)));
	fake_close(&again, 100);
	receiver_stop(&receiver);
	remove_folder(folder);
}

static void failing_allocations(void **state)
{
	(void)state;
	int opened = 0;
	for (int k = 1; k < 8; k++) {
		struct failing failing;
		struct fake fake = {0};
		const char *settings[] = {"url", "http://127.0.0.1:9/", NULL};
		failing_open(&failing, k);
		fake.port.allocator = &failing.allocator;
		int err = fake_open(&fake, &assay__output_webhook, settings, NULL, NULL);
		assert_true(err == 0 || err == ASSAY_E_NOMEM);
		if (err == 0) {
			opened++;
			fake_close(&fake, 0);
		}
		assert_int_equal(atomic_load(&failing.alive), 0);
	}
	assert_in_range(opened, 1, 6);
	struct fake fake = {0};
	struct assay_error error;
	const char *settings[] = {"url", "ftp://x", NULL};
	assert_int_equal(fake_open(&fake, &assay__output_webhook, settings, NULL, &error), ASSAY_E_ARGUMENT);
	assert_string_equal(error.message,
						"output door: url: found 'ftp://x', expected http:// or https:// and an address");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(failing_allocations),
		cmocka_unit_test(outages_lose_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
