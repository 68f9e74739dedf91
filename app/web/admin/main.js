// Starts the console: key, collection, tabs.

import { keepKey, whenUnauthorized } from "../api.js";
import { byId, el } from "../dom.js";
import { keyDialog } from "../key.js";
import { tabs } from "../tabs.js";
import { attempt } from "../words.js";
import { doorPanel } from "./door.js";
import { folderPanel } from "./folder.js";
import { keysPanel } from "./keys.js";
import { overview } from "./overview.js";
import { scoresPanel } from "./scores.js";
import { collections, ready } from "./service.js";
import { subjectsPanel } from "./subjects.js";
import { webhooksPanel } from "./webhooks.js";

const askForKey = keyDialog(keepKey);
whenUnauthorized(askForKey);

let shown = "overview";
const picked = () => byId("collection").value || "default";
const subjects = subjectsPanel(picked);
const loads = { overview: overview(picked, refresh), subjects: subjects.load, scores: scoresPanel(picked), keys: keysPanel(picked), door: doorPanel(picked), webhooks: webhooksPanel(picked), folder: () => {} };
const open = tabs(Object.fromEntries(Object.entries(loads).map(([id, load]) => [id, () => ((shown = id), load())])));

folderPanel(picked, {
  onDone: () => {},
  onOpen: (id) => {
    open("subjects");
    subjects.open(id);
  },
});

/** The collections there are, then what is open. */
async function refresh() {
  const state = byId("state");
  const before = picked();
  const all = await attempt(byId("said"), "Loading", async () => (await ready(), collections()));
  state.dataset.state = all ? "ready" : "down";
  state.textContent = all ? "Ready" : "Not ready";
  if (!all) return;
  byId("collection").replaceChildren(...all.map(({ name }) => el("option", { selected: name === before }, name)));
  await loads[shown]();
}

byId("collection").addEventListener("change", () => loads[shown]());
byId("key-button").addEventListener("click", async () => {
  if (await askForKey()) refresh();
});
refresh();
