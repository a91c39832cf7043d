/* SPDX-License-Identifier: Apache-2.0 */
/* assay cameras: which cameras answer, and how the configuration calls them. */
#include <stdio.h>

#include "cli/cmd.h"
#include "cli/common.h"
#include "cli/fields.h"
#include "station/source/source.h"

struct settings {
	bool json;
};

static const struct assay__option options[] = {
	ASSAY__OPTION_JSON(struct settings, json, "print one JSON object per camera"),
};

static const struct assay__command command = {
	.name = "cameras",
	.usage = "[--json]",
	.description = "Lists the cameras that answer: GigE Vision on all networks of this machine, USB3\n"
				   "Vision, and those of the kernel (V4L2). Takes a second or two, changes nothing, and\n"
				   "does not disturb a station that uses one. What is listed first is what STATION.yaml\n"
				   "wants: `camera:` of type aravis, `pipeline:` of type gstreamer.\n"
				   "\n"
				   "JSON keys: type, id, vendor, model, serial, address, protocol.\n"
				   "\n"
				   "Exit status: 0, also if there is none; 64 usage; 74 input or output.",
	.options = options,
	.option_count = (int)(sizeof(options) / sizeof(options[0])),
};

struct listing {
	const char *type;
	bool json;
	int count, status;
};

/* A cell of the table. What a camera says of itself comes over the network. */
static void print_cell(const char *text, int width)
{
	char clean[128];

	snprintf(clean, sizeof(clean), "%s", text ? text : "");
	printf("%-*s ", width, assay__printable(clean));
}

static void print_row(const struct assay__source_found *row, const char *type)
{
	print_cell(row->id, 32);
	print_cell(row->model, 24);
	print_cell(row->serial, 16);
	print_cell(row->address, 16);
	print_cell(row->protocol, 10);
	printf("%s\n", type);
}

static void put_text(struct assay__json *json, const char *key, const char *text)
{
	assay__field_text(json, key, text ? text : "");
}

static int print_object(const struct assay__source_found *found, const char *type)
{
	struct assay__json json;
	int status;

	assay__json_open(&json, NULL);
	assay__json_object(&json);
	put_text(&json, "type", type);
	put_text(&json, "id", found->id);
	put_text(&json, "vendor", found->vendor);
	put_text(&json, "model", found->model);
	put_text(&json, "serial", found->serial);
	put_text(&json, "address", found->address);
	put_text(&json, "protocol", found->protocol);
	assay__json_object_end(&json);
	status = assay__fields_print(&json);
	assay__json_close(&json);
	return status;
}

static void print_found(void *ctx, const struct assay__source_found *found)
{
	static const struct assay__source_found head = {
		.id = "id", .model = "model", .serial = "serial", .address = "address", .protocol = "protocol"};
	struct listing *listing = ctx;
	int status;

	if (!listing->count++ && !listing->json)
		print_row(&head, "type");
	if (!listing->json) {
		print_row(found, listing->type);
	} else if ((status = print_object(found, listing->type))) {
		listing->status = status;
	}
}

int assay__cmd_cameras(int argc, char **argv)
{
	struct settings settings = {0};
	struct listing listing = {.type = NULL};
	struct assay_error error;
	int count, looked = 0, status = assay__command_parse(&command, argc, argv, &settings, &count);

	if (status >= 0)
		return status;
	listing.json = settings.json;
	for (int i = 0; assay__sources[i]; i++) {
		if (!assay__sources[i]->list)
			continue;
		looked++;
		listing.type = assay__sources[i]->type;
		if (assay__sources[i]->list(print_found, &listing, &error))
			listing.status = assay__say_error(&error);
	}
	if (!looked)
		assay__say("this build has neither Aravis nor GStreamer, so it cannot look for cameras");
	else if (!listing.count && !listing.status)
		assay__say("no camera answers; docs/cameras.md tells what to look at");
	return assay__finish_output(listing.status);
}
