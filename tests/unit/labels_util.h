/* SPDX-License-Identifier: Apache-2.0 */
/* Generated labelled pictures: noise everywhere, and in defective ones two cells that lean in one direction. */
#ifndef ASSAY_TESTS_UNIT_LABELS_UTIL_H
#define ASSAY_TESTS_UNIT_LABELS_UTIL_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "vision/labels.h"

#define LABELLED_DIM 19
#define LABELLED_CELLS 30
#define LABELLED_MOST 120

struct labelled {
	int count;
	struct assay__example examples[LABELLED_MOST];
	int8_t vectors[LABELLED_MOST][LABELLED_CELLS * LABELLED_DIM];
	uint8_t marks[LABELLED_MOST][LABELLED_CELLS];
	uint8_t hashes[LABELLED_MOST][ASSAY_HASH_BYTES];
};

static inline uint32_t labelled_draw(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*state >> 33);
}

/* `lean`: how far defects stand out, 0: not at all. bank_q8 knows little. */
static inline struct labelled *labelled_make(int good, int defect, int lean, uint64_t seed)
{
	struct labelled *set = calloc(1, sizeof(*set));
	uint64_t state = seed;
	assert_non_null(set);
	set->count = good + defect;
	for (int i = 0; i < set->count; i++) {
		bool bad = i >= good;
		for (int k = 0; k < LABELLED_CELLS * LABELLED_DIM; k++)
			set->vectors[i][k] = (int8_t)((int)(labelled_draw(&state) % 41) - 20);
		for (int d = 0; bad && d < 2; d++) {
			int cell = (int)(labelled_draw(&state) % LABELLED_CELLS);
			set->marks[i][cell] = 1;
			for (int k = 0; k < 5; k++) {
				int v = set->vectors[i][cell * LABELLED_DIM + k] / 2 + lean;
				set->vectors[i][cell * LABELLED_DIM + k] = (int8_t)(v > 127 ? 127 : v);
			}
		}
		for (int k = 0; k < ASSAY_HASH_BYTES; k++)
			set->hashes[i][k] = (uint8_t)labelled_draw(&state);
		set->examples[i] = (struct assay__example){.vectors = {set->vectors[i]},
												   .cells = {LABELLED_CELLS},
												   .defect = bad,
												   .hash = set->hashes[i],
												   .bank_q8 = 20000 + labelled_draw(&state) % 5000 + (bad ? 1500 : 0)};
	}
	return set;
}

#endif
