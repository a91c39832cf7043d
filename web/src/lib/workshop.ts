// SPDX-License-Identifier: Apache-2.0
// The station's workshop and tray, as src/station/http/schema.c has them, watched while something is under way.
import { useEffect, useState } from "preact/hooks";
import { type PartLine, type Verdict, ask, get, post } from "./api";
import { store, useStore } from "./store";

export type Judgement = "good" | "bad" | "unsure";

export interface Workshop {
  phase: "idle" | "running" | "ready" | "failed";
  job: "teach" | "learn" | "revert" | "collect";
  recipe: string;
  author: string;
  stage: string;
  done: number;
  total: number;
  text: string;
  goods?: number;
  defects?: number;
  vectors?: number;
  suspects?: number;
  unreadable?: number;
  overkill_stated?: number;
  parts_for_wanted?: number;
  threshold_before?: number;
  threshold_after?: number;
  tried?: number;
  untried?: number;
  to_pass?: number;
  to_fail?: number;
  labelled_good?: number;
  overkill_before?: number;
  overkill_after?: number;
  labelled_bad?: number;
  escapes_before?: number;
  escapes_after?: number;
}
export interface TrayPicture {
  number: number;
  measured: boolean;
  novel: boolean;
  score: number;
  threshold: number;
}
export interface Tray {
  count: number;
  capacity: number;
  novel_in_last_ten: number;
  pictures: TrayPicture[];
}
export interface Flip {
  sequence: number;
  before: Verdict;
  after: Verdict;
  score_before: number;
  score_after: number;
  threshold: number;
  judgement: Judgement | null;
}
export interface Mark {
  view: number;
  box?: number[];
  radius?: number;
  stroke?: number[];
}
export interface Review {
  id: number;
  sequence: number;
  time: string;
  reviewer: string;
  judgement: Judgement;
  withdrawn: boolean;
  kind: string;
  note: string;
  marks: Mark[];
}
export interface Queued extends PartLine {
  worth: "disputed" | "near" | "unlike";
  nearness: number | null;
}
export interface ReviewSummary {
  parts: number;
  good: number;
  bad: number;
  unsure: number;
  overkill: number;
  escapes: number;
  disputed: number;
  agreement: {
    first: string;
    second: string;
    both_good: number;
    both_bad: number;
    only_first_bad: number;
    only_second_bad: number;
    kappa: number | null;
  }[];
}
export interface Step {
  number: number;
  kind: string;
  time: string;
  author: string;
  content: string;
  goods: number;
  defects: number;
  kept: boolean;
}
export interface Lineage {
  content: string;
  kept_goods: number;
  kept_defects: number;
  steps: Step[];
}

export const workshop = store<Workshop | null>(null);
export const tray = store<Tray | null>(null);

const FAST_MS = 400;
const SLOW_MS = 3000;

async function look(): Promise<void> {
  const [state, pictures] = await Promise.all([get<Workshop>("workshop"), get<Tray>("tray")]);
  workshop.set(state);
  tray.set(pictures);
}

/** Both, kept fresh while a page shows them; quickly while something moves. */
export function useWorkshop(): { state: Workshop | null; tray: Tray | null; lost: boolean } {
  const [lost, setLost] = useState(false);
  const state = useStore(workshop);
  const pictures = useStore(tray);
  useEffect(() => {
    let stop = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const round = async () => {
      try {
        await look();
        if (!stop) setLost(false);
      } catch {
        if (!stop) setLost(true);
      }
      const moving = workshop.get()?.phase === "running" || tray.get()?.pictures.some((one) => !one.measured);
      if (!stop) timer = setTimeout(() => void round(), moving ? FAST_MS : SLOW_MS);
    };
    void round();
    return () => {
      stop = true;
      clearTimeout(timer);
    };
  }, []);
  return { state, tray: pictures, lost };
}

/** A word to the workshop; what it answers is what is shown. */
export async function tell(path: string, json: unknown = {}): Promise<void> {
  workshop.set(await post<Workshop>(path, json));
  await look();
}

export async function addToTray(file: Blob): Promise<void> {
  tray.set((await (await ask("tray", { method: "POST", bytes: file, timeout_ms: 60000 })).json()) as Tray);
}

export async function removeFromTray(number?: number): Promise<void> {
  const path = number === undefined ? "tray" : `tray/${number}`;
  tray.set((await (await ask(path, { method: "DELETE" })).json()) as Tray);
}
