/* SPDX-License-Identifier: Apache-2.0 */
/* The table of outputs. Those whose library was not there at build time are left out. */
#include "station/output/output.h"

const struct assay__output_ops *const assay__outputs[] = {
	&assay__output_stdout,
	&assay__output_modbus_server,
#ifdef ASSAY_HAVE_MODBUS
	&assay__output_modbus_client,
#endif
#ifdef ASSAY_HAVE_MOSQUITTO
	&assay__output_mqtt,
	&assay__output_sparkplug,
#endif
#ifdef ASSAY_HAVE_CURL
	&assay__output_webhook,
#endif
#ifdef ASSAY_HAVE_GPIOD
	&assay__output_gpio,
#endif
	NULL,
};
