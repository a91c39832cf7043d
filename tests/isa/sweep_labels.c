/* SPDX-License-Identifier: Apache-2.0 */
/* What labels teach: heads trained from made-up pictures, the line that joins them with the bank, and their judgement. */
#include <string.h>

#include "same_bits.h"
#include "vision/labels.h"

#define SCALES 2
#define FOLDS 2
#define EXAMPLES 12
#define CELLS 70 /* more than are judged at once */

struct lesson {
	int8_t *vectors[SCALES];
	struct assay__example examples[EXAMPLES];
	uint8_t marks[CELLS];
};

/* Every second example has a cell that leans in one direction; the last defect is marked. */
static void make_lesson(struct lesson *l, int dim, uint64_t seed)
{
	const size_t bytes = (size_t)EXAMPLES * CELLS * (size_t)dim;

	memset(l, 0, sizeof(*l));
	for (int s = 0; s < SCALES; s++) {
		l->vectors[s] = malloc(bytes);
		if (!l->vectors[s])
			give_up("no memory");
		for (size_t i = 0; i < bytes; i++)
			l->vectors[s][i] = (int8_t)dice_range(&seed, -30, 30);
	}
	for (int i = 0; i < EXAMPLES; i++) {
		struct assay__example *e = &l->examples[i];

		e->defect = i % 2;
		for (int s = 0; s < SCALES; s++) {
			e->vectors[s] = l->vectors[s] + (size_t)i * CELLS * (size_t)dim;
			e->cells[s] = s ? CELLS : CELLS / 4;
			for (int k = 0; e->defect && k < dim; k += 3)
				l->vectors[s][(size_t)i * CELLS * (size_t)dim + (size_t)k] = (int8_t)dice_range(&seed, 40, 127);
		}
		e->bank_q8 = (uint32_t)dice_range(&seed, 2000, 4000) + (e->defect ? 500 : 0);
	}
	l->marks[0] = 1;
	l->examples[EXAMPLES - 1].marks[1] = l->marks;
}

static void put_head(const struct assay__head *head, struct blake2b *hash)
{
	size_t size = assay__head_bytes(head->dim);
	uint8_t *bytes = malloc(size);

	if (!bytes)
		give_up("no memory");
	assay__head_encode(head, bytes);
	blake2b_update(hash, bytes, size);
	free(bytes);
}

static void one(int dim, enum assay_isa isa, struct blake2b *hash)
{
	struct lesson lesson;
	struct assay__labels labels = {.dim = dim, .scales = SCALES, .folds = FOLDS}, scalar;
	struct assay__join_report report;
	struct assay_error error = {ASSAY_OK, -1, ""};
	int32_t logits[CELLS], again[CELLS], of_picture[EXAMPLES];
	uint32_t bank[EXAMPLES];
	uint8_t defect[EXAMPLES];
	bool fits = false;

	make_lesson(&lesson, dim, (uint64_t)dim);
	for (int s = 0; s < SCALES; s++)
		for (int f = 0; f < FOLDS; f++) {
			if (assay__head_train(lesson.examples + 2 * f, NULL, EXAMPLES - 2 * f, s, dim, isa, NULL, NULL, NULL,
								  &labels.heads[s][f], &error))
				give_up("%s", error.message);
			put_head(labels.heads[s][f], hash);
		}
	for (int i = 0; i < EXAMPLES; i++) {
		int32_t of_scale[SCALES];

		for (int s = 0; s < SCALES; s++) {
			const struct assay__example *e = &lesson.examples[i];

			of_scale[s] = assay__labels_run(&labels, s, e->vectors[s], e->cells[s], logits);
			put_i32s(hash, logits, (size_t)e->cells[s]);
			scalar = labels;
			for (int f = 0; f < FOLDS; f++)
				labels.heads[s][f]->isa = ASSAY_ISA_SCALAR;
			if (assay__labels_run(&scalar, s, e->vectors[s], e->cells[s], again) != of_scale[s] ||
				memcmp(logits, again, (size_t)e->cells[s] * sizeof(*logits)) != 0)
				give_up("heads of %d dimensions differ from the scalar ones", dim);
			for (int f = 0; f < FOLDS; f++)
				labels.heads[s][f]->isa = isa == ASSAY_ISA_BEST ? assay_isa_best() : isa;
		}
		of_picture[i] = assay__labels_mean(of_scale, SCALES);
		bank[i] = lesson.examples[i].bank_q8;
		defect[i] = lesson.examples[i].defect;
	}
	put_i32s(hash, of_picture, EXAMPLES);
	if (assay__join_fit(bank, of_picture, defect, EXAMPLES, 0.1, NULL, &labels.join, &report, &fits, &error))
		give_up("%s", error.message);
	put_u64(hash, fits);
	for (int i = 0; fits && i < EXAMPLES; i++)
		put_u64(hash, assay__join_score(&labels.join, bank[i], of_picture[i]));
	for (int s = 0; s < SCALES; s++) {
		for (int f = 0; f < FOLDS; f++)
			assay__head_close(labels.heads[s][f]);
		free(lesson.vectors[s]);
	}
}

void sweep_labels(enum assay_isa isa, struct blake2b *hash)
{
	static const int dims[] = {1, 2, 19, 32};

	for (size_t i = 0; i < sizeof(dims) / sizeof(dims[0]); i++)
		one(dims[i], isa, hash);
}
