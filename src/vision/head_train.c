/* SPDX-License-Identifier: Apache-2.0 */
#include "vision/head_train.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/err.h"

#define HIDDEN ASSAY__HEAD_HIDDEN
#define TOP ASSAY__HEAD_TOP

#define SEED 0x6173736179ull
#define BATCH 32
#define EPOCHS 20
#define STEPS_LEAST 600
#define STEPS_MOST 2500
#define RATE 0.004f
#define WARM_UP 10		/* percent of the steps */
#define SCATTER 20		/* percent of the steps that look at random cells */
#define SCATTERED 8		/* of a bag in such a step */
#define DECAY 1e-4f		/* of weights, times the rate */
#define FEATURE_UNIT 24 /* features are 1/24 of a channel's deviation */
#define FIXED_BITS 12	/* of a logit */

struct numbers { /* of every parameter: value, gradient and the two moments of Adam */
	float *value, *slope, *first, *second;
};

struct training {
	const struct assay__example *examples;
	const int *pick;
	int scale, dim, parameters;
	struct numbers p;
	float largest_unit;
	struct assay__head *head;
	int32_t *logits;
	int *order[2]; /* of good and of defective examples, shuffled again whenever it is used up */
	int count[2], at[2];
	uint64_t state;
	float unit[HIDDEN];
	bool scatter;
};

/* Where the parameters are: w1 (dim rows of 64), bias1, w2, bias2. */
static int at_bias1(const struct training *t)
{
	return t->dim * HIDDEN;
}

static int at_w2(const struct training *t)
{
	return at_bias1(t) + HIDDEN;
}

static int at_bias2(const struct training *t)
{
	return at_w2(t) + HIDDEN;
}

/* splitmix64 (Steele, Lea, Flood, OOPSLA 2014) */
static uint64_t draw(struct training *t)
{
	uint64_t z = t->state += 0x9e3779b97f4a7c15ull;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

/* About normal, deviation 1: twelve uniforms less their mean. */
static float draw_normal(struct training *t)
{
	int64_t sum = 0;
	for (int i = 0; i < 12; i++)
		sum += (int64_t)(draw(t) >> 40);
	return (float)(sum - 6 * (1 << 24)) * (1.0f / (1 << 24));
}

double assay__logistic(double x)
{
	if (x > 40)
		x = 40;
	if (x < -40)
		x = -40;
	/* e^-x = 2^n e^r, |r| <= ln 2 / 2 */
	double n = floor(-x * 1.4426950408889634 + 0.5), r = -x - n * 0.6931471805599453, e = 1;
	for (int k = 13; k > 0; k--)
		e = 1 + e * r / k;
	uint64_t bits = (uint64_t)(1023 + (int64_t)n) << 52;
	double power;
	memcpy(&power, &bits, sizeof(power));
	return 1 / (1 + e * power);
}

static int next_example(struct training *t, int kind)
{
	if (t->at[kind] == 0)
		for (int i = t->count[kind] - 1; i > 0; i--) {
			int j = (int)(draw(t) % (uint64_t)(i + 1)), kept = t->order[kind][i];
			t->order[kind][i] = t->order[kind][j];
			t->order[kind][j] = kept;
		}
	int index = t->order[kind][t->at[kind]];
	t->at[kind] = (t->at[kind] + 1) % t->count[kind];
	return index;
}

static int32_t round_to(float value, double scale, int32_t most)
{
	double v = floor((double)value * scale + 0.5);
	return (int32_t)(v > most ? most : v < -most ? -most : v);
}

/* The largest n within [least, most] with value * 2^n <= limit. */
static int fitting_bits(double value, double limit, int least, int most)
{
	int n = most;
	while (n > least && value * (n >= 0 ? (double)(1 << n) : 1.0 / (double)(1 << -n)) > limit)
		n--;
	return n;
}

static float largest(const float *values, int count)
{
	float most = 0;
	for (int i = 0; i < count; i++) {
		float v = fabsf(values[i]);
		most = v > most ? v : most;
	}
	return most;
}

/* The integer head of the float parameters; scales are powers of two. */
static void quantise(struct training *t)
{
	struct assay__head *head = t->head;
	const float *w1 = t->p.value, *b1 = w1 + at_bias1(t), *w2 = w1 + at_w2(t);
	double w1_most = (double)largest(w1, t->dim * HIDDEN) / FEATURE_UNIT;
	int a = fitting_bits(w1_most, ASSAY__HEAD_WEIGHT_MOST, 0, 24);
	int bias_fits = fitting_bits((double)largest(b1, HIDDEN), ASSAY__HEAD_BIAS_MOST, 0, 24);
	a = a < bias_fits ? a : bias_fits;
	/* units of cells not seen in a step may be larger than any that were */
	int b = fitting_bits(4 * (double)t->largest_unit, ASSAY__HEAD_UNIT_MOST, 0, a);
	int c =
		fitting_bits((double)largest(w2, HIDDEN), ASSAY__HEAD_WEIGHT_MOST, 0, FIXED_BITS + ASSAY__HEAD_SHIFT2_MOST - b);
	double bias2 = fabs((double)w1[at_bias2(t)]);
	while (c > 0 && bias2 * (double)(1ll << (b + c)) > ASSAY__HEAD_BIAS_MOST)
		c--;
	double scale1 = (double)(1 << a), scale2 = (double)(1 << c);
	head->shift1 = a - b;
	head->shift2 = b + c - FIXED_BITS;
	for (int i = 0; i < t->dim; i++)
		for (int j = 0; j < HIDDEN; j++)
			head->w1[assay__head_at(i, j)] =
				(int16_t)round_to(w1[i * HIDDEN + j], scale1 / FEATURE_UNIT, ASSAY__HEAD_WEIGHT_MOST);
	for (int j = 0; j < HIDDEN; j++) {
		head->bias1[j] = round_to(b1[j], scale1, ASSAY__HEAD_BIAS_MOST);
		head->w2[j] = (int16_t)round_to(w2[j], scale2, ASSAY__HEAD_WEIGHT_MOST);
	}
	head->bias2 = round_to(w1[at_bias2(t)], (double)(1ll << (b + c)), ASSAY__HEAD_BIAS_MOST);
}

/* The float head on one cell; leaves its hidden units in t->unit. */
static float forward(struct training *t, const int8_t *vector)
{
	const float *w1 = t->p.value, *w2 = w1 + at_w2(t);
	memcpy(t->unit, w1 + at_bias1(t), sizeof(t->unit));
	for (int i = 0; i < t->dim; i++) {
		const float x = (float)vector[i] * (1.0f / FEATURE_UNIT);
		const float *w = w1 + i * HIDDEN;
		for (int j = 0; j < HIDDEN; j++)
			t->unit[j] += x * w[j];
	}
	float logit = w1[at_bias2(t)];
	for (int j = 0; j < HIDDEN; j++) {
		t->unit[j] = t->unit[j] > 0 ? t->unit[j] : 0;
		t->largest_unit = t->unit[j] > t->largest_unit ? t->unit[j] : t->largest_unit;
		logit += w2[j] * t->unit[j];
	}
	return logit;
}

static void backward(struct training *t, const int8_t *vector, float slope)
{
	const float *w2 = t->p.value + at_w2(t);
	float *to = t->p.slope, back[HIDDEN];
	for (int j = 0; j < HIDDEN; j++) {
		to[at_w2(t) + j] += slope * t->unit[j];
		back[j] = t->unit[j] > 0 ? slope * w2[j] : 0;
		to[at_bias1(t) + j] += back[j];
	}
	to[at_bias2(t)] += slope;
	for (int i = 0; i < t->dim; i++) {
		const float x = (float)vector[i] * (1.0f / FEATURE_UNIT);
		float *w = to + i * HIDDEN;
		for (int j = 0; j < HIDDEN; j++)
			w[j] += x * back[j];
	}
}

/*
 * The first steps take random cells, each labelled as its bag: from random weights the highest cells are any cells, and
 * a defect that happens to start low would never be among them.
 */
static void learn_scattered(struct training *t, const struct assay__example *e, bool defect, float weight)
{
	for (int k = 0; k < SCATTERED; k++) {
		int cell = (int)(draw(t) % (uint64_t)e->cells[t->scale]);
		if (t->logits[cell] == INT32_MIN)
			continue;
		const int8_t *vector = e->vectors[t->scale] + (size_t)cell * (size_t)t->dim;
		float wrong = (float)assay__logistic((double)forward(t, vector)) - (defect ? 1.0f : 0.0f);
		backward(t, vector, wrong * weight / SCATTERED);
	}
}

/* One bag: its highest cells shall be `defect`. Logits of cells not in the bag are the lowest there are. */
static void learn_bag(struct training *t, const struct assay__example *e, bool defect, float weight)
{
	int top[TOP];
	if (t->scatter) {
		learn_scattered(t, e, defect, weight);
		return;
	}
	int count = assay__head_top(t->logits, e->cells[t->scale], top);
	while (count > 0 && t->logits[top[count - 1]] == INT32_MIN)
		count--;
	if (count == 0)
		return;
	float sum = 0;
	for (int k = 0; k < count; k++)
		sum += forward(t, e->vectors[t->scale] + (size_t)top[k] * (size_t)t->dim);
	float wrong = (float)assay__logistic((double)(sum / (float)count)) - (defect ? 1.0f : 0.0f);
	for (int k = 0; k < count; k++) {
		const int8_t *vector = e->vectors[t->scale] + (size_t)top[k] * (size_t)t->dim;
		forward(t, vector);
		backward(t, vector, wrong * weight / (float)count);
	}
}

static void learn_example(struct training *t, int index)
{
	const struct assay__example *e = &t->examples[index];
	float weight = 1.0f / BATCH;
	assay__head_run(t->head, e->vectors[t->scale], e->cells[t->scale], t->logits);
	if (!e->defect || !e->marks[t->scale]) {
		learn_bag(t, e, e->defect, weight);
		return;
	}
	for (int i = 0; i < e->cells[t->scale]; i++)
		if (!e->marks[t->scale][i])
			t->logits[i] = INT32_MIN;
	learn_bag(t, e, true, weight);
	/* outside the marks it is as good as a good part, but marks are drawn roughly: half the weight */
	assay__head_run(t->head, e->vectors[t->scale], e->cells[t->scale], t->logits);
	for (int i = 0; i < e->cells[t->scale]; i++)
		if (e->marks[t->scale][i])
			t->logits[i] = INT32_MIN;
	learn_bag(t, e, false, weight / 2);
}

/* Adam with decoupled decay (Kingma & Ba 2015; Loshchilov & Hutter 2019). */
static void update(struct training *t, float rate, float scale1, float scale2)
{
	float *value = t->p.value, *slope = t->p.slope, *first = t->p.first, *second = t->p.second;
	for (int i = 0; i < t->parameters; i++) {
		first[i] = 0.9f * first[i] + 0.1f * slope[i];
		second[i] = 0.999f * second[i] + 0.001f * (slope[i] * slope[i]);
		float step = first[i] * scale1 / (sqrtf(second[i] * scale2) + 1e-8f);
		value[i] -= rate * (step + DECAY * value[i]);
		slope[i] = 0;
	}
}

static float rate_at(int step, int steps)
{
	int warm = steps * WARM_UP / 100;
	float share = step < warm ? (float)(step + 1) / (float)warm : (float)(steps - step) / (float)(steps - warm);
	return RATE * share;
}

static int run(struct training *t, int (*stop)(void *ctx), void *ctx, struct assay_error *error)
{
	int larger = t->count[0] > t->count[1] ? t->count[0] : t->count[1];
	int64_t wanted = (int64_t)larger * 2 * EPOCHS / BATCH;
	int steps = (int)(wanted < STEPS_LEAST ? STEPS_LEAST : wanted > STEPS_MOST ? STEPS_MOST : wanted);
	double power1 = 1, power2 = 1;
	float spread = sqrtf(2.0f / (float)t->dim), spread2 = sqrtf(1.0f / HIDDEN);
	for (int i = 0; i < t->dim * HIDDEN; i++)
		t->p.value[i] = draw_normal(t) * spread;
	for (int j = 0; j < HIDDEN; j++)
		t->p.value[at_w2(t) + j] = draw_normal(t) * spread2;
	t->largest_unit = 8;
	for (int step = 0; step < steps; step++) {
		if (stop && stop(ctx))
			return assay__fail(error, ASSAY_E_CANCELLED, -1, "cancelled while learning from labels");
		t->scatter = step < steps * SCATTER / 100;
		quantise(t);
		for (int i = 0; i < BATCH; i++)
			learn_example(t, next_example(t, i % 2));
		power1 *= 0.9;
		power2 *= 0.999;
		update(t, rate_at(step, steps), (float)(1 / (1 - power1)), (float)(1 / (1 - power2)));
	}
	quantise(t);
	return 0;
}

static int open_training(struct training *t, int count, enum assay_isa isa, const struct assay_allocator *allocator,
						 struct assay_error *error)
{
	int cells = 1;
	for (int i = 0; i < count; i++) {
		const struct assay__example *e = &t->examples[t->pick ? t->pick[i] : i];
		assert(e->cells[t->scale] >= 1);
		cells = e->cells[t->scale] > cells ? e->cells[t->scale] : cells;
		t->count[e->defect]++;
	}
	if (t->count[0] < 1 || t->count[1] < 1)
		return assay__fail(error, ASSAY_E_ARGUMENT, -1,
						   "%d good and %d defective pictures; labels teach from at least one of each", t->count[0],
						   t->count[1]);
	int rc = assay__head_open(t->dim, isa, allocator, &t->head, error);
	if (rc)
		return rc;
	t->parameters = at_bias2(t) + 1;
	float **arrays[4] = {&t->p.value, &t->p.slope, &t->p.first, &t->p.second};
	bool all = true;
	for (int i = 0; i < 4; i++)
		all &= (*arrays[i] = assay__calloc(allocator, (size_t)t->parameters, sizeof(float))) != NULL;
	for (int k = 0; k < 2; k++)
		all &= (t->order[k] = assay__calloc(allocator, (size_t)t->count[k], sizeof(int))) != NULL;
	t->logits = assay__calloc(allocator, (size_t)cells, sizeof(*t->logits));
	if (!all || !t->logits)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory to learn from %d pictures", count);
	int filled[2] = {0, 0};
	for (int i = 0; i < count; i++) {
		int index = t->pick ? t->pick[i] : i, kind = t->examples[index].defect;
		t->order[kind][filled[kind]++] = index;
	}
	return 0;
}

int assay__head_train(const struct assay__example *examples, const int *pick, int count, int scale, int dim,
					  enum assay_isa isa, int (*stop)(void *ctx), void *ctx, const struct assay_allocator *allocator,
					  struct assay__head **out, struct assay_error *error)
{
	struct training t = {.examples = examples, .pick = pick, .scale = scale, .dim = dim, .state = SEED};
	int rc = open_training(&t, count, isa, allocator, error);
	if (rc == 0)
		rc = run(&t, stop, ctx, error);
	assay__free(allocator, t.p.value);
	assay__free(allocator, t.p.slope);
	assay__free(allocator, t.p.first);
	assay__free(allocator, t.p.second);
	assay__free(allocator, t.order[0]);
	assay__free(allocator, t.order[1]);
	assay__free(allocator, t.logits);
	if (rc) {
		assay__head_close(t.head);
		return rc;
	}
	*out = t.head;
	return 0;
}
