/* SPDX-License-Identifier: Apache-2.0 */
/* From the text of a pipeline to one that ends in an appsink, or to a message that says where the text is wrong. */
#ifndef ASSAY_SRC_STATION_GSTREAMER_PARSE_H
#define ASSAY_SRC_STATION_GSTREAMER_PARSE_H

#include <gst/gst.h>

#include "assay/base.h"

/** Starts the library, once. Errors: IO. */
int assay__gstreamer_init(struct assay_error *error);

/**
 * A pipeline in state NULL, and its only appsink; both the caller's, to be given to gst_object_unref. Text without an appsink gets
 * `! videoconvert ! appsink`. Errors: ARGUMENT; the position is the byte of `text` where the part begins that is wrong.
 */
int assay__gstreamer_parse(const char *text, GstElement **pipeline, GstElement **sink, struct assay_error *error);

#endif
