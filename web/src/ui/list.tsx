// SPDX-License-Identifier: Apache-2.0
// A table of any length that draws only what is seen.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

const MARGIN = 8; // rows beyond the edges

export function VirtualTable<T>(props: {
  label: string;
  heads: string[];
  rows: T[];
  row_px: number;
  /** index of the row to keep in sight */
  chosen: number;
  more: boolean;
  onMore: () => void;
  keyOf: (row: T) => string | number;
  draw: (row: T, index: number) => ComponentChildren;
  rowClass: (row: T, index: number) => string;
  onOpen: (row: T) => void;
}) {
  const box = useRef<HTMLDivElement>(null);
  const [seen, setSeen] = useState({ top: 0, height: 600 });
  const { rows, row_px } = props;

  const measure = () => {
    const element = box.current;
    if (element) setSeen({ top: element.scrollTop, height: element.clientHeight });
  };
  useEffect(() => {
    measure();
    const watcher = new ResizeObserver(measure);
    if (box.current) watcher.observe(box.current);
    return () => watcher.disconnect();
  }, []);
  useEffect(() => {
    const element = box.current;
    if (!element || props.chosen < 0) return;
    const top = props.chosen * row_px;
    if (top < element.scrollTop) element.scrollTop = top;
    else if (top + row_px > element.scrollTop + element.clientHeight) element.scrollTop = top + row_px - element.clientHeight;
  }, [props.chosen]);

  const first = Math.max(0, Math.floor(seen.top / row_px) - MARGIN);
  const last = Math.min(rows.length, Math.ceil((seen.top + seen.height) / row_px) + MARGIN);
  useEffect(() => {
    if (props.more && last >= rows.length - MARGIN) props.onMore();
  }, [last, rows.length, props.more]);

  return (
    <div class="table" role="table" aria-label={props.label} aria-rowcount={props.more ? -1 : rows.length + 1}>
      <div class="head" role="row" aria-rowindex={1}>
        {props.heads.map((head, i) => (
          <span role="columnheader" key={i}>
            {head}
          </span>
        ))}
      </div>
      <div class="body" ref={box} onScroll={measure} role="rowgroup" tabIndex={0}>
        <div style={{ height: `${first * row_px}px` }} />
        {rows.slice(first, last).map((row, i) => (
          <div
            role="row"
            key={props.keyOf(row)}
            aria-rowindex={first + i + 2}
            class={`line ${props.rowClass(row, first + i)}`}
            style={{ height: `${row_px}px` }}
            onClick={() => props.onOpen(row)}
          >
            {props.draw(row, first + i)}
          </div>
        ))}
        <div style={{ height: `${(rows.length - last) * row_px}px` }} />
      </div>
    </div>
  );
}
