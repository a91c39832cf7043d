/* SPDX-License-Identifier: Apache-2.0 */
/* All outputs built in: one row each. */
#include "station/output/output.h"

extern const struct assay__output_ops assay__output_stdout;

const struct assay__output_ops *const assay__outputs[] = {
	&assay__output_stdout,
	NULL,
};
