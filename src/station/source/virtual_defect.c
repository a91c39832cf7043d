/* SPDX-License-Identifier: Apache-2.0 */
/* The seven defects: where each may sit, what it looks like at a severity, and what it does to the surface. */
#include "station/source/virtual_part.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>

static double mix(double a, double b, double t)
{
	return a + (b - a) * t;
}

static bool is_machined(const struct assay__virtual_cell *c)
{
	return c->mark > 0.95f && c->cover > 0.99f;
}

static bool is_cast(const struct assay__virtual_cell *c)
{
	return c->machined < 0.05f && c->cover > 0.99f && c->edge > 9 && c->open > 0.45f;
}

static bool is_metal(const struct assay__virtual_cell *c)
{
	return c->cover > 0.99f && c->open > 0.5f;
}

/* the centre and eight places around it are all of the wanted kind */
static bool suits(const struct assay__virtual_part *part, double x, double y, double r,
				  bool (*wanted)(const struct assay__virtual_cell *))
{
	static const double around[9][2] = {{0, 0},	  {1, 0},	 {-1, 0},	{0, 1},	   {0, -1},
										{.7, .7}, {-.7, .7}, {.7, -.7}, {-.7, -.7}};

	for (int i = 0; i < 9; i++) {
		struct assay__virtual_cell c = assay__virtual_part_at(part, x + r * around[i][0], y + r * around[i][1]);

		if (!wanted(&c))
			return false;
	}
	return true;
}

/* a place where a disc of radius r suits, or a smaller one if the part has none */
static void find_place(const struct assay__virtual_part *part, struct rng *rng, double r,
					   bool (*wanted)(const struct assay__virtual_cell *), double *x, double *y)
{
	for (int attempt = 0; attempt < 4000; attempt++) {
		double px = rng_range(rng, -290, 285), py = rng_range(rng, -215, 215);

		if (suits(part, px, py, r, wanted)) {
			*x = px;
			*y = py;
			return;
		}
		if (attempt % 200 == 199)
			r *= 0.8;
	}
	*x = part->bores[0].x + part->bores[0].radius + 14;
	*y = part->bores[0].y;
}

static void draw_porosity(const struct assay__virtual_part *part, struct rng *rng, struct assay__virtual_defect *d)
{
	double spread = mix(3, 13, d->severity) * rng_range(rng, 0.8, 1.2);

	find_place(part, rng, mix(2, 4, d->severity), is_machined, &d->x, &d->y);
	d->count = 2 + (int)(d->severity * 14 * rng_range(rng, 0.7, 1.3));
	d->depth = mix(0.22, 0.85, d->severity);
	for (int i = 0; i < d->count; i++) {
		double sine, cosine, away = i ? spread * sqrt(rng_unit(rng)) : 0;

		sincos_turns(rng_unit(rng), &sine, &cosine);
		d->points[i].x = d->x + away * cosine;
		d->points[i].y = d->y + away * sine;
		d->points[i].size = mix(0.9, rng_range(rng, 1.1, 3.3), d->severity);
		if (d->points[i].size < 1.3 * d->soft)
			d->points[i].size = 1.3 * d->soft;
	}
	d->reach = spread + 4 + 4 * d->soft;
}

/* a line of `count` corners from (x, y), each `step` long, bending by up to `jitter` turns around a course that turns
 * by `bend` */
static void draw_line(struct assay__virtual_defect *d, struct rng *rng, int count, double x, double y, double turns,
					  double step, double bend, double jitter, double size_start, double size_end)
{
	for (int i = 0; i < count && d->count < ASSAY__VIRTUAL_POINTS; i++) {
		double sine, cosine, share = count > 1 ? (double)i / (count - 1) : 0;

		d->points[d->count].x = x;
		d->points[d->count].y = y;
		d->points[d->count].size = mix(size_start, size_end, share);
		if (i == 0 && d->count > 0)
			d->points[d->count].size = -d->points[d->count].size;
		d->count++;
		sincos_turns(turns + bend * share + jitter * rng_range(rng, -1, 1), &sine, &cosine);
		x += step * cosine;
		y += step * sine;
	}
}

/* centre and reach from the corners */
static void enclose(struct assay__virtual_defect *d, double margin)
{
	double x0 = 1e9, x1 = -1e9, y0 = 1e9, y1 = -1e9;

	for (int i = 0; i < d->count; i++) {
		x0 = d->points[i].x < x0 ? d->points[i].x : x0;
		x1 = d->points[i].x > x1 ? d->points[i].x : x1;
		y0 = d->points[i].y < y0 ? d->points[i].y : y0;
		y1 = d->points[i].y > y1 ? d->points[i].y : y1;
	}
	d->x = (x0 + x1) / 2;
	d->y = (y0 + y1) / 2;
	d->reach = sqrt((x1 - x0) * (x1 - x0) + (y1 - y0) * (y1 - y0)) / 2 + margin;
}

static void draw_cold_shut(const struct assay__virtual_part *part, struct rng *rng, struct assay__virtual_defect *d)
{
	double length = mix(26, 105, d->severity) * rng_range(rng, 0.8, 1.2), turns = rng_unit(rng), sine, cosine, x, y;

	find_place(part, rng, 9, is_cast, &x, &y);
	sincos_turns(turns, &sine, &cosine);
	d->width = mix(1.6, 5.5, d->severity) + 2 * d->soft;
	d->depth = mix(0.07, 1.2, d->severity);
	draw_line(d, rng, 12, x - cosine * length / 2, y - sine * length / 2, turns - 0.07, length / 11,
			  rng_range(rng, 0.06, 0.2), 0.045, 1, 1);
	enclose(d, d->width + 2);
}

static void draw_crack(const struct assay__virtual_part *part, struct rng *rng, struct assay__virtual_defect *d)
{
	const struct assay__virtual_hole *hole = &part->holes[rng_int(rng, ASSAY__VIRTUAL_HOLES)];
	double length = mix(12, 72, d->severity) * rng_range(rng, 0.8, 1.2), width = mix(0.34, 1.3, d->severity);
	double turns = 0, sine, cosine, x = 0, y = 0;
	int corners = 4 + (int)(length / 6);
	bool from_rib = rng_int(rng, 3) == 0;

	/* on until the crack runs over metal; the last try stands */
	for (int attempt = 0; attempt < 60; attempt++) {
		struct assay__virtual_cell half, end;

		turns = rng_unit(rng);
		sincos_turns(turns, &sine, &cosine);
		if (from_rib) {
			find_place(part, rng, 3, is_cast, &x, &y);
		} else {
			x = hole->x + (hole->radius + hole->chamfer * 0.6) * cosine;
			y = hole->y + (hole->radius + hole->chamfer * 0.6) * sine;
		}
		half = assay__virtual_part_at(part, x + length * 0.5 * cosine, y + length * 0.5 * sine);
		end = assay__virtual_part_at(part, x + length * cosine, y + length * sine);
		if (is_metal(&half) && is_metal(&end) && end.edge > 7 && half.edge > 7)
			break;
	}
	d->depth = mix(0.32, 0.95, d->severity);
	width = width < 0.9 * d->soft ? 0.9 * d->soft : width;
	draw_line(d, rng, corners, x, y, turns, length / (corners - 1), 0, 0.085, width, width * 0.45);
	if (d->severity > 0.5) {
		int at = corners / 2;

		draw_line(d, rng, 4, d->points[at].x, d->points[at].y, turns + (rng_int(rng, 2) ? 0.11 : -0.11), length / 9, 0,
				  0.06, width * 0.6, width * 0.4);
	}
	enclose(d, 4 + 3 * d->soft);
}

static void draw_flash(const struct assay__virtual_part *part, struct rng *rng, struct assay__virtual_defect *d)
{
	double sine, cosine, inside = 0, outside = 330;

	d->width = mix(1.8, 12, d->severity) * rng_range(rng, 0.85, 1.15);
	d->depth = mix(0.24, 0.6, d->severity);
	d->reach = mix(11, 46, d->severity) * rng_range(rng, 0.85, 1.15);
	sincos_turns(rng_unit(rng), &sine, &cosine);
	if (rng_int(rng, 5) < 2) {
		/* at the rim of a bolt hole or, large, of a bore */
		const struct assay__virtual_hole *hole =
			d->severity > 0.6 ? &part->bores[rng_int(rng, ASSAY__VIRTUAL_BORES)] : &part->holes[rng_int(rng, 11)];

		d->count = 1;
		d->points[0].x = hole->x;
		d->points[0].y = hole->y;
		d->points[0].size = hole->radius;
		d->x = hole->x + hole->radius * cosine;
		d->y = hole->y + hole->radius * sine;
		d->reach = d->reach > hole->radius * 1.2 ? hole->radius * 1.2 : d->reach;
		d->width = d->width > hole->radius * 0.5 ? hole->radius * 0.5 : d->width;
	} else {
		/* the outline, along a ray from the middle of the part */
		for (int i = 0; i < 30; i++) {
			double middle = (inside + outside) / 2;

			if (assay__virtual_part_at(part, middle * cosine, middle * sine).edge > 0)
				inside = middle;
			else
				outside = middle;
		}
		d->x = inside * cosine;
		d->y = inside * sine;
	}
	d->width += d->soft;
	d->reach += 3 * d->soft;
}

static void draw_missing_hole(const struct assay__virtual_part *part, struct rng *rng, struct assay__virtual_defect *d)
{
	/* hard ones are small holes, or a dimple where the drill should have gone through */
	int which = d->severity > 0.5 ? rng_int(rng, 11) : rng_int(rng, ASSAY__VIRTUAL_HOLES);
	const struct assay__virtual_hole *hole = &part->holes[which];

	d->x = hole->x;
	d->y = hole->y;
	d->width = hole->radius + hole->chamfer;
	d->depth = 1 - d->severity;
	d->reach = d->width + 2.5;
}

static void draw_scratch(const struct assay__virtual_part *part, struct rng *rng, struct assay__virtual_defect *d)
{
	double length = mix(16, 120, d->severity) * rng_range(rng, 0.8, 1.2), turns = 0, sine, cosine, x = 0, y = 0;
	double width = mix(0.35, 0.75, d->severity);
	int most = -1;

	/* of some courses the one that stays longest on machined faces */
	for (int attempt = 0; attempt < 24; attempt++) {
		double try_turns = rng_unit(rng), try_x, try_y;
		int on_face = 0;

		find_place(part, rng, 6, is_machined, &try_x, &try_y);
		sincos_turns(try_turns, &sine, &cosine);
		for (int i = -4; i <= 4; i++) {
			struct assay__virtual_cell c =
				assay__virtual_part_at(part, try_x + cosine * length * i / 8, try_y + sine * length * i / 8);

			on_face += is_machined(&c);
		}
		if (on_face <= most)
			continue;
		most = on_face;
		turns = try_turns;
		x = try_x;
		y = try_y;
	}
	sincos_turns(turns, &sine, &cosine);
	width = width < 0.9 * d->soft ? 0.9 * d->soft : width;
	d->depth = mix(0.05, 0.42, d->severity);
	draw_line(d, rng, 8, x - cosine * length / 2, y - sine * length / 2, turns, length / 7, rng_range(rng, -0.05, 0.05),
			  0.006, width, width * 0.6);
	enclose(d, 3 + 3 * d->soft);
}

static void draw_dent(const struct assay__virtual_part *part, struct rng *rng, struct assay__virtual_defect *d)
{
	double radius = mix(6, 23, d->severity) * rng_range(rng, 0.85, 1.15);

	find_place(part, rng, radius * 0.6, rng_int(rng, 2) ? is_cast : is_machined, &d->x, &d->y);
	sincos_turns(rng_unit(rng), &d->sine, &d->cosine);
	d->aspect = rng_range(rng, 1, 1.6);
	d->width = radius;
	d->depth = mix(0.07, 0.6, d->severity);
	d->reach = radius + d->soft;
}

void assay__virtual_defect_draw(const struct assay__virtual_part *part, enum assay__virtual_kind kind, double severity,
								double px_per_unit, uint64_t seed, uint64_t index, struct assay__virtual_defect *defect)
{
	static void (*const draw[ASSAY__VIRTUAL_KINDS])(const struct assay__virtual_part *, struct rng *,
													struct assay__virtual_defect *) = {
		[ASSAY__VIRTUAL_POROSITY] = draw_porosity,
		[ASSAY__VIRTUAL_COLD_SHUT] = draw_cold_shut,
		[ASSAY__VIRTUAL_CRACK] = draw_crack,
		[ASSAY__VIRTUAL_FLASH] = draw_flash,
		[ASSAY__VIRTUAL_MISSING_HOLE] = draw_missing_hole,
		[ASSAY__VIRTUAL_SCRATCH] = draw_scratch,
		[ASSAY__VIRTUAL_DENT] = draw_dent,
	};
	struct rng rng = rng_make(seed, index, 0x100 + (uint64_t)kind);

	assert(kind > ASSAY__VIRTUAL_GOOD && kind < ASSAY__VIRTUAL_KINDS);
	*defect = (struct assay__virtual_defect){.kind = kind, .severity = severity, .soft = 0.5 / px_per_unit};
	defect->seed = (uint32_t)rng_next(&rng);
	draw[kind](part, &rng, defect);
}

struct nearest {
	double distance, half_width, towards_x, towards_y, along;
};

/* nearest place of a line's corners; towards is the unit vector from it to (x, y) */
static struct nearest nearest_of(const struct assay__virtual_defect *d, double x, double y)
{
	struct nearest best = {.distance = 1e9};

	for (int i = 0; i + 1 < d->count; i++) {
		double along, ax = d->points[i].x, ay = d->points[i].y, bx = d->points[i + 1].x, by = d->points[i + 1].y, r;

		if (d->points[i + 1].size < 0)
			continue;
		r = assay__virtual_segment(x, y, ax, ay, bx, by, &along);
		if (r >= best.distance)
			continue;
		best.distance = r;
		best.half_width = mix(fabs(d->points[i].size), fabs(d->points[i + 1].size), along);
		best.along = (i + along) / (d->count - 1);
		best.towards_x = r > 1e-9 ? (x - mix(ax, bx, along)) / r : 0;
		best.towards_y = r > 1e-9 ? (y - mix(ay, by, along)) / r : 0;
	}
	return best;
}

/* how much of a pixel a line of that half width fills */
static double line_share(const struct assay__virtual_defect *d, const struct nearest *n)
{
	double edge = d->soft + 0.15;

	return smoothstep(n->half_width + edge, n->half_width - edge, n->distance);
}

static void apply_porosity(const struct assay__virtual_defect *d, double x, double y, struct assay__virtual_surface *f)
{
	double pit = 0, lean_x = 0, lean_y = 0;

	for (int i = 0; i < d->count; i++) {
		double dx = x - d->points[i].x, dy = y - d->points[i].y, r = d->points[i].size;
		double away = sqrt(dx * dx + dy * dy),
			   ragged = r * (1 + 0.35 * noise_xy(x * 0.9, y * 0.9, d->seed + (uint32_t)i, 0));
		double share = smoothstep(ragged + d->soft + 0.1, ragged - d->soft - 0.4, away);

		if (share <= pit)
			continue;
		pit = share;
		lean_x = dx / (r + 0.5);
		lean_y = dy / (r + 0.5);
	}
	/* pores hide below the skin and show only where it was cut away */
	pit *= f->cell.machined;
	f->gain *= (float)(1 - d->depth * pit);
	f->cell.slope_x += (float)(0.5 * d->depth * pit * lean_x);
	f->cell.slope_y += (float)(0.5 * d->depth * pit * lean_y);
	f->cell.mark *= (float)(1 - pit);
}

static void apply_cold_shut(const struct assay__virtual_defect *d, double x, double y, struct assay__virtual_surface *f)
{
	struct nearest n = nearest_of(d, x, y);
	double r = n.distance / d->width, q = r < 1 ? 1 - r * r : 0,
		   fade = smoothstep(0, 0.12, n.along) * smoothstep(1, 0.88, n.along);
	double skin = 1 - (double)f->cell.machined, lean = d->depth * 2.4 * r * q * fade * skin;

	f->cell.slope_x += (float)(lean * n.towards_x);
	f->cell.slope_y += (float)(lean * n.towards_y);
	f->texture *= (float)(1 - 0.6 * q * fade * skin);
	f->gain *= (float)(1 - 0.45 * d->depth * q * q * fade * skin);
}

static void apply_crack(const struct assay__virtual_defect *d, double x, double y, struct assay__virtual_surface *f)
{
	struct nearest n = nearest_of(d, x, y);
	double share = line_share(d, &n), lip = smoothstep(n.half_width + 2.2, n.half_width + 0.4, n.distance) - share;

	f->gain *= (float)((1 - d->depth * share) * (1 + 0.06 * d->depth * (lip > 0 ? lip : 0)));
}

static void apply_scratch(const struct assay__virtual_defect *d, double x, double y, struct assay__virtual_surface *f)
{
	struct nearest n = nearest_of(d, x, y);
	double share = line_share(d, &n) * f->cell.machined;
	double pressed = 0.72 + 0.28 * noise_xy(n.along * 14, 0, d->seed, 0),
		   fade = smoothstep(0, 0.08, n.along) * smoothstep(1, 0.9, n.along);

	f->glint += (float)(d->depth * share * pressed * fade);
	f->cell.mark *= (float)(1 - share * fade);
}

static void apply_flash(const struct assay__virtual_defect *d, double x, double y, struct assay__virtual_surface *f)
{
	double dx = x - d->x, dy = y - d->y, t = (dx * dx + dy * dy) / (d->reach * d->reach), past, fin, share;
	double bright = d->depth * (1 + 0.16 * noise_xy(x / 3, y / 3, d->seed, 0));

	if (d->count) {
		double hx = x - d->points[0].x, hy = y - d->points[0].y;

		past = d->points[0].size - sqrt(hx * hx + hy * hy);
	} else {
		past = -(double)f->cell.edge;
	}
	fin = d->width * (1 - t) *
		  (0.62 + 0.24 * noise_xy(x / 7, y / 7, d->seed + 1, 0) + 0.14 * noise_xy(x / 2.6, y / 2.6, d->seed + 4, 0));
	share = past > -0.2 ? smoothstep(fin + d->soft, fin - d->soft, past) * smoothstep(-0.2, 0.4, past) : 0;
	f->cell.slope_x = (float)mix(f->cell.slope_x, 0.1 * noise_xy(x / 4, y / 4, d->seed + 2, 0), share);
	f->cell.slope_y = (float)mix(f->cell.slope_y, 0.1 * noise_xy(x / 4, y / 4, d->seed + 3, 0), share);
	f->cell.albedo = (float)mix(f->cell.albedo, bright, share);
	f->cell.open = (float)mix(f->cell.open, f->cell.open > 0.85f ? f->cell.open : 0.85, share);
	f->cell.mark *= (float)(1 - share);
	f->cell.machined *= (float)(1 - share);
	f->cell.cover = (float)mix(f->cell.cover, 1, share);
}

static void apply_missing_hole(const struct assay__virtual_defect *d, double x, double y,
							   struct assay__virtual_surface *f)
{
	double dx = x - d->x, dy = y - d->y, r = sqrt(dx * dx + dy * dy);
	double share = smoothstep(d->width + 1.2, d->width + 0.2, r);
	double dimple = smoothstep(d->width * 0.85, d->width * 0.3, r) * d->depth,
		   lean = r < d->width ? 0.25 * d->depth * r / d->width : 0;

	f->cell.slope_x = (float)mix(f->cell.slope_x, r > 0 ? lean * dx / r : 0, share);
	f->cell.slope_y = (float)mix(f->cell.slope_y, r > 0 ? lean * dy / r : 0, share);
	f->cell.albedo = (float)mix(f->cell.albedo, 0.66, share);
	f->cell.machined = (float)mix(f->cell.machined, 1, share);
	f->cell.mark = (float)mix(f->cell.mark, 1 - d->depth, share);
	f->cell.open = (float)mix(f->cell.open, f->cell.open > 0.95f ? f->cell.open : 0.95, share);
	f->cell.cover = (float)mix(f->cell.cover, 1, share);
	f->gain *= (float)(1 - 0.85 * dimple);
}

static void apply_dent(const struct assay__virtual_defect *d, double x, double y, struct assay__virtual_surface *f)
{
	double dx = (x - d->x) / d->width, dy = (y - d->y) / d->width;
	double u = dx * d->cosine + dy * d->sine, v = (dy * d->cosine - dx * d->sine) * d->aspect, square = u * u + v * v,
		   lean;

	if (square >= 1)
		return;
	/* height -(1 - r^2)^2: the slope 4 r (1 - r^2) peaks at 1.54 */
	lean = d->depth * 4 / 1.54 * (1 - square);
	v *= d->aspect;
	f->cell.slope_x += (float)(lean * (u * d->cosine - v * d->sine));
	f->cell.slope_y += (float)(lean * (u * d->sine + v * d->cosine));
}

void assay__virtual_defect_apply(const struct assay__virtual_defect *defect, double x, double y,
								 struct assay__virtual_surface *surface)
{
	static void (*const apply[ASSAY__VIRTUAL_KINDS])(const struct assay__virtual_defect *, double, double,
													 struct assay__virtual_surface *) = {
		[ASSAY__VIRTUAL_POROSITY] = apply_porosity,
		[ASSAY__VIRTUAL_COLD_SHUT] = apply_cold_shut,
		[ASSAY__VIRTUAL_CRACK] = apply_crack,
		[ASSAY__VIRTUAL_FLASH] = apply_flash,
		[ASSAY__VIRTUAL_MISSING_HOLE] = apply_missing_hole,
		[ASSAY__VIRTUAL_SCRATCH] = apply_scratch,
		[ASSAY__VIRTUAL_DENT] = apply_dent,
	};

	apply[defect->kind](defect, x, y, surface);
}
