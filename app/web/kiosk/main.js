// Starts the kiosk: key and rules, language, direction, connection; then waits for visitors.

import { useKey } from "../api.js";
import { byId, el } from "../dom.js";
import { door } from "./door.js";
import { withoutFace } from "./elsewhere.js";
import { eyes } from "./eyes.js";
import { sight } from "./near/sight.js";
import { outbox } from "./queue.js";
import { refused } from "./outcome.js";
import { show } from "./screen.js";
import { consentText, finderWeights, passing, rules } from "./service.js";
import { setup } from "./setup.js";
import { openStore } from "./store.js";
import { languages, wordsOf } from "./words.js";
import { registration } from "./register.js";

const FRESH_MS = 60_000; // how often the rules are read again

const store = await openStore();
let running = new AbortController();
let waiting = [0, 0];

const kiosk = {
  ...wordsOf(await store.get("language")),
  collection: (await store.get("collection")) ?? "default",
  key: (await store.get("key")) ?? null,
  // What the service said last serves while it does not answer: a code still signs in.
  rules: (await store.get("rules")) ?? { methods: ["face", "code", "staff"], trigger: "touch", fields: [] },
  consent: (await store.get("consent")) ?? null,
  direction: "in",
  greeted: false,
  camera: eyes(byId("view"), () => way.told("noCamera", { stay: true })),
  find: sight(() => finderWeights(kiosk.collection)),
  outbox: outbox(store, (unsent, refusedOnes) => {
    waiting = [unsent, refusedOnes];
    connection(byId("link").dataset.state !== "down");
  }),
  /** Ends what ran before: answers that come late change nothing on the screen. */
  begin() {
    running.abort();
    running = new AbortController();
    return running.signal;
  },
  /** Runs `work`; being ended is no error, anything else is told. */
  async quietly(work) {
    const { signal } = running;
    try {
      return await work();
    } catch (error) {
      if (error.name !== "AbortError" && !signal.aborted) return way.told(refused(error));
      return undefined;
    }
  },
  reach,
};
useKey(() => kiosk.key);

const way = door(kiosk);
kiosk.home = way.home;
kiosk.elsewhere = { ...withoutFace(kiosk, way), register: registration(kiosk, way) };
const openSetup = setup(kiosk, store, reach);

/** Reads the rules anew and shows whether the service answers: "ok", "refused" (the key), "offline". */
async function reach() {
  try {
    const [now, consent] = await Promise.all([rules(kiosk.collection), consentText(kiosk.collection, kiosk.code)]);
    const changed = JSON.stringify([now, consent]) !== JSON.stringify([kiosk.rules, kiosk.consent]);
    Object.assign(kiosk, { rules: now, consent });
    await Promise.all([store.set("rules", now), store.set("consent", consent)]);
    privacy();
    byId("venue").textContent = kiosk.collection === "default" ? "Frontalis" : kiosk.collection;
    connection(true);
    kiosk.outbox.flush();
    if (changed && document.body.dataset.state === "waiting") way.home();
    return "ok";
  } catch (error) {
    connection(!passing(error));
    return passing(error) ? "offline" : "refused";
  }
}

function connection(up) {
  const { words } = kiosk;
  const [unsent, refusedOnes] = waiting;
  const place = byId("link");
  place.dataset.state = up ? (refusedOnes ? "warn" : "ready") : "down";
  const parts = [up ? words.online : words.offlineShort, unsent ? words.waitingToSend(unsent) : "", refusedOnes ? words.refusedOnes(refusedOnes) : ""];
  place.textContent = parts.filter(Boolean).join(" · ");
}

function speak(code) {
  Object.assign(kiosk, wordsOf(code));
  const { words } = kiosk;
  document.documentElement.lang = words.locale;
  document.title = words.page;
  byId("view").setAttribute("aria-label", words.preview);
  privacy();
  byId("setup-open").textContent = words.setupOpen;
  const choice = ({ code: one, name, locale }) =>
    el("button", { type: "button", lang: locale, "aria-pressed": String(one === kiosk.code), onclick: () => (store.set("language", one), speak(one), way.home(), reach()) }, name);
  byId("languages").replaceChildren(...languages.map(choice));
  directions();
  connection(byId("link").dataset.state !== "down");
}

function privacy() {
  byId("privacy").textContent = kiosk.rules.keep_pictures ? kiosk.words.privacyKept : kiosk.words.privacy;
}

function directions() {
  const { words } = kiosk;
  byId("direction").setAttribute("aria-label", words.direction);
  const choice = (one) =>
    el("button", { type: "button", "aria-pressed": String(one === kiosk.direction), onclick: () => ((kiosk.direction = one), directions(), way.home()) }, words[one]);
  byId("direction").replaceChildren(choice("in"), choice("out"));
}

speak(kiosk.code);
show("opening", kiosk.words.opening);
byId("setup-open").addEventListener("click", openSetup);
window.addEventListener("online", reach);
window.addEventListener("offline", () => connection(false));
setInterval(reach, FRESH_MS);
if ((await reach()) === "refused") openSetup();
else way.home();
navigator.serviceWorker?.register("/kiosk-worker.js", { scope: "/kiosk" }).catch(() => {}); // without it only a reload needs the network
document.addEventListener("visibilitychange", awake);
awake();

/** A tablet at a door does not go to sleep. */
function awake() {
  if (document.visibilityState === "visible") navigator.wakeLock?.request("screen").catch(() => {});
}
