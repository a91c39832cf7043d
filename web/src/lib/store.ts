// SPDX-License-Identifier: Apache-2.0
// A value that components can watch.
import { useEffect, useState } from "preact/hooks";

export interface Store<T> {
  get(): T;
  set(next: T): void;
  watch(listener: () => void): () => void;
}

export function store<T>(initial: T): Store<T> {
  let value = initial;
  const listeners = new Set<() => void>();
  return {
    get: () => value,
    set(next) {
      if (Object.is(next, value)) return;
      value = next;
      for (const listener of [...listeners]) listener();
    },
    watch(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

export function useStore<T>(from: Store<T>): T {
  const [, redraw] = useState(0);
  const drawn = from.get();
  useEffect(() => {
    let seen = from.get();
    // what changed between drawing and watching
    if (!Object.is(seen, drawn)) redraw((n) => n + 1);
    return from.watch(() => {
      if (Object.is(seen, from.get())) return;
      seen = from.get();
      redraw((n) => n + 1);
    });
  }, [from]);
  return drawn;
}

/** What this browser remembers; fine where it may remember nothing. */
export function remembered(name: string): string | null {
  try {
    return localStorage.getItem(`assay.${name}`);
  } catch {
    return null;
  }
}

export function remember(name: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(`assay.${name}`);
    else localStorage.setItem(`assay.${name}`, value);
  } catch {
    // a browser that keeps nothing shows the defaults next time
  }
}
