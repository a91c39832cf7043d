/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One image size, one thread: where each tensor lies in the workspace, and the run through the nodes.
 * A tensor is NHWC with one pixel of border, so that no kernel knows of edges; tensors that are never needed at the
 * same time share memory. A node that wants more border, or another kind than its input's first reader, gets a few rows
 * at a time copied with what it wants around them.
 */
#include <assert.h>
#include <string.h>

#include "base/err.h"
#include "vision/net/network.h"

#define MAX_SIDE_PX 8192
#define MAX_WORKSPACE_BYTES ((size_t)2 << 30)
#define BUFFER_ALIGN 64
/* Rows of output that are made of one copy of the input. */
#define STRIP_ROWS 8
#define NO_BORDER -1

/* A tensor's place; pixel (x, y) is at origin + y * row_bytes + x * pixel_bytes, x and y from -1. */
struct buffer {
	size_t offset, size;
	size_t row_bytes, pixel_bytes;
	int width, height;
	int born, dies; /* the node that makes it (the image: -1) and the last one that reads it */
	int border;		/* net.h's, as the first node that looks one pixel past the edge wants it, or NO_BORDER */
	uint8_t *origin;
};

struct assay__plan {
	const struct assay__net *net;
	const struct assay_allocator *allocator;
	size_t bytes;  /* of the workspace */
	bool borrowed; /* the workspace is another plan's */
	uint8_t *workspace, *scratch, *strip;
	struct buffer buffers[ASSAY__MAX_TENSORS];
};

/* Is the one pixel around src enough? */
static bool runs_in_place(const struct assay__node *node, const struct buffer *src)
{
	return node->conv.kernel == 1 || (node->conv.kernel <= 3 && node->border == src->border);
}

static void find_lives(const struct assay__net *net, struct buffer *buffers)
{
	for (int i = 0; i < net->tensor_count; i++) {
		buffers[i].born = buffers[i].dies = -1;
		buffers[i].border = NO_BORDER;
	}
	for (int i = 0; i < net->node_count; i++) {
		const struct assay__node *node = &net->nodes[i];
		buffers[node->dst].born = buffers[node->dst].dies = i;
		buffers[node->src].dies = i;
		if (node->conv.kernel > 1 && node->conv.kernel <= 3 && buffers[node->src].border == NO_BORDER)
			buffers[node->src].border = node->border;
		if (node->residual >= 0)
			buffers[node->residual].dies = i;
	}
	for (int i = 0; i < net->tap_count; i++)
		buffers[net->taps[i]].dies = net->node_count;
}

/* Kernels read whole tiles of pixels at a stride of up to 2, and whole vectors of the last one. */
static size_t slack_bytes(size_t pixel_bytes)
{
	return 2 * ASSAY__TILE_PIXELS * pixel_bytes + 64;
}

static size_t round_up(size_t size)
{
	return (size + BUFFER_ALIGN - 1) & ~(size_t)(BUFFER_ALIGN - 1);
}

static void find_shape(const struct assay__tensor *tensor, int width, int height, struct buffer *buffer)
{
	buffer->width = width / tensor->stride;
	buffer->height = height / tensor->stride;
	buffer->pixel_bytes = (size_t)assay__pixel_bytes(tensor->channels);
	buffer->row_bytes = ((size_t)buffer->width + 2) * buffer->pixel_bytes;
	buffer->size = round_up(((size_t)buffer->height + 2) * buffer->row_bytes + slack_bytes(buffer->pixel_bytes));
}

/* The lowest offset at which buffer meets no placed one that lives at the same time. */
static size_t find_gap(const struct buffer *buffer, const struct buffer *buffers, const int *placed, int count)
{
	size_t offset = 0;

	for (int i = 0; i < count; i++) {
		const struct buffer *other = &buffers[placed[i]];
		bool together = other->born <= buffer->dies && buffer->born <= other->dies;
		if (together && offset < other->offset + other->size && other->offset < offset + buffer->size) {
			offset = other->offset + other->size;
			i = -1; /* the new place may meet one already passed; offset only grows, so this ends */
		}
	}
	return offset;
}

/* Largest first, each in the lowest gap. Returns the bytes needed. */
static size_t place_buffers(struct buffer *buffers, int count)
{
	int placed[ASSAY__MAX_TENSORS];
	bool done[ASSAY__MAX_TENSORS] = {false};
	size_t end = 0;

	for (int n = 0; n < count; n++) {
		int pick = -1;
		for (int i = 0; i < count; i++)
			if (!done[i] && (pick < 0 || buffers[i].size > buffers[pick].size))
				pick = i;
		struct buffer *buffer = &buffers[pick];
		buffer->offset = find_gap(buffer, buffers, placed, n);
		if (buffer->offset + buffer->size > end)
			end = buffer->offset + buffer->size;
		placed[n] = pick;
		done[pick] = true;
	}
	return end;
}

static size_t largest_scratch(const struct assay__net *net, const struct buffer *buffers)
{
	size_t largest = 0;

	for (int i = 0; i < net->node_count; i++) {
		const struct assay__node *node = &net->nodes[i];
		if (node->op != ASSAY__CONV)
			continue;
		size_t size = round_up(net->kernels->scratch_bytes(&node->conv, buffers[node->dst].width));
		if (size > largest)
			largest = size;
	}
	return largest;
}

static size_t strip_row_bytes(const struct assay__node *node, const struct buffer *src)
{
	return (size_t)(src->width + node->conv.kernel) * src->pixel_bytes;
}

static size_t largest_strip(const struct assay__net *net, const struct buffer *buffers)
{
	size_t largest = 0;

	for (int i = 0; i < net->node_count; i++) {
		const struct assay__node *node = &net->nodes[i];
		const struct buffer *src = &buffers[node->src];
		if (runs_in_place(node, src))
			continue;
		const int rows = (STRIP_ROWS - 1) * node->conv.stride + node->conv.kernel;
		size_t size = (size_t)rows * strip_row_bytes(node, src) + slack_bytes(src->pixel_bytes);
		if (size > largest)
			largest = size;
	}
	return largest;
}

int assay__plan_open(const struct assay__net *net, int width, int height, const struct assay_allocator *allocator,
					 struct assay__plan **out, struct assay_error *error)
{
	return assay__plan_open_beside(net, width, height, NULL, allocator, out, error);
}

int assay__plan_open_beside(const struct assay__net *net, int width, int height, const struct assay__plan *lender,
							const struct assay_allocator *allocator, struct assay__plan **out,
							struct assay_error *error)
{
	if (width < 1 || height < 1 || width > MAX_SIDE_PX || height > MAX_SIDE_PX || width % net->align != 0 ||
		height % net->align != 0)
		return assay__fail(error, ASSAY_E_ARGUMENT, -1,
						   "the network cannot take %d x %d pixels; each side must be a multiple of %d up to %d", width,
						   height, net->align, MAX_SIDE_PX);

	struct assay__plan *plan = assay__calloc(allocator, 1, sizeof(*plan));
	if (!plan)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for a plan");
	plan->net = net;
	plan->allocator = allocator;
	find_lives(net, plan->buffers);
	for (int i = 0; i < net->tensor_count; i++)
		find_shape(&net->tensors[i], width, height, &plan->buffers[i]);
	size_t maps = place_buffers(plan->buffers, net->tensor_count);
	size_t scratch = largest_scratch(net, plan->buffers);
	size_t bytes = maps + scratch + largest_strip(net, plan->buffers);
	plan->borrowed = lender && lender->bytes >= bytes;
	if (plan->borrowed)
		plan->workspace = lender->workspace;
	else
		plan->workspace = bytes <= MAX_WORKSPACE_BYTES ? assay__alloc_aligned(allocator, bytes) : NULL;
	if (!plan->workspace) {
		assay__plan_close(plan);
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for a workspace of %zu bytes, for %d x %d pixels",
						   bytes, width, height);
	}
	if (!plan->borrowed)
		memset(plan->workspace, 0, bytes);
	plan->bytes = bytes;
	plan->scratch = plan->workspace + maps;
	plan->strip = plan->scratch + scratch;
	for (int i = 0; i < net->tensor_count; i++) {
		struct buffer *buffer = &plan->buffers[i];
		buffer->origin = plan->workspace + buffer->offset + buffer->row_bytes + buffer->pixel_bytes;
	}
	*out = plan;
	return 0;
}

void assay__plan_close(struct assay__plan *plan)
{
	if (!plan)
		return;
	if (!plan->borrowed)
		assay__free_aligned(plan->allocator, plan->workspace);
	assay__free(plan->allocator, plan);
}

size_t assay__plan_bytes(const struct assay__plan *plan)
{
	return sizeof(*plan) + (plan->borrowed ? 0 : plan->bytes);
}

uint8_t *assay__plan_input(struct assay__plan *plan, size_t *row_bytes)
{
	*row_bytes = plan->buffers[0].row_bytes;
	return plan->buffers[0].origin;
}

/* Repeats the outermost pixels into the border, corners too. */
static void repeat_border(const struct buffer *buffer)
{
	const size_t pixel = buffer->pixel_bytes, row = buffer->row_bytes;
	uint8_t *first = buffer->origin - pixel, *last = first + (size_t)(buffer->height - 1) * row;

	for (int y = 0; y < buffer->height; y++) {
		uint8_t *left = first + (size_t)y * row, *right = left + row - pixel;
		memcpy(left, left + pixel, pixel);
		memcpy(right, right - pixel, pixel);
	}
	memcpy(first - row, first, row);
	memcpy(last + row, last, row);
}

static void fill_border(const struct buffer *buffer, int zero_point)
{
	const size_t pixel = buffer->pixel_bytes, row = buffer->row_bytes;
	uint8_t *first = buffer->origin - pixel;

	if (buffer->border == 0)
		repeat_border(buffer);
	if (buffer->border != 1)
		return;
	for (int y = 0; y < buffer->height; y++) {
		memset(first + (size_t)y * row, zero_point, pixel);
		memset(first + (size_t)(y + 1) * row - pixel, zero_point, pixel);
	}
	memset(first - row, zero_point, row);
	memset(first + (size_t)buffer->height * row, zero_point, row);
}

static int nearest(int y, int height)
{
	return y < 0 ? 0 : y >= height ? height - 1 : y;
}

/* The rows under `rows` rows of output from y0, with all the border that their windows see. */
static void copy_strip(const struct assay__node *node, const struct buffer *src, int y0, int rows, uint8_t *strip)
{
	const size_t pixel = src->pixel_bytes, row_bytes = strip_row_bytes(node, src);
	const int first = y0 * node->conv.stride - node->pad, count = (rows - 1) * node->conv.stride + node->conv.kernel;
	const int after = node->conv.kernel - node->pad;

	for (int y = first; y < first + count; y++, strip += row_bytes) {
		const uint8_t *in = src->origin + (size_t)nearest(y, src->height) * src->row_bytes;
		uint8_t *out = strip + (size_t)node->pad * pixel, *end = out + (size_t)src->width * pixel;

		if (node->border == 1)
			memset(strip, node->conv.src_zero_point, row_bytes);
		if (node->border == 1 && (y < 0 || y >= src->height))
			continue;
		memcpy(out, in, (size_t)src->width * pixel);
		for (int i = 0; node->border == 0 && i < node->pad; i++)
			memcpy(strip + (size_t)i * pixel, out, pixel);
		for (int i = 0; node->border == 0 && i < after; i++)
			memcpy(end + (size_t)i * pixel, end - pixel, pixel);
	}
}

static void run_kernel(const struct assay__plan *plan, const struct assay__node *node, const struct assay__conv_io *io)
{
	if (node->op == ASSAY__CONV)
		plan->net->kernels->run(&node->conv, io);
	else
		plan->net->kernels->run_other(node->op, &node->conv, io);
}

static void run_strips(const struct assay__plan *plan, const struct assay__node *node, struct assay__conv_io io)
{
	const struct buffer *src = &plan->buffers[node->src];
	const int height = io.height;

	io.src = plan->strip;
	io.src_row_bytes = strip_row_bytes(node, src);
	for (int y = 0; y < height; y += STRIP_ROWS) {
		io.height = height - y < STRIP_ROWS ? height - y : STRIP_ROWS;
		copy_strip(node, src, y, io.height, plan->strip);
		run_kernel(plan, node, &io);
		io.dst += STRIP_ROWS * io.dst_row_bytes;
		if (io.residual)
			io.residual += STRIP_ROWS * io.residual_row_bytes;
	}
}

void assay__plan_run_node(struct assay__plan *plan, int index)
{
	assert(index >= 0 && index < plan->net->node_count);
	const struct assay__node *node = &plan->net->nodes[index];
	const struct buffer *src = &plan->buffers[node->src], *dst = &plan->buffers[node->dst];
	struct assay__conv_io io = {
		.src = src->origin - (size_t)node->pad * (src->row_bytes + src->pixel_bytes),
		.dst = dst->origin,
		.src_row_bytes = src->row_bytes,
		.dst_row_bytes = dst->row_bytes,
		.width = dst->width,
		.height = dst->height,
		.scratch = plan->scratch,
	};

	if (node->conv.has_residual) {
		io.residual = plan->buffers[node->residual].origin;
		io.residual_row_bytes = plan->buffers[node->residual].row_bytes;
	}
	if (runs_in_place(node, src))
		run_kernel(plan, node, &io);
	else
		run_strips(plan, node, io);
	fill_border(dst, node->conv.zero_point);
}

void assay__plan_run(struct assay__plan *plan, struct assay__map maps[ASSAY__MAX_TAPS])
{
	const struct assay__net *net = plan->net;

	fill_border(&plan->buffers[0], net->tensors[0].zero_point);
	for (int i = 0; i < net->node_count; i++)
		assay__plan_run_node(plan, i);
	for (int i = 0; i < net->tap_count; i++) {
		const struct assay__tensor *tensor = &net->tensors[net->taps[i]];
		const struct buffer *buffer = &plan->buffers[net->taps[i]];
		maps[i] = (struct assay__map){
			.data = buffer->origin,
			.width = buffer->width,
			.height = buffer->height,
			.channels = tensor->channels,
			.zero_point = tensor->zero_point,
			.pixel_bytes = buffer->pixel_bytes,
			.row_bytes = buffer->row_bytes,
		};
	}
}
