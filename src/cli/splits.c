/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/splits.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "cli/check.h"
#include "cli/fields.h"
#include "vision/calibrate.h"

static const double wanted[] = {0.005, 0.01, 0.02, 0.05};
#define LEVELS ((int)(sizeof(wanted) / sizeof(wanted[0])))

struct level {
	double achieved, least, most; /* share of the held-out good parts rejected: sum, smallest, largest */
	double stated, low, high;	  /* sums */
};

struct splits {
	struct assay__files good; /* borrows its strings */
	int *order;
	uint32_t *scores;
	enum assay_verdict *verdicts;
	int taught, held_out;
	int faults; /* parts that could not be read or judged */
	struct level levels[LEVELS];
};

/* SplitMix64 (Steele, Lea, Flood, OOPSLA 2014). */
static uint64_t next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static void shuffle(int *order, int count, uint64_t seed)
{
	for (int i = 0; i < count; i++)
		order[i] = i;
	for (int i = count - 1; i > 0; i--) {
		int k = (int)(next(&seed) % (uint64_t)(i + 1)), held = order[i];

		order[i] = order[k];
		order[k] = held;
	}
}

static int open_splits(struct splits *s, const struct assay__dataset *set, struct assay_error *error)
{
	int train = set->train.count, test = set->kinds[0].count, count = train + test;

	s->good.list = calloc((size_t)count + 1, sizeof(*s->good.list));
	s->order = calloc((size_t)count + 1, sizeof(*s->order));
	s->scores = calloc((size_t)count + 1, sizeof(*s->scores));
	s->verdicts = calloc((size_t)count + 1, sizeof(*s->verdicts));
	if (!s->good.list || !s->order || !s->scores || !s->verdicts)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory while splitting a data set");
	for (int i = 0; i < count; i++)
		s->good.list[i] = i < train ? set->train.list[i] : set->test.list[set->kinds[0].first + i - train];
	s->good.count = count;
	return 0;
}

static void close_splits(struct splits *s)
{
	free(s->good.list);
	free(s->order);
	free(s->scores);
	free(s->verdicts);
}

/* One recipe serves all levels: they differ in the threshold alone. */
static void add_levels(struct splits *s, const struct assay_recipe *recipe, int held, bool first)
{
	struct assay_recipe_info info;

	assay_recipe_get_info(recipe, &info);
	for (int i = 0; i < LEVELS; i++) {
		struct assay_teach_report report = info.report;
		struct level *level = &s->levels[i];
		int n = info.report.parts_used, rejected = 0, judged = 0;
		uint32_t threshold = assay__conformal_threshold(info.calibration_q8, n, wanted[i]);
		double achieved;

		assay__calibration_report(info.calibration_q8, n, wanted[i], threshold, &report);
		for (int k = 0; k < held; k++) {
			judged += s->verdicts[k] != ASSAY_FAULT;
			rejected += s->verdicts[k] != ASSAY_FAULT && s->scores[k] > threshold;
		}
		achieved = judged ? (double)rejected / judged : 0;
		level->achieved += achieved;
		level->least = first || achieved < level->least ? achieved : level->least;
		level->most = first || achieved > level->most ? achieved : level->most;
		level->stated += report.overkill_stated;
		level->low += report.overkill_low;
		level->high += report.overkill_high;
	}
	s->taught += info.report.parts_used;
	s->faults += info.report.parts_unreadable;
	for (int k = 0; k < held; k++)
		s->faults += s->verdicts[k] == ASSAY_FAULT;
	s->held_out += held;
}

static int one_split(struct splits *s, const struct assay__setup *setup,
					 const struct assay__teaching_settings *settings, int split, int parts)
{
	struct assay__teaching teaching;
	struct assay_error error;
	struct assay__files taught = {.count = parts};
	int status, held = s->good.count - parts;

	shuffle(s->order, s->good.count, (uint64_t)split + 1);
	taught.list = calloc((size_t)parts + 1, sizeof(*taught.list));
	if (!taught.list) {
		assay__say("out of memory while splitting a data set");
		return ASSAY__EXIT_INTERNAL;
	}
	for (int i = 0; i < parts; i++)
		taught.list[i] = s->good.list[s->order[i]];
	status = assay__teaching_run(setup, settings, &taught, &teaching);
	free(taught.list);
	if (status)
		return status;
	if (assay__judge_files(setup, teaching.recipe, &s->good, s->order + parts, held, s->scores, s->verdicts, &error))
		status = assay__say_error(&error);
	else
		add_levels(s, teaching.recipe, held, split == 0);
	assay__teaching_close(&teaching);
	return status;
}

static bool inside(const struct level *level)
{
	return level->achieved >= level->low && level->achieved <= level->high;
}

static void print_text(const struct splits *s, const struct assay__dataset *set, int splits)
{
	printf("%s: %d splits of %d good parts; taught from %.1f, held out %.1f on average\n", set->name, splits,
		   s->good.count, (double)s->taught / splits, (double)s->held_out / splits);
	printf("  wanted    stated    interval stated     achieved mean   least     most\n");
	for (int i = 0; i < LEVELS; i++) {
		const struct level *level = &s->levels[i];

		printf("  %5.2f %%   %5.2f %%   %5.2f to %5.2f %%    %5.2f %%         %5.2f %%   %5.2f %%   %s\n",
			   wanted[i] * 100, level->stated / splits * 100, level->low / splits * 100, level->high / splits * 100,
			   level->achieved / splits * 100, level->least * 100, level->most * 100,
			   inside(level) ? "inside" : "outside");
	}
}

static int print_json(const struct splits *s, const struct assay__dataset *set, int splits)
{
	struct assay__json json;
	int status;

	assay__json_open(&json, NULL);
	assay__json_object(&json);
	assay__field_text(&json, "dataset", set->name);
	assay__field_int(&json, "splits", splits);
	assay__field_int(&json, "n_good", s->good.count);
	assay__field_double(&json, "taught_mean", (double)s->taught / splits);
	assay__field_double(&json, "held_out_mean", (double)s->held_out / splits);
	assay__field_int(&json, "n_fault", s->faults);
	assay__json_key(&json, "levels");
	assay__json_array(&json);
	for (int i = 0; i < LEVELS; i++) {
		const struct level *level = &s->levels[i];

		assay__json_object(&json);
		assay__field_double(&json, "wanted", wanted[i]);
		assay__field_double(&json, "stated", level->stated / splits);
		assay__field_double(&json, "low", level->low / splits);
		assay__field_double(&json, "high", level->high / splits);
		assay__field_double(&json, "achieved", level->achieved / splits);
		assay__field_double(&json, "achieved_least", level->least);
		assay__field_double(&json, "achieved_most", level->most);
		assay__field_bool(&json, "inside", inside(level));
		assay__json_object_end(&json);
	}
	assay__json_array_end(&json);
	assay__json_object_end(&json);
	status = assay__fields_print(&json);
	assay__json_close(&json);
	return status;
}

int assay__splits_run(const struct assay__setup *setup, const struct assay__teaching_settings *settings,
					  const struct assay__dataset *set, int splits, int parts, bool json)
{
	struct splits s = {0};
	struct assay_error error;
	int status = 0;

	if (open_splits(&s, set, &error)) {
		status = assay__say_error(&error);
	} else {
		parts = parts ? parts : s.good.count / 2;
		if (parts < 2 || parts >= s.good.count) {
			assay__say("%s: %d good pictures; cannot teach from %d of them and hold others out", set->name,
					   s.good.count, parts);
			status = ASSAY__EXIT_FAULT;
		}
	}
	for (int i = 0; !status && i < splits; i++)
		status = one_split(&s, setup, settings, i, parts);
	if (!status && json)
		status = print_json(&s, set, splits);
	else if (!status)
		print_text(&s, set, splits);
	if (!status && s.faults)
		status = ASSAY__EXIT_FAULT;
	close_splits(&s);
	return status;
}
