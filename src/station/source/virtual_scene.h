/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of the virtual line: what a line and one part's scene are, and how a picture is taken. */
#ifndef ASSAY_SRC_STATION_VIRTUAL_SCENE_H
#define ASSAY_SRC_STATION_VIRTUAL_SCENE_H

#include "station/source/virtual_part.h"

enum { ASSAY__VIRTUAL_TILE = 512, ASSAY__VIRTUAL_MARKS = 4096 };

struct assay__virtual_line {
	struct assay__virtual_options options;
	const struct assay_allocator *allocator;
	struct assay__virtual_part part;
	double px_per_unit;
	float (*texture)[2];			   /* ASSAY__VIRTUAL_TILE x ASSAY__VIRTUAL_TILE slopes of cast skin, repeating */
	float marks[ASSAY__VIRTUAL_MARKS]; /* slopes of tool marks across the feed, repeating */
};

/* everything that differs from part to part, but the defect */
struct assay__virtual_scene {
	double cosine, sine, scale, shift_x, shift_y; /* pose: picture to part, units */
	float light_x, light_y, light_z;			  /* of the key light, unit length */
	float ambient, ring, key, gain, tilt_x, tilt_y, vignette;
	float blur;
	int blur_more; /* passes of the widest three taps on top */
	uint32_t noise_seed, grid_seed, belt_x, belt_y;
	uint32_t texture_x[2], texture_y[2];
	float texture_gain, texture_mix;
	double mill_radius, mill_x, mill_y, mill_pitch, turn_pitch[ASSAY__VIRTUAL_BORES], turn_phase[ASSAY__VIRTUAL_BORES];
	float mark_gain;
	double film_level;
	float shot, read;
};

/** Pixels x0..x1 - 1, y0..y1 - 1. */
struct assay__virtual_window {
	int x0, y0, x1, y1; /* half open */
};

/** The pose, light, texture, oil and optics of part `index`. */
struct assay__virtual_scene assay__virtual_scene_draw(const struct assay__virtual_line *line, uint64_t index);
/** The picture before lens and sensor, in grey levels (255 = white, more is possible); out has the window's width. */
void assay__virtual_expose(const struct assay__virtual_line *line, const struct assay__virtual_scene *s,
						   const struct assay__virtual_defect *defect, struct assay__virtual_window w, float *out);
/** The lens: three taps each way, borders repeated; row_px holds one row. */
void assay__virtual_blur(float *picture, int width, int height, float a, float *row_px);
/** The sensor: noise and 8 bits. */
void assay__virtual_read_out(const struct assay__virtual_scene *s, const float *picture, struct assay_image *out);
/** Slopes of cast skin, repeating; the grain keeps its size on the part. */
void assay__virtual_make_texture(float (*texture)[2], double px_per_unit, uint32_t seed);
/** Slopes across the tool marks, repeating. */
void assay__virtual_make_marks(float marks[ASSAY__VIRTUAL_MARKS], uint32_t seed);

#endif
