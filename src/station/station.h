/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A running station, as rooms on top of it see it (HTTP, the command line, tests): open from a configuration, watch, ask, drain.
 * Every function between open and close is thread safe and none can delay a part: readers copy under short locks
 * that only the archive thread and other readers take.
 */
#ifndef ASSAY_SRC_STATION_STATION_H
#define ASSAY_SRC_STATION_STATION_H

#include "station/archive.h"
#include "station/challenge.h"
#include "station/config.h"
#include "station/events.h"
#include "station/output/output.h"
#include "station/source/source.h"
#include "station/vitals.h"

struct assay__station;

#define ASSAY__LATENCY_BUCKETS 20

/** Upper bounds of the latency histogram in microseconds, ascending; the last bucket has none. */
extern const int64_t assay__latency_bounds_us[ASSAY__LATENCY_BUCKETS - 1];

/** Numbers for metrics. Counts since the station's first day are in `total`, all others since start. */
struct assay__station_stats {
	struct assay__counters total;			   /**< as on the register map */
	struct assay__counters since_start;		   /**< triggers = pass + fail + fault + in flight */
	uint64_t by_fault[ASSAY__FAULT_COUNT];	   /**< verdicts by reason; [NONE] are PASS and FAIL */
	uint64_t by_trigger[ASSAY__TRIGGER_COUNT]; /**< triggers by who asked */
	uint64_t by_code[ASSAY__CODE_STATES];	   /**< verdicts by what became of looking for a code */
	uint64_t late_dropped; /**< inspections that ended after their part had been answered FAULT late */
	uint64_t unrecorded;   /**< verdicts given while the record failed and never recorded */
	uint64_t latency_count[ASSAY__LATENCY_BUCKETS]; /**< trigger to verdict, PASS and FAIL only; not cumulative */
	double latency_sum_us;
	int in_flight;	/**< triggered, not yet judged to the end */
	int in_archive; /**< answered, not yet on disk */
	int hall_capacity, hall_length, workers, workers_busy;
	int frames, frames_in_use, frames_peak;
	int64_t uptime_us;
	uint64_t sequence; /**< of the newest part, 0 if there never was one */
};

/** How the whole is. */
struct assay__station_health {
	bool ready, busy, stopping, record_failing;
	char why[160];			/**< why not ready, one line; empty if ready */
	char record_state[160]; /**< one line */
	char recipe[ASSAY__NAME_CHARS];
	int recipe_number; /**< from 1, 0: none */
};

struct assay__station_camera {
	const char *name, *type; /**< live as long as the station */
	struct assay__source_health health;
};

struct assay__station_output {
	const char *name, *type;
	struct assay__output_health health;
};

/** A recipe on offer; a product with several cameras may have one file for each. */
struct assay__station_recipe {
	char name[ASSAY__NAME_CHARS];
	int number; /**< from 1, as in the configuration */
	bool selected;
	bool taught;	/**< its file is there; else its parts are FAULT(no_recipe) until it is */
	char file[256]; /**< of the first camera */
	uint8_t content_hash[ASSAY_HASH_BYTES], network_hash[ASSAY_HASH_BYTES];
	int width_px, height_px, channels, working_width_px, working_height_px, grid_width, grid_height;
	uint32_t threshold_q8;
	double overkill_stated;
};

/**
 * Opens record, recipes, cameras and outputs, and starts. `config` must outlive the station. `archive` (nullable) is
 * used in place of the record that the configuration asks for. *out is the caller's; close with assay__station_close.
 * Errors: any of what it opens; the message names which.
 */
int assay__station_open(const struct assay__config *config, const struct assay_env *env,
						const struct assay__archive_ops *archive, struct assay__station **out,
						struct assay_error *error);

/** No more parts: later triggers are FAULT stopping; ends when all accepted parts are answered and recorded. */
void assay__station_drain(struct assay__station *station);

/** Drains if that is still to do, closes outputs, cameras and record, frees. NULL is fine. Returns 0, or IO if a record is missing. */
int assay__station_close(struct assay__station *station);

/** What outputs use; HTTP may too. */
const struct assay__station_port *assay__station_port(struct assay__station *station);

/**
 * As port->trigger, and tells the part's sequence (nullable), so that the asker can wait for its verdict event, or for its record by
 * assay__station_wait_recorded.
 */
int assay__station_trigger(struct assay__station *station, enum assay__trigger_kind kind, uint64_t trigger_id,
						   const char *code, uint64_t *sequence);

/** Waits until part `sequence` is on disk: true; false after timeout_ms, or if it cannot be recorded. */
bool assay__station_wait_recorded(struct assay__station *station, uint64_t sequence, int timeout_ms);

void assay__station_stats(struct assay__station *station, struct assay__station_stats *out);
void assay__station_health(struct assay__station *station, struct assay__station_health *out);

/** All pipeline threads have moved lately: for the watchdog. `why` (nullable) says which has not. */
bool assay__station_alive(struct assay__station *station, char why[96]);

int assay__station_camera_count(struct assay__station *station);
void assay__station_camera(struct assay__station *station, int index, struct assay__station_camera *out);
int assay__station_output_count(struct assay__station *station);
void assay__station_output(struct assay__station *station, int index, struct assay__station_output *out);

/** Fills at most `most` of the recipes on offer; returns how many there are. */
int assay__station_recipes(struct assay__station *station, struct assay__station_recipe *out, int most);

/** How camera, light and process stand as camera `index` sees them; see vitals.h. */
void assay__station_vitals(struct assay__station *station, int index, struct assay__vitals_state *out);

/** Measures the reference of a camera anew, for the recipe it shows now, from the next good parts. */
void assay__station_vitals_renew(struct assay__station *station, int index);

/** By name, or by number if name is NULL or empty; for the next trigger on. Errors: ARGUMENT (no such recipe). */
int assay__station_select(struct assay__station *station, const char *name, int number, struct assay_error *error);

/**
 * Opens all recipe files again and puts them in place between frames; if one cannot be opened, or needs larger frames than were
 * planned at start, all stay as they were. Takes as long as opening; parts go on meanwhile. Errors: of opening, LIMIT.
 */
int assay__station_reload(struct assay__station *station, struct assay_error *error);

/** Announces or cancels challenge parts on behalf of `who`, for the record. Errors: ARGUMENT, the message says why not. */
int assay__station_challenge_ask(struct assay__station *station, enum assay__challenge_ask ask, const char *who,
								 struct assay_error *error);
void assay__station_challenge(struct assay__station *station, struct assay__challenge_status *out);

/** Who is at the line, for the records from now on; empty: nobody. */
void assay__station_set_operator(struct assay__station *station, const char *name);

/**
 * The latest part that has a picture of a camera. The caller sets the first fields once and owns the buffers; the rest is filled.
 * A picture or map that does not fit is left out (NULL pixels or map), its needed size still told.
 */
struct assay__latest {
	uint8_t *pixels; /**< buffer, nullable */
	size_t pixel_capacity_bytes;
	uint32_t *map; /**< buffer, nullable */
	size_t map_capacity;
	/* filled */
	uint64_t generation; /**< of this camera, from 1 */
	size_t pixel_bytes, map_cells;
	struct assay__part part;	  /**< without pixels and maps */
	struct assay__part_view view; /**< image.pixels in `pixels`, stride tight; result.map_q8 in `map` */
};

/** The generation now; 0: none yet. */
uint64_t assay__station_generation(struct assay__station *station, int camera);

/** Copies if the generation is newer than latest->generation. Returns 1 if it copied, 0 if not, ARGUMENT for a camera that is none. */
int assay__station_latest(struct assay__station *station, int camera, struct assay__latest *latest);

/** The number the next event will get: where a new subscriber starts. */
uint64_t assay__station_event_next(struct assay__station *station);

/** As assay__events_read (events.h). */
int assay__station_events(struct assay__station *station, uint64_t *cursor, struct assay__event *out, int most,
						  uint64_t *lost, int timeout_ms);

/** Logs, records and streams an event, as port->event. */
void assay__station_event(struct assay__station *station, const char *kind, const char *text);

#endif
