/* SPDX-License-Identifier: Apache-2.0 */
#include "station/http/porter.h"

#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "station/log.h"

#define TRACKED 128
#define WAITING_MOST 4
#define FORGET_US (600 * 1000000LL)

struct session {
	char id[ASSAY__SESSION_CHARS], csrf[ASSAY__SESSION_CHARS], name[ASSAY__USER_NAME_CHARS];
	char secret[ASSAY__USER_SECRET_CHARS]; /* of the user at login: a new password ends the sessions */
	int64_t until_us;
};

/* Wrong passwords of one address or for one name. */
struct tracked {
	uint64_t key; /* 0: free */
	int wrong;
	int64_t last_us, wait_until_us;
};

struct assay__porter {
	const char *path;
	int64_t session_us;
	pthread_mutex_t mutex, hashing;
	struct assay__users users;
	bool unreadable;
	int waiting;
	uint8_t salt[crypto_shorthash_KEYBYTES];
	struct tracked tracked[TRACKED];
	struct session sessions[ASSAY__SESSIONS_MOST];
};

int assay__porter_open(const char *path, int session_h, struct assay__porter **out, struct assay_error *error)
{
	struct assay__porter *porter;
	int rc;

	if (sodium_init() < 0)
		return assay__fail(error, ASSAY_E_IO, -1, "libsodium cannot start");
	porter = calloc(1, sizeof(*porter));
	if (!porter)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory for users and sessions");
	porter->path = path;
	porter->session_us = session_h * 3600000000LL;
	crypto_shorthash_keygen(porter->salt);
	rc = assay__users_load(path, &porter->users, error);
	if (!rc && (pthread_mutex_init(&porter->mutex, NULL) || pthread_mutex_init(&porter->hashing, NULL)))
		rc = assay__fail(error, ASSAY_E_IO, -1, "cannot make a lock");
	if (rc) {
		free(porter);
		return rc;
	}
	*out = porter;
	return 0;
}

void assay__porter_close(struct assay__porter *porter)
{
	if (!porter)
		return;
	pthread_mutex_destroy(&porter->mutex);
	pthread_mutex_destroy(&porter->hashing);
	sodium_memzero(porter, sizeof(*porter));
	free(porter);
}

const char *assay__porter_path(const struct assay__porter *porter)
{
	return porter->path;
}

/* Under the mutex. */
static void refresh(struct assay__porter *porter)
{
	struct assay_error error;

	if (!porter->unreadable && !assay__users_stale(porter->path, &porter->users))
		return;
	if (assay__users_load(porter->path, &porter->users, &error)) {
		if (!porter->unreadable)
			assay__log(ASSAY__LOG_ERROR, "users_unreadable", "why=\"%s\"", error.message);
		porter->unreadable = true;
	} else {
		porter->unreadable = false;
	}
}

int assay__porter_user_count(struct assay__porter *porter)
{
	int count;

	pthread_mutex_lock(&porter->mutex);
	refresh(porter);
	/* A file that cannot be read is not "no users": that would open the door. */
	count = porter->unreadable && !porter->users.count ? 1 : porter->users.count;
	pthread_mutex_unlock(&porter->mutex);
	return count;
}

int assay__porter_users(struct assay__porter *porter, struct assay__user *out, int most)
{
	int count;

	pthread_mutex_lock(&porter->mutex);
	refresh(porter);
	count = porter->unreadable ? 0 : porter->users.count < most ? porter->users.count : most;
	for (int i = 0; i < count; i++) {
		out[i] = porter->users.users[i];
		memset(out[i].secret, 0, sizeof(out[i].secret));
	}
	pthread_mutex_unlock(&porter->mutex);
	return count;
}

/* The place of what is tracked under a name; a new one takes the longest untouched. Under the mutex. */
static struct tracked *track(struct assay__porter *porter, char kind, const char *name, int64_t now_us)
{
	struct tracked *oldest = &porter->tracked[0];
	uint8_t hash[crypto_shorthash_BYTES];
	char text[160];
	uint64_t key;

	snprintf(text, sizeof(text), "%c%.150s", kind, name);
	crypto_shorthash(hash, (const uint8_t *)text, strlen(text), porter->salt);
	memcpy(&key, hash, sizeof(key));
	key |= 1;
	for (int i = 0; i < TRACKED; i++) {
		struct tracked *at = &porter->tracked[i];

		if (at->key == key && now_us - at->last_us < FORGET_US)
			return at;
		if (at->last_us < oldest->last_us)
			oldest = at;
	}
	*oldest = (struct tracked){.key = key, .last_us = now_us};
	return oldest;
}

static void count_wrong(struct tracked *tracked, int free_tries, int wait_most_s, int64_t now_us)
{
	int64_t wait_s = 1;

	tracked->wrong++;
	tracked->last_us = now_us;
	if (tracked->wrong < free_tries)
		return;
	for (int i = tracked->wrong; i > free_tries && wait_s < wait_most_s; i--)
		wait_s *= 2;
	tracked->wait_until_us = now_us + (wait_s < wait_most_s ? wait_s : wait_most_s) * 1000000;
}

/* Under the mutex. */
static void open_session(struct assay__porter *porter, const struct assay__user *user, struct assay__who *who,
						 int64_t now_us)
{
	struct session *place = &porter->sessions[0];
	uint8_t bytes[2][32];

	for (int i = 0; i < ASSAY__SESSIONS_MOST; i++)
		if (porter->sessions[i].until_us < place->until_us)
			place = &porter->sessions[i];
	randombytes_buf(bytes, sizeof(bytes));
	sodium_bin2hex(place->id, sizeof(place->id), bytes[0], sizeof(bytes[0]));
	sodium_bin2hex(place->csrf, sizeof(place->csrf), bytes[1], sizeof(bytes[1]));
	memcpy(place->name, user->name, sizeof(place->name));
	memcpy(place->secret, user->secret, sizeof(place->secret));
	place->until_us = now_us + porter->session_us;
	*who = (struct assay__who){.kind = ASSAY__WHO_SESSION, .role = user->role};
	memcpy(who->name, user->name, sizeof(who->name));
	memcpy(who->session, place->id, sizeof(who->session));
	memcpy(who->csrf, place->csrf, sizeof(who->csrf));
}

enum assay__login assay__porter_login(struct assay__porter *porter, const char *address, const char *name,
									  const char *password, struct assay__who *who, int *retry_s)
{
	int64_t now_us = assay__clock_us(), until_us;
	const struct assay__user *found;
	struct assay__user user;
	struct tracked *by_address, *by_name;
	bool right;

	pthread_mutex_lock(&porter->mutex);
	by_address = track(porter, 'a', address, now_us);
	by_name = track(porter, 'n', name, now_us);
	until_us = by_address->wait_until_us > by_name->wait_until_us ? by_address->wait_until_us : by_name->wait_until_us;
	if (until_us > now_us || porter->waiting == WAITING_MOST) {
		bool full = until_us <= now_us;

		*retry_s = full ? 1 : (int)((until_us - now_us + 999999) / 1000000);
		pthread_mutex_unlock(&porter->mutex);
		return full ? ASSAY__LOGIN_FULL : ASSAY__LOGIN_WAIT;
	}
	refresh(porter);
	found = porter->unreadable ? NULL : assay__users_find(&porter->users, name);
	user = found ? *found : (struct assay__user){.token = true};
	porter->waiting++;
	pthread_mutex_unlock(&porter->mutex);

	pthread_mutex_lock(&porter->hashing);
	right = assay__user_password_is(&user, password);
	pthread_mutex_unlock(&porter->hashing);

	pthread_mutex_lock(&porter->mutex);
	porter->waiting--;
	now_us = assay__clock_us();
	by_address = track(porter, 'a', address, now_us);
	by_name = track(porter, 'n', name, now_us);
	if (right) {
		by_address->wrong = by_name->wrong = 0;
		by_address->wait_until_us = by_name->wait_until_us = 0;
		open_session(porter, &user, who, now_us);
	} else {
		count_wrong(by_address, 5, 60, now_us);
		/* Short, or anybody could keep a user out by his name. */
		count_wrong(by_name, 10, 8, now_us);
	}
	pthread_mutex_unlock(&porter->mutex);
	sodium_memzero(&user, sizeof(user));
	return right ? ASSAY__LOGIN_OK : ASSAY__LOGIN_WRONG;
}

/* Under the mutex; looks at all, so that time tells nothing. */
static struct session *find_session(struct assay__porter *porter, const char *id)
{
	struct session *found = NULL;

	if (strlen(id) != ASSAY__SESSION_CHARS - 1)
		return NULL;
	for (int i = 0; i < ASSAY__SESSIONS_MOST; i++)
		if (!sodium_memcmp(porter->sessions[i].id, id, ASSAY__SESSION_CHARS - 1))
			found = &porter->sessions[i];
	return found && found->until_us > assay__clock_us() ? found : NULL;
}

void assay__porter_logout(struct assay__porter *porter, const char *session)
{
	struct session *found;

	pthread_mutex_lock(&porter->mutex);
	found = find_session(porter, session);
	if (found)
		*found = (struct session){0};
	pthread_mutex_unlock(&porter->mutex);
}

bool assay__porter_session(struct assay__porter *porter, const char *session, struct assay__who *who)
{
	const struct assay__user *user;
	struct session *found;
	bool known;

	pthread_mutex_lock(&porter->mutex);
	refresh(porter);
	found = find_session(porter, session);
	user = found && !porter->unreadable ? assay__users_find(&porter->users, found->name) : NULL;
	known = user && !user->token && !strcmp(user->secret, found->secret);
	if (known) {
		*who = (struct assay__who){.kind = ASSAY__WHO_SESSION, .role = user->role};
		memcpy(who->name, user->name, sizeof(who->name));
		memcpy(who->session, found->id, sizeof(who->session));
		memcpy(who->csrf, found->csrf, sizeof(who->csrf));
	}
	pthread_mutex_unlock(&porter->mutex);
	return known;
}

bool assay__porter_token(struct assay__porter *porter, const char *token, struct assay__who *who)
{
	const struct assay__user *user;

	pthread_mutex_lock(&porter->mutex);
	refresh(porter);
	user = porter->unreadable ? NULL : assay__users_by_token(&porter->users, token);
	if (user) {
		*who = (struct assay__who){.kind = ASSAY__WHO_TOKEN, .role = user->role};
		memcpy(who->name, user->name, sizeof(who->name));
	}
	pthread_mutex_unlock(&porter->mutex);
	return user != NULL;
}
