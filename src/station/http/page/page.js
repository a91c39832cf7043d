"use strict";
const words = {
  en: { pass: "Pass", fail: "Fail", fault: "Fault", missed: "Missed", user: "User", password: "Password", login: "Log in",
    ready: "ready", not: "not ready", lost: "connection lost, trying again", other: "中文" },
  zh: { pass: "合格", fail: "不合格", fault: "故障", missed: "漏触发", user: "用户", password: "密码", login: "登录",
    ready: "就绪", not: "未就绪", lost: "连接中断，正在重试", other: "English" },
};
const marks = { PASS: "✓", FAIL: "✗", FAULT: "!" };
const $ = (id) => document.getElementById(id);
let tongue = localStorage.tongue || (navigator.language.startsWith("zh") ? "zh" : "en");
let last = null, status = null, source = null, cameras = [];

function show() {
  const w = words[tongue];
  document.documentElement.lang = tongue === "zh" ? "zh-CN" : "en";
  for (const e of document.querySelectorAll("[data-word]")) e.textContent = w[e.dataset.word];
  $("language").textContent = w.other;
  if (status) {
    $("station").textContent = status.station;
    $("state").textContent = `${status.ready ? w.ready : w.not + ": " + status.why} · ${status.recipe || "–"}`;
    for (const k of ["pass", "fail", "fault", "missed"]) $(k).textContent = status.total[k];
  }
  if (last) {
    $("last").className = last.verdict;
    $("verdict").textContent = `${marks[last.verdict]} ${w[last.verdict.toLowerCase()]}`;
    $("about").textContent = [`#${last.sequence}`, last.code, last.fault || `${last.score.toFixed(1)} / ${last.threshold.toFixed(1)}`,
      `${(last.latency_us / 1000).toFixed(1)} ms`].join(" · ");
  }
}

async function refresh() {
  const answer = await fetch("/api/v1/status");
  const login = answer.status === 401;
  document.querySelector("form").hidden = !login;
  document.querySelector("main").hidden = login;
  if (!answer.ok) return false;
  status = await answer.json();
  show();
  return true;
}

function pictures() {
  for (const c of cameras) c.src = `/api/v1/cameras/${encodeURIComponent(c.alt)}/heatmap?${Date.now()}`;
}

async function start() {
  if (!(await refresh())) return;
  if (source) source.close();
  cameras = (await (await fetch("/api/v1/cameras")).json()).cameras.map((c) => Object.assign(new Image(), { alt: c.name }));
  $("pictures").replaceChildren(...cameras);
  pictures();
  let fresh = false;
  source = new EventSource("/api/v1/events");
  source.onopen = () => ($("link").textContent = "");
  source.onerror = () => ($("link").textContent = words[tongue].lost);
  source.addEventListener("verdict", (e) => {
    last = JSON.parse(e.data);
    if (fresh) return;
    fresh = true;
    setTimeout(() => { fresh = false; show(); refresh(); pictures(); }, 400);
  });
}

$("language").onclick = () => { localStorage.tongue = tongue = tongue === "en" ? "zh" : "en"; show(); };
document.querySelector("form").onsubmit = async (e) => {
  e.preventDefault();
  const form = new FormData(e.target);
  const answer = await fetch("/api/v1/session", { method: "POST", headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ user: form.get("user"), password: form.get("password") }) });
  $("refused").textContent = answer.ok ? "" : (await answer.json()).error.message;
  if (answer.ok) start();
};
show();
start();
setInterval(refresh, 5000);
