/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The other ends that a station talks to, for clients.sh. receiver https CERT KEY: an HTTPS server that prints its port, then the body
 * of every request in a line, answered 200. receiver datagrams PATH: prints every datagram that comes to a Unix socket, as a service
 * manager hears them, lines of one joined by blanks.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <microhttpd.h>

struct body {
	char text[65536];
	size_t size;
};

static enum MHD_Result take(void *ctx, struct MHD_Connection *connection, const char *url, const char *method,
							const char *version, const char *data, size_t *size, void **state)
{
	struct body *body = *state;
	struct MHD_Response *response;
	enum MHD_Result rc;

	(void)ctx, (void)url, (void)method, (void)version;
	if (!body) {
		*state = calloc(1, sizeof(*body));
		return *state ? MHD_YES : MHD_NO;
	}
	if (*size) {
		size_t room = sizeof(body->text) - 1 - body->size, part = *size < room ? *size : room;

		memcpy(body->text + body->size, data, part);
		body->size += part;
		*size = 0;
		return MHD_YES;
	}
	printf("%s\n", body->text);
	fflush(stdout);
	free(body);
	*state = NULL;
	response = MHD_create_response_from_buffer(0, "", MHD_RESPMEM_PERSISTENT);
	rc = MHD_queue_response(connection, 200, response);
	MHD_destroy_response(response);
	return rc;
}

static char *read_file(const char *path)
{
	char *text = calloc(1, 16384);
	FILE *file = fopen(path, "r");

	if (!file || !text || fread(text, 1, 16383, file) == 0)
		exit(74);
	fclose(file);
	return text;
}

static int serve_https(const char *cert, const char *key)
{
	char *cert_text = read_file(cert), *key_text = read_file(key);
	struct MHD_Daemon *daemon =
		MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_TLS, 0, NULL, NULL, take, NULL,
						 MHD_OPTION_HTTPS_MEM_CERT, cert_text, MHD_OPTION_HTTPS_MEM_KEY, key_text, MHD_OPTION_END);
	const union MHD_DaemonInfo *info = daemon ? MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT) : NULL;

	if (!info)
		return 70;
	printf("%d\n", info->port);
	fflush(stdout);
	for (;;)
		pause();
}

static int hear_datagrams(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	char text[4096];
	ssize_t size;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)))
		return 74;
	while ((size = recv(fd, text, sizeof(text) - 1, 0)) >= 0) {
		text[size] = '\0';
		for (char *c = text; *c; c++)
			if (*c == '\n')
				*c = ' ';
		printf("%s\n", text);
		fflush(stdout);
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "https"))
		return serve_https(argv[2], argv[3]);
	if (argc == 3 && !strcmp(argv[1], "datagrams"))
		return hear_datagrams(argv[2]);
	fprintf(stderr, "usage: receiver https CERT KEY | receiver datagrams PATH\n");
	return 64;
}
