// SPDX-License-Identifier: Apache-2.0
// How the line does over time, and what another threshold would have done. All sums are the station's; nothing is sampled.
import { useEffect, useState } from "preact/hooks";
import type uPlot from "uplot";
import { type Quality as Sum, type Recipe, get, query } from "../lib/api";
import { clockShort, count, day, decimal, percent } from "../lib/format";
import { line, shiftStart } from "../lib/line";
import { place, requery } from "../lib/route";
import { type Group, type Rule, centre, chart } from "../lib/rules";
import { useStore } from "../lib/store";
import { rejectedFrom } from "../lib/sums";
import { type Key, t } from "../text";
import { Choice, Field, LinkButton, Notice, Tile, faultWord, useAsk } from "../ui/bits";
import { Chart, axis, token } from "../ui/chart";

type Period = "shift" | "day" | "week" | "month";
const periods: { value: Period; steps: number; hours: number }[] = [
  { value: "shift", steps: 32, hours: 8 },
  { value: "day", steps: 48, hours: 24 },
  { value: "week", steps: 84, hours: 168 },
  { value: "month", steps: 60, hours: 720 },
];

export function Quality() {
  const at = useStore(place);
  const shifts = useStore(line).status?.shifts ?? null;
  const period = periods.find((one) => one.value === at.query.get("period")) ?? periods[0];
  const recipe = at.query.get("recipe") ?? "";
  const recipes = useAsk("recipes", (signal) => get<{ recipes: Recipe[] }>("recipes", { signal }));
  const set = (change: Record<string, string>) => {
    const values = new URLSearchParams(at.query);
    for (const [name, value] of Object.entries(change)) if (value) values.set(name, value);
      else values.delete(name);
    requery(values);
  };
  const sum = useAsk(`${period.value} ${recipe} ${shifts}`, (signal) => {
    const now = Date.now();
    const from = period.value === "shift" ? shiftStart(shifts, new Date(now)).getTime() : now - period.hours * 3600000;
    return get<Sum>(`quality${query({ from_us: from * 1000, to_us: (now + 1000) * 1000, steps: period.steps, recipe })}`, { signal });
  });
  const value = sum.value;
  useEffect(() => {
    const timer = setInterval(() => document.hidden || sum.again(), 60000);
    return () => clearInterval(timer);
  }, []);
  return (
    <div class="quality-page">
      <div class="row">
        <h1>{t("page.quality")}</h1>
        <Choice
          label={t("quality.period")}
          value={period.value}
          onChange={(next) => set({ period: next })}
          options={periods.map((one) => ({ value: one.value, label: t(`quality.${one.value}` as Key) }))}
        />
        <Field label={t("parts.recipe")}>
          <select value={recipe} onChange={(event) => set({ recipe: event.currentTarget.value })}>
            <option value="">{t("parts.all")}</option>
            {recipes.value?.recipes.map((one) => (
              <option key={one.number} value={one.name}>
                {one.name}
              </option>
            ))}
          </select>
        </Field>
        <span class="gap" />
        {value && (
          <LinkButton
            to={`/api/v1/export/parts.csv${query({ from_us: value.from_us, to_us: value.to_us, recipe })}`}
            label={t("act.csv")}
            icon="save"
            download
          />
        )}
      </div>
      {sum.error && <Notice kind="bad">{sum.error}</Notice>}
      {value && <Body sum={value} recipe={recipe} />}
      {!value && sum.busy && <p class="quiet">{t("act.wait")}</p>}
    </div>
  );
}

function Body({ sum, recipe }: { sum: Sum; recipe: string }) {
  const { pass, fail, fault } = sum.total;
  const all = pass + fail + fault;
  if (!all) return <p class="empty">{t("quality.none")}</p>;
  return (
    <>
      <dl class="tiles">
        <Tile label={t("quality.yield")} value={percent(pass / all, 2)} note={t("quality.yield_note")} />
        <Tile label={t("quality.parts")} value={count(all)} />
        <Tile label={t("verdict.FAIL")} value={count(fail)} note={percent(fail / all, 2)} kind="FAIL" />
        <Tile label={t("verdict.FAULT")} value={count(fault)} note={percent(fault / all, 2)} kind="FAULT" />
        <Tile
          label={t("quality.challenge")}
          value={sum.challenge ? t("live.of", { n: count(sum.challenge_caught), all: count(sum.challenge) }) : "–"}
          note={t("quality.challenge_note")}
        />
      </dl>
      <ControlChart sum={sum} />
      <div class="two">
        <Pareto sum={sum} />
        <Places sum={sum} />
      </div>
      <Scores sum={sum} recipe={recipe} />
    </>
  );
}

const ruleWord = (rule: Rule) => t(`rule.${rule}` as Key);

function ControlChart({ sum }: { sum: Sum }) {
  const length_s = (sum.to_us - sum.from_us) / sum.steps.length / 1e6;
  const at = sum.steps.map((_, i) => sum.from_us / 1e6 + (i + 0.5) * length_s);
  const groups: Group[] = sum.steps.map((step) => ({ n: step.pass + step.fail, bad: step.fail }));
  const points = chart(groups);
  const mean = centre(groups);
  const when = (i: number) => {
    const time = new Date(at[i] * 1000);
    return length_s * sum.steps.length > 100000 ? `${day(time)} ${clockShort(time)}` : clockShort(time);
  };
  const broken = points.map((point, i) => ({ i, rules: point.broken })).filter((one) => one.rules.length);
  const series = (pick: (i: number) => number | null) => points.map((point, i) => (point.p === null ? null : pick(i)));
  const data: uPlot.AlignedData = [
    at,
    series((i) => points[i].p),
    series(() => mean),
    series((i) => points[i].high),
    series((i) => points[i].low),
    points.map((point) => (point.broken.length ? point.p : null)),
  ];
  return (
    <section class="panel">
      <h2>{t("quality.chart")}</h2>
      <p class="quiet">{t("quality.chart_note", { mean: percent(mean, 2) })}</p>
      <Chart
        label={t("quality.chart_label", { mean: percent(mean, 2), n: broken.length })}
        height={210}
        data={data}
        watch={[sum]}
        options={() => ({
          padding: [12, 16, 0, 0],
          cursor: { drag: { x: false, y: false } },
          scales: { y: { range: (_, __, high) => [0, Math.max(high * 1.1, 0.01)] } },
          axes: [
            axis({ values: (_, ticks) => ticks.map((tick) => when2(tick, length_s * sum.steps.length)) }),
            axis({ size: 64, values: (_, ticks) => ticks.map((tick) => percent(tick, tick && tick < 0.02 ? 1 : 0)) }),
          ],
          series: [
            {},
            { stroke: token("data"), width: 2, points: { show: true, size: 6, fill: token("data") } },
            { stroke: token("ink-2"), width: 1.5, points: { show: false } },
            { stroke: token("bad"), width: 1.5, dash: [8, 5], points: { show: false } },
            { stroke: token("bad"), width: 1.5, dash: [8, 5], points: { show: false } },
            { stroke: token("bad"), width: 0, points: { show: true, size: 13, stroke: token("bad"), fill: token("panel"), width: 3 } },
          ],
        })}
      />
      {broken.length ? (
        <ul class="broken">
          {broken.slice(-6).map((one) => (
            <li key={one.i}>
              <b>{when(one.i)}</b> {one.rules.map(ruleWord).join(" · ")}
            </li>
          ))}
        </ul>
      ) : (
        <p class="quiet">{t("quality.in_control")}</p>
      )}
      <details>
        <summary>{t("quality.rules")}</summary>
        <ul>
          {(["we1", "we2", "we3", "we4", "trend"] as Rule[]).map((rule) => (
            <li key={rule}>{ruleWord(rule)}</li>
          ))}
        </ul>
        <p class="quiet">{t("quality.rules_note")}</p>
      </details>
    </section>
  );
}

function when2(seconds: number, span_s: number): string {
  const time = new Date(seconds * 1000);
  return span_s > 200000 ? day(time) : clockShort(time);
}

const rows9: Key[] = ["place.0", "place.1", "place.2", "place.3", "place.4", "place.5", "place.6", "place.7", "place.8"];

/* The record has no kinds of defect: where the worst region lies, and why there was no verdict. */
function Pareto({ sum }: { sum: Sum }) {
  const bars: { name: string; n: number; kind: "FAIL" | "FAULT" }[] = [];
  let placed = 0;
  for (const one of sum.places) {
    const ninth = new Array<number>(9).fill(0);
    one.cells.forEach((n, i) => {
      const x = Math.floor(((i % sum.grid_width) * 3) / sum.grid_width);
      const y = Math.floor((Math.floor(i / sum.grid_width) * 3) / sum.grid_height);
      ninth[y * 3 + x] += n;
    });
    ninth.forEach((n, i) => n && bars.push({ name: `${one.camera} · ${t(rows9[i])}`, n, kind: "FAIL" }));
    placed += ninth.reduce((a, b) => a + b, 0);
  }
  if (sum.total.fail > placed) bars.push({ name: t("quality.elsewhere"), n: sum.total.fail - placed, kind: "FAIL" });
  for (const [fault, n] of Object.entries(sum.by_fault)) bars.push({ name: faultWord(fault), n, kind: "FAULT" });
  bars.sort((a, b) => b.n - a.n);
  const all = bars.reduce((a, bar) => a + bar.n, 0);
  let run = 0;
  return (
    <section class="panel">
      <h2>{t("quality.pareto")}</h2>
      <p class="quiet">{t("quality.pareto_note")}</p>
      {!bars.length && <p class="empty">{t("quality.no_rejects")}</p>}
      <ol class="pareto">
        {bars.slice(0, 9).map((bar) => {
          run += bar.n;
          return (
            <li key={bar.name}>
              <span class="name">{bar.name}</span>
              <svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
                <rect class={bar.kind} width={(bar.n / bars[0].n) * 100} height="10" />
              </svg>
              <b>{count(bar.n)}</b>
              <span class="quiet">{percent(run / all, 0)}</span>
            </li>
          );
        })}
      </ol>
    </section>
  );
}

function Places({ sum }: { sum: Sum }) {
  const { cameras } = useStore(line);
  return (
    <section class="panel">
      <h2>{t("quality.where")}</h2>
      <p class="quiet">{t("quality.where_note")}</p>
      {!sum.places.length && <p class="empty">{t("quality.no_rejects")}</p>}
      <div class="places">
        {sum.places.map((one) => {
          const most = Math.max(...one.cells, 1);
          const live = cameras.some((camera) => camera.name === one.camera && camera.generation > 0);
          return (
            <figure key={one.camera}>
              <div class="ground">
                {live && <img src={`/api/v1/cameras/${encodeURIComponent(one.camera)}/frame`} alt="" />}
                <svg
                  viewBox={`0 0 ${sum.grid_width} ${sum.grid_height}`}
                  preserveAspectRatio="none"
                  role="img"
                  aria-label={t("quality.where_label", { camera: one.camera, n: one.cells.reduce((a, b) => a + b, 0) })}
                >
                  {one.cells.map(
                    (n, i) =>
                      n > 0 && (
                        <rect
                          key={i}
                          class="heat"
                          x={i % sum.grid_width}
                          y={Math.floor(i / sum.grid_width)}
                          width="1"
                          height="1"
                          fill-opacity={0.25 + 0.65 * (n / most)}
                        />
                      ),
                  )}
                </svg>
              </div>
              <figcaption>{one.camera}</figcaption>
            </figure>
          );
        })}
      </div>
    </section>
  );
}

function Scores({ sum, recipe }: { sum: Sum; recipe: string }) {
  const judged = sum.total.pass + sum.total.fail;
  const now = Math.round(sum.threshold / sum.bin);
  const [bin, setBin] = useState<number | null>(null);
  const chosen = Math.min(bin ?? now, sum.bins_pass.length - 1);
  const threshold = chosen * sum.bin;
  const last = sum.bins_pass.reduce((at, n, i) => (n + sum.bins_fail[i] ? i : at), 0);
  const most = Math.min(sum.bins_pass.length - 1, Math.max(last + 1, Math.ceil(now * 1.3)));
  const rejected = rejectedFrom(sum, chosen);
  const more = sum.bins_pass.slice(chosen).reduce((a, b) => a + b, 0);
  const fewer = sum.bins_fail.slice(0, chosen).reduce((a, b) => a + b, 0);
  const edges = Array.from({ length: most + 1 }, (_, i) => (i + 0.5) * sum.bin);
  const several = sum.threshold_most - sum.threshold_least > 0.01;
  return (
    <section class="panel">
      <h2>{t("quality.scores")}</h2>
      <p class="quiet">
        {t("quality.scores_note", { threshold: decimal(sum.threshold, 2) })} {several && t("quality.several")}
      </p>
      <Histogram sum={sum} edges={edges} most={most} threshold={sum.threshold} wish={threshold} />
      <div class="whatif">
        <Field label={t("quality.whatif")} wide>
          <input
            type="range"
            min="1"
            max={most}
            step="1"
            value={chosen}
            aria-valuetext={decimal(threshold, 2)}
            onInput={(event) => setBin(Number(event.currentTarget.value))}
          />
        </Field>
        <dl class="tiles">
          <Tile label={t("quality.at")} value={decimal(threshold, 2)} note={t("quality.now", { n: decimal(sum.threshold, 2) })} />
          <Tile
            label={t("quality.would_reject")}
            value={count(rejected)}
            note={t("quality.share", { share: percent(judged ? rejected / judged : null, 2), now: count(sum.total.fail) })}
          />
          <Tile label={t("quality.newly_fail")} value={count(more)} kind="FAIL" />
          <Tile label={t("quality.newly_pass")} value={count(fewer)} kind="PASS" />
        </dl>
        <div class="row">
          {more > 0 && (
            <LinkButton
              to={`#/parts${query({ verdict: "PASS", score_least: threshold, recipe, from: local(sum.from_us) })}`}
              label={t("quality.show_fail")}
            />
          )}
          {fewer > 0 && (
            <LinkButton
              to={`#/parts${query({ verdict: "FAIL", score_most: threshold, recipe, from: local(sum.from_us) })}`}
              label={t("quality.show_pass")}
            />
          )}
        </div>
        <p class="quiet">{t("quality.whatif_note")}</p>
      </div>
    </section>
  );
}

/* As a field of date and time has it. */
function local(us: number): string {
  const at = new Date(us / 1000);
  return new Date(at.getTime() - at.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
}

function Histogram(props: { sum: Sum; edges: number[]; most: number; threshold: number; wish: number }) {
  const { sum, edges, most } = props;
  // a square root keeps single bad parts visible beside thousands of good ones
  const high = Math.sqrt(Math.max(1, ...sum.bins_pass.map((n, i) => Math.max(n, sum.bins_fail[i]))));
  const width = 100 / edges.length;
  const x = (score: number) => (score / (edges.length * sum.bin)) * 100;
  const bar = (n: number, i: number, kind: string) =>
    n > 0 &&
    i <= most && (
      <rect key={`${kind}${i}`} class={kind} x={i * width} y={40 - (Math.sqrt(n) / high) * 38} width={width * 0.9} height={(Math.sqrt(n) / high) * 38} />
    );
  const ticks = Array.from({ length: 6 }, (_, i) => (i / 5) * edges.length * sum.bin);
  return (
    <div class="histogram">
      <svg viewBox="0 0 100 40" preserveAspectRatio="none" role="img" aria-label={t("quality.scores_label", { n: decimal(props.threshold, 2) })}>
        {sum.bins_pass.map((n, i) => bar(n, i, "PASS"))}
        {sum.bins_fail.map((n, i) => bar(n, i, "FAIL"))}
        <line class="now" x1={x(props.threshold)} x2={x(props.threshold)} y1="0" y2="40" />
        {props.wish !== props.threshold && <line class="wish" x1={x(props.wish)} x2={x(props.wish)} y1="0" y2="40" />}
      </svg>
      <div class="ticks" aria-hidden="true">
        {ticks.map((tick) => (
          <span key={tick}>{decimal(tick, 0)}</span>
        ))}
      </div>
      <p class="legend">
        <span>
          <i class="PASS" /> {t("verdict.PASS")}
        </span>
        <span>
          <i class="FAIL" /> {t("verdict.FAIL")}
        </span>
        <span>
          <i class="now" /> {t("quality.threshold_now")}
        </span>
        <span>
          <i class="wish" /> {t("quality.threshold_wish")}
        </span>
        <span class="quiet">{t("quality.root")}</span>
      </p>
    </div>
  );
}
