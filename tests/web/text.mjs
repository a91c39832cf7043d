// SPDX-License-Identifier: Apache-2.0
// Every word of the pages stands in the table of text.ts in both languages, is used, and nothing else is said: text.mjs WEB_DIR
import { readFileSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join, relative } from "node:path";
import { conclude, ok } from "./check.mjs";

const web = process.argv[2];
const ts = createRequire(import.meta.url)(join(process.argv[3], "node_modules/typescript"));
const files = readdirSync(join(web, "src"), { recursive: true })
  .map((name) => join(web, "src", String(name)))
  .filter((name) => /\.tsx?$/.test(name));

const table = new Map();
const literal = [];
const said = new Set();
const begun = new Set(); // `verdict.${…}`: all keys that begin so
const spoken = new Set(["aria-label", "aria-valuetext", "title", "placeholder", "alt", "label", "note", "hint"]);
const letters = /\p{L}{2,}/u;

for (const file of files) {
  const source = ts.createSourceFile(file, readFileSync(file, "utf8"), ts.ScriptTarget.ES2021, true, ts.ScriptKind.TSX);
  const complain = (node, text) =>
    literal.push(`${relative(web, file)}:${source.getLineAndCharacterOfPosition(node.getStart()).line + 1}: ${text.trim()}`);
  const walk = (node) => {
    if (ts.isVariableDeclaration(node) && node.name.getText() === "words" && file.endsWith("text.ts")) {
      for (const row of node.initializer.expression.properties)
        table.set(row.name.text, row.initializer.elements.map((cell) => cell.text));
      return;
    }
    if (ts.isStringLiteralLike(node)) said.add(node.text);
    if (ts.isTemplateExpression(node)) begun.add(node.head.text);
    if (ts.isJsxText(node) && letters.test(node.text)) complain(node, node.text);
    if (ts.isJsxAttribute(node) && spoken.has(node.name.getText()) && node.initializer && ts.isStringLiteral(node.initializer))
      if (letters.test(node.initializer.text)) complain(node, node.initializer.text);
    ts.forEachChild(node, walk);
  };
  walk(source);
}

ok(table.size > 200, `the table has ${table.size} entries`);
const missing = [...table].filter(([, cells]) => cells.length !== 2 || cells.some((cell) => !cell.trim())).map(([key]) => key);
ok(!missing.length, "no word is missing in a language", missing);
const odd = [...table]
  .filter(([, [en, zh]]) => {
    const names = (text) => (text.match(/\{\w+\}/g) ?? []).sort().join();
    return names(en) !== names(zh);
  })
  .map(([key]) => key);
ok(!odd.length, "both languages fill in the same names", odd);
const english = [...table]
  .filter(([key, [, zh]]) => !/\p{Script=Han}/u.test(zh) && /\p{L}{3,}/u.test(zh.replace(/\{\w+\}/g, "")) && !/^(trigger\.|about\.english|shell\.other)/.test(key))
  .map(([key]) => key);
ok(!english.length, "the Chinese column is Chinese", english);
const unused = [...table.keys()].filter((key) => !said.has(key) && ![...begun].some((head) => head.includes(".") && key.startsWith(head)));
ok(!unused.length, "every word is used", unused);
ok(!literal.length, "no component says anything that is not in the table", literal);
conclude();
