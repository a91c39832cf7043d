/* SPDX-License-Identifier: Apache-2.0 */
#include "station/output/mqtt_link.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"

#define CONNECT_TIMEOUT_US 10000000
#define LEAVE_US 500000

static void on_connect(struct mosquitto *mosquitto, void *ctx, int code)
{
	struct assay__mqtt_link *link = ctx;
	if (code) {
		snprintf(link->failure, sizeof(link->failure), "%s", mosquitto_connack_string(code));
		return;
	}
	link->connected = true;
	link->send_next = assay__spool_first(link->spool);
	link->session_first = assay__spool_next(link->spool);
	assay__backoff_reset(&link->backoff);
	int err = link->handlers->up(link->ctx, mosquitto);
	if (err)
		snprintf(link->failure, sizeof(link->failure), "%s", mosquitto_strerror(err));
	else
		assay__door_state(&link->door, true, "connected to %.60s port %d", link->settings->host, link->settings->port);
}

/* Confirmed messages leave the spool in order. */
static void advance(struct assay__mqtt_link *link)
{
	uint64_t count = 0;
	while (link->window_count > 0 && link->window[link->window_head].done) {
		assay__spool_done(link->spool, link->window[link->window_head].number);
		link->window_head = (link->window_head + 1) % ASSAY__MQTT_WINDOW;
		link->window_count--;
		count++;
	}
	assay__door_count_sent(&link->door, count);
}

static void on_publish(struct mosquitto *mosquitto, void *ctx, int mid)
{
	struct assay__mqtt_link *link = ctx;
	(void)mosquitto;
	if (link->handlers->barrier_topic)
		return;
	for (int i = 0; i < link->window_count; i++) {
		int at = (link->window_head + i) % ASSAY__MQTT_WINDOW;
		if (link->window[at].mid == mid)
			link->window[at].done = true;
	}
	advance(link);
}

static void on_subscribe(struct mosquitto *mosquitto, void *ctx, int mid, int count, const int *granted)
{
	struct assay__mqtt_link *link = ctx;
	(void)mosquitto, (void)count, (void)granted;
	if (mid != link->barrier_mid)
		return;
	for (int i = 0; i < link->window_count; i++) {
		int at = (link->window_head + i) % ASSAY__MQTT_WINDOW;
		if (link->window[at].number <= link->barrier_number)
			link->window[at].done = true;
	}
	link->barrier_mid = -1;
	advance(link);
}

static void on_message(struct mosquitto *mosquitto, void *ctx, const struct mosquitto_message *message)
{
	struct assay__mqtt_link *link = ctx;
	link->handlers->message(link->ctx, mosquitto, message);
}

/* Ends the connection, if there is one; what was not confirmed will be sent again. */
static void lose(struct assay__mqtt_link *link, const char *why)
{
	mosquitto_destroy(link->mosquitto);
	link->mosquitto = NULL;
	link->connected = false;
	link->window_head = link->window_count = 0;
	link->barrier_mid = -1;
	link->attempt_us = assay__clock_us() + (int64_t)assay__backoff_next_ms(&link->backoff) * 1000;
	assay__door_state(&link->door, false, "no broker at %.30s port %d: %.30s", link->settings->host,
					  link->settings->port, link->failure[0] ? link->failure : why);
	link->failure[0] = '\0';
}

static int set_up(struct assay__mqtt_link *link)
{
	const struct assay__mqtt_settings *s = link->settings;
	struct mosquitto *mosquitto = link->mosquitto;
	int err = mosquitto_max_inflight_messages_set(mosquitto, 0);
	mosquitto_connect_callback_set(mosquitto, on_connect);
	mosquitto_publish_callback_set(mosquitto, on_publish);
	mosquitto_subscribe_callback_set(mosquitto, on_subscribe);
	mosquitto_message_callback_set(mosquitto, on_message);
	if (!err && s->username[0])
		err = mosquitto_username_pw_set(mosquitto, s->username, link->password[0] ? link->password : NULL);
	if (!err && s->tls)
		err = mosquitto_tls_set(mosquitto, s->ca_file, NULL, s->cert_file[0] ? s->cert_file : NULL,
								s->key_file[0] ? s->key_file : NULL, NULL);
	if (!err)
		err = link->handlers->will(link->ctx, mosquitto);
	if (!err)
		err = mosquitto_connect_async(mosquitto, s->host, s->port, s->keepalive_s);
	return err;
}

static const char *reason(int err)
{
	return err == MOSQ_ERR_ERRNO ? strerror(errno) : mosquitto_strerror(err);
}

static void connect_when_due(struct assay__mqtt_link *link)
{
	if (link->mosquitto || assay__clock_us() < link->attempt_us)
		return;
	link->attempt_us = assay__clock_us();
	link->mosquitto = mosquitto_new(link->client_id, true, link);
	if (!link->mosquitto) {
		lose(link, "out of memory");
		return;
	}
	int err = set_up(link);
	if (err)
		lose(link, reason(err));
}

static int publish_one(struct assay__mqtt_link *link)
{
	size_t used;
	int mid = -1;
	uint64_t number = link->send_next;
	int err = assay__spool_read(link->spool, number, link->buffer, sizeof(link->buffer), &used);
	bool lost = err != 0;
	if (!err) {
		err =
			link->handlers->publish(link->ctx, link->mosquitto, link->buffer, used, number < link->session_first, &mid);
		lost = err == MOSQ_ERR_PAYLOAD_SIZE || err == MOSQ_ERR_OVERSIZE_PACKET;
		if (err && !lost)
			return err;
	}
	if (lost)
		assay__door_count_lost(&link->door, 1, "a message is damaged on disk, or longer than the broker takes");
	int at = (link->window_head + link->window_count++) % ASSAY__MQTT_WINDOW;
	link->window[at].number = number;
	link->window[at].mid = mid;
	link->window[at].done = lost;
	link->send_next = number + 1;
	return 0;
}

static int send_some(struct assay__mqtt_link *link)
{
	int err = 0;
	uint64_t first = assay__spool_first(link->spool);
	/* The limit of the spool may have taken messages away that were not sent yet. */
	if (link->send_next < first)
		link->send_next = first;
	while (!err && link->window_count < ASSAY__MQTT_WINDOW && link->send_next < assay__spool_next(link->spool))
		err = publish_one(link);
	if (!err && link->handlers->barrier_topic && link->barrier_mid < 0 && link->window_count > 0) {
		link->barrier_number = link->send_next - 1;
		err = mosquitto_subscribe(link->mosquitto, &link->barrier_mid, link->handlers->barrier_topic, 1);
	}
	return err;
}

static void tell_spool_lost(struct assay__mqtt_link *link)
{
	uint64_t lost = assay__spool_lost(link->spool);
	if (lost > link->spool_lost)
		assay__door_count_lost(&link->door, lost - link->spool_lost,
							   "the spool is full and gave up its oldest messages");
	link->spool_lost = lost;
}

/* Waits for the broker, for new verdicts or for time to pass, then lets libmosquitto work. */
static void work(struct assay__mqtt_link *link, int wait_ms)
{
	struct pollfd fds[2] = {{.fd = link->door.wake_fd, .events = POLLIN}, {.fd = -1}};
	if (link->mosquitto) {
		fds[1].fd = mosquitto_socket(link->mosquitto);
		fds[1].events = (short)(POLLIN | (mosquitto_want_write(link->mosquitto) ? POLLOUT : 0));
		wait_ms = assay__wait_min(wait_ms, 500);
	}
	poll(fds, 2, wait_ms);
	assay__door_woken(&link->door);
	if (!link->mosquitto)
		return;
	int err = mosquitto_loop(link->mosquitto, 0, 1);
	if (err)
		lose(link, reason(err));
	else if (link->failure[0])
		lose(link, "refused");
	else if (!link->connected && assay__clock_us() - link->attempt_us > CONNECT_TIMEOUT_US)
		lose(link, "no answer");
}

static void leave(struct assay__mqtt_link *link)
{
	if (!link->mosquitto)
		return;
	if (link->connected) {
		int64_t until_us = assay__clock_us() + LEAVE_US;
		link->handlers->down(link->ctx, link->mosquitto);
		/* The farewell must be out before the connection ends. */
		while (assay__clock_us() < until_us && mosquitto_want_write(link->mosquitto))
			if (mosquitto_loop(link->mosquitto, 10, 1))
				break;
		mosquitto_disconnect(link->mosquitto);
		while (assay__clock_us() < until_us && mosquitto_loop(link->mosquitto, 10, 1) == MOSQ_ERR_SUCCESS)
			;
	}
	mosquitto_destroy(link->mosquitto);
	link->mosquitto = NULL;
}

static void *run(void *arg)
{
	struct assay__mqtt_link *link = arg;
	for (;;) {
		assay__spool_door_fill(&link->door, link->spool, link->handlers->encode, link->ctx, link->buffer,
							   sizeof(link->buffer));
		tell_spool_lost(link);
		int64_t until_us = assay__door_drain_until_us(&link->door);
		if (until_us >= 0 &&
			(assay__clock_us() >= until_us || (assay__spool_first(link->spool) == assay__spool_next(link->spool) &&
											   assay__door_wait_ms(&link->door) < 0)))
			break;
		connect_when_due(link);
		if (link->connected) {
			int err = send_some(link);
			if (err)
				lose(link, reason(err));
		}
		int wait_ms = assay__wait_min(assay__door_wait_ms(&link->door), assay__spool_sync(link->spool));
		/* A full spool leaves verdicts in the queue; it must not be asked without pause. */
		if (wait_ms == 0)
			wait_ms = 5;
		if (!link->mosquitto)
			wait_ms = assay__wait_min(wait_ms, assay__wait_until(link->attempt_us));
		work(link, assay__wait_min(wait_ms, assay__wait_until(until_us)));
	}
	leave(link);
	return NULL;
}

int assay__mqtt_link_open(struct assay__mqtt_link *link, const char *name, const struct assay__mqtt_settings *settings,
						  const struct assay__mqtt_handlers *handlers, void *ctx,
						  const struct assay__station_port *port, struct assay_error *error)
{
	link->settings = settings;
	link->handlers = handlers;
	link->ctx = ctx;
	link->barrier_mid = -1;
	link->backoff = (struct assay__backoff){.first_ms = 250, .last_ms = 15000};
	if (settings->client_id[0])
		snprintf(link->client_id, sizeof(link->client_id), "%s", settings->client_id);
	else
		snprintf(link->client_id, sizeof(link->client_id), "assay-%.60s-%.60s", port->station, name);
	int err = settings->password_file[0]
				  ? assay__door_secret(settings->password_file, link->password, sizeof(link->password), error)
				  : 0;
	if (err)
		return err;
	err = assay__door_open(&link->door, name, port, settings->queue, settings->record_wait_ms, error);
	if (err)
		return err;
	err = assay__spool_door_open(port, name, settings->spool_mb, settings->spool_sync, &link->spool, error);
	if (err) {
		assay__door_close(&link->door);
		return err;
	}
	mosquitto_lib_init();
	err = assay__door_start(&link->door, run, link, error);
	if (err) {
		mosquitto_lib_cleanup();
		assay__spool_close(link->spool);
		assay__door_close(&link->door);
	}
	return err;
}

void assay__mqtt_link_close(struct assay__mqtt_link *link, int drain_ms)
{
	assay__door_stop(&link->door, drain_ms);
	mosquitto_lib_cleanup();
	assay__spool_close(link->spool);
	assay__door_close(&link->door);
	explicit_bzero(link->password, sizeof(link->password));
}
