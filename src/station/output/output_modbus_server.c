/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Modbus TCP server; register map in modbus_map.c, handshake in docs/modbus.md. The framing is ours and not libmodbus': its receive call
 * waits for slow clients one by one, and its reply sleeps half a second after a bad request. A verdict goes into the image inside `post`,
 * under a lock held for the copy only; the thread answers clients from a copy. Idle clients cost nothing: they wait in epoll.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "station/challenge.h"
#include "station/output/modbus_map.h"
#include "station/output/modbus_pdu.h"

#define HEARTBEAT_US 500000
#define DURABLE_QUEUE 1024

enum hold { HOLD_NEXT_TRIGGER, HOLD_ACKNOWLEDGE };

struct settings {
	const char *bind;
	int port, max_clients, idle_timeout_s, record_wait_ms;
	bool durable_ack;
	int hold, word_order;
};

struct client {
	int fd; /* -1: free */
	int64_t last_us;
	size_t in_used, out_used, out_sent;
	uint8_t in[ASSAY__MODBUS_ADU_BYTES], out[ASSAY__MODBUS_ADU_BYTES];
};

struct assay__output {
	struct assay__door door; /* its lock also guards from `last` to `unacknowledged` */
	struct settings settings;
	struct assay__verdict last;
	bool any, valid, missed;
	uint32_t results, unacknowledged;
	/* Below: the thread's own. */
	uint16_t commands[ASSAY__MODBUS_COMMAND_WORDS];
	struct client *clients;
	int client_count, epoll_fd, listen_fd;
	struct assay__modbus_data data;
};

/* Call with the lock held. */
static void show(struct assay__output *output)
{
	if (output->valid && output->settings.hold == HOLD_ACKNOWLEDGE)
		output->unacknowledged++;
	output->any = output->valid = true;
	output->results++;
	output->door.sent++;
}

static void post(struct assay__output *output, const struct assay__part *part)
{
	if (output->settings.durable_ack) {
		assay__door_post(&output->door, part);
		return;
	}
	pthread_mutex_lock(&output->door.lock);
	output->door.posted++;
	assay__verdict_from_part(part, &output->last);
	show(output);
	pthread_mutex_unlock(&output->door.lock);
}

static void recorded(struct assay__output *output, uint64_t sequence, const uint8_t record_hash[ASSAY_HASH_BYTES])
{
	if (output->settings.durable_ack)
		assay__door_recorded(&output->door, sequence, record_hash);
}

/* With durable_ack: verdicts whose record is there, or that waited in vain and are FAULT now. */
static void show_recorded(struct assay__output *output)
{
	struct assay__verdict verdict;
	while (assay__door_peek(&output->door, 0, &verdict)) {
		assay__door_take(&output->door);
		if (!verdict.recorded) {
			verdict.verdict = ASSAY_FAULT;
			verdict.fault = verdict.fault ? verdict.fault : ASSAY__FAULT_RECORD;
		}
		pthread_mutex_lock(&output->door.lock);
		output->last = verdict;
		show(output);
		pthread_mutex_unlock(&output->door.lock);
	}
}

static void snapshot(struct assay__output *output, struct assay__modbus_status *status, struct assay__verdict *verdict)
{
	const struct assay__station_port *port = output->door.port;
	*status = (struct assay__modbus_status){.low_word_first = output->settings.word_order == 1};
	pthread_mutex_lock(&output->door.lock);
	if (output->any) {
		*verdict = output->last;
		status->verdict = verdict;
	}
	status->valid = output->valid;
	status->missed = output->missed;
	status->results = output->results;
	status->unacknowledged = output->unacknowledged;
	pthread_mutex_unlock(&output->door.lock);
	status->ready = port->ready && port->ready(port->ctx);
	status->challenge_due = port->challenge_due && port->challenge_due(port->ctx);
	status->busy = port->busy && port->busy(port->ctx);
	status->heartbeat = (uint16_t)(assay__clock_us() / HEARTBEAT_US);
}

static void read_status(struct assay__output *output, unsigned from, unsigned count, uint16_t *out)
{
	const struct assay__station_port *port = output->door.port;
	struct assay__modbus_status status;
	struct assay__verdict verdict;
	uint16_t words[ASSAY__MODBUS_STATUS_WORDS];
	snapshot(output, &status, &verdict);
	if (port->counters)
		port->counters(port->ctx, &status.counters);
	status.recipe_number = port->recipe_number ? port->recipe_number(port->ctx) : 0;
	assay__modbus_fill(&status, words);
	memcpy(out, words + from, count * sizeof(*out));
}

static bool read_data(void *ctx, enum assay__modbus_area area, unsigned address, unsigned count, uint16_t *out)
{
	struct assay__output *output = ctx;
	struct assay__modbus_status status;
	struct assay__verdict verdict;
	unsigned end = address + count, mirror = ASSAY__MODBUS_MIRROR;
	switch (area) {
	case ASSAY__MODBUS_COILS:
		if (end > 16)
			return false;
		for (unsigned i = 0; i < count; i++)
			out[i] = output->commands[ASSAY__MODBUS_CONTROL] >> (address + i) & 1;
		return true;
	case ASSAY__MODBUS_DISCRETE_INPUTS:
		if (end > 16)
			return false;
		snapshot(output, &status, &verdict);
		for (unsigned i = 0; i < count; i++)
			out[i] = assay__modbus_status_bits(&status) >> (address + i) & 1;
		return true;
	case ASSAY__MODBUS_INPUT_REGISTERS:
		if (end > ASSAY__MODBUS_STATUS_WORDS)
			return false;
		read_status(output, address, count, out);
		return true;
	case ASSAY__MODBUS_HOLDING_REGISTERS:
		if (end > mirror + ASSAY__MODBUS_STATUS_WORDS)
			return false;
		memset(out, 0, count * sizeof(*out));
		for (unsigned i = address; i < end && i < ASSAY__MODBUS_COMMAND_WORDS; i++)
			out[i - address] = output->commands[i];
		if (end > mirror) {
			unsigned from = address > mirror ? address : mirror;
			read_status(output, from - mirror, end - from, out + (from - address));
		}
		return true;
	}
	return false;
}

static bool may_write(void *ctx, enum assay__modbus_area area, unsigned address, unsigned count)
{
	(void)ctx;
	return address + count <= (area == ASSAY__MODBUS_COILS ? 16u : ASSAY__MODBUS_COMMAND_WORDS);
}

static void trigger(struct assay__output *output)
{
	const struct assay__station_port *port = output->door.port;
	char code[2 * ASSAY__MODBUS_CODE_WORDS + 1];
	if (!assay__modbus_get_text(output->commands + ASSAY__MODBUS_CODE, ASSAY__MODBUS_CODE_WORDS, code)) {
		assay__door_event(&output->door, "part_code",
						  "the part code in the registers is no UTF-8 text; it is left out");
		code[0] = '\0';
	}
	pthread_mutex_lock(&output->door.lock);
	if (output->settings.hold == HOLD_NEXT_TRIGGER)
		output->valid = false;
	output->missed = false;
	pthread_mutex_unlock(&output->door.lock);
	uint32_t id = assay__modbus_get_u32(output->commands + ASSAY__MODBUS_TRIGGER_ID, output->settings.word_order == 1);
	if (port->trigger(port->ctx, ASSAY__TRIGGER_MODBUS, id, code[0] ? code : NULL)) {
		pthread_mutex_lock(&output->door.lock);
		output->missed = true;
		pthread_mutex_unlock(&output->door.lock);
	}
}

static void select_recipe(struct assay__output *output, int number)
{
	const struct assay__station_port *port = output->door.port;
	if (!port->select_recipe || port->select_recipe(port->ctx, NULL, number))
		assay__door_event(&output->door, "recipe_refused", "recipe %d was asked for and is not to be had", number);
}

/* Values first, then what their bits ask for, so that one write can bring trigger, id and code. */
static void write_data(void *ctx, enum assay__modbus_area area, unsigned address, unsigned count,
					   const uint16_t *values)
{
	struct assay__output *output = ctx;
	uint16_t *commands = output->commands;
	uint16_t before = commands[ASSAY__MODBUS_CONTROL];
	if (area == ASSAY__MODBUS_COILS) {
		for (unsigned i = 0; i < count; i++) {
			unsigned bit = 1u << (address + i);
			commands[ASSAY__MODBUS_CONTROL] =
				(uint16_t)(values[i] ? commands[ASSAY__MODBUS_CONTROL] | bit : commands[ASSAY__MODBUS_CONTROL] & ~bit);
		}
	} else {
		memcpy(commands + address, values, count * sizeof(*values));
		if (address <= ASSAY__MODBUS_RECIPE && address + count > ASSAY__MODBUS_RECIPE && commands[ASSAY__MODBUS_RECIPE])
			select_recipe(output, commands[ASSAY__MODBUS_RECIPE]);
	}
	unsigned rising = commands[ASSAY__MODBUS_CONTROL] & ~(unsigned)before;
	if (rising >> ASSAY__MODBUS_ACKNOWLEDGE & 1) {
		pthread_mutex_lock(&output->door.lock);
		output->valid = false;
		pthread_mutex_unlock(&output->door.lock);
	}
	if (rising >> ASSAY__MODBUS_CHALLENGE & 1 &&
		(!output->door.port->challenge ||
		 output->door.port->challenge(output->door.port->ctx, ASSAY__CHALLENGE_BEGIN, "the PLC")))
		assay__door_event(&output->door, "challenge_refused",
						  "a challenge was asked for over Modbus and cannot begin now");
	if (rising >> ASSAY__MODBUS_TRIGGER & 1)
		trigger(output);
}

static void tell_state(struct assay__output *output)
{
	struct sockaddr_storage address;
	socklen_t size = sizeof(address);
	char host[64] = "?", service[16] = "?";
	if (getsockname(output->listen_fd, (struct sockaddr *)&address, &size) == 0)
		getnameinfo((struct sockaddr *)&address, size, host, sizeof(host), service, sizeof(service),
					NI_NUMERICHOST | NI_NUMERICSERV);
	assay__door_state(&output->door, true, "listening on %.50s port %s, %d clients", host, service,
					  output->client_count);
}

static void drop(struct assay__output *output, struct client *client)
{
	close(client->fd);
	client->fd = -1;
	output->client_count--;
	tell_state(output);
}

static struct client *longest_idle(struct assay__output *output)
{
	struct client *found = NULL;
	for (int i = 0; i < output->settings.max_clients; i++) {
		struct client *client = &output->clients[i];
		if (client->fd >= 0 && (!found || client->last_us < found->last_us))
			found = client;
	}
	return found;
}

static void watch(struct assay__output *output, struct client *client, int operation, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = client};
	epoll_ctl(output->epoll_fd, operation, client->fd, &event);
}

static void accept_client(struct assay__output *output)
{
	int fd = accept4(output->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0) {
		/* Out of descriptors: the connection would wake us again and again. */
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			struct client *idle = longest_idle(output);
			if (idle)
				drop(output, idle);
			else
				assay__door_sleep(&output->door, 100);
		}
		return;
	}
	if (output->client_count == output->settings.max_clients)
		drop(output, longest_idle(output));
	struct client *client = output->clients;
	while (client->fd >= 0)
		client++;
	*client = (struct client){.fd = fd, .last_us = assay__clock_us()};
	int on = 1, idle_s = 10, every_s = 5, probes = 3;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every_s, sizeof(every_s));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
	output->client_count++;
	watch(output, client, EPOLL_CTL_ADD, EPOLLIN);
	tell_state(output);
}

/* False: the client is gone. */
static bool send_pending(struct client *client)
{
	while (client->out_sent < client->out_used) {
		ssize_t sent =
			send(client->fd, client->out + client->out_sent, client->out_used - client->out_sent, MSG_NOSIGNAL);
		if (sent < 0)
			return errno == EAGAIN || errno == EINTR;
		client->out_sent += (size_t)sent;
	}
	client->out_sent = client->out_used = 0;
	return true;
}

/* Answers whole requests one after another; the next one waits until the answer before it has left. */
static bool answer_all(struct assay__output *output, struct client *client)
{
	for (;;) {
		if (!send_pending(client))
			return false;
		if (client->out_used > 0)
			return true;
		int frame = assay__modbus_frame_bytes(client->in, client->in_used);
		if (frame < 0)
			return false;
		if (frame == 0 || (size_t)frame > client->in_used)
			return true;
		client->out_used = assay__modbus_answer(&output->data, client->in, (size_t)frame, client->out);
		client->in_used -= (size_t)frame;
		memmove(client->in, client->in + frame, client->in_used);
		client->last_us = assay__clock_us();
	}
}

static void serve(struct assay__output *output, struct client *client, uint32_t events)
{
	bool alive = !(events & EPOLLERR);
	bool stuck = client->out_used > 0;
	if (alive && (events & (EPOLLIN | EPOLLHUP)) && !stuck) {
		ssize_t got = recv(client->fd, client->in + client->in_used, sizeof(client->in) - client->in_used, 0);
		if (got > 0)
			client->in_used += (size_t)got;
		else
			alive = got < 0 && (errno == EAGAIN || errno == EINTR);
	}
	if (!alive || !answer_all(output, client)) {
		drop(output, client);
		return;
	}
	if ((client->out_used > 0) != stuck)
		watch(output, client, EPOLL_CTL_MOD, stuck ? EPOLLIN : EPOLLOUT);
}

/* Drops clients that asked nothing for too long; returns ms until the next may be due, -1 for none. */
static int drop_idle(struct assay__output *output)
{
	int64_t limit_us = (int64_t)output->settings.idle_timeout_s * 1000000;
	struct client *idle;
	while (limit_us > 0 && (idle = longest_idle(output))) {
		int64_t left_us = idle->last_us + limit_us - assay__clock_us();
		if (left_us > 0)
			return (int)(left_us / 1000) + 1;
		drop(output, idle);
	}
	return -1;
}

static void *run(void *arg)
{
	struct assay__output *output = arg;
	struct epoll_event events[16];
	while (!assay__door_stopping(&output->door)) {
		int wait_ms = drop_idle(output);
		if (output->settings.durable_ack) {
			show_recorded(output);
			int record_ms = assay__door_wait_ms(&output->door);
			if (record_ms >= 0 && (wait_ms < 0 || record_ms < wait_ms))
				wait_ms = record_ms;
		}
		int count = epoll_wait(output->epoll_fd, events, 16, wait_ms);
		bool accepting = false;
		for (int i = 0; i < count; i++) {
			if (events[i].data.ptr == &output->listen_fd)
				accepting = true;
			else if (events[i].data.ptr == &output->door)
				assay__door_woken(&output->door);
			else
				serve(output, events[i].data.ptr, events[i].events);
		}
		/* Last, because it may reuse the slot of a client that still has an event in this round. */
		if (accepting)
			accept_client(output);
	}
	show_recorded(output);
	return NULL;
}

static int listen_on(const char *name, const struct settings *settings, int *out, struct assay_error *error)
{
	char service[16];
	struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
	struct addrinfo *found = NULL;
	snprintf(service, sizeof(service), "%d", settings->port);
	if (getaddrinfo(settings->bind, service, &hints, &found))
		return assay__fail(error, ASSAY_E_ARGUMENT, -1,
						   "output %s: bind: found '%s', expected a numeric address such as 0.0.0.0", name,
						   settings->bind);
	int on = 1, fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	bool good = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
				bind(fd, found->ai_addr, found->ai_addrlen) == 0 && listen(fd, 64) == 0;
	int err = errno;
	freeaddrinfo(found);
	if (good) {
		*out = fd;
		return ASSAY_OK;
	}
	if (fd >= 0)
		close(fd);
	return assay__fail(error, ASSAY_E_IO, -1, "output %s: cannot listen on %s port %d: %s%s", name, settings->bind,
					   settings->port, strerror(err),
					   err == EACCES ? "; ports below 1024 need CAP_NET_BIND_SERVICE, or choose 1502" : "");
}

static int open_sockets(struct assay__output *output, struct assay_error *error)
{
	struct epoll_event listening = {.events = EPOLLIN, .data.ptr = &output->listen_fd};
	struct epoll_event woken = {.events = EPOLLIN, .data.ptr = &output->door};
	int err = listen_on(output->door.name, &output->settings, &output->listen_fd, error);
	if (err)
		return err;
	output->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (output->epoll_fd < 0 || epoll_ctl(output->epoll_fd, EPOLL_CTL_ADD, output->listen_fd, &listening) ||
		epoll_ctl(output->epoll_fd, EPOLL_CTL_ADD, output->door.wake_fd, &woken))
		return assay__fail(error, ASSAY_E_IO, -1, "output %s: no epoll: %s", output->door.name, strerror(errno));
	return ASSAY_OK;
}

static void free_output(struct assay__output *output)
{
	const struct assay_allocator *allocator = output->door.allocator;
	for (int i = 0; output->clients && i < output->settings.max_clients; i++)
		if (output->clients[i].fd >= 0)
			close(output->clients[i].fd);
	if (output->listen_fd >= 0)
		close(output->listen_fd);
	if (output->epoll_fd >= 0)
		close(output->epoll_fd);
	assay__door_close(&output->door);
	assay__free(allocator, output->clients);
	assay__free(allocator, output);
}

static int open_server(const char *name, const void *settings, const struct assay__station_port *port,
					   struct assay__output **out, struct assay_error *error)
{
	const struct settings *s = settings;
	struct assay__output *output = assay__calloc(port->allocator, 1, sizeof(*output));
	if (!output)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "output %s: out of memory", name);
	output->settings = *s;
	output->listen_fd = output->epoll_fd = -1;
	output->data = (struct assay__modbus_data){output, read_data, write_data, may_write};
	int err = assay__door_open(&output->door, name, port, s->durable_ack ? DURABLE_QUEUE : 1,
							   s->durable_ack ? s->record_wait_ms : 0, error);
	if (err) {
		assay__free(port->allocator, output);
		return err;
	}
	output->clients = assay__calloc(port->allocator, (size_t)s->max_clients, sizeof(*output->clients));
	if (output->clients)
		for (int i = 0; i < s->max_clients; i++)
			output->clients[i].fd = -1;
	else
		err = assay__fail(error, ASSAY_E_NOMEM, -1, "output %s: out of memory for %d clients", name, s->max_clients);
	if (!err)
		err = open_sockets(output, error);
	if (!err) {
		tell_state(output);
		err = assay__door_start(&output->door, run, output, error);
	}
	if (err) {
		free_output(output);
		return err;
	}
	*out = output;
	return ASSAY_OK;
}

static void health(struct assay__output *output, struct assay__output_health *out)
{
	assay__door_health(&output->door, out);
	pthread_mutex_lock(&output->door.lock);
	out->lost += output->unacknowledged;
	pthread_mutex_unlock(&output->door.lock);
}

static void close_server(struct assay__output *output, int drain_ms)
{
	assay__door_stop(&output->door, drain_ms);
	free_output(output);
}

static const char *const holds[] = {"next_trigger", "acknowledge", NULL};
static const char *const word_orders[] = {"high_first", "low_first", NULL};

#define ROW(option, kind, field, ...)                                                                                  \
	{                                                                                                                  \
		.name = option, .type = ASSAY__OPTION_##kind, .offset = offsetof(struct settings, field), __VA_ARGS__          \
	}

static const struct assay__option rows[] = {
	ROW("bind", TEXT, bind, .fallback = "0.0.0.0", .value = "ADDRESS",
		.help = "address to listen on; Modbus knows no login, so keep it to the machine's network"),
	ROW("port", INT, port, .fallback = "502", .min = 0, .max = 65535, .help = "TCP port; 0 takes a free one"),
	ROW("max_clients", INT, max_clients, .fallback = "32", .min = 1, .max = 1024,
		.help = "connections at once; one more ends the connection that has been silent longest"),
	ROW("idle_timeout_s", INT, idle_timeout_s, .fallback = "300", .min = 0, .max = 86400, .unit = "s",
		.help = "a connection silent for so long is ended; 0 never"),
	ROW("hold", WORD, hold, .fallback = "next_trigger", .words = holds,
		.help =
			"how long a result stays valid: until acknowledged or the next trigger, or strictly until acknowledged"),
	ROW("word_order", WORD, word_order, .fallback = "high_first", .words = word_orders,
		.help = "order of the registers of 32 and 64-bit numbers"),
	ROW("durable_ack", FLAG, durable_ack, .help = "show a result only once its record is on disk"),
	ROW("record_wait_ms", INT, record_wait_ms, .fallback = "2000", .min = 1, .max = 60000, .unit = "ms",
		.help = "with durable_ack: a part without record after this time is shown as FAULT"),
};

const struct assay__output_ops assay__output_modbus_server = {
	.type = "modbus_server",
	.help = "a PLC reads verdicts, triggers and chooses recipes over Modbus TCP",
	.options = rows,
	.option_count = sizeof(rows) / sizeof(rows[0]),
	.settings_size = sizeof(struct settings),
	.drives = true,
	.open = open_server,
	.post = post,
	.recorded = recorded,
	.health = health,
	.close = close_server,
};
