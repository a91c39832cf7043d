/* SPDX-License-Identifier: Apache-2.0 */
#include "base/option.h"

#include <math.h>
#include <string.h>

#include "base/text.h"

#define HELP_COLUMNS 80
#define MAX_NAME_COLUMNS 28

/* A limit of the row as people write it: "0.5%", "64". */
static void limit_text(const struct assay__option *row, double limit, char out[ASSAY__NUMBER_CHARS + 1])
{
	if (row->type == ASSAY__OPTION_PERCENT) {
		assay__text_from_double(limit * 100, 10, out);
		strcat(out, "%");
	} else {
		assay__text_from_double(limit, 17, out);
	}
}

static const char *unit_of(const struct assay__option *row)
{
	if (row->unit)
		return row->unit;
	return row->type == ASSAY__OPTION_PIXELS ? "px" : NULL;
}

void assay__option_range(const struct assay__option *row, char out[ASSAY__OPTION_TEXT_CHARS])
{
	char low[ASSAY__NUMBER_CHARS + 1] = "", high[ASSAY__NUMBER_CHARS + 1] = "";
	const char *unit = unit_of(row);
	bool numeric = row->type == ASSAY__OPTION_INT || row->type == ASSAY__OPTION_DOUBLE ||
				   row->type == ASSAY__OPTION_PERCENT || row->type == ASSAY__OPTION_PIXELS;
	out[0] = '\0';
	if (!numeric || (row->min == 0 && row->max == 0))
		return;
	if (isfinite(row->min))
		limit_text(row, row->min, low);
	if (isfinite(row->max))
		limit_text(row, row->max, high);
	if (!low[0] && !high[0])
		return;
	snprintf(out, ASSAY__OPTION_TEXT_CHARS, "%s%s%s%s%s", high[0] ? "" : "at least ", low[0] ? "" : "at most ", low,
			 low[0] && high[0] ? " to " : "", high);
	if (unit)
		snprintf(out + strlen(out), ASSAY__OPTION_TEXT_CHARS - strlen(out), " %s", unit);
}

/* "png, ppm or bmp" */
static void list_words(const char *const *words, char *out, size_t size)
{
	out[0] = '\0';
	for (int i = 0; words[i]; i++) {
		size_t used = strlen(out);
		snprintf(out + used, size - used, "%s%s", i == 0 ? "" : words[i + 1] ? ", " : " or ", words[i]);
	}
}

void assay__option_expected(const struct assay__option *row, char out[ASSAY__OPTION_TEXT_CHARS])
{
	static const char *const kinds[] = {
		[ASSAY__OPTION_FLAG] = "true or false",
		[ASSAY__OPTION_INT] = "a whole number",
		[ASSAY__OPTION_DOUBLE] = "a number",
		[ASSAY__OPTION_PERCENT] = "a percentage such as 0.5%",
		[ASSAY__OPTION_PIXELS] = "a whole number",
		[ASSAY__OPTION_TEXT] = "a text",
		[ASSAY__OPTION_PATH] = "a path",
		[ASSAY__OPTION_WORD] = "",
		[ASSAY__OPTION_RECT] = "x,y,width,height in px, such as 0,0,640,480",
	};
	char range[ASSAY__OPTION_TEXT_CHARS];
	assay__option_range(row, range);
	if (row->type == ASSAY__OPTION_WORD) {
		list_words(row->words, out, ASSAY__OPTION_TEXT_CHARS);
		return;
	}
	snprintf(out, ASSAY__OPTION_TEXT_CHARS, "%s", kinds[row->type]);
	if (range[0]) {
		const char *joint = strncmp(range, "at ", 3) == 0		 ? " of "
							: row->type == ASSAY__OPTION_PERCENT ? ", "
																 : " from ";
		size_t used = strlen(out);
		snprintf(out + used, ASSAY__OPTION_TEXT_CHARS - used, "%s%.200s", joint, range);
	} else if (unit_of(row)) {
		size_t used = strlen(out);
		snprintf(out + used, ASSAY__OPTION_TEXT_CHARS - used, " of %s", unit_of(row));
	}
}

static const char *value_name(const struct assay__option *row)
{
	static const char *const names[] = {
		[ASSAY__OPTION_FLAG] = "",		   [ASSAY__OPTION_INT] = "N",	  [ASSAY__OPTION_DOUBLE] = "X",
		[ASSAY__OPTION_PERCENT] = "SHARE", [ASSAY__OPTION_PIXELS] = "PX", [ASSAY__OPTION_TEXT] = "TEXT",
		[ASSAY__OPTION_PATH] = "PATH",	   [ASSAY__OPTION_WORD] = "WORD", [ASSAY__OPTION_RECT] = "X,Y,W,H",
	};
	return row->value ? row->value : names[row->type];
}

static bool on_by_default(const struct assay__option *row)
{
	struct assay__option copy = *row;
	bool on = false;
	copy.offset = 0;
	if (row->type == ASSAY__OPTION_FLAG)
		assay__option_defaults(&copy, 1, &on);
	return on;
}

/* "-o, --output FILE" */
static void name_text(const struct assay__option *row, char out[ASSAY__OPTION_TEXT_CHARS])
{
	const char *value = value_name(row);
	char letter[8] = "    ";
	if (row->letter)
		snprintf(letter, sizeof(letter), "-%c, ", row->letter);
	snprintf(out, ASSAY__OPTION_TEXT_CHARS, "%s--%s%.60s%s%.60s", letter, on_by_default(row) ? "[no-]" : "", row->name,
			 *value ? " " : "", value);
}

/* The default with its unit, if no range follows to name the unit; empty if there is none to show. */
static void default_text(const struct assay__option *row, bool with_unit, char out[ASSAY__OPTION_TEXT_CHARS])
{
	const char *unit = with_unit ? unit_of(row) : NULL;
	out[0] = '\0';
	if (row->type == ASSAY__OPTION_FLAG)
		snprintf(out, ASSAY__OPTION_TEXT_CHARS, "%s", on_by_default(row) ? "on" : "");
	else if (row->fallback)
		snprintf(out, ASSAY__OPTION_TEXT_CHARS, "%.200s%s%s", row->fallback, unit ? " " : "", unit ? unit : "");
}

/* What may be given: the range, or the words. */
static void allowed_text(const struct assay__option *row, char out[ASSAY__OPTION_TEXT_CHARS])
{
	if (row->type == ASSAY__OPTION_WORD)
		list_words(row->words, out, ASSAY__OPTION_TEXT_CHARS);
	else
		assay__option_range(row, out);
}

static int columns_of(const char *text, size_t length)
{
	int columns = 0;
	for (size_t i = 0; i < length; i++)
		columns += ((unsigned char)text[i] & 0xC0) != 0x80;
	return columns;
}

/* A running line of the help column. */
struct wrap {
	FILE *stream;
	int indent, column;
};

/* Prints text word by word, going on at the indent of the next line where the line is full. */
static void print_wrapped(struct wrap *wrap, const char *text)
{
	while (*text) {
		size_t length = strcspn(text, " ");
		int columns = columns_of(text, length);
		if (columns > 0) {
			bool first = wrap->column == wrap->indent;
			if (!first && wrap->column + 1 + columns > HELP_COLUMNS) {
				fprintf(wrap->stream, "\n%*s", wrap->indent, "");
				wrap->column = wrap->indent;
				first = true;
			}
			fprintf(wrap->stream, "%s%.*s", first ? "" : " ", (int)length, text);
			wrap->column += columns + !first;
		}
		text += length + strspn(text + length, " ");
	}
}

void assay__option_print_help(const struct assay__option *rows, int count, FILE *stream)
{
	int width = 0;
	char name[ASSAY__OPTION_TEXT_CHARS];
	for (int i = 0; i < count; i++) {
		name_text(&rows[i], name);
		int columns = columns_of(name, strlen(name));
		if (columns > width && columns <= MAX_NAME_COLUMNS)
			width = columns;
	}
	for (int i = 0; i < count; i++) {
		const struct assay__option *row = &rows[i];
		char fallback[ASSAY__OPTION_TEXT_CHARS], allowed[ASSAY__OPTION_TEXT_CHARS];
		struct wrap wrap = {.stream = stream, .indent = width + 4, .column = width + 4};
		name_text(row, name);
		int columns = columns_of(name, strlen(name));
		fprintf(stream, "  %s", name);
		if (columns > width)
			fprintf(stream, "\n%*s", wrap.indent, "");
		else
			fprintf(stream, "%*s", width - columns + 2, "");
		print_wrapped(&wrap, row->help);
		allowed_text(row, allowed);
		default_text(row, !allowed[0], fallback);
		char note[3 * ASSAY__OPTION_TEXT_CHARS];
		snprintf(note, sizeof(note), "(%s%s%s%s%s%s)", row->required ? "required" : "",
				 row->required && (fallback[0] || allowed[0]) ? "; " : "", fallback[0] ? "default " : "", fallback,
				 fallback[0] && allowed[0] ? "; " : "", allowed);
		if (note[1] != ')')
			print_wrapped(&wrap, note);
		fputc('\n', stream);
	}
}

/* A cell; the pipe would end it. */
static void print_cell(const char *text, FILE *stream)
{
	fputs("| ", stream);
	for (; *text; text++) {
		if (*text == '|')
			fputc('\\', stream);
		fputc(*text, stream);
	}
	fputc(' ', stream);
}

void assay__option_print_markdown(const struct assay__option *rows, int count, FILE *stream)
{
	fputs("| option | default | allowed | meaning |\n|---|---|---|---|\n", stream);
	for (int i = 0; i < count; i++) {
		const struct assay__option *row = &rows[i];
		char text[ASSAY__OPTION_TEXT_CHARS], cell[ASSAY__OPTION_TEXT_CHARS + 8];
		name_text(row, text);
		snprintf(cell, sizeof(cell), "`%s`", text + strspn(text, " "));
		print_cell(cell, stream);
		default_text(row, true, text);
		print_cell(row->required ? "required" : text, stream);
		allowed_text(row, text);
		print_cell(text, stream);
		print_cell(row->help, stream);
		fputs("|\n", stream);
	}
}
