/* SPDX-License-Identifier: Apache-2.0 */
/* A network small enough for a seed file; the same bytes every time. */
#ifndef ASSAY_TESTS_FUZZ_TINY_NET_H
#define ASSAY_TESTS_FUZZ_TINY_NET_H

#include "../unit/net_builder.h"

/* free() what it returns */
static inline uint8_t *tiny_net(size_t *size)
{
	struct net_builder b;
	int first, second, third;

	net_builder_begin(&b, "tiny", 8, 7);
	first = net_builder_conv(&b, 0, &(struct net_conv){.cout = 8, .kernel = 3, .stride = 2, .residual = -1, .hi = 255});
	second =
		net_builder_conv(&b, first, &(struct net_conv){.cout = 8, .kernel = 3, .stride = 2, .residual = -1, .hi = 255});
	third = net_builder_conv(&b, second,
							 &(struct net_conv){.cout = 8, .kernel = 3, .stride = 1, .residual = second, .hi = 255});
	net_builder_tap(&b, third);
	third =
		net_builder_conv(&b, third, &(struct net_conv){.cout = 8, .kernel = 3, .stride = 2, .residual = -1, .hi = 255});
	net_builder_tap(&b, third);
	return net_builder_end(&b, size);
}

#endif
