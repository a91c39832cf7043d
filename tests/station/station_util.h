/* SPDX-License-Identifier: Apache-2.0 */
/* What the station's tests share: a folder of their own, recipes taught from the virtual line, and a record that audits. */
#ifndef ASSAY_TESTS_STATION_UTIL_H
#define ASSAY_TESTS_STATION_UTIL_H

#include <pthread.h>
#include <sys/stat.h>

#include "../unit/vision_util.h"
#include "base/clock.h"
#include "station/source/virtual_line.h"
#include "station/station.h"

#define SIDE_PX 128

static char room[64]; /* the folder of this run */

static inline struct assay_image line_picture(uint64_t index, enum assay__virtual_kind kind)
{
	static struct assay__virtual_line *line;
	struct assay__virtual_options options = {.seed = 1, .width_px = SIDE_PX, .height_px = SIDE_PX};
	struct assay__virtual_wish wish = {kind, 1};
	struct assay_image image;

	if (!line)
		assert_int_equal(assay__virtual_open(&options, NULL, &line, NULL), 0);
	assert_int_equal(assay_image_create(SIDE_PX, SIDE_PX, 1, 8, NULL, &image, NULL), 0);
	assert_int_equal(assay__virtual_render(line, index, &wish, &image, NULL, NULL, NULL), 0);
	return image;
}

static inline void save_recipe(const char *name, int working_px, double overkill)
{
	struct assay_teach_options options = {.working_px = working_px, .bank_size = 40, .overkill = overkill};
	size_t size;
	uint8_t *network = small_network(3, &size);
	struct assay_env env = {.network = network, .network_size_bytes = size};
	static struct shelf shelf;
	struct assay_recipe *recipe;
	struct assay_error error;
	char path[128];

	shelf.count = 0;
	for (int i = 0; i < 12; i++)
		shelf_put(&shelf, line_picture((uint64_t)i, ASSAY__VIRTUAL_GOOD));
	recipe = must_teach(&env, &options, &shelf, NULL);
	snprintf(path, sizeof(path), "%s/%s.assay", room, name);
	if (assay_recipe_save(recipe, path, &error))
		fail_msg("%s", error.message);
	assay_recipe_close(recipe);
	shelf_clear(&shelf);
	free(network);
}

static inline int open_room(void **state)
{
	(void)state;
	snprintf(room, sizeof(room), "/tmp/assay-station-XXXXXX");
	if (!mkdtemp(room))
		return -1;
	save_recipe("quick", 64, 0.1);
	save_recipe("other", 96, 0.1);
	save_recipe("slow", 1024, 0.1);
	return 0;
}

static inline int close_room(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", room);
	return system(command);
}

/* A record in memory: every part once, in order; can refuse. */
struct audit {
	pthread_mutex_t lock;
	struct assay__archive_need need;
	uint64_t next, parts, last, events;
	uint64_t pass, fail, fault, challenge, by_fault[ASSAY__FAULT_COUNT];
	bool in_order, bad, closed;
	int64_t slow_us; /* each put */
	atomic_bool failing;
	struct assay__part last_part;
	char recipes[2][ASSAY__NAME_CHARS];
	uint64_t by_recipe[2];
};
static struct audit audit;

static inline void audit_reset(void)
{
	memset(&audit, 0, sizeof(audit));
	pthread_mutex_init(&audit.lock, NULL);
	audit.in_order = true;
}

static inline int audit_open(const struct assay__archive_need *need, struct assay__archive **out,
							 struct assay_error *error)
{
	(void)error;
	audit.need = *need;
	*out = (struct assay__archive *)&audit;
	return 0;
}

static inline uint64_t audit_next(struct assay__archive *archive)
{
	(void)archive;
	return ++audit.next;
}

static inline int audit_put(struct assay__archive *archive, const struct assay__part *part, bool final)
{
	static const uint8_t hash[ASSAY_HASH_BYTES];

	(void) final;
	(void)archive;
	if (atomic_load(&audit.failing))
		return ASSAY_E_FULL;
	if (audit.slow_us)
		usleep((useconds_t)audit.slow_us);
	pthread_mutex_lock(&audit.lock);
	audit.in_order &= part->sequence > audit.last;
	audit.last = part->sequence;
	audit.parts++;
	audit.challenge += part->challenge;
	audit.pass += !part->challenge && part->verdict == ASSAY_PASS;
	audit.fail += !part->challenge && part->verdict == ASSAY_FAIL;
	audit.fault += !part->challenge && part->verdict == ASSAY_FAULT;
	audit.by_fault[part->fault]++;
	audit.bad |= (part->verdict == ASSAY_FAULT) != (part->fault != ASSAY__FAULT_NONE);
	audit.bad |= part->verdict_us < part->trigger_us || !part->code[0] || part->view_count < 1;
	for (int i = 0; i < 2; i++) {
		if (!audit.recipes[i][0])
			memcpy(audit.recipes[i], part->recipe_name, ASSAY__NAME_CHARS);
		if (!strcmp(audit.recipes[i], part->recipe_name)) {
			audit.by_recipe[i]++;
			break;
		}
	}
	audit.last_part = *part;
	pthread_mutex_unlock(&audit.lock);
	audit.need.recorded(audit.need.ctx, part->sequence, hash);
	return 0;
}

static inline bool audit_ok(struct assay__archive *archive)
{
	(void)archive;
	return !atomic_load(&audit.failing);
}

static inline void audit_event(struct assay__archive *archive, const char *kind, const char *text)
{
	(void)archive;
	(void)kind;
	(void)text;
	pthread_mutex_lock(&audit.lock);
	audit.events++;
	pthread_mutex_unlock(&audit.lock);
}

static inline bool audit_flush(struct assay__archive *archive, int timeout_ms)
{
	(void)archive;
	(void)timeout_ms;
	return true;
}

static inline int audit_keep_recipe(struct assay__archive *archive, const struct assay_recipe *recipe,
									struct assay_error *error)
{
	(void)archive;
	(void)recipe;
	(void)error;
	return 0;
}

static inline void audit_totals(struct assay__archive *archive, struct assay__counters *out)
{
	(void)archive;
	memset(out, 0, sizeof(*out));
}

static inline void audit_state(struct assay__archive *archive, char out[160])
{
	(void)archive;
	snprintf(out, 160, "audited");
}

static inline int audit_close(struct assay__archive *archive, int drain_ms, struct assay_error *error)
{
	(void)archive;
	(void)drain_ms;
	(void)error;
	audit.closed = true;
	return 0;
}

static const struct assay__archive_ops audit_ops = {
	.open = audit_open,
	.next = audit_next,
	.put = audit_put,
	.ok = audit_ok,
	.event = audit_event,
	.flush = audit_flush,
	.keep_recipe = audit_keep_recipe,
	.totals = audit_totals,
	.state = audit_state,
	.close = audit_close,
};

/* A station from YAML, with the audit as its record unless `archive` says otherwise. */
struct bench {
	struct assay__config *config;
	struct assay__station *station;
};

static inline struct bench bench_open(const char *yaml, const struct assay__archive_ops *archive)
{
	struct bench bench;
	struct assay_error error;
	char path[128];

	audit_reset();
	snprintf(path, sizeof(path), "%s/station.yaml", room);
	if (assay__config_parse(path, yaml, strlen(yaml), NULL, &bench.config, &error))
		fail_msg("%s", error.message);
	if (assay__station_open(bench.config, NULL, archive, &bench.station, &error))
		fail_msg("%s", error.message);
	return bench;
}

/* Waits until so many are answered, at most a minute. */
static inline void wait_answered(struct assay__station *station, uint64_t count)
{
	struct assay__station_stats stats;

	for (int i = 0; i < 6000; i++) {
		assay__station_stats(station, &stats);
		if (stats.since_start.pass + stats.since_start.fail + stats.since_start.fault >= count)
			return;
		usleep(10000);
	}
	fail_msg("%llu parts were not answered", (unsigned long long)count);
}

/* Drains and holds triggers = verdicts = records. */
static inline struct assay__station_stats bench_close(struct bench *bench)
{
	struct assay__station_stats stats;

	assay__station_drain(bench->station);
	assay__station_stats(bench->station, &stats);
	assert_int_equal(assay__station_close(bench->station), 0);
	assay__config_close(bench->config);
	assert_int_equal(stats.since_start.triggers,
					 stats.since_start.pass + stats.since_start.fail + stats.since_start.fault);
	assert_int_equal(stats.since_start.triggers + stats.since_start.challenge,
					 stats.since_start.recorded + stats.unrecorded);
	return stats;
}

static inline void assert_audit(const struct assay__station_stats *stats)
{
	assert_true(audit.in_order && !audit.bad && audit.closed);
	assert_int_equal(audit.parts, stats->since_start.recorded);
	if (!stats->unrecorded) {
		assert_int_equal(audit.parts, audit.next);
		assert_int_equal(audit.challenge, stats->since_start.challenge);
		assert_int_equal(audit.pass, stats->since_start.pass);
		assert_int_equal(audit.fail, stats->since_start.fail);
		assert_int_equal(audit.fault, stats->since_start.fault);
	}
}

#endif
