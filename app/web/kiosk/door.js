// The way of one visitor: waiting, looking, checking, told. Always back to waiting by itself.

import { mended, outcome, refused, tone } from "./outcome.js";
import { advise, mark, progress, several, show } from "./screen.js";
import { faces, newKey, signIn } from "./service.js";
import { measure } from "./gate.js";
import { pause, sighted, watch } from "./watch.js";

const TOLD_MS = 6_000;
const ASKED_MS = 25_000; // where the visitor has something to choose
const STIR = 0.012; // motion that wakes an automatic door
const TICK_MS = 250;
const REST_MS = 2_500; // an automatic door looks so often even where nothing stirs
const CLEAR_MS = 1_200; // nobody in view for so long: the next visitor may come

/** `kiosk` is what main.js made: camera, rules, words, direction, begin(), elsewhere (the ways without a face). */
export function door(kiosk) {
  const { camera } = kiosk;

  /** Waiting for the next visitor. */
  async function home() {
    const signal = kiosk.begin();
    const { words, rules } = kiosk;
    progress(0);
    mark(null, [0, 0]);
    if (rules.trigger === "badge") return kiosk.elsewhere.badge();
    const automatic = rules.trigger === "auto" && faceAllowed();
    const start = { label: kiosk.direction === "out" ? words.signOut : words.signIn, run: () => byFace(), kind: "primary huge" };
    const actions = [...(faceAllowed() && !automatic ? [start] : []), ...others()];
    show("waiting", automatic ? words.waitingAuto : words.waitingTouch, { actions });
    if (!faceAllowed()) return undefined;
    const state = await camera.open();
    if (signal.aborted) return undefined;
    if (state !== "ready") return told(state, { stay: true });
    kiosk.find().catch(() => {}); // so that the first visitor does not wait for it; what fails is told to who asks
    return automatic ? kiosk.quietly(() => somebodyComes(signal)) : undefined;
  }

  const faceAllowed = () => kiosk.rules.methods.includes("face");

  async function somebodyComes(signal) {
    let before = null;
    let lookedAt = 0;
    let clearSince = kiosk.greeted ? 0 : 1; // whoever was just greeted has to leave first
    for (;;) {
      await pause(TICK_MS, signal);
      const grey = camera.grey();
      const stirred = measure(grey, before).motion > STIR;
      before = grey;
      const now = performance.now();
      if (!stirred && now - lookedAt < REST_MS) continue;
      lookedAt = now;
      const { face, word } = await sighted(camera, kiosk.find);
      signal.throwIfAborted();
      const near = face && word !== "closer";
      if (!near) {
        clearSince ||= now;
        if (now - clearSince > CLEAR_MS) kiosk.greeted = false;
      }
      if (near && !kiosk.greeted) return byFace();
    }
  }

  /** Sign in with the face: among all, or as the one that `named` ({code} or {subject_id}) says. `before`: why it is tried again. */
  async function byFace(named = {}, before = "") {
    const signal = kiosk.begin();
    const { words } = kiosk;
    const retry = () => byFace(named);
    const actions = [...others(["register"]), { label: words.cancel, run: home }];
    show("opening", words.opening, { actions, focus: !before });
    const state = await camera.open();
    if (signal.aborted) return;
    if (state !== "ready") return told(state);
    show("looking", words[before || "look"], { actions });
    const hear = ({ word, face, several: many, progress: share }) => {
      advise(words[word === "ready" ? "still" : word]);
      several(many ? words.several : "");
      mark(face?.box, camera.size());
      progress(share);
    };
    await kiosk.quietly(async () => {
      try {
        const seen = await watch(camera, { find: kiosk.find, faces }, { tell: hear, signal });
        if (!seen) return told("noFace");
        show("checking", words.checking, {});
        const answer = await signIn({ collection: kiosk.collection, direction: kiosk.direction, ...named }, seen.frames, newKey());
        if (signal.aborted) return undefined;
        const word = outcome(answer);
        if (["unknown", "notYou"].includes(word) && !before) return byFace(named, "again");
        kiosk.greeted = true;
        return told(word, { name: answer.name, retry });
      } catch (error) {
        if (signal.aborted) return undefined;
        const word = refused(error);
        return mended(word) && !before ? byFace(named, word) : told(word, { retry: word === "codeUnknown" ? home : retry });
      }
    });
  }

  /** The end of every way: said, with what can be done next (`retry`: once more), and back to waiting after a while. */
  async function told(word, { name = "", stay = false, retry = byFace } = {}) {
    const signal = kiosk.begin();
    const { words } = kiosk;
    mark(null, [0, 0]);
    progress(tone(word) === "good" ? 1 : 0);
    const said = words[word];
    const good = tone(word) === "good";
    const again = { label: words.tryAgain, run: stay ? home : () => retry(), kind: "primary" };
    const without = ["unsure", "notReal", "notYou", "duplicate"].includes(word) ? ["register"] : [];
    const actions = good ? [{ label: words.done, run: home }] : [again, ...others(without), { label: words.cancel, run: home }];
    show(word, typeof said === "function" ? said(name) : said, { tone: tone(word), actions: stay ? [again, ...others()] : actions, focus: !stay });
    if (["offline", "notReady", "notAllowed"].includes(word)) kiosk.reach();
    if (stay) return;
    await kiosk.quietly(async () => {
      await pause(good ? TOLD_MS : ASKED_MS, signal);
      return home();
    });
  }

  /** Buttons of the ways without a face, and to register, where the venue has them. */
  function others(without = []) {
    const { words, rules, elsewhere } = kiosk;
    const ways = [
      ["register", kiosk.consent !== null && faceAllowed(), words.register, elsewhere.register],
      ["code", rules.methods.includes("code") || rules.methods.includes("verify"), words.useCode, elsewhere.code],
      ["list", rules.methods.includes("list"), words.useName, elsewhere.list],
      ["staff", rules.methods.includes("staff"), words.askStaff, elsewhere.staff],
    ];
    return ways.filter(([way, allowed]) => allowed && !without.includes(way)).map(([, , label, run]) => ({ label, run: () => run() }));
  }

  return { home, byFace, told };
}
