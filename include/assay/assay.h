/* SPDX-License-Identifier: Apache-2.0 */
/* libassay: visual inspection from good parts alone. Include this. */
#ifndef ASSAY_H
#define ASSAY_H

#include "base.h"
#include "image.h"
#include "recipe.h"
#include "learn.h"

#endif
