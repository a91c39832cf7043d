/* SPDX-License-Identifier: Apache-2.0 */
/* The housing: outline, pocket, ribs, bosses, bores and holes as one height field, then slopes and light per cell. */
#include "station/source/virtual_part.h"

#include <math.h>

#include "base/err.h"

enum { BOLTS = 11, PINS = 2, TAPPED = 5 };

static const double bore_a[2] = {-92, 4}, bore_b[2] = {150, 22};

/* polar about a bore: which (0 A, 1 B, 2 the origin with x, y), turns clockwise from the right, radius */
static const struct {
	int about;
	double turns_or_x, radius_or_y;
} hole_places[ASSAY__VIRTUAL_HOLES] = {
	{0, 0.272, 188}, {0, 0.385, 188}, {0, 0.500, 188}, {0, 0.612, 188}, {0, 0.725, 188}, {0, 0.840, 188},
	{1, 0.790, 110}, {1, 0.935, 110}, {1, 0.082, 110}, {2, 22, 186},	{2, 128, 186},	 {0, 0.667, 183},
	{1, 0.165, 104}, {0, 0.462, 124}, {0, 0.690, 124}, {0, 0.300, 124}, {2, 50, 78},	 {1, 0.862, 78},
};

static const struct {
	double ax, ay, bx, by, half_width;
} ribs[] = {
	{-92, 4, 6, 174, 4.5},	   {-92, 4, -136, 168, 4},	{-92, 4, -240, 89, 4.5}, {-92, 4, -255, -40, 4},
	{-92, 4, -174, -138, 4.5}, {-92, 4, -48, -160, 4},	{-20, 68, 125, 74, 4},	 {-20, -60, 128, -28, 4},
	{150, 22, 236, -62, 3.5},  {150, 22, 228, 92, 3.5}, {150, 22, 72, 150, 4},
};

static const double ejectors[][2] = {{-188, 120}, {-218, -92}, {-72, 134}, {-118, -142}, {22, 116}, {206, -30}};

static double distance(double x, double y, double ax, double ay)
{
	double dx = x - ax, dy = y - ay;

	return sqrt(dx * dx + dy * dy);
}

double assay__virtual_segment(double x, double y, double ax, double ay, double bx, double by, double *along)
{
	double dx = bx - ax, dy = by - ay, square = dx * dx + dy * dy;
	double t = square > 0 ? clamp01(((x - ax) * dx + (y - ay) * dy) / square) : 0;

	if (along)
		*along = t;
	return distance(x, y, ax + t * dx, ay + t * dy);
}

static void place_holes(struct assay__virtual_part *part)
{
	part->bores[0] = (struct assay__virtual_hole){bore_a[0], bore_a[1], 66, 4};
	part->bores[1] = (struct assay__virtual_hole){bore_b[0], bore_b[1], 38, 3};
	part->boss_radius[0] = 94;
	part->boss_radius[1] = 59;
	for (int i = 0; i < ASSAY__VIRTUAL_HOLES; i++) {
		struct assay__virtual_hole *hole = &part->holes[i];
		double s, c;

		if (hole_places[i].about == 2) {
			hole->x = hole_places[i].turns_or_x;
			hole->y = hole_places[i].radius_or_y;
		} else {
			const double *centre = hole_places[i].about ? bore_b : bore_a;

			sincos_turns(hole_places[i].turns_or_x, &s, &c);
			hole->x = centre[0] + c * hole_places[i].radius_or_y;
			hole->y = centre[1] + s * hole_places[i].radius_or_y;
		}
		hole->radius = i < BOLTS ? 8 : i < BOLTS + PINS ? 4.5 : 5;
		hole->chamfer = i < BOLTS ? 2.6 : 1.4;
	}
}

/* units inside the outline */
static double edge_at(const struct assay__virtual_part *part, double x, double y)
{
	double a = distance(x, y, bore_a[0], bore_a[1]) - 196, b = distance(x, y, bore_b[0], bore_b[1]) - 118;
	double fx = fabs(x - 75) - 62, fy = fabs(y - 160) - 16;
	double foot = sqrt((fx > 0 ? fx * fx : 0) + (fy > 0 ? fy * fy : 0)) - 20;
	double d = smooth_min(smooth_min(a, b, 70), foot, 36);

	for (int i = 0; i < BOLTS; i++)
		d = smooth_min(d, distance(x, y, part->holes[i].x, part->holes[i].y) - 23, 22);
	return -d;
}

struct relief {
	double z, machined, cover, mark, edge;
};

static double mix(double a, double b, double t)
{
	return a + (b - a) * t;
}

/* lays a boss top or rib of height `top` over the surface where `share` is 1 */
static void raise_to(struct relief *r, double top, double share)
{
	if (top > r->z)
		r->z = mix(r->z, top, share);
}

static struct relief relief_at(const struct assay__virtual_part *part, double x, double y, int cavity)
{
	struct relief r = {0};
	double e = edge_at(part, x, y), pocket = smoothstep(31, 43, e), away_x, away_y, rib = 0;

	r.edge = e;
	for (int i = 0; i < BOLTS + PINS; i++)
		pocket *= smoothstep(16, 26, distance(x, y, part->holes[i].x, part->holes[i].y));
	r.z = -22 * pocket;
	/* a pad for the lettering, nearly flush with the floor */
	away_x = fabs(x - 47) - 33, away_y = fabs(y - 4) - 20;
	raise_to(&r, -19.5, smoothstep(2, -2, away_x > away_y ? away_x : away_y));
	for (size_t i = 0; i < sizeof(ribs) / sizeof(ribs[0]); i++) {
		double d = assay__virtual_segment(x, y, ribs[i].ax, ribs[i].ay, ribs[i].bx, ribs[i].by, NULL);
		double share = smoothstep(ribs[i].half_width + 5, ribs[i].half_width - 2.5, d);

		rib = share > rib ? share : rib;
	}
	raise_to(&r, -10, rib);
	for (size_t i = 0; i < sizeof(ejectors) / sizeof(ejectors[0]); i++)
		r.z -= 1.1 * smoothstep(7.2, 5.8, distance(x, y, ejectors[i][0], ejectors[i][1]));
	r.z += 2.4 * assay__virtual_lettering(x, y, cavity);
	/* the sealing face along the outline is milled */
	r.machined = smoothstep(4.2, 5.2, e) * smoothstep(0.06, 0.01, pocket);
	for (int i = BOLTS + PINS; i < ASSAY__VIRTUAL_HOLES; i++) {
		double d = distance(x, y, part->holes[i].x, part->holes[i].y);

		raise_to(&r, -5, smoothstep(18, 12.5, d));
		r.machined = mix(r.machined, 1, smoothstep(12.2, 11.4, d));
	}
	for (int i = 0; i < ASSAY__VIRTUAL_BORES; i++) {
		double d = distance(x, y, part->bores[i].x, part->bores[i].y), rim = part->boss_radius[i];

		raise_to(&r, -3, smoothstep(rim + 11, rim, d));
		r.machined = mix(r.machined, 1, smoothstep(rim - 1, rim - 2, d));
	}
	/* the outer edge is round, then drops with a little draft */
	if (e < 6)
		r.z -= 6 - sqrt(36 - (6 - (e > 0 ? e : 0)) * (6 - (e > 0 ? e : 0)));
	if (e < 0)
		r.z += e * 6;
	r.cover = smoothstep(-1.6, -0.6, e);
	r.mark = r.machined;
	for (int i = 0; i < ASSAY__VIRTUAL_HOLES; i++) {
		const struct assay__virtual_hole *hole = &part->holes[i];
		double d = distance(x, y, hole->x, hole->y), rim = hole->radius + hole->chamfer;

		if (d > rim + 1)
			continue;
		if (d < rim)
			r.z -= (rim - d) * 0.9;
		r.machined = mix(r.machined, 1, smoothstep(rim + 0.5, rim - 0.5, d));
		r.mark *= smoothstep(rim - 0.5, rim + 0.5, d);
		r.z -= (i < BOLTS ? 70 : 26) * smoothstep(hole->radius, hole->radius - 1.2, d);
		if (i < BOLTS)
			r.cover *= smoothstep(hole->radius - 2, hole->radius - 1, d);
	}
	for (int i = 0; i < ASSAY__VIRTUAL_BORES; i++) {
		const struct assay__virtual_hole *bore = &part->bores[i];
		double d = distance(x, y, bore->x, bore->y), rim = bore->radius + bore->chamfer,
			   seat = bore->radius - 12 - 3 * !i;

		if (d > rim + 1)
			continue;
		if (d < rim)
			r.z -= (rim - d > bore->chamfer ? bore->chamfer : rim - d) * 0.9;
		r.z -= 34 * smoothstep(bore->radius, bore->radius - 1.5, d);
		r.z -= (seat + 1.5 - d > 0 ? seat + 1.5 - d > 1.5 ? 1.5 : seat + 1.5 - d : 0) * 0.9;
		r.z -= 50 * smoothstep(seat, seat - 1.2, d);
		r.mark *=
			d > bore->radius ? smoothstep(rim - 0.5, rim + 0.5, d) : smoothstep(bore->radius - 1, bore->radius - 2, d);
		r.cover *= smoothstep(seat - 2, seat - 1, d);
	}
	if (r.z < -90)
		r.z = -90;
	return r;
}

/* mean over 2 r + 1 cells along x, then y, with borders repeated; in and out may not overlap, row holds one column */
static void box_blur(const float *in, float *out, float *column, int width, int height, int r)
{
	double scale = 1.0 / (2 * r + 1);

	for (int y = 0; y < height; y++) {
		const float *row = in + (size_t)y * (size_t)width;
		double sum = row[0] * (double)r;

		for (int x = 0; x <= r; x++)
			sum += row[x < width ? x : width - 1];
		for (int x = 0; x < width; x++) {
			out[(size_t)y * (size_t)width + (size_t)x] = (float)(sum * scale);
			sum += (double)row[x + r + 1 < width ? x + r + 1 : width - 1] - (double)row[x - r > 0 ? x - r : 0];
		}
	}
	for (int x = 0; x < width; x++) {
		float *base = out + x;
		double sum;

		for (int y = 0; y < height; y++)
			column[y] = base[(size_t)y * (size_t)width];
		sum = column[0] * (double)r;
		for (int y = 0; y <= r; y++)
			sum += column[y < height ? y : height - 1];
		for (int y = 0; y < height; y++) {
			base[(size_t)y * (size_t)width] = (float)(sum * scale);
			sum += (double)column[y + r + 1 < height ? y + r + 1 : height - 1] - (double)column[y - r > 0 ? y - r : 0];
		}
	}
}

static void fill_relief(struct assay__virtual_part *part, float *z, uint32_t seed, int cavity)
{
	for (int j = 0; j < part->height; j++)
		for (int i = 0; i < part->width; i++) {
			size_t at = (size_t)j * (size_t)part->width + (size_t)i;
			double x = part->left + i / part->cells_per_unit, y = part->top + j / part->cells_per_unit;
			struct relief r = relief_at(part, x, y, cavity);
			double cast = 1 - r.machined;
			/* what the die itself prints on every part: heat checks and worn spots */
			double die = 0.34 * noise_xy(x / 9, y / 9, seed, 0) + 0.16 * noise_xy(x / 3.5, y / 3.5, seed + 1, 0);

			z[at] = (float)(r.z + cast * die);
			part->cells[at] = (struct assay__virtual_cell){
				.cover = (float)r.cover,
				.machined = (float)r.machined,
				.mark = (float)r.mark,
				.albedo = (float)(mix(0.47 + 0.035 * noise_xy(x / 40, y / 40, seed + 2, 0), 0.66, r.machined)),
				.edge = (float)(r.edge < -40  ? -40
								: r.edge > 60 ? 60
											  : r.edge),
			};
		}
}

/* slopes from the heights of neighbours, light from how far a place lies below its surroundings */
static void fill_light(struct assay__virtual_part *part, const float *z, const float *near, const float *wide)
{
	for (int j = 0; j < part->height; j++)
		for (int i = 0; i < part->width; i++) {
			size_t at = (size_t)j * (size_t)part->width + (size_t)i;
			int left = i > 0 ? i - 1 : 0, right = i + 1 < part->width ? i + 1 : i;
			const float *here = z + (size_t)j * (size_t)part->width;
			const float *up = j > 0 ? here - part->width : here,
						*down = j + 1 < part->height ? here + part->width : here;
			/* Sobel's weights: smooth along an edge, so that thin highlights do not break into dots */
			double sx =
				((double)up[right] - up[left] + 2 * ((double)here[right] - here[left]) + down[right] - down[left]) *
				part->cells_per_unit * 0.125;
			double sy = ((double)down[left] - up[left] + 2 * ((double)down[i] - up[i]) + down[right] - up[right]) *
						part->cells_per_unit * 0.125;
			double deep = near[at] - (double)z[at], far = wide[at] - (double)z[at];
			double open = 1 / (1 + (deep > 0 ? deep / 9 : 0) + (far > 0 ? far / 34 : 0));
			struct assay__virtual_cell *cell = &part->cells[at];

			cell->slope_x = (float)(sx < -3 ? -3 : sx > 3 ? 3 : sx);
			cell->slope_y = (float)(sy < -3 ? -3 : sy > 3 ? 3 : sy);
			cell->open = (float)open;
		}
}

int assay__virtual_part_open(struct assay__virtual_part *part, double cells_per_unit, uint64_t seed,
							 const struct assay_allocator *allocator, struct assay_error *error)
{
	struct assay__virtual_part p = {.cells_per_unit = cells_per_unit, .left = -342, .top = -264};
	size_t count;
	float *scratch;

	p.width = (int)(684 * cells_per_unit) + 1;
	p.height = (int)(528 * cells_per_unit) + 1;
	count = (size_t)p.width * (size_t)p.height;
	place_holes(&p);
	p.cells = assay__alloc(allocator, count * sizeof(*p.cells));
	scratch = assay__alloc(allocator, (count * 3 + (size_t)p.height) * sizeof(*scratch));
	if (!p.cells || !scratch) {
		assay__free(allocator, scratch);
		assay__free(allocator, p.cells);
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for the virtual part (%zu cells)", count);
	}
	fill_relief(&p, scratch + count, (uint32_t)mix64(seed), 1 + (int)(mix64(seed) >> 40) % 4);
	/* no edge is sharper than the map can carry */
	box_blur(scratch + count, scratch, scratch + 3 * count, p.width, p.height, 1);
	box_blur(scratch, scratch + count, scratch + 3 * count, p.width, p.height, 1 + (int)(4 * cells_per_unit));
	box_blur(scratch, scratch + 2 * count, scratch + 3 * count, p.width, p.height, 1 + (int)(18 * cells_per_unit));
	fill_light(&p, scratch, scratch + count, scratch + 2 * count);
	assay__free(allocator, scratch);
	*part = p;
	return 0;
}

void assay__virtual_part_close(struct assay__virtual_part *part, const struct assay_allocator *allocator)
{
	assay__free(allocator, part->cells);
	part->cells = NULL;
}

struct assay__virtual_cell assay__virtual_part_at(const struct assay__virtual_part *part, double x, double y)
{
	double gx = (x - part->left) * part->cells_per_unit, gy = (y - part->top) * part->cells_per_unit;
	struct assay__virtual_cell out;
	const float *a, *b, *c, *d;
	float fx, fy, *to = (float *)&out;
	int ix, iy;

	gx = gx < 0 ? 0 : gx > part->width - 1.001 ? part->width - 1.001 : gx;
	gy = gy < 0 ? 0 : gy > part->height - 1.001 ? part->height - 1.001 : gy;
	ix = (int)gx;
	iy = (int)gy;
	fx = (float)(gx - ix);
	fy = (float)(gy - iy);
	a = (const float *)&part->cells[(size_t)iy * (size_t)part->width + (size_t)ix];
	b = a + 8;
	c = a + 8 * (size_t)part->width;
	d = c + 8;
	for (int i = 0; i < 8; i++) {
		float top = a[i] + (b[i] - a[i]) * fx, bottom = c[i] + (d[i] - c[i]) * fx;

		to[i] = top + (bottom - top) * fy;
	}
	return out;
}
