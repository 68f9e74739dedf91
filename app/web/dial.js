// Head pose as a globe: the meridian and the equator of the face, the nose where they cross.

import { el, svg } from "./dom.js";

const R = 40;

/** Yaw > 0 turns to the picture's right, pitch > 0 down, roll > 0 clockwise; degrees. */
export function dial(pose) {
  const [yaw, pitch] = [pose.yaw, pose.pitch].map((angle) => (angle * Math.PI) / 180);
  const words = [["yaw", pose.yaw], ["pitch", pose.pitch], ["roll", pose.roll]].map(([name, angle]) => `${name} ${degrees(angle)}`);
  const [across, down] = [Math.sin(yaw), Math.sin(pitch)];
  const spread = R / Math.sqrt(Math.max(1e-6, 1 - (across * down) ** 2)); // where the two ellipses cross
  const nose = { cx: spread * across * Math.cos(pitch), cy: spread * down * Math.cos(yaw), r: 5.5, class: "nose" };
  const drawing = svg(
    "svg",
    { class: "dial", viewBox: "-50 -50 100 100", role: "img", "aria-label": `${turned(pose)}: ${words.join(", ")}` },
    svg("circle", { r: R, class: "head" }),
    svg(
      "g",
      { transform: `rotate(${pose.roll.toFixed(1)})` },
      svg("path", { d: `M0 ${-R}A${R * Math.abs(across)} ${R} 0 0 ${yaw < 0 ? 0 : 1} 0 ${R}` }),
      svg("path", { d: `M${-R} 0A${R} ${R * Math.abs(down)} 0 0 ${pitch < 0 ? 1 : 0} ${R} 0` }),
      svg("path", { d: `M0 ${-R}V${-R - 7}` }),
      svg("circle", nose),
    ),
  );
  return el("div", { class: "pose" }, drawing, el("b", {}, turned(pose)), el("span", { class: "soft" }, ...words.flatMap((word, at) => (at ? [el("br"), word] : [word]))));
}

/** In words, from the subject's own point of view. */
export function turned({ yaw }) {
  const side = yaw > 0 ? "their left" : "their right";
  if (Math.abs(yaw) < 15) return "Frontal";
  return Math.abs(yaw) < 60 ? `Turned to ${side}` : `Profile, to ${side}`;
}

function degrees(angle) {
  const whole = Math.round(angle);
  return `${whole < 0 ? "−" : ""}${Math.abs(whole)}°`;
}
