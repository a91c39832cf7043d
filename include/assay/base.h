/* SPDX-License-Identifier: Apache-2.0 */
/* Errors, allocation and work sharing: what every other header of libassay needs. */
#ifndef ASSAY_BASE_H
#define ASSAY_BASE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define ASSAY_PRINTF(at, first) __attribute__((format(printf, at, first)))
#else
#define ASSAY_PRINTF(at, first)
#endif

/** Why a call failed. Functions return 0 or one of these; on failure they leave their outputs untouched. */
enum assay_err {
	ASSAY_OK = 0,
	ASSAY_E_NOMEM = -1,		  /**< the allocator refused */
	ASSAY_E_IO = -2,		  /**< the operating system refused; the message says what and why */
	ASSAY_E_FORMAT = -3,	  /**< content is damaged, truncated or not what its kind promises */
	ASSAY_E_UNSUPPORTED = -4, /**< well formed, but a variant that assay does not read */
	ASSAY_E_LIMIT = -5,		  /**< larger than a stated limit */
	ASSAY_E_ARGUMENT = -6,	  /**< the caller asked for something that cannot be */
	ASSAY_E_MISMATCH = -7,	  /**< two good things that do not belong together (an image and a recipe) */
	ASSAY_E_FULL = -8,		  /**< a bounded container has no room */
	ASSAY_E_CLOSED = -9,	  /**< the other side has ended */
	ASSAY_E_CANCELLED = -10,  /**< the caller asked to stop */
};

/** What went wrong, for a person. `position` is a byte offset or a line as the message says, -1 if there is none. */
struct assay_error {
	enum assay_err code;
	int64_t position;
	char message[400];
};

/**
 * Where memory comes from. NULL in place of a pointer to this means malloc and free.
 * alloc returns memory aligned for max_align_t, or NULL; free takes NULL. Both may be called from any thread.
 */
struct assay_allocator {
	void *(*alloc)(void *ctx, size_t size_bytes);
	void (*free)(void *ctx, void *memory);
	void *ctx;
};

/**
 * Who does independent pieces of work. libassay starts no thread; the caller lends some through this.
 * run calls task(arg, index, worker) once for every index in [0, count), worker in [0, workers), never
 * two calls with the same worker at once, and returns when all are done. NULL means: this thread, in order.
 */
struct assay_runner {
	int workers;
	void (*run)(void *ctx, int count, void (*task)(void *arg, int index, int worker), void *arg);
	void *ctx;
};

/** Progress of long work: `done` of `total` steps of the named stage. Return non-zero to cancel. Called from the calling thread only. */
struct assay_progress {
	int (*report)(void *ctx, const char *stage, int done, int total);
	void *ctx;
};

/** One word for an error code, in English, lower case; never NULL. */
const char *assay_err_name(enum assay_err code);

#ifdef __cplusplus
}
#endif
#endif
