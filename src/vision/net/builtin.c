/* SPDX-License-Identifier: Apache-2.0 */
/* The networks in models/, put into the library by the assembler. Adding one is a symbol, a row, and a name in meson.build. */
#include <string.h>

#include "vision/base_net.h" /* made by the build: ASSAY_BUILTIN_BASE, the path of the file */
#include "vision/net/net.h"
#include "vision/tiny_net.h"

/* The bytes of a file, from assay__builtin_NAME_begin to assay__builtin_NAME_end. */
#define INCLUDE_FILE(name, path)                                                                                       \
	extern const uint8_t assay__builtin_##name##_begin[] __attribute__((visibility("hidden")));                        \
	extern const uint8_t assay__builtin_##name##_end[] __attribute__((visibility("hidden")));                          \
	__asm__(".pushsection .rodata\n"                                                                                   \
			".balign 64\n"                                                                                             \
			".globl assay__builtin_" #name "_begin\n"                                                                  \
			".hidden assay__builtin_" #name "_begin\n"                                                                 \
			"assay__builtin_" #name "_begin:\n"                                                                        \
			".incbin \"" path "\"\n"                                                                                   \
			".globl assay__builtin_" #name "_end\n"                                                                    \
			".hidden assay__builtin_" #name "_end\n"                                                                   \
			"assay__builtin_" #name "_end:\n"                                                                          \
			".byte 0\n"                                                                                                \
			".popsection\n")

INCLUDE_FILE(base, ASSAY_BUILTIN_BASE);
INCLUDE_FILE(tiny, ASSAY_BUILTIN_TINY);

/* The first is the default. */
static const struct {
	const char *name;
	const uint8_t *begin, *end;
} builtins[] = {
	{"base", assay__builtin_base_begin, assay__builtin_base_end},
	{"tiny", assay__builtin_tiny_begin, assay__builtin_tiny_end},
};
#define BUILTINS ((int)(sizeof(builtins) / sizeof(builtins[0])))

const char *assay__net_builtin_name(int index)
{
	return index < BUILTINS ? builtins[index].name : NULL;
}

const void *assay__net_builtin_find(const char *name, size_t *size_bytes)
{
	for (int i = 0; i < BUILTINS; i++)
		if (strcmp(builtins[i].name, name) == 0) {
			*size_bytes = (size_t)(builtins[i].end - builtins[i].begin);
			return builtins[i].begin;
		}
	return NULL;
}

const void *assay__net_builtin(size_t *size_bytes)
{
	return assay__net_builtin_find(builtins[0].name, size_bytes);
}
