/* SPDX-License-Identifier: Apache-2.0 */
/* In place of the room where libmicrohttpd was not there to build with. */
#include "base/err.h"
#include "station/http/http.h"

int assay__http_open(const struct assay__http_need *need, struct assay__http **out, struct assay_error *error)
{
	(void)need;
	(void)out;
	return assay__fail(error, ASSAY_E_UNSUPPORTED, -1,
					   "http: this assay was built without libmicrohttpd; build it with that, or take `http:` out");
}

int assay__http_port(const struct assay__http *http)
{
	(void)http;
	return 0;
}

const char *assay__http_url(const struct assay__http *http, char out[128])
{
	(void)http;
	out[0] = '\0';
	return out;
}

void assay__http_close(struct assay__http *http)
{
	(void)http;
}
