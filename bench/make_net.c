/* SPDX-License-Identifier: Apache-2.0 */
/* Writes a network of the shipped one's shape with random weights: something to build and time without a trained one.
 */
#include <stdio.h>

#include "../tests/unit/net_builder.h"

int main(int argc, char **argv)
{
	size_t size = 0;

	if (argc != 2) {
		fprintf(stderr, "usage: make_net FILE.net\n");
		return 64;
	}
	uint8_t *bytes = net_build_base(1, &size);
	FILE *file = bytes ? fopen(argv[1], "wbx") : NULL;
	bool done = file && fwrite(bytes, 1, size, file) == size;
	if (file && fclose(file) != 0)
		done = false;
	free(bytes);
	if (!done)
		perror(argv[1]);
	return done ? 0 : 1;
}
