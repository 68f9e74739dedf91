// The ways without a face: a code, a name from the list, a member of staff. Codes and names also work offline.

import { el } from "../dom.js";
import { outcome, refused } from "./outcome.js";
import { show } from "./screen.js";
import { names, newKey, passing, signIn } from "./service.js";
import { pause } from "./watch.js";

const CODE = /^[\x21-\x7e]{4,64}$/;
const SCAN_MS = 300;
const TYPED_MS = 250;
const FORMATS = ["qr_code", "code_128", "code_39", "ean_13", "data_matrix", "pdf417", "aztec"];

/** `way` is what door.js made. */
export function withoutFace(kiosk, way) {
  /** A code alone signs in; where it may not, the face is compared with who it is of. */
  function code() {
    const { words, rules } = kiosk;
    const alone = rules.methods.includes("code");
    const then = alone ? (given) => send({ method: "code", code: given }, code) : (given) => way.byFace({ code: given });
    return ask("code", [words.codeTitle, alone ? words.codeHint : words.codeFirst], then);
  }

  /** Where the door waits for a badge: the face is then compared with that one person, if the venue has it so. */
  function badge() {
    const { words, rules } = kiosk;
    const verify = rules.methods.includes("verify");
    const then = verify ? (given) => way.byFace({ code: given }) : (given) => send({ method: "code", code: given }, badge);
    return ask("waiting", verify ? [words.waitingBadge[0], words.codeFirst] : words.waitingBadge, then, true);
  }

  async function ask(state, lines, then, home = false) {
    const signal = kiosk.begin();
    const { words } = kiosk;
    const input = el("input", { name: "code", maxlength: 64, autocomplete: "off", autocapitalize: "none", spellcheck: "false", enterkeyhint: "go", required: true });
    const wrong = el("p", { class: "wrong", role: "alert" });
    const take = (given) => (CODE.test(given) ? then(given) : wrong.replaceChildren(words.codeUnknown[1]));
    const form = el(
      "form",
      { class: "ask", novalidate: true, onsubmit: (event) => (event.preventDefault(), take(input.value.trim())) },
      el("label", { class: "field" }, words.codeLabel, input),
      wrong,
      el("button", { type: "submit", class: "big primary" }, words.next),
    );
    const staff = { label: words.askStaff, run: help };
    show(state, lines, { content: [form], actions: home ? [staff] : [staff, { label: words.goBack, run: way.home }] });
    input.focus();
    await kiosk.quietly(() => scan(signal, take));
  }

  /** Codes held in front of the camera, where the browser can read them. */
  async function scan(signal, take) {
    if (!("BarcodeDetector" in window) || (await kiosk.camera.open()) !== "ready") return undefined;
    const known = await BarcodeDetector.getSupportedFormats();
    const detector = new BarcodeDetector({ formats: FORMATS.filter((one) => known.includes(one)) });
    for (;;) {
      await pause(SCAN_MS, signal);
      const [found] = await detector.detect(kiosk.camera.view).catch(() => []);
      if (found && CODE.test(found.rawValue)) return take(found.rawValue);
    }
  }

  /** A name from the list that the venue shows at its door. */
  function list() {
    const signal = kiosk.begin();
    const { words } = kiosk;
    const found = el("ul", { class: "names", "aria-label": words.nameTitle });
    const none = el("p", { class: "soft", role: "status" }, words.nameHint);
    let typed = 0;
    const input = el("input", { name: "name", maxlength: 100, autocomplete: "off", spellcheck: "false", oninput: () => {
      clearTimeout(typed);
      typed = setTimeout(() => kiosk.quietly(search), TYPED_MS);
    } });

    async function search() {
      const asked = input.value.trim();
      if (signal.aborted) return undefined;
      try {
        const people = asked ? await names(kiosk.collection, asked) : [];
        if (signal.aborted || asked !== input.value.trim()) return undefined;
        found.replaceChildren(...people.map(person));
        none.textContent = people.length ? "" : asked ? words.nameNone : words.nameHint;
      } catch (error) {
        return way.told(refused(error));
      }
      return undefined;
    }

    const person = ({ subject_id: id, name }) => el("li", {}, el("button", { type: "button", class: "big", onclick: () => send({ method: "list", subject_id: id }, list) }, name || id));
    show("list", [words.nameTitle, ""], { content: [el("label", { class: "field" }, words.nameLabel, input), none, found], actions: [{ label: words.askStaff, run: help }, { label: words.goBack, run: way.home }] });
    input.focus();
  }

  function help() {
    const { words } = kiosk;
    const signal = kiosk.begin();
    show("staff", [words.staffTitle, words.staffText], { tone: "ask", actions: [{ label: words.done, run: way.home }], focus: true });
    kiosk.quietly(async () => {
      await pause(30_000, signal);
      return way.home();
    });
  }

  /** One sign-in without a face; `retry` asks anew. What the network does not take now is kept and sent later, once. */
  async function send(named, retry) {
    const signal = kiosk.begin();
    const { words } = kiosk;
    const [asked, key] = [{ collection: kiosk.collection, direction: kiosk.direction, ...named }, newKey()];
    show("checking", words.checking, {});
    try {
      const answer = await signIn(asked, [], key);
      if (!signal.aborted) await way.told(outcome(answer), { name: answer.name });
    } catch (error) {
      if (!passing(error)) return way.told(refused(error), { retry });
      await kiosk.outbox.keep(asked, key);
      kiosk.reach();
      await way.told("kept");
    }
    return undefined;
  }

  return { code, badge, list, staff: help };
}
