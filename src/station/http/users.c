/* SPDX-License-Identifier: Apache-2.0 */
#include "station/http/users.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/err.h"
#include "base/text.h"

#define FILE_MOST_BYTES 65536
#define PATH_CHARS 4096
#define TOKEN_HASH_BYTES 32

static const char *const role_names[ASSAY__ROLE_COUNT] = {"anyone", "viewer", "operator", "engineer", "admin"};

const char *assay__role_name(enum assay__role role)
{
	return role_names[role];
}

bool assay__role_from_name(const char *name, enum assay__role *out)
{
	for (int i = ASSAY__ROLE_VIEWER; i < ASSAY__ROLE_COUNT; i++)
		if (!strcmp(name, role_names[i])) {
			*out = (enum assay__role)i;
			return true;
		}
	return false;
}

static bool is_name(const char *name)
{
	size_t length = strlen(name);

	if (!length || length >= ASSAY__USER_NAME_CHARS || name[0] == '#')
		return false;
	for (size_t i = 0; i < length;) {
		size_t bytes = assay__text_utf8(name + i, length - i);

		if (!bytes || (unsigned char)name[i] <= ' ' || name[i] == 0x7F)
			return false;
		i += bytes;
	}
	return true;
}

static int read_line(const char *path, int number, char *line, struct assay__users *users, struct assay_error *error)
{
	struct assay__user *user = &users->users[users->count];
	char *words[5], *rest = NULL;
	int count = 0;

	if (!line[0] || line[0] == '#')
		return 0;
	for (char *word = strtok_r(line, " ", &rest); word && count < 5; word = strtok_r(NULL, " ", &rest))
		words[count++] = word;
	if (count != 4 || !is_name(words[0]) || !assay__role_from_name(words[1], &user->role) ||
		(strcmp(words[2], "password") && strcmp(words[2], "token")) || strlen(words[3]) >= sizeof(user->secret))
		return assay__fail(error, ASSAY_E_FORMAT, number,
						   "%s:%d: expected NAME ROLE password HASH, or NAME ROLE token HASH", path, number);
	if (assay__users_find(users, words[0]))
		return assay__fail(error, ASSAY_E_FORMAT, number, "%s:%d: this user is named twice", path, number);
	if (users->count == ASSAY__USERS_MOST - 1)
		return assay__fail(error, ASSAY_E_LIMIT, number, "%s:%d: more than %d users", path, number,
						   ASSAY__USERS_MOST - 1);
	snprintf(user->name, sizeof(user->name), "%s", words[0]);
	snprintf(user->secret, sizeof(user->secret), "%s", words[3]);
	user->token = words[2][0] == 't';
	users->count++;
	return 0;
}

static int read_text(const char *path, char *text, struct assay__users *users, struct assay_error *error)
{
	int number = 1, rc = 0;

	for (char *line = text; line && !rc; number++) {
		char *end = strchr(line, '\n');

		if (end)
			*end++ = '\0';
		rc = read_line(path, number, line, users, error);
		line = end;
	}
	return rc;
}

int assay__users_load(const char *path, struct assay__users *out, struct assay_error *error)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), rc = 0;
	struct assay__users *users;
	char *text;
	ssize_t got;

	if (fd < 0 && errno != ENOENT)
		return assay__fail(error, ASSAY_E_IO, -1, "%s: cannot read the users: %s", path, strerror(errno));
	if (fd < 0) {
		*out = (struct assay__users){0};
		return 0;
	}
	users = calloc(1, sizeof(*users) + FILE_MOST_BYTES + 1);
	if (!users) {
		close(fd);
		return assay__fail(error, ASSAY_E_NOMEM, -1, "%s: out of memory", path);
	}
	text = (char *)(users + 1);
	got = read(fd, text, FILE_MOST_BYTES + 1);
	if (got < 0 || fstat(fd, &users->stat))
		rc = assay__fail(error, ASSAY_E_IO, -1, "%s: cannot read the users: %s", path, strerror(errno));
	else if (users->stat.st_mode & 077)
		rc = assay__fail(error, ASSAY_E_ARGUMENT, -1, "%s: others may read or write it; chmod 600 it", path);
	else if (got > FILE_MOST_BYTES || memchr(text, '\0', (size_t)got))
		rc = assay__fail(error, ASSAY_E_FORMAT, -1, "%s: not a users file: too long, or not text", path);
	close(fd);
	if (!rc)
		rc = read_text(path, text, users, error);
	if (!rc)
		*out = *users;
	sodium_memzero(users, sizeof(*users) + FILE_MOST_BYTES + 1);
	free(users);
	return rc;
}

bool assay__users_stale(const char *path, const struct assay__users *users)
{
	struct stat now = {0};

	if (stat(path, &now))
		now = (struct stat){0};
	return now.st_ino != users->stat.st_ino || now.st_size != users->stat.st_size ||
		   now.st_mtim.tv_sec != users->stat.st_mtim.tv_sec || now.st_mtim.tv_nsec != users->stat.st_mtim.tv_nsec;
}

const struct assay__user *assay__users_find(const struct assay__users *users, const char *name)
{
	for (int i = 0; i < users->count; i++)
		if (!strcmp(users->users[i].name, name))
			return &users->users[i];
	return NULL;
}

static int save(const char *path, const struct assay__users *users, struct assay_error *error)
{
	char beside[PATH_CHARS];
	FILE *stream;
	int fd, bad;

	snprintf(beside, sizeof(beside), "%s.new", path);
	fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	stream = fd < 0 ? NULL : fdopen(fd, "w");
	if (!stream) {
		int cause = errno;

		if (fd >= 0)
			close(fd);
		return assay__fail(error, ASSAY_E_IO, -1, "%s: cannot write it: %s", beside, strerror(cause));
	}
	for (int i = 0; i < users->count; i++)
		fprintf(stream, "%s %s %s %s\n", users->users[i].name, assay__role_name(users->users[i].role),
				users->users[i].token ? "token" : "password", users->users[i].secret);
	bad = fflush(stream) || fsync(fd);
	bad |= fclose(stream) != 0;
	if (bad || rename(beside, path)) {
		int cause = errno;

		unlink(beside);
		return assay__fail(error, ASSAY_E_IO, -1, "%s: cannot write it: %s", path, strerror(cause));
	}
	return 0;
}

static bool token_hash(const char *token, char out[ASSAY__USER_SECRET_CHARS])
{
	uint8_t hash[TOKEN_HASH_BYTES];

	if (crypto_generichash(hash, sizeof(hash), (const uint8_t *)token, strlen(token), NULL, 0))
		return false;
	sodium_bin2hex(out, ASSAY__USER_SECRET_CHARS, hash, sizeof(hash));
	return true;
}

static int make_secret(struct assay__user *user, const char *password, char token[ASSAY__TOKEN_CHARS],
					   struct assay_error *error)
{
	uint8_t bytes[(ASSAY__TOKEN_CHARS - 1) / 2];
	size_t length = password ? strlen(password) : 0;

	user->token = !password;
	if (!password) {
		randombytes_buf(bytes, sizeof(bytes));
		sodium_bin2hex(token, ASSAY__TOKEN_CHARS, bytes, sizeof(bytes));
		token_hash(token, user->secret);
		return 0;
	}
	if (length < ASSAY__PASSWORD_MIN_BYTES || length > ASSAY__PASSWORD_MAX_BYTES)
		return assay__fail(error, ASSAY_E_ARGUMENT, -1, "a password must have %d to %d bytes",
						   ASSAY__PASSWORD_MIN_BYTES, ASSAY__PASSWORD_MAX_BYTES);
	if (crypto_pwhash_str(user->secret, password, length, crypto_pwhash_OPSLIMIT_INTERACTIVE,
						  crypto_pwhash_MEMLIMIT_INTERACTIVE))
		return assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory for a password hash");
	return 0;
}

/* Loads, changes and saves under a lock, so that the command line and an admin's browser do not undo each other. */
static int change(const char *path, const struct assay__user *put, const char *remove_name, struct assay_error *error)
{
	struct assay__users *users = calloc(1, sizeof(*users));
	char beside[PATH_CHARS];
	struct assay__user *user;
	int fd, rc;

	if (!users || strlen(path) > sizeof(beside) - 8) {
		free(users);
		return assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory for the users, or their path is too long");
	}
	snprintf(beside, sizeof(beside), "%s.lock", path);
	fd = open(beside, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || flock(fd, LOCK_EX))
		rc = assay__fail(error, ASSAY_E_IO, -1, "%s: cannot lock the users: %s", beside, strerror(errno));
	else
		rc = assay__users_load(path, users, error);
	user = rc ? NULL : (struct assay__user *)assay__users_find(users, put ? put->name : remove_name);
	if (!rc && put) {
		if (!user && users->count == ASSAY__USERS_MOST - 1)
			rc = assay__fail(error, ASSAY_E_LIMIT, -1, "there are %d users already", users->count);
		else
			*(user ? user : &users->users[users->count++]) = *put;
	} else if (!rc) {
		if (user)
			*user = users->users[--users->count];
		else
			rc = assay__fail(error, ASSAY_E_ARGUMENT, -1, "there is no user of that name");
	}
	if (!rc)
		rc = save(path, users, error);
	if (fd >= 0)
		close(fd);
	free(users);
	return rc;
}

int assay__users_put(const char *path, const char *name, enum assay__role role, const char *password,
					 char token[ASSAY__TOKEN_CHARS], struct assay_error *error)
{
	struct assay__user user = {.role = role};
	char made[ASSAY__TOKEN_CHARS] = "";
	int rc;

	if (sodium_init() < 0)
		return assay__fail(error, ASSAY_E_IO, -1, "libsodium cannot start");
	if (!is_name(name))
		return assay__fail(error, ASSAY_E_ARGUMENT, -1,
						   "a user's name must have 1 to %d bytes, no blanks, and not begin with #",
						   ASSAY__USER_NAME_CHARS - 1);
	snprintf(user.name, sizeof(user.name), "%s", name);
	rc = make_secret(&user, password, made, error);
	if (!rc)
		rc = change(path, &user, NULL, error);
	if (!rc && !password)
		memcpy(token, made, sizeof(made));
	sodium_memzero(made, sizeof(made));
	return rc;
}

int assay__users_remove(const char *path, const char *name, struct assay_error *error)
{
	return change(path, NULL, name, error);
}

bool assay__user_password_is(const struct assay__user *user, const char *password)
{
	/* argon2id of nothing anybody can type, with the same cost */
	static const char nobody[] = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$"
								 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
	const char *secret = user && !user->token ? user->secret : nobody;
	bool same = crypto_pwhash_str_verify(secret, password, strlen(password)) == 0;

	return same && secret != nobody;
}

const struct assay__user *assay__users_by_token(const struct assay__users *users, const char *token)
{
	char hash[ASSAY__USER_SECRET_CHARS];
	const struct assay__user *found = NULL;

	if (!token_hash(token, hash))
		return NULL;
	for (int i = 0; i < users->count; i++)
		if (users->users[i].token && strlen(users->users[i].secret) == 2 * TOKEN_HASH_BYTES &&
			!sodium_memcmp(users->users[i].secret, hash, 2 * TOKEN_HASH_BYTES))
			found = &users->users[i];
	return found;
}
