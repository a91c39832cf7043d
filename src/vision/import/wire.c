/* SPDX-License-Identifier: Apache-2.0 */
#include "vision/import/wire.h"

#include "base/err.h"

#define BAD(at, ...) assay__fail(error, ASSAY_E_FORMAT, (int64_t)(at), "ONNX file: " __VA_ARGS__)

int assay__wire_varint(struct assay__wire *wire, uint64_t *value, struct assay_error *error)
{
	const size_t start = wire->at;
	uint64_t v = 0;

	for (int shift = 0; shift < 70; shift += 7) {
		if (wire->at >= wire->end)
			return BAD(start, "the number at byte %zu is cut off", start);
		const uint8_t byte = wire->bytes[wire->at++];
		if (shift < 64)
			v |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80)) {
			*value = v;
			return 0;
		}
	}
	return BAD(start, "the number at byte %zu is longer than ten bytes", start);
}

static int read_fixed(struct assay__wire *wire, size_t size, uint64_t *value, struct assay_error *error)
{
	if (size > wire->end - wire->at)
		return BAD(wire->at, "the number at byte %zu is cut off", wire->at);
	*value = 0;
	for (size_t i = 0; i < size; i++)
		*value |= (uint64_t)wire->bytes[wire->at + i] << 8 * i;
	wire->at += size;
	return 0;
}

int assay__wire_next(struct assay__wire *wire, struct assay__field *field, bool *more, struct assay_error *error)
{
	uint64_t key = 0, length = 0;
	int err;

	*more = wire->at < wire->end;
	if (!*more)
		return 0;
	*field = (struct assay__field){.at = wire->at};
	if ((err = assay__wire_varint(wire, &key, error)))
		return err;
	field->number = (uint32_t)(key >> 3);
	if (key >> 3 == 0 || key >> 3 > 0x1fffffff)
		return BAD(field->at, "the field at byte %zu has number %llu; is this an ONNX file?", field->at,
				   (unsigned long long)(key >> 3));
	switch (key & 7) {
	case ASSAY__WIRE_VARINT:
		field->type = ASSAY__WIRE_VARINT;
		return assay__wire_varint(wire, &field->value, error);
	case ASSAY__WIRE_64:
		field->type = ASSAY__WIRE_64;
		return read_fixed(wire, 8, &field->value, error);
	case ASSAY__WIRE_32:
		field->type = ASSAY__WIRE_32;
		return read_fixed(wire, 4, &field->value, error);
	case ASSAY__WIRE_BYTES:
		field->type = ASSAY__WIRE_BYTES;
		if ((err = assay__wire_varint(wire, &length, error)))
			return err;
		if (length > wire->end - wire->at)
			return BAD(field->at, "the field at byte %zu says it has %llu bytes, %zu are left", field->at,
					   (unsigned long long)length, wire->end - wire->at);
		field->body = (struct assay__wire){wire->bytes, wire->at, wire->at + (size_t)length};
		wire->at += (size_t)length;
		return 0;
	default:
		return BAD(field->at, "the field at byte %zu is of kind %d; is this an ONNX file?", field->at, (int)(key & 7));
	}
}

int assay__wire_expect(const struct assay__field *field, enum assay__wire_type type, const char *what,
					   struct assay_error *error)
{
	if (field->type == type)
		return 0;
	return BAD(field->at, "%s at byte %zu is of kind %d, expected %d", what, field->at, (int)field->type, (int)type);
}
