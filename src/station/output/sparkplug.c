/* SPDX-License-Identifier: Apache-2.0 */
#include "station/output/sparkplug.h"

#include <string.h>

/* Wire types of Protocol Buffers. */
enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

/* Field numbers of Payload and of Payload.Metric. */
enum {
	PAYLOAD_TIMESTAMP = 1,
	PAYLOAD_METRICS = 2,
	PAYLOAD_SEQ = 3,
	METRIC_NAME = 1,
	METRIC_ALIAS = 2,
	METRIC_TIMESTAMP = 3,
	METRIC_DATATYPE = 4,
	METRIC_IS_HISTORICAL = 5,
	METRIC_IS_NULL = 7,
	METRIC_INT = 10,
	METRIC_LONG = 11,
	METRIC_DOUBLE = 13,
	METRIC_BOOLEAN = 14,
	METRIC_STRING = 15
};

static void put_byte(struct assay__spb_writer *writer, unsigned value)
{
	if (writer->used_bytes == writer->size_bytes)
		writer->full = true;
	else
		writer->out[writer->used_bytes++] = (uint8_t)value;
}

static void put_varint(struct assay__spb_writer *writer, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		put_byte(writer, (unsigned)(value & 0x7F) | 0x80);
	put_byte(writer, (unsigned)value);
}

static void put_number(struct assay__spb_writer *writer, unsigned field, uint64_t value)
{
	put_varint(writer, field << 3 | VARINT);
	put_varint(writer, value);
}

void assay__spb_put_raw(struct assay__spb_writer *writer, const uint8_t *bytes, size_t size_bytes)
{
	if (size_bytes > writer->size_bytes - writer->used_bytes) {
		writer->full = true;
		return;
	}
	memcpy(writer->out + writer->used_bytes, bytes, size_bytes);
	writer->used_bytes += size_bytes;
}

static void put_text(struct assay__spb_writer *writer, unsigned field, const char *text)
{
	size_t length = strlen(text);
	put_varint(writer, field << 3 | BYTES);
	put_varint(writer, length);
	assay__spb_put_raw(writer, (const uint8_t *)text, length);
}

static void put_double(struct assay__spb_writer *writer, unsigned field, double value)
{
	uint64_t bits;
	memcpy(&bits, &value, sizeof(bits));
	put_varint(writer, field << 3 | FIXED64);
	for (int i = 0; i < 8; i++)
		put_byte(writer, (unsigned)(bits >> (8 * i) & 255));
}

void assay__spb_put_timestamp(struct assay__spb_writer *writer, uint64_t timestamp_ms)
{
	put_number(writer, PAYLOAD_TIMESTAMP, timestamp_ms);
}

void assay__spb_put_seq(struct assay__spb_writer *writer, uint64_t seq)
{
	put_number(writer, PAYLOAD_SEQ, seq);
}

static void put_value(struct assay__spb_writer *writer, const struct assay__spb_metric *metric)
{
	switch (metric->type) {
	case ASSAY__SPB_UINT32:
		put_number(writer, METRIC_INT, (uint32_t)metric->integer);
		break;
	case ASSAY__SPB_INT64:
	case ASSAY__SPB_UINT64:
		put_number(writer, METRIC_LONG, metric->integer);
		break;
	case ASSAY__SPB_DOUBLE:
		put_double(writer, METRIC_DOUBLE, metric->real);
		break;
	case ASSAY__SPB_BOOLEAN:
		put_number(writer, METRIC_BOOLEAN, metric->integer != 0);
		break;
	case ASSAY__SPB_STRING:
		put_text(writer, METRIC_STRING, metric->text);
		break;
	}
}

void assay__spb_put_metric(struct assay__spb_writer *writer, const struct assay__spb_metric *metric)
{
	uint8_t bytes[1024];
	struct assay__spb_writer body = {.out = bytes, .size_bytes = sizeof(bytes)};
	if (metric->name)
		put_text(&body, METRIC_NAME, metric->name);
	if (metric->alias)
		put_number(&body, METRIC_ALIAS, metric->alias);
	put_number(&body, METRIC_TIMESTAMP, metric->timestamp_ms);
	put_number(&body, METRIC_DATATYPE, metric->type);
	if (metric->is_historical)
		put_number(&body, METRIC_IS_HISTORICAL, 1);
	if (metric->is_null)
		put_number(&body, METRIC_IS_NULL, 1);
	else
		put_value(&body, metric);
	put_varint(writer, PAYLOAD_METRICS << 3 | BYTES);
	put_varint(writer, body.used_bytes);
	assay__spb_put_raw(writer, body.out, body.used_bytes);
	writer->full |= body.full;
}

/* What is left to read of a message. */
struct reader {
	const uint8_t *at, *end;
};

static bool get_varint(struct reader *reader, uint64_t *out)
{
	uint64_t value = 0;
	for (int shift = 0; shift < 64; shift += 7) {
		if (reader->at == reader->end)
			return false;
		uint8_t byte = *reader->at++;
		value |= (uint64_t)(byte & 0x7F) << shift;
		if (!(byte & 0x80)) {
			*out = value;
			return true;
		}
	}
	return false;
}

/* One field: its number, and its value or the bytes it spans. */
static bool get_field(struct reader *reader, uint64_t *field, uint64_t *value, struct reader *span)
{
	uint64_t key, length = 0;
	*span = (struct reader){0};
	*value = 0;
	if (!get_varint(reader, &key))
		return false;
	*field = key >> 3;
	switch (key & 7) {
	case VARINT:
		return get_varint(reader, value);
	case FIXED64:
		length = 8;
		break;
	case FIXED32:
		length = 4;
		break;
	case BYTES:
		if (!get_varint(reader, &length))
			return false;
		break;
	default:
		return false;
	}
	if (length > (uint64_t)(reader->end - reader->at))
		return false;
	*span = (struct reader){reader->at, reader->at + length};
	reader->at += length;
	return true;
}

static bool is_true_metric(struct reader reader, const char *name)
{
	uint64_t field, value;
	struct reader span;
	bool named = false, on = false;
	while (reader.at < reader.end) {
		if (!get_field(&reader, &field, &value, &span))
			return false;
		if (field == METRIC_NAME && span.at)
			named = (size_t)(span.end - span.at) == strlen(name) && memcmp(span.at, name, strlen(name)) == 0;
		else if (field == METRIC_BOOLEAN)
			on = value != 0;
	}
	return named && on;
}

bool assay__spb_has_true(const uint8_t *bytes, size_t size_bytes, const char *name)
{
	struct reader reader = {bytes, bytes + size_bytes}, span;
	uint64_t field, value;
	bool found = false;
	while (reader.at < reader.end) {
		if (!get_field(&reader, &field, &value, &span))
			return false;
		found |= field == PAYLOAD_METRICS && span.at && is_true_metric(span, name);
	}
	return found;
}

void assay__spb_put_verdict(struct assay__spb_writer *writer, const struct assay__verdict *verdict, bool with_names,
							bool historical, uint64_t timestamp_ms)
{
	static const struct assay__verdict none;
	const struct assay__verdict *v = verdict ? verdict : &none;
	char hash[2 * ASSAY_HASH_BYTES + 1] = "";
	for (int i = 0; v->recorded && i < ASSAY_HASH_BYTES; i++) {
		hash[2 * i] = "0123456789abcdef"[v->record_hash[i] >> 4];
		hash[2 * i + 1] = "0123456789abcdef"[v->record_hash[i] & 15];
	}
	const struct assay__spb_metric metrics[] = {
		{.name = "Verdict/Result", .type = ASSAY__SPB_STRING, .text = assay_verdict_name(v->verdict)},
		{.name = "Verdict/Fault", .type = ASSAY__SPB_STRING, .text = assay__fault_name(v->fault)},
		{.name = "Verdict/Reason", .type = ASSAY__SPB_STRING, .text = v->reason},
		{.name = "Verdict/Score", .type = ASSAY__SPB_DOUBLE, .real = v->score_q8 / 256.0},
		{.name = "Verdict/Threshold", .type = ASSAY__SPB_DOUBLE, .real = v->threshold_q8 / 256.0},
		{.name = "Verdict/Regions", .type = ASSAY__SPB_UINT32, .integer = (uint32_t)v->regions_total},
		{.name = "Verdict/Latency us", .type = ASSAY__SPB_UINT64, .integer = (uint64_t)v->latency_us},
		{.name = "Part/Sequence", .type = ASSAY__SPB_UINT64, .integer = v->sequence},
		{.name = "Part/Trigger id", .type = ASSAY__SPB_UINT64, .integer = v->trigger_id},
		{.name = "Part/Code", .type = ASSAY__SPB_STRING, .text = v->code},
		{.name = "Part/Challenge", .type = ASSAY__SPB_BOOLEAN, .integer = v->challenge},
		{.name = "Recipe/Name", .type = ASSAY__SPB_STRING, .text = v->recipe_name},
		{.name = "Record/Hash", .type = ASSAY__SPB_STRING, .text = hash, .is_null = !v->recorded},
	};
	for (size_t i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++) {
		struct assay__spb_metric metric = metrics[i];
		metric.alias = i + 1;
		metric.timestamp_ms = timestamp_ms;
		metric.is_historical = historical;
		metric.is_null |= !verdict;
		if (!with_names)
			metric.name = NULL;
		assay__spb_put_metric(writer, &metric);
	}
}
