// SPDX-License-Identifier: Apache-2.0
// Pictures of the pages for the docs: screens.mjs PACKAGES CHROMIUM URL URL_LOGIN FOLDER
import { mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const [packages, chromium_path, base, locked, folder] = process.argv.slice(2);
const { chromium } = createRequire(join(packages, "package.json"))("playwright-core");
const shots = [
  ["live", "live", "light", "en"],
  ["live", "live", "dark", "zh"],
  ["parts", "parts?verdict=FAIL", "light", "en"],
  ["parts", "parts", "dark", "zh"],
  ["part", "parts/{fail}", "light", "zh"],
  ["part", "parts/{fail}", "dark", "en"],
  ["certificate", "parts/{fail}/certificate", "light", "en"],
  ["quality", "quality", "light", "zh"],
  ["quality", "quality", "dark", "en"],
  ["settings", "settings/recipes", "dark", "en"],
  ["settings", "settings/cameras", "light", "zh"],
  ["start", "start", "light", "en"],
  ["login", "", "light", "en"],
  ["login", "", "dark", "zh"],
];

mkdirSync(folder, { recursive: true });
const browser = await chromium.launch({ executablePath: chromium_path, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
const { parts } = await (await fetch(`${base}/api/v1/parts?verdict=FAIL&limit=20`)).json();
const worst = parts.sort((a, b) => b.score - a.score)[0].sequence;
for (const [name, path, look, tongue] of shots) {
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 }, reducedMotion: "reduce" });
  await page.addInitScript(
    ([look, tongue]) => {
      localStorage["assay.look"] = look;
      localStorage["assay.language"] = tongue;
      localStorage["assay.started"] = "yes";
      localStorage["assay.mode"] = look === "dark" ? "map" : "regions";
    },
    [look, tongue],
  );
  await page.goto(`${name === "login" ? locked : base}/#/${path.replace("{fail}", worst)}`, { waitUntil: "commit" });
  if (name === "part" && look === "dark") await page.keyboard.press("m");
  await page.locator("h1").first().waitFor();
  await page.waitForLoadState("load");
  await page.waitForTimeout(name === "live" ? 6000 : 3500);
  await page.screenshot({ path: join(folder, `${name}-${look}-${tongue}.png`) });
  await page.close();
}
await browser.close();
