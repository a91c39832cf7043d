/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/demo_live.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/paths.h"
#include "cli/run_station.h"

static int write_config(const char *path, const struct assay__demo_live *live)
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
				"outputs:\n  - type: stdout\n    format: text\n",
				live->seed, live->first);
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
	int status = path ? write_config(path, live) : ASSAY__EXIT_INTERNAL;

	if (status || !live->run) {
		free(path);
		return status;
	}
	printf("\nnow the line runs, two parts a second; Ctrl-C ends it\n\n  part  verdict   score of threshold\n");
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
