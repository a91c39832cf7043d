import { chromium } from "playwright-core";
const base = process.argv[2], out = process.argv[3], names = process.argv.slice(4);
const b = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
const p = await b.newPage({ viewport: { width: 1280, height: 800 } });
p.on("console", (m) => console.log("console", m.type(), m.text()));
p.on("pageerror", (e) => console.log("pageerror", e.message));
for (const one of names) {
  const [name, path, look, lang] = one.split("=");
  await p.goto(base + "/");
  await p.evaluate(([l, g]) => { localStorage["assay.started"]="yes"; localStorage["assay.look"] = l || "light"; localStorage["assay.language"] = g || "en"; }, [look, lang]);
  await p.goto(base + "/#/" + path); await p.reload();
  await p.waitForTimeout(1800);
  await p.screenshot({ path: `${out}/${name}.png` });
}
await b.close();
