/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may use the station: a file in state_dir, one line a user, "NAME ROLE password HASH" (argon2id) or
 * "NAME ROLE token HASH" (BLAKE2b of a random token, for machines). Readable by its owner alone.
 */
#ifndef ASSAY_SRC_STATION_HTTP_USERS_H
#define ASSAY_SRC_STATION_HTTP_USERS_H

#include <stdbool.h>
#include <sys/stat.h>

#include "assay/base.h"

#define ASSAY__USERS_MOST 200
#define ASSAY__USER_NAME_CHARS 49
#define ASSAY__USER_SECRET_CHARS 129
#define ASSAY__PASSWORD_MIN_BYTES 8
#define ASSAY__PASSWORD_MAX_BYTES 256
#define ASSAY__TOKEN_CHARS 65 /* 64 hexadecimal digits */

/** Each may do what those before it may. */
enum assay__role {
	ASSAY__ROLE_ANYONE,
	ASSAY__ROLE_VIEWER,	  /**< sees */
	ASSAY__ROLE_OPERATOR, /**< triggers, selects recipes, answers */
	ASSAY__ROLE_ENGINEER, /**< changes recipes */
	ASSAY__ROLE_ADMIN,	  /**< users */
	ASSAY__ROLE_COUNT
};

const char *assay__role_name(enum assay__role role);
/** False for a name that is none, and for "anyone". */
bool assay__role_from_name(const char *name, enum assay__role *out);

struct assay__user {
	char name[ASSAY__USER_NAME_CHARS]; /**< UTF-8 without blanks and control characters */
	enum assay__role role;
	bool token;
	char secret[ASSAY__USER_SECRET_CHARS];
};

struct assay__users {
	int count;
	struct stat stat; /**< of the file, zero if there is none */
	struct assay__user users[ASSAY__USERS_MOST];
};

/** A file that is not there has no users. Errors: IO, FORMAT (with the line), LIMIT. */
int assay__users_load(const char *path, struct assay__users *out, struct assay_error *error);

/** Has the file changed since it was loaded? */
bool assay__users_stale(const char *path, const struct assay__users *users);

/** NULL if there is none. */
const struct assay__user *assay__users_find(const struct assay__users *users, const char *name);

/**
 * Adds a user, or changes role and secret of one; with `password` NULL makes a token, written to `token`. The file is replaced as a
 * whole, under a lock. Errors: ARGUMENT (name, password), IO, FORMAT, LIMIT, NOMEM (argon2id wants 64 MiB).
 */
int assay__users_put(const char *path, const char *name, enum assay__role role, const char *password,
					 char token[ASSAY__TOKEN_CHARS], struct assay_error *error);

/** Errors: ARGUMENT (no such user), IO, FORMAT. */
int assay__users_remove(const char *path, const char *name, struct assay_error *error);

/** Takes as long for a user that is not there. About 0.1 s and 64 MiB. */
bool assay__user_password_is(const struct assay__user *user, const char *password);

/** The user whose token this is, or NULL. */
const struct assay__user *assay__users_by_token(const struct assay__users *users, const char *token);

#endif
