/* SPDX-License-Identifier: Apache-2.0 */
#include "station/record/place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "station/record/database.h"

#define MAGIC "assay sequence 1"
#define MAGIC_BYTES 16
#define BOOT_BYTES 40
#define FILE_BYTES (MAGIC_BYTES + BOOT_BYTES + 8)
#define PARTS_IN_FOLDER 1000

void assay__place_sync_folder(const char *path)
{
	char folder[ASSAY__RECORD_PATH_CHARS];
	snprintf(folder, sizeof(folder), "%s", path);
	char *slash = strrchr(folder, '/');
	if (!slash)
		return;
	slash[slash == folder] = '\0';
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	(void)fsync(fd);
	close(fd);
}

static int write_all(int fd, const uint8_t *bytes, size_t size)
{
	while (size > 0) {
		ssize_t n = write(fd, bytes, size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno;
		bytes += n;
		size -= (size_t)n;
	}
	return 0;
}

int assay__place_fresh(const char *path, const void *bytes, size_t size, int mode, struct assay_error *error)
{
	if (unlink(path) && errno != ENOENT)
		return assay__fail(error, ASSAY_E_IO, -1, "cannot replace %s: %s", path, strerror(errno));
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0)
		return assay__fail(error, ASSAY_E_IO, -1, "cannot create %s: %s", path, strerror(errno));
	int number = write_all(fd, bytes, size);
	if (!number && fsync(fd))
		number = errno;
	if (close(fd) && !number)
		number = errno;
	if (!number)
		return 0;
	unlink(path);
	errno = number;
	return assay__fail(error, ASSAY_E_IO, -1, "cannot write %s: %s", path, strerror(number));
}

int assay__place_write(const char *path, const void *bytes, size_t size, int mode, struct assay_error *error)
{
	char temporary[ASSAY__RECORD_PATH_CHARS + 8];
	snprintf(temporary, sizeof(temporary), "%s.new", path);
	int rc = assay__place_fresh(temporary, bytes, size, mode, error);
	if (rc)
		return rc;
	if (rename(temporary, path)) {
		rc = assay__fail(error, ASSAY_E_IO, -1, "cannot write %s: %s", path, strerror(errno));
		unlink(temporary);
		return rc;
	}
	assay__place_sync_folder(path);
	return 0;
}

int assay__place_folder(const char *path, struct assay_error *error)
{
	if (mkdir(path, 0777) == 0)
		assay__place_sync_folder(path);
	else if (errno != EEXIST)
		return assay__fail(error, ASSAY_E_IO, -1, "cannot create the folder %s: %s", path, strerror(errno));
	return 0;
}

int assay__place_lock(const char *dir, int *out, struct assay_error *error)
{
	char path[ASSAY__RECORD_PATH_CHARS], text[32] = "";
	int rc = assay__record_path(dir, "lock", path, error);
	if (rc)
		return rc;
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	if (fd < 0)
		return assay__fail(error, ASSAY_E_IO, -1, "cannot open %s: %s", path, strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		int number = errno;
		ssize_t got = number == EWOULDBLOCK ? pread(fd, text, sizeof(text) - 1, 0) : 0;
		text[got > 0 ? got : 0] = '\0';
		text[strcspn(text, "\n")] = '\0';
		close(fd);
		if (number == EWOULDBLOCK)
			return assay__fail(error, ASSAY_E_IO, -1, "%s: another process (%s) keeps this record", path, text);
		return assay__fail(error, ASSAY_E_IO, -1, "cannot lock %s: %s", path, strerror(number));
	}
	int length = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
	/* only for the message above: a full disk is no reason to stop here */
	if (ftruncate(fd, 0) == 0 && pwrite(fd, text, (size_t)length, 0) != length)
		errno = 0;
	*out = fd;
	return 0;
}

void assay__place_image(uint64_t sequence, int view, char out[ASSAY__PLACE_PATH_CHARS])
{
	snprintf(out, ASSAY__PLACE_PATH_CHARS, "images/%07llu/%010llu-%d.png",
			 (unsigned long long)(sequence / PARTS_IN_FOLDER), (unsigned long long)sequence, view);
}

/* The name Linux gives this run of the machine; all zero if it gives none. */
static void boot_name(char name[BOOT_BYTES])
{
	memset(name, 0, BOOT_BYTES);
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (read(fd, name, BOOT_BYTES - 1) < 0)
		memset(name, 0, BOOT_BYTES);
	close(fd);
}

static void put_number(uint8_t bytes[8], uint64_t value)
{
	for (int i = 0; i < 8; i++)
		bytes[i] = (uint8_t)(value >> 8 * i);
}

int assay__sequence_open(const char *dir, struct assay__sequence *sequence, uint64_t *next, bool *known,
						 struct assay_error *error)
{
	char path[ASSAY__RECORD_PATH_CHARS], boot[BOOT_BYTES];
	uint8_t bytes[FILE_BYTES];
	int rc = assay__record_path(dir, "sequence", path, error);
	if (rc)
		return rc;
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	if (fd < 0)
		return assay__fail(error, ASSAY_E_IO, -1, "cannot open %s: %s", path, strerror(errno));
	boot_name(boot);
	*next = 1;
	*known = false;
	/* one that is damaged or missing only costs a jump in the numbers */
	if (pread(fd, bytes, sizeof(bytes), 0) == sizeof(bytes) && memcmp(bytes, MAGIC, MAGIC_BYTES) == 0) {
		uint64_t value = 0;
		for (int i = 0; i < 8; i++)
			value |= (uint64_t)bytes[MAGIC_BYTES + BOOT_BYTES + i] << 8 * i;
		if (value >= 1 && value < (uint64_t)1 << 62) {
			*next = value;
			*known = boot[0] && memcmp(bytes + MAGIC_BYTES, boot, BOOT_BYTES) == 0;
		}
	}
	if (pthread_mutex_init(&sequence->lock, NULL)) {
		close(fd);
		return assay__fail(error, ASSAY_E_IO, -1, "the system gives no lock");
	}
	sequence->fd = fd;
	sequence->next = *next;
	sequence->failed = false;
	return 0;
}

int assay__sequence_set(struct assay__sequence *sequence, uint64_t next, struct assay_error *error)
{
	uint8_t bytes[FILE_BYTES] = {0};
	memcpy(bytes, MAGIC, MAGIC_BYTES);
	boot_name((char *)bytes + MAGIC_BYTES);
	put_number(bytes + MAGIC_BYTES + BOOT_BYTES, next);
	if (pwrite(sequence->fd, bytes, sizeof(bytes), 0) != sizeof(bytes) || fsync(sequence->fd))
		return assay__fail(error, ASSAY_E_IO, -1, "cannot write the sequence file: %s", strerror(errno));
	sequence->next = next;
	return 0;
}

uint64_t assay__sequence_take(struct assay__sequence *sequence)
{
	uint8_t bytes[8];
	pthread_mutex_lock(&sequence->lock);
	uint64_t mine = sequence->next++;
	put_number(bytes, sequence->next);
	if (pwrite(sequence->fd, bytes, sizeof(bytes), MAGIC_BYTES + BOOT_BYTES) != sizeof(bytes))
		sequence->failed = true;
	pthread_mutex_unlock(&sequence->lock);
	return mine;
}

uint64_t assay__sequence_peek(struct assay__sequence *sequence)
{
	pthread_mutex_lock(&sequence->lock);
	uint64_t next = sequence->next;
	pthread_mutex_unlock(&sequence->lock);
	return next;
}

void assay__sequence_close(struct assay__sequence *sequence)
{
	if (sequence->fd < 0)
		return;
	close(sequence->fd);
	pthread_mutex_destroy(&sequence->lock);
	sequence->fd = -1;
}
