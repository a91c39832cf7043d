// SPDX-License-Identifier: Apache-2.0
// The pages in a real browser on a real station: browser.mjs PACKAGES CHROMIUM URL URL_STALE PID_STALE TEXT_BUNDLE
// PACKAGES has node_modules. The first station has no user; the second one's camera falls silent.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { conclude, ok, same } from "./check.mjs";

const [packages, chromium_path, base, stale, stale_pid, bundle] = process.argv.slice(2);
const need = createRequire(join(packages, "package.json"));
const { chromium } = need("playwright-core");
const axe = readFileSync(need.resolve("axe-core/axe.min.js"), "utf8");
globalThis.localStorage = { getItem: () => null, setItem() {}, removeItem() {} };
globalThis.navigator ??= { language: "en" };
const { table } = await import(bundle);

const browser = await chromium.launch({ executablePath: chromium_path, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
const troubles = [];
const abroad = new Set();

async function open(look, tongue, more = {}) {
  // the strict policy of the station would keep axe out; it is held by tests of its own
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, bypassCSP: !!more.axe, reducedMotion: "reduce" });
  context.setDefaultTimeout(60000); // passwords are slow to hash by intent
  await context.addInitScript(
    ([look, tongue, started]) => {
      localStorage["assay.look"] ??= look;
      localStorage["assay.language"] ??= tongue;
      if (started) localStorage["assay.started"] = "yes";
    },
    [look, tongue, !more.fresh],
  );
  const page = await context.newPage();
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type()) && !(page.expected && page.expected.test(message.text())))
      troubles.push(`${page.url()}: ${message.text()} ${message.location().url}`);
  });
  page.on("pageerror", (error) => troubles.push(`${page.url()}: ${error.message}`));
  page.on("dialog", (dialog) => (troubles.push(`a dialog: ${dialog.message()}`), dialog.dismiss()));
  page.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(base) && !url.startsWith(stale) && !/^(blob|data):/.test(url)) abroad.add(url);
  });
  return page;
}

const at = (page, path) => page.evaluate((to) => void (location.hash = to), `#/${path}`);
const main = (page) => page.locator("main");

async function audit(page, name, rules) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(
    (only) => globalThis.axe.run(document, { resultTypes: ["violations"], ...(only ? { runOnly: only } : {}) }),
    rules ?? null,
  );
  ok(
    !violations.length,
    `axe-core: ${name}`,
    violations.flatMap((v) => v.nodes.slice(0, 3).map((node) => `${v.id}: ${node.target} ${node.failureSummary?.split("\n")[1] ?? ""}`)),
  );
}

/* All that can be touched is large enough for a glove. */
async function gloves(page, name) {
  const small = await page.evaluate(() =>
    [...document.querySelectorAll("button, a, select, summary, input")]
      .filter((e) => e.checkVisibility() && !e.matches(".skip") && !(e instanceof HTMLInputElement && ["range", "file"].includes(e.type)))
      .map((e) => ({ box: e.getBoundingClientRect(), text: `${e.tagName} ${e.textContent || e.getAttribute("aria-label")}` }))
      .filter(({ box }) => box.height < 47.5 || box.width < 40)
      .map(({ box, text }) => `${text}: ${Math.round(box.width)} x ${Math.round(box.height)}`),
  );
  ok(!small.length, `targets of 48 px: ${name}`, small.slice(0, 5));
}

async function untranslated(page, name) {
  const words = [...Object.values(table)].filter(([en, zh]) => en !== zh && /\p{L}{3}/u.test(en) && !en.includes("{")).map(([en]) => en);
  const texts = await page.evaluate(() => {
    const found = [];
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walk.nextNode()) found.push(walk.currentNode.data.trim());
    for (const e of document.querySelectorAll("[aria-label], [title], [placeholder]"))
      found.push(e.getAttribute("aria-label") ?? "", e.getAttribute("title") ?? "", e.getAttribute("placeholder") ?? "");
    return found;
  });
  const left = texts.filter((text) => words.includes(text) && text !== "English");
  ok(!left.length, `Chinese throughout: ${name}`, left.slice(0, 5));
  const raw = texts.filter((text) => /\{\w+\}/.test(text) || /^[a-z]+\.[a-z_]+$/.test(text));
  ok(!raw.length, `all words filled in: ${name}`, raw.slice(0, 5));
}

async function api(page, method, path, body) {
  return page.evaluate(
    async ([method, path, body]) => {
      const answer = await fetch(`/api/v1/${path}`, {
        method,
        headers: body ? { "Content-Type": "application/json" } : {},
        body: body ? JSON.stringify(body) : undefined,
      });
      return answer.json();
    },
    [method, path, body],
  );
}

// --- a part whose code would be a script, if any page took it for one
const page = await open("light", "en", { axe: true });
await page.goto(`${base}/`, { waitUntil: "commit" });
await main(page).locator(".verdict.PASS, .verdict.FAIL").waitFor();
const evil = `"><img src=x onerror="window.owned=1"><script>window.owned=1</script>`;
const shot = await api(page, "POST", "trigger", { code: evil });
ok(shot.sequence > 0, "a part with a script for its code is taken");

// --- live
const paint = await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime);
console.log(`# first paint after ${Math.round(paint)} ms, not asserted`);
await page.locator(".picture img").waitFor();
ok(await page.locator(".strip li").count() > 3, "live: the strip has parts");
{
  const shift = page.locator(".shift dd").first();
  const before = await shift.textContent();
  await page.waitForFunction((old) => document.querySelector(".shift dd").textContent !== old, before);
  ok(true, "live: the counts go on by themselves");
  const shapes = await page.locator(".verdict .shape, .verdict strong").count();
  same(shapes, 2, "live: a verdict has a shape and a word beside its colour");
  const source = await page.locator(".picture img").getAttribute("src");
  await page.waitForFunction((old) => document.querySelector(".picture img").src !== old, source);
  ok(true, "live: the picture follows the line");
  await page.getByRole("button", { name: "Heat map" }).click();
  await page.waitForResponse((answer) => answer.url().endsWith("/heatmap"));
  ok(true, "live: the heat map is one touch away");
  await page.getByRole("button", { name: "To the pixels" }).click();
  ok(await page.locator(".pane.pixels").count(), "live: zooms to pixels");
  await page.getByRole("button", { name: "Whole picture" }).click();
}
await audit(page, "live, light");
await gloves(page, "live");

// --- the way of a keyboard
await page.keyboard.press("Tab");
await page.evaluate(() => document.activeElement?.blur());
await page.keyboard.press("2");
await page.locator(".table .line").first().waitFor();
same(await page.evaluate(() => location.hash), "#/parts", "key 2 opens the parts");
for (const key of ["j", "j", "k", "Enter"]) await page.keyboard.press(key);
await page.locator(".part-page .facts").first().waitFor();
const opened = await page.evaluate(() => location.hash);
ok(/^#\/parts\/\d+$/.test(opened), "J, K and Enter open a part", opened);
await page.locator(".part-page .picture img").waitFor();
await page.keyboard.press("r");
await page.locator(".notice.good").waitFor();
ok((await page.locator(".notice.good").textContent()).includes("every bit is the same"), "R replays the part bit for bit");
await page.keyboard.press("m");
same(await page.getByRole("button", { name: "Heat map" }).getAttribute("aria-pressed"), "true", "M shows the heat map");
await audit(page, "part, light");
await gloves(page, "part");
await page.keyboard.press("c");
await page.locator(".sheet .notice.good").waitFor();
ok((await page.locator(".sheet").textContent()).includes("assay verify"), "C makes the certificate, with its proof replayed");
await audit(page, "certificate, light");
await page.keyboard.press("Escape");
await page.locator(".part-page").waitFor();
await page.keyboard.press("?");
await page.locator("dialog[open]").waitFor();
await audit(page, "help, light");
await page.keyboard.press("Escape");
await page.locator("dialog").waitFor({ state: "detached" });
ok(true, "? helps and Escape ends it");
await page.evaluate(() => (document.activeElement?.blur(), getSelection().removeAllRanges()));
await page.reload();
await page.locator(".part-page .facts").first().waitFor();
await page.keyboard.press("Tab");
same(await page.evaluate(() => document.activeElement.className), "skip", "the first tab goes to the content");
{
  const seen = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
  ok(seen !== "none", "the focus can be seen");
}

// --- parts
await at(page, "parts");
await page.locator(".table .line").first().waitFor();
const drawn = await page.locator(".table .line").count();
ok(drawn > 4 && drawn < 60, `parts: only what is seen is drawn (${drawn} rows)`);
await page.getByRole("searchbox").fill('"><img');
await page.waitForFunction(() => document.querySelectorAll(".table .line").length === 1);
ok((await page.locator(".table .code").textContent()).includes(evil), "parts: found by what its code begins with, as text");
await page.locator(".table .line a").click();
await page.locator(".facts dd").first().waitFor();
ok((await page.locator(".facts dd").first().textContent()).includes(evil), "part: its code is text too");
await page.goBack();
await page.locator(".table .line").first().waitFor();
same(await page.getByRole("searchbox").inputValue(), '"><img', "parts: going back keeps the search");
await at(page, "parts?verdict=FAIL");
await page.waitForFunction(() => {
  const words = [...document.querySelectorAll(".table .tag b")].map((e) => e.textContent);
  return words.length > 0 && words.every((word) => word === "Fail");
});
ok(true, "parts: only those that failed");
await page.getByRole("button", { name: "More" }).click();
await audit(page, "parts, light");
await gloves(page, "parts");
{
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: "CSV" }).click()]);
  const text = readFileSync(await download.path(), "utf8").trim().split("\r\n");
  ok(text[0].startsWith("part,time,station,code,verdict") && text.length > 1, "parts: CSV has a heading and lines");
  ok(text.slice(1).every((one) => /,FAIL,/.test(one)), "parts: CSV holds what was searched");
}

// --- quality
await at(page, "quality");
await page.locator(".chart canvas").waitFor();
ok(await page.locator(".pareto li").count(), "quality: a Pareto of reasons");
ok(await page.locator(".places .heat").count(), "quality: places of defects");
{
  const tiles = page.locator(".whatif .tile dd");
  const slider = page.getByRole("slider");
  await slider.fill("1");
  const all = (await tiles.nth(2).textContent()).replace(/\D/g, "");
  const judged = await page.evaluate(() => {
    const numbers = [...document.querySelectorAll(".quality-page > .tiles dd:not(.note)")].map((e) => Number(e.textContent.replace(/[^\d]/g, "")));
    return numbers[1] - numbers[3];
  });
  same(Number(all), judged, "quality: a threshold of nearly nothing rejects all that was judged");
  await slider.fill(String(await slider.getAttribute("max")));
  ok(Number((await tiles.nth(2).textContent()).replace(/\D/g, "")) < judged / 2, "quality: a high one rejects fewer");
}
await audit(page, "quality, light");
await gloves(page, "quality");

// --- settings
for (const room of ["cameras", "outputs", "recipes", "users", "log", "about"]) {
  await at(page, `settings/${room}`);
  await page.locator(".settings nav a[aria-current]").waitFor();
  await page.locator(".settings .card, .settings table, .settings .facts").first().waitFor();
  await audit(page, `settings, ${room}, light`);
  if (room === "users" || room === "recipes") await gloves(page, `settings, ${room}`);
}
ok(!(await page.evaluate(() => "owned" in window)), "nothing of a part's code was run");
await page.context().close();

// --- Chinese and dark, all pages
const dark = await open("dark", "zh", { axe: true });
await dark.goto(`${base}/`, { waitUntil: "commit" });
for (const path of ["live", "parts", `parts/${shot.sequence}`, `parts/${shot.sequence}/certificate`, "quality", "settings/recipes", "settings/users", "start"]) {
  await at(dark, path);
  await dark.locator("main h1").first().waitFor();
  await dark.locator(".tile, .table .line, .facts, .card, table td, .start li, .notice").first().waitFor();
  await dark.waitForTimeout(150);
  await audit(dark, `${path.replace(/\d+/, "N")}, dark, Chinese`, ["color-contrast", "label", "button-name", "link-name", "html-has-lang", "valid-lang"]);
  await untranslated(dark, path.replace(/\d+/, "N"));
}
same(await dark.evaluate(() => document.documentElement.lang), "zh-CN", "the page says it is Chinese");
await dark.keyboard.press("l");
await dark.waitForFunction(() => document.documentElement.lang === "en");
ok((await dark.locator("h1").textContent()).startsWith("Three steps"), "L switches to English at once");
await dark.keyboard.press("d");
same(await dark.evaluate(() => document.documentElement.dataset.look), "light", "D switches to light");
await dark.context().close();

// --- a camera that has fallen silent, a station that is gone
const silent = await open("light", "en");
await silent.goto(`${stale}/#/live`, { waitUntil: "commit" });
await silent.locator(".cover b", { hasText: "Camera stale" }).waitFor();
ok(await silent.locator(".banner.odd").count(), "a stale camera covers its picture, and the station says it is not ready");
silent.expected = /Failed to load resource|ERR_/;
process.kill(Number(stale_pid), "SIGKILL");
await silent.locator(".banner.bad").waitFor();
same(await silent.locator(".verdict strong").textContent(), "Not live", "a lost station shows no verdict as if it were true");
ok(await silent.locator(".strip.stale").count(), "and its last parts as old");
await silent.context().close();

// --- first start makes the first admin; then login
const first = await open("light", "en", { axe: true, fresh: true });
await first.goto(`${base}/`, { waitUntil: "commit" });
await first.locator("div.start").waitFor();
ok(true, "a fresh station begins with the first start");
await audit(first, "first start, light");
await first.getByLabel("User").fill("anna");
await first.getByLabel("Password").fill("correct horse battery");
await first.keyboard.press("Enter");
await first.locator(".start li.done").nth(2).waitFor();
ok(true, "the first admin is made and logged in");
await first.getByRole("button", { name: "Watch the line" }).click();
await first.locator("div.live").waitFor();
await at(first, "settings/users");
await first.getByLabel("Name").fill("otto");
await first.getByLabel("Password").fill("staple staple staple");
await first.getByRole("button", { name: "Save" }).click();
await first.locator("td", { hasText: "otto" }).waitFor();
ok(true, "a write of the session carries its token: another user is added");
{
  first.expected = /403/;
  const refused = await api(first, "POST", "users", { name: "eve", role: "admin", password: "x".repeat(12) });
  same(refused.error?.code, "csrf", "a write without the token is refused");
}
first.expected = /401/;
await first.getByRole("button", { name: "Log out anna" }).click();
await first.locator("main.login").waitFor();
await audit(first, "login, light");
await gloves(first, "login");
await first.getByLabel("User").fill("otto");
await first.getByLabel("Password").fill("wrong");
await first.keyboard.press("Enter");
await first.locator(".notice.bad").waitFor();
ok((await first.locator(".notice.bad").textContent()).includes("wrong"), "a wrong password is told");
await first.getByLabel("Password").fill("staple staple staple");
await first.keyboard.press("Enter");
await first.locator(".bar").waitFor();
await at(first, "settings");
await first.locator(".settings nav a").first().waitFor();
ok(!(await first.locator(".settings nav").textContent()).includes("Users"), "an operator sees no door he may not open");
await first.context().close();

ok(!troubles.length, "no console error anywhere", [...new Set(troubles)].slice(0, 10));
ok(!abroad.size, "no request off the station", [...abroad]);
await browser.close();
conclude();
