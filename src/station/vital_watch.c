/* SPDX-License-Identifier: Apache-2.0 */
#include "station/vital_watch.h"

#include <math.h>
#include <string.h>

#define SHARE 0.05
#define DEVIATIONS 6.0
#define RANK_OUT 0.15 /* the average rank of scores this far from a half is worth a word */
#define RANK_BACK 0.075

static const char *const measure_names[ASSAY__VITAL_MEASURES] = {"light",	"clipped", "tilt_x",  "tilt_y",
																 "falloff", "focus",   "shift_x", "shift_y"};
static const char *const cause_names[ASSAY__VITAL_CAUSES] = {"fine", "camera", "focus", "lamp", "process"};
static const double bets[ASSAY__VITAL_BETS] = {-1.9, -1.4, -0.9, -0.4, 0.4, 0.9, 1.4, 1.9};

const char *assay__vital_measure_name(enum assay__vital_measure measure)
{
	return measure_names[measure];
}

const char *assay__vital_cause_name(enum assay__vital_cause cause)
{
	return cause_names[cause];
}

void assay__vital_watch_start(struct assay__vital_watch *watch, const struct assay__vital_limits *limits)
{
	memset(watch, 0, sizeof(*watch));
	watch->limits = *limits;
	watch->random = 0x9E3779B97F4A7C15u;
	watch->rank = 0.5;
}

static int score_class(uint32_t score_q8)
{
	return score_q8 >> 4 < ASSAY__VITAL_SCORES ? (int)(score_q8 >> 4) : ASSAY__VITAL_SCORES - 1;
}

bool assay__vital_watch_resume(struct assay__vital_watch *watch, const struct assay__vital_limits *limits,
							   const struct assay__vital_reference *reference)
{
	/* Another wish for the number of parts is a wish for another reference. */
	if (reference->parts != limits->parts)
		return false;
	assay__vital_watch_start(watch, limits);
	watch->reference = *reference;
	watch->learned = true;
	memcpy(watch->average, reference->mean, sizeof(watch->average));
	for (int i = 0; i < reference->parts; i++)
		watch->pool[reference->scores[i]]++;
	watch->pool_count = (uint64_t)reference->parts;
	return true;
}

bool assay__vital_watch_wants(struct assay__vital_watch *watch, enum assay_verdict verdict)
{
	if (verdict == ASSAY_FAULT)
		return false;
	if (verdict == ASSAY_PASS)
		watch->fails = 0;
	else if (watch->fails < ASSAY__VITAL_FAILS)
		watch->fails++;
	/* A reference is of good parts only. */
	return verdict == ASSAY_PASS || (watch->learned && watch->fails >= ASSAY__VITAL_FAILS);
}

static void values_of(struct assay__vital_watch *watch, const struct assay__vital *vital,
					  const struct assay_rect_px *area, double values[ASSAY__VITAL_MEASURES])
{
	struct assay__vital_reference *reference = &watch->reference;
	const uint32_t *q = vital->quadrant_q8;
	double sum = (double)q[0] + q[1] + q[2] + q[3];

	if (!reference->columns) {
		reference->columns = vital->columns;
		reference->rows = vital->rows;
		reference->bin_x_px = (double)area->width / vital->columns;
		reference->bin_y_px = (double)area->height / vital->rows;
		memcpy(reference->column_q8, vital->column_q8, sizeof(reference->column_q8));
		memcpy(reference->row_q8, vital->row_q8, sizeof(reference->row_q8));
	}
	if (sum <= 0)
		sum = 1;
	values[ASSAY__VITAL_LIGHT] = vital->mean_q8 / 256.0;
	values[ASSAY__VITAL_CLIPPED] = vital->clipped_ppm / 1e6;
	values[ASSAY__VITAL_TILT_X] = ((double)q[1] + q[3] - q[0] - q[2]) / sum;
	values[ASSAY__VITAL_TILT_Y] = ((double)q[2] + q[3] - q[0] - q[1]) / sum;
	values[ASSAY__VITAL_FALLOFF] = 4.0 * vital->centre_q8 / sum;
	values[ASSAY__VITAL_FOCUS] = vital->sharp_q16 / 65536.0;
	values[ASSAY__VITAL_SHIFT_X] =
		assay__vital_shift(reference->column_q8, vital->column_q8, reference->columns) * reference->bin_x_px;
	values[ASSAY__VITAL_SHIFT_Y] =
		assay__vital_shift(reference->row_q8, vital->row_q8, reference->rows) * reference->bin_y_px;
}

/* Even in 0..1, the same sequence every time (splitmix64, Steele, Lea, Flood 2014). */
static double even(struct assay__vital_watch *watch)
{
	uint64_t z = watch->random += 0x9E3779B97F4A7C15u;

	z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
	z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
	return (double)((z ^ (z >> 31)) >> 11) / 9007199254740992.0;
}

/* The share of scores before that are higher, equal ones and itself split at random. */
static double rank_of(struct assay__vital_watch *watch, int score)
{
	uint64_t higher = 0;

	for (int i = score + 1; i < ASSAY__VITAL_SCORES; i++)
		higher += watch->pool[i];
	return ((double)higher + even(watch) * ((double)watch->pool[score] + 1)) / ((double)watch->pool_count + 1);
}

static void add_score(struct assay__vital_watch *watch, int score)
{
	double p = rank_of(watch, score);

	watch->rank += SHARE * (p - watch->rank);
	for (int i = 0; i < ASSAY__VITAL_BETS; i++) {
		watch->bets[i] = (watch->bets[i] + 1) * (1 + bets[i] * (p - 0.5));
		/* Nothing is learned from more, and infinity would never go away. */
		if (watch->bets[i] > 1e15)
			watch->bets[i] = 1e15;
	}
	/* Once changed, the scores are not those of before. */
	if (watch->told == ASSAY__VITAL_FINE) {
		watch->pool[score]++;
		watch->pool_count++;
	}
}

static void learn(struct assay__vital_watch *watch, const double values[ASSAY__VITAL_MEASURES], int score)
{
	struct assay__vital_reference *reference = &watch->reference;
	int n = reference->parts + 1;

	/* Mean and squared deviations, one part at a time (Welford, Technometrics 4, 1962). */
	for (int i = 0; i < ASSAY__VITAL_MEASURES; i++) {
		double before = values[i] - watch->average[i];

		watch->average[i] += before / n;
		watch->square[i] += before * (values[i] - watch->average[i]);
	}
	reference->scores[reference->parts] = (uint16_t)score;
	reference->parts = n;
	watch->pool[score]++;
	watch->pool_count++;
	if (n < watch->limits.parts)
		return;
	for (int i = 0; i < ASSAY__VITAL_MEASURES; i++) {
		reference->mean[i] = watch->average[i];
		reference->sd[i] = sqrt(watch->square[i] / (n - 1));
	}
	watch->learned = true;
}

static double tolerated(const struct assay__vital_watch *watch, enum assay__vital_measure measure)
{
	const struct assay__vital_limits *limits = &watch->limits;

	switch (measure) {
	case ASSAY__VITAL_LIGHT:
		return limits->light * watch->reference.mean[measure];
	case ASSAY__VITAL_CLIPPED:
		return limits->clipped;
	case ASSAY__VITAL_TILT_X:
	case ASSAY__VITAL_TILT_Y:
		return limits->tilt;
	case ASSAY__VITAL_FALLOFF:
		return limits->tilt * watch->reference.mean[measure];
	case ASSAY__VITAL_FOCUS:
		return limits->focus * watch->reference.mean[measure];
	default:
		return limits->shift_px;
	}
}

void assay__vital_watch_read(const struct assay__vital_watch *watch, enum assay__vital_measure measure,
							 struct assay__vital_reading *out)
{
	const struct assay__vital_reference *reference = &watch->reference;
	double chance;

	*out = (struct assay__vital_reading){.now = watch->average[measure], .reference = watch->average[measure]};
	if (!watch->learned)
		return;
	out->reference = reference->mean[measure];
	out->limit = tolerated(watch, measure);
	chance = DEVIATIONS * reference->sd[measure] * sqrt(SHARE / (2 - SHARE) + 1.0 / reference->parts);
	if (chance > out->limit)
		out->limit = chance;
	out->out = fabs(out->now - out->reference) > out->limit;
}

double assay__vital_watch_evidence(const struct assay__vital_watch *watch)
{
	double sum = 0;

	for (int i = 0; i < ASSAY__VITAL_BETS; i++)
		sum += watch->bets[i];
	return sum / ASSAY__VITAL_BETS;
}

/* The change as a share of its limit: above 1 is out. Positive: more than at first. */
static double excess(const struct assay__vital_watch *watch, enum assay__vital_measure measure)
{
	struct assay__vital_reading reading;

	assay__vital_watch_read(watch, measure, &reading);
	return reading.limit > 0 ? (reading.now - reading.reference) / reading.limit : 0;
}

/* The largest excess of the measures from first to last, without sign. */
static double worst(const struct assay__vital_watch *watch, int first, int last)
{
	double most = 0;

	for (int i = first; i <= last; i++) {
		double value = fabs(excess(watch, (enum assay__vital_measure)i));

		most = value > most ? value : most;
	}
	return most;
}

/* What the averages say now. What is told goes only when it is well within its limit. */
static enum assay__vital_cause find(const struct assay__vital_watch *watch)
{
	bool told = watch->told != ASSAY__VITAL_FINE;
	double bound = told ? 0.5 : 1;
	bool evident = assay__vital_watch_evidence(watch) >= watch->limits.run_length;

	if (worst(watch, ASSAY__VITAL_SHIFT_X, ASSAY__VITAL_SHIFT_Y) > (watch->told == ASSAY__VITAL_MOVED ? bound : 1))
		return ASSAY__VITAL_MOVED;
	if (excess(watch, ASSAY__VITAL_FOCUS) < -(watch->told == ASSAY__VITAL_BLURRED ? bound : 1))
		return ASSAY__VITAL_BLURRED;
	if (worst(watch, ASSAY__VITAL_LIGHT, ASSAY__VITAL_FALLOFF) > (watch->told == ASSAY__VITAL_LAMP ? bound : 1))
		return ASSAY__VITAL_LAMP;
	if (watch->told == ASSAY__VITAL_PROCESS)
		return fabs(watch->rank - 0.5) > RANK_BACK || excess(watch, ASSAY__VITAL_FOCUS) > 0.5 ? ASSAY__VITAL_PROCESS
																							  : ASSAY__VITAL_FINE;
	/* Scores follow camera and light: while one of those is on its way out they say nothing about the process. */
	if (worst(watch, ASSAY__VITAL_LIGHT, ASSAY__VITAL_FALLOFF) > 0.5 ||
		worst(watch, ASSAY__VITAL_SHIFT_X, ASSAY__VITAL_SHIFT_Y) > 0.5 || excess(watch, ASSAY__VITAL_FOCUS) < -0.5)
		return ASSAY__VITAL_FINE;
	if ((evident && fabs(watch->rank - 0.5) > RANK_OUT) || excess(watch, ASSAY__VITAL_FOCUS) > 1)
		return ASSAY__VITAL_PROCESS;
	return ASSAY__VITAL_FINE;
}

bool assay__vital_watch_add(struct assay__vital_watch *watch, const struct assay__vital *vital,
							const struct assay_rect_px *area, uint32_t score_q8)
{
	double values[ASSAY__VITAL_MEASURES];
	enum assay__vital_cause cause;
	int score = score_class(score_q8);

	/* Pictures of another size have nothing to compare. */
	if (watch->reference.columns &&
		(watch->reference.columns != vital->columns || watch->reference.rows != vital->rows))
		return false;
	values_of(watch, vital, area, values);
	if (!watch->learned) {
		learn(watch, values, score);
		return false;
	}
	watch->parts++;
	for (int i = 0; i < ASSAY__VITAL_MEASURES; i++)
		watch->average[i] += SHARE * (values[i] - watch->average[i]);
	add_score(watch, score);
	cause = find(watch);
	watch->held = cause == watch->candidate ? watch->held + 1 : 1;
	watch->candidate = cause;
	if (cause == watch->told || watch->held < ASSAY__VITAL_CONFIRM)
		return false;
	watch->told = cause;
	if (cause == ASSAY__VITAL_FINE)
		memset(watch->bets, 0, sizeof(watch->bets));
	return true;
}
