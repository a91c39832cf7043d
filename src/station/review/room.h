/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of the room, between reviews.c (what was said) and queue.c (what follows from it). */
#ifndef ASSAY_SRC_STATION_REVIEW_ROOM_H
#define ASSAY_SRC_STATION_REVIEW_ROOM_H

#include <sqlite3.h>

#include "station/review/reviews.h"

struct assay__reviews {
	sqlite3 *db; /**< reviews.db, with the record attached as `record` and only read */
};

/** The reviews that stand: each person's newest of each part that he did not withdraw. */
#define ASSAY__STANDING                                                                                                \
	"SELECT max(id) FROM reviews WHERE id NOT IN (SELECT review FROM withdrawals) GROUP BY sequence, reviewer"

int assay__reviews_fail(struct assay__reviews *reviews, int code, struct assay_error *error);

#endif
