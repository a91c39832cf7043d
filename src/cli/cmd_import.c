/* SPDX-License-Identifier: Apache-2.0 */
/* assay import: an ONNX model and pictures in, a .net file out. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/text.h"
#include "cli/cmd.h"
#include "cli/common.h"
#include "cli/fields.h"
#include "cli/files.h"
#include "cli/progress.h"
#include "cli/teaching.h"
#include "vision/import/import.h"

#define NAME_CHARS 33

struct settings {
	const char *output, *calibrate, *tap, *mean, *std, *name;
	double white;
	int working_px, pictures, threads;
	bool json;
};

static const struct assay__option options[] = {
	{.name = "output",
	 .letter = 'o',
	 .required = true,
	 .type = ASSAY__OPTION_PATH,
	 .value = "OUT.net",
	 .help = "the network to write; a network of that name is replaced, any other file is not",
	 .offset = offsetof(struct settings, output)},
	{.name = "calibrate",
	 .required = true,
	 .type = ASSAY__OPTION_PATH,
	 .value = "DIR",
	 .help = "pictures like those to be judged; the steps of the integers are chosen by them",
	 .offset = offsetof(struct settings, calibrate)},
	{.name = "tap",
	 .type = ASSAY__OPTION_TEXT,
	 .value = "NAME,...",
	 .help = "tensors or nodes whose maps become features, at 1/4, 1/8 or 1/16 of the picture, at most 4; without it "
			 "the last ones at 1/4, 1/8 and 1/16",
	 .offset = offsetof(struct settings, tap)},
	{.name = "mean",
	 .type = ASSAY__OPTION_TEXT,
	 .fallback = "0.485,0.456,0.406",
	 .value = "R,G,B",
	 .help = "what the network was trained to have taken off; 0,0,0 if it normalises by itself",
	 .offset = offsetof(struct settings, mean)},
	{.name = "std",
	 .type = ASSAY__OPTION_TEXT,
	 .fallback = "0.229,0.224,0.225",
	 .value = "R,G,B",
	 .help = "what it was then divided by; 1,1,1 if it normalises by itself",
	 .offset = offsetof(struct settings, std)},
	{.name = "white",
	 .type = ASSAY__OPTION_DOUBLE,
	 .fallback = "1",
	 .min = 0.001,
	 .max = 65535,
	 .help = "what a white pixel is before mean and std: 1, or 255 for networks trained on grey levels",
	 .offset = offsetof(struct settings, white)},
	{.name = "pictures",
	 .type = ASSAY__OPTION_INT,
	 .fallback = "64",
	 .min = 1,
	 .max = 256,
	 .help = "calibrate with at most so many, taken evenly from DIR",
	 .offset = offsetof(struct settings, pictures)},
	{.name = "working-size",
	 .type = ASSAY__OPTION_PIXELS,
	 .fallback = "256",
	 .min = 64,
	 .max = 1024,
	 .unit = "px",
	 .help = "short side of the pictures in calibration; best the one that will be taught with",
	 .offset = offsetof(struct settings, working_px)},
	{.name = "name",
	 .type = ASSAY__OPTION_TEXT,
	 .value = "NAME",
	 .help = "what assay info will call it, at most 32 characters; without it the name of OUT.net",
	 .offset = offsetof(struct settings, name)},
	ASSAY__OPTION_JSON(struct settings, json, "print the report as one JSON object"),
	ASSAY__OPTION_THREADS(struct settings, threads),
};

static const struct assay__command command = {
	.name = "import",
	.usage = "NET.onnx -o OUT.net --calibrate DIR [OPTION...]",
	.description = "Makes a network for assay of a convolutional backbone of your own: reads the ONNX\n"
				   "model, runs it in float on some pictures, chooses the integers that come closest,\n"
				   "and says how close. What lies behind the taps (pooling, classifier) is cut off.\n"
				   "\n"
				   "  assay import resnet18.onnx -o resnet18.net --calibrate good/\n"
				   "  assay teach --network resnet18.net -o part.assay good/\n"
				   "\n"
				   "Conv (1, 3, 5, 7, strides 1 and 2; depthwise 3 x 3), BatchNormalization, Relu, Clip,\n"
				   "MaxPool, AveragePool, Add, Concat, Pad, and Sub, Mul, Div by constants are supported;\n"
				   "anything else that the taps need is refused by name. docs/import.md tells more.\n"
				   "\n"
				   "JSON keys: network, file, bytes, hash, nodes, macs, width, height, pictures_used,\n"
				   "pictures_unreadable, taps [name, stride, channels, relative_error, snr_db], seconds.\n"
				   "\n"
				   "Exit status: 0 imported; 2 refused, or imported but some pictures could not be read;\n"
				   "64 usage; 70 out of memory; 74 input or output.",
	.options = options,
	.option_count = (int)(sizeof(options) / sizeof(options[0])),
	.args_min = 1,
	.args_max = 1,
};

/* "R,G,B" to three numbers. Returns -1 to go on. */
static int parse_triple(const char *name, const char *text, double out[3])
{
	char quoted[ASSAY__QUOTE_CHARS], part[ASSAY__NUMBER_CHARS];
	const char *at = text;

	for (int i = 0; i < 3; i++) {
		const size_t length = strcspn(at, ",");
		const bool last = at[length] == '\0';
		if (length < sizeof(part)) {
			memcpy(part, at, length);
			part[length] = '\0';
		}
		if (length >= sizeof(part) || last != (i == 2) || !assay__text_to_double(part, &out[i]))
			return assay__command_misuse(&command, "--%s: found %s, expected three numbers, as in 0.485,0.456,0.406",
										 name, assay__text_quote(text, quoted));
		at += length + 1;
	}
	return -1;
}

/* Cuts a copy of --tap at its commas. Returns -1 to go on; *copy is the caller's to free. */
static int parse_taps(const char *text, char **copy, const char *taps[ASSAY__MAX_TAPS], int *count)
{
	char *rest = strdup(text), *tap;

	*copy = rest;
	*count = 0;
	if (!rest)
		return ASSAY__EXIT_INTERNAL;
	while ((tap = strsep(&rest, ","))) {
		if (!*tap)
			return assay__command_misuse(&command, "--tap: a name is empty");
		if (*count == ASSAY__MAX_TAPS)
			return assay__command_misuse(&command, "--tap: more than %d names", ASSAY__MAX_TAPS);
		taps[(*count)++] = tap;
	}
	return -1;
}

/* The name of the file without its folder and ending. */
static void name_from(const char *path, char name[NAME_CHARS])
{
	const char *base = strrchr(path, '/');
	size_t length;

	base = base ? base + 1 : path;
	length = strlen(base);
	if (length > 4 && !strcmp(base + length - 4, ".net"))
		length -= 4;
	length = length < NAME_CHARS - 1 ? length : NAME_CHARS - 1;
	for (size_t i = 0; i < length; i++)
		name[i] = base[i] >= 0x20 && base[i] < 0x7f ? base[i] : '?';
	name[length] = '\0';
}

/* What exists must be a network, and the folder writable: better said before the work. Returns -1 to go on. */
static int check_output(const char *path)
{
	char head[8];
	size_t got = 0;
	struct stat st;
	FILE *file;

	if (stat(path, &st)) {
		const char *slash = strrchr(path, '/');
		char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
		int rc = -1;
		if (!folder)
			return ASSAY__EXIT_INTERNAL;
		if (access(folder, W_OK)) {
			assay__say("%s: cannot write a network there: %s", path, strerror(errno));
			rc = ASSAY__EXIT_IO;
		}
		free(folder);
		return rc;
	}
	file = S_ISREG(st.st_mode) ? fopen(path, "rb") : NULL;
	if (file) {
		got = fread(head, 1, sizeof(head), file);
		fclose(file);
	}
	if (!S_ISREG(st.st_mode) || (st.st_size > 0 && (got < sizeof(head) || memcmp(head, "ASSAYNET", sizeof(head)))))
		return assay__command_misuse(&command, "-o %s exists and is not a network; it is left as it is", path);
	return -1;
}

/* Beside the target, then renamed there. Returns 0 or the exit status. */
static int write_network(const char *path, const void *bytes, size_t size)
{
	const size_t room = strlen(path) + 8;
	char *beside = malloc(room);
	int file, status = ASSAY__EXIT_PASS;
	size_t done = 0;

	if (!beside)
		return ASSAY__EXIT_INTERNAL;
	snprintf(beside, room, "%s.XXXXXX", path);
	file = mkstemp(beside);
	while (file >= 0 && done < size) {
		const ssize_t put = write(file, (const char *)bytes + done, size - done);
		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			break;
		done += (size_t)put;
	}
	const mode_t mask = umask(0);
	umask(mask);
	if (file < 0 || done < size || fchmod(file, 0666 & ~mask) || fsync(file) || rename(beside, path)) {
		assay__say("%s: cannot write: %s", path, strerror(errno));
		if (file >= 0)
			unlink(beside);
		status = ASSAY__EXIT_IO;
	}
	if (file >= 0)
		close(file);
	free(beside);
	return status;
}

static int load_picture(void *ctx, int index, const struct assay_allocator *allocator, struct assay_image *image,
						struct assay_error *error)
{
	return assay__files_load(ctx, index, allocator, image, error);
}

static const char *name_picture(void *ctx, int index)
{
	const struct assay__files *files = ctx;
	return files->list[index].path;
}

static void say_unreadable(void *ctx, int index, const struct assay_error *error)
{
	const struct assay__files *files = ctx;
	const char *path = files->list[index].path;
	assay__say("%s: %s", path, assay__reason(error, path));
}

static double relative_error(const struct assay__import_report *report, int tap)
{
	return report->taps[tap].signal > 0 ? sqrt(report->taps[tap].error / report->taps[tap].signal) : NAN;
}

static void print_text(const struct settings *settings, const struct assay__import_options *wanted,
					   const struct assay__import_report *report, size_t size_bytes)
{
	printf("network       %s, %d layers, %.2f GMAC for %d x %d px\n", wanted->name, report->nodes,
		   (double)report->macs / 1e9, report->width_px, report->height_px);
	printf("taps          %s\n",
		   wanted->tap_count ? "as asked for" : "the last at 1/4, 1/8 and 1/16 (--tap takes others)");
	for (int i = 0; i < report->tap_count; i++) {
		const double off = relative_error(report, i);
		printf("              %s: 1/%d, %d channels, ", report->taps[i].name, report->taps[i].stride,
			   report->taps[i].channels);
		if (isfinite(off))
			printf("%.2f %% off the float model, %.1f dB\n", off * 100, off > 0 ? -20 * log10(off) : HUGE_VAL);
		else
			printf("zero on every picture\n");
	}
	printf("calibrated    with %d pictures of %s%s\n", report->pictures_used, settings->calibrate,
		   report->pictures_unreadable ? "; some could not be read" : "");
	printf("wrote         %s, %zu bytes\n\nnext: assay teach --network %s -o PART.assay GOOD...\n", settings->output,
		   size_bytes, settings->output);
}

static int print_json(const struct settings *settings, const struct assay__import_options *wanted,
					  const struct assay__import_report *report, const uint8_t *bytes, size_t size_bytes,
					  double seconds)
{
	struct assay__json json;
	int status;

	assay__json_open(&json, NULL);
	assay__json_object(&json);
	assay__field_text(&json, "network", wanted->name);
	assay__field_text(&json, "file", settings->output);
	assay__field_int(&json, "bytes", (int64_t)size_bytes);
	assay__field_hex(&json, "hash", bytes + size_bytes - 32, 32);
	assay__field_int(&json, "nodes", report->nodes);
	assay__field_int(&json, "macs", report->macs);
	assay__field_int(&json, "width", report->width_px);
	assay__field_int(&json, "height", report->height_px);
	assay__field_int(&json, "pictures_used", report->pictures_used);
	assay__field_int(&json, "pictures_unreadable", report->pictures_unreadable);
	assay__json_key(&json, "taps");
	assay__json_array(&json);
	for (int i = 0; i < report->tap_count; i++) {
		const double off = relative_error(report, i);
		assay__json_object(&json);
		assay__field_text(&json, "name", report->taps[i].name);
		assay__field_int(&json, "stride", report->taps[i].stride);
		assay__field_int(&json, "channels", report->taps[i].channels);
		assay__field_double(&json, "relative_error", off);
		assay__field_double(&json, "snr_db", off > 0 ? -20 * log10(off) : NAN);
		assay__json_object_end(&json);
	}
	assay__json_array_end(&json);
	assay__field_double(&json, "seconds", seconds);
	assay__json_object_end(&json);
	status = assay__fields_print(&json);
	assay__json_close(&json);
	return status;
}

static int import(const struct settings *settings, const struct assay__import_options *wanted,
				  const struct assay__setup *setup, struct assay__files *files, const void *onnx, size_t onnx_bytes)
{
	const struct assay_parts pictures = {files->count, load_picture, name_picture, files};
	struct assay_teach_hooks hooks = {.unreadable = say_unreadable, .ctx = files};
	const struct assay__labour labour = {setup->runner, &hooks};
	const int64_t start_us = assay__clock_us();
	struct assay__import_report report;
	struct assay__progress progress;
	struct assay_error error;
	uint8_t *bytes = NULL;
	size_t size_bytes = 0;
	int rc, status;

	assay__progress_open(&progress);
	hooks.progress = progress.progress;
	rc = assay__import(onnx, onnx_bytes, wanted, &pictures, &labour, setup->env.allocator, &bytes, &size_bytes, &report,
					   &error);
	assay__progress_close(&progress);
	if (rc) {
		status = assay__say_error(&error);
		/* of the pictures; the options were checked */
		return rc == ASSAY_E_ARGUMENT ? ASSAY__EXIT_FAULT : status;
	}
	status = write_network(settings->output, bytes, size_bytes);
	if (!status && settings->json)
		status = print_json(settings, wanted, &report, bytes, size_bytes, (double)(assay__clock_us() - start_us) / 1e6);
	else if (!status)
		print_text(settings, wanted, &report, size_bytes);
	assay__free(setup->env.allocator, bytes);
	return status ? status : report.pictures_unreadable ? ASSAY__EXIT_FAULT : ASSAY__EXIT_PASS;
}

/* The model alone is cheap to check; a refusal should not wait for pictures. */
static int import_file(const struct settings *settings, const struct assay__import_options *wanted, const char *path)
{
	struct assay__import_report report;
	struct assay__files files = {0};
	struct assay__setup setup;
	struct assay_error error;
	size_t size_bytes = 0;
	void *onnx = NULL;
	int status = assay__file_read("import", path, "an ONNX model", &onnx, &size_bytes);

	if (status)
		return status;
	if (assay__import_check(onnx, size_bytes, wanted, NULL, &report, &error)) {
		assay__fail_prefix(&error, "%s", path);
		status = assay__say_error(&error);
		assay__free(NULL, onnx);
		return status;
	}
	status = assay__setup_open(&setup, settings->threads);
	if (!status) {
		char *inputs[] = {strdup(settings->calibrate)};
		if (!inputs[0])
			status = ASSAY__EXIT_INTERNAL;
		else if (assay__files_collect(&files, inputs, 1, &error))
			status = assay__say_error(&error);
		else
			status = import(settings, wanted, &setup, &files, onnx, size_bytes);
		free(inputs[0]);
		assay__files_free(&files);
		assay__setup_close(&setup);
	}
	assay__free(NULL, onnx);
	return status;
}

int assay__cmd_import(int argc, char **argv)
{
	const char *taps[ASSAY__MAX_TAPS];
	struct assay__import_options wanted = {.taps = taps};
	struct settings settings = {0};
	char name[NAME_CHARS], *copy = NULL;
	int count, status = assay__command_parse(&command, argc, argv, &settings, &count);

	if (status >= 0)
		return status;
	wanted.white = settings.white;
	wanted.working_px = settings.working_px;
	wanted.pictures = settings.pictures;
	name_from(settings.output, name);
	wanted.name = settings.name ? settings.name : name;
	status = parse_triple("mean", settings.mean, wanted.mean);
	if (status < 0)
		status = parse_triple("std", settings.std, wanted.std);
	if (status < 0 && settings.tap)
		status = parse_taps(settings.tap, &copy, taps, &wanted.tap_count);
	if (status < 0)
		status = check_output(settings.output);
	if (status < 0)
		status = import_file(&settings, &wanted, argv[1]);
	free(copy);
	return assay__finish_output(status);
}
