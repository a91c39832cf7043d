/* SPDX-License-Identifier: Apache-2.0 */
#include "vision/net/peak.h"

/* Named registers, without the compiler knowing of AVX: the assembler takes every instruction, and what runs is what
 * the kernels run. */
#if defined(__x86_64__)
#define REGISTERS                                                                                                      \
	"xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12",         \
		"xmm13", "cc"
#define SUMS 12
#define EACH(op) op("0") op("1") op("2") op("3") op("4") op("5") op("6") op("7") op("8") op("9") op("10") op("11")
#define LOOP(op) "1:\n\t" EACH(op) "dec %0\n\tjnz 1b\n\tvzeroupper"
#define AVX2(n) "vpmaddwd %%ymm12, %%ymm12, %%ymm13\n\tvpaddd %%ymm13, %%ymm" n ", %%ymm" n "\n\t"
#ifdef ASSAY__VNNI_EVEX
#define AVXVNNI(n) "%{evex%} vpdpbusd %%ymm12, %%ymm12, %%ymm" n "\n\t"
#else
#define AVXVNNI(n) "%{vex%} vpdpbusd %%ymm12, %%ymm12, %%ymm" n "\n\t"
#endif
#define AVX512VNNI(n) "vpdpbusd %%zmm12, %%zmm12, %%zmm" n "\n\t"

int64_t assay__peak_run(enum assay_isa isa, int64_t rounds)
{
	int64_t n = rounds;

	switch (isa) {
	case ASSAY_ISA_AVX2:
		__asm__ volatile(LOOP(AVX2) : "+r"(n) : : REGISTERS);
		return rounds * SUMS * 16;
	case ASSAY_ISA_AVXVNNI:
		__asm__ volatile(LOOP(AVXVNNI) : "+r"(n) : : REGISTERS);
		return rounds * SUMS * 32;
	case ASSAY_ISA_AVX512VNNI:
		__asm__ volatile(LOOP(AVX512VNNI) : "+r"(n) : : REGISTERS);
		return rounds * SUMS * 64;
	default:
		return 0;
	}
}

#elif defined(__aarch64__)
#define REGISTERS                                                                                                      \
	"v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12", "v13", "v14", "v15", "v16",       \
		"v17", "v18", "v19", "cc"
#define SUMS 16
#define EACH(op)                                                                                                       \
	op("0") op("1") op("2") op("3") op("4") op("5") op("6") op("7") op("8") op("9") op("10") op("11") op("12")         \
		op("13") op("14") op("15")
#define LOOP(op) "1:\n\t" EACH(op) "subs %0, %0, 1\n\tb.ne 1b"
#define NEON(n) "smull v17.8h, v16.8b, v16.8b\n\tsadalp v" n ".4s, v17.8h\n\t"
/* sdot v<n>.4s, v16.16b, v16.16b, which assemblers refuse in a file for plain ARMv8 */
#define NEONDOT(n) ".inst 0x4e909600 + " n "\n\t"

int64_t assay__peak_run(enum assay_isa isa, int64_t rounds)
{
	int64_t n = rounds;

	switch (isa) {
	case ASSAY_ISA_NEON:
		__asm__ volatile(LOOP(NEON) : "+r"(n) : : REGISTERS);
		return rounds * SUMS * 8;
	case ASSAY_ISA_NEONDOT:
		__asm__ volatile(LOOP(NEONDOT) : "+r"(n) : : REGISTERS);
		return rounds * SUMS * 16;
	default:
		return 0;
	}
}

#else

int64_t assay__peak_run(enum assay_isa isa, int64_t rounds)
{
	(void)isa;
	(void)rounds;
	return 0;
}

#endif
