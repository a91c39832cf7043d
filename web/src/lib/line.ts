// SPDX-License-Identifier: Apache-2.0
// The line as it is now: state asked for every few seconds, verdicts as they come. What cannot be reached is said to be lost.
import { Camera, Counts, PartLine, Quality, Refusal, Status, Verdict, VerdictEvent, get, query, renewSession } from "./api";
import { store } from "./store";

export const STRIP = 20;
const POLL_MS = 2000;
const LOST_MS = 5000;
const RATE_WINDOW_MS = 60000;

export interface Seen {
  sequence: number;
  verdict: Verdict;
  fault: string | null;
  score: number;
  threshold: number;
  latency_us: number;
  code: string;
  at_ms: number;
}

export interface Line {
  status: Status | null;
  cameras: Camera[];
  strip: Seen[]; // newest first
  shift: Counts | null;
  shift_from_ms: number;
  rate_per_min: number | null;
  connected: boolean;
  /** when this browser last heard of the station */
  heard_ms: number;
}

export const line = store<Line>({
  status: null,
  cameras: [],
  strip: [],
  shift: null,
  shift_from_ms: 0,
  rate_per_min: null,
  connected: true,
  heard_ms: Date.now(),
});

/** Local time of the last begin of a shift: "06:00 14:00 22:00". */
export function shiftStart(shifts: string | null, now: Date): Date {
  const marks = (shifts ?? "")
    .split(/[\s,]+/)
    .map((text) => /^(\d{1,2}):(\d{2})$/.exec(text))
    .filter((found): found is RegExpExecArray => !!found && +found[1] < 24 && +found[2] < 60)
    .map((found) => +found[1] * 60 + +found[2])
    .sort((a, b) => a - b);
  if (!marks.length) marks.push(0);
  const minute = now.getHours() * 60 + now.getMinutes();
  const past = marks.filter((mark) => mark <= minute);
  const start = new Date(now);
  if (!past.length) start.setDate(start.getDate() - 1);
  const mark = past.length ? past[past.length - 1] : marks[marks.length - 1];
  start.setHours(Math.floor(mark / 60), mark % 60, 0, 0);
  return start;
}

let stream: EventSource | null = null;
let timers: number[] = [];
let waiting: Seen[] = [];
let drawn = false;
let times: number[] = [];
let counted = 0; // newest part that the shift's counts include
let openStream = false;

function change(part: Partial<Line>): void {
  line.set({ ...line.get(), ...part });
}

function rate(now: number): number | null {
  times = times.filter((at) => now - at < RATE_WINDOW_MS);
  if (times.length < 2) return times.length ? 1 : 0;
  const seconds = (now - times[0]) / 1000;
  return seconds < 3 ? null : ((times.length - 1) * 60) / seconds;
}

function heard(): void {
  change({ connected: true, heard_ms: Date.now() });
}

/* At most a few drawings a second, however fast the line is. */
function flush(): void {
  drawn = false;
  const now = line.get();
  const fresh = waiting.reverse();
  waiting = [];
  const shift = now.shift ? { ...now.shift } : null;
  for (const part of fresh) {
    if (!shift || part.sequence <= counted) continue;
    if (part.verdict === "PASS") shift.pass++;
    else if (part.verdict === "FAIL") shift.fail++;
    else shift.fault++;
  }
  if (fresh.length) counted = Math.max(counted, fresh[0].sequence);
  change({ strip: merge(fresh, now.strip), shift, rate_per_min: rate(Date.now()), connected: true, heard_ms: Date.now() });
}

function merge(fresh: Seen[], old: Seen[]): Seen[] {
  const all = new Map<number, Seen>();
  for (const part of [...old, ...fresh]) all.set(part.sequence, part);
  return [...all.values()].sort((a, b) => b.sequence - a.sequence).slice(0, STRIP);
}

function onVerdict(event: MessageEvent<string>): void {
  const told = JSON.parse(event.data) as VerdictEvent;
  waiting.push({
    sequence: told.sequence,
    verdict: told.verdict,
    fault: told.fault,
    score: told.score,
    threshold: told.threshold,
    latency_us: told.latency_us,
    code: told.code,
    at_ms: Date.now(),
  });
  times.push(Date.now());
  if (drawn) return;
  drawn = true;
  setTimeout(flush, 120);
}

async function poll(): Promise<void> {
  try {
    const [status, cameras] = await Promise.all([
      get<Status>("status", { timeout_ms: LOST_MS - 1000 }),
      get<{ cameras: Camera[] }>("cameras", { timeout_ms: LOST_MS - 1000 }),
    ]);
    change({ status, cameras: cameras.cameras, rate_per_min: rate(Date.now()), connected: true, heard_ms: Date.now() });
    const from = shiftStart(status.shifts, new Date()).getTime();
    if (from !== line.get().shift_from_ms) void recount();
  } catch (error) {
    if (error instanceof Refusal && error.status === 401) await renewSession().catch(() => undefined);
  }
  if (Date.now() - line.get().heard_ms > LOST_MS || (stream && !openStream && Date.now() - line.get().heard_ms > POLL_MS))
    change({ connected: false });
}

/* From the record, which knows what this browser slept through. */
async function recount(): Promise<void> {
  const from = shiftStart(line.get().status?.shifts ?? null, new Date()).getTime();
  const through = Math.max(line.get().strip[0]?.sequence ?? 0, line.get().status?.sequence ?? 0);
  try {
    const sum = await get<Quality>(`quality${query({ from_us: from * 1000 })}`);
    counted = Math.max(counted, through);
    change({ shift: sum.total, shift_from_ms: from });
  } catch {
    // without a record the counts since start are shown
    change({ shift_from_ms: from });
  }
}

async function fillStrip(): Promise<void> {
  try {
    const page = await get<{ parts: PartLine[] }>(`parts?limit=${STRIP}`);
    const seen = page.parts.map((part) => ({ ...part, at_ms: Date.parse(part.time) }));
    const oldest = times.length ? times[0] : Date.now();
    times = [...seen.map((part) => part.at_ms).filter((at) => at < oldest).reverse(), ...times];
    change({ strip: merge(line.get().strip, seen), rate_per_min: rate(Date.now()) });
  } catch {
    // no record: the strip fills as parts come
  }
}

function connect(): void {
  stream = new EventSource("/api/v1/events");
  stream.onopen = () => {
    openStream = true;
    heard();
    void fillStrip();
  };
  stream.onerror = () => {
    openStream = false;
    // closed for good, as when the session ended: try again from the start
    if (stream?.readyState === EventSource.CLOSED) {
      stream.close();
      timers.push(window.setTimeout(connect, 2000));
    }
  };
  stream.addEventListener("verdict", onVerdict as EventListener);
  for (const kind of ["camera", "not_ready", "recipe", "output", "output_up", "record"]) stream.addEventListener(kind, () => void poll());
  stream.addEventListener("lost", () => void recount());
}

export function startLine(): void {
  stopLine();
  change({ heard_ms: Date.now(), connected: true });
  void poll();
  connect();
  timers.push(window.setInterval(() => void poll(), POLL_MS), window.setInterval(() => void recount(), 60000));
}

/** No more questions; what was told stays shown. */
export function pauseLine(): void {
  stream?.close();
  stream = null;
  openStream = false;
  for (const timer of timers) clearTimeout(timer), clearInterval(timer);
  timers = [];
}

export function stopLine(): void {
  pauseLine();
  waiting = [];
  times = [];
  counted = 0;
  change({ status: null, cameras: [], strip: [], shift: null, shift_from_ms: 0, rate_per_min: null });
}

/** Latency that `share` of the judged parts did not exceed, as the bound of its bucket. */
export function latencyOf(status: Status, share: number): number {
  const all = status.latency.counts.reduce((sum, n) => sum + n, 0);
  let sum = 0;
  for (let i = 0; all && i < status.latency.bounds_us.length; i++) {
    sum += status.latency.counts[i];
    if (sum >= share * all) return Math.min(status.latency.bounds_us[i], status.latency.max_us);
  }
  return status.latency.max_us;
}
