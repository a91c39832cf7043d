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
/* http_session.c */
enum MHD_Result assay__http_session(struct assay__request *request);
enum MHD_Result assay__http_login(struct assay__request *request);
enum MHD_Result assay__http_logout(struct assay__request *request);
/* http_users.c */
enum MHD_Result assay__http_users(struct assay__request *request);
enum MHD_Result assay__http_user_put(struct assay__request *request);
enum MHD_Result assay__http_user_remove(struct assay__request *request);
/* http_metrics.c */
enum MHD_Result assay__http_metrics(struct assay__request *request);
/* http_openapi.c */
enum MHD_Result assay__http_openapi(struct assay__request *request);

#endif
