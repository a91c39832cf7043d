/* SPDX-License-Identifier: Apache-2.0 */
/* All handlers, one file a subject; routes.c says which address each answers. */
#ifndef ASSAY_SRC_STATION_HTTP_HANDLERS_H
#define ASSAY_SRC_STATION_HTTP_HANDLERS_H

#include "station/http/room.h"

/* http_health.c */
enum MHD_Result assay__http_health(struct assay__request *request);
enum MHD_Result assay__http_status(struct assay__request *request);
/* http_events.c */
enum MHD_Result assay__http_events(struct assay__request *request);
/* http_live.c */
enum MHD_Result assay__http_cameras(struct assay__request *request);
enum MHD_Result assay__http_frame(struct assay__request *request);
enum MHD_Result assay__http_heatmap(struct assay__request *request);
enum MHD_Result assay__http_result(struct assay__request *request);
/* http_trigger.c */
enum MHD_Result assay__http_trigger(struct assay__request *request);
enum MHD_Result assay__http_push(struct assay__request *request);
/* http_recipes.c */
enum MHD_Result assay__http_recipes(struct assay__request *request);
enum MHD_Result assay__http_recipe_put(struct assay__request *request);
enum MHD_Result assay__http_recipe_select(struct assay__request *request);
enum MHD_Result assay__http_reload(struct assay__request *request);
/* http_parts.c */
enum MHD_Result assay__http_parts(struct assay__request *request);
enum MHD_Result assay__http_part(struct assay__request *request);
enum MHD_Result assay__http_part_picture(struct assay__request *request);
enum MHD_Result assay__http_part_map(struct assay__request *request);
enum MHD_Result assay__http_part_replay(struct assay__request *request);
/* http_challenge.c */
enum MHD_Result assay__http_challenge(struct assay__request *request);
enum MHD_Result assay__http_challenge_ask(struct assay__request *request);
/** 503 into *answer and false where nothing is recorded. */
bool assay__request_has_record(struct assay__request *request, enum MHD_Result *answer);
/** The query parameters that say which parts; texts live as long as the request. False after answering 400. */
bool assay__request_parts_filter(struct assay__request *request, struct assay__parts_filter *filter,
								 enum MHD_Result *answer);
/* http_quality.c */
enum MHD_Result assay__http_quality(struct assay__request *request);
enum MHD_Result assay__http_log(struct assay__request *request);
enum MHD_Result assay__http_csv(struct assay__request *request);
/* http_reviews.c */
enum MHD_Result assay__http_reviews(struct assay__request *request);
enum MHD_Result assay__http_reviews_queue(struct assay__request *request);
enum MHD_Result assay__http_reviews_summary(struct assay__request *request);
enum MHD_Result assay__http_part_reviews(struct assay__request *request);
enum MHD_Result assay__http_part_review(struct assay__request *request);
enum MHD_Result assay__http_part_review_withdraw(struct assay__request *request);
/* http_workshop.c */
enum MHD_Result assay__http_workshop(struct assay__request *request);
enum MHD_Result assay__http_workshop_teach(struct assay__request *request);
enum MHD_Result assay__http_workshop_learn(struct assay__request *request);
enum MHD_Result assay__http_workshop_revert(struct assay__request *request);
enum MHD_Result assay__http_workshop_cancel(struct assay__request *request);
enum MHD_Result assay__http_workshop_activate(struct assay__request *request);
enum MHD_Result assay__http_workshop_discard(struct assay__request *request);
enum MHD_Result assay__http_workshop_flips(struct assay__request *request);
enum MHD_Result assay__http_tray(struct assay__request *request);
enum MHD_Result assay__http_tray_add(struct assay__request *request);
enum MHD_Result assay__http_tray_collect(struct assay__request *request);
enum MHD_Result assay__http_tray_remove(struct assay__request *request);
enum MHD_Result assay__http_tray_empty(struct assay__request *request);
enum MHD_Result assay__http_tray_picture(struct assay__request *request);
enum MHD_Result assay__http_recipe_lineage(struct assay__request *request);
/* http_session.c */
enum MHD_Result assay__http_session(struct assay__request *request);
enum MHD_Result assay__http_login(struct assay__request *request);
enum MHD_Result assay__http_logout(struct assay__request *request);
/* http_users.c */
enum MHD_Result assay__http_users(struct assay__request *request);
enum MHD_Result assay__http_user_put(struct assay__request *request);
enum MHD_Result assay__http_user_remove(struct assay__request *request);
/* http_vitals.c */
enum MHD_Result assay__http_vitals(struct assay__request *request);
enum MHD_Result assay__http_vitals_renew(struct assay__request *request);
/** The member "vitals" of an object. */
void assay__http_put_vitals(struct assay__json *json, struct assay__station *station);
/* http_metrics.c */
enum MHD_Result assay__http_metrics(struct assay__request *request);
/* http_openapi.c */
enum MHD_Result assay__http_openapi(struct assay__request *request);

#endif
