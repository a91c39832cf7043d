/* SPDX-License-Identifier: Apache-2.0 */
/* GigE Vision against Aravis' own fake camera, a program of its own: started, killed, started again. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "station_util.h"

#define FAKE "arv-fake-gv-camera-0.8"
#define VIEWER "arv-camera-test-0.8"
#define HEAD "station: {name: cell, state_dir: state, deadline_ms: 3000, workers: 1}\n"
#define QUICK "recipes:\n  - {name: quick, file: quick.assay}\n"
#define SIDE "{name: side, type: aravis, camera: 127.0.0.1, region: \"0,0,128,128\""
#define CAMERA "cameras:\n  - " SIDE "}\n"
#define FREE "triggers:\n  - {type: free}\n"
#define LIMIT_US 40000000 /* generous: the machine may be busy; what it took is printed */

/* Every camera is named: where this runs there may be real ones. */
static pid_t fake_pid;
extern const struct assay__source_ops assay__source_aravis;
static struct bench bench; /* of the test that runs; closed after one that failed, or it would keep the camera */
static char log_path[128];

static pid_t start(char *const *argv)
{
	pid_t pid = fork();

	if (!pid) {
		int fd = open(log_path, O_WRONLY | O_CREAT | O_APPEND, 0600);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(fd, 1);
		dup2(fd, 2);
		execvp(argv[0], argv);
		_exit(127);
	}
	assert_true(pid > 0);
	return pid;
}

/* False: the one GVCP port of the loopback is taken. */
static bool port_free(void)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_port = htons(3956), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	bool is_free = !bind(fd, (struct sockaddr *)&address, sizeof(address));

	close(fd);
	return is_free;
}

/* Loses `lost` of a thousand packets. Returns once it listens. */
static void fake_start(const char *lost)
{
	char *argv[] = {
		(char[]){FAKE}, (char[]){"-i"},			 (char[]){"127.0.0.1"}, (char[]){"-s"},			 (char[]){"A7"},
		(char[]){"-r"}, (char *)(uintptr_t)lost, (char[]){"-d"},		(char[]){"all:warning"}, NULL};

	fake_pid = start(argv);
	for (int i = 0; i < 1000 && port_free(); i++)
		usleep(10000);
	assert_false(port_free());
}

static void fake_kill(void)
{
	if (fake_pid > 0) {
		kill(fake_pid, SIGKILL);
		waitpid(fake_pid, NULL, 0);
	}
	fake_pid = 0;
}

static int set_up(void **state)
{
	(void)state;
	snprintf(log_path, sizeof(log_path), "%s/fake.log", room);
	unlink(log_path);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	if (bench.station) {
		assay__station_close(bench.station);
		assay__config_close(bench.config);
	}
	bench = (struct bench){0};
	fake_kill();
	return 0;
}

/* Drains, and holds that triggers = verdicts = records. */
static struct assay__station_stats finish(void)
{
	struct bench closing = bench;

	bench = (struct bench){0};
	return bench_close(&closing);
}

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

static bool log_has(const char *words)
{
	char line[512];
	FILE *file = fopen(log_path, "r");
	bool has = false;

	while (file && !has && fgets(line, sizeof(line), file))
		has = strstr(line, words) != NULL;
	if (file)
		fclose(file);
	return has;
}

static void look(void *ctx, const struct assay__source_found *found)
{
	if (!strcmp(found->id, "Aravis-Fake-A7") && !strcmp(found->serial, "A7") && !strcmp(found->model, "Fake") &&
		!strcmp(found->address, "127.0.0.1") && !strcmp(found->protocol, "GigEVision"))
		(*(int *)ctx)++;
}

/* What `assay cameras` prints: there while it is there. */
static void test_list(void **state)
{
	struct assay_error error;
	int count = 0;

	(void)state;
	assert_int_equal(assay__source_aravis.list(look, &count, &error), 0);
	assert_int_equal(count, 0);
	fake_start("0");
	assert_int_equal(assay__source_aravis.list(look, &count, &error), 0);
	assert_int_equal(count, 1);
	fake_kill();
}

/* Each trigger brings one picture of the camera and one verdict; others find the camera as it should be, during and after. */
static void test_asked(void **state)
{
	char *during[] = {(char[]){VIEWER},
					  (char[]){"-n"},
					  (char[]){"Aravis-Fake-A7"},
					  (char[]){"--no-packet-socket"},
					  (char[]){"--duration"},
					  (char[]){"1"},
					  NULL};
	struct assay__source_health health;
	struct assay__station_stats stats;
	int status;

	(void)state;
	fake_start("0");
	bench = bench_open(HEAD QUICK CAMERA, &audit_ops);
	wait_ready();
	for (int i = 0; i < 20; i++) {
		uint64_t before = audit.last_part.views[0].camera_frame_id;

		trigger();
		assert_int_not_equal(audit.last_part.views[0].camera_frame_id, before);
	}
	/* A second program cannot take the camera away. */
	waitpid(start(during), &status, 0);
	trigger();
	health = health_of(0);
	assert_int_equal(health.state, ASSAY__SOURCE_UP);
	assert_int_equal(health.pictures, 21);
	assert_int_equal(health.missed + health.broken, 0);
	assert_non_null(strstr(health.text, "A7 127.0.0.1: 2"));
	stats = finish();
	assert_audit(&stats);
	assert_int_equal(stats.since_start.triggers, 21);
	assert_int_equal(stats.since_start.fault, 0);
	fake_kill();
}

/* What the library's own client says of a camera that the station has left, and the camera of the station's commands. */
static void test_viewer(void **state)
{
	char *viewer[] = {(char[]){VIEWER},
					  (char[]){"--no-packet-socket"},
					  (char[]){"-w"},
					  (char[]){"128"},
					  (char[]){"-h"},
					  (char[]){"128"},
					  (char[]){"-o"},
					  (char[]){"10"},
					  (char[]){"--duration"},
					  (char[]){"2"},
					  NULL};
	struct assay__station_stats stats;
	int status;

	(void)state;
	fake_start("0");
	bench = bench_open(HEAD QUICK CAMERA, &audit_ops);
	wait_ready();
	for (int i = 0; i < 3; i++)
		trigger();
	stats = finish();
	assert_int_equal(stats.since_start.fault, 0);
	assert_false(log_has("ot controller"));
	assert_false(log_has("nknown"));
	assert_false(log_has("imeout"));
	waitpid(start(viewer), &status, 0);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_true(log_has("n_completed_buffers"));
	assert_false(log_has("n_completed_buffers    = 0"));
	assert_true(log_has("n_failures             = 0"));
	assert_true(log_has("n_error_packets        = 0"));
	fake_kill();
}

/* The camera leads: every picture of it is a part. */
static void test_leads(void **state)
{
	struct assay__station_stats stats;

	(void)state;
	fake_start("0");
	bench = bench_open(HEAD QUICK "cameras:\n  - " SIDE ", frame_rate_hz: 20, exposure_us: 1000, gain: 0}\n" FREE,
					   &audit_ops);
	wait_ready();
	wait_answered(bench.station, 20);
	stats = finish();
	assert_audit(&stats);
	assert_int_equal(stats.since_start.fault, 0);
	assert_true(stats.by_trigger[ASSAY__TRIGGER_FREE] >= 20);
	fake_kill();
}

/* Of some pictures nothing arrives at all: their numbers are missing, and each is a part too. */
static void test_gaps(void **state)
{
	struct assay__source_health health;
	struct assay__station_stats stats;
	int64_t until_us = assay__clock_us() + LIMIT_US;

	(void)state;
	fake_start("900");
	bench = bench_open(HEAD QUICK "cameras:\n  - " SIDE "}\n" FREE, &audit_ops);
	do {
		usleep(50000);
		health = health_of(0);
	} while ((health.missed < 3 || health.pictures < 20) && assay__clock_us() < until_us);
	assert_true(health.missed >= 3);
	stats = finish();
	assert_audit(&stats);
	assert_true(stats.by_fault[ASSAY__FAULT_BROKEN] >= health.broken);
	assert_true(health.broken >= health.missed);
	assert_true(stats.since_start.triggers >= health.pictures + health.missed);
	fake_kill();
}

/* Runs free, but is asked: the picture is the first that was exposed after the asking. */
static void test_free_asked(void **state)
{
	struct assay__station_stats stats;

	(void)state;
	fake_start("0");
	bench = bench_open(HEAD QUICK "cameras:\n  - " SIDE ", trigger: free, frame_rate_hz: 20, exposure_us: 1000}\n",
					   &audit_ops);
	wait_ready();
	usleep(600000);
	for (int i = 0; i < 5; i++)
		trigger();
	assert_int_equal(health_of(0).missed, 0);
	stats = finish();
	assert_audit(&stats);
	assert_int_equal(stats.since_start.fault, 0);
	fake_kill();
}

/* Packets get lost: what arrives incomplete is FAULT broken and says so, and every trigger is answered. */
static void test_lossy(void **state)
{
	struct assay__station_stats stats;

	(void)state;
	fake_start("150");
	bench = bench_open(HEAD QUICK CAMERA, &audit_ops);
	wait_ready();
	for (int i = 0; i < 12; i++) {
		trigger();
		if (audit.last_part.fault == ASSAY__FAULT_BROKEN) {
			assert_non_null(strstr(audit.last_part.reason, "side"));
			assert_non_null(strstr(audit.last_part.reason, "incomplete"));
		}
	}
	stats = finish();
	assert_audit(&stats);
	assert_int_equal(stats.since_start.triggers, 12);
	assert_true(stats.by_fault[ASSAY__FAULT_BROKEN] > 0);
	assert_int_equal(stats.since_start.fault,
					 stats.by_fault[ASSAY__FAULT_BROKEN] + stats.by_fault[ASSAY__FAULT_NO_IMAGE]);
	fake_kill();
}

/* Triggers until a part has that fault (NONE: is judged); milliseconds since start_us. */
static long until_fault(enum assay__fault fault, int64_t start_us)
{
	while (assay__clock_us() - start_us < LIMIT_US) {
		trigger();
		if (audit.last_part.fault == fault)
			return (long)((assay__clock_us() - start_us) / 1000);
		usleep(20000);
	}
	fail_msg("%s did not come: %s", assay__fault_name(fault), health_of(0).text);
	return 0;
}

/* kill -9 and back: FAULT camera, then verdicts again, and every trigger answered and recorded. */
static void test_killed(void **state)
{
	struct assay__station_stats stats;
	int64_t start_us;
	long gone_ms, back_ms;

	(void)state;
	fake_start("0");
	bench = bench_open(HEAD QUICK CAMERA, &audit_ops);
	wait_ready();
	trigger();
	assert_int_equal(audit.last_part.fault, ASSAY__FAULT_NONE);
	for (int round = 0; round < 2; round++) {
		start_us = assay__clock_us();
		fake_kill();
		gone_ms = until_fault(ASSAY__FAULT_CAMERA, start_us);
		assert_non_null(strstr(audit.last_part.reason, "gone"));
		assert_non_null(strstr(audit.last_part.reason, "side"));
		trigger();
		assert_int_equal(audit.last_part.fault, ASSAY__FAULT_CAMERA);
		assert_int_equal(health_of(0).state, ASSAY__SOURCE_GONE);
		start_us = assay__clock_us();
		fake_start("0");
		back_ms = until_fault(ASSAY__FAULT_NONE, start_us);
		printf("gone was noticed after %ld ms, back after %ld ms\n", gone_ms, back_ms);
	}
	stats = finish();
	assert_audit(&stats);
	assert_true(stats.by_fault[ASSAY__FAULT_CAMERA] >= 4);
	assert_int_equal(stats.unrecorded, 0);
	fake_kill();
}

/* Frozen, as behind a cable that was pulled: no refusal, no answer. Then it is back, and may still hold the old connection to be there. */
static void test_frozen(void **state)
{
	struct assay__station_stats stats;
	int64_t start_us;

	(void)state;
	fake_start("0");
	bench = bench_open(HEAD QUICK CAMERA, &audit_ops);
	wait_ready();
	trigger();
	start_us = assay__clock_us();
	kill(fake_pid, SIGSTOP);
	printf("frozen was noticed after %ld ms\n", until_fault(ASSAY__FAULT_CAMERA, start_us));
	assert_non_null(strstr(audit.last_part.reason, "side"));
	/* Long enough for the library to have given up its own commands. */
	usleep(4000000);
	start_us = assay__clock_us();
	kill(fake_pid, SIGCONT);
	printf("thawed, back after %ld ms\n", until_fault(ASSAY__FAULT_NONE, start_us));
	trigger();
	assert_int_equal(audit.last_part.fault, ASSAY__FAULT_NONE);
	stats = finish();
	assert_audit(&stats);
	fake_kill();
}

/* Restarted so quickly that it was never silent: it no longer knows the station, which notices. */
static void test_restarted(void **state)
{
	struct assay__station_stats stats;

	(void)state;
	fake_start("0");
	bench = bench_open(HEAD QUICK "cameras:\n  - " SIDE ", gone_ms: 30000}\n", &audit_ops);
	wait_ready();
	trigger();
	fake_kill();
	fake_start("0");
	printf("restarted, back after %ld ms\n", until_fault(ASSAY__FAULT_NONE, assay__clock_us()));
	trigger();
	assert_int_equal(audit.last_part.fault, ASSAY__FAULT_NONE);
	stats = finish();
	assert_audit(&stats);
	fake_kill();
}

/* One of two views is dead: the part is FAULT and names it; with both there it is judged. */
static void test_dead_view(void **state)
{
	struct assay__station_stats stats;
	int64_t start_us;

	(void)state;
	fake_start("0");
	bench =
		bench_open(HEAD QUICK "cameras:\n  - {name: top, type: virtual, prerender: 4}\n  - " SIDE "}\n", &audit_ops);
	wait_ready();
	trigger();
	assert_int_equal(audit.last_part.view_count, 2);
	assert_int_equal(audit.last_part.fault, ASSAY__FAULT_NONE);
	start_us = assay__clock_us();
	fake_kill();
	/* The first was under way when the camera died. */
	trigger();
	assert_int_equal(audit.last_part.verdict, ASSAY_FAULT);
	assert_non_null(strstr(audit.last_part.reason, "side"));
	assert_null(strstr(audit.last_part.reason, "top"));
	until_fault(ASSAY__FAULT_CAMERA, start_us);
	trigger();
	assert_int_equal(audit.last_part.fault, ASSAY__FAULT_CAMERA);
	assert_non_null(strstr(audit.last_part.reason, "camera side is gone"));
	stats = finish();
	assert_audit(&stats);
	assert_int_equal(stats.since_start.pass + stats.since_start.fail, 1);
}

/* The camera answers, but the line that should trigger it is silent: no image, stale, not gone; asked again and again. */
static void test_no_trigger(void **state)
{
	struct assay__station_stats stats;

	(void)state;
	fake_start("0");
	/* The fake has no lines; a source that nobody uses is as silent as one. */
	bench = bench_open("station: {deadline_ms: 400}\n" QUICK "cameras:\n  - " SIDE ", trigger: line, line: Software}\n",
					   &audit_ops);
	wait_ready();
	for (int i = 0; i < 3; i++) {
		trigger();
		assert_int_equal(audit.last_part.fault, ASSAY__FAULT_NO_IMAGE);
	}
	assert_int_equal(health_of(0).state, ASSAY__SOURCE_STALE);
	assert_non_null(strstr(health_of(0).text, "answers, but 2 triggers in a row gave no picture"));
	stats = finish();
	assert_audit(&stats);
	assert_int_equal(stats.by_fault[ASSAY__FAULT_NO_IMAGE], 3);
	fake_kill();
}

/* Leads, answers, sends nothing: stale, and started anew. */
static void test_quiet(void **state)
{

	(void)state;
	fake_start("0");
	bench = bench_open(
		HEAD QUICK
		"cameras:\n  - " SIDE
		", features: \"TriggerSelector=FrameStart TriggerMode=On TriggerSource=Software\", stale_ms: 500}\n" FREE,
		&audit_ops);
	for (int i = 0; i < 1000 && health_of(0).state != ASSAY__SOURCE_STALE; i++)
		usleep(10000);
	assert_int_equal(health_of(0).state, ASSAY__SOURCE_STALE);
	assert_non_null(strstr(health_of(0).text, "answers, but sends no pictures"));
	finish();
	fake_kill();
}

/* What cannot be: told where it is decided. */
static void test_refused(void **state)
{
	struct assay__config *config;
	struct assay__station *station;
	struct assay_error error;
	char path[128];
	static const char lead[] = QUICK "cameras:\n  - {type: aravis, trigger: software}\n" FREE;
	static const struct {
		const char *setting, *words;
	} wrong[] = {{"camera: nobody-1", "camera nobody-1 is not found; `assay cameras`"},
				 {"camera: A7, exposure_us: 50000000", "exposure_us"},
				 {"camera: A7, pixel_format: Mono7", "pixel_format"},
				 {"camera: A7, features: Nonsense=1", "features"}};

	(void)state;
	snprintf(path, sizeof(path), "%s/station.yaml", room);
	assert_int_equal(assay__config_parse(path, lead, strlen(lead), NULL, &config, &error), 0);
	assert_int_equal(assay__station_open(config, NULL, &audit_ops, &station, &error), ASSAY_E_ARGUMENT);
	assert_non_null(strstr(error.message, "expected free or line"));
	assay__config_close(config);
	fake_start("0");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		char yaml[512];

		snprintf(yaml, sizeof(yaml), HEAD QUICK "cameras:\n  - {name: side, type: aravis, %s}\n", wrong[i].setting);
		bench = bench_open(yaml, &audit_ops);
		for (int k = 0; k < 1000 && !strstr(health_of(0).text, wrong[i].words); k++)
			usleep(10000);
		assert_non_null(strstr(health_of(0).text, wrong[i].words));
		trigger();
		assert_int_equal(audit.last_part.fault, ASSAY__FAULT_CAMERA);
		finish();
	}
	fake_kill();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_list, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_asked, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_viewer, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_leads, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_gaps, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_free_asked, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_lossy, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_killed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_frozen, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_restarted, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_dead_view, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_no_trigger, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_quiet, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_refused, set_up, tear_down),
	};

	setenv("PATH", "/usr/local/bin:/usr/bin:/bin", 1);
	if (system("command -v " FAKE " >/dev/null 2>&1") || system("command -v " VIEWER " >/dev/null 2>&1")) {
		printf("skipped: %s and %s are not installed (package aravis-tools)\n", FAKE, VIEWER);
		return 77;
	}
	if (!port_free()) {
		printf("skipped: UDP port 3956 of 127.0.0.1, where GigE Vision cameras listen, is taken\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, open_room, close_room);
}
