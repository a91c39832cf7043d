// SPDX-License-Identifier: Apache-2.0
// What stands around every page: who, where, and whether what is shown is true now.
import { useEffect, useRef, useState } from "preact/hooks";
import { logout, may, renewSession, session } from "./lib/api";
import { clock } from "./lib/format";
import { line, startLine, stopLine } from "./lib/line";
import { setLook, theme } from "./lib/look";
import { go, place } from "./lib/route";
import { remembered, useStore } from "./lib/store";
import { find, pages } from "./pages";
import { Login } from "./pages/login";
import { language, setLanguage, t } from "./text";
import { Button, useKeys } from "./ui/bits";
import { Icon } from "./ui/icons";

const menu = pages.filter((page) => page.icon);

export function App() {
  const who = useStore(session);
  const tongue = useStore(language);
  const [failed, setFailed] = useState(false);
  useEffect(() => {
    let stop = false;
    const begin = () =>
      renewSession().then(
        () => setFailed(false),
        () => {
          setFailed(true);
          if (!stop) setTimeout(begin, 2000);
        },
      );
    void begin();
    return () => {
      stop = true;
    };
  }, []);
  useEffect(() => {
    document.documentElement.lang = tongue === "zh" ? "zh-CN" : "en";
  }, [tongue]);
  const inside = !!who && who.role !== "anyone";
  useEffect(() => {
    if (!inside) return;
    startLine();
    return stopLine;
  }, [inside, who?.user]);

  if (!who) return <main class="alone">{failed && <p role="alert">{t("link.none")}</p>}</main>;
  if (!inside) return <Login />;
  return <Inside />;
}

function Inside() {
  const at = useStore(place);
  const who = useStore(session);
  const [help, setHelp] = useState(false);
  const main = useRef<HTMLElement>(null);
  const first = useRef(true);
  const found = find(at.path);
  const allowed = menu.filter((page) => may(page.least));
  const here = at.path.join("/");

  useEffect(() => {
    // the address may be ahead of what was drawn
    if (at.path.length || location.hash.length > 2) return;
    const fresh = who && !who.users_exist && remembered("started") !== "yes";
    location.replace(fresh ? "#/start" : "#/live");
  }, [at]);
  useEffect(() => {
    const name = found ? t(found.page.name) : t("page.none");
    document.title = `${name} · ${who?.station ?? "assay"}`;
  });
  useEffect(() => {
    // whoever listens or walks by keyboard is taken to the new page, not on the first draw
    if (first.current) first.current = false;
    else main.current?.focus();
    scrollTo(0, 0);
  }, [here]);

  const keys: Record<string, () => void> = { "?": () => setHelp(!help), l: swapLanguage, d: swapLook };
  allowed.forEach((page, i) => (keys[String(i + 1)] = () => go(`/${page.path}`)));
  useKeys(keys);

  return (
    <>
      <a class="skip" href="#main" onClick={(event) => (event.preventDefault(), main.current?.focus())}>
        {t("shell.skip")}
      </a>
      <Bar path={at.path} allowed={allowed} onHelp={() => setHelp(true)} />
      <LinkBanner />
      <main ref={main} id="main" tabIndex={-1} class={`page ${found ? found.page.path.split("/")[0] : ""}`}>
        {!found && at.path.length > 0 && <p class="empty">{t("page.none")}</p>}
        {found && may(found.page.least) && <found.page.show args={found.args} />}
        {found && !may(found.page.least) && <p class="empty">{t("error.forbidden")}</p>}
      </main>
      {help && <Help onClose={() => setHelp(false)} names={allowed.map((page) => t(page.name))} />}
    </>
  );
}

const swapLanguage = () => setLanguage(language.get() === "zh" ? "en" : "zh");
const swapLook = () => setLook(theme.get() === "dark" ? "light" : "dark");

function Bar({ path, allowed, onHelp }: { path: string[]; allowed: typeof menu; onHelp: () => void }) {
  const who = useStore(session);
  const look = useStore(theme);
  const now = useStore(line);
  return (
    <header class="bar">
      <a class="brand" href="#/live" title={t("shell.home")}>
        <svg width="28" height="28" viewBox="0 0 32 32" aria-hidden="true">
          <rect class="plate" width="32" height="32" rx="4" />
          <path class="tick" d="M8 16.5l5.2 5.3L24.5 10" />
        </svg>
        <span class="names">
          <b>{who?.station ?? "assay"}</b>
          <span class="quiet">{now.status?.recipe || t("shell.no_recipe")}</span>
        </span>
      </a>
      <nav aria-label={t("shell.menu")}>
        {allowed.map((page) => (
          <a key={page.path} href={`#/${page.path}`} aria-current={path[0] === page.path ? "page" : undefined}>
            {page.icon && <Icon name={page.icon} />}
            <span>{t(page.name)}</span>
          </a>
        ))}
      </nav>
      <div class="tools">
        <Health />
        <Button bare icon="keys" label={t("shell.keys")} onClick={onHelp} />
        <Button
          bare
          icon={look === "dark" ? "sun" : "moon"}
          label={look === "dark" ? t("shell.light") : t("shell.dark")}
          onClick={swapLook}
        />
        <button type="button" class="button bare tongue" onClick={swapLanguage} lang={language.get() === "zh" ? "en" : "zh-CN"}>
          {t("shell.other_language")}
        </button>
        {who?.csrf && <Button bare icon="out" label={t("shell.logout", { user: who.user ?? "" })} onClick={() => void logout()} />}
      </div>
    </header>
  );
}

function Health() {
  const { status, connected } = useStore(line);
  const kind = !connected ? "bad" : !status ? "wait" : status.ready ? "good" : "bad";
  const word = !connected ? t("link.lost") : !status ? t("link.wait") : status.ready ? t("health.ready") : t("health.not_ready");
  return (
    <span class={`health ${kind}`} title={status?.why || undefined}>
      <i aria-hidden="true" />
      {word}
    </span>
  );
}

/* Nobody may take an old picture for the line as it is. */
function LinkBanner() {
  const { connected, heard_ms, status } = useStore(line);
  if (!connected)
    return (
      <div class="banner bad" role="alert">
        <b>{t("link.lost")}</b> <span>{t("link.since", { time: clock(new Date(heard_ms)) })}</span>
      </div>
    );
  if (status && !status.ready)
    return (
      <div class="banner odd" role="alert">
        <b>{t("health.not_ready")}</b> <span>{status.why}</span>
      </div>
    );
  return null;
}

function Help({ onClose, names }: { onClose: () => void; names: string[] }) {
  const box = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    box.current?.showModal();
  }, []);
  const rows: [string, string][] = [
    ...names.map((name, i): [string, string] => [String(i + 1), name]),
    ["M", t("keys.mode")],
    ["+ − 0", t("keys.zoom")],
    ["/", t("keys.search")],
    ["J K", t("keys.next")],
    ["Enter", t("keys.open")],
    ["R", t("keys.replay")],
    ["C", t("keys.certificate")],
    ["G B U", t("keys.judge")],
    ["S Z", t("keys.skip")],
    ["X", t("keys.draw")],
    ["L", t("keys.language")],
    ["D", t("keys.look")],
    ["?", t("keys.help")],
  ];
  return (
    <dialog ref={box} class="help" aria-labelledby="help" onClose={onClose}>
      <h2 id="help">{t("shell.keys")}</h2>
      <dl>
        {rows.map(([key, what]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <Button label={t("act.close")} kind="main" onClick={() => box.current?.close()} />
    </dialog>
  );
}
