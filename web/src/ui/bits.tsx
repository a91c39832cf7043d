// SPDX-License-Identifier: Apache-2.0
// Small things that all pages use.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { Refusal, type Verdict } from "../lib/api";
import { type Key, t } from "../text";
import { Icon, type IconName, Shape } from "./icons";

export function verdictWord(verdict: Verdict): string {
  return t(`verdict.${verdict}` as Key);
}

/** A fault's name as the station says it, in words. */
export function faultWord(fault: string): string {
  return t(`fault.${fault}` as Key);
}

export function VerdictTag({ verdict, fault }: { verdict: Verdict; fault?: string | null }) {
  return (
    <span class={`tag ${verdict}`}>
      <Shape verdict={verdict} size={20} />
      <b>{verdictWord(verdict)}</b>
      {fault ? <span class="quiet">{faultWord(fault)}</span> : null}
    </span>
  );
}

export function Button(props: {
  label: string;
  icon?: IconName;
  onClick?: () => void;
  kind?: "plain" | "main" | "danger";
  bare?: boolean;
  disabled?: boolean;
  submit?: boolean;
  pressed?: boolean;
  hint?: string;
}) {
  return (
    <button
      type={props.submit ? "submit" : "button"}
      class={`button ${props.kind ?? "plain"} ${props.bare ? "bare" : ""}`}
      onClick={props.onClick}
      disabled={props.disabled}
      aria-label={props.bare ? props.label : undefined}
      aria-pressed={props.pressed}
      title={props.hint ?? (props.bare ? props.label : undefined)}
    >
      {props.icon && <Icon name={props.icon} />}
      {!props.bare && <span>{props.label}</span>}
    </button>
  );
}

export function LinkButton(props: { to: string; label: string; icon?: IconName; download?: boolean; kind?: "plain" | "main" }) {
  return (
    <a class={`button ${props.kind ?? "plain"}`} href={props.to} download={props.download}>
      {props.icon && <Icon name={props.icon} />}
      <span>{props.label}</span>
    </a>
  );
}

/** One of a few. */
export function Choice<T extends string>(props: {
  label: string;
  value: T;
  options: { value: T; label: string }[];
  onChange: (value: T) => void;
}) {
  return (
    <div class="choice" role="group" aria-label={props.label}>
      {props.options.map((option) => (
        <button
          type="button"
          key={option.value}
          aria-pressed={option.value === props.value}
          onClick={() => props.onChange(option.value)}
        >
          {option.label}
        </button>
      ))}
    </div>
  );
}

export function Field(props: { label: string; children: ComponentChildren; wide?: boolean }) {
  return (
    <label class={`field ${props.wide ? "wide" : ""}`}>
      <span>{props.label}</span>
      {props.children}
    </label>
  );
}

export function Notice({ kind, children }: { kind: "bad" | "odd" | "plain" | "good"; children: ComponentChildren }) {
  return (
    <p class={`notice ${kind}`} role={kind === "bad" ? "alert" : "status"}>
      {children}
    </p>
  );
}

export function Tile(props: { label: string; value: string; note?: string; kind?: Verdict }) {
  return (
    <div class={`tile ${props.kind ?? ""}`}>
      <dt>
        {props.kind && <Shape verdict={props.kind} size={18} />}
        {props.label}
      </dt>
      <dd>{props.value}</dd>
      {props.note && <dd class="note">{props.note}</dd>}
    </div>
  );
}

export function errorText(error: unknown): string {
  if (error instanceof Refusal) {
    if (error.status === 403) return t("error.forbidden");
    if (error.code === "no_record") return t("error.no_record");
    return error.message;
  }
  return t("error.unreachable");
}

export interface Loaded<T> {
  value: T | null;
  error: string | null;
  busy: boolean;
  again: () => void;
}

/** Asks when `key` changes; an answer that comes late is dropped. */
export function useAsk<T>(key: string, load: (signal: AbortSignal) => Promise<T>): Loaded<T> {
  const [state, setState] = useState<{ value: T | null; error: string | null; busy: boolean }>({
    value: null,
    error: null,
    busy: true,
  });
  const [turn, setTurn] = useState(0);
  const latest = useRef(load);
  latest.current = load;
  useEffect(() => {
    const stop = new AbortController();
    setState((old) => ({ ...old, busy: true }));
    latest.current(stop.signal).then(
      (value) => !stop.signal.aborted && setState({ value, error: null, busy: false }),
      (error: unknown) => !stop.signal.aborted && setState({ value: null, error: errorText(error), busy: false }),
    );
    return () => stop.abort();
  }, [key, turn]);
  return { ...state, again: () => setTurn((n) => n + 1) };
}

/** Keys without modifiers, unless something is being typed. */
export function useKeys(keys: Record<string, () => void>): void {
  const latest = useRef(keys);
  latest.current = keys;
  useEffect(() => {
    const listen = (event: KeyboardEvent) => {
      const target = event.target as HTMLElement;
      if (event.ctrlKey || event.altKey || event.metaKey || event.defaultPrevented) return;
      if (/^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName)) return;
      // what has the focus is meant first
      if (event.key === "Enter" && target.closest("a, button")) return;
      if (document.querySelector("dialog[open]") && event.key !== "?") return;
      const act = latest.current[event.key];
      if (!act) return;
      event.preventDefault();
      act();
    };
    addEventListener("keydown", listen);
    return () => removeEventListener("keydown", listen);
  }, []);
}
