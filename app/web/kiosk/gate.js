// What can be told without asking the service: is the picture sharp, lit and still. Pure: numbers in, numbers out.

const LEAST_LIGHT = 35;
const LEAST_DETAIL = 0.045;
const MOST_MOTION = 0.09;

/** Grey levels 0-255 of a square, and those of the look before (or null). */
export function measure(grey, before) {
  const side = Math.sqrt(grey.length);
  const light = grey.reduce((sum, value) => sum + value, 0) / grey.length;
  let spread = 0;
  let detail = 0;
  for (let y = 1; y < side - 1; y += 1) {
    for (let x = 1; x < side - 1; x += 1) {
      const at = y * side + x;
      spread += Math.abs(grey[at] - light);
      detail += Math.abs(grey[at] - (grey[at - 1] + grey[at + 1] + grey[at - side] + grey[at + side]) / 4);
    }
  }
  const motion = before ? grey.reduce((sum, value, at) => sum + Math.abs(value - before[at]), 0) / grey.length / 255 : 0;
  return { light, detail: spread > 0 ? detail / spread : 0, motion };
}

/** What to say before anything is sent: "light", "still", or null when the picture will do. */
export function refusal({ light, detail, motion }) {
  if (light < LEAST_LIGHT) return "light";
  return motion > MOST_MOTION || detail < LEAST_DETAIL ? "still" : null;
}
