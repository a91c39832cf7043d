/* SPDX-License-Identifier: Apache-2.0 */
/* The pages, put into the program by the assembler. */
#include "station/http/room.h"

#include <string.h>

#include "station/http/page_files.h" /* made by the build: the paths of the files */

#define FILE_OF(symbol, path)                                                                                          \
	__asm__(".pushsection .rodata\n"                                                                                   \
			".globl assay__page_" #symbol "\n"                                                                         \
			".hidden assay__page_" #symbol "\n"                                                                        \
			"assay__page_" #symbol ":\n"                                                                               \
			".incbin \"" path "\"\n"                                                                                   \
			".globl assay__page_" #symbol "_end\n"                                                                     \
			".hidden assay__page_" #symbol "_end\n"                                                                    \
			"assay__page_" #symbol "_end:\n"                                                                           \
			".byte 0\n"                                                                                                \
			".popsection\n");                                                                                          \
	extern const uint8_t assay__page_##symbol[] __attribute__((visibility("hidden")));                                 \
	extern const uint8_t assay__page_##symbol##_end[] __attribute__((visibility("hidden")))

FILE_OF(html, ASSAY_PAGE_HTML);
FILE_OF(css, ASSAY_PAGE_CSS);
FILE_OF(js, ASSAY_PAGE_JS);

static const struct assay__page pages[] = {
	{"/", "text/html; charset=utf-8", assay__page_html, assay__page_html_end},
	{"/page.css", "text/css; charset=utf-8", assay__page_css, assay__page_css_end},
	{"/page.js", "text/javascript; charset=utf-8", assay__page_js, assay__page_js_end},
};

const struct assay__page *assay__page_find(const struct assay__target *target)
{
	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
		if (assay__target_fits(target, pages[i].path, NULL, 0))
			return &pages[i];
	return NULL;
}
