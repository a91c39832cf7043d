// SPDX-License-Identifier: Apache-2.0
// Where we are: "#/parts/17?verdict=FAIL".
import { store } from "./store";

export interface Place {
  path: string[];
  query: URLSearchParams;
}

function read(): Place {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  return { path: (path || "").split("/").filter(Boolean).map(decode), query: new URLSearchParams(query || "") };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export const place = store<Place>(read());
addEventListener("hashchange", () => place.set(read()));

export function go(to: string): void {
  location.hash = to;
}

/** Another query at the same place, without a step in the history. */
export function requery(values: URLSearchParams): void {
  const text = values.toString();
  history.replaceState(null, "", `#/${place.get().path.map(encodeURIComponent).join("/")}${text ? `?${text}` : ""}`);
  place.set(read());
}
