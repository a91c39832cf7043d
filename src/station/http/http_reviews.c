/* SPDX-License-Identifier: Apache-2.0 */
/* Reviews: what to look at next, what people said, how far they agree. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json_field.h"
#include "base/text.h"
#include "station/http/handlers.h"
#include "station/http/parts_record.h"

#define PAGE 100
#define SIDE_MOST 65535
#define RADIUS_MOST 1024

/* Locks the reviews, opening them when first asked; false after answering. The caller unlocks. */
static bool take(struct assay__request *request, enum MHD_Result *answer)
{
	struct assay__http *http = request->http;
	struct assay_error error;

	if (!assay__request_has_record(request, answer))
		return false;
	pthread_mutex_lock(&http->reviews_mutex);
	if (http->reviews || assay__reviews_open(http->state_dir, &http->reviews, &error) == 0)
		return true;
	pthread_mutex_unlock(&http->reviews_mutex);
	*answer = assay__answer_failure(request, &error);
	return false;
}

static void release(struct assay__request *request)
{
	pthread_mutex_unlock(&request->http->reviews_mutex);
}

static void put_points(struct assay__json *json, const char *key, const struct assay__marks *marks,
					   const struct assay__mark *mark)
{
	assay__json_key(json, key);
	assay__json_array(json);
	for (int i = mark->first_point; i < mark->first_point + mark->points; i++) {
		int side = !mark->radius_px && i > mark->first_point;

		assay__json_int(json, marks->x[i] - (side ? marks->x[mark->first_point] : 0));
		assay__json_int(json, marks->y[i] - (side ? marks->y[mark->first_point] : 0));
	}
	assay__json_array_end(json);
}

static void put_review(struct assay__json *json, const struct assay__review *review)
{
	char time[40];

	assay__json_object(json);
	assay__field_uint(json, "id", review->id);
	assay__field_uint(json, "sequence", review->sequence);
	assay__field_text(json, "time", assay__time_text(review->wall_us, time));
	assay__field_text(json, "reviewer", review->reviewer);
	assay__field_text(json, "judgement", assay__judgement_name(review->judgement));
	assay__field_bool(json, "withdrawn", review->withdrawn);
	assay__field_text(json, "kind", review->kind);
	assay__field_text(json, "note", review->note);
	assay__json_key(json, "marks");
	assay__json_array(json);
	for (int i = 0; i < review->marks.count; i++) {
		const struct assay__mark *mark = &review->marks.marks[i];

		assay__json_object(json);
		assay__field_int(json, "view", mark->view);
		if (mark->radius_px)
			assay__field_int(json, "radius", mark->radius_px);
		put_points(json, mark->radius_px ? "stroke" : "box", &review->marks, mark);
		assay__json_object_end(json);
	}
	assay__json_array_end(json);
	assay__json_object_end(json);
}

/* A page of reviews as the answer; unlocks. */
static enum MHD_Result answer_page(struct assay__request *request, uint64_t sequence, bool latest, uint64_t cursor,
								   int limit)
{
	struct assay__review *list = malloc((size_t)limit * sizeof(*list));
	struct assay__json *json = &request->json;
	struct assay_error error = {.code = ASSAY_E_NOMEM, .message = "out of memory"};
	int count = 0,
		rc = list ? assay__reviews_page(request->http->reviews, sequence, latest, &cursor, list, limit, &count, &error)
				  : ASSAY_E_NOMEM;

	release(request);
	if (rc) {
		free(list);
		return assay__answer_failure(request, &error);
	}
	assay__json_object(json);
	assay__json_key(json, "reviews");
	assay__json_array(json);
	for (int i = 0; i < count; i++)
		put_review(json, &list[i]);
	assay__json_array_end(json);
	assay__json_key(json, "next");
	if (cursor)
		assay__json_uint(json, cursor);
	else
		assay__json_null(json);
	assay__json_object_end(json);
	free(list);
	return assay__answer_json(request, 200);
}

enum MHD_Result assay__http_reviews(struct assay__request *request)
{
	enum MHD_Result answer = MHD_NO;
	int64_t cursor, limit;

	if (!assay__request_number(request, "cursor", 0, INT64_MAX, 0, &cursor, &answer) ||
		!assay__request_number(request, "limit", 1, PAGE, 50, &limit, &answer) || !take(request, &answer))
		return answer;
	return answer_page(request, 0, true, (uint64_t)cursor, (int)limit);
}

static bool path_sequence(struct assay__request *request, uint64_t *sequence, enum MHD_Result *answer)
{
	int64_t number;

	if (assay__text_to_int64(request->arguments[0], &number) && number > 0) {
		*sequence = (uint64_t)number;
		return true;
	}
	*answer = assay__answer_error(request, 404, "not_found", "there is no such part");
	return false;
}

enum MHD_Result assay__http_part_reviews(struct assay__request *request)
{
	enum MHD_Result answer = MHD_NO;
	uint64_t sequence;

	if (!path_sequence(request, &sequence, &answer) || !take(request, &answer))
		return answer;
	return answer_page(request, sequence, false, 0, PAGE);
}

/* Whole numbers of an array into points; `box`: x, y, width, height. */
static bool read_points(const struct assay__json_value *list, bool box, struct assay__marks *marks,
						struct assay__mark *mark)
{
	const struct assay__json_value *item = list->first;

	mark->first_point = marks->points;
	for (; item && item->next; item = item->next->next) {
		const struct assay__json_value *pair[2] = {item, item->next};
		int32_t xy[2];

		if (marks->points == ASSAY__MARK_POINTS_MOST)
			return false;
		for (int i = 0; i < 2; i++) {
			if (pair[i]->type != ASSAY__JSON_NUMBER || !pair[i]->is_integer || pair[i]->integer < 0 ||
				pair[i]->integer > SIDE_MOST)
				return false;
			xy[i] = (int32_t)pair[i]->integer;
		}
		if (box && mark->first_point < marks->points && (xy[0] == 0 || xy[1] == 0))
			return false;
		marks->x[marks->points] = xy[0] + (box && mark->first_point < marks->points ? marks->x[mark->first_point] : 0);
		marks->y[marks->points] = xy[1] + (box && mark->first_point < marks->points ? marks->y[mark->first_point] : 0);
		marks->points++;
	}
	mark->points = marks->points - mark->first_point;
	return !item && (box ? mark->points == 2 : mark->points > 0);
}

static bool read_number(const struct assay__json_value *value, int64_t low, int64_t high, int *out)
{
	if (!value || value->type != ASSAY__JSON_NUMBER || !value->is_integer || value->integer < low ||
		value->integer > high)
		return false;
	*out = (int)value->integer;
	return true;
}

static bool read_mark(const struct assay__json_value *value, struct assay__marks *marks)
{
	const struct assay__json_value *box = assay__json_member(value, "box"),
								   *stroke = assay__json_member(value, "stroke");
	struct assay__mark *mark = &marks->marks[marks->count];

	if (marks->count == ASSAY__MARKS_MOST || !box == !stroke ||
		!read_number(assay__json_member(value, "view"), 0, ASSAY__MAX_VIEWS - 1, &mark->view))
		return false;
	mark->radius_px = 0;
	if (stroke && !read_number(assay__json_member(value, "radius"), 1, RADIUS_MOST, &mark->radius_px))
		return false;
	marks->count++;
	return (box ? box : stroke)->type == ASSAY__JSON_ARRAY && read_points(box ? box : stroke, box != NULL, marks, mark);
}

static bool read_marks(struct assay__request *request, struct assay__marks *marks, enum MHD_Result *answer)
{
	const struct assay__json_value *list = assay__json_member(request->json_body, "marks");

	if (!list || list->type == ASSAY__JSON_NULL)
		return true;
	if (list->type == ASSAY__JSON_ARRAY) {
		const struct assay__json_value *item = list->first;

		while (item && read_mark(item, marks))
			item = item->next;
		if (!item)
			return true;
	}
	*answer =
		assay__answer_error(request, 400, "argument",
							"marks: expected up to %d of {view, box: [x, y, width, height]} or {view, radius, stroke: "
							"[x, y, ...]} in pixels, %d points in all",
							ASSAY__MARKS_MOST, ASSAY__MARK_POINTS_MOST);
	return false;
}

static bool read_review(struct assay__request *request, struct assay__review *review, enum MHD_Result *answer)
{
	const char *judgement, *kind, *note;

	if (!assay__body_text(request, "judgement", 16, &judgement, answer) ||
		!assay__body_text(request, "kind", ASSAY__KIND_CHARS - 1, &kind, answer) ||
		!assay__body_text(request, "note", ASSAY__NOTE_CHARS - 1, &note, answer) ||
		!read_marks(request, &review->marks, answer))
		return false;
	if (!judgement || !assay__judgement_from_name(judgement, &review->judgement)) {
		*answer = assay__answer_error(request, 400, "argument", "judgement: expected good, bad or unsure");
		return false;
	}
	if (review->judgement != ASSAY__JUDGED_BAD && ((kind && *kind) || review->marks.count)) {
		*answer = assay__answer_error(request, 400, "argument", "only what is bad has a kind of defect and marks");
		return false;
	}
	review->wall_us = assay__clock_wall_us();
	snprintf(review->kind, sizeof(review->kind), "%s", kind ? kind : "");
	snprintf(review->note, sizeof(review->note), "%s", note ? note : "");
	snprintf(review->reviewer, sizeof(review->reviewer), "%s", request->who.name);
	return true;
}

enum MHD_Result assay__http_part_review(struct assay__request *request)
{
	struct assay__review *review = calloc(1, sizeof(*review));
	enum MHD_Result answer = MHD_NO;
	struct assay_error error;
	uint64_t sequence = 0;
	int rc;

	if (!review)
		return assay__answer_error(request, 500, "no_memory", "out of memory");
	if (!path_sequence(request, &review->sequence, &answer) || !read_review(request, review, &answer) ||
		!take(request, &answer)) {
		free(review);
		return answer;
	}
	rc = assay__reviews_add(request->http->reviews, review, &error);
	sequence = review->sequence;
	free(review);
	if (rc == 0)
		return answer_page(request, sequence, false, 0, PAGE);
	release(request);
	return assay__answer_missing(request, &error);
}

enum MHD_Result assay__http_part_review_withdraw(struct assay__request *request)
{
	enum MHD_Result answer = MHD_NO;
	struct assay_error error;
	uint64_t sequence;

	if (!path_sequence(request, &sequence, &answer) || !take(request, &answer))
		return answer;
	if (assay__reviews_withdraw(request->http->reviews, sequence, request->who.name, assay__clock_wall_us(), &error) ==
		0)
		return answer_page(request, sequence, false, 0, PAGE);
	release(request);
	return assay__answer_missing(request, &error);
}

enum MHD_Result assay__http_reviews_queue(struct assay__request *request)
{
	struct assay__json *json = &request->json;
	struct assay__queued *list;
	enum MHD_Result answer = MHD_NO;
	struct assay_error error = {.code = ASSAY_E_NOMEM, .message = "out of memory"};
	int64_t limit;
	int count = 0, rc;

	if (!assay__request_number(request, "limit", 1, PAGE, 50, &limit, &answer) || !take(request, &answer))
		return answer;
	list = malloc((size_t)limit * sizeof(*list));
	rc = list ? assay__reviews_queue(request->http->reviews, request->who.name, list, (int)limit, &count, &error)
			  : ASSAY_E_NOMEM;
	release(request);
	if (rc) {
		free(list);
		return assay__answer_failure(request, &error);
	}
	assay__json_object(json);
	assay__json_key(json, "parts");
	assay__json_array(json);
	for (int i = 0; i < count; i++) {
		assay__json_object(json);
		assay__parts_line_write(json, &list[i].part);
		assay__field_text(json, "worth", assay__worth_name(list[i].worth));
		assay__field_double(json, "nearness", list[i].nearness);
		assay__json_object_end(json);
	}
	assay__json_array_end(json);
	assay__json_object_end(json);
	free(list);
	return assay__answer_json(request, 200);
}

enum MHD_Result assay__http_reviews_summary(struct assay__request *request)
{
	struct assay__agreement pairs[ASSAY__REVIEWERS_MOST];
	struct assay__json *json = &request->json;
	struct assay__review_counts counts;
	enum MHD_Result answer = MHD_NO;
	struct assay_error error;
	int count = 0, rc;

	if (!take(request, &answer))
		return answer;
	rc = assay__reviews_counts(request->http->reviews, &counts, &error);
	if (rc == 0)
		rc = assay__reviews_agreement(request->http->reviews, pairs, ASSAY__REVIEWERS_MOST, &count, &error);
	release(request);
	if (rc)
		return assay__answer_failure(request, &error);
	assay__json_object(json);
	assay__field_uint(json, "parts", counts.parts);
	assay__field_uint(json, "good", counts.good);
	assay__field_uint(json, "bad", counts.bad);
	assay__field_uint(json, "unsure", counts.unsure);
	assay__field_uint(json, "overkill", counts.overkill);
	assay__field_uint(json, "escapes", counts.escapes);
	assay__field_uint(json, "disputed", counts.disputed);
	assay__json_key(json, "agreement");
	assay__json_array(json);
	for (int i = 0; i < count; i++) {
		assay__json_object(json);
		assay__field_text(json, "first", pairs[i].first);
		assay__field_text(json, "second", pairs[i].second);
		assay__field_uint(json, "both_good", pairs[i].both_good);
		assay__field_uint(json, "both_bad", pairs[i].both_bad);
		assay__field_uint(json, "only_first_bad", pairs[i].only_first_bad);
		assay__field_uint(json, "only_second_bad", pairs[i].only_second_bad);
		assay__field_double(json, "kappa", pairs[i].kappa);
		assay__json_object_end(json);
	}
	assay__json_array_end(json);
	assay__json_object_end(json);
	return assay__answer_json(request, 200);
}
