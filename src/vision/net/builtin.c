/* SPDX-License-Identifier: Apache-2.0 */
/* The network in models/, put into the library by the assembler. */
#include "vision/base_net.h" /* made by the build: ASSAY_BUILTIN_NET, the path of the file */
#include "vision/net/net.h"

extern const uint8_t assay__builtin_begin[] __attribute__((visibility("hidden")));
extern const uint8_t assay__builtin_end[] __attribute__((visibility("hidden")));

__asm__(".pushsection .rodata\n"
		".balign 64\n"
		".globl assay__builtin_begin\n"
		".hidden assay__builtin_begin\n"
		"assay__builtin_begin:\n"
		".incbin \"" ASSAY_BUILTIN_NET "\"\n"
		".globl assay__builtin_end\n"
		".hidden assay__builtin_end\n"
		"assay__builtin_end:\n"
		".byte 0\n"
		".popsection\n");

const void *assay__net_builtin(size_t *size_bytes)
{
	*size_bytes = (size_t)(assay__builtin_end - assay__builtin_begin);
	return assay__builtin_begin;
}
