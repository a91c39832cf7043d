/* SPDX-License-Identifier: Apache-2.0 */
/* The parsed network, shared by net.c and plan.c (and the benchmark, which times single layers). */
#ifndef ASSAY_SRC_VISION_NET_NETWORK_H
#define ASSAY_SRC_VISION_NET_NETWORK_H

#include "vision/net/kernel.h"
#include "vision/net/net.h"

#define ASSAY__MAX_TENSORS 128
#define ASSAY__MAX_CHANNELS 1024
#define ASSAY__MAX_ALIGN 256

struct assay__tensor {
	int channels, stride, zero_point;
};

struct assay__node {
	enum assay__op op;
	struct assay__conv conv; /**< of whatever operation */
	int src, dst, residual;	 /**< tensors; residual -1: none */
	int border;				 /**< net.h's 0 or 1 */
	int pad;				 /**< windows begin this many pixels before the output's own */
};

struct assay__net {
	const struct assay_allocator *allocator;
	const struct assay__kernels *kernels;
	char name[33];
	uint8_t hash[32];
	int align;
	int tensor_count, node_count, tap_count;
	struct assay__tensor tensors[ASSAY__MAX_TENSORS];
	struct assay__node nodes[ASSAY__MAX_TENSORS];
	int taps[ASSAY__MAX_TAPS];
	uint16_t gains[ASSAY__MAX_TAPS][ASSAY__MAX_CHANNELS];
	void *memory; /**< everything the nodes point at */
};

/** Multiply-accumulates of one node for an image of width x height; only convolutions count. */
int64_t assay__node_macs(const struct assay__net *net, int node, int width, int height);
/** Runs one node of the plan alone, on whatever its inputs hold. */
void assay__plan_run_node(struct assay__plan *plan, int node);

#endif
