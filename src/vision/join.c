/* SPDX-License-Identifier: Apache-2.0 */
#include "vision/join.h"

#include <stdlib.h>

#include "base/err.h"
#include "vision/calibrate.h"
#include "vision/metrics.h"

#define SCORE_MOST (UINT32_MAX / 2)
#define GAP_SHARE 4 /* of the gap between good parts and defects, what is left to good parts */
#define STEPS 8		/* thresholds of the bank that are tried */

/* Order-preserving, so that logits and scores are sorted and ranked by the same code. */
static uint32_t ranked(int32_t logit)
{
	return (uint32_t)logit ^ 0x80000000u;
}

static int32_t unranked(uint32_t value)
{
	return (int32_t)(value ^ 0x80000000u);
}

uint32_t assay__join_logit(const struct assay__join *j, int32_t logit_q12)
{
	int64_t run = (int64_t)j->head_high_q12 - j->head_low_q12, rise = (int64_t)j->bank_high_q8 - j->bank_low_q8;
	int64_t along = ((int64_t)logit_q12 - j->head_low_q12) * rise;
	/* floor, so that a logit at the threshold is at it and not above */
	int64_t up = along >= 0 ? along / run : -((-along + run - 1) / run);
	int64_t score = (int64_t)j->bank_low_q8 + up;
	return score < 0 ? 0 : score > (int64_t)SCORE_MOST ? SCORE_MOST : (uint32_t)score;
}

uint32_t assay__join_score(const struct assay__join *join, uint32_t bank_q8, int32_t logit_q12)
{
	uint32_t head = assay__join_logit(join, logit_q12);
	return head > bank_q8 ? head : bank_q8;
}

bool assay__join_sane(const struct assay__join *j)
{
	const int32_t most = 1 << 30;
	return j->head_low_q12 >= -most && j->head_high_q12 <= most && j->head_low_q12 < j->head_high_q12 &&
		   j->bank_low_q8 < j->bank_high_q8 && j->bank_high_q8 <= (uint32_t)most;
}

static int ascending(const void *a, const void *b)
{
	uint32_t p = *(const uint32_t *)a, q = *(const uint32_t *)b;
	return p < q ? -1 : p > q;
}

struct sorted {
	uint32_t *good, *bad;
	int good_count, bad_count;
};

/* Splits and sorts scores of one kind: 0 bank, 1 head, 2 joined. */
static void sort_scores(struct sorted *s, const uint32_t *bank_q8, const int32_t *logit_q12, const uint8_t *defect,
						int count, int kind, const struct assay__join *join)
{
	s->good_count = s->bad_count = 0;
	for (int i = 0; i < count; i++) {
		uint32_t score = kind == 0	 ? bank_q8[i]
						 : kind == 1 ? ranked(logit_q12[i])
									 : assay__join_score(join, bank_q8[i], logit_q12[i]);
		if (defect[i])
			s->bad[s->bad_count++] = score;
		else
			s->good[s->good_count++] = score;
	}
	qsort(s->good, (size_t)s->good_count, sizeof(*s->good), ascending);
	qsort(s->bad, (size_t)s->bad_count, sizeof(*s->bad), ascending);
}

static int at_most(const uint32_t *sorted, int count, uint32_t threshold)
{
	int n = 0;
	while (n < count && sorted[n] <= threshold)
		n++;
	return n;
}

/* Two thresholds, and the defects that escape both. */
struct choice {
	uint32_t bank, head; /* head: ranked */
	int escapes;
};

/*
 * The heads' threshold beside this one of the bank's. `spare` good parts may still be rejected of those the bank lets
 * pass; `rest` is work memory.
 */
static struct choice choose_head(const uint32_t *bank_q8, const int32_t *logit_q12, const uint8_t *defect, int count,
								 uint32_t bank, int spare, uint32_t *rest)
{
	struct choice c = {.bank = bank};
	uint32_t caught = UINT32_MAX;
	int n = 0;
	for (int i = 0; i < count; i++)
		if (bank_q8[i] > bank)
			spare -= !defect[i];
		else if (!defect[i])
			rest[n++] = ranked(logit_q12[i]);
	qsort(rest, (size_t)n, sizeof(*rest), ascending);
	spare = spare < 0 ? 0 : spare > n - 1 ? n - 1 : spare;
	c.head = rest[n - 1 - spare];
	for (int i = 0; i < count; i++) {
		uint32_t logit = ranked(logit_q12[i]);
		if (!defect[i] || bank_q8[i] > bank)
			continue;
		if (logit <= c.head)
			c.escapes++;
		else if (logit < caught)
			caught = logit;
	}
	if (caught != UINT32_MAX)
		c.head += (caught - c.head) / GAP_SHARE;
	return c;
}

static struct choice choose(const struct sorted *bank, const uint32_t *bank_q8, const int32_t *logit_q12,
							const uint8_t *defect, int count, double overkill, uint32_t *rest)
{
	int n = bank->good_count, most = assay__conformal_rank(n, overkill), least = assay__conformal_rank(n, overkill / 2);
	struct choice best = {.escapes = -1};
	for (int k = 0; k <= STEPS; k++) {
		int rank = most - (most - least) * k / STEPS;
		struct choice c = choose_head(bank_q8, logit_q12, defect, count, bank->good[n - rank], most - 1, rest);
		if (best.escapes < 0 || c.escapes < best.escapes)
			best = c;
	}
	return best;
}

static void fit(struct sorted *s, uint32_t *rest, const uint32_t *bank_q8, const int32_t *logit_q12,
				const uint8_t *defect, int count, double overkill, struct assay__join *join,
				struct assay__join_report *report, bool *fits)
{
	struct assay__join j;
	struct assay__join_report r;
	sort_scores(s, bank_q8, logit_q12, defect, count, 0, NULL);
	struct choice chosen = choose(s, bank_q8, logit_q12, defect, count, overkill, rest);
	r.bank_q8 = assay__conformal_threshold(s->good, s->good_count, overkill);
	r.bank_escapes = at_most(s->bad, s->bad_count, r.bank_q8);
	j.bank_low_q8 = s->good[(s->good_count - 1) / 2];
	j.bank_high_q8 = chosen.bank;
	r.bank_auroc = assay__auroc(s->good, (size_t)s->good_count, s->bad, (size_t)s->bad_count);
	sort_scores(s, bank_q8, logit_q12, defect, count, 1, NULL);
	uint32_t usual = s->good[(int64_t)(s->good_count - 1) * 9 / 10];
	if (usual >= chosen.head)
		usual = s->good[(s->good_count - 1) / 2];
	j.head_low_q12 = unranked(usual);
	j.head_high_q12 = unranked(chosen.head);
	*fits = assay__join_sane(&j);
	if (!*fits)
		return;
	r.joined_q8 = chosen.bank;
	sort_scores(s, bank_q8, logit_q12, defect, count, 2, &j);
	r.joined_escapes = at_most(s->bad, s->bad_count, r.joined_q8);
	r.joined_auroc = assay__auroc(s->good, (size_t)s->good_count, s->bad, (size_t)s->bad_count);
	r.better =
		r.joined_escapes < r.bank_escapes || (r.joined_escapes == r.bank_escapes && r.joined_auroc > r.bank_auroc);
	*join = j;
	*report = r;
}

int assay__join_fit(const uint32_t *bank_q8, const int32_t *logit_q12, const uint8_t *defect, int count,
					double overkill, const struct assay_allocator *allocator, struct assay__join *join,
					struct assay__join_report *report, bool *fits, struct assay_error *error)
{
	struct sorted s = {.good = assay__calloc(allocator, (size_t)count, sizeof(*s.good)),
					   .bad = assay__calloc(allocator, (size_t)count, sizeof(*s.bad))};
	uint32_t *rest = assay__calloc(allocator, (size_t)count, sizeof(*rest));
	int rc = 0;
	if (s.good && s.bad && rest)
		fit(&s, rest, bank_q8, logit_q12, defect, count, overkill, join, report, fits);
	else
		rc = assay__fail(error, ASSAY_E_NOMEM, -1, "no memory to join %d scores", count);
	assay__free(allocator, s.good);
	assay__free(allocator, s.bad);
	assay__free(allocator, rest);
	return rc;
}
