/* SPDX-License-Identifier: Apache-2.0 */
/* assay eval: teaches from a data set's good parts and measures how its test pictures are judged. */
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cmd.h"
#include "cli/common.h"
#include "cli/dataset.h"
#include "cli/evaluate.h"
#include "cli/fields.h"
#include "cli/labelled.h"
#include "cli/splits.h"
#include "cli/teaching.h"

struct settings {
	const char *recipe, *dump, *labels;
	bool json;
	int splits, split_parts;
	struct assay__teaching_settings teaching;
	int threads;
};

static const struct assay__option options[] = {
	{.name = "recipe",
	 .type = ASSAY__OPTION_PATH,
	 .value = "PART.assay",
	 .help = "judge with this recipe; train/good is not looked at, options on teaching have no effect",
	 .offset = offsetof(struct settings, recipe)},
	ASSAY__OPTION_JSON(struct settings, json, "print one JSON object per data set"),
	{.name = "dump",
	 .type = ASSAY__OPTION_PATH,
	 .value = "FILE",
	 .help = "write every test picture's verdict, score and kind to this CSV file",
	 .offset = offsetof(struct settings, dump)},
	{.name = "labels",
	 .type = ASSAY__OPTION_TEXT,
	 .value = "N|all",
	 .help = "learn from N of the labelled defects in train/<defect> too, always the same ones; without it from none",
	 .offset = offsetof(struct settings, labels)},
	{.name = "splits",
	 .type = ASSAY__OPTION_INT,
	 .min = 1,
	 .max = 1000,
	 .value = "N",
	 .help = "in place of all else: teach this many times from a random part of all good pictures and count the "
			 "rejects among the others, at 0.5, 1, 2 and 5 % wanted",
	 .offset = offsetof(struct settings, splits)},
	{.name = "split-parts",
	 .type = ASSAY__OPTION_INT,
	 .min = 2,
	 .max = 1000000,
	 .value = "N",
	 .help = "with --splits: good parts to teach from; without it, half of them",
	 .offset = offsetof(struct settings, split_parts)},
	ASSAY__TEACHING_OPTIONS(struct settings, teaching, "yes"),
	ASSAY__OPTION_THREADS(struct settings, threads),
};

static const struct assay__command command = {
	.name = "eval",
	.usage = "DATASET... [--recipe PART.assay] [OPTION...]",
	.description = "Measures how well assay judges a data set: teaches from train/good, judges test/good\n"
				   "and test/<defect> at the threshold taught, and compares. Nothing is tuned on the\n"
				   "test pictures. Labelled defects in train/<defect> are used if --labels says so. Where\n"
				   "ground_truth/<defect>/<name>_mask.png exists (white = defect), pixels are measured.\n"
				   "\n"
				   "  assay eval ../data/castings ../data/bottle\n"
				   "  assay eval --overkill 1% --dump scores.csv --json parts/ | tee figures.jsonl\n"
				   "  assay eval --labels 100 ../data/castings\n"
				   "  assay eval --splits 20 --json parts/    wanted against achieved overkill\n"
				   "\n"
				   "overkill: share of good parts rejected. escape: share of defects passed. The range\n"
				   "expected is the central 95 % of a binomial count at the overkill the recipe states.\n"
				   "Time per picture: one thread, at most 200 pictures, reading the file left out. Peak\n"
				   "memory: of teaching and judging, before the pixel figures. The map is interpolated\n"
				   "to the pixels; AUPRO up to a false positive rate of 0.3. Pictures that cannot be\n"
				   "judged are named, counted as n_fault and in no figure.\n"
				   "\n"
				   "JSON keys: dataset, n_train, n_test_good, n_test_defect, auroc, overkill, escape,\n"
				   "overkill_at_zero_escape, escape_at_zero_overkill, pixel_auroc, aupro, teach_s,\n"
				   "inspect_ms_p50, inspect_ms_p99, rss_mb, n_train_used, n_fault, threshold, rejected,\n"
				   "escaped, stated_overkill, overkill_expected_low, overkill_expected_high,\n"
				   "overkill_as_stated, n_masks, per_defect [kind, n, caught, auroc],\n"
				   "labels [offered, unreadable, repeated, taught, kinds, folds, used, bank_escapes,\n"
				   "joined_escapes, bank_threshold], content_hash.\n"
				   "What cannot be had is null.\n"
				   "\n"
				   "Exit status: 0 measured; 2 a picture could not be judged, or a set could not be\n"
				   "measured (the others are); 64 usage; 70 out of memory; 74 output.",
	.options = options,
	.option_count = (int)(sizeof(options) / sizeof(options[0])),
	.args_min = 1,
	.args_max = -1,
};

/* All that is told about one data set. */
struct outcome {
	const struct assay__dataset *set;
	const struct assay__evaluation *figures;
	struct assay_recipe_info recipe;
	double teach_s; /* NaN with --recipe */
};

static double share(int64_t count, int of)
{
	return of ? (double)count / of : NAN;
}

static bool as_stated(const struct assay__evaluation *figures)
{
	return figures->rejected_count >= figures->expected_low_count &&
		   figures->rejected_count <= figures->expected_high_count;
}

static int print_json(const struct outcome *outcome)
{
	const struct assay__evaluation *figures = outcome->figures;
	const struct assay__dataset *set = outcome->set;
	const struct assay_teach_report *report = &outcome->recipe.report;
	struct assay__json json;
	int status;

	assay__json_open(&json, NULL);
	assay__json_object(&json);
	assay__field_text(&json, "dataset", set->name);
	assay__field_int(&json, "n_train", report->parts_offered);
	assay__field_int(&json, "n_test_good", set->kinds[0].count);
	assay__field_int(&json, "n_test_defect", set->test.count - set->kinds[0].count);
	assay__field_double(&json, "auroc", figures->auroc);
	assay__field_double(&json, "overkill", figures->overkill);
	assay__field_double(&json, "escape", figures->escape);
	assay__field_double(&json, "overkill_at_zero_escape", figures->overkill_at_zero_escape);
	assay__field_double(&json, "escape_at_zero_overkill", figures->escape_at_zero_overkill);
	assay__field_double(&json, "pixel_auroc", figures->pixel_auroc);
	assay__field_double(&json, "aupro", figures->aupro);
	assay__field_double(&json, "teach_s", outcome->teach_s);
	assay__field_double(&json, "inspect_ms_p50", figures->inspect_ms_p50);
	assay__field_double(&json, "inspect_ms_p99", figures->inspect_ms_p99);
	assay__field_double(&json, "rss_mb", figures->rss_mb);
	assay__field_int(&json, "n_train_used", report->parts_used);
	assay__field_int(&json, "n_fault", figures->fault_count);
	assay__field_q8(&json, "threshold", report->threshold_q8);
	assay__field_int(&json, "rejected", figures->rejected_count);
	assay__field_int(&json, "escaped", figures->escaped_count);
	assay__field_double(&json, "stated_overkill", report->overkill_stated);
	assay__field_double(&json, "overkill_expected_low", share(figures->expected_low_count, figures->good_count));
	assay__field_double(&json, "overkill_expected_high", share(figures->expected_high_count, figures->good_count));
	assay__field_bool(&json, "overkill_as_stated", as_stated(figures));
	assay__field_int(&json, "n_masks", set->mask_count);
	assay__json_key(&json, "per_defect");
	assay__json_array(&json);
	for (int k = 1; k < set->kind_count; k++) {
		assay__json_object(&json);
		assay__field_text(&json, "kind", set->kinds[k].name);
		assay__field_int(&json, "n", figures->kinds[k].judged);
		assay__field_int(&json, "caught", figures->kinds[k].caught);
		assay__field_double(&json, "auroc", figures->kinds[k].auroc);
		assay__json_object_end(&json);
	}
	assay__json_array_end(&json);
	assay__labels_json(&json, &report->labels);
	assay__field_hex(&json, "content_hash", outcome->recipe.content_hash, sizeof(outcome->recipe.content_hash));
	assay__json_object_end(&json);
	status = assay__fields_print(&json);
	assay__json_close(&json);
	return status;
}

static void print_share(const char *name, double value)
{
	if (isnan(value))
		printf("  %-26s -\n", name);
	else
		printf("  %-26s %.2f %%\n", name, value * 100);
}

static void print_figure(const char *name, double value)
{
	if (isnan(value))
		printf("  %-26s -\n", name);
	else
		printf("  %-26s %.4f\n", name, value);
}

static void print_text(const struct outcome *outcome)
{
	const struct assay__evaluation *figures = outcome->figures;
	const struct assay__dataset *set = outcome->set;
	const struct assay_teach_report *report = &outcome->recipe.report;

	printf("%s\n", set->name);
	printf("  %-26s %d of %d good parts\n", "taught from", report->parts_used, report->parts_offered);
	printf("  %-26s %d good, %d with a defect, %d not judged\n", "test pictures", figures->good_count,
		   figures->defect_count, figures->fault_count);
	if (report->labels.offered) {
		char labels[200];

		assay__labels_text(&report->labels, labels);
		printf("  %-26s %s\n", "labels", labels);
	}
	print_figure("image AUROC", figures->auroc);
	printf("  at the threshold taught, %.2f:\n", report->threshold_q8 / 256.0);
	if (figures->good_count)
		printf("  %-26s %.2f %%, %d of %d; stated %.2f %%, that is %lld to %lld: %s\n", "overkill",
			   figures->overkill * 100, figures->rejected_count, figures->good_count, report->overkill_stated * 100,
			   (long long)figures->expected_low_count, (long long)figures->expected_high_count,
			   as_stated(figures) ? "as stated" : "not as stated");
	if (figures->defect_count)
		printf("  %-26s %.2f %%, %d of %d\n", "escapes", figures->escape * 100, figures->escaped_count,
			   figures->defect_count);
	printf("  at other thresholds:\n");
	print_share("overkill at zero escapes", figures->overkill_at_zero_escape);
	print_share("escapes at zero overkill", figures->escape_at_zero_overkill);
	if (set->mask_count) {
		printf("  where the %d masks are:\n", set->mask_count);
		print_figure("pixel AUROC", figures->pixel_auroc);
		print_figure("AUPRO", figures->aupro);
	}
	for (int k = 1; k < set->kind_count; k++)
		printf("  %-26s %d of %d caught, AUROC %.4f\n", set->kinds[k].name, figures->kinds[k].caught,
			   figures->kinds[k].judged, figures->kinds[k].auroc);
	if (!isnan(outcome->teach_s))
		printf("  %-26s %.2f s\n", "teaching", outcome->teach_s);
	printf("  %-26s %.2f ms p50, %.2f ms p99\n", "time per picture", figures->inspect_ms_p50, figures->inspect_ms_p99);
	printf("  %-26s %.0f MB\n", "peak memory", figures->rss_mb);
}

static void put_quoted(FILE *file, const char *text)
{
	putc('"', file);
	for (; *text; text++) {
		if (*text == '"')
			putc('"', file);
		putc(*text, file);
	}
	putc('"', file);
}

static void dump(FILE *file, const struct outcome *outcome)
{
	const struct assay__dataset *set = outcome->set;

	for (int k = 0; k < set->kind_count; k++)
		for (int i = set->kinds[k].first; i < set->kinds[k].first + set->kinds[k].count; i++) {
			const struct assay__scored *scored = &outcome->figures->scored[i];

			put_quoted(file, set->name);
			putc(',', file);
			put_quoted(file, set->test.list[i].path);
			putc(',', file);
			put_quoted(file, set->kinds[k].name);
			fprintf(file, ",%s,%s,", k ? "defect" : "good", assay_verdict_name(scored->verdict));
			if (scored->verdict == ASSAY_FAULT)
				fprintf(file, ",,\n");
			else
				fprintf(file, "%.8f,%.8f,%.8f\n", scored->score_q8 / 256.0, outcome->recipe.report.threshold_q8 / 256.0,
						scored->p_value);
		}
}

static int measure(const struct settings *settings, const struct assay__setup *setup, const struct assay__dataset *set,
				   const struct assay_recipe *recipe, double teach_s, FILE *dump_file)
{
	struct assay__evaluation figures;
	struct outcome outcome = {.set = set, .figures = &figures, .teach_s = teach_s};
	int status = assay__evaluate(setup, set, recipe, &figures);

	if (status)
		return status;
	assay_recipe_get_info(recipe, &outcome.recipe);
	if (settings->json)
		status = print_json(&outcome);
	else
		print_text(&outcome);
	if (dump_file)
		dump(dump_file, &outcome);
	if (!status && figures.fault_count)
		status = ASSAY__EXIT_FAULT;
	assay__evaluation_close(&figures, set);
	return status;
}

/* The labelled defects that --labels means, in *labelled; its value was checked. */
static int take_labels(const struct settings *settings, const char *path, struct assay__labelled *labelled)
{
	struct assay_error error;
	char *train;
	int rc;

	if (asprintf(&train, "%s/train", path) < 0)
		return ASSAY__EXIT_INTERNAL;
	rc = assay__labelled_open(train, "good", labelled, &error);
	free(train);
	if (rc) {
		assay__say_error(&error);
		return rc == ASSAY_E_NOMEM ? ASSAY__EXIT_INTERNAL : ASSAY__EXIT_FAULT;
	}
	if (strcmp(settings->labels, "all")) {
		int wanted = atoi(settings->labels);

		if (wanted > labelled->files.count)
			assay__say("%s: has only %d labelled defects; all are taken", path, labelled->files.count);
		assay__labelled_sample(labelled, wanted);
	}
	return 0;
}

static int teach_and_measure(const struct settings *settings, const struct assay__setup *setup, const char *path,
							 const struct assay__dataset *set, FILE *dump_file)
{
	struct assay__teaching teaching = {.seconds = NAN};
	struct assay__teaching_settings how = settings->teaching;
	struct assay__labelled labelled = {.kinds = NULL};
	int status = settings->labels ? take_labels(settings, path, &labelled) : 0, left_out;

	if (status)
		return status;
	if (set->train_defect_folders && !settings->labels && !settings->recipe)
		assay__say("%s: train/ has folders of labelled defects; --labels all learns from them too", set->name);
	how.defects = settings->labels ? &labelled.defects : NULL;
	if (settings->recipe)
		status = assay__recipe_use(setup, settings->recipe, &teaching.recipe);
	else
		status = assay__teaching_run(setup, &how, &set->train, &teaching);
	if (!status) {
		left_out = teaching.left_out_count + teaching.report.labels.unreadable;
		status = measure(settings, setup, set, teaching.recipe, teaching.seconds, dump_file);
		assay__teaching_close(&teaching);
		if (!status && left_out)
			status = ASSAY__EXIT_FAULT;
	}
	assay__labelled_close(&labelled);
	return status;
}

static int evaluate(const struct settings *settings, const char *path, FILE *dump_file)
{
	struct assay__dataset set;
	struct assay__setup setup;
	struct assay_error error;
	int status = assay__setup_open(&setup, settings->threads);

	if (status)
		return status;
	if (assay__dataset_open(path, !settings->recipe, &set, &error)) {
		status = assay__say_error(&error);
		status = error.code == ASSAY_E_NOMEM ? status : ASSAY__EXIT_FAULT;
	} else if (settings->splits) {
		status = assay__splits_run(&setup, &settings->teaching, &set, settings->splits, settings->split_parts,
								   settings->json);
		assay__dataset_close(&set);
	} else {
		status = teach_and_measure(settings, &setup, path, &set, dump_file);
		assay__dataset_close(&set);
	}
	assay__setup_close(&setup);
	status = assay__finish_output(status);
	if (dump_file && (fflush(dump_file) || ferror(dump_file))) {
		assay__say("%s: cannot write: %s", settings->dump, strerror(errno));
		status = ASSAY__EXIT_IO;
	}
	return status;
}

/* In a process of its own, so that peak memory is that of this data set alone. */
static int evaluate_apart(const struct settings *settings, const char *path, FILE *dump_file)
{
	int state;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (child < 0) {
		assay__say("%s: cannot start a process for it: %s", path, strerror(errno));
		return ASSAY__EXIT_INTERNAL;
	}
	if (!child)
		_exit(evaluate(settings, path, dump_file));
	while (waitpid(child, &state, 0) < 0)
		if (errno != EINTR)
			return ASSAY__EXIT_INTERNAL;
	if (WIFEXITED(state))
		return WEXITSTATUS(state);
	/* nobody reads any more: end as the child did */
	if (WTERMSIG(state) == SIGPIPE)
		raise(SIGPIPE);
	assay__say("%s: ended by signal %d", path, WTERMSIG(state));
	return ASSAY__EXIT_INTERNAL;
}

int assay__cmd_eval(int argc, char **argv)
{
	struct settings settings = {0};
	FILE *dump_file = NULL;
	int count, worst = 0, status = assay__command_parse(&command, argc, argv, &settings, &count);

	if (status >= 0)
		return status;
	if (settings.splits && (settings.recipe || settings.dump))
		return assay__command_misuse(&command, "--splits teaches recipes of its own and judges good parts alone; leave "
											   "--recipe and --dump out");
	if (settings.labels && (settings.recipe || settings.splits))
		return assay__command_misuse(&command, "--labels teaches a recipe; leave --recipe and --splits out");
	if (settings.labels && strcmp(settings.labels, "all") &&
		(strspn(settings.labels, "0123456789") != strlen(settings.labels) || strlen(settings.labels) > 7 ||
		 atoi(settings.labels) < 1))
		return assay__command_misuse(&command, "--labels %s: expected how many, 1 to 9999999, or all", settings.labels);
	if (settings.split_parts && !settings.splits)
		return assay__command_misuse(&command, "--split-parts belongs to --splits; give how many splits too");
	if (settings.dump) {
		dump_file = fopen(settings.dump, "w");
		if (dump_file)
			fputs("dataset,file,kind,label,verdict,score,threshold,p_value\n", dump_file);
		if (!dump_file || fflush(dump_file)) {
			assay__say("%s: cannot write: %s", settings.dump, strerror(errno));
			if (dump_file)
				fclose(dump_file);
			return ASSAY__EXIT_IO;
		}
	}
	for (int i = 1; i <= count; i++) {
		status = count == 1 ? evaluate(&settings, argv[i], dump_file) : evaluate_apart(&settings, argv[i], dump_file);
		worst = status > worst ? status : worst;
	}
	if (dump_file)
		fclose(dump_file);
	return worst;
}
