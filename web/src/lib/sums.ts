// SPDX-License-Identifier: Apache-2.0
/** Rejected at or above the lower edge of a bin: exact, because both are sums over whole bins. */
export function rejectedFrom(sum: { bins_pass: number[]; bins_fail: number[] }, bin: number): number {
  let n = 0;
  for (let i = bin; i < sum.bins_pass.length; i++) n += sum.bins_pass[i] + sum.bins_fail[i];
  return n;
}
