/* SPDX-License-Identifier: Apache-2.0 */
#include "station/output/modbus_pdu.h"

#include <assert.h>
#include <string.h>

#define HEAD_BYTES 7
#define MAX_BITS 2000
#define MAX_WORDS 125

enum { ILLEGAL_FUNCTION = 1, ILLEGAL_ADDRESS = 2, ILLEGAL_VALUE = 3 };

/* The body of a request and the room for its answer, both from the function code on. */
struct exchange {
	const struct assay__modbus_data *data;
	const uint8_t *in;
	size_t in_bytes;
	uint8_t *out;
	size_t out_bytes;
};

static unsigned get_u16(const uint8_t *bytes)
{
	return (unsigned)bytes[0] << 8 | bytes[1];
}

static void put_u16(uint8_t *out, unsigned value)
{
	out[0] = (uint8_t)(value >> 8);
	out[1] = (uint8_t)value;
}

int assay__modbus_frame_bytes(const uint8_t *bytes, size_t size_bytes)
{
	if (size_bytes >= 4 && get_u16(bytes + 2) != 0)
		return -1;
	if (size_bytes < 6)
		return 0;
	unsigned length = get_u16(bytes + 4);
	/* Unit and function at least; 253 bytes of function and data at most. */
	if (length < 2 || length > 254)
		return -1;
	return (int)length + 6;
}

static int read_bits(struct exchange *x, enum assay__modbus_area area)
{
	uint16_t values[MAX_BITS];
	if (x->in_bytes != 5)
		return ILLEGAL_VALUE;
	unsigned address = get_u16(x->in + 1), count = get_u16(x->in + 3);
	if (count < 1 || count > MAX_BITS)
		return ILLEGAL_VALUE;
	if (!x->data->read(x->data->ctx, area, address, count, values))
		return ILLEGAL_ADDRESS;
	unsigned bytes = (count + 7) / 8;
	x->out[1] = (uint8_t)bytes;
	memset(x->out + 2, 0, bytes);
	for (unsigned i = 0; i < count; i++)
		x->out[2 + i / 8] |= (uint8_t)((values[i] != 0) << i % 8);
	x->out_bytes = 2 + bytes;
	return 0;
}

static int put_words(struct exchange *x, enum assay__modbus_area area, unsigned address, unsigned count)
{
	uint16_t values[MAX_WORDS];
	if (count < 1 || count > MAX_WORDS)
		return ILLEGAL_VALUE;
	if (!x->data->read(x->data->ctx, area, address, count, values))
		return ILLEGAL_ADDRESS;
	x->out[1] = (uint8_t)(2 * count);
	for (unsigned i = 0; i < count; i++)
		put_u16(x->out + 2 + 2 * i, values[i]);
	x->out_bytes = 2 + 2 * (size_t)count;
	return 0;
}

static int read_words(struct exchange *x, enum assay__modbus_area area)
{
	if (x->in_bytes != 5)
		return ILLEGAL_VALUE;
	return put_words(x, area, get_u16(x->in + 1), get_u16(x->in + 3));
}

static int write_values(struct exchange *x, enum assay__modbus_area area, unsigned address, unsigned count,
						const uint16_t *values)
{
	if (!x->data->may_write(x->data->ctx, area, address, count))
		return ILLEGAL_ADDRESS;
	x->data->write(x->data->ctx, area, address, count, values);
	return 0;
}

/* The answer to most writes is the head of the request. */
static void echo(struct exchange *x, size_t bytes)
{
	memcpy(x->out + 1, x->in + 1, bytes - 1);
	x->out_bytes = bytes;
}

static int write_one(struct exchange *x, enum assay__modbus_area area)
{
	if (x->in_bytes != 5)
		return ILLEGAL_VALUE;
	uint16_t value = (uint16_t)get_u16(x->in + 3);
	if (area == ASSAY__MODBUS_COILS) {
		if (value != 0xFF00 && value != 0)
			return ILLEGAL_VALUE;
		value = value != 0;
	}
	echo(x, 5);
	return write_values(x, area, get_u16(x->in + 1), 1, &value);
}

static int write_bits(struct exchange *x)
{
	uint16_t values[MAX_BITS];
	if (x->in_bytes < 6)
		return ILLEGAL_VALUE;
	unsigned count = get_u16(x->in + 3), bytes = x->in[5];
	if (count < 1 || count > 1968 || bytes != (count + 7) / 8 || x->in_bytes != 6 + bytes)
		return ILLEGAL_VALUE;
	for (unsigned i = 0; i < count; i++)
		values[i] = x->in[6 + i / 8] >> i % 8 & 1;
	echo(x, 5);
	return write_values(x, ASSAY__MODBUS_COILS, get_u16(x->in + 1), count, values);
}

static int write_words(struct exchange *x)
{
	uint16_t values[MAX_WORDS];
	if (x->in_bytes < 6)
		return ILLEGAL_VALUE;
	unsigned count = get_u16(x->in + 3), bytes = x->in[5];
	if (count < 1 || count > 123 || bytes != 2 * count || x->in_bytes != 6 + bytes)
		return ILLEGAL_VALUE;
	for (unsigned i = 0; i < count; i++)
		values[i] = (uint16_t)get_u16(x->in + 6 + 2 * i);
	echo(x, 5);
	return write_values(x, ASSAY__MODBUS_HOLDING_REGISTERS, get_u16(x->in + 1), count, values);
}

static int mask_write(struct exchange *x)
{
	uint16_t value;
	if (x->in_bytes != 7)
		return ILLEGAL_VALUE;
	unsigned address = get_u16(x->in + 1), keep = get_u16(x->in + 3), set = get_u16(x->in + 5);
	if (!x->data->read(x->data->ctx, ASSAY__MODBUS_HOLDING_REGISTERS, address, 1, &value))
		return ILLEGAL_ADDRESS;
	value = (uint16_t)((value & keep) | (set & ~keep));
	echo(x, 7);
	return write_values(x, ASSAY__MODBUS_HOLDING_REGISTERS, address, 1, &value);
}

static int write_and_read(struct exchange *x)
{
	uint16_t values[MAX_WORDS];
	if (x->in_bytes < 10)
		return ILLEGAL_VALUE;
	unsigned read_count = get_u16(x->in + 3), count = get_u16(x->in + 7), bytes = x->in[9];
	if (read_count < 1 || read_count > MAX_WORDS || count < 1 || count > 121 || bytes != 2 * count ||
		x->in_bytes != 10 + bytes)
		return ILLEGAL_VALUE;
	/* The read must be known to succeed before anything is written. */
	int err = put_words(x, ASSAY__MODBUS_HOLDING_REGISTERS, get_u16(x->in + 1), read_count);
	if (err)
		return err;
	for (unsigned i = 0; i < count; i++)
		values[i] = (uint16_t)get_u16(x->in + 10 + 2 * i);
	err = write_values(x, ASSAY__MODBUS_HOLDING_REGISTERS, get_u16(x->in + 5), count, values);
	return err ? err : put_words(x, ASSAY__MODBUS_HOLDING_REGISTERS, get_u16(x->in + 1), read_count);
}

static int answer(struct exchange *x)
{
	switch (x->in[0]) {
	case 1:
		return read_bits(x, ASSAY__MODBUS_COILS);
	case 2:
		return read_bits(x, ASSAY__MODBUS_DISCRETE_INPUTS);
	case 3:
		return read_words(x, ASSAY__MODBUS_HOLDING_REGISTERS);
	case 4:
		return read_words(x, ASSAY__MODBUS_INPUT_REGISTERS);
	case 5:
		return write_one(x, ASSAY__MODBUS_COILS);
	case 6:
		return write_one(x, ASSAY__MODBUS_HOLDING_REGISTERS);
	case 15:
		return write_bits(x);
	case 16:
		return write_words(x);
	case 22:
		return mask_write(x);
	case 23:
		return write_and_read(x);
	default:
		return ILLEGAL_FUNCTION;
	}
}

size_t assay__modbus_answer(const struct assay__modbus_data *data, const uint8_t *request, size_t request_bytes,
							uint8_t response[ASSAY__MODBUS_ADU_BYTES])
{
	assert(request_bytes >= HEAD_BYTES + 1 && request_bytes <= ASSAY__MODBUS_ADU_BYTES);
	struct exchange x = {
		.data = data, .in = request + HEAD_BYTES, .in_bytes = request_bytes - HEAD_BYTES, .out = response + HEAD_BYTES};
	memcpy(response, request, HEAD_BYTES);
	x.out[0] = x.in[0];
	int exception = answer(&x);
	if (exception) {
		x.out[0] = x.in[0] | 0x80;
		x.out[1] = (uint8_t)exception;
		x.out_bytes = 2;
	}
	put_u16(response + 4, (unsigned)x.out_bytes + 1);
	return HEAD_BYTES + x.out_bytes;
}
