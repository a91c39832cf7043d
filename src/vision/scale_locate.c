/* SPDX-License-Identifier: Apache-2.0 */
#include "vision/scale_locate.h"

#define PART_ONE 256

/* Where the centre of one of `count` cells lies between the centres of `cells`: the one before, the next, 1/256 of the way. */
struct between {
	int cell, next, part;
};

static struct between between(int i, int count, int cells)
{
	int64_t at = ((2 * (int64_t)i + 1) * cells - count) * PART_ONE / (2 * (int64_t)count);
	int64_t most = (int64_t)(cells - 1) * PART_ONE;
	at = at < 0 ? 0 : at > most ? most : at;
	int cell = (int)(at / PART_ONE);
	return (struct between){cell, cell + 1 < cells ? cell + 1 : cell, (int)(at % PART_ONE)};
}

/* Cells that are left out have no part in it. Returns whether any is inspected. */
static bool blend(const struct assay__layer *layer, const struct between *x, const struct between *y, uint64_t *value)
{
	const int rows[2] = {y->cell, y->next}, columns[2] = {x->cell, x->next};
	const int down[2] = {PART_ONE - y->part, y->part}, across[2] = {PART_ONE - x->part, x->part};
	uint64_t sum = 0, weights = 0;
	for (int r = 0; r < 2; r++)
		for (int c = 0; c < 2; c++) {
			int cell = rows[r] * layer->width + columns[c];
			uint64_t weight = assay__judge_inspects(layer->judge, cell) ? (uint64_t)(down[r] * across[c]) : 0;
			sum += weight * layer->map[cell];
			weights += weight;
		}
	*value = weights ? sum / weights : 0;
	return weights != 0;
}

void assay__scales_locate(const struct assay__layer *layers, int count, uint32_t *into)
{
	const struct assay__layer *finest = &layers[count - 1];
	for (int y = 0; y < finest->height; y++) {
		struct between rows[ASSAY__SCALES_MOST];
		for (int s = 0; s < count; s++)
			rows[s] = between(y, finest->height, layers[s].height);
		for (int x = 0; x < finest->width; x++) {
			uint64_t sum = 0, weights = 0, value = 0;
			int at = y * finest->width + x;
			for (int s = 0; assay__judge_inspects(finest->judge, at) && s < count; s++) {
				struct between column = between(x, finest->width, layers[s].width);
				if (!blend(&layers[s], &column, &rows[s], &value))
					continue;
				sum += value * (uint64_t)layers[s].working_px;
				weights += (uint64_t)layers[s].working_px;
			}
			into[at] = weights ? (uint32_t)(sum / weights) : 0;
		}
	}
}
