// SPDX-License-Identifier: Apache-2.0
// "ok - …" or "not ok - …" for each thing held.
let failed = 0;
let passed = 0;

export function ok(good, what, details = []) {
  console.log(`${good ? "ok" : "not ok"} - ${what}`);
  if (good) passed++;
  else {
    failed++;
    for (const detail of [details].flat()) console.log(`#   ${detail}`);
  }
  return good;
}

export function same(found, expected, what) {
  return ok(Object.is(found, expected), what, `found ${JSON.stringify(found)}, expected ${JSON.stringify(expected)}`);
}

export function conclude() {
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed ? 1 : 0);
}
