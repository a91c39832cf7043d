/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is a GigE Vision camera there, and is it still ours? Asks for one register over a socket of its own, so that the answer never waits behind
 * a command that a dead camera will not acknowledge.
 */
#ifndef ASSAY_SRC_STATION_GVCP_PROBE_H
#define ASSAY_SRC_STATION_GVCP_PROBE_H

#include <stdint.h>

#include "assay/base.h"

enum assay__gvcp_answer {
	ASSAY__GVCP_SILENT,	  /**< nothing came, or the network says that nobody is there */
	ASSAY__GVCP_ANSWERS,  /**< it is there, and under control */
	ASSAY__GVCP_RELEASED, /**< it is there, but nobody controls it: it was restarted, or its heartbeat timed out */
};

struct assay__gvcp_probe {
	int fd; /**< -1: closed */
	uint16_t id;
};

/** `address`: dotted IPv4; port 3956. On success close with assay__gvcp_probe_close. Errors: ARGUMENT, IO. */
int assay__gvcp_probe_open(struct assay__gvcp_probe *probe, const char *address, struct assay_error *error);

/** Asks once and waits up to timeout_ms. From one thread. */
enum assay__gvcp_answer assay__gvcp_probe_ask(struct assay__gvcp_probe *probe, int timeout_ms);

/** Closed already is fine. */
void assay__gvcp_probe_close(struct assay__gvcp_probe *probe);

#endif
