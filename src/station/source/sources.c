/* SPDX-License-Identifier: Apache-2.0 */
/* All cameras built in: one row each. Those whose library was not there at build time are left out. */
#include "station/source/source.h"

extern const struct assay__source_ops assay__source_virtual;
extern const struct assay__source_ops assay__source_folder;
extern const struct assay__source_ops assay__source_http;
extern const struct assay__source_ops assay__source_aravis;
extern const struct assay__source_ops assay__source_gstreamer;

const struct assay__source_ops *const assay__sources[] = {
	&assay__source_virtual,
	&assay__source_folder,
	&assay__source_http,
#ifdef ASSAY_HAVE_ARAVIS
	&assay__source_aravis,
#endif
#ifdef ASSAY_HAVE_GSTREAMER
	&assay__source_gstreamer,
#endif
	NULL,
};
