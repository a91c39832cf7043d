/* SPDX-License-Identifier: Apache-2.0 */
/* The orientation tag of an EXIF block (CIPA DC-008, 4.6.4). */
#include "vision/image/codec.h"

#define TAG_ORIENTATION 0x0112
#define TYPE_SHORT 3
#define TYPE_LONG 4
#define ENTRY_BYTES 12

static uint32_t get16(const uint8_t *at, bool big)
{
	return big ? (uint32_t)at[0] << 8 | at[1] : (uint32_t)at[1] << 8 | at[0];
}

static uint32_t get32(const uint8_t *at, bool big)
{
	return big ? get16(at, big) << 16 | get16(at + 2, big) : get16(at + 2, big) << 16 | get16(at, big);
}

int assay__exif_orientation(const uint8_t *exif, size_t size)
{
	size_t directory, count, i;
	bool big;

	if (size < 8 || exif[0] != exif[1] || (exif[0] != 'I' && exif[0] != 'M'))
		return 1;
	big = exif[0] == 'M';
	if (get16(exif + 2, big) != 42)
		return 1;
	directory = get32(exif + 4, big);
	if (directory > size - 2)
		return 1;
	count = get16(exif + directory, big);
	/* a directory that claims more than the block holds is read as far as it goes */
	if (count > (size - directory - 2) / ENTRY_BYTES)
		count = (size - directory - 2) / ENTRY_BYTES;
	for (i = 0; i < count; i++) {
		const uint8_t *entry = exif + directory + 2 + i * ENTRY_BYTES;
		uint32_t type = get16(entry + 2, big), value;

		if (get16(entry, big) != TAG_ORIENTATION)
			continue;
		if ((type != TYPE_SHORT && type != TYPE_LONG) || get32(entry + 4, big) != 1)
			return 1;
		value = type == TYPE_SHORT ? get16(entry + 8, big) : get32(entry + 8, big);
		return value >= 1 && value <= 8 ? (int)value : 1;
	}
	return 1;
}
