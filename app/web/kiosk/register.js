// A visitor registers: consent, what the venue asks, three pictures, done. Nothing is kept when they leave half way.

import { el } from "../dom.js";
import { refused } from "./outcome.js";
import { whileSomebodyIsThere } from "./idle.js";
import { advise, mark, progress, several, show } from "./screen.js";
import { consentText, faces, newKey, register } from "./service.js";
import { watch } from "./watch.js";

const TURNS = [
  ["front", "photoFront"],
  ["left", "photoLeft"],
  ["right", "photoRight"],
];
const KINDS = { phone: "tel" };

/** `way` is what door.js made. Returns what starts it. */
export function registration(kiosk, way) {
  let stop = () => {};

  let agreed = null;

  function start() {
    const signal = kiosk.begin();
    stop();
    stop = whileSomebodyIsThere(kiosk.words, leave);
    return kiosk.quietly(async () => {
      // In the language of now, and the version of now: another one would be refused at the end.
      agreed = await consentText(kiosk.collection, kiosk.code);
      if (!signal.aborted) consent();
    });
  }

  function leave() {
    stop();
    way.home();
  }

  function consent() {
    kiosk.begin();
    const { words } = kiosk;
    const body = agreed.text.split(/\n{2,}/).map((paragraph) => el("p", {}, paragraph));
    const content = [el("div", { class: "consent", tabindex: "0", role: "region", lang: agreed.language, "aria-label": words.consentTitle }, ...body), el("p", { class: "soft version" }, words.consentVersion(agreed.version))];
    const actions = [
      { label: words.agree, run: () => form(), kind: "primary" },
      { label: words.disagree, run: () => (stop(), kiosk.elsewhere.code()) },
      { label: words.cancel, run: leave },
    ];
    show("consent", [words.consentTitle, ""], { content, actions, focus: true });
  }

  /** `flaws`: fields, by name, that the service would not have. */
  function form(given = {}, flaws = {}) {
    kiosk.begin();
    const { words, rules } = kiosk;
    const fields = [{ name: "", label: words.name, kind: "text", required: true }, ...rules.fields].map((one) => ({ ...one, ...control(one, words) }));
    const submit = (event) => {
      event.preventDefault();
      const wrong = fields.filter(({ input, flaw }) => {
        const fine = input.checkValidity() && (!input.required || input.type === "checkbox" || input.value.trim());
        flaw.textContent = fine ? "" : input.value ? words.notSo : words.required;
        input.setAttribute("aria-invalid", String(!fine));
        return !fine;
      });
      if (wrong.length) wrong[0].input.focus();
      else photos(answers(fields));
    };
    const next = el("button", { type: "submit", class: "big primary" }, words.next);
    const back = el("button", { type: "button", class: "big", onclick: consent }, words.goBack);
    const content = [el("form", { class: "ask fields", novalidate: true, autocomplete: "off", onsubmit: submit }, ...fields.map((one) => one.row), el("div", { class: "choices" }, next, back))];
    show("fields", [words.fieldsTitle, ""], { content, actions: [] });
    for (const { name, input, flaw } of fields) {
      if (input.type === "checkbox") input.checked = given[name] ?? false;
      else input.value = given[name] ?? "";
      if (flaws[name]) flaw.textContent = words.notSo;
    }
    fields[0].input.focus();
  }

  async function photos(asked) {
    stop(); // the camera sees whether somebody is there
    const signal = kiosk.begin();
    const { words, camera } = kiosk;
    const actions = [{ label: words.cancel, run: leave }];
    show("opening", words.opening, { actions, focus: true });
    const state = await camera.open();
    if (signal.aborted) return undefined;
    if (state !== "ready") return way.told(state);
    return kiosk.quietly(async () => {
      const taken = [];
      for (const [at, [wanted, say]] of TURNS.entries()) {
        show("photos", words[say], { actions, content: [steps(words, at)] });
        document.body.dataset.turn = wanted;
        const hear = ({ word, face, several: many, progress: share }) => {
          const hint = { ready: "still", look: "look", face: say }[word] ?? word;
          advise(words[hint]);
          several(many ? words.several : "");
          mark(face?.box, camera.size());
          progress(share);
        };
        const seen = await watch(camera, { find: kiosk.find, faces }, { tell: hear, signal, wanted, patience: 30_000 });
        if (!seen) return way.told("noFace", { retry: () => photos(asked) });
        taken.push(...seen.frames);
      }
      return send(asked, taken, signal);
    });
  }

  async function send(asked, pictures, signal) {
    const { words } = kiosk;
    show("checking", words.sending, { content: [steps(words, TURNS.length)] });
    try {
      const given = { collection: kiosk.collection, consent_version: agreed.version, name: asked[""], fields: JSON.stringify({ ...asked, "": undefined }) };
      await register(given, pictures, newKey());
      if (!signal.aborted) await way.told("registered", { name: asked[""] });
    } catch (error) {
      if (signal.aborted) return;
      if (error.code === "BAD_FIELDS") form(asked, error.fields);
      else {
        const word = refused(error);
        await way.told(word, { retry: { textChanged: start, duplicate: way.byFace }[word] ?? (() => photos(asked)) });
      }
    }
  }

  return start;
}

/** A labelled control for a field as the venue defined it; its flaw is said beside it. */
function control({ name, label, kind, required, options = [] }, words) {
  const id = `field-${name || "visitor"}`;
  const given = { id, name, required: required && kind !== "checkbox", "aria-describedby": `${id}-flaw`, maxlength: 200, spellcheck: "false" };
  const input = kind === "choice" ? el("select", { ...given, maxlength: undefined }, el("option", { value: "" }), ...options.map((one) => el("option", {}, one))) : el("input", { ...given, type: KINDS[kind] ?? kind });
  const flaw = el("p", { class: "wrong", id: `${id}-flaw` });
  const title = required ? label : `${label} (${words.optional})`;
  const row = kind === "checkbox" ? el("div", {}, el("label", { class: "check" }, input, label), flaw) : el("div", {}, el("label", { class: "field" }, title, input), flaw);
  return { input, flaw, row };
}

/** What was filled in, by the field's name; "" is the visitor's own. */
function answers(fields) {
  const told = fields.map(({ name, kind, input }) => [name, kind === "checkbox" ? input.checked : input.value.trim()]);
  return Object.fromEntries(told.filter(([, value]) => value !== "" && value !== false));
}

function steps(words, done) {
  const dots = TURNS.map(([wanted], at) => el("li", { "data-turn": wanted, "data-state": at < done ? "done" : at === done ? "now" : "next" }));
  return el("ol", { class: "steps", "aria-label": words.photoCount(Math.min(done + 1, TURNS.length)) }, ...dots);
}
