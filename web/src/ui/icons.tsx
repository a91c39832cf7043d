// SPDX-License-Identifier: Apache-2.0
// Line icons on a grid of 24, and the three shapes of a verdict: they differ without colour.
import type { Verdict } from "../lib/api";

const paths = {
  live: "M3 12h4l2.5-7 5 14 2.5-7h4",
  parts: "M4 6h16M4 12h16M4 18h16",
  teach: "M3 8l9-4 9 4-9 4zM7 10v5c3 2.5 7 2.5 10 0v-5M21 8v6",
  review: "M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12zM12 9.3a2.7 2.7 0 1 0 0 5.4 2.7 2.7 0 0 0 0-5.4z",
  quality: "M4 20V4M4 20h16M8 16v-4M12.5 16V8M17 16v-6",
  settings: "M4 7h9M17 7h3M4 17h3M11 17h9M15 4.5v5M9 14.5v5",
  sun: "M12 7.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9zM12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.3 5.3l1.4 1.4M17.3 17.3l1.4 1.4M5.3 18.7l1.4-1.4M17.3 6.7l1.4-1.4",
  moon: "M20 14.5A8.5 8.5 0 1 1 9.5 4a7 7 0 0 0 10.5 10.5z",
  keys: "M3 6.5h18v11H3zM7 10.5h.01M10.5 10.5h.01M14 10.5h.01M17.5 10.5h.01M8 14h8",
  out: "M14 4h5v16h-5M10 8l-4 4 4 4M6 12h9",
  plus: "M12 5v14M5 12h14",
  minus: "M5 12h14",
  fit: "M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5",
  back: "M14 5l-7 7 7 7",
  up: "M5 14l7-7 7 7",
  down: "M5 10l7 7 7-7",
  print: "M7 9V4h10v5M7 17H4V9h16v8h-3M7 14h10v6H7z",
  replay: "M4 12a8 8 0 1 0 2.5-5.8M4 4v4.5h4.5",
  save: "M12 4v11M7 11l5 5 5-5M5 20h14",
  search: "M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zM15.5 15.5L20 20",
  pixels: "M4 4h7v7H4zM13 13h7v7h-7zM13 4h7v7h-7zM4 13h7v7H4z",
  trash: "M5 7h14M9 7V4h6v3M7 7l1 13h8l1-13",
};
export type IconName = keyof typeof paths;

export function Icon({ name, size = 24 }: { name: IconName; size?: number }) {
  return (
    <svg class="icon" width={size} height={size} viewBox="0 0 24 24" aria-hidden="true">
      <path d={paths[name]} />
    </svg>
  );
}

/** Circle and tick, square and cross, triangle and mark. */
export function Shape({ verdict, size = 24 }: { verdict: Verdict; size?: number }) {
  return (
    <svg class={`shape ${verdict}`} width={size} height={size} viewBox="0 0 24 24" aria-hidden="true">
      {verdict === "PASS" && (
        <>
          <circle class="body" cx="12" cy="12" r="11" />
          <path class="sign" d="M6.8 12.4l3.7 3.8 6.9-7.6" />
        </>
      )}
      {verdict === "FAIL" && (
        <>
          <rect class="body" x="1.5" y="1.5" width="21" height="21" rx="1.5" />
          <path class="sign" d="M7.3 7.3l9.4 9.4M16.7 7.3l-9.4 9.4" />
        </>
      )}
      {verdict === "FAULT" && (
        <>
          <path class="body" d="M12 1L23.5 22H.5z" />
          <path class="sign" d="M12 8.5v6M12 18.2v.1" />
        </>
      )}
    </svg>
  );
}
