// SPDX-License-Identifier: Apache-2.0
// Light, dark, or as the machine has it.
import { remember, remembered, store } from "./store";

export type Look = "light" | "dark";
const dark = matchMedia("(prefers-color-scheme: dark)");
const chosen = remembered("look");

export const theme = store<Look>(chosen === "dark" || chosen === "light" ? chosen : dark.matches ? "dark" : "light");

function show(): void {
  document.documentElement.dataset.look = theme.get();
}

export function setLook(look: Look): void {
  remember("look", look);
  theme.set(look);
}

theme.watch(show);
dark.addEventListener("change", () => {
  if (!remembered("look")) theme.set(dark.matches ? "dark" : "light");
});
show();
