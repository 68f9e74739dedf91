// How the service is doing: what needs a look first, then the figures.

import { byId, el } from "../dom.js";
import { attempt, badge, count } from "../words.js";
import { health } from "./service.js";
import { moment } from "./table.js";

const PARTS = {
  database: "Database",
  index: "Index",
  snapshot: "Snapshot",
  disk: "Disk",
  webhooks: "Webhooks",
  retention: "Retention",
  keys: "Keys",
  audit: "Audit log",
};
const UNKNOWN = "not known: the database does not answer";
const TONES = { bad: ["bad", "Act now"], look: ["review", "Have a look"] };

export function healthPanel() {
  async function load() {
    const found = await attempt(byId("health-said"), "Asking", health);
    if (!found) return;
    const states = Object.fromEntries(found.concerns.map(({ about, state }) => [about, state]));
    byId("health-concerns").replaceChildren(summary(found.concerns));
    const parts = figures(found);
    byId("health-parts").replaceChildren(...Object.entries(PARTS).map(([part, title]) => row(title, parts[part], states[part])));
    byId("health-service").replaceChildren(...service(found).map(([title, value]) => row(title, value)));
  }
  byId("health-again").addEventListener("click", load);
  return load;
}

function summary(concerns) {
  if (!concerns.length) return el("div", { class: "note good" }, el("b", {}, "All is well"), "Nothing needs a look.");
  const bad = concerns.filter(({ state }) => state === "bad");
  const named = (some) => some.map(({ about }) => PARTS[about]).join(", ");
  if (bad.length) return el("div", { class: "note bad", role: "alert" }, el("b", {}, `Act now: ${named(bad)}`), concerns.length > bad.length ? `Also have a look at: ${named(concerns.filter(({ state }) => state !== "bad"))}.` : "");
  return el("div", { class: "note warn" }, el("b", {}, `Have a look: ${named(concerns)}`), "It works; this should not stay so.");
}

/** One part: its name, what is so, and a word beside the colour. */
function row(title, text, state) {
  const [tone, word] = TONES[state] ?? [];
  return el("div", { "data-state": state }, el("dt", {}, title), el("dd", {}, tone ? badge(tone, word) : "", tone ? " " : "", text));
}

function figures({ at, database, index, snapshot, disk, webhooks, retention, keys, audit }) {
  return {
    database: `${database.kind === "sqlite" ? "SQLite" : "Postgres"}, ${database.answers ? "answers" : "does not answer"}`,
    index: `${index.gallery}, ${index.ready ? "ready" : "being rebuilt: nobody can be found meanwhile"}; ${index.templates === null ? "it does not say how many templates it holds" : count(index.templates, "template", "templates")}${index.rows === null ? "" : ` of ${index.rows.toLocaleString("en")} in the database`}${index.behind ? `; ${count(index.behind, "change", "changes")} not read yet` : ""}`,
    snapshot: snapshot === null ? "none: the index is kept by a service of its own" : `${snapshot.saved_at ? `written ${ago(at, snapshot.saved_at)}` : "not written yet"}; ${snapshot.unsaved ? `${count(snapshot.unsaved, "change", "changes")} since, the first ${lasting(1000 * snapshot.unsaved_seconds)} ago` : "nothing changed since"}`,
    disk: `${size(disk.free)} free of ${size(disk.total)}`,
    webhooks: webhooks ? `${count(webhooks.waiting, "message waits", "messages wait")}${webhooks.oldest_waiting ? `, the oldest since ${ago(at, webhooks.oldest_waiting)}` : ""}; ${webhooks.dead.toLocaleString("en")} given up` : UNKNOWN,
    retention: retention ? (retention.ran_at ? `last ran ${ago(at, retention.ran_at)}, ${count(retention.erased, "subject", "subjects")} erased` : "has not run yet: it does an hour after the start, then every hour") : UNKNOWN,
    keys: keys ? (keys.length ? `${count(keys.length, "ends", "end")} within 14 days: ${keys.map((key) => `${key.name} (${key.key_id}) on ${moment(key.expires_at)}`).join("; ")}` : "none ends within 14 days") : UNKNOWN,
    audit: audit ? `${count(audit.acts, "act", "acts")}; ${checked(at, audit)}` : UNKNOWN,
  };
}

function checked(at, { acts, checked: last }) {
  if (!last) return "never checked: Check the whole log, under Audit";
  if (last.broken !== null) return `checked ${ago(at, last.at)}: broken at number ${last.broken}`;
  const since = acts - last.acts;
  return `checked ${ago(at, last.at)}: whole${since > 0 ? `; ${count(since, "act", "acts")} since` : ""}`;
}

const service = ({ version, model_id, extractor, detector, runtime, machine, sealed, requests, failures }) => [
  ["Version", version],
  ["Model", model_id],
  ["Extractor", extractor],
  ["Detector", detector],
  ["Runtime", `${runtime} on ${machine.device}, ${machine.processor}, ${count(machine.threads, "thread", "threads")}`],
  ["Vectors at rest", sealed ? "sealed" : "plain: whoever gets the database has them"],
  ["Since the start", `${count(requests, "request", "requests")}, ${count(failures, "failure", "failures")} of ours`],
];

function size(bytes) {
  const giga = bytes / 2 ** 30;
  return giga >= 1 ? `${giga.toLocaleString("en", { maximumFractionDigits: giga < 10 ? 1 : 0 })} GiB` : `${Math.round(bytes / 2 ** 20)} MiB`;
}

const ago = (now, then) => `${lasting(new Date(now) - new Date(then))} ago (${moment(then)})`;

/** Of milliseconds, the largest unit alone. */
function lasting(span) {
  const seconds = Math.max(0, Math.round(span / 1000));
  if (seconds < 90) return count(seconds, "second", "seconds");
  if (seconds < 90 * 60) return count(Math.round(seconds / 60), "minute", "minutes");
  if (seconds < 36 * 3600) return count(Math.round(seconds / 3600), "hour", "hours");
  return count(Math.round(seconds / 86_400), "day", "days");
}
