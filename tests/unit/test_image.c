/* SPDX-License-Identifier: Apache-2.0 */
#include "image_util.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "vision/image/codec.h"

static char folder[64];

static const char *in_folder(const char *name)
{
	static char path[4][512];
	static int next;
	char *to = path[next++ % 4];

	snprintf(to, sizeof(path[0]), "%s/%s", folder, name);
	return to;
}

static int make_folder(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/assay-image-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int entries(void)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	int n = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir)))
		n += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
	closedir(dir);
	return n;
}

static int drop_folder(void **state)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;

	(void)state;
	while (dir && (entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 && unlink(in_folder(entry->d_name)))
			rmdir(in_folder(entry->d_name));
	if (dir)
		closedir(dir);
	return rmdir(folder);
}

static void write_file(const char *name, const void *bytes, size_t size)
{
	FILE *file = fopen(in_folder(name), "wb");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
}

static void create(void **state)
{
	struct assay_image image;
	struct assay_error error;
	size_t i;

	(void)state;
	assert_int_equal(assay_image_create(7, 5, 3, 16, NULL, &image, NULL), ASSAY_OK);
	assert_kind(&image, 7, 5, 3, 16);
	assert_int_equal(image.stride_bytes, 42);
	for (i = 0; i < 42 * 5; i++)
		assert_int_equal(image.pixels[i], 0);
	assay_image_free(&image, NULL);
	assert_null(image.pixels);
	assert_int_equal(image.width_px, 0);
	assay_image_free(&image, NULL);

	assert_int_equal(assay_image_create(0, 5, 1, 8, NULL, &image, &error), ASSAY_E_ARGUMENT);
	assert_int_equal(assay_image_create(5, -1, 1, 8, NULL, &image, &error), ASSAY_E_ARGUMENT);
	assert_int_equal(assay_image_create(5, 5, 2, 8, NULL, &image, &error), ASSAY_E_ARGUMENT);
	assert_int_equal(assay_image_create(5, 5, 1, 12, NULL, &image, &error), ASSAY_E_ARGUMENT);
	assert_int_equal(assay_image_create(65501, 1, 1, 8, NULL, &image, &error), ASSAY_E_LIMIT);
	assert_int_equal(assay_image_create(12001, 10000, 1, 8, NULL, &image, &error), ASSAY_E_LIMIT);
	assert_null(image.pixels);
	{
		COUNTING(counting, 1);
		assert_int_equal(assay_image_create(5, 5, 1, 8, &counting, &image, &error), ASSAY_E_NOMEM);
	}
	{
		COUNTING(counting, 0);
		assert_int_equal(assay_image_create(65500, 1, 1, 8, &counting, &image, &error), ASSAY_OK);
		assert_int_equal(counting_count.live, 1);
		assay_image_free(&image, &counting);
		assert_int_equal(counting_count.live, 0);
	}
}

/* The hash against its definition, put together by hand; padding and byte order must not show. */
static void hash(void **state)
{
	struct assay_image image = make_image(3, 2, 3, 16), wide = image;
	uint8_t got[ASSAY_HASH_BYTES], want[ASSAY_HASH_BYTES];
	struct buffer b = {0};
	int x, y, c;

	(void)state;
	put_le(&b, 3, 4);
	put_le(&b, 2, 4);
	put_le(&b, 3, 4);
	put_le(&b, 16, 4);
	for (y = 0; y < 2; y++)
		for (x = 0; x < 3; x++)
			for (c = 0; c < 3; c++)
				put_le(&b, sample_at(&image, x, y, c), 2);
	crypto_generichash(want, sizeof(want), b.data, b.size, NULL, 0);
	assay_image_hash(&image, got);
	assert_memory_equal(got, want, sizeof(got));

	wide.stride_bytes = 30;
	wide.pixels = calloc(2, 30);
	assert_non_null(wide.pixels);
	memcpy(wide.pixels, image.pixels, 18);
	memcpy(wide.pixels + 30, image.pixels + 18, 18);
	wide.pixels[20] = 99;
	assay_image_hash(&wide, got);
	assert_memory_equal(got, want, sizeof(got));
	wide.pixels[30] ^= 1;
	assay_image_hash(&wide, got);
	assert_memory_not_equal(got, want, sizeof(got));
	free(wide.pixels);
	drop(&b);
	assay_image_free(&image, NULL);
}

/* A turn and its opposite give the picture back; 5 to 8 swap the sides; nonsense leaves it alone. */
static void orient(void **state)
{
	static const int opposite[9] = {0, 1, 2, 3, 4, 5, 8, 7, 6};
	int channels, depth, o;

	(void)state;
	for (channels = 1; channels <= 3; channels += 2)
		for (depth = 8; depth <= 16; depth += 8)
			for (o = -1; o <= 10; o++) {
				struct assay_image image = make_image(5, 3, channels, depth),
								   before = make_image(5, 3, channels, depth);
				bool real = o >= 1 && o <= 8;

				assert_int_equal(assay__image_orient(&image, o, NULL, NULL), ASSAY_OK);
				assert_kind(&image, real && o >= 5 ? 3 : 5, real && o >= 5 ? 5 : 3, channels, depth);
				assert_int_equal(assay__image_orient(&image, real ? opposite[o] : o, NULL, NULL), ASSAY_OK);
				assert_same(&image, &before);
				assay_image_free(&image, NULL);
				assay_image_free(&before, NULL);
			}
}

static void load_fails(const char *name, enum assay_err code, const char *words)
{
	const char *path = in_folder(name);
	struct assay_image image = {0};
	struct assay_error error = {0};
	COUNTING(counting, 0);
	int rc = assay_image_load(path, &counting, &image, &error);

	if (rc != (int)code || error.code != code || !strstr(error.message, words) ||
		strncmp(error.message, path, strlen(path)) != 0)
		fail_msg("code %d, message \"%s\"", rc, error.message);
	assert_int_equal(counting_count.live, 0);
	assert_int_equal(assay_image_load(path, &counting, &image, NULL), code);
}

static void load(void **state)
{
	struct assay_image image = make_image(20, 10, 3, 8), read;
	struct assay_error error;
	char path[700];
	int fd;

	(void)state;
	/* told apart by content, never by name */
	assert_int_equal(assay_image_save_png(in_folder("a.jpg"), &image, &error), ASSAY_OK);
	assert_int_equal(assay_image_load(in_folder("a.jpg"), NULL, &read, &error), ASSAY_OK);
	assert_same(&read, &image);
	assay_image_free(&read, NULL);
	assay_image_free(&image, NULL);

	write_file("empty.png", "", 0);
	load_fails("empty.png", ASSAY_E_FORMAT, ": empty file");
	write_file("text.jpg", "to whom it may concern\n", 23);
	load_fails("text.jpg", ASSAY_E_FORMAT, ": not a picture assay reads (JPEG, PNG, BMP, TIFF, PGM, PPM)");
	load_fails("none.png", ASSAY_E_IO, "cannot be opened: No such file");
	assert_int_equal(mkdir(in_folder("folder.png"), 0700), 0);
	load_fails("folder.png", ASSAY_E_IO, "is a folder");
	assert_int_equal(mkfifo(in_folder("pipe.png"), 0600), 0);
	load_fails("pipe.png", ASSAY_E_IO, "is a pipe");
	write_file("cut.pgm", "P5 9 9 255\nabc", 14);
	load_fails("cut.pgm", ASSAY_E_FORMAT, ": PGM/PPM: the file ends early, at byte 14");
	fd = open(in_folder("huge.png"), O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	if (ftruncate(fd, ((off_t)1 << 30) + 1) == 0)
		load_fails("huge.png", ASSAY_E_LIMIT, "the file has 1073741825 bytes");
	close(fd);

	/* of a long path the end is shown, and the reason still fits */
	snprintf(path, sizeof(path), "%s/%0*d/part.png", folder, 200, 7);
	assert_int_equal(assay_image_load(path, NULL, &read, &error), ASSAY_E_IO);
	assert_int_equal(strncmp(error.message, "...0", 4), 0);
	assert_non_null(strstr(error.message, "7/part.png: cannot be opened: No such file"));
}

static void load_allocations(void **state)
{
	long k;

	(void)state;
	write_file("small.ppm", "P6 1 1 255\nabc", 14);
	for (k = 1;; k++) {
		struct assay_image image;
		struct assay_error error;
		COUNTING(counting, k);
		int rc = assay_image_load(in_folder("small.ppm"), &counting, &image, &error);

		if (!rc) {
			assay_image_free(&image, &counting);
			assert_int_equal(counting_count.live, 0);
			break;
		}
		assert_int_equal(rc, ASSAY_E_NOMEM);
		assert_int_equal(counting_count.live, 0);
	}
	assert_int_equal(k, 3);
}

static void save(void **state)
{
	struct assay_image image = make_image(31, 17, 1, 16), read;
	struct assay_error error;
	struct stat st;
	mode_t mask;
	int before;

	(void)state;
	mask = umask(027);
	assert_int_equal(assay_image_save_png(in_folder("saved.png"), &image, &error), ASSAY_OK);
	before = entries();
	/* over an old one */
	assert_int_equal(assay_image_save_png(in_folder("saved.png"), &image, &error), ASSAY_OK);
	umask(mask);
	assert_int_equal(entries(), before);
	assert_int_equal(stat(in_folder("saved.png"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	assert_int_equal(assay_image_load(in_folder("saved.png"), NULL, &read, &error), ASSAY_OK);
	assert_same(&read, &image);
	assay_image_free(&read, NULL);

	mkdir(in_folder("taken"), 0700);
	before = entries();
	assert_int_equal(assay_image_save_png(in_folder("taken"), &image, &error), ASSAY_E_IO);
	assert_non_null(strstr(error.message, "taken: cannot be put in place: "));
	assert_int_equal(entries(), before);
	assert_int_equal(assay_image_save_png(in_folder("no/where.png"), &image, &error), ASSAY_E_IO);
	assert_non_null(strstr(error.message, "no/where.png: cannot be created: No such file"));
	assert_int_equal(assay_image_save_png(in_folder("bad.png"), &(struct assay_image){0}, &error), ASSAY_E_ARGUMENT);
	assert_int_equal(entries(), before);
	assay_image_free(&image, NULL);
}

/* A write that fails half way leaves the old file and nothing else. */
static void save_without_room(void **state)
{
	struct assay_image image = make_image(200, 200, 3, 16), read;
	struct rlimit old, low;
	struct assay_error error;
	int before, rc;

	(void)state;
	write_file("room.png", "P5 1 1 255\nz", 12);
	before = entries();
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	low = old;
	low.rlim_cur = 10000;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
	rc = assay_image_save_png(in_folder("room.png"), &image, &error);
	setrlimit(RLIMIT_FSIZE, &old);
	assert_int_equal(rc, ASSAY_E_IO);
	assert_non_null(strstr(error.message, "room.png: cannot be written: "));
	assert_int_equal(entries(), before);
	assert_int_equal(assay_image_load(in_folder("room.png"), NULL, &read, &error), ASSAY_OK);
	assert_kind(&read, 1, 1, 1, 8);
	assay_image_free(&read, NULL);
	assay_image_free(&image, NULL);
}

/* Very long and very small pictures through every writer of ours. */
static void odd_sizes(void **state)
{
	static const int sizes[][2] = {{1, 1}, {20000, 1}, {1, 20000}, {65500, 1}};
	size_t i;
	int depth;

	(void)state;
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		for (depth = 8; depth <= 16; depth += 8) {
			struct assay_image image = make_image(sizes[i][0], sizes[i][1], 1, depth), read;
			uint8_t *bytes;
			size_t size;

			assert_int_equal(assay_image_encode_png(&image, NULL, &bytes, &size, NULL), ASSAY_OK);
			read = must_decode(bytes, size);
			assert_same(&read, &image);
			assay_image_free(&read, NULL);
			free(bytes);
			if (depth == 8) {
				assert_int_equal(assay_image_encode_jpeg(&image, 90, NULL, &bytes, &size, NULL), ASSAY_OK);
				read = must_decode(bytes, size);
				assert_kind(&read, sizes[i][0], sizes[i][1], 1, 8);
				assay_image_free(&read, NULL);
				free(bytes);
			}
			assay_image_free(&image, NULL);
		}
}

/* Short pieces that look like the beginning of something. */
static void beginnings(void **state)
{
	static const char *const starts[] = {
		"\xff\xd8\xff", "\x89PNG\r\n\x1a\n", "BM", "II*", "MM", "P5\n", "P3 ", "GIF89a", "RIFF"};
	size_t i, n;

	(void)state;
	for (i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
		for (n = 0; n < 64; n++) {
			struct assay_image image;
			struct assay_error error;
			uint8_t bytes[72] = {0};
			size_t length = strlen(starts[i]);

			memcpy(bytes, starts[i], length);
			memset(bytes + length, (int)(n * 37), n);
			assert_int_not_equal(assay_image_decode(bytes, length + n, NULL, &image, &error), ASSAY_OK);
			assert_true(error.code == ASSAY_E_FORMAT || error.code == ASSAY_E_UNSUPPORTED ||
						error.code == ASSAY_E_LIMIT);
			assert_true(error.message[0] != '\0');
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(create),
		cmocka_unit_test(hash),
		cmocka_unit_test(orient),
		cmocka_unit_test(load),
		cmocka_unit_test(load_allocations),
		cmocka_unit_test(save),
		cmocka_unit_test(save_without_room),
		cmocka_unit_test(odd_sizes),
		cmocka_unit_test(beginnings),
	};

	return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
