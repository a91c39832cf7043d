// SPDX-License-Identifier: Apache-2.0
// A p-chart and its run rules: Western Electric (1956) 1 to 4 and the trend rule of Nelson (1984), on standardised points, because
// the groups differ in size.

export interface Group {
  n: number; // judged
  bad: number; // rejected
}

export interface Point {
  p: number | null; // null: nothing judged
  low: number;
  high: number;
  z: number;
  broken: Rule[]; // by the run that ends here
}

/** 1: beyond 3 sigma; 2: two of three beyond 2; 3: four of five beyond 1; 4: eight on one side; trend: six rising or falling. */
export type Rule = "we1" | "we2" | "we3" | "we4" | "trend";

export function centre(groups: Group[]): number {
  const n = groups.reduce((sum, group) => sum + group.n, 0);
  return n ? groups.reduce((sum, group) => sum + group.bad, 0) / n : 0;
}

function beyond(run: number[], sigma: number, most: number): boolean {
  const last = run[run.length - 1];
  const side = Math.sign(last);
  return Math.abs(last) > sigma && run.filter((z) => z * side > sigma).length >= most;
}

export function chart(groups: Group[]): Point[] {
  const mean = centre(groups);
  const points = groups.map((group): Point => {
    const sigma = group.n ? Math.sqrt((mean * (1 - mean)) / group.n) : 0;
    const p = group.n ? group.bad / group.n : null;
    return {
      p,
      low: Math.max(0, mean - 3 * sigma),
      high: Math.min(1, mean + 3 * sigma),
      z: p === null || !sigma ? 0 : (p - mean) / sigma,
      broken: [],
    };
  });
  // empty groups neither continue nor end a run
  const told = points.filter((point) => point.p !== null);
  const z = told.map((point) => point.z);
  told.forEach((point, i) => {
    const run = (length: number) => (i + 1 >= length ? z.slice(i + 1 - length, i + 1) : null);
    const three = run(3);
    const five = run(5);
    const eight = run(8);
    if (Math.abs(z[i]) > 3) point.broken.push("we1");
    if (three && beyond(three, 2, 2)) point.broken.push("we2");
    if (five && beyond(five, 1, 4)) point.broken.push("we3");
    if (eight && (eight.every((v) => v > 0) || eight.every((v) => v < 0))) point.broken.push("we4");
    const six = i >= 5 ? told.slice(i - 5, i + 1).map((at) => at.p as number) : null;
    if (six && (six.every((v, k) => !k || v > six[k - 1]) || six.every((v, k) => !k || v < six[k - 1])))
      point.broken.push("trend");
  });
  return points;
}
