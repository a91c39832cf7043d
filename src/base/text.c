/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"

#include <assert.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DISTANCE_BYTES 64

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

bool assay__text_to_int64(const char *text, int64_t *out)
{
	bool negative = *text == '-';
	if (*text == '-' || *text == '+')
		text++;
	if (!*text)
		return false;
	int64_t value = 0;
	for (; *text; text++) {
		if (!is_digit(*text))
			return false;
		int digit = *text - '0';
		/* Counted towards the sign asked for, so that INT64_MIN fits. */
		if (__builtin_mul_overflow(value, 10, &value) ||
			__builtin_add_overflow(value, negative ? -digit : digit, &value))
			return false;
	}
	*out = value;
	return true;
}

/* strtod in the C locale, which needs no memory in the C libraries that have it. */
static bool c_strtod(const char *text, double *out)
{
	locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
	if (!c)
		return false;
	*out = strtod_l(text, NULL, c);
	freelocale(c);
	return true;
}

/* Is the whole text a number of the shape strtod reads in the C locale? */
static bool is_decimal(const char *text)
{
	if (*text == '-' || *text == '+')
		text++;
	int digits = 0;
	for (; is_digit(*text); text++)
		digits++;
	if (*text == '.')
		for (text++; is_digit(*text); text++)
			digits++;
	if (digits == 0)
		return false;
	if (*text == 'e' || *text == 'E') {
		text++;
		if (*text == '-' || *text == '+')
			text++;
		if (!is_digit(*text))
			return false;
		while (is_digit(*text))
			text++;
	}
	return *text == '\0';
}

bool assay__text_to_double(const char *text, double *out)
{
	double value;
	if (!is_decimal(text) || !c_strtod(text, &value) || !isfinite(value))
		return false;
	*out = value;
	return true;
}

/* Prints sign, the digits given and the decimal exponent of the first, plainly where that is short. */
static void place_point(bool negative, const char *digits, int count, int exponent, char out[ASSAY__NUMBER_CHARS])
{
	char *at = out;
	if (negative)
		*at++ = '-';
	if (exponent >= -5 && exponent < 0) {
		*at++ = '0';
		*at++ = '.';
		for (int i = -1; i > exponent; i--)
			*at++ = '0';
		memcpy(at, digits, (size_t)count);
		at += count;
	} else if (exponent >= 0 && exponent < 21) {
		for (int i = 0; i < count || i <= exponent; i++) {
			if (i == exponent + 1)
				*at++ = '.';
			*at++ = i < count ? digits[i] : '0';
		}
	} else {
		*at++ = digits[0];
		if (count > 1) {
			*at++ = '.';
			memcpy(at, digits + 1, (size_t)count - 1);
			at += count - 1;
		}
		at += snprintf(at, (size_t)(out + ASSAY__NUMBER_CHARS - at), "e%+d", exponent);
	}
	*at = '\0';
}

void assay__text_from_double(double value, int max_digits, char out[ASSAY__NUMBER_CHARS])
{
	assert(isfinite(value) && max_digits >= 1 && max_digits <= 17);
	char digits[18];
	int count = 0, exponent = 0;
	for (int wanted = 1; wanted <= max_digits; wanted++) {
		char printed[64];
		snprintf(printed, sizeof(printed), "%.*e", wanted - 1, fabs(value));
		/* Whatever the locale's decimal point is, it is not a digit. */
		count = 0;
		const char *at = printed;
		for (; *at && *at != 'e'; at++)
			if (is_digit(*at) && count < 17)
				digits[count++] = *at;
		exponent = atoi(at + 1);
		char plain[64];
		digits[count] = '\0';
		snprintf(plain, sizeof(plain), "%c.%se%d", digits[0], digits + 1, exponent);
		double back;
		if (c_strtod(plain, &back) && back == fabs(value))
			break;
	}
	while (count > 1 && digits[count - 1] == '0')
		count--;
	place_point(signbit(value) != 0, digits, count, exponent, out);
}

size_t assay__text_utf8(const char *bytes, size_t size)
{
	const unsigned char *b = (const unsigned char *)bytes;
	if (size == 0)
		return 0;
	if (b[0] < 0x80)
		return 1;
	size_t length = b[0] >= 0xC2 && b[0] < 0xE0	  ? 2
					: b[0] >= 0xE0 && b[0] < 0xF0 ? 3
					: b[0] >= 0xF0 && b[0] < 0xF5 ? 4
												  : 0;
	if (length == 0 || size < length)
		return 0;
	/* The second byte decides against overlong forms, surrogates and what is beyond U+10FFFF. */
	unsigned char low = b[0] == 0xE0 ? 0xA0 : b[0] == 0xF0 ? 0x90 : 0x80;
	unsigned char high = b[0] == 0xED ? 0x9F : b[0] == 0xF4 ? 0x8F : 0xBF;
	if (b[1] < low || b[1] > high)
		return 0;
	for (size_t i = 2; i < length; i++)
		if ((b[i] & 0xC0) != 0x80)
			return 0;
	return length;
}

const char *assay__text_quote(const char *text, char out[ASSAY__QUOTE_CHARS])
{
	size_t used = 0, at = 0, size = strnlen(text, ASSAY__QUOTE_CHARS);
	out[used++] = '\'';
	while (text[at]) {
		size_t length = assay__text_utf8(text + at, size - at);
		if (used + (length ? length : 1) > ASSAY__QUOTE_CHARS - 6) {
			memcpy(out + used, "...", 3);
			used += 3;
			break;
		}
		/* U+0080..U+009F steer terminals too. */
		bool control = length == 0 || (length == 1 && ((unsigned char)text[at] < 0x20 || text[at] == 0x7F)) ||
					   (length == 2 && (unsigned char)text[at] == 0xC2 && (unsigned char)text[at + 1] < 0xA0);
		if (control) {
			out[used++] = '?';
			at += length ? length : 1;
		} else {
			memcpy(out + used, text + at, length);
			used += length;
			at += length;
		}
	}
	out[used++] = '\'';
	out[used] = '\0';
	return out;
}

static int min_int(int a, int b)
{
	return a < b ? a : b;
}

int assay__text_distance(const char *a, const char *b)
{
	int a_length = (int)strnlen(a, MAX_DISTANCE_BYTES), b_length = (int)strnlen(b, MAX_DISTANCE_BYTES);
	/* Row i holds the distances of a's first i bytes to every prefix of b; swaps look back two rows. */
	int rows[3][MAX_DISTANCE_BYTES + 1];
	for (int j = 0; j <= b_length; j++)
		rows[0][j] = j;
	for (int i = 1; i <= a_length; i++) {
		int *row = rows[i % 3];
		const int *up = rows[(i + 2) % 3], *up2 = rows[(i + 1) % 3];
		row[0] = i;
		for (int j = 1; j <= b_length; j++) {
			row[j] = min_int(min_int(up[j], row[j - 1]) + 1, up[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = min_int(row[j], up2[j - 2] + 1);
		}
	}
	return rows[a_length % 3][b_length];
}

void assay__nearest_try(struct assay__nearest *nearest, const char *candidate)
{
	int given_length = (int)strnlen(nearest->given, MAX_DISTANCE_BYTES);
	int distance = assay__text_distance(nearest->given, candidate);
	/* One slip in a short word, one more for every four letters; a word typed halfway counts as one slip. */
	if (given_length >= 3 && distance > 1 && strncmp(nearest->given, candidate, (size_t)given_length) == 0)
		distance = 1;
	bool near = distance <= 1 + given_length / 4 && distance < given_length;
	if (near && (!nearest->best || distance < nearest->distance)) {
		nearest->best = candidate;
		nearest->distance = distance;
	}
}
