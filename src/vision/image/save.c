/* SPDX-License-Identifier: Apache-2.0 */
/* Encoded pictures: bytes that grow, and a file that is whole or not there. */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "vision/image/codec.h"

#define NAME_TRIES 100

bool assay__bytes_reserve(struct assay__bytes *bytes, size_t more)
{
	size_t capacity = bytes->capacity;
	uint8_t *data;

	if (more <= capacity - bytes->size)
		return true;
	if (more > SIZE_MAX / 4 - bytes->size)
		return false;
	if (capacity < 4096)
		capacity = 4096;
	while (capacity < bytes->size + more)
		capacity *= 2;
	data = assay__alloc(bytes->allocator, capacity);
	if (!data)
		return false;
	if (bytes->size)
		memcpy(data, bytes->data, bytes->size);
	assay__free(bytes->allocator, bytes->data);
	bytes->data = data;
	bytes->capacity = capacity;
	return true;
}

static int io_failed(struct assay_error *error, const char *path, const char *what, int number)
{
	if (number == ENOSPC || number == EDQUOT)
		return assay__fail(error, ASSAY_E_IO, -1, "%.160s: %s: the disk is full; free some space and try again", path,
						   what);
	return assay__fail(error, ASSAY_E_IO, -1, "%.160s: %s: %s", path, what, strerror(number));
}

/* A new file beside the target under a name nobody else has. The mode follows the umask, which mkstemp's would not. */
static int open_beside(const char *path, char *name, size_t name_size)
{
	static atomic_uint counter;
	int fd = -1, i;

	for (i = 0; i < NAME_TRIES && fd < 0; i++) {
		snprintf(name, name_size, "%s.tmp-%ld-%u", path, (long)getpid(), atomic_fetch_add(&counter, 1));
		fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
		if (fd < 0 && errno != EEXIST)
			break;
	}
	return fd;
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
	return fsync(fd) ? errno : 0;
}

/* The new name lasts through a power cut only once the folder is on disk; some file systems refuse, which is no loss.
 */
static void sync_folder(const char *path, char *scratch)
{
	const char *slash = strrchr(path, '/');
	size_t length = slash ? (size_t)(slash - path) : 0;
	int fd;

	memcpy(scratch, path, length);
	scratch[length] = '\0';
	fd = open(slash ? (length ? scratch : "/") : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	(void)fsync(fd);
	close(fd);
}

static int save_bytes(const char *path, const uint8_t *bytes, size_t size, struct assay_error *error)
{
	size_t name_size = strlen(path) + 64;
	char *name = assay__alloc(NULL, name_size);
	int fd, number, rc = ASSAY_OK;

	if (!name)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "%.160s: out of memory", path);
	fd = open_beside(path, name, name_size);
	if (fd < 0) {
		rc = io_failed(error, path, "cannot be created", errno);
		goto done;
	}
	number = write_all(fd, bytes, size);
	if (close(fd) && !number)
		number = errno;
	if (number) {
		rc = io_failed(error, path, "cannot be written", number);
		unlink(name);
		goto done;
	}
	if (rename(name, path)) {
		rc = io_failed(error, path, "cannot be put in place", errno);
		unlink(name);
		goto done;
	}
	sync_folder(path, name);
done:
	assay__free(NULL, name);
	return rc;
}

int assay_image_save_png(const char *path, const struct assay_image *image, struct assay_error *error)
{
	uint8_t *bytes;
	size_t size;
	int rc = assay_image_encode_png(image, NULL, &bytes, &size, error);

	if (rc) {
		assay__fail_prefix(error, "%.160s", path);
		return rc;
	}
	rc = save_bytes(path, bytes, size, error);
	assay__free(NULL, bytes);
	return rc;
}
