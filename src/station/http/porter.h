/* SPDX-License-Identifier: Apache-2.0 */
/* Who is asking: users, logins, sessions and tokens. Thread safe. */
#ifndef ASSAY_SRC_STATION_HTTP_PORTER_H
#define ASSAY_SRC_STATION_HTTP_PORTER_H

#include "station/http/users.h"
#include "station/part.h"

#define ASSAY__SESSION_CHARS 65 /* 64 hexadecimal digits */
#define ASSAY__SESSIONS_MOST 256

enum assay__who_kind { ASSAY__WHO_NOBODY, ASSAY__WHO_LOCAL, ASSAY__WHO_SESSION, ASSAY__WHO_TOKEN };

struct assay__who {
	enum assay__who_kind kind;
	enum assay__role role;
	char name[ASSAY__USER_NAME_CHARS];
	char session[ASSAY__SESSION_CHARS]; /**< empty without */
	char csrf[ASSAY__SESSION_CHARS];
};

struct assay__porter;

/** `path` outlives the porter. Reads the users. Errors: IO, FORMAT, LIMIT, NOMEM, ARGUMENT (permissions). */
int assay__porter_open(const char *path, int session_h, struct assay__porter **out, struct assay_error *error);
void assay__porter_close(struct assay__porter *porter);

/** How many users there are now. The file is read again when it has changed; one that became unreadable lets nobody in. */
int assay__porter_user_count(struct assay__porter *porter);
const char *assay__porter_path(const struct assay__porter *porter);
/** Copies the list without secrets; at most ASSAY__USERS_MOST. */
int assay__porter_users(struct assay__porter *porter, struct assay__user *out, int most);

enum assay__login { ASSAY__LOGIN_OK, ASSAY__LOGIN_WRONG, ASSAY__LOGIN_WAIT, ASSAY__LOGIN_FULL };

/**
 * Checks a password and opens a session. `address` is the asker's. After 5 wrong ones from an address, or 10 for a name, each more
 * doubles a wait of which *retry_s tells the rest. One password is checked at a time; while 4 wait, FULL.
 */
enum assay__login assay__porter_login(struct assay__porter *porter, const char *address, const char *name,
									  const char *password, struct assay__who *who, int *retry_s);
void assay__porter_logout(struct assay__porter *porter, const char *session);

/** Fills *who if the session lives and its user still exists, with the user's role of today. */
bool assay__porter_session(struct assay__porter *porter, const char *session, struct assay__who *who);
bool assay__porter_token(struct assay__porter *porter, const char *token, struct assay__who *who);

#endif
