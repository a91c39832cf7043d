/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Times the network, layer by layer and whole, on one core, beside the peak that this core shows in the same second.
 *
 *	bench_net [--json] [--net FILE] [--isa NAME] [--runs N] [--size PX]
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "vision/net/network.h"

#define MAX_RUNS 100000

struct settings {
	const char *path;
	enum assay_isa isa; /* BEST: all that this CPU has */
	int runs, size_px;
	bool json;
};

/* Medians, in ns. */
struct times {
	double whole, best, p99, nodes[ASSAY__MAX_TENSORS];
	double peak_gmacs; /* 0: unknown */
};

static int64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int compare_i64(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return x < y ? -1 : x > y;
}

/* Sorts; share 0.5 is the median. */
static double quantile(int64_t *values, int count, double share)
{
	qsort(values, (size_t)count, sizeof(values[0]), compare_i64);
	return (double)values[(int)(share * (count - 1))];
}

#if defined(__x86_64__)
#define REGISTERS                                                                                                      \
	"xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "cc"
#define TWELVE(op) op("0") op("1") op("2") op("3") op("4") op("5") op("6") op("7") op("8") op("9") op("10") op("11")
#define DOT512(n) "vpdpbusd %%zmm12, %%zmm12, %%zmm" n "\n\t"
#define DOT256(n) "vpmaddwd %%ymm12, %%ymm12, %%ymm13\n\tvpaddd %%ymm13, %%ymm" n ", %%ymm" n "\n\t"

/* ns for `loops` rounds of twelve independent multiply-accumulates that touch no memory; *macs how many those were. */
static int64_t time_peak(enum assay_isa isa, long loops, double *macs)
{
	int64_t start = now_ns();
	long n = loops;

	if (isa == ASSAY_ISA_AVX512VNNI)
		__asm__ volatile("1:\n\t" TWELVE(DOT512) "dec %0\n\tjnz 1b\n\tvzeroupper" : "+r"(n) : : REGISTERS);
	else
		__asm__ volatile("1:\n\t" TWELVE(DOT256) "dec %0\n\tjnz 1b\n\tvzeroupper" : "+r"(n) : : REGISTERS, "xmm13");
	*macs = (double)loops * 12 * (isa == ASSAY_ISA_AVX512VNNI ? 64 : 16);
	return now_ns() - start;
}
#endif

/* One short measurement, GMAC/s; 0 where no loop is written. */
static double measure_peak(enum assay_isa isa)
{
#if defined(__x86_64__)
	if (isa != ASSAY_ISA_SCALAR) {
		double macs;
		int64_t ns = time_peak(isa, 3000, &macs);
		return macs / (double)ns;
	}
#endif
	(void)isa;
	return 0;
}

static int compare_f64(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return x < y ? -1 : x > y;
}

/* Plain runs, runs with a clock read after each node, and the peak, in turn. Returns false without memory. */
static bool time_net(const struct assay__net *net, struct assay__plan *plan, int runs, struct times *times)
{
	int64_t *whole = malloc(sizeof(int64_t) * (size_t)runs);
	int64_t *nodes = malloc(sizeof(int64_t) * (size_t)runs * (size_t)net->node_count);
	double *peaks = malloc(sizeof(double) * (size_t)runs);
	struct assay__map maps[ASSAY__MAX_TAPS];
	bool done = whole && nodes && peaks;

	for (int r = 0; done && r < runs; r++) {
		int64_t start = now_ns();
		assay__plan_run(plan, maps);
		whole[r] = now_ns() - start;
		start = now_ns();
		for (int i = 0; i < net->node_count; i++) {
			assay__plan_run_node(plan, i);
			int64_t end = now_ns();
			nodes[i * runs + r] = end - start;
			start = end;
		}
		peaks[r] = measure_peak(net->kernels->isa);
	}
	if (done) {
		qsort(peaks, (size_t)runs, sizeof(peaks[0]), compare_f64);
		times->peak_gmacs = peaks[runs / 2];
		times->whole = quantile(whole, runs, 0.5);
		times->best = quantile(whole, runs, 0);
		times->p99 = quantile(whole, runs, 0.99);
		for (int i = 0; i < net->node_count; i++)
			times->nodes[i] = quantile(nodes + i * runs, runs, 0.5);
	}
	free(whole);
	free(nodes);
	free(peaks);
	return done;
}

static double node_macs(const struct assay__net *net, int index, int size_px)
{
	const struct assay__conv *conv = &net->nodes[index].conv;
	int side = size_px / net->tensors[net->nodes[index].dst].stride;
	return (double)side * side * conv->kernel * conv->kernel * conv->cin * conv->cout;
}

static double share(double gmacs, double peak)
{
	return peak > 0 ? gmacs / peak : 0;
}

static void print_text(const struct assay__net *net, const struct settings *set, const struct times *times, double macs,
					   size_t bytes)
{
	const char *isa = assay_isa_name(net->kernels->isa);

	printf("%s, %s, %d x %d, peak %.1f GMAC/s\n", net->name, isa, set->size_px, set->size_px, times->peak_gmacs);
	printf("  layer  shape                      us   GMAC/s  of peak\n");
	for (int i = 0; i < net->node_count; i++) {
		const struct assay__conv *conv = &net->nodes[i].conv;
		double gmacs = node_macs(net, i, set->size_px) / times->nodes[i];
		printf("  %5d  %dx%d/%d %4d -> %-4d %12.1f %8.1f %7.1f%%\n", i, conv->kernel, conv->kernel, conv->stride,
			   conv->cin, conv->cout, times->nodes[i] / 1e3, gmacs, 100 * share(gmacs, times->peak_gmacs));
	}
	double gmacs = macs / times->whole;
	printf("  whole: p50 %.3f ms, best %.3f ms, p99 %.3f ms, %.1f GMAC/s, %.1f%% of peak, workspace %zu bytes\n\n",
		   times->whole / 1e6, times->best / 1e6, times->p99 / 1e6, gmacs, 100 * share(gmacs, times->peak_gmacs),
		   bytes);
}

static void print_json(const struct assay__net *net, const struct settings *set, const struct times *times, double macs,
					   size_t bytes)
{
	printf("{\"network\": \"%s\", \"isa\": \"%s\", \"size_px\": %d, \"runs\": %d, \"macs\": %.0f, \"workspace_bytes\": "
		   "%zu, "
		   "\"peak_gmacs\": %.2f, \"p50_ms\": %.4f, \"best_ms\": %.4f, \"p99_ms\": %.4f, \"gmacs\": %.2f, \"of_peak\": "
		   "%.4f, \"layers\": [",
		   net->name, assay_isa_name(net->kernels->isa), set->size_px, set->runs, macs, bytes, times->peak_gmacs,
		   times->whole / 1e6, times->best / 1e6, times->p99 / 1e6, macs / times->whole,
		   share(macs / times->whole, times->peak_gmacs));
	for (int i = 0; i < net->node_count; i++) {
		const struct assay__conv *conv = &net->nodes[i].conv;
		double gmacs = node_macs(net, i, set->size_px) / times->nodes[i];
		printf("%s{\"kernel\": %d, \"stride\": %d, \"cin\": %d, \"cout\": %d, \"p50_us\": %.2f, \"gmacs\": %.2f, "
			   "\"of_peak\": %.4f}",
			   i ? ", " : "", conv->kernel, conv->stride, conv->cin, conv->cout, times->nodes[i] / 1e3, gmacs,
			   share(gmacs, times->peak_gmacs));
	}
	printf("]}\n");
}

static int bench_isa(const void *bytes, size_t size, enum assay_isa isa, const struct settings *set)
{
	struct assay_error error;
	struct assay__net *net = NULL;
	struct assay__plan *plan = NULL;
	struct times times;
	size_t row_bytes;

	int err = assay__net_open(bytes, size, isa, NULL, &net, &error);
	if (!err)
		err = assay__plan_open(net, set->size_px, set->size_px, NULL, &plan, &error);
	if (err) {
		fprintf(stderr, "bench_net: %s\n", error.message);
		assay__net_close(net);
		return 1;
	}
	uint8_t *input = assay__plan_input(plan, &row_bytes);
	for (int y = 0; y < set->size_px; y++)
		for (int x = 0; x < set->size_px * 4; x++)
			input[(size_t)y * row_bytes + (size_t)x] = (uint8_t)((x * 7 + y * 13) ^ (x * y >> 5));
	if (time_net(net, plan, isa == ASSAY_ISA_SCALAR ? 1 + set->runs / 100 : set->runs, &times)) {
		double macs = (double)assay__net_macs(net, set->size_px, set->size_px);
		(set->json ? print_json : print_text)(net, set, &times, macs, assay__plan_bytes(plan));
	}
	assay__plan_close(plan);
	assay__net_close(net);
	return 0;
}

/* The whole file, to be freed; NULL with a message otherwise. */
static void *read_file(const char *path, size_t *size)
{
	FILE *file = fopen(path, "rb");
	char *bytes = NULL;
	long end = -1;

	if (file && fseek(file, 0, SEEK_END) == 0 && (end = ftell(file)) >= 0 && fseek(file, 0, SEEK_SET) == 0)
		bytes = malloc((size_t)end + 1);
	if (bytes && fread(bytes, 1, (size_t)end, file) != (size_t)end) {
		free(bytes);
		bytes = NULL;
	}
	if (!bytes)
		fprintf(stderr, "bench_net: %s: %s\n", path, strerror(errno));
	if (file)
		fclose(file);
	*size = (size_t)end;
	return bytes;
}

static int usage(void)
{
	fprintf(stderr, "usage: bench_net [--json] [--net FILE] [--isa NAME] [--runs 1..%d] [--size PX]\n", MAX_RUNS);
	return 64;
}

int main(int argc, char **argv)
{
	struct settings set = {.runs = 200, .size_px = 256, .isa = ASSAY_ISA_BEST};

	for (int i = 1; i < argc; i++) {
		struct assay_error error;
		const char *value = i + 1 < argc ? argv[i + 1] : NULL;
		if (strcmp(argv[i], "--json") == 0) {
			set.json = true;
			continue;
		}
		i++;
		if (value && strcmp(argv[i - 1], "--net") == 0) {
			set.path = value;
		} else if (value && strcmp(argv[i - 1], "--runs") == 0) {
			set.runs = atoi(value);
		} else if (value && strcmp(argv[i - 1], "--size") == 0) {
			set.size_px = atoi(value);
		} else if (value && strcmp(argv[i - 1], "--isa") == 0) {
			if (assay_isa_from_name(value, &set.isa, &error)) {
				fprintf(stderr, "bench_net: %s\n", error.message);
				return 64;
			}
		} else {
			return usage();
		}
	}
	if (set.runs < 1 || set.runs > MAX_RUNS)
		return usage();

	size_t size;
	void *owned = set.path ? read_file(set.path, &size) : NULL;
	if (set.path && !owned)
		return 1;
	const void *bytes = set.path ? owned : assay__net_builtin(&size);
	int failed = 0;
	for (int isa = ASSAY_ISA_AVX512VNNI; isa >= ASSAY_ISA_SCALAR; isa--)
		if (assay__kernels_find((enum assay_isa)isa) && (set.isa == ASSAY_ISA_BEST || (int)set.isa == isa))
			failed |= bench_isa(bytes, size, (enum assay_isa)isa, &set);
	free(owned);
	return failed;
}
