/* SPDX-License-Identifier: Apache-2.0 */
#include "station/identity/print.h"

#include <string.h>
#ifdef ASSAY_HAVE_DMTX
#include <dmtx.h>
#endif

#include "base/err.h"

#define QUIET 2 /* modules */
#define DARK 24
#define LIGHT 225

int assay__code_print(struct assay_image *image, const char *text, struct assay_error *error)
{
#ifdef ASSAY_HAVE_DMTX
	DmtxEncode *encode = dmtxEncodeCreate();
	int modules, side, width = image->width_px, height = image->height_px, shorter = width < height ? width : height;

	if (!encode)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory for a DataMatrix");
	dmtxEncodeSetProp(encode, DmtxPropModuleSize, 1);
	dmtxEncodeSetProp(encode, DmtxPropMarginSize, QUIET);
	dmtxEncodeSetProp(encode, DmtxPropPixelPacking, DmtxPack8bppK);
	if (dmtxEncodeDataMatrix(encode, (int)strlen(text), (unsigned char *)(uintptr_t)text) != DmtxPass) {
		dmtxEncodeDestroy(&encode);
		return assay__fail(error, ASSAY_E_LIMIT, -1, "%zu bytes cannot be a DataMatrix", strlen(text));
	}
	modules = encode->image->width;
	side = shorter / 4 / modules > 3 ? shorter / 4 / modules : 3;
	if (modules * side > shorter) {
		dmtxEncodeDestroy(&encode);
		return assay__fail(error, ASSAY_E_LIMIT, -1, "a DataMatrix of %d modules does not fit %d x %d pixels", modules,
						   width, height);
	}
	for (int y = 0; y < modules * side; y++)
		for (int x = 0; x < modules * side; x++) {
			uint8_t dot = encode->image->pxl[(size_t)(y / side) * (size_t)modules + (size_t)(x / side)];
			uint8_t *to = image->pixels + (size_t)(height - modules * side + y) * image->stride_bytes +
						  (size_t)x * (size_t)image->channels;

			memset(to, dot < 128 ? DARK : LIGHT, (size_t)image->channels);
		}
	dmtxEncodeDestroy(&encode);
	return 0;
#else
	(void)image;
	(void)text;
	return assay__fail(error, ASSAY_E_UNSUPPORTED, -1, "print_code: this build has no libdmtx");
#endif
}
