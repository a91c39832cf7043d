// SPDX-License-Identifier: Apache-2.0
// The station's API. Types follow src/station/http/schema.c.
import { store } from "./store";

export type Verdict = "PASS" | "FAIL" | "FAULT";
export type Role = "anyone" | "viewer" | "operator" | "engineer" | "admin";

export interface Session {
  user: string | null;
  role: Role;
  csrf: string | null;
  users_exist: boolean;
  station: string | null;
}
export interface Counters {
  triggers: number;
  pass: number;
  fail: number;
  fault: number;
  missed: number;
  recorded: number;
}
export interface Output {
  name: string;
  type: string;
  up: boolean;
  state: string;
  posted: number;
  sent: number;
  lost: number;
  queue_length: number;
  queue_capacity: number;
}
export interface Status {
  station: string;
  version: string;
  kernels: string;
  ready: boolean;
  busy: boolean;
  stopping: boolean;
  why: string;
  record_failing: boolean;
  record: string;
  recipe: string;
  recipe_number: number;
  uptime_us: number;
  sequence: number;
  event_next: number;
  takt_ms: number;
  shifts: string | null;
  total: Counters;
  since_start: Counters;
  latency: { last_us: number; min_us: number; max_us: number; mean_us: number; bounds_us: number[]; counts: number[] };
  load: Record<string, number>;
  outputs: Output[];
}
export interface Camera {
  name: string;
  type: string;
  state: "up" | "stale" | "gone" | "ended";
  text: string;
  pictures: number;
  broken: number;
  missed: number;
  generation: number;
}
export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
  peak: number;
}
export interface Region extends Box {
  area_px: number;
  peak_x: number;
  peak_y: number;
  mean: number;
}
export interface LiveResult {
  generation: number;
  sequence: number;
  code: string;
  verdict: Verdict;
  fault: string | null;
  score: number;
  threshold: number;
  width_px: number;
  height_px: number;
  regions: Box[];
}
export interface PartLine {
  sequence: number;
  time: string;
  latency_us: number;
  verdict: Verdict;
  fault: string | null;
  score: number;
  threshold: number;
  p_value: number;
  challenge: boolean;
  code: string;
  recipe: string;
  reason: string;
}
export interface View {
  camera: string;
  width_px: number;
  height_px: number;
  channels: number;
  depth_bits: number;
  image_hash: string;
  image: string;
  judged: boolean;
  verdict: Verdict;
  fault: string | null;
  score: number;
  threshold: number;
  p_value: number;
  map_hash: string;
  recipe_hash: string;
  network_hash: string;
  reason: string;
  regions_total: number;
  regions: Region[];
}
export interface Part {
  link: number;
  sequence: number;
  time: string;
  station: string;
  trigger_id: number;
  trigger: string;
  code: string;
  code_generated: boolean;
  operator: string | null;
  recipe: string;
  latency_us: number;
  picture_us: number;
  deadline_us: number;
  verdict: Verdict;
  fault: string | null;
  reason: string;
  challenge: boolean;
  score: number;
  threshold: number;
  p_value: number;
  hash: string;
  hash_before: string;
  signed: { link: number; time: string; public_key: string; signature: string } | null;
  views: View[];
}
export interface Replayed {
  sequence: number;
  outcome: "identical" | "different" | "skipped";
  views: number;
  text: string;
}
export interface Recipe {
  name: string;
  number: number;
  selected: boolean;
  taught: boolean;
  file: string;
  content_hash: string;
  network_hash: string;
  width_px: number;
  height_px: number;
  working_width_px: number;
  working_height_px: number;
  threshold: number;
  overkill_stated: number;
}
export interface Counts {
  pass: number;
  fail: number;
  fault: number;
}
export interface Quality {
  from_us: number;
  to_us: number;
  total: Counts;
  challenge: number;
  challenge_caught: number;
  by_fault: Record<string, number>;
  steps: Counts[];
  threshold: number;
  threshold_least: number;
  threshold_most: number;
  bin: number;
  bins_pass: number[];
  bins_fail: number[];
  grid_width: number;
  grid_height: number;
  places: { camera: string; cells: number[] }[];
}
export interface User {
  name: string;
  role: Role;
  token: boolean;
}
export interface LogLine {
  link: number;
  time: string;
  kind: string;
  text: string;
}
export interface VerdictEvent {
  number: number;
  kind: string;
  time: string;
  sequence: number;
  verdict: Verdict;
  fault: string | null;
  score: number;
  threshold: number;
  latency_us: number;
  code: string;
  recipe: string;
}

export class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

export const session = store<Session | null>(null);

const roles: Role[] = ["anyone", "viewer", "operator", "engineer", "admin"];

export function may(least: Role): boolean {
  const mine = session.get()?.role ?? "anyone";
  return roles.indexOf(mine) >= roles.indexOf(least);
}

export interface Wish {
  method?: string;
  json?: unknown;
  bytes?: Blob;
  signal?: AbortSignal;
  timeout_ms?: number;
}

export async function ask(path: string, wish: Wish = {}): Promise<Response> {
  const headers: Record<string, string> = {};
  const csrf = session.get()?.csrf;
  if (csrf && wish.method && wish.method !== "GET") headers["X-CSRF-Token"] = csrf;
  if (wish.json !== undefined) headers["Content-Type"] = "application/json";
  if (wish.bytes) headers["Content-Type"] = "application/octet-stream";
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), wish.timeout_ms ?? 15000);
  const forward = () => stop.abort();
  wish.signal?.addEventListener("abort", forward);
  try {
    const answer = await fetch(`/api/v1/${path}`, {
      method: wish.method ?? "GET",
      headers,
      body: wish.bytes ?? (wish.json === undefined ? undefined : JSON.stringify(wish.json)),
      signal: stop.signal,
    });
    if (answer.ok || answer.status === 304) return answer;
    let code = String(answer.status);
    let message = answer.statusText;
    try {
      const told = (await answer.json()) as { error: { code: string; message: string } };
      code = told.error.code;
      message = told.error.message;
    } catch {
      // an answer from something in between; its status must do
    }
    // a session that has ended: the shell shows the login
    if (answer.status === 401 && code === "unauthorized" && session.get()?.user) void renewSession();
    throw new Refusal(answer.status, code, message);
  } finally {
    clearTimeout(timer);
    wish.signal?.removeEventListener("abort", forward);
  }
}

export async function get<T>(path: string, wish?: Wish): Promise<T> {
  return (await (await ask(path, wish)).json()) as T;
}

export async function post<T>(path: string, json: unknown = {}, wish: Wish = {}): Promise<T> {
  return (await (await ask(path, { ...wish, method: "POST", json })).json()) as T;
}

export async function renewSession(): Promise<void> {
  session.set(await get<Session>("session"));
}

export async function login(user: string, password: string): Promise<void> {
  session.set(await post<Session>("session", { user, password }, { timeout_ms: 60000 }));
}

export async function logout(): Promise<void> {
  await ask("session", { method: "DELETE" });
  await renewSession();
}

/** Query text of what is set. */
export function query(values: Record<string, string | number | undefined | null | boolean>): string {
  const parts = Object.entries(values)
    .filter(([, value]) => value !== undefined && value !== null && value !== "" && value !== false)
    .map(([name, value]) => `${name}=${encodeURIComponent(value === true ? "1" : String(value))}`);
  return parts.length ? `?${parts.join("&")}` : "";
}
