/* SPDX-License-Identifier: Apache-2.0 */
/* Text as the verbs print it. */
#ifndef ASSAY_SRC_CLI_FIELDS_H
#define ASSAY_SRC_CLI_FIELDS_H

#include "base/json_field.h"

/** Prints the text of a finished writer on standard output. Returns 0, or the exit status after saying why not. */
int assay__fields_print(struct assay__json *json);

/** Replaces control characters, which a terminal would obey, by '?', in place. Returns text. */
char *assay__printable(char *text);

#endif
