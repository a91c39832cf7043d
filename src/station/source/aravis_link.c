/* SPDX-License-Identifier: Apache-2.0 */
#include "station/source/aravis_link.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"

/* The library's list of cameras is one for the whole process, and what it hands out lives until the next look. */
static pthread_mutex_t list_mutex = PTHREAD_MUTEX_INITIALIZER;

/* Takes *from, which is freed, into *error. */
static int take_error(GError **from, enum assay_err code, const char *doing, struct assay_error *error)
{
	assay__fail(error, code, -1, "%s: %s", doing, *from ? (*from)->message : "unknown error");
	g_clear_error(from);
	return code;
}

/* The id of the camera with that serial number, to be freed; NULL: none. */
static char *id_by_serial(const char *serial)
{
	char *id = NULL;

	pthread_mutex_lock(&list_mutex);
	arv_update_device_list();
	for (unsigned int i = 0; i < arv_get_n_devices() && !id; i++)
		if (!g_strcmp0(arv_get_device_serial_nbr(i), serial))
			id = g_strdup(arv_get_device_id(i));
	pthread_mutex_unlock(&list_mutex);
	return id;
}

static int find_camera(struct assay__aravis_link *link, const char *name, struct assay_error *error)
{
	GError *failed = NULL;

	link->camera = arv_camera_new(name && *name ? name : NULL, &failed);
	if (!link->camera && name && *name) {
		char *id = id_by_serial(name);

		if (id) {
			g_clear_error(&failed);
			link->camera = arv_camera_new(id, &failed);
			g_free(id);
		}
	}
	if (link->camera) {
		g_clear_error(&failed);
		return 0;
	}
	if (!failed || g_error_matches(failed, ARV_DEVICE_ERROR, ARV_DEVICE_ERROR_NOT_FOUND)) {
		g_clear_error(&failed);
		return assay__fail(error, ASSAY_E_IO, -1, "%s%s%s; `assay cameras` lists those that answer",
						   name && *name ? "camera " : "", name && *name ? name : "no camera",
						   name && *name ? " is not found" : " answers");
	}
	return take_error(&failed, ASSAY_E_IO, "cannot open the camera", error);
}

static void control_lost(ArvDevice *device, void *ctx)
{
	struct assay__aravis_link *link = ctx;

	(void)device;
	atomic_store(&link->lost, true);
}

/* Who it is, and that it is ours. */
static int take_control(struct assay__aravis_link *link, struct assay_error *error)
{
	ArvDevice *device = arv_camera_get_device(link->camera);
	const char *vendor = arv_camera_get_vendor_name(link->camera, NULL);
	const char *model = arv_camera_get_model_name(link->camera, NULL);
	const char *serial = arv_camera_get_device_serial_number(link->camera, NULL);

	snprintf(link->id, sizeof(link->id), "%s %s %s", vendor ? vendor : "", model ? model : "", serial ? serial : "");
	g_signal_connect(device, "control-lost", G_CALLBACK(control_lost), link);
	link->gige = ARV_IS_GV_DEVICE(device);
	if (!link->gige)
		return 0;
	GSocketAddress *socket_address = arv_gv_device_get_device_address(ARV_GV_DEVICE(device));
	if (G_IS_INET_SOCKET_ADDRESS(socket_address)) {
		char *text = g_inet_address_to_string(g_inet_socket_address_get_address(G_INET_SOCKET_ADDRESS(socket_address)));

		snprintf(link->address, sizeof(link->address), "%s", text);
		g_free(text);
	}
	if (!arv_gv_device_is_controller(ARV_GV_DEVICE(device)))
		return assay__fail(error, ASSAY_E_IO, -1, "%s at %s is under another program's control", link->id,
						   link->address);
	return assay__gvcp_probe_open(&link->probe, link->address, error);
}

static void set_exposure_and_gain(ArvCamera *camera, const struct assay__aravis_settings *set, GError **failed)
{
	if (set->exposure_us > 0 && !*failed) {
		if (arv_camera_is_exposure_auto_available(camera, NULL))
			arv_camera_set_exposure_time_auto(camera, ARV_AUTO_OFF, failed);
		if (!*failed)
			arv_camera_set_exposure_time(camera, set->exposure_us, failed);
	}
	if (set->gain >= 0 && !*failed) {
		if (arv_camera_is_gain_auto_available(camera, NULL))
			arv_camera_set_gain_auto(camera, ARV_AUTO_OFF, failed);
		if (!*failed)
			arv_camera_set_gain(camera, set->gain, failed);
	}
}

static void set_trigger(ArvCamera *camera, const struct assay__aravis_settings *set, enum assay__aravis_how how,
						GError **failed)
{
	switch (how) {
	case ASSAY__ARAVIS_FREE:
		arv_camera_clear_triggers(camera, failed);
		if (set->frame_rate_hz > 0 && !*failed)
			arv_camera_set_frame_rate(camera, set->frame_rate_hz, failed);
		break;
	case ASSAY__ARAVIS_SOFTWARE:
		arv_camera_set_trigger(camera, "Software", failed);
		break;
	case ASSAY__ARAVIS_LINE:
		arv_camera_set_trigger(camera, set->line, failed);
		if (!*failed && set->edge)
			arv_camera_set_string(camera, "TriggerActivation", "FallingEdge", failed);
		break;
	}
}

static int set_up(struct assay__aravis_link *link, const struct assay__aravis_settings *set, enum assay__aravis_how how,
				  struct assay_error *error)
{
	ArvCamera *camera = link->camera;
	const char *doing = "pixel_format";
	GError *failed = NULL;

	arv_camera_set_range_check_policy(camera, ARV_RANGE_CHECK_POLICY_ENABLE);
	if (set->pixel_format && *set->pixel_format)
		arv_camera_set_pixel_format_from_string(camera, set->pixel_format, &failed);
	if (!failed && set->region[2] > 0) {
		doing = "region";
		arv_camera_set_region(camera, set->region[0], set->region[1], set->region[2], set->region[3], &failed);
	}
	if (!failed) {
		doing = "trigger";
		set_trigger(camera, set, how, &failed);
	}
	if (!failed) {
		doing = "exposure_us, gain";
		set_exposure_and_gain(camera, set, &failed);
	}
	if (!failed && link->gige && set->packet_bytes) {
		doing = "packet_bytes";
		arv_camera_gv_set_packet_size_adjustment(camera, ARV_GV_PACKET_SIZE_ADJUSTMENT_NEVER);
		arv_camera_gv_set_packet_size(camera, set->packet_bytes, &failed);
	}
	if (!failed && link->gige && set->packet_delay_ns) {
		doing = "packet_delay_ns";
		arv_camera_gv_set_packet_delay(camera, set->packet_delay_ns, &failed);
	}
	if (!failed && set->features && *set->features) {
		doing = "features";
		arv_device_set_features_from_string(arv_camera_get_device(camera), set->features, &failed);
	}
	if (!failed) {
		doing = "AcquisitionMode";
		arv_camera_set_acquisition_mode(camera, ARV_ACQUISITION_MODE_CONTINUOUS, &failed);
	}
	return failed ? take_error(&failed, ASSAY_E_ARGUMENT, doing, error) : 0;
}

/* What its pictures will be. */
static int ask_shape(struct assay__aravis_link *link, size_t *payload, struct assay_error *error)
{
	GError *failed = NULL;
	uint32_t code = (uint32_t)arv_camera_get_pixel_format(link->camera, &failed);
	gint x, y;

	if (!failed)
		arv_camera_get_region(link->camera, &x, &y, &link->width_px, &link->height_px, &failed);
	if (!failed)
		*payload = arv_camera_get_payload(link->camera, &failed);
	if (failed)
		return take_error(&failed, ASSAY_E_IO, "cannot ask for the size of its pictures", error);
	link->layout = assay__camera_layout_find(code);
	if (!link->layout) {
		const char *name = arv_camera_get_pixel_format_as_string(link->camera, NULL);

		return assay__fail(error, ASSAY_E_UNSUPPORTED, -1, "pixel format %s (0x%08x), expected one of %s",
						   name ? name : "unknown", code, assay__camera_layout_names());
	}
	if (link->width_px < 1 || link->height_px < 1 ||
		(int64_t)link->width_px * link->height_px > ASSAY_IMAGE_MAX_PIXELS || *payload > (size_t)1 << 30)
		return assay__fail(error, ASSAY_E_LIMIT, -1, "pictures of %d x %d px, %zu bytes", link->width_px,
						   link->height_px, *payload);
	if (arv_camera_is_exposure_time_available(link->camera, NULL))
		link->exposure_us = arv_camera_get_exposure_time(link->camera, NULL);
	if (link->layout->bayer >= 0 && link->layout->bits > 8 &&
		!(link->scratch =
			  assay__calloc(NULL, (size_t)link->width_px * (size_t)link->height_px, sizeof(*link->scratch))))
		return assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory for a mosaic of %d x %d px", link->width_px,
						   link->height_px);
	return 0;
}

static int start_stream(struct assay__aravis_link *link, const struct assay__aravis_settings *set, size_t payload,
						ArvStreamCallback done, struct assay_error *error)
{
	GError *failed = NULL;

	if (link->gige)
		arv_camera_gv_set_stream_options(
			link->camera, set->packet_socket ? ARV_GV_STREAM_OPTION_NONE : ARV_GV_STREAM_OPTION_PACKET_SOCKET_DISABLED);
	link->stream = arv_camera_create_stream(link->camera, done, link, &failed);
	if (!link->stream)
		return take_error(&failed, ASSAY_E_IO, "cannot open its stream", error);
	g_clear_error(&failed);
	if (ARV_IS_GV_STREAM(link->stream))
		g_object_set(link->stream, "packet-resend",
					 set->resend ? ARV_GV_STREAM_PACKET_RESEND_ALWAYS : ARV_GV_STREAM_PACKET_RESEND_NEVER,
					 "socket-buffer", ARV_GV_STREAM_SOCKET_BUFFER_FIXED, "socket-buffer-size", set->socket_kib * 1024,
					 NULL);
	for (int i = 0; i < set->buffers; i++)
		arv_stream_push_buffer(link->stream, arv_buffer_new(payload, NULL));
	arv_camera_start_acquisition(link->camera, &failed);
	return failed ? take_error(&failed, ASSAY_E_IO, "cannot start taking pictures", error) : 0;
}

int assay__aravis_link_open(const struct assay__aravis_settings *settings, enum assay__aravis_how how, void *owner,
							ArvStreamCallback done, struct assay__aravis_link **out, struct assay_error *error)
{
	struct assay__aravis_link *link = assay__calloc(NULL, 1, sizeof(*link));
	size_t payload = 0;
	int rc;

	if (!link)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory for a camera");
	link->owner = owner;
	link->probe.fd = -1;
	rc = find_camera(link, settings->camera, error);
	if (!rc)
		rc = take_control(link, error);
	if (!rc)
		rc = set_up(link, settings, how, error);
	if (!rc)
		rc = ask_shape(link, &payload, error);
	if (!rc)
		rc = start_stream(link, settings, payload, done, error);
	if (rc) {
		assay__aravis_link_close(link, false);
		return rc;
	}
	*out = link;
	return 0;
}

enum assay__gvcp_answer assay__aravis_link_ask(struct assay__aravis_link *link, int timeout_ms)
{
	uint32_t word;

	if (atomic_load(&link->lost))
		return ASSAY__GVCP_RELEASED;
	if (link->gige)
		return assay__gvcp_probe_ask(&link->probe, timeout_ms);
	/* Address 0 tells the version, of GenCP (USB3 Vision) as of the library's own fake. */
	return arv_device_read_memory(arv_camera_get_device(link->camera), 0, sizeof(word), &word, NULL)
			   ? ASSAY__GVCP_ANSWERS
			   : ASSAY__GVCP_SILENT;
}

void assay__aravis_link_counts(struct assay__aravis_link *link, struct assay__aravis_counts *out)
{
	*out = (struct assay__aravis_counts){.completed =
											 arv_stream_get_info_uint64_by_name(link->stream, "n_completed_buffers"),
										 .failed = arv_stream_get_info_uint64_by_name(link->stream, "n_failures"),
										 .underruns = arv_stream_get_info_uint64_by_name(link->stream, "n_underruns")};
	if (!link->gige)
		return;
	out->resent = arv_stream_get_info_uint64_by_name(link->stream, "n_resent_packets");
	out->missing_packets = arv_stream_get_info_uint64_by_name(link->stream, "n_missing_packets");
}

int assay__aravis_link_restart(struct assay__aravis_link *link, struct assay_error *error)
{
	GError *failed = NULL;

	arv_camera_stop_acquisition(link->camera, &failed);
	if (!failed)
		arv_camera_start_acquisition(link->camera, &failed);
	return failed ? take_error(&failed, ASSAY_E_IO, "cannot start taking pictures anew", error) : 0;
}

void assay__aravis_link_close(struct assay__aravis_link *link, bool there)
{
	if (!link)
		return;
	if (link->stream && there)
		arv_camera_stop_acquisition(link->camera, NULL);
	if (link->camera)
		g_signal_handlers_disconnect_by_data(arv_camera_get_device(link->camera), link);
	g_clear_object(&link->stream);
	g_clear_object(&link->camera);
	assay__gvcp_probe_close(&link->probe);
	assay__free(NULL, link->scratch);
	assay__free(NULL, link);
}

int assay__aravis_list(void (*found)(void *ctx, const struct assay__source_found *found), void *ctx,
					   struct assay_error *error)
{
	(void)error;
	pthread_mutex_lock(&list_mutex);
	arv_update_device_list();
	for (unsigned int i = 0; i < arv_get_n_devices(); i++) {
		struct assay__source_found one = {.id = arv_get_device_id(i),
										  .vendor = arv_get_device_vendor(i),
										  .model = arv_get_device_model(i),
										  .serial = arv_get_device_serial_nbr(i),
										  .address = arv_get_device_address(i),
										  .protocol = arv_get_device_protocol(i)};

		found(ctx, &one);
	}
	pthread_mutex_unlock(&list_mutex);
	return 0;
}
