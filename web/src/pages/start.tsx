// SPDX-License-Identifier: Apache-2.0
// First start: three steps to a line that judges, each with what is missing and how to get it.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { type Recipe, get, login, post, session } from "../lib/api";
import { count, decimal } from "../lib/format";
import { line, pauseLine, startLine } from "../lib/line";
import { go } from "../lib/route";
import { remember, useStore } from "../lib/store";
import { t } from "../text";
import { Button, Field, LinkButton, Notice, errorText, useAsk } from "../ui/bits";
import { Shape } from "../ui/icons";

export function Start() {
  const now = useStore(line);
  const who = useStore(session);
  const recipes = useAsk("recipes", (signal) => get<{ recipes: Recipe[] }>("recipes", { signal }));
  const recipe = recipes.value?.recipes.find((at) => at.selected);
  const up = now.cameras.filter((camera) => camera.state === "up");
  const rehearsal = now.cameras.some((camera) => camera.type === "virtual");
  const ready = !!now.status?.ready;
  const finish = () => {
    remember("started", "yes");
    go("/live");
  };
  return (
    <div class="start">
      <h1>{t("start.title")}</h1>
      <p class="lead">{t("start.lead")}</p>
      <ol>
        <Step done={up.length > 0 && up.length === now.cameras.length} title={t("start.camera")}>
          {now.cameras.map((camera) => (
            <p key={camera.name}>
              <b>{camera.name}</b> · {t(`camera.${camera.state}` as "camera.up")} · {t("start.pictures", { n: count(camera.pictures) })}
            </p>
          ))}
          {rehearsal && <p class="quiet">{t("start.rehearsal")}</p>}
        </Step>
        <Step done={!!recipe?.taught && ready} title={t("start.recipe")}>
          {recipe?.taught ? (
            <p>{t("start.recipe_is", { name: recipe.name, threshold: decimal(recipe.threshold), size: `${recipe.width_px} × ${recipe.height_px}` })}</p>
          ) : (
            <>
              <p>{t("start.recipe_none")}</p>
              <LinkButton to="#/teach" label={t("page.teach")} icon="teach" kind="main" />
            </>
          )}
          {now.status && !ready && <Notice kind="odd">{now.status.why}</Notice>}
        </Step>
        <Step done={!!who?.users_exist} title={t("start.user")}>
          {who?.users_exist ? <p>{t("start.user_is")}</p> : <FirstAdmin />}
        </Step>
      </ol>
      <div class="row">
        <Button label={t("start.go")} kind="main" icon="live" onClick={finish} />
        {!who?.users_exist && <span class="quiet">{t("start.later")}</span>}
      </div>
    </div>
  );
}

function Step({ done, title, children }: { done: boolean; title: string; children: ComponentChildren }) {
  return (
    <li class={done ? "done" : "open"}>
      <span class="state">{done ? <Shape verdict="PASS" size={32} /> : <i aria-hidden="true" />}</span>
      <div>
        <h2>
          {title} <span class="quiet">{done ? t("start.done") : t("start.open")}</span>
        </h2>
        {children}
      </div>
    </li>
  );
}

function FirstAdmin() {
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const make = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    // from the first user on, nobody is let in without a login: ask nothing in between
    pauseLine();
    try {
      await post("users", { name, role: "admin", password }, { timeout_ms: 60000 });
      await login(name, password);
    } catch (refused) {
      setError(errorText(refused));
      startLine();
    }
    setBusy(false);
  };
  return (
    <form class="fields" onSubmit={(event) => void make(event)}>
      <p class="quiet whole">{t("start.user_none")}</p>
      <Field label={t("login.user")}>
        <input required autocomplete="username" value={name} onInput={(event) => setName(event.currentTarget.value)} />
      </Field>
      <Field label={t("users.password")}>
        <input
          required
          type="password"
          autocomplete="new-password"
          minLength={8}
          value={password}
          onInput={(event) => setPassword(event.currentTarget.value)}
        />
      </Field>
      <Button label={t("start.user_make")} submit disabled={busy} />
      {error && <Notice kind="bad">{error}</Notice>}
    </form>
  );
}
