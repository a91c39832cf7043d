/* SPDX-License-Identifier: Apache-2.0 */
/* One connection to a GenICam camera: opened, set up, streaming. What source_aravis.c keeps alive. Its ways block for seconds. */
#ifndef ASSAY_SRC_STATION_ARAVIS_LINK_H
#define ASSAY_SRC_STATION_ARAVIS_LINK_H

#include <arv.h>
#include <stdatomic.h>

#include "station/source/camera_pixels.h"
#include "station/source/gvcp_probe.h"
#include "station/source/source.h"

/** When the camera exposes. */
enum assay__aravis_how { ASSAY__ARAVIS_FREE, ASSAY__ARAVIS_SOFTWARE, ASSAY__ARAVIS_LINE };

#define ASSAY__ARAVIS_BUFFERS_MOST 64
#define ASSAY__ARAVIS_OPTIONS 21

/** What the configuration says about it. */
enum assay__aravis_trigger {
	ASSAY__ARAVIS_TRIGGER_AUTO,
	ASSAY__ARAVIS_TRIGGER_FREE,
	ASSAY__ARAVIS_TRIGGER_SOFTWARE,
	ASSAY__ARAVIS_TRIGGER_LINE,
};

/** Rows for struct assay__aravis_settings (aravis_options.c). */
extern const struct assay__option assay__aravis_options[ASSAY__ARAVIS_OPTIONS];

/** As in the configuration. */
struct assay__aravis_settings {
	const char *camera, *pixel_format, *line, *features;
	enum assay__aravis_trigger trigger;
	int edge;	   /**< 0 rising, 1 falling */
	int region[4]; /**< x, y, width, height; width 0: as the camera is set */
	double exposure_us, gain, frame_rate_hz;
	int packet_bytes, packet_delay_ns, socket_kib, buffers, frame_kib;
	int gone_ms, retry_ms, stale_ms, early_ms;
	bool resend, packet_socket;
};

struct assay__aravis_counts {
	uint64_t completed, failed, underruns, resent, missing_packets;
};

struct assay__aravis_link {
	ArvCamera *camera;
	ArvStream *stream;
	void *owner;
	const struct assay__camera_layout *layout;
	int width_px, height_px;
	double exposure_us;
	uint16_t *scratch; /**< width * height samples, for deep mosaics, or NULL */
	char id[64], address[32];
	bool gige;
	struct assay__gvcp_probe probe;
	atomic_bool lost; /**< the library says so */
};

/**
 * Connects, sets up and starts the stream; `done` is called by the stream's thread for every buffer. *out is the caller's; close with
 * assay__aravis_link_close. Errors: IO (not found, not ours, gone), ARGUMENT (a setting the camera does not take), UNSUPPORTED, NOMEM.
 */
int assay__aravis_link_open(const struct assay__aravis_settings *settings, enum assay__aravis_how how, void *owner,
							ArvStreamCallback done, struct assay__aravis_link **out, struct assay_error *error);

/** Is it there, and ours? One question, up to timeout_ms. */
enum assay__gvcp_answer assay__aravis_link_ask(struct assay__aravis_link *link, int timeout_ms);

/** Thread safe. */
void assay__aravis_link_counts(struct assay__aravis_link *link, struct assay__aravis_counts *out);

/** Ends pictures under way, then takes new ones. Errors: IO. */
int assay__aravis_link_restart(struct assay__aravis_link *link, struct assay_error *error);

/** `there`: the camera answers, so that it can be told to stop. */
void assay__aravis_link_close(struct assay__aravis_link *link, bool there);

/** As struct assay__source_ops, list. */
int assay__aravis_list(void (*found)(void *ctx, const struct assay__source_found *found), void *ctx,
					   struct assay_error *error);

#endif
