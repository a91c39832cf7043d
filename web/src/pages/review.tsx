// SPDX-License-Identifier: Apache-2.0
// Review: look at what teaches most, say what it was, learn from it, and go back if it was no good.
import { useEffect, useState } from "preact/hooks";
import { type Part, type Recipe, ask, get, may, post } from "../lib/api";
import { count, decimal, moment } from "../lib/format";
import { useStore } from "../lib/store";
import { line } from "../lib/line";
import {
  type Judgement,
  type Lineage,
  type Queued,
  type Review as Said,
  type ReviewSummary,
  type Workshop,
  tell,
  useWorkshop,
} from "../lib/workshop";
import { t } from "../text";
import { Button, Choice, Field, Notice, Tile, VerdictTag, errorText, useAsk, useKeys } from "../ui/bits";
import { Candidate } from "../ui/candidate";
import { type Drawn, DrawBox } from "../ui/draw";
import { type Mode, ModeChoice, Picture, modes } from "../ui/picture";
import { pictureOf, whyOf } from "./part";

export function Review() {
  const [face, setFace] = useState<"queue" | "learn">("queue");
  return (
    <div class="review-page">
      <div class="row">
        <h1>{t("page.review")}</h1>
        <Choice
          label={t("page.review")}
          value={face}
          onChange={setFace}
          options={[
            { value: "queue", label: t("review.queue") },
            { value: "learn", label: t("review.learn") },
          ]}
        />
      </div>
      {face === "queue" ? <Queue /> : <Learn />}
    </div>
  );
}

function Queue() {
  const queue = useAsk("queue", (signal) => get<{ parts: Queued[] }>("reviews/queue?limit=50", { signal }));
  const summary = useAsk("summary", (signal) => get<ReviewSummary>("reviews/summary", { signal }));
  const [at, setAt] = useState(0);
  const [done, setDone] = useState<number[]>([]);
  const parts = queue.value?.parts.filter((part) => !done.includes(part.sequence)) ?? [];
  const now = parts[Math.min(at, parts.length - 1)];
  const refresh = () => {
    setDone([]);
    setAt(0);
    queue.again();
    summary.again();
  };
  const judged = (sequence: number) => {
    setDone([...done, sequence]);
    summary.again();
    if (parts.length <= 1) refresh();
  };
  const back = () => {
    const last = done[done.length - 1];
    if (last === undefined) return;
    void ask(`parts/${last}/reviews`, { method: "DELETE" }).then(() => {
      setDone(done.slice(0, -1));
      setAt(0);
      summary.again();
    });
  };
  return (
    <>
      {queue.error && <Notice kind="bad">{queue.error}</Notice>}
      {queue.value && !now && <p class="empty">{t("review.empty")}</p>}
      <div class="part">
        {now && (
          <Desk
            key={now.sequence}
            queued={now}
            left={parts.length}
            onJudged={() => judged(now.sequence)}
            onSkip={() => setAt((at + 1) % Math.max(1, parts.length))}
            onBack={done.length ? back : undefined}
          />
        )}
        <aside>{summary.value && <Summary summary={summary.value} />}</aside>
      </div>
    </>
  );
}

function Desk(props: { queued: Queued; left: number; onJudged: () => void; onSkip: () => void; onBack?: () => void }) {
  const { queued } = props;
  const part = useAsk(`part ${queued.sequence}`, (signal) => get<Part>(`parts/${queued.sequence}`, { signal }));
  const said = useAsk(`said ${queued.sequence}`, (signal) => get<{ reviews: Said[] }>(`parts/${queued.sequence}/reviews`, { signal }));
  const [mode, setMode] = useState<Mode>("regions");
  const [draws, setDraws] = useState(false);
  const [boxes, setBoxes] = useState<Drawn[]>([]);
  const [kind, setKind] = useState("");
  const [error, setError] = useState<string | null>(null);
  const allowed = may("operator");
  const judge = (judgement: Judgement) => {
    if (!allowed) return;
    const bad = judgement === "bad";
    post(`parts/${queued.sequence}/reviews`, {
      judgement,
      kind: bad && kind ? kind : undefined,
      marks: bad ? boxes.map((box) => ({ view: 0, box: [box.x, box.y, box.width, box.height] })) : undefined,
    }).then(props.onJudged, (refused: unknown) => setError(errorText(refused)));
  };
  useKeys({
    g: () => judge("good"),
    b: () => judge("bad"),
    u: () => judge("unsure"),
    s: props.onSkip,
    z: () => props.onBack?.(),
    m: () => setMode(modes[(modes.indexOf(mode) + 1) % modes.length]),
    x: () => setDraws(!draws),
  });
  const view = part.value?.views[0];
  const src = part.value ? pictureOf(part.value, 0, mode === "map") : null;
  const others = said.value?.reviews.filter((one) => !one.withdrawn) ?? [];
  return (
    <div class="desk">
      <div class="row">
        <h2>
          {t("part.title", { n: count(queued.sequence) })} <span class="quiet">{queued.code}</span>
        </h2>
        <VerdictTag verdict={queued.verdict} fault={queued.fault} />
        <span class={`worth ${queued.worth}`}>{t(`worth.${queued.worth}` as "worth.near")}</span>
        <span class="gap" />
        <span class="quiet">{t("review.left", { n: props.left })}</span>
        <ModeChoice mode={mode} onChange={setMode} />
      </div>
      {part.error && <Notice kind="bad">{part.error}</Notice>}
      {draws && view ? (
        <DrawBox
          src={`/api/v1/parts/${queued.sequence}/views/0/picture?format=jpeg`}
          alt={t("review.draw_here")}
          boxes={boxes}
          onBox={(box) => setBoxes([...boxes, box])}
        />
      ) : (
        <Picture
          src={src}
          alt={t("part.view", { camera: view?.camera ?? "", n: queued.sequence })}
          width_px={view?.width_px || 4}
          height_px={view?.height_px || 3}
          regions={mode === "regions" ? view?.regions : undefined}
          verdict={queued.verdict}
        />
      )}
      {part.value && (
        <p>
          {whyOf(part.value)} <span class="quiet">{moment(new Date(queued.time))}</span>
        </p>
      )}
      {others.length > 0 && (
        <p class="quiet">
          {others.map((one) => `${one.reviewer}: ${t(`judge.${one.judgement}` as "judge.good")}${one.kind ? ` (${one.kind})` : ""}`).join(" · ")}
        </p>
      )}
      <div class="row judge">
        <button type="button" class="verdict-button PASS" disabled={!allowed} onClick={() => judge("good")}>
          {t(queued.verdict === "FAIL" ? "review.was_good" : "review.good")} <kbd>G</kbd>
        </button>
        <button type="button" class="verdict-button FAIL" disabled={!allowed} onClick={() => judge("bad")}>
          {t(queued.verdict === "PASS" ? "review.was_missed" : "review.bad")} <kbd>B</kbd>
        </button>
        <Button label={t("review.unsure")} disabled={!allowed} onClick={() => judge("unsure")} />
        <Button label={t("review.skip")} onClick={props.onSkip} />
        <Button label={t("review.undo")} disabled={!props.onBack} onClick={() => props.onBack?.()} />
      </div>
      <div class="row">
        <Field label={t("review.kind")}>
          <input value={kind} maxLength={40} list="kinds" onInput={(event) => setKind(event.currentTarget.value)} />
        </Field>
        <datalist id="kinds">
          {["porosity", "crack", "flash", "scratch", "dent", "stain", "missing"].map((word) => (
            <option key={word} value={t(`kind.${word}` as "kind.crack")} />
          ))}
        </datalist>
        <Button label={t("review.draw", { n: boxes.length })} pressed={draws} onClick={() => setDraws(!draws)} />
        {boxes.length > 0 && <Button label={t("review.undraw")} onClick={() => setBoxes(boxes.slice(0, -1))} />}
      </div>
      {error && <Notice kind="bad">{error}</Notice>}
    </div>
  );
}

function Summary({ summary }: { summary: ReviewSummary }) {
  return (
    <section class="panel">
      <h2>{t("review.so_far")}</h2>
      <dl class="tiles">
        <Tile label={t("review.parts")} value={count(summary.parts)} />
        <Tile label={t("review.overkill")} value={count(summary.overkill)} />
        <Tile label={t("review.escapes")} value={count(summary.escapes)} />
        <Tile label={t("review.disputed")} value={count(summary.disputed)} />
      </dl>
      {summary.agreement.length > 0 && (
        <>
          <h3>{t("review.agreement")}</h3>
          <table class="plain">
            <thead>
              <tr>
                <th>{t("review.pair")}</th>
                <th>{t("review.common")}</th>
                <th>κ</th>
              </tr>
            </thead>
            <tbody>
              {summary.agreement.map((pair) => (
                <tr key={`${pair.first}/${pair.second}`}>
                  <td>
                    {pair.first}, {pair.second}
                  </td>
                  <td>{count(pair.both_good + pair.both_bad + pair.only_first_bad + pair.only_second_bad)}</td>
                  <td>{pair.kappa === null ? "–" : decimal(pair.kappa, 2)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </>
      )}
    </section>
  );
}

function Learn() {
  const work = useWorkshop();
  const now = useStore(line);
  const recipes = useAsk("recipes", (signal) => get<{ recipes: Recipe[] }>("recipes", { signal }));
  const summary = useAsk("summary", (signal) => get<ReviewSummary>("reviews/summary", { signal }));
  const [chosen, setChosen] = useState("");
  const [error, setError] = useState<string | null>(null);
  const recipe = chosen || now.status?.recipe || "";
  const blocked = !may("engineer") || work.state?.phase === "running" || work.state?.phase === "ready";
  const begin = (path: string, json: unknown) =>
    tell(path, json).then(
      () => setError(null),
      (refused: unknown) => setError(errorText(refused)),
    );
  return (
    <div class="two">
      <div class="stack">
        <section class="panel">
          <h2>{t("review.learn")}</h2>
          <p>{t("review.learn_help")}</p>
          {summary.value && (
            <p>{t("review.learn_from", { good: count(summary.value.good), bad: count(summary.value.bad) })}</p>
          )}
          <div class="row">
            <Field label={t("parts.recipe")}>
              <select value={recipe} onChange={(event) => setChosen(event.currentTarget.value)}>
                {recipes.value?.recipes.map((one) => <option key={one.name}>{one.name}</option>)}
              </select>
            </Field>
            <Button label={t("review.learn_go")} kind="main" disabled={blocked || !recipe} onClick={() => void begin("workshop/learn", { recipe })} />
          </div>
          {error && <Notice kind="bad">{error}</Notice>}
        </section>
        <Candidate state={work.state?.job === "collect" ? null : work.state} onActive={recipes.again} />
      </div>
      {recipe && <History key={recipe} recipe={recipe} state={work.state} blocked={blocked} onRevert={(step) => void begin("workshop/revert", { recipe, step })} />}
    </div>
  );
}

function History(props: { recipe: string; state: Workshop | null; blocked: boolean; onRevert: (step: number) => void }) {
  const lineage = useAsk(`lineage ${props.recipe}`, (signal) =>
    get<Lineage>(`recipes/${encodeURIComponent(props.recipe)}/lineage`, { signal }),
  );
  const phase = props.state?.phase;
  useEffect(() => {
    if (phase === "idle") lineage.again();
  }, [phase]);
  const steps = lineage.value?.steps ?? [];
  return (
    <section class="panel">
      <h2>{t("review.history", { recipe: props.recipe })}</h2>
      {lineage.error && <Notice kind="odd">{lineage.error}</Notice>}
      {lineage.value && (
        <ol class="lineage">
          <li>
            <b>{t("lineage.taught")}</b>
            {steps.length > 0 && may("engineer") && (
              <Button label={t("lineage.back")} disabled={props.blocked} onClick={() => props.onRevert(0)} />
            )}
          </li>
          {steps.map((step, i) => (
            <li key={step.number}>
              <b>{t(`lineage.${step.kind}` as "lineage.learn")}</b>
              <span class="quiet">
                {moment(new Date(step.time))} · {step.author || "–"}
              </span>
              <span>{t("lineage.added", { goods: step.goods, defects: step.defects })}</span>
              <code>{step.content.slice(0, 12)}</code>
              {i < steps.length - 1 && step.kept && may("engineer") && (
                <Button label={t("lineage.back")} disabled={props.blocked} onClick={() => props.onRevert(step.number)} />
              )}
            </li>
          ))}
        </ol>
      )}
    </section>
  );
}
