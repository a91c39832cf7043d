/* SPDX-License-Identifier: Apache-2.0 */
/* A station for outputs to talk to: makes parts, counts what is asked of it, keeps events. And processes, ports, folders for tests. */
#ifndef ASSAY_TESTS_STATION_FAKE_STATION_H
#define ASSAY_TESTS_STATION_FAKE_STATION_H

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "station/output/output.h"

struct fake {
	struct assay__station_port port;
	const struct assay__output_ops *ops;
	_Alignas(16) char settings[1024];
	struct assay__output *output;
	atomic_int triggers, refused, recipe, events, challenges, cancels;
	atomic_bool challenge_due;
	atomic_ullong trigger_id;
	atomic_bool ready;
	bool answer; /**< a trigger is answered at once, with PASS */
	char code[ASSAY__PART_CODE_CHARS], recipe_name[64], last_event[320];
	uint64_t sequence;
	pthread_mutex_t lock;
};

static inline struct assay__part fake_part(uint64_t sequence, enum assay_verdict verdict)
{
	struct assay__part part = {
		.sequence = sequence, .trigger_id = sequence + 1000, .verdict = verdict, .view_count = 1};
	int64_t now_us = assay__clock_us();
	snprintf(part.code, sizeof(part.code), "P-%06llu", (unsigned long long)sequence);
	snprintf(part.recipe_name, sizeof(part.recipe_name), "housing");
	snprintf(part.views[0].camera, sizeof(part.views[0].camera), "top");
	part.trigger = ASSAY__TRIGGER_MODBUS;
	part.trigger_us = now_us - 7000;
	part.verdict_us = now_us;
	part.wall_us = 1764000000123456 + (int64_t)sequence * 1000;
	part.views[0].result.verdict = verdict;
	part.views[0].result.score_q8 = verdict == ASSAY_FAIL ? 3000 : 500;
	part.views[0].result.threshold_q8 = 1000;
	if (verdict == ASSAY_FAIL) {
		snprintf(part.reason, sizeof(part.reason), "1 place above the threshold");
		part.views[0].result.region_count = part.views[0].result.regions_total = 1;
		part.views[0].result.regions[0] =
			(struct assay_region){.box = {10, 20, 30, 40}, .area_px = 900, .peak_q8 = 3000};
	}
	if (verdict == ASSAY_FAULT)
		part.fault = ASSAY__FAULT_LATE;
	return part;
}

static inline void fake_post(struct fake *fake, const struct assay__part *part)
{
	fake->ops->post(fake->output, part);
}

static inline void fake_record(struct fake *fake, uint64_t sequence)
{
	uint8_t hash[ASSAY_HASH_BYTES];
	memset(hash, 0xA5, sizeof(hash));
	if (fake->ops->recorded)
		fake->ops->recorded(fake->output, sequence, hash);
}

static inline int fake_trigger(void *ctx, enum assay__trigger_kind kind, uint64_t trigger_id, const char *code)
{
	struct fake *fake = ctx;
	(void)kind;
	pthread_mutex_lock(&fake->lock);
	snprintf(fake->code, sizeof(fake->code), "%s", code ? code : "");
	uint64_t sequence = ++fake->sequence;
	pthread_mutex_unlock(&fake->lock);
	atomic_store(&fake->trigger_id, trigger_id);
	atomic_fetch_add(&fake->triggers, 1);
	bool ready = atomic_load(&fake->ready);
	if (fake->answer || !ready) {
		struct assay__part part = fake_part(sequence, ready ? ASSAY_PASS : ASSAY_FAULT);
		part.trigger_id = trigger_id;
		if (!ready)
			part.fault = ASSAY__FAULT_NOT_READY;
		if (code)
			snprintf(part.code, sizeof(part.code), "%s", code);
		fake_post(fake, &part);
	}
	return ready ? 0 : ASSAY_E_FULL;
}

static inline int fake_select(void *ctx, const char *name, int number)
{
	struct fake *fake = ctx;
	pthread_mutex_lock(&fake->lock);
	snprintf(fake->recipe_name, sizeof(fake->recipe_name), "%s", name ? name : "");
	pthread_mutex_unlock(&fake->lock);
	if (!name && number > 3)
		return ASSAY_E_ARGUMENT;
	atomic_store(&fake->recipe, number);
	return 0;
}

static inline int fake_challenge(void *ctx, int ask, const char *who)
{
	struct fake *fake = ctx;
	(void)who;
	if (!atomic_load(&fake->challenge_due))
		return ASSAY_E_ARGUMENT;
	atomic_fetch_add(ask ? &fake->cancels : &fake->challenges, 1);
	return 0;
}

static inline bool fake_challenge_due(void *ctx)
{
	return atomic_load(&((struct fake *)ctx)->challenge_due);
}

static inline bool fake_ready(void *ctx)
{
	return atomic_load(&((struct fake *)ctx)->ready);
}

static inline bool fake_busy(void *ctx)
{
	(void)ctx;
	return false;
}

static inline int fake_recipe_number(void *ctx)
{
	return atomic_load(&((struct fake *)ctx)->recipe);
}

static inline void fake_counters(void *ctx, struct assay__counters *out)
{
	(void)ctx;
	*out = (struct assay__counters){.triggers = 70000,
									.pass = 69000,
									.fail = 800,
									.fault = 200,
									.missed = 5,
									.recorded = 70000,
									.latency_last_us = 7000,
									.latency_min_us = 5000,
									.latency_max_us = 100000,
									.latency_mean_us = 6500.5};
}

static inline void fake_event(void *ctx, const char *kind, const char *text)
{
	struct fake *fake = ctx;
	pthread_mutex_lock(&fake->lock);
	snprintf(fake->last_event, sizeof(fake->last_event), "%s: %s", kind, text);
	pthread_mutex_unlock(&fake->lock);
	atomic_fetch_add(&fake->events, 1);
	if (getenv("ASSAY_TEST_SAY"))
		fprintf(stderr, "%s: %s\n", kind, text);
}

/** Opens an output with settings "name=value" up to NULL. Returns open's result; *fake must be zeroed but for answer and port. */
static inline int fake_open(struct fake *fake, const struct assay__output_ops *ops, const char *const *settings,
							const char *state_dir, struct assay_error *error)
{
	fake->ops = ops;
	fake->port = (struct assay__station_port){.ctx = fake,
											  .trigger = fake_trigger,
											  .select_recipe = fake_select,
											  .ready = fake_ready,
											  .busy = fake_busy,
											  .counters = fake_counters,
											  .event = fake_event,
											  .recipe_number = fake_recipe_number,
											  .challenge = fake_challenge,
											  .challenge_due = fake_challenge_due,
											  .station = "line1",
											  .state_dir = state_dir,
											  .allocator = fake->port.allocator};
	pthread_mutex_init(&fake->lock, NULL);
	atomic_store(&fake->ready, true);
	if (ops->settings_size > sizeof(fake->settings))
		abort();
	assay__option_defaults(ops->options, ops->option_count, fake->settings);
	for (; *settings; settings += 2) {
		int err =
			assay__option_set(ops->options, ops->option_count, NULL, settings[0], settings[1], fake->settings, error);
		if (err)
			return err;
	}
	return ops->open("door", fake->settings, &fake->port, &fake->output, error);
}

static inline struct assay__output_health fake_health(struct fake *fake)
{
	struct assay__output_health health;
	fake->ops->health(fake->output, &health);
	return health;
}

static inline void fake_close(struct fake *fake, int drain_ms)
{
	fake->ops->close(fake->output, drain_ms);
}

/** Waits up to ten seconds for a condition, by looking again every few milliseconds. */
#define WAIT_FOR(condition)                                                                                            \
	({                                                                                                                 \
		int64_t wait_until_us = assay__clock_us() + 10000000;                                                          \
		while (!(condition) && assay__clock_us() < wait_until_us)                                                      \
			usleep(3000);                                                                                              \
		(condition);                                                                                                   \
	})

static inline int free_port(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) || getsockname(fd, (struct sockaddr *)&address, &size))
		abort();
	close(fd);
	return ntohs(address.sin_port);
}

static inline int connect_to(int port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		close(fd);
		return -1;
	}
	return fd;
}

/** Starts a program with both outputs going to `log` (NULL: nowhere). */
static inline pid_t start_program(const char *const *argv, const char *log)
{
	pid_t pid = fork();
	if (pid == 0) {
		int fd = open(log ? log : "/dev/null", O_WRONLY | O_CREAT | O_APPEND, 0600);
		dup2(fd, 1);
		dup2(fd, 2);
		execvp(argv[0], (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	return pid;
}

static inline void stop_program(pid_t pid, int signal_number)
{
	kill(pid, signal_number);
	waitpid(pid, NULL, 0);
}

/** Runs a shell command; its standard output goes to out. Returns the exit status. */
static inline int run_command(const char *command, char *out, size_t size)
{
	FILE *pipe = popen(command, "r");
	size_t used = pipe ? fread(out, 1, size - 1, pipe) : 0;
	out[used] = '\0';
	int status = pipe ? pclose(pipe) : -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static inline bool have_program(const char *name)
{
	char command[200], out[200];
	snprintf(command, sizeof(command), "PATH=$PATH:/usr/sbin command -v %s", name);
	return run_command(command, out, sizeof(out)) == 0;
}

static inline void make_folder(char path[64])
{
	snprintf(path, 64, "/tmp/assay-test-XXXXXX");
	if (!mkdtemp(path))
		abort();
}

static inline void remove_folder(const char *path)
{
	char command[120];
	snprintf(command, sizeof(command), "rm -rf '%s'", path);
	if (system(command))
		abort();
}

/** The file's text, from malloc; empty if there is none. */
static inline char *read_text(const char *path)
{
	FILE *file = fopen(path, "r");
	char *text = calloc(1, 1 << 22);
	if (file && text)
		text[fread(text, 1, (1 << 22) - 1, file)] = '\0';
	if (file)
		fclose(file);
	return text;
}

#endif
