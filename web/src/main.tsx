// SPDX-License-Identifier: Apache-2.0
import { render } from "preact";
import "./style/tokens.css";
import "./style/base.css";
import "./style/shell.css";
import "./style/live.css";
import "./style/pages.css";
import "./style/workshop.css";
import "./style/print.css";
import { App } from "./shell";

const root = document.getElementById("app");
if (root) {
  root.replaceChildren();
  render(<App />, root);
}
