/* SPDX-License-Identifier: Apache-2.0 */
/* What systemd wants to hear from a service, by its own datagram; nothing happens where nobody listens. */
#ifndef ASSAY_SRC_STATION_NOTIFY_H
#define ASSAY_SRC_STATION_NOTIFY_H

#include <stdint.h>

/** Sends "READY=1", "STOPPING=1", "WATCHDOG=1", "STATUS=…" to $NOTIFY_SOCKET. */
void assay__notify(const char *message);

/** How often the watchdog wants to hear, half of $WATCHDOG_USEC if it is meant for this process; 0: not at all. */
int64_t assay__notify_watchdog_us(void);

#endif
