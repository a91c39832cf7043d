/* SPDX-License-Identifier: Apache-2.0 */
#include "station/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/text.h"

/* One reading of one file. */
struct reader {
	struct assay__config *config;
	yaml_document_t *document;
	const struct assay__config_complaints *complaints;
	struct assay_error first;
	int count;
	bool no_memory;
};

static void complain(struct reader *reader, int line, const char *format, ...) ASSAY_PRINTF(3, 4);

static void complain(struct reader *reader, int line, const char *format, ...)
{
	char text[280], message[400];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (line > 0)
		snprintf(message, sizeof(message), "%.90s:%d: %s", reader->config->path, line, text);
	else
		snprintf(message, sizeof(message), "%.90s: %s", reader->config->path, text);
	if (!reader->count++)
		assay__fail(&reader->first, ASSAY_E_ARGUMENT, line, "%s", message);
	if (reader->complaints)
		reader->complaints->say(reader->complaints->ctx, message);
}

static void *take(struct reader *reader, size_t count, size_t size)
{
	void *memory = assay__arena_calloc(reader->config->arena, count, size);

	if (!memory)
		reader->no_memory = true;
	return memory;
}

static const char *keep_text(struct reader *reader, const char *text, size_t length)
{
	char *copy = take(reader, length + 1, 1);

	if (copy)
		memcpy(copy, text, length);
	return copy;
}

static const char *join(struct reader *reader, const char *path)
{
	const char *folder = reader->config->folder;
	size_t size = strlen(folder) + strlen(path) + 2;
	char *joined;

	if (path[0] == '/' || !strcmp(folder, "."))
		return path;
	joined = take(reader, size, 1);
	if (joined)
		snprintf(joined, size, "%s%s%s", folder, folder[strlen(folder) - 1] == '/' ? "" : "/", path);
	return joined;
}

static int line_of(const yaml_node_t *node)
{
	return (int)node->start_mark.line + 1;
}

static const char *kind_of(const yaml_node_t *node)
{
	return node->type == YAML_MAPPING_NODE ? "a mapping" : node->type == YAML_SEQUENCE_NODE ? "a list" : "a value";
}

/* The text of a scalar without zero bytes, or NULL. */
static const char *scalar(const yaml_node_t *node)
{
	if (node->type != YAML_SCALAR_NODE || strlen((const char *)node->data.scalar.value) != node->data.scalar.length)
		return NULL;
	return (const char *)node->data.scalar.value;
}

static yaml_node_t *node_at(struct reader *reader, int index)
{
	return yaml_document_get_node(reader->document, index);
}

#define PAIRS(node, pair)                                                                                              \
	for (yaml_node_pair_t *pair = (node)->data.mapping.pairs.start; pair < (node)->data.mapping.pairs.top; pair++)
#define ITEMS(node, item)                                                                                              \
	for (yaml_node_item_t *item = (node)->data.sequence.items.start; item < (node)->data.sequence.items.top; item++)

static bool is_mapping(struct reader *reader, const yaml_node_t *node, const char *what)
{
	if (node->type == YAML_MAPPING_NODE)
		return true;
	complain(reader, line_of(node), "%s: found %s, expected a mapping: lines of `key: value`", what, kind_of(node));
	return false;
}

/* The value of `key`, or NULL. */
static yaml_node_t *find(struct reader *reader, yaml_node_t *mapping, const char *key)
{
	PAIRS(mapping, pair)
	{
		const char *name = scalar(node_at(reader, pair->key));

		if (name && !strcmp(name, key))
			return node_at(reader, pair->value);
	}
	return NULL;
}

static bool is_repeated(struct reader *reader, yaml_node_t *mapping, const yaml_node_pair_t *until, const char *key)
{
	PAIRS(mapping, pair)
	{
		const char *name = scalar(node_at(reader, pair->key));

		if (pair == until)
			return false;
		if (name && !strcmp(name, key))
			return true;
	}
	return false;
}

static void complain_unknown(struct reader *reader, int line, const char *section, const char *key,
							 const struct assay__option_table *table, const char *const *also)
{
	struct assay__nearest nearest = {.given = key};
	char quoted[ASSAY__QUOTE_CHARS];

	for (int i = 0; table && i < table->count; i++)
		assay__nearest_try(&nearest, table->rows[i].name);
	for (int i = 0; also[i]; i++)
		assay__nearest_try(&nearest, also[i]);
	complain(reader, line, "%s: unknown key %s%s%s%s", section, assay__text_quote(key, quoted),
			 nearest.best ? "; did you mean " : "", nearest.best ? nearest.best : "", nearest.best ? "?" : "");
}

static const struct assay__option *find_row(const struct assay__option_table *table, const char *key)
{
	for (int i = 0; i < table->count; i++)
		if (!strcmp(table->rows[i].name, key))
			return &table->rows[i];
	return NULL;
}

static void set(struct reader *reader, const struct assay__option_table *table, const char *key,
				const yaml_node_t *value, const char *section, void *settings)
{
	const struct assay__option *row = find_row(table, key);
	const char *text = scalar(value);
	struct assay_error error;

	if (!text) {
		complain(reader, line_of(value), "%s: %s: found %s, expected one value", section, key, kind_of(value));
		return;
	}
	text = keep_text(reader, text, strlen(text));
	if (text && row->type == ASSAY__OPTION_PATH && *text)
		text = join(reader, text);
	if (text && assay__option_set(table->rows, table->count, section, key, text, settings, &error))
		complain(reader, line_of(value), "%s", error.message);
}

/* Defaults; those that are paths lie in the folder of the file too. */
static void set_defaults(struct reader *reader, const struct assay__option_table *table, void *settings)
{
	assay__option_defaults(table->rows, table->count, settings);
	for (int i = 0; i < table->count; i++) {
		const struct assay__option *row = &table->rows[i];
		const char *path;

		if (row->type != ASSAY__OPTION_PATH || !row->fallback)
			continue;
		path = join(reader, row->fallback);
		memcpy((char *)settings + row->offset, &path, sizeof(path));
	}
}

/* Fills settings of one table from a mapping; `also` names the keys that are read elsewhere. */
static void read_table(struct reader *reader, yaml_node_t *mapping, const char *section,
					   const struct assay__option_table *table, const char *const *also, void *settings)
{
	set_defaults(reader, table, settings);
	PAIRS(mapping, pair)
	{
		yaml_node_t *key_node = node_at(reader, pair->key);
		const char *key = scalar(key_node);
		bool elsewhere = false;

		if (!key) {
			complain(reader, line_of(key_node), "%s: found %s as a key, expected a name", section, kind_of(key_node));
			continue;
		}
		for (int i = 0; also[i] && !elsewhere; i++)
			elsewhere = !strcmp(also[i], key);
		if (is_repeated(reader, mapping, pair, key))
			complain(reader, line_of(key_node), "%s: %s is here twice", section, key);
		else if (!elsewhere && !find_row(table, key))
			complain_unknown(reader, line_of(key_node), section, key, table, also);
		else if (!elsewhere)
			set(reader, table, key, node_at(reader, pair->value), section, settings);
	}
	for (int i = 0; i < table->count; i++) {
		char expected[ASSAY__OPTION_TEXT_CHARS];

		if (!table->rows[i].required || find(reader, mapping, table->rows[i].name))
			continue;
		assay__option_expected(&table->rows[i], expected);
		complain(reader, line_of(mapping), "%s: %s is missing; it takes %s", section, table->rows[i].name, expected);
	}
}

static const char *const trigger_types[] = {"free", "timer", "software", NULL};

/* The table that `type` chooses in `item`, NULL after a complaint. */
static bool choose(struct reader *reader, yaml_node_t *mapping, const char *list, struct assay__config_item *item,
				   struct assay__option_table *table)
{
	yaml_node_t *node = find(reader, mapping, "type");
	const char *type = node ? scalar(node) : NULL;
	const char *words[64] = {NULL};
	char quoted[ASSAY__QUOTE_CHARS], all[200] = "";
	int count = 0, found = -1;

	if (!strcmp(list, "cameras"))
		for (; assay__sources[count] && count < 63; count++)
			words[count] = assay__sources[count]->type;
	else if (!strcmp(list, "outputs"))
		for (; assay__outputs[count] && count < 63; count++)
			words[count] = assay__outputs[count]->type;
	else
		for (; trigger_types[count]; count++)
			words[count] = trigger_types[count];
	struct assay__nearest nearest = {.given = type ? type : ""};
	for (int i = 0; i < count; i++) {
		size_t used = strlen(all);

		if (type && !strcmp(type, words[i]))
			found = i;
		assay__nearest_try(&nearest, words[i]);
		snprintf(all + used, sizeof(all) - used, "%s%s", i ? ", " : "", words[i]);
	}
	if (found < 0) {
		if (type)
			complain(reader, line_of(node), "%s: type: found %s, expected one of %s%s%s%s", list,
					 assay__text_quote(type, quoted), all, nearest.best ? "; did you mean " : "",
					 nearest.best ? nearest.best : "", nearest.best ? "?" : "");
		else
			complain(reader, line_of(mapping), "%s: type is missing; it is one of %s", list, all);
		return false;
	}
	if (!strcmp(list, "cameras")) {
		const struct assay__source_ops *ops = item->source = assay__sources[found];

		*table = (struct assay__option_table){ops->options, ops->option_count, ops->settings_size};
	} else if (!strcmp(list, "outputs")) {
		const struct assay__output_ops *ops = item->output = assay__outputs[found];

		*table = (struct assay__option_table){ops->options, ops->option_count, ops->settings_size};
	} else {
		item->trigger = found == 0 ? ASSAY__TRIGGER_FREE : found == 1 ? ASSAY__TRIGGER_TIMER : ASSAY__TRIGGER_SOFTWARE;
		*table = assay__trigger_table;
	}
	item->name = words[found];
	return true;
}

static void read_name(struct reader *reader, yaml_node_t *mapping, const char *list, struct assay__config_item *item)
{
	yaml_node_t *node = find(reader, mapping, "name");
	const char *name = node ? scalar(node) : NULL;

	if (!node)
		return;
	if (!name || !*name || strlen(name) >= ASSAY__NAME_CHARS) {
		complain(reader, line_of(node), "%s: name: expected a text of 1 to %d bytes", list, ASSAY__NAME_CHARS - 1);
		return;
	}
	item->name = keep_text(reader, name, strlen(name));
}

static void check_unique(struct reader *reader, const char *list, const struct assay__config_list *items)
{
	for (int i = 0; i < items->count; i++)
		for (int k = 0; k < i; k++)
			if (items->items[i].name && items->items[k].name && !strcmp(items->items[i].name, items->items[k].name)) {
				complain(reader, items->items[i].line,
						 "%s: two are named %s (the other is on line %d); give them a `name`", list,
						 items->items[i].name, items->items[k].line);
				break;
			}
}

static void read_list(struct reader *reader, yaml_node_t *node, const char *list, int most,
					  struct assay__config_list *out)
{
	static const char *const typed_keys[] = {"name", "type", NULL}, *const recipe_keys[] = {"name", NULL},
							 *const no_keys[] = {NULL};
	bool recipes = !strcmp(list, "recipes"), codes = !strcmp(list, "codes"), typed = !recipes && !codes;
	int count = 0;

	if (node->type != YAML_SEQUENCE_NODE) {
		complain(reader, line_of(node), "%s: found %s, expected a list: entries that start with `- `", list,
				 kind_of(node));
		return;
	}
	ITEMS(node, item) count++;
	if (count > most) {
		complain(reader, line_of(node), "%s: %d entries, at most %d are possible", list, count, most);
		return;
	}
	out->items = take(reader, (size_t)count + 1, sizeof(*out->items));
	if (!out->items)
		return;
	ITEMS(node, at)
	{
		yaml_node_t *mapping = node_at(reader, *at);
		struct assay__config_item *item = &out->items[out->count];
		struct assay__option_table table = codes ? assay__code_table : assay__recipe_table;

		if (!is_mapping(reader, mapping, list))
			continue;
		item->line = line_of(mapping);
		if (typed && !choose(reader, mapping, list, item, &table))
			continue;
		if (!codes)
			read_name(reader, mapping, list, item);
		if (recipes && !find(reader, mapping, "name"))
			complain(reader, item->line, "recipes: name is missing; it is what recipe select calls it by");
		item->settings = take(reader, 1, table.settings_size ? table.settings_size : 1);
		if (!item->settings)
			return;
		read_table(reader, mapping, typed ? item->name : list, &table,
				   recipes ? recipe_keys
				   : codes ? no_keys
						   : typed_keys,
				   item->settings);
		out->count++;
	}
	if (typed)
		check_unique(reader, list, out);
}

static void *read_section(struct reader *reader, yaml_node_t *node, const char *name,
						  const struct assay__option_table *table)
{
	static const char *const none[] = {NULL};
	void *settings = take(reader, 1, table->settings_size ? table->settings_size : 1);

	if (!settings)
		return NULL;
	if (node && is_mapping(reader, node, name))
		read_table(reader, node, name, table, none, settings);
	else
		set_defaults(reader, table, settings);
	return settings;
}

static int find_camera(const struct assay__config *config, const char *name)
{
	if (!name || !*name)
		return 0;
	for (int i = 0; i < config->cameras.count; i++)
		if (!strcmp(config->cameras.items[i].name, name))
			return i;
	return -1;
}

static void check_identity(struct reader *reader)
{
	const struct assay__config *config = reader->config;
	bool seen[ASSAY__MAX_VIEWS] = {false};
	size_t longest = 0;
	struct assay__challenge_shifts shifts;
	struct assay_error error;
	char quoted[ASSAY__QUOTE_CHARS];

	for (int i = 0; i < config->recipes.count; i++)
		if (config->recipes.items[i].name && strlen(config->recipes.items[i].name) > longest)
			longest = strlen(config->recipes.items[i].name);
	if (assay__identity_check(config->identity.template, config->station.name, longest, &error))
		complain(reader, 0, "identity: %s", error.message);
	if (config->challenge && assay__challenge_shifts_read(config->challenge->shifts, &shifts, &error))
		complain(reader, 0, "challenge: %s", error.message);
	for (int i = 0; i < config->codes.count; i++) {
		const struct assay__code_settings *code = config->codes.items[i].settings;
		int line = config->codes.items[i].line, camera = find_camera(config, code->camera);

		if (assay__code_check(code, &error))
			complain(reader, line, "codes: %s", error.message);
		if (camera < 0)
			complain(reader, line, "codes: camera: %s is not the name of a camera",
					 assay__text_quote(code->camera, quoted));
		else if (seen[camera])
			complain(reader, line, "codes: camera %s is here twice; one entry can look for several kinds",
					 config->cameras.items[camera].name);
		else
			seen[camera] = true;
	}
}

/* What is right by itself but does not go together. */
static void check_whole(struct reader *reader)
{
	struct assay__config *config = reader->config;
	int frees = 0;

	if (!config->cameras.count)
		complain(reader, 0, "cameras: none; a station has at least one");
	if (!config->recipes.count)
		complain(reader, 0, "recipes: none; a station has at least one, made by assay teach");
	for (int i = 0; i < config->triggers.count; i++)
		if (config->triggers.items[i].trigger == ASSAY__TRIGGER_FREE && frees++)
			complain(reader, config->triggers.items[i].line, "triggers: free is here twice");
	for (int i = 0; frees && i < config->triggers.count; i++)
		if (config->triggers.items[i].trigger == ASSAY__TRIGGER_TIMER)
			complain(reader, config->triggers.items[i].line,
					 "triggers: a timer cannot go with free, where each picture "
					 "of the first camera is a trigger");
	for (int i = 0; i < config->recipes.count; i++) {
		const struct assay__recipe_settings *recipe = config->recipes.items[i].settings;
		bool known = !recipe->camera || !*recipe->camera;
		char quoted[ASSAY__QUOTE_CHARS];

		for (int k = 0; k < config->cameras.count && !known; k++)
			known = !strcmp(config->cameras.items[k].name, recipe->camera);
		if (!known)
			complain(reader, config->recipes.items[i].line, "recipes: camera: %s is not the name of a camera",
					 assay__text_quote(recipe->camera, quoted));
	}
	if (config->station.recipe && *config->station.recipe) {
		bool known = false;
		char quoted[ASSAY__QUOTE_CHARS];

		for (int i = 0; i < config->recipes.count && !known; i++)
			known = config->recipes.items[i].name && !strcmp(config->recipes.items[i].name, config->station.recipe);
		if (!known)
			complain(reader, 0, "station: recipe: %s is not among the recipes",
					 assay__text_quote(config->station.recipe, quoted));
	}
	if (strlen(config->station.name) >= ASSAY__NAME_CHARS || !*config->station.name)
		complain(reader, 0, "station: name: expected a text of 1 to %d bytes", ASSAY__NAME_CHARS - 1);
	check_identity(reader);
}

static void read_root(struct reader *reader)
{
	static const char *const sections[] = {"station",  "identity", "challenge", "recipes", "cameras", "codes",
										   "triggers", "outputs",  "record",	"http",	   "vitals",  NULL};
	const struct assay__option_table record = assay__record_table();
	struct assay__config *config = reader->config;
	yaml_node_t *root = yaml_document_get_root_node(reader->document), *node;
	struct assay__station_settings *station;
	struct assay__identity_settings *identity;

	if (!root) {
		complain(reader, 0, "it is empty; docs/station.md tells what goes in");
		return;
	}
	if (!is_mapping(reader, root, "the file"))
		return;
	PAIRS(root, pair)
	{
		yaml_node_t *key_node = node_at(reader, pair->key);
		const char *key = scalar(key_node);
		bool known = false;

		for (int i = 0; key && sections[i] && !known; i++)
			known = !strcmp(sections[i], key);
		if (!known)
			complain_unknown(reader, line_of(key_node), "the file", key ? key : "(not a name)", NULL, sections);
		else if (is_repeated(reader, root, pair, key))
			complain(reader, line_of(key_node), "%s is here twice", key);
	}
	station = read_section(reader, find(reader, root, "station"), "station", &assay__station_table);
	if (station)
		config->station = *station;
	identity = read_section(reader, find(reader, root, "identity"), "identity", &assay__identity_table);
	if (identity)
		config->identity = *identity;
	if ((node = find(reader, root, "recipes")))
		read_list(reader, node, "recipes", ASSAY__MAX_RECIPES, &config->recipes);
	if ((node = find(reader, root, "cameras")))
		read_list(reader, node, "cameras", ASSAY__MAX_VIEWS, &config->cameras);
	if ((node = find(reader, root, "codes")))
		read_list(reader, node, "codes", ASSAY__MAX_CODES, &config->codes);
	if ((node = find(reader, root, "triggers")))
		read_list(reader, node, "triggers", ASSAY__MAX_TRIGGERS, &config->triggers);
	if ((node = find(reader, root, "outputs")))
		read_list(reader, node, "outputs", ASSAY__MAX_OUTPUTS, &config->outputs);
	if ((node = find(reader, root, "challenge")))
		config->challenge = read_section(reader, node, "challenge", &assay__challenge_table);
	config->record = read_section(reader, find(reader, root, "record"), "record", &record);
	config->has_http = find(reader, root, "http") != NULL;
	config->http = read_section(reader, find(reader, root, "http"), "http", &assay__http_table);
	config->vitals = read_section(reader, find(reader, root, "vitals"), "vitals", &assay__vitals_table);
	if (!reader->count && !reader->no_memory)
		check_whole(reader);
}

static void keep_path(struct reader *reader, const char *path)
{
	const char *slash = strrchr(path, '/');

	reader->config->path = keep_text(reader, path, strlen(path));
	reader->config->folder = slash ? keep_text(reader, path, slash == path ? 1 : (size_t)(slash - path)) : ".";
}

int assay__config_parse(const char *path, const char *text, size_t size,
						const struct assay__config_complaints *complaints, struct assay__config **out,
						struct assay_error *error)
{
	struct assay__arena *arena;
	yaml_document_t document;
	yaml_parser_t parser;
	int rc = assay__arena_open(NULL, 8192, &arena, error);

	if (rc)
		return rc;
	struct reader reader = {.config = assay__arena_calloc(arena, 1, sizeof(*reader.config)),
							.document = &document,
							.complaints = complaints};
	if (!reader.config || !yaml_parser_initialize(&parser)) {
		assay__arena_close(arena);
		return assay__fail(error, ASSAY_E_NOMEM, -1, "%s: out of memory", path);
	}
	reader.config->arena = arena;
	keep_path(&reader, path);
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, size);
	if (reader.no_memory) {
		rc = ASSAY_E_NOMEM;
	} else if (!yaml_parser_load(&parser, &document)) {
		complain(&reader, (int)parser.problem_mark.line + 1, "this is not YAML: %s%s%s",
				 parser.problem ? parser.problem : "", parser.context ? ", " : "",
				 parser.context ? parser.context : "");
		rc = ASSAY_E_FORMAT;
	} else {
		read_root(&reader);
		yaml_document_delete(&document);
		rc = reader.count ? ASSAY_E_ARGUMENT : 0;
	}
	yaml_parser_delete(&parser);
	if (reader.no_memory)
		rc = assay__fail(error, ASSAY_E_NOMEM, -1, "%s: out of memory", path);
	else if (rc)
		rc = assay__fail(error, rc, reader.first.position, "%s", reader.first.message);
	if (rc)
		assay__arena_close(arena);
	else
		*out = reader.config;
	return rc;
}

int assay__config_load(const char *path, const struct assay__config_complaints *complaints, struct assay__config **out,
					   struct assay_error *error)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), rc = 0;
	size_t used = 0;
	struct stat st;
	char *text = NULL;

	if (fd < 0 || fstat(fd, &st))
		rc = assay__fail(error, ASSAY_E_IO, -1, "%s: cannot open it: %s", path, strerror(errno));
	else if (!S_ISREG(st.st_mode) || st.st_size > ASSAY__CONFIG_MAX_BYTES)
		rc = assay__fail(error, ASSAY_E_FORMAT, -1, "%s: expected a regular file of at most %d bytes", path,
						 ASSAY__CONFIG_MAX_BYTES);
	else if (!(text = assay__alloc(NULL, (size_t)st.st_size + 1)))
		rc = assay__fail(error, ASSAY_E_NOMEM, -1, "%s: out of memory", path);
	while (!rc && used < (size_t)st.st_size) {
		ssize_t got = read(fd, text + used, (size_t)st.st_size - used);

		if (got > 0)
			used += (size_t)got;
		else if (got == 0)
			break;
		else if (errno != EINTR)
			rc = assay__fail(error, ASSAY_E_IO, -1, "%s: cannot read it: %s", path, strerror(errno));
	}
	if (fd >= 0)
		close(fd);
	if (rc && complaints && error)
		complaints->say(complaints->ctx, error->message);
	if (!rc)
		rc = assay__config_parse(path, text, used, complaints, out, error);
	assay__free(NULL, text);
	return rc;
}

void assay__config_close(struct assay__config *config)
{
	if (config)
		assay__arena_close(config->arena);
}
