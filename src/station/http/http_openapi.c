/* SPDX-License-Identifier: Apache-2.0 */
/* GET /openapi.json: the route table and the schemas as an OpenAPI 3.1 description. */
#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "station/http/handlers.h"

static void put_schema_ref(FILE *out, const char *name)
{
	fprintf(out, "{\"$ref\":\"#/components/schemas/%s\"}", name);
}

static void put_parameters(FILE *out, const struct assay__route *route)
{
	const char *separator = "";

	fputs("\"parameters\":[", out);
	for (const char *at = strchr(route->path, '{'); at; at = strchr(at + 1, '{')) {
		fprintf(out, "%s{\"name\":\"%.*s\",\"in\":\"path\",\"required\":true,\"schema\":{\"type\":\"string\"}}",
				separator, (int)strcspn(at + 1, "}"), at + 1);
		separator = ",";
	}
	for (const char *at = route->query; at && *at;) {
		int length = (int)strcspn(at, " ");
		char name[32];

		snprintf(name, sizeof(name), "%.*s", length, at);
		assert(assay__schema_query(name));
		fprintf(out, "%s{\"name\":\"%s\",\"in\":\"query\",%s}", separator, name, assay__schema_query(name));
		separator = ",";
		at += length;
		at += *at == ' ';
	}
	fputs("],", out);
}

static void put_body(FILE *out, const struct assay__route *route)
{
	if (route->body == ASSAY__BODY_NONE)
		return;
	fputs("\"requestBody\":{\"content\":{", out);
	if (route->body == ASSAY__BODY_JSON) {
		fputs("\"application/json\":{\"schema\":", out);
		put_schema_ref(out, route->takes);
	} else {
		fputs("\"application/octet-stream\":{\"schema\":{\"type\":\"string\",\"format\":\"binary\"}", out);
	}
	fputs("}}},", out);
}

static void put_route(FILE *out, const struct assay__route *route)
{
	bool json = !strchr(route->gives, '/');

	fprintf(out, "\"%c%c%c%s\":{\"operationId\":\"%s\",\"summary\":\"%s\",\"x-role\":\"%s\",",
			tolower((unsigned char)route->method[0]), tolower((unsigned char)route->method[1]),
			tolower((unsigned char)route->method[2]),
			!strcmp(route->method, "POST")	   ? "t"
			: !strcmp(route->method, "DELETE") ? "ete"
											   : "",
			route->id, route->summary, assay__role_name(route->least));
	fputs(route->least == ASSAY__ROLE_ANYONE ? "\"security\":[]," : "\"security\":[{\"token\":[]},{\"session\":[]}],",
		  out);
	put_parameters(out, route);
	put_body(out, route);
	fprintf(out, "\"responses\":{\"200\":{\"description\":\"done\",\"content\":{\"%s\":{\"schema\":",
			json ? "application/json" : route->gives);
	if (json)
		put_schema_ref(out, route->gives);
	else
		fputs("{\"type\":\"string\"}", out);
	fputs("}}},\"default\":{\"description\":\"refused\",\"content\":{\"application/json\":{\"schema\":", out);
	put_schema_ref(out, "Error");
	fputs("}}}}}", out);
}

static void put_all(FILE *out)
{
	fputs("{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"assay station\",\"version\":\"" ASSAY_VERSION "\"},\"paths\":{",
		  out);
	for (int i = 0; i < assay__route_count; i++) {
		const struct assay__route *route = &assay__routes[i];
		bool first = true;

		/* Routes of one path stand together, under the first of them. */
		for (int k = 0; k < i; k++)
			first = first && strcmp(assay__routes[k].path, route->path);
		if (!first)
			continue;
		fprintf(out, "%s\"%s\":{", i ? "," : "", route->path);
		for (int k = i; k < assay__route_count; k++)
			if (!strcmp(assay__routes[k].path, route->path)) {
				if (k > i)
					fputc(',', out);
				put_route(out, &assay__routes[k]);
			}
		fputc('}', out);
	}
	fputs("},\"components\":{\"securitySchemes\":{\"token\":{\"type\":\"http\",\"scheme\":\"bearer\"},"
		  "\"session\":{\"type\":\"apiKey\",\"in\":\"cookie\",\"name\":\"assay_session\"}},\"schemas\":{",
		  out);
	for (int i = 0; assay__schema_name(i); i++)
		fprintf(out, "%s\"%s\":%s", i ? "," : "", assay__schema_name(i), assay__schema(assay__schema_name(i)));
	fputs("}}}\n", out);
}

enum MHD_Result assay__http_openapi(struct assay__request *request)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return assay__answer_error(request, 500, "no_memory", "out of memory");
	put_all(out);
	if (ferror(out) | fclose(out)) {
		free(text);
		return assay__answer_error(request, 500, "no_memory", "out of memory");
	}
	return assay__answer_bytes(request, 200, "application/json", text, size);
}
