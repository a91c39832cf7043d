/* SPDX-License-Identifier: Apache-2.0 */
#include "vision_util.h"

#include <math.h>

#include "base/parallel.h"
#include "vision/registration.h"
#include "vision/warp.h"

#define WIDTH 160
#define HEIGHT 128

/* A scene without end, smooth enough to be sampled anywhere. */
static double scene(double x, double y)
{
	double v = 110 + 0.2 * x - 0.1 * y;
	static const double blobs[][4] = {{-40, -20, 14, 90}, {30, -30, 10, -70}, {35, 25, 16, 60},
									  {-25, 30, 9, -60},  {0, 0, 7, 80},	  {-60, 40, 12, 50}};
	for (size_t i = 0; i < sizeof(blobs) / sizeof(blobs[0]); i++) {
		double dx = x - blobs[i][0], dy = y - blobs[i][1], r = blobs[i][2];
		v += blobs[i][3] * exp(-(dx * dx + dy * dy) / (r * r));
	}
	return v;
}

struct truth {
	double grow, turn, x, y;
};

/* What a camera sees of the scene moved by `t`, with noise; middle of the picture = origin. */
static void shoot(uint8_t *luma, int width, int height, const struct truth *t, int noise, double gain, uint64_t seed)
{
	double c = 1 + t->grow, s = t->turn, square = c * c + s * s;
	for (int y = 0; y < height; y++)
		for (int x = 0; x < width; x++) {
			double px = x - (width - 1) / 2.0 - t->x, py = y - (height - 1) / 2.0 - t->y;
			double v = scene((c * px + s * py) / square, (c * py - s * px) / square) * gain;
			v += noise ? net_random_range(&seed, -noise, noise) : 0;
			luma[y * width + x] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v + 0.5);
		}
}

struct bench {
	uint8_t reference[WIDTH * HEIGHT];
	struct assay__registration *registration;
	struct assay__registrar *registrar;
};

static void bench_open(struct bench *b)
{
	shoot(b->reference, WIDTH, HEIGHT, &(struct truth){0}, 0, 1, 0);
	assert_int_equal(assay__registration_open(b->reference, NULL, WIDTH, HEIGHT, NULL, &b->registration, NULL), 0);
	assert_int_equal(assay__registrar_open(WIDTH, HEIGHT, NULL, &b->registrar, NULL), 0);
}

static void bench_close(struct bench *b)
{
	assay__registration_close(b->registration);
	assay__registrar_close(b->registrar);
}

/* How far the pose found is from the true one at the worst corner, in pixels. */
static double error_px(const struct assay__pose *pose, const struct truth *t)
{
	double worst = 0;
	for (int k = 0; k < 4; k++) {
		double dx = k & 1 ? WIDTH / 2.0 : -WIDTH / 2.0, dy = k & 2 ? HEIGHT / 2.0 : -HEIGHT / 2.0;
		double grow = pose->grow_q24 / 16777216.0 - t->grow, turn = pose->turn_q24 / 16777216.0 - t->turn;
		double ex = grow * dx - turn * dy + pose->x_q16 / 65536.0 - t->x;
		double ey = turn * dx + grow * dy + pose->y_q16 / 65536.0 - t->y;
		worst = fmax(worst, sqrt(ex * ex + ey * ey));
	}
	return worst;
}

static void known_moves_are_found(void **state)
{
	static const struct truth moves[] = {
		{0, 0, 0, 0},			{0, 0, 0.5, -0.25},		{0, 0, 4.3, -3.7},		   {0, 0.052, 0, 0},
		{0.02, 0, 0, 0},		{-0.02, -0.05, 3, 2},	{0.02, 0.0524, 3.75, 3.6}, {-0.015, 0.03, -6.1, 5.2},
		{0.01, -0.02, 18, -11}, {0.05, 0.12, -2, -3.3},
	};
	struct bench b;
	(void)state;
	bench_open(&b);
	for (size_t i = 0; i < sizeof(moves) / sizeof(moves[0]); i++)
		for (int light = 0; light < 3; light++) {
			struct assay__pose pose;
			double gain = light == 0 ? 1 : light == 1 ? 0.8 : 1.15;
			shoot(assay__registrar_luma(b.registrar), WIDTH, HEIGHT, &moves[i], 5, gain, i * 3 + (size_t)light + 1);
			int fit = assay__registrar_run(b.registrar, b.registration, &pose);
			double off = error_px(&pose, &moves[i]);
			if (off > 0.2 || fit < 990)
				fail_msg("move %zu, light %g: %.3f px off, fit %d", i, gain, off, fit);
		}
	bench_close(&b);
}

static void a_defect_does_not_pull(void **state)
{
	const struct truth move = {0.01, -0.03, 2.4, -1.3};
	struct bench b;
	struct assay__pose pose;
	(void)state;
	bench_open(&b);
	uint8_t *luma = assay__registrar_luma(b.registrar);
	shoot(luma, WIDTH, HEIGHT, &move, 5, 1, 9);
	for (int y = 30; y < 54; y++)
		memset(luma + y * WIDTH + 95, 235, 24);
	assay__registrar_run(b.registrar, b.registration, &pose);
	double off = error_px(&pose, &move);
	if (off > 0.35)
		fail_msg("%.3f px off", off);
	bench_close(&b);
}

static void another_part_does_not_fit(void **state)
{
	struct bench b;
	struct assay__pose pose;
	uint64_t seed = 3;
	(void)state;
	bench_open(&b);
	uint8_t *luma = assay__registrar_luma(b.registrar);
	for (int y = 0; y < HEIGHT; y++)
		for (int x = 0; x < WIDTH; x++)
			luma[y * WIDTH + x] = (uint8_t)(x / 20 % 2 ? 200 : 40 + net_random_range(&seed, 0, 20));
	assert_true(assay__registrar_run(b.registrar, b.registration, &pose) < 700);
	memset(luma, 77, (size_t)WIDTH * HEIGHT);
	assert_int_equal(assay__registrar_run(b.registrar, b.registration, &pose), 0);
	bench_close(&b);
}

static void nothing_to_hold_on_to(void **state)
{
	static uint8_t flat[WIDTH * HEIGHT], none[WIDTH * HEIGHT];
	struct assay__registration *registration = NULL;
	struct assay_error error = {0};
	struct bench b;
	(void)state;
	memset(flat, 90, sizeof(flat));
	assert_int_equal(assay__registration_open(flat, NULL, WIDTH, HEIGHT, NULL, &registration, &error),
					 ASSAY_E_MISMATCH);
	assert_non_null(strstr(error.message, "no edges"));
	bench_open(&b);
	assert_int_equal(assay__registration_open(b.reference, none, WIDTH, HEIGHT, NULL, &registration, NULL),
					 ASSAY_E_MISMATCH);
	assert_null(registration);
	bench_close(&b);
}

static void what_is_left_out_does_not_count(void **state)
{
	static uint8_t use[WIDTH * HEIGHT];
	const struct truth move = {0, 0.02, 3, 1};
	struct bench b;
	struct assay__registration *part = NULL;
	struct assay__pose pose, other;
	(void)state;
	bench_open(&b);
	for (int y = 0; y < HEIGHT; y++)
		memset(use + y * WIDTH, 1, 110);
	assert_int_equal(assay__registration_open(b.reference, use, WIDTH, HEIGHT, NULL, &part, NULL), 0);
	uint8_t *luma = assay__registrar_luma(b.registrar);
	shoot(luma, WIDTH, HEIGHT, &move, 3, 1, 4);
	int fit = assay__registrar_run(b.registrar, part, &pose);
	assert_true(error_px(&pose, &move) < 0.3);
	/* beyond the reach of the moves nothing matters, not even to the last bit */
	for (int y = 0; y < HEIGHT; y++)
		memset(luma + y * WIDTH + 150, y * 3, 10);
	assert_int_equal(assay__registrar_run(b.registrar, part, &other), fit);
	assert_memory_equal(&pose, &other, sizeof(pose));
	assay__registration_close(part);
	bench_close(&b);
}

static void there_and_back(void **state)
{
	const struct assay__pose pose = {400000, -700000, 3 << 16, -(5 << 15)};
	(void)state;
	for (int y = -60; y <= 60; y += 15)
		for (int x = -80; x <= 80; x += 20) {
			double one = 1 + pose.grow_q24 / 16777216.0, turn = pose.turn_q24 / 16777216.0;
			double px = one * x - turn * y + 3, py = turn * x + one * y - 2.5;
			int64_t u, v;
			assay__pose_to_reference(&pose, (int64_t)floor(px * 65536), (int64_t)floor(py * 65536), &u, &v);
			assert_true(fabs((double)u / 65536 - x) < 0.001 && fabs((double)v / 65536 - y) < 0.001);
		}
}

static void luma_of_a_plane(void **state)
{
	static uint8_t pixels[8 * 6 * 4 + 8 * 4], luma[12];
	struct assay__plane plane = {.pixels = pixels, .row_bytes = 36, .width_px = 8, .height_px = 6};
	int width, height;
	(void)state;
	for (int y = 0; y < 6; y++)
		for (int x = 0; x < 8; x++)
			memset(pixels + y * 36 + x * 4, 10 * y + x, 3);
	assay__registration_luma(&plane, 1, luma);
	for (int y = 0; y < 3; y++)
		for (int x = 0; x < 4; x++) /* mean of v, v + 1, v + 10, v + 11, halves up */
			assert_int_equal(luma[y * 4 + x], 20 * y + 2 * x + 6);
	assert_int_equal(assay__registration_size(160, 1280, &width, &height), 0);
	assert_int_equal(assay__registration_size(801, 400, &width, &height), 2);
	assert_true(width == 200 && height == 100);
}

struct crowd {
	const struct assay__registration *registration;
	struct assay__registrar *registrars[4];
	struct assay__pose poses[32];
};

static void run_one(void *arg, int index, int worker)
{
	struct crowd *crowd = arg;
	const struct truth move = {index % 5 * 0.004, index % 7 * 0.008 - 0.02, index * 0.2, -index * 0.1};
	shoot(assay__registrar_luma(crowd->registrars[worker]), WIDTH, HEIGHT, &move, 8, 1, (uint64_t)index + 1);
	assay__registrar_run(crowd->registrars[worker], crowd->registration, &crowd->poses[index]);
}

static void threads_and_history_do_not_matter(void **state)
{
	static struct crowd one, many;
	struct bench b;
	struct assay__parallel *pool = NULL;
	(void)state;
	bench_open(&b);
	one.registration = many.registration = b.registration;
	for (int i = 0; i < 4; i++)
		assert_int_equal(assay__registrar_open(WIDTH, HEIGHT, NULL, &many.registrars[i], NULL), 0);
	one.registrars[0] = b.registrar;
	for (int i = 31; i >= 0; i--)
		run_one(&one, i, 0);
	assert_int_equal(assay__parallel_open(4, NULL, &pool, NULL), 0);
	const struct assay_runner *runner = assay__parallel_runner(pool);
	runner->run(runner->ctx, 32, run_one, &many);
	assay__parallel_close(pool);
	assert_memory_equal(one.poses, many.poses, sizeof(one.poses));
	for (int i = 0; i < 4; i++)
		assay__registrar_close(many.registrars[i]);
	bench_close(&b);
}

static void without_memory(void **state)
{
	struct failing failing;
	struct bench b;
	int rc = ASSAY_E_NOMEM;
	(void)state;
	bench_open(&b);
	for (int at = 1; rc; at++) {
		struct assay__registration *registration = NULL;
		struct assay__registrar *registrar = NULL;
		failing_open(&failing, at);
		rc = assay__registration_open(b.reference, NULL, WIDTH, HEIGHT, &failing.allocator, &registration, NULL);
		if (rc == 0)
			rc = assay__registrar_open(WIDTH, HEIGHT, &failing.allocator, &registrar, NULL);
		assert_true(rc == 0 || rc == ASSAY_E_NOMEM);
		assay__registration_close(registration);
		assay__registrar_close(registrar);
		assert_int_equal(failing.alive, 0);
	}
	bench_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_moves_are_found),
		cmocka_unit_test(a_defect_does_not_pull),
		cmocka_unit_test(another_part_does_not_fit),
		cmocka_unit_test(nothing_to_hold_on_to),
		cmocka_unit_test(what_is_left_out_does_not_count),
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(luma_of_a_plane),
		cmocka_unit_test(threads_and_history_do_not_matter),
		cmocka_unit_test(without_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
