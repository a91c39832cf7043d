/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ALIGN_BYTES 64

/* A message cut by its buffer may end inside a UTF-8 sequence: drops that sequence. */
static void drop_cut_sequence(char *text, size_t length)
{
	size_t back = 0;
	while (back < 3 && back < length && ((unsigned char)text[length - 1 - back] & 0xC0) == 0x80)
		back++;
	if (back == length)
		return;
	unsigned char lead = (unsigned char)text[length - 1 - back];
	size_t wanted = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
	if (wanted > back + 1)
		text[length - 1 - back] = '\0';
}

/* Prints into out; a text that does not fit is cut between characters. */
static void print_cut(char *out, size_t size_bytes, const char *format, va_list args)
{
	int length = vsnprintf(out, size_bytes, format, args);
	if (length < 0)
		out[0] = '\0';
	else if ((size_t)length >= size_bytes)
		drop_cut_sequence(out, size_bytes - 1);
}

int assay__fail(struct assay_error *error, enum assay_err code, int64_t position, const char *format, ...)
{
	assert(code != ASSAY_OK);
	if (error) {
		/* By way of a copy: the arguments may include the old message. */
		char message[sizeof(error->message)];
		va_list args;
		va_start(args, format);
		print_cut(message, sizeof(message), format, args);
		va_end(args);
		error->code = code;
		error->position = position;
		memcpy(error->message, message, strlen(message) + 1);
	}
	return code;
}

int assay__fail_prefix(struct assay_error *error, const char *format, ...)
{
	if (!error)
		return ASSAY_OK;
	char message[sizeof(error->message)];
	va_list args;
	va_start(args, format);
	print_cut(message, sizeof(message), format, args);
	va_end(args);
	size_t used = strlen(message);
	int rest = snprintf(message + used, sizeof(message) - used, ": %s", error->message);
	if (rest < 0)
		message[used] = '\0';
	else if ((size_t)rest >= sizeof(message) - used)
		drop_cut_sequence(message, sizeof(message) - 1);
	memcpy(error->message, message, strlen(message) + 1);
	return error->code;
}

void *assay__alloc(const struct assay_allocator *allocator, size_t size_bytes)
{
	if (size_bytes == 0)
		size_bytes = 1;
	if (size_bytes > PTRDIFF_MAX)
		return NULL;
	return allocator ? allocator->alloc(allocator->ctx, size_bytes) : malloc(size_bytes);
}

void *assay__calloc(const struct assay_allocator *allocator, size_t count, size_t size_bytes)
{
	size_t total;
	if (__builtin_mul_overflow(count, size_bytes, &total))
		return NULL;
	if (!allocator)
		return total > PTRDIFF_MAX ? NULL : calloc(1, total ? total : 1);
	void *memory = assay__alloc(allocator, total);
	if (memory)
		memset(memory, 0, total);
	return memory;
}

void assay__free(const struct assay_allocator *allocator, void *memory)
{
	if (allocator)
		allocator->free(allocator->ctx, memory);
	else
		free(memory);
}

void *assay__alloc_aligned(const struct assay_allocator *allocator, size_t size_bytes)
{
	/* The pointer to give back is kept just before the aligned address. */
	const size_t extra = ALIGN_BYTES - 1 + sizeof(void *);
	if (size_bytes > PTRDIFF_MAX - extra)
		return NULL;
	char *raw = assay__alloc(allocator, size_bytes + extra);
	if (!raw)
		return NULL;
	uintptr_t start = (uintptr_t)raw + sizeof(void *);
	char *aligned = raw + sizeof(void *) + (-start & (ALIGN_BYTES - 1));
	memcpy(aligned - sizeof(void *), &raw, sizeof(void *));
	return aligned;
}

void assay__free_aligned(const struct assay_allocator *allocator, void *memory)
{
	if (!memory)
		return;
	void *raw;
	memcpy(&raw, (char *)memory - sizeof(void *), sizeof(void *));
	assay__free(allocator, raw);
}

const char *assay_err_name(enum assay_err code)
{
	switch (code) {
	case ASSAY_OK:
		return "ok";
	case ASSAY_E_NOMEM:
		return "nomem";
	case ASSAY_E_IO:
		return "io";
	case ASSAY_E_FORMAT:
		return "format";
	case ASSAY_E_UNSUPPORTED:
		return "unsupported";
	case ASSAY_E_LIMIT:
		return "limit";
	case ASSAY_E_ARGUMENT:
		return "argument";
	case ASSAY_E_MISMATCH:
		return "mismatch";
	case ASSAY_E_FULL:
		return "full";
	case ASSAY_E_CLOSED:
		return "closed";
	case ASSAY_E_CANCELLED:
		return "cancelled";
	}
	return "unknown";
}
