/* SPDX-License-Identifier: Apache-2.0 */
/* The camera that is fed over HTTP, from the side of the feeder. Thread safe. */
#ifndef ASSAY_SRC_STATION_SOURCE_HTTP_H
#define ASSAY_SRC_STATION_SOURCE_HTTP_H

#include <stdbool.h>

#include "assay/image.h"

/** Is there a camera of that name, of type http_push? */
bool assay__source_http_has(const char *camera);

/**
 * Hands over a picture, from malloc; on success it is the camera's, on failure still the caller's. `code` is nullable.
 * Errors: ARGUMENT (no such camera), LIMIT (larger than its frames), FULL (earlier ones are still waiting).
 */
int assay__source_http_push(const char *camera, const struct assay_image *image, uint64_t trigger_id, const char *code,
							struct assay_error *error);

#endif
