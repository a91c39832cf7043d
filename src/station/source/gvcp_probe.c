/* SPDX-License-Identifier: Apache-2.0 */
#include "station/source/gvcp_probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"

/* GigE Vision 2.0, clauses 15 (header), 16.2 (READREG), 28 (bootstrap registers). */
#define GVCP_PORT 3956
#define GVCP_KEY 0x42
#define GVCP_ACK_REQUIRED 0x01
#define READREG_CMD 0x0080
#define READREG_ACK 0x0081
#define CONTROL_CHANNEL_PRIVILEGE 0x0a00
#define CONTROLLED 0x03 /* exclusive or control access */

int assay__gvcp_probe_open(struct assay__gvcp_probe *probe, const char *address, struct assay_error *error)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(GVCP_PORT)};
	int fd;

	if (inet_pton(AF_INET, address, &to.sin_addr) != 1)
		return assay__fail(error, ASSAY_E_ARGUMENT, -1, "%s: not an IPv4 address", address);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return assay__fail(error, ASSAY_E_IO, -1, "cannot make a socket: %s", strerror(errno));
	if (connect(fd, (struct sockaddr *)&to, sizeof(to))) {
		int why = errno;

		close(fd);
		return assay__fail(error, ASSAY_E_IO, -1, "%s: %s", address, strerror(why));
	}
	*probe = (struct assay__gvcp_probe){.fd = fd};
	return 0;
}

/* The answer in `packet`, or SILENT if it is none to this question. */
static enum assay__gvcp_answer read_answer(const uint8_t *packet, ssize_t size, uint16_t id)
{
	if (size < 8 || (packet[2] << 8 | packet[3]) != READREG_ACK || (packet[6] << 8 | packet[7]) != id)
		return ASSAY__GVCP_SILENT;
	/* A camera may refuse to tell others than its controller; then it is there, and has one. */
	if (packet[0] || packet[1] || size < 12)
		return ASSAY__GVCP_ANSWERS;
	return packet[11] & CONTROLLED ? ASSAY__GVCP_ANSWERS : ASSAY__GVCP_RELEASED;
}

enum assay__gvcp_answer assay__gvcp_probe_ask(struct assay__gvcp_probe *probe, int timeout_ms)
{
	int64_t end_us = assay__clock_us() + (int64_t)timeout_ms * 1000, left_us;
	uint16_t id = ++probe->id ? probe->id : ++probe->id; /* 0 is not allowed */
	uint8_t ask[12] = {GVCP_KEY,
					   GVCP_ACK_REQUIRED,
					   READREG_CMD >> 8,
					   READREG_CMD & 0xff,
					   0,
					   4,
					   (uint8_t)(id >> 8),
					   (uint8_t)id,
					   0,
					   0,
					   CONTROL_CHANNEL_PRIVILEGE >> 8,
					   CONTROL_CHANNEL_PRIVILEGE & 0xff};
	uint8_t packet[576];

	if (send(probe->fd, ask, sizeof(ask), MSG_NOSIGNAL) < 0 &&
		send(probe->fd, ask, sizeof(ask), MSG_NOSIGNAL) < 0) /* the first may only tell of an earlier refusal */
		return ASSAY__GVCP_SILENT;
	while ((left_us = end_us - assay__clock_us()) > 0) {
		struct pollfd polled = {.fd = probe->fd, .events = POLLIN};
		enum assay__gvcp_answer answer;
		ssize_t got;

		if (poll(&polled, 1, (int)((left_us + 999) / 1000)) <= 0)
			continue;
		got = recv(probe->fd, packet, sizeof(packet), 0);
		if (got < 0 && errno != EAGAIN && errno != EINTR)
			return ASSAY__GVCP_SILENT;
		answer = read_answer(packet, got, id);
		if (answer != ASSAY__GVCP_SILENT)
			return answer;
	}
	return ASSAY__GVCP_SILENT;
}

void assay__gvcp_probe_close(struct assay__gvcp_probe *probe)
{
	if (probe->fd >= 0)
		close(probe->fd);
	probe->fd = -1;
}
