/* SPDX-License-Identifier: Apache-2.0 */
#include "station/output/spool_frame.h"

#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "assay/base.h"
#include "station/output/spool.h"

static const uint8_t magic[4] = {'A', 'S', 'P', '1'};

void assay__frame_put_u32(uint8_t *out, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		out[i] = (uint8_t)(value >> (8 * i));
}

void assay__frame_put_u64(uint8_t *out, uint64_t value)
{
	for (int i = 0; i < 8; i++)
		out[i] = (uint8_t)(value >> (8 * i));
}

uint32_t assay__frame_u32(const uint8_t *bytes)
{
	uint32_t value = 0;
	for (int i = 0; i < 4; i++)
		value |= (uint32_t)bytes[i] << (8 * i);
	return value;
}

uint64_t assay__frame_u64(const uint8_t *bytes)
{
	return assay__frame_u32(bytes) | (uint64_t)assay__frame_u32(bytes + 4) << 32;
}

uint32_t assay__frame_crc32(uint32_t crc, const void *bytes, size_t size_bytes)
{
	/* Nibble table: small, and fast enough beside the write that follows. */
	static const uint32_t table[16] = {0x00000000, 0x1DB71064, 0x3B6E20C8, 0x26D930AC, 0x76DC4190, 0x6B6B51F4,
									   0x4DB26158, 0x5005713C, 0xEDB88320, 0xF00F9344, 0xD6D6A3E8, 0xCB61B38C,
									   0x9B64C2B0, 0x86D3D2D4, 0xA00AE278, 0xBDBDF21C};
	const uint8_t *at = bytes;
	crc = ~crc;
	for (size_t i = 0; i < size_bytes; i++) {
		crc = table[(crc ^ at[i]) & 15] ^ crc >> 4;
		crc = table[(crc ^ at[i] >> 4) & 15] ^ crc >> 4;
	}
	return ~crc;
}

int assay__frame_write(int fd, uint64_t number, const void *bytes, size_t size_bytes)
{
	uint8_t head[ASSAY__FRAME_HEAD_BYTES];
	memcpy(head, magic, 4);
	assay__frame_put_u32(head + 4, (uint32_t)size_bytes);
	assay__frame_put_u64(head + 8, number);
	assay__frame_put_u32(head + 16, assay__frame_crc32(assay__frame_crc32(0, head + 8, 8), bytes, size_bytes));
	struct iovec parts[2] = {{head, sizeof(head)}, {(void *)(uintptr_t)bytes, size_bytes}};
	ssize_t written = writev(fd, parts, 2);
	return written == (ssize_t)(sizeof(head) + size_bytes) ? ASSAY_OK : ASSAY_E_IO;
}

int assay__frame_read(int fd, uint64_t number, void *out, size_t size_bytes, size_t *used_bytes)
{
	uint8_t head[ASSAY__FRAME_HEAD_BYTES];
	if (read(fd, head, sizeof(head)) != sizeof(head) || memcmp(head, magic, 4) != 0)
		return ASSAY_E_FORMAT;
	uint32_t length = assay__frame_u32(head + 4);
	if (assay__frame_u64(head + 8) != number || length == 0 || length > ASSAY__SPOOL_MESSAGE_BYTES)
		return ASSAY_E_FORMAT;
	if (length > size_bytes)
		return ASSAY_E_LIMIT;
	if (read(fd, out, length) != (ssize_t)length)
		return ASSAY_E_FORMAT;
	if (assay__frame_crc32(assay__frame_crc32(0, head + 8, 8), out, length) != assay__frame_u32(head + 16))
		return ASSAY_E_FORMAT;
	*used_bytes = length;
	return ASSAY_OK;
}

int assay__frame_skip(int fd, uint64_t number)
{
	uint8_t bytes[ASSAY__SPOOL_MESSAGE_BYTES];
	size_t used;
	off_t before = lseek(fd, 0, SEEK_CUR);
	int err = assay__frame_read(fd, number, bytes, sizeof(bytes), &used);
	if (err)
		lseek(fd, before, SEEK_SET);
	return err;
}
