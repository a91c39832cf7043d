/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/demo_live.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/paths.h"
#include "cli/run_station.h"

#define PORT_FIRST 8080
#define PORT_LAST 8099

/* The first port of a few that nobody has; the station says so if it is taken a moment later. */
static int free_port(void)
{
	for (int port = PORT_FIRST; port < PORT_LAST; port++) {
		struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), rc;

		at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		if (fd < 0)
			break;
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
		rc = bind(fd, (const struct sockaddr *)&at, sizeof(at));
		close(fd);
		if (!rc)
			return port;
	}
	return PORT_LAST;
}

static int write_config(const char *path, const struct assay__demo_live *live, int port)
{
	FILE *file = fopen(path, "we");
	bool bad = !file;

	if (file) {
		fprintf(file,
				"# a station on the virtual line; docs/station.md tells what else can be here\n"
				"station:\n  name: demo\n  state_dir: state\n  deadline_ms: 500\n"
				"recipes:\n  - name: housing\n    file: recipe.assay\n"
				"cameras:\n  - name: top\n    type: virtual\n    seed: %d\n    first: %d\n    defects: 20%%\n"
				"    rate_hz: 2\n"
				"triggers:\n  - type: free\n"
				"outputs:\n  - type: stdout\n    format: text\n"
				"http:\n  port: %d\n  takt_ms: 500\n",
				live->seed, live->first, port);
		bad = ferror(file);
		bad |= fclose(file) != 0;
	}
	if (!bad)
		return 0;
	assay__say("%s: cannot write it: %s", path, strerror(errno));
	return ASSAY__EXIT_IO;
}

int assay__demo_live(const char *folder, const struct assay__setup *setup, const struct assay__demo_live *live)
{
	const struct assay__run_wishes wishes = {.parts = live->parts, .quiet = true};
	char *path = assay__path_join(folder, "station.yaml");
	struct assay__config *config;
	struct assay_error error;
	int port = free_port(), status = path ? write_config(path, live, port) : ASSAY__EXIT_INTERNAL;

	if (status || !live->run) {
		free(path);
		return status;
	}
	printf("\nnow the line runs, two parts a second; Ctrl-C ends it\n\nopen http://127.0.0.1:%d/ in a browser\n\n  "
		   "part  verdict   score of threshold\n",
		   port);
	fflush(stdout);
	if (assay__config_load(path, NULL, &config, &error)) {
		status = assay__say_error(&error);
	} else {
		status = assay__run_station(config, &setup->env, &wishes);
		assay__config_close(config);
	}
	if (!status)
		printf("\nthe line has stopped; all parts are in %s/state\n", folder);
	free(path);
	return status;
}
