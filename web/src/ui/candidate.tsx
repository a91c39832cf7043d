// SPDX-License-Identifier: Apache-2.0
// What the workshop is doing, and what its candidate would change, before anybody lets it judge.
import { useState } from "preact/hooks";
import { get, may } from "../lib/api";
import { count, decimal, percent } from "../lib/format";
import { type Flip, type Workshop, tell } from "../lib/workshop";
import { t } from "../text";
import { Button, Notice, Tile, VerdictTag, errorText, useAsk } from "./bits";

const JOBS = ["teach", "learn", "revert"];

export function Candidate({ state, onActive }: { state: Workshop | null; onActive?: () => void }) {
  const [error, setError] = useState<string | null>(null);
  const [done, setDone] = useState(false);
  if (!state) return null;
  const say = (path: string, then?: () => void) =>
    tell(path).then(
      () => (setError(null), then?.()),
      (refused: unknown) => setError(errorText(refused)),
    );
  return (
    <section class="panel candidate" aria-live="polite">
      {state.phase === "idle" && <p class="quiet">{t(done ? "candidate.active" : "candidate.none")}</p>}
      {state.phase === "failed" && <Notice kind="bad">{state.text}</Notice>}
      {state.phase === "running" && <Progress state={state} onCancel={() => void say("workshop/cancel")} />}
      {state.phase === "ready" && JOBS.includes(state.job) && (
        <>
          <h2>{t(`candidate.${state.job}` as "candidate.teach", { recipe: state.recipe })}</h2>
          <Outcome state={state} />
          <Flips />
          {may("engineer") && (
            <div class="row">
              <Button
                label={t("candidate.activate")}
                kind="main"
                onClick={() => void say("workshop/activate", () => (setDone(true), onActive?.()))}
              />
              <Button label={t("candidate.discard")} onClick={() => void say("workshop/discard")} />
            </div>
          )}
        </>
      )}
      {error && <Notice kind="bad">{error}</Notice>}
    </section>
  );
}

function Progress({ state, onCancel }: { state: Workshop; onCancel: () => void }) {
  const known = state.total > 0;
  return (
    <div class="progress">
      <p>
        <b>{t(`job.${state.job}` as "job.teach")}</b>{" "}
        {known && <span class="quiet">{t("candidate.of", { n: count(state.done), most: count(state.total) })}</span>}
      </p>
      <progress max={known ? state.total : undefined} value={known ? state.done : undefined} aria-label={t("candidate.progress")} />
      {may("engineer") && <Button label={t("act.cancel")} onClick={onCancel} />}
    </div>
  );
}

function Outcome({ state }: { state: Workshop }) {
  const tried = state.tried ?? 0;
  return (
    <>
      {(state.suspects ?? 0) > 0 && <Notice kind="odd">{t("candidate.suspects", { n: state.suspects ?? 0 })}</Notice>}
      {state.job === "teach" && (
        <p>
          {t("candidate.taught", {
            n: count(state.goods ?? 0),
            overkill: percent(state.overkill_stated ?? 0, 1),
            need: count(state.parts_for_wanted ?? 0),
          })}
        </p>
      )}
      {state.job === "learn" && (
        <p>{t("candidate.learnt", { goods: count(state.goods ?? 0), defects: count(state.defects ?? 0) })}</p>
      )}
      <dl class="tiles">
        <Tile
          label={t("candidate.threshold")}
          value={decimal(state.threshold_after ?? 0, 2)}
          note={state.threshold_before ? t("candidate.before", { value: decimal(state.threshold_before, 2) }) : undefined}
        />
        <Tile label={t("candidate.tried")} value={count(tried)} note={t("candidate.tried_note")} />
        <Tile kind="PASS" label={t("candidate.to_pass")} value={count(state.to_pass ?? 0)} />
        <Tile kind="FAIL" label={t("candidate.to_fail")} value={count(state.to_fail ?? 0)} />
        {(state.labelled_good ?? 0) > 0 && (
          <Tile
            label={t("candidate.overkill")}
            value={count(state.overkill_after ?? 0)}
            note={t("candidate.before_of", { value: count(state.overkill_before ?? 0), n: count(state.labelled_good ?? 0) })}
          />
        )}
        {(state.labelled_bad ?? 0) > 0 && (
          <Tile
            label={t("candidate.escapes")}
            value={count(state.escapes_after ?? 0)}
            note={t("candidate.before_of", { value: count(state.escapes_before ?? 0), n: count(state.labelled_bad ?? 0) })}
          />
        )}
      </dl>
    </>
  );
}

function Flips() {
  const [limit, setLimit] = useState(12);
  const flips = useAsk(`flips ${limit}`, (signal) =>
    get<{ count: number; flips: Flip[] }>(`workshop/flips?limit=${limit}`, { signal }),
  );
  if (flips.error) return <Notice kind="bad">{flips.error}</Notice>;
  if (!flips.value) return null;
  if (!flips.value.count) return <p class="quiet">{t("candidate.no_flips")}</p>;
  return (
    <>
      <h3>{t("candidate.flips", { n: count(flips.value.count) })}</h3>
      <ul class="flips">
        {flips.value.flips.map((flip) => (
          <li key={flip.sequence} class={contradicts(flip) ? "against" : ""}>
            <a href={`#/parts/${flip.sequence}`}>
              <img
                src={`/api/v1/parts/${flip.sequence}/views/0/picture?format=jpeg`}
                alt={t("part.title", { n: count(flip.sequence) })}
                loading="lazy"
              />
              <span class="number">{count(flip.sequence)}</span>
            </a>
            <span class="row">
              <VerdictTag verdict={flip.before} /> → <VerdictTag verdict={flip.after} />
            </span>
            <span class="quiet">
              {decimal(flip.score_before, 1)} → {decimal(flip.score_after, 1)}
              {flip.judgement && ` · ${t("candidate.people", { word: t(`judge.${flip.judgement}` as "judge.good") })}`}
            </span>
          </li>
        ))}
      </ul>
      {flips.value.count > limit && limit < 200 && (
        <Button label={t("candidate.more")} onClick={() => setLimit(Math.min(200, limit * 4))} />
      )}
    </>
  );
}

function contradicts(flip: Flip): boolean {
  return (flip.judgement === "good" && flip.after === "FAIL") || (flip.judgement === "bad" && flip.after === "PASS");
}
