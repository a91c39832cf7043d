/* SPDX-License-Identifier: Apache-2.0 */
/* How fast this machine is: kernels beside the peak of the core, rooms, whole inspections, cores together. */
#ifndef ASSAY_SRC_CLI_BENCH_H
#define ASSAY_SRC_CLI_BENCH_H

#include "assay/recipe.h"
#include "vision/net/network.h"

#define ASSAY__BENCH_ROOMS 5

/** Times of one thing done many times, in milliseconds. */
struct assay__spread {
	double min, p50, p99, max;
};

struct assay__bench_layer {
	int kernel, stride, cin, cout;
	double us_p50, gmacs;
};

/** The network by one instruction set, on one core. */
struct assay__bench_kernels {
	enum assay_isa isa;
	double peak_gmacs; /**< of this core in the same second; NaN where there is no vector instruction to measure */
	double macs;	   /**< of the whole network */
	struct assay__spread whole;
	double gmacs; /**< at its best */
	int layer_count;
	struct assay__bench_layer layers[ASSAY__MAX_TENSORS];
};

/** Inspections on one core. */
struct assay__bench_rooms {
	int runs;
	struct assay__spread rooms[ASSAY__BENCH_ROOMS], inspect;
	double ratio; /**< network, features, search and judge together to the network, each at its best: what else runs on
					   the machine hits the longest room most */
};

/** Pictures to inspect in turn. */
struct assay__bench_pictures {
	const struct assay_image *images;
	int count;
};

struct assay__bench_soak {
	int64_t inspections;
	double seconds;
	double rss_mb_start, rss_mb_end; /**< after the first hundred, and after all */
};

/** "prep", "network", "features", "search", "judge". */
const char *assay__bench_room_name(int room);

/** Resident memory now and at its peak, 10^6 bytes; NaN if the system does not tell. */
double assay__bench_rss_mb(void);
double assay__bench_rss_peak_mb(void);

/* Each takes about `seconds`; the machine should have nothing else to do. Errors: NOMEM, and those of what is run. */

int assay__bench_kernels(const void *network, size_t network_size_bytes, enum assay_isa isa, int size_px,
						 double seconds, struct assay__bench_kernels *out, struct assay_error *error);
int assay__bench_rooms(const struct assay_recipe *recipe, const struct assay__bench_pictures *pictures, double seconds,
					   struct assay__bench_rooms *out, struct assay_error *error);
/** Inspections a second of `threads` threads, each with a worker of its own. Errors also: IO (no such thread). */
int assay__bench_cores(const struct assay_recipe *recipe, const struct assay__bench_pictures *pictures, int threads,
					   double seconds, double *images_per_s, struct assay_error *error);
int assay__bench_soak(const struct assay_recipe *recipe, const struct assay__bench_pictures *pictures,
					  int64_t inspections, struct assay__bench_soak *out, struct assay_error *error);

#endif
