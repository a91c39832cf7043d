// SPDX-License-Identifier: Apache-2.0
// uPlot in our colours, as wide as its place.
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { language } from "../text";
import { theme } from "../lib/look";
import { useStore } from "../lib/store";

export function token(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

export function axis(more: Partial<uPlot.Axis> = {}): uPlot.Axis {
  return {
    stroke: token("ink-2"),
    grid: { stroke: token("line"), width: 1 },
    ticks: { stroke: token("line"), width: 1 },
    font: "13px system-ui, sans-serif",
    labelFont: "13px system-ui, sans-serif",
    labelSize: 22,
    ...more,
  };
}

export function Chart(props: {
  label: string;
  height: number;
  data: uPlot.AlignedData;
  /** made anew for each look, so that colours follow */
  options: () => Omit<uPlot.Options, "width" | "height">;
  watch: unknown[];
}) {
  const room = useRef<HTMLDivElement>(null);
  const look = useStore(theme);
  const tongue = useStore(language);
  useEffect(() => {
    const element = room.current;
    if (!element) return;
    const plot = new uPlot(
      { ...props.options(), width: element.clientWidth || 600, height: props.height, legend: { show: false } },
      props.data,
      element,
    );
    const watcher = new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height: props.height }));
    watcher.observe(element);
    return () => {
      watcher.disconnect();
      plot.destroy();
    };
  }, [look, tongue, ...props.watch]);
  return <div class="chart" ref={room} role="img" aria-label={props.label} />;
}
