// SPDX-License-Identifier: Apache-2.0
// One part: what was seen, what was found, why, and the proof.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { type Part, type Replayed, type View, get, post } from "../lib/api";
import { count, decimal, milliseconds, moment, percent } from "../lib/format";
import { go } from "../lib/route";
import { t } from "../text";
import { Button, LinkButton, Notice, VerdictTag, errorText, faultWord, useAsk, useKeys, verdictWord } from "../ui/bits";
import { Shape } from "../ui/icons";
import { type Mode, ModeChoice, Picture, modes } from "../ui/picture";
import { neighbours } from "./parts";

export function PartPage({ args }: { args: string[] }) {
  return <OnePart key={args[0]} name={args[0]} />;
}

function OnePart({ name }: { name: string }) {
  const sequence = /^\d{1,15}$/.test(name) ? Number(name) : 0;
  const part = useAsk(`part ${name}`, (signal) => get<Part>(`parts/${encodeURIComponent(name)}`, { signal }));
  const [mode, setMode] = useState<Mode>("regions");
  const replay = useReplay(name);
  const { newer, older } = neighbours(sequence);
  const jump = (to: number | undefined) => to && to > 0 && go(`/parts/${to}`);
  useKeys({
    m: () => setMode(modes[(modes.indexOf(mode) + 1) % modes.length]),
    r: replay.run,
    c: () => go(`/parts/${name}/certificate`),
    j: () => jump(older),
    k: () => jump(newer),
    Escape: () => go("/parts"),
  });
  return (
    <div class="part-page">
      <div class="row">
        <Button bare icon="parts" label={t("part.back")} onClick={() => go("/parts")} />
        <h1>{t("part.title", { n: count(sequence) })}</h1>
        {part.value && <VerdictTag verdict={part.value.verdict} fault={part.value.fault} />}
        <span class="gap" />
        <ModeChoice mode={mode} onChange={setMode} />
        <Button bare icon="up" label={t("part.newer")} disabled={!newer} onClick={() => jump(newer)} />
        <Button bare icon="down" label={t("part.older")} disabled={!older || older < 1} onClick={() => jump(older)} />
      </div>
      {part.error && <Notice kind="bad">{part.error}</Notice>}
      {part.value && <Body part={part.value} mode={mode} replay={replay} />}
    </div>
  );
}

export interface Replay {
  done: Replayed | null;
  error: string | null;
  busy: boolean;
  run: () => void;
}

export function useReplay(name: string): Replay {
  const [state, setState] = useState<{ done: Replayed | null; error: string | null; busy: boolean }>({
    done: null,
    error: null,
    busy: false,
  });
  const run = () => {
    setState({ done: null, error: null, busy: true });
    post<Replayed>(`parts/${encodeURIComponent(name)}/replay`, {}, { timeout_ms: 60000 }).then(
      (done) => setState({ done, error: null, busy: false }),
      (error: unknown) => setState({ done: null, error: errorText(error), busy: false }),
    );
  };
  return { ...state, run };
}

export function ReplayResult({ replay }: { replay: Replay }) {
  if (replay.busy) return <Notice kind="plain">{t("part.replaying")}</Notice>;
  if (replay.error) return <Notice kind="bad">{replay.error}</Notice>;
  if (!replay.done) return null;
  const outcome = replay.done.outcome;
  return (
    <Notice kind={outcome === "identical" ? "good" : outcome === "different" ? "bad" : "odd"}>
      <Shape verdict={outcome === "identical" ? "PASS" : outcome === "different" ? "FAIL" : "FAULT"} size={22} />
      <b>{t(`replay.${outcome}` as "replay.identical")}</b>
      {outcome !== "identical" && <span>{replay.done.text}</span>}
    </Notice>
  );
}

/** Why, in the reader's language, from what is on record. */
export function whyOf(part: Part): string {
  if (part.fault) return faultWord(part.fault);
  const view = part.views.find((at) => at.judged && at.verdict === part.verdict && at.score === part.score) ?? part.views[0];
  const words = { camera: view?.camera ?? "", score: decimal(part.score, 2), threshold: decimal(part.threshold, 2) };
  if (part.verdict === "PASS") return t("why.pass", words);
  const worst = view?.regions[0];
  if (!worst) return t("why.fail", words);
  return t("why.fail_at", { ...words, x: worst.peak_x, y: worst.peak_y, n: view.regions_total });
}

export function pictureOf(part: Part, index: number, map: boolean): string | null {
  const view = part.views[index];
  if (view.image !== "kept" || (map && !view.judged)) return null;
  return `/api/v1/parts/${part.sequence}/views/${index}/${map ? "heatmap" : "picture"}`;
}

function Body({ part, mode, replay }: { part: Part; mode: Mode; replay: Replay }) {
  return (
    <div class="part">
      <div class={`views n${Math.min(part.views.length, 4)}`}>
        {part.views.map((view, i) => (
          <OneView key={i} part={part} view={view} index={i} mode={mode} />
        ))}
      </div>
      <aside>
        <section class={`reason ${part.verdict}`}>
          <Shape verdict={part.verdict} size={44} />
          <div>
            <b>{verdictWord(part.verdict)}</b>
            <p>{whyOf(part)}</p>
          </div>
        </section>
        <div class="row">
          <Button label={t("part.replay")} icon="replay" kind="main" onClick={replay.run} disabled={replay.busy} />
          <LinkButton to={`#/parts/${part.sequence}/certificate`} label={t("part.certificate")} icon="print" />
        </div>
        <ReplayResult replay={replay} />
        <Facts part={part} />
        <Regions part={part} />
        <Chain part={part} />
      </aside>
    </div>
  );
}

function OneView(props: { part: Part; view: View; index: number; mode: Mode }) {
  const { part, view, index, mode } = props;
  const src = pictureOf(part, index, mode === "map");
  return (
    <figure class="view">
      <Picture
        src={src}
        alt={t("part.view", { camera: view.camera, n: part.sequence })}
        width_px={view.width_px || 4}
        height_px={view.height_px || 3}
        regions={mode === "regions" || (mode === "map" && !src) ? view.regions : undefined}
        verdict={view.verdict}
      >
        {!src && <div class="cover plain">{t(view.image === "kept" ? "part.not_judged" : "part.no_picture")}</div>}
      </Picture>
      <figcaption>
        <b>{view.camera}</b>
        <span>
          {view.width_px} × {view.height_px}
        </span>
        <VerdictTag verdict={view.verdict} fault={view.fault} />
      </figcaption>
    </figure>
  );
}

export function Rows({ rows }: { rows: [string, ComponentChildren][] }) {
  return (
    <dl class="facts">
      {rows.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function Facts({ part }: { part: Part }) {
  return (
    <section>
      <h2>{t("part.facts")}</h2>
      <Rows
        rows={[
          [t("parts.code"), part.code_generated ? t("part.generated", { code: part.code }) : part.code],
          [t("parts.time"), moment(new Date(part.time))],
          [t("parts.score"), part.fault ? "–" : `${decimal(part.score, 2)} / ${decimal(part.threshold, 2)}`],
          [t("part.p_value"), part.fault ? "–" : percent(part.p_value, 1)],
          [t("parts.recipe"), part.recipe || "–"],
          [t("part.trigger"), t(`trigger.${part.trigger}` as "trigger.free")],
          [t("part.latency"), t("part.latency_of", { n: milliseconds(part.latency_us), most: milliseconds(part.deadline_us) })],
          [t("part.operator"), part.operator ?? "–"],
        ]}
      />
    </section>
  );
}

function Regions({ part }: { part: Part }) {
  const all = part.views.flatMap((view) => view.regions.map((region) => ({ view, region })));
  if (!all.length) return null;
  return (
    <section>
      <h2>{t("part.regions")}</h2>
      <table class="plain">
        <thead>
          <tr>
            <th>{t("part.camera")}</th>
            <th>{t("part.place")}</th>
            <th>{t("part.size")}</th>
            <th>{t("part.peak")}</th>
          </tr>
        </thead>
        <tbody>
          {all.slice(0, 8).map(({ view, region }, i) => (
            <tr key={i}>
              <td>{view.camera}</td>
              <td>
                {region.peak_x}, {region.peak_y}
              </td>
              <td>
                {region.width} × {region.height}
              </td>
              <td>{decimal(region.peak, 2)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Chain({ part }: { part: Part }) {
  return (
    <section>
      <h2>{t("part.chain")}</h2>
      <Rows
        rows={[
          [t("part.link"), count(part.link)],
          [t("part.hash"), <code key="h">{part.hash}</code>],
          [t("part.hash_before"), <code key="b">{part.hash_before}</code>],
          [
            t("part.signed"),
            part.signed ? t("part.signed_at", { n: count(part.signed.link), time: moment(new Date(part.signed.time)) }) : t("part.unsigned"),
          ],
          ...part.views.map((view): [string, ComponentChildren] => [
            t("part.recipe_hash", { camera: view.camera }),
            <code key={view.camera}>{view.recipe_hash}</code>,
          ]),
        ]}
      />
    </section>
  );
}
