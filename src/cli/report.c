/* SPDX-License-Identifier: Apache-2.0 */
/* The demo's figures, and the table and JSON made of them. */
#include "cli/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "cli/fields.h"
#include "cli/teaching.h"
#include "vision/metrics.h"

static const char *const english[ASSAY__VIRTUAL_KINDS] = {
	"good", "porosity", "cold shut", "crack", "flash", "missing hole", "scratch", "dent",
};

static const char *const chinese[ASSAY__VIRTUAL_KINDS] = {
	"良品", "气孔", "冷隔", "裂纹", "飞边", "漏钻孔", "划痕", "压伤",
};

const char *assay__report_kind_english(enum assay__virtual_kind kind)
{
	return english[kind];
}

const char *assay__report_kind_chinese(enum assay__virtual_kind kind)
{
	return chinese[kind];
}

const char *assay__report_file(const struct assay__report_part *part, char out[32])
{
	char *slash;

	memcpy(out, part->name, sizeof(part->name));
	slash = strchr(out, '/');
	if (slash)
		*slash = '-';
	return out;
}

static bool caught(const struct assay__report_part *part)
{
	return part->verdict == ASSAY_FAIL;
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* the value that a share p of n ascending values does not exceed */
static double percentile(const double *ascending, int n, double p)
{
	int rank = (int)ceil(p * n);

	return n ? ascending[rank < 1 ? 0 : rank - 1] : NAN;
}

static void count_part(struct assay__report *report, const struct assay__report_part *part)
{
	struct assay__report_kind *kind = &report->kinds[part->truth.kind];
	int fifth = (int)(part->truth.severity * 5);

	kind->parts++;
	kind->caught += caught(part);
	kind->located += caught(part) && part->located;
	if (part->truth.kind == ASSAY__VIRTUAL_GOOD)
		return;
	fifth = fifth > 4 ? 4 : fifth;
	report->by_severity[fifth].parts++;
	report->by_severity[fifth].caught += caught(part);
	report->defects++;
	report->escapes += !caught(part);
	if (caught(part) && !(kind->weakest_caught <= part->truth.contrast))
		kind->weakest_caught = part->truth.contrast;
	if (!caught(part) && !(kind->strongest_missed >= part->truth.contrast))
		kind->strongest_missed = part->truth.contrast;
}

/* All misses and false alarms; of each kind the hardest caught and two others; some good parts. */
static void choose_pictures(struct assay__report *report)
{
	enum { EACH = 4, GOOD = 6 };
	int good = 0;

	for (int i = 0; i < report->part_count; i++) {
		struct assay__report_part *part = &report->parts[i];
		bool is_good = part->truth.kind == ASSAY__VIRTUAL_GOOD;

		part->pictured = is_good ? caught(part) || good++ < GOOD : !caught(part);
	}
	for (int kind = 1; kind < ASSAY__VIRTUAL_KINDS; kind++)
		for (int n = 0; n < EACH; n++) {
			struct assay__report_part *hardest = NULL;

			for (int i = 0; i < report->part_count; i++) {
				struct assay__report_part *part = &report->parts[i];

				if (part->truth.kind == (enum assay__virtual_kind)kind && !part->pictured &&
					(!hardest || part->truth.severity < hardest->truth.severity))
					hardest = part;
			}
			if (hardest)
				hardest->pictured = true;
		}
}

/* values has room for all parts */
static void find_medians(struct assay__report *report, double *values)
{
	for (int found = 0; found < 2; found++)
		for (int what = 0; what < 2; what++) {
			int n = 0;

			for (int i = 0; i < report->part_count; i++) {
				const struct assay__report_part *p = &report->parts[i];

				if (p->truth.kind != ASSAY__VIRTUAL_GOOD && caught(p) == (found == 1))
					values[n++] = what ? p->truth.size_px : p->truth.contrast;
			}
			qsort(values, (size_t)n, sizeof(*values), compare_doubles);
			*(what ? &report->median[found].size_px : &report->median[found].contrast) = percentile(values, n, 0.5);
		}
}

int assay__report_count(struct assay__report *report, struct assay_error *error)
{
	size_t count = (size_t)report->part_count;
	double *ms = assay__alloc(NULL, count * sizeof(*ms));
	uint32_t *good = assay__alloc(NULL, count * sizeof(*good)), *bad = assay__alloc(NULL, count * sizeof(*bad));
	size_t good_count = 0, bad_count = 0;
	int rc = 0;

	if (ms && good && bad) {
		for (int kind = 0; kind < ASSAY__VIRTUAL_KINDS; kind++)
			report->kinds[kind] = (struct assay__report_kind){.weakest_caught = NAN, .strongest_missed = NAN};
		for (size_t i = 0; i < count; i++) {
			count_part(report, &report->parts[i]);
			ms[i] = report->parts[i].inspect_ms;
			if (report->parts[i].truth.kind == ASSAY__VIRTUAL_GOOD)
				good[good_count++] = report->parts[i].score_q8;
			else
				bad[bad_count++] = report->parts[i].score_q8;
		}
		report->auroc = assay__auroc(good, good_count, bad, bad_count);
		report->overkill_low = report->overkill_high = NAN;
		if (good_count)
			assay__clopper_pearson(report->kinds[0].caught, report->kinds[0].parts, 0.05, &report->overkill_low,
								   &report->overkill_high);
		qsort(ms, count, sizeof(*ms), compare_doubles);
		report->inspect_ms_p50 = percentile(ms, report->part_count, 0.5);
		report->inspect_ms_p99 = percentile(ms, report->part_count, 0.99);
		find_medians(report, ms);
		choose_pictures(report);
	} else {
		rc = assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory while counting the verdicts");
	}
	assay__free(NULL, ms);
	assay__free(NULL, good);
	assay__free(NULL, bad);
	return rc;
}

static void print_contrast(double value)
{
	if (isnan(value))
		printf(" %9s", "-");
	else
		printf(" %9.1f", value);
}

static void print_missed(const struct assay__report *report)
{
	const struct assay_recipe_info *info = report->info;

	for (int i = 0; i < report->part_count; i++) {
		const struct assay__report_part *p = &report->parts[i];

		if (p->truth.kind != ASSAY__VIRTUAL_GOOD && !caught(p))
			printf("  missed       test/%-18s score %6.2f of %.2f, %5.1f grey levels over %d px\n", p->name,
				   p->score_q8 / 256.0, info->report.threshold_q8 / 256.0, p->truth.contrast, p->truth.size_px);
		if (p->truth.kind == ASSAY__VIRTUAL_GOOD && caught(p))
			printf("  false alarm  test/%-18s score %6.2f of %.2f\n", p->name, p->score_q8 / 256.0,
				   info->report.threshold_q8 / 256.0);
	}
	if (!report->escapes)
		return;
	printf("\nThe recipe saw good parts only, not one labelled defect: a defect is found when it looks stranger\n"
		   "than what good parts show of texture, tool marks, oil and light. Those missed do not, at the\n"
		   "%d x %d pixels to which the pictures are scaled: a line one pixel wide is %.2f pixels there.\n"
		   "The typical defect missed changes the picture by %.1f grey levels over %.0f px",
		   info->working_width_px, info->working_height_px,
		   (double)info->working_height_px / (info->roi.height ? info->roi.height : report->height_px),
		   report->median[0].contrast, report->median[0].size_px);
	if (!isnan(report->median[1].contrast))
		printf(",\nthe typical one caught by %.1f over %.0f px", report->median[1].contrast, report->median[1].size_px);
	puts(".");
}

void assay__report_print(const struct assay__report *report)
{
	char risk[200];

	printf("\n%-14s %6s %7s %7s %9s %9s %9s\n%-14s %6s %7s %7s %9s %9s %9s\n", "", "", "", "", "in the", "weakest",
		   "strongest", "defect", "parts", "caught", "missed", "place", "caught", "missed");
	for (int kind = 1; kind < ASSAY__VIRTUAL_KINDS; kind++) {
		const struct assay__report_kind *k = &report->kinds[kind];

		if (!k->parts)
			continue;
		printf("%-14s %6d %7d %7d %9d", english[kind], k->parts, k->caught, k->parts - k->caught, k->located);
		print_contrast(k->weakest_caught);
		print_contrast(k->strongest_missed);
		putchar('\n');
	}
	printf("%-14s %6d %7d %7d   (contrast in grey levels of 255)\n\n", "all", report->defects,
		   report->defects - report->escapes, report->escapes);
	if (report->kinds[0].parts)
		printf("overkill       %d of %d good parts (%.1f %%; 95 %% interval %.1f .. %.1f %%)\n",
			   report->kinds[0].caught, report->kinds[0].parts,
			   100.0 * report->kinds[0].caught / report->kinds[0].parts, 100 * report->overkill_low,
			   100 * report->overkill_high);
	if (report->defects)
		printf("escapes        %d of %d defective parts (%.1f %%)\n", report->escapes, report->defects,
			   100.0 * report->escapes / report->defects);
	if (!isnan(report->auroc))
		printf("AUROC          %.4f by part, %.4f by pixel\n", report->auroc, report->pixel_auroc);
	printf("time           %.2f s to teach with %d thread%s, %.1f ms a part (p99 %.1f ms)\n", report->teach_s,
		   report->threads, report->threads == 1 ? "" : "s", report->inspect_ms_p50, report->inspect_ms_p99);
	assay__teaching_risk(&report->info->report, risk);
	printf("risk           %s\n\n", risk);
	print_missed(report);
}

static void field_counts(struct assay__json *json, const struct assay__report *report)
{
	assay__json_key(json, "kinds");
	assay__json_array(json);
	for (int kind = 1; kind < ASSAY__VIRTUAL_KINDS; kind++) {
		const struct assay__report_kind *k = &report->kinds[kind];

		assay__json_object(json);
		assay__field_text(json, "kind", assay__virtual_kind_name((enum assay__virtual_kind)kind));
		assay__field_int(json, "parts", k->parts);
		assay__field_int(json, "caught", k->caught);
		assay__field_int(json, "located", k->located);
		assay__field_double(json, "weakest_caught", k->weakest_caught);
		assay__field_double(json, "strongest_missed", k->strongest_missed);
		assay__json_object_end(json);
	}
	assay__json_array_end(json);
}

int assay__report_print_json(const struct assay__report *report)
{
	const struct assay__report_kind *good = &report->kinds[0];
	struct assay__json json;
	int status;

	assay__json_open(&json, NULL);
	assay__json_object(&json);
	assay__field_text(&json, "dataset", report->folder);
	assay__field_int(&json, "seed", (int64_t)report->seed);
	assay__field_int(&json, "n_train", report->info->report.parts_used);
	assay__field_int(&json, "n_test_good", good->parts);
	assay__field_int(&json, "n_test_defect", report->defects);
	assay__field_double(&json, "auroc", report->auroc);
	assay__field_double(&json, "overkill", good->parts ? (double)good->caught / good->parts : NAN);
	assay__field_double(&json, "escape", report->defects ? (double)report->escapes / report->defects : NAN);
	assay__field_double(&json, "pixel_auroc", report->pixel_auroc);
	assay__field_double(&json, "overkill_stated", report->info->report.overkill_stated);
	assay__field_q8(&json, "threshold", report->info->report.threshold_q8);
	assay__field_double(&json, "teach_s", report->teach_s);
	assay__field_double(&json, "inspect_ms_p50", report->inspect_ms_p50);
	assay__field_double(&json, "inspect_ms_p99", report->inspect_ms_p99);
	field_counts(&json, report);
	assay__json_object_end(&json);
	status = assay__fields_print(&json);
	assay__json_close(&json);
	return status;
}
