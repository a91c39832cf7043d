/* SPDX-License-Identifier: Apache-2.0 */
/* Arithmetic of the virtual line that gives the same bits on every machine: no libm beyond sqrt and floor. */
#ifndef ASSAY_SRC_STATION_VIRTUAL_MATH_H
#define ASSAY_SRC_STATION_VIRTUAL_MATH_H

#include <float.h>
#include <stdint.h>

_Static_assert(FLT_EVAL_METHOD == 0, "pixels need float and double arithmetic of exactly their own width");

/* splitmix64 (Steele, Lea, Flood 2014), as a mixer and as a stream */
static inline uint64_t mix64(uint64_t z)
{
	z += 0x9E3779B97F4A7C15u;
	z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
	z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
	return z ^ (z >> 31);
}

struct rng {
	uint64_t state;
};

static inline struct rng rng_make(uint64_t seed, uint64_t index, uint64_t purpose)
{
	return (struct rng){mix64(mix64(mix64(seed) ^ index) ^ purpose)};
}

static inline uint64_t rng_next(struct rng *r)
{
	uint64_t z = mix64(r->state);

	r->state += 0x9E3779B97F4A7C15u;
	return z;
}

/* [0, 1) */
static inline double rng_unit(struct rng *r)
{
	return (double)(rng_next(r) >> 11) * (1.0 / 9007199254740992.0);
}

static inline double rng_range(struct rng *r, double low, double high)
{
	double u = rng_unit(r);

	return low + (high - low) * u;
}

static inline int rng_int(struct rng *r, int count)
{
	return (int)((rng_next(r) >> 33) % (uint64_t)count);
}

/* 32 well mixed bits of a lattice point (constants from lowbias32, C. Wellons) */
static inline uint32_t hash_xy(uint32_t x, uint32_t y, uint32_t seed)
{
	uint32_t h = x * 0x9E3779B1u ^ y * 0x85EBCA77u ^ seed * 0xC2B2AE3Du;

	h ^= h >> 16;
	h *= 0x7FEB352Du;
	h ^= h >> 15;
	h *= 0x846CA68Bu;
	return h ^ (h >> 16);
}

static inline double clamp01(double x)
{
	return x < 0 ? 0 : x > 1 ? 1 : x;
}

/* 0 below a, 1 above b, a cubic between; a > b turns it around */
static inline double smoothstep(double a, double b, double x)
{
	double t = clamp01((x - a) / (b - a));

	return t * t * (3 - 2 * t);
}

/* The smaller of two distances, blended where they differ by less than k (I. Quilez, quadratic smooth minimum) */
static inline double smooth_min(double a, double b, double k)
{
	double gap = a > b ? a - b : b - a, h = gap < k ? (k - gap) / k : 0, low = a < b ? a : b;

	return low - h * h * k * 0.25;
}

/* Largest whole number not above x; |x| < 2^31 */
static inline int32_t floor_int(double x)
{
	int32_t i = (int32_t)x;

	return (double)i > x ? i - 1 : i;
}

/* Taylor series to x^13 after reduction to a quarter turn; error below 1e-9 for |turns| < 1e6 */
static inline void sincos_turns(double turns, double *sine, double *cosine)
{
	int32_t quarter = floor_int(turns * 4 + 0.5);
	double x = (turns - quarter * 0.25) * 6.283185307179586, x2 = x * x;
	double s = x * (1 - x2 / 6 * (1 - x2 / 20 * (1 - x2 / 42 * (1 - x2 / 72 * (1 - x2 / 110)))));
	double c = 1 - x2 / 2 * (1 - x2 / 12 * (1 - x2 / 30 * (1 - x2 / 56 * (1 - x2 / 90 * (1 - x2 / 132)))));

	switch (quarter & 3) {
	case 0:
		*sine = s, *cosine = c;
		break;
	case 1:
		*sine = c, *cosine = -s;
		break;
	case 2:
		*sine = -s, *cosine = -c;
		break;
	default:
		*sine = -c, *cosine = s;
		break;
	}
}

/* Value noise in [-1, 1], C1, cell 1; lattice coordinates are taken modulo period (a power of two; 0: no wrap) */
static inline double noise_xy(double x, double y, uint32_t seed, uint32_t period)
{
	int32_t ix = floor_int(x), iy = floor_int(y);
	double fx = x - ix, fy = y - iy;
	uint32_t mask = period ? period - 1 : ~0u;
	uint32_t x0 = (uint32_t)ix & mask, x1 = (uint32_t)(ix + 1) & mask;
	uint32_t y0 = (uint32_t)iy & mask, y1 = (uint32_t)(iy + 1) & mask;
	double a = hash_xy(x0, y0, seed), b = hash_xy(x1, y0, seed), c = hash_xy(x0, y1, seed), d = hash_xy(x1, y1, seed);
	double ux = fx * fx * (3 - 2 * fx), uy = fy * fy * (3 - 2 * fy);
	double top = a + (b - a) * ux, bottom = c + (d - c) * ux;

	return (top + (bottom - top) * uy) * (2.0 / 4294967295.0) - 1;
}

#endif
