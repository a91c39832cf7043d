/* SPDX-License-Identifier: Apache-2.0 */
/* The three callbacks that libmicrohttpd has for a request. `cls` is the struct assay__http. */
#ifndef ASSAY_SRC_STATION_HTTP_REQUEST_H
#define ASSAY_SRC_STATION_HTTP_REQUEST_H

#include "station/http/room.h"

/** MHD_OPTION_URI_LOG_CALLBACK: the request line is there. Returns the struct assay__request, or NULL. */
void *assay__request_open(void *cls, const char *uri, struct MHD_Connection *connection);

/** MHD_AccessHandlerCallback: headers, body piece by piece, end. */
enum MHD_Result assay__request_handle(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
									  const char *version, const char *data, size_t *size, void **context);

/** MHD_OPTION_NOTIFY_COMPLETED. */
void assay__request_close(void *cls, struct MHD_Connection *connection, void **context,
						  enum MHD_RequestTerminationCode code);

#endif
