/* SPDX-License-Identifier: Apache-2.0 */
/* Pipelines as cameras: test pictures, files, a process that is killed, and texts that are wrong. */
#include <arpa/inet.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "station_util.h"

#define HEAD "station: {name: cell, state_dir: state, deadline_ms: 3000, workers: 1}\n"
#define QUICK "recipes:\n  - {name: quick, file: quick.assay}\n"
#define CAMERA "cameras:\n  - {name: top, type: gstreamer, pipeline: \""
#define SIZE "video/x-raw,width=128,height=128"
#define FREE "triggers:\n  - {type: free}\n"
#define LIMIT_US 40000000

extern const struct assay__source_ops assay__source_gstreamer;
static const struct assay__source_ops *const ops = &assay__source_gstreamer;

static struct bench bench; /* of the test that runs; closed after one that failed */
static pid_t feeder_pid;

static struct assay__source_health health_of(int index)
{
	struct assay__station_camera camera;

	assay__station_camera(bench.station, index, &camera);
	return camera.health;
}

static void wait_ready(void)
{
	struct assay__station_health health;
	int64_t until_us = assay__clock_us() + LIMIT_US;

	do {
		assay__station_health(bench.station, &health);
		if (health.ready)
			return;
		usleep(10000);
	} while (assay__clock_us() < until_us);
	fail_msg("not ready: %s; %s", health.why, health_of(0).text);
}

static void trigger(void)
{
	uint64_t sequence;

	assay__station_trigger(bench.station, ASSAY__TRIGGER_SOFTWARE, 0, NULL, &sequence);
	assert_true(assay__station_wait_recorded(bench.station, sequence, 20000));
}

static void until_fault(enum assay__fault fault)
{
	int64_t until_us = assay__clock_us() + LIMIT_US;

	do {
		trigger();
		if (audit.last_part.fault == fault)
			return;
		usleep(20000);
	} while (assay__clock_us() < until_us);
	fail_msg("%s did not come: %s", assay__fault_name(fault), health_of(0).text);
}

static struct assay__station_stats finish(void)
{
	struct bench closing = bench;

	bench = (struct bench){0};
	return bench_close(&closing);
}

static void feeder_kill(void)
{
	if (feeder_pid > 0) {
		kill(feeder_pid, SIGKILL);
		waitpid(feeder_pid, NULL, 0);
	}
	feeder_pid = 0;
}

static int tear_down(void **state)
{
	(void)state;
	if (bench.station) {
		assay__station_close(bench.station);
		assay__config_close(bench.config);
	}
	bench = (struct bench){0};
	feeder_kill();
	return 0;
}

/* Writes `count` raw pictures of SIDE_PX * SIDE_PX bytes, the i-th all of value 10 * i + 5. */
static void write_raw(const char *name, int count)
{
	uint8_t pixels[SIDE_PX * SIDE_PX];
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", room, name);
	file = fopen(path, "wb");
	assert_non_null(file);
	for (int i = 0; i < count; i++) {
		memset(pixels, 10 * i + 5, sizeof(pixels));
		assert_int_equal(fwrite(pixels, 1, sizeof(pixels), file), sizeof(pixels));
	}
	fclose(file);
}

/* A source without a station. */
struct alone {
	struct assay__source *source;
	_Alignas(16) char settings[256];
	struct assay__picture picture;
	uint8_t pixels[SIDE_PX * SIDE_PX * 8];
};

static void set(struct alone *alone, const char *name, const char *value)
{
	struct assay_error error;

	if (assay__option_set(ops->options, ops->option_count, NULL, name, value, alone->settings, &error))
		fail_msg("%s", error.message);
}

static void prepare(struct alone *alone, const char *pipeline)
{
	assert_true(ops->settings_size <= sizeof(alone->settings));
	assay__option_defaults(ops->options, ops->option_count, alone->settings);
	set(alone, "pipeline", pipeline);
}

static void must_open(struct alone *alone, bool free_run, int channels)
{
	struct assay__source_need need = {.free_run = free_run, .channels = channels, .picture_bytes = 1};
	struct assay_error error;
	size_t bytes;

	if (ops->open("alone", alone->settings, &need, &alone->source, &bytes, &error) || ops->start(alone->source, &error))
		fail_msg("%s", error.message);
	alone->picture = (struct assay__picture){.pixels = alone->pixels, .capacity_bytes = sizeof(alone->pixels)};
}

/* Waits past "starting". */
static int next(struct alone *alone, struct assay_error *error)
{
	int64_t until_us = assay__clock_us() + LIMIT_US;
	struct assay__source_health health;
	int rc;

	do {
		rc = ops->wait(alone->source, 100, &alone->picture, error);
		ops->health(alone->source, &health);
		if (rc == ASSAY_E_CLOSED)
			usleep(10000);
	} while ((rc == ASSAY_E_CANCELLED || (rc == ASSAY_E_CLOSED && health.state == ASSAY__SOURCE_GONE)) &&
			 assay__clock_us() < until_us);
	return rc;
}

/* A live camera: asked, each trigger has its picture. */
static void test_asked(void **state)
{
	struct assay__station_stats stats;

	(void)state;
	bench = bench_open(HEAD QUICK CAMERA "videotestsrc is-live=true ! " SIZE ",framerate=50/1\"}\n", &audit_ops);
	wait_ready();
	usleep(200000);
	for (int i = 0; i < 10; i++) {
		trigger();
		assert_int_equal(audit.last_part.fault, ASSAY__FAULT_NONE);
	}
	assert_int_equal(health_of(0).pictures, 10);
	assert_int_equal(health_of(0).missed + health_of(0).broken, 0);
	assert_non_null(strstr(health_of(0).text, "live"));
	stats = finish();
	assert_audit(&stats);
	assert_int_equal(stats.since_start.triggers, 10);
}

/* A live camera that leads. */
static void test_leads(void **state)
{
	struct assay__station_stats stats;

	(void)state;
	bench = bench_open(HEAD QUICK CAMERA "videotestsrc is-live=true ! " SIZE ",framerate=50/1 ! appsink\"}\n" FREE,
					   &audit_ops);
	wait_answered(bench.station, 10);
	stats = finish();
	assert_audit(&stats);
	assert_true(stats.since_start.pass + stats.since_start.fail >= 1);
	assert_true(stats.by_trigger[ASSAY__TRIGGER_FREE] >= 10);
}

/* A file goes at the pace of the asking; after its end there is none. */
static void test_file(void **state)
{
	struct assay__station_stats stats;
	char yaml[512];

	(void)state;
	write_raw("five.raw", 5);
	snprintf(yaml, sizeof(yaml),
			 HEAD QUICK CAMERA "filesrc location=%s/five.raw ! rawvideoparse width=128 height=128 format=gray8\"}\n",
			 room);
	bench = bench_open(yaml, &audit_ops);
	wait_ready();
	for (int i = 0; i < 5; i++) {
		usleep(30000);
		trigger();
		assert_int_equal(audit.last_part.fault, ASSAY__FAULT_NONE);
		assert_int_equal(audit.last_part.views[0].camera_frame_id, i + 1);
	}
	for (int i = 0; i < 1000 && health_of(0).state != ASSAY__SOURCE_ENDED; i++)
		usleep(10000);
	trigger();
	assert_int_equal(audit.last_part.fault, ASSAY__FAULT_CAMERA);
	assert_int_equal(health_of(0).state, ASSAY__SOURCE_ENDED);
	stats = finish();
	assert_audit(&stats);
	assert_int_equal(stats.since_start.pass + stats.since_start.fail, 5);
}

/* The same again and again: no trigger falls between two runs. */
static void test_again(void **state)
{
	struct assay__station_stats stats;
	char yaml[512];

	(void)state;
	write_raw("three.raw", 3);
	snprintf(yaml, sizeof(yaml),
			 HEAD QUICK CAMERA
			 "filesrc location=%s/three.raw ! rawvideoparse width=128 height=128 format=gray8\", eos: again}\n",
			 room);
	bench = bench_open(yaml, &audit_ops);
	wait_ready();
	for (int i = 0; i < 20; i++) {
		trigger();
		assert_int_equal(audit.last_part.fault, ASSAY__FAULT_NONE);
	}
	stats = finish();
	assert_audit(&stats);
	assert_int_equal(stats.since_start.fault, 0);
}

/* The bits of the file are the bits of the picture, whatever the format, also where rows are padded. */
static void test_pixels(void **state)
{
	static struct alone alone;
	struct assay_error error;
	char pipeline[256];

	(void)state;
	write_raw("five.raw", 5);
	snprintf(pipeline, sizeof(pipeline),
			 "filesrc location=%s/five.raw ! rawvideoparse width=128 height=128 format=gray8 framerate=0/1", room);
	prepare(&alone, pipeline);
	set(&alone, "queue", "2");
	must_open(&alone, true, 1);
	usleep(200000); /* it waits, and loses none */
	for (int i = 0; i < 5; i++) {
		assert_int_equal(next(&alone, &error), 0);
		assert_int_equal(alone.picture.image.channels, 1);
		assert_int_equal(alone.picture.image.depth_bits, 8);
		for (int k = 0; k < SIDE_PX * SIDE_PX; k++)
			assert_int_equal(alone.pixels[k], 10 * i + 5);
	}
	assert_int_equal(next(&alone, &error), ASSAY_E_CLOSED);
	ops->close(alone.source);

	prepare(&alone, "videotestsrc pattern=red num-buffers=1 ! video/x-raw,width=33,height=7,format=RGB");
	must_open(&alone, true, 3);
	assert_int_equal(next(&alone, &error), 0);
	assert_int_equal(alone.picture.image.width_px, 33);
	assert_int_equal(alone.picture.image.stride_bytes, 99);
	for (int k = 0; k < 33 * 7; k++) {
		assert_true(alone.pixels[3 * k] > 200);
		assert_true(alone.pixels[3 * k + 1] < 30 && alone.pixels[3 * k + 2] < 30);
	}
	ops->close(alone.source);

	prepare(&alone, "videotestsrc pattern=white num-buffers=1 ! video/x-raw,width=33,height=7");
	set(&alone, "format", "gray16");
	must_open(&alone, true, 1);
	assert_int_equal(next(&alone, &error), 0);
	assert_int_equal(alone.picture.image.depth_bits, 16);
	assert_int_equal(alone.picture.image.stride_bytes, 66);
	for (int k = 0; k < 33 * 7; k++) {
		uint16_t sample;

		memcpy(&sample, alone.pixels + 2 * k, 2);
		assert_true(sample > 60000);
	}
	ops->close(alone.source);
}

/* Slower than a live pipeline that leads: what is dropped is counted, and given as a broken picture in its place. */
static void test_dropped(void **state)
{
	static struct alone alone;
	struct assay__source_health health;
	struct assay_error error;
	uint64_t given = 0, broken = 0;

	(void)state;
	prepare(&alone, "videotestsrc is-live=true num-buffers=40 ! " SIZE ",framerate=100/1");
	set(&alone, "queue", "3");
	must_open(&alone, true, 1);
	for (int i = 0; i < 1000 && (ops->health(alone.source, &health), health.state != ASSAY__SOURCE_UP); i++)
		usleep(1000);
	usleep(1000000);
	for (;;) {
		int rc = next(&alone, &error);

		if (rc == ASSAY_E_CLOSED)
			break;
		if (rc) {
			assert_int_equal(rc, ASSAY_E_FORMAT);
			assert_non_null(strstr(error.message, "dropped"));
			broken++;
		} else {
			given++;
		}
	}
	ops->health(alone.source, &health);
	assert_int_equal(given + broken, 40);
	assert_true(given >= 3 && broken > 0);
	assert_int_equal(health.missed, broken);
	assert_int_equal(health.pictures, given);
	ops->close(alone.source);
}

/* A frame that is too small is told, with what to do. */
static void test_too_large(void **state)
{
	static struct alone alone;
	struct assay_error error;

	(void)state;
	prepare(&alone, "videotestsrc num-buffers=1 ! video/x-raw,width=640,height=480");
	must_open(&alone, true, 1);
	assert_int_equal(next(&alone, &error), ASSAY_E_LIMIT);
	assert_non_null(strstr(error.message, "640 x 480 px"));
	assert_non_null(strstr(error.message, "frame_kib"));
	ops->close(alone.source);
}

/* Texts that are wrong: refused at open, with the place. */
static void test_wrong_text(void **state)
{
	static const struct {
		const char *text;
		int position;
		const char *words;
	} wrong[] = {
		{"videotestsrc ! nonsense ! appsink", 15, "character 16, at 'nonsense ! appsink': no element \"nonsense\""},
		{"nonsense", 0, "character 1"},
		{"videotestsrc ! ! appsink", 15, "character 16"},
		{"videotestsrc name=\"a ! b\" ! videoscale methud=1 ! appsink", 39, "methud"},
		{"videotestsrc ! video/x-raw,width=8 ! audioconvert ! appsink", 37, "character 38"},
		{"audiotestsrc", 12, "cannot be linked"},
		{"videotestsrc ! tee name=t t. ! appsink t. ! appsink", -1, "2 elements appsink"},
		{"", 0, "character 1"},
	};
	struct assay__source_need need = {.channels = 1};
	struct assay__source *source;
	static struct alone alone;
	struct assay_error error;
	size_t bytes;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		prepare(&alone, wrong[i].text);
		assert_int_equal(ops->open("alone", alone.settings, &need, &source, &bytes, &error), ASSAY_E_ARGUMENT);
		if (!strstr(error.message, wrong[i].words) || error.position != wrong[i].position)
			fail_msg("'%s': at %d: %s", wrong[i].text, (int)error.position, error.message);
	}
}

/* Sends raw pictures to whoever connects, until it is killed. */
static void feeder_start(int port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	static uint8_t pixels[SIDE_PX * SIDE_PX];
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 4), 0);
	feeder_pid = fork();
	if (!feeder_pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGPIPE, SIG_IGN);
		for (;;) {
			int to = accept(fd, NULL, NULL);

			while (write(to, pixels, sizeof(pixels)) == (ssize_t)sizeof(pixels))
				usleep(10000);
			close(to);
		}
	}
	assert_true(feeder_pid > 0);
	close(fd);
}

static int free_port(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	close(fd);
	return ntohs(address.sin_port);
}

/* The process behind the pipeline dies and comes back; beside it a view that is well. */
static void test_killed(void **state)
{
	struct assay__station_stats stats;
	int port = free_port();
	char yaml[640];

	(void)state;
	snprintf(yaml, sizeof(yaml),
			 HEAD QUICK
			 "cameras:\n  - {name: front, type: virtual, prerender: 4}\n"
			 "  - {name: top, type: gstreamer, eos: again, pipeline: \"tcpclientsrc host=127.0.0.1 port=%d ! "
			 "rawvideoparse width=128 height=128 format=gray8\"}\n",
			 port);
	feeder_start(port);
	bench = bench_open(yaml, &audit_ops);
	wait_ready();
	for (int i = 0; i < 3; i++)
		trigger();
	assert_int_equal(audit.last_part.fault, ASSAY__FAULT_NONE);
	feeder_kill();
	until_fault(ASSAY__FAULT_CAMERA);
	trigger();
	assert_int_equal(audit.last_part.fault, ASSAY__FAULT_CAMERA);
	assert_non_null(strstr(audit.last_part.reason, "top"));
	assert_null(strstr(audit.last_part.reason, "front"));
	feeder_start(port);
	until_fault(ASSAY__FAULT_NONE);
	trigger();
	assert_int_equal(audit.last_part.fault, ASSAY__FAULT_NONE);
	stats = finish();
	assert_audit(&stats);
	assert_int_equal(stats.unrecorded, 0);
}

/* A file that is not there: gone, and why. */
static void test_error(void **state)
{
	(void)state;
	bench = bench_open(HEAD QUICK CAMERA "filesrc location=/nowhere/at.all ! rawvideoparse\"}\n", &audit_ops);
	for (int i = 0; i < 1000 && !strstr(health_of(0).text, "/nowhere/at.all"); i++)
		usleep(10000);
	assert_non_null(strstr(health_of(0).text, "/nowhere/at.all"));
	trigger();
	assert_int_equal(audit.last_part.fault, ASSAY__FAULT_CAMERA);
	finish();
}

/* Live, and silent: stale, started anew. */
static void test_stale(void **state)
{
	(void)state;
	bench = bench_open(HEAD QUICK CAMERA "videotestsrc is-live=true ! " SIZE " ! valve drop=true\", stale_ms: 300}\n",
					   &audit_ops);
	for (int i = 0; i < 1000 && health_of(0).state != ASSAY__SOURCE_STALE; i++)
		usleep(5000);
	assert_int_equal(health_of(0).state, ASSAY__SOURCE_STALE);
	assert_non_null(strstr(health_of(0).text, "no picture for 300 ms"));
	trigger();
	assert_int_equal(audit.last_part.verdict, ASSAY_FAULT);
	finish();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_asked, tear_down),	  cmocka_unit_test_teardown(test_leads, tear_down),
		cmocka_unit_test_teardown(test_file, tear_down),	  cmocka_unit_test_teardown(test_again, tear_down),
		cmocka_unit_test_teardown(test_pixels, tear_down),	  cmocka_unit_test_teardown(test_dropped, tear_down),
		cmocka_unit_test_teardown(test_too_large, tear_down), cmocka_unit_test_teardown(test_wrong_text, tear_down),
		cmocka_unit_test_teardown(test_killed, tear_down),	  cmocka_unit_test_teardown(test_error, tear_down),
		cmocka_unit_test_teardown(test_stale, tear_down),
	};

	return cmocka_run_group_tests(tests, open_room, close_room);
}
