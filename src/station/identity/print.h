/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_SRC_STATION_IDENTITY_PRINT_H
#define ASSAY_SRC_STATION_IDENTITY_PRINT_H

#include "assay/image.h"

/**
 * Prints a DataMatrix of `text`, as libdmtx encodes it, with its quiet zone into the lower left corner of an 8-bit picture, about a
 * quarter of its shorter side wide. Errors: UNSUPPORTED (no libdmtx), LIMIT (it does not fit), NOMEM.
 */
int assay__code_print(struct assay_image *image, const char *text, struct assay_error *error);

#endif
