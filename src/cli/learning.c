/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/learning.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/json.h"
#include "cli/fields.h"
#include "cli/teaching.h"

#define NAMED_MOST 20 /* of the parts that flip one way; --json tells all */

/* The ways in which a verdict can change. */
static const struct flip {
	bool defect;
	bool passes; /* now */
	const char *text, *key;
} flips[] = {
	{true, false, "defects caught now", "defect_caught"},
	{true, true, "defects escape now", "defect_escapes"},
	{false, true, "good parts pass now", "good_passes"},
	{false, false, "good parts rejected now", "good_rejected"},
};
#define FLIPS ((int)(sizeof(flips) / sizeof(flips[0])))

static bool is_flip(const struct assay_learn_part *part, const struct flip *flip)
{
	return part->defect == flip->defect && part->before != part->after && (part->after == ASSAY_PASS) == flip->passes;
}

static int count_flips(const struct assay_learn_report *report, const struct flip *flip)
{
	int count = 0;
	for (int i = 0; i < report->part_count; i++)
		count += is_flip(&report->parts[i], flip);
	return count;
}

/* Parts of a kind, and how many of them had the wrong verdict before and have it now. */
static int count_wrong(const struct assay_learn_report *report, bool defect, int *before, int *after)
{
	int count = 0;
	*before = *after = 0;
	for (int i = 0; i < report->part_count; i++) {
		const struct assay_learn_part *part = &report->parts[i];
		if (part->defect != defect)
			continue;
		count++;
		*before += (part->before == ASSAY_PASS) == defect;
		*after += (part->after == ASSAY_PASS) == defect;
	}
	return count;
}

static void print_hash(const uint8_t *hash, int bytes)
{
	for (int i = 0; i < bytes; i++)
		printf("%02x", hash[i]);
}

static void print_flips(const struct assay_learn_report *report)
{
	int all = 0;
	for (int f = 0; f < FLIPS; f++) {
		int count = count_flips(report, &flips[f]), named = 0;
		all += count;
		if (count == 0)
			continue;
		printf("%-13s %d %s:\n", all == count ? "flips" : "", count, flips[f].text);
		for (int i = 0; i < report->part_count && named < NAMED_MOST; i++) {
			const struct assay_learn_part *part = &report->parts[i];
			if (!is_flip(part, &flips[f]))
				continue;
			printf("                %s %.2f, was %.2f%s\n", part->name, part->after_q8 / 256.0, part->before_q8 / 256.0,
				   part->fresh ? " (new)" : "");
			named++;
		}
		if (count > named)
			printf("                and %d more\n", count - named);
	}
	if (all == 0)
		printf("flips         none\n");
}

void assay__learning_print(const struct assay__learning *learning)
{
	const struct assay_learn_report *report = learning->report;
	const struct assay_recipe_info *before = &learning->before, *after = &learning->after;
	int was, is, count, added = 0;
	char risk[200];
	for (int i = 0; i < report->scale_count; i++)
		added += report->vectors[i];
	printf("parts         %d given: %d good learnt, %d defects stored, %d known before or twice, %d unreadable\n",
		   report->offered, report->goods, report->defects, report->known, report->unreadable);
	if (report->relabelled)
		printf("relabelled    %d parts stored before\n", report->relabelled);
	printf("bank          %d vectors added, %d now\n", added, after->report.bank_size);
	printf("threshold     %.2f, was %.2f\n", report->threshold_after_q8 / 256.0, report->threshold_before_q8 / 256.0);
	assay__teaching_risk(&after->report, risk);
	printf("risk          %s\n", risk);
	count = count_wrong(report, false, &was, &is);
	printf("good parts    %d of %d whose picture is at hand are rejected, was %d\n", is, count, was);
	count = count_wrong(report, true, &was, &is);
	if (count)
		printf("defects       %d of %d labelled escape, was %d%s\n", is, count, was,
			   is ? "; --catch lowers the threshold for them" : "");
	print_flips(report);
	if (report->not_compared)
		printf("not compared  %d good parts, whose pictures are not stored with the recipe; give them again with\n"
			   "              --good, or teach with --keep-parts\n",
			   report->not_compared);
	if (report->not_kept)
		printf("not stored    %d pictures, for which there is no room; --keep-parts gives more\n", report->not_kept);
	printf("stored        %d good parts and %d defects, %.1f MB\n", after->kept_goods, after->kept_defects,
		   (double)after->kept_bytes / 1e6);
	printf("content hash  ");
	print_hash(after->content_hash, ASSAY_HASH_BYTES);
	printf("\nwas           ");
	print_hash(before->content_hash, ASSAY_HASH_BYTES);
	printf("\ntime          %.1f s\n", learning->seconds);
	if (after->step_count == before->step_count)
		printf("\nnothing is new; %s is left as it is\n", learning->path);
	else if (learning->dry_run)
		printf("\n%s is left as it is: a dry run\n", learning->path);
	else
		printf("\nstep %d of its lineage; back: assay learn %s --revert\n", after->step_count, learning->path);
}

static void write_parts(struct assay__json *json, const struct assay_learn_report *report)
{
	assay__json_key(json, "flips");
	assay__json_array(json);
	for (int i = 0; i < report->part_count; i++)
		for (int f = 0; f < FLIPS; f++) {
			const struct assay_learn_part *part = &report->parts[i];
			if (!is_flip(part, &flips[f]))
				continue;
			assay__json_object(json);
			assay__field_text(json, "part", part->name);
			assay__field_hex(json, "hash", part->hash, sizeof(part->hash));
			assay__field_text(json, "flip", flips[f].key);
			assay__field_bool(json, "new", part->fresh);
			assay__field_text(json, "before", assay_verdict_name(part->before));
			assay__field_text(json, "after", assay_verdict_name(part->after));
			assay__field_q8(json, "score_before", part->before_q8);
			assay__field_q8(json, "score_after", part->after_q8);
			assay__json_object_end(json);
		}
	assay__json_array_end(json);
}

int assay__learning_print_json(const struct assay__learning *learning)
{
	const struct assay_learn_report *report = learning->report;
	const struct assay_recipe_info *before = &learning->before, *after = &learning->after;
	struct assay__json json;
	int was, is, count;
	assay__json_open(&json, NULL);
	assay__json_object(&json);
	assay__field_text(&json, "recipe", learning->path);
	assay__field_bool(&json, "written", !learning->dry_run && after->step_count != before->step_count);
	assay__field_int(&json, "offered", report->offered);
	assay__field_int(&json, "goods_learnt", report->goods);
	assay__field_int(&json, "defects_stored", report->defects);
	assay__field_int(&json, "known", report->known);
	assay__field_int(&json, "relabelled", report->relabelled);
	assay__field_int(&json, "unreadable", report->unreadable);
	assay__json_key(&json, "vectors_added");
	assay__json_array(&json);
	for (int i = 0; i < report->scale_count; i++)
		assay__json_int(&json, report->vectors[i]);
	assay__json_array_end(&json);
	assay__field_int(&json, "bank_size", after->report.bank_size);
	assay__field_q8(&json, "threshold_before", report->threshold_before_q8);
	assay__field_q8(&json, "threshold", report->threshold_after_q8);
	assay__field_double(&json, "overkill_wanted", after->report.overkill_wanted);
	assay__field_double(&json, "overkill_stated", after->report.overkill_stated);
	assay__field_int(&json, "parts_used", after->report.parts_used);
	count = count_wrong(report, false, &was, &is);
	assay__field_int(&json, "goods_compared", count);
	assay__field_int(&json, "goods_rejected_before", was);
	assay__field_int(&json, "goods_rejected", is);
	count = count_wrong(report, true, &was, &is);
	assay__field_int(&json, "defects_compared", count);
	assay__field_int(&json, "defects_escaped_before", was);
	assay__field_int(&json, "defects_escaped", is);
	write_parts(&json, report);
	assay__field_int(&json, "not_compared", report->not_compared);
	assay__field_int(&json, "not_stored", report->not_kept);
	assay__lineage_json(&json, after);
	assay__field_hex(&json, "content_hash_before", before->content_hash, sizeof(before->content_hash));
	assay__field_hex(&json, "content_hash", after->content_hash, sizeof(after->content_hash));
	assay__field_double(&json, "seconds", learning->seconds);
	assay__json_object_end(&json);
	int status = assay__fields_print(&json);
	assay__json_close(&json);
	return status;
}

static void time_text(int64_t time_s, char text[40])
{
	time_t when = (time_t)time_s;
	struct tm parts;
	if (!gmtime_r(&when, &parts) || strftime(text, 40, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0)
		snprintf(text, 40, "%" PRId64 " s", time_s);
}

void assay__lineage_print(const struct assay_recipe_info *info)
{
	char when[40];
	if (info->kept_goods + info->kept_defects)
		printf("stored        %d good parts and %d defects, %.1f MB\n", info->kept_goods, info->kept_defects,
			   (double)info->kept_bytes / 1e6);
	if (info->step_count == 0)
		return;
	printf("lineage       0: taught, ");
	print_hash(info->steps[0].parent, 6);
	printf("\n");
	for (int i = 0; i < info->step_count; i++) {
		const struct assay_lineage_step *step = &info->steps[i];
		time_text(step->time_s, when);
		printf("              %d: %s, ", step->number, step->kind);
		print_hash(step->content, 6);
		printf(", %s%s%s, good parts %+d, defects %+d, vectors %+d%s\n", when, *step->author ? ", " : "", step->author,
			   step->goods, step->defects, step->vectors, step->kept ? "" : " (no longer kept)");
	}
}

void assay__lineage_json(struct assay__json *json, const struct assay_recipe_info *info)
{
	char when[40];
	assay__json_key(json, "lineage");
	assay__json_array(json);
	for (int i = 0; i < info->step_count; i++) {
		const struct assay_lineage_step *step = &info->steps[i];
		time_text(step->time_s, when);
		assay__json_object(json);
		assay__field_int(json, "step", step->number);
		assay__field_text(json, "kind", step->kind);
		assay__field_hex(json, "parent", step->parent, sizeof(step->parent));
		assay__field_hex(json, "content", step->content, sizeof(step->content));
		assay__field_text(json, "time", when);
		assay__field_text(json, "author", step->author);
		assay__field_int(json, "goods", step->goods);
		assay__field_int(json, "defects", step->defects);
		assay__field_int(json, "vectors", step->vectors);
		assay__field_hex(json, "hash", step->hash, sizeof(step->hash));
		assay__field_bool(json, "kept", step->kept);
		assay__json_object_end(json);
	}
	assay__json_array_end(json);
	assay__field_int(json, "kept_goods", info->kept_goods);
	assay__field_int(json, "kept_defects", info->kept_defects);
	assay__field_int(json, "kept_bytes", info->kept_bytes);
}
