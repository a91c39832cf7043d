// SPDX-License-Identifier: Apache-2.0
// All parts on record, newest first; the station searches and pages, this page keeps what it has seen.
import { useEffect, useRef, useState } from "preact/hooks";
import { type PartLine, type Recipe, type Verdict, get, query } from "../lib/api";
import { count, decimal, milliseconds, moment } from "../lib/format";
import { line } from "../lib/line";
import { go, place, requery } from "../lib/route";
import { useStore } from "../lib/store";
import { t } from "../text";
import { Button, Choice, Field, LinkButton, Notice, VerdictTag, errorText, useAsk, useKeys } from "../ui/bits";
import { VirtualTable } from "../ui/list";

const PAGE = 100;
const names = ["code", "verdict", "from", "to", "recipe", "score_least", "score_most", "challenge"] as const;
type Wanted = Partial<Record<(typeof names)[number], string>>;

function read(from: URLSearchParams): Wanted {
  const wanted: Wanted = {};
  for (const name of names) {
    const value = from.get(name);
    if (value) wanted[name] = value;
  }
  return wanted;
}

function micros(local: string | undefined): number | undefined {
  const at = local ? new Date(local).getTime() : NaN;
  return Number.isFinite(at) && at > 0 ? at * 1000 : undefined;
}

/** What the station is asked for. */
export function filterOf(wanted: Wanted) {
  return {
    code_begin: wanted.code?.trim(),
    verdict: wanted.verdict,
    from_us: micros(wanted.from),
    to_us: micros(wanted.to),
    recipe: wanted.recipe,
    score_least: wanted.score_least,
    score_most: wanted.score_most,
    challenge: wanted.challenge,
  };
}

interface Found {
  rows: PartLine[];
  next: number | null;
  busy: boolean;
  error: string | null;
}
const nothing: Found = { rows: [], next: null, busy: true, error: null };

/** The list as last seen, so that coming back from a part finds it in its place. */
let kept: { key: string; found: Found; chosen: number } | null = null;

export function neighbours(sequence: number): { newer?: number; older?: number } {
  const rows = kept?.found.rows ?? [];
  const at = rows.findIndex((row) => row.sequence === sequence);
  return at < 0 ? { newer: sequence + 1, older: sequence - 1 } : { newer: rows[at - 1]?.sequence, older: rows[at + 1]?.sequence };
}

/* The record tells it in English; the usual form is said in the reader's language. */
function reasonOf(row: PartLine): string {
  const usual = /^(.*): score [\d.]+ above [\d.]+, worst at (\d+),(\d+) px$/.exec(row.reason);
  return usual ? t("parts.worst_at", { camera: usual[1], x: usual[2], y: usual[3] }) : row.reason;
}

/* What is being typed stays as it is until it is taken over, whatever else is drawn meanwhile. */
function Typed(props: {
  value: string;
  onTake: (value: string) => void;
  wait_ms: number;
  type: string;
  label?: string;
  min?: string;
  step?: string;
  class?: string;
  box?: { current: HTMLInputElement | null };
}) {
  const [text, setText] = useState(props.value);
  const timer = useRef(0);
  useEffect(() => setText(props.value), [props.value]);
  const type = (value: string) => {
    setText(value);
    clearTimeout(timer.current);
    timer.current = window.setTimeout(() => props.onTake(value), props.wait_ms);
  };
  return (
    <input
      ref={props.box}
      class={props.class}
      type={props.type}
      min={props.min}
      step={props.step}
      aria-label={props.label}
      placeholder={props.label}
      value={text}
      onInput={(event) => type(event.currentTarget.value)}
    />
  );
}

/* On its own, so that the list is not drawn anew with every part. */
function Newer({ than, onShow }: { than: number; onShow: () => void }) {
  const newest = useStore(line).status?.sequence ?? 0;
  if (!than || newest <= than) return null;
  return <Button label={t("parts.newer", { n: count(newest - than) })} icon="up" onClick={onShow} />;
}

export function Parts() {
  const at = useStore(place);
  const wanted = read(at.query);
  const key = JSON.stringify(wanted);
  const [found, setFound] = useState<Found>(kept?.key === key ? kept.found : nothing);
  const [chosen, setChosen] = useState(kept?.key === key ? kept.chosen : -1);
  const [open, setOpen] = useState(Object.keys(wanted).some((name) => name !== "code" && name !== "verdict"));
  const recipes = useAsk("recipes", (signal) => get<{ recipes: Recipe[] }>("recipes", { signal }));
  const turn = useRef(0);
  const search = useRef<HTMLInputElement>(null);
  const shown = useRef(found);
  shown.current = found;

  const load = async (cursor: number | null) => {
    const mine = ++turn.current;
    setFound((old) => (cursor ? { ...old, busy: true } : { ...nothing }));
    try {
      const page = await get<{ parts: PartLine[]; next: number | null }>(
        `parts${query({ ...filterOf(wanted), limit: PAGE, cursor: cursor ?? undefined })}`,
      );
      if (mine !== turn.current) return;
      setFound((old) => ({
        rows: cursor ? [...old.rows, ...page.parts] : page.parts,
        next: page.next,
        busy: false,
        error: null,
      }));
    } catch (error) {
      if (mine === turn.current) setFound((old) => ({ ...old, busy: false, next: null, error: errorText(error) }));
    }
  };
  const first = useRef(true);
  useEffect(() => {
    const back = first.current && kept?.key === key && !kept.found.busy;
    first.current = false;
    if (!back) {
      setChosen(-1);
      void load(null);
    }
  }, [key]);
  useEffect(() => {
    kept = { key, found: shown.current, chosen };
  });

  const set = (change: Wanted) => {
    const values = new URLSearchParams();
    for (const [name, value] of Object.entries({ ...wanted, ...change })) if (value) values.set(name, value);
    requery(values);
  };
  const openRow = (row: PartLine | undefined) => row && go(`/parts/${row.sequence}`);
  useKeys({
    "/": () => search.current?.focus(),
    j: () => setChosen(Math.min(found.rows.length - 1, chosen + 1)),
    k: () => setChosen(Math.max(0, chosen - 1)),
    Enter: () => openRow(found.rows[chosen]),
  });
  const verdict = (wanted.verdict ?? "") as Verdict | "" | "FAIL,FAULT";

  return (
    <div class="parts-page">
      <div class="row">
        <h1>{t("page.parts")}</h1>
        <Typed
          box={search}
          class="search"
          type="search"
          label={t("parts.search")}
          value={wanted.code ?? ""}
          wait_ms={250}
          onTake={(code) => set({ code })}
        />
        <Choice
          label={t("parts.verdict")}
          value={verdict}
          onChange={(value) => set({ verdict: value })}
          options={[
            { value: "", label: t("parts.all") },
            { value: "PASS", label: t("verdict.PASS") },
            { value: "FAIL", label: t("verdict.FAIL") },
            { value: "FAULT", label: t("verdict.FAULT") },
          ]}
        />
        <Button label={t("parts.more")} icon="settings" pressed={open} onClick={() => setOpen(!open)} />
        <LinkButton
          to={`/api/v1/export/parts.csv${query(filterOf(wanted))}`}
          label={t("act.csv")}
          icon="save"
          download
        />
      </div>
      {open && (
        <div class="fields">
          <Field label={t("parts.from")}>
            <Typed type="datetime-local" value={wanted.from ?? ""} wait_ms={800} onTake={(from) => set({ from })} />
          </Field>
          <Field label={t("parts.to")}>
            <Typed type="datetime-local" value={wanted.to ?? ""} wait_ms={800} onTake={(to) => set({ to })} />
          </Field>
          <Field label={t("parts.recipe")}>
            <select value={wanted.recipe ?? ""} onChange={(event) => set({ recipe: event.currentTarget.value })}>
              <option value="">{t("parts.all")}</option>
              {recipes.value?.recipes.map((recipe) => (
                <option key={recipe.number} value={recipe.name}>
                  {recipe.name}
                </option>
              ))}
            </select>
          </Field>
          <Field label={t("parts.score_least")}>
            <Typed type="number" min="0" step="any" value={wanted.score_least ?? ""} wait_ms={500} onTake={(score_least) => set({ score_least })} />
          </Field>
          <Field label={t("parts.score_most")}>
            <Typed type="number" min="0" step="any" value={wanted.score_most ?? ""} wait_ms={500} onTake={(score_most) => set({ score_most })} />
          </Field>
          <Button
            label={t("parts.challenge")}
            pressed={wanted.challenge === "1"}
            onClick={() => set({ challenge: wanted.challenge ? "" : "1" })}
          />
          <Button label={t("parts.clear")} onClick={() => requery(new URLSearchParams())} />
        </div>
      )}
      {found.error && <Notice kind="bad">{found.error}</Notice>}
      <VirtualTable
        label={t("page.parts")}
        heads={[t("parts.number"), t("parts.verdict"), t("parts.time"), t("parts.code"), t("parts.score"), t("parts.latency"), t("parts.why")]}
        rows={found.rows}
        row_px={56}
        chosen={chosen}
        more={found.next !== null && !found.busy}
        onMore={() => void load(found.next)}
        keyOf={(row) => row.sequence}
        rowClass={(_, i) => (i === chosen ? "chosen" : "")}
        onOpen={openRow}
        draw={(row) => (
          <>
            <span role="cell" class="number">
              <a href={`#/parts/${row.sequence}`}>{count(row.sequence)}</a>
            </span>
            <span role="cell">
              <VerdictTag verdict={row.verdict} fault={row.fault} />
            </span>
            <span role="cell" class="number">
              {moment(new Date(row.time))}
            </span>
            <span role="cell" class="code">
              {row.code}
              {row.challenge && <em>{t("parts.challenge")}</em>}
            </span>
            <span role="cell" class="number">
              {row.verdict === "FAULT" ? "–" : `${decimal(row.score)} / ${decimal(row.threshold)}`}
            </span>
            <span role="cell" class="number">
              {milliseconds(row.latency_us)}
            </span>
            <span role="cell" class="reason">
              {reasonOf(row)}
            </span>
          </>
        )}
      />
      <div class="row foot">
        <p class="quiet" role="status">
        {found.busy
          ? t("act.wait")
          : found.rows.length
            ? t(found.next === null ? "parts.shown_all" : "parts.shown", { n: count(found.rows.length) })
            : t("parts.none")}
        </p>
        <span class="gap" />
        {!Object.keys(wanted).length && <Newer than={found.rows[0]?.sequence ?? 0} onShow={() => void load(null)} />}
      </div>
    </div>
  );
}
