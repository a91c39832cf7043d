/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The window: API, events, metrics and pages of a running station over HTTP. Each connection has a thread of its own, at lower
 * priority than the pipeline's, and shares nothing with it but the short locks of station.h: a slow browser waits alone.
 */
#ifndef ASSAY_SRC_STATION_HTTP_HTTP_H
#define ASSAY_SRC_STATION_HTTP_HTTP_H

#include "station/http/parts_port.h"
#include "station/station.h"

/** The section `http:`. */
struct assay__http_settings {
	const char *address, *tls_cert, *tls_key, *users, *shifts;
	int port, max_connections, max_per_address, timeout_s, header_kib, picture_kib, recipe_mib, session_h, takt_ms;
	bool insecure_http;
};

struct assay__http_need {
	const struct assay__http_settings *settings;
	const char *station_name, *state_dir;
	struct assay__station *station;
	const struct assay__parts_port *parts; /**< nullable: no record to look into */
};

struct assay__http;

/**
 * Listens and answers. All that *need points to must outlive it. Refuses an address off loopback without a user, or without TLS
 * unless insecure_http is set. *out is the caller's.
 * Errors: ARGUMENT (refused, bad address, key without certificate), IO (port taken, files), FORMAT (users file), NOMEM,
 * UNSUPPORTED (built without libmicrohttpd, or that without TLS).
 */
int assay__http_open(const struct assay__http_need *need, struct assay__http **out, struct assay_error *error);

/** The port it listens on, also where the settings say 0. */
int assay__http_port(const struct assay__http *http);

/** Ends all connections and frees. Call it before the station is closed. NULL is fine. */
void assay__http_close(struct assay__http *http);

/** The address to tell people: "http://127.0.0.1:8080/". Returns out. */
const char *assay__http_url(const struct assay__http *http, char out[128]);

#endif
