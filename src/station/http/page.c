/* SPDX-License-Identifier: Apache-2.0 */
/* The pages of web/, put into the program by the assembler: nothing is read from a disk, so no path leads out. */
#include "station/http/room.h"

#include <string.h>
#include <strings.h>

/* Made by web/build.sh, one line a file: ASSAY_WEB_FILE(symbol, path, type, tag, file). */
#define WEB_FILES "station/http/web_files.h"

#define SYMBOL(name, file)                                                                                             \
	__asm__(".pushsection .rodata\n.balign 16\n"                                                                       \
			".globl assay__page_" #name "\n.hidden assay__page_" #name "\n"                                            \
			"assay__page_" #name ":\n.incbin \"" file "\"\n"                                                           \
			".globl assay__page_" #name "_end\n.hidden assay__page_" #name "_end\n"                                    \
			"assay__page_" #name "_end:\n.byte 0\n.popsection\n");                                                     \
	extern const uint8_t assay__page_##name[] __attribute__((visibility("hidden")));                                   \
	extern const uint8_t assay__page_##name##_end[] __attribute__((visibility("hidden")))

#define ASSAY_WEB_FILE(symbol, path, type, tag, file)                                                                  \
	SYMBOL(symbol, file);                                                                                              \
	SYMBOL(symbol##_gz, file ".gz");
#include WEB_FILES
#undef ASSAY_WEB_FILE

static const struct assay__page pages[] = {
#define ASSAY_WEB_FILE(symbol, path, type, tag, file)                                                                  \
	{path,                                                                                                             \
	 type,                                                                                                             \
	 "\"" tag "\"",                                                                                                    \
	 assay__page_##symbol,                                                                                             \
	 assay__page_##symbol##_end,                                                                                       \
	 assay__page_##symbol##_gz,                                                                                        \
	 assay__page_##symbol##_gz_end},
#include WEB_FILES
#undef ASSAY_WEB_FILE
};

const struct assay__page *assay__page_find(const struct assay__target *target)
{
	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
		if (assay__target_fits(target, pages[i].path, NULL, 0))
			return &pages[i];
	return NULL;
}

bool assay__accepts_gzip(const char *header)
{
	while (header && *header) {
		size_t length = strcspn(header, ",");
		const char *name = header + strspn(header, " \t");

		if (!strncasecmp(name, "gzip", 4) && name + 4 <= header + length && (!name[4] || strchr(" \t;,", name[4]))) {
			const char *weight = strchr(name, '=');

			/* q=0 and q=0.000 refuse it */
			return !weight || weight >= header + length || strspn(weight + 1, "0.") < strcspn(weight + 1, " \t,;");
		}
		header += length + (header[length] == ',');
	}
	return false;
}

enum MHD_Result assay__answer_page(struct assay__request *request)
{
	const struct assay__page *page = request->page;
	const char *seen = assay__request_header(request, "If-None-Match");
	bool gzip = assay__accepts_gzip(assay__request_header(request, "Accept-Encoding"));

	/* kept, but asked for again each time: after an update of the program nobody sees yesterday's page */
	assay__answer_header(request, "Cache-Control", "no-cache");
	assay__answer_header(request, "ETag", "%s", page->tag);
	assay__answer_header(request, "Vary", "Accept-Encoding");
	if (seen && strstr(seen, page->tag))
		return assay__answer_empty(request, 304);
	if (gzip)
		assay__answer_header(request, "Content-Encoding", "gzip");
	return gzip ? assay__answer_static(request, page->type, page->gzip_begin,
									   (size_t)(page->gzip_end - page->gzip_begin))
				: assay__answer_static(request, page->type, page->begin, (size_t)(page->end - page->begin));
}
