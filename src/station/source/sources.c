/* SPDX-License-Identifier: Apache-2.0 */
/* All cameras built in: one row each. */
#include "station/source/source.h"

extern const struct assay__source_ops assay__source_virtual;
extern const struct assay__source_ops assay__source_folder;
extern const struct assay__source_ops assay__source_http;

const struct assay__source_ops *const assay__sources[] = {
	&assay__source_virtual,
	&assay__source_folder,
	&assay__source_http,
	NULL,
};
