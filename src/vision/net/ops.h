/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operations of imported networks beside the convolution, in plain C: every kernel_<name>.c includes this and so
 * compiles it for its own instruction set. Loops go over LANES channels at once, a number that compilers turn into
 * whole vectors; they read that far and store only what exists. Integers are exact and each float operation stands
 * alone, so that every compilation gives the same bits.
 */
#ifndef ASSAY_SRC_VISION_NET_OPS_H
#define ASSAY_SRC_VISION_NET_OPS_H

#include <assert.h>
#include <string.h>

#include "vision/net/kernel.h"

/* Not 16: loops that short are unrolled before they could become vectors. */
#define OPS_LANES 32
#define OPS_INLINE static inline __attribute__((always_inline))

/* Rounds to nearest even and adds the zero point: the sum is between 2^23 and 2^24, where floats are the integers. */
OPS_INLINE uint8_t ops_finish(float t, float lo, float hi, int32_t zero_point)
{
	t = t < lo ? lo : t;
	t = t > hi ? hi : t;
	return (uint8_t)((int32_t)(t + 12582912.0f) - 12582912 + zero_point);
}

OPS_INLINE void ops_store(uint8_t *dst, const uint8_t *y, int left)
{
	if (left >= OPS_LANES)
		memcpy(dst, y, OPS_LANES);
	else
		memcpy(dst, y, (size_t)left);
}

/* Bytes from one output pixel's window to the next. */
OPS_INLINE size_t ops_step(const struct assay__conv *conv)
{
	return (size_t)conv->stride * (size_t)assay__pixel_bytes(conv->cin);
}

#include "vision/net/op_depthwise.h"
#include "vision/net/op_elementwise.h"
#include "vision/net/op_pool.h"

static void run_other(enum assay__op op, const struct assay__conv *conv, const struct assay__conv_io *io)
{
	switch (op) {
	case ASSAY__DEPTHWISE:
		run_depthwise(conv, io);
		break;
	case ASSAY__MAX_POOL:
		run_max_pool(conv, io);
		break;
	case ASSAY__AVERAGE_POOL:
		run_average_pool(conv, io);
		break;
	case ASSAY__ADD:
		run_add(conv, io);
		break;
	case ASSAY__CONCAT:
		run_concat(conv, io);
		break;
	default:
		assert(!"an operation that net.c lets through");
	}
}

#endif
