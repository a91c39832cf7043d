/* SPDX-License-Identifier: Apache-2.0 */
/* Prints what docs/modbus.md and docs/outputs.md take from the code. Usage: doors_doc modbus|outputs */
#include <stdio.h>
#include <string.h>

#include "station/output/modbus_map.h"

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "modbus") == 0) {
		assay__modbus_print_markdown(stdout);
		return 0;
	}
	if (argc != 2 || strcmp(argv[1], "outputs") != 0)
		return 64;
	for (int i = 0; assay__outputs[i]; i++) {
		printf("%s## %s\n\n%s.\n\n", i ? "\n" : "", assay__outputs[i]->type, assay__outputs[i]->help);
		assay__option_print_markdown(assay__outputs[i]->options, assay__outputs[i]->option_count, stdout);
	}
	return 0;
}
