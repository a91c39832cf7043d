/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/err.h"
#include "vision/net/kernel.h"

/* Slowest first. */
static const struct assay__kernels *const table[] = {
	&assay__kernels_scalar,
#if defined(__x86_64__)
	&assay__kernels_avx2,
	&assay__kernels_avxvnni,
	&assay__kernels_avx512vnni,
#elif defined(__aarch64__)
	&assay__kernels_neon,
	&assay__kernels_neondot,
#endif
};
#define TABLE_COUNT (sizeof(table) / sizeof(table[0]))

/* Names that are known everywhere, so that a wrong name and a missing instruction set are told apart. */
static const char *const names[] = {
	[ASSAY_ISA_BEST] = "best",		 [ASSAY_ISA_SCALAR] = "scalar",
	[ASSAY_ISA_AVX2] = "avx2",		 [ASSAY_ISA_AVX512VNNI] = "avx512vnni",
	[ASSAY_ISA_AVXVNNI] = "avxvnni", [ASSAY_ISA_NEON] = "neon",
	[ASSAY_ISA_NEONDOT] = "neondot",
};
#define NAME_COUNT (sizeof(names) / sizeof(names[0]))

const struct assay__kernels *assay__kernels_find(enum assay_isa isa)
{
	for (size_t i = TABLE_COUNT; i-- > 0;)
		if ((isa == ASSAY_ISA_BEST || table[i]->isa == isa) && table[i]->available())
			return table[i];
	return NULL;
}

int assay_isa_from_name(const char *name, enum assay_isa *isa, struct assay_error *error)
{
	for (size_t i = 0; i < NAME_COUNT; i++) {
		if (strcmp(name, names[i]) != 0)
			continue;
		if (!assay__kernels_find((enum assay_isa)i))
			return assay__fail(error, ASSAY_E_UNSUPPORTED, -1, "this CPU does not have %s; the best it has is %s", name,
							   assay_isa_name(assay_isa_best()));
		*isa = (enum assay_isa)i;
		return 0;
	}
	return assay__fail(
		error, ASSAY_E_ARGUMENT, -1,
		"unknown instruction set \"%.40s\"; use best, scalar, avx2, avxvnni, avx512vnni, neon or neondot", name);
}

const char *assay_isa_name(enum assay_isa isa)
{
	return (size_t)isa < NAME_COUNT ? names[isa] : "unknown";
}

enum assay_isa assay_isa_best(void)
{
	return assay__kernels_find(ASSAY_ISA_BEST)->isa;
}
