/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"
#include "vision/teach.h"

static int whole(const char *name, int value, int fallback, int least, int most, int *out, struct assay_error *error)
{
	*out = value ? value : fallback;
	if (*out < least || *out > most)
		return assay__fail(error, ASSAY_E_ARGUMENT, -1, "%s is %d; it must be %d to %d", name, value, least, most);
	return 0;
}

/* Which scales are wanted: one, or the usual ones and perhaps one for small defects. */
static int sizes(const struct assay_teach_options *o, struct assay__settings *s, struct assay_error *error)
{
	int rc = 0;
	if (o->working_px && o->smallest_defect_px)
		return assay__fail(error, ASSAY_E_ARGUMENT, -1,
						   "a working size of %d px and a smallest defect of %d px: give one of them, for the defect "
						   "asks for a working size of its own",
						   o->working_px, o->smallest_defect_px);
	if (o->working_px)
		rc = whole("the working size", o->working_px, 0, ASSAY__WORKING_LEAST_PX, ASSAY__WORKING_MOST_PX,
				   &s->working_px, error);
	if (rc == 0 && o->smallest_defect_px)
		rc = whole("the smallest defect", o->smallest_defect_px, 0, 1, ASSAY__DEFECT_MOST_PX, &s->smallest_defect_px,
				   error);
	return rc;
}

static int light(const struct assay_teach_options *o, struct assay__settings *s, struct assay_error *error)
{
	if (!(o->light_tolerance <= 1))
		return assay__fail(error, ASSAY_E_ARGUMENT, -1,
						   "the light tolerance is %g; it must be at most 1 (100 %%), and below 0 means none",
						   o->light_tolerance);
	s->light_tolerance = o->light_tolerance == 0 ? ASSAY__LIGHT_TOLERANCE_DEFAULT : o->light_tolerance;
	if (s->light_tolerance < 0 || !s->exposure)
		s->light_tolerance = 0;
	return 0;
}

int assay__settings_from(const struct assay_teach_options *options, struct assay__settings *out,
						 struct assay_error *error)
{
	struct assay_teach_options none = {0};
	const struct assay_teach_options *o = options ? options : &none;
	struct assay__settings s = {
		.scale = o->scale, .exposure = !o->no_exposure, .view = {.grey = o->grey, .roi = o->roi}};
	int rc = sizes(o, &s, error);
	if (rc == 0)
		rc = light(o, &s, error);
	if (rc == 0)
		rc = whole("the bank size", o->bank_size, ASSAY__BANK_DEFAULT, ASSAY__BANK_LEAST, ASSAY__BANK_MOST,
				   &s.bank_size, error);
	if (rc == 0)
		rc = whole("the number of folds", o->folds, ASSAY__FOLDS_DEFAULT, ASSAY__FOLDS_LEAST, ASSAY__FOLDS_MOST,
				   &s.folds, error);
	if (rc == 0)
		rc = whole("the white level", o->white_level, ASSAY__WHITE_MOST, ASSAY__WHITE_LEAST, ASSAY__WHITE_MOST,
				   &s.view.white_level, error);
	if (rc)
		return rc;
	s.overkill = o->overkill == 0 ? ASSAY__OVERKILL_DEFAULT : o->overkill;
	if (!(s.overkill > 0 && s.overkill <= ASSAY__OVERKILL_MOST))
		return assay__fail(error, ASSAY_E_ARGUMENT, -1,
						   "the wanted overkill is %g; it must be above 0 and at most %g (%g %%)", s.overkill,
						   ASSAY__OVERKILL_MOST, ASSAY__OVERKILL_MOST * 100);
	struct assay_rect_px *roi = &s.view.roi;
	if (roi->width == 0)
		*roi = (struct assay_rect_px){0, 0, 0, 0};
	else if (roi->width < 0 || roi->height < 1 || roi->x < 0 || roi->y < 0)
		return assay__fail(error, ASSAY_E_ARGUMENT, -1,
						   "the region of interest is %dx%d at %d,%d; its sides must be positive and its corner inside "
						   "the picture",
						   roi->width, roi->height, roi->x, roi->y);
	if (o->keep_bytes < 0 || o->keep_bytes > ASSAY__KEEP_BYTES_MOST)
		return assay__fail(error, ASSAY_E_ARGUMENT, -1, "room for %lld bytes of pictures; it must be 0 to %lld",
						   (long long)o->keep_bytes, (long long)ASSAY__KEEP_BYTES_MOST);
	if (o->mask && !assay__image_sane(o->mask))
		return assay__fail(error, ASSAY_E_ARGUMENT, -1, "the mask is not a picture");
	if (o->mask && o->scale)
		return assay__fail(error, ASSAY_E_ARGUMENT, -1,
						   "a mask belongs to pictures of one size; it cannot be used together with --scale");
	if (o->zones && o->scale)
		return assay__fail(error, ASSAY_E_ARGUMENT, -1,
						   "zones belong to pictures of one size; they cannot be used together with --scale");
	if (!(o->mm_per_px >= 0 && o->mm_per_px <= ASSAY__MM_PER_PX_MOST))
		return assay__fail(error, ASSAY_E_ARGUMENT, -1, "a pixel is %g mm; it must be above 0 and at most %d",
						   o->mm_per_px, ASSAY__MM_PER_PX_MOST);
	*out = s;
	return 0;
}
