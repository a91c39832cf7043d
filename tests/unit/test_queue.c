/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/queue.h"
#include "failing.h"

#define ITEMS 4000
#define PRODUCERS 3
#define CONSUMERS 3

static void items_come_in_order_and_bounded(void **state)
{
	(void)state;
	struct assay__queue *queue;
	int items[100];
	void *item;
	assert_int_equal(assay__queue_open(3, NULL, &queue, NULL), 0);
	assert_int_equal(assay__queue_capacity(queue), 3);
	/* Goes round the ring several times. */
	int in = 0, out = 0;
	for (int round = 0; round < 10; round++) {
		while (assay__queue_length(queue) < 3)
			assert_int_equal(assay__queue_push(queue, &items[in++]), 0);
		assert_int_equal(assay__queue_push(queue, &items[99]), ASSAY_E_FULL);
		for (int i = 0; i <= round % 3; i++) {
			assert_int_equal(assay__queue_pop(queue, 0, &item), 0);
			assert_ptr_equal(item, &items[out++]);
		}
	}
	while (assay__queue_length(queue) > 0) {
		assert_int_equal(assay__queue_pop(queue, -1, &item), 0);
		assert_ptr_equal(item, &items[out++]);
	}
	assert_int_equal(in, out);
	item = items;
	assert_int_equal(assay__queue_pop(queue, 0, &item), 0);
	assert_null(item);
	assay__queue_free(queue);
	assay__queue_free(NULL);
}

static void waiting_ends_at_the_timeout(void **state)
{
	(void)state;
	struct assay__queue *queue;
	void *item = &queue;
	assert_int_equal(assay__queue_open(1, NULL, &queue, NULL), 0);
	int64_t start_us = assay__clock_us();
	assert_int_equal(assay__queue_pop(queue, 30, &item), 0);
	assert_null(item);
	assert_true(assay__clock_us() - start_us >= 30000);
	assay__queue_free(queue);
}

static void closed_queue_empties_then_ends(void **state)
{
	(void)state;
	struct assay__queue *queue;
	int a, b;
	void *item;
	assert_int_equal(assay__queue_open(4, NULL, &queue, NULL), 0);
	assert_int_equal(assay__queue_push(queue, &a), 0);
	assert_int_equal(assay__queue_push(queue, &b), 0);
	assay__queue_close(queue);
	assay__queue_close(queue);
	assert_int_equal(assay__queue_push(queue, &a), ASSAY_E_CLOSED);
	assert_int_equal(assay__queue_length(queue), 2);
	assert_int_equal(assay__queue_pop(queue, -1, &item), 0);
	assert_ptr_equal(item, &a);
	assert_int_equal(assay__queue_pop(queue, -1, &item), 0);
	assert_ptr_equal(item, &b);
	assert_int_equal(assay__queue_pop(queue, -1, &item), ASSAY_E_CLOSED);
	assert_int_equal(assay__queue_pop(queue, 0, &item), ASSAY_E_CLOSED);
	assert_ptr_equal(item, &b); /* untouched on failure */
	assay__queue_free(queue);
}

static void *pop_for_ever(void *arg)
{
	void *item;
	return (void *)(intptr_t)assay__queue_pop(arg, -1, &item);
}

static void close_wakes_everyone(void **state)
{
	(void)state;
	struct assay__queue *queue;
	pthread_t threads[CONSUMERS];
	assert_int_equal(assay__queue_open(1, NULL, &queue, NULL), 0);
	for (int i = 0; i < CONSUMERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, pop_for_ever, queue), 0);
	usleep(20000);
	assay__queue_close(queue);
	for (int i = 0; i < CONSUMERS; i++) {
		void *result;
		pthread_join(threads[i], &result);
		assert_int_equal((int)(intptr_t)result, ASSAY_E_CLOSED);
	}
	assay__queue_free(queue);
}

struct shared {
	struct assay__queue *queue;
	atomic_int times_seen[PRODUCERS * ITEMS];
	atomic_int out_of_order;
};

struct producer {
	struct shared *shared;
	int first;
};

static void *produce(void *arg)
{
	struct producer *producer = arg;
	for (int i = 0; i < ITEMS; i++)
		while (assay__queue_push(producer->shared->queue, (void *)(intptr_t)(producer->first + i + 1)) == ASSAY_E_FULL)
			usleep(1);
	return NULL;
}

static void *consume(void *arg)
{
	struct shared *shared = arg;
	int last[PRODUCERS] = {-1, -1, -1};
	void *item;
	while (assay__queue_pop(shared->queue, 1000, &item) == 0) {
		if (!item)
			continue;
		int number = (int)(intptr_t)item - 1;
		if (number <= last[number / ITEMS])
			atomic_fetch_add(&shared->out_of_order, 1);
		last[number / ITEMS] = number;
		atomic_fetch_add(&shared->times_seen[number], 1);
	}
	return NULL;
}

/* Every item arrives once, and a consumer sees each producer's items in order. */
static void many_threads_lose_nothing(void **state)
{
	(void)state;
	static struct shared shared;
	struct producer producers[PRODUCERS];
	pthread_t makers[PRODUCERS], takers[CONSUMERS];
	assert_int_equal(assay__queue_open(7, NULL, &shared.queue, NULL), 0);
	for (int i = 0; i < CONSUMERS; i++)
		assert_int_equal(pthread_create(&takers[i], NULL, consume, &shared), 0);
	for (int i = 0; i < PRODUCERS; i++) {
		producers[i] = (struct producer){&shared, i * ITEMS};
		assert_int_equal(pthread_create(&makers[i], NULL, produce, &producers[i]), 0);
	}
	for (int i = 0; i < PRODUCERS; i++)
		pthread_join(makers[i], NULL);
	assay__queue_close(shared.queue);
	for (int i = 0; i < CONSUMERS; i++)
		pthread_join(takers[i], NULL);
	for (int i = 0; i < PRODUCERS * ITEMS; i++)
		assert_int_equal(shared.times_seen[i], 1);
	assert_int_equal(shared.out_of_order, 0);
	assay__queue_free(shared.queue);
}

static void bad_capacity_and_no_memory(void **state)
{
	(void)state;
	struct assay__queue *queue = NULL;
	struct assay_error error;
	assert_int_equal(assay__queue_open(0, NULL, &queue, &error), ASSAY_E_ARGUMENT);
	assert_int_equal(assay__queue_open(-5, NULL, &queue, NULL), ASSAY_E_ARGUMENT);
	struct failing failing;
	failing_open(&failing, 1);
	assert_int_equal(assay__queue_open(8, &failing.allocator, &queue, &error), ASSAY_E_NOMEM);
	assert_int_equal(failing.alive, 0);
	assert_null(queue);
	assert_int_equal(assay__queue_open(8, &failing.allocator, &queue, &error), 0);
	assay__queue_free(queue);
	assert_int_equal(failing.alive, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(items_come_in_order_and_bounded), cmocka_unit_test(waiting_ends_at_the_timeout),
		cmocka_unit_test(closed_queue_empties_then_ends),  cmocka_unit_test(close_wakes_everyone),
		cmocka_unit_test(many_threads_lose_nothing),	   cmocka_unit_test(bad_capacity_and_no_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
