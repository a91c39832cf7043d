/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether parts lie in a fixture, and what good looks like by place if they do. Called by teaching at its turns; without
 * a wish for it, or when the parts turn out to be loose, each of these does nothing.
 */
#ifndef ASSAY_SRC_VISION_TEACH_POSITION_H
#define ASSAY_SRC_VISION_TEACH_POSITION_H

#include "vision/teach.h"

/**
 * The light is known, parts are in the order of their hashes: makes the reference of the recipe and finds how every
 * part lies. Errors: CANCELLED, NOMEM, those of loading a part, MISMATCH if fixed was asked for and nothing can be registered.
 */
int assay__teach_position_open(struct assay__teach *t, struct assay_error *error);

/** The vectors of the scale at hand are known: sorts them by place. */
int assay__teach_position_scale(struct assay__teach *t, struct assay_error *error);

/** Scores the parts of the fold at hand by place. */
int assay__teach_position_fold(struct assay__teach *t, struct assay_error *error);

/** All folds of the scale are scored: its bank by place and its unit. */
int assay__teach_position_learn(struct assay__teach *t, struct assay_error *error);

/** All scales are learnt: keeps what was made or drops it, and writes the reason to the report. Errors: NOMEM. */
int assay__teach_position_decide(struct assay__teach *t, struct assay_error *error);

/** At any time, also after failure. */
void assay__teach_position_close(struct assay__teach *t);

#endif
