// SPDX-License-Identifier: Apache-2.0
// The line as it is now, to be read from two metres.
import { useEffect, useRef, useState } from "preact/hooks";
import { type Camera, type LiveResult, Refusal, ask, get } from "../lib/api";
import { count, decimal, milliseconds, percent, span } from "../lib/format";
import { type Line, type Seen, latencyOf, line } from "../lib/line";
import { go } from "../lib/route";
import { remember, remembered, useStore } from "../lib/store";
import { t } from "../text";
import { Tile, faultWord, useKeys, verdictWord } from "../ui/bits";
import { Shape } from "../ui/icons";
import { type Mode, ModeChoice, Picture, modes } from "../ui/picture";

export function Live() {
  const now = useStore(line);
  const kept = remembered("mode") as Mode | null;
  const [mode, setMode] = useState<Mode>(kept && modes.includes(kept) ? kept : "regions");
  const choose = (next: Mode) => {
    remember("mode", next);
    setMode(next);
  };
  useKeys({
    m: () => choose(modes[(modes.indexOf(mode) + 1) % modes.length]),
    Enter: () => now.strip[0] && go(`/parts/${now.strip[0].sequence}`),
  });
  return (
    <div class={`live ${now.connected ? "" : "dead"}`}>
      <section class="cameras" aria-label={t("live.cameras")}>
        <div class="row">
          <h1>{t("page.live")}</h1>
          <ModeChoice mode={mode} onChange={choose} />
        </div>
        <div class={`views n${Math.min(now.cameras.length, 4)}`}>
          {now.cameras.map((camera) => (
            <CameraView key={camera.name} camera={camera} mode={mode} connected={now.connected} beat={now.strip[0]?.sequence ?? 0} />
          ))}
        </div>
      </section>
      <Side now={now} />
      <Strip parts={now.strip} connected={now.connected} />
    </div>
  );
}

interface Shown {
  url: string;
  result: LiveResult | null;
}

function CameraView(props: { camera: Camera; mode: Mode; connected: boolean; beat: number }) {
  const { camera, mode, connected, beat } = props;
  const [shown, setShown] = useState<Shown | null>(null);
  const base = `cameras/${encodeURIComponent(camera.name)}`;

  // One request at a time: a line that is faster than the way here shows every so-many-th part.
  const wanted = useRef({ beat, drawn: -1 });
  wanted.current.beat = beat;
  const wake = useRef<(() => void) | null>(null);
  useEffect(() => {
    if (!connected || !camera.generation) return;
    const stop = new AbortController();
    let timer = 0;
    const show = async () => {
      wake.current = null;
      wanted.current.drawn = wanted.current.beat;
      try {
        const [picture, result] = await Promise.all([
          ask(`${base}/${mode === "map" ? "heatmap" : "frame"}`, { signal: stop.signal }),
          get<LiveResult>(`${base}/result`, { signal: stop.signal }),
        ]);
        const generation = Number((picture.headers.get("ETag") ?? "").replace(/^"?\d+-|"$/g, ""));
        const url = URL.createObjectURL(await picture.blob());
        if (stop.signal.aborted) return URL.revokeObjectURL(url);
        setShown((old) => {
          if (old) setTimeout(() => URL.revokeObjectURL(old.url), 1000);
          // regions of another picture would lie
          return { url, result: { ...result, regions: result.generation === generation ? result.regions : [] } };
        });
      } catch (error) {
        // the last part had no map, or the way is slow: the next part tries again
        if (!(error instanceof Refusal)) wanted.current.drawn = -1;
      }
      if (stop.signal.aborted) return;
      const next = () => (timer = window.setTimeout(() => void show(), 80));
      if (wanted.current.beat !== wanted.current.drawn) next();
      else wake.current = next;
    };
    void show();
    return () => {
      clearTimeout(timer);
      wake.current = null;
      stop.abort();
    };
  }, [base, mode, connected, camera.generation > 0]);
  useEffect(() => wake.current?.(), [beat]);

  const dead = camera.state !== "up";
  return (
    <figure class={`view ${dead || !connected ? "stale" : ""}`}>
      <Picture
        src={shown?.url ?? null}
        alt={t("live.view", { camera: camera.name })}
        width_px={shown?.result?.width_px ?? 4}
        height_px={shown?.result?.height_px ?? 3}
        regions={mode === "regions" ? shown?.result?.regions : undefined}
        verdict={dead || !connected ? undefined : shown?.result?.verdict}
      >
        {dead && (
          <div class="cover" role="alert">
            <Shape verdict="FAULT" size={72} />
            <b>{t(`camera.${camera.state}` as "camera.gone")}</b>
            <span>{camera.text}</span>
          </div>
        )}
        {!dead && !connected && (
          <div class="cover">
            <Shape verdict="FAULT" size={72} />
            <b>{t("live.frozen")}</b>
          </div>
        )}
        {!dead && !shown && <div class="cover plain">{t("live.no_picture")}</div>}
      </Picture>
      <figcaption>
        <b>{camera.name}</b>
        <span>
          {shown?.result && t("live.part_of", { n: count(shown.result.sequence) })} {dead && t(`camera.${camera.state}` as "camera.gone")}
        </span>
      </figcaption>
    </figure>
  );
}

/* Time passes also when nothing comes. */
function useSeconds(): number {
  const [at, setAt] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setAt(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  return at;
}

function Side({ now }: { now: Line }) {
  const at = useSeconds();
  const last = now.strip[0];
  const quiet_s = last ? (at - last.at_ms) / 1000 : 0;
  const takt_ms = now.status?.takt_ms ?? 0;
  const still = !!last && quiet_s > Math.max(10, (takt_ms * 5) / 1000);
  return (
    <section class="side" aria-label={t("live.state")}>
      <Verdict last={last} connected={now.connected} />
      {still && now.connected && (
        <p class="notice odd" role="status">
          {t("live.quiet", { time: span(quiet_s) })}
        </p>
      )}
      <Shift now={now} />
      <Pace rate={now.rate_per_min} takt_ms={takt_ms} />
      <Vitals now={now} />
    </section>
  );
}

function Verdict({ last, connected }: { last: Seen | undefined; connected: boolean }) {
  if (!connected || !last)
    return (
      <div class="verdict none">
        <strong>{connected ? t("live.none_yet") : t("live.not_live")}</strong>
      </div>
    );
  const share = last.threshold ? Math.min(1, last.score / (2 * last.threshold)) : 0;
  return (
    <a class={`verdict ${last.verdict}`} href={`#/parts/${last.sequence}`}>
      <span class="big">
        <Shape verdict={last.verdict} size={96} />
        <strong>{verdictWord(last.verdict)}</strong>
      </span>
      {last.fault ? (
        <span class="why">{faultWord(last.fault)}</span>
      ) : (
        <span class="gauge" role="img" aria-label={t("live.score", { score: decimal(last.score), threshold: decimal(last.threshold) })}>
          <svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
            <rect class="ground" width="100" height="6" />
            <rect class="fill" width={share * 100} height="6" />
            <rect class="mark" x="49.6" width="0.8" height="6" />
          </svg>
        </span>
      )}
      <span class="about">
        <span>{last.code}</span>
        <span>{last.fault ? "" : t("live.score", { score: decimal(last.score), threshold: decimal(last.threshold) })}</span>
        <span>{milliseconds(last.latency_us)}</span>
      </span>
    </a>
  );
}

function Shift({ now }: { now: Line }) {
  const counts = now.shift ?? now.status?.since_start;
  if (!counts) return null;
  const judged = counts.pass + counts.fail + counts.fault;
  return (
    <dl class="tiles shift" aria-label={t("live.shift")}>
      <Tile label={verdictWord("PASS")} value={count(counts.pass)} kind="PASS" />
      <Tile label={verdictWord("FAIL")} value={count(counts.fail)} kind="FAIL" />
      <Tile label={verdictWord("FAULT")} value={count(counts.fault)} kind="FAULT" />
      <Tile label={t("live.yield")} value={percent(judged ? counts.pass / judged : null)} />
    </dl>
  );
}

function Pace({ rate, takt_ms }: { rate: number | null; takt_ms: number }) {
  const plan = takt_ms ? 60000 / takt_ms : 0;
  const share = plan && rate !== null ? rate / plan : 0;
  return (
    <div class="pace">
      <span class="label">{t("live.rate")}</span>
      <span class="value">{rate === null ? "–" : t("live.per_min", { n: decimal(rate, rate < 100 ? 1 : 0) })}</span>
      {plan > 0 && (
        <>
          <span class="label plan">{t("live.plan", { n: decimal(plan, 0), share: percent(share, 0) })}</span>
          <svg class={share < 0.9 ? "low" : ""} viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
            <rect class="ground" width="100" height="6" />
            <rect class="fill" width={Math.min(100, share * 80)} height="6" />
            <rect class="mark" x="79.6" width="0.8" height="6" />
          </svg>
        </>
      )}
    </div>
  );
}

function Vitals({ now }: { now: Line }) {
  const status = now.status;
  if (!status) return null;
  const down = status.outputs.filter((output) => !output.up);
  const rows: { name: string; good: boolean; value: string }[] = [
    {
      name: t("live.latency"),
      good: true,
      value: t("live.latency_of", { p50: milliseconds(latencyOf(status, 0.5)), p99: milliseconds(latencyOf(status, 0.99)) }),
    },
    {
      name: t("live.cameras"),
      good: now.cameras.every((camera) => camera.state === "up"),
      value: t("live.of", { n: now.cameras.filter((camera) => camera.state === "up").length, all: now.cameras.length }),
    },
    {
      name: t("live.outputs"),
      good: !down.length,
      value: down.length
        ? down.map((output) => output.name).join(", ")
        : t("live.of", { n: status.outputs.length, all: status.outputs.length }),
    },
    { name: t("live.record"), good: !status.record_failing, value: status.record_failing ? status.record : t("live.kept") },
  ];
  return (
    <ul class="vitals" aria-label={t("live.health")}>
      {rows.map((row) => (
        <li key={row.name} class={row.good ? "good" : "bad"}>
          <Shape verdict={row.good ? "PASS" : "FAULT"} size={18} />
          <span>{row.name}</span>
          <b>{row.value}</b>
        </li>
      ))}
    </ul>
  );
}

function Strip({ parts, connected }: { parts: Seen[]; connected: boolean }) {
  return (
    <ol class={`strip ${connected ? "" : "stale"}`} aria-label={t("live.strip")}>
      {parts.map((part) => (
        <li key={part.sequence}>
          <a
            class={part.verdict}
            href={`#/parts/${part.sequence}`}
            aria-label={t("live.strip_part", { n: part.sequence, verdict: verdictWord(part.verdict) })}
          >
            <Shape verdict={part.verdict} size={26} />
            <span>{part.sequence % 10000}</span>
          </a>
        </li>
      ))}
    </ol>
  );
}
