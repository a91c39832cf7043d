/* SPDX-License-Identifier: Apache-2.0 */
/* Opening and closing the server, and what is counted and limited for each connection. */
#include "station/http/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/text.h"
#include "station/http/request.h"
#include "station/log.h"

#define PATH_CHARS 4096
#define PEM_MOST_BYTES 262144
#define STACK_BYTES (512 * 1024)
#define NICE 5 /* inspection goes first where processors are few */

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static int parse_address(const struct assay__http_settings *settings, union address *out, bool *loopback,
						 struct assay_error *error)
{
	char quoted[ASSAY__QUOTE_CHARS];

	memset(out, 0, sizeof(*out));
	if (inet_pton(AF_INET, settings->address, &out->v4.sin_addr) == 1) {
		out->v4.sin_family = AF_INET;
		out->v4.sin_port = htons((uint16_t)settings->port);
		*loopback = ntohl(out->v4.sin_addr.s_addr) >> 24 == 127;
		return 0;
	}
	if (inet_pton(AF_INET6, settings->address, &out->v6.sin6_addr) == 1) {
		out->v6.sin6_family = AF_INET6;
		out->v6.sin6_port = htons((uint16_t)settings->port);
		*loopback = IN6_IS_ADDR_LOOPBACK(&out->v6.sin6_addr);
		return 0;
	}
	return assay__fail(error, ASSAY_E_ARGUMENT, -1,
					   "http: address: found %s, expected an IPv4 or IPv6 address such as 127.0.0.1 or 0.0.0.0",
					   assay__text_quote(settings->address, quoted));
}

static int read_pem(const char *path, bool secret, char **out, struct assay_error *error)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), rc = 0;
	struct stat status;
	ssize_t got = -1;
	char *text = calloc(1, PEM_MOST_BYTES + 1);

	if (fd >= 0 && text && !fstat(fd, &status))
		got = read(fd, text, PEM_MOST_BYTES);
	if (!text)
		rc = assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory for %s", path);
	else if (got <= 0)
		rc = assay__fail(error, ASSAY_E_IO, -1, "%s: cannot read it: %s", path, got ? strerror(errno) : "it is empty");
	else if (secret && status.st_mode & 07)
		rc = assay__fail(error, ASSAY_E_ARGUMENT, -1, "%s: everybody may read this key; chmod 600 it", path);
	if (fd >= 0)
		close(fd);
	if (rc)
		free(text);
	else
		*out = text;
	return rc;
}

/* What must hold before anybody outside may knock. */
static int check_door(const struct assay__http *http, struct assay_error *error)
{
	const struct assay__http_settings *settings = http->settings;

	if (!settings->tls_cert != !settings->tls_key)
		return assay__fail(error, ASSAY_E_ARGUMENT, -1, "http: tls_cert and tls_key belong together; %s is missing",
						   settings->tls_cert ? "tls_key" : "tls_cert");
	if (http->tls && MHD_is_feature_supported(MHD_FEATURE_TLS) != MHD_YES)
		return assay__fail(error, ASSAY_E_UNSUPPORTED, -1, "http: this libmicrohttpd was built without TLS");
	if (http->loopback)
		return 0;
	if (!assay__porter_user_count(http->porter))
		return assay__fail(
			error, ASSAY_E_ARGUMENT, -1,
			"http: will not listen on %s, which others can reach, without a user; make one: assay user add "
			"NAME --role admin --users %s",
			settings->address, assay__porter_path(http->porter));
	if (!http->tls && !settings->insecure_http)
		return assay__fail(
			error, ASSAY_E_ARGUMENT, -1,
			"http: will not listen on %s, which others can reach, without TLS; give tls_cert and tls_key, or "
			"insecure_http: yes where the network is closed",
			settings->address);
	return 0;
}

/* Threads of connections inherit the priority of the one that accepts. */
static enum MHD_Result accept_policy(void *cls, const struct sockaddr *address, socklen_t length)
{
	struct assay__http *http = cls;

	(void)address;
	(void)length;
	if (!atomic_exchange(&http->nice_done, true))
		setpriority(PRIO_PROCESS, 0, NICE);
	return atomic_load(&http->stopping) ? MHD_NO : MHD_YES;
}

static void connection_changed(void *cls, struct MHD_Connection *connection, void **context,
							   enum MHD_ConnectionNotificationCode code)
{
	struct assay__http *http = cls;
	struct assay__link *link = *context;

	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

		link = info ? calloc(1, sizeof(*link)) : NULL;
		if (!link)
			return; /* requests on it are refused */
		link->fd = info->connect_fd;
		link->since_us = assay__clock_us();
		pthread_mutex_lock(&http->links_mutex);
		link->next = http->links;
		link->back = &http->links;
		if (link->next)
			link->next->back = &link->next;
		http->links = link;
		http->link_count++;
		pthread_mutex_unlock(&http->links_mutex);
		*context = link;
	} else if (link) {
		pthread_mutex_lock(&http->links_mutex);
		*link->back = link->next;
		if (link->next)
			link->next->back = link->back;
		http->link_count--;
		pthread_mutex_unlock(&http->links_mutex);
		free(link);
		*context = NULL;
	}
}

/*
 * libmicrohttpd's own timeout starts anew with every byte, so a client that sends one a second would keep its
 * connection for ever. Here a request as a whole has its time.
 */
static void *sweep(void *arg)
{
	struct assay__http *http = arg;

	pthread_mutex_lock(&http->links_mutex);
	while (!atomic_load(&http->stopping)) {
		int64_t now_us = assay__clock_us();

		for (struct assay__link *link = http->links; link; link = link->next)
			if (link->since_us && now_us - link->since_us > http->settings->timeout_s * 1000000LL + link->grace_us) {
				shutdown(link->fd, SHUT_RDWR);
				link->since_us = now_us;
				atomic_fetch_add(&http->timed_out, 1);
			}
		assay__cond_wait(&http->sweep, &http->links_mutex, now_us + 250000);
	}
	pthread_mutex_unlock(&http->links_mutex);
	return NULL;
}

static void log_line(void *cls, const char *format, va_list args)
{
	char text[200], quoted[420];

	(void)cls;
	vsnprintf(text, sizeof(text), format, args);
	text[strcspn(text, "\n")] = '\0';
	assay__log(ASSAY__LOG_INFO, "http", "text=%s", assay__log_quote(text, quoted, sizeof(quoted)));
}

static int start(struct assay__http *http, union address *address, struct assay_error *error)
{
	const struct assay__http_settings *settings = http->settings;
	unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL | MHD_USE_ERROR_LOG;
	char *cert = NULL, *key = NULL;
	const union MHD_DaemonInfo *info;
	int rc = 0;

	if (http->tls) {
		rc = read_pem(settings->tls_cert, false, &cert, error);
		if (!rc)
			rc = read_pem(settings->tls_key, true, &key, error);
		flags |= MHD_USE_TLS;
	}
	if (address->any.sa_family == AF_INET6)
		flags |= IN6_IS_ADDR_UNSPECIFIED(&address->v6.sin6_addr) ? MHD_USE_DUAL_STACK : MHD_USE_IPv6;
	if (!rc) {
		struct MHD_OptionItem tls[] = {
			{MHD_OPTION_HTTPS_MEM_CERT, 0, cert},
			{MHD_OPTION_HTTPS_MEM_KEY, 0, key},
			{MHD_OPTION_HTTPS_PRIORITIES, 0, (char[]){"NORMAL:-VERS-TLS1.0:-VERS-TLS1.1"}},
			{MHD_OPTION_END, 0, NULL},
		};

		errno = 0;
		http->daemon = MHD_start_daemon(
			flags, 0, accept_policy, http, assay__request_handle, http, MHD_OPTION_EXTERNAL_LOGGER, log_line, NULL,
			MHD_OPTION_SOCK_ADDR, &address->any, MHD_OPTION_URI_LOG_CALLBACK, assay__request_open, http,
			MHD_OPTION_NOTIFY_COMPLETED, assay__request_close, http, MHD_OPTION_NOTIFY_CONNECTION, connection_changed,
			http, MHD_OPTION_CONNECTION_LIMIT, (unsigned)settings->max_connections, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
			(unsigned)settings->max_per_address, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)settings->timeout_s,
			MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)settings->header_kib * 1024, MHD_OPTION_THREAD_STACK_SIZE,
			(size_t)STACK_BYTES, MHD_OPTION_LISTENING_ADDRESS_REUSE, 1u, MHD_OPTION_STRICT_FOR_CLIENT, 1,
			MHD_OPTION_ARRAY, http->tls ? tls : &tls[3], MHD_OPTION_END);
		if (!http->daemon)
			rc = assay__fail(error, ASSAY_E_IO, -1, "http: cannot listen on %s port %d: %s", settings->address,
							 settings->port,
							 errno ? strerror(errno) : "see the log; a certificate or key may not be one");
	}
	if (key)
		memset(key, 0, strlen(key));
	free(cert);
	free(key);
	if (rc)
		return rc;
	info = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_BIND_PORT);
	http->port = info ? info->port : settings->port;
	return 0;
}

static void destroy(struct assay__http *http)
{
	if (http->sweeper_runs) {
		pthread_mutex_lock(&http->links_mutex);
		atomic_store(&http->stopping, true);
		pthread_cond_broadcast(&http->sweep);
		pthread_mutex_unlock(&http->links_mutex);
		pthread_join(http->sweeper, NULL);
	}
	atomic_store(&http->stopping, true);
	if (http->daemon)
		MHD_stop_daemon(http->daemon);
	for (int i = 0; i < ASSAY__MAX_VIEWS; i++)
		for (int k = 0; k < ASSAY__KIND_COUNT; k++)
			free(http->encoded[i][k].bytes);
	assay__porter_close(http->porter);
	pthread_cond_destroy(&http->sweep);
	pthread_mutex_destroy(&http->links_mutex);
	pthread_mutex_destroy(&http->picture_mutex);
	pthread_mutex_destroy(&http->reviews_mutex);
	assay__reviews_close(http->reviews);
	assay__workshop_close(http->workshop);
	free(http->users_path);
	free(http);
}

int assay__http_open(const struct assay__http_need *need, struct assay__http **out, struct assay_error *error)
{
	struct assay__http *http = calloc(1, sizeof(*http));
	char path[PATH_CHARS];
	union address address;
	int rc;

	if (!http)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory for HTTP");
	http->settings = need->settings;
	http->station_name = need->station_name;
	http->state_dir = need->state_dir;
	http->station = need->station;
	http->parts = need->parts;
	http->tls = need->settings->tls_cert != NULL;
	if (pthread_mutex_init(&http->links_mutex, NULL) || pthread_mutex_init(&http->picture_mutex, NULL) ||
		pthread_mutex_init(&http->reviews_mutex, NULL) || assay__cond_init(&http->sweep)) {
		free(http);
		return assay__fail(error, ASSAY_E_IO, -1, "http: cannot make a lock");
	}
	snprintf(path, sizeof(path), "%s/users", need->state_dir);
	http->users_path = strdup(need->settings->users ? need->settings->users : path);
	rc = http->users_path ? 0 : assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory for HTTP");
	if (!rc)
		rc = parse_address(need->settings, &address, &http->loopback, error);
	if (!rc)
		rc = assay__porter_open(http->users_path, need->settings->session_h, &http->porter, error);
	if (!rc)
		rc = check_door(http, error);
	if (!rc && http->parts)
		rc = assay__workshop_open(http->station, http->state_dir, &http->workshop, error);
	if (!rc && pthread_create(&http->sweeper, NULL, sweep, http))
		rc = assay__fail(error, ASSAY_E_IO, -1, "http: cannot start a thread");
	else if (!rc)
		http->sweeper_runs = true;
	if (!rc)
		rc = start(http, &address, error);
	if (rc) {
		destroy(http);
		return rc;
	}
	*out = http;
	assay__log(ASSAY__LOG_NOTICE, "http_listening", "address=%s port=%d tls=%s users=%d", need->settings->address,
			   http->port, http->tls ? "yes" : "no", assay__porter_user_count(http->porter));
	if (!assay__porter_user_count(http->porter))
		assay__log(
			ASSAY__LOG_NOTICE, "http_no_users",
			"text=\"whoever sits at this machine may do everything; to change that: assay user add NAME --role admin "
			"--users %s\"",
			http->users_path);
	return 0;
}

int assay__http_port(const struct assay__http *http)
{
	return http->port;
}

const char *assay__http_url(const struct assay__http *http, char out[128])
{
	const char *address = http->settings->address;
	bool v6 = strchr(address, ':') != NULL;

	snprintf(out, 128, "http%s://%s%s%s:%d/", http->tls ? "s" : "", v6 ? "[" : "", address, v6 ? "]" : "", http->port);
	return out;
}

void assay__http_close(struct assay__http *http)
{
	if (http)
		destroy(http);
}
