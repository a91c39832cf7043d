/* SPDX-License-Identifier: Apache-2.0 */
/* Learning from labels as a whole: cross-validation by part, heads at every scale, how they are joined with the bank. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "vision/labels.h"

/* An example on its way through the folds. */
struct place {
	const uint8_t *hash;
	const char *group;
	int index; /* among the examples */
	int root;  /* of the places that show the same part; places are numbered by hash */
	int fold;
};

struct learning {
	const struct assay__example *examples;
	const struct assay__labels_plan *plan;
	int count, folds;
	struct place *places;		/* by hash */
	struct place **by_group;	/* those with a group, by it */
	int *picks;					/* a row of count for each task */
	struct assay__head **heads; /* of each task: scale * folds + fold */
	struct assay_error *errors;
	atomic_bool failed; /* the rest need not start */
	int32_t **logits;
	int32_t *scale_q12; /* count for each scale, by example */
	int32_t *head_q12;	/* by example */
	uint32_t *bank_q8;
	uint8_t *defect;
};

static int by_hash(const void *a, const void *b)
{
	const struct place *p = a, *q = b;
	int order = memcmp(p->hash, q->hash, ASSAY_HASH_BYTES);
	return order ? order : p->index - q->index;
}

static int by_group(const void *a, const void *b)
{
	return strcmp((*(struct place *const *)a)->group, (*(struct place *const *)b)->group);
}

static int root_of(struct place *places, int at)
{
	while (places[at].root != at)
		at = places[at].root = places[places[at].root].root;
	return at;
}

static void unite(struct place *places, int a, int b)
{
	a = root_of(places, a);
	b = root_of(places, b);
	if (a < b)
		places[b].root = a;
	else
		places[a].root = b;
}

/* Finds what shows the same part, and deals parts out to folds: good ones and those with a defect each in turn. */
static void deal(struct learning *l, struct assay__labels_report *report)
{
	struct place *places = l->places;
	int grouped = 0, groups[2] = {0, 0};
	for (int i = 0; i < l->count; i++)
		places[i] = (struct place){l->examples[i].hash, l->examples[i].group, i, 0, 0};
	qsort(places, (size_t)l->count, sizeof(*places), by_hash);
	for (int i = 0; i < l->count; i++) {
		places[i].root = i;
		if (places[i].group)
			l->by_group[grouped++] = &places[i];
		if (i > 0 && memcmp(places[i].hash, places[i - 1].hash, ASSAY_HASH_BYTES) == 0)
			unite(places, i, i - 1);
	}
	qsort(l->by_group, (size_t)grouped, sizeof(struct place *), by_group);
	for (int i = 1; i < grouped; i++)
		if (strcmp(l->by_group[i]->group, l->by_group[i - 1]->group) == 0)
			unite(places, (int)(l->by_group[i] - places), (int)(l->by_group[i - 1] - places));
	/* a part with a defect in any of its pictures counts among the defects; `fold` says so for a moment */
	for (int i = 0; i < l->count; i++)
		if (l->examples[places[i].index].defect)
			places[root_of(places, i)].fold = 1;
	for (int i = 0; i < l->count; i++)
		if (root_of(places, i) == i) {
			int kind = places[i].fold;
			places[i].fold = groups[kind]++;
		}
	report->good_groups = groups[0];
	report->defect_groups = groups[1];
	int fewer = groups[0] < groups[1] ? groups[0] : groups[1];
	report->folds = l->folds = fewer < 2 ? 0 : fewer < ASSAY__LABEL_FOLDS ? fewer : ASSAY__LABEL_FOLDS;
	for (int i = 0; l->folds && i < l->count; i++)
		places[i].fold = places[root_of(places, i)].fold % l->folds;
}

/* Learns from all but one fold, at one scale, and judges the pictures of that fold. */
static void learn_one(void *arg, int index, int worker)
{
	struct learning *l = arg;
	const struct assay__labels_plan *plan = l->plan;
	struct assay_error *error = &l->errors[index];
	int *pick = l->picks + (size_t)index * (size_t)l->count, n = 0, scale = index / l->folds, fold = index % l->folds;
	(void)worker;
	if (atomic_load(&l->failed))
		return;
	for (int i = 0; i < l->count; i++)
		if (l->places[i].fold != fold)
			pick[n++] = l->places[i].index;
	error->code = assay__head_train(l->examples, pick, n, scale, plan->dim, plan->isa, NULL, NULL, plan->allocator,
									&l->heads[index], error);
	if (error->code)
		atomic_store(&l->failed, true);
	for (int i = 0; error->code == 0 && i < l->count; i++)
		if (l->places[i].fold == fold) {
			int at = l->places[i].index;
			const struct assay__example *e = &l->examples[at];
			assay__head_run(l->heads[index], e->vectors[scale], e->cells[scale], l->logits[index]);
			l->scale_q12[(size_t)at * (size_t)plan->scales + (size_t)scale] =
				assay__head_mean(l->logits[index], e->cells[scale]);
		}
}

static int tasks_of(const struct learning *l)
{
	return ASSAY__LABEL_FOLDS * l->plan->scales;
}

static int open_learning(struct learning *l, struct assay_error *error)
{
	const struct assay_allocator *a = l->plan->allocator;
	size_t n = (size_t)l->count, tasks = (size_t)tasks_of(l);
	int cells = 1;
	for (int i = 0; i < l->count; i++)
		for (int s = 0; s < l->plan->scales; s++)
			cells = l->examples[i].cells[s] > cells ? l->examples[i].cells[s] : cells;
	l->places = assay__calloc(a, n, sizeof(*l->places));
	l->by_group = assay__calloc(a, n, sizeof(*l->by_group));
	l->picks = assay__calloc(a, n, tasks * sizeof(*l->picks));
	l->heads = assay__calloc(a, tasks, sizeof(*l->heads));
	l->errors = assay__calloc(a, tasks, sizeof(*l->errors));
	l->logits = assay__calloc(a, tasks, sizeof(*l->logits));
	l->scale_q12 = assay__calloc(a, n, (size_t)l->plan->scales * sizeof(*l->scale_q12));
	l->head_q12 = assay__calloc(a, n, sizeof(*l->head_q12));
	l->bank_q8 = assay__calloc(a, n, sizeof(*l->bank_q8));
	l->defect = assay__calloc(a, n, sizeof(*l->defect));
	bool all = l->places && l->by_group && l->picks && l->heads && l->errors && l->logits && l->scale_q12 &&
			   l->head_q12 && l->bank_q8 && l->defect;
	for (size_t i = 0; all && i < tasks; i++)
		all = (l->logits[i] = assay__calloc(a, (size_t)cells, sizeof(**l->logits))) != NULL;
	if (!all)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory to learn from %d labelled pictures", l->count);
	for (int i = 0; i < l->count; i++) {
		l->bank_q8[i] = l->examples[i].bank_q8;
		l->defect[i] = l->examples[i].defect;
	}
	return 0;
}

static void close_learning(struct learning *l)
{
	const struct assay_allocator *a = l->plan->allocator;
	for (int i = 0; i < tasks_of(l); i++) {
		if (l->heads)
			assay__head_close(l->heads[i]);
		if (l->logits)
			assay__free(a, l->logits[i]);
	}
	assay__free(a, l->places);
	assay__free(a, l->by_group);
	assay__free(a, l->picks);
	assay__free(a, l->heads);
	assay__free(a, l->errors);
	assay__free(a, l->logits);
	assay__free(a, l->scale_q12);
	assay__free(a, l->head_q12);
	assay__free(a, l->bank_q8);
	assay__free(a, l->defect);
}

static int cross_validate(struct learning *l, struct assay_error *error)
{
	int tasks = l->folds * l->plan->scales;
	int rc = assay__labour_run(l->plan->labour, "labels", tasks, learn_one, l, error);
	for (int i = 0; rc == 0 && i < tasks; i++)
		if (l->errors[i].code)
			rc = assay__fail(error, l->errors[i].code, -1, "%s", l->errors[i].message);
	for (int i = 0; rc == 0 && i < l->count; i++)
		l->head_q12[i] = assay__labels_mean(l->scale_q12 + (size_t)i * (size_t)l->plan->scales, l->plan->scales);
	return rc;
}

/* Moves the heads out of *l: the mean of those of all folds has seen everything, and lies as those single ones do. */
static int wrap(struct learning *l, const struct assay__join *join, struct assay__labels **out,
				struct assay_error *error)
{
	const struct assay__labels_plan *plan = l->plan;
	struct assay__labels *labels = assay__calloc(plan->allocator, 1, sizeof(*labels));
	if (!labels)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for what the labels taught");
	*labels = (struct assay__labels){
		.allocator = plan->allocator, .dim = plan->dim, .scales = plan->scales, .folds = l->folds, .join = *join};
	for (int i = 0; i < l->folds * plan->scales; i++) {
		labels->heads[i / l->folds][i % l->folds] = l->heads[i];
		l->heads[i] = NULL;
	}
	*out = labels;
	return 0;
}

int assay__labels_learn(const struct assay__example *examples, int count, const struct assay__labels_plan *plan,
						uint32_t *joined_q8, struct assay__labels **out, struct assay__labels_report *report,
						struct assay_error *error)
{
	struct learning l = {.examples = examples, .count = count, .plan = plan};
	struct assay__labels_report r = {0};
	struct assay__labels *labels = NULL;
	struct assay__join join;
	bool fits = false;
	for (int i = 0; i < count; i++)
		r.defect_count += examples[i].defect;
	r.good_count = count - r.defect_count;
	if (r.defect_count < 1 || r.good_count < 1)
		return assay__fail(error, ASSAY_E_ARGUMENT, -1,
						   "%d good and %d defective pictures; labels teach from at least one of each", r.good_count,
						   r.defect_count);
	int rc = open_learning(&l, error);
	if (rc == 0)
		deal(&l, &r);
	if (rc == 0 && l.folds) {
		rc = cross_validate(&l, error);
		if (rc == 0)
			rc = assay__join_fit(l.bank_q8, l.head_q12, l.defect, count, plan->overkill, plan->allocator, &join,
								 &r.join, &fits, error);
	}
	r.used = rc == 0 && fits && r.join.better;
	if (r.used)
		rc = wrap(&l, &join, &labels, error);
	if (rc == 0) {
		for (int i = 0; i < count; i++)
			joined_q8[i] = r.used ? assay__join_score(&join, l.bank_q8[i], l.head_q12[i]) : l.bank_q8[i];
		*out = labels;
		*report = r;
	}
	close_learning(&l);
	return rc;
}
