/* SPDX-License-Identifier: Apache-2.0 */
/* assay user: who may use a station's pages and API. */
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/err.h"
#include "base/text.h"
#include "cli/cmd.h"
#include "cli/common.h"
#include "station/http/users.h"

static const char *const roles[] = {"viewer", "operator", "engineer", "admin", NULL};

struct settings {
	const char *users;
	int role;
	bool token;
};

static const struct assay__option options[] = {
	{.name = "role",
	 .type = ASSAY__OPTION_WORD,
	 .fallback = "viewer",
	 .words = roles,
	 .help =
		 "what a user may do: viewer sees; operator also triggers and selects recipes; engineer also changes recipes; "
		 "admin also users",
	 .offset = offsetof(struct settings, role)},
	{.name = "token",
	 .type = ASSAY__OPTION_FLAG,
	 .help = "for a machine: makes a token instead of asking for a password, and prints it, once",
	 .offset = offsetof(struct settings, token)},
	{.name = "users",
	 .type = ASSAY__OPTION_PATH,
	 .fallback = "state/users",
	 .value = "FILE",
	 .help = "the station's users file: `users` in its state_dir, or what http: users says",
	 .offset = offsetof(struct settings, users)},
};

static const struct assay__command command = {
	.name = "user",
	.usage = "add|remove|list [NAME] [--role ROLE] [--users FILE]",
	.description = "Keeps the users of a station. A running station notices at once.\n"
				   "\n"
				   "  assay user add anna --role admin --users /var/lib/assay/users\n"
				   "  assay user add mes --role operator --token\n"
				   "  assay user list\n"
				   "\n"
				   "add asks for a password, or takes the first line of standard input; for a user that is\n"
				   "there it changes role and password, which ends his sessions. Passwords are kept as\n"
				   "argon2id hashes, tokens as BLAKE2b hashes.\n"
				   "\n"
				   "Exit status: 0 done; 64 usage; 70 out of memory; 74 input or output.",
	.options = options,
	.option_count = (int)(sizeof(options) / sizeof(options[0])),
	.args_min = 1,
	.args_max = 2,
};

/* One line without echo. False at the end of input or if it is too long. */
static bool read_line(const char *prompt, char *out, size_t size)
{
	struct termios before, quiet;
	bool terminal = isatty(0) && !tcgetattr(0, &before);
	char *got;

	if (terminal) {
		quiet = before;
		quiet.c_lflag &= ~(tcflag_t)ECHO;
		fputs(prompt, stderr);
		tcsetattr(0, TCSAFLUSH, &quiet);
	}
	got = fgets(out, (int)size, stdin);
	if (terminal) {
		tcsetattr(0, TCSAFLUSH, &before);
		fputc('\n', stderr);
	}
	if (!got || (!strchr(out, '\n') && strlen(out) + 1 == size))
		return false;
	out[strcspn(out, "\r\n")] = '\0';
	return true;
}

static int add(const struct settings *settings, const char *name)
{
	char password[ASSAY__PASSWORD_MAX_BYTES + 2], again[sizeof(password)], token[ASSAY__TOKEN_CHARS] = "";
	struct assay_error error;

	if (!settings->token) {
		if (!read_line("password: ", password, sizeof(password)) ||
			(isatty(0) && !read_line("again: ", again, sizeof(again)))) {
			assay__say("no password: expected a line of at most %d bytes on standard input", ASSAY__PASSWORD_MAX_BYTES);
			return ASSAY__EXIT_USAGE;
		}
		if (isatty(0) && strcmp(password, again) != 0) {
			assay__say("the two passwords differ; nothing was changed");
			return ASSAY__EXIT_USAGE;
		}
	}
	if (assay__users_put(settings->users, name, (enum assay__role)(settings->role + ASSAY__ROLE_VIEWER),
						 settings->token ? NULL : password, token, &error)) {
		int status = assay__say_error(&error);
		return error.code == ASSAY_E_ARGUMENT ? ASSAY__EXIT_USAGE : status;
	}
	if (settings->token)
		printf("%s\n", token);
	return assay__finish_output(ASSAY__EXIT_PASS);
}

static int list(const struct settings *settings)
{
	static struct assay__users users;
	struct assay_error error;

	if (assay__users_load(settings->users, &users, &error))
		return assay__say_error(&error);
	for (int i = 0; i < users.count; i++)
		printf("%-24s %-9s %s\n", users.users[i].name, assay__role_name(users.users[i].role),
			   users.users[i].token ? "token" : "password");
	return assay__finish_output(ASSAY__EXIT_PASS);
}

int assay__cmd_user(int argc, char **argv)
{
	struct settings settings = {0};
	struct assay_error error;
	char quoted[ASSAY__QUOTE_CHARS];
	int count, status = assay__command_parse(&command, argc, argv, &settings, &count);
	bool named;

	if (status >= 0)
		return status;
	named = count == 2;
	if (!strcmp(argv[1], "list") && !named)
		return list(&settings);
	if (!strcmp(argv[1], "add") && named)
		return add(&settings, argv[2]);
	if (!strcmp(argv[1], "remove") && named) {
		if (assay__users_remove(settings.users, argv[2], &error))
			return assay__say_error(&error);
		return ASSAY__EXIT_PASS;
	}
	if (!strcmp(argv[1], "add") || !strcmp(argv[1], "remove"))
		return assay__command_misuse(&command, "%s: expected the NAME of a user", argv[1]);
	return assay__command_misuse(&command, "found %s, expected add NAME, remove NAME or list",
								 assay__text_quote(argv[1], quoted));
}
