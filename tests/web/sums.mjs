// SPDX-License-Identifier: Apache-2.0
// What the pages reckon themselves: run rules, begin of a shift, the what-if. sums.mjs BUNDLE
import { conclude, ok, same } from "./check.mjs";

globalThis.localStorage = { getItem: () => null, setItem() {}, removeItem() {} };
globalThis.location = { hash: "" };
globalThis.addEventListener ??= () => {};
globalThis.navigator ??= { language: "en" };
const { chart, shiftStart, rejectedFrom } = await import(process.argv[2]);

const groups = (bad) => bad.map((n) => ({ n: 1000, bad: n }));
const rulesAt = (points, i) => points[i].broken.join();
const level = [50, 48, 52, 51, 49, 50, 47, 53, 50, 49, 51, 50];

ok(chart(groups(level)).every((point) => !point.broken.length), "a level line breaks no rule");
ok(rulesAt(chart(groups([...level, 90])), 12).includes("we1"), "rule 1: one point beyond 3 sigma");
{
  const points = chart(groups([...level, ...level, 66, 50, 66]));
  same(rulesAt(points, 26), "we2", "rule 2: two of three beyond 2 sigma");
}
{
  const points = chart(groups([...level, ...level, 59, 59, 50, 59, 59]));
  same(rulesAt(points, 28), "we3", "rule 3: four of five beyond 1 sigma");
}
{
  const points = chart(groups([...level.map((n) => n - 3), 52, 52, 53, 52, 53, 52, 53, 52]));
  ok(points[19].broken.includes("we4") && !points[18].broken.includes("we4"), "rule 4: the eighth on one side, not the seventh");
}
ok(rulesAt(chart(groups([50, 44, 46, 48, 50, 52, 54, 50])), 6).includes("trend"), "trend: six in a row rising");
{
  const points = chart([{ n: 0, bad: 0 }, { n: 1000, bad: 50 }, { n: 10, bad: 0 }]);
  same(points[0].p, null, "an empty group has no point");
  ok(points[2].high > points[1].high && points[2].low === 0, "limits widen for small groups and stay above 0");
}
ok(chart(groups([0, 0, 0])).every((point) => !point.broken.length && point.high === 0), "without rejects nothing is broken");

const at = (text) => new Date(text);
const start = (shifts, now) => shiftStart(shifts, at(now)).toString();
same(start("06:00 14:00 22:00", "2026-11-24T15:30"), at("2026-11-24T14:00").toString(), "the shift began at 14:00");
same(start("06:00 14:00 22:00", "2026-11-24T05:59"), at("2026-11-23T22:00").toString(), "before the first mark it is yesterday's last");
same(start("06:00,14:00", "2026-11-24T06:00"), at("2026-11-24T06:00").toString(), "a shift begins at its mark");
same(start("rubbish", "2026-11-24T15:30"), at("2026-11-24T00:00").toString(), "without marks the day is the shift");

const sum = { bins_pass: [5, 4, 1, 0], bins_fail: [0, 0, 2, 3] };
same(rejectedFrom(sum, 0), 15, "a threshold of nothing rejects all");
same(rejectedFrom(sum, 2), 6, "a threshold rejects what lies at or above it");
same(rejectedFrom(sum, 4), 0, "beyond the last bin nothing is rejected");
conclude();
