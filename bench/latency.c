/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a PLC sees: from its write of the trigger coil to result valid, by libmodbus against a running station.
 * Usage: latency PORT PARTS IDLE_PARTS IDLE_MS. PARTS one after the other, then IDLE_PARTS after a rest each.
 */
#include <errno.h>
#include <modbus.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { TRIGGER = 0, READY = 0, RESULT_VALID = 2, FAULT = 5, BITS = 8 };

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void rest_ms(double ms)
{
	struct timespec rest = {(time_t)(ms / 1e3), (long)(ms * 1e6) % 1000000000};

	nanosleep(&rest, NULL);
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Polls until input `bit` is 1, every `ms`; the inputs in bits. */
static int await(modbus_t *plc, int bit, double ms, uint8_t bits[BITS])
{
	double until = now_ms() + 10000;

	while (now_ms() < until) {
		if (modbus_read_input_bits(plc, 0, BITS, bits) != BITS)
			return -1;
		if (bits[bit])
			return 0;
		rest_ms(ms);
	}
	fprintf(stderr, "input %d stayed 0 for ten seconds\n", bit);
	return -1;
}

static int run(modbus_t *plc, const char *name, int parts, double idle_ms)
{
	double *took = calloc((size_t)parts, sizeof(*took)), sum = 0;
	uint8_t bits[BITS];
	int faults = 0;

	for (int i = 0; i < parts && took; i++) {
		double start;

		rest_ms(idle_ms);
		if (modbus_write_bit(plc, TRIGGER, 0) != 1 || await(plc, READY, 0.2, bits)) {
			free(took);
			return -1;
		}
		start = now_ms();
		if (modbus_write_bit(plc, TRIGGER, 1) != 1 || await(plc, RESULT_VALID, 0.1, bits)) {
			free(took);
			return -1;
		}
		took[i] = now_ms() - start;
		sum += took[i];
		faults += bits[FAULT];
	}
	if (!took)
		return -1;
	qsort(took, (size_t)parts, sizeof(*took), by_size);
	printf("%-26s %6d parts, %d FAULT: ms mean %.2f min %.2f p50 %.2f p99 %.2f p99.9 %.2f max %.2f\n", name, parts,
		   faults, sum / parts, took[0], took[parts / 2], took[(int)(0.99 * parts)], took[(int)(0.999 * parts)],
		   took[parts - 1]);
	fflush(stdout);
	free(took);
	return 0;
}

int main(int argc, char **argv)
{
	modbus_t *plc;
	char name[64];
	int failed;

	if (argc != 5) {
		fprintf(stderr, "usage: latency PORT PARTS IDLE_PARTS IDLE_MS\n");
		return 64;
	}
	plc = modbus_new_tcp("127.0.0.1", atoi(argv[1]));
	if (!plc || modbus_connect(plc)) {
		fprintf(stderr, "latency: cannot reach the station: %s\n", modbus_strerror(errno));
		return 74;
	}
	modbus_set_response_timeout(plc, 10, 0);
	snprintf(name, sizeof(name), "after %.1f s idle", atof(argv[4]) / 1e3);
	failed = (atoi(argv[2]) > 0 && run(plc, "one after the other", atoi(argv[2]), 0)) ||
			 (atoi(argv[3]) > 0 && run(plc, name, atoi(argv[3]), atof(argv[4])));
	if (failed)
		fprintf(stderr, "latency: %s\n", modbus_strerror(errno));
	modbus_close(plc);
	modbus_free(plc);
	return failed ? 74 : 0;
}
