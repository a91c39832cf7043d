/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One set of inspections, and the hash of everything that came out: the same on every instruction set and machine.
 * Needs no library, so that it runs wherever the compiler reaches.
 *
 *	same_bits render PICTURES                writes the parts of the virtual line, 12 good ones and 50 of all kinds
 *	same_bits inspect ISA NETWORK PICTURES   teaches a bank from the 12, inspects the 50
 *	same_bits kernels ISA                    every kernel against the scalar one, and what is done to pictures
 *	same_bits list                           the instruction sets of this CPU
 *
 * inspect and kernels print a line "isa NAME", lines "STAGE HASH", and last "all HASH".
 */
#include "same_bits.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "station/source/virtual_line.h"
#include "vision/calibrate.h"
#include "vision/workspace.h"

#define GOODS 12
#define PARTS 50
#define FOLDS 3
#define BANK 320 /* enough for a search by way of codes */
#define WIDTH_PX 128
#define HEIGHT_PX 128
#define CHANNELS 3
#define PICTURE_BYTES ((size_t)WIDTH_PX * HEIGHT_PX * CHANNELS)
#define SEVERITY 1.0
#define BRIGHTER_Q12 4915

/* two scales, of grids that do not divide each other */
#define SCALES 2
static const int working_px[SCALES] = {64, 80};

enum stage { PICTURES, FEATURES, CHOICE, DISTANCES, MAPS, SCORES, REGIONS, STAGES };
static const char *const stage_names[STAGES] = {"pictures", "features", "choice", "distances",
												"maps",		"scores",	"regions"};

struct bench {
	uint8_t *pictures;
	struct assay__net *net;
	struct assay__view view;
	struct assay__scales scales;
	struct assay__workspace *space;
	int8_t *vectors; /* of the good parts at the scale at hand, of each its own and those in brighter light */
	uint8_t *skip;
	struct blake2b stages[STAGES];
};

void give_up(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("same_bits: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	exit(1);
}

void put_u64(struct blake2b *hash, uint64_t value)
{
	uint8_t bytes[8];

	for (int i = 0; i < 8; i++)
		bytes[i] = (uint8_t)(value >> (8 * i));
	blake2b_update(hash, bytes, sizeof(bytes));
}

void put_i32s(struct blake2b *hash, const int32_t *values, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		uint32_t value = (uint32_t)values[i];
		uint8_t bytes[4] = {(uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16), (uint8_t)(value >> 24)};
		blake2b_update(hash, bytes, sizeof(bytes));
	}
}

static void *take(size_t size_bytes)
{
	void *memory = calloc(1, size_bytes);

	if (!memory)
		give_up("no memory for %zu bytes", size_bytes);
	return memory;
}

static uint8_t *read_file(const char *path, size_t *size)
{
	FILE *file = fopen(path, "rb");
	uint8_t *bytes = NULL;
	size_t room = 0;

	if (!file)
		give_up("cannot open %s", path);
	*size = 0;
	do {
		room += 1 << 20;
		bytes = realloc(bytes, room);
		if (!bytes)
			give_up("no memory for %s", path);
		*size += fread(bytes + *size, 1, room - *size, file);
	} while (*size == room);
	fclose(file);
	return bytes;
}

static void must(int err, const struct assay_error *error)
{
	if (err)
		give_up("%s", error->message);
}

static struct assay_image picture_at(uint8_t *pixels)
{
	return (struct assay_image){.width_px = WIDTH_PX,
								.height_px = HEIGHT_PX,
								.channels = CHANNELS,
								.depth_bits = 8,
								.stride_bytes = (size_t)WIDTH_PX * CHANNELS,
								.pixels = pixels};
}

static void render(const char *path)
{
	const struct assay__virtual_options options = {
		.seed = 20, .width_px = WIDTH_PX, .height_px = HEIGHT_PX, .channels = CHANNELS};
	struct assay__virtual_line *line;
	struct assay_error error = {0};
	uint8_t *pixels = take(PICTURE_BYTES);
	struct assay_image picture = picture_at(pixels);
	FILE *file = fopen(path, "wb");

	if (!file)
		give_up("cannot write %s", path);
	must(assay__virtual_open(&options, NULL, &line, &error), &error);
	for (int i = 0; i < GOODS + PARTS; i++) {
		/* of the parts to inspect every second one is good, the others have each kind of defect in turn */
		const int part = i - GOODS;
		struct assay__virtual_wish wish = {.kind = ASSAY__VIRTUAL_GOOD, .severity = SEVERITY};
		if (part > 0 && part % 2)
			wish.kind = (enum assay__virtual_kind)(1 + part / 2 % (ASSAY__VIRTUAL_KINDS - 1));
		must(assay__virtual_render(line, (uint64_t)i, &wish, &picture, NULL, NULL, &error), &error);
		if (fwrite(pixels, PICTURE_BYTES, 1, file) != 1)
			give_up("cannot write %s", path);
	}
	if (fclose(file))
		give_up("cannot write %s", path);
	assay__virtual_close(line);
	free(pixels);
}

static void open_bench(struct bench *b, enum assay_isa isa, const char *network, const char *pictures)
{
	struct assay_error error = {0};
	size_t size;
	uint8_t *bytes = read_file(network, &size);

	for (int i = 0; i < STAGES; i++)
		blake2b_init(&b->stages[i], 32);
	must(assay__net_open(bytes, size, isa, NULL, &b->net, &error), &error);
	free(bytes);
	b->view = (struct assay__view){.white_level = 65535};
	b->scales.count = SCALES;
	for (int s = 0; s < SCALES; s++)
		b->scales.at[s].working_px = working_px[s];
	must(assay__workspace_open(b->net, &b->view, &b->scales, NULL, NULL, &b->space, &error), &error);
	b->pictures = read_file(pictures, &size);
	if (size != (GOODS + PARTS) * PICTURE_BYTES)
		give_up("%s is not what render writes", pictures);
	blake2b_update(&b->stages[PICTURES], b->pictures, size);
	const struct assay_image picture = picture_at(b->pictures);
	const struct assay__shape shape = assay__shape_of(&picture);
	must(assay__workspace_shape(b->space, &shape, &error), &error);
	const size_t most = 2 * (size_t)GOODS * (size_t)assay__workspace_finest(b->space)->live;
	b->vectors = take(most * (size_t)b->space->dim);
	b->skip = take(most);
}

static void close_bench(struct bench *b)
{
	assay__workspace_close(b->space);
	assay__scales_free(&b->scales, NULL);
	assay__net_close(b->net);
	free(b->pictures);
	free(b->vectors);
	free(b->skip);
}

static void extract(struct bench *b, int scale, int index, int brighten_q12, int8_t *vectors)
{
	const struct assay_image picture = picture_at(b->pictures + (size_t)index * PICTURE_BYTES);

	assay__workspace_extract(b->space, scale, &picture, brighten_q12, vectors);
	blake2b_update(&b->stages[FEATURES], vectors, (size_t)b->space->at[scale].live * (size_t)b->space->dim);
}

/* A bank of what is not skipped. */
static void choose_bank(struct bench *b, int scale, enum assay_isa isa, const uint8_t *skip)
{
	struct assay_error error = {0};
	const size_t dim = (size_t)b->space->dim;
	struct assay__bank **bank = &b->scales.at[scale].bank;
	int64_t chosen[BANK];
	int8_t *vectors = take(BANK * dim);
	int count;

	must(assay__bank_choose(b->vectors, skip, (int64_t)2 * GOODS * b->space->at[scale].live, b->space->dim, BANK, isa,
							NULL, NULL, NULL, chosen, &count, &error),
		 &error);
	for (int i = 0; i < count; i++) {
		put_u64(&b->stages[CHOICE], (uint64_t)chosen[i]);
		memcpy(vectors + (size_t)i * dim, b->vectors + (size_t)chosen[i] * dim, dim);
	}
	assay__bank_close(*bank);
	*bank = NULL;
	must(assay__bank_open(vectors, count, b->space->dim, isa, NULL, bank, &error), &error);
	free(vectors);
}

static uint32_t score(struct bench *b, int scale, const int8_t *vectors)
{
	const struct assay__scale_space *at = &b->space->at[scale];
	const struct assay__bank *bank = b->scales.at[scale].bank;
	const size_t live = (size_t)at->live, cells = (size_t)at->geometry.grid_width * (size_t)at->geometry.grid_height;
	int32_t *d2 = take(live * sizeof(*d2)), *index = take(live * sizeof(*index));
	const uint32_t value = assay__workspace_score(b->space, scale, bank, vectors);

	put_i32s(&b->stages[DISTANCES], at->d2, live);
	assay__bank_nearest(bank, vectors, at->live, d2, index);
	if (memcmp(d2, at->d2, live * sizeof(*d2)) != 0)
		give_up("the bank's distances depend on whether the index is asked for");
	put_i32s(&b->stages[DISTANCES], index, live);
	put_i32s(&b->stages[MAPS], (const int32_t *)at->map, cells);
	put_u64(&b->stages[SCORES], value);
	free(d2);
	free(index);
	return value;
}

static int by_value(const void *a, const void *b)
{
	const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return x < y ? -1 : x > y;
}

/* One scale, as assay_teach learns it; every part is taught in brighter light too. */
static void teach_scale(struct bench *b, int scale, enum assay_isa isa, uint32_t scores[GOODS])
{
	const size_t live = (size_t)b->space->at[scale].live, part_bytes = live * (size_t)b->space->dim;
	struct assay__scale *taught = &b->scales.at[scale];
	uint32_t light[GOODS];

	for (int i = 0; i < GOODS; i++) {
		const struct assay_image picture = picture_at(b->pictures + (size_t)i * PICTURE_BYTES);
		const struct assay__plane plane = assay__workspace_plane(b->space, scale, &picture);
		light[i] = assay__light_mean_q8(&plane);
		put_u64(&b->stages[FEATURES], (uint64_t)assay__light_clipped(&plane, BRIGHTER_Q12));
	}
	qsort(light, GOODS, sizeof(*light), by_value);
	taught->light_q8 = light[(GOODS - 1) / 2];
	for (int i = 0; i < GOODS; i++) {
		extract(b, scale, i, ASSAY__LIGHT_ONE_Q12, b->vectors + 2 * (size_t)i * part_bytes);
		extract(b, scale, i, BRIGHTER_Q12, b->vectors + (2 * (size_t)i + 1) * part_bytes);
	}
	for (int fold = 0; fold < FOLDS; fold++) {
		for (int i = 0; i < GOODS; i++)
			memset(b->skip + 2 * (size_t)i * live, assay__fold_of(i, FOLDS) == fold, 2 * live);
		choose_bank(b, scale, isa, b->skip);
		for (int i = 0; i < GOODS; i++)
			if (assay__fold_of(i, FOLDS) == fold)
				scores[i] = score(b, scale, b->vectors + 2 * (size_t)i * part_bytes);
	}
	choose_bank(b, scale, isa, NULL);
	taught->unit = assay__unit_of(scores, GOODS);
}

/* The cross-conformal threshold of the joined scores, as assay_teach finds it. */
static uint32_t teach(struct bench *b, enum assay_isa isa, uint32_t scores[GOODS])
{
	uint32_t raw[GOODS];

	memset(scores, 0, GOODS * sizeof(*scores));
	for (int s = 0; s < SCALES; s++) {
		teach_scale(b, s, isa, raw);
		for (int i = 0; i < GOODS; i++) {
			const uint32_t joined = assay__unit_apply(&b->scales.at[s].unit, raw[i]);
			scores[i] = scores[i] > joined ? scores[i] : joined;
		}
	}
	qsort(scores, GOODS, sizeof(*scores), by_value);
	return assay__conformal_threshold(scores, GOODS, 0.2);
}

static void put_region(struct blake2b *hash, const struct assay_region *r)
{
	const int32_t fields[] = {r->box.x,		r->box.y,	  r->box.width,		   r->box.height,	   r->area_px,
							  r->peak_x_px, r->peak_y_px, (int32_t)r->peak_q8, (int32_t)r->mean_q8};
	put_i32s(hash, fields, sizeof(fields) / sizeof(fields[0]));
}

/* Returns whether the part is rejected. */
static bool inspect(struct bench *b, int part, uint32_t threshold, const uint32_t scores[GOODS])
{
	struct assay__workspace *space = b->space;
	const struct assay__scale_space *finest = assay__workspace_finest(space);
	struct assay_region regions[ASSAY_MAX_REGIONS];
	int total, counted;

	for (int s = 0; s < SCALES; s++) {
		extract(b, s, GOODS + part, ASSAY__LIGHT_ONE_Q12, space->vectors);
		score(b, s, space->vectors);
	}
	const uint32_t value = assay__workspace_join(space);
	put_i32s(&b->stages[MAPS], (const int32_t *)space->map,
			 (size_t)finest->geometry.grid_width * (size_t)finest->geometry.grid_height);
	put_i32s(&b->stages[MAPS], (const int32_t *)assay__workspace_locate(space),
			 (size_t)finest->geometry.grid_width * (size_t)finest->geometry.grid_height);
	put_u64(&b->stages[SCORES], value);
	const double p = assay__conformal_p(scores, GOODS, value);
	uint64_t p_bits;
	memcpy(&p_bits, &p, sizeof(p_bits));
	put_u64(&b->stages[SCORES], p_bits);
	/* half the threshold too, so that there are many regions */
	for (uint32_t bar = threshold / 2; bar <= threshold; bar += threshold - threshold / 2) {
		int count = assay__judge_regions(finest->judge, space->map, bar, &finest->geometry.area, NULL, regions, &total,
										 &counted);
		put_u64(&b->stages[REGIONS], (uint64_t)total);
		for (int i = 0; i < count; i++)
			put_region(&b->stages[REGIONS], &regions[i]);
	}
	return value > threshold;
}

static void print_hash(const char *name, struct blake2b *hash, struct blake2b *all)
{
	uint8_t digest[32];

	blake2b_final(hash, digest);
	if (all)
		blake2b_update(all, digest, sizeof(digest));
	printf("%s ", name);
	for (size_t i = 0; i < (all ? 8 : sizeof(digest)); i++)
		printf("%02x", digest[i]);
	putchar('\n');
}

static void inspect_all(enum assay_isa isa, const char *network, const char *pictures)
{
	struct bench b = {0};
	struct blake2b all;
	uint32_t scores[GOODS];
	int rejected[2] = {0}; /* of the good ones, of the others */

	open_bench(&b, isa, network, pictures);
	const uint32_t threshold = teach(&b, isa, scores);
	for (int part = 0; part < PARTS; part++)
		rejected[part % 2] += inspect(&b, part, threshold, scores);
	if (rejected[0] == PARTS / 2 || rejected[1] == 0)
		give_up("%d of %d good parts and %d of %d defective ones are rejected; the comparison would prove little",
				rejected[0], PARTS / 2, rejected[1], PARTS / 2);
	printf("isa %s\n", assay_isa_name(b.space->info.isa));
	blake2b_init(&all, 32);
	for (int i = 0; i < STAGES; i++)
		print_hash(stage_names[i], &b.stages[i], &all);
	print_hash("all", &all, NULL);
	close_bench(&b);
}

static void sweep_all(enum assay_isa isa)
{
	struct blake2b network, bank, before, position, labels, all;

	blake2b_init(&network, 32);
	blake2b_init(&bank, 32);
	blake2b_init(&before, 32);
	blake2b_init(&labels, 32);
	blake2b_init(&position, 32);
	blake2b_init(&all, 32);
	sweep_network(isa, &network);
	sweep_bank(isa, &bank);
	sweep_pictures(&before);
	sweep_labels(isa, &labels);
	sweep_position(isa, &position);
	printf("isa %s\n", assay_isa_name(isa == ASSAY_ISA_BEST ? assay_isa_best() : isa));
	print_hash("network", &network, &all);
	print_hash("bank", &bank, &all);
	print_hash("pictures", &before, &all);
	print_hash("position", &position, &all);
	print_hash("all", &all, NULL);
	print_hash("labels", &labels, NULL);
}

/* RFC 7693, appendix A */
static void check_hash(void)
{
	static const uint8_t want[8] = {0xba, 0x80, 0xa5, 0x3f, 0x98, 0x1c, 0x4d, 0x0d};
	struct blake2b state;
	uint8_t digest[64];

	blake2b_init(&state, sizeof(digest));
	blake2b_update(&state, "abc", 3);
	blake2b_final(&state, digest);
	if (memcmp(digest, want, sizeof(want)) != 0)
		give_up("BLAKE2b of \"abc\" is wrong");
}

int main(int argc, char **argv)
{
	enum assay_isa isa;
	struct assay_error error = {0};
	const char *verb = argc > 1 ? argv[1] : "";

	check_hash();
	if (argc == 2 && strcmp(verb, "list") == 0) {
		for (int i = ASSAY_ISA_SCALAR; i <= ASSAY_ISA_NEONDOT; i++)
			if (assay_isa_from_name(assay_isa_name((enum assay_isa)i), &isa, NULL) == 0)
				puts(assay_isa_name(isa));
		return 0;
	}
	if (argc == 3 && strcmp(verb, "render") == 0) {
		render(argv[2]);
		return 0;
	}
	if (!(argc == 3 && strcmp(verb, "kernels") == 0) && !(argc == 5 && strcmp(verb, "inspect") == 0)) {
		fputs("usage: same_bits render PICTURES | inspect ISA NETWORK PICTURES | kernels ISA | list\n", stderr);
		return 64;
	}
	must(assay_isa_from_name(argv[2], &isa, &error), &error);
	if (argc == 3)
		sweep_all(isa);
	else
		inspect_all(isa, argv[3], argv[4]);
	return 0;
}
