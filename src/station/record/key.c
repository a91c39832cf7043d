/* SPDX-License-Identifier: Apache-2.0 */
#include "station/record/key.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "station/record/database.h"
#include "station/record/place.h"

static const char purpose[] = "assay chain 1";
#define MESSAGE_BYTES (sizeof(purpose) - 1 + 16 + ASSAY_HASH_BYTES)

_Static_assert(ASSAY__SECRET_KEY_BYTES == crypto_sign_SECRETKEYBYTES, "Ed25519");
_Static_assert(ASSAY__PUBLIC_KEY_BYTES == crypto_sign_PUBLICKEYBYTES, "Ed25519");

/* Reads size bytes written in hexadecimal, and perhaps a line end. */
static int read_hex(const char *path, uint8_t *bytes, size_t size, struct assay_error *error)
{
	char text[2 * ASSAY__SECRET_KEY_BYTES + 8];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return assay__fail(error, ASSAY_E_IO, -1, "cannot open %s: %s", path, strerror(errno));
	ssize_t got = read(fd, text, sizeof(text) - 1);
	close(fd);
	size_t length = 0, want = 2 * size;
	bool good = got >= (ssize_t)want && (got == (ssize_t)want || (got == (ssize_t)want + 1 && text[want] == '\n')) &&
				sodium_hex2bin(bytes, size, text, want, NULL, &length, NULL) == 0 && length == size;
	sodium_memzero(text, sizeof(text));
	if (!good)
		return assay__fail(error, ASSAY_E_FORMAT, -1, "%s is damaged: %zu hexadecimal digits are expected", path, want);
	return 0;
}

static int write_hex(const char *path, const uint8_t *bytes, size_t size, int mode, struct assay_error *error)
{
	char text[2 * ASSAY__SECRET_KEY_BYTES + 2];
	sodium_bin2hex(text, sizeof(text), bytes, size);
	text[2 * size] = '\n';
	int rc = assay__place_write(path, text, 2 * size + 1, mode, error);
	sodium_memzero(text, sizeof(text));
	return rc;
}

int assay__key_read_public(const char *path, uint8_t public_key[ASSAY__PUBLIC_KEY_BYTES], struct assay_error *error)
{
	return read_hex(path, public_key, ASSAY__PUBLIC_KEY_BYTES, error);
}

int assay__key_open(const char *dir, struct assay__key *key, bool *made, struct assay_error *error)
{
	char secret[ASSAY__RECORD_PATH_CHARS], open_part[ASSAY__RECORD_PATH_CHARS];
	struct assay__key found;
	int rc = assay__record_path(dir, "record.key", secret, error);
	if (rc == 0)
		rc = assay__record_path(dir, "record.pub", open_part, error);
	if (rc)
		return rc;
	bool has_secret = access(secret, F_OK) == 0, has_public = access(open_part, F_OK) == 0;
	if (!has_secret && has_public)
		return assay__fail(error, ASSAY_E_FORMAT, -1,
						   "%s is missing; put it back from a backup, or move %s away to begin with a new key", secret,
						   open_part);
	if (!has_secret) {
		if (crypto_sign_keypair(found.public_key, found.secret))
			return assay__fail(error, ASSAY_E_IO, -1, "cannot make a key");
		rc = write_hex(secret, found.secret, sizeof(found.secret), 0600, error);
	} else {
		rc = read_hex(secret, found.secret, sizeof(found.secret), error);
		if (rc == 0)
			crypto_sign_ed25519_sk_to_pk(found.public_key, found.secret);
	}
	if (rc == 0 && !has_public)
		rc = write_hex(open_part, found.public_key, sizeof(found.public_key), 0644, error);
	if (rc == 0 && has_public) {
		uint8_t public_key[ASSAY__PUBLIC_KEY_BYTES];
		rc = read_hex(open_part, public_key, sizeof(public_key), error);
		if (rc == 0 && memcmp(public_key, found.public_key, sizeof(public_key)) != 0)
			rc = assay__fail(error, ASSAY_E_FORMAT, -1, "%s and %s do not belong together", secret, open_part);
	}
	if (rc == 0) {
		*key = found;
		*made = !has_secret;
	}
	sodium_memzero(&found, sizeof(found));
	return rc;
}

static void message_of(uint64_t link, int64_t wall_us, const uint8_t hash[ASSAY_HASH_BYTES],
					   uint8_t message[MESSAGE_BYTES])
{
	uint8_t *at = message + sizeof(purpose) - 1;
	memcpy(message, purpose, sizeof(purpose) - 1);
	for (int i = 0; i < 8; i++) {
		at[i] = (uint8_t)(link >> 8 * i);
		at[8 + i] = (uint8_t)((uint64_t)wall_us >> 8 * i);
	}
	memcpy(at + 16, hash, ASSAY_HASH_BYTES);
}

void assay__key_sign(const struct assay__key *key, uint64_t link, int64_t wall_us, const uint8_t hash[ASSAY_HASH_BYTES],
					 uint8_t signature[ASSAY__SIGNATURE_BYTES])
{
	uint8_t message[MESSAGE_BYTES];
	message_of(link, wall_us, hash, message);
	crypto_sign_detached(signature, NULL, message, sizeof(message), key->secret);
}

bool assay__key_verify(const uint8_t public_key[ASSAY__PUBLIC_KEY_BYTES], uint64_t link, int64_t wall_us,
					   const uint8_t hash[ASSAY_HASH_BYTES], const uint8_t signature[ASSAY__SIGNATURE_BYTES])
{
	uint8_t message[MESSAGE_BYTES];
	message_of(link, wall_us, hash, message);
	return crypto_sign_verify_detached(signature, message, sizeof(message), public_key) == 0;
}
