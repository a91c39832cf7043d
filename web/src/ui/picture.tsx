// SPDX-License-Identifier: Apache-2.0
// A picture that can be looked into down to its pixels, with regions drawn over it.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Box, Verdict } from "../lib/api";
import { decimal, percent } from "../lib/format";
import { t } from "../text";
import { Button, Choice } from "./bits";

export type Mode = "plain" | "regions" | "map";
export const modes: Mode[] = ["plain", "regions", "map"];

export function ModeChoice({ mode, onChange }: { mode: Mode; onChange: (mode: Mode) => void }) {
  return (
    <Choice
      label={t("picture.mode")}
      value={mode}
      onChange={onChange}
      options={modes.map((value) => ({ value, label: t(`picture.mode.${value}` as "picture.mode.plain") }))}
    />
  );
}

interface Where {
  scale: number; // times the fitting size
  x: number;
  y: number;
}
const whole: Where = { scale: 1, x: 0, y: 0 };
const MOST = 64;

export function Picture(props: {
  src: string | null;
  alt: string;
  width_px: number;
  height_px: number;
  regions?: Box[];
  verdict?: Verdict;
  children?: ComponentChildren;
}) {
  const frame = useRef<HTMLDivElement>(null);
  const pane = useRef<HTMLDivElement>(null);
  const [where, setWhere] = useState<Where>(whole);
  const [fit, setFit] = useState(1);
  const fingers = useRef(new Map<number, { x: number; y: number }>());
  const { width_px, height_px } = props;

  useEffect(() => {
    const element = frame.current;
    if (!element) return;
    const measure = () =>
      setFit(Math.min(element.clientWidth / (width_px || 1), element.clientHeight / (height_px || 1)) || 1);
    const watcher = new ResizeObserver(measure);
    watcher.observe(element);
    measure();
    return () => watcher.disconnect();
  }, [width_px, height_px]);

  const zoom = (factor: number, at?: { x: number; y: number }) =>
    setWhere((old) => {
      const scale = Math.min(MOST, Math.max(1, old.scale * factor));
      if (scale === 1) return whole;
      const box = frame.current?.getBoundingClientRect();
      const x = at && box ? at.x - box.left - box.width / 2 : 0;
      const y = at && box ? at.y - box.top - box.height / 2 : 0;
      const by = scale / old.scale;
      return { scale, x: x - (x - old.x) * by, y: y - (y - old.y) * by };
    });

  useEffect(() => {
    const element = frame.current;
    if (!element) return;
    const wheel = (event: WheelEvent) => {
      if (!event.ctrlKey && !event.shiftKey && where.scale === 1 && event.deltaY > 0) return; // the page may scroll
      event.preventDefault();
      zoom(event.deltaY < 0 ? 1.25 : 0.8, { x: event.clientX, y: event.clientY });
    };
    element.addEventListener("wheel", wheel, { passive: false });
    return () => element.removeEventListener("wheel", wheel);
  }, [where.scale]);

  const down = (event: PointerEvent) => {
    if ((event.target as HTMLElement).closest("button")) return;
    fingers.current.set(event.pointerId, { x: event.clientX, y: event.clientY });
    frame.current?.setPointerCapture(event.pointerId);
  };
  const move = (event: PointerEvent) => {
    const before = fingers.current.get(event.pointerId);
    if (!before) return;
    const now = { x: event.clientX, y: event.clientY };
    const other = [...fingers.current].find(([id]) => id !== event.pointerId)?.[1];
    fingers.current.set(event.pointerId, now);
    if (other) {
      const far = (a: { x: number; y: number }) => Math.hypot(a.x - other.x, a.y - other.y);
      if (far(before) > 0) zoom(far(now) / far(before), { x: (now.x + other.x) / 2, y: (now.y + other.y) / 2 });
    } else if (where.scale > 1) {
      setWhere((old) => ({ ...old, x: old.x + now.x - before.x, y: old.y + now.y - before.y }));
    }
  };
  const up = (event: PointerEvent) => void fingers.current.delete(event.pointerId);
  const keys = (event: KeyboardEvent) => {
    const step = 60;
    const moves: Record<string, [number, number]> = {
      ArrowLeft: [step, 0],
      ArrowRight: [-step, 0],
      ArrowUp: [0, step],
      ArrowDown: [0, -step],
    };
    if (event.key === "+" || event.key === "=") zoom(1.5);
    else if (event.key === "-") zoom(1 / 1.5);
    else if (event.key === "0") setWhere(whole);
    else if (where.scale > 1 && moves[event.key])
      setWhere((old) => ({ ...old, x: old.x + moves[event.key][0], y: old.y + moves[event.key][1] }));
    else return;
    event.preventDefault();
    event.stopPropagation();
  };

  const shown = fit * where.scale; // screen pixels of one of the picture's
  return (
    <div
      class={`picture ${props.verdict ?? ""}`}
      ref={frame}
      tabIndex={0}
      role="group"
      aria-label={t("picture.keys", { what: props.alt })}
      onPointerDown={down}
      onPointerMove={move}
      onPointerUp={up}
      onPointerCancel={up}
      onKeyDown={keys}
      onDblClick={(event) => (where.scale > 1 ? setWhere(whole) : zoom(4, { x: event.clientX, y: event.clientY }))}
    >
      <div
        class={`pane ${shown >= 2 ? "pixels" : ""}`}
        ref={pane}
        style={{
          width: `${width_px * fit}px`,
          height: `${height_px * fit}px`,
          transform: `translate(-50%, -50%) translate(${where.x}px, ${where.y}px) scale(${where.scale})`,
        }}
      >
        {props.src && <img src={props.src} alt={props.alt} draggable={false} />}
        {props.regions && props.regions.length > 0 && width_px > 0 && (
          <svg class="regions" viewBox={`0 0 ${width_px} ${height_px}`} aria-hidden="true">
            {props.regions.map((box, i) => (
              <g key={i}>
                <rect class="under" x={box.x} y={box.y} width={box.width} height={box.height} />
                <rect class="line" x={box.x} y={box.y} width={box.width} height={box.height} />
                <text x={box.x} y={box.y - 6 / shown} font-size={14 / shown}>
                  {decimal(box.peak)}
                </text>
              </g>
            ))}
          </svg>
        )}
      </div>
      {props.children}
      <div class="zoom">
        <Button bare icon="plus" label={t("picture.closer")} onClick={() => zoom(1.6)} />
        <Button bare icon="minus" label={t("picture.farther")} onClick={() => zoom(1 / 1.6)} disabled={where.scale === 1} />
        <Button bare icon="fit" label={t("picture.whole")} onClick={() => setWhere(whole)} disabled={where.scale === 1} />
        <Button
          bare
          icon="pixels"
          label={t("picture.pixels")}
          onClick={() => setWhere({ ...whole, scale: Math.max(1, 8 / fit) })}
        />
        {where.scale > 1 && <span class="scale">{percent(shown, 0)}</span>}
      </div>
    </div>
  );
}
