// SPDX-License-Identifier: Apache-2.0
// All pages: one line each. The menu, the keys 1 to 9 and the addresses are made from it.
import type { ComponentType } from "preact";
import type { Role } from "./lib/api";
import type { Key } from "./text";
import type { IconName } from "./ui/icons";
import { Certificate } from "./pages/certificate";
import { Live } from "./pages/live";
import { PartPage } from "./pages/part";
import { Parts } from "./pages/parts";
import { Quality } from "./pages/quality";
import { Review } from "./pages/review";
import { Settings } from "./pages/settings";
import { Start } from "./pages/start";
import { Teach } from "./pages/teach";

export interface Page {
  /** "parts/{}": {} stands for anything, which the page gets as an argument */
  path: string;
  name: Key;
  show: ComponentType<{ args: string[] }>;
  least: Role;
  /** in the menu if it has one */
  icon?: IconName;
}

export const pages: Page[] = [
  { path: "live", name: "page.live", show: Live, least: "viewer", icon: "live" },
  { path: "parts", name: "page.parts", show: Parts, least: "viewer", icon: "parts" },
  { path: "parts/{}", name: "page.part", show: PartPage, least: "viewer" },
  { path: "parts/{}/certificate", name: "page.certificate", show: Certificate, least: "viewer" },
  { path: "teach", name: "page.teach", show: Teach, least: "viewer", icon: "teach" },
  { path: "review", name: "page.review", show: Review, least: "viewer", icon: "review" },
  { path: "quality", name: "page.quality", show: Quality, least: "viewer", icon: "quality" },
  { path: "settings", name: "page.settings", show: Settings, least: "viewer", icon: "settings" },
  { path: "settings/{}", name: "page.settings", show: Settings, least: "viewer" },
  { path: "start", name: "page.start", show: Start, least: "viewer" },
];

export function find(path: string[]): { page: Page; args: string[] } | null {
  for (const page of pages) {
    const form = page.path.split("/");
    if (form.length === path.length && form.every((step, i) => step === "{}" || step === path[i]))
      return { page, args: path.filter((_, i) => form[i] === "{}") };
  }
  return null;
}
