/* SPDX-License-Identifier: Apache-2.0 */
/* assay bench: what this machine does in a second. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "cli/bench.h"
#include "cli/cmd.h"
#include "cli/common.h"
#include "cli/fields.h"
#include "cli/teaching.h"
#include "station/source/virtual_line.h"
#include "vision/recipe.h"

#define SIZE_PX 256
#define GOOD 60
#define PICTURES 8
#define ISAS 8
/* Thread counts measured: all up to the first, then doubling. */
#define CORES_EACH 4
#define CORES_MOST 16

enum part { ALL, KERNELS, ROOMS, CORES };

struct settings {
	const char *recipe;
	double seconds;
	int threads, soak, part;
	bool json;
};

static const char *const part_words[] = {"all", "kernels", "rooms", "cores", NULL};

static const struct assay__option options[] = {
	{.name = "seconds",
	 .type = ASSAY__OPTION_DOUBLE,
	 .fallback = "1",
	 .min = 0.01,
	 .max = 3600,
	 .unit = "s",
	 .help = "how long each measurement takes",
	 .offset = offsetof(struct settings, seconds)},
	{.name = "recipe",
	 .type = ASSAY__OPTION_PATH,
	 .value = "PART.assay",
	 .help = "inspect with this recipe, its own reference pictures; without it, with one taught from the virtual line",
	 .offset = offsetof(struct settings, recipe)},
	{.name = "part",
	 .type = ASSAY__OPTION_WORD,
	 .words = part_words,
	 .fallback = "all",
	 .help = "measure only this: the network's layers, the rooms of an inspection, or cores together",
	 .offset = offsetof(struct settings, part)},
	{.name = "soak",
	 .type = ASSAY__OPTION_INT,
	 .fallback = "0",
	 .max = 1000000000,
	 .help = "then inspect this many times and tell memory at the start and at the end, which must be the same",
	 .offset = offsetof(struct settings, soak)},
	ASSAY__OPTION_JSON(struct settings, json, "print one JSON object, to be kept and compared"),
	ASSAY__OPTION_THREADS(struct settings, threads),
};

static const struct assay__command command = {
	.name = "bench",
	.usage = "[OPTION...]",
	.description = "Measures this machine. Kernels: the built-in network at 256 x 256 on one core, by every\n"
				   "set of kernels that the CPU has (or by ASSAY_ISA alone), layer by layer, beside the peak\n"
				   "that the same core shows in the same second with no memory to wait for. Rooms: one\n"
				   "inspection after the other on one core. Cores: 1, 2, ... threads, each with pictures of\n"
				   "its own. Let nothing else run meanwhile; what else runs is measured too.\n"
				   "\n"
				   "ratio_to_network: network, features, search and judge together to the network alone, each\n"
				   "at its best, because what else runs hits the longest room most.\n"
				   "GMAC/s and share of peak: of the whole network at its best, of a layer at its median.\n"
				   "efficiency: images a second to those of one thread times threads.\n"
				   "\n"
				   "JSON keys: version, network, network_hash, processors, seconds, kernels [isa,\n"
				   "peak_gmacs, ms_min, ms_p50, ms_p99, ms_max, gmacs, of_peak, layers [layer, kernel,\n"
				   "stride, cin, cout, us_p50, gmacs, of_peak]], recipe, teach_parts, teach_threads,\n"
				   "teach_s, picture_width, picture_height, working_width, working_height, bank_size,\n"
				   "feature_dim, isa, runs, rooms [room, ms_min, ms_p50, ms_p99, ms_max], inspect_ms_min,\n"
				   "inspect_ms_p50, inspect_ms_p99, inspect_ms_max, ratio_to_network, cores [threads,\n"
				   "images_per_s, efficiency], workspace_bytes, rss_mb, rss_peak_mb, soak, soak_s,\n"
				   "soak_rss_mb_start, soak_rss_mb_end. What was not measured is left out.\n"
				   "\n"
				   "Exit status: 0; 2 the recipe or the network cannot be used; 64 usage; 70 out of memory;\n"
				   "74 output.",
	.options = options,
	.option_count = (int)(sizeof(options) / sizeof(options[0])),
	.args_min = 0,
	.args_max = 0,
};

struct cores {
	int threads;
	double images_per_s;
};

struct bench {
	const struct settings *settings;
	const struct assay__setup *setup;
	const void *network;
	size_t network_size_bytes;
	struct assay__bench_kernels kernels[ISAS]; /* the best first */
	int kernel_count;
	struct assay_recipe *recipe;
	struct assay_recipe_info info;
	double teach_s; /* with the default recipe */
	struct assay_image images[PICTURES];
	struct assay__bench_pictures pictures;
	struct assay__bench_rooms rooms;
	struct cores cores[CORES_MOST];
	int core_count;
	struct assay__bench_soak soak;
};

static bool wants(const struct bench *bench, enum part part)
{
	return bench->settings->part == ALL || bench->settings->part == (int)part;
}

static bool wants_recipe(const struct bench *bench)
{
	return wants(bench, ROOMS) || wants(bench, CORES) || bench->settings->soak > 0;
}

static int load_good(void *ctx, int index, const struct assay_allocator *allocator, struct assay_image *image,
					 struct assay_error *error)
{
	const struct assay_image *good = (const struct assay_image *)ctx + index;
	struct assay_image copy;
	int rc =
		assay_image_create(good->width_px, good->height_px, good->channels, good->depth_bits, allocator, &copy, error);

	if (rc)
		return rc;
	for (int y = 0; y < good->height_px; y++)
		memcpy(copy.pixels + (size_t)y * copy.stride_bytes, good->pixels + (size_t)y * good->stride_bytes,
			   (size_t)good->width_px * (size_t)good->channels);
	*image = copy;
	return 0;
}

static const char *name_good(void *ctx, int index)
{
	(void)ctx;
	(void)index;
	return "a part of the virtual line";
}

/* Parts first.. of the virtual line. On failure some are filled. */
static int render(const struct assay__virtual_line *line, int first, int count, struct assay_image *images,
				  struct assay_error *error)
{
	int rc = 0;

	for (int i = 0; !rc && i < count; i++) {
		rc = assay_image_create(SIZE_PX, SIZE_PX, 1, 8, NULL, &images[i], error);
		if (!rc)
			rc = assay__virtual_render(line, (uint64_t)(first + i), NULL, &images[i], NULL, NULL, error);
	}
	return rc;
}

/* From parts of the virtual line, of the size that the network sees, rendered before the clock starts. */
static int teach_default(struct bench *bench, struct assay_error *error)
{
	struct assay__virtual_options options_line = {.seed = 1, .width_px = SIZE_PX, .height_px = SIZE_PX};
	struct assay__virtual_line *line;
	struct assay_image goods[GOOD] = {{0}};
	int rc = assay__virtual_open(&options_line, NULL, &line, error);

	if (rc)
		return rc;
	rc = render(line, 0, GOOD, goods, error);
	bench->pictures.count = PICTURES;
	if (!rc)
		rc = render(line, GOOD, PICTURES, bench->images, error);
	assay__virtual_close(line);
	if (!rc) {
		struct assay_parts parts = {GOOD, load_good, name_good, goods};
		int64_t start_us = assay__clock_us();

		rc = assay_teach(&bench->setup->env, NULL, &parts, bench->setup->runner, NULL, &bench->recipe, NULL, error);
		bench->teach_s = (double)(assay__clock_us() - start_us) / 1e6;
	}
	for (int i = 0; i < GOOD; i++)
		assay_image_free(&goods[i], NULL);
	return rc;
}

static int load_golden(struct bench *bench, struct assay_error *error)
{
	int rc = 0;

	for (int i = 0; !rc && i < ASSAY__GOLDEN_COUNT; i++) {
		const struct assay__golden *golden = &bench->recipe->golden[i];
		rc = assay_image_decode(golden->png, golden->png_size, NULL, &bench->images[i], error);
		bench->pictures.count += !rc;
	}
	return rc;
}

/* Returns 0 or the exit status, after saying why. */
static int get_recipe(struct bench *bench)
{
	struct assay_error error;
	int rc;

	if (bench->settings->recipe) {
		int status = assay__recipe_use(bench->setup, bench->settings->recipe, &bench->recipe);
		if (status)
			return status;
		rc = load_golden(bench, &error);
	} else {
		rc = teach_default(bench, &error);
	}
	if (rc)
		return assay__say_error(&error);
	assay_recipe_get_info(bench->recipe, &bench->info);
	return 0;
}

static int measure_kernels(struct bench *bench, struct assay_error *error)
{
	const struct assay_env *env = &bench->setup->env;
	enum assay_isa best = env->isa == ASSAY_ISA_BEST ? assay_isa_best() : env->isa;
	int rc = assay__bench_kernels(bench->network, bench->network_size_bytes, best, SIZE_PX, bench->settings->seconds,
								  &bench->kernels[0], error);

	bench->kernel_count = 1;
	if (env->isa != ASSAY_ISA_BEST)
		return rc;
	for (int isa = ASSAY_ISA_SCALAR; !rc && isa < ISAS; isa++)
		if (isa != (int)best && assay__kernels_find((enum assay_isa)isa))
			rc = assay__bench_kernels(bench->network, bench->network_size_bytes, (enum assay_isa)isa, SIZE_PX,
									  bench->settings->seconds, &bench->kernels[bench->kernel_count++], error);
	return rc;
}

static int measure_cores(struct bench *bench, struct assay_error *error)
{
	int most = bench->setup->threads, rc = 0;

	for (int n = 1; !rc && n <= most && bench->core_count < CORES_MOST;) {
		struct cores *cores = &bench->cores[bench->core_count++];

		cores->threads = n;
		rc = assay__bench_cores(bench->recipe, &bench->pictures, n, bench->settings->seconds, &cores->images_per_s,
								error);
		int next = n < CORES_EACH ? n + 1 : 2 * n;
		n = n < most && next > most ? most : next;
	}
	return rc;
}

static int measure(struct bench *bench)
{
	const struct settings *settings = bench->settings;
	struct assay_error error;
	int rc = wants(bench, KERNELS) ? measure_kernels(bench, &error) : 0;

	if (!rc && wants_recipe(bench)) {
		int status = get_recipe(bench);
		if (status)
			return status;
	}
	if (!rc && wants(bench, ROOMS))
		rc = assay__bench_rooms(bench->recipe, &bench->pictures, settings->seconds, &bench->rooms, &error);
	if (!rc && wants(bench, CORES))
		rc = measure_cores(bench, &error);
	if (!rc && settings->soak > 0)
		rc = assay__bench_soak(bench->recipe, &bench->pictures, settings->soak, &bench->soak, &error);
	return rc ? assay__say_error(&error) : 0;
}

static double efficiency(const struct bench *bench, const struct cores *cores)
{
	return cores->images_per_s / bench->cores[0].images_per_s / cores->threads;
}

static void print_share(double gmacs, double peak)
{
	printf("%9.1f", gmacs);
	if (isnan(peak))
		printf("%9s\n", "-");
	else
		printf("%8.1f%%\n", 100 * gmacs / peak);
}

static void print_kernels(const struct bench *bench)
{
	const struct assay__bench_kernels *best = &bench->kernels[0];

	printf("network, %d x %d px, one core, %.0f MMAC\n\n", SIZE_PX, SIZE_PX, best->macs / 1e6);
	printf("  %-12s %10s %9s %9s %9s %8s %8s\n", "kernels", "peak", "ms min", "ms p50", "ms p99", "GMAC/s", "of peak");
	for (int i = 0; i < bench->kernel_count; i++) {
		const struct assay__bench_kernels *k = &bench->kernels[i];
		printf("  %-12s ", assay_isa_name(k->isa));
		if (isnan(k->peak_gmacs))
			printf("%10s", "-");
		else
			printf("%10.1f", k->peak_gmacs);
		printf(" %9.3f %9.3f %9.3f", k->whole.min, k->whole.p50, k->whole.p99);
		print_share(k->gmacs, k->peak_gmacs);
	}
	printf("\n  %-6s %-20s %9s %8s %8s   %s\n", "layer", "shape", "us p50", "GMAC/s", "of peak",
		   assay_isa_name(best->isa));
	for (int i = 0; i < best->layer_count; i++) {
		const struct assay__bench_layer *layer = &best->layers[i];
		char shape[40];
		snprintf(shape, sizeof(shape), "%dx%d/%d  %d -> %d", layer->kernel, layer->kernel, layer->stride, layer->cin,
				 layer->cout);
		printf("  %-6d %-20s %9.1f", i, shape, layer->us_p50);
		print_share(layer->gmacs, best->peak_gmacs);
	}
	putchar('\n');
}

static void print_spread(const char *name, const struct assay__spread *spread)
{
	printf("  %-12s %9.3f %9.3f %9.3f %9.3f\n", name, spread->min, spread->p50, spread->p99, spread->max);
}

static void print_rooms(const struct bench *bench)
{
	const struct assay__bench_rooms *rooms = &bench->rooms;
	char sizes[100];

	assay__scales_text(&bench->info, sizes);
	printf("one inspection, one core: %d x %d px, judged at %s, banks of %d x %d, %d runs\n\n",
		   bench->info.image_width_px, bench->info.image_height_px, sizes, bench->info.report.bank_size,
		   bench->info.feature_dim, rooms->runs);
	printf("  %-12s %9s %9s %9s %9s\n", "room", "ms min", "ms p50", "ms p99", "ms max");
	for (int i = 0; i < ASSAY__BENCH_ROOMS; i++)
		print_spread(assay__bench_room_name(i), &rooms->rooms[i]);
	print_spread("whole", &rooms->inspect);
	printf("\n  network, features, search and judge take %.3f times the network alone\n\n", rooms->ratio);
}

static void print_text(const struct bench *bench, const struct assay__net_info *network)
{
	int processors = assay__parallel_cpus();

	printf("assay %s, network %s, %d processor%s\n\n", ASSAY_VERSION, network->name, processors,
		   processors == 1 ? "" : "s");
	if (wants(bench, KERNELS))
		print_kernels(bench);
	if (bench->recipe && !bench->settings->recipe)
		printf("taught from %d good parts of %d x %d px in %.2f s by %d thread%s\n\n", GOOD, SIZE_PX, SIZE_PX,
			   bench->teach_s, bench->setup->threads, bench->setup->threads == 1 ? "" : "s");
	if (wants(bench, ROOMS))
		print_rooms(bench);
	if (wants(bench, CORES)) {
		printf("  %-12s %12s %12s\n", "threads", "images/s", "efficiency");
		for (int i = 0; i < bench->core_count; i++)
			printf("  %-12d %12.1f %11.1f%%\n", bench->cores[i].threads, bench->cores[i].images_per_s,
				   100 * efficiency(bench, &bench->cores[i]));
		putchar('\n');
	}
	if (bench->soak.inspections)
		printf("  %lld inspections in %.1f s: resident memory %.2f MB at the start, %.2f MB at the end\n\n",
			   (long long)bench->soak.inspections, bench->soak.seconds, bench->soak.rss_mb_start,
			   bench->soak.rss_mb_end);
	printf("memory: ");
	if (bench->recipe)
		printf("%.1f MB for each thread, ", (double)bench->info.workspace_bytes / 1e6);
	printf("%.1f MB resident, %.1f MB at the peak\n", assay__bench_rss_mb(), assay__bench_rss_peak_mb());
}

static void write_spread(struct assay__json *json, const struct assay__spread *spread)
{
	assay__field_double(json, "ms_min", spread->min);
	assay__field_double(json, "ms_p50", spread->p50);
	assay__field_double(json, "ms_p99", spread->p99);
	assay__field_double(json, "ms_max", spread->max);
}

static void write_kernels(struct assay__json *json, const struct assay__bench_kernels *k)
{
	assay__json_object(json);
	assay__field_text(json, "isa", assay_isa_name(k->isa));
	assay__field_double(json, "peak_gmacs", k->peak_gmacs);
	write_spread(json, &k->whole);
	assay__field_double(json, "gmacs", k->gmacs);
	assay__field_double(json, "of_peak", k->gmacs / k->peak_gmacs);
	assay__json_key(json, "layers");
	assay__json_array(json);
	for (int i = 0; i < k->layer_count; i++) {
		const struct assay__bench_layer *layer = &k->layers[i];
		assay__json_object(json);
		assay__field_int(json, "layer", i);
		assay__field_int(json, "kernel", layer->kernel);
		assay__field_int(json, "stride", layer->stride);
		assay__field_int(json, "cin", layer->cin);
		assay__field_int(json, "cout", layer->cout);
		assay__field_double(json, "us_p50", layer->us_p50);
		assay__field_double(json, "gmacs", layer->gmacs);
		assay__field_double(json, "of_peak", layer->gmacs / k->peak_gmacs);
		assay__json_object_end(json);
	}
	assay__json_array_end(json);
	assay__json_object_end(json);
}

static void write_rooms(struct assay__json *json, const struct assay__bench_rooms *rooms)
{
	assay__field_int(json, "runs", rooms->runs);
	assay__json_key(json, "rooms");
	assay__json_array(json);
	for (int i = 0; i < ASSAY__BENCH_ROOMS; i++) {
		assay__json_object(json);
		assay__field_text(json, "room", assay__bench_room_name(i));
		write_spread(json, &rooms->rooms[i]);
		assay__json_object_end(json);
	}
	assay__json_array_end(json);
	assay__field_double(json, "inspect_ms_min", rooms->inspect.min);
	assay__field_double(json, "inspect_ms_p50", rooms->inspect.p50);
	assay__field_double(json, "inspect_ms_p99", rooms->inspect.p99);
	assay__field_double(json, "inspect_ms_max", rooms->inspect.max);
	assay__field_double(json, "ratio_to_network", rooms->ratio);
}

static void write_recipe(struct assay__json *json, const struct bench *bench)
{
	const struct assay_recipe_info *info = &bench->info;

	assay__field_text(json, "recipe", bench->settings->recipe);
	if (!bench->settings->recipe) {
		assay__field_int(json, "teach_parts", GOOD);
		assay__field_int(json, "teach_threads", bench->setup->threads);
		assay__field_double(json, "teach_s", bench->teach_s);
	}
	assay__field_int(json, "picture_width", info->image_width_px);
	assay__field_int(json, "picture_height", info->image_height_px);
	assay__field_int(json, "working_width", info->working_width_px);
	assay__field_int(json, "working_height", info->working_height_px);
	assay__field_int(json, "bank_size", info->report.bank_size);
	assay__field_int(json, "feature_dim", info->feature_dim);
	assay__field_text(json, "isa", assay_isa_name(bench->recipe->net_info.isa));
	if (wants(bench, ROOMS))
		write_rooms(json, &bench->rooms);
	if (wants(bench, CORES)) {
		assay__json_key(json, "cores");
		assay__json_array(json);
		for (int i = 0; i < bench->core_count; i++) {
			assay__json_object(json);
			assay__field_int(json, "threads", bench->cores[i].threads);
			assay__field_double(json, "images_per_s", bench->cores[i].images_per_s);
			assay__field_double(json, "efficiency", efficiency(bench, &bench->cores[i]));
			assay__json_object_end(json);
		}
		assay__json_array_end(json);
	}
	assay__field_int(json, "workspace_bytes", (int64_t)info->workspace_bytes);
}

static int print_json(const struct bench *bench, const struct assay__net_info *network)
{
	struct assay__json json;

	assay__json_open(&json, NULL);
	assay__json_object(&json);
	assay__field_text(&json, "version", ASSAY_VERSION);
	assay__field_text(&json, "network", network->name);
	assay__field_hex(&json, "network_hash", network->hash, sizeof(network->hash));
	assay__field_int(&json, "processors", assay__parallel_cpus());
	assay__field_double(&json, "seconds", bench->settings->seconds);
	if (wants(bench, KERNELS)) {
		assay__json_key(&json, "kernels");
		assay__json_array(&json);
		for (int i = 0; i < bench->kernel_count; i++)
			write_kernels(&json, &bench->kernels[i]);
		assay__json_array_end(&json);
	}
	if (bench->recipe)
		write_recipe(&json, bench);
	assay__field_double(&json, "rss_mb", assay__bench_rss_mb());
	assay__field_double(&json, "rss_peak_mb", assay__bench_rss_peak_mb());
	if (bench->soak.inspections) {
		assay__field_int(&json, "soak", bench->soak.inspections);
		assay__field_double(&json, "soak_s", bench->soak.seconds);
		assay__field_double(&json, "soak_rss_mb_start", bench->soak.rss_mb_start);
		assay__field_double(&json, "soak_rss_mb_end", bench->soak.rss_mb_end);
	}
	assay__json_object_end(&json);
	int status = assay__fields_print(&json);
	assay__json_close(&json);
	return status;
}

/* The name and hash of the network, told before anything is measured, so that a bad one fails at once. */
static int run(struct bench *bench)
{
	const struct assay_env *env = &bench->setup->env;
	struct assay__net_info network;
	struct assay__net *net;
	struct assay_error error;

	bench->network = env->network;
	bench->network_size_bytes = env->network_size_bytes;
	if (!env->network)
		bench->network = assay__net_builtin(&bench->network_size_bytes);
	if (assay__net_open(bench->network, bench->network_size_bytes, env->isa, NULL, &net, &error))
		return assay__say_error(&error);
	assay__net_get_info(net, &network);
	bench->pictures.images = bench->images;
	int status = measure(bench);
	if (!status && bench->settings->json)
		status = print_json(bench, &network);
	else if (!status)
		print_text(bench, &network);
	for (int i = 0; i < bench->pictures.count; i++)
		assay_image_free(&bench->images[i], NULL);
	assay_recipe_close(bench->recipe);
	assay__net_close(net);
	return status;
}

int assay__cmd_bench(int argc, char **argv)
{
	struct settings settings = {0};
	struct assay__setup setup;
	int count, status = assay__command_parse(&command, argc, argv, &settings, &count);

	if (status >= 0)
		return status;
	status = assay__setup_open(&setup, settings.threads);
	if (status)
		return status;
	struct bench *bench = calloc(1, sizeof(*bench));
	if (bench) {
		bench->settings = &settings;
		bench->setup = &setup;
		status = run(bench);
	} else {
		assay__say("out of memory");
		status = ASSAY__EXIT_INTERNAL;
	}
	free(bench);
	assay__setup_close(&setup);
	return assay__finish_output(status);
}
