/* SPDX-License-Identifier: Apache-2.0 */
#include "vision/registration.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/err.h"
#include "vision/warp.h"

#define LEVELS_MOST 5
#define COARSEST_PX 16 /* short side below which no level goes */
#define UNKNOWNS 4	   /* growth, turn, x, y */
#define ROUNDS_MOST 12
#define FINE_ROUNDS_MOST 6
#define MARGIN_PARTS 16 /* of the side: what moves out of the picture is not compared */
#define CUT_TIMES 3
#define CUT_LEAST 6
#define GAIN_ONE 4096
#define STILL 0.02 /* pixels of the level: the rest is noise */
/* What is beyond is not a part in a fixture. */
#define MOST_GROW 0.2
#define MOST_TURN 0.3
#define MOST_SHIFT_PARTS 3

struct level {
	int width, height;
	uint8_t *picture, *use;
	int16_t *gx, *gy; /* differences of the neighbours; 0 where not used */
	int64_t count, sum, sum_squares;
	double factor[UNKNOWNS][UNKNOWNS]; /* L D L^T: unit lower L below, D on the diagonal */
	bool solvable;
};

struct assay__registration {
	const struct assay_allocator *allocator;
	int count;
	struct level level[LEVELS_MOST];
};

struct assay__registrar {
	const struct assay_allocator *allocator;
	int count;
	int width[LEVELS_MOST], height[LEVELS_MOST];
	uint8_t *picture[LEVELS_MOST];
	uint8_t *moved;
};

/* Unquantised, while it is sought. */
struct motion {
	double grow, turn, x, y;
};

static size_t area(int width, int height)
{
	return (size_t)width * (size_t)height;
}

int assay__registration_size(int width_px, int height_px, int *reg_width_px, int *reg_height_px)
{
	int halvings = 0;
	while ((width_px < height_px ? width_px : height_px) > ASSAY__REGISTRATION_MOST_PX) {
		width_px /= 2;
		height_px /= 2;
		halvings++;
	}
	*reg_width_px = width_px;
	*reg_height_px = height_px;
	return halvings;
}

void assay__registration_luma(const struct assay__plane *plane, int halvings, uint8_t *luma)
{
	int width = plane->width_px >> halvings, height = plane->height_px >> halvings, side = 1 << halvings;
	for (int y = 0; y < height; y++)
		for (int x = 0; x < width; x++) {
			uint32_t sum = 0;
			for (int j = 0; j < side; j++) {
				const uint8_t *p = plane->pixels + (size_t)(y * side + j) * plane->row_bytes + (size_t)(x * side) * 4;
				for (int i = 0; i < side; i++, p += 4)
					sum += 77u * p[0] + 150u * p[1] + 29u * p[2];
			}
			luma[area(width, y) + (size_t)x] = (uint8_t)((sum + (128u << 2 * halvings)) >> (8 + 2 * halvings));
		}
}

static int level_count(int width, int height)
{
	int count = 1;
	while (count < LEVELS_MOST && (width < height ? width : height) >= 2 * COARSEST_PX) {
		width /= 2;
		height /= 2;
		count++;
	}
	return count;
}

static void halve(const uint8_t *from, int from_width, uint8_t *to, int width, int height)
{
	for (int y = 0; y < height; y++) {
		const uint8_t *a = from + area(from_width, 2 * y), *b = a + from_width;
		for (int x = 0; x < width; x++)
			to[area(width, y) + (size_t)x] = (uint8_t)((a[2 * x] + a[2 * x + 1] + b[2 * x] + b[2 * x + 1] + 2) >> 2);
	}
}

/* A cell of a coarser level is used if all below it are. */
static void halve_use(const uint8_t *from, int from_width, uint8_t *to, int width, int height)
{
	for (int y = 0; y < height; y++) {
		const uint8_t *a = from + area(from_width, 2 * y), *b = a + from_width;
		for (int x = 0; x < width; x++)
			to[area(width, y) + (size_t)x] = a[2 * x] & a[2 * x + 1] & b[2 * x] & b[2 * x + 1];
	}
}

static void leave_margin(struct level *l)
{
	int mx = l->width / MARGIN_PARTS + 1, my = l->height / MARGIN_PARTS + 1;
	for (int y = 0; y < l->height; y++)
		for (int x = 0; x < l->width; x++)
			if (x < mx || y < my || x >= l->width - mx || y >= l->height - my)
				l->use[area(l->width, y) + (size_t)x] = 0;
}

/* Twice a pixel's distance from the middle of the level. */
static int64_t from_middle(int i, int size)
{
	return 2 * (int64_t)i + 1 - size;
}

static void measure(struct level *l)
{
	for (int y = 0; y < l->height; y++)
		for (int x = 0; x < l->width; x++) {
			size_t i = area(l->width, y) + (size_t)x;
			if (!l->use[i])
				continue;
			l->gx[i] = (int16_t)(l->picture[i + 1] - l->picture[i - 1]);
			l->gy[i] = (int16_t)(l->picture[i + (size_t)l->width] - l->picture[i - (size_t)l->width]);
			l->count++;
			l->sum += l->picture[i];
			l->sum_squares += (int64_t)l->picture[i] * l->picture[i];
		}
}

/* L D L^T of the normal equations; no square root, no pivot. */
static bool factor(double a[UNKNOWNS][UNKNOWNS])
{
	for (int j = 0; j < UNKNOWNS; j++) {
		double whole = a[j][j];
		for (int k = 0; k < j; k++)
			a[j][j] -= a[j][k] * a[j][k] * a[k][k];
		if (!(a[j][j] > whole * 1e-6 && a[j][j] > 0))
			return false;
		for (int i = j + 1; i < UNKNOWNS; i++) {
			for (int k = 0; k < j; k++)
				a[i][j] -= a[i][k] * a[j][k] * a[k][k];
			a[i][j] /= a[j][j];
		}
	}
	return true;
}

static void solve(double a[UNKNOWNS][UNKNOWNS], double v[UNKNOWNS])
{
	for (int i = 0; i < UNKNOWNS; i++)
		for (int k = 0; k < i; k++)
			v[i] -= a[i][k] * v[k];
	for (int i = 0; i < UNKNOWNS; i++)
		v[i] /= a[i][i];
	for (int i = UNKNOWNS - 1; i >= 0; i--)
		for (int k = i + 1; k < UNKNOWNS; k++)
			v[i] -= a[k][i] * v[k];
}

/* How the picture changes with each unknown: twice the gradient, and twice the lever for growth and turn. */
static inline void slopes(const struct level *l, size_t i, int64_t dx, int64_t dy, int64_t j[UNKNOWNS])
{
	j[0] = l->gx[i] * dx + l->gy[i] * dy;
	j[1] = l->gy[i] * dx - l->gx[i] * dy;
	j[2] = l->gx[i];
	j[3] = l->gy[i];
}

static void prepare(struct level *l)
{
	int64_t sums[UNKNOWNS][UNKNOWNS] = {{0}};
	for (int y = 0; y < l->height; y++)
		for (int x = 0; x < l->width; x++) {
			size_t at = area(l->width, y) + (size_t)x;
			int64_t j[UNKNOWNS];
			if (!l->use[at])
				continue;
			slopes(l, at, from_middle(x, l->width), from_middle(y, l->height), j);
			for (int r = 0; r < UNKNOWNS; r++)
				for (int c = 0; c <= r; c++)
					sums[r][c] += j[r] * j[c];
		}
	for (int r = 0; r < UNKNOWNS; r++)
		for (int c = 0; c <= r; c++)
			l->factor[r][c] = (double)sums[r][c];
	l->solvable = factor(l->factor);
}

static int open_level(struct level *l, const struct assay_allocator *allocator)
{
	size_t n = area(l->width, l->height);
	l->picture = assay__alloc(allocator, n);
	l->use = assay__alloc(allocator, n);
	l->gx = assay__calloc(allocator, n, sizeof(*l->gx));
	l->gy = assay__calloc(allocator, n, sizeof(*l->gy));
	return l->picture && l->use && l->gx && l->gy ? 0 : ASSAY_E_NOMEM;
}

int assay__registration_open(const uint8_t *luma, const uint8_t *use, int width_px, int height_px,
							 const struct assay_allocator *allocator, struct assay__registration **out,
							 struct assay_error *error)
{
	struct assay__registration *r = assay__calloc(allocator, 1, sizeof(*r));
	int rc = r ? 0 : ASSAY_E_NOMEM;
	if (r) {
		r->allocator = allocator;
		r->count = level_count(width_px, height_px);
	}
	for (int i = 0; rc == 0 && i < r->count; i++) {
		struct level *l = &r->level[i];
		l->width = width_px >> i;
		l->height = height_px >> i;
		rc = open_level(l, allocator);
		if (rc)
			break;
		if (i) {
			halve(l[-1].picture, l[-1].width, l->picture, l->width, l->height);
			halve_use(l[-1].use, l[-1].width, l->use, l->width, l->height);
			continue;
		}
		memcpy(l->picture, luma, area(width_px, height_px));
		if (use)
			memcpy(l->use, use, area(width_px, height_px));
		else
			memset(l->use, 1, area(width_px, height_px));
	}
	if (rc) {
		assay__registration_close(r);
		return assay__fail(error, rc, -1, "no memory for a reference of %dx%d", width_px, height_px);
	}
	bool solvable = false;
	for (int i = 0; i < r->count; i++) {
		leave_margin(&r->level[i]);
		measure(&r->level[i]);
		prepare(&r->level[i]);
		if (i == 0)
			solvable = r->level[i].solvable;
	}
	if (!solvable) {
		assay__registration_close(r);
		return assay__fail(error, ASSAY_E_MISMATCH, -1, "the reference picture has no edges to register by");
	}
	*out = r;
	return 0;
}

void assay__registration_close(struct assay__registration *registration)
{
	if (!registration)
		return;
	for (int i = 0; i < LEVELS_MOST; i++) {
		struct level *l = &registration->level[i];
		assay__free(registration->allocator, l->picture);
		assay__free(registration->allocator, l->use);
		assay__free(registration->allocator, l->gx);
		assay__free(registration->allocator, l->gy);
	}
	assay__free(registration->allocator, registration);
}

const uint8_t *assay__registration_picture(const struct assay__registration *registration, int *width_px,
										   int *height_px)
{
	*width_px = registration->level[0].width;
	*height_px = registration->level[0].height;
	return registration->level[0].picture;
}

int assay__registrar_open(int width_px, int height_px, const struct assay_allocator *allocator,
						  struct assay__registrar **out, struct assay_error *error)
{
	struct assay__registrar *r = assay__calloc(allocator, 1, sizeof(*r));
	bool whole = r != NULL;
	if (r) {
		r->allocator = allocator;
		r->count = level_count(width_px, height_px);
		for (int i = 0; i < r->count; i++) {
			r->width[i] = width_px >> i;
			r->height[i] = height_px >> i;
			r->picture[i] = assay__calloc(allocator, area(r->width[i], r->height[i]), 1);
			whole &= r->picture[i] != NULL;
		}
		r->moved = assay__calloc(allocator, area(width_px, height_px), 1);
		whole &= r->moved != NULL;
	}
	if (!whole) {
		assay__registrar_close(r);
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory to register pictures of %dx%d", width_px, height_px);
	}
	*out = r;
	return 0;
}

void assay__registrar_close(struct assay__registrar *registrar)
{
	if (!registrar)
		return;
	for (int i = 0; i < LEVELS_MOST; i++)
		assay__free(registrar->allocator, registrar->picture[i]);
	assay__free(registrar->allocator, registrar->moved);
	assay__free(registrar->allocator, registrar);
}

size_t assay__registrar_bytes(const struct assay__registrar *registrar)
{
	size_t bytes = sizeof(*registrar) + area(registrar->width[0], registrar->height[0]);
	for (int i = 0; i < registrar->count; i++)
		bytes += area(registrar->width[i], registrar->height[i]);
	return bytes;
}

uint8_t *assay__registrar_luma(struct assay__registrar *registrar)
{
	return registrar->picture[0];
}

const uint8_t *assay__registrar_moved(const struct assay__registrar *registrar)
{
	return registrar->moved;
}

/* Mean squared difference where the shifted picture lies under the used reference, means taken out; q8. */
static int64_t difference(const struct level *l, const uint8_t *picture, int shift_x, int shift_y)
{
	int64_t n = 0, sum = 0, squares = 0;
	for (int y = 0; y < l->height; y++) {
		if (y + shift_y < 0 || y + shift_y >= l->height)
			continue;
		for (int x = 0; x < l->width; x++) {
			size_t at = area(l->width, y) + (size_t)x;
			if (!l->use[at] || x + shift_x < 0 || x + shift_x >= l->width)
				continue;
			int d = picture[area(l->width, y + shift_y) + (size_t)(x + shift_x)] - l->picture[at];
			n++;
			sum += d;
			squares += d * d;
		}
	}
	return n ? ((squares - sum * sum / n) << 8) / n : INT64_MAX;
}

/* The whole shift that fits best, but none unless it is clearly better than none. */
static void find_shift(const struct level *l, const uint8_t *picture, struct motion *m)
{
	int most = (l->width < l->height ? l->width : l->height) / 4;
	int64_t still = difference(l, picture, 0, 0), best = still;
	int best_x = 0, best_y = 0;
	for (int y = -most; y <= most; y++)
		for (int x = -most; x <= most; x++) {
			int64_t d = difference(l, picture, x, y);
			if (d < best) {
				best = d;
				best_x = x;
				best_y = y;
			}
		}
	if (best * 10 < still * 9) {
		m->x = best_x;
		m->y = best_y;
	}
}

static void move(const struct motion *m, const struct level *l, const uint8_t *picture, uint8_t *moved)
{
	double cx = (double)(l->width - 1) / 2, cy = (double)(l->height - 1) / 2;
	double one = 1 + m->grow;
	double matrix[6] = {one, -m->turn, 0, m->turn, one, 0};
	matrix[2] = cx + m->x - (matrix[0] * cx + matrix[1] * cy);
	matrix[5] = cy + m->y - (matrix[3] * cx + matrix[4] * cy);
	struct assay__warp warp;
	struct assay_image from = {.pixels = (uint8_t *)(uintptr_t)picture,
							   .width_px = l->width,
							   .height_px = l->height,
							   .channels = 1,
							   .depth_bits = 8,
							   .stride_bytes = (size_t)l->width};
	struct assay_image to = from;
	to.pixels = moved;
	int rc = assay__warp_plan(matrix, &warp, NULL);
	if (rc == 0)
		rc = assay__warp_affine(&warp, &from, ASSAY__WARP_NEAREST, 0, &to, NULL);
	assert(rc == 0); /* limit() keeps motions far inside what a warp can do */
	(void)rc;
}

/* Mean and contrast of the moved picture, as they are brought to those of the reference. */
struct tone {
	int mean, reference_mean, gain_q12;
};

static inline int residual(const struct level *l, const struct tone *tone, const uint8_t *moved, size_t i)
{
	int v = ((moved[i] - tone->mean) * tone->gain_q12 + GAIN_ONE / 2) >> 12;
	return (v - (l->picture[i] - tone->reference_mean)) * l->use[i];
}

/* Over the pixels whose residual with the tone before is at most `cut`. */
static struct tone tone_of(const struct level *l, const uint8_t *moved, const struct tone *before, int cut)
{
	int64_t n = 0, sum = 0, squares = 0, ref_sum = 0, ref_squares = 0;
	size_t all = area(l->width, l->height);
	for (size_t i = 0; i < all; i++) {
		int r = residual(l, before, moved, i);
		int count = l->use[i] & (r <= cut) & (r >= -cut), v = moved[i] * count, p = l->picture[i] * count;
		n += count;
		sum += v;
		squares += v * v;
		ref_sum += p;
		ref_squares += p * p;
	}
	if (n == 0)
		return *before;
	double spread = (double)(squares - sum * sum / n), wanted = (double)(ref_squares - ref_sum * ref_sum / n);
	double gain = spread > 0 && wanted > 0 ? sqrt(wanted / spread) : 1;
	gain = gain < 0.5 ? 0.5 : gain > 2 ? 2 : gain;
	return (struct tone){(int)((sum + n / 2) / n), (int)((ref_sum + n / 2) / n), (int)(gain * GAIN_ONE + 0.5)};
}

/* What is further off than three times the mean is a defect, or has moved out of the picture. */
static int cut_of(const struct level *l, const struct tone *tone, const uint8_t *moved)
{
	int64_t total = 0;
	size_t all = area(l->width, l->height);
	for (size_t i = 0; i < all; i++) {
		int r = residual(l, tone, moved, i);
		total += r < 0 ? -r : r;
	}
	int cut = (int)(CUT_TIMES * total / l->count);
	return cut < CUT_LEAST ? CUT_LEAST : cut;
}

static void limit(struct motion *m, const struct level *l)
{
	double most = (double)(l->width < l->height ? l->width : l->height) / MOST_SHIFT_PARTS;
	m->grow = m->grow > MOST_GROW ? MOST_GROW : m->grow < -MOST_GROW ? -MOST_GROW : m->grow;
	m->turn = m->turn > MOST_TURN ? MOST_TURN : m->turn < -MOST_TURN ? -MOST_TURN : m->turn;
	m->x = m->x > most ? most : m->x < -most ? -most : m->x;
	m->y = m->y > most ? most : m->y < -most ? -most : m->y;
}

/* m = m after the inverse of the step d, which says how the reference would have to move to look like the picture. */
static void compose(struct motion *m, const double d[UNKNOWNS])
{
	double c = 1 + d[0], s = d[1], square = c * c + s * s;
	double ic = c / square, is = -s / square; /* turn and growth of the inverse */
	double ix = -(ic * d[2] - is * d[3]), iy = -(is * d[2] + ic * d[3]);
	double one = 1 + m->grow, turn = m->turn;
	m->x += one * ix - turn * iy;
	m->y += turn * ix + one * iy;
	m->grow = one * ic - turn * is - 1;
	m->turn = one * is + turn * ic;
}

/* One Gauss-Newton step; returns how far it moved the edge of the picture, in pixels of the level. */
static double step(struct level *l, const uint8_t *moved, bool settled, struct motion *m)
{
	const struct tone none = {0, 0, GAIN_ONE};
	struct tone tone = tone_of(l, moved, &none, 255);
	int64_t sums[UNKNOWNS] = {0};
	int cut = cut_of(l, &tone, moved);
	tone = tone_of(l, moved, &tone, cut);
	cut = cut_of(l, &tone, moved);
	/* far off, what sticks out is what shows the way; close by, it is a defect */
	const int beyond = settled ? 0 : cut;
	for (int y = 0; y < l->height; y++) {
		int64_t row_x = 0, row_y = 0, lever_x = 0, lever_y = 0, dy = from_middle(y, l->height);
		for (int x = 0; x < l->width; x++) {
			size_t i = area(l->width, y) + (size_t)x;
			int r = residual(l, &tone, moved, i);
			r = r > cut ? beyond : r < -cut ? -beyond : r;
			int64_t dx = from_middle(x, l->width);
			int px = l->gx[i] * r, py = l->gy[i] * r;
			row_x += px;
			row_y += py;
			lever_x += px * dx;
			lever_y += py * dx;
		}
		sums[0] += lever_x + row_y * dy;
		sums[1] += lever_y - row_x * dy;
		sums[2] += row_x;
		sums[3] += row_y;
	}
	double d[UNKNOWNS] = {(double)sums[0], (double)sums[1], (double)sums[2], (double)sums[3]};
	solve(l->factor, d);
	/* gradients were doubled, levers too */
	d[0] *= 4;
	d[1] *= 4;
	d[2] *= 2;
	d[3] *= 2;
	compose(m, d);
	limit(m, l);
	double lever = (double)(l->width > l->height ? l->width : l->height) / 2;
	return fabs(d[0]) * lever + fabs(d[1]) * lever + fabs(d[2]) + fabs(d[3]);
}

static struct assay__pose round_motion(const struct motion *m)
{
	return (struct assay__pose){(int32_t)floor(m->grow * (1 << 24) + 0.5), (int32_t)floor(m->turn * (1 << 24) + 0.5),
								(int32_t)floor(m->x * (1 << 16) + 0.5), (int32_t)floor(m->y * (1 << 16) + 0.5)};
}

static int fit_of(const struct level *l, const uint8_t *moved)
{
	int64_t n = l->count, sum = 0, squares = 0, products = 0;
	size_t all = area(l->width, l->height);
	for (size_t i = 0; i < all; i++) {
		int v = moved[i] * l->use[i];
		sum += v;
		squares += v * v;
		products += v * l->picture[i];
	}
	double covariance = (double)(products - sum * l->sum / n);
	double a = (double)(squares - sum * sum / n), b = (double)(l->sum_squares - l->sum * l->sum / n);
	if (!(covariance > 0 && a > 0 && b > 0))
		return 0;
	double fit = covariance / sqrt(a * b) * ASSAY__FIT_ONE_Q10;
	return fit > ASSAY__FIT_ONE_Q10 ? ASSAY__FIT_ONE_Q10 : (int)fit;
}

static void settle(struct level *l, const uint8_t *picture, uint8_t *moved, bool settled, int rounds, struct motion *m)
{
	double moved_px = 1;
	for (int k = 0; k < rounds && moved_px > STILL; k++) {
		move(m, l, picture, moved);
		moved_px = step(l, moved, settled, m);
	}
}

int assay__registrar_run(struct assay__registrar *registrar, const struct assay__registration *registration,
						 struct assay__pose *pose)
{
	struct motion m = {0};
	assert(registrar->width[0] == registration->level[0].width &&
		   registrar->height[0] == registration->level[0].height);
	for (int i = 1; i < registrar->count; i++)
		halve(registrar->picture[i - 1], registrar->width[i - 1], registrar->picture[i], registrar->width[i],
			  registrar->height[i]);
	for (int i = registrar->count - 1; i >= 0; i--) {
		struct level l = registration->level[i];
		if (i < registrar->count - 1) {
			m.x *= 2;
			m.y *= 2;
		} else if (l.count > 0) {
			find_shift(&l, registrar->picture[i], &m);
		}
		if (!l.solvable || l.count == 0)
			continue;
		settle(&l, registrar->picture[i], registrar->moved, false, i ? ROUNDS_MOST : FINE_ROUNDS_MOST, &m);
		if (i == 0)
			settle(&l, registrar->picture[i], registrar->moved, true, FINE_ROUNDS_MOST, &m);
	}
	*pose = round_motion(&m);
	struct motion exact = {pose->grow_q24 / 16777216.0, pose->turn_q24 / 16777216.0, pose->x_q16 / 65536.0,
						   pose->y_q16 / 65536.0};
	move(&exact, &registration->level[0], registrar->picture[0], registrar->moved);
	return fit_of(&registration->level[0], registrar->moved);
}

static int64_t floor_divide(int64_t a, int64_t b)
{
	int64_t q = a / b;
	return q * b > a ? q - 1 : q;
}

void assay__pose_to_reference(const struct assay__pose *pose, int64_t x_q16, int64_t y_q16, int64_t *ref_x_q16,
							  int64_t *ref_y_q16)
{
	int64_t one = ((int64_t)1 << 24) + pose->grow_q24, turn = pose->turn_q24;
	int64_t square = (one * one + turn * turn) >> 24;
	int64_t x = x_q16 - pose->x_q16, y = y_q16 - pose->y_q16;
	*ref_x_q16 = floor_divide(one * x + turn * y, square);
	*ref_y_q16 = floor_divide(one * y - turn * x, square);
}

int64_t assay__pose_reach_q16(const struct assay__pose *pose, int width_px, int height_px)
{
	int64_t most = 0;
	for (int k = 0; k < 4; k++) {
		int64_t dx = k & 1 ? width_px : -width_px, dy = k & 2 ? height_px : -height_px;
		/* corners in half pixels */
		int64_t x = ((pose->grow_q24 * dx - pose->turn_q24 * dy) >> 9) + pose->x_q16;
		int64_t y = ((pose->turn_q24 * dx + pose->grow_q24 * dy) >> 9) + pose->y_q16;
		x = x < 0 ? -x : x;
		y = y < 0 ? -y : y;
		most = x > most ? x : most;
		most = y > most ? y : most;
	}
	return most;
}
