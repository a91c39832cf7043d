/* SPDX-License-Identifier: Apache-2.0 */
/* Colours and drawing of heat maps. */
#ifndef ASSAY_SRC_VISION_HEATMAP_H
#define ASSAY_SRC_VISION_HEATMAP_H

#include <stdint.h>

#include "assay/image.h"

/** The colour of heat 0..255: dark violet, red, orange, pale yellow; lightness rises throughout. */
void assay__heat_colour(int heat, uint8_t rgb[3]);

/** How strongly a score shows: 0 at half the threshold, 255 at twice the threshold and above. */
int assay__heat(uint32_t score_q8, uint32_t threshold_q8);

/** Draws digits and points at (x, y), each font pixel a square of `size` picture pixels; what is outside is cut. */
void assay__draw_text(struct assay_image *rgb8, int x, int y, int size, const char *text, const uint8_t rgb[3]);

/** Width of the text in picture pixels; its height is 7 * size. */
int assay__text_width(const char *text, int size);

#endif
