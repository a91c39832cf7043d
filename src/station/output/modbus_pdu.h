/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One Modbus TCP request in, one response out: MODBUS Application Protocol 1.1b3, MODBUS Messaging on TCP/IP 1.0b. Pure but for the
 * handler's calls. Functions 1, 2, 3, 4, 5, 6, 15, 16, 22, 23; anything else is answered by exception 1.
 */
#ifndef ASSAY_SRC_STATION_OUTPUT_MODBUS_PDU_H
#define ASSAY_SRC_STATION_OUTPUT_MODBUS_PDU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ASSAY__MODBUS_ADU_BYTES 260

enum assay__modbus_area {
	ASSAY__MODBUS_COILS,
	ASSAY__MODBUS_DISCRETE_INPUTS,
	ASSAY__MODBUS_INPUT_REGISTERS,
	ASSAY__MODBUS_HOLDING_REGISTERS,
};

/** The server's data. Counts are within the limits of the standard, addresses may be anything. False: no such address. */
struct assay__modbus_data {
	void *ctx;
	bool (*read)(void *ctx, enum assay__modbus_area area, unsigned address, unsigned count, uint16_t *out);
	/** Coils or holding registers; called only when the whole range may be written, by may_write. */
	void (*write)(void *ctx, enum assay__modbus_area area, unsigned address, unsigned count, const uint16_t *values);
	bool (*may_write)(void *ctx, enum assay__modbus_area area, unsigned address, unsigned count);
};

/**
 * How long the frame at bytes is: 0 if more bytes are needed to tell, -1 if this is no Modbus TCP (close the connection).
 */
int assay__modbus_frame_bytes(const uint8_t *bytes, size_t size_bytes);

/** Answers one whole frame. Returns the length of the response, at most ASSAY__MODBUS_ADU_BYTES. */
size_t assay__modbus_answer(const struct assay__modbus_data *data, const uint8_t *request, size_t request_bytes,
							uint8_t response[ASSAY__MODBUS_ADU_BYTES]);

#endif
