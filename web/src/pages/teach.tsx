// SPDX-License-Identifier: Apache-2.0
// Teach: show good parts, say what matters, see what the candidate would do, let it judge.
import { useRef, useState } from "preact/hooks";
import { type Recipe, get, may, post } from "../lib/api";
import { count, decimal, percent } from "../lib/format";
import { line } from "../lib/line";
import { go } from "../lib/route";
import { useStore } from "../lib/store";
import { type Tray, type Workshop, addToTray, removeFromTray, tell, useWorkshop } from "../lib/workshop";
import { t } from "../text";
import { Button, Choice, Field, Notice, errorText, useAsk } from "../ui/bits";
import { Candidate } from "../ui/candidate";
import { DrawBox } from "../ui/draw";

export function Teach() {
  const work = useWorkshop();
  const recipes = useAsk("recipes", (signal) => get<{ recipes: Recipe[] }>("recipes", { signal }));
  const [error, setError] = useState<string | null>(null);
  const fail = (refused: unknown) => setError(errorText(refused));
  const busy = work.state?.phase === "running";
  const waits = work.state?.phase === "ready";
  return (
    <div class="teach-page">
      <h1>{t("page.teach")}</h1>
      {work.lost && <Notice kind="odd">{t("error.unreachable")}</Notice>}
      {error && <Notice kind="bad">{error}</Notice>}
      <div class="two">
        <Goods tray={work.tray} state={work.state} busy={busy} onError={setError} onFail={fail} />
        <div class="stack">
          <Wishes
            tray={work.tray}
            recipes={recipes.value?.recipes ?? []}
            blocked={busy || waits || !may("engineer")}
            onTeach={(wish) => tell("workshop/teach", wish).then(() => setError(null), fail)}
          />
          <Candidate state={visible(work.state)} onActive={() => (recipes.again(), select(work.state, fail))} />
        </div>
      </div>
    </div>
  );
}

/** Collecting is told where the parts are. */
function visible(state: Workshop | null): Workshop | null {
  return state?.job === "collect" && state.phase === "running" ? null : state;
}

/** What was just taught is what judges next; then to where it can be seen. */
async function select(state: Workshop | null, fail: (refused: unknown) => void): Promise<void> {
  try {
    if (state) await post("recipes/select", { name: state.recipe });
    go("/live");
  } catch (refused) {
    fail(refused);
  }
}

function Goods(props: {
  tray: Tray | null;
  state: Workshop | null;
  busy: boolean;
  onError: (text: string | null) => void;
  onFail: (refused: unknown) => void;
}) {
  const now = useStore(line);
  const [camera, setCamera] = useState("");
  const [many, setMany] = useState("30");
  const files = useRef<HTMLInputElement>(null);
  const allowed = may("engineer") && !props.busy;
  const collecting = props.busy && props.state?.job === "collect";
  const upload = async (list: FileList | null) => {
    props.onError(null);
    for (const file of list ?? []) {
      try {
        await addToTray(file);
      } catch (refused) {
        props.onError(`${file.name}: ${errorText(refused)}`);
      }
    }
    if (files.current) files.current.value = "";
  };
  const collect = () =>
    tell("tray/collect", { camera: camera || now.cameras[0]?.name, count: Number(many) }).then(
      () => props.onError(null),
      props.onFail,
    );
  return (
    <section class="panel">
      <h2>{t("teach.goods")}</h2>
      <p class="quiet">{t("teach.goods_help")}</p>
      <div class="row">
        {now.cameras.length > 1 && (
          <Field label={t("part.camera")}>
            <select value={camera} onChange={(event) => setCamera(event.currentTarget.value)}>
              {now.cameras.map((one) => (
                <option key={one.name}>{one.name}</option>
              ))}
            </select>
          </Field>
        )}
        <Choice
          label={t("teach.many")}
          value={many}
          onChange={setMany}
          options={["20", "30", "60", "100"].map((value) => ({ value, label: value }))}
        />
        <Button
          label={t("teach.collect")}
          kind="main"
          icon="live"
          disabled={!allowed || now.cameras.length === 0}
          onClick={() => void collect()}
        />
        <Button label={t("teach.files")} disabled={!allowed} onClick={() => files.current?.click()} />
        <input
          ref={files}
          type="file"
          hidden
          multiple
          accept="image/png,image/jpeg,image/bmp,image/tiff,.pgm,.ppm"
          aria-label={t("teach.files")}
          onChange={(event) => void upload(event.currentTarget.files)}
        />
      </div>
      {collecting && props.state && (
        <div class="progress">
          <progress max={props.state.total || undefined} value={props.state.done} aria-label={t("teach.collect")} />
          <span class="number">{t("candidate.of", { n: count(props.state.done), most: count(props.state.total) })}</span>
          <Button label={t("act.cancel")} onClick={() => void tell("workshop/cancel").catch(props.onFail)} />
        </div>
      )}
      {props.tray && <Coverage tray={props.tray} />}
      {props.tray && (
        <ul class="tray">
          {[...props.tray.pictures].reverse().map((one) => (
            <li key={one.number} class={one.measured && one.novel ? "novel" : ""}>
              <img src={`/api/v1/tray/${one.number}/picture`} alt={t("teach.picture", { n: one.number })} loading="lazy" />
              <span class="quiet">{!one.measured ? "…" : one.novel ? t("teach.new") : t("teach.known")}</span>
              {allowed && (
                <Button
                  bare
                  icon="trash"
                  label={t("teach.remove", { n: one.number })}
                  onClick={() => void removeFromTray(one.number).catch(props.onFail)}
                />
              )}
            </li>
          ))}
        </ul>
      )}
      {props.tray && props.tray.count > 0 && allowed && (
        <Button label={t("teach.empty")} onClick={() => void removeFromTray().catch(props.onFail)} />
      )}
    </section>
  );
}

function Coverage({ tray }: { tray: Tray }) {
  if (tray.count < 11) return <p>{t("teach.few", { n: tray.count })}</p>;
  return tray.novel_in_last_ten === 0 ? (
    <Notice kind="good">{t("teach.covered", { n: tray.count })}</Notice>
  ) : (
    <Notice kind="plain">{t("teach.novel", { n: tray.novel_in_last_ten, count: tray.count })}</Notice>
  );
}

interface Wish {
  recipe: string;
  overkill: number;
  smallest_defect_px?: number;
}

function Wishes(props: { tray: Tray | null; recipes: Recipe[]; blocked: boolean; onTeach: (wish: Wish) => void }) {
  const [chosen, setChosen] = useState("");
  const [overkill, setOverkill] = useState("0.005");
  const [defect, setDefect] = useState("");
  const [draws, setDraws] = useState(false);
  const untaught = props.recipes.find((one) => !one.taught)?.name;
  const recipe = chosen || untaught || props.recipes.find((one) => one.selected)?.name || "";
  const parts = props.tray?.count ?? 0;
  const wanted = Number(overkill);
  const needed = Math.ceil(1 / wanted) - 1;
  const supported = 1 / (parts + 1);
  const last = props.tray?.pictures[props.tray.pictures.length - 1];
  const size = defect === "" ? 0 : Number(defect);
  const bad = defect !== "" && !(Number.isInteger(size) && size >= 1 && size <= 4096);
  return (
    <section class="panel">
      <h2>{t("teach.wishes")}</h2>
      <Field label={t("parts.recipe")}>
        <select value={recipe} onChange={(event) => setChosen(event.currentTarget.value)}>
          {props.recipes.map((one) => (
            <option key={one.name} value={one.name}>
              {one.taught ? one.name : t("teach.untaught", { name: one.name })}
            </option>
          ))}
        </select>
      </Field>
      <p class="quiet">{t("teach.overkill")}</p>
      <Choice
        label={t("teach.overkill")}
        value={overkill}
        onChange={setOverkill}
        options={["0.005", "0.01", "0.02", "0.05"].map((value) => ({ value, label: percent(Number(value), 1) }))}
      />
      <p>
        {t("teach.of_thousand", { n: count(Math.round(1000 * wanted)) })}{" "}
        {parts >= needed
          ? t("teach.supported", { n: count(parts) })
          : t("teach.unsupported", { n: count(parts), share: percent(supported, 1), need: count(needed) })}
      </p>
      <div class="row">
        <Field label={t("teach.defect")}>
          <input
            type="number"
            min={1}
            max={4096}
            step={1}
            value={defect}
            placeholder={t("teach.defect_none")}
            onInput={(event) => setDefect(event.currentTarget.value)}
          />
        </Field>
        {last && <Button label={t("teach.draw")} pressed={draws} onClick={() => setDraws(!draws)} />}
      </div>
      {draws && last && (
        <DrawBox
          src={`/api/v1/tray/${last.number}/picture`}
          alt={t("teach.draw_here")}
          onBox={(box) => setDefect(String(Math.max(1, Math.round(Math.min(box.width, box.height)))))}
        />
      )}
      {bad && <Notice kind="bad">{t("teach.defect_bad")}</Notice>}
      <Button
        label={t("teach.go")}
        kind="main"
        disabled={props.blocked || bad || parts < 2 || !recipe}
        onClick={() => props.onTeach({ recipe, overkill: wanted, smallest_defect_px: size || undefined })}
      />
      {parts > 1 && parts < 20 && <p class="quiet">{t("teach.more", { n: decimal(parts, 0) })}</p>}
    </section>
  );
}
