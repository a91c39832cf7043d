/* SPDX-License-Identifier: Apache-2.0 */
/* Vitals in words, and a reference as a file. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "station/vital_watch.h"

#define MAGIC "assay vitals 1"

static void tell_shift(const struct assay__vital_watch *watch, char *text, size_t size)
{
	struct assay__vital_reading x, y;
	double dx, dy;

	assay__vital_watch_read(watch, ASSAY__VITAL_SHIFT_X, &x);
	assay__vital_watch_read(watch, ASSAY__VITAL_SHIFT_Y, &y);
	dx = x.now - x.reference;
	dy = y.now - y.reference;
	snprintf(text, size,
			 "the camera moved: parts lie %.1f px %s and %.1f px %s than at first (limits %.1f and %.1f px)", fabs(dx),
			 dx < 0 ? "further left" : "further right", fabs(dy), dy < 0 ? "higher" : "lower", x.limit, y.limit);
}

static void tell_light(const struct assay__vital_watch *watch, char *text, size_t size)
{
	struct assay__vital_reading r[ASSAY__VITAL_FALLOFF + 1], *light = &r[ASSAY__VITAL_LIGHT];
	int most = ASSAY__VITAL_LIGHT;
	double change;

	for (int i = ASSAY__VITAL_LIGHT; i <= ASSAY__VITAL_FALLOFF; i++) {
		assay__vital_watch_read(watch, (enum assay__vital_measure)i, &r[i]);
		if (r[i].limit > 0 &&
			fabs(r[i].now - r[i].reference) * r[most].limit > fabs(r[most].now - r[most].reference) * r[i].limit)
			most = i;
	}
	change = light->reference > 0 ? 100 * (light->now - light->reference) / light->reference : 0;
	if (most == ASSAY__VITAL_LIGHT)
		snprintf(text, size, "%s: mean brightness %.1f, %.1f at first (%+.1f %%, limit %.1f %%)",
				 change < 0 ? "the lamp ages" : "the lamp changed: there is more light than at first", light->now,
				 light->reference, change, light->reference > 0 ? 100 * light->limit / light->reference : 0);
	else if (most == ASSAY__VITAL_CLIPPED)
		snprintf(text, size,
				 "the lamp changed: %.2f %% of the pixels are clipped, %.2f %% at first (limit %.2f %% more)",
				 100 * r[most].now, 100 * r[most].reference, 100 * r[most].limit);
	else if (most == ASSAY__VITAL_FALLOFF)
		snprintf(text, size,
				 "the lamp ages unevenly: the centre has %.3f times the light of the whole, %.3f at first (limit %.3f)",
				 r[most].now, r[most].reference, r[most].limit);
	else
		snprintf(text, size,
				 "the lamp ages unevenly: %s is %.1f %% darker against the other than at first (limit %.1f %%)",
				 most == ASSAY__VITAL_TILT_X ? (r[most].now < r[most].reference ? "the right half" : "the left half")
											 : (r[most].now < r[most].reference ? "the lower half" : "the upper half"),
				 200 * fabs(r[most].now - r[most].reference), 200 * r[most].limit);
}

static void tell_process(const struct assay__vital_watch *watch, char *text, size_t size)
{
	struct assay__vital_reading focus;

	assay__vital_watch_read(watch, ASSAY__VITAL_FOCUS, &focus);
	if (focus.now - focus.reference > focus.limit)
		snprintf(text, size,
				 "the process changed: parts show more fine structure than at first (%+.1f %%, limit %.1f %%)",
				 100 * (focus.now - focus.reference) / focus.reference, 100 * focus.limit / focus.reference);
	else
		snprintf(text, size,
				 "the process changed: good parts score %s than before (mean rank %.2f, 0.50 at first; evidence %.0f, "
				 "limit %.0f)",
				 watch->rank < 0.5 ? "higher" : "lower", watch->rank, assay__vital_watch_evidence(watch),
				 watch->limits.run_length);
}

void assay__vital_watch_text(const struct assay__vital_watch *watch, char *text, size_t size)
{
	struct assay__vital_reading focus;

	switch (watch->told) {
	case ASSAY__VITAL_MOVED:
		tell_shift(watch, text, size);
		break;
	case ASSAY__VITAL_BLURRED:
		assay__vital_watch_read(watch, ASSAY__VITAL_FOCUS, &focus);
		snprintf(text, size, "focus is going: sharpness %+.1f %% against the first parts (limit %.1f %%)",
				 focus.reference > 0 ? 100 * (focus.now - focus.reference) / focus.reference : 0,
				 focus.reference > 0 ? 100 * focus.limit / focus.reference : 0);
		break;
	case ASSAY__VITAL_LAMP:
		tell_light(watch, text, size);
		break;
	case ASSAY__VITAL_PROCESS:
		tell_process(watch, text, size);
		break;
	default:
		if (watch->learned)
			snprintf(text, size, "as at first");
		else
			snprintf(text, size, "learning: %d of %d good parts measured", watch->reference.parts, watch->limits.parts);
	}
}

static void write_number(FILE *out, const char *key, double value)
{
	char text[ASSAY__NUMBER_CHARS];

	assay__text_from_double(value, 17, text);
	fprintf(out, "%s %s\n", key, text);
}

static void write_list(FILE *out, const char *key, const uint16_t *values, int count)
{
	fprintf(out, "%s %d\n", key, count);
	for (int i = 0; i < count; i++)
		fprintf(out, "%d\n", values[i]);
}

bool assay__vital_reference_write(const struct assay__vital_reference *reference, FILE *out)
{
	fputs(MAGIC "\n", out);
	for (int i = 0; i < ASSAY__VITAL_MEASURES; i++) {
		write_number(out, assay__vital_measure_name((enum assay__vital_measure)i), reference->mean[i]);
		write_number(out, "sd", reference->sd[i]);
	}
	write_number(out, "bin_x_px", reference->bin_x_px);
	write_number(out, "bin_y_px", reference->bin_y_px);
	write_list(out, "columns", reference->column_q8, reference->columns);
	write_list(out, "rows", reference->row_q8, reference->rows);
	write_list(out, "scores", reference->scores, reference->parts);
	fputs("end\n", out);
	return !ferror(out);
}

static bool read_line(FILE *in, char line[64])
{
	size_t length;

	if (!fgets(line, 64, in))
		return false;
	length = strlen(line);
	if (!length || line[length - 1] != '\n')
		return false;
	line[length - 1] = '\0';
	return true;
}

static bool read_number(FILE *in, const char *key, double *value)
{
	char line[64];
	size_t length = strlen(key);

	return read_line(in, line) && !strncmp(line, key, length) && line[length] == ' ' &&
		   assay__text_to_double(line + length + 1, value) && fabs(*value) < 1e9;
}

static bool read_list(FILE *in, const char *key, uint16_t *values, int least, int most, int top, int *count)
{
	double number;
	char line[64];

	if (!read_number(in, key, &number) || number != floor(number) || number < least || number > most)
		return false;
	*count = (int)number;
	for (int i = 0; i < *count; i++) {
		int64_t value;

		if (!read_line(in, line) || !assay__text_to_int64(line, &value) || value < 0 || value > top)
			return false;
		values[i] = (uint16_t)value;
	}
	return true;
}

bool assay__vital_reference_read(struct assay__vital_reference *reference, FILE *in)
{
	struct assay__vital_reference r = {0};
	char line[64];
	bool good = read_line(in, line) && !strcmp(line, MAGIC);

	for (int i = 0; i < ASSAY__VITAL_MEASURES && good; i++)
		good = read_number(in, assay__vital_measure_name((enum assay__vital_measure)i), &r.mean[i]) &&
			   read_number(in, "sd", &r.sd[i]) && r.sd[i] >= 0;
	good = good && read_number(in, "bin_x_px", &r.bin_x_px) && read_number(in, "bin_y_px", &r.bin_y_px) &&
		   read_list(in, "columns", r.column_q8, 16, ASSAY__VITAL_BINS, UINT16_MAX, &r.columns) &&
		   read_list(in, "rows", r.row_q8, 16, ASSAY__VITAL_BINS, UINT16_MAX, &r.rows) &&
		   read_list(in, "scores", r.scores, 2, ASSAY__VITAL_PARTS_MOST, ASSAY__VITAL_SCORES - 1, &r.parts) &&
		   read_line(in, line) && !strcmp(line, "end");
	if (good)
		*reference = r;
	return good;
}
