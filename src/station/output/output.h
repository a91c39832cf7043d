/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A door: where verdicts go. Each output runs its own thread behind its own bounded queue, so that none can delay another;
 * adding one is output_x.c ending in one `const struct assay__output_ops`, and its row in outputs.c.
 *
 * A part reaches an output in two steps. `post` is called by the pipeline the moment a verdict stands (before it is recorded), from
 * any worker, and must return within microseconds: copy what is needed, wake the own thread. Outputs that acknowledge to an asker (HTTP,
 * MQTT reply, Modbus result valid when `durable_ack` is set) wait for `recorded`, called once the record is on disk. When that call
 * never comes, they give up after a time of their own and say so in what they send.
 */
#ifndef ASSAY_SRC_STATION_OUTPUT_OUTPUT_H
#define ASSAY_SRC_STATION_OUTPUT_OUTPUT_H

#include "base/option.h"
#include "station/part.h"

/** What people and metrics may know of an output at any time. */
struct assay__output_health {
	bool up;					 /**< connected, listening, or with nothing to connect to */
	uint64_t posted, sent, lost; /**< lost is only ever counted where the protocol cannot keep; say so in the docs */
	int queue_length, queue_capacity;
	char state[96]; /**< one line for people */
};

/** Totals since the station's first day (counts) and since start (latencies). trigger = pass + fail + fault + in flight. */
struct assay__counters {
	uint64_t triggers, pass, fail, fault, missed;
	uint64_t challenge; /**< challenge parts: in none of the above */
	uint64_t recorded;	/**< parts on disk, challenge parts among them */
	int64_t latency_last_us, latency_min_us, latency_max_us;
	double latency_mean_us;
};

/** What an output may ask of the station; every function is thread safe. */
struct assay__station_port {
	void *ctx;
	/** Asks for a part. Returns 0, or ASSAY_E_FULL when not ready: the part is then already on its way as FAULT not_ready. */
	int (*trigger)(void *ctx, enum assay__trigger_kind kind, uint64_t trigger_id, const char *code);
	/** Asks for another recipe by name or number (1 is the first configured); takes effect between frames. */
	int (*select_recipe)(void *ctx, const char *name, int number);
	bool (*ready)(void *ctx);
	bool (*busy)(void *ctx);
	/** Counters since start; see station.h. */
	void (*counters)(void *ctx, struct assay__counters *out);
	void (*event)(void *ctx, const char *kind, const char *text); /**< logged, recorded, streamed */
	/** Announces or cancels challenge parts (enum assay__challenge_ask). Returns 0 or ARGUMENT. Nullable. */
	int (*challenge)(void *ctx, int ask, const char *who);
	/** Challenge parts are due. Nullable. */
	bool (*challenge_due)(void *ctx);
	/** Number of the recipe in use (1 is the first configured), 0 without one. Nullable: then outputs say 0. */
	int (*recipe_number)(void *ctx);
	const char *station;					 /**< the station's name, for topics and messages; never NULL or empty */
	const char *state_dir;					 /**< folder for what must outlive a restart; NULL: memory only */
	const struct assay_allocator *allocator; /**< nullable */
};

struct assay__output;

struct assay__output_ops {
	const char *type; /**< as in the configuration: "modbus_server", "mqtt" */
	const char *help;
	const struct assay__option *options;
	int option_count;
	size_t settings_size;
	bool
		drives; /**< moves something at the line: hears nothing of stored challenge pictures, of which nothing lies there */
	/** Opens and starts it. `settings` (filled from the option table) and `name` outlive the output. */
	int (*open)(const char *name, const void *settings, const struct assay__station_port *port,
				struct assay__output **out, struct assay_error *error);
	void (*post)(struct assay__output *output, const struct assay__part *part);
	void (*recorded)(struct assay__output *output, uint64_t sequence,
					 const uint8_t record_hash[ASSAY_HASH_BYTES]); /**< nullable */
	void (*health)(struct assay__output *output, struct assay__output_health *out);
	/** Stops: sends what it still can within drain_ms, then frees. */
	void (*close)(struct assay__output *output, int drain_ms);
};

/** NULL-ended table of all outputs built in. */
extern const struct assay__output_ops *const assay__outputs[];

/* Its rows, each where its library was there at build time. */
extern const struct assay__output_ops assay__output_stdout, assay__output_modbus_server, assay__output_modbus_client,
	assay__output_mqtt, assay__output_sparkplug, assay__output_webhook, assay__output_gpio;

#endif
