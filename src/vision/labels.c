/* SPDX-License-Identifier: Apache-2.0 */
#include "vision/labels.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

#define JOIN_BYTES 16

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
	int count, dim, folds;
	enum assay_isa isa;
	const struct assay_allocator *allocator;
	const struct assay__labour *labour;
	struct place *places;		/* by hash */
	struct place **by_group;	/* those with a group, by it */
	int *picks;					/* a row of count for each fold and for all */
	struct assay__head **heads; /* of each fold and of all */
	struct assay_error *errors;
	atomic_bool failed; /* the rest need not start */
	int32_t **logits;
	int32_t *head_q12; /* by example */
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

/* Task 0 learns from all, task k from all but fold k - 1, whose pictures it then judges. */
static void learn_one(void *arg, int index, int worker)
{
	struct learning *l = arg;
	struct assay_error *error = &l->errors[index];
	int *pick = l->picks + (size_t)index * (size_t)l->count, n = 0;
	(void)worker;
	if (atomic_load(&l->failed))
		return;
	for (int i = 0; i < l->count; i++)
		if (index == 0 || l->places[i].fold != index - 1)
			pick[n++] = l->places[i].index;
	error->code =
		assay__head_train(l->examples, pick, n, l->dim, l->isa, NULL, NULL, l->allocator, &l->heads[index], error);
	if (error->code)
		atomic_store(&l->failed, true);
	if (error->code || index == 0)
		return;
	for (int i = 0; i < l->count; i++)
		if (l->places[i].fold == index - 1) {
			const struct assay__example *e = &l->examples[l->places[i].index];
			assay__head_run(l->heads[index], e->vectors, e->cells, l->logits[index]);
			l->head_q12[l->places[i].index] = assay__head_mean(l->logits[index], e->cells);
		}
}

static int open_learning(struct learning *l, struct assay_error *error)
{
	const struct assay_allocator *a = l->allocator;
	size_t n = (size_t)l->count, tasks = ASSAY__LABEL_FOLDS + 1;
	int cells = 1;
	for (int i = 0; i < l->count; i++)
		cells = l->examples[i].cells > cells ? l->examples[i].cells : cells;
	l->places = assay__calloc(a, n, sizeof(*l->places));
	l->by_group = assay__calloc(a, n, sizeof(*l->by_group));
	l->picks = assay__calloc(a, n, tasks * sizeof(*l->picks));
	l->heads = assay__calloc(a, tasks, sizeof(*l->heads));
	l->errors = assay__calloc(a, tasks, sizeof(*l->errors));
	l->logits = assay__calloc(a, tasks, sizeof(*l->logits));
	l->head_q12 = assay__calloc(a, n, sizeof(*l->head_q12));
	l->bank_q8 = assay__calloc(a, n, sizeof(*l->bank_q8));
	l->defect = assay__calloc(a, n, sizeof(*l->defect));
	bool all = l->places && l->by_group && l->picks && l->heads && l->errors && l->logits && l->head_q12 &&
			   l->bank_q8 && l->defect;
	for (size_t i = 1; all && i < tasks; i++)
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
	const struct assay_allocator *a = l->allocator;
	for (int i = 0; i < ASSAY__LABEL_FOLDS + 1; i++) {
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
	assay__free(a, l->head_q12);
	assay__free(a, l->bank_q8);
	assay__free(a, l->defect);
}

static int cross_validate(struct learning *l, struct assay_error *error)
{
	int rc = assay__labour_run(l->labour, "labels", l->folds + 1, learn_one, l, error);
	for (int i = 0; rc == 0 && i <= l->folds; i++)
		if (l->errors[i].code)
			rc = assay__fail(error, l->errors[i].code, -1, "%s", l->errors[i].message);
	return rc;
}

/* Moves the head of all out of *l. */
static int wrap(struct learning *l, const struct assay__join *join, struct assay__labels **out,
				struct assay_error *error)
{
	struct assay__labels *labels = assay__calloc(l->allocator, 1, sizeof(*labels));
	if (!labels)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for what the labels taught");
	*labels = (struct assay__labels){l->allocator, l->heads[0], *join};
	l->heads[0] = NULL;
	*out = labels;
	return 0;
}

int assay__labels_learn(const struct assay__example *examples, int count, int dim, double overkill, enum assay_isa isa,
						const struct assay__labour *labour, const struct assay_allocator *allocator,
						uint32_t *joined_q8, struct assay__labels **out, struct assay__labels_report *report,
						struct assay_error *error)
{
	struct learning l = {
		.examples = examples, .count = count, .dim = dim, .isa = isa, .allocator = allocator, .labour = labour};
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
			rc = assay__join_fit(l.bank_q8, l.head_q12, l.defect, count, overkill, allocator, &join, &r.join, &fits,
								 error);
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

void assay__labels_close(struct assay__labels *labels)
{
	if (!labels)
		return;
	assay__head_close(labels->head);
	assay__free(labels->allocator, labels);
}

uint32_t assay__labels_judge(const struct assay__labels *labels, const int8_t *vectors, int cells, const int32_t *where,
							 uint32_t bank_q8, int32_t *logits_q12, uint32_t *map_q8)
{
	if (!labels)
		return bank_q8;
	assay__head_run(labels->head, vectors, cells, logits_q12);
	for (int i = 0; i < cells; i++) {
		uint32_t *at = &map_q8[where ? where[i] : i];
		*at = assay__join_score(&labels->join, *at, logits_q12[i]);
	}
	return assay__join_score(&labels->join, bank_q8, assay__head_mean(logits_q12, cells));
}

size_t assay__labels_bytes(int dim)
{
	return JOIN_BYTES + assay__head_bytes(dim);
}

void assay__labels_encode(const struct assay__labels *labels, uint8_t *bytes)
{
	const struct assay__join *j = &labels->join;
	const uint32_t numbers[4] = {(uint32_t)j->head_low_q12, (uint32_t)j->head_high_q12, j->bank_low_q8,
								 j->bank_high_q8};
	for (int i = 0; i < JOIN_BYTES; i++)
		bytes[i] = (uint8_t)(numbers[i / 4] >> (8 * (i % 4)));
	assay__head_encode(labels->head, bytes + JOIN_BYTES);
}

int assay__labels_decode(const uint8_t *bytes, size_t size, int dim, enum assay_isa isa,
						 const struct assay_allocator *allocator, struct assay__labels **out, struct assay_error *error)
{
	uint32_t numbers[4] = {0};
	for (size_t i = 0; i < JOIN_BYTES && i < size; i++)
		numbers[i / 4] |= (uint32_t)bytes[i] << (8 * (i % 4));
	struct assay__join join = {(int32_t)numbers[0], (int32_t)numbers[1], numbers[2], numbers[3]};
	if (size < JOIN_BYTES || !assay__join_sane(&join))
		return assay__fail(error, ASSAY_E_FORMAT, -1, "how head and bank are joined is out of range");
	struct assay__labels *labels = assay__calloc(allocator, 1, sizeof(*labels));
	if (!labels)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for what the labels taught");
	labels->allocator = allocator;
	labels->join = join;
	int rc = assay__head_decode(bytes + JOIN_BYTES, size - JOIN_BYTES, dim, isa, allocator, &labels->head, error);
	if (rc) {
		assay__free(allocator, labels);
		return rc;
	}
	*out = labels;
	return 0;
}

size_t assay__labels_group(const char *path, const char **start)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	const char *end = strstr(name, "__"), *dot = strrchr(name, '.');
	*start = name;
	if (end && end > name)
		return (size_t)(end - name);
	return dot && dot > name ? (size_t)(dot - name) : strlen(name);
}
