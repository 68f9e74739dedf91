// A picture with its faces in the page: redrawn when the room changes, linked to the cards of the faces.

import { el } from "./dom.js";
import { paint } from "./picture.js";

/** `summary` says the same to those who cannot see it. */
export function shot(picture, marks, summary, { heightShare = 0.75 } = {}) {
  const canvas = el("canvas", { role: "img", "aria-label": summary });
  const figure = el("figure", { class: "shot" }, canvas);
  let scale = 1;
  let lit = -1;
  const draw = () => {
    const room = { width: figure.clientWidth, height: Math.max(280, innerHeight * heightShare) };
    if (room.width > 0) scale = paint(canvas, picture, marks, room, lit);
  };
  new ResizeObserver(draw).observe(figure);
  const faceAt = (event) => {
    const [x, y] = [event.offsetX / scale, event.offsetY / scale];
    return marks.findIndex(({ box: [x0, y0, x1, y1] }) => x >= x0 && x <= x1 && y >= y0 && y <= y1);
  };
  const light = (index) => {
    if (index === lit) return;
    lit = index;
    draw();
  };
  return { figure, canvas, light, faceAt };
}

/** A card under the pointer lights its box, a box under the pointer its card. */
export function link({ canvas, light, faceAt }, cards) {
  const mark = (index) => {
    light(index);
    cards.forEach((card, at) => card.classList.toggle("lit", at === index));
  };
  cards.forEach((card, index) => {
    card.addEventListener("pointerenter", () => mark(index));
    card.addEventListener("pointerleave", () => mark(-1));
  });
  canvas.addEventListener("pointermove", (event) => mark(faceAt(event)));
  canvas.addEventListener("pointerleave", () => mark(-1));
  canvas.addEventListener("click", (event) => cards[faceAt(event)]?.scrollIntoView({ block: "nearest", behavior: "smooth" }));
}
