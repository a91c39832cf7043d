/* SPDX-License-Identifier: Apache-2.0 */
/* The raised lettering of the casting: strokes on a grid four wide and six high. */
#include "station/source/virtual_part.h"

#include <string.h>

/* corners "xy" in grid steps, a space lifts the pen */
static const struct {
	char letter;
	const char *strokes;
} glyphs[] = {
	{'1', "112026"},
	{'2', "01103041420646"},
	{'3', "01103041423323 334445361605"},
	{'4', "36300444"},
	{'7', "004016"},
	{'9', "4233130201103041453616"},
	{'A', "062046 1434"},
	{'C', "4130100105163645"},
	{'G', "41301001051636454323"},
	{'H', "0006 4046 0343"},
	{'S', "413010010213334445361605"},
	{'i', "2226 2020"},
	{'l', "2026"},
	{'u', "020516364542"},
};

static const struct {
	const char *text; /* '#' is the cavity */
	double x, y, height, stroke;
} lines[] = {{"GH 4172", 18, -12, 9.5, 0.95}, {"AlSi9Cu3", 18, 3, 7, 0.8}, {"C#", 18, 14, 7, 0.8}};

static double glyph_distance(char letter, double x, double y)
{
	const char *p = NULL;
	double least = 1e9;

	for (size_t i = 0; i < sizeof(glyphs) / sizeof(glyphs[0]); i++)
		if (glyphs[i].letter == letter)
			p = glyphs[i].strokes;
	if (!p)
		return least;
	while (p[0] && p[1]) {
		if (p[2] && p[2] != ' ') {
			double d = assay__virtual_segment(x, y, p[0] - '0', p[1] - '0', p[2] - '0', p[3] - '0', NULL);

			least = d < least ? d : least;
			p += 2;
		} else {
			p += p[2] == ' ' ? 3 : 2;
		}
	}
	return least;
}

double assay__virtual_lettering(double x, double y, int cavity)
{
	double most = 0;

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		double step = lines[i].height / 6, advance = step * 5.4;
		int letters = (int)strlen(lines[i].text), at = floor_int((x - lines[i].x + step * 0.7) / advance);

		if (y < lines[i].y - 3 || y > lines[i].y + lines[i].height + 3 || at < 0 || at >= letters)
			continue;
		char letter = lines[i].text[at] == '#' ? (char)('0' + cavity) : lines[i].text[at];
		double d = glyph_distance(letter, (x - lines[i].x - at * advance) / step, (y - lines[i].y) / step) * step;
		double share = smoothstep(lines[i].stroke + 0.7, lines[i].stroke - 0.5, d);

		most = share > most ? share : most;
	}
	return most;
}
