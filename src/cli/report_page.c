/* SPDX-License-Identifier: Apache-2.0 */
/* The demo's page: one HTML file and the pictures beside it, in English and Chinese, without a script. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "cli/report.h"
#include "cli/teaching.h"

void assay__report_both(FILE *out, const char *english, const char *chinese)
{
	fprintf(out, "<span class=\"en\">%s</span><span class=\"zh\" lang=\"zh-CN\">%s</span>", english, chinese);
}

static void escape(FILE *out, const char *text)
{
	for (; *text; text++)
		if (*text == '<')
			fputs("&lt;", out);
		else if (*text == '>')
			fputs("&gt;", out);
		else if (*text == '&')
			fputs("&amp;", out);
		else if (*text == '"')
			fputs("&quot;", out);
		else
			fputc(*text, out);
}

static bool failed(const struct assay__report_part *part)
{
	return part->verdict == ASSAY_FAIL;
}

static void write_tile(FILE *out, const char *figure, const char *unit, const char *english, const char *chinese)
{
	fprintf(out, "<div class=\"tile\"><b>%s <small>%s</small></b>", figure, unit);
	assay__report_both(out, english, chinese);
	fputs("</div>\n", out);
}

static void write_tiles(FILE *out, const struct assay__report *r)
{
	char figure[40], unit[60], english[80], chinese[80];

	fputs("<div class=\"tiles\">\n", out);
	snprintf(figure, sizeof(figure), "%d", r->defects - r->escapes);
	snprintf(unit, sizeof(unit), "/ %d", r->defects);
	write_tile(out, figure, unit, "defective parts caught", "缺陷件被检出");
	snprintf(figure, sizeof(figure), "%d", r->kinds[0].caught);
	snprintf(unit, sizeof(unit), "/ %d", r->kinds[0].parts);
	write_tile(out, figure, unit, "good parts rejected (overkill)", "良品被误判（过杀）");
	if (isnan(r->auroc))
		snprintf(figure, sizeof(figure), "–");
	else
		snprintf(figure, sizeof(figure), "%.4f", r->auroc);
	write_tile(out, figure, "", "AUROC by part", "AUROC（按零件）");
	if (isnan(r->pixel_auroc))
		snprintf(figure, sizeof(figure), "–");
	else
		snprintf(figure, sizeof(figure), "%.4f", r->pixel_auroc);
	write_tile(out, figure, "", "AUROC by pixel", "AUROC（按像素）");
	snprintf(figure, sizeof(figure), "%.1f", r->teach_s);
	write_tile(out, figure, "s", "to teach", "示教用时");
	snprintf(figure, sizeof(figure), "%.1f", r->inspect_ms_p50);
	snprintf(english, sizeof(english), "to judge a part on one thread, p99 %.1f ms", r->inspect_ms_p99);
	snprintf(chinese, sizeof(chinese), "单线程判定一件，p99 %.1f ms", r->inspect_ms_p99);
	write_tile(out, figure, "ms", english, chinese);
	fputs("</div>\n", out);
}

static void write_risk(FILE *out, const struct assay__report *r)
{
	const struct assay_teach_report *teach = &r->info->report;
	char risk[200];

	assay__teaching_risk(teach, risk);
	fprintf(out, "<div class=\"risk\"><div class=\"en\"><strong>%s.</strong>", risk);
	if (r->kinds[0].parts)
		fprintf(out, " Of %d good parts not taught, %d %s rejected: %.1f %%, 95 %% interval %.1f to %.1f %%.",
				r->kinds[0].parts, r->kinds[0].caught, r->kinds[0].caught == 1 ? "was" : "were",
				100.0 * r->kinds[0].caught / r->kinds[0].parts, 100 * r->overkill_low, 100 * r->overkill_high);
	fputs(" The threshold comes from the good parts taught and from nothing else.</div><div class=\"zh\" "
		  "lang=\"zh-CN\"><strong>",
		  out);
	if (teach->overkill_stated > teach->overkill_wanted)
		fprintf(out, "%d 件良品可支撑 %.2f %% 的过杀率；若要 %.2f %%，需约 %d 件。", teach->parts_used,
				100 * teach->overkill_stated, 100 * teach->overkill_wanted, teach->parts_for_wanted);
	else
		fprintf(out, "%d 件良品可支撑所要求的 %.2f %% 过杀率。", teach->parts_used, 100 * teach->overkill_wanted);
	fputs("</strong>", out);
	if (r->kinds[0].parts)
		fprintf(out, " 未参与示教的 %d 件良品中有 %d 件被误判：%.1f %%，95 %% 置信区间 %.1f 至 %.1f %%。",
				r->kinds[0].parts, r->kinds[0].caught, 100.0 * r->kinds[0].caught / r->kinds[0].parts,
				100 * r->overkill_low, 100 * r->overkill_high);
	fputs(" 阈值只由示教的良品得出。</div></div>\n", out);
}

static void write_number(FILE *out, double value)
{
	if (isnan(value))
		fputs("<td class=\"soft\">–</td>", out);
	else
		fprintf(out, "<td>%.1f</td>", value);
}

static void write_head(FILE *out, const char *english, const char *chinese)
{
	fputs("<th>", out);
	assay__report_both(out, english, chinese);
	fputs("</th>", out);
}

static void write_table(FILE *out, const struct assay__report *r)
{
	int located = 0;

	fputs("<div class=\"panel\"><table><thead><tr>", out);
	write_head(out, "defect", "缺陷");
	write_head(out, "parts", "件数");
	write_head(out, "caught", "检出");
	write_head(out, "in the place", "位置正确");
	write_head(out, "missed", "漏检");
	write_head(out, "weakest caught", "检出的最弱对比");
	write_head(out, "strongest missed", "漏检的最强对比");
	fputs("</tr></thead><tbody>\n", out);
	for (int kind = 1; kind < ASSAY__VIRTUAL_KINDS; kind++) {
		const struct assay__report_kind *k = &r->kinds[kind];

		if (!k->parts)
			continue;
		located += k->located;
		fputs("<tr><td>", out);
		assay__report_both(out, assay__report_kind_english((enum assay__virtual_kind)kind),
						   assay__report_kind_chinese((enum assay__virtual_kind)kind));
		fprintf(out, "</td><td>%d</td><td>%d</td><td>%d</td><td%s>%d</td>", k->parts, k->caught, k->located,
				k->caught < k->parts ? " class=\"missed\"" : "", k->parts - k->caught);
		write_number(out, k->weakest_caught);
		write_number(out, k->strongest_missed);
		fputs("</tr>\n", out);
	}
	fputs("<tr><td>", out);
	assay__report_both(out, "all", "合计");
	fprintf(
		out,
		"</td><td>%d</td><td>%d</td><td>%d</td><td>%d</td><td></td><td></td></tr></tbody></table>\n<p class=\"soft\">",
		r->defects, r->defects - r->escapes, located, r->escapes);
	assay__report_both(
		out,
		"Contrast is the root mean square change of the defect's pixels before sensor noise, in grey levels of 255. "
		"In the place: a marked region overlaps the true defect.",
		"对比度：缺陷像素在加传感器噪声之前的均方根变化，单位为灰度级（满幅 "
		"255）。位置正确：标出的区域与真实缺陷重叠。");
	fputs("</p></div>\n", out);
}

static void write_verdict(FILE *out, bool fail)
{
	fprintf(out, "<span class=\"verdict %s\"><svg viewBox=\"0 0 20 20\" aria-hidden=\"true\"><use href=\"#%s\"/></svg>",
			fail ? "fail" : "pass", fail ? "shape-fail" : "shape-pass");
	assay__report_both(out, fail ? "FAIL" : "PASS", fail ? "不合格" : "合格");
	fputs("</span>", out);
}

static void write_truth(FILE *out, const struct assay__report *r, const struct assay_rect_px *box)
{
	int margin = 6 + r->width_px / 160, x = box->x - margin, y = box->y - margin;
	int width = box->width + 2 * margin, height = box->height + 2 * margin;

	if (!box->width)
		return;
	fprintf(out, "<svg viewBox=\"0 0 %d %d\" preserveAspectRatio=\"none\" aria-hidden=\"true\">", r->width_px,
			r->height_px);
	for (int i = 0; i < 2; i++)
		fprintf(out, "<rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"5\"/>", i ? "truth" : "halo",
				x, y, width, height);
	fputs("</svg>", out);
}

/* one picture that opens itself; frame nullable */
static void write_view(FILE *out, const struct assay__report *r, const char *file, const char *suffix, const char *alt,
					   const struct assay_rect_px *frame)
{
	fprintf(out,
			"<a href=\"report/%s%s.jpg\"><img loading=\"lazy\" src=\"report/%s%s.jpg\" width=\"%d\" height=\"%d\" "
			"alt=\"%s\">",
			file, suffix, file, suffix, r->width_px, r->height_px, alt);
	if (frame)
		write_truth(out, r, frame);
	fputs("</a>", out);
}

static void write_part(FILE *out, const struct assay__report *r, const struct assay__report_part *part)
{
	enum assay__virtual_kind kind = part->truth.kind;
	uint32_t threshold = r->info->report.threshold_q8;
	double ratio = threshold ? (double)part->score_q8 / threshold : 0;
	char file[32];

	assay__report_file(part, file);
	fprintf(out, "<figure><div class=\"views%s\">", part->truth.area_px ? " three" : "");
	write_view(out, r, file, "", assay__report_kind_english(kind), &part->truth.where);
	if (part->truth.area_px)
		write_view(out, r, file, "_close", "close-up / 局部", NULL);
	write_view(out, r, file, "_map", "heat map / 热力图", NULL);
	fputs("</div>\n<figcaption><div class=\"row\">", out);
	write_verdict(out, failed(part));
	if (failed(part) == (kind == ASSAY__VIRTUAL_GOOD)) {
		fputs("<span class=\"wrong\">", out);
		assay__report_both(out, failed(part) ? "false alarm" : "missed", failed(part) ? "误判" : "漏检");
		fputs("</span>", out);
	}
	fputs("<span class=\"name\">", out);
	assay__report_both(out, kind == ASSAY__VIRTUAL_GOOD ? "good part" : assay__report_kind_english(kind),
					   assay__report_kind_chinese(kind));
	fprintf(out,
			"</span><span class=\"file\">test/%s.png</span></div><div class=\"meter %s\"><i "
			"style=\"width:%.1f%%\"></i><u></u></div>",
			part->name, failed(part) ? "fail" : "pass", ratio > 2 ? 100 : ratio * 50);
	fprintf(out, "<span class=\"en\">score %.2f, threshold %.2f", part->score_q8 / 256.0, threshold / 256.0);
	if (kind != ASSAY__VIRTUAL_GOOD)
		fprintf(out, " · contrast %.1f grey levels · %d px across%s", part->truth.contrast, part->truth.size_px,
				failed(part) && !part->located ? " · marked elsewhere" : "");
	fprintf(out, "</span><span class=\"zh\" lang=\"zh-CN\">得分 %.2f，阈值 %.2f", part->score_q8 / 256.0,
			threshold / 256.0);
	if (kind != ASSAY__VIRTUAL_GOOD)
		fprintf(out, " · 对比度 %.1f 灰度级 · 大小 %d 像素%s", part->truth.contrast, part->truth.size_px,
				failed(part) && !part->located ? " · 标记位置不符" : "");
	fputs("</span></figcaption></figure>\n", out);
}

/* Pictured parts, defective or good, rejected or not; returns how many. */
static int write_gallery(FILE *out, const struct assay__report *r, bool good, bool fail)
{
	int count = 0;

	fputs("<div class=\"parts\">\n", out);
	for (int i = 0; i < r->part_count; i++)
		if (r->parts[i].pictured && (r->parts[i].truth.kind == ASSAY__VIRTUAL_GOOD) == good &&
			failed(&r->parts[i]) == fail) {
			write_part(out, r, &r->parts[i]);
			count++;
		}
	fputs("</div>\n", out);
	return count;
}

static void write_heading(FILE *out, const char *english, const char *chinese, const char *english_note,
						  const char *chinese_note)
{
	fputs("<h2>", out);
	assay__report_both(out, english, chinese);
	fputs("</h2>\n<p class=\"soft\">", out);
	assay__report_both(out, english_note, chinese_note);
	fputs("</p>\n", out);
}

static void write_missed(FILE *out, const struct assay__report *r)
{
	const struct assay_recipe_info *info = r->info;
	double shrink = (double)info->working_height_px / (info->roi.height ? info->roi.height : r->height_px);
	char english[700], chinese[700];

	snprintf(english, sizeof(english),
			 "%d of %d. The recipe saw good parts only, not one labelled defect: a defect is found when it looks "
			 "stranger than what "
			 "good parts show of texture, tool marks, oil and light. These do not, at the %d × %d pixels to which the "
			 "pictures are "
			 "scaled, where a line one pixel wide is %.2f pixels. The typical defect missed changes the picture by "
			 "%.1f grey levels over "
			 "%.0f px. The dashed frame shows where each defect is.",
			 r->escapes, r->defects, info->working_width_px, info->working_height_px, shrink, r->median[0].contrast,
			 r->median[0].size_px);
	snprintf(
		chinese, sizeof(chinese),
		"%d / %d "
		"件。配方只见过良品，没有任何缺陷标注：只有当某处比良品自身的纹理、刀纹、油膜和光照变化更反常时，才会被检出。"
		"以下缺陷在缩放后的 %d × %d 像素下并不比这些更反常（一像素宽的细线此时只有 %.2f 像素）。漏检缺陷的典型对比度为 "
		"%.1f 灰度级，大小 %.0f 像素。虚线框标出缺陷的真实位置。",
		r->escapes, r->defects, info->working_width_px, info->working_height_px, shrink, r->median[0].contrast,
		r->median[0].size_px);
	if (!r->escapes) {
		write_heading(out, "Missed parts: none", "漏检：无", "Every defective part of this run was rejected.",
					  "本次所有缺陷件均被检出。");
		return;
	}
	write_heading(out, "Missed parts", "漏检件", english, chinese);
	write_gallery(out, r, false, false);
}

static void write_false_alarms(FILE *out, const struct assay__report *r)
{
	if (!r->kinds[0].caught) {
		write_heading(out, "False alarms: none", "误判：无", "Every good part of this run was passed.",
					  "本次所有良品均判为合格。");
		return;
	}
	write_heading(
		out, "False alarms", "误判件",
		"Good parts that were rejected: what they show was not among the parts taught. More good parts teach it.",
		"被判不合格的良品：其外观变化未在示教件中出现过。增加示教良品即可改善。");
	write_gallery(out, r, true, true);
}

static void write_next(FILE *out, const struct assay__report *r)
{
	write_heading(out, "What to try next", "接下来可以试试",
				  "In a terminal, where this demo ran:", "在运行本演示的终端中：");
	fputs("<pre><code>assay inspect ", out);
	escape(out, r->folder);
	fputs("/recipe.assay ", out);
	escape(out, r->folder);
	fprintf(out, "/images/test\nassay eval --working-size %d ", r->working_px);
	escape(out, r->folder);
	fprintf(out, "/images\nassay demo --seed %d --good 200\n", (int)r->seed);
	fputs("</code></pre>\n", out);
}

static void write_footer(FILE *out, const struct assay__report *r)
{
	fprintf(out, "<footer>assay %s · %s %s · %s %d · ", ASSAY_VERSION, "network", r->info->network_name, "seed",
			(int)r->seed);
	fprintf(out, "%s · %d threads · recipe ", r->isa, r->threads);
	for (int i = 0; i < ASSAY_HASH_BYTES; i++)
		fprintf(out, "%02x", r->info->content_hash[i]);
	fputs("<br>", out);
	assay__report_both(out, "The parts are rendered, not photographed; nothing on this page is loaded from elsewhere.",
					   "零件均为渲染图像，并非照片；本页面不加载任何外部内容。");
	fputs("</footer>\n", out);
}

static void write_page(FILE *out, const struct assay__report *r)
{
	fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" "
		  "content=\"width=device-width,initial-scale=1\">\n<title>assay demo</title>\n<style>\n",
		  out);
	fputs(assay__report_style, out);
	fputs("</style>\n</head>\n<body>\n"
		  "<svg width=\"0\" height=\"0\" style=\"position:absolute\" aria-hidden=\"true\"><symbol id=\"shape-pass\" "
		  "viewBox=\"0 0 20 20\">"
		  "<circle cx=\"10\" cy=\"10\" r=\"9\" fill=\"currentColor\"/><path d=\"M5.5 10.5l3 3 6-7\" fill=\"none\" "
		  "stroke=\"#fff\" "
		  "stroke-width=\"2.2\"/></symbol><symbol id=\"shape-fail\" viewBox=\"0 0 20 20\"><path d=\"M6.3 1h7.4L19 "
		  "6.3v7.4L13.7 "
		  "19H6.3L1 13.7V6.3z\" fill=\"currentColor\"/><path d=\"M6.5 6.5l7 7m0-7l-7 7\" stroke=\"#fff\" "
		  "stroke-width=\"2.2\"/></symbol></svg>\n"
		  "<input class=\"choice\" type=\"radio\" name=\"language\" id=\"lang-en\" checked aria-label=\"English\">"
		  "<input class=\"choice\" type=\"radio\" name=\"language\" id=\"lang-zh\" aria-label=\"中文\">\n<div "
		  "class=\"page\">\n<header><div><h1>",
		  out);
	assay__report_both(out, "A virtual line of gearbox housings", "变速箱壳体虚拟产线");
	fputs("</h1>\n<p>", out);
	fprintf(out,
			"<span class=\"en\">Taught from %d good parts, then shown %d parts it had never seen, %d of them "
			"defective.</span>"
			"<span class=\"zh\" lang=\"zh-CN\">用 %d 件良品示教，再判定 %d 件从未见过的零件，其中 %d 件有缺陷。</span>",
			r->info->report.parts_used, r->part_count, r->defects, r->info->report.parts_used, r->part_count,
			r->defects);
	fputs("</p></div><div class=\"languages\"><label for=\"lang-en\">English</label><label for=\"lang-zh\" "
		  "lang=\"zh-CN\">中文</label></div></header>\n",
		  out);
	write_tiles(out, r);
	write_risk(out, r);
	write_heading(out, "Scores", "得分",
				  "A part is rejected when its score is above the threshold. Above the axis the good parts, below it "
				  "the defective ones.",
				  "得分高于阈值即判不合格。横轴上方为良品，下方为缺陷件。");
	fputs("<div class=\"two\"><div class=\"panel\">", out);
	assay__report_histogram(out, r);
	fputs("</div><div class=\"panel\"><p>", out);
	assay__report_both(out, "Caught, by how hard the defect was drawn", "按缺陷难度的检出数");
	fputs("</p>", out);
	assay__report_severities(out, r);
	fputs("</div></div>\n", out);
	write_heading(out, "By kind", "按类型", "From hardly visible to obvious, with more of the obvious.",
				  "从几乎不可见到明显，明显者较多。");
	write_table(out, r);
	write_missed(out, r);
	write_false_alarms(out, r);
	write_heading(out, "Caught", "检出件",
				  "Of each kind the hardest that were caught: the picture with the true place framed, a close-up, and "
				  "what assay saw.",
				  "每类中被检出的最难者：依次为带真实位置框的原图、局部放大图和 assay 的热力图。");
	write_gallery(out, r, false, true);
	write_heading(
		out, "Good parts passed", "合格良品",
		"They differ in texture, tool marks, oil, light and pose. Nothing is tinted below half the threshold.",
		"它们的纹理、刀纹、油膜、光照和位姿各不相同。低于阈值一半处不着色。");
	write_gallery(out, r, true, false);
	write_next(out, r);
	write_footer(out, r);
	fputs("</div>\n</body>\n</html>\n", out);
}

int assay__report_write(const struct assay__report *report, const char *path, struct assay_error *error)
{
	char *unfinished = NULL;
	FILE *out;
	bool bad;

	if (asprintf(&unfinished, "%s.part", path) < 0)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory while writing the report");
	out = fopen(unfinished, "we");
	if (out) {
		write_page(out, report);
		bad = ferror(out) != 0;
		bad = fclose(out) != 0 || bad;
		bad = bad || rename(unfinished, path) != 0;
	} else {
		bad = true;
	}
	if (bad) {
		assay__fail(error, ASSAY_E_IO, -1, "%s: cannot write this report: %s", path, strerror(errno));
		unlink(unfinished);
	}
	free(unfinished);
	return bad ? ASSAY_E_IO : 0;
}
