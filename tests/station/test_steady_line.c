/* SPDX-License-Identifier: Apache-2.0 */
/* The line for ever: once warm, none of the threads that a part walks through (gate, worker, door, shelf) takes memory. */
#include <dlfcn.h>
#include <sys/prctl.h>

#include "station_util.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define COUNTING 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define COUNTING 0
#endif
#endif
#if !defined(COUNTING) && defined(__GLIBC__)
#define COUNTING 1
#endif

#define WARM 400
#define COUNTED 2000

#if COUNTING

/* Whoever asks for memory while this is on, in this program or a library, is counted by the name of its thread. */
static atomic_bool counting;
static atomic_int by_camera, by_timer, by_worker, by_deadline, by_shelf, by_vitals, by_others;

static void count(void)
{
	char name[16] = "";

	if (!atomic_load_explicit(&counting, memory_order_relaxed))
		return;
	prctl(PR_GET_NAME, name, 0, 0, 0);
	atomic_fetch_add(!strcmp(name, "camera")	 ? &by_camera
					 : !strcmp(name, "timer")	 ? &by_timer
					 : !strcmp(name, "worker")	 ? &by_worker
					 : !strcmp(name, "deadline") ? &by_deadline
					 : !strcmp(name, "shelf")	 ? &by_shelf
					 : !strcmp(name, "vitals")	 ? &by_vitals
												 : &by_others,
					 1);
}

/* glibc's own entries; a definition in the program comes before that of the library. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
__attribute__((visibility("default"))) void *malloc(size_t size);
__attribute__((visibility("default"))) void *calloc(size_t number, size_t size);
__attribute__((visibility("default"))) void *realloc(void *memory, size_t size);
__attribute__((visibility("default"))) int posix_memalign(void **out, size_t alignment, size_t size);
__attribute__((visibility("default"))) void *aligned_alloc(size_t alignment, size_t size);

void *malloc(size_t size)
{
	count();
	return __libc_malloc(size);
}

void *calloc(size_t number, size_t size)
{
	count();
	return __libc_calloc(number, size);
}

void *realloc(void *memory, size_t size)
{
	count();
	return __libc_realloc(memory, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
	count();
	return __libc_memalign(alignment, size);
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
	void *memory;

	count();
	memory = __libc_memalign(alignment, size);
	if (!memory)
		return 12;
	*out = memory;
	return 0;
}

/*
 * Counts while COUNTED parts pass, after WARM others. The lines `rest` are of the configuration. The real record copies a part in the
 * thread of the shelf, within the memory it was given (record.c); all else of that thread is held to zero with the audit.
 */
static void run(const char *rest, const struct assay__archive_ops *archive)
{
	char yaml[2048];
	struct bench bench;

	snprintf(yaml, sizeof(yaml),
			 "station: {name: cell, state_dir: steady, deadline_ms: 10000, workers: 2}\n"
			 "recipes:\n  - {name: quick, file: quick.assay}\n%s",
			 rest);
	bench = bench_open(yaml, archive);
	wait_answered(bench.station, WARM);
	/* the first touch of things that are made when first used */
	by_camera = by_timer = by_worker = by_deadline = by_shelf = by_vitals = by_others = 0;
	atomic_store(&counting, true);
	wait_answered(bench.station, WARM + COUNTED);
	atomic_store(&counting, false);
	bench_close(&bench);
	print_message("%d parts: camera %d, timer %d, worker %d, deadline %d, shelf %d, vitals %d, others %d\n", COUNTED,
				  by_camera, by_timer, by_worker, by_deadline, by_shelf, by_vitals, by_others);
	assert_int_equal(by_camera, 0);
	assert_int_equal(by_timer, 0);
	assert_int_equal(by_worker, 0);
	assert_int_equal(by_deadline, 0);
	if (archive)
		assert_int_equal(by_shelf, 0);
	assert_int_equal(by_vitals, 0);
}

/* A picture is a trigger; the record only counts, so that nobody else takes memory either. */
static void test_runs_free(void **state)
{
	(void)state;
	run("triggers:\n  - type: free\ncameras:\n  - {name: top, type: virtual, prerender: 20, defects: 10%, rate_hz: "
		"300}\n",
		&audit_ops);
	assert_int_equal(by_others, 0);
}

/* Triggers ask the camera, a PLC's register map is an output, and the record is the real one. */
static void test_asked(void **state)
{
	(void)state;
	run("triggers:\n  - {type: timer, rate_hz: 300}\n"
		"cameras:\n  - {name: top, type: virtual, prerender: 20, defects: 10%}\n"
		"outputs:\n  - {type: modbus_server, port: 0}\n",
		NULL);
}

/* That the counting counts. */
static void test_counter(void **state)
{
	void *volatile memory;

	(void)state;
	by_others = 0;
	atomic_store(&counting, true);
	memory = malloc(100);
	free(memory);
	atomic_store(&counting, false);
	assert_int_equal(by_others, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counter),
		cmocka_unit_test(test_runs_free),
		cmocka_unit_test(test_asked),
	};

	return cmocka_run_group_tests(tests, open_room, close_room);
}

#else

int main(void)
{
	printf("skipped: memory is counted by glibc's malloc alone, which this build does not use\n");
	return 77;
}

#endif
