/* SPDX-License-Identifier: Apache-2.0 */
/* Frames of a spool's segment; layout in spool.h. */
#ifndef ASSAY_SRC_STATION_OUTPUT_SPOOL_FRAME_H
#define ASSAY_SRC_STATION_OUTPUT_SPOOL_FRAME_H

#include <stddef.h>
#include <stdint.h>

#define ASSAY__FRAME_HEAD_BYTES 20

void assay__frame_put_u32(uint8_t *out, uint32_t value);
void assay__frame_put_u64(uint8_t *out, uint64_t value);
uint32_t assay__frame_u32(const uint8_t *bytes);
uint64_t assay__frame_u64(const uint8_t *bytes);
/** CRC-32 (IEEE 802.3, as in zip); start with 0. */
uint32_t assay__frame_crc32(uint32_t crc, const void *bytes, size_t size_bytes);

/** Writes one frame with one call. Errors: IO (perhaps half of it is there). */
int assay__frame_write(int fd, uint64_t number, const void *bytes, size_t size_bytes);
/** Reads the frame at the file's position, which must carry `number`. Errors: FORMAT, LIMIT; the position is then undefined. */
int assay__frame_read(int fd, uint64_t number, void *out, size_t size_bytes, size_t *used_bytes);
/** Checks it and goes past it. Errors: FORMAT; the position is then where it was. */
int assay__frame_skip(int fd, uint64_t number);

#endif
