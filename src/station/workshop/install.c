/* SPDX-License-Identifier: Apache-2.0 */
#include "station/workshop/install.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"

static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER;

static int replace(struct assay__station *station, const char *file, const char *fresh, struct assay_error *error)
{
	char before[300];
	struct assay_recipe *recipe;
	int rc = assay_recipe_open(&(struct assay_env){0}, fresh, &recipe, error);

	if (rc)
		return rc;
	assay_recipe_close(recipe);
	snprintf(before, sizeof(before), "%s.before", file);
	unlink(before);
	if ((link(file, before) && errno != ENOENT) || rename(fresh, file))
		return assay__fail(error, ASSAY_E_IO, -1, "%s: cannot put the new recipe in its place: %s", file,
						   strerror(errno));
	rc = assay__station_reload(station, error);
	if (rc && rename(before, file))
		unlink(file);
	return rc;
}

int assay__recipe_install(struct assay__station *station, const char *file, const char *fresh,
						  struct assay_error *error)
{
	pthread_mutex_lock(&one);
	int rc = replace(station, file, fresh, error);
	pthread_mutex_unlock(&one);
	return rc;
}
