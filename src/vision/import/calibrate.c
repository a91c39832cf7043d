/* SPDX-License-Identifier: Apache-2.0 */
#include "vision/import/calibrate.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/err.h"
#include "vision/prep.h"

#define SAMPLES 2048 /* of each tensor of each picture */
#define STEPS 31
#define LEAST_STEP 0.25	 /* of the step that reaches the largest value */
#define LARGEST 1e15f	 /* of the values of a usable map */
#define FEATURE_STEPS 24 /* of one deviation */
#define WHITE_LEVEL 65535
#define MAX_MEMORY_BYTES ((size_t)2 << 30)

/* One picture. */
struct seen {
	int index; /* as offered */
	struct assay_error error;
	bool wild; /* not the picture's fault: the model gives no numbers for it */
	int width_px, height_px;
	float *samples; /* SAMPLES of each tensor; the picture itself has none */
	double *sums;	/* of each channel of each tap: values, squares */
	double error_sum[ASSAY__MAX_TAPS], signal_sum[ASSAY__MAX_TAPS];
};

struct assay__calibration {
	const struct assay__model *model;
	const struct assay__import_options *options;
	const struct assay_parts *pictures;
	const struct assay__labour *labour;
	const struct assay_allocator *allocator;
	struct seen *seen;
	int count;
	float *samples;
	double *sums;
	/* of the work under way */
	const struct assay__net *net;
	struct assay__grid *grids;
};

static size_t sample_count(size_t elements)
{
	return elements < SAMPLES ? elements : SAMPLES;
}

/* One place in each of count equal parts of the elements, spread within it. */
static size_t sample_at(size_t elements, size_t count, size_t k)
{
	const size_t first = k * elements / count, length = (k + 1) * elements / count - first;
	return first + (size_t)((uint32_t)k * 2654435761u >> 8) % length;
}

static int align_of(const struct assay__model *model)
{
	return model->align > 2 * ASSAY__CELL_PX ? model->align : 2 * ASSAY__CELL_PX;
}

/* Loads and plans a picture; the caller frees image and prep, also on failure. */
static int open_picture(const struct assay__calibration *c, struct seen *seen, struct assay_image *image,
						struct assay__prep **prep)
{
	const struct assay__view view = {.white_level = WHITE_LEVEL};
	struct assay__geometry geometry;
	struct assay_error *error = &seen->error;
	int err = c->pictures->load(c->pictures->ctx, seen->index, c->allocator, image, error);

	if (err)
		return err;
	const struct assay__shape shape = assay__shape_of(image);
	if ((err = assay__prep_geometry(&view, c->options->working_px, &shape, align_of(c->model), &geometry, error)) ||
		(err = assay__prep_open(&view, &shape, &geometry, c->allocator, prep, error)))
		return err;
	seen->width_px = geometry.width_px;
	seen->height_px = geometry.height_px;
	return 0;
}

static void note_maps(const struct assay__calibration *c, struct seen *seen, const float **maps)
{
	const struct assay__model *model = c->model;
	double *sums = seen->sums;

	for (int t = 1; t <= model->layer_count; t++) {
		const int stride = assay__model_stride(model, t);
		const size_t elements = (size_t)(seen->width_px / stride) * (size_t)(seen->height_px / stride) *
								(size_t)assay__model_channels(model, t);
		const size_t count = sample_count(elements);
		for (size_t k = 0; k < count; k++)
			seen->samples[(size_t)(t - 1) * SAMPLES + k] = maps[t][sample_at(elements, count, k)];
	}
	for (int i = 0; i < model->tap_count; i++) {
		const int stride = assay__model_stride(model, model->taps[i]);
		const int channels = assay__model_channels(model, model->taps[i]);
		const size_t pixels = (size_t)(seen->width_px / stride) * (size_t)(seen->height_px / stride);
		const float *map = maps[model->taps[i]];
		for (size_t p = 0; p < pixels; p++, map += channels)
			for (int ch = 0; ch < channels; ch++) {
				sums[2 * ch] += (double)map[ch];
				sums[2 * ch + 1] += (double)map[ch] * (double)map[ch];
			}
		sums += 2 * channels;
	}
}

static size_t sums_of(const struct assay__model *model)
{
	size_t count = 0;
	for (int i = 0; i < model->tap_count; i++)
		count += 2 * (size_t)assay__model_channels(model, model->taps[i]);
	return count;
}

/* Were these numbers that can be written in integers? */
static void check_tame(const struct assay__calibration *c, struct seen *seen)
{
	const size_t count = (size_t)c->model->layer_count * SAMPLES, sums = sums_of(c->model);
	size_t i = 0;

	for (; i < count; i++)
		if (!(fabsf(seen->samples[i]) < LARGEST))
			break;
	for (size_t k = 0; k < sums; k++)
		if (!isfinite(seen->sums[k]))
			seen->wild = true;
	seen->wild = seen->wild || i < count;
	if (seen->wild)
		assay__fail(
			&seen->error, ASSAY_E_UNSUPPORTED, -1,
			"the model's values for %s grow beyond all measure, near \"%s\"; are --mean, --std and --white what "
			"it was trained with?",
			c->pictures->name(c->pictures->ctx, seen->index),
			c->model->layers[i < count ? i / SAMPLES : (size_t)c->model->layer_count - 1].name);
}

static void look(void *arg, int index, int worker)
{
	const struct assay__calibration *c = arg;
	struct seen *seen = &c->seen[index];
	const float *maps[ASSAY__MAX_TENSORS];
	struct assay__prep *prep = NULL;
	struct assay_image image = {0};
	int err = open_picture(c, seen, &image, &prep);

	(void)worker;
	if (!err) {
		const size_t floats = assay__model_bytes(c->model, seen->width_px, seen->height_px);
		const size_t row_bytes = (size_t)seen->width_px * 4;
		uint8_t *pixels = assay__alloc(c->allocator, row_bytes * (size_t)seen->height_px);
		float *memory = floats <= MAX_MEMORY_BYTES ? assay__alloc_aligned(c->allocator, floats) : NULL;
		if (pixels && memory) {
			assay__prep_run(prep, &image, pixels, row_bytes);
			assay__model_run(c->model, pixels, row_bytes, seen->width_px, seen->height_px, memory, maps);
			note_maps(c, seen, maps);
			check_tame(c, seen);
		} else {
			assay__fail(&seen->error, ASSAY_E_NOMEM, -1, "no memory for the model: %zu bytes for %d x %d pixels",
						floats, seen->width_px, seen->height_px);
		}
		assay__free(c->allocator, pixels);
		assay__free_aligned(c->allocator, memory);
	}
	assay__prep_close(prep);
	assay_image_free(&image, c->allocator);
}

/* Room for what is noted of each picture. */
static int open_seen(struct assay__calibration *c, struct assay_error *error)
{
	const size_t samples = (size_t)c->model->layer_count * SAMPLES, sums = sums_of(c->model);
	const int64_t offered = c->pictures->count;

	c->count = offered < c->options->pictures ? (int)offered : c->options->pictures;
	if (c->count < 1)
		return assay__fail(error, ASSAY_E_ARGUMENT, -1, "no picture to calibrate with");
	c->seen = assay__calloc(c->allocator, (size_t)c->count, sizeof(*c->seen));
	c->samples = assay__calloc(c->allocator, (size_t)c->count * samples, sizeof(*c->samples));
	c->sums = assay__calloc(c->allocator, (size_t)c->count * sums, sizeof(*c->sums));
	if (!c->seen || !c->samples || !c->sums)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory to calibrate with %d pictures", c->count);
	for (int i = 0; i < c->count; i++)
		c->seen[i] = (struct seen){.index = (int)(offered * i / c->count),
								   .samples = c->samples + (size_t)i * samples,
								   .sums = c->sums + (size_t)i * sums};
	return 0;
}

/* Takes out pictures that could not be read. */
static int sift(struct assay__calibration *c, struct assay__import_report *report, struct assay_error *error)
{
	const struct assay_teach_hooks *hooks = c->labour ? c->labour->hooks : NULL;
	int used = 0;

	for (int i = 0; i < c->count; i++) {
		const struct assay_error *why = &c->seen[i].error;
		if (why->code == ASSAY_E_NOMEM || c->seen[i].wild) {
			if (error)
				*error = *why;
			return why->code;
		}
		if (why->code && hooks && hooks->unreadable)
			hooks->unreadable(hooks->ctx, c->seen[i].index, why);
		if (!why->code)
			c->seen[used++] = c->seen[i];
	}
	report->pictures_unreadable = c->count - used;
	report->pictures_used = c->count = used;
	if (!used)
		return assay__fail(error, ASSAY_E_ARGUMENT, -1,
						   "none of %d pictures can be read, none is left to calibrate with",
						   report->pictures_unreadable);
	report->width_px = c->seen[used - 1].width_px;
	report->height_px = c->seen[used - 1].height_px;
	return 0;
}

int assay__calibration_open(const struct assay__model *model, const struct assay__import_options *options,
							const struct assay_parts *pictures, const struct assay__labour *labour,
							const struct assay_allocator *allocator, struct assay__calibration **out,
							struct assay__import_report *report, struct assay_error *error)
{
	static const struct assay__labour alone = {0};
	struct assay__calibration *c = assay__calloc(allocator, 1, sizeof(*c));
	int err;

	if (!c)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory to calibrate");
	*c = (struct assay__calibration){.model = model,
									 .options = options,
									 .pictures = pictures,
									 .labour = labour ? labour : &alone,
									 .allocator = allocator};
	if ((err = open_seen(c, error)) ||
		(err = assay__labour_run(c->labour, "running the model", c->count, look, c, error)) ||
		(err = sift(c, report, error))) {
		assay__calibration_close(c);
		return err;
	}
	*out = c;
	return 0;
}

void assay__calibration_close(struct assay__calibration *c)
{
	if (!c)
		return;
	assay__free(c->allocator, c->seen);
	assay__free(c->allocator, c->samples);
	assay__free(c->allocator, c->sums);
	assay__free(c->allocator, c);
}

static size_t samples_of(const struct assay__calibration *c, const struct seen *seen, int tensor, const float **out)
{
	const int stride = assay__model_stride(c->model, tensor);
	*out = seen->samples + (size_t)(tensor - 1) * SAMPLES;
	return sample_count((size_t)(seen->width_px / stride) * (size_t)(seen->height_px / stride) *
						(size_t)assay__model_channels(c->model, tensor));
}

/* Squared error of the samples on one grid. */
static double grid_error(const struct assay__calibration *c, int tensor, const struct assay__grid *grid)
{
	const float low = grid->zero_point ? -127 : 0, high = grid->zero_point ? 127 : 255, step = grid->step;
	double sum = 0;

	for (int i = 0; i < c->count; i++) {
		const float *x;
		const size_t count = samples_of(c, &c->seen[i], tensor, &x);
		for (size_t k = 0; k < count; k++) {
			float q = x[k] / step;
			q = q < low ? low : q > high ? high : q;
			q = (q + 12582912.0f) - 12582912.0f; /* to the nearest even */
			const double off = (double)(x[k] - q * step);
			sum += off * off;
		}
	}
	return sum;
}

static void choose_grid(void *arg, int index, int worker)
{
	struct assay__calibration *c = arg;
	const struct assay__layer *layer = &c->model->layers[index];
	struct assay__grid best = {.zero_point = layer->nonneg ? 0 : 128};
	double least = HUGE_VAL;
	float most = 0;

	(void)worker;
	if (layer->op == ASSAY__MAX_POOL || layer->op == ASSAY__AVERAGE_POOL || layer->same_scale >= 0)
		return; /* follows another */
	for (int i = 0; i < c->count; i++) {
		const float *x;
		const size_t count = samples_of(c, &c->seen[i], index + 1, &x);
		for (size_t k = 0; k < count; k++)
			most = fabsf(x[k]) > most ? fabsf(x[k]) : most;
	}
	const float top = fmaxf(most / (best.zero_point ? 127.0f : 255.0f), 1e-6f);
	for (int k = 0; k < STEPS; k++) {
		struct assay__grid grid = best;
		grid.step = top * (float)(LEAST_STEP + (1 - LEAST_STEP) * k / (STEPS - 1));
		const double off = grid_error(c, index + 1, &grid);
		if (k == 0 || off < least) {
			least = off;
			c->grids[index + 1] = grid;
		}
	}
}

int assay__calibration_grids(struct assay__calibration *c, struct assay__grid *grids, struct assay_error *error)
{
	const struct assay__model *model = c->model;
	double zero = 0;

	/* The grey level that stands for zero, the mean over the channels: what lies beyond the picture's edge. */
	for (int ch = 0; ch < 3; ch++)
		zero -= (double)model->image_offset[ch] / (double)model->image_scale[ch] / 3;
	zero = zero < 0 ? 0 : zero > 255 ? 255 : zero;
	grids[0] = (struct assay__grid){.step = 1, .zero_point = (int)rint(zero)};
	c->grids = grids;
	int err = assay__labour_run(c->labour, "choosing steps", model->layer_count, choose_grid, c, error);
	if (err)
		return err;
	for (int i = 0; i < model->layer_count; i++)
		if (model->layers[i].same_scale >= 0)
			grids[i + 1] = grids[model->layers[i].same_scale];
	for (int i = 0; i < model->layer_count; i++)
		if (model->layers[i].op == ASSAY__MAX_POOL || model->layers[i].op == ASSAY__AVERAGE_POOL)
			grids[i + 1] = grids[model->layers[i].src];
	return 0;
}

void assay__calibration_gains(const struct assay__calibration *c, const struct assay__grid *grids,
							  uint16_t gains[ASSAY__MAX_TAPS][ASSAY__MAX_CHANNELS])
{
	const struct assay__model *model = c->model;
	size_t first = 0;

	for (int t = 0; t < model->tap_count; t++) {
		const int stride = assay__model_stride(model, model->taps[t]);
		const int channels = assay__model_channels(model, model->taps[t]);
		const double step = (double)grids[model->taps[t]].step;
		for (int ch = 0; ch < channels; ch++, first += 2) {
			double n = 0, sum = 0, squares = 0;
			for (int i = 0; i < c->count; i++) {
				const struct seen *seen = &c->seen[i];
				n += (double)(seen->width_px / stride) * (seen->height_px / stride);
				sum += seen->sums[first];
				squares += seen->sums[first + 1];
			}
			const double variance = squares / n - sum / n * (sum / n);
			/* What varies by less than a step would only have its rounding enlarged. */
			const double deviation = variance > step * step ? sqrt(variance) : step;
			const double gain = rint(256 * FEATURE_STEPS * step / deviation);
			gains[t][ch] = (uint16_t)(gain > UINT16_MAX ? UINT16_MAX : gain);
		}
	}
}

/* Sums of squares at the places where the model in float was sampled. */
static void compare_maps(const struct assay__calibration *c, struct seen *seen, const struct assay__map *maps)
{
	for (int t = 0; t < c->model->tap_count; t++) {
		const struct assay__map *map = &maps[t];
		const size_t row = (size_t)map->width * (size_t)map->channels, elements = row * (size_t)map->height;
		const double step = (double)c->grids[c->model->taps[t]].step;
		const float *x;
		const size_t count = samples_of(c, seen, c->model->taps[t], &x);
		for (size_t k = 0; k < count; k++) {
			const size_t at = sample_at(elements, count, k);
			const size_t column = at % row / (size_t)map->channels, channel = at % (size_t)map->channels;
			const uint8_t q = map->data[at / row * map->row_bytes + column * map->pixel_bytes + channel];
			const double off = (double)x[k] - (q - map->zero_point) * step;
			seen->error_sum[t] += off * off;
			seen->signal_sum[t] += (double)x[k] * (double)x[k];
		}
	}
}

static void compare(void *arg, int index, int worker)
{
	const struct assay__calibration *c = arg;
	struct seen *seen = &c->seen[index];
	struct assay__map maps[ASSAY__MAX_TAPS];
	struct assay__plan *plan = NULL;
	struct assay__prep *prep = NULL;
	struct assay_image image = {0};
	const int width_px = seen->width_px, height_px = seen->height_px;
	size_t row_bytes;

	(void)worker;
	if (!open_picture(c, seen, &image, &prep)) {
		if (seen->width_px != width_px || seen->height_px != height_px) {
			assay__fail(&seen->error, ASSAY_E_FORMAT, -1, "a picture changed while the network was calibrated");
		} else if (!assay__plan_open(c->net, width_px, height_px, c->allocator, &plan, &seen->error)) {
			uint8_t *pixels = assay__plan_input(plan, &row_bytes);
			assay__prep_run(prep, &image, pixels, row_bytes);
			assay__plan_run(plan, maps);
			compare_maps(c, seen, maps);
		}
	}
	assay__plan_close(plan);
	assay__prep_close(prep);
	assay_image_free(&image, c->allocator);
}

int assay__calibration_compare(struct assay__calibration *c, const struct assay__net *net,
							   const struct assay__grid *grids, struct assay__import_report *report,
							   struct assay_error *error)
{
	assert(c->grids == grids);
	c->net = net;
	int err = assay__labour_run(c->labour, "comparing", c->count, compare, c, error);
	if (err)
		return err;
	for (int i = 0; i < c->count; i++) {
		if (c->seen[i].error.code) {
			if (error)
				*error = c->seen[i].error;
			return c->seen[i].error.code;
		}
		for (int t = 0; t < c->model->tap_count; t++) {
			report->taps[t].error += c->seen[i].error_sum[t];
			report->taps[t].signal += c->seen[i].signal_sum[t];
		}
	}
	return 0;
}
