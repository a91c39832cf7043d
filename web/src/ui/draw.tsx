// SPDX-License-Identifier: Apache-2.0
// A picture on which boxes are drawn, by finger, mouse or keys, in the picture's own pixels.
import { useRef, useState } from "preact/hooks";
import { t } from "../text";

export interface Drawn {
  x: number;
  y: number;
  width: number;
  height: number;
}

export function DrawBox(props: { src: string; alt: string; boxes?: Drawn[]; onBox: (box: Drawn) => void }) {
  const image = useRef<HTMLImageElement>(null);
  const [size, setSize] = useState({ width: 4, height: 3 });
  const [from, setFrom] = useState<{ x: number; y: number } | null>(null);
  const [box, setBox] = useState<Drawn | null>(null);

  const place = (event: PointerEvent) => {
    const seen = image.current?.getBoundingClientRect();
    if (!seen || !seen.width || !seen.height) return null;
    const inside = (value: number, most: number) => Math.min(most, Math.max(0, Math.round(value)));
    return {
      x: inside(((event.clientX - seen.left) / seen.width) * size.width, size.width),
      y: inside(((event.clientY - seen.top) / seen.height) * size.height, size.height),
    };
  };
  const span = (a: { x: number; y: number }, b: { x: number; y: number }): Drawn => ({
    x: Math.min(a.x, b.x),
    y: Math.min(a.y, b.y),
    width: Math.abs(a.x - b.x),
    height: Math.abs(a.y - b.y),
  });
  const down = (event: PointerEvent) => {
    const at = place(event);
    if (!at) return;
    (event.currentTarget as HTMLElement).setPointerCapture(event.pointerId);
    setFrom(at);
    setBox(null);
  };
  const move = (event: PointerEvent) => {
    const at = from && place(event);
    if (from && at) setBox(span(from, at));
  };
  const up = () => {
    if (box && box.width > 1 && box.height > 1) props.onBox(box);
    setFrom(null);
  };
  // by keys: arrows move a box, with shift they change its size, Enter takes it
  const keys = (event: KeyboardEvent) => {
    const step = Math.max(1, Math.round(size.width / 100));
    const moves: Record<string, [number, number]> = {
      ArrowLeft: [-step, 0],
      ArrowRight: [step, 0],
      ArrowUp: [0, -step],
      ArrowDown: [0, step],
    };
    const now = box ?? {
      x: Math.round(size.width * 0.45),
      y: Math.round(size.height * 0.45),
      width: Math.max(2, Math.round(size.width / 10)),
      height: Math.max(2, Math.round(size.height / 10)),
    };
    const by = moves[event.key];
    if (by && event.shiftKey)
      setBox({ ...now, width: Math.max(2, now.width + by[0]), height: Math.max(2, now.height + by[1]) });
    else if (by) setBox({ ...now, x: Math.max(0, now.x + by[0]), y: Math.max(0, now.y + by[1]) });
    else if (event.key === "Enter" && box) props.onBox(box);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <div
      class="draw"
      role="group"
      tabIndex={0}
      aria-label={t("draw.keys", { what: props.alt })}
      onPointerDown={down}
      onPointerMove={move}
      onPointerUp={up}
      onPointerCancel={() => setFrom(null)}
      onKeyDown={keys}
    >
      <img
        ref={image}
        src={props.src}
        alt={props.alt}
        draggable={false}
        onLoad={(event) =>
          setSize({ width: event.currentTarget.naturalWidth || 4, height: event.currentTarget.naturalHeight || 3 })
        }
      />
      <svg viewBox={`0 0 ${size.width} ${size.height}`} aria-hidden="true">
        {[...(props.boxes ?? []), ...(box ? [box] : [])].map((one, i) => (
          <g key={i}>
            <rect class="under" x={one.x} y={one.y} width={one.width} height={one.height} />
            <rect class="line" x={one.x} y={one.y} width={one.width} height={one.height} />
          </g>
        ))}
      </svg>
    </div>
  );
}
