/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What MQTT JSON and Sparkplug share: a connection that comes back, and a spool in front of it. Verdicts go queue -> spool -> broker, at
 * most ASSAY__MQTT_WINDOW under way; what a broken connection left unconfirmed is sent again, in order, so a receiver may see a message
 * twice but none is missing.
 */
#ifndef ASSAY_SRC_STATION_OUTPUT_MQTT_LINK_H
#define ASSAY_SRC_STATION_OUTPUT_MQTT_LINK_H

#include <mosquitto.h>

#include "station/output/output_common.h"
#include "station/output/spool_door.h"

#define ASSAY__MQTT_WINDOW 64

struct assay__mqtt_settings {
	const char *host, *client_id, *username, *password_file, *ca_file, *cert_file, *key_file;
	int port, keepalive_s, queue, record_wait_ms, spool_mb, spool_sync;
	bool tls;
};

/** Rows of an option table for the member `mqtt` of `holder`. */
#define ASSAY__MQTT_ROW(holder, option, kind, field, ...)                                                              \
	{                                                                                                                  \
		.name = option, .type = ASSAY__OPTION_##kind, .offset = offsetof(holder, mqtt.field), __VA_ARGS__              \
	}
#define ASSAY__MQTT_ROWS(holder)                                                                                       \
	ASSAY__MQTT_ROW(holder, "host", TEXT, host, .fallback = "localhost", .help = "name or address of the broker"),     \
		ASSAY__MQTT_ROW(holder, "port", INT, port, .fallback = "1883", .min = 1, .max = 65535,                         \
						.help = "its port; with TLS usually 8883"),                                                    \
		ASSAY__MQTT_ROW(holder, "client_id", TEXT, client_id, .fallback = "",                                          \
						.help = "client id; empty: assay- with the station's and the output's name"),                  \
		ASSAY__MQTT_ROW(holder, "username", TEXT, username, .fallback = "",                                            \
						.help = "user at the broker; empty: none"),                                                    \
		ASSAY__MQTT_ROW(holder, "password_file", TEXT, password_file, .fallback = "",                                  \
						.help = "file whose first line is the password"),                                              \
		ASSAY__MQTT_ROW(holder, "tls", FLAG, tls, .help = "encrypt; the broker's certificate is checked"),             \
		ASSAY__MQTT_ROW(holder, "ca_file", TEXT, ca_file, .fallback = "/etc/ssl/certs/ca-certificates.crt",            \
						.help = "with tls: certificates that are trusted"),                                            \
		ASSAY__MQTT_ROW(holder, "cert_file", TEXT, cert_file, .fallback = "", .help = "with tls: own certificate"),    \
		ASSAY__MQTT_ROW(holder, "key_file", TEXT, key_file, .fallback = "", .help = "with tls: its key"),              \
		ASSAY__MQTT_ROW(holder, "keepalive_s", INT, keepalive_s, .fallback = "10", .min = 5, .max = 3600, .unit = "s", \
						.help = "a silent connection is probed after this time"),                                      \
		ASSAY__MQTT_ROW(holder, "queue", INT, queue, .fallback = "1024", .min = 16, .max = 65536,                      \
						.help = "verdicts held in memory on their way to the spool"),                                  \
		ASSAY__MQTT_ROW(holder, "record_wait_ms", INT, record_wait_ms, .fallback = "5000", .min = 0, .max = 60000,     \
						.unit = "ms",                                                                                  \
						.help = "a verdict goes out once its record is on disk, or after this time, marked as not "    \
								"recorded; 0 does not wait"),                                                          \
		ASSAY__MQTT_ROW(holder, "spool_mb", INT, spool_mb, .fallback = "256", .min = 1, .max = 65536, .unit = "MB",    \
						.help = "disk for messages while the broker is away; when full the oldest are given up"),      \
		ASSAY__MQTT_ROW(holder, "spool_sync", WORD, spool_sync, .fallback = "second",                                  \
						.words = assay__spool_sync_words,                                                              \
						.help = "when the spool is forced to disk: what power loss may cost; a killed process loses "  \
								"nothing either way")

struct assay__mqtt_link;

/** All are called by the link's thread. */
struct assay__mqtt_handlers {
	/** Bytes to spool for a verdict. Errors: NOMEM, LIMIT. */
	int (*encode)(void *ctx, const struct assay__verdict *verdict, uint8_t *out, size_t size_bytes, size_t *used_bytes);
	/** Before every connect: the last will. Returns a mosquitto error. */
	int (*will)(void *ctx, struct mosquitto *mosquitto);
	/** Connected: births, subscriptions. Returns a mosquitto error. */
	int (*up)(void *ctx, struct mosquitto *mosquitto);
	/** About to leave in good order. */
	void (*down)(void *ctx, struct mosquitto *mosquitto);
	void (*message)(void *ctx, struct mosquitto *mosquitto, const struct mosquitto_message *message);
	/** Publishes what encode made. `historical`: older than this connection. Returns a mosquitto error. */
	int (*publish)(void *ctx, struct mosquitto *mosquitto, const uint8_t *bytes, size_t size_bytes, bool historical,
				   int *mid);
	/** NULL: messages are QoS 1. Else QoS 0, and this subscription, renewed, proves that the broker has what came before it. */
	const char *barrier_topic;
};

struct assay__mqtt_link {
	struct assay__door door;
	const struct assay__mqtt_settings *settings;
	const struct assay__mqtt_handlers *handlers;
	void *ctx;
	char client_id[160], password[256];
	struct assay__spool *spool;
	struct mosquitto *mosquitto;
	bool connected;
	int64_t attempt_us; /* when the connection was begun, or when the next one is due */
	struct assay__backoff backoff;
	uint64_t send_next, session_first;
	struct {
		uint64_t number;
		int mid;
		bool done;
	} window[ASSAY__MQTT_WINDOW];
	int window_head, window_count;
	int barrier_mid; /* -1: none under way */
	uint64_t barrier_number;
	uint64_t spool_lost;
	char failure[80];
	uint8_t buffer[ASSAY__SPOOL_MESSAGE_BYTES];
};

/** Opens the link's parts and starts its thread; everything passed outlives the link. Nothing is kept on failure. */
int assay__mqtt_link_open(struct assay__mqtt_link *link, const char *name, const struct assay__mqtt_settings *settings,
						  const struct assay__mqtt_handlers *handlers, void *ctx,
						  const struct assay__station_port *port, struct assay_error *error);
void assay__mqtt_link_close(struct assay__mqtt_link *link, int drain_ms);

#endif
