// Pictures by dropping, choosing or the webcam.

import { snapshot } from "./camera.js";
import { el } from "./dom.js";

const KINDS = "image/jpeg,image/png,image/webp,image/heic,image/heif,.heic,.heif";

// A picture dropped beside the field would otherwise replace the page.
for (const kind of ["dragover", "drop"]) window.addEventListener(kind, (event) => event.preventDefault());

/** Fills `place`; `onFiles` gets what was chosen, an array that is not empty. */
export function picker(place, { multiple = false, what, onFiles }) {
  const give = (files) => {
    const chosen = [...files].slice(0, multiple ? undefined : 1);
    if (chosen.length) onFiles(chosen);
  };
  const input = el("input", {
    type: "file",
    class: "unseen",
    accept: KINDS,
    multiple,
    onchange: () => {
      give([...input.files]);
      input.value = "";
    },
  });
  const webcam = el("button", { type: "button", onclick: async () => give([await snapshot()].filter(Boolean)) }, "Use the webcam");
  const choose = el("label", { class: "button" }, multiple ? "Choose pictures" : "Choose a picture", el("span", { class: "unseen" }, ` ${what}`), input);
  const drop = el(
    "div",
    {
      class: "drop",
      ondragover: () => drop.classList.add("over"),
      ondragleave: () => drop.classList.remove("over"),
      ondrop: (event) => {
        drop.classList.remove("over");
        give(event.dataTransfer.files);
      },
    },
    el("p", { class: "soft" }, multiple ? "Drop pictures here" : "Drop a picture here"),
    el("div", { class: "choices" }, choose, webcam),
  );
  place.replaceChildren(drop);
}
