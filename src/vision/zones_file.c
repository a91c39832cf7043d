/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a zones file: one statement a line, '#' starts a remark. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/text.h"
#include "vision/zones.h"

#define WORD_BYTES 64

struct parser {
	const char *file;
	const char *at, *line_end, *end;
	int line;
	double mm_per_px;
	struct assay_zones *zones;
	int polygon_capacity, corner_capacity;
	bool elsewhere_given; /* zone 0, which is there from the start */
	struct assay_error *error;
};

static int fail_at(struct parser *p, enum assay_err code, const char *format, const char *what)
{
	char message[300];
	if (what)
		snprintf(message, sizeof(message), format, what);
	else
		snprintf(message, sizeof(message), "%s", format);
	return assay__fail(p->error, code, p->line, "%s:%d: %s", p->file, p->line, message);
}

/* The next word of the line; empty at its end. False if it is too long or not text. */
static bool next_word(struct parser *p, char word[WORD_BYTES])
{
	size_t length = 0;
	while (p->at < p->line_end && (*p->at == ' ' || *p->at == '\t' || *p->at == '\r'))
		p->at++;
	while (p->at < p->line_end && *p->at != ' ' && *p->at != '\t' && *p->at != '\r') {
		if (length == WORD_BYTES - 1 || (unsigned char)*p->at < ' ') {
			word[length] = '\0';
			return false;
		}
		word[length++] = *p->at++;
	}
	word[length] = '\0';
	return true;
}

static int need_word(struct parser *p, const char *expected, char word[WORD_BYTES])
{
	char quoted[ASSAY__QUOTE_CHARS], message[160];
	if (!next_word(p, word))
		return fail_at(p, ASSAY_E_FORMAT, "%s is no word of at most 63 printable bytes",
					   assay__text_quote(word, quoted));
	if (word[0])
		return 0;
	snprintf(message, sizeof(message), "the line ends where %s was expected", expected);
	return fail_at(p, ASSAY_E_FORMAT, message, NULL);
}

/* A zone number the file may use. */
static int need_number(struct parser *p, int *number)
{
	char word[WORD_BYTES], quoted[ASSAY__QUOTE_CHARS];
	int64_t value = 0;
	int rc = need_word(p, "a zone number from 0 to 255", word);
	if (rc)
		return rc;
	if (!assay__text_to_int64(word, &value) || value < 0 || value > ASSAY__ZONE_NUMBER_MOST)
		return fail_at(p, ASSAY_E_FORMAT, "found %s, expected a zone number from 0 to 255",
					   assay__text_quote(word, quoted));
	*number = (int)value;
	return 0;
}

/* "12", "12px", and with a scale "3mm" (areas "3mm2"). */
static int need_size(struct parser *p, bool area, int *size_px)
{
	char word[WORD_BYTES], given[WORD_BYTES], quoted[ASSAY__QUOTE_CHARS];
	const char *mm = area ? "mm2" : "mm";
	double value = 0, scale = 1;
	int rc = need_word(p, area ? "an area such as 40px or 2mm2" : "a length such as 12px or 3mm", word);
	if (rc)
		return rc;
	size_t length = strlen(word);
	memcpy(given, word, length + 1);
	assay__text_quote(given, quoted);
	if (length > strlen(mm) && strcmp(word + length - strlen(mm), mm) == 0) {
		if (!(p->mm_per_px > 0))
			return fail_at(p, ASSAY_E_FORMAT,
						   "%s is in millimetres, and the size of a pixel is not known; give --mm-per-px", quoted);
		scale = area ? 1 / (p->mm_per_px * p->mm_per_px) : 1 / p->mm_per_px;
		word[length - strlen(mm)] = '\0';
	} else if (length > 2 && strcmp(word + length - 2, "px") == 0) {
		word[length - 2] = '\0';
	}
	if (!assay__text_to_double(word, &value) || !(value >= 0 && value * scale <= ASSAY__ZONE_SIZE_MOST_PX))
		return fail_at(p, ASSAY_E_FORMAT,
					   area ? "found %s, expected an area such as 40px or 2mm2 of at most 1000000000 px"
							: "found %s, expected a length such as 12px or 3mm of at most 1000000000 px",
					   quoted);
	*size_px = (int)(value * scale + 0.5);
	return 0;
}

static int need_weight(struct parser *p, uint32_t *weight_q8)
{
	char word[WORD_BYTES], quoted[ASSAY__QUOTE_CHARS];
	double value = 0;
	int rc = need_word(p, "a weight from 0.1 to 100", word);
	if (rc)
		return rc;
	if (!assay__text_to_double(word, &value) || !(value >= 0.1 && value <= 100))
		return fail_at(p, ASSAY_E_FORMAT, "found %s, expected a weight from 0.1 to 100",
					   assay__text_quote(word, quoted));
	uint32_t q8 = (uint32_t)(value * 256 + 0.5);
	*weight_q8 = q8 < ASSAY__ZONE_WEIGHT_LEAST_Q8 ? ASSAY__ZONE_WEIGHT_LEAST_Q8 : q8;
	return 0;
}

/* zone NUMBER NAME [weight W] [area A] [length L] */
static int read_zone(struct parser *p)
{
	struct assay_zones *zones = p->zones;
	struct assay__zone zone = {.weight_q8 = 256};
	char word[WORD_BYTES], quoted[ASSAY__QUOTE_CHARS];
	int rc = need_number(p, &zone.number);
	if (rc == 0)
		rc = need_word(p, "the zone's name", word);
	if (rc)
		return rc;
	if (strlen(word) >= ASSAY__ZONE_NAME_BYTES)
		return fail_at(p, ASSAY_E_LIMIT, "the name %s is longer than 31 bytes", assay__text_quote(word, quoted));
	for (const char *c = word; *c;) {
		size_t bytes = assay__text_utf8(c, strlen(c));
		if (bytes == 0)
			return fail_at(p, ASSAY_E_FORMAT, "the name %s is not UTF-8", assay__text_quote(word, quoted));
		c += bytes;
	}
	memcpy(zone.name, word, strlen(word) + 1);
	for (int i = 0; i < zones->count; i++)
		if (strcmp(zones->list[i].name, zone.name) == 0 && zones->list[i].number != zone.number)
			return fail_at(p, ASSAY_E_FORMAT, "two zones are called %s", assay__text_quote(word, quoted));
	while (rc == 0) {
		if (!next_word(p, word))
			return fail_at(p, ASSAY_E_FORMAT, "%s is no word", assay__text_quote(word, quoted));
		if (!word[0])
			break;
		if (strcmp(word, "weight") == 0)
			rc = need_weight(p, &zone.weight_q8);
		else if (strcmp(word, "area") == 0)
			rc = need_size(p, true, &zone.least_area_px);
		else if (strcmp(word, "length") == 0)
			rc = need_size(p, false, &zone.least_length_px);
		else
			rc = fail_at(p, ASSAY_E_FORMAT, "found %s, expected weight, area or length",
						 assay__text_quote(word, quoted));
	}
	if (rc)
		return rc;
	int at = 0;
	while (at < zones->count && zones->list[at].number < zone.number)
		at++;
	if (at < zones->count && zones->list[at].number == zone.number) {
		if (zone.number != 0 || p->elsewhere_given)
			return fail_at(p, ASSAY_E_FORMAT, "this zone number has been given before", NULL);
		p->elsewhere_given = true;
		zones->list[0] = zone;
		return 0;
	}
	if (zones->count == ASSAY__ZONES_MOST)
		return fail_at(p, ASSAY_E_LIMIT, "more than 32 zones, the one of what no other covers included", NULL);
	if (p->zones->polygon_count)
		return fail_at(p, ASSAY_E_FORMAT, "zones must be named before the first polygon", NULL);
	memmove(&zones->list[at + 1], &zones->list[at], sizeof(zone) * (size_t)(zones->count - at));
	zones->list[at] = zone;
	zones->count++;
	return 0;
}

/* Room for one more item in a growing array. */
static int grow(struct parser *p, void **array, size_t item_bytes, int count, int *capacity)
{
	if (count < *capacity)
		return 0;
	int wanted = *capacity ? *capacity * 2 : 64;
	void *bigger = assay__alloc(p->zones->allocator, (size_t)wanted * item_bytes);
	if (!bigger)
		return assay__fail(p->error, ASSAY_E_NOMEM, -1, "%s: no memory for the zones", p->file);
	if (count)
		memcpy(bigger, *array, (size_t)count * item_bytes);
	assay__free(p->zones->allocator, *array);
	*array = bigger;
	*capacity = wanted;
	return 0;
}

static bool read_corner(char *word, int corner[2])
{
	char *comma = strchr(word, ',');
	int64_t x = 0, y = 0;
	if (!comma)
		return false;
	*comma = '\0';
	bool good = assay__text_to_int64(word, &x) && assay__text_to_int64(comma + 1, &y) && x >= 0 && y >= 0 &&
				x <= ASSAY_IMAGE_MAX_SIDE_PX && y <= ASSAY_IMAGE_MAX_SIDE_PX;
	*comma = ',';
	corner[0] = (int)x;
	corner[1] = (int)y;
	return good;
}

/* polygon NUMBER X,Y X,Y X,Y ... */
static int read_polygon(struct parser *p)
{
	struct assay_zones *zones = p->zones;
	struct assay__polygon polygon = {.first = zones->corner_count, .line = p->line};
	char word[WORD_BYTES], quoted[ASSAY__QUOTE_CHARS];
	int number = 0, rc = need_number(p, &number);
	if (rc)
		return rc;
	polygon.zone = assay__zones_find(zones, number);
	if (polygon.zone < 0)
		return fail_at(p, ASSAY_E_FORMAT, "no zone of this number has been named above", NULL);
	if (zones->polygon_count == ASSAY__ZONE_POLYGONS_MOST)
		return fail_at(p, ASSAY_E_LIMIT, "more than 256 polygons", NULL);
	for (;;) {
		int corner[2];
		if (!next_word(p, word))
			return fail_at(p, ASSAY_E_FORMAT, "%s is no corner", assay__text_quote(word, quoted));
		if (!word[0])
			break;
		if (!read_corner(word, corner))
			return fail_at(p, ASSAY_E_FORMAT, "found %s, expected a corner x,y in whole pixels from 0 to 65500",
						   assay__text_quote(word, quoted));
		if (polygon.count == ASSAY__ZONE_CORNERS_MOST)
			return fail_at(p, ASSAY_E_LIMIT, "a polygon of more than 1000 corners", NULL);
		void *corners = zones->corners;
		rc = grow(p, &corners, sizeof(corner), zones->corner_count, &p->corner_capacity);
		zones->corners = corners;
		if (rc)
			return rc;
		memcpy(zones->corners[zones->corner_count++], corner, sizeof(corner));
		polygon.count++;
	}
	if (polygon.count < 3)
		return fail_at(p, ASSAY_E_FORMAT, "a polygon needs at least three corners", NULL);
	void *polygons = zones->polygons;
	rc = grow(p, &polygons, sizeof(polygon), zones->polygon_count, &p->polygon_capacity);
	zones->polygons = polygons;
	if (rc == 0)
		zones->polygons[zones->polygon_count++] = polygon;
	return rc;
}

/* painted FILE, to the end of the line, relative to the zones file */
static int read_painted(struct parser *p)
{
	const struct assay_allocator *allocator = p->zones->allocator;
	const char *slash = strrchr(p->file, '/'), *end = p->line_end;
	while (p->at < end && (*p->at == ' ' || *p->at == '\t'))
		p->at++;
	while (end > p->at && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r'))
		end--;
	size_t folder = slash && p->at < end && *p->at != '/' ? (size_t)(slash - p->file) + 1 : 0;
	size_t length = (size_t)(end - p->at);
	if (length == 0 || length > 4000 || memchr(p->at, '\0', length))
		return fail_at(p, ASSAY_E_FORMAT, "expected the name of a picture after painted", NULL);
	if (p->zones->painted.pixels)
		return fail_at(p, ASSAY_E_FORMAT, "a second painted picture", NULL);
	char *path = assay__alloc(allocator, folder + length + 1);
	if (!path)
		return assay__fail(p->error, ASSAY_E_NOMEM, -1, "%s: no memory for a path", p->file);
	memcpy(path, p->file, folder);
	memcpy(path + folder, p->at, length);
	path[folder + length] = '\0';
	p->at = p->line_end;
	int rc = assay_image_load(path, allocator, &p->zones->painted, p->error);
	if (rc)
		assay__fail_prefix(p->error, "%s:%d", p->file, p->line);
	else if (p->zones->painted.channels != 1 || p->zones->painted.depth_bits != 8)
		rc = fail_at(p, ASSAY_E_FORMAT, "%s is not 8-bit grey; its grey values are to be the zones' numbers", path);
	assay__free(allocator, path);
	return rc;
}

/* A picture of another mind than the text: every grey value must be a zone's number. */
static int check_painted(struct parser *p)
{
	const struct assay_image *painted = &p->zones->painted;
	bool known[ASSAY__ZONE_NUMBER_MOST + 1] = {false};
	for (int i = 0; i < p->zones->count; i++)
		known[p->zones->list[i].number] = true;
	for (int y = 0; painted->pixels && y < painted->height_px; y++)
		for (int x = 0; x < painted->width_px; x++) {
			int number = painted->pixels[(size_t)y * painted->stride_bytes + (size_t)x];
			if (!known[number])
				return assay__fail(
					p->error, ASSAY_E_FORMAT, -1,
					"%s: the painted picture has the grey value %d at %d,%d, and no zone has that number", p->file,
					number, x, y);
		}
	return 0;
}

static int read_line(struct parser *p)
{
	char word[WORD_BYTES], quoted[ASSAY__QUOTE_CHARS];
	const char *remark = memchr(p->at, '#', (size_t)(p->line_end - p->at));
	if (remark)
		p->line_end = remark;
	if (memchr(p->at, '\0', (size_t)(p->line_end - p->at)))
		return fail_at(p, ASSAY_E_FORMAT, "a zero byte: this is not a text file", NULL);
	if (!next_word(p, word))
		return fail_at(p, ASSAY_E_FORMAT, "%s is neither zone, polygon nor painted", assay__text_quote(word, quoted));
	if (!word[0])
		return 0;
	if (strcmp(word, "zone") == 0)
		return read_zone(p);
	if (strcmp(word, "polygon") == 0)
		return read_polygon(p);
	if (strcmp(word, "painted") == 0)
		return read_painted(p);
	return fail_at(p, ASSAY_E_FORMAT, "found %s, expected zone, polygon or painted", assay__text_quote(word, quoted));
}

int assay__zones_parse(const char *file, const char *text, size_t size, double mm_per_px,
					   const struct assay_allocator *allocator, struct assay_zones **out, struct assay_error *error)
{
	struct parser p = {.file = file, .at = text, .end = text + size, .mm_per_px = mm_per_px, .error = error};
	size_t length = strlen(file) + 1;
	int rc = 0;
	p.zones = assay__zones_new(allocator);
	if (p.zones)
		p.zones->file = assay__alloc(allocator, length);
	if (!p.zones || !p.zones->file) {
		assay_zones_free(p.zones);
		return assay__fail(error, ASSAY_E_NOMEM, -1, "%s: no memory for the zones", file);
	}
	memcpy(p.zones->file, file, length);
	while (rc == 0 && p.at < p.end) {
		const char *newline = memchr(p.at, '\n', (size_t)(p.end - p.at));
		const char *next = newline ? newline + 1 : p.end;
		p.line_end = newline ? newline : p.end;
		p.line++;
		rc = read_line(&p);
		p.at = next;
	}
	if (rc == 0)
		rc = check_painted(&p);
	if (rc == 0 && p.zones->polygon_count == 0 && !p.zones->painted.pixels && p.zones->count > 1)
		rc = assay__fail(error, ASSAY_E_FORMAT, -1, "%s: zones are named, but no polygon or painted picture says where",
						 file);
	if (rc) {
		assay_zones_free(p.zones);
		return rc;
	}
	*out = p.zones;
	return 0;
}

int assay_zones_load(const char *path, double mm_per_px, const struct assay_allocator *allocator,
					 struct assay_zones **out, struct assay_error *error)
{
	struct stat status;
	size_t got = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), rc = 0;
	if (fd < 0)
		return assay__fail(error, ASSAY_E_IO, -1, "%s: cannot open: %s", path, strerror(errno));
	if (fstat(fd, &status) || !S_ISREG(status.st_mode))
		rc = assay__fail(error, ASSAY_E_IO, -1, "%s: not a file", path);
	else if (status.st_size > ASSAY__ZONES_FILE_MOST_BYTES)
		rc = assay__fail(error, ASSAY_E_LIMIT, -1, "%s: %lld bytes; a zones file has at most %d", path,
						 (long long)status.st_size, ASSAY__ZONES_FILE_MOST_BYTES);
	size_t size = rc ? 0 : (size_t)status.st_size;
	char *text = rc ? NULL : assay__alloc(allocator, size + 1);
	if (rc == 0 && !text)
		rc = assay__fail(error, ASSAY_E_NOMEM, -1, "%s: no memory to read it", path);
	while (rc == 0 && got < size) {
		ssize_t n = read(fd, text + got, size - got);
		if (n < 0 && errno != EINTR)
			rc = assay__fail(error, ASSAY_E_IO, -1, "%s: cannot read: %s", path, strerror(errno));
		else if (n == 0)
			break;
		else if (n > 0)
			got += (size_t)n;
	}
	close(fd);
	if (rc == 0)
		rc = assay__zones_parse(path, text, got, mm_per_px, allocator, out, error);
	assay__free(allocator, text);
	return rc;
}
