/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/bench.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/parallel.h"
#include "vision/inspect.h"
#include "vision/net/peak.h"

#define RUNS_LEAST 3
#define RUNS_MOST 100000
/* About ten microseconds: long enough for the clock, short beside what it is compared with. */
#define PEAK_ROUNDS 3000
#define SOAK_WARM 100

enum { PREP, NETWORK, FEATURES, SEARCH, JUDGE };

const char *assay__bench_room_name(int room)
{
	static const char *const names[ASSAY__BENCH_ROOMS] = {"prep", "network", "features", "search", "judge"};

	return names[room];
}

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static double ms_since(int64_t *start_ns)
{
	int64_t now = now_ns();
	double ms = (double)(now - *start_ns) / 1e6;

	*start_ns = now;
	return ms;
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* Sorts. */
static struct assay__spread spread_of(double *values, int count)
{
	qsort(values, (size_t)count, sizeof(values[0]), compare_doubles);
	return (struct assay__spread){.min = values[0],
								  .p50 = values[(count - 1) / 2],
								  .p99 = values[(count * 99 + 99) / 100 - 1],
								  .max = values[count - 1]};
}

/* How many runs fill the time, going by one that has been made. */
static int runs_for(double seconds, double run_ms)
{
	double runs = seconds * 1e3 / fmax(run_ms, 1e-3);

	return runs < RUNS_LEAST ? RUNS_LEAST : runs > RUNS_MOST ? RUNS_MOST : (int)runs;
}

static int no_memory(struct assay_error *error)
{
	return assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory for measured times");
}

double assay__bench_rss_mb(void)
{
	long long total, resident = -1;
	FILE *file = fopen("/proc/self/statm", "r");

	if (file && fscanf(file, "%lld %lld", &total, &resident) != 2)
		resident = -1;
	if (file)
		fclose(file);
	return resident < 0 ? NAN : (double)resident * (double)sysconf(_SC_PAGESIZE) / 1e6;
}

double assay__bench_rss_peak_mb(void)
{
	struct rusage usage;

	/* the system brings its own peak up to date only now and then */
	return getrusage(RUSAGE_SELF, &usage) ? NAN : fmax((double)usage.ru_maxrss * 1024 / 1e6, assay__bench_rss_mb());
}

/* GMAC/s of one short run in registers. */
static double measure_peak(enum assay_isa isa)
{
	int64_t start = now_ns(), macs = assay__peak_run(isa, PEAK_ROUNDS);
	int64_t ns = now_ns() - start;

	return macs && ns > 0 ? (double)macs / (double)ns : NAN;
}

/* Whole runs, runs with a clock read after each layer, and the peak, in turn. times: (layers + 2) * runs. */
static void time_network(const struct assay__net *net, struct assay__plan *plan, int runs, int size_px, double *times,
						 struct assay__bench_kernels *out)
{
	struct assay__map maps[ASSAY__MAX_TAPS];
	double *whole = times, *peaks = times + runs, *layers = times + 2 * (size_t)runs;

	for (int r = 0; r < runs; r++) {
		int64_t start = now_ns();

		assay__plan_run(plan, maps);
		whole[r] = ms_since(&start);
		for (int i = 0; i < net->node_count; i++) {
			assay__plan_run_node(plan, i);
			layers[(size_t)i * (size_t)runs + (size_t)r] = ms_since(&start);
		}
		peaks[r] = measure_peak(net->kernels->isa);
	}
	out->whole = spread_of(whole, runs);
	out->gmacs = out->macs / 1e6 / out->whole.min;
	out->peak_gmacs = spread_of(peaks, runs).p50;
	out->layer_count = net->node_count;
	for (int i = 0; i < net->node_count; i++) {
		const struct assay__conv *conv = &net->nodes[i].conv;
		double ms = spread_of(layers + (size_t)i * (size_t)runs, runs).p50;

		out->layers[i] =
			(struct assay__bench_layer){.kernel = conv->kernel,
										.stride = conv->stride,
										.cin = conv->cin,
										.cout = conv->cout,
										.us_p50 = ms * 1e3,
										.gmacs = (double)assay__node_macs(net, i, size_px, size_px) / 1e6 / ms};
	}
}

static void draw_something(struct assay__plan *plan, int size_px)
{
	size_t row_bytes;
	uint8_t *input = assay__plan_input(plan, &row_bytes);

	for (int y = 0; y < size_px; y++)
		for (int x = 0; x < size_px * 4; x++)
			input[(size_t)y * row_bytes + (size_t)x] = (uint8_t)((x * 7 + y * 13) ^ (x * y >> 5));
}

int assay__bench_kernels(const void *network, size_t network_size_bytes, enum assay_isa isa, int size_px,
						 double seconds, struct assay__bench_kernels *out, struct assay_error *error)
{
	struct assay__map maps[ASSAY__MAX_TAPS];
	struct assay__net *net = NULL;
	struct assay__plan *plan = NULL;
	double *times = NULL;
	int rc = assay__net_open(network, network_size_bytes, isa, NULL, &net, error);

	if (!rc)
		rc = assay__plan_open(net, size_px, size_px, NULL, &plan, error);
	if (!rc) {
		int64_t start = now_ns();

		draw_something(plan, size_px);
		assay__plan_run(plan, maps);
		int runs = runs_for(seconds / 2, ms_since(&start));
		times = malloc(((size_t)net->node_count + 2) * (size_t)runs * sizeof(*times));
		if (times) {
			*out = (struct assay__bench_kernels){.isa = isa, .macs = (double)assay__net_macs(net, size_px, size_px)};
			time_network(net, plan, runs, size_px, times, out);
		} else {
			rc = no_memory(error);
		}
	}
	free(times);
	assay__plan_close(plan);
	assay__net_close(net);
	return rc;
}

/* One picture through the rooms, as assay_inspect walks: all scales together. */
static void walk(struct assay_worker *worker, const struct assay_image *image, double ms[ASSAY__BENCH_ROOMS])
{
	const struct assay_recipe *recipe = worker->recipe;
	struct assay__workspace *space = worker->space;
	const struct assay__scale_space *finest = assay__workspace_finest(space);
	struct assay_region regions[ASSAY_MAX_REGIONS];
	struct assay__map maps[ASSAY__MAX_TAPS];
	int total, counted;

	for (int i = 0; i < ASSAY__BENCH_ROOMS; i++)
		ms[i] = 0;
	int64_t start = now_ns();
	for (int s = 0; s < space->count; s++) {
		struct assay__scale_space *at = &space->at[s];

		assay__workspace_draw(space, s, image, ASSAY__LIGHT_ONE_Q12);
		ms[PREP] += ms_since(&start);
		assay__plan_run(at->plan, maps);
		ms[NETWORK] += ms_since(&start);
		assay__workspace_vectors(space, s, maps, space->vectors);
		ms[FEATURES] += ms_since(&start);
		assay__bank_nearest(recipe->scales.at[s].bank, space->vectors, at->live, at->d2, NULL);
		ms[SEARCH] += ms_since(&start);
		assay__judge_map(at->judge, at->d2, at->map);
		ms[JUDGE] += ms_since(&start);
	}
	if (assay__workspace_join(space) > recipe->threshold_q8)
		assay__judge_regions(finest->judge, space->map, recipe->threshold_q8, &finest->geometry.area, NULL, regions,
							 &total, &counted);
	assay__workspace_locate(space);
	ms[JUDGE] += ms_since(&start);
}

/* times: ASSAY__BENCH_ROOMS + 2 columns of `runs`. */
static int time_rooms(struct assay_worker *worker, const struct assay__bench_pictures *pictures, int runs,
					  double *times, struct assay__bench_rooms *out, struct assay_error *error)
{
	double *inspect = times, *scored = times + runs, *rooms = times + 2 * (size_t)runs;
	struct assay_result result;

	for (int r = 0; r < runs; r++) {
		const struct assay_image *image = &pictures->images[r % pictures->count];
		double ms[ASSAY__BENCH_ROOMS];
		int64_t start = now_ns();

		if (assay_inspect(worker, image, &result, error))
			return error->code;
		inspect[r] = ms_since(&start);
		walk(worker, image, ms);
		scored[r] = ms[NETWORK] + ms[FEATURES] + ms[SEARCH] + ms[JUDGE];
		for (int k = 0; k < ASSAY__BENCH_ROOMS; k++)
			rooms[(size_t)k * (size_t)runs + (size_t)r] = ms[k];
	}
	out->runs = runs;
	out->inspect = spread_of(inspect, runs);
	for (int k = 0; k < ASSAY__BENCH_ROOMS; k++)
		out->rooms[k] = spread_of(rooms + (size_t)k * (size_t)runs, runs);
	out->ratio = spread_of(scored, runs).min / out->rooms[NETWORK].min;
	return 0;
}

/* A worker that has judged every picture once: memory is in place, caches are warm. Returns what one took. */
static int open_warm(const struct assay_recipe *recipe, const struct assay__bench_pictures *pictures,
					 struct assay_worker **worker, double *ms, struct assay_error *error)
{
	struct assay_result result;
	int rc = assay_worker_open(recipe, worker, error);

	for (int i = 0; !rc && i < pictures->count; i++) {
		int64_t start = now_ns();

		rc = assay_inspect(*worker, &pictures->images[i], &result, error);
		*ms = ms_since(&start);
		if (!rc && result.verdict == ASSAY_FAULT)
			rc = assay__fail(error, result.fault.code, -1, "%s", result.fault.message);
	}
	return rc;
}

int assay__bench_rooms(const struct assay_recipe *recipe, const struct assay__bench_pictures *pictures, double seconds,
					   struct assay__bench_rooms *out, struct assay_error *error)
{
	struct assay_worker *worker = NULL;
	double ms, *times = NULL;
	int rc = open_warm(recipe, pictures, &worker, &ms, error);

	if (!rc) {
		int runs = runs_for(seconds / 2, ms);

		times = malloc((ASSAY__BENCH_ROOMS + 2) * (size_t)runs * sizeof(*times));
		rc = times ? time_rooms(worker, pictures, runs, times, out, error) : no_memory(error);
	}
	free(times);
	assay_worker_close(worker);
	return rc;
}

struct crew {
	const struct assay__bench_pictures *pictures;
	struct assay_worker **workers;
	int64_t end_ns;
	atomic_llong inspected;
	atomic_int rc;
};

static void inspect_until_the_end(void *arg, int index, int thread)
{
	struct crew *crew = arg;
	struct assay_result result;
	long long n = 0;

	(void)thread;
	for (; now_ns() < crew->end_ns && !atomic_load(&crew->rc); n++) {
		int rc = assay_inspect(crew->workers[index], &crew->pictures->images[n % crew->pictures->count], &result, NULL);
		if (rc)
			atomic_store(&crew->rc, rc);
	}
	atomic_fetch_add(&crew->inspected, n);
}

int assay__bench_cores(const struct assay_recipe *recipe, const struct assay__bench_pictures *pictures, int threads,
					   double seconds, double *images_per_s, struct assay_error *error)
{
	struct assay__parallel *parallel = NULL;
	struct crew crew = {.pictures = pictures, .workers = calloc((size_t)threads, sizeof(*crew.workers))};
	double ms;
	int rc = crew.workers ? assay__parallel_open(threads, NULL, &parallel, error) : no_memory(error);

	for (int i = 0; !rc && i < threads; i++)
		rc = open_warm(recipe, pictures, &crew.workers[i], &ms, error);
	if (!rc) {
		const struct assay_runner *runner = assay__parallel_runner(parallel);
		int64_t start = now_ns();

		crew.end_ns = start + (int64_t)(seconds * 1e9);
		runner->run(runner->ctx, threads, inspect_until_the_end, &crew);
		*images_per_s = (double)crew.inspected * 1e3 / ms_since(&start);
		if (crew.rc)
			rc = assay__fail(error, crew.rc, -1, "out of memory for an inspection");
	}
	assay__parallel_close(parallel);
	for (int i = 0; crew.workers && i < threads; i++)
		assay_worker_close(crew.workers[i]);
	free(crew.workers);
	return rc;
}

int assay__bench_soak(const struct assay_recipe *recipe, const struct assay__bench_pictures *pictures,
					  int64_t inspections, struct assay__bench_soak *out, struct assay_error *error)
{
	struct assay_worker *worker = NULL;
	struct assay_result result;
	double ms;
	int64_t start = now_ns();
	int rc = open_warm(recipe, pictures, &worker, &ms, error);

	*out = (struct assay__bench_soak){.inspections = inspections, .rss_mb_start = NAN};
	for (int64_t n = 0; !rc && n < inspections; n++) {
		rc = assay_inspect(worker, &pictures->images[n % pictures->count], &result, error);
		if (n == SOAK_WARM - 1)
			out->rss_mb_start = assay__bench_rss_mb();
	}
	out->rss_mb_end = assay__bench_rss_mb();
	out->seconds = ms_since(&start) / 1e3;
	assay_worker_close(worker);
	return rc;
}
