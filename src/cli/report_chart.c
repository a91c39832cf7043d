/* SPDX-License-Identifier: Apache-2.0 */
/* The report's charts, as SVG that takes its colours from the page. */
#include <math.h>

#include "cli/report.h"

enum { BINS = 44, WIDTH = 900, LEFT = 46, RIGHT = 20, MIDDLE = 150, HALF = 120 };

struct bins {
	double low, high; /* of score / threshold; the last bin also takes what is above */
	int good[BINS], bad[BINS], most_good, most_bad;
};

static double ratio_of(const struct assay__report *report, uint32_t score_q8)
{
	uint32_t threshold = report->info->report.threshold_q8;

	return threshold ? (double)score_q8 / threshold : 0;
}

static struct bins fill_bins(const struct assay__report *report)
{
	struct bins b = {.low = 0.9, .high = 1.2, .most_good = 1, .most_bad = 1};

	for (int i = 0; i < report->part_count; i++) {
		double r = ratio_of(report, report->parts[i].score_q8);

		b.low = r < b.low ? r : b.low;
		b.high = r > b.high ? r : b.high;
	}
	b.low = floor(b.low * 10) / 10;
	b.high = b.high > 3 ? 3 : ceil(b.high * 10) / 10;
	for (int i = 0; i < report->part_count; i++) {
		double r = ratio_of(report, report->parts[i].score_q8);
		int at = (int)((r - b.low) / (b.high - b.low) * BINS);
		bool good = report->parts[i].truth.kind == ASSAY__VIRTUAL_GOOD;

		at = at < 0 ? 0 : at >= BINS ? BINS - 1 : at;
		if (good)
			b.most_good = ++b.good[at] > b.most_good ? b.good[at] : b.most_good;
		else
			b.most_bad = ++b.bad[at] > b.most_bad ? b.bad[at] : b.most_bad;
	}
	return b;
}

static double place(const struct bins *b, double ratio)
{
	return LEFT + (ratio - b->low) / (b->high - b->low) * (WIDTH - LEFT - RIGHT);
}

static void text_both(FILE *out, double x, double y, const char *anchor, const char *english, const char *chinese)
{
	fprintf(out,
			"<text class=\"en\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>"
			"<text class=\"zh\" lang=\"zh-CN\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>\n",
			x, y, anchor, english, x, y, anchor, chinese);
}

static void draw_bars(FILE *out, const struct bins *b)
{
	double step = (double)(WIDTH - LEFT - RIGHT) / BINS;

	for (int i = 0; i < BINS; i++) {
		double x = LEFT + i * step + 1, up = (double)b->good[i] / b->most_good * HALF,
			   down = (double)b->bad[i] / b->most_bad * HALF;

		if (b->good[i])
			fprintf(out,
					"<rect class=\"bar-good\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" "
					"rx=\"1.5\"><title>%d</title></rect>\n",
					x, MIDDLE - 1 - up, step - 2, up, b->good[i]);
		if (b->bad[i])
			fprintf(out,
					"<rect class=\"bar-bad\" x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%.1f\" "
					"rx=\"1.5\"><title>%d</title></rect>\n",
					x, MIDDLE + 1, step - 2, down, b->bad[i]);
	}
}

void assay__report_histogram(FILE *out, const struct assay__report *report)
{
	struct bins b = fill_bins(report);
	double line = place(&b, 1), tick = (b.high - b.low) > 1.2 ? 0.5 : 0.2;

	fprintf(
		out,
		"<svg class=\"chart\" viewBox=\"0 0 %d 326\" role=\"img\" aria-label=\"scores of good and defective parts / "
		"良品与缺陷件的得分分布\">\n"
		"<defs><pattern id=\"hatch\" width=\"5\" height=\"5\" patternUnits=\"userSpaceOnUse\" "
		"patternTransform=\"rotate(45)\"><rect class=\"hatch-a\" width=\"5\" height=\"5\"/><rect class=\"hatch-b\" "
		"width=\"2\" height=\"5\"/></pattern></defs>\n",
		WIDTH);
	fprintf(out, "<rect class=\"zone\" x=\"%.1f\" y=\"18\" width=\"%.1f\" height=\"264\"/>\n", line,
			WIDTH - RIGHT - line);
	draw_bars(out, &b);
	fprintf(out, "<line class=\"axis\" x1=\"%d\" x2=\"%d\" y1=\"%d\" y2=\"%d\"/>\n", LEFT, WIDTH - RIGHT, MIDDLE,
			MIDDLE);
	fprintf(out, "<line class=\"threshold\" x1=\"%.1f\" x2=\"%.1f\" y1=\"18\" y2=\"282\"/>\n", line, line);
	for (double r = ceil(b.low / tick) * tick; r <= b.high + 1e-9; r += tick)
		fprintf(out, "<text class=\"tick\" x=\"%.1f\" y=\"300\" text-anchor=\"middle\">%s%.1f&#215;</text>\n",
				place(&b, r), b.high >= 3 && r > 2.95 ? "&#8805; " : "", r);
	text_both(out, line + 6, 14, "start", "threshold, from the good parts alone &#8594; FAIL",
			  "阈值（仅由良品得出）→ 不合格");
	text_both(out, line - 6, 14, "end", "PASS", "合格");
	text_both(out, WIDTH - RIGHT - 8, 44, "end", "good parts", "良品");
	text_both(out, WIDTH - RIGHT - 8, 274, "end", "defective parts", "缺陷件");
	text_both(out, WIDTH - RIGHT, 320, "end", "score as a multiple of the threshold", "得分 / 阈值");
	fprintf(
		out,
		"<text class=\"tick\" x=\"%d\" y=\"%d\" text-anchor=\"end\">%d</text><text class=\"tick\" x=\"%d\" y=\"%d\" "
		"text-anchor=\"end\">%d</text></svg>\n",
		LEFT - 6, MIDDLE - HALF + 6, b.most_good, LEFT - 6, MIDDLE + HALF + 4, b.most_bad);
}

void assay__report_severities(FILE *out, const struct assay__report *report)
{
	static const char *const names[5][2] = {
		{"hardest", "最难"}, {"hard", "难"}, {"middling", "中等"}, {"easy", "易"}, {"obvious", "明显"}};

	fputs("<svg class=\"chart small\" viewBox=\"0 0 420 212\" role=\"img\" aria-label=\"caught by severity / "
		  "按严重程度的检出\">\n",
		  out);
	for (int i = 0; i < 5; i++) {
		int y = 12 + i * 40, parts = report->by_severity[i].parts, found = report->by_severity[i].caught;
		double share = parts ? (double)found / parts : 0;

		text_both(out, 76, y + 18, "end", names[i][0], names[i][1]);
		fprintf(out, "<rect class=\"track\" x=\"88\" y=\"%d\" width=\"250\" height=\"26\" rx=\"4\"/>\n", y);
		if (found)
			fprintf(out, "<rect class=\"found\" x=\"88\" y=\"%d\" width=\"%.1f\" height=\"26\" rx=\"4\"/>\n", y,
					250 * share);
		fprintf(out, "<text x=\"348\" y=\"%d\">%d / %d</text>\n", y + 18, found, parts);
	}
	fputs("</svg>\n", out);
}
