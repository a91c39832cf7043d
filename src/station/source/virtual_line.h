/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The virtual line: an endless run of die-cast gearbox-housing faces as a grey industrial camera under a ring light
 * sees them, some with a defect and its true mask. Part i of a line is a pure function of the options and i: it can
 * be rendered alone, in any order, by any thread, on any CPU, and is the same bits.
 */
#ifndef ASSAY_SRC_STATION_VIRTUAL_LINE_H
#define ASSAY_SRC_STATION_VIRTUAL_LINE_H

#include <stdint.h>

#include "assay/base.h"
#include "assay/image.h"
#include "assay/recipe.h"

#define ASSAY__VIRTUAL_MIN_SIDE_PX 128
#define ASSAY__VIRTUAL_MAX_SIDE_PX 4096

enum assay__virtual_kind {
	ASSAY__VIRTUAL_GOOD,
	ASSAY__VIRTUAL_POROSITY,	 /**< cluster of small pits on a machined face */
	ASSAY__VIRTUAL_COLD_SHUT,	 /**< dull crease on cast skin where two metal fronts met */
	ASSAY__VIRTUAL_CRACK,		 /**< thin jagged dark line from a hole or a rib */
	ASSAY__VIRTUAL_FLASH,		 /**< thin surplus metal at the outline or a bore */
	ASSAY__VIRTUAL_MISSING_HOLE, /**< a hole not drilled */
	ASSAY__VIRTUAL_SCRATCH,		 /**< fine bright line across a machined face */
	ASSAY__VIRTUAL_DENT,		 /**< shallow dip that only changes the shading */
	ASSAY__VIRTUAL_KINDS,
	ASSAY__VIRTUAL_ANY = -1, /**< in a wish: as the line decides */
};

/** What goes wrong at the line, from one part on; zero fields: nothing. */
struct assay__virtual_upset {
	uint64_t from; /**< first part concerned */
	uint64_t over; /**< parts until the full amount, growing evenly; 0: at once */
	double dim;	   /**< share of the light lost, below 1; negative: more light */
	double lean; /**< of the light from left to right: -1..1, 0.1: a tenth less at the left border, more at the right */
	double blur_px;				   /**< 0..16, standard deviation of the surplus blur */
	double shift_x_px, shift_y_px; /**< the part lies further right and lower */
	double rough;				   /**< 0..4: surplus of the cast skin's roughness: another process */
};

/** Zero fields take the defaults stated. */
struct assay__virtual_options {
	uint64_t seed;
	int width_px, height_px; /**< 128..4096, default 640 x 480 */
	int channels;			 /**< 1 (default) or 3 */
	double defect_rate;		 /**< share of defective parts when the line decides, 0..1, default 0: none */
	double severity_low;	 /**< severities are drawn from low..high, more easy ones than hard ones: */
	double severity_high;	 /**< low + (high - low) sqrt(even); 0 <= low <= high <= 1; both 0: 0..1 */
	struct assay__virtual_upset upset;
};

/** What to render in place of what the line would decide. */
struct assay__virtual_wish {
	enum assay__virtual_kind kind;
	double severity; /**< 0 (very hard) .. 1 (easy); negative: drawn */
};

/** The truth about one rendered part. For good parts all but `kind` is zero. */
struct assay__virtual_truth {
	enum assay__virtual_kind kind;
	double severity;
	double contrast; /**< root mean square change of the mask's pixels, in grey levels of 255, before noise */
	int area_px;	 /**< pixels of the mask */
	int size_px;	 /**< longer side of `where` */
	struct assay_rect_px where; /**< smallest box around the mask */
};

struct assay__virtual_line;

/**
 * Prepares the part and the textures (about 26 MiB at 640 x 480, at most 75; half as much again while opening).
 * `allocator` (nullable) must outlive the line and serves rendering too, from any thread. *out is the caller's. Errors:
 * ARGUMENT, NOMEM.
 */
int assay__virtual_open(const struct assay__virtual_options *options, const struct assay_allocator *allocator,
						struct assay__virtual_line **out, struct assay_error *error);

/** NULL is fine. Nothing may be rendering. */
void assay__virtual_close(struct assay__virtual_line *line);

/**
 * Renders part `index` into *out, which has the line's size and channels and 8 bits; pixels stay the caller's.
 * `mask` (nullable): 8-bit grey of the same size; becomes 255 where the defect changed the picture, 0 elsewhere.
 * Outside the mask the picture is bit for bit that of the same part without the defect.
 * `wish`, `truth` nullable. Takes scratch memory from the line's allocator and gives it back. Thread safe.
 * Errors: ARGUMENT, NOMEM; *out and *mask are then unspecified.
 */
int assay__virtual_render(const struct assay__virtual_line *line, uint64_t index,
						  const struct assay__virtual_wish *wish, struct assay_image *out, struct assay_image *mask,
						  struct assay__virtual_truth *truth, struct assay_error *error);

/** "good", "porosity", "cold_shut", "crack", "flash", "missing_hole", "scratch", "dent": also names of folders. */
const char *assay__virtual_kind_name(enum assay__virtual_kind kind);

#endif
