/* SPDX-License-Identifier: Apache-2.0 */
#include "station/record/export.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/text.h"
#include "station/record/database.h"
#include "station/record/place.h"

struct csv {
	FILE *stream;
	uint64_t count;
};

static void put_text(FILE *stream, const char *text)
{
	putc('"', stream);
	if (text[0] && strchr("=+-@\t\r", text[0]))
		putc('\'', stream);
	for (; *text; text++) {
		if (*text == '"')
			putc('"', stream);
		putc(*text, stream);
	}
	putc('"', stream);
}

static void put_score(FILE *stream, uint32_t score_q8)
{
	char text[ASSAY__NUMBER_CHARS];
	assay__text_from_double(score_q8 / 256.0, 17, text);
	fprintf(stream, ",%s", text);
}

/* Zone and length of the worst region, over all views by its peak; empty without one. */
static void put_place(FILE *stream, const struct assay__stored_part *part)
{
	const struct assay__stored_region *worst = NULL;
	double mm_per_px = 0;
	char number[ASSAY__NUMBER_CHARS];
	for (int i = 0; i < part->view_count; i++) {
		const struct assay__stored_view *view = &part->views[i];
		if (view->region_count && (!worst || view->regions[0].peak_q8 > worst->peak_q8)) {
			worst = &view->regions[0];
			mm_per_px = view->mm_per_px;
		}
	}
	put_text(stream, worst ? worst->zone : "");
	if (!worst || part->form < 2) {
		fputs(",,", stream);
		return;
	}
	fprintf(stream, ",%d,", worst->length_px);
	if (mm_per_px > 0) {
		assay__text_from_double(worst->length_px * mm_per_px, 17, number);
		fputs(number, stream);
	}
}

static int put_part(void *ctx, const struct assay__stored_part *part, struct assay_error *error)
{
	struct csv *csv = ctx;
	FILE *stream = csv->stream;
	char time[ASSAY__TIME_CHARS], number[ASSAY__NUMBER_CHARS], hex[2 * ASSAY_HASH_BYTES + 1] = "";
	int regions = 0, kept = 0;
	for (int i = 0; i < part->view_count; i++) {
		regions += part->views[i].regions_total;
		kept += part->views[i].image_state == ASSAY__IMAGE_KEPT;
	}
	assay__query_time_text(part->wall_us, time);
	assay__text_from_double(part->p_value, 17, number);
	if (part->view_count && !assay__hash_is_zero(part->views[0].recipe_hash))
		sodium_bin2hex(hex, sizeof(hex), part->views[0].recipe_hash, ASSAY_HASH_BYTES);
	fprintf(stream, "%" PRIu64 ",%s,", part->sequence, time);
	put_text(stream, part->station);
	putc(',', stream);
	put_text(stream, part->code);
	fprintf(stream, ",%s,%s,", assay_verdict_name(part->verdict), assay__fault_name(part->fault));
	put_text(stream, part->reason);
	put_score(stream, part->score_q8);
	put_score(stream, part->threshold_q8);
	fprintf(stream, ",%s,%d,%d,%d,", number, regions, part->view_count, kept);
	put_text(stream, part->recipe_name);
	fprintf(stream, ",%s,%s,%" PRIu64 ",%" PRId64 ",%d,", hex, assay__trigger_name(part->trigger), part->trigger_id,
			part->verdict_us - part->trigger_us, part->challenge);
	put_text(stream, part->operator_name);
	fprintf(stream, ",%s,%s,", assay__code_state_name(part->code_state), assay__symbology_name(part->code_symbology));
	put_place(stream, part);
	fputs("\r\n", stream);
	csv->count++;
	return ferror(stream) ? assay__fail(error, ASSAY_E_IO, -1, "cannot write the table: %s", strerror(errno)) : 0;
}

int assay__export_csv(struct assay__reader *reader, const struct assay__part_filter *filter, FILE *stream,
					  uint64_t *count, struct assay_error *error)
{
	struct csv csv = {.stream = stream};
	fputs(
		"part,time,station,code,verdict,fault,reason,score,threshold,p_value,regions,views,pictures,recipe,recipe_hash,"
		"trigger,trigger_id,latency_us,challenge,operator,code_state,code_symbology,zone,length_px,length_mm\r\n",
		stream);
	int rc = assay__query_each(reader, filter, put_part, &csv, error);
	if (rc == 0 && fflush(stream))
		rc = assay__fail(error, ASSAY_E_IO, -1, "cannot write the table: %s", strerror(errno));
	if (rc == 0)
		*count = csv.count;
	return rc;
}

struct folders {
	const char *state_dir, *folder;
	double train_share;
	uint64_t passes;
	struct assay__export_counts counts;
};

static int make_folders(const char *folder, struct assay_error *error)
{
	static const char *const names[] = {"",			  "/train",		  "/train/good",	"/test",
										"/test/good", "/test/defect", "/test/challenge"};
	char path[ASSAY__RECORD_PATH_CHARS];
	int rc = 0;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && rc == 0; i++) {
		if (snprintf(path, sizeof(path), "%s%s", folder, names[i]) >= (int)sizeof(path))
			return assay__fail(error, ASSAY_E_ARGUMENT, -1, "the path of the folder is too long");
		rc = assay__place_folder(path, error);
	}
	return rc;
}

static int copy_bytes(int from, int to)
{
	char bytes[65536];
	ssize_t got;
	while ((got = read(from, bytes, sizeof(bytes))) > 0)
		for (ssize_t done = 0; done < got;) {
			ssize_t n = write(to, bytes + done, (size_t)(got - done));
			if (n < 0)
				return errno;
			done += n;
		}
	return got < 0 ? errno : 0;
}

static int copy_file(const char *from, const char *to, struct assay_error *error)
{
	int in = open(from, O_RDONLY | O_CLOEXEC);
	if (in < 0)
		return assay__fail(error, ASSAY_E_IO, -1, "cannot open %s: %s", from, strerror(errno));
	int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	int number = out < 0 ? errno : copy_bytes(in, out);
	if (out >= 0 && close(out) && !number)
		number = errno;
	close(in);
	if (!number)
		return 0;
	if (out >= 0)
		unlink(to);
	return assay__fail(error, ASSAY_E_IO, -1, "cannot write %s: %s", to, strerror(number));
}

/* Where a part's pictures go; NULL for those that go nowhere. Of n passes, floor(n * share) are in train after each. */
static const char *choose_folder(struct folders *folders, const struct assay__stored_part *part, uint64_t **count)
{
	*count = &folders->counts.challenge;
	if (part->challenge)
		return "test/challenge";
	*count = &folders->counts.defect;
	if (part->verdict == ASSAY_FAIL)
		return "test/defect";
	if (part->verdict != ASSAY_PASS)
		return NULL;
	double before = floor((double)folders->passes * folders->train_share);
	bool train = floor((double)(folders->passes + 1) * folders->train_share) > before;
	folders->passes++;
	*count = train ? &folders->counts.train_good : &folders->counts.test_good;
	return train ? "train/good" : "test/good";
}

static int put_pictures(void *ctx, const struct assay__stored_part *part, struct assay_error *error)
{
	struct folders *folders = ctx;
	int kept = 0, rc = 0;
	uint64_t *count;
	for (int i = 0; i < part->view_count; i++)
		kept += part->views[i].image_state == ASSAY__IMAGE_KEPT;
	folders->counts.without_picture += kept == 0;
	const char *to = kept ? choose_folder(folders, part, &count) : NULL;
	for (int i = 0; to && rc == 0 && i < part->view_count; i++) {
		char name[ASSAY__PLACE_PATH_CHARS], from[ASSAY__RECORD_PATH_CHARS], path[ASSAY__RECORD_PATH_CHARS];
		if (part->views[i].image_state != ASSAY__IMAGE_KEPT)
			continue;
		assay__place_image(part->sequence, i, name);
		rc = assay__record_path(folders->state_dir, name, from, error);
		if (snprintf(path, sizeof(path), "%s/%s%s", folders->folder, to, strrchr(name, '/')) >= (int)sizeof(path))
			rc = assay__fail(error, ASSAY_E_ARGUMENT, -1, "the path of the folder is too long");
		if (rc == 0)
			rc = copy_file(from, path, error);
		*count += rc == 0;
	}
	return rc;
}

int assay__export_folders(const char *state_dir, struct assay__reader *reader, const struct assay__part_filter *filter,
						  const char *folder, double train_share, struct assay__export_counts *counts,
						  struct assay_error *error)
{
	struct folders folders = {.state_dir = state_dir, .folder = folder, .train_share = train_share};
	int rc = make_folders(folder, error);
	if (rc == 0)
		rc = assay__query_each(reader, filter, put_pictures, &folders, error);
	if (rc == 0)
		*counts = folders.counts;
	return rc;
}
