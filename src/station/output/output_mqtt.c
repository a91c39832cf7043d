/* SPDX-License-Identifier: Apache-2.0 */
/* Verdicts as JSON over MQTT; topics and schema in docs/mqtt.md. */
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/text.h"
#include "station/challenge.h"
#include "station/output/flat_json.h"
#include "station/output/mqtt_link.h"

#define TOPIC_CHARS 256

struct settings {
	struct assay__mqtt_settings mqtt;
	const char *topic;
	bool trigger, retain;
};

struct assay__output {
	struct assay__mqtt_link link;
	struct settings settings;
	struct assay__json json;
	char verdict_topic[TOPIC_CHARS], status_topic[TOPIC_CHARS], trigger_topic[TOPIC_CHARS], recipe_topic[TOPIC_CHARS];
	char challenge_topic[TOPIC_CHARS];
};

static int encode(void *ctx, const struct assay__verdict *verdict, uint8_t *out, size_t size_bytes, size_t *used_bytes)
{
	struct assay__output *output = ctx;
	const char *text;
	size_t length;
	assay__json_clear(&output->json);
	assay__verdict_json(verdict, output->link.door.port->station, &output->json);
	int err = assay__json_text(&output->json, &text, &length, NULL);
	if (err)
		return err;
	length--; /* the newline */
	if (length > size_bytes)
		return ASSAY_E_LIMIT;
	memcpy(out, text, length);
	*used_bytes = length;
	return ASSAY_OK;
}

static const char offline[] = "{\"state\":\"offline\"}", online[] = "{\"state\":\"online\"}";

static int will(void *ctx, struct mosquitto *mosquitto)
{
	struct assay__output *output = ctx;
	return mosquitto_will_set(mosquitto, output->status_topic, sizeof(offline) - 1, offline, 1, true);
}

static int up(void *ctx, struct mosquitto *mosquitto)
{
	struct assay__output *output = ctx;
	int err = mosquitto_publish(mosquitto, NULL, output->status_topic, sizeof(online) - 1, online, 1, true);
	if (!err && output->settings.trigger)
		err = mosquitto_subscribe(mosquitto, NULL, output->trigger_topic, 1);
	if (!err && output->settings.trigger)
		err = mosquitto_subscribe(mosquitto, NULL, output->recipe_topic, 1);
	if (!err && output->settings.trigger)
		err = mosquitto_subscribe(mosquitto, NULL, output->challenge_topic, 1);
	return err;
}

static void down(void *ctx, struct mosquitto *mosquitto)
{
	struct assay__output *output = ctx;
	mosquitto_publish(mosquitto, NULL, output->status_topic, sizeof(offline) - 1, offline, 1, true);
}

static void take_trigger(struct assay__output *output, const char *bytes, size_t size)
{
	const struct assay__station_port *port = output->link.door.port;
	struct assay__ask ask;
	struct assay_error error;
	if (assay__ask_read(bytes, size, &ask, &error)) {
		assay__door_event(&output->link.door, "trigger_refused", "a trigger over MQTT cannot be read: %s",
						  error.message);
		return;
	}
	/* Not ready is answered by the verdict FAULT not_ready, on the verdict topic as all others. */
	port->trigger(port->ctx, ASSAY__TRIGGER_MQTT, ask.trigger_id, ask.code[0] ? ask.code : NULL);
}

static void take_recipe(struct assay__output *output, const char *bytes, size_t size)
{
	const struct assay__station_port *port = output->link.door.port;
	char name[ASSAY__NAME_CHARS] = "", quoted[ASSAY__QUOTE_CHARS];
	int64_t number = 0;
	int err = ASSAY_E_LIMIT;
	if (size > 0 && size < sizeof(name)) {
		memcpy(name, bytes, size);
		bool numeric = assay__text_to_int64(name, &number) && number > 0 && number < 65536;
		err = port->select_recipe ? port->select_recipe(port->ctx, numeric ? NULL : name, numeric ? (int)number : 0)
								  : ASSAY_E_UNSUPPORTED;
	}
	if (err)
		assay__door_event(&output->link.door, "recipe_refused", "recipe %s was asked for and is not to be had",
						  assay__text_quote(name, quoted));
}

static void take_challenge(struct assay__output *output, const char *bytes, size_t size)
{
	const struct assay__station_port *port = output->link.door.port;
	bool begin = size == 5 && memcmp(bytes, "begin", 5) == 0, cancel = size == 6 && memcmp(bytes, "cancel", 6) == 0;
	int ask = cancel ? ASSAY__CHALLENGE_CANCEL : ASSAY__CHALLENGE_BEGIN;
	if ((!begin && !cancel) || !port->challenge || port->challenge(port->ctx, ask, "somebody over MQTT"))
		assay__door_event(&output->link.door, "challenge_refused",
						  "a challenge was asked for over MQTT and cannot %s now; begin or cancel is expected",
						  cancel ? "be cancelled" : "begin");
}

static void message(void *ctx, struct mosquitto *mosquitto, const struct mosquitto_message *received)
{
	struct assay__output *output = ctx;
	(void)mosquitto;
	/* A retained trigger is an old one: it would fire at every connect. */
	if (received->retain || received->payloadlen < 0)
		return;
	const char *bytes = received->payload ? received->payload : "";
	if (strcmp(received->topic, output->trigger_topic) == 0)
		take_trigger(output, bytes, (size_t)received->payloadlen);
	else if (strcmp(received->topic, output->recipe_topic) == 0)
		take_recipe(output, bytes, (size_t)received->payloadlen);
	else if (strcmp(received->topic, output->challenge_topic) == 0)
		take_challenge(output, bytes, (size_t)received->payloadlen);
}

static int publish(void *ctx, struct mosquitto *mosquitto, const uint8_t *bytes, size_t size_bytes, bool historical,
				   int *mid)
{
	struct assay__output *output = ctx;
	(void)historical;
	return mosquitto_publish(mosquitto, mid, output->verdict_topic, (int)size_bytes, bytes, 1, output->settings.retain);
}

static const struct assay__mqtt_handlers handlers = {
	.encode = encode, .will = will, .up = up, .down = down, .message = message, .publish = publish};

static int set_topics(struct assay__output *output, const char *name, const char *station, struct assay_error *error)
{
	char base[160], quoted[ASSAY__QUOTE_CHARS];
	int length = output->settings.topic[0] ? snprintf(base, sizeof(base), "%s", output->settings.topic)
										   : snprintf(base, sizeof(base), "assay/%s", station);
	if (length < 0 || (size_t)length >= sizeof(base) || strpbrk(base, "+#") ||
		mosquitto_validate_utf8(base, length) != MOSQ_ERR_SUCCESS)
		return assay__fail(error, ASSAY_E_ARGUMENT, -1,
						   "output %s: topic: found %s, expected at most %zu bytes of UTF-8 without + and #", name,
						   assay__text_quote(base, quoted), sizeof(base) - 1);
	snprintf(output->verdict_topic, TOPIC_CHARS, "%s/verdict", base);
	snprintf(output->status_topic, TOPIC_CHARS, "%s/status", base);
	snprintf(output->trigger_topic, TOPIC_CHARS, "%s/trigger", base);
	snprintf(output->recipe_topic, TOPIC_CHARS, "%s/recipe", base);
	snprintf(output->challenge_topic, TOPIC_CHARS, "%s/challenge", base);
	return ASSAY_OK;
}

static int open_mqtt(const char *name, const void *settings, const struct assay__station_port *port,
					 struct assay__output **out, struct assay_error *error)
{
	struct assay__output *output = assay__calloc(port->allocator, 1, sizeof(*output));
	if (!output)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "output %s: out of memory", name);
	output->settings = *(const struct settings *)settings;
	assay__json_open(&output->json, port->allocator);
	int err = set_topics(output, name, port->station, error);
	if (!err)
		err = assay__mqtt_link_open(&output->link, name, &output->settings.mqtt, &handlers, output, port, error);
	if (err) {
		assay__free(port->allocator, output);
		return err;
	}
	*out = output;
	return ASSAY_OK;
}

static void post(struct assay__output *output, const struct assay__part *part)
{
	assay__door_post(&output->link.door, part);
}

static void recorded(struct assay__output *output, uint64_t sequence, const uint8_t record_hash[ASSAY_HASH_BYTES])
{
	assay__door_recorded(&output->link.door, sequence, record_hash);
}

static void health(struct assay__output *output, struct assay__output_health *out)
{
	assay__door_health(&output->link.door, out);
}

static void close_mqtt(struct assay__output *output, int drain_ms)
{
	const struct assay_allocator *allocator = output->link.door.allocator;
	assay__mqtt_link_close(&output->link, drain_ms);
	assay__json_close(&output->json);
	assay__free(allocator, output);
}

#define ROW(option, kind, field, ...)                                                                                  \
	{                                                                                                                  \
		.name = option, .type = ASSAY__OPTION_##kind, .offset = offsetof(struct settings, field), __VA_ARGS__          \
	}

static const struct assay__option rows[] = {
	ASSAY__MQTT_ROWS(struct settings),
	ROW("topic", TEXT, topic, .fallback = "", .help = "front part of all topics; empty: assay/ and the station's name"),
	ROW("trigger", FLAG, trigger, .help = "listen on TOPIC/trigger, TOPIC/recipe and TOPIC/challenge"),
	ROW("retain", FLAG, retain, .help = "the broker keeps the last verdict for those who come later"),
};

const struct assay__output_ops assay__output_mqtt = {
	.type = "mqtt",
	.help = "verdicts as JSON to an MQTT broker, kept while it is away; triggers from there",
	.options = rows,
	.option_count = sizeof(rows) / sizeof(rows[0]),
	.settings_size = sizeof(struct settings),
	.open = open_mqtt,
	.post = post,
	.recorded = recorded,
	.health = health,
	.close = close_mqtt,
};
