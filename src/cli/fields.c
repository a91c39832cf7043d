/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/fields.h"

#include <stdio.h>

#include "cli/common.h"

int assay__fields_print(struct assay__json *json)
{
	struct assay_error error;
	const char *text;

	if (assay__json_text(json, &text, NULL, &error))
		return assay__say_error(&error);
	fputs(text, stdout);
	return 0;
}

char *assay__printable(char *text)
{
	for (char *c = text; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	return text;
}
