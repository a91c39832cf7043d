/* SPDX-License-Identifier: Apache-2.0 */
#include "vision/import/import.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/err.h"
#include "vision/import/calibrate.h"

#define BLOCK_BYTES 65536

static int check_options(const struct assay__import_options *options, struct assay_error *error)
{
	const size_t length = strlen(options->name);

	for (size_t i = 0; i < length; i++)
		if (options->name[i] < 0x20 || options->name[i] > 0x7e)
			return assay__fail(error, ASSAY_E_ARGUMENT, -1, "a network's name is printable ASCII");
	if (length < 1 || length > 32)
		return assay__fail(error, ASSAY_E_ARGUMENT, -1, "a network's name has 1 to 32 characters, this one has %zu",
						   length);
	for (int c = 0; c < 3; c++)
		if (!isfinite(options->mean[c]) || !(options->std[c] > 0 && options->std[c] < 1e6))
			return assay__fail(error, ASSAY_E_ARGUMENT, -1,
							   "mean %g and deviation %g cannot normalise; the deviation must be above zero",
							   options->mean[c], options->std[c]);
	if (options->tap_count < 0 || options->tap_count > ASSAY__MAX_TAPS)
		return assay__fail(error, ASSAY_E_ARGUMENT, -1, "%d taps are given, 1 to %d are possible", options->tap_count,
						   ASSAY__MAX_TAPS);
	return 0;
}

static void report_model(const struct assay__model *model, struct assay__import_report *report)
{
	*report = (struct assay__import_report){.nodes = model->layer_count, .tap_count = model->tap_count};
	for (int i = 0; i < model->tap_count; i++) {
		const struct assay__layer *layer = &model->layers[model->taps[i] - 1];
		memcpy(report->taps[i].name, layer->name, sizeof(layer->name));
		report->taps[i].stride = layer->at_stride;
		report->taps[i].channels = layer->cout;
	}
}

static int read_model(const void *bytes, size_t size_bytes, const struct assay__import_options *options,
					  struct assay__arena *arena, struct assay__model *model, struct assay_error *error)
{
	struct assay__onnx onnx;
	int err = assay__onnx_read(bytes, size_bytes, arena, &onnx, error);
	return err ? err : assay__model_lower(&onnx, options, arena, model, error);
}

int assay__import_check(const void *onnx, size_t size_bytes, const struct assay__import_options *options,
						const struct assay_allocator *allocator, struct assay__import_report *report,
						struct assay_error *error)
{
	struct assay__arena *arena;
	struct assay__model model;
	int err = check_options(options, error);

	if (err || (err = assay__arena_open(allocator, BLOCK_BYTES, &arena, error)))
		return err;
	err = read_model(onnx, size_bytes, options, arena, &model, error);
	if (!err)
		report_model(&model, report);
	assay__arena_close(arena);
	return err;
}

/* Writes the network and holds it against the model. */
static int make(struct assay__calibration *calibration, const struct assay__model *model,
				const struct assay__import_options *options, const struct assay_allocator *allocator, uint8_t **bytes,
				size_t *net_bytes, struct assay__import_report *report, struct assay_error *error)
{
	uint16_t gains[ASSAY__MAX_TAPS][ASSAY__MAX_CHANNELS];
	struct assay__grid grids[ASSAY__MAX_TENSORS];
	struct assay__net *net;
	uint8_t *written;
	int err = assay__calibration_grids(calibration, grids, error);

	if (err)
		return err;
	assay__calibration_gains(calibration, grids, gains);
	if ((err = assay__model_write(model, grids, options->name, gains, allocator, &written, net_bytes, error)))
		return err;
	if (!(err = assay__net_open(written, *net_bytes, ASSAY_ISA_BEST, allocator, &net, error))) {
		report->macs = assay__net_macs(net, report->width_px, report->height_px);
		err = assay__calibration_compare(calibration, net, grids, report, error);
		assay__net_close(net);
	}
	if (err)
		assay__free(allocator, written);
	else
		*bytes = written;
	return err;
}

int assay__import(const void *onnx, size_t size_bytes, const struct assay__import_options *options,
				  const struct assay_parts *pictures, const struct assay__labour *labour,
				  const struct assay_allocator *allocator, uint8_t **bytes, size_t *net_bytes,
				  struct assay__import_report *report, struct assay_error *error)
{
	struct assay__calibration *calibration;
	struct assay__import_report made;
	struct assay__arena *arena;
	struct assay__model model;
	size_t size = 0;
	int err = check_options(options, error);

	if (err || (err = assay__arena_open(allocator, BLOCK_BYTES, &arena, error)))
		return err;
	err = read_model(onnx, size_bytes, options, arena, &model, error);
	if (!err) {
		report_model(&model, &made);
		err = assay__calibration_open(&model, options, pictures, labour, allocator, &calibration, &made, error);
	}
	if (!err) {
		err = make(calibration, &model, options, allocator, bytes, &size, &made, error);
		assay__calibration_close(calibration);
	}
	assay__arena_close(arena);
	if (err)
		return err;
	*net_bytes = size;
	*report = made;
	return 0;
}
