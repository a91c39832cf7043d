/* SPDX-License-Identifier: Apache-2.0 */
/* kill -9 at random moments: no acknowledged record is lost, the chain verifies, the numbers go on. */
#include "record_util.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define MOMENTS 100

/* What outlives the child. */
struct shared {
	atomic_ullong acknowledged; /* by the hook: durable */
	atomic_ullong taken;		/* handed out */
	atomic_int opened;
};
static struct shared *shared;

static void tell(void *ctx, uint64_t sequence, const uint8_t hash[ASSAY_HASH_BYTES])
{
	(void)ctx, (void)hash;
	atomic_store(&shared->acknowledged, sequence);
}

static void write_for_ever(struct room_test *test)
{
	struct assay__record_hooks hooks = {.recorded = tell};
	struct assay__record *record;
	struct assay_error error;
	if (assay__record_open(test->dir, "press 4", &test->settings, &hooks, NULL, &record, &error)) {
		fprintf(stderr, "%s\n", error.message);
		_exit(3);
	}
	atomic_store(&shared->opened, 1);
	struct assay_image image = make_picture(64, 48, 1);
	for (;;) {
		uint64_t sequence = assay__record_next(record);
		atomic_store(&shared->taken, sequence);
		image.pixels[0] = (uint8_t)sequence;
		struct assay__part part = make_station_part(sequence, sequence % 3 ? ASSAY_PASS : ASSAY_FAIL, &image, some_map);
		/* with the disk behind, wait: what is under test is not the gap */
		struct assay__record_health health;
		for (assay__record_get_health(record, &health); health.queue_length > 100;
			 assay__record_get_health(record, &health))
			usleep(200);
		if (assay__record_put(record, &part))
			_exit(4);
	}
}

static void no_acknowledged_record_is_lost(void **state)
{
	struct room_test test;
	uint32_t seed = 7;
	uint64_t taken = 0, acknowledged_ever = 0;
	int64_t slowest_us = 0;
	(void)state;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(shared != MAP_FAILED);
	room_test_begin(&test);
	test.settings.sign_every = 50;
	test.settings.image_quota_mb = 1;
	for (int i = 0; i < MOMENTS; i++) {
		atomic_store(&shared->acknowledged, 0);
		atomic_store(&shared->opened, 0);
		fflush(NULL);
		pid_t child = fork();
		assert_true(child >= 0);
		if (child == 0)
			write_for_ever(&test);
		seed = seed * 1664525 + 1013904223;
		/* some die while opening, most while writing */
		if (i % 10)
			for (int wait = 0; !atomic_load(&shared->opened) && wait < 5000; wait++)
				usleep(1000);
		usleep(seed >> 17);
		kill(child, SIGKILL);
		int status;
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFSIGNALED(status));
		uint64_t acknowledged = atomic_load(&shared->acknowledged);
		if (acknowledged) {
			acknowledged_ever = acknowledged;
			char sql[128];
			snprintf(sql, sizeof(sql), "SELECT count(*) FROM parts WHERE sequence = %llu",
					 (unsigned long long)acknowledged);
			assert_int_equal(ask(test.dir, sql), 1);
			snprintf(sql, sizeof(sql), "SELECT max(sequence) FROM parts");
			assert_true((uint64_t)ask(test.dir, sql) >= acknowledged);
		}
		uint64_t before = taken;
		taken = atomic_load(&shared->taken);
		assert_true(taken >= before);
		if (i % 5 == 4) {
			int64_t start_us = assay__clock_us();
			room_open(&test);
			int64_t took_us = assay__clock_us() - start_us;
			slowest_us = took_us > slowest_us ? took_us : slowest_us;
			/* exactly the number that was next: none twice, none left out */
			uint64_t next = assay__record_next(test.record);
			assert_true(next == taken + 1 || next == taken + 2);
			struct assay__part part = make_station_part(next, ASSAY_PASS, NULL, some_map);
			assert_int_equal(assay__record_put(test.record, &part), 0);
			taken = next;
			atomic_store(&shared->taken, next);
			room_close(&test);
			struct assay__verify_report report = audit_clean(test.dir);
			assert_int_equal(report.triggers, next);
			assert_int_equal(report.parts + report.lost, next);
		}
	}
	room_open(&test);
	room_close(&test);
	struct assay__verify_report report = audit_clean(test.dir);
	assert_true(acknowledged_ever > 0);
	assert_int_equal(report.triggers, report.parts + report.lost);
	char path[128];
	snprintf(path, sizeof(path), "%s/images/new", test.dir);
	struct stat status;
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(rmdir(path), 0); /* empty: nothing half written is left */
	print_message("%llu triggers, %llu records, %llu in gaps, slowest restart %lld ms\n",
				  (unsigned long long)report.triggers, (unsigned long long)report.parts,
				  (unsigned long long)report.lost, (long long)slowest_us / 1000);
	room_test_end(&test);
	munmap(shared, sizeof(*shared));
}

static void after_a_power_cut_no_number_comes_twice(void **state)
{
	struct room_test test;
	char path[128];
	(void)state;
	room_test_begin(&test);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	fflush(NULL);
	pid_t child = fork();
	if (child == 0)
		write_for_ever(&test);
	for (int wait = 0; !atomic_load(&shared->acknowledged) && wait < 5000; wait++)
		usleep(1000);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	/* as if the number had not reached the disk */
	snprintf(path, sizeof(path), "%s/sequence", test.dir);
	assert_int_equal(unlink(path), 0);
	room_open(&test);
	assert_true(assay__record_next(test.record) > atomic_load(&shared->taken));
	room_close(&test);
	struct assay__verify_report report = audit_clean(test.dir);
	assert_int_equal(report.triggers, report.parts + report.lost);
	room_test_end(&test);
	munmap(shared, sizeof(*shared));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_acknowledged_record_is_lost),
		cmocka_unit_test(after_a_power_cut_no_number_comes_twice),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
