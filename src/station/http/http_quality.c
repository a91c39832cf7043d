/* SPDX-License-Identifier: Apache-2.0 */
/* Sums, the log and the table of parts, all from the record. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/json_field.h"
#include "station/http/handlers.h"

#define PIECE_BYTES 65536
#define LOG_PAGE 200

static void put_counts(struct assay__json *json, const struct assay__quality_counts *counts)
{
	assay__json_object(json);
	assay__field_uint(json, "pass", counts->pass);
	assay__field_uint(json, "fail", counts->fail);
	assay__field_uint(json, "fault", counts->fault);
	assay__json_object_end(json);
}

static void put_list(struct assay__json *json, const char *key, const uint64_t *values, int count)
{
	assay__json_key(json, key);
	assay__json_array(json);
	for (int i = 0; i < count; i++)
		assay__json_uint(json, values[i]);
	assay__json_array_end(json);
}

static void put_scores(struct assay__json *json, const struct assay__quality *sum)
{
	assay__field_q8(json, "threshold", sum->threshold_q8);
	assay__field_q8(json, "threshold_least", sum->threshold_least_q8);
	assay__field_q8(json, "threshold_most", sum->threshold_most_q8);
	assay__field_q8(json, "bin", sum->bin_q8);
	put_list(json, "bins_pass", sum->bins_pass, ASSAY__QUALITY_BINS);
	put_list(json, "bins_fail", sum->bins_fail, ASSAY__QUALITY_BINS);
}

static void put_places(struct assay__json *json, const struct assay__quality *sum)
{
	assay__field_int(json, "grid_width", ASSAY__QUALITY_GRID_WIDTH);
	assay__field_int(json, "grid_height", ASSAY__QUALITY_GRID_HEIGHT);
	assay__json_key(json, "places");
	assay__json_array(json);
	for (int i = 0; i < sum->place_count; i++) {
		const uint32_t *cells = &sum->places[i].cells[0][0];

		assay__json_object(json);
		assay__field_text(json, "camera", sum->places[i].camera);
		assay__json_key(json, "cells");
		assay__json_array(json);
		for (int k = 0; k < ASSAY__QUALITY_GRID_WIDTH * ASSAY__QUALITY_GRID_HEIGHT; k++)
			assay__json_uint(json, cells[k]);
		assay__json_array_end(json);
		assay__json_object_end(json);
	}
	assay__json_array_end(json);
}

static void put_quality(struct assay__json *json, const struct assay__quality_ask *ask,
						const struct assay__quality *sum)
{
	assay__json_object(json);
	assay__field_int(json, "from_us", ask->from_us);
	assay__field_int(json, "to_us", ask->to_us);
	assay__json_key(json, "total");
	put_counts(json, &sum->total);
	assay__field_uint(json, "challenge", sum->challenge);
	assay__field_uint(json, "challenge_caught", sum->challenge_caught);
	assay__json_key(json, "by_fault");
	assay__json_object(json);
	for (int i = 1; i < ASSAY__FAULT_COUNT; i++)
		if (sum->by_fault[i])
			assay__field_uint(json, assay__fault_name((enum assay__fault)i), sum->by_fault[i]);
	assay__json_object_end(json);
	assay__json_key(json, "steps");
	assay__json_array(json);
	for (int i = 0; i < ask->steps; i++)
		put_counts(json, &sum->steps[i]);
	assay__json_array_end(json);
	put_scores(json, sum);
	put_places(json, sum);
	assay__json_object_end(json);
}

static enum MHD_Result answer_none(struct assay__request *request)
{
	return assay__answer_error(request, 503, "no_record", "this station's record cannot tell that");
}

enum MHD_Result assay__http_quality(struct assay__request *request)
{
	const struct assay__parts_port *parts = request->http->parts;
	const char *recipe = assay__request_query(request, "recipe");
	struct assay__quality_ask ask = {.recipe = recipe && *recipe ? recipe : NULL};
	enum MHD_Result answer = MHD_NO;
	struct assay__quality *sum;
	struct assay_error error;
	int64_t now_us = ((int64_t)time(NULL) + 1) * 1000000, steps;
	int rc;

	if (!assay__request_has_record(request, &answer) ||
		!assay__request_number(request, "from_us", 0, INT64_MAX / 2, 0, &ask.from_us, &answer) ||
		!assay__request_number(request, "to_us", 1, INT64_MAX / 2, now_us, &ask.to_us, &answer) ||
		!assay__request_number(request, "steps", 0, ASSAY__QUALITY_STEPS_MOST, 0, &steps, &answer))
		return answer;
	if (!parts->quality)
		return answer_none(request);
	ask.steps = (int)steps;
	if (ask.to_us <= ask.from_us)
		return assay__answer_error(request, 400, "argument", "to_us: expected a time after from_us");
	sum = malloc(sizeof(*sum));
	if (!sum)
		return assay__answer_error(request, 500, "no_memory", "out of memory");
	rc = parts->quality(parts->ctx, &ask, sum, &error);
	if (!rc)
		put_quality(&request->json, &ask, sum);
	free(sum);
	return rc ? assay__answer_failure(request, &error) : assay__answer_json(request, 200);
}

enum MHD_Result assay__http_log(struct assay__request *request)
{
	const struct assay__parts_port *parts = request->http->parts;
	const char *kind = assay__request_query(request, "kind");
	struct assay__json *json = &request->json;
	enum MHD_Result answer = MHD_NO;
	struct assay_error error;
	int64_t start, limit;
	uint64_t cursor;

	if (!assay__request_has_record(request, &answer) ||
		!assay__request_number(request, "cursor", 0, INT64_MAX, 0, &start, &answer) ||
		!assay__request_number(request, "limit", 1, LOG_PAGE, 50, &limit, &answer))
		return answer;
	if (!parts->log)
		return answer_none(request);
	cursor = (uint64_t)start;
	assay__json_object(json);
	assay__json_key(json, "lines");
	assay__json_array(json);
	if (parts->log(parts->ctx, kind && *kind ? kind : NULL, (int)limit, &cursor, json, &error))
		return assay__answer_failure(request, &error);
	assay__json_array_end(json);
	assay__json_key(json, "next");
	if (cursor)
		assay__json_uint(json, cursor);
	else
		assay__json_null(json);
	assay__json_object_end(json);
	return assay__answer_json(request, 200);
}

/* A table on its way: one piece at a time in memory. */
struct table {
	const struct assay__parts_port *parts;
	struct assay__http *http;
	struct assay__parts_filter filter;
	uint64_t cursor;
	bool begun;
	char *text;
	size_t size, sent;
};

static ssize_t read_table(void *cls, uint64_t position, char *out, size_t most)
{
	struct table *table = cls;
	size_t piece;

	(void)position;
	while (table->sent == table->size) {
		if ((table->begun && !table->cursor) || atomic_load(&table->http->stopping))
			return MHD_CONTENT_READER_END_OF_STREAM;
		free(table->text);
		table->text = NULL;
		table->size = table->sent = 0;
		table->begun = true;
		/* cut short, so that no half table looks like a whole one */
		if (table->parts->csv(table->parts->ctx, &table->filter, &table->cursor, &table->text, &table->size, NULL))
			return MHD_CONTENT_READER_END_WITH_ERROR;
	}
	piece = table->size - table->sent < most ? table->size - table->sent : most;
	memcpy(out, table->text + table->sent, piece);
	table->sent += piece;
	return (ssize_t)piece;
}

static void free_table(void *cls)
{
	struct table *table = cls;

	free(table->text);
	free(table);
}

enum MHD_Result assay__http_csv(struct assay__request *request)
{
	struct assay__parts_filter filter = {0};
	enum MHD_Result answer = MHD_NO;
	struct MHD_Response *response;
	struct table *table;

	if (!assay__request_has_record(request, &answer) || !assay__request_parts_filter(request, &filter, &answer))
		return answer;
	if (!request->http->parts->csv)
		return answer_none(request);
	table = calloc(1, sizeof(*table));
	if (!table)
		return assay__answer_error(request, 500, "no_memory", "out of memory");
	*table = (struct table){.parts = request->http->parts, .http = request->http, .filter = filter};
	/* the filter's texts belong to the request, which ends only after its answer has been read */
	response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, PIECE_BYTES, read_table, table, free_table);
	if (!response)
		free_table(table);
	assay__answer_header(request, "Content-Disposition", "attachment; filename=\"parts.csv\"");
	return assay__answer(request, 200, "text/csv", response);
}
