/* SPDX-License-Identifier: Apache-2.0 */
/* The line: opens, decides what each part is, renders it, and lays a defect over it with its true mask. */
#include "station/source/virtual_line.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/err.h"
#include "station/source/virtual_scene.h"

static const char *const kind_names[ASSAY__VIRTUAL_KINDS] = {
	"good", "porosity", "cold_shut", "crack", "flash", "missing_hole", "scratch", "dent",
};

const char *assay__virtual_kind_name(enum assay__virtual_kind kind)
{
	return kind >= 0 && kind < ASSAY__VIRTUAL_KINDS ? kind_names[kind] : "unknown";
}

/* gaps in a mask up to twice this are closed */
static int closing_px(const struct assay__virtual_line *line, const struct assay__virtual_defect *defect)
{
	int r = (int)((defect->kind == ASSAY__VIRTUAL_DENT ? 4 : 1.5) * line->px_per_unit + 0.5);

	return r > 0 ? r : 1;
}

/* the share of a picture that a defect may change, with room for the lens and for closing the mask */
static struct assay__virtual_window defect_window(const struct assay__virtual_line *line,
												  const struct assay__virtual_scene *s,
												  const struct assay__virtual_defect *defect)
{
	double px = line->px_per_unit, x = defect->x / s->scale, y = defect->y / s->scale;
	double u = x * s->cosine - y * s->sine + s->shift_x, v = x * s->sine + y * s->cosine + s->shift_y;
	double i = u * px + (line->options.width_px - 1) * 0.5, j = v * px + (line->options.height_px - 1) * 0.5;
	double r = defect->reach / s->scale * px + 4 + closing_px(line, defect);
	struct assay__virtual_window w = {floor_int(i - r), floor_int(j - r), floor_int(i + r) + 1, floor_int(j + r) + 1};

	w.x0 = w.x0 < 0 ? 0 : w.x0;
	w.y0 = w.y0 < 0 ? 0 : w.y0;
	w.x1 = w.x1 > line->options.width_px ? line->options.width_px : w.x1;
	w.y1 = w.y1 > line->options.height_px ? line->options.height_px : w.y1;
	return w;
}

/* out = in grown (value 1) or shrunk (value 0) by r along x; rows stride apart allow y by swapping the roles */
static void spread(const uint8_t *in, uint8_t *out, int length, size_t step, int r, uint8_t value)
{
	int last = -r - 1;

	for (int i = 0; i < length; i++) {
		if (in[(size_t)i * step] == value)
			last = i;
		out[(size_t)i * step] = i - last <= r ? value : !value;
	}
	last = length + r;
	for (int i = length - 1; i >= 0; i--) {
		if (in[(size_t)i * step] == value)
			last = i;
		if (last - i <= r)
			out[(size_t)i * step] = value;
	}
}

/* closes gaps up to 2 r in the mask, so that the zero crossing between a dent's bright and dark side belongs to it */
static void close_gaps(uint8_t *mask, uint8_t *scratch, int width, int height, int r)
{
	for (int pass = 0; pass < 2; pass++) {
		uint8_t value = pass == 0;

		for (int j = 0; j < height; j++)
			spread(mask + (size_t)j * (size_t)width, scratch + (size_t)j * (size_t)width, width, 1, r, value);
		for (int i = 0; i < width; i++)
			spread(scratch + i, mask + i, height, (size_t)width, r, value);
	}
}

static float change(float a, float b)
{
	a = a > 255 ? 255 : a;
	b = b > 255 ? 255 : b;
	return a > b ? a - b : b - a;
}

/*
 * Where the defect changes a pixel by more than the sensor could show, the picture takes the changed pixel and the
 * mask marks it; everywhere else the picture stays as it was. So the mask is the truth, no more and no less.
 */
static void compose(const struct assay__virtual_line *line, const struct assay__virtual_defect *defect,
					struct assay__virtual_window w, const float *changed, uint8_t *marked, uint8_t *scratch,
					float *picture, struct assay__virtual_truth *truth)
{
	int width = w.x1 - w.x0, height = w.y1 - w.y0, stride = line->options.width_px;
	struct assay__virtual_window box = {stride, line->options.height_px, 0, 0};
	float most = 0, least;
	double sum = 0;

	for (int j = 0; j < height; j++)
		for (int i = 0; i < width; i++) {
			float d = change(changed[j * width + i], picture[(size_t)(w.y0 + j) * (size_t)stride + (size_t)(w.x0 + i)]);

			most = d > most ? d : most;
		}
	least = most * 0.5f < 0.75f ? most * 0.5f : 0.75f;
	for (int j = 0; j < height; j++)
		for (int i = 0; i < width; i++) {
			float d = change(changed[j * width + i], picture[(size_t)(w.y0 + j) * (size_t)stride + (size_t)(w.x0 + i)]);
			/* the lens at the window's border lacks what lies beyond */
			bool inner = i > 1 && j > 1 && i < width - 2 && j < height - 2;

			marked[j * width + i] = inner && d > least;
		}
	close_gaps(marked, scratch, width, height, closing_px(line, defect));
	truth->area_px = 0;
	for (int j = 0; j < height; j++)
		for (int i = 0; i < width; i++) {
			float *p = &picture[(size_t)(w.y0 + j) * (size_t)stride + (size_t)(w.x0 + i)];
			float d = change(changed[j * width + i], *p);

			if (!marked[j * width + i])
				continue;
			*p = changed[j * width + i];
			sum += (double)d * d;
			truth->area_px++;
			box.x0 = w.x0 + i < box.x0 ? w.x0 + i : box.x0;
			box.y0 = w.y0 + j < box.y0 ? w.y0 + j : box.y0;
			box.x1 = w.x0 + i >= box.x1 ? w.x0 + i + 1 : box.x1;
			box.y1 = w.y0 + j >= box.y1 ? w.y0 + j + 1 : box.y1;
		}
	if (truth->area_px == 0)
		return;
	truth->contrast = sqrt(sum / truth->area_px);
	truth->where = (struct assay_rect_px){box.x0, box.y0, box.x1 - box.x0, box.y1 - box.y0};
	truth->size_px = truth->where.width > truth->where.height ? truth->where.width : truth->where.height;
}

/* the lens, and what it lacks in focus */
static void defocus(const struct assay__virtual_scene *s, float *picture, int width, int height, float *row_px)
{
	assay__virtual_blur(picture, width, height, s->blur, row_px);
	for (int i = 0; i < s->blur_more; i++)
		assay__virtual_blur(picture, width, height, 0.25f, row_px);
}

/* lays the defect over the exposed and blurred picture; *truth is complete afterwards */
static int add_defect(const struct assay__virtual_line *line, const struct assay__virtual_scene *s,
					  const struct assay__virtual_defect *defect, float *picture, struct assay_image *mask,
					  struct assay__virtual_truth *truth, struct assay_error *error)
{
	struct assay__virtual_window w = defect_window(line, s, defect);
	size_t width = (size_t)(w.x1 - w.x0), height = (size_t)(w.y1 - w.y0), count = width * height;
	float *changed = assay__alloc(line->allocator, (count + width) * sizeof(*changed) + 2 * count);
	uint8_t *marked;

	if (!changed)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory to render a defect of %zu x %zu pixels", width, height);
	marked = (uint8_t *)(changed + count + width);
	assay__virtual_expose(line, s, defect, w, changed);
	defocus(s, changed, (int)width, (int)height, changed + count);
	compose(line, defect, w, changed, marked, marked + count, picture, truth);
	if (mask)
		for (size_t j = 0; j < height; j++)
			for (size_t i = 0; i < width; i++)
				mask->pixels[((size_t)w.y0 + j) * mask->stride_bytes + (size_t)w.x0 + i] =
					marked[j * width + i] ? 255 : 0;
	assay__free(line->allocator, changed);
	return 0;
}

/* what the line decides about part `index` */
static struct assay__virtual_wish decide(const struct assay__virtual_line *line, uint64_t index,
										 const struct assay__virtual_wish *wish)
{
	const struct assay__virtual_options *o = &line->options;
	struct rng r = rng_make(o->seed, index, 2);
	double defective = rng_unit(&r);
	int kind = 1 + rng_int(&r, ASSAY__VIRTUAL_KINDS - 1);
	double severity = o->severity_low + (o->severity_high - o->severity_low) * sqrt(rng_unit(&r));
	struct assay__virtual_wish w = {ASSAY__VIRTUAL_ANY, -1};

	if (wish)
		w = *wish;
	if (w.kind == ASSAY__VIRTUAL_ANY)
		w.kind = defective < o->defect_rate ? (enum assay__virtual_kind)kind : ASSAY__VIRTUAL_GOOD;
	if (w.severity < 0)
		w.severity = severity;
	return w;
}

static int fits(const struct assay__virtual_line *line, const struct assay_image *image, int channels)
{
	return image->width_px == line->options.width_px && image->height_px == line->options.height_px &&
		   image->channels == channels && image->depth_bits == 8 && image->pixels &&
		   image->stride_bytes >= (size_t)image->width_px * (size_t)channels;
}

int assay__virtual_render(const struct assay__virtual_line *line, uint64_t index,
						  const struct assay__virtual_wish *wish, struct assay_image *out, struct assay_image *mask,
						  struct assay__virtual_truth *truth, struct assay_error *error)
{
	struct assay__virtual_wish w = decide(line, index, wish);
	struct assay__virtual_truth t = {.kind = w.kind};
	struct assay__virtual_scene s = assay__virtual_scene_draw(line, index);
	int width = line->options.width_px, height = line->options.height_px, failed = 0;
	float *picture;

	if (!fits(line, out, line->options.channels) || (mask && !fits(line, mask, 1)))
		return assay__fail(error, ASSAY_E_ARGUMENT, -1,
						   "the virtual line renders 8-bit pictures of %d x %d pixels with %d channels; the %s differs",
						   width, height, line->options.channels,
						   fits(line, out, line->options.channels) ? "mask" : "picture");
	if (w.kind < 0 || w.kind >= ASSAY__VIRTUAL_KINDS || !(w.severity <= 1))
		return assay__fail(error, ASSAY_E_ARGUMENT, -1, "no defect of kind %d and severity %g can be rendered",
						   (int)w.kind, w.severity);
	picture = assay__alloc(line->allocator, ((size_t)height + 1) * (size_t)width * sizeof(*picture));
	if (!picture)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory to render a picture of %d x %d pixels", width, height);
	assay__virtual_expose(line, &s, NULL, (struct assay__virtual_window){0, 0, width, height}, picture);
	defocus(&s, picture, width, height, picture + (size_t)height * (size_t)width);
	if (mask)
		for (int j = 0; j < height; j++)
			memset(mask->pixels + (size_t)j * mask->stride_bytes, 0, (size_t)width);
	if (w.kind != ASSAY__VIRTUAL_GOOD) {
		struct assay__virtual_defect defect;

		t.severity = w.severity;
		assay__virtual_defect_draw(&line->part, w.kind, w.severity, line->px_per_unit, line->options.seed, index,
								   &defect);
		failed = add_defect(line, &s, &defect, picture, mask, &t, error);
	}
	if (!failed) {
		assay__virtual_read_out(&s, picture, out);
		if (truth)
			*truth = t;
	}
	assay__free(line->allocator, picture);
	return failed;
}

static int check_options(struct assay__virtual_options *o, struct assay_error *error)
{
	static const int low = ASSAY__VIRTUAL_MIN_SIDE_PX, high = ASSAY__VIRTUAL_MAX_SIDE_PX;

	if (!o->width_px && !o->height_px)
		o->width_px = 640, o->height_px = 480;
	if (!o->channels)
		o->channels = 1;
	if (o->severity_low == 0 && o->severity_high == 0)
		o->severity_high = 1;
	if (o->width_px < low || o->width_px > high || o->height_px < low || o->height_px > high)
		return assay__fail(error, ASSAY_E_ARGUMENT, -1,
						   "a virtual line of %d x %d pixels was asked for; sides are %d..%d", o->width_px,
						   o->height_px, low, high);
	if (o->channels != 1 && o->channels != 3)
		return assay__fail(error, ASSAY_E_ARGUMENT, -1, "a virtual line has 1 or 3 channels, not %d", o->channels);
	if (!(o->defect_rate >= 0 && o->defect_rate <= 1))
		return assay__fail(error, ASSAY_E_ARGUMENT, -1, "the defect rate is 0..1, not %g", o->defect_rate);
	const struct assay__virtual_upset *u = &o->upset;
	if (!(u->dim < 1 && u->dim >= -4 && u->lean >= -1 && u->lean <= 1 && u->blur_px >= 0 && u->blur_px <= 16 &&
		  u->rough >= 0 && u->rough <= 4 && u->shift_x_px > -4096 && u->shift_x_px < 4096 && u->shift_y_px > -4096 &&
		  u->shift_y_px < 4096))
		return assay__fail(
			error, ASSAY_E_ARGUMENT, -1,
			"upset of a virtual line: dim is -4..1, lean -1..1, blur 0..16, rough 0..4, shifts below 4096");
	if (!(o->severity_low >= 0 && o->severity_low <= o->severity_high && o->severity_high <= 1))
		return assay__fail(error, ASSAY_E_ARGUMENT, -1,
						   "severities %g..%g were asked for; 0 <= low <= high <= 1 is needed", o->severity_low,
						   o->severity_high);
	return 0;
}

int assay__virtual_open(const struct assay__virtual_options *options, const struct assay_allocator *allocator,
						struct assay__virtual_line **out, struct assay_error *error)
{
	struct assay__virtual_options o = *options;
	struct assay__virtual_line *line;
	double across, down, cells;
	int failed = check_options(&o, error);

	if (failed)
		return failed;
	line = assay__calloc(allocator, 1, sizeof(*line));
	if (!line)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for a virtual line");
	line->options = o;
	line->allocator = allocator;
	across = o.width_px / 640.0;
	down = o.height_px / 480.0;
	line->px_per_unit = across < down ? across : down;
	/* finer than the picture so that turning the part does not soften it, but never above 2 million cells */
	cells = line->px_per_unit * 1.5;
	cells = cells < 1 ? 1 : cells > 2.5 ? 2.5 : cells;
	line->texture = assay__alloc(allocator, ASSAY__VIRTUAL_TILE * ASSAY__VIRTUAL_TILE * sizeof(*line->texture));
	if (!line->texture) {
		assay__free(allocator, line);
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for the textures of a virtual line");
	}
	failed = assay__virtual_part_open(&line->part, cells, o.seed, allocator, error);
	if (failed) {
		assay__virtual_close(line);
		return failed;
	}
	assay__virtual_make_texture(line->texture, line->px_per_unit, (uint32_t)mix64(o.seed ^ 0x7465787475726573u));
	assay__virtual_make_marks(line->marks, (uint32_t)mix64(o.seed ^ 0x6D61726B73u));
	*out = line;
	return 0;
}

void assay__virtual_close(struct assay__virtual_line *line)
{
	if (!line)
		return;
	assay__virtual_part_close(&line->part, line->allocator);
	assay__free(line->allocator, line->texture);
	assay__free(line->allocator, line);
}
