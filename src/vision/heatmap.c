/* SPDX-License-Identifier: Apache-2.0 */
#include "vision/heatmap.h"

#include <stdio.h>
#include <string.h>

#include "assay/recipe.h"
#include "base/err.h"
#include "vision/prep.h"

#define FONT_WIDTH 5
#define FONT_HEIGHT 7
#define DIM_NUM 7 /* the picture is shown at 7/8 of its brightness, so that colours stand out */
#define DIM_SHIFT 3
#define HEAT_MOST_ALPHA 200 /* of 255: the part stays visible even where it is worst */
#define LABELLED 8			/* regions that get digits; more would hide the part */

/* Rows from the top, the leftmost pixel is bit 4. */
static const uint8_t font[12][FONT_HEIGHT] = {
	{14, 17, 17, 17, 17, 17, 14}, {4, 12, 4, 4, 4, 4, 14},	  {14, 17, 1, 6, 8, 16, 31},  {30, 1, 1, 14, 1, 1, 30},
	{2, 6, 10, 18, 31, 2, 2},	  {31, 16, 30, 1, 1, 17, 14}, {6, 8, 16, 30, 17, 17, 14}, {31, 1, 2, 4, 4, 8, 8},
	{14, 17, 17, 14, 17, 17, 14}, {14, 17, 17, 15, 1, 2, 12}, {0, 0, 0, 0, 0, 12, 12},	  {0, 0, 17, 10, 4, 10, 17},
};

static int glyph_of(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c == '.' ? 10 : c == 'x' ? 11 : -1;
}

void assay__heat_colour(int heat, uint8_t rgb[3])
{
	static const uint8_t stops[6][3] = {{26, 10, 66},  {86, 18, 110},  {158, 38, 94},
										{219, 84, 52}, {250, 155, 30}, {252, 244, 158}};
	int last = 5, at = heat * last / 255, part = heat * last - at * 255;
	if (at >= last) {
		at = last - 1;
		part = 255;
	}
	for (int i = 0; i < 3; i++)
		rgb[i] = (uint8_t)((stops[at][i] * (255 - part) + stops[at + 1][i] * part + 127) / 255);
}

int assay__heat(uint32_t score_q8, uint32_t threshold_q8)
{
	uint64_t twice = 2 * (uint64_t)score_q8, threshold = threshold_q8;
	if (twice <= threshold)
		return 0;
	uint64_t heat = threshold ? (twice - threshold) * 255 / (3 * threshold) : 255;
	return heat > 255 ? 255 : (int)heat;
}

static uint8_t *pixel_at(const struct assay_image *rgb8, int x, int y)
{
	return rgb8->pixels + (size_t)y * rgb8->stride_bytes + (size_t)x * 3;
}

static void fill_rect(struct assay_image *rgb8, int x0, int y0, int x1, int y1, const uint8_t rgb[3])
{
	x0 = x0 < 0 ? 0 : x0;
	y0 = y0 < 0 ? 0 : y0;
	x1 = x1 > rgb8->width_px ? rgb8->width_px : x1;
	y1 = y1 > rgb8->height_px ? rgb8->height_px : y1;
	for (int y = y0; y < y1; y++)
		for (int x = x0; x < x1; x++)
			memcpy(pixel_at(rgb8, x, y), rgb, 3);
}

void assay__draw_text(struct assay_image *rgb8, int x, int y, int size, const char *text, const uint8_t rgb[3])
{
	for (; *text; text++, x += (FONT_WIDTH + 1) * size) {
		int glyph = glyph_of(*text);
		for (int row = 0; glyph >= 0 && row < FONT_HEIGHT; row++)
			for (int column = 0; column < FONT_WIDTH; column++)
				if (font[glyph][row] >> (FONT_WIDTH - 1 - column) & 1)
					fill_rect(rgb8, x + column * size, y + row * size, x + (column + 1) * size, y + (row + 1) * size,
							  rgb);
	}
}

int assay__text_width(const char *text, int size)
{
	int n = (int)strlen(text);
	return n ? (n * (FONT_WIDTH + 1) - 1) * size : 0;
}

/* The largest sample, rounded up to what a camera of some number of bits calls white. */
static int white_of(const struct assay_image *image)
{
	int largest = 255, white = 255;
	if (image->depth_bits == 8)
		return 255;
	for (int y = 0; y < image->height_px; y++)
		for (int i = 0; i < image->width_px * image->channels; i++) {
			uint16_t v;
			memcpy(&v, image->pixels + (size_t)y * image->stride_bytes + 2 * (size_t)i, 2);
			largest = v > largest ? v : largest;
		}
	while (white < largest)
		white = 2 * white + 1;
	return white;
}

static void copy_dimmed(const struct assay_image *image, struct assay_image *out)
{
	int white = white_of(image);
	for (int y = 0; y < image->height_px; y++) {
		const uint8_t *from = image->pixels + (size_t)y * image->stride_bytes;
		uint8_t *to = pixel_at(out, 0, y);
		for (int x = 0; x < image->width_px; x++)
			for (int c = 0; c < 3; c++) {
				size_t at = (size_t)x * (size_t)image->channels + (image->channels == 3 ? (size_t)c : 0);
				uint16_t v = 0;
				if (image->depth_bits == 16)
					memcpy(&v, from + 2 * at, 2);
				else
					v = from[at];
				int v8 = white == 255 ? v : (v * 255 + white / 2) / white;
				to[3 * x + c] = (uint8_t)(v8 * DIM_NUM >> DIM_SHIFT);
			}
	}
}

/* Where pixel i of `px` lies between the centres of `cells`: the cell before and 0..255 of the way to the next. */
static void between(int i, int px, int cells, int *cell, int *next, int *part)
{
	int64_t at = ((2 * (int64_t)i + 1) * cells - px) * 256 / (2 * (int64_t)px);
	int64_t most = (int64_t)(cells - 1) * 256;
	at = at < 0 ? 0 : at > most ? most : at;
	*cell = (int)(at >> 8);
	*part = (int)(at & 255);
	*next = *cell + 1 < cells ? *cell + 1 : *cell;
}

static void tint(const struct assay_result *r, struct assay_image *out)
{
	uint8_t colours[256][3];
	for (int i = 0; i < 256; i++)
		assay__heat_colour(i, colours[i]);
	for (int y = 0; y < r->map_area.height; y++) {
		int cy, ny, py;
		between(y, r->map_area.height, r->grid_height, &cy, &ny, &py);
		const uint32_t *a = r->map_q8 + (size_t)cy * (size_t)r->grid_width;
		const uint32_t *b = r->map_q8 + (size_t)ny * (size_t)r->grid_width;
		for (int x = 0; x < r->map_area.width; x++) {
			int cx, nx, px;
			between(x, r->map_area.width, r->grid_width, &cx, &nx, &px);
			uint64_t top = (uint64_t)a[cx] * (uint64_t)(256 - px) + (uint64_t)a[nx] * (uint64_t)px;
			uint64_t low = (uint64_t)b[cx] * (uint64_t)(256 - px) + (uint64_t)b[nx] * (uint64_t)px;
			uint32_t score = (uint32_t)((top * (uint64_t)(256 - py) + low * (uint64_t)py) >> 16);
			int heat = assay__heat(score, r->threshold_q8), alpha = heat * HEAT_MOST_ALPHA / 255;
			uint8_t *to = pixel_at(out, r->map_area.x + x, r->map_area.y + y);
			for (int c = 0; alpha && c < 3; c++)
				to[c] = (uint8_t)((to[c] * (255 - alpha) + colours[heat][c] * alpha + 127) / 255);
		}
	}
}

static void outline(struct assay_image *out, const struct assay_rect_px *box, int line, const uint8_t rgb[3])
{
	int x0 = box->x, y0 = box->y, x1 = box->x + box->width, y1 = box->y + box->height;
	fill_rect(out, x0, y0, x1, y0 + line, rgb);
	fill_rect(out, x0, y1 - line, x1, y1, rgb);
	fill_rect(out, x0, y0, x0 + line, y1, rgb);
	fill_rect(out, x1 - line, y0, x1, y1, rgb);
}

static int clamp_to(int value, int most)
{
	return value > most ? most : value < 0 ? 0 : value;
}

/* How many times the threshold the peak is, or the score itself if the threshold is 0. */
static void label(struct assay_image *out, const struct assay_region *region, uint32_t threshold_q8, int size)
{
	static const uint8_t ink[3] = {255, 255, 255}, paper[3] = {20, 20, 24};
	char text[24];
	uint64_t hundredths =
		threshold_q8 ? (uint64_t)region->peak_q8 * 100 / threshold_q8 : (uint64_t)region->peak_q8 * 100 / 256;
	snprintf(text, sizeof(text), "%llu.%02llu%s", (unsigned long long)(hundredths / 100),
			 (unsigned long long)(hundredths % 100), threshold_q8 ? "x" : "");
	int width = assay__text_width(text, size) + 2 * size, height = (FONT_HEIGHT + 2) * size;
	if (width > out->width_px || height > out->height_px)
		return;
	int x = clamp_to(region->box.x, out->width_px - width), y = region->box.y - height;
	if (y < 0)
		y = region->box.y + region->box.height;
	y = clamp_to(y, out->height_px - height);
	fill_rect(out, x, y, x + width, y + height, paper);
	assay__draw_text(out, x + size, y + size, size, text, ink);
}

int assay_heatmap(const struct assay_image *image, const struct assay_result *result,
				  const struct assay_allocator *allocator, struct assay_image *out, struct assay_error *error)
{
	static const uint8_t bright[3] = {255, 255, 255}, dark[3] = {20, 20, 24};
	struct assay_image picture;
	if (!assay__image_sane(image))
		return assay__fail(error, ASSAY_E_ARGUMENT, -1, "there is no picture to draw on");
	int rc = assay_image_create(image->width_px, image->height_px, 3, 8, allocator, &picture, error);
	if (rc)
		return rc;
	copy_dimmed(image, &picture);
	const struct assay_rect_px *area = &result->map_area;
	bool fits = area->x >= 0 && area->y >= 0 && area->x <= image->width_px - area->width &&
				area->y <= image->height_px - area->height;
	if (result->map_q8 && fits && result->grid_width > 0 && result->grid_height > 0)
		tint(result, &picture);
	int shorter = image->width_px < image->height_px ? image->width_px : image->height_px;
	int line = shorter < 96 ? 1 : shorter < 384 ? 2 : shorter / 192, size = shorter < 384 ? 1 : shorter / 192;
	for (int i = result->region_count - 1; i >= 0; i--) {
		struct assay_rect_px box = result->regions[i].box;
		outline(&picture, &(struct assay_rect_px){box.x - 1, box.y - 1, box.width + 2, box.height + 2}, line + 1, dark);
		outline(&picture, &box, line, bright);
	}
	for (int i = result->region_count < LABELLED ? result->region_count - 1 : LABELLED - 1; i >= 0; i--)
		label(&picture, &result->regions[i], result->threshold_q8, size);
	*out = picture;
	return 0;
}
