/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this room share: the server, a request on its way, the route table, and how to answer. */
#ifndef ASSAY_SRC_STATION_HTTP_ROOM_H
#define ASSAY_SRC_STATION_HTTP_ROOM_H

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/json_read.h"
#include "station/http/porter.h"
#include "station/http/http.h"
#include "station/http/target.h"
#include "station/review/reviews.h"
#include "station/workshop/workshop.h"

#define ASSAY__REQUEST_MAX_ARGUMENTS 3
#define ASSAY__REQUEST_MAX_HEADERS 6
#define ASSAY__BODY_MAX_BYTES 65536

struct assay__request;
struct assay__page;

/** What a request's body may be. */
enum assay__body {
	ASSAY__BODY_NONE,
	ASSAY__BODY_JSON,	 /**< at most ASSAY__BODY_MAX_BYTES; an empty one is an empty object */
	ASSAY__BODY_PICTURE, /**< at most picture_kib */
	ASSAY__BODY_RECIPE,	 /**< at most recipe_mib */
};

/** One row of the API: all there is to say about it, for the server and for openapi.json. */
struct assay__route {
	const char *method, *path; /**< path with {arguments} */
	enum assay__role least;
	/** Answers. Returns what the answer function returned. */
	enum MHD_Result (*handle)(struct assay__request *request);
	const char *id;		 /**< operationId */
	const char *summary; /**< one line */
	const char *query;	 /**< names of its query parameters with blanks between; NULL: none. See schema.c */
	enum assay__body body;
	const char *takes; /**< schema of a JSON body */
	const char *gives; /**< schema of the JSON answer, or a media type with a slash */
	bool quiet;		   /**< a write that is no change of the station: not told as an event */
};
extern const struct assay__route assay__routes[];
extern const int assay__route_count;

/** A name that schema.c explains, as JSON text. NULL: there is none. */
const char *assay__schema(const char *name);
/** Name of the index-th schema, NULL behind the last. */
const char *assay__schema_name(int index);
/** Schema and meaning of a query parameter, as JSON text "schema":…,"description":… */
const char *assay__schema_query(const char *name);

/** One TCP connection, known to the sweeper. */
struct assay__link {
	struct assay__link *next, **back;
	int fd;
	int64_t since_us; /**< opened, or last answered; 0 while an answer is on its way */
	int64_t grace_us; /**< beyond timeout_s, for a large body */
};

/** The newest picture of a camera as a file, so that ten browsers cost one encoding. */
struct assay__encoded {
	uint64_t generation;
	uint8_t *bytes;
	size_t size;
};
enum assay__picture_kind { ASSAY__KIND_JPEG, ASSAY__KIND_PNG, ASSAY__KIND_MAP, ASSAY__KIND_COUNT };

struct assay__http {
	const struct assay__http_settings *settings;
	const char *station_name, *state_dir;
	struct assay__station *station;
	const struct assay__parts_port *parts;
	struct MHD_Daemon *daemon;
	struct assay__porter *porter;
	pthread_mutex_t reviews_mutex; /**< of the reviews, opened when first asked */
	struct assay__reviews *reviews;
	struct assay__workshop *workshop; /**< NULL: the station keeps no record */
	char *users_path;
	int port;
	bool tls, loopback;
	atomic_bool stopping;
	atomic_bool nice_done;
	atomic_int streams;			 /**< of events, open now */
	atomic_size_t body_bytes;	 /**< held by all requests now */
	atomic_ullong requests[6];	 /**< answers by hundreds of their status */
	atomic_ullong events_lost;	 /**< told to streams that were too slow */
	atomic_ullong timed_out;	 /**< connections closed by the sweeper */
	pthread_mutex_t links_mutex; /**< guards the list of links and its fields */
	struct assay__link *links;
	int link_count;
	pthread_cond_t sweep;
	pthread_t sweeper;
	bool sweeper_runs;
	pthread_mutex_t picture_mutex; /**< one picture is encoded at a time */
	struct assay__encoded encoded[ASSAY__MAX_VIEWS][ASSAY__KIND_COUNT];
};

/** One request, from its first line to the end of its answer. */
struct assay__request {
	struct assay__http *http;
	struct MHD_Connection *connection;
	struct assay__link *link;
	const struct assay__route *route;
	const struct assay__page *page;						 /**< in place of a route */
	const char *arguments[ASSAY__REQUEST_MAX_ARGUMENTS]; /**< of the path */
	struct assay__target target;
	int target_err; /**< of parsing the address, with `error` */
	struct assay_error error;
	bool begun, too_large;
	struct assay__who who;
	uint8_t *body;
	size_t body_size, body_capacity, body_most;
	struct assay__json_tree *tree;
	const struct assay__json_value *json_body; /**< an object, for routes that take JSON */
	struct assay__json json;				   /**< for the answer */
	struct {
		const char *name;
		char value[320];
	} headers[ASSAY__REQUEST_MAX_HEADERS]; /**< of the answer, besides those that all have */
	int header_count;
};

/* Answers; each queues one and returns what libmicrohttpd said. */

/** request->json, which is complete. */
enum MHD_Result assay__answer_json(struct assay__request *request, unsigned status);
/** {"error":{"code":…,"message":…}}; clears request->json. */
enum MHD_Result assay__answer_error(struct assay__request *request, unsigned status, const char *code,
									const char *format, ...) ASSAY_PRINTF(4, 5);
/** As above with status and code that fit the error. */
enum MHD_Result assay__answer_failure(struct assay__request *request, const struct assay_error *error);
/** As above, for what the path names: ARGUMENT is 404. */
enum MHD_Result assay__answer_missing(struct assay__request *request, const struct assay_error *error);
/** `size` bytes from malloc, which the answer now owns, also on failure. */
enum MHD_Result assay__answer_bytes(struct assay__request *request, unsigned status, const char *type, void *bytes,
									size_t size);
/** Bytes that are never freed. */
enum MHD_Result assay__answer_static(struct assay__request *request, const char *type, const void *bytes, size_t size);
enum MHD_Result assay__answer_empty(struct assay__request *request, unsigned status);
/** Any response, which is released; adds the headers. */
enum MHD_Result assay__answer(struct assay__request *request, unsigned status, const char *type,
							  struct MHD_Response *response);
/** A header for the answer; `name` is static. */
void assay__answer_header(struct assay__request *request, const char *name, const char *format, ...) ASSAY_PRINTF(3, 4);

/** A header of the request, or NULL. */
const char *assay__request_header(struct assay__request *request, const char *name);
const char *assay__request_query(struct assay__request *request, const char *name);
/** A query parameter as a whole number of [low, high]; `fallback` if not given. False after answering 400 into *answer. */
bool assay__request_number(struct assay__request *request, const char *name, int64_t low, int64_t high,
						   int64_t fallback, int64_t *out, enum MHD_Result *answer);
/** The index of the camera of the path's first argument, or -1 after answering 404 into *answer. */
int assay__request_camera(struct assay__request *request, enum MHD_Result *answer);
/** A member of the JSON body: text, NULL if not given. False after answering 400. */
bool assay__body_text(struct assay__request *request, const char *name, size_t most_bytes, const char **out,
					  enum MHD_Result *answer);
bool assay__body_number(struct assay__request *request, const char *name, int64_t low, int64_t high, int64_t fallback,
						int64_t *out, enum MHD_Result *answer);

/** Fills request->who; true if it may go on, false after refusing into *answer. */
bool assay__auth(struct assay__request *request, enum MHD_Result *answer);

/** Pages and what belongs to them, plain and gzip; NULL if the path is none. */
struct assay__page {
	const char *path, *type, *tag; /**< tag: as in the header ETag */
	const uint8_t *begin, *end, *gzip_begin, *gzip_end;
};
/** request->page, or 304. */
enum MHD_Result assay__answer_page(struct assay__request *request);
/** Is "gzip" among the codings of an Accept-Encoding header (nullable), and not refused by q=0? */
bool assay__accepts_gzip(const char *header);
const struct assay__page *assay__page_find(const struct assay__target *target);

/** JSON members of a verdict event, into the object that is open. */
void assay__write_event(struct assay__json *json, const struct assay__event *event);
/** "2026-11-24T08:15:30.123456Z". Returns out. */
const char *assay__time_text(int64_t wall_us, char out[40]);

#endif
