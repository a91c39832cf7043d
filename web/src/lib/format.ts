// SPDX-License-Identifier: Apache-2.0
// Numbers and times for people, in their language.
import { language, t } from "../text";

const locale = () => (language.get() === "zh" ? "zh-CN" : "en-GB");
const kept = new Map<string, Intl.NumberFormat | Intl.DateTimeFormat>();

function numbers(options: Intl.NumberFormatOptions): Intl.NumberFormat {
  const key = `n${locale()}${JSON.stringify(options)}`;
  let made = kept.get(key) as Intl.NumberFormat | undefined;
  if (!made) kept.set(key, (made = new Intl.NumberFormat(locale(), options)));
  return made;
}

function dates(options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = `d${locale()}${JSON.stringify(options)}`;
  let made = kept.get(key) as Intl.DateTimeFormat | undefined;
  if (!made) kept.set(key, (made = new Intl.DateTimeFormat(locale(), { hourCycle: "h23", ...options })));
  return made;
}

export const count = (value: number) => numbers({ maximumFractionDigits: 0 }).format(value);
export const decimal = (value: number, digits = 1) =>
  numbers({ minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value);

export function percent(share: number | null, digits = 1): string {
  if (share === null || !Number.isFinite(share)) return "–";
  return numbers({ style: "percent", minimumFractionDigits: digits, maximumFractionDigits: digits }).format(share);
}

export const milliseconds = (us: number) => t("unit.ms", { n: decimal(us / 1000, us < 10000 ? 1 : 0) });

export const clock = (at: Date) => dates({ hour: "2-digit", minute: "2-digit", second: "2-digit" }).format(at);
export const clockShort = (at: Date) => dates({ hour: "2-digit", minute: "2-digit" }).format(at);
export const day = (at: Date) => dates({ month: "short", day: "numeric" }).format(at);
export const moment = (at: Date) =>
  dates({ year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit" }).format(at);

export function span(seconds: number): string {
  const s = Math.max(0, Math.round(seconds));
  if (s < 90) return t("span.seconds", { n: count(s) });
  if (s < 5400) return t("span.minutes", { n: count(Math.round(s / 60)) });
  if (s < 129600) return t("span.hours", { n: count(Math.round(s / 3600)) });
  return t("span.days", { n: count(Math.round(s / 86400)) });
}
