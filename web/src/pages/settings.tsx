// SPDX-License-Identifier: Apache-2.0
// What the station is connected to, who may use it, and what was changed by whom.
import type { ComponentType } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { type LogLine, type Recipe, type Role, type User, ask, get, may, post, query, session } from "../lib/api";
import { count, decimal, moment, percent, span } from "../lib/format";
import { line } from "../lib/line";
import { type Look, setLook, theme } from "../lib/look";
import { useStore } from "../lib/store";
import { type Key, type Language, language, setLanguage, t } from "../text";
import { Button, Choice, Field, Notice, errorText, useAsk } from "../ui/bits";
import { Shape } from "../ui/icons";
import { Rows } from "./part";

const rooms: { path: string; name: Key; least: Role; show: ComponentType }[] = [
  { path: "cameras", name: "settings.cameras", least: "viewer", show: Cameras },
  { path: "outputs", name: "settings.outputs", least: "viewer", show: Outputs },
  { path: "recipes", name: "settings.recipes", least: "viewer", show: Recipes },
  { path: "users", name: "settings.users", least: "admin", show: Users },
  { path: "log", name: "settings.log", least: "engineer", show: Log },
  { path: "about", name: "settings.about", least: "viewer", show: About },
];

export function Settings({ args }: { args: string[] }) {
  useStore(session);
  const allowed = rooms.filter((room) => may(room.least));
  const room = allowed.find((at) => at.path === args[0]) ?? allowed[0];
  return (
    <div class="settings">
      <nav aria-label={t("page.settings")}>
        {allowed.map((at) => (
          <a key={at.path} href={`#/settings/${at.path}`} aria-current={at === room ? "page" : undefined}>
            {t(at.name)}
          </a>
        ))}
      </nav>
      <section>
        <h1>{t(room.name)}</h1>
        <room.show />
      </section>
    </div>
  );
}

function State({ good, text }: { good: boolean; text: string }) {
  return (
    <span class={`state ${good ? "good" : "bad"}`}>
      <Shape verdict={good ? "PASS" : "FAULT"} size={20} />
      {text}
    </span>
  );
}

function Cameras() {
  const { cameras } = useStore(line);
  return (
    <div class="cards">
      {cameras.map((camera) => (
        <article key={camera.name} class="card">
          <h2>
            {camera.name} <span class="quiet">{camera.type}</span>
          </h2>
          <State good={camera.state === "up"} text={t(`camera.${camera.state}` as "camera.up")} />
          <p class="quiet">{camera.text}</p>
          <Rows
            rows={[
              [t("settings.pictures"), count(camera.pictures)],
              [t("settings.broken"), count(camera.broken)],
              [t("settings.missed"), count(camera.missed)],
            ]}
          />
        </article>
      ))}
    </div>
  );
}

function Outputs() {
  const { status } = useStore(line);
  if (!status) return null;
  if (!status.outputs.length) return <p class="empty">{t("settings.no_outputs")}</p>;
  return (
    <div class="cards">
      {status.outputs.map((output) => (
        <article key={output.name} class="card">
          <h2>
            {output.name} <span class="quiet">{output.type}</span>
          </h2>
          <State good={output.up} text={output.up ? t("settings.up") : t("settings.down")} />
          <p class="quiet">{output.state}</p>
          <Rows
            rows={[
              [t("settings.sent"), t("live.of", { n: count(output.sent), all: count(output.posted) })],
              [t("settings.lost"), count(output.lost)],
              [t("settings.queue"), t("live.of", { n: count(output.queue_length), all: count(output.queue_capacity) })],
            ]}
          />
        </article>
      ))}
    </div>
  );
}

function Recipes() {
  const list = useAsk("recipes", (signal) => get<{ recipes: Recipe[] }>("recipes", { signal }));
  const [told, setTold] = useState<{ good: boolean; text: string } | null>(null);
  const file = useRef<HTMLInputElement>(null);
  const [target, setTarget] = useState("");
  const act = async (what: () => Promise<unknown>, done: string) => {
    try {
      await what();
      setTold({ good: true, text: done });
    } catch (error) {
      setTold({ good: false, text: errorText(error) });
    }
    list.again();
  };
  const put = (chosen: File) =>
    act(
      () => ask(`recipes${query({ name: target })}`, { method: "POST", bytes: chosen, timeout_ms: 120000 }),
      t("recipes.replaced", { name: target }),
    );
  return (
    <>
      {told && <Notice kind={told.good ? "good" : "bad"}>{told.text}</Notice>}
      {list.error && <Notice kind="bad">{list.error}</Notice>}
      <div class="cards">
        {list.value?.recipes.map((recipe) => (
          <article key={recipe.number} class={`card ${recipe.selected ? "selected" : ""}`}>
            <h2>
              {count(recipe.number)} · {recipe.name}
            </h2>
            {recipe.selected && <State good text={t("recipes.selected")} />}
            <Rows
              rows={[
                [t("recipes.picture"), `${recipe.width_px} × ${recipe.height_px}`],
                [t("recipes.working"), `${recipe.working_width_px} × ${recipe.working_height_px}`],
                [t("recipes.threshold"), decimal(recipe.threshold, 2)],
                [t("recipes.overkill"), percent(recipe.overkill_stated, 2)],
                [t("recipes.hash"), <code key="h">{recipe.content_hash}</code>],
              ]}
            />
            <div class="row">
              {!recipe.selected && may("operator") && (
                <Button
                  label={t("recipes.select")}
                  onClick={() => void act(() => post("recipes/select", { number: recipe.number }), t("recipes.will"))}
                />
              )}
              {may("engineer") && (
                <Button
                  label={t("recipes.replace")}
                  icon="save"
                  onClick={() => {
                    setTarget(recipe.name);
                    file.current?.click();
                  }}
                />
              )}
            </div>
          </article>
        ))}
      </div>
      {may("engineer") && (
        <div class="row"><Button label={t("recipes.reload")} icon="replay" onClick={() => void act(() => post("reload"), t("recipes.reloaded"))} /></div>
      )}
      <input
        ref={file}
        type="file"
        hidden
        accept=".assay"
        aria-label={t("recipes.replace")}
        onChange={(event) => {
          const chosen = event.currentTarget.files?.[0];
          if (chosen) void put(chosen);
          event.currentTarget.value = "";
        }}
      />
    </>
  );
}

const roleNames: Role[] = ["viewer", "operator", "engineer", "admin"];
const roleWord = (role: Role) => t(`role.${role}` as "role.viewer");

function Users() {
  const list = useAsk("users", (signal) => get<{ users: User[] }>("users", { signal }));
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const [role, setRole] = useState<Role>("operator");
  const [told, setTold] = useState<{ good: boolean; text: string } | null>(null);
  const [token, setToken] = useState<string | null>(null);
  const [doomed, setDoomed] = useState<string | null>(null);
  const save = async (event: Event) => {
    event.preventDefault();
    setToken(null);
    try {
      const made = await post<{ token: string | null }>("users", { name, role, password: password || null });
      setTold({ good: true, text: t("users.saved", { name }) });
      setToken(made.token);
      setName("");
    } catch (error) {
      setTold({ good: false, text: errorText(error) });
    }
    setPassword("");
    list.again();
  };
  const remove = async (gone: string) => {
    setDoomed(null);
    try {
      await ask(`users/${encodeURIComponent(gone)}`, { method: "DELETE" });
      setTold({ good: true, text: t("users.removed", { name: gone }) });
    } catch (error) {
      setTold({ good: false, text: errorText(error) });
    }
    list.again();
  };
  return (
    <>
      {told && <Notice kind={told.good ? "good" : "bad"}>{told.text}</Notice>}
      {token && (
        <Notice kind="odd">
          {t("users.token")} <code>{token}</code>
        </Notice>
      )}
      {list.error && <Notice kind="bad">{list.error}</Notice>}
      {list.value && !list.value.users.length && <Notice kind="odd">{t("users.none")}</Notice>}
      <table class="plain wide">
        <thead>
          <tr>
            <th>{t("users.name")}</th>
            <th>{t("users.role")}</th>
            <th>{t("users.by")}</th>
            <th>{t("users.act")}</th>
          </tr>
        </thead>
        <tbody>
          {list.value?.users.map((user) => (
            <tr key={user.name}>
              <td>{user.name}</td>
              <td>{roleWord(user.role)}</td>
              <td>{user.token ? t("users.by_token") : t("users.by_password")}</td>
              <td>
                {doomed === user.name ? (
                  <>
                    <Button label={t("users.remove_sure")} kind="danger" onClick={() => void remove(user.name)} />
                    <Button label={t("act.keep")} onClick={() => setDoomed(null)} />
                  </>
                ) : (
                  <Button bare icon="trash" label={t("users.remove", { name: user.name })} onClick={() => setDoomed(user.name)} />
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <h2>{t("users.add")}</h2>
      <form class="fields" onSubmit={(event) => void save(event)}>
        <Field label={t("users.name")}>
          <input required value={name} autocomplete="off" onInput={(event) => setName(event.currentTarget.value)} />
        </Field>
        <Field label={t("users.role")}>
          <select value={role} onChange={(event) => setRole(event.currentTarget.value as Role)}>
            {roleNames.map((at) => (
              <option key={at} value={at}>
                {roleWord(at)}
              </option>
            ))}
          </select>
        </Field>
        <Field label={t("users.password")}>
          <input
            type="password"
            autocomplete="new-password"
            value={password}
            onInput={(event) => setPassword(event.currentTarget.value)}
          />
        </Field>
        <Button label={t("users.save")} kind="main" submit />
      </form>
      <p class="quiet">{t("users.help")}</p>
    </>
  );
}

function Log() {
  const [kind, setKind] = useState("");
  const [lines, setLines] = useState<LogLine[]>([]);
  const [next, setNext] = useState<number | null>(null);
  const [error, setError] = useState<string | null>(null);
  const load = async (cursor: number | null) => {
    try {
      const page = await get<{ lines: LogLine[]; next: number | null }>(`log${query({ kind, cursor, limit: 100 })}`);
      setLines((old) => (cursor ? [...old, ...page.lines] : page.lines));
      setNext(page.next);
      setError(null);
    } catch (refused) {
      setError(errorText(refused));
    }
  };
  useEffect(() => void load(null), [kind]);
  return (
    <>
      <p class="quiet">{t("log.help")}</p>
      <Choice
        label={t("log.kind")}
        value={kind}
        onChange={setKind}
        options={[
          { value: "", label: t("parts.all") },
          { value: "http", label: t("log.changes") },
          { value: "login", label: t("log.logins") },
          { value: "login_refused", label: t("log.refused") },
          { value: "recipe", label: t("log.recipes") },
        ]}
      />
      {error && <Notice kind="bad">{error}</Notice>}
      <table class="plain wide">
        <thead>
          <tr>
            <th>{t("log.link")}</th>
            <th>{t("parts.time")}</th>
            <th>{t("log.kind")}</th>
            <th>{t("log.text")}</th>
          </tr>
        </thead>
        <tbody>
          {lines.map((at) => (
            <tr key={at.link}>
              <td class="number">{count(at.link)}</td>
              <td class="number">{moment(new Date(at.time))}</td>
              <td>
                <code>{at.kind}</code>
              </td>
              <td class="text">{at.text}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {!lines.length && !error && <p class="empty">{t("log.none")}</p>}
      {next !== null && <div class="row"><Button label={t("log.more")} onClick={() => void load(next)} /></div>}
    </>
  );
}

function About() {
  const { status } = useStore(line);
  const look = useStore(theme);
  return (
    <>
      <div class="fields">
        <div class="field">
          <span>{t("about.language")}</span>
          <Choice<Language>
            label={t("about.language")}
            value={language.get()}
            onChange={setLanguage}
            options={[
              { value: "en", label: t("about.english") },
              { value: "zh", label: t("about.chinese") },
            ]}
          />
        </div>
        <div class="field">
          <span>{t("about.look")}</span>
          <Choice<Look>
            label={t("about.look")}
            value={look}
            onChange={setLook}
            options={[
              { value: "light", label: t("shell.light") },
              { value: "dark", label: t("shell.dark") },
            ]}
          />
        </div>
      </div>
      {status && (
        <Rows
          rows={[
            [t("about.station"), status.station],
            [t("about.version"), status.version],
            [t("about.kernels"), status.kernels],
            [t("about.uptime"), span(status.uptime_us / 1e6)],
            [t("about.parts"), count(status.total.triggers)],
            [t("live.record"), status.record === "kept" ? t("live.kept") : status.record],
            [t("about.shifts"), status.shifts ?? "–"],
            [t("about.takt"), status.takt_ms ? t("unit.ms", { n: count(status.takt_ms) }) : "–"],
          ]}
        />
      )}
      <p class="quiet">{t("about.help")}</p>
      <a class="button plain start-align" href="#/start">
        {t("page.start")}
      </a>
    </>
  );
}
