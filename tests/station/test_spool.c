/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "fake_station.h"
#include "station/output/spool.h"
#include "station/output/spool_frame.h"
#include "unit/failing.h"

static void append_number(struct assay__spool *spool, int number)
{
	char text[64];
	int length = snprintf(text, sizeof(text), "message %d", number);
	assert_int_equal(assay__spool_append(spool, text, (size_t)length), 0);
}

static void expect_number(struct assay__spool *spool, uint64_t at, int number)
{
	char text[64], found[64];
	size_t used;
	snprintf(text, sizeof(text), "message %d", number);
	assert_int_equal(assay__spool_read(spool, at, found, sizeof(found) - 1, &used), 0);
	found[used] = '\0';
	assert_string_equal(found, text);
}

static void frame_bytes(void **state)
{
	(void)state;
	/* The check value of CRC-32. */
	assert_int_equal(assay__frame_crc32(0, "123456789", 9), 0xCBF43926);
	int fd = memfd_create("frame", 0);
	assert_int_equal(assay__frame_write(fd, 258, "ab", 2), 0);
	uint8_t bytes[22], wanted[22] = {'A', 'S', 'P', '1', 2, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0};
	const uint8_t hashed[] = {2, 1, 0, 0, 0, 0, 0, 0, 'a', 'b'};
	assay__frame_put_u32(wanted + 16, assay__frame_crc32(0, hashed, 10));
	wanted[20] = 'a', wanted[21] = 'b';
	assert_int_equal(pread(fd, bytes, sizeof(bytes), 0), 22);
	assert_memory_equal(bytes, wanted, 22);
	/* Every flipped bit is found. */
	for (int bit = 0; bit < 22 * 8; bit++) {
		uint8_t out[16];
		size_t used;
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(pwrite(fd, bytes, 22, 0), 22);
		lseek(fd, 0, SEEK_SET);
		assert_true(assay__frame_read(fd, 258, out, sizeof(out), &used) != 0);
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	close(fd);
}

static void restart_keeps_what_is_not_done(void **state)
{
	(void)state;
	char folder[64], inside[80];
	make_folder(folder);
	snprintf(inside, sizeof(inside), "%s/s", folder);
	struct assay__spool_options options = {.folder = inside, .segment_bytes = 300, .limit_bytes = 1 << 20};
	struct assay__spool *spool;
	int appended = 0, done = 0;
	for (int round = 0; round < 6; round++) {
		assert_int_equal(assay__spool_open(&options, NULL, &spool, NULL), 0);
		assert_int_equal(assay__spool_first(spool), done + 1);
		assert_int_equal(assay__spool_next(spool), appended + 1);
		for (int i = 0; i < 37; i++)
			append_number(spool, ++appended);
		for (int i = done + 1; i <= appended; i++)
			expect_number(spool, (uint64_t)i, i);
		/* Backwards too. */
		for (int i = appended; i > done; i -= 7)
			expect_number(spool, (uint64_t)i, i);
		done += round == 3 ? appended - done : 23;
		assay__spool_done(spool, (uint64_t)done);
		assay__spool_close(spool);
	}
	remove_folder(folder);
}

static void torn_tail_is_cut(void **state)
{
	(void)state;
	for (int cut = 1; cut < 29; cut++) {
		char folder[64], inside[80], file[128];
		make_folder(folder);
		snprintf(inside, sizeof(inside), "%s/s", folder);
		struct assay__spool_options options = {.folder = inside, .limit_bytes = 1 << 20};
		struct assay__spool *spool;
		assert_int_equal(assay__spool_open(&options, NULL, &spool, NULL), 0);
		for (int i = 1; i <= 3; i++)
			append_number(spool, i);
		assay__spool_close(spool);
		snprintf(file, sizeof(file), "%s/%020d.seg", inside, 1);
		assert_int_equal(truncate(file, 29 * 3 - cut), 0);
		assert_int_equal(assay__spool_open(&options, NULL, &spool, NULL), 0);
		assert_int_equal(assay__spool_next(spool), 3);
		append_number(spool, 33);
		expect_number(spool, 1, 1);
		expect_number(spool, 2, 2);
		expect_number(spool, 3, 33);
		assay__spool_close(spool);
		remove_folder(folder);
	}
}

static void limit_gives_up_the_oldest(void **state)
{
	(void)state;
	char folder[64], inside[80];
	make_folder(folder);
	snprintf(inside, sizeof(inside), "%s/s", folder);
	struct assay__spool_options options = {.folder = inside, .segment_bytes = 1000, .limit_bytes = 5000};
	struct assay__spool *spool;
	assert_int_equal(assay__spool_open(&options, NULL, &spool, NULL), 0);
	for (int i = 1; i <= 1000; i++)
		append_number(spool, i);
	assert_true(assay__spool_disk_bytes(spool) <= 5100);
	uint64_t first = assay__spool_first(spool);
	assert_true(first > 700 && first < 1000);
	assert_int_equal(assay__spool_lost(spool), first - 1);
	for (uint64_t i = first; i <= 1000; i++)
		expect_number(spool, i, (int)i);
	assay__spool_close(spool);
	remove_folder(folder);
}

static void memory_is_bounded(void **state)
{
	(void)state;
	struct assay__spool_options options = {.memory_bytes = 3000};
	struct assay__spool *spool;
	assert_int_equal(assay__spool_open(&options, NULL, &spool, NULL), 0);
	int kept = 0;
	while (assay__spool_append(spool, "0123456789", 10) == 0)
		kept++;
	assert_in_range(kept, 40, 200);
	assert_int_equal(assay__spool_append(spool, "0123456789", 10), ASSAY_E_FULL);
	assay__spool_done(spool, 1);
	assert_int_equal(assay__spool_append(spool, "x", 1), 0);
	assert_int_equal(assay__spool_in_memory(spool), kept);
	assay__spool_close(spool);
}

/* The folder vanishes under the spool: messages wait in memory, in order, and go to disk again later. */
static void disk_may_refuse(void **state)
{
	(void)state;
	char folder[64], inside[80], command[200], out[8];
	make_folder(folder);
	snprintf(inside, sizeof(inside), "%s/s", folder);
	struct assay__spool_options options = {.folder = inside, .segment_bytes = 60, .limit_bytes = 1 << 20};
	struct assay__spool *spool;
	assert_int_equal(assay__spool_open(&options, NULL, &spool, NULL), 0);
	append_number(spool, 1);
	append_number(spool, 2);
	append_number(spool, 3);
	snprintf(command, sizeof(command), "rm -rf '%s'", inside);
	run_command(command, out, sizeof(out));
	for (int i = 4; i < 10; i++)
		append_number(spool, i);
	assert_true(assay__spool_in_memory(spool) > 0);
	for (uint64_t i = 9; i < 10; i++)
		expect_number(spool, i, (int)i);
	assay__spool_done(spool, 9);
	assert_int_equal(assay__spool_in_memory(spool), 0);
	assay__spool_close(spool);
	remove_folder(folder);
}

static void failing_allocations(void **state)
{
	(void)state;
	char folder[64], inside[80];
	make_folder(folder);
	snprintf(inside, sizeof(inside), "%s/s", folder);
	struct assay__spool_options options = {.folder = inside, .segment_bytes = 100, .limit_bytes = 1 << 20};
	struct assay__spool *spool;
	assert_int_equal(assay__spool_open(&options, NULL, &spool, NULL), 0);
	for (int i = 1; i <= 90; i++)
		append_number(spool, i);
	assay__spool_close(spool);
	int opened = 0;
	for (int k = 1; k < 20; k++) {
		struct failing failing;
		struct assay_error error = {0};
		failing_open(&failing, k);
		int err = assay__spool_open(&options, &failing.allocator, &spool, &error);
		assert_true(err == 0 || err == ASSAY_E_NOMEM);
		if (err == 0) {
			opened++;
			expect_number(spool, 90, 90);
			assay__spool_close(spool);
		} else {
			assert_true(error.message[0] != '\0');
		}
		assert_int_equal(atomic_load(&failing.alive), 0);
	}
	assert_in_range(opened, 1, 18);
	remove_folder(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frame_bytes),		   cmocka_unit_test(restart_keeps_what_is_not_done),
		cmocka_unit_test(torn_tail_is_cut),	   cmocka_unit_test(limit_gives_up_the_oldest),
		cmocka_unit_test(memory_is_bounded),   cmocka_unit_test(disk_may_refuse),
		cmocka_unit_test(failing_allocations),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
