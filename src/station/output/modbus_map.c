/* SPDX-License-Identifier: Apache-2.0 */
#include "station/output/modbus_map.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/text.h"

enum value_kind { U16, U32, U64, TEXT };

enum value {
	STATUS_WORD,
	HEARTBEAT,
	MAP_VERSION,
	RECIPE_NUMBER,
	RESULTS,
	UNACKNOWLEDGED,
	TRIGGERS,
	PASSED,
	FAILED,
	FAULTED,
	MISSED,
	RECORDED,
	LATENCY_LAST,
	LATENCY_MIN,
	LATENCY_MEAN,
	LATENCY_MAX,
	VERDICT,
	FAULT_CODE,
	TRIGGER_ID,
	SEQUENCE,
	SCORE,
	THRESHOLD,
	RATIO,
	REGIONS,
	LATENCY,
	TRIGGER_KIND,
	CODE,
	RECIPE_NAME,
	RESULT_NUMBER,
};

struct row {
	int word, words;
	enum value_kind kind;
	enum value value;
	const char *name, *help;
};

static const struct row rows[] = {
	{0, 1, U16, STATUS_WORD, "status", "bit n is discrete input n"},
	{1, 1, U16, HEARTBEAT, "heartbeat", "counts up twice a second while the station lives, wraps at 65535"},
	{2, 1, U16, MAP_VERSION, "map version", "1"},
	{3, 1, U16, RECIPE_NUMBER, "recipe in use", "1 is the first configured, 0 none"},
	{4, 2, U32, RESULTS, "results", "verdicts shown in the result block since start"},
	{6, 2, U32, UNACKNOWLEDGED, "unacknowledged",
	 "results replaced by the next before they were acknowledged (option hold: acknowledge)"},
	{8, 2, U32, TRIGGERS, "triggers", "all triggers since the station's first day, modulo 2^32, as the next five"},
	{10, 2, U32, PASSED, "pass", "parts with verdict PASS"},
	{12, 2, U32, FAILED, "fail", "parts with verdict FAIL"},
	{14, 2, U32, FAULTED, "fault", "parts with verdict FAULT, the missed ones among them"},
	{16, 2, U32, MISSED, "missed", "triggers that came while the station was not ready"},
	{18, 2, U32, RECORDED, "recorded", "parts whose record is on disk"},
	{20, 2, U32, LATENCY_LAST, "latency, last", "from trigger to verdict, µs, as the next three"},
	{22, 2, U32, LATENCY_MIN, "latency, shortest", "since start"},
	{24, 2, U32, LATENCY_MEAN, "latency, mean", "since start"},
	{26, 2, U32, LATENCY_MAX, "latency, longest", "since start"},
	{40, 1, U16, VERDICT, "verdict", "0 none yet, 1 PASS, 2 FAIL, 3 FAULT"},
	{41, 1, U16, FAULT_CODE, "fault code", "0 none; see below"},
	{42, 2, U32, TRIGGER_ID, "trigger id", "as given with the trigger, 0 if none was"},
	{44, 4, U64, SEQUENCE, "sequence", "the station's number of the part, never used twice"},
	{48, 2, U32, SCORE, "score", "256ths; of the view that is worst against its threshold"},
	{50, 2, U32, THRESHOLD, "threshold", "256ths; of that view"},
	{52, 1, U16, RATIO, "score in % of threshold", "rounded down, at most 65535; 0 without threshold"},
	{53, 1, U16, REGIONS, "regions", "places above the threshold, over all views, at most 65535"},
	{54, 2, U32, LATENCY, "latency", "of this part, from trigger to verdict, µs"},
	{56, 1, U16, TRIGGER_KIND, "trigger kind",
	 "0 free, 1 timer, 2 software, 3 Modbus, 4 MQTT, 5 HTTP, 6 line, 7 challenge"},
	{57, 32, TEXT, CODE, "part code",
	 "UTF-8, two bytes a register, upper byte first, zero filled; longer ones are cut"},
	{89, 16, TEXT, RECIPE_NAME, "recipe name", "as the part code"},
	{110, 2, U32, RESULT_NUMBER, "result number",
	 "equals results (Modbus client: counts its writes); the last words, so that it changes last"},
};
#define ROW_COUNT ((int)(sizeof(rows) / sizeof(rows[0])))

static const struct {
	const char *name, *help;
} status_bits[ASSAY__MODBUS_STATUS_BITS] =
	{
		[ASSAY__MODBUS_READY] = {"ready", "a trigger now will be judged"},
		[ASSAY__MODBUS_BUSY] = {"busy", "a part is being judged"},
		[ASSAY__MODBUS_RESULT_VALID] = {"result valid", "the result block holds a verdict; see the handshake"},
		[ASSAY__MODBUS_PASS] = {"pass", "the valid result is PASS"},
		[ASSAY__MODBUS_FAIL] = {"fail", "the valid result is FAIL"},
		[ASSAY__MODBUS_FAULT] = {"fault", "the valid result is FAULT: reject the part"},
		[ASSAY__MODBUS_HEARTBEAT] = {"heartbeat", "the lowest bit of the heartbeat register"},
		[ASSAY__MODBUS_MISSED] = {"missed", "the last trigger over Modbus came while the station was not ready"},
		[ASSAY__MODBUS_CHALLENGE_DUE] = {"challenge due",
										 "parts are FAULT challenge until all known-bad ones are caught"},
},
  control_bits[ASSAY__MODBUS_CONTROL_BITS] = {
	  [ASSAY__MODBUS_TRIGGER] = {"trigger", "from 0 to 1: judge a part"},
	  [ASSAY__MODBUS_ACKNOWLEDGE] = {"acknowledge", "from 0 to 1: the result was taken; result valid becomes 0"},
	  [ASSAY__MODBUS_CHALLENGE] = {"challenge",
								   "from 0 to 1: the known-bad parts come now, or their pictures are shown"},
};

static const struct {
	int word, words;
	const char *name, *help;
} commands[] = {
	{ASSAY__MODBUS_CONTROL, 1, "control", "bit n is coil n; write it together with what follows, or last"},
	{ASSAY__MODBUS_RECIPE, 1, "recipe select", "any write of a number other than 0 asks for that recipe"},
	{ASSAY__MODBUS_TRIGGER_ID, 2, "trigger id", "goes with the next trigger and comes back with its result"},
	{ASSAY__MODBUS_CODE, ASSAY__MODBUS_CODE_WORDS, "part code",
	 "goes with the next trigger if its first byte is not 0; UTF-8 as in the result block"},
};

void assay__modbus_put_text(const char *text, uint16_t *words, int count)
{
	size_t length = strlen(text), room = (size_t)count * 2, used = 0;
	/* A text too long is cut between characters. */
	while (used < length) {
		size_t char_bytes = assay__text_utf8(text + used, length - used);
		if (used + (char_bytes ? char_bytes : 1) > room)
			break;
		used += char_bytes ? char_bytes : 1;
	}
	memset(words, 0, room);
	for (size_t i = 0; i < used; i++)
		words[i / 2] |= (uint16_t)((unsigned)(uint8_t)text[i] << (i % 2 ? 0 : 8));
}

bool assay__modbus_get_text(const uint16_t *words, int count, char *out)
{
	char text[2 * ASSAY__MODBUS_CODE_WORDS + 1];
	size_t length = 0, at = 0;
	assert(count <= ASSAY__MODBUS_CODE_WORDS);
	for (int i = 0; i < 2 * count; i++) {
		char c = (char)(words[i / 2] >> (i % 2 ? 0 : 8) & 255);
		if (!c)
			break;
		text[length++] = c;
	}
	text[length] = '\0';
	while (at < length) {
		size_t char_bytes = assay__text_utf8(text + at, length - at);
		if (char_bytes == 0 || (unsigned char)text[at] < 0x20)
			return false;
		at += char_bytes;
	}
	memcpy(out, text, length + 1);
	return true;
}

uint32_t assay__modbus_get_u32(const uint16_t words[2], bool low_word_first)
{
	return low_word_first ? words[0] | (uint32_t)words[1] << 16 : words[1] | (uint32_t)words[0] << 16;
}

uint16_t assay__modbus_status_bits(const struct assay__modbus_status *status)
{
	bool valid = status->valid && status->verdict;
	unsigned bits = 0;
	bits |= (unsigned)status->ready << ASSAY__MODBUS_READY;
	bits |= (unsigned)status->busy << ASSAY__MODBUS_BUSY;
	bits |= (unsigned)valid << ASSAY__MODBUS_RESULT_VALID;
	bits |= (unsigned)(valid && status->verdict->verdict == ASSAY_PASS) << ASSAY__MODBUS_PASS;
	bits |= (unsigned)(valid && status->verdict->verdict == ASSAY_FAIL) << ASSAY__MODBUS_FAIL;
	bits |= (unsigned)(valid && status->verdict->verdict == ASSAY_FAULT) << ASSAY__MODBUS_FAULT;
	bits |= (unsigned)(status->heartbeat & 1) << ASSAY__MODBUS_HEARTBEAT;
	bits |= (unsigned)status->missed << ASSAY__MODBUS_MISSED;
	bits |= (unsigned)status->challenge_due << ASSAY__MODBUS_CHALLENGE_DUE;
	return (uint16_t)bits;
}

static uint64_t micros(double value)
{
	return value > 0 ? value < UINT32_MAX ? (uint64_t)value : UINT32_MAX : 0;
}

/* Numbers of the station. */
static uint64_t station_value(const struct assay__modbus_status *status, enum value value)
{
	switch (value) {
	case STATUS_WORD:
		return assay__modbus_status_bits(status);
	case HEARTBEAT:
		return status->heartbeat;
	case MAP_VERSION:
		return ASSAY__MODBUS_VERSION;
	case RECIPE_NUMBER:
		return status->recipe_number > 0 ? (uint64_t)status->recipe_number : 0;
	case RESULTS:
	case RESULT_NUMBER:
		return status->results;
	case UNACKNOWLEDGED:
		return status->unacknowledged;
	case TRIGGERS:
		return status->counters.triggers;
	case PASSED:
		return status->counters.pass;
	case FAILED:
		return status->counters.fail;
	case FAULTED:
		return status->counters.fault;
	case MISSED:
		return status->counters.missed;
	case RECORDED:
		return status->counters.recorded;
	case LATENCY_LAST:
		return micros((double)status->counters.latency_last_us);
	case LATENCY_MIN:
		return micros((double)status->counters.latency_min_us);
	case LATENCY_MEAN:
		return micros(status->counters.latency_mean_us);
	case LATENCY_MAX:
		return micros((double)status->counters.latency_max_us);
	default:
		return 0;
	}
}

/* Numbers of the last verdict. */
static uint64_t result_value(const struct assay__verdict *verdict, enum value value)
{
	uint64_t ratio;
	switch (value) {
	case VERDICT:
		return (uint64_t)verdict->verdict + 1;
	case FAULT_CODE:
		return verdict->fault;
	case TRIGGER_ID:
		return verdict->trigger_id;
	case SEQUENCE:
		return verdict->sequence;
	case SCORE:
		return verdict->score_q8;
	case THRESHOLD:
		return verdict->threshold_q8;
	case RATIO:
		ratio = verdict->threshold_q8 ? (uint64_t)verdict->score_q8 * 100 / verdict->threshold_q8 : 0;
		return ratio < UINT16_MAX ? ratio : UINT16_MAX;
	case REGIONS:
		return verdict->regions_total < UINT16_MAX ? (uint64_t)verdict->regions_total : UINT16_MAX;
	case LATENCY:
		return micros((double)verdict->latency_us);
	case TRIGGER_KIND:
		return verdict->trigger;
	default:
		return 0;
	}
}

void assay__modbus_fill(const struct assay__modbus_status *status, uint16_t words[ASSAY__MODBUS_STATUS_WORDS])
{
	memset(words, 0, ASSAY__MODBUS_STATUS_WORDS * sizeof(*words));
	for (int i = 0; i < ROW_COUNT; i++) {
		const struct row *row = &rows[i];
		bool of_result = row->word >= ASSAY__MODBUS_RESULT_WORD && row->value != RESULT_NUMBER;
		if (of_result && !status->verdict)
			continue;
		if (row->kind == TEXT) {
			assay__modbus_put_text(row->value == CODE ? status->verdict->code : status->verdict->recipe_name,
								   words + row->word, row->words);
			continue;
		}
		uint64_t value = of_result ? result_value(status->verdict, row->value) : station_value(status, row->value);
		for (int w = 0; w < row->words; w++) {
			int shift = 16 * (status->low_word_first ? w : row->words - 1 - w);
			words[row->word + w] = (uint16_t)(value >> shift);
		}
	}
}

static void print_words(FILE *stream, int word, int words)
{
	if (words > 1)
		fprintf(stream, "%d…%d", word, word + words - 1);
	else
		fprintf(stream, "%d", word);
}

void assay__modbus_print_markdown(FILE *stream)
{
	static const char *const kinds[] = {[U16] = "u16", [U32] = "u32", [U64] = "u64", [TEXT] = "text"};
	fputs("## Coils: PLC to station\n\nFunctions 1, 5, 15.\n\n| coil | name | meaning |\n|---|---|---|\n", stream);
	for (int i = 0; i < ASSAY__MODBUS_CONTROL_BITS; i++)
		fprintf(stream, "| %d | %s | %s |\n", i, control_bits[i].name, control_bits[i].help);
	fputs("\n## Discrete inputs: station to PLC\n\nFunction 2.\n\n| input | name | meaning |\n|---|---|---|\n", stream);
	for (int i = 0; i < ASSAY__MODBUS_STATUS_BITS; i++)
		fprintf(stream, "| %d | %s | %s |\n", i, status_bits[i].name, status_bits[i].help);
	fprintf(stream,
			"\n## Holding registers: PLC to station\n\nFunctions 3, 6, 16, 22, 23. Registers not listed keep what is "
			"written and mean "
			"nothing.\nFrom %d on they show the input registers (holding register %d + n is input register n) and "
			"cannot be written.\n\n"
			"| register | name | meaning |\n|---|---|---|\n",
			ASSAY__MODBUS_MIRROR, ASSAY__MODBUS_MIRROR);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		fputs("| ", stream);
		print_words(stream, commands[i].word, commands[i].words);
		fprintf(stream, " | %s | %s |\n", commands[i].name, commands[i].help);
	}
	fprintf(stream,
			"\n## Input registers: station to PLC\n\nFunction 4. Registers not listed read 0. From %d on: the result "
			"block.\n\n"
			"| register | type | name | meaning |\n|---|---|---|---|\n",
			ASSAY__MODBUS_RESULT_WORD);
	for (int i = 0; i < ROW_COUNT; i++) {
		fputs("| ", stream);
		print_words(stream, rows[i].word, rows[i].words);
		fprintf(stream, " | %s | %s | %s |\n", kinds[rows[i].kind], rows[i].name, rows[i].help);
	}
	fputs("\n## Fault codes\n\n| code | name |\n|---|---|\n", stream);
	for (int i = 0; i < ASSAY__FAULT_COUNT; i++)
		fprintf(stream, "| %d | %s |\n", i, assay__fault_name((enum assay__fault)i));
}
