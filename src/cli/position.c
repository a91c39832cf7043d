/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/position.h"

#include <math.h>
#include <stdio.h>

#include "cli/fields.h"

const char *const assay__position_words[] = {"auto", "free", "fixed", NULL};

void assay__position_text(const struct assay_position_info *info, char out[240])
{
	switch (info->why) {
	case ASSAY_POSITION_UNKNOWN:
		snprintf(out, 240, "free: taught before assay could tell");
		break;
	case ASSAY_POSITION_TOLD:
		if (info->chosen == ASSAY_POSITION_FIXED)
			snprintf(
				out, 240,
				"fixed, as told; nine in ten good parts correlate with the reference by %.2f or more, and left out "
				"they scatter %.2f times as much by place as anywhere",
				info->fit, info->spread);
		else
			snprintf(out, 240, "free, as told");
		break;
	case ASSAY_POSITION_FEW:
		snprintf(out, 240, "free, because so few good parts cannot show that they always lie the same way");
		break;
	case ASSAY_POSITION_SIZES:
		snprintf(out, 240, "free, because the pictures differ in proportions");
		break;
	case ASSAY_POSITION_FLAT:
		snprintf(out, 240, "free, because the good parts have no edges in common to register them by");
		break;
	case ASSAY_POSITION_LOOSE:
		snprintf(out, 240,
				 "free, because the good parts do not lie alike: after registration nine in ten correlate with the "
				 "reference by only %.2f or more",
				 info->fit);
		break;
	case ASSAY_POSITION_UNEVEN:
		snprintf(out, 240,
				 "free, because good parts that were left out scatter %.2f times as much by place as anywhere, though "
				 "they lie alike",
				 info->spread);
		break;
	case ASSAY_POSITION_EVEN:
		snprintf(out, 240,
				 "fixed, because the good parts lie alike: nine in ten correlate with the reference by %.2f or more, "
				 "and left out they scatter %.2f times as much by place as anywhere",
				 info->fit, info->spread);
		break;
	}
}

void assay__write_position(struct assay__json *json, const struct assay_position_info *info)
{
	char why[240];

	assay__position_text(info, why);
	assay__json_key(json, "position");
	assay__json_object(json);
	assay__field_text(json, "wanted", assay__position_words[info->wanted]);
	assay__field_text(json, "chosen",
					  assay__position_words[info->chosen == ASSAY_POSITION_AUTO ? ASSAY_POSITION_FREE : info->chosen]);
	assay__field_text(json, "why", why);
	assay__field_double(json, "fit", info->fit > 0 ? info->fit : NAN);
	assay__field_double(json, "spread", info->spread > 0 ? info->spread : NAN);
	assay__json_object_end(json);
}
