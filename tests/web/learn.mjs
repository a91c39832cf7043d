// SPDX-License-Identifier: Apache-2.0
// From no recipe to a line that judges, and then the learn loop, by a person's clicks and keys: learn.mjs PACKAGES CHROMIUM URL GOODS
// The station's line tells in each part's code what it really is; its recipe is still to be taught.
import { createRequire } from "node:module";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { conclude, ok } from "./check.mjs";

const [packages, chromium_path, base, goods] = process.argv.slice(2);
const { chromium } = createRequire(join(packages, "package.json"))("playwright-core");
const browser = await chromium.launch({ executablePath: chromium_path, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, reducedMotion: "reduce" });
context.setDefaultTimeout(120000);
await context.addInitScript(() => {
  localStorage["assay.language"] = "en";
  localStorage["assay.started"] = "yes";
});
const page = await context.newPage();
const troubles = [];
page.on("console", (message) => message.type() === "error" && troubles.push(message.text()));
page.on("pageerror", (error) => troubles.push(error.message));

let clicks = 0;
const click = async (locator) => {
  clicks++;
  await locator.click();
};
const button = (name) => page.getByRole("button", { name, exact: true });
const api = (path) => page.evaluate(async (to) => (await fetch(`/api/v1/${to}`)).json(), path);
const tile = async (label) => Number((await page.locator(".candidate .tile", { hasText: label }).locator("dd").first().innerText()).replace(/\D/g, ""));

// a recipe from nothing
const began = Date.now();
for (let i = 0; i < 100; i++) {
  // the station may still be starting
  if (await fetch(`${base}/api/v1/health`).then(() => true, () => false)) break;
  await new Promise((go) => setTimeout(go, 100));
}
await page.goto(`${base}/#/live`);
await click(page.getByRole("link", { name: "Teach" }));
clicks++; // on "Picture files", and what the file dialog asks
await page.setInputFiles("input[type=file]", readdirSync(goods).map((name) => join(goods, name)));
await page.waitForFunction((n) => document.querySelectorAll(".tray li").length >= n, readdirSync(goods).length);
await click(button("5.0%"));
await click(button("Teach"));
await button("Activate").waitFor();
ok((await page.locator(".candidate").innerText()).includes("Taught from"), "a candidate is taught from what was shown");
await click(button("Activate"));
await page.waitForURL(/live/);
await page.locator(".verdict.PASS, .verdict.FAIL").first().waitFor();
const seconds = (Date.now() - began) / 1000;
ok(seconds < 180, `from nothing to verdicts in ${seconds.toFixed(0)} s and ${clicks} clicks, at most 180 s`);
const taught = await api("recipes/housing/lineage");

// enough parts to find both errors among
const want = { overkill: 10, escapes: 5 };
const errors = async () => {
  const found = { overkill: [], escapes: [] };
  for (let cursor = ""; cursor !== null; ) {
    const { parts, next } = await api(`parts?limit=500&verdict=PASS,FAIL${cursor && `&cursor=${cursor}`}`);
    for (const part of parts) {
      const good = part.code.startsWith("good");
      if (good && part.verdict === "FAIL") found.overkill.push(part.sequence);
      if (!good && part.verdict === "PASS") found.escapes.push(part.sequence);
    }
    cursor = next;
  }
  return found;
};
let found = await errors();
for (let i = 0; i < 60 && (found.overkill.length < want.overkill || found.escapes.length < want.escapes); i++) {
  await page.waitForTimeout(1000);
  found = await errors();
}
ok(
  found.overkill.length >= want.overkill && found.escapes.length >= want.escapes,
  "the line showed false rejects and misses",
  `found ${found.overkill.length} and ${found.escapes.length}`,
);

// the queue brings them: one key each
await click(page.getByRole("link", { name: "Review" }));
const labelled = { overkill: 0, escapes: 0 };
for (let i = 0; i < 400 && (labelled.overkill < want.overkill || labelled.escapes < want.escapes); i++) {
  const head = page.locator(".desk h2");
  if (!(await head.waitFor({ timeout: 5000 }).then(() => true, () => false))) break;
  const [text, verdict] = [await head.innerText(), await page.locator(".desk .tag").first().innerText()];
  const sequence = text.match(/[\d,.\s]+/)[0];
  const good = /good-\d+/.test(text);
  if (good && /Fail/.test(verdict)) labelled.overkill++;
  if (!good && /Pass/.test(verdict)) labelled.escapes++;
  await page.keyboard.press(good ? "g" : "b");
  await page.waitForFunction((before) => document.querySelector(".desk h2")?.textContent !== before, text, { timeout: 5000 }).catch(() => {});
  if (i === 399) console.log(`# the last was ${sequence}`);
}
ok(
  labelled.overkill >= want.overkill && labelled.escapes >= want.escapes,
  "the queue brings errors first: ten false rejects and five misses were judged by one key each",
  JSON.stringify(labelled),
);

// learn, see, activate
await click(button("Learn and history"));
await click(button("Learn"));
await button("Activate").waitFor({ timeout: 120000 });
const outcome = await api("workshop");
ok(outcome.overkill_after < outcome.overkill_before, "overkill falls", `${outcome.overkill_before} -> ${outcome.overkill_after}`);
console.log(`# misses: ${outcome.escapes_before} -> ${outcome.escapes_after}`);
ok((await tile("Good parts rejected")) === outcome.overkill_after, "the page says so");
ok((await page.locator(".flips li").count()) > 0, "flips are shown with their pictures");
await click(button("Activate"));
await page.getByText("Learnt", { exact: true }).waitFor();
const learnt = await api("recipes/housing/lineage");
ok(learnt.content !== taught.content && learnt.steps.length === 1, "another recipe judges");

// and back
await click(button("Back to this").first());
await button("Activate").waitFor({ timeout: 120000 });
await click(button("Activate"));
await page.getByText("Went back", { exact: true }).waitFor();
const reverted = await api("recipes/housing/lineage");
ok(reverted.content === taught.content, "revert restores the old bits", `${reverted.content} ${taught.content}`);
ok(!troubles.length, "no console error on the way", troubles);
await browser.close();
conclude();
