/* SPDX-License-Identifier: Apache-2.0 */
#include "station/source/gstreamer_parse.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"

#define TEXT_MOST 8192
#define TAIL " ! videoconvert ! appsink"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static char init_failed[160];

static void init(void)
{
	GError *failed = NULL;

	if (!gst_init_check(NULL, NULL, &failed))
		snprintf(init_failed, sizeof(init_failed), "%s", failed ? failed->message : "unknown error");
	g_clear_error(&failed);
}

int assay__gstreamer_init(struct assay_error *error)
{
	pthread_once(&once, init);
	return *init_failed ? assay__fail(error, ASSAY_E_IO, -1, "cannot start GStreamer: %s", init_failed) : 0;
}

static GstElement *try_parse(const char *text, GError **failed)
{
	GstElement *element = gst_parse_launch_full(text, NULL, GST_PARSE_FLAG_FATAL_ERRORS, failed);

	if (*failed && element) {
		gst_object_unref(element);
		element = NULL;
	}
	return element;
}

/* The end of the part that begins at `at`: its "!" outside of quotes, or the end of the text. */
static size_t part_end(const char *text, size_t at)
{
	char quote = '\0';

	for (; text[at]; at++) {
		if (text[at] == '\\' && text[at + 1])
			at++;
		else if (quote)
			quote = text[at] == quote ? '\0' : quote;
		else if (text[at] == '"' || text[at] == '\'')
			quote = text[at];
		else if (text[at] == '!')
			break;
	}
	return at;
}

static size_t skip_blanks(const char *text, size_t at)
{
	return at + strspn(text + at, " \t\r\n");
}

/* Whether the beginning of the text is a pipeline, or would be if it went on: one cannot end in caps. */
static bool is_beginning(const char *text, size_t size, GError **failed)
{
	char beginning[TEXT_MOST + sizeof(" ! identity")];
	GError *ignored = NULL;
	GstElement *element;

	memcpy(beginning, text, size);
	beginning[size] = '\0';
	element = try_parse(beginning, &ignored);
	g_clear_error(&ignored);
	if (!element) {
		strcat(beginning, " ! identity");
		element = try_parse(beginning, failed);
	}
	if (element)
		gst_object_unref(element);
	return element != NULL;
}

/* The parser tells no place: it is the first part with which the beginning of the text is not a pipeline. */
static int fail_parse(const char *text, GError **last, struct assay_error *error)
{
	size_t at = skip_blanks(text, 0), end;
	GError *failed = NULL;
	const char *named;
	char word[64];

	for (; (end = part_end(text, at)) > at && is_beginning(text, end, &failed); at = skip_blanks(text, end + 1))
		if (!text[end]) {
			assay__fail(
				error, ASSAY_E_ARGUMENT, (int64_t)end,
				"pipeline: its end cannot be linked to \"videoconvert ! appsink\", expected raw video there: %s",
				(*last)->message);
			return ASSAY_E_ARGUMENT;
		}
	if (end == at)
		return assay__fail(error, ASSAY_E_ARGUMENT, (int64_t)at,
						   "pipeline: character %zu: expected an element, found %s", at + 1,
						   text[at] ? "\"!\"" : "the end");
	/* Where the message names a word of that part, the place is the word. */
	named = strchr(failed->message, '"');
	if (named && sscanf(named, "\"%63[^\"]\"", word) == 1 && strstr(text + at, word))
		at = (size_t)(strstr(text + at, word) - text);
	assay__fail(error, ASSAY_E_ARGUMENT, (int64_t)at, "pipeline: character %zu, at '%.24s': %s", at + 1, text + at,
				failed->message);
	g_clear_error(&failed);
	return ASSAY_E_ARGUMENT;
}

/* The appsinks in it: how many, and one of them, the caller's. */
static int find_sinks(GstElement *element, GstElement **sink)
{
	GValue value = G_VALUE_INIT;
	GstIterator *all;
	int count = 0;

	if (!GST_IS_BIN(element))
		return 0;
	all = gst_bin_iterate_all_by_element_factory_name(GST_BIN(element), "appsink");
	while (gst_iterator_next(all, &value) == GST_ITERATOR_OK) {
		if (!count++)
			*sink = g_value_dup_object(&value);
		g_value_reset(&value);
	}
	g_value_unset(&value);
	gst_iterator_free(all);
	return count;
}

int assay__gstreamer_parse(const char *text, GstElement **pipeline, GstElement **sink, struct assay_error *error)
{
	char whole[TEXT_MOST + sizeof(TAIL)];
	GstElement *element, *found = NULL;
	GError *failed = NULL;
	int count;

	if (strlen(text) > TEXT_MOST)
		return assay__fail(error, ASSAY_E_LIMIT, TEXT_MOST, "pipeline: longer than %d bytes", TEXT_MOST);
	element = try_parse(text, &failed);
	count = element ? find_sinks(element, &found) : 0;
	if (!count) {
		g_clear_error(&failed);
		if (element)
			gst_object_unref(element);
		snprintf(whole, sizeof(whole), "%s%s", text, TAIL);
		element = try_parse(whole, &failed);
		if (!element) {
			fail_parse(text, &failed, error);
			g_clear_error(&failed);
			return ASSAY_E_ARGUMENT;
		}
		count = find_sinks(element, &found);
	}
	if (count == 1 && GST_IS_PIPELINE(element)) {
		*pipeline = element;
		*sink = found;
		return 0;
	}
	gst_object_unref(element);
	if (found)
		gst_object_unref(found);
	return assay__fail(error, ASSAY_E_ARGUMENT, -1,
					   "pipeline: %d elements appsink, expected one with a source before it", count);
}
