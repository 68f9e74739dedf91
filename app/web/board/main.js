// The live board: who is in, what happened, checking somebody out, saying that it was somebody else.

import { keepKey, stream, whenUnauthorized } from "../api.js";
import { byId, el } from "../dom.js";
import { keyDialog } from "../key.js";
import { attempt, called, problemNote, score } from "../words.js";
import { checkOut, collections, correct, countVisits, visits } from "./service.js";

const AGAIN_MS = 2_000;
const SHOWN = 60; // lines of what happened
const WAYS = { face: "by face", verify: "by face and code", code: "by code", list: "from the list", staff: "by staff", registration: "registered" };

let running = new AbortController();
let people = [];
let reading = null;
let again = false;

const askForKey = keyDialog(keepKey);
whenUnauthorized(askForKey);

const picked = () => byId("collection").value;
const clock = (time) => new Date(time).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });

async function start() {
  const names = await attempt(byId("said"), "Loading", collections);
  if (!names) return;
  byId("collection").replaceChildren(...names.map((name) => el("option", { selected: name === "default" }, name)));
  follow();
}

/** What happens from now on, and everything anew whenever something did; again after a break. */
async function follow() {
  running.abort();
  running = new AbortController();
  const { signal } = running;
  while (!signal.aborted) {
    try {
      // The first event says that the service listens for us: what is read after it misses nothing.
      for await (const told of stream("/board/events", { query: { collection: picked() }, signal })) {
        if (told.data) await soon(signal);
        state("ready", "Live");
      }
    } catch (error) {
      if (signal.aborted) return;
      state("down", "Connecting again");
      if (error.status && error.status < 500 && error.status !== 429) {
        byId("said").replaceChildren(problemNote(error));
        return;
      }
    }
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
}

/** Reads the lists, once however many events come while it does. */
function soon(signal) {
  if (reading) again = true;
  reading ??= (async () => {
    do {
      again = false;
      await load();
    } while (again && !signal.aborted);
  })().finally(() => (reading = null));
  return again ? undefined : reading;
}

async function load() {
  const midnight = new Date();
  midnight.setHours(0, 0, 0, 0);
  const collection = picked();
  const since = midnight.toISOString();
  const [open, latest, came, left] = await Promise.all([
    visits({ collection, open: true }, Infinity),
    visits({ collection, since, decision: "any" }, SHOWN),
    countVisits({ collection, since }),
    countVisits({ collection, since, open: false }),
  ]);
  if (collection !== picked()) return;
  people = open;
  byId("count-in").textContent = open.length.toLocaleString();
  byId("count-today").textContent = came.toLocaleString();
  byId("count-out").textContent = left.toLocaleString();
  list();
  byId("events").replaceChildren(...happened(latest).slice(0, SHOWN).map(line));
}

function list() {
  const asked = byId("find").value.trim().toLowerCase();
  const shown = people.filter((one) => `${one.name ?? ""} ${one.subject_id}`.toLowerCase().includes(asked));
  byId("in").replaceChildren(...(shown.length ? shown.map(person) : [el("li", { class: "soft" }, people.length ? "Nobody of this name is in." : "Nobody is in yet.")]));
}

function person(visit) {
  const about = `since ${clock(visit.checked_in_at)}, ${WAYS[visit.method]}${visit.score === null ? "" : `, score ${score(visit.score)}`}`;
  const out = () => act(visit, "Checking out", () => checkOut(picked(), visit));
  return el(
    "li",
    { "data-subject": visit.subject_id },
    el("div", {}, el("b", {}, called(visit)), el("p", { class: "soft" }, about)),
    el(
      "div",
      { class: "buttons" },
      el("button", { type: "button", "aria-label": `Check out ${called(visit)}`, onclick: out }, "Check out"),
      el("button", { type: "button", class: "link", "aria-label": `Not ${called(visit)}`, onclick: () => wrong(visit) }, "Not them"),
    ),
  );
}

async function act(visit, doing, work) {
  const done = await attempt(byId("said"), `${doing} ${called(visit)}`, work);
  if (done) await load();
}

async function wrong(visit) {
  const dialog = byId("wrong");
  byId("wrong-text").textContent = `The visit of ${called(visit)} since ${clock(visit.checked_in_at)} becomes somebody else's, and this face will not be taken for ${called(visit)} again.`;
  byId("wrong-who").value = "";
  dialog.returnValue = "cancel";
  dialog.showModal();
  await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
  if (dialog.returnValue === "correct") await act(visit, "Correcting", () => correct(picked(), visit, byId("wrong-who").value.trim()));
}

/** Visits and attempts as moments, the newest first. */
function happened(today) {
  const moments = today.flatMap((visit) => {
    if (visit.decision !== "match") return [{ at: visit.created_at, visit, tone: visit.decision === "review" ? "review" : "none", text: visit.decision === "review" ? "Not sure who: for staff" : "Somebody not known" }];
    const came = { at: visit.checked_in_at, visit, tone: "match", text: `${called(visit)} came, ${WAYS[visit.method]}` };
    return visit.checked_out_at ? [came, { at: visit.checked_out_at, visit, tone: "none", text: `${called(visit)} left` }] : [came];
  });
  return moments.sort((a, b) => b.at.localeCompare(a.at));
}

const line = ({ at, text, tone }) => el("li", { "data-tone": tone }, el("time", { datetime: at }, clock(at)), el("span", {}, text));

function state(now, text) {
  byId("state").dataset.state = now;
  byId("state").textContent = text;
}

byId("find").addEventListener("input", list);
byId("collection").addEventListener("change", follow);
byId("key-button").addEventListener("click", async () => {
  if (await askForKey()) start();
});
start();
