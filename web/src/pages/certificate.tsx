// SPDX-License-Identifier: Apache-2.0
// One sheet that tells what was checked and how to prove it. Printing it gives the PDF.
import { useEffect, useState } from "preact/hooks";
import { type Part, type Status, get } from "../lib/api";
import { count, decimal, milliseconds, moment, percent } from "../lib/format";
import { go } from "../lib/route";
import { t } from "../text";
import { Button, Notice, useAsk, useKeys, verdictWord } from "../ui/bits";
import { Shape } from "../ui/icons";
import { type Replay, ReplayResult, Rows, pictureOf, useReplay, whyOf } from "./part";

export function Certificate({ args }: { args: string[] }) {
  const name = args[0];
  const part = useAsk(`part ${name}`, (signal) => get<Part>(`parts/${encodeURIComponent(name)}`, { signal }));
  const status = useAsk("status", (signal) => get<Status>("status", { signal }));
  const replay = useReplay(name);
  const [made] = useState(new Date());
  useEffect(() => replay.run(), []);
  const onPaper = async () => {
    // what has not come yet would be missing on the sheet
    await Promise.all([...document.images].map((image) => image.decode().catch(() => undefined)));
    print();
  };
  useKeys({ p: () => void onPaper(), Escape: () => go(`/parts/${name}`) });
  return (
    <div class="certificate-page">
      <div class="row no-print">
        <Button bare icon="back" label={t("part.back_to", { n: name })} onClick={() => go(`/parts/${name}`)} />
        <h1>{t("page.certificate")}</h1>
        <span class="gap" />
        <Button label={t("act.print")} icon="print" kind="main" onClick={() => void onPaper()} disabled={!part.value || replay.busy} />
      </div>
      {part.error && <Notice kind="bad">{part.error}</Notice>}
      {part.value && <Sheet part={part.value} version={status.value?.version ?? ""} replay={replay} made={made} />}
    </div>
  );
}

function Sheet({ part, version, replay, made }: { part: Part; version: string; replay: Replay; made: Date }) {
  return (
    <article class="sheet">
      <header>
        <div>
          <p class="small">{t("cert.of")}</p>
          <h2>{part.station}</h2>
        </div>
        <div class={`stamp ${part.verdict}`}>
          <Shape verdict={part.verdict} size={40} />
          <b>{verdictWord(part.verdict)}</b>
        </div>
      </header>
      <p class="lead">{t("cert.lead", { code: part.code, time: moment(new Date(part.time)), why: whyOf(part) })}</p>
      <div class="pictures">
        {part.views.map((view, i) => (
          <figure key={i}>
            {pictureOf(part, i, false) ? (
              <>
                <img src={pictureOf(part, i, false) ?? ""} alt={t("part.view", { camera: view.camera, n: part.sequence })} />
                {view.judged && <img src={pictureOf(part, i, true) ?? ""} alt={t("cert.map", { camera: view.camera })} />}
              </>
            ) : (
              <p class="quiet">{t("part.no_picture")}</p>
            )}
            <figcaption>
              {view.camera} · {verdictWord(view.verdict)} · {decimal(view.score, 2)} / {decimal(view.threshold, 2)}
            </figcaption>
          </figure>
        ))}
      </div>
      <div class="columns">
        <Rows
          rows={[
            [t("parts.number"), count(part.sequence)],
            [t("parts.code"), part.code],
            [t("parts.time"), part.time],
            [t("parts.recipe"), part.recipe || "–"],
            [t("part.p_value"), part.fault ? "–" : percent(part.p_value, 1)],
            [t("part.latency"), milliseconds(part.latency_us)],
            [t("part.operator"), part.operator ?? "–"],
          ]}
        />
        <Rows
          rows={[
            [t("part.link"), count(part.link)],
            [t("part.signed"), part.signed ? t("part.signed_at", { n: count(part.signed.link), time: part.signed.time }) : t("part.unsigned")],
            [t("cert.program"), version],
            [t("cert.made"), moment(made)],
          ]}
        />
      </div>
      <Rows
        rows={[
          [t("part.hash"), <code key="h">{part.hash}</code>],
          [t("part.hash_before"), <code key="b">{part.hash_before}</code>],
          ...part.views.flatMap((view): [string, preact.ComponentChildren][] => [
            [t("cert.picture_hash", { camera: view.camera }), <code key="i">{view.image_hash}</code>],
            [t("part.recipe_hash", { camera: view.camera }), <code key="r">{view.recipe_hash}</code>],
          ]),
          ...(part.signed
            ? ([
                [t("cert.public_key"), <code key="k">{part.signed.public_key}</code>],
                [t("cert.signature"), <code key="s">{part.signed.signature}</code>],
              ] as [string, preact.ComponentChildren][])
            : []),
        ]}
      />
      <ReplayResult replay={replay} />
      <p class="small">{t("cert.how", { n: part.sequence })}</p>
    </article>
  );
}
