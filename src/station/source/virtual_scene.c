/* SPDX-License-Identifier: Apache-2.0 */
/* Takes pictures: pose, light, texture, oil, lens and sensor over the housing's map. */
#include "station/source/virtual_scene.h"

#include <math.h>
#include <string.h>

_Static_assert(sizeof(struct assay__virtual_cell) == 8 * sizeof(float), "cells are blended as eight floats");

enum { GRID_PX = 16, GRID_MAX = ASSAY__VIRTUAL_MAX_SIDE_PX / GRID_PX + 3 };

/* Three taps of a quarter, a half and a quarter have a variance of half a pixel squared each pass. */
static void upset(const struct assay__virtual_line *line, uint64_t index, struct assay__virtual_scene *s)
{
	const struct assay__virtual_upset *u = &line->options.upset;
	double share;

	if (index < u->from)
		return;
	share = index - u->from >= u->over ? 1 : (double)(index - u->from) / (double)u->over;
	s->gain *= (float)(1 - share * u->dim);
	s->tilt_x += (float)(share * u->lean);
	s->shift_x += share * u->shift_x_px / line->px_per_unit;
	s->shift_y += share * u->shift_y_px / line->px_per_unit;
	s->texture_gain *= (float)(1 + share * u->rough);
	s->blur_more = (int)(2 * share * u->blur_px * u->blur_px + 0.5);
}

struct assay__virtual_scene assay__virtual_scene_draw(const struct assay__virtual_line *line, uint64_t index)
{
	struct rng r = rng_make(line->options.seed, index, 1);
	struct assay__virtual_scene s;
	double sine, cosine, z;

	sincos_turns(rng_range(&r, -2.0, 2.0) / 360, &s.sine, &s.cosine);
	s.scale = 1 + rng_range(&r, -0.005, 0.005);
	s.shift_x = rng_range(&r, -4, 4);
	s.shift_y = rng_range(&r, -4, 4);
	sincos_turns(0.63 + rng_range(&r, -0.03, 0.03), &sine, &cosine);
	z = 0.55 + rng_range(&r, -0.04, 0.04);
	s.light_z = (float)z;
	s.light_x = (float)(cosine * sqrt(1 - z * z));
	s.light_y = (float)(sine * sqrt(1 - z * z));
	s.ambient = 0.13f;
	s.ring = (float)rng_range(&r, 0.54, 0.60);
	s.key = (float)rng_range(&r, 0.30, 0.36);
	s.gain = (float)rng_range(&r, 1.22, 1.36);
	s.tilt_x = (float)rng_range(&r, -0.04, 0.04);
	s.tilt_y = (float)rng_range(&r, -0.04, 0.04);
	s.vignette = 0.26f;
	s.blur = (float)rng_range(&r, 0.11, 0.18);
	s.noise_seed = (uint32_t)rng_next(&r);
	s.grid_seed = (uint32_t)rng_next(&r);
	s.belt_x = (uint32_t)rng_next(&r);
	s.belt_y = (uint32_t)rng_next(&r);
	for (int i = 0; i < 2; i++) {
		s.texture_x[i] = (uint32_t)rng_next(&r);
		s.texture_y[i] = (uint32_t)rng_next(&r);
	}
	s.texture_gain = (float)rng_range(&r, 0.8, 1.2);
	s.texture_mix = (float)rng_range(&r, 0.3, 0.7);
	s.mill_radius = rng_range(&r, 330, 470);
	s.mill_x = rng_range(&r, 0, 300);
	s.mill_y = rng_range(&r, -50, 50);
	s.mill_pitch = rng_range(&r, 0.92, 1.08);
	for (int i = 0; i < ASSAY__VIRTUAL_BORES; i++) {
		s.turn_pitch[i] = rng_range(&r, 0.9, 1.1);
		s.turn_phase[i] = rng_range(&r, 0, 200);
	}
	s.mark_gain = (float)rng_range(&r, 0.75, 1.25);
	s.film_level = rng_range(&r, 0.05, 0.65);
	s.shot = 0.012f;
	s.read = 0.9f;
	s.blur_more = 0;
	upset(line, index, &s);
	return s;
}

/* slow variation over the picture on a coarse grid: oil film and skin tone, blended along each row */
struct grid {
	int width;
	float film[2][GRID_MAX], tone[2][GRID_MAX]; /* the rows above and below the current one */
	int row;
};

static void grid_fill(const struct assay__virtual_scene *s, double units_per_px, int row, float *film, float *tone,
					  int width)
{
	for (int i = 0; i < width; i++) {
		double x = i * GRID_PX * units_per_px, y = row * GRID_PX * units_per_px;
		double bend = 22 * noise_xy(x / 60, y / 60, s->grid_seed + 3, 0);
		double f = 0.75 * noise_xy((x + bend) / 105, (y - bend) / 80, s->grid_seed, 0) +
				   0.25 * noise_xy(x / 38, y / 30, s->grid_seed + 1, 0);

		film[i] = (float)smoothstep(s->film_level - 0.2, s->film_level + 0.3, f);
		tone[i] = (float)(0.045 * noise_xy(x / 90, y / 90, s->grid_seed + 2, 0));
	}
}

static void grid_seek(struct grid *g, const struct assay__virtual_scene *s, double units_per_px, int y)
{
	int row = y / GRID_PX;

	if (row == g->row)
		return;
	for (int i = 0; i < 2; i++)
		grid_fill(s, units_per_px, row + i, g->film[i], g->tone[i], g->width);
	g->row = row;
}

static float grid_blend(float rows[2][GRID_MAX], int x, int y)
{
	float fx = (float)(x % GRID_PX) / GRID_PX, fy = (float)(y % GRID_PX) / GRID_PX;
	const float *a = &rows[0][x / GRID_PX], *b = &rows[1][x / GRID_PX];
	float top = a[0] + (a[1] - a[0]) * fx, bottom = b[0] + (b[1] - b[0]) * fx;

	return top + (bottom - top) * fy;
}

static float mark_at(const struct assay__virtual_line *line, double u)
{
	double v = u * 4 + 1048576;
	int32_t i = (int32_t)v;
	float f = (float)(v - i), a = line->marks[i & (ASSAY__VIRTUAL_MARKS - 1)],
		  b = line->marks[(i + 1) & (ASSAY__VIRTUAL_MARKS - 1)];

	return a + (b - a) * f;
}

/* adds tool marks to the slopes; returns the extra light of a turned face where its grooves face the key light */
static float tool_marks(const struct assay__virtual_line *line, const struct assay__virtual_scene *s, double x,
						double y, float strength, float *slope_x, float *slope_y)
{
	const struct assay__virtual_part *part = &line->part;
	float gain = 0.06f * s->mark_gain * strength;

	for (int i = 0; i < ASSAY__VIRTUAL_BORES; i++) {
		double dx = x - part->bores[i].x, dy = y - part->bores[i].y, square = dx * dx + dy * dy;

		if (square > part->boss_radius[i] * part->boss_radius[i] || square < 1)
			continue;
		double d = sqrt(square), across, lit;
		float m = gain * mark_at(line, d * s->turn_pitch[i] + s->turn_phase[i]);

		*slope_x += m * (float)(dx / d);
		*slope_y += m * (float)(dy / d);
		across = (dx * s->light_x + dy * s->light_y) / d;
		lit = across * across;
		return strength * (float)(0.15 * lit * lit - 0.03);
	}
	double dy = (y - s->mill_y) / s->mill_radius;
	float m = gain *
			  mark_at(line, (x + s->mill_radius * sqrt(dy * dy < 0.9 ? 1 - dy * dy : 0.1)) * s->mill_pitch + s->mill_x);

	*slope_x += m;
	*slope_y -= m * (float)dy;
	return 0;
}

static float belt(const struct assay__virtual_line *line, const struct assay__virtual_scene *s, int i, int j,
				  float tone, float open)
{
	size_t at = ((size_t)(s->belt_y + (uint32_t)j) % ASSAY__VIRTUAL_TILE) * ASSAY__VIRTUAL_TILE +
				(s->belt_x + (uint32_t)i) % ASSAY__VIRTUAL_TILE;

	return (0.078f + 0.018f * line->texture[at][1] + 0.12f * tone) * open * (0.4f + 0.6f * open);
}

/* light from one place of the part, 1 = white */
static float shade(const struct assay__virtual_scene *s, const struct assay__virtual_surface *f, float anisotropic,
				   float film, float tone)
{
	const struct assay__virtual_cell *c = &f->cell;
	float sx = c->slope_x, sy = c->slope_y, nz = 1 / sqrtf(1 + sx * sx + sy * sy), nx = -sx * nz, ny = -sy * nz;
	float facing = nx * s->light_x + ny * s->light_y + nz * s->light_z;
	float diffuse = s->ambient + s->ring * nz + s->key * (facing > 0 ? facing : 0);
	float albedo = c->albedo * (1 + tone * (1 - 0.5f * c->machined)) * (1 - film * (0.15f - 0.05f * c->machined));
	/* the ring light stands in the mirror of slopes near 0.36, so fillets and chamfers flash */
	float off = (nz - 0.94f) * 15.0f, lobe = 1 / (1 + off * off);
	float side = 0.62f + 0.9f * (nx * s->light_x + ny * s->light_y);
	float flash = lobe * lobe * (0.16f + 0.12f * c->machined + 0.05f * film) * (side > 0 ? side : 0);

	return (albedo * diffuse * f->gain * (1 + anisotropic) + flash * f->gain + f->glint) * c->open;
}

/* the picture before blur and noise, in grey levels, for a window; out has the window's width */
void assay__virtual_expose(const struct assay__virtual_line *line, const struct assay__virtual_scene *s,
						   const struct assay__virtual_defect *defect, struct assay__virtual_window w, float *out)
{
	int width = line->options.width_px, height = line->options.height_px;
	double units = 1 / line->px_per_unit, half_x = (width - 1) * 0.5, half_y = (height - 1) * 0.5;
	struct grid grid = {.width = width / GRID_PX + 2, .row = -1};
	double reach = defect ? defect->reach * defect->reach : 0;

	for (int j = w.y0; j < w.y1; j++) {
		float *row = out + (size_t)(j - w.y0) * (size_t)(w.x1 - w.x0);
		double v = (j - half_y) * units - s->shift_y;
		float ny = (float)((j - half_y) / half_y);

		grid_seek(&grid, s, units, j);
		for (int i = w.x0; i < w.x1; i++) {
			double u = (i - half_x) * units - s->shift_x;
			double x = (u * s->cosine + v * s->sine) * s->scale, y = (v * s->cosine - u * s->sine) * s->scale;
			struct assay__virtual_surface f = {assay__virtual_part_at(&line->part, x, y), 1, 1, 0};
			float nx = (float)((i - half_x) / half_x), light, value = 0, belt_open = f.cell.open;

			if (defect) {
				double dx = x - defect->x, dy = y - defect->y;

				if (dx * dx + dy * dy < reach)
					assay__virtual_defect_apply(defect, x, y, &f);
			}
			if (f.cell.cover > 0) {
				float film = grid_blend(grid.film, i, j), tone = grid_blend(grid.tone, i, j), anisotropic = 0;
				float rough = (1 - 0.85f * f.cell.machined) * (1 - 0.55f * film) * s->texture_gain * f.texture;
				size_t a = ((size_t)(s->texture_y[0] + (uint32_t)j) % ASSAY__VIRTUAL_TILE) * ASSAY__VIRTUAL_TILE +
						   (s->texture_x[0] + (uint32_t)i) % ASSAY__VIRTUAL_TILE;
				size_t b = ((size_t)(s->texture_y[1] + (uint32_t)i) % ASSAY__VIRTUAL_TILE) * ASSAY__VIRTUAL_TILE +
						   (s->texture_x[1] + (uint32_t)j) % ASSAY__VIRTUAL_TILE;

				f.cell.slope_x += rough * (line->texture[a][0] + s->texture_mix * line->texture[b][0]);
				f.cell.slope_y += rough * (line->texture[a][1] + s->texture_mix * line->texture[b][1]);
				if (f.cell.mark > 0)
					anisotropic =
						tool_marks(line, s, x, y, f.cell.mark * (1 - 0.35f * film), &f.cell.slope_x, &f.cell.slope_y);
				value = shade(s, &f, anisotropic, film, tone) * f.cell.cover;
			}
			if (f.cell.cover < 1)
				value += belt(line, s, i, j, grid_blend(grid.tone, i, j), belt_open) * (1 - f.cell.cover);
			light = s->gain * (1 + s->tilt_x * nx + s->tilt_y * ny) * (1 - s->vignette * 0.5f * (nx * nx + ny * ny));
			row[i - w.x0] = 255 * value * light;
		}
	}
}

/* the lens: three taps each way, borders repeated; line_px holds one row */
void assay__virtual_blur(float *picture, int width, int height, float a, float *row_px)
{
	float centre = 1 - 2 * a;

	for (int j = 0; j < height; j++) {
		float *p = picture + (size_t)j * (size_t)width, before = p[0];

		for (int i = 0; i < width; i++) {
			float here = p[i], after = i + 1 < width ? p[i + 1] : here;

			p[i] = a * before + centre * here + a * after;
			before = here;
		}
	}
	memcpy(row_px, picture, (size_t)width * sizeof(*row_px));
	for (int j = 0; j < height; j++) {
		float *p = picture + (size_t)j * (size_t)width, *below = j + 1 < height ? p + width : p;

		for (int i = 0; i < width; i++) {
			float here = p[i];

			p[i] = a * row_px[i] + centre * here + a * below[i];
			row_px[i] = here;
		}
	}
}

/* shot and read noise (a sum of eight bytes is near enough to normal), then 8 bits */
static uint8_t sense(const struct assay__virtual_scene *s, float value, uint32_t x, uint32_t y, uint32_t channel)
{
	uint32_t h = hash_xy(x, y, s->noise_seed + channel), g = h * 0x9E3779B1u;
	int sum = (int)((h & 255) + (h >> 8 & 255) + (h >> 16 & 255) + (h >> 24)) - 510;
	float sigma;

	g ^= g >> 15;
	sum += (int)((g & 255) + (g >> 8 & 255) + (g >> 16 & 255) + (g >> 24)) - 510;
	/* one byte has a variance of 5461, eight of them a deviation of 209 */
	sigma = sqrtf(s->read * s->read + s->shot * (value > 0 ? value : 0));
	value += sigma * ((float)sum / 209.0f);
	return value <= 0 ? 0 : value >= 255 ? 255 : (uint8_t)(value + 0.5f);
}

void assay__virtual_read_out(const struct assay__virtual_scene *s, const float *picture, struct assay_image *out)
{
	static const float tint[3] = {1.012f, 1.0f, 0.968f};

	for (int j = 0; j < out->height_px; j++) {
		const float *p = picture + (size_t)j * (size_t)out->width_px;
		uint8_t *row = out->pixels + (size_t)j * out->stride_bytes;

		for (int i = 0; i < out->width_px; i++)
			if (out->channels == 1)
				row[i] = sense(s, p[i], (uint32_t)i, (uint32_t)j, 0);
			else
				for (int c = 0; c < 3; c++)
					row[3 * i + c] = sense(s, p[i] * tint[c], (uint32_t)i, (uint32_t)j, (uint32_t)c);
	}
}

/* slopes of a repeating height field, scaled so that its grain keeps its size on the part */
void assay__virtual_make_texture(float (*texture)[2], double px_per_unit, uint32_t seed)
{
	int cell = px_per_unit < 1.5 ? 2 : px_per_unit < 3 ? 4 : 8;
	static const float weight[3] = {0.07f, 0.13f, 0.11f};

	for (int j = 0; j < ASSAY__VIRTUAL_TILE; j++)
		for (int i = 0; i < ASSAY__VIRTUAL_TILE; i++)
			texture[j * ASSAY__VIRTUAL_TILE + i][0] = texture[j * ASSAY__VIRTUAL_TILE + i][1] = 0;
	for (int octave = 0; octave < 3; octave++) {
		int size = cell << octave;
		uint32_t period = (uint32_t)(ASSAY__VIRTUAL_TILE / size);

		for (int j = 0; j < ASSAY__VIRTUAL_TILE; j++)
			for (int i = 0; i < ASSAY__VIRTUAL_TILE; i++) {
				double x = (double)i / size, y = (double)j / size, e = 0.5 / size;
				double slope_x = noise_xy(x + e, y, seed + (uint32_t)octave, period) -
								 noise_xy(x - e, y, seed + (uint32_t)octave, period);
				double slope_y = noise_xy(x, y + e, seed + (uint32_t)octave, period) -
								 noise_xy(x, y - e, seed + (uint32_t)octave, period);

				texture[j * ASSAY__VIRTUAL_TILE + i][0] += (float)slope_x * weight[octave] * (float)(1 << octave);
				texture[j * ASSAY__VIRTUAL_TILE + i][1] += (float)slope_y * weight[octave] * (float)(1 << octave);
			}
	}
}

/* feed marks every 3 units, unevenly deep, and single lines between them */
void assay__virtual_make_marks(float marks[ASSAY__VIRTUAL_MARKS], uint32_t seed)
{
	for (int i = 0; i < ASSAY__VIRTUAL_MARKS; i++) {
		double feed, unused, depth = 0.7 + 0.5 * noise_xy(i / 64.0, 0, seed, ASSAY__VIRTUAL_MARKS / 64);

		sincos_turns(i / 16.0, &feed, &unused);
		marks[i] = (float)(feed * depth + 0.8 * noise_xy(i / 8.0, 0, seed + 1, ASSAY__VIRTUAL_MARKS / 8) +
						   0.3 * noise_xy(i / 32.0, 0, seed + 2, ASSAY__VIRTUAL_MARKS / 32));
	}
}
