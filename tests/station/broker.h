/* SPDX-License-Identifier: Apache-2.0 */
/* A mosquitto broker of the test's own, and a subscriber that the broker remembers over its restarts. */
#ifndef ASSAY_TESTS_STATION_BROKER_H
#define ASSAY_TESTS_STATION_BROKER_H

#include "fake_station.h"

struct broker {
	int port;
	char port_text[16], folder[64], config[96], log[96], received[96];
	pid_t broker, subscriber;
};

static inline void broker_start(struct broker *broker)
{
	const char *argv[] = {"mosquitto", "-c", broker->config, NULL};
	broker->broker = start_program(argv, broker->log);
	int fd = -1;
	WAIT_FOR((fd = connect_to(broker->port)) >= 0);
	close(fd);
}

static inline void broker_stop(struct broker *broker)
{
	stop_program(broker->broker, SIGTERM);
}

/** False, with a message, if mosquitto or its clients are not installed. */
static inline bool broker_open(struct broker *broker, const char *topic, bool hex)
{
	setenv("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin", 1);
	if (!have_program("mosquitto") || !have_program("mosquitto_sub")) {
		printf("mosquitto and mosquitto-clients are not installed\n");
		return false;
	}
	make_folder(broker->folder);
	chmod(broker->folder, 0777);
	broker->port = free_port();
	snprintf(broker->port_text, sizeof(broker->port_text), "%d", broker->port);
	snprintf(broker->config, sizeof(broker->config), "%s/broker.conf", broker->folder);
	snprintf(broker->log, sizeof(broker->log), "%s/log", broker->folder);
	snprintf(broker->received, sizeof(broker->received), "%s/received", broker->folder);
	FILE *file = fopen(broker->config, "w");
	if (!file)
		abort();
	fprintf(file, "listener %d 127.0.0.1\nallow_anonymous true\npersistence true\npersistence_location %s/\n",
			broker->port, broker->folder);
	fprintf(file, "max_queued_messages 0\nmax_inflight_messages 0\nqueue_qos0_messages true\n");
	if (geteuid() == 0)
		fprintf(file, "user root\n");
	fclose(file);
	broker_start(broker);
	const char *argv[] = {"mosquitto_sub", "-p", broker->port_text,		  "-i", "tester", "-c", "-q", "1", "-t",
						  topic,		   "-F", hex ? "%t %x" : "%t %p", NULL};
	broker->subscriber = start_program(argv, broker->received);
	char command[300], out[300];
	/* Subscribed once the broker's log says so, or nothing would prove an early message lost. */
	snprintf(command, sizeof(command), "grep -c 'as tester' %s", broker->log);
	WAIT_FOR(run_command(command, out, sizeof(out)) == 0);
	usleep(200000);
	return true;
}

static inline void broker_close(struct broker *broker)
{
	stop_program(broker->subscriber, SIGTERM);
	broker_stop(broker);
	remove_folder(broker->folder);
}

static inline int count_text(const char *text, const char *wanted)
{
	int count = 0;
	for (; (text = strstr(text, wanted)); text++)
		count++;
	return count;
}

/** How often `wanted` stands in what was received. */
static inline int broker_count(struct broker *broker, const char *wanted)
{
	char *text = read_text(broker->received);
	int count = count_text(text, wanted);
	free(text);
	return count;
}

#endif
