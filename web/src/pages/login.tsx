// SPDX-License-Identifier: Apache-2.0
import { useState } from "preact/hooks";
import { Refusal, login, session } from "../lib/api";
import { useStore } from "../lib/store";
import { language, setLanguage, t } from "../text";
import { Button, Field, Notice } from "../ui/bits";

export function Login() {
  const who = useStore(session);
  const [user, setUser] = useState("");
  const [password, setPassword] = useState("");
  const [refused, setRefused] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);

  const send = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    setRefused(null);
    try {
      await login(user, password);
    } catch (error) {
      const code = error instanceof Refusal ? error.status : 0;
      setRefused(code === 401 ? t("login.wrong") : code === 429 ? t("login.slow") : t("error.unreachable"));
      setPassword("");
    }
    setBusy(false);
  };

  return (
    <main class="login">
      <form onSubmit={(event) => void send(event)}>
        <h1>{who?.station ?? "assay"}</h1>
        <p class="quiet">{t("login.why")}</p>
        <Field label={t("login.user")}>
          <input
            name="user"
            autocomplete="username"
            required
            autofocus
            value={user}
            onInput={(event) => setUser(event.currentTarget.value)}
          />
        </Field>
        <Field label={t("login.password")}>
          <input
            name="password"
            type="password"
            autocomplete="current-password"
            required
            value={password}
            onInput={(event) => setPassword(event.currentTarget.value)}
          />
        </Field>
        {refused && <Notice kind="bad">{refused}</Notice>}
        <Button label={t("login.enter")} kind="main" submit disabled={busy} />
        <button
          type="button"
          class="button bare tongue"
          lang={language.get() === "zh" ? "en" : "zh-CN"}
          onClick={() => setLanguage(language.get() === "zh" ? "en" : "zh")}
        >
          {t("shell.other_language")}
        </button>
      </form>
    </main>
  );
}
