/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sparkplug B edge node with one device. The standard wants QoS 0 for data, so a verdict counts as delivered only when the broker has
 * answered something sent after it: the renewed subscription to the node's commands (mqtt_link.h, barrier_topic). What went out before a
 * break and was not covered by such an answer goes out again, marked historical.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "base/text.h"
#include "station/output/mqtt_link.h"
#include "station/output/sparkplug.h"

#define TOPIC_CHARS 256
#define PAYLOAD_BYTES 8192
#define REBIRTH "Node Control/Rebirth"

struct settings {
	struct assay__mqtt_settings mqtt;
	const char *group, *node, *device;
};

struct assay__output {
	struct assay__mqtt_link link;
	struct assay__mqtt_handlers handlers;
	struct settings settings;
	char birth[TOPIC_CHARS], death[TOPIC_CHARS], command[TOPIC_CHARS];
	char device_birth[TOPIC_CHARS], device_death[TOPIC_CHARS], data[TOPIC_CHARS];
	uint8_t bd_seq, next_bd_seq, seq;
	bool any;
	struct assay__verdict last;
	uint8_t payload[2 * PAYLOAD_BYTES];
};

static uint64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static struct assay__spb_writer begin(struct assay__output *output)
{
	struct assay__spb_writer writer = {.out = output->payload, .size_bytes = sizeof(output->payload)};
	assay__spb_put_timestamp(&writer, now_ms());
	return writer;
}

static int send_payload(struct mosquitto *mosquitto, const struct assay__spb_writer *writer, const char *topic, int qos)
{
	if (writer->full)
		return MOSQ_ERR_PAYLOAD_SIZE;
	return mosquitto_publish(mosquitto, NULL, topic, (int)writer->used_bytes, writer->out, qos, false);
}

static void put_bd_seq(struct assay__output *output, struct assay__spb_writer *writer)
{
	assay__spb_put_metric(
		writer, &(struct assay__spb_metric){
					.name = "bdSeq", .timestamp_ms = now_ms(), .type = ASSAY__SPB_INT64, .integer = output->bd_seq});
}

/* Two forms of the same metrics, as news and as history; which one goes out is known only when it does. */
static int encode(void *ctx, const struct assay__verdict *verdict, uint8_t *out, size_t size_bytes, size_t *used_bytes)
{
	struct assay__output *output = ctx;
	struct assay__spb_writer writer = {.out = out, .size_bytes = size_bytes, .used_bytes = 2};
	uint64_t when_ms = verdict->wall_us > 0 ? (uint64_t)verdict->wall_us / 1000 : 0;
	assay__spb_put_verdict(&writer, verdict, false, false, when_ms);
	size_t first_bytes = writer.used_bytes - 2;
	assay__spb_put_verdict(&writer, verdict, false, true, when_ms);
	if (writer.full || first_bytes > UINT16_MAX)
		return ASSAY_E_LIMIT;
	out[0] = (uint8_t)first_bytes;
	out[1] = (uint8_t)(first_bytes >> 8);
	output->last = *verdict;
	output->any = true;
	*used_bytes = writer.used_bytes;
	return ASSAY_OK;
}

static int will(void *ctx, struct mosquitto *mosquitto)
{
	struct assay__output *output = ctx;
	output->bd_seq = output->next_bd_seq++;
	struct assay__spb_writer writer = begin(output);
	put_bd_seq(output, &writer);
	return mosquitto_will_set(mosquitto, output->death, (int)writer.used_bytes, writer.out, 1, false);
}

static int send_births(struct assay__output *output, struct mosquitto *mosquitto)
{
	struct assay__spb_writer writer = begin(output);
	output->seq = 0;
	assay__spb_put_seq(&writer, output->seq++);
	put_bd_seq(output, &writer);
	assay__spb_put_metric(
		&writer, &(struct assay__spb_metric){.name = REBIRTH, .timestamp_ms = now_ms(), .type = ASSAY__SPB_BOOLEAN});
	assay__spb_put_metric(&writer, &(struct assay__spb_metric){.name = "Properties/Software",
															   .timestamp_ms = now_ms(),
															   .type = ASSAY__SPB_STRING,
															   .text = "assay " ASSAY_VERSION});
	int err = send_payload(mosquitto, &writer, output->birth, 0);
	if (err)
		return err;
	writer = begin(output);
	assay__spb_put_seq(&writer, output->seq++);
	assay__spb_put_verdict(&writer, output->any ? &output->last : NULL, true, false, now_ms());
	return send_payload(mosquitto, &writer, output->device_birth, 0);
}

static int up(void *ctx, struct mosquitto *mosquitto)
{
	struct assay__output *output = ctx;
	int err = mosquitto_subscribe(mosquitto, NULL, output->command, 1);
	return err ? err : send_births(output, mosquitto);
}

static void down(void *ctx, struct mosquitto *mosquitto)
{
	struct assay__output *output = ctx;
	struct assay__spb_writer writer = begin(output);
	assay__spb_put_seq(&writer, output->seq++);
	send_payload(mosquitto, &writer, output->device_death, 0);
	writer = begin(output);
	put_bd_seq(output, &writer);
	send_payload(mosquitto, &writer, output->death, 1);
}

static void message(void *ctx, struct mosquitto *mosquitto, const struct mosquitto_message *received)
{
	struct assay__output *output = ctx;
	if (strcmp(received->topic, output->command) == 0 && received->payloadlen > 0 &&
		assay__spb_has_true(received->payload, (size_t)received->payloadlen, REBIRTH))
		send_births(output, mosquitto);
}

static int publish(void *ctx, struct mosquitto *mosquitto, const uint8_t *bytes, size_t size_bytes, bool historical,
				   int *mid)
{
	struct assay__output *output = ctx;
	size_t first_bytes = size_bytes >= 2 ? bytes[0] | (size_t)bytes[1] << 8 : 0;
	(void)mid;
	if (size_bytes < 2 || first_bytes > size_bytes - 2)
		return MOSQ_ERR_PAYLOAD_SIZE;
	struct assay__spb_writer writer = begin(output);
	assay__spb_put_seq(&writer, output->seq);
	if (historical)
		assay__spb_put_raw(&writer, bytes + 2 + first_bytes, size_bytes - 2 - first_bytes);
	else
		assay__spb_put_raw(&writer, bytes + 2, first_bytes);
	int err = send_payload(mosquitto, &writer, output->data, 0);
	if (!err)
		output->seq++;
	return err;
}

static int check_id(const char *name, const char *option, const char *id, struct assay_error *error)
{
	char quoted[ASSAY__QUOTE_CHARS];
	size_t length = strlen(id);
	if (length > 0 && length <= 60 && !strpbrk(id, "/+#") &&
		mosquitto_validate_utf8(id, (int)length) == MOSQ_ERR_SUCCESS)
		return ASSAY_OK;
	return assay__fail(error, ASSAY_E_ARGUMENT, -1,
					   "output %s: %s: found %s, expected 1 to 60 bytes of UTF-8 without / + #", name, option,
					   assay__text_quote(id, quoted));
}

static int set_topics(struct assay__output *output, const char *name, const char *station, struct assay_error *error)
{
	const struct settings *s = &output->settings;
	const char *node = s->node[0] ? s->node : station;
	int err = check_id(name, "group", s->group, error);
	if (!err)
		err = check_id(name, "node", node, error);
	if (!err)
		err = check_id(name, "device", s->device, error);
	if (err)
		return err;
	snprintf(output->birth, TOPIC_CHARS, "spBv1.0/%s/NBIRTH/%s", s->group, node);
	snprintf(output->death, TOPIC_CHARS, "spBv1.0/%s/NDEATH/%s", s->group, node);
	snprintf(output->command, TOPIC_CHARS, "spBv1.0/%s/NCMD/%s", s->group, node);
	snprintf(output->device_birth, TOPIC_CHARS, "spBv1.0/%s/DBIRTH/%s/%s", s->group, node, s->device);
	snprintf(output->device_death, TOPIC_CHARS, "spBv1.0/%s/DDEATH/%s/%s", s->group, node, s->device);
	snprintf(output->data, TOPIC_CHARS, "spBv1.0/%s/DDATA/%s/%s", s->group, node, s->device);
	return ASSAY_OK;
}

static int open_sparkplug(const char *name, const void *settings, const struct assay__station_port *port,
						  struct assay__output **out, struct assay_error *error)
{
	struct assay__output *output = assay__calloc(port->allocator, 1, sizeof(*output));
	if (!output)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "output %s: out of memory", name);
	output->settings = *(const struct settings *)settings;
	int err = set_topics(output, name, port->station, error);
	output->handlers = (struct assay__mqtt_handlers){.encode = encode,
													 .will = will,
													 .up = up,
													 .down = down,
													 .message = message,
													 .publish = publish,
													 .barrier_topic = output->command};
	if (!err)
		err =
			assay__mqtt_link_open(&output->link, name, &output->settings.mqtt, &output->handlers, output, port, error);
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

static void close_sparkplug(struct assay__output *output, int drain_ms)
{
	const struct assay_allocator *allocator = output->link.door.allocator;
	assay__mqtt_link_close(&output->link, drain_ms);
	assay__free(allocator, output);
}

#define ROW(option, kind, field, ...)                                                                                  \
	{                                                                                                                  \
		.name = option, .type = ASSAY__OPTION_##kind, .offset = offsetof(struct settings, field), __VA_ARGS__          \
	}

static const struct assay__option rows[] = {
	ASSAY__MQTT_ROWS(struct settings),
	ROW("group", TEXT, group, .fallback = "assay", .help = "group id"),
	ROW("node", TEXT, node, .fallback = "", .help = "edge node id; empty: the station's name"),
	ROW("device", TEXT, device, .fallback = "inspection", .help = "device id"),
};

const struct assay__output_ops assay__output_sparkplug = {
	.type = "sparkplug",
	.help = "verdicts as a Sparkplug B device, kept while the broker is away",
	.options = rows,
	.option_count = sizeof(rows) / sizeof(rows[0]),
	.settings_size = sizeof(struct settings),
	.open = open_sparkplug,
	.post = post,
	.recorded = recorded,
	.health = health,
	.close = close_sparkplug,
};
