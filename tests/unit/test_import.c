/* SPDX-License-Identifier: Apache-2.0 */
/* From ONNX models to networks: the arithmetic of every operator, what is refused, hostile bytes, failing allocations. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>

#include "failing.h"
#include "onnx_builder.h"
#include "vision/import/import.h"
#include "vision/import/model.h"

#define SIDE 64

static const struct assay__import_options plain = {
	.name = "test", .white = 1, .mean = {0.4, 0.4, 0.4}, .std = {0.25, 0.25, 0.2}, .working_px = SIDE, .pictures = 4};

static int load(void *ctx, int index, const struct assay_allocator *allocator, struct assay_image *image,
				struct assay_error *error)
{
	int rc = assay_image_create(SIDE + 16 * (index % 2), SIDE, 3, 8, allocator, image, error);
	(void)ctx;
	for (size_t i = 0; !rc && i < image->stride_bytes * (size_t)image->height_px; i++)
		image->pixels[i] = (uint8_t)(128 + 90 * sin((double)i * 0.013 * (index + 1)) + (double)(i * 2654435761u >> 28));
	return rc;
}

static const char *name(void *ctx, int index)
{
	(void)ctx;
	return index ? "other" : "first";
}

static const struct assay_parts pictures = {.count = 4, .load = load, .name = name};

/* --- a second opinion: operators one by one, channel by channel */

struct map {
	int c, h, w;
	float v[32 * 32 * 32];
};

static float at(const struct map *m, int c, int y, int x, float beyond)
{
	return y < 0 || x < 0 || y >= m->h || x >= m->w ? beyond : m->v[(c * m->h + y) * m->w + x];
}

/* 'c' convolution, 'm' maximum, 'a' average; pad before and after alike. */
static void window(char kind, const struct map *in, int cout, int groups, int k, int stride, int pad, const float *w,
				   struct map *out)
{
	const int cin = in->c / groups;
	*out = (struct map){.c = cout, .h = in->h / stride, .w = in->w / stride};
	for (int o = 0; o < cout; o++)
		for (int y = 0; y < out->h; y++)
			for (int x = 0; x < out->w; x++) {
				double sum = kind == 'm' ? -1e30 : 0;
				for (int ky = 0; ky < k; ky++)
					for (int kx = 0; kx < k; kx++)
						for (int i = 0; i < (kind == 'c' ? cin : 1); i++) {
							const int from = kind != 'c' || groups > 1 ? o : i;
							const float v =
								at(in, from, y * stride + ky - pad, x * stride + kx - pad, kind == 'm' ? -1e30f : 0);
							if (kind == 'm')
								sum = (double)v > sum ? (double)v : sum;
							else
								sum += (double)(v * (w ? w[((o * cin + i) * k + ky) * k + kx] : 1.0f / (float)(k * k)));
						}
				out->v[(o * out->h + y) * out->w + x] = (float)sum;
			}
}

static void clamp(struct map *m, float lo, float hi)
{
	for (int i = 0; i < m->c * m->h * m->w; i++)
		m->v[i] = m->v[i] < lo ? lo : m->v[i] > hi ? hi : m->v[i];
}

/* The seeded constants that onnx_backbone makes, in its order. */
static const float *take(struct onnx_builder *b, float *room, int n)
{
	for (int i = 0; i < n; i++)
		room[i] = onnx_random(b);
	return room;
}

static void reference(const uint8_t *pixels, struct map out[3])
{
	static const float g[] = {.1f, .2f, .1f, .3f, .1f, .1f, .15f, .12f}, v[] = {1, 2, 1, 3, 1, .5f, .7f, 1.2f};
	static struct map x, a, b, c;
	static float w[1176], bias[8], mean[8], shift[8];
	struct onnx_builder random = {.seed = 5};

	x = (struct map){.c = 3, .h = 32, .w = 32};
	for (int i = 0; i < 3 * 32 * 32; i++)
		x.v[i] = (float)((pixels[i % 1024 * 4 + i / 1024] / 255.0 - plain.mean[i / 1024]) / plain.std[i / 1024]);
	window('c', &x, 8, 1, 7, 2, 3, take(&random, w, 8 * 3 * 49), &a);
	take(&random, shift, 8);
	take(&random, mean, 8);
	for (int i = 0; i < 8 * 16 * 16; i++)
		a.v[i] = (a.v[i] - mean[i / 256]) / sqrtf(v[i / 256] + 0.001f) * g[i / 256] + shift[i / 256];
	clamp(&a, 0, INFINITY);
	window('m', &a, 8, 1, 3, 2, 1, NULL, &x);
	window('c', &x, 8, 1, 3, 1, 1, take(&random, w, 8 * 8 * 9), &a);
	take(&random, bias, 8);
	for (int i = 0; i < 8 * 64; i++)
		a.v[i] += bias[i / 64];
	clamp(&a, 0, 3);
	window('c', &a, 8, 1, 1, 1, 0, take(&random, w, 64), &b);
	for (int i = 0; i < 8 * 64; i++)
		b.v[i] += x.v[i];
	clamp(&b, 0, INFINITY);
	out[0] = b;
	window('a', &b, 8, 1, 2, 2, 0, NULL, &a);
	window('c', &b, 6, 1, 3, 2, 1, take(&random, w, 6 * 8 * 9), &c);
	a.c = 14;
	memcpy(a.v + 8 * 16, c.v, 6 * 16 * sizeof(float));
	out[1] = a;
	window('c', &a, 14, 14, 3, 2, 1, take(&random, w, 14 * 9), &b);
	clamp(&b, 0, INFINITY);
	window('c', &b, 10, 1, 1, 1, 0, take(&random, w, 140), &out[2]);
}

static int lower(const uint8_t *bytes, size_t size, const struct assay__import_options *options,
				 struct assay__model *model, struct assay__arena **arena, struct assay_error *error)
{
	struct assay__onnx onnx;
	assert_int_equal(assay__arena_open(NULL, 4096, arena, NULL), 0);
	int rc = assay__onnx_read(bytes, size, *arena, &onnx, error);
	return rc ? rc : assay__model_lower(&onnx, options, *arena, model, error);
}

static void operators_compute_what_they_say(void **state)
{
	static struct assay__model model;
	static struct map expected[3];
	const float *maps[ASSAY__MAX_TENSORS];
	static uint8_t pixels[32 * 32 * 4];
	struct assay__arena *arena;
	struct assay_error error;
	size_t size;
	uint8_t *bytes = onnx_backbone(5, &size);

	(void)state;
	for (size_t i = 0; i < sizeof(pixels); i++)
		pixels[i] = (uint8_t)(i * i * 7 + i / 32);
	assert_int_equal(lower(bytes, size, &plain, &model, &arena, &error), 0);
	assert_int_equal(model.tap_count, 3);
	assert_int_equal(model.align, 16);
	/* batch normalisation, clamps and the sum are in the convolutions */
	assert_int_equal(model.layer_count, 9);
	float *memory = malloc(assay__model_bytes(&model, 32, 32));
	assay__model_run(&model, pixels, 32 * 4, 32, 32, memory, maps);
	reference(pixels, expected);
	for (int t = 0; t < 3; t++) {
		const struct map *want = &expected[t];
		const float *got = maps[model.taps[t]];
		assert_int_equal(assay__model_channels(&model, model.taps[t]), want->c);
		for (int y = 0; y < want->h; y++)
			for (int x = 0; x < want->w; x++)
				for (int c = 0; c < want->c; c++) {
					const float other = at(want, c, y, x, 0);
					assert_true(fabsf(*got++ - other) <= 1e-4f * (1 + fabsf(other)));
				}
	}
	free(memory);
	assay__arena_close(arena);
	free(bytes);
}

static void the_integers_come_close(void **state)
{
	struct assay__import_report report;
	struct assay_error error;
	uint8_t *net;
	size_t size, net_bytes, again_bytes;
	uint8_t *bytes = onnx_backbone(5, &size), *again;

	(void)state;
	assert_int_equal(assay__import(bytes, size, &plain, &pictures, NULL, NULL, &net, &net_bytes, &report, &error), 0);
	assert_int_equal(report.pictures_used, 4);
	assert_int_equal(report.tap_count, 3);
	assert_string_equal(report.taps[0].name, "s4");
	assert_int_equal(report.taps[1].channels, 14);
	assert_int_equal(report.taps[2].stride, 16);
	assert_true(report.macs > 0);
	for (int t = 0; t < 3; t++) {
		assert_true(report.taps[t].signal > 0);
		assert_true(sqrt(report.taps[t].error / report.taps[t].signal) < 0.05);
		assert_true(report.taps[t].error > 0);
	}
	assert_int_equal(assay__import(bytes, size, &plain, &pictures, NULL, NULL, &again, &again_bytes, &report, &error),
					 0);
	assert_int_equal(net_bytes, again_bytes);
	assert_memory_equal(net, again, net_bytes);
	free(again);
	free(net);
	free(bytes);
}

/* --- what is supported, and how it is said that something is not */

static int check(struct onnx_builder *b, const struct assay__import_options *options,
				 struct assay__import_report *report, struct assay_error *error)
{
	size_t size;
	uint8_t *bytes = onnx_end(b, "input", "out", &size);
	int rc = assay__import_check(bytes, size, options, NULL, report, error);
	free(bytes);
	return rc;
}

static void begin(struct onnx_builder *b)
{
	*b = (struct onnx_builder){.seed = 1};
	onnx_tensor(b, "w", (int[]){8, 3, 3, 3, 0}, NULL);
	onnx_tensor(b, "v", (int[]){8, 8, 3, 3, 0}, NULL);
	onnx_node(b, "Conv", "one", "input w", "a", "strides=2,2 pads=1,1,1,1");
	onnx_node(b, "Conv", "two", "a v", "b", "strides=2,2 pads=1,1,1,1");
}

static void refusals_name_operator_and_node(void **state)
{
	static const struct {
		const char *op, *inputs, *attributes, *says;
	} cases[] = {
		{"HardSwish", "b", "", "HardSwish, node \"odd\": the operator is not supported"},
		{"Conv", "b v", "pads=1,1,1,1 dilations=2,2", "dilated by 2"},
		{"Conv", "b v", "", "padding is 0,0,0,0"},
		{"Conv", "b v", "strides=3,3", "strides are 3"},
		{"Conv", "b w", "pads=1,1,1,1", "for 8 channels"},
		{"Conv", "b g", "group=2 pads=1,1,1,1", "2 groups"},
		{"Conv", "b even", "", "window is 2 x 2"},
		{"Conv", "b b", "", "weights must be a constant"},
		{"MaxPool", "b", "kernel_shape=5,5 pads=2,2,2,2", "window is 5 x 5"},
		{"MaxPool", "input", "kernel_shape=2,2 strides=2,2", "reads the picture"},
		{"AveragePool", "b", "kernel_shape=3,3 pads=1,1,1,1", "count_include_pad"},
		{"Add", "a b", "", "1/2 and 1/4"},
		{"Concat", "b b", "axis=2", "axis 2"},
		{"Mul", "b b", "", "one constant"},
		{"Div", "half b", "", "divide by"},
		{"Mul", "b nine", "", "neither one number"},
		{"BatchNormalization", "b nine nine nine nine", "", "for 8 channels"},
		{"Clip", "b half b", "", "must be a constant"},
		{"Pad", "b half", "mode:reflect", "modes constant"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct assay__import_report report;
		struct assay_error error = {0};
		struct onnx_builder b;
		begin(&b);
		onnx_tensor(&b, "half", (int[]){1, 0}, (float[]){0.5f});
		onnx_tensor(&b, "nine", (int[]){9, 0}, NULL);
		onnx_tensor(&b, "g", (int[]){8, 4, 3, 3, 0}, NULL);
		onnx_tensor(&b, "even", (int[]){8, 8, 2, 2, 0}, NULL);
		onnx_node(&b, cases[i].op, "odd", cases[i].inputs, "out", cases[i].attributes);
		assert_int_equal(check(&b, &plain, &report, &error), ASSAY_E_UNSUPPORTED);
		if (!strstr(error.message, cases[i].says) || !strstr(error.message, "\"odd\"") ||
			!strstr(error.message, cases[i].op))
			fail_msg("%s: %s", cases[i].says, error.message);
	}
}

static void squeeze_and_excite_is_not_a_head(void **state)
{
	struct assay__import_report report;
	struct assay_error error = {0};
	struct onnx_builder b;

	(void)state;
	begin(&b);
	onnx_node(&b, "GlobalAveragePool", "gap", "b", "c", "");
	onnx_node(&b, "Mul", "scale", "b c", "out", "");
	assert_int_equal(check(&b, &plain, &report, &error), ASSAY_E_UNSUPPORTED);
	assert_non_null(strstr(error.message, "GlobalAveragePool, node \"gap\""));
}

static void taps_can_be_chosen(void **state)
{
	const char *names[] = {"relu", "two", "tow", "unknown"};
	struct assay__import_options options = plain;
	struct assay__import_report report;
	struct assay_error error = {0};
	struct onnx_builder b;

	(void)state;
	options.taps = names;
	/* a node that is a tap is left as it is, and what comes after may be anything */
	options.tap_count = 2;
	begin(&b);
	onnx_node(&b, "Relu", "relu", "b", "c", "");
	onnx_node(&b, "Gelu", "gelu", "c", "out", "");
	assert_int_equal(check(&b, &options, &report, &error), 0);
	assert_int_equal(report.tap_count, 2);
	assert_int_equal(report.nodes, 3);
	options.taps = names + 2;
	options.tap_count = 1;
	begin(&b);
	onnx_node(&b, "Relu", "relu", "b", "out", "");
	assert_int_equal(check(&b, &options, &report, &error), ASSAY_E_ARGUMENT);
	assert_non_null(strstr(error.message, "did you mean \"two\""));
	options.taps = (const char *[]){"one"};
	begin(&b);
	onnx_node(&b, "Relu", "relu", "b", "out", "");
	assert_int_equal(check(&b, &options, &report, &error), ASSAY_E_UNSUPPORTED);
	assert_non_null(strstr(error.message, "1/2 of the picture"));
	options.taps = (const char *[]){"gelu"};
	begin(&b);
	onnx_node(&b, "Gelu", "gelu", "b", "out", "");
	assert_int_equal(check(&b, &options, &report, &error), ASSAY_E_UNSUPPORTED);
	assert_non_null(strstr(error.message, "Gelu"));
}

static void what_cannot_fold_becomes_a_layer(void **state)
{
	struct assay__import_report report;
	struct assay_error error = {0};
	struct onnx_builder b;
	uint8_t *bytes, *net;
	size_t size, net_bytes;

	(void)state;
	begin(&b);
	onnx_tensor(&b, "two3", (int[]){1, 3, 1, 1, 0}, (float[]){2, 2, 2});
	onnx_tensor(&b, "pads", (int[]){8, 0}, (float[]){0, 0, 1, 1, 0, 0, 1, 1});
	onnx_tensor(&b, "c8", (int[]){8, 1, 1, 0}, NULL);
	onnx_node(&b, "Relu", "r1", "b", "c", "");
	onnx_node(&b, "Mul", "m1", "c c8", "d", ""); /* after a clamp */
	onnx_node(&b, "MaxPool", "p1", "d", "e", "kernel_shape=3,3 pads=1,1,1,1");
	onnx_node(&b, "Clip", "c1", "e", "f", "min~-1 max~1"); /* after a pool */
	onnx_node(&b, "Add", "a1", "f c", "g", "");
	onnx_node(&b, "Pad", "p2", "g pads", "h", "mode:edge");
	onnx_node(&b, "Conv", "c2", "h v", "i", "strides=2,2");
	onnx_node(&b, "Sub", "s1", "c8 i", "j", ""); /* folds */
	onnx_node(&b, "Add", "a2", "j j", "k", "");
	onnx_node(&b, "Concat", "j1", "k j k", "l", "axis=-3");
	onnx_node(&b, "Relu", "r2", "l", "out", "");
	bytes = onnx_end(&b, "input", "out", &size);
	assert_int_equal(assay__import(bytes, size, &plain, &pictures, NULL, NULL, &net, &net_bytes, &report, &error), 0);
	assert_int_equal(report.nodes, 10);
	assert_int_equal(report.tap_count, 2);
	assert_int_equal(report.taps[1].channels, 24);
	for (int t = 0; t < 2; t++)
		assert_true(sqrt(report.taps[t].error / report.taps[t].signal) < 0.05);
	free(bytes);
	free(net);
}

static void limits_are_told(void **state)
{
	struct assay__import_options options = plain;
	struct assay__import_report report;
	struct assay_error error = {0};
	struct onnx_builder b;

	(void)state;
	begin(&b);
	onnx_node(&b, "Concat", "j", "b b b b b b b b b b b b b b b b b b b b b b b b b b b b b b b b", "c", "axis=1");
	onnx_node(&b, "Concat", "k", "c c c c", "d", "axis=1");
	onnx_node(&b, "Concat", "l", "d b", "out", "axis=1");
	assert_int_equal(check(&b, &options, &report, &error), ASSAY_E_LIMIT);
	assert_non_null(strstr(error.message, "limit is 1024"));
	options.std[1] = 0;
	begin(&b);
	onnx_node(&b, "Relu", "relu", "b", "out", "");
	assert_int_equal(check(&b, &options, &report, &error), ASSAY_E_ARGUMENT);
}

/* --- bytes that are no model */

static void external_data_are_refused(void **state)
{
	struct assay__import_report report;
	struct assay_error error = {0};
	struct onnx_bytes tensor = {0};
	struct onnx_builder b = {.seed = 1};

	(void)state;
	for (int i = 0; i < 4; i++)
		onnx_number(&tensor, 1, i == 0 ? 8 : 3);
	onnx_number(&tensor, 2, 1);
	onnx_text(&tensor, 8, "w");
	onnx_text(&tensor, 13, "");
	onnx_number(&tensor, 14, 1);
	onnx_part(&b.graph, 5, &tensor);
	onnx_node(&b, "Conv", "one", "input w", "a", "strides=2,2 pads=1,1,1,1");
	onnx_node(&b, "MaxPool", "two", "a", "out", "strides=2,2 kernel_shape=2,2");
	assert_int_equal(check(&b, &plain, &report, &error), ASSAY_E_UNSUPPORTED);
	assert_non_null(strstr(error.message, "another file"));
}

static void damaged_bytes_are_told_apart(void **state)
{
	struct assay__import_report report = {.nodes = -7};
	size_t size;
	uint8_t *bytes = onnx_backbone(5, &size), *copy = malloc(size);
	uint64_t seed = 9;

	(void)state;
	for (size_t cut = 0; cut < size; cut += cut < 200 ? 1 : 97) {
		struct assay_error error = {0};
		assert_int_equal(assay__import_check(memcpy(copy, bytes, cut), cut, &plain, NULL, &report, &error),
						 ASSAY_E_FORMAT);
		assert_non_null(strstr(error.message, "ONNX file"));
		assert_int_equal(report.nodes, -7);
	}
	for (int round = 0; round < 3000; round++) {
		struct assay_error error = {0};
		memcpy(copy, bytes, size);
		for (int i = 0; i < 1 + round % 3; i++) {
			seed = seed * 6364136223846793005u + 1442695040888963407u;
			copy[(seed >> 33) % (round % 2 ? size : 300)] = (uint8_t)(seed >> 24);
		}
		int rc = assay__import_check(copy, size, &plain, NULL, &report, &error);
		assert_int_equal(rc, rc ? (int)error.code : 0);
		assert_true(!rc || error.message[0]);
	}
	free(copy);
	free(bytes);
}

static void failing_allocations_are_survived(void **state)
{
	struct assay__import_options options = plain;
	size_t size, net_bytes = 77;
	uint8_t *bytes = onnx_backbone(5, &size);
	int rc = ASSAY_E_NOMEM;

	(void)state;
	options.pictures = 2;
	for (int fail_at = 1; rc; fail_at++) {
		struct assay__import_report report;
		struct failing failing;
		struct assay_error error = {0};
		uint8_t *net = NULL;
		failing_open(&failing, fail_at);
		rc = assay__import(bytes, size, &options, &pictures, NULL, &failing.allocator, &net, &net_bytes, &report,
						   &error);
		if (rc) {
			assert_int_equal(rc, ASSAY_E_NOMEM);
			assert_int_equal(error.code, ASSAY_E_NOMEM);
			assert_null(net);
			assert_int_equal(net_bytes, 77);
		}
		failing_free(&failing, net);
		assert_int_equal(atomic_load(&failing.alive), 0);
		assert_true(fail_at < 1000);
	}
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(operators_compute_what_they_say),
		cmocka_unit_test(the_integers_come_close),
		cmocka_unit_test(refusals_name_operator_and_node),
		cmocka_unit_test(squeeze_and_excite_is_not_a_head),
		cmocka_unit_test(taps_can_be_chosen),
		cmocka_unit_test(what_cannot_fold_becomes_a_layer),
		cmocka_unit_test(limits_are_told),
		cmocka_unit_test(external_data_are_refused),
		cmocka_unit_test(damaged_bytes_are_told_apart),
		cmocka_unit_test(failing_allocations_are_survived),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
